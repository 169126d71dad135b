//! RUNE: PEBBLE that explores where its reward ensemble disagrees.
//!
//! Liang, Shu, Lee, Abbeel, "Reward Uncertainty for Exploration in Preference-based Reinforcement
//! Learning" (ICLR 2022, arXiv 2205.12401), eq. 4-5; code github.com/rll-research/rune at 8b3c77a. The critics
//! regress to r̂ + β_t σ, where σ is the standard deviation (divisor: members) of the members' r̂(s, a) and
//! β_t = β₀ (1 − ρ)^t at environment step t. Relabelling, queries and reward training are PEBBLE's.
//!
//! The code stores σ with each transition and rewrites it after every session; the ensemble only changes
//! in sessions, so σ of the batch computed anew is the same number.

use serde::{Deserialize, Serialize};

use super::method::Method;
use super::pebble::Pebble;
use crate::config::{Checks, Setup};
use crate::device::Compute;
use crate::learner::LearnError;

/// RUNE's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rune {
    /// β₀: weight of the disagreement at step 0.
    pub bonus: f64,
    /// ρ: what a step takes of the weight.
    pub decay: f64,
}

impl Rune {
    /// β_t.
    fn weight(&self, step: u64) -> f32 {
        (self.bonus * (1.0 - self.decay).powf(step as f64)) as f32
    }

    /// Adds β_t σ to rewards.
    pub(crate) fn add_bonus(&self, step: u64, rewards: &mut [f32], deviations: &[f32]) {
        let weight = self.weight(step);
        let both = rewards.iter_mut().zip(deviations);
        both.for_each(|(r, d)| *r += weight * d);
    }
}

impl Method for Rune {
    const ID: &'static str = "rune";
    type Memory = ();

    fn defaults(_: &Setup<'_>) -> Self {
        Self {
            bonus: 0.05,
            decay: 1e-5,
        }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.bonus", self.bonus, 0.0, 100.0);
        c.within("method.decay", self.decay, 0.0, 1.0);
    }

    fn update<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        let (rune, reward) = (&learner.config.method, &learner.reward);
        let step = learner.backbone.steps();
        learner.backbone.update(|batch, replay| {
            let (_, deviations) = reward.opinions(replay, &batch.index);
            rune.add_bonus(step, &mut batch.reward, &deviations);
        });
        Ok(())
    }
}
