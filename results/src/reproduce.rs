//! A published table beside ours: its cells, the ranking of its methods, and each of its claims put
//! to the test by our runs.
//!
//! - Ours are the finished runs of one tier whose task, algorithm, teacher, dataset and settings are
//!   those that the [`Paper`] names; never runs of several configurations in one cell. A run's score
//!   is that of its last evaluation; a run that failed by its own doing counts as the task's lowest, 0 at most.
//! - Success rates are compared as they are, and so are returns of 1000 at most, in tenths; other returns
//!   on the scale from our own random policy, 0, to our own expert, 100 (the
//!   [reference](mod@crate::reference) scores), as D4RL does with its.
//! - Rankings are compared per task by Kendall's tau-b, and over tasks by a permutation test in which methods
//!   change places on all tasks at once; a cell of fewer than three runs is shown, but not ranked.
//! - A claim that one method is better than another is tested one-sidedly by a permutation test of
//!   the difference of their means, averaged over the tasks where both have three runs or more; where these
//!   are a part of its tasks, only if the paper's own figures there show it. It **holds** if
//!   every pair that it names is significant at 0.05, is **contradicted** if any pair is so the
//!   other way round (after Holm's adjustment for their number), and else is **not shown**: how
//!   probable that was for a difference of the published size, or how large one would have to be,
//!   stands beside it.

mod claims;
mod forms;
mod sheets;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use claims::{Pair, Tested, Verdict};
pub(crate) use sheets::{chance, signed};

use crate::group::{Group, OF_PROBLEM, group, of_problem, settings};
use crate::paper::{Method, Paper, Scale, Task};
use crate::reference::{self, Reference};
use crate::stats::{
    Bootstrap, Estimate, PermutationTest, Permutations, Statistic, kendall_tau_b, mean,
};
use crate::table::Metric;
use crate::table::text::clean;
use crate::{FinishedRun, Unfinished};

/// What of ours is set beside a paper, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The tier of our runs.
    pub tier: String,
    /// How intervals are computed.
    pub bootstrap: Bootstrap,
    /// How tests go through permutations.
    pub permutations: Permutations,
    /// What returns are normalised by; the committed references unless told otherwise.
    pub references: Vec<Reference>,
}

impl Options {
    /// Runs of this tier; fewer draws than elsewhere, for there are many cells and pairs.
    #[must_use]
    pub fn of_tier(tier: &str) -> Self {
        Self {
            tier: tier.to_owned(),
            bootstrap: Bootstrap {
                resamples: 10_000,
                ..Bootstrap::default()
            },
            permutations: Permutations {
                limit: 100_000,
                ..Permutations::default()
            },
            references: reference::committed().to_vec(),
        }
    }
}

/// One of our cells.
#[derive(Clone, Debug, PartialEq)]
pub struct Ours {
    /// Scores of its runs, in order of their seeds.
    pub scores: Vec<f64>,
    /// Their mean.
    pub estimate: Estimate,
    /// What the scores are.
    pub metric: Metric,
    /// The same in words.
    pub unit: &'static str,
    /// Commits that made the runs.
    pub commits: Vec<String>,
    /// How many of the runs failed.
    pub failed: usize,
}

impl Ours {
    /// Fewer than three seeds: shown, but counted neither in rankings nor for claims.
    #[must_use]
    pub fn preliminary(&self) -> bool {
        self.scores.len() < 3
    }
}

/// A published figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The mean.
    pub mean: f64,
    /// Its spread, where it is known.
    pub spread: Option<f64>,
    /// Whether it was read in the paper itself. What was not is shown, and counts for nothing.
    pub verified: bool,
}

/// Both sides of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The paper's.
    pub theirs: Option<Published>,
    /// Ours.
    pub ours: Option<Ours>,
}

impl Cell {
    /// The published mean, if it was read in the paper.
    fn published(&self) -> Option<f64> {
        self.theirs
            .filter(|theirs| theirs.verified)
            .map(|theirs| theirs.mean)
    }

    /// Our figure, if it is of enough runs to be counted.
    fn counted(&self) -> Option<&Ours> {
        self.ours.as_ref().filter(|ours| !ours.preliminary())
    }

    /// Our scores, if they are counted and on a scale of 0 to 100.
    fn scaled(&self) -> Option<&Vec<f64>> {
        let ours = self.counted()?;
        (ours.metric != Metric::Return).then_some(&ours.scores)
    }
}

/// How far rankings agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Tasks on which three methods at least have both figures, each with its number of methods and
    /// its tau-b; `None` where one side is all ties.
    pub tasks: Vec<(usize, usize, Option<f64>)>,
    /// Of those with a tau-b, pooled.
    pub pooled: Option<PermutationTest>,
}

