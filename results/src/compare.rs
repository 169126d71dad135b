//! Methods set side by side over tasks and seeds, in the manner of Agarwal et al., "Deep
//! Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021).
//!
//! A method is an algorithm with its teacher and, where runs differ in more, their variant
//! ([`Group::label`]). On each task a run has one score, that of its last evaluation: per cent of
//! successful episodes where any run on the task ever succeeded, else the return normalised by the
//! [reference](mod@crate::reference) scores, else the return as it is.
//!
//! - Aggregates over tasks take those tasks that every method has and whose scores are on a scale
//!   of 0 to 100; the probability of improvement, which compares only within tasks, takes all that
//!   every method has. Whatever is left out is named in the [notes](Comparison::notes).
//! - Tiers are never merged: runs of several are refused unless [`CompareOptions::tier`] names one.
//!   So are different versions of a task, and unequal seeds unless they are asked for.
//! - A run that failed by its own doing counts as the worst score if asked for: the lowest of any run
//!   on the task, and 0 at most where scores are on a scale. Otherwise it is listed with the
//!   unfinished and the damaged, which are never counted.

mod curves;
mod figures;
mod page;
mod scores;
mod sheet;
mod text;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use figures::{Picture, Section, Shown};
pub(crate) use page::apart;
pub use scores::{Cell, Score, TaskScores};

use crate::group::{Group, differing, settings};
use crate::reference::{self, Reference};
use crate::stats::{Bootstrap, Estimate, Interval, Permutations, Statistic, improvement};
use crate::table::Metric;
use crate::table::text::clean;
use crate::{Error, FinishedRun, Unfinished};

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// The one tier compared; the others are left out. `None`: all runs must be of one tier.
    pub tier: Option<String>,
    /// The metric on all tasks; `None` chooses by task.
    pub metric: Option<Metric>,
    /// What summarises the runs of one method on one task.
    pub statistic: Statistic,
    /// Whether methods may have different seeds on a task.
    pub unequal_seeds: bool,
    /// Whether runs that failed by their own doing count, as the worst score.
    pub count_failed: bool,
    /// The method that all others are compared with: its name, or its algorithm if that tells it.
    /// `None`: every method with every other.
    pub baseline: Option<String>,
    /// How intervals of scores are computed, on tasks and over them.
    pub bootstrap: Bootstrap,
    /// How those of profiles and probabilities of improvement are. rliable's examples take 2,000
    /// resamples for these, as we do.
    pub bands: Bootstrap,
    /// How those of curves over training are: pointwise and many, so 500 resamples do.
    pub curves: Bootstrap,
    /// How tests of pairs go through permutations: fewer than elsewhere, for pairs are many.
    pub permutations: Permutations,
    /// What returns are normalised by; the committed references unless told otherwise.
    pub references: Vec<Reference>,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self {
            tier: None,
            metric: None,
            statistic: Statistic::Iqm,
            unequal_seeds: false,
            count_failed: false,
            baseline: None,
            bootstrap: Bootstrap::default(),
            bands: Bootstrap {
                resamples: 2_000,
                ..Bootstrap::default()
            },
            curves: Bootstrap {
                resamples: 500,
                ..Bootstrap::default()
            },
            permutations: Permutations {
                limit: 20_000,
                ..Permutations::default()
            },
            references: reference::committed().to_vec(),
        }
    }
}

/// One of those compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Method {
    /// Algorithm, teacher and variant in one line. The place in the order of these is the method's
    /// style in all figures.
    pub name: String,
    /// Algorithm.
    pub algorithm: String,
    /// Teacher, if the algorithm has one.
    pub teacher: Option<String>,
    /// Settings that tell it from its namesakes; empty if it has none.
    pub variant: String,
}

/// A value for each ordered pair of methods, where there is one.
type Table<T> = Vec<Vec<Option<T>>>;

/// One statistic over the [scaled](Comparison::scaled) tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub statistic: Statistic,
    /// One for each method, in their order.
    pub estimates: Vec<Estimate>,
}

/// The statistics over tasks, the first of which ranks methods. The gap is against 100.
const AGGREGATES: [Statistic; 4] = [
    Statistic::Iqm,
    Statistic::Median,
    Statistic::Mean,
    Statistic::OptimalityGap { gamma: 100.0 },
];

