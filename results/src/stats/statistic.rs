//! How the scores of several runs on several tasks are summarised.

use super::{all_usable, average, middle, quantile, sorted};

/// How scores are summarised over runs and tasks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The mean over tasks of each task's mean over runs.
    Mean,
    /// The median over tasks of each task's mean over runs; over the runs themselves if there is
    /// only one task (rliable would return that task's mean).
    Median,
    /// The interquartile mean of all runs and tasks pooled.
    Iqm,
    /// By how much all runs and tasks pooled fall short of `gamma` on average, scores above it
    /// counting as `gamma`. The less, the better.
    OptimalityGap {
        /// The score that would do, 100 for normalised scores (rliable's are in 0..1).
        gamma: f64,
    },
}

impl Statistic {
    /// The statistic of `tasks`, each task a list of its runs' scores; `None` unless there is a
    /// task, every task has a run, and all scores and `gamma` are finite.
    #[must_use]
    pub fn of(self, tasks: &[Vec<f64>]) -> Option<f64> {
        (all_usable(tasks, 1) && self.usable()).then(|| self.of_sample(&Sample::of(tasks)))
    }

    /// Its name in tables and figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Iqm => "IQM",
            Self::OptimalityGap { .. } => "optimality gap",
        }
    }

    pub(super) fn usable(self) -> bool {
        !matches!(self, Self::OptimalityGap { gamma } if !gamma.is_finite())
    }

    pub(super) fn of_sample(self, sample: &Sample) -> f64 {
        match self {
            Self::Mean => average(&sample.means),
            Self::Median if sample.means.len() == 1 => quantile(&sample.sorted, 0.5),
            Self::Median => quantile(&sample.sorted_means, 0.5),
            Self::Iqm => middle(&sample.sorted),
            Self::OptimalityGap { gamma } => {
                let capped: f64 = sample.sorted.iter().map(|x| x.min(gamma)).sum();
                gamma - capped / sample.sorted.len() as f64
            }
        }
    }
}

/// Performance profile: for each of `taus`, in any order, the fraction of runs that score more,
/// runs of all tasks pooled (rliable's `run_score_deviation`). `None` unless there is a task, every
/// task has a run, and all numbers are finite.
#[must_use]
pub fn profile(tasks: &[Vec<f64>], taus: &[f64]) -> Option<Vec<f64>> {
    let fractions = || {
        taus.iter()
            .map(|&tau| above(&sorted(&tasks.concat()), tau))
            .collect()
    };
    (all_usable(tasks, 1) && taus.iter().all(|tau| tau.is_finite())).then(fractions)
}

/// The fraction of sorted values above `tau`.
pub(super) fn above(sorted: &[f64], tau: f64) -> f64 {
    let above = sorted.len() - sorted.partition_point(|&score| score <= tau);
    above as f64 / sorted.len() as f64
}

/// Scores in the arrangements that the statistics read.
pub(super) struct Sample {
    /// Mean over the runs of each task.
    pub(super) means: Vec<f64>,
    /// The same, in order of size.
    pub(super) sorted_means: Vec<f64>,
    /// All runs of all tasks, in order of size.
    pub(super) sorted: Vec<f64>,
}

impl Sample {
    pub(super) fn of(tasks: &[Vec<f64>]) -> Self {
        let means: Vec<f64> = tasks.iter().map(|runs| average(runs)).collect();
        Self {
            sorted_means: sorted(&means),
            means,
            sorted: sorted(&tasks.concat()),
        }
    }
}