/// A published table and ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Reproduction {
    /// The published table.
    pub paper: Paper,
    /// Tier of our runs.
    pub tier: String,
    /// By task and method, in the paper's orders.
    pub cells: Vec<Vec<Cell>>,
    /// How far the methods' rankings agree.
    pub agreement: Agreement,
    /// The paper's claims, in its order.
    pub claims: Vec<Tested>,
    /// What has to be said beside the figures.
    pub notes: Vec<String>,
    /// Coverage of the intervals, in (0, 1).
    pub level: f64,
}

impl Reproduction {
    /// Sets `finished`, and `unfinished` as far as they failed, beside `paper`.
    #[must_use]
    pub fn new(
        paper: Paper,
        finished: &[FinishedRun],
        unfinished: &[Unfinished],
        options: &Options,
    ) -> Self {
        let failed: Vec<FinishedRun> = unfinished.iter().filter_map(Unfinished::failed).collect();
        let of_tier = |run: &&FinishedRun| run.info.tier == options.tier;
        let mut groups = group(finished.iter().chain(&failed).filter(of_tier));
        groups.retain(|group| paper.tasks.iter().any(|task| is_on(group, task)));
        let mut notes = one_task_a_name(&mut groups);
        let mut cell = |task: &Task, method: &Method| Cell {
            theirs: task.cells.get(&method.name).map(|figures| Published {
                mean: figures[0],
                spread: figures.get(1).copied(),
                verified: paper.verified(method),
            }),
            ours: ours(&paper, task, method, &groups, options, &mut notes),
        };
        let row = |task: &Task| paper.methods.iter().map(|m| cell(task, m)).collect();
        let cells: Vec<Vec<Cell>> = paper.tasks.iter().map(row).collect();
        Self {
            agreement: agreement(&cells, &options.permutations),
            claims: claims::test(&paper, &cells, options),
            tier: options.tier.clone(),
            level: options.bootstrap.level,
            cells,
            paper,
            notes,
        }
    }

    /// Numbers of cells that have ours, and of all.
    #[must_use]
    pub fn coverage(&self) -> (usize, usize) {
        let cells = self.cells.iter().flatten();
        let ours = cells.clone().filter(|cell| cell.ours.is_some()).count();
        (ours, cells.count())
    }
}

/// The metric that a published scale is set beside.
fn metric(scale: Scale) -> Metric {
    match scale {
        Scale::Success => Metric::Success,
        Scale::Return | Scale::ReturnOf1000 | Scale::D4rl | Scale::RatioToSac => Metric::Normalised,
    }
}

/// Whether runs are on the task, and on the dataset if the paper names one.
fn is_on(group: &Group<'_>, task: &Task) -> bool {
    let run = group.runs[0];
    let on = |name: &String| settings(run).get("dataset.name") == Some(name);
    task.task.as_ref() == Some(&run.info.task) && task.dataset.as_ref().is_none_or(on)
}

