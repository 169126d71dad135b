//! Which runs count, and what each scores.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{CompareOptions, Estimate, Method, side_by_side};
use crate::group::{Group, OF_PROBLEM, group, of_problem, spell_seeds};
use crate::reference;
use crate::table::text::clean;
use crate::table::{Metric, ever_succeeded, folder, scale, scoreless, unequal_seeds};
use crate::{Error, FinishedRun, Unfinished, Why};

/// One task, and how the methods do on it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskScores {
    /// Task.
    pub task: String,
    /// What its runs are scored by.
    pub metric: Metric,
    /// One for each method, in their order; `None` for a method without a run that counts.
    pub cells: Vec<Option<Cell>>,
}

/// One method on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// In order of their seeds.
    pub runs: Vec<Score>,
    /// The statistic over the runs.
    pub estimate: Estimate,
    /// It is the best on the task, or its interval overlaps the best's.
    pub marked: bool,
}

impl Cell {
    /// The runs' scores.
    #[must_use]
    pub fn scores(&self) -> Vec<f64> {
        self.runs.iter().map(|run| run.score).collect()
    }

    /// Fewer than three seeds: not to be relied on.
    #[must_use]
    pub fn preliminary(&self) -> bool {
        self.runs.len() < 3
    }
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Seed.
    pub seed: u64,
    /// Score, in the task's metric.
    pub score: f64,
    /// It failed, and this is the worst score.
    pub failed: bool,
    /// Steps at the last evaluation, or until it failed.
    pub steps: u64,
    /// Feedback asked for by then.
    pub feedback: u64,
    /// The hash of its configuration, in short form.
    pub key: String,
    /// Commit, version and device that made it, as far as it says.
    pub made_by: [Option<String>; 3],
}

/// What [`Score::made_by`] holds.
pub(super) const MADE_BY: [&str; 3] = ["commit", "version", "device"];

/// The runs of one tier.
pub(super) struct Runs<'a> {
    pub tier: String,
    finished: Vec<&'a FinishedRun>,
    /// Those that failed and count, as runs without evaluations.
    failed: Vec<FinishedRun>,
    /// Steps made by those.
    failed_at: BTreeMap<String, u64>,
    /// How many failed and do not count.
    uncounted: usize,
    left_out: Vec<(String, String)>,
}

/// The step at which a run failed by its own doing, if it did.
fn failed_at(run: &Unfinished) -> Option<u64> {
    match &run.why {
        Why::Failed(failure) => Some(failure.step),
        Why::NotFinished { .. } | Why::DuplicateOf(_) | Why::Damaged(_) => None,
    }
}

impl<'a> Runs<'a> {
    pub(super) fn select(
        finished: &'a [FinishedRun],
        unfinished: &[Unfinished],
        options: &CompareOptions,
    ) -> Result<Self, Error> {
        let counts = |run: &&Unfinished| {
            options.count_failed && run.info.is_some() && failed_at(run).is_some()
        };
        let infos = finished.iter().map(|run| &run.info);
        let counted = unfinished.iter().filter(counts);
        let infos = infos.chain(counted.filter_map(|run| run.info.as_ref()));
        let tiers: BTreeSet<&str> = infos.map(|info| &*info.tier).collect();
        let tiers = Vec::from_iter(tiers);
        let refuse = |reason: String, advice: &str| Error::Incomparable {
            reason: clean(&reason),
            advice: advice.into(),
        };
        let tier = match (&options.tier, &tiers[..]) {
            (Some(tier), tiers) if tiers.contains(&&**tier) => tier.clone(),
            (None, [tier]) => (*tier).to_owned(),
            (None, [_, ..]) => {
                let reason = format!("they are of the tiers {}", tiers.join(", "));
                return Err(refuse(reason, "choose one (--tier)"));
            }
            (tier, _) => {
                let tier = tier.as_ref().map(|tier| format!(" of the tier {tier}"));
                let reason = format!("there is no finished run{}", tier.unwrap_or_default());
                return Err(refuse(
                    reason,
                    "wait for one to finish, or name another folder",
                ));
            }
        };

        let mut runs = Self {
            finished: Vec::new(),
            failed: Vec::new(),
            failed_at: BTreeMap::new(),
            uncounted: 0,
            left_out: Vec::new(),
            tier,
        };
        for run in finished {
            if run.info.tier == runs.tier {
                runs.finished.push(run);
                runs.left_out.extend(scoreless(run));
            } else {
                let why = format!("of the tier {}", run.info.tier);
                runs.left_out.push((folder(&run.dir), why));
            }
        }
        for run in unfinished {
            let of_tier = run.info.as_ref().filter(|info| info.tier == runs.tier);
            let counts = of_tier.is_some() && options.count_failed;
            match (run.failed().filter(|_| counts), failed_at(run)) {
                (Some(failed), Some(step)) => {
                    runs.failed_at.insert(failed.key.full(), step);
                    runs.failed.push(failed);
                }
                (_, failed) => {
                    runs.uncounted += usize::from(of_tier.is_some() && failed.is_some());
                    let why = run.why.to_string();
                    runs.left_out.push((folder(&run.dir), why));
                }
            }
        }
        for (folder, why) in &mut runs.left_out {
            (*folder, *why) = (clean(folder), clean(why));
        }
        Ok(runs)
    }

