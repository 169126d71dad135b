//! Statistics over few, expensive runs.
//!
//! Point estimates and stratified bootstrap intervals as in Agarwal et al., "Deep Reinforcement
//! Learning at the Edge of the Statistical Precipice" (NeurIPS 2021) and its library rliable. The
//! interquartile mean is `scipy.stats.trim_mean(x, 0.25)` over all runs and tasks pooled, which
//! drops `floor(n / 4)` values from each end: for fewer than four values it *is* the mean.
//!
//! Resampling draws from a ChaCha8 generator of its own with a fixed seed, so the same scores
//! give the same bits on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Arithmetic mean; `None` for no values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (divisor n - 1); `None` for fewer than two values.
#[must_use]
pub fn std(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|x| (x - centre) * (x - centre)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Median, the mean of the middle two for even counts; `None` for no values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| quantile(&sorted(values), 0.5))
}

/// Interquartile mean: the mean of what is left when the `floor(n / 4)` smallest and as many
/// largest values are dropped; `None` for no values.
#[must_use]
pub fn iqm(values: &[f64]) -> Option<f64> {
    let cut = values.len() / 4;
    mean(&sorted(values)[cut..values.len() - cut])
}

/// Probability that a run of `x` scores higher than a run of `y`: the fraction of pairs in which
/// it does, ties counting one half (Mann-Whitney U divided by the number of pairs). `None` if
/// either has no values.
#[must_use]
pub fn probability_of_improvement(x: &[f64], y: &[f64]) -> Option<f64> {
    let pairs = x.len() * y.len();
    let points = |a: &f64, b: &f64| u64::from(a > b) * 2 + u64::from(a == b);
    let won: u64 = x
        .iter()
        .flat_map(|a| y.iter().map(move |b| points(a, b)))
        .sum();
    (pairs > 0).then(|| won as f64 / (2 * pairs) as f64)
}

/// A percentile interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// How scores are summarised over runs and tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean over tasks of each task's mean over runs.
    Mean,
    /// The median over tasks of each task's mean over runs; over the runs themselves if there is
    /// only one task (rliable would return that task's mean).
    Median,
    /// The interquartile mean of all runs and tasks pooled.
    Iqm,
}

impl Statistic {
    /// The statistic of `tasks`, each task a list of its runs' scores; `None` unless every task
    /// has a run and there is a task.
    #[must_use]
    pub fn of(self, tasks: &[Vec<f64>]) -> Option<f64> {
        let means = || {
            tasks
                .iter()
                .map(|runs| mean(runs))
                .collect::<Option<Vec<f64>>>()
        };
        match (self, tasks) {
            (Self::Median, [runs]) => median(runs),
            (Self::Mean, _) => mean(&means()?),
            (Self::Median, _) => median(&means()?),
            (Self::Iqm, _) => {
                means()?;
                iqm(&tasks.concat())
            }
        }
    }

    /// Its name in tables and figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Iqm => "IQM",
        }
    }
}

/// A stratified bootstrap: runs are resampled with replacement within each task, never across.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples. rliable's default, 50 000, is ours.
    pub resamples: usize,
    /// Coverage of the percentile interval, in (0, 1).
    pub level: f64,
    /// Seed of the generator. Part of the definition of published numbers: leave it as it is.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self {
            resamples: 50_000,
            level: 0.95,
            seed: 0,
        }
    }
}

impl Bootstrap {
    /// Percentile interval of `statistic` over `tasks`, each task a list of its runs' scores.
    /// `None` if there is no task or one has fewer than two runs: resampling a single run would
    /// feign certainty.
    #[must_use]
    pub fn interval(&self, statistic: Statistic, tasks: &[Vec<f64>]) -> Option<Interval> {
        self.interval_by(tasks, |resampled| statistic.of(resampled))
    }

    /// Percentile interval of [`probability_of_improvement`], averaged over tasks; `x` and `y` are
    /// resampled independently. `None` unless both have the same, positive number of tasks with
    /// two runs at least.
    #[must_use]
    pub fn improvement_interval(&self, x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<Interval> {
        if x.len() != y.len() {
            return None;
        }
        self.interval_by(&[x, y].concat(), |resampled| {
            let (x, y) = resampled.split_at(resampled.len() / 2);
            let each = x
                .iter()
                .zip(y)
                .map(|(x, y)| probability_of_improvement(x, y));
            mean(&each.collect::<Option<Vec<f64>>>()?)
        })
    }

    fn interval_by(
        &self,
        tasks: &[Vec<f64>],
        f: impl Fn(&[Vec<f64>]) -> Option<f64>,
    ) -> Option<Interval> {
        if tasks.is_empty() || tasks.iter().any(|runs| runs.len() < 2) {
            return None;
        }
        let mut rng = self.generator();
        let mut resampled = tasks.to_vec();
        let mut values = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            for (to, from) in resampled.iter_mut().zip(tasks) {
                for score in to.iter_mut() {
                    *score = from[index(&mut rng, from.len())];
                }
            }
            values.push(f(&resampled)?);
        }
        self.percentiles(&values)
    }

    /// Pointwise percentile band around the mean or other statistic of `curves`, each curve one
    /// run's values at the same points. Whole runs are resampled, so one draw serves all points.
    /// `None` for fewer than two curves or curves of unequal length.
    #[must_use]
    pub fn band(&self, statistic: Statistic, curves: &[Vec<f64>]) -> Option<Vec<Interval>> {
        let (runs, points) = (curves.len(), curves.first()?.len());
        if runs < 2 || curves.iter().any(|curve| curve.len() != points) {
            return None;
        }
        let mut rng = self.generator();
        let draws: Vec<usize> = (0..self.resamples * runs)
            .map(|_| index(&mut rng, runs))
            .collect();
        let at = |point: usize| {
            let mut task = [vec![0.0; runs]];
            let values = draws.chunks_exact(runs).map(|draw| {
                for (to, &run) in task[0].iter_mut().zip(draw) {
                    *to = curves[run][point];
                }
                statistic.of(&task)
            });
            self.percentiles(&values.collect::<Option<Vec<f64>>>()?)
        };
        (0..points).map(at).collect()
    }

    /// The seed in the first eight bytes, little-endian; the other bytes are zero.
    fn generator(&self) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }

    fn percentiles(&self, values: &[f64]) -> Option<Interval> {
        let sorted = sorted(values);
        let tail = (1.0 - self.level) / 2.0;
        (!sorted.is_empty()).then(|| Interval {
            low: quantile(&sorted, tail),
            high: quantile(&sorted, 1.0 - tail),
        })
    }
}

/// A uniform index below `n`: the high word of a 64-bit draw times `n` (its bias is below
/// n / 2^64). Written out so that no library's choice of method can change published intervals.
fn index(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Quantile of sorted, non-empty values by linear interpolation, numpy's default method.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let position = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor();
    let (low, high) = (sorted[below as usize], sorted[position.ceil() as usize]);
    low + (high - low) * (position - below)
}
