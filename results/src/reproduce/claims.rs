//! A paper's claims, tested by our runs.

use super::{Cell, Options};
use crate::paper::{Claim, Paper};
use crate::stats::{Estimate, Welch, holm, mean};

/// Level of the tests.
pub(super) const LEVEL: f64 = 0.05;

/// What our runs say of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every pair that it names differs significantly, as claimed.
    Holds,
    /// Neither that nor the contrary.
    NotShown,
    /// Some pair differs significantly the other way round.
    Contradicted,
    /// There are not the runs to test every pair.
    Untested,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NotShown => "not shown",
            Self::Contradicted => "contradicted",
            Self::Untested => "untested",
        }
    }
}

/// A claim and the pairs of methods that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// The claim.
    pub claim: Claim,
    /// Each of its better methods against each of its worse ones.
    pub pairs: Vec<Pair>,
    /// The outcome.
    pub verdict: Verdict,
}

/// A better and a worse method, as is claimed. Differences are the better's score less the worse's.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The better's place among the paper's methods.
    pub better: usize,
    /// The worse's.
    pub worse: usize,
    /// Tasks where both have three runs of ours or more, on a scale of 0 to 100, by their place in the paper.
    pub tasks: Vec<usize>,
    /// How many tasks the claim is about.
    pub about: usize,
    /// Published mean difference on these tasks, in points of 100; without such tasks, on all that
    /// the claim is about. `None` where a figure is missing.
    pub theirs: Option<f64>,
    /// The same on the tasks alone, be the figures read in the paper or not.
    shown: Option<f64>,
    /// Ours, in points of 100; `None` without such tasks.
    pub ours: Option<Estimate>,
    /// One-sided p-value of ours: of so large a difference by chance.
    pub p: Option<f64>,
    /// That of the contrary.
    pub against: Option<f64>,
    /// Probability that the test finds a difference as large as the published. By Welch's t, from
    /// our runs' deviations.
    pub power: Option<f64>,
    /// The difference that it finds with probability 0.8, in points.
    pub detectable: Option<f64>,
}

impl Pair {
    /// Whether ours can speak of the claim: on a part of its tasks only if the paper's own figures, read in it or
    /// not, show it there.
    #[must_use]
    pub fn counts(&self) -> bool {
        let some = !self.tasks.is_empty() && self.tasks.len() < self.about;
        !some || self.shown.is_some_and(|points| points > 0.0)
    }
}

pub(super) fn test(paper: &Paper, cells: &[Vec<Cell>], options: &Options) -> Vec<Tested> {
    let place = |name: &String| paper.methods.iter().position(|m| m.name == *name);
    let test = |claim: &Claim| {
        let mut pairs = Vec::new();
        for better in claim.better.iter().filter_map(place) {
            for worse in claim.worse.iter().filter_map(place) {
                pairs.push(pair(paper, claim, cells, [better, worse], options));
            }
        }
        Tested {
            verdict: verdict(&pairs),
            claim: claim.clone(),
            pairs,
        }
    };
    paper.claims.iter().map(test).collect()
}

/// All must be significant for a claim to hold, so that needs no adjustment; any may contradict it,
/// so that does.
fn verdict(pairs: &[Pair]) -> Verdict {
    let counted = || pairs.iter().filter(|pair| pair.counts());
    let p = |of: fn(&Pair) -> Option<f64>| -> Vec<f64> { counted().filter_map(of).collect() };
    let (against, for_it) = (p(|pair| pair.against), p(|pair| pair.p));
    if holm(&against).iter().any(|&p| p <= LEVEL) {
        Verdict::Contradicted
    } else if for_it.len() < pairs.len() {
        Verdict::Untested
    } else if for_it.iter().all(|&p| p <= LEVEL) {
        Verdict::Holds
    } else {
        Verdict::NotShown
    }
}

fn pair(
    paper: &Paper,
    claim: &Claim,
    cells: &[Vec<Cell>],
    [better, worse]: [usize; 2],
    options: &Options,
) -> Pair {
    let about = |task: &usize| {
        let name = &paper.tasks[*task].name;
        claim.tasks.is_empty() || claim.tasks.contains(name)
    };
    let about: Vec<usize> = (0..cells.len()).filter(about).collect();
    let both = |task: &usize| {
        let row = &cells[*task];
        row[better].scaled().is_some() && row[worse].scaled().is_some()
    };
    let tasks: Vec<usize> = about.iter().copied().filter(both).collect();
    let scores = |method: usize| -> Vec<Vec<f64>> {
        let scores = tasks
            .iter()
            .filter_map(|&task| cells[task][method].scaled());
        scores.cloned().collect()
    };
    let (x, y) = (scores(better), scores(worse));
    let published = |of: &[usize], figure: fn(&Cell) -> Option<f64>| {
        let difference = |&task: &usize| {
            let scale = paper.scale(&paper.tasks[task]);
            let points = |method: usize| scale.points(figure(&cells[task][method])?);
            Some(points(better)? - points(worse)?)
        };
        let differences: Option<Vec<f64>> = of.iter().map(difference).collect();
        mean(&differences?)
    };
    let of = if tasks.is_empty() { &about } else { &tasks };
    let theirs = published(of, Cell::published);
    let shown = published(&tasks, |cell| Some(cell.theirs?.mean));
    let test = options.permutations.difference(&x, &y);
    let welch = Welch::of(&x, &y);
    Pair {
        better,
        worse,
        about: about.len(),
        theirs,
        shown,
        ours: test.map(|test| Estimate {
            value: test.value,
            interval: options.bootstrap.difference_interval(&x, &y),
        }),
        power: theirs.and_then(|points| welch?.power(points, LEVEL)),
        detectable: welch.and_then(|welch| welch.detectable(LEVEL)),
        p: test.map(|test| test.greater),
        against: options.permutations.difference(&y, &x).map(|t| t.greater),
        tasks,
    }
}