    pub(super) fn groups(&self) -> Vec<Group<'_>> {
        group(self.finished.iter().copied().chain(&self.failed))
    }
}

/// Scores, and what is to be said about them.
pub(super) struct Scored {
    pub tasks: Vec<TaskScores>,
    pub left_out: Vec<(String, String)>,
    /// The ends of the normalised scales used.
    pub scales: Vec<String>,
    pub warnings: Vec<String>,
}

pub(super) fn score(
    groups: &[Group<'_>],
    methods: &[Method],
    runs: &Runs<'_>,
    options: &CompareOptions,
) -> Result<Scored, Error> {
    let mut by_task = BTreeMap::<&str, Vec<&Group<'_>>>::new();
    for group in groups {
        by_task.entry(&*group.task).or_default().push(group);
    }
    for (task, groups) in &by_task {
        same_task(task, groups)?;
    }
    let by_task = Vec::from_iter(by_task);
    let tasks = side_by_side(&by_task, |(task, groups)| {
        of_task(task, groups, methods, runs, options)
    });
    let (mut scales, mut warnings, mut circular) = (Vec::new(), Vec::new(), Vec::new());
    let mut kept = Vec::new();
    for (task, (name, groups)) in tasks.into_iter().zip(&by_task) {
        if task.cells.iter().all(Option::is_none) {
            let metric = task.metric.name();
            warnings.push(format!("{}: no run has a score ({metric}).", clean(name)));
            continue;
        }
        let mut all = groups.iter().flat_map(|group| &group.runs);
        let reference = all.find_map(|run| reference::of_run(&options.references, &run.info));
        if let Some(reference) = reference.filter(|_| task.metric == Metric::Normalised) {
            scales.push(scale(reference));
            let mut runs = task.cells.iter().flatten().flat_map(|cell| &cell.runs);
            if runs.any(|run| reference.expert.runs.contains(&run.key)) {
                circular.push(task.task.clone());
            }
        }
        kept.push(task);
    }
    if kept.is_empty() {
        return Err(Error::Incomparable {
            reason: warnings.join(" ").trim_end_matches('.').to_owned(),
            advice: "choose another metric, or wait for runs to finish".into(),
        });
    }
    if !circular.is_empty() {
        warnings.push(format!(
            "Runs compared here are the expert of their own scale, so their mean is 100 by definition, on: {}.",
            circular.join(", ")
        ));
    }
    warnings.extend(check_seeds(&kept, methods, runs, options)?);
    Ok(Scored {
        tasks: kept,
        left_out: runs.left_out.clone(),
        scales,
        warnings,
    })
}

/// Refuses what is called alike and is not: another version, horizon, goal or dataset.
fn same_task(task: &str, groups: &[&Group<'_>]) -> Result<(), Error> {
    for key in OF_PROBLEM {
        let value = |group: &&Group<'_>| of_problem(&group.runs[0].info, key);
        let values: BTreeSet<String> = groups.iter().filter_map(value).collect();
        if values.len() > 1 {
            return Err(Error::Incomparable {
                reason: clean(&format!(
                    "on {task} they differ in `{key}` ({}), so it is not one task",
                    Vec::from_iter(values).join(", ")
                )),
                advice: "compare only runs that agree in it".into(),
            });
        }
    }
    Ok(())
}

fn of_task(
    task: &str,
    groups: &[&Group<'_>],
    methods: &[Method],
    runs: &Runs<'_>,
    options: &CompareOptions,
) -> TaskScores {
    let all = || groups.iter().flat_map(|group| group.runs.iter().copied());
    let reference = |run: &FinishedRun| reference::of_run(&options.references, &run.info);
    let metric = options.metric.unwrap_or_else(|| {
        if all().any(ever_succeeded) {
            Metric::Success
        } else if all().all(|run| reference(run).is_some_and(|r| r.normalised(0.0).is_some())) {
            Metric::Normalised
        } else {
            Metric::Return
        }
    });
    let last = |run: &FinishedRun| metric.of(run.evals.last()?, reference(run));
    let worst = metric.worst(all().filter_map(last));
    let score = |run: &&FinishedRun| {
        let failed = runs.failed_at.get(&run.key.full()).copied();
        let end = run.evals.last();
        let said = |at: &Value, key| Some(clean(at.get(key)?.as_str()?));
        Some(Score {
            seed: run.info.seed,
            score: if failed.is_some() { worst? } else { last(run)? },
            failed: failed.is_some(),
            steps: end.map(|eval| eval.step).or(failed).unwrap_or_default(),
            feedback: end.map_or(0, |eval| eval.feedback_asked),
            key: run.key.short(),
            made_by: MADE_BY.map(|key| said(&run.summary, key).or(said(&run.info.config, key))),
        })
    };
    let cell = |method: &Method| {
        let group = groups.iter().find(|g| clean(&g.label()) == method.name)?;
        let runs: Vec<Score> = group.runs.iter().filter_map(score).collect();
        let scores = [runs.iter().map(|run| run.score).collect()];
        let estimate = Estimate {
            value: options.statistic.of(&scores)?,
            interval: options.bootstrap.interval(options.statistic, &scores),
        };
        Some(Cell {
            runs,
            estimate,
            marked: false,
        })
    };
    let mut cells: Vec<Option<Cell>> = methods.iter().map(cell).collect();
    mark(&mut cells);
    TaskScores {
        task: clean(task),
        metric,
        cells,
    }
}

/// Marks the best cells and those whose intervals overlap with one of theirs.
fn mark(cells: &mut [Option<Cell>]) {
    let present = cells.iter().flatten();
    let values = present.map(|cell| cell.estimate.value);
    if values.clone().count() < 2 {
        return;
    }
    let best = values.fold(f64::NEG_INFINITY, f64::max);
    let of_best = cells.iter().flatten().map(|cell| cell.estimate);
    let of_best = of_best.filter(|estimate| estimate.value == best);
    let low = of_best
        .filter_map(|estimate| estimate.interval)
        .map(|i| i.low);
    let low = low.fold(f64::INFINITY, f64::min);
    for cell in cells.iter_mut().flatten() {
        let reaches = cell.estimate.interval.is_some_and(|i| i.high >= low);
        cell.marked = cell.estimate.value == best || reaches;
    }
}

/// What to say of unequal seeds, if they are allowed.
fn check_seeds(
    tasks: &[TaskScores],
    methods: &[Method],
    runs: &Runs<'_>,
    options: &CompareOptions,
) -> Result<Vec<String>, Error> {
    let rows = tasks.iter().flat_map(|task| {
        let cells = task.cells.iter().zip(methods);
        cells.filter_map(|(cell, method)| {
            let seeds = cell.as_ref()?.runs.iter().map(|run| run.seed).collect();
            Some(((&*task.task, &*runs.tier), method.name.clone(), seeds))
        })
    });
    let unequal = unequal_seeds(rows);
    if unequal.is_empty() || options.unequal_seeds {
        return Ok(unequal);
    }
    let mut reason = unequal[..unequal.len().min(5)].join(" ");
    if unequal.len() > 5 {
        reason += &format!(" And on {} tasks more.", unequal.len() - 5);
    }
    let mut advice =
        String::from("finish the missing seeds, or allow unequal ones (--unequal-seeds)");
    if runs.uncounted > 0 {
        advice += &format!(
            ", or count the failed runs ({}) as the worst score",
            runs.uncounted
        );
    }
    Err(Error::Incomparable {
        reason: reason.trim_end_matches('.').to_owned(),
        advice,
    })
}

/// The seeds of all runs, and whether every cell has them all.
pub(super) fn seeds(tasks: &[TaskScores]) -> (String, bool) {
    let cells = tasks.iter().flat_map(|task| task.cells.iter().flatten());
    let seeds = |cell: &Cell| cell.runs.iter().map(|run| run.seed).collect::<Vec<u64>>();
    let sets: BTreeSet<Vec<u64>> = cells.map(seeds).collect();
    let same = sets.len() == 1;
    let all: BTreeSet<u64> = sets.into_iter().flatten().collect();
    (spell_seeds(&Vec::from_iter(all)), same)
}
