//! The scripted teachers of B-Pref, as six values of one struct.
//!
//! Lee, Smith, Dragan, Abbeel, "B-Pref: Benchmarking Preference-Based Reinforcement Learning",
//! NeurIPS Datasets and Benchmarks 2021, Algorithm 1. For true rewards r of the two segments, in
//! this order:
//!
//! 1. skip if max(Σr⁰, Σr¹) ≤ δ_skip (never when δ_skip ≤ 0);
//! 2. note whether |Σr⁰ − Σr¹| < δ_equal;
//! 3. myopic returns Gʲ = Σ_{t=1..H} γ^{H−t} rₜʲ;
//! 4. right is preferred if G⁰ < G¹ (β infinite), or with probability 1 / (1 + exp(β(G⁰ − G¹)));
//! 5. with probability ε the preference is reversed;
//! 6. if noted in 2, the answer is "equal" instead: an equal pair is never a mistake.
//!
//! The thresholds adapt to the policy: δ = ε·R̄·H/T_ep. They look at undiscounted returns whatever γ
//! is. Exact ties go left, as in the reference code; pairs are drawn symmetrically, so no side gains.
//!
//! Deviations: sums are f64. The authors' PEBBLE loop multiplies ε in twice from the second session
//! on, so its thresholds fall to ε²·R̄·H/T_ep (0.01 where the paper says 0.1), and several
//! successors inherit that. [`Scripted::compat`] reproduces it; the default is the definition.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::preference::Label;
use crate::segment::SegmentView;
use crate::stream::Stream;
use crate::teacher::{Session, Teacher};

/// A teacher that sees the true rewards. Missing fields are the oracle's.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scripted {
    /// β, rationality of the Bradley-Terry choice, per unit of return. Infinite (and then left out
    /// when serialized): no noise. 0: a coin toss.
    #[serde(skip_serializing_if = "is_infinite")]
    pub beta: f64,
    /// γ in [0, 1], weight of each earlier step relative to the next; 1: all steps alike.
    pub gamma: f64,
    /// ε in [0, 1], probability of a reversed answer.
    pub mistake: f64,
    /// ε of the skip threshold, at least 0; 0: never skips.
    pub skip: f64,
    /// ε of the equal threshold, at least 0; 0: never answers "equal".
    pub equal: f64,
    /// Reproduce the thresholds of the reference code; see the module's page.
    pub compat: bool,
}

/// Always prefers the higher true return.
pub const ORACLE: Scripted = Scripted {
    beta: f64::INFINITY,
    gamma: 1.0,
    mistake: 0.0,
    skip: 0.0,
    equal: 0.0,
    compat: false,
};
/// ε_mistake = 0.1.
pub const MISTAKE: Scripted = Scripted {
    mistake: 0.1,
    ..ORACLE
};
/// β = 1. B-Pref's "Stoc".
pub const NOISY: Scripted = Scripted {
    beta: 1.0,
    ..ORACLE
};
/// ε_skip = 0.1.
pub const SKIP: Scripted = Scripted {
    skip: 0.1,
    ..ORACLE
};
/// ε_equal = 0.1.
pub const EQUAL: Scripted = Scripted {
    equal: 0.1,
    ..ORACLE
};
/// γ = 0.9.
pub const MYOPIC: Scripted = Scripted {
    gamma: 0.9,
    ..ORACLE
};

impl Default for Scripted {
    fn default() -> Self {
        ORACLE
    }
}

/// A parameter of [`Scripted`] outside its range.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("teacher.{key} = {value} is invalid: it must be {range}")]
pub struct BadParameter {
    /// The field.
    pub key: &'static str,
    /// Its value.
    pub value: f64,
    /// The valid values.
    pub range: &'static str,
}

impl Scripted {
    /// Checks every parameter's range.
    ///
    /// # Errors
    /// [`BadParameter`] for the first that is outside, or not a number.
    pub fn check(&self) -> Result<(), BadParameter> {
        let unit = 0.0..=1.0;
        let finite = 0.0..=f64::MAX;
        let checks = [
            (
                "beta",
                self.beta,
                self.beta >= 0.0,
                "at least 0 (inf: no noise)",
            ),
            ("gamma", self.gamma, unit.contains(&self.gamma), "in [0, 1]"),
            (
                "mistake",
                self.mistake,
                unit.contains(&self.mistake),
                "in [0, 1]",
            ),
            ("skip", self.skip, finite.contains(&self.skip), "at least 0"),
            (
                "equal",
                self.equal,
                finite.contains(&self.equal),
                "at least 0",
            ),
        ];
        match checks.into_iter().find(|(_, _, valid, _)| !valid) {
            Some((key, value, _, range)) => Err(BadParameter { key, value, range }),
            None => Ok(()),
        }
    }

    /// The threshold δ for a rate ε and segments of `len` steps.
    fn threshold(&self, epsilon: f64, len: usize, session: &Session) -> f64 {
        let margin = session.average_return * len as f64 / session.episode_length;
        if self.compat && session.index > 0 {
            epsilon * epsilon * margin
        } else {
            epsilon * margin
        }
    }
}

impl Teacher for Scripted {
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        session: &Session,
        rng: &mut Stream,
    ) -> Option<Label> {
        let sums = [left, right].map(|s| discounted(s.rewards(), 1.0));
        let skip = self.threshold(self.skip, left.len(), session);
        if skip > 0.0 && sums[0].max(sums[1]) <= skip {
            return None;
        }
        let equal = self.threshold(self.equal, left.len(), session);
        let indistinct = (sums[0] - sums[1]).abs() < equal;

        let [g0, g1] = [left, right].map(|s| discounted(s.rewards(), self.gamma));
        let prefers_right = if self.beta.is_infinite() {
            g0 < g1
        } else {
            rng.chance(sigmoid(self.beta * (g1 - g0)))
        };
        // Short-circuit: a teacher that makes no mistakes draws no number for them.
        let mistaken = self.mistake > 0.0 && rng.chance(self.mistake);
        Some(match prefers_right != mistaken {
            _ if indistinct => Label::Equal,
            true => Label::Right,
            false => Label::Left,
        })
    }
}

/// Σ γ^{H−t} rₜ over t = 1..H: the last step weighs 1.
fn discounted(rewards: &[f32], gamma: f64) -> f64 {
    rewards
        .iter()
        .fold(0.0, |sum, &reward| gamma * sum + f64::from(reward))
}

/// 1 / (1 + e^−x), without overflow for any x.
fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x < 0.0 {
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + e)
    }
}

fn is_infinite(beta: &f64) -> bool {
    beta.is_infinite()
}
