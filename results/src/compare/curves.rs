//! Sample efficiency: the IQM over tasks as training and feedback proceed.

use std::collections::BTreeMap;

use super::{CompareOptions, Comparison, Score, side_by_side};
use crate::group::Group;
use crate::plot::curve::{carried_forward, log};
use crate::plot::{Line, PlotOptions, X};
use crate::stats::Statistic;
use crate::table::text::clean;

/// Points along the axis, but for the first; by steps a line has its end as well.
const POINTS: u64 = 20;

/// Part of a whole.
type Share = (u64, u64);

/// A run's scores by position; of one that failed the worst score.
type Log = Result<BTreeMap<u64, f64>, f64>;

/// By task and run.
type Logs = Vec<Vec<Log>>;

/// A line for each method: the IQM over the scaled tasks. By steps a position is the share of the
/// most steps that any run made on the task, and a line ends with its method's shortest runs. By
/// feedback a run that asks no more keeps its last score, and a method that never asks is level.
pub(super) fn pooled(
    comparison: &Comparison,
    groups: &[Group<'_>],
    x: X,
    options: &CompareOptions,
) -> Vec<Line> {
    let logs: Vec<Logs> = (0..comparison.methods.len())
        .map(|method| logs(comparison, groups, method, x, options))
        .collect();
    let end = |task: usize| {
        let runs = logs.iter().flat_map(|logs| &logs[task]).flatten();
        runs.filter_map(|log| log.keys().next_back().copied()).max()
    };
    let mut ends: Vec<u64> = (0..comparison.scaled.len())
        .map(|task| end(task).unwrap_or_default())
        .collect();
    if x == X::Feedback {
        let most = ends.iter().copied().max().unwrap_or_default();
        ends.fill(most);
    }
    let methods: Vec<usize> = (0..logs.len()).collect();
    side_by_side(&methods, |&method| {
        let logs = &logs[method];
        let runs = || logs.iter().flatten().flatten();
        let level = x == X::Feedback && runs().all(|log| log.keys().all(|&asked| asked == 0));
        let mut line = Line {
            label: comparison.methods[method].name.clone(),
            style: method,
            level,
            ..Line::default()
        };
        let mut band = Vec::new();
        let mut points: Vec<Share> = (0..=POINTS).map(|point| (point, POINTS)).collect();
        if let Some(own) = own_end(logs, &ends).filter(|_| x == X::Steps) {
            points.retain(|&point| order(point, own).is_lt());
            points.push(own);
        }
        for point in points {
            let of_task = |(runs, end): (&Vec<_>, &u64)| {
                let position = part(*end, point);
                runs.iter().map(|log| at(log, position, x)).collect()
            };
            let scores: Option<Vec<Vec<f64>>> = logs.iter().zip(&ends).map(of_task).collect();
            let Some(scores) = scores else { continue };
            let Some(value) = Statistic::Iqm.of(&scores) else {
                continue;
            };
            line.x.push(match x {
                X::Steps => 100.0 * point.0 as f64 / point.1 as f64,
                X::Feedback => part(ends[0], point) as f64,
            });
            line.centre.push(value);
            band.push(options.curves.interval(Statistic::Iqm, &scores));
        }
        line.band = band.into_iter().collect();
        line
    })
}

/// Such a share of `end`.
fn part(end: u64, share: Share) -> u64 {
    (u128::from(end) * u128::from(share.0) / u128::from(share.1)) as u64
}

fn order(a: Share, b: Share) -> std::cmp::Ordering {
    (u128::from(a.0) * u128::from(b.1)).cmp(&(u128::from(b.0) * u128::from(a.1)))
}

/// How far a method's shortest run came, as a share of its task's `ends`.
fn own_end(logs: &Logs, ends: &[u64]) -> Option<Share> {
    let of_task = |(runs, &end): (&Vec<Log>, &u64)| {
        let last = |log: &BTreeMap<u64, f64>| log.keys().next_back().copied();
        let lasts = runs.iter().flatten().filter_map(last);
        Some((lasts.min()?, end)).filter(|_| end > 0)
    };
    logs.iter()
        .zip(ends)
        .filter_map(of_task)
        .min_by(|&a, &b| order(a, b))
}

fn logs(
    comparison: &Comparison,
    groups: &[Group<'_>],
    method: usize,
    x: X,
    options: &CompareOptions,
) -> Logs {
    let name = &comparison.methods[method].name;
    let of_method = |group: &&Group<'_>| clean(&group.label()) == *name;
    let groups: BTreeMap<String, &Group<'_>> = groups
        .iter()
        .filter(of_method)
        .map(|group| (clean(&group.task), group))
        .collect();
    let of_task = |&task: &usize| {
        let task = &comparison.tasks[task];
        let plot = PlotOptions {
            x,
            metric: task.metric,
            references: options.references.clone(),
            ..PlotOptions::default()
        };
        let group = groups.get(&task.task);
        let runs = group.into_iter().flat_map(|group| &group.runs);
        let scores = task.cells[method].iter().flat_map(|cell| &cell.runs);
        // A run of the group without a score has none here either.
        let scored: BTreeMap<u64, &Score> = scores.map(|run| (run.seed, run)).collect();
        runs.filter_map(|run| {
            let score = scored.get(&run.info.seed)?;
            Some(match score.failed {
                true => Err(score.score),
                false => Ok(log(run, &plot)),
            })
        })
        .collect()
    };
    comparison.scaled.iter().map(of_task).collect()
}

/// A run's score at a position. One that failed has the worst throughout, as in the aggregates.
fn at(log: &Log, position: u64, x: X) -> Option<f64> {
    let log = match log {
        Ok(log) => log,
        Err(worst) => return Some(*worst),
    };
    let over = log.keys().next_back().is_some_and(|&last| last < position);
    if x == X::Steps && over {
        return None;
    }
    carried_forward(log, position)
}
