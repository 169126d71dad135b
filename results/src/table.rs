//! Tables of finished runs: one row per configuration and metric, summarised over seeds.
//!
//! What cannot be averaged is named under the table and never silently dropped: unfinished and
//! damaged runs, rows with unequal seeds, rows with too few of them.

mod grid;
pub(crate) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use grid::Grid;
pub(crate) use grid::quoted;

use crate::group::{Group, group, spell_seeds};
use crate::reference::{self, Reference};
use crate::stats::{self, Bootstrap, Interval, Statistic};
use crate::{Eval, FinishedRun, Unfinished};

/// What an evaluation is scored by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Mean undiscounted true return per episode, in the task's reward units.
    Return,
    /// Successful episodes, in per cent.
    Success,
    /// The return on the scale from a random policy, 0, to an expert, 100; see [`Reference`].
    Normalised,
}

impl Metric {
    /// Decimals of a figure as large as `size`: one for per cents, normalised and large returns, more for small ones.
    pub(crate) fn decimals(self, size: f64) -> usize {
        match size.abs() {
            _ if self != Self::Return => 1,
            size if size >= 10.0 || size == 0.0 => 1,
            size if size >= 1.0 => 2,
            _ => 3,
        }
    }

    /// The score of one evaluation: the mean over its episodes; `None` if it has none, or is to be
    /// normalised without a `reference`.
    #[must_use]
    pub fn of(self, eval: &Eval, reference: Option<&Reference>) -> Option<f64> {
        match self {
            Self::Return => eval.mean_return(),
            Self::Success => eval.success_rate().map(|rate| 100.0 * rate),
            Self::Normalised => reference?.normalised(eval.mean_return()?),
        }
    }

    /// What a run that failed counts as among these scores of its task: the lowest of them, and 0 at most
    /// where 0 is nothing learned. `None` for returns if there are none.
    #[must_use]
    pub fn worst(self, scores: impl Iterator<Item = f64>) -> Option<f64> {
        match self {
            Self::Return => scores.min_by(f64::total_cmp),
            Self::Success | Self::Normalised => Some(scores.fold(0.0, f64::min)),
        }
    }

    /// Its name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Return => "return",
            Self::Success => "success %",
            Self::Normalised => "normalised",
        }
    }
}

/// What a table shows.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The metrics, one row each. `None`: the return, the success rate on tasks on which some run
    /// ever succeeded (the others are named under the table), and the normalised return on tasks
    /// with a reference.
    pub metrics: Option<Vec<Metric>>,
    /// How intervals are computed.
    pub bootstrap: Bootstrap,
    /// What returns are normalised by; the committed references unless told otherwise.
    pub references: Vec<Reference>,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            metrics: None,
            bootstrap: Bootstrap::default(),
            references: reference::committed().to_vec(),
        }
    }
}

