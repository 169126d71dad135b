//! CPL's teacher: prefers the segment with less regret under an expert's values.
//!
//! Hejna et al., "Contrastive Preference Learning", ICLR 2024. A segment's score is the sum of the
//! expert's advantages, which telescopes (the reference code's key `rl_sum`, used for all its labels):
//!
//! Σ_{t=1..T−1} γ^{t−1} rₜ + γ^{T−1} V(s_T) − V(s_1)
//!
//! with γ = 1. So the last reward and the last observation of the segment do not count, and segments of
//! one step are all equal. Exact ties go left.
//!
//! γ below 1 is `rl_dis_sum` as it was meant: in the reference code that key sums the rewards over
//! the whole batch and weighs V(s_T) by γ^T although it is T − 1 steps away.
//!
//! Where CPL's V comes from: a SAC expert's mean ensemble Q over 64 actions of its policy, with
//! discount 0.99. Here it is given from outside as a [`ValueFunction`].

use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::preference::Label;
use crate::segment::SegmentView;
use crate::session::Session;
use crate::stream::Stream;
use crate::teacher::settings::{self, BadParameter, Settings, unit};
use crate::teacher::{Teacher, higher};

/// An expert's opinion of states.
pub trait ValueFunction: Send + Sync + Debug {
    /// V of each observation, a row of `obs_dim` numbers: expected true return from there on. One
    /// finite number a row, which depends on that row alone.
    fn values(&self, observations: &[f32], obs_dim: usize) -> Vec<f64>;
}

/// Settings of [`Regret`].
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegretSettings {
    /// γ in [0, 1].
    pub discount: f64,
}

impl Default for RegretSettings {
    /// γ = 1: CPL's `rl_sum`.
    fn default() -> Self {
        RegretSettings { discount: 1.0 }
    }
}

impl Settings for RegretSettings {
    fn check(&self) -> Result<(), BadParameter> {
        settings::check(&[unit("discount", self.discount)])
    }
}

/// Prefers less regret.
#[derive(Clone, Debug)]
pub struct Regret {
    /// Settings.
    pub settings: RegretSettings,
    /// V.
    pub expert: Arc<dyn ValueFunction>,
}

impl Regret {
    /// The score of a segment: the larger, the less regret. `None` if the value function breaks its
    /// contract and returns another count of values.
    pub fn score(&self, segment: &SegmentView) -> Option<f64> {
        let width = segment.trajectories().obs_dim();
        let rows = segment.observations();
        let ends = [&rows[..width], &rows[rows.len() - width..]].concat();
        let &[first, last] = self.expert.values(&ends, width).as_slice() else {
            return None;
        };
        let (mut sum, mut weight) = (-first, 1.0);
        for &reward in &segment.rewards()[..segment.len() - 1] {
            sum += weight * f64::from(reward);
            weight *= self.settings.discount;
        }
        Some(sum + weight * last)
    }
}

impl Teacher for Regret {
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        _: &Session,
        _: &mut Stream,
    ) -> Option<Label> {
        Some(higher(self.score(left)?, self.score(right)?))
    }
}
