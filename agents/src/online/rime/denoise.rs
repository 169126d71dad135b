//! RIME's discriminator: which labels to believe, and which to turn round.

use prefbench_oracles::{Label, Preference};
use serde::{Deserialize, Serialize};

use super::Rime;
use crate::device::Compute;
use crate::replay::Replay;
use crate::reward_model::RewardModel;
use crate::state::exact;

/// Rate at which ρ and the mean follow a pass.
const RATE: f64 = 0.1;
/// The most that β_t v adds to τ_lower.
const MOST_SPREAD: f64 = 3.0;

/// What RIME has seen of its labels and of the intrinsic reward.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Passes over the labels so far.
    pub(super) passes: u64,
    /// ρ: follows the largest trusted ℓ.
    #[serde(with = "exact")]
    largest: f64,
    /// Follows the mean of the trusted ℓ.
    #[serde(with = "exact")]
    mean: f64,
    /// v: variance of the trusted ℓ.
    #[serde(with = "exact")]
    variance: f64,
    /// Labels trusted so far, a label as often as it was.
    count: u64,
    /// Shares of the labels that the last pass trusted and flipped.
    #[serde(with = "exact")]
    pub(super) trusted: f64,
    #[serde(with = "exact")]
    pub(super) flipped: f64,
    /// Least and greatest distance to a neighbour.
    #[serde(with = "exact")]
    nearest: f64,
    #[serde(with = "exact")]
    farthest: f64,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            passes: 0,
            largest: 0.0,
            mean: 0.0,
            variance: 1.0,
            count: 0,
            trusted: f64::NAN,
            flipped: f64::NAN,
            nearest: f64::INFINITY,
            farthest: f64::NEG_INFINITY,
        }
    }
}

impl Rime {
    /// β_t after so many passes.
    fn beta(&self, passes: u64) -> f64 {
        let fall = (self.beta_init - self.beta_min) / self.passes as f64;
        (self.beta_init - fall * passes as f64).max(self.beta_min)
    }
}

impl Seen {
    /// Takes distances to neighbours in.
    pub(crate) fn meet(&mut self, distances: &[f32]) {
        for &e in distances {
            self.nearest = self.nearest.min(f64::from(e));
            self.farthest = self.farthest.max(f64::from(e));
        }
    }

    /// Distances less `mean`, over the greatest difference from it so far.
    pub(crate) fn normalised(&self, distances: &[f32], mean: f64) -> Vec<f32> {
        let most = (mean - self.nearest)
            .abs()
            .max((self.farthest - mean).abs());
        // Not by 0 where all distances are the same.
        let (mean, most) = (mean as f32, most.max(1e-6) as f32);
        distances.iter().map(|e| (e - mean) / most).collect()
    }

    /// τ_lower.
    pub(crate) fn lower(&self, rime: &Rime) -> f64 {
        let spread = (rime.beta(self.passes) * self.variance).min(MOST_SPREAD);
        rime.alpha * self.largest - (self.largest + 1e-8).ln() + spread
    }

    /// The labels to learn from in this pass, given ℓ of each: first the trusted, then the flipped.
    pub(crate) fn judge(
        &mut self,
        rime: &Rime,
        labels: &[Preference],
        surprise: &[f64],
    ) -> Vec<Preference> {
        let (lower, upper) = (self.lower(rime), -rime.flip_below.ln());
        let (mut trusted, mut chosen, mut flipped) = (Vec::new(), Vec::new(), Vec::new());
        for (&p, &l) in labels.iter().zip(surprise) {
            let label = if l > upper {
                p.label.swapped()
            } else {
                p.label
            };
            let used = Preference { label, ..p };
            // One that is both is learnt from twice, and flipped both times, as in the code.
            if l < lower {
                trusted.push(l);
                chosen.push(used);
            }
            if l > upper {
                flipped.push(used);
            }
        }
        let share = |part: usize| part as f64 / labels.len() as f64;
        (self.trusted, self.flipped) = (share(trusted.len()), share(flipped.len()));
        self.trust(&trusted);
        self.passes += 1;
        chosen.extend(flipped);
        chosen
    }

    /// Takes the trusted ℓ of a pass in.
    fn trust(&mut self, trusted: &[f64]) {
        let n = trusted.len() as f64;
        if n == 0.0 {
            return;
        }
        let mean = trusted.iter().sum::<f64>() / n;
        let squares = trusted.iter().map(|l| (l - mean).powi(2)).sum::<f64>();
        let largest = trusted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (before, total) = (self.count as f64, self.count as f64 + n);
        let delta = mean - self.mean;
        let between = delta * delta * before * n / total;
        self.variance = (self.variance * before + squares + between) / total;
        self.mean += RATE * delta;
        self.largest += RATE * (largest - self.largest);
        self.count += n as u64;
    }
}

/// ℓ of each label.
pub(crate) fn surprise<A: Compute>(
    reward: &RewardModel<A>,
    replay: &Replay,
    labels: &[Preference],
) -> Vec<f64> {
    let pairs: Vec<_> = labels.iter().map(|p| p.pair).collect();
    let members = reward.config().members;
    let returns = reward.returns(replay, &pairs, 0..members);
    let one = |(i, p): (usize, &Preference)| {
        let margins = returns.iter().map(|r| f64::from(r[2 * i + 1] - r[2 * i]));
        // In double precision, since P of the unlikely side underflows in single precision.
        let mean = |sign: f64| {
            let p = margins.clone().map(|m| 1.0 / (1.0 + (-sign * m).exp()));
            p.sum::<f64>() / members as f64
        };
        match p.label {
            Label::Right => -mean(1.0).ln(),
            Label::Left => -mean(-1.0).ln(),
            Label::Equal => -0.5 * (mean(1.0).ln() + mean(-1.0).ln()),
        }
    };
    labels.iter().enumerate().map(one).collect()
}
