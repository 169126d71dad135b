//! The probability that one method improves on another.

use std::mem::take;

use super::{mean, sorted, usable};

/// Probability that a run of `x` scores higher than a run of `y`: the fraction of pairs in which
/// it does, ties counting one half (Mann-Whitney U divided by the number of pairs). `None` if
/// either has no values or one that is not finite.
#[must_use]
pub fn probability_of_improvement(x: &[f64], y: &[f64]) -> Option<f64> {
    if !usable(x, 1) || !usable(y, 1) {
        return None;
    }
    let y = sorted(y);
    // Twice the pairs won, plus the pairs tied.
    let points = |a: &f64| y.partition_point(|b| b < a) + y.partition_point(|b| b <= a);
    let won: usize = x.iter().map(points).sum();
    Some(won as f64 / (2 * x.len() * y.len()) as f64)
}

/// [`probability_of_improvement`] averaged over tasks, `x` and `y` each a list of runs by task;
/// `None` unless both have the same, positive number of tasks, each with a run and finite scores.
#[must_use]
pub fn improvement(x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<f64> {
    let each = x
        .iter()
        .zip(y)
        .map(|(x, y)| probability_of_improvement(x, y));
    mean(&each.collect::<Option<Vec<_>>>()?).filter(|_| x.len() == y.len())
}

/// Resamples of two methods' runs, compared by counts of how often each run was drawn.
pub(super) struct Pairs {
    /// Of `x`, then of `y`, task by task: which of `counts` each run adds to.
    levels: [Vec<Vec<usize>>; 2],
    /// By task, and by distinct score in order of size: how often `x` and `y` drew it; zeros
    /// between draws.
    counts: Vec<Vec<[usize; 2]>>,
}

impl Pairs {
    /// Every task must have runs of both, with finite scores.
    pub(super) fn new(x: &[Vec<f64>], y: &[Vec<f64>]) -> Self {
        let distinct = |(x, y): (&Vec<f64>, &Vec<f64>)| {
            let mut scores = sorted(&[&x[..], y].concat());
            scores.dedup();
            scores
        };
        let scores: Vec<Vec<f64>> = x.iter().zip(y).map(distinct).collect();
        let levels = [x, y].map(|tasks| {
            let level = |(runs, scores): (&Vec<f64>, &Vec<f64>)| {
                let level = |run: &f64| scores.partition_point(|score| score < run);
                runs.iter().map(level).collect()
            };
            tasks.iter().zip(&scores).map(level).collect()
        });
        let counts = scores.iter().map(|scores| vec![[0; 2]; scores.len()]);
        Self {
            levels,
            counts: counts.collect(),
        }
    }

    /// [`improvement`] of the next resample; `index(n)` draws a run out of n, first all of `x`.
    pub(super) fn draw(&mut self, mut index: impl FnMut(usize) -> usize) -> f64 {
        for (side, tasks) in self.levels.iter().enumerate() {
            for (levels, counts) in tasks.iter().zip(&mut self.counts) {
                for _ in levels {
                    counts[levels[index(levels.len())]][side] += 1;
                }
            }
        }
        let [x, y] = &self.levels;
        let pairs = x.iter().zip(y).map(|(x, y)| x.len() * y.len());
        let each = self.counts.iter_mut().zip(pairs).map(|(counts, pairs)| {
            let (mut won, mut below) = (0, 0);
            for [x, y] in counts.iter_mut().map(take) {
                won += x * (2 * below + y);
                below += y;
            }
            won as f64 / (2 * pairs) as f64
        });
        each.sum::<f64>() / x.len() as f64
    }
}