/// One configuration under one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Task, and dataset of offline runs.
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
    /// Mean over seeds of each run's best evaluation, chosen with hindsight; of offline runs, whose papers
    /// may mean either.
    pub best: Option<f64>,
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
        let successful: BTreeSet<_> = finished
            .iter()
            .filter(|run| ever_succeeded(run))
            .map(|run| run.info.problem())
            .collect();
        let mut rows = Vec::new();
        for group in &groups {
            let automatic = match successful.contains(&group.task) {
                true => vec![Metric::Return, Metric::Success, Metric::Normalised],
                false => vec![Metric::Return, Metric::Normalised],
            };
            for &metric in options.metrics.as_ref().unwrap_or(&automatic) {
                rows.extend(row(group, metric, options));
            }
        }
        let mut notes = estimators(&options.bootstrap);
        if rows.iter().any(|row| row.best.is_some()) {
            notes.push(
                "Best: mean over seeds of each run's best evaluation, chosen with hindsight; all else is of the last."
                    .into(),
            );
        }
        notes.extend(normalised_by(&groups, &rows, options));
        if rows.iter().any(Row::preliminary) {
            notes.push("† Preliminary: fewer than 3 seeds.".into());
        }
        notes.extend(unequal_seeds(groups.iter().map(|group| {
            let seeds = group.runs.iter().map(|run| run.info.seed);
            ((&*group.task, group.tier), group.label(), seeds.collect())
        })));
        if options.metrics.is_none() {
            let tasks: BTreeSet<_> = groups.iter().map(|group| group.task.clone()).collect();
            let without: Vec<&str> = tasks.difference(&successful).map(|task| &**task).collect();
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
fn row(group: &Group<'_>, metric: Metric, options: &TableOptions) -> Option<Row> {
    let scored = |run: &&FinishedRun| {
        let last = run.evals.last()?;
        let reference = reference::of_run(&options.references, &run.info);
        Some((
            run.info.seed,
            metric.of(last, reference)?,
            last.step,
            last.feedback_asked,
        ))
    };
    let scored: Vec<(u64, f64, u64, u64)> = group.runs.iter().filter_map(scored).collect();
    let scores: Vec<f64> = scored.iter().map(|run| run.1).collect();
    let best = |run: &&FinishedRun| {
        let reference = reference::of_run(&options.references, &run.info);
        let scores = run.evals.iter().filter_map(|e| metric.of(e, reference));
        scores.reduce(f64::max)
    };
    let offline = |run: &&FinishedRun| run.info.config.get("dataset").is_some();
    let best: Vec<f64> = match group.runs.iter().all(offline) {
        true => group.runs.iter().filter_map(best).collect(),
        false => Vec::new(),
    };
    let range = |values: &mut dyn Iterator<Item = u64>| {
        values.fold((u64::MAX, 0), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    Some(Row {
        task: group.task.clone().into_owned(),
        algorithm: group.algorithm.into(),
        teacher: group.teacher.map(Into::into),
        tier: group.tier.into(),
        variant: group.variant.clone(),
        metric,
        seeds: scored.iter().map(|run| run.0).collect(),
        mean: stats::mean(&scores)?,
        std: stats::std(&scores),
        best: stats::mean(&best),
        iqm: stats::iqm(&scores)?,
        interval: options
            .bootstrap
            .interval(Statistic::Iqm, std::slice::from_ref(&scores)),
        steps: range(&mut scored.iter().map(|run| run.2)),
        feedback: range(&mut scored.iter().map(|run| run.3)),
        scores,
    })
}

pub(crate) fn ever_succeeded(run: &FinishedRun) -> bool {
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

/// By what returns were normalised, and for want of what they were not although asked for.
fn normalised_by(groups: &[Group<'_>], rows: &[Row], options: &TableOptions) -> Vec<String> {
    let (mut ends, mut without) = (BTreeSet::new(), BTreeSet::new());
    for run in groups.iter().flat_map(|group| &group.runs) {
        let of = |row: &Row| row.metric == Metric::Normalised && row.task == run.info.problem();
        match reference::of_run(&options.references, &run.info) {
            Some(r) if rows.iter().any(of) => drop(ends.insert(scale(r))),
            _ => drop(without.insert(&*run.info.task)),
        }
    }
    let mut notes = Vec::new();
    if !ends.is_empty() {
        notes.push(format!(
            "Normalised: 0 is the return of a random policy, 100 that of an expert: {}.",
            Vec::from_iter(ends).join("; ")
        ));
    }
    let mut asked = options.metrics.iter().flatten();
    if asked.any(|&m| m == Metric::Normalised) && !without.is_empty() {
        notes.push(format!(
            "Not normalised, for want of a reference (of this version of the task, its expert above chance): {}.",
            Vec::from_iter(without).join(", ")
        ));
    }
    notes
}

/// The returns that are 0 and 100 on a task's normalised scale, and whose they are.
pub(crate) fn scale(r: &Reference) -> String {
    format!(
        "{:.1} and {:.1} on {} ({}, {}, {} steps)",
        r.random.mean,
        r.expert.mean,
        r.task,
        r.expert.algorithm,
        r.tier,
        text::thousands(r.expert.steps)
    )
}

/// A sentence per task and tier whose rows do not all have the same seeds. Given are task and
/// tier, label and seeds of each row.
pub(crate) fn unequal_seeds<'a>(
    rows: impl Iterator<Item = ((&'a str, &'a str), String, Vec<u64>)>,
) -> Vec<String> {
    let mut by_task = BTreeMap::<_, BTreeMap<Vec<u64>, Vec<String>>>::new();
    for (task, label, seeds) in rows {
        let by_seeds = by_task.entry(task).or_default();
        by_seeds.entry(seeds).or_default().push(label);
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
    let scoreless = finished.iter().filter_map(scoreless);
    let unfinished = unfinished
        .iter()
        .map(|run| (folder(&run.dir), run.why.to_string()));
    let listed: Vec<String> = scoreless
        .chain(unfinished)
        .map(|(name, why)| format!("  {name}: {why}"))
        .collect();
    match listed.len() {
        0 => Vec::new(),
        1 => vec![format!("Not averaged, 1 run:\n{}", listed[0])],
        n => vec![format!("Not averaged, {n} runs:\n{}", listed.join("\n"))],
    }
}

/// The folder of a finished run that has no score for all that, and why.
pub(crate) fn scoreless(run: &FinishedRun) -> Option<(String, String)> {
    let last = run.evals.last();
    last.is_none_or(|eval| eval.episodes.is_empty()).then(|| {
        let why = "finished, but its last evaluation has no episodes";
        (folder(&run.dir), why.to_owned())
    })
}

/// The name of a run's folder.
pub(crate) fn folder(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or(dir.as_os_str());
    name.to_string_lossy().into()
}
