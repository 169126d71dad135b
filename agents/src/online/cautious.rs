//! PEBBLE on a cautious reward: the ensemble's mean less k of its standard deviations.
//!
//! The lower confidence bound of a learned reward, so that the policy does not exploit where the
//! ensemble merely guesses; RUNE ([`super::rune`]) is its opposite, and only in the critics. A transition's
//! reward to learn from is mean − k·σ (divisor: members), at collection and at every relabelling.

use serde::{Deserialize, Serialize};

use super::method::Method;
use crate::config::{Checks, Setup};

/// Its own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cautious {
    /// k: deviations below the mean.
    pub deviations: f64,
}

impl Method for Cautious {
    const ID: &'static str = "cautious";
    type Memory = ();

    fn defaults(_: &Setup<'_>) -> Self {
        Self { deviations: 1.0 }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.deviations", self.deviations, 0.0, 100.0);
    }

    fn penalty(&self) -> f32 {
        self.deviations as f32
    }
}