/// A finished comparison: numbers, words and charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Budget tier of all runs.
    pub tier: String,
    /// In order of their names.
    pub methods: Vec<Method>,
    /// In order of their names.
    pub tasks: Vec<TaskScores>,
    /// Of `tasks`, those that every method has.
    pub common: Vec<usize>,
    /// Of `common`, those with scores on a scale of 0 to 100.
    pub scaled: Vec<usize>,
    /// IQM, median, mean and optimality gap; none if no task is scaled.
    pub aggregates: Vec<Aggregate>,
    /// `improvements[x][y]`: the probability that a run of method x scores higher than one of y,
    /// averaged over the common tasks. `None` for x = y, or if no task is common.
    pub improvements: Table<Estimate>,
    /// Two-sided p-values of these: of a probability as far from 0.5 by chance.
    pub chances: Table<f64>,
    /// Methods from best to worst: by IQM over tasks, or without it by their mean probability of
    /// improvement.
    pub ranking: Vec<usize>,
    /// The method that the others are compared with.
    pub baseline: Option<usize>,
    /// The outcome in words.
    pub verdict: String,
    /// Sentences that belong under the tables.
    pub notes: Vec<String>,
    /// Folders that were not counted, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// In the order in which they are read.
    pub figures: Vec<Shown>,
    /// Settings in which methods differ on a task: key, and each method's values.
    pub settings: Vec<(String, Vec<String>)>,
    /// Coverage of intervals, in (0, 1).
    pub level: f64,
    /// What summarises the runs of one method on one task.
    pub statistic: Statistic,
}

impl Comparison {
    /// Compares `finished`, and `unfinished` as far as they failed and that is asked for.
    ///
    /// # Errors
    /// [`Error::Incomparable`] if there is nothing to compare, or runs are of several tiers or
    /// versions of a task, or have unequal seeds, or there is no such baseline.
    pub fn new(
        finished: &[FinishedRun],
        unfinished: &[Unfinished],
        options: &CompareOptions,
    ) -> Result<Self, Error> {
        let runs = scores::Runs::select(finished, unfinished, options)?;
        let groups = runs.groups();
        let methods = methods(&groups);
        let scored = scores::score(&groups, &methods, &runs, options)?;
        let baseline = match &options.baseline {
            Some(name) => Some(named(&methods, name)?),
            None => None,
        };

        let tasks = scored.tasks;
        let all = 0..tasks.len();
        let common: Vec<usize> = all
            .filter(|&task| tasks[task].cells.iter().all(Option::is_some))
            .collect();
        let on_scale = |&task: &usize| tasks[task].metric != Metric::Return;
        let scaled: Vec<usize> = common.iter().copied().filter(on_scale).collect();
        let aggregates = aggregates(&tasks, &scaled, methods.len(), &options.bootstrap);
        let (improvements, chances) = improvements(&tasks, &common, methods.len(), options);
        let mut comparison = Self {
            tier: clean(&runs.tier),
            settings: differing_settings(&groups, &methods),
            ranking: ranking(&aggregates, &improvements),
            methods,
            tasks,
            common,
            scaled,
            aggregates,
            improvements,
            chances,
            baseline,
            verdict: String::new(),
            notes: Vec::new(),
            left_out: scored.left_out,
            figures: Vec::new(),
            level: options.bootstrap.level,
            statistic: options.statistic,
        };
        comparison.verdict = words::verdict(&comparison);
        comparison.notes = words::notes(&comparison, &scored.scales, &scored.warnings, options);
        comparison.figures = figures::all(&comparison, &groups, options);
        Ok(comparison)
    }

    /// Writes all forms into the folder `dir`, replacing files of the same names: `report.html`,
    /// `report.md`, `tables.tex`, `scores.csv`, `aggregates.csv`, and `figures/` as SVG and PNG.
    /// Returns what was written.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Drawing`].
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        let figures = dir.join("figures");
        std::fs::create_dir_all(&figures).map_err(Error::io("create folder", &figures))?;
        let mut files: Vec<(PathBuf, Vec<u8>)> = vec![
            (dir.join("report.html"), self.html()?.into_bytes()),
            (dir.join("report.md"), self.markdown().into_bytes()),
            (dir.join("tables.tex"), self.latex().into_bytes()),
            (dir.join("scores.csv"), self.csv().into_bytes()),
            (
                dir.join("aggregates.csv"),
                self.aggregates_csv().into_bytes(),
            ),
        ];
        for drawn in side_by_side(&self.figures, |shown| shown.picture.draw(&shown.name)) {
            let drawn = drawn?;
            let file = |extension| figures.join(format!("{}.{extension}", drawn.name));
            files.push((file("svg"), drawn.svg.into_bytes()));
            files.push((file("png"), drawn.png));
        }
        for (file, bytes) in &files {
            std::fs::write(file, bytes).map_err(Error::io("write", file))?;
        }
        Ok(files.into_iter().map(|(file, _)| file).collect())
    }
}

fn methods(groups: &[Group<'_>]) -> Vec<Method> {
    let method = |group: &Group<'_>| Method {
        name: clean(&group.label()),
        algorithm: clean(group.algorithm),
        teacher: group.teacher.map(clean),
        variant: clean(&group.variant),
    };
    let by_name = groups.iter().map(|group| (group.label(), method(group)));
    BTreeMap::from_iter(by_name).into_values().collect()
}

fn named(methods: &[Method], name: &str) -> Result<usize, Error> {
    let find = |of: fn(&Method) -> &String| {
        let mut found = (0..methods.len()).filter(|&i| of(&methods[i]) == name);
        found.next().filter(|_| found.next().is_none())
    };
    let found = find(|m| &m.name).or_else(|| find(|m| &m.algorithm));
    found.ok_or_else(|| Error::Incomparable {
        reason: format!("no one method is called `{name}`"),
        advice: format!("take as the baseline one of: {}", words::listed(methods)),
    })
}

