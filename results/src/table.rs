//! Tables of finished runs: one row per configuration and metric, summarised over seeds.
//!
//! What cannot be averaged is named under the table and never silently dropped: unfinished and
//! damaged runs, rows with unequal seeds, rows with too few of them.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use crate::group::{Group, group, spell_seeds};
use crate::stats::{self, Bootstrap, Interval, Statistic};
use crate::{Eval, FinishedRun, Unfinished};

/// What an evaluation is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Mean undiscounted true return per episode, in the task's reward units.
    Return,
    /// Successful episodes, in per cent.
    Success,
}

impl Metric {
    /// The score of one evaluation: the mean over its episodes; `None` if it has none.
    #[must_use]
    pub fn of(self, eval: &Eval) -> Option<f64> {
        match self {
            Self::Return => eval.mean_return(),
            Self::Success => eval.success_rate().map(|rate| 100.0 * rate),
        }
    }

    /// Its name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Success => "success %",
        }
    }
}

/// What a table shows.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// The metrics, one row each. `None`: the return, and the success rate on tasks on which some
    /// run ever succeeded (the others are named under the table).
    pub metrics: Option<Vec<Metric>>,
    /// How intervals are computed.
    pub bootstrap: Bootstrap,
}

/// One configuration under one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Task.
    pub task: String,
    /// Algorithm.
    pub algorithm: String,
    /// Teacher, if the algorithm has one.
    pub teacher: Option<String>,
    /// Budget tier.
    pub tier: String,
    /// Settings that tell this row from its namesakes; empty if it has none.
    pub variant: String,
    /// The metric of the scores.
    pub metric: Metric,
    /// The runs' seeds, increasing.
    pub seeds: Vec<u64>,
    /// The runs' scores, in the order of the seeds.
    pub scores: Vec<f64>,
    /// Mean over seeds.
    pub mean: f64,
    /// Sample standard deviation over seeds (n - 1); `None` for one seed.
    pub std: Option<f64>,
    /// Interquartile mean over seeds.
    pub iqm: f64,
    /// Bootstrap interval of the IQM; `None` for one seed.
    pub interval: Option<Interval>,
    /// Steps at the last evaluation, least and most over seeds.
    pub steps: (u64, u64),
    /// Feedback asked for by the last evaluation, least and most over seeds.
    pub feedback: (u64, u64),
}

impl Row {
    /// Fewer than three seeds: not to be relied on.
    #[must_use]
    pub fn preliminary(&self) -> bool {
        self.scores.len() < 3
    }
}

/// A table and what has to be said under it.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The rows, ordered by task, tier, algorithm, teacher, variant and metric.
    pub rows: Vec<Row>,
    /// Sentences that belong under the table.
    pub notes: Vec<String>,
    /// Coverage of the intervals, in (0, 1).
    pub level: f64,
}

impl Table {
    /// Summarises `finished` over seeds. `unfinished` is only listed.
    #[must_use]
    pub fn new(
        finished: &[FinishedRun],
        unfinished: &[Unfinished],
        options: &TableOptions,
    ) -> Self {
        let groups = group(finished);
        let successful: BTreeSet<&str> = finished
            .iter()
            .filter(|run| ever_succeeded(run))
            .map(|run| &*run.info.task)
            .collect();
        let mut rows = Vec::new();
        for group in &groups {
            let automatic = match successful.contains(group.task) {
                true => vec![Metric::Return, Metric::Success],
                false => vec![Metric::Return],
            };
            for &metric in options.metrics.as_ref().unwrap_or(&automatic) {
                rows.extend(row(group, metric, &options.bootstrap));
            }
        }
        let mut notes = estimators(&options.bootstrap);
        if rows.iter().any(Row::preliminary) {
            notes.push("† Preliminary: fewer than 3 seeds.".into());
        }
        notes.extend(unequal_seeds(&groups));
        if options.metrics.is_none() {
            let tasks: BTreeSet<&str> = groups.iter().map(|group| group.task).collect();
            let without: Vec<&str> = tasks.difference(&successful).copied().collect();
            if !without.is_empty() {
                notes.push(format!(
                    "No run ever reported a success on: {}.",
                    without.join(", ")
                ));
            }
        }
        notes.extend(left_out(finished, unfinished));
        Self {
            rows,
            notes,
            level: options.bootstrap.level,
        }
    }
}

