//! The tables of a [`Reproduction`], independent of their form.

use super::claims::LEVEL;
use super::{Pair, Reproduction};
use crate::paper::Method;
use crate::sheet::{Entry, Sheet};
use crate::stats::Estimate;

impl Reproduction {
    /// Two rows for each task: the paper's and ours.
    pub(super) fn cell_sheet(&self) -> Sheet {
        let mut rows = Vec::new();
        for (task, row) in self.paper.tasks.iter().zip(&self.cells) {
            let scale = self.paper.scale(task);
            let mut theirs = vec![
                Entry::plain(&task.name),
                Entry::plain(scale.name()),
                Entry::plain("paper"),
            ];
            theirs.extend(row.iter().map(|cell| match cell.theirs {
                None => Entry::plain("–"),
                Some(theirs) => Entry {
                    text: format!("{}{}", theirs.mean, if theirs.verified { "" } else { "‡" }),
                    aside: theirs.spread.map_or_else(String::new, |s| format!("± {s}")),
                    strong: false,
                },
            }));
            if !task.cells.is_empty() || task.task.is_none() {
                rows.push(theirs);
            }
            let (Some(id), Some(fidelity)) = (&task.task, task.fidelity) else {
                continue;
            };
            let dataset = task.dataset.as_ref().map(|d| format!(" {d}"));
            let metric = row.iter().find_map(|cell| Some(cell.ours.as_ref()?.unit));
            let mut ours = vec![
                Entry::plain(format!(
                    "{id}{} ({})",
                    dataset.unwrap_or_default(),
                    fidelity.name()
                )),
                Entry::plain(metric.unwrap_or("–")),
                Entry::plain("ours"),
            ];
            ours.extend(row.iter().map(|cell| match &cell.ours {
                None => Entry::plain("–"),
                Some(ours) => {
                    let mut entry = Entry::of(Some(ours.estimate), 1);
                    if ours.preliminary() {
                        entry.text.push('†');
                    }
                    entry
                }
            }));
            rows.push(ours);
        }
        let head = ["task", "figure", ""].map(str::to_owned).into_iter();
        Sheet {
            caption: format!(
                "The paper's figures{} and ours: means over seeds with {} % bootstrap intervals.",
                match &*self.paper.spread {
                    "" => String::new(),
                    spread => format!(" (± {spread})"),
                },
                100.0 * self.level
            ),
            words: 3,
            head: head
                .chain(self.paper.methods.iter().map(|m| m.name.clone()))
                .collect(),
            rows,
        }
    }

    pub(super) fn ranking_sheet(&self) -> Sheet {
        let row = |(task, methods, tau): &(usize, usize, Option<f64>)| {
            vec![
                Entry::plain(&self.paper.tasks[*task].name),
                Entry::plain(methods.to_string()),
                Entry::plain(tau.map_or_else(|| "all tied".into(), |tau| signed(tau, 2))),
            ]
        };
        Sheet {
            caption: "Kendall's tau-b between the paper's ranking of the methods and ours: 1 the same, −1 the \
                      reverse, 0 on average by chance."
                .into(),
            words: 1,
            head: ["task", "methods", "tau-b"].map(Into::into).into(),
            rows: self.agreement.tasks.iter().map(row).collect(),
        }
    }

    pub(super) fn claim_sheet(&self) -> Sheet {
        let mut rows = Vec::new();
        for tested in &self.claims {
            for (i, pair) in tested.pairs.iter().enumerate() {
                let mark = if tested.claim.verified { "" } else { "‡" };
                let said = format!("{}{mark} ({})", tested.claim.says, tested.claim.place);
                let first = |text: &str| Entry::plain(if i == 0 { text } else { "" });
                let share =
                    |p: Option<f64>| Entry::plain(p.map_or_else(|| "–".into(), probability));
                let points =
                    |x: Option<f64>| Entry::plain(x.map_or_else(|| "–".into(), |x| signed(x, 1)));
                rows.push(vec![
                    first(&said),
                    first(tested.verdict.name()),
                    Entry::plain(self.name(pair)),
                    Entry::plain(format!(
                        "{} of {}{}",
                        pair.tasks.len(),
                        pair.about,
                        if pair.counts() { "" } else { "§" }
                    )),
                    points(pair.theirs),
                    Entry::of(pair.ours, 1),
                    share(pair.p),
                    share(pair.power),
                    points(pair.detectable),
                ]);
            }
        }
        let head = [
            "claim",
            "verdict",
            "pair",
            "tasks",
            "paper",
            "ours",
            "p",
            "power",
            "detectable",
        ];
        Sheet {
            caption: format!(
                "Each claim, and the pairs of methods that it is about: difference of means over our tasks in \
                 points of 100, the paper's and ours with {} % bootstrap interval; p, the probability of ours or \
                 more by chance; power, that of finding a difference as large as the paper's at level {LEVEL}; \
                 and the difference that would be found with probability 0.8.",
                100.0 * self.level
            ),
            words: 3,
            head: head.map(Into::into).into(),
            rows,
        }
    }

    pub(super) fn method_sheet(&self) -> Sheet {
        let row = |method: &Method| {
            let ours = match &method.algorithm {
                None => "not in prefbench".to_owned(),
                Some(algorithm) => {
                    let teacher = method.teacher.iter().map(|t| format!(" · {t}"));
                    let set = method
                        .set
                        .iter()
                        .map(|(key, value)| format!(" · {key}={value}"));
                    algorithm.clone() + &teacher.chain(set).collect::<String>()
                }
            };
            let read = if self.paper.verified(method) {
                "yes"
            } else {
                "no‡"
            };
            [&method.name, &ours, read, &method.note]
                .map(Entry::plain)
                .into()
        };
        Sheet {
            caption: "Which of our algorithms stands for which of the paper's, and whether the paper's figures were \
                      read in the paper itself."
                .into(),
            words: 4,
            head: ["method", "ours", "read", "note"].map(Into::into).into(),
            rows: self.paper.methods.iter().map(row).collect(),
        }
    }

    pub(super) fn name(&self, pair: &Pair) -> String {
        let name = |method: usize| &*self.paper.methods[method].name;
        format!("{} over {}", name(pair.better), name(pair.worse))
    }
}

/// A number with a sign that is as wide as its digits; none before zeros.
pub(crate) fn signed(x: f64, decimals: usize) -> String {
    Entry::of(
        Some(Estimate {
            value: x,
            interval: None,
        }),
        decimals,
    )
    .text
}

/// `p = 0.012`, `p < 0.001`.
pub(crate) fn chance(p: f64) -> String {
    match p < 0.001 {
        true => format!("p {}", probability(p)),
        false => format!("p = {}", probability(p)),
    }
}

pub(super) fn probability(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p => format!("{p:.3}"),
    }
}