/// The scores of a method on these tasks, all of which it has.
fn matrix(tasks: &[TaskScores], of: &[usize], method: usize) -> Vec<Vec<f64>> {
    let cells = of
        .iter()
        .filter_map(|&task| tasks[task].cells[method].as_ref());
    cells.map(Cell::scores).collect()
}

fn aggregates(
    tasks: &[TaskScores],
    scaled: &[usize],
    methods: usize,
    bootstrap: &Bootstrap,
) -> Vec<Aggregate> {
    let matrices: Vec<_> = (0..methods).map(|m| matrix(tasks, scaled, m)).collect();
    let intervals = side_by_side(&matrices, |scores| bootstrap.intervals(&AGGREGATES, scores));
    let aggregate = |(i, statistic): (usize, Statistic)| {
        let estimate = |(scores, intervals): (&Vec<Vec<f64>>, &Option<Vec<Interval>>)| {
            Some(Estimate {
                value: statistic.of(scores)?,
                interval: intervals.as_ref().map(|intervals| intervals[i]),
            })
        };
        let estimates = matrices.iter().zip(&intervals).map(estimate);
        Some(Aggregate {
            statistic,
            estimates: estimates.collect::<Option<_>>()?,
        })
    };
    let each = AGGREGATES.into_iter().enumerate();
    each.filter_map(aggregate).collect()
}

/// [`Comparison::improvements`] and [`Comparison::chances`].
fn improvements(
    tasks: &[TaskScores],
    common: &[usize],
    methods: usize,
    options: &CompareOptions,
) -> (Table<Estimate>, Table<f64>) {
    let matrices: Vec<_> = (0..methods).map(|m| matrix(tasks, common, m)).collect();
    let pairs: Vec<(usize, usize)> = (0..methods)
        .flat_map(|x| (x + 1..methods).map(move |y| (x, y)))
        .collect();
    let estimates = side_by_side(&pairs, |&(x, y)| {
        let (x, y) = (&matrices[x], &matrices[y]);
        let estimate = Estimate {
            value: improvement(x, y)?,
            interval: options.bands.improvement_interval(x, y),
        };
        Some((estimate, options.permutations.improvement(x, y)?.two_sided))
    });
    let mut table = vec![vec![None; methods]; methods];
    let mut chances = vec![vec![None; methods]; methods];
    for ((x, y), found) in pairs.into_iter().zip(estimates) {
        let (estimate, chance) = found.unzip();
        (chances[x][y], chances[y][x]) = (chance, chance);
        table[x][y] = estimate;
        // Ties count one half, so the other way round is the rest.
        table[y][x] = estimate.map(|e| Estimate {
            value: 1.0 - e.value,
            interval: e.interval.map(|i| Interval {
                low: 1.0 - i.high,
                high: 1.0 - i.low,
            }),
        });
    }
    (table, chances)
}

fn ranking(aggregates: &[Aggregate], improvements: &Table<Estimate>) -> Vec<usize> {
    let merit = |method: usize| match aggregates.first() {
        Some(first) => first.estimates[method].value,
        None => improvements[method].iter().flatten().map(|e| e.value).sum(),
    };
    let mut ranking = Vec::from_iter(0..improvements.len());
    ranking.sort_by(|&a, &b| merit(b).total_cmp(&merit(a)));
    ranking
}

/// Settings in which the methods differ on some task. A method whose tasks have several values of
/// one shows them all.
fn differing_settings(groups: &[Group<'_>], methods: &[Method]) -> Vec<(String, Vec<String>)> {
    let known = ["task", "algorithm", "teacher", "tier"];
    let mut by_task = BTreeMap::<&str, Vec<_>>::new();
    let mut by_method = BTreeMap::<String, Vec<_>>::new();
    for group in groups {
        let settings = settings(group.runs[0]);
        by_task
            .entry(&*group.task)
            .or_default()
            .push(settings.clone());
        by_method
            .entry(clean(&group.label()))
            .or_default()
            .push(settings);
    }
    let keys: BTreeSet<String> = by_task.values().flat_map(|s| differing(s)).collect();
    let keys = keys.into_iter().filter(|key| !known.contains(&&**key));
    keys.map(|key| {
        let of = |method: &Method| {
            let tasks = by_method[&method.name].iter();
            let values: BTreeSet<&str> = tasks
                .map(|settings| settings.get(&key).map_or("–", |value| value))
                .collect();
            clean(&Vec::from_iter(values).join(" | "))
        };
        let values = methods.iter().map(of).collect();
        (clean(&key), values)
    })
    .collect()
}

/// `f` of all items, on all cores, in their order.
fn side_by_side<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    // Each takes the next item left: shares fixed beforehand would wait for the slowest core.
    let work = || {
        let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let items = taken.map_while(|i| Some((i, items.get(i)?)));
        items.map(|(i, item)| (i, f(item))).collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, R)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let done = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        done.flatten().collect()
    });
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}