/// Our runs of a cell. Of several configurations the one with most runs, the longest of such, and a note says so.
fn ours(
    paper: &Paper,
    task: &Task,
    method: &Method,
    groups: &[Group<'_>],
    options: &Options,
    notes: &mut Vec<String>,
) -> Option<Ours> {
    let algorithm = method.algorithm.as_deref()?;
    let fits = |group: &&Group<'_>| {
        let settings = settings(group.runs[0]);
        let is = |key: &str, value: &str| settings.get(key).is_some_and(|found| found == value);
        let teacher = method.teacher.as_deref().unwrap_or("oracle");
        is_on(group, task)
            && group.algorithm == algorithm
            && group.teacher.is_none_or(|found| found == teacher)
            && method.set.iter().all(|(key, value)| is(key, &plain(value)))
            // A task's settings are for the methods that have them.
            && task
                .set
                .iter()
                .all(|(key, value)| !settings.contains_key(key) || is(key, &plain(value)))
    };
    let mut found: Vec<&Group<'_>> = groups.iter().filter(fits).collect();
    let steps = |group: &Group<'_>| {
        group.runs[0]
            .info
            .config
            .get("steps")
            .and_then(Value::as_u64)
    };
    found.sort_by_key(|group| std::cmp::Reverse((group.runs.len(), steps(group))));
    let taken = *found.first()?;
    if let [_, others @ ..] = &found[..]
        && !others.is_empty()
    {
        // Where the paper's table names no dataset, they may be of several.
        let datasets = others.iter().any(|other| other.task != taken.task);
        let named = |group: &Group<'_>| match datasets {
            true => clean(&format!("{} on {}", group.label(), group.task)),
            false => clean(&group.label()),
        };
        let others: Vec<String> = others.iter().map(|other| named(other)).collect();
        notes.push(format!(
            "{} on {}: of several configurations the one with most runs stands here, {}; not {}.",
            method.name,
            task.name,
            named(taken),
            others.join(", nor ")
        ));
    }
    let of_1000 = paper.scale(task) == Scale::ReturnOf1000;
    let wanted = metric(paper.scale(task));
    let reference = reference::of_run(&options.references, &taken.runs[0].info);
    let metric = match (wanted, reference.and_then(|r| r.normalised(0.0))) {
        (Metric::Normalised, None) if !of_1000 => {
            notes.push(format!(
                "{}: our returns are as they are, for want of reference scores; they are ranked, but no claim is tested by them.",
                task.name
            ));
            Metric::Return
        }
        (wanted, _) => wanted,
    };
    let last = |run: &FinishedRun| match of_1000 {
        true => Some(run.evals.last()?.mean_return()? / 10.0),
        false => metric.of(run.evals.last()?, reference),
    };
    let on_task = groups.iter().filter(|group| group.task == taken.task);
    let worst = metric.worst(
        on_task
            .flat_map(|group| &group.runs)
            .filter_map(|run| last(run)),
    );
    let score = |run: &&FinishedRun| match run.evals.is_empty() {
        true => worst.filter(|_| metric != Metric::Return),
        false => last(run),
    };
    let scores: Vec<f64> = taken.runs.iter().filter_map(score).collect();
    let failed = taken.runs.iter().filter(|run| run.evals.is_empty()).count();
    if metric == Metric::Return && failed > 0 {
        notes.push(format!(
            "{} on {}: {failed} failed (diverged) and are left out, for want of a scale with a worst score.",
            method.name, task.name
        ));
    }
    let estimate = Estimate {
        value: mean(&scores)?,
        interval: options
            .bootstrap
            .interval(Statistic::Mean, std::slice::from_ref(&scores)),
    };
    let commit = |run: &&FinishedRun| Some(clean(run.summary.get("commit")?.as_str()?));
    let mut commits: Vec<String> = taken.runs.iter().filter_map(commit).collect();
    commits.sort();
    commits.dedup();
    Some(Ours {
        failed: match metric {
            Metric::Return => 0,
            Metric::Success | Metric::Normalised => failed,
        },
        scores,
        estimate,
        unit: match of_1000 {
            true => "return / 10",
            false => metric.name(),
        },
        metric,
        commits,
    })
}

/// Of runs that are called of one task and are not keeps the kind with most of them, and says so.
fn one_task_a_name(groups: &mut Vec<Group<'_>>) -> Vec<String> {
    let mut notes = Vec::new();
    for key in OF_PROBLEM {
        let value = |group: &Group<'_>| of_problem(&group.runs[0].info, key);
        let mut runs = BTreeMap::<String, BTreeMap<String, usize>>::new();
        for group in &*groups {
            if let Some(value) = value(group) {
                let of_name = runs.entry(group.task.to_string()).or_default();
                *of_name.entry(value).or_default() += group.runs.len();
            }
        }
        for (task, values) in runs.into_iter().filter(|(_, values)| values.len() > 1) {
            let Some((kept, _)) = values.iter().max_by_key(|(_, runs)| **runs) else {
                continue;
            };
            groups.retain(|group| {
                group.task != task || value(group).is_none_or(|value| value == *kept)
            });
            notes.push(clean(&match key {
                "dataset.hash" => format!(
                    "{task}: of several datasets of this name the one with most runs stands here, whose hash is {kept}."
                ),
                _ => format!(
                    "{task}: of runs that differ in `{key}`, and so are not of one task, those with {kept} stand here: they are the most."
                ),
            }));
        }
    }
    notes
}

/// A setting as [`settings`] spells it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => crate::canonical_json(other),
    }
}

fn agreement(cells: &[Vec<Cell>], permutations: &Permutations) -> Agreement {
    let (mut tasks, mut rankings) = (Vec::new(), Vec::new());
    for (i, row) in cells.iter().enumerate() {
        let both = |cell: &Cell| Some([cell.published()?, cell.counted()?.estimate.value]);
        let row = row.iter().map(both).collect::<Vec<_>>();
        let (x, y): (Vec<f64>, Vec<f64>) = row.iter().flatten().map(|[x, y]| (x, y)).unzip();
        if x.len() < 3 {
            continue;
        }
        let tau = kendall_tau_b(&x, &y);
        tasks.push((i, x.len(), tau));
        if tau.is_some() {
            rankings.push(row);
        }
    }
    Agreement {
        tasks,
        pooled: permutations.kendall(&rankings),
    }
}

/// Notes in the order in which they came, each once.
fn once(notes: &[String]) -> Vec<&String> {
    let mut seen = BTreeSet::new();
    notes.iter().filter(|note| seen.insert(*note)).collect()
}
