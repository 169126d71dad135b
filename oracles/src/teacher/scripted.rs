//! Teachers that see the true rewards, as values of one struct: the six of B-Pref and their
//! relatives.
//!
//! For true rewards r of the two segments of H steps, in this order:
//!
//! 1. skip if max(Σr⁰, Σr¹) ≤ δ_skip (never when δ_skip ≤ 0);
//! 2. skip if |Σr⁰ − Σr¹| ≤ δ_unsure (never when δ_unsure ≤ 0);
//! 3. note whether |Σr⁰ − Σr¹| < δ_equal, or ≤ tie·H;
//! 4. judge Gʲ = Σ_{t=1..H} γ^{H−t} d^{t−1} rₜʲ;
//! 5. right is preferred if G⁰ < G¹ (temperature T = 0), or with probability
//!    1 / (1 + exp((G⁰ − G¹)/T));
//! 6. with probability ε·exp(−focus·|G⁰ − G¹|/spread) the preference is reversed;
//! 7. if noted in 3, the answer is "equal" instead: an equal pair is never a mistake.
//!
//! The thresholds adapt to the policy: δ = ε·R̄·H/T_ep, but δ_unsure = ε·r̄·H by the mean true reward r̄ of a
//! step, as CLARIFY's, which is more where episodes end before T_ep. They look at undiscounted returns whatever γ
//! and d are. Exact ties go left, as in the reference code; pairs are drawn symmetrically, so no side
//! gains. `spread` is [`Session::return_spread`].
//!
//! Sources: 1, 3 (δ_equal), 4 (γ), 5 with T = 1/β and 6 with focus 0 are Algorithm 1 of Lee, Smith,
//! Dragan, Abbeel, "B-Pref: Benchmarking Preference-Based Reinforcement Learning", NeurIPS Datasets and
//! Benchmarks 2021. 2 is the scripted teacher of CLARIFY (2025). `tie` is that of Uni-RLHF and LiRE.
//! d is the discount of IPL's labels. `focus` and a temperature in units of the spread are ours.
//!
//! Deviations: sums are f64. The authors' PEBBLE loop multiplies ε in twice from the second session
//! on, so its thresholds fall to ε²·R̄·H/T_ep (0.01 where the paper says 0.1), and several
//! successors inherit that. [`Scripted::compat`] reproduces it for `skip` and `equal`; the default is
//! the definition.
//!
//! # How often they err
//!
//! If the returns of segments are normal, |G⁰ − G¹|/spread is √2|z|, and the mean rate of errors is
//! E\[1/(1 + exp(√2|z|/T))\] for noise of temperature T·spread: 4 % at T = 0.1, 9.4 % at 0.25, 17 % at
//! 0.5, 27 % at 1. For mistakes of ε = 0.5 at a margin of 0 it is E\[0.5·exp(−√2·focus·|z|)\]: 12.8 % at
//! focus 2, 10.5 % at 2.5, 6.8 % at 4. [`BOLTZMANN`] and [`MARGIN`] are set to err about as often as
//! [`MISTAKE`], but among close pairs.

use serde::{Deserialize, Serialize};

use crate::preference::Label;
use crate::segment::SegmentView;
use crate::session::Session;
use crate::stream::Stream;
use crate::teacher::Teacher;
use crate::teacher::settings::{self, Settings, nonnegative, unit};

pub use crate::teacher::settings::BadParameter;

/// What a temperature of 1 stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// A return of 1.
    Return,
    /// The standard deviation of the returns of recent segments.
    Spread,
}

/// A teacher that sees the true rewards. Missing fields are the oracle's.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scripted {
    /// T = 1/β of the Bradley-Terry choice, at least 0; 0: no noise.
    pub temperature: f64,
    /// The unit of the temperature.
    pub unit: Unit,
    /// γ in [0, 1], weight of each earlier step relative to the next; 1: all steps alike.
    pub gamma: f64,
    /// d in [0, 1], weight of each later step relative to the one before; 1: all steps alike.
    pub discount: f64,
    /// Judge by mean reward per step: every sum of rewards is divided by its number of steps, H is 1
    /// in thresholds, margins and the spread. Between segments of equal length this changes nothing
    /// but the meaning of a temperature in units of return; a longer segment gains nothing by its
    /// length.
    pub mean: bool,
    /// ε in [0, 1], probability of a reversed answer.
    pub mistake: f64,
    /// How fast mistakes vanish as the margin grows, per spread, at least 0; 0: they do not.
    pub focus: f64,
    /// ε of the skip threshold, at least 0; 0: never skips poor pairs.
    pub skip: f64,
    /// ε of the threshold below which close pairs are skipped, at least 0; 0: never.
    pub unsure: f64,
    /// ε of the equal threshold, at least 0; 0: never answers "equal" for it.
    pub equal: f64,
    /// Difference of returns per step up to which two segments are equal, at least 0; 0: exact ties
    /// only. An absolute margin m for segments of H steps is m/H (Uni-RLHF: 10 for 200 steps; LiRE:
    /// 0.5 a step in Meta-World). `null`: none.
    pub tie: Option<f64>,
    /// Reproduce the thresholds of the reference code; see the module's page.
    pub compat: bool,
}

