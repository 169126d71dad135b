//! What a descendant of PEBBLE changes.
//!
//! A method is a struct of its own settings (`agent.method` in a config) and the hooks in which it
//! differs; every hook's default is PEBBLE's own way. What it remembers between steps is its
//! `Memory`, which is saved with everything else.

use prefbench_oracles::Pair;
use serde::{Serialize, de::DeserializeOwned};

use super::pebble::{Pebble, PebbleConfig};
use crate::config::{Checks, Setup};
use crate::device::Compute;
use crate::learner::LearnError;
use crate::reward_model::Fit;

/// A method on PEBBLE's backbone.
pub trait Method: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// The registry's name.
    const ID: &'static str;
    /// What it remembers between steps.
    type Memory: Default + Clone + Serialize + DeserializeOwned + Send;
    /// Whether the critics are drawn anew when exploration is over.
    const RESETS_CRITICS: bool = true;

    /// Its own settings for a task's family and a tier.
    fn defaults(setup: &Setup<'_>) -> Self;

    /// What else its defaults change of PEBBLE's.
    fn adapt(_config: &mut PebbleConfig<Self>, _setup: &Setup<'_>) {}

    /// Refuses values outside their range; keys are below `method.`.
    fn check(&self, _checks: &mut Checks) {}

    /// How many deviations of the ensemble the policy's reward lies below its mean.
    fn penalty(&self) -> f32 {
        0.0
    }

    /// An update of the policy on the intrinsic reward, before the first session.
    fn explore<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        learner.backbone.explore(&mut learner.entropy);
        Ok(())
    }

    /// An update of the policy on the learned reward.
    fn update<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        learner.backbone.update(|_, _| {});
        Ok(())
    }

    /// After `pairs` of a session were chosen.
    fn chosen<A: Compute>(
        _learner: &mut Pebble<A, Self>,
        _pairs: &[Pair],
    ) -> Result<(), LearnError> {
        Ok(())
    }

    /// Trains the reward ensemble after a session. `None`: there was nothing to learn from.
    fn fit<A: Compute>(learner: &mut Pebble<A, Self>) -> Option<Fit> {
        let (replay, rng) = (
            &learner.backbone.replay,
            &mut learner.backbone.streams.query,
        );
        learner.reward.fit(replay, &learner.feedback.labels, rng)
    }

    /// Named figures of what it remembers, for the log.
    fn metrics(_memory: &Self::Memory) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// PEBBLE itself: no settings, nothing changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plain;

impl Method for Plain {
    const ID: &'static str = "pebble";
    type Memory = ();

    fn defaults(_: &Setup<'_>) -> Self {
        Self
    }
}
