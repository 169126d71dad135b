//! From the logs of a group's runs to one line with its band.

use std::collections::BTreeMap;

use super::{Line, PlotOptions, X};
use crate::group::Group;
use crate::reference;
use crate::{Eval, FinishedRun};

/// The line of a group, not yet in a style of its own.
pub(super) fn line(group: &Group<'_>, options: &PlotOptions) -> Line {
    let logs: Vec<BTreeMap<u64, f64>> = group
        .runs
        .iter()
        .map(|run| log(run, options))
        .filter(|log| !log.is_empty())
        .collect();
    let x = common_points(&logs);
    let seeds: Vec<Vec<f64>> = logs
        .iter()
        .map(|log| x.iter().filter_map(|&x| carried_forward(log, x)).collect())
        .collect();
    let at = |i: usize| {
        options
            .statistic
            .of(&[seeds.iter().map(|seed| seed[i]).collect()])
    };
    let n = seeds.len();
    let never_asks = |log: &BTreeMap<u64, f64>| log.keys().all(|&asked| asked == 0);
    let level = options.x == X::Feedback && logs.iter().all(never_asks);
    let is_level = if level { ", last score" } else { "" };
    let drawn = match x.is_empty() {
        true => ", not drawn: no common evaluations",
        false => "",
    };
    Line {
        label: group.label(),
        note: format!(" (n = {n}{is_level}{drawn})"),
        style: 0,
        centre: (0..x.len()).filter_map(at).collect(),
        band: options.bootstrap.band(options.statistic, &seeds),
        level,
        x: x.into_iter().map(|x| x as f64).collect(),
        thin: if options.seeds && n > 1 {
            seeds
        } else {
            Vec::new()
        },
    }
}

/// A run's score by position on the axis. Of several evaluations at one position, which happens
/// where no feedback is asked between them, the last counts.
pub(crate) fn log(run: &FinishedRun, options: &PlotOptions) -> BTreeMap<u64, f64> {
    let position = |eval: &Eval| match options.x {
        X::Steps => eval.step,
        X::Feedback => eval.feedback_asked,
    };
    let reference = reference::of_run(&options.references, &run.info);
    run.evals
        .iter()
        .filter_map(|eval| Some((position(eval), options.metric.of(eval, reference)?)))
        .collect()
}

/// All positions at which some run was evaluated and every run has a value: from the last to
/// begin until the first to end. Usually the runs share all of them.
fn common_points(logs: &[BTreeMap<u64, f64>]) -> Vec<u64> {
    let begin = logs.iter().filter_map(|log| log.keys().next()).max();
    let end = logs.iter().filter_map(|log| log.keys().next_back()).min();
    let (Some(&begin), Some(&end)) = (begin, end) else {
        return Vec::new();
    };
    let mut points: Vec<u64> = logs.iter().flat_map(BTreeMap::keys).copied().collect();
    points.retain(|point| (begin..=end).contains(point));
    points.sort_unstable();
    points.dedup();
    points
}

/// The value at `x`, or else the one before.
pub(crate) fn carried_forward(log: &BTreeMap<u64, f64>, x: u64) -> Option<f64> {
    log.range(..=x).next_back().map(|(_, &value)| value)
}