/// Always prefers the higher true return.
pub const ORACLE: Scripted = Scripted {
    temperature: 0.0,
    unit: Unit::Return,
    gamma: 1.0,
    discount: 1.0,
    mean: false,
    mistake: 0.0,
    focus: 0.0,
    skip: 0.0,
    unsure: 0.0,
    equal: 0.0,
    tie: None,
    compat: false,
};
/// ε_mistake = 0.1.
pub const MISTAKE: Scripted = Scripted {
    mistake: 0.1,
    ..ORACLE
};
/// β = 1. B-Pref's "Stoc".
pub const NOISY: Scripted = Scripted {
    temperature: 1.0,
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
/// Bradley-Terry noise of a quarter of the spread: the same on every task.
pub const BOLTZMANN: Scripted = Scripted {
    temperature: 0.25,
    unit: Unit::Spread,
    ..ORACLE
};
/// A coin toss at a margin of 0, 4 % of mistakes at one spread.
pub const MARGIN: Scripted = Scripted {
    mistake: 0.5,
    focus: 2.5,
    ..ORACLE
};
/// Uni-RLHF's and LiRE's margin for rewards of at most 1 a step.
pub const TIE: Scripted = Scripted {
    tie: Some(0.05),
    ..ORACLE
};
/// CLARIFY's ε = 0.5.
pub const UNSURE: Scripted = Scripted {
    unsure: 0.5,
    ..ORACLE
};
/// d = 0.99, as in IPL's labels.
pub const DISCOUNTED: Scripted = Scripted {
    discount: 0.99,
    ..ORACLE
};
/// Judges by mean reward per step.
pub const MEAN: Scripted = Scripted {
    mean: true,
    ..ORACLE
};

impl Default for Scripted {
    fn default() -> Self {
        ORACLE
    }
}

impl Scripted {
    /// Checks every parameter's range.
    ///
    /// # Errors
    /// [`BadParameter`] for the first that is outside, or not a number.
    pub fn check(&self) -> Result<(), BadParameter> {
        settings::check(&[
            nonnegative("temperature", self.temperature),
            unit("gamma", self.gamma),
            unit("discount", self.discount),
            unit("mistake", self.mistake),
            nonnegative("focus", self.focus),
            nonnegative("skip", self.skip),
            nonnegative("unsure", self.unsure),
            nonnegative("equal", self.equal),
            nonnegative("tie", self.tie.unwrap_or(0.0)),
        ])
    }

    /// ε as the reference code has it, if asked for.
    fn rate(&self, epsilon: f64, session: &Session) -> f64 {
        if self.compat && session.index > 0 {
            epsilon * epsilon
        } else {
            epsilon
        }
    }

    /// Σ γ^{H−t} d^{t−1} rₜ over t = 1..H, or that per step.
    fn judge(&self, rewards: &[f32], gamma: f64, discount: f64) -> f64 {
        let (mut sum, mut weight) = (0.0, 1.0);
        for &reward in rewards {
            sum = gamma * sum + weight * f64::from(reward);
            weight *= discount;
        }
        match self.mean {
            true => sum / rewards.len() as f64,
            false => sum,
        }
    }
}

impl Settings for Scripted {
    fn check(&self) -> Result<(), BadParameter> {
        self.check()
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
        // The mean of the lengths, so that the sides are alike where imported lengths differ.
        let length = (left.len() + right.len()) as f64 / 2.0;
        let steps = if self.mean { 1.0 } else { length };

        let reach = session.average_return * steps / session.episode_length;
        let sums = [left, right].map(|s| self.judge(s.rewards(), 1.0, 1.0));
        let skip = self.rate(self.skip, session) * reach;
        if skip > 0.0 && sums[0].max(sums[1]) <= skip {
            return None;
        }
        let difference = (sums[0] - sums[1]).abs();
        // Not a number before the first episode ends: no query is skipped then.
        let unsure = self.unsure * (session.average_return * steps / session.average_length);
        if unsure > 0.0 && difference <= unsure {
            return None;
        }
        let equal = difference < self.rate(self.equal, session) * reach
            || self.tie.is_some_and(|tie| difference <= tie * steps);

        let [g0, g1] = [left, right].map(|s| self.judge(s.rewards(), self.gamma, self.discount));
        let spread = session.return_spread * steps / length;
        let prefers_right = if self.temperature == 0.0 {
            g0 < g1
        } else {
            let scale = match self.unit {
                Unit::Return => self.temperature,
                Unit::Spread => self.temperature * spread,
            };
            rng.chance(sigmoid(ratio(g1 - g0, scale)))
        };
        let mistake = if self.focus == 0.0 {
            self.mistake
        } else {
            self.mistake * (-self.focus * ratio((g1 - g0).abs(), spread)).exp()
        };
        // Short-circuit: a teacher that makes no mistakes draws no number for them.
        let mistaken = self.mistake > 0.0 && rng.chance(mistake);
        Some(match prefers_right != mistaken {
            _ if equal => Label::Equal,
            true => Label::Right,
            false => Label::Left,
        })
    }
}

/// A difference in units of `scale`: 0 if there is none, and infinite if the scale is 0.
fn ratio(difference: f64, scale: f64) -> f64 {
    if difference == 0.0 {
        0.0
    } else {
        difference / scale
    }
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
