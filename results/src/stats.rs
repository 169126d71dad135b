//! Statistics over few, expensive runs.
//!
//! - Point estimates and stratified bootstrap intervals as in Agarwal et al., "Deep Reinforcement
//!   Learning at the Edge of the Statistical Precipice" (NeurIPS 2021) and its library rliable:
//!   [`Statistic`], [`improvement`], [`profile`], [`Bootstrap`].
//! - Agreement of rankings: [`kendall_tau_b`]. Tests: [`Permutations`], [`holm`].
//!   What difference so many runs can show: [`Welch`].
//!
//! Scores come as tasks, each a list of its runs' scores; rliable's matrices are the transpose.
//! Tasks may have different numbers of runs. Whatever cannot be had is `None`, and a score that is
//! not finite makes it so: it stands for a run that failed, and no summary could tell.
//!
//! The interquartile mean is `scipy.stats.trim_mean(x, 0.25)` over all runs and tasks pooled, which
//! drops `floor(n / 4)` values from each end: for fewer than four values it *is* the mean.
//!
//! Resampling draws from a ChaCha8 generator of its own with a fixed seed, so the same scores
//! give the same bits on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

mod bootstrap;
mod improvement;
mod kendall;
mod permutation;
mod significance;
mod statistic;

pub use bootstrap::{Bootstrap, Estimate, Interval};
pub use improvement::{improvement, probability_of_improvement};
pub use kendall::kendall_tau_b;
pub use permutation::{PermutationTest, Permutations};
pub use significance::{Welch, holm};
pub use statistic::{Statistic, profile};

/// Arithmetic mean; `None` for no values or one that is not finite.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    usable(values, 1).then(|| average(values))
}

/// Sample standard deviation (divisor n - 1); `None` for fewer than two values or one that is not
/// finite.
#[must_use]
pub fn std(values: &[f64]) -> Option<f64> {
    let centre = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|x| (x - centre) * (x - centre)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Median, the mean of the middle two for even counts; `None` for no values or one that is not
/// finite.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    usable(values, 1).then(|| quantile(&sorted(values), 0.5))
}

/// Interquartile mean: the mean of what is left when the `floor(n / 4)` smallest and as many
/// largest values are dropped; `None` for no values or one that is not finite.
#[must_use]
pub fn iqm(values: &[f64]) -> Option<f64> {
    usable(values, 1).then(|| middle(&sorted(values)))
}

/// Whether there are so many values, all finite.
fn usable(values: &[f64], least: usize) -> bool {
    values.len() >= least && values.iter().all(|x| x.is_finite())
}

/// Whether there is a task, and each has so many runs, all finite.
fn all_usable(tasks: &[Vec<f64>], least: usize) -> bool {
    !tasks.is_empty() && tasks.iter().all(|runs| usable(runs, least))
}

/// Mean of some values.
fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Interquartile mean of sorted, non-empty values.
fn middle(sorted: &[f64]) -> f64 {
    let cut = sorted.len() / 4;
    average(&sorted[cut..sorted.len() - cut])
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

/// The seed in the first eight bytes, little-endian; the other bytes are zero.
fn generator(seed: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Rng::from_seed(bytes)
}

/// A uniform index below `n`: the high word of a 64-bit draw times `n` (its bias is below
/// n / 2^64). Written out so that no library's choice of method can change published intervals.
fn index(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}