/// The summary of one group under one metric; `None` if no run has a score.
fn row(group: &Group<'_>, metric: Metric, bootstrap: &Bootstrap) -> Option<Row> {
    let scored = |run: &&FinishedRun| {
        let last = run.evals.last()?;
        Some((
            run.info.seed,
            metric.of(last)?,
            last.step,
            last.feedback_asked,
        ))
    };
    let scored: Vec<(u64, f64, u64, u64)> = group.runs.iter().filter_map(scored).collect();
    let scores: Vec<f64> = scored.iter().map(|run| run.1).collect();
    let range = |values: &mut dyn Iterator<Item = u64>| {
        values.fold((u64::MAX, 0), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    Some(Row {
        task: group.task.into(),
        algorithm: group.algorithm.into(),
        teacher: group.teacher.map(Into::into),
        tier: group.tier.into(),
        variant: group.variant.clone(),
        metric,
        seeds: scored.iter().map(|run| run.0).collect(),
        mean: stats::mean(&scores)?,
        std: stats::std(&scores),
        iqm: stats::iqm(&scores)?,
        interval: bootstrap.interval(Statistic::Iqm, std::slice::from_ref(&scores)),
        steps: range(&mut scored.iter().map(|run| run.2)),
        feedback: range(&mut scored.iter().map(|run| run.3)),
        scores,
    })
}

fn ever_succeeded(run: &FinishedRun) -> bool {
    run.evals
        .iter()
        .flat_map(|eval| &eval.episodes)
        .any(|episode| episode.success)
}

/// What the figures in the table are.
fn estimators(bootstrap: &Bootstrap) -> Vec<String> {
    vec![
        "Score of a run: mean over the episodes of its last evaluation, under the true reward.".into(),
        "IQM: interquartile mean over seeds, without the floor(n/4) lowest and highest; the mean for n < 4.".into(),
        format!(
            "Interval: stratified bootstrap percentile interval of the IQM, {} resamples of the seeds.",
            text::thousands(bootstrap.resamples as u64)
        ),
    ]
}

/// A sentence per task and tier whose rows do not all have the same seeds.
fn unequal_seeds(groups: &[Group<'_>]) -> Vec<String> {
    let mut by_task = BTreeMap::<_, BTreeMap<Vec<u64>, Vec<String>>>::new();
    for group in groups {
        let seeds = group.runs.iter().map(|run| run.info.seed).collect();
        by_task
            .entry((group.task, group.tier))
            .or_default()
            .entry(seeds)
            .or_default()
            .push(group.label());
    }
    let unequal = by_task
        .into_iter()
        .filter(|(_, by_seeds)| by_seeds.len() > 1);
    unequal
        .map(|((task, tier), by_seeds)| {
            let sets = by_seeds.iter().map(|(seeds, rows)| {
                format!("seeds {} for {}", spell_seeds(seeds), rows.join(", "))
            });
            format!(
                "Unequal seeds on {task} ({tier}): {}.",
                sets.collect::<Vec<_>>().join("; ")
            )
        })
        .collect()
}

/// A count and a list of everything that is not in the table.
fn left_out(finished: &[FinishedRun], unfinished: &[Unfinished]) -> Vec<String> {
    let scoreless = finished
        .iter()
        .filter(|run| run.evals.last().is_none_or(|eval| eval.episodes.is_empty()));
    let scoreless = scoreless.map(|run| {
        (
            &run.dir,
            "finished, but its last evaluation has no episodes".to_owned(),
        )
    });
    let unfinished = unfinished.iter().map(|run| (&run.dir, run.why.to_string()));
    let listed: Vec<String> = scoreless
        .chain(unfinished)
        .map(|(dir, why)| {
            let name = dir.file_name().map_or_else(
                || dir.display().to_string(),
                |name| name.to_string_lossy().into(),
            );
            format!("  {name}: {why}")
        })
        .collect();
    match listed.len() {
        0 => Vec::new(),
        1 => vec![format!("Not averaged, 1 run:\n{}", listed[0])],
        n => vec![format!("Not averaged, {n} runs:\n{}", listed.join("\n"))],
    }
}
