//! S-EPOA's teacher: pairs from episodes of similar return get a coin toss.
//!
//! "S-EPOA: Overcoming the Indistinguishability of Segments with Skill-Driven Preference-Based
//! Reinforcement Learning", IJCAI 2025, the reference code's `mean_traj_error`. With R⁰ and R¹ the
//! true returns of the whole episodes that the segments are cut from, a pair with |R⁰ − R¹| < ε·R̄ is
//! indistinct, and its label is the oracle's or the reverse with probability 1/2 each. All other
//! pairs get the oracle's label; exact ties of the segments go left.
//!
//! Two segments of one episode are always indistinct while R̄ is positive; the authors never ask
//! about such pairs. Deviations: they reverse a random half of each batch's indistinct pairs, so that
//! answers hang on one another; we toss a coin for each. Their threshold has 1000/50 written in, which
//! is ε·R̄ for segments of 50 steps; ours is ε·R̄ always.

use serde::{Deserialize, Serialize};

use crate::preference::Label;
use crate::segment::SegmentView;
use crate::session::Session;
use crate::stream::Stream;
use crate::teacher::settings::{self, BadParameter, Settings, nonnegative};
use crate::teacher::{Teacher, oracle};

/// Guesses where whole episodes are alike.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Indistinct {
    /// ε, at least 0: episodes are alike if their returns differ by less than ε·R̄.
    pub epsilon: f64,
}

impl Default for Indistinct {
    /// ε = 0.2, one of the authors' two values (0.2 and 0.3).
    fn default() -> Self {
        Indistinct { epsilon: 0.2 }
    }
}

impl Settings for Indistinct {
    fn check(&self) -> Result<(), BadParameter> {
        settings::check(&[nonnegative("epsilon", self.epsilon)])
    }
}

impl Teacher for Indistinct {
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        session: &Session,
        rng: &mut Stream,
    ) -> Option<Label> {
        let [r0, r1] = [left, right].map(|s| {
            s.trajectories()
                .episode_return(s.segment().trajectory as usize)
        });
        let indistinct = (r0 - r1).abs() < self.epsilon * session.average_return;
        let label = oracle(left, right);
        Some(match indistinct && rng.chance(0.5) {
            true => label.swapped(),
            false => label,
        })
    }
}
