//! From the logs of a group's runs to one line with its band.

use std::collections::BTreeMap;

use super::{PlotOptions, X};
use crate::group::Group;
use crate::reference;
use crate::stats::Interval;
use crate::{Eval, FinishedRun};

/// What is drawn of one group.
pub(super) struct Curve {
    pub label: String,
    /// Position in the order of colours and line patterns.
    pub style: usize,
    /// Number of seeds drawn.
    pub n: usize,
    /// Increasing.
    pub x: Vec<f64>,
    /// The statistic over seeds at each `x`.
    pub centre: Vec<f64>,
    /// The band at each `x`; `None` for one seed.
    pub band: Option<Vec<Interval>>,
    /// Each seed's own values at each `x`.
    pub seeds: Vec<Vec<f64>>,
    /// The group does not move along this axis: only its last score is known.
    pub level: bool,
}

impl Curve {
    pub(super) fn of(group: &Group<'_>, options: &PlotOptions) -> Self {
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
        Self {
            label: group.label(),
            style: 0,
            n: seeds.len(),
            centre: (0..x.len()).filter_map(at).collect(),
            band: options.bootstrap.band(options.statistic, &seeds),
            level: options.x == X::Feedback && logs.iter().all(|log| log.len() == 1),
            x: x.into_iter().map(|x| x as f64).collect(),
            seeds,
        }
    }
}

/// A run's score by position on the axis. Of several evaluations at one position, which happens
/// where no feedback is asked between them, the last counts.
fn log(run: &FinishedRun, options: &PlotOptions) -> BTreeMap<u64, f64> {
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
fn carried_forward(log: &BTreeMap<u64, f64>, x: u64) -> Option<f64> {
    log.range(..=x).next_back().map(|(_, &value)| value)
}
