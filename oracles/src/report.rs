//! How good a teacher's answers were: shares of skips and ties, errors, and agreement by margin.

use serde::{Deserialize, Serialize};

use crate::dataset::Answer;
use crate::preference::Label;

/// A query's answer, and what the truth is.
#[derive(Copy, Clone, Debug, PartialEq)]
pub struct Judged {
    /// The answer; `None` if the query was skipped.
    pub label: Option<Label>,
    /// ΔR: true undiscounted return of the right segment less that of the left.
    pub margin: f64,
}

impl Judged {
    /// From an answer in a dataset; `None` if its true returns are unknown.
    pub fn from_answer(answer: &Answer) -> Option<Judged> {
        answer.returns.map(|[left, right]| Judged {
            label: answer.label,
            margin: right - left,
        })
    }

    /// Whether a strict answer about unequal returns is right; `None` for others.
    fn agrees(&self) -> Option<bool> {
        match self.label {
            Some(Label::Left) if self.margin != 0.0 => Some(self.margin < 0.0),
            Some(Label::Right) if self.margin != 0.0 => Some(self.margin > 0.0),
            _ => None,
        }
    }
}

/// A share of cases, with its Wilson 95 % interval.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Cases that count.
    pub count: usize,
    /// All cases, at least 1.
    pub of: usize,
    /// `count / of`.
    pub share: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The 97.5 % point of the standard normal distribution.
const Z: f64 = 1.959963984540054;

impl Share {
    /// `count` cases of `of`; `None` if there are no cases.
    ///
    /// The interval is Wilson's (1927): the shares p that a test of count/of at 5 % does not
    /// reject. It stays in [0, 1] and has a width also where all or no cases count.
    pub fn new(count: usize, of: usize) -> Option<Share> {
        if of == 0 {
            return None;
        }
        let n = of as f64;
        let share = count as f64 / n;
        let centre = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // Exact ends where no or all cases count, instead of a rounding error beside them.
        Some(Share {
            count,
            of,
            share,
            low: if count == 0 {
                0.0
            } else {
                (centre - half) / scale
            },
            high: if count == of {
                1.0
            } else {
                (centre + half) / scale
            },
        })
    }
}

/// Strict answers about pairs of similar margin.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarginBin {
    /// Smallest |ΔR| in it.
    pub low: f64,
    /// Largest |ΔR| in it.
    pub high: f64,
    /// Mean |ΔR|.
    pub mean: f64,
    /// Mean |ΔR| in units of the spread of returns, where that is known.
    pub relative: Option<f64>,
    /// Answers that agree with the true returns.
    pub agreement: Share,
}

/// What can be said about a set of answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Queries asked.
    pub asked: usize,
    /// Of those asked: skipped.
    pub skipped: Option<Share>,
    /// Of those answered: called equal.
    pub ties: Option<Share>,
    /// Of the strict answers about unequal returns: wrong.
    pub errors: Option<Share>,
    /// The strict answers about unequal returns by |ΔR|, ascending.
    pub bins: Vec<MarginBin>,
}

impl Report {
    /// The report on `queries`.
    ///
    /// `spread` is the unit of margins ([`crate::Session::return_spread`]); 0 if unknown. The answers
    /// are divided by the quantiles of |ΔR| into `bins` groups of nearly equal size. Equal margins stay
    /// together, so there may be fewer groups, and the order of the queries does not matter.
    pub fn new(queries: &[Judged], spread: f64, bins: usize) -> Report {
        let answered = queries.iter().filter(|q| q.label.is_some()).count();
        let equal = |q: &&Judged| q.label == Some(Label::Equal);
        let mut strict: Vec<(f64, bool)> = queries
            .iter()
            .filter_map(|q| Some((q.margin.abs(), q.agrees()?)))
            .collect();
        strict.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let wrong = strict.iter().filter(|(_, agrees)| !agrees).count();
        Report {
            asked: queries.len(),
            skipped: Share::new(queries.len() - answered, queries.len()),
            ties: Share::new(queries.iter().filter(equal).count(), answered),
            errors: Share::new(wrong, strict.len()),
            bins: divide(&strict, spread, bins),
        }
    }
}

/// Groups of sorted (|ΔR|, agrees).
fn divide(strict: &[(f64, bool)], spread: f64, bins: usize) -> Vec<MarginBin> {
    let mut groups = Vec::new();
    let mut begin = 0;
    for k in 1..=bins {
        let mut end = (strict.len() * k / bins).max(begin);
        // Answers of one margin belong to one group.
        while 0 < end && end < strict.len() && strict[end].0 == strict[end - 1].0 {
            end += 1;
        }
        let group = &strict[begin..end];
        begin = end;
        let agree = group.iter().filter(|(_, agrees)| *agrees).count();
        let (Some(first), Some(last), Some(agreement)) =
            (group.first(), group.last(), Share::new(agree, group.len()))
        else {
            continue;
        };
        let mean = group.iter().map(|(margin, _)| margin).sum::<f64>() / group.len() as f64;
        groups.push(MarginBin {
            low: first.0,
            high: last.0,
            mean,
            relative: (spread > 0.0).then(|| mean / spread),
            agreement,
        });
    }
    groups
}
