//! Mistakes that depend on what the segments look like.
//!
//! Li, Kethireddy, Das, "Evaluating Feature Dependent Noise in Preference-based Reinforcement
//! Learning", 2026 (arXiv 2601.01904), who report that under some such noise a method made to withstand
//! noise falls behind plain ones. Theirs is the frame: the oracle's label is reversed with a
//! probability N(σ⁰, σ¹) that depends on features of the two segments. Theirs are two of the kinds:
//! *similarity noise*, where N grows as segments become alike, and *trajectory feature noise*, where N
//! grows with the size of a feature, such as a velocity. (Their third, margin-dependent noise, is
//! [`crate::teacher::scripted::MARGIN`].)
//!
//! Ours are the features, chosen so that they mean the same on every task, and the functions, since
//! we had only the paper's abstract and summaries of it:
//!
//! - `similarity`: d is the distance between the segments' mean observations, as the root mean square
//!   over the observation's numbers of the difference over σ; N = ε·exp(−d/τ).
//! - `actions`: x is the root mean square of all action numbers of both segments;
//!   N = ε·(1 − exp(−x/τ)).
//! - `speed`: x is the root mean square of all changes of the observation from one step to the next,
//!   each over σ, in both segments; N likewise.
//!
//! σ is the standard deviation of that number of the observation over the two whole episodes that
//! the segments are cut from (both together); numbers that never vary there are left out. An answer
//! hangs on nothing but these two episodes, at the cost of reading them: O(T) a query. Exact ties of the
//! returns go left before the reversal.

use serde::{Deserialize, Serialize};

use crate::preference::Label;
use crate::segment::SegmentView;
use crate::session::Session;
use crate::stream::Stream;
use crate::teacher::settings::{self, BadParameter, Settings, positive, unit};
use crate::teacher::{Teacher, oracle};

/// What mistakes depend on.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feature {
    /// How alike the segments' mean observations are.
    Similarity,
    /// How large the actions are.
    Actions,
    /// How fast the observations change.
    Speed,
}

/// The oracle, reversed with a probability that depends on a feature. Missing fields are
/// [`SIMILAR`]'s.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureNoise {
    /// The feature.
    pub by: Feature,
    /// ε in [0, 1]: the largest probability of a reversed answer.
    pub mistake: f64,
    /// τ, above 0: the size of the feature at which that has risen or fallen by a factor of e.
    pub scale: f64,
}

/// A coin toss between identical segments; 18 % of mistakes at a distance of half a σ.
pub const SIMILAR: FeatureNoise = FeatureNoise {
    by: Feature::Similarity,
    mistake: 0.5,
    scale: 0.5,
};
/// No mistakes about a robot at rest, up to 26 % at actions of ±1.
pub const ACTIONS: FeatureNoise = FeatureNoise {
    by: Feature::Actions,
    mistake: 0.3,
    scale: 0.5,
};

impl Default for FeatureNoise {
    fn default() -> Self {
        SIMILAR
    }
}

impl FeatureNoise {
    /// N(σ⁰, σ¹): the probability of a reversed answer.
    pub fn mistake(&self, left: &SegmentView, right: &SegmentView) -> f64 {
        match self.by {
            Feature::Similarity => self.mistake * (-distance(left, right) / self.scale).exp(),
            Feature::Actions => self.mistake * -(-action(left, right) / self.scale).exp_m1(),
            Feature::Speed => self.mistake * -(-speed(left, right) / self.scale).exp_m1(),
        }
    }
}

impl Settings for FeatureNoise {
    fn check(&self) -> Result<(), BadParameter> {
        settings::check(&[unit("mistake", self.mistake), positive("scale", self.scale)])
    }
}

impl Teacher for FeatureNoise {
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        _: &Session,
        rng: &mut Stream,
    ) -> Option<Label> {
        let label = oracle(left, right);
        Some(match rng.chance(self.mistake(left, right)) {
            true => label.swapped(),
            false => label,
        })
    }
}

fn distance(left: &SegmentView, right: &SegmentView) -> f64 {
    let [m0, m1] = [left, right].map(|s| means(s.observations(), s.len()));
    let terms = variances(left, right)
        .into_iter()
        .zip(m0.into_iter().zip(m1));
    let terms = terms.filter(|(variance, _)| *variance > 0.0);
    root_mean(terms.map(|(variance, (a, b))| (a - b).powi(2) / variance))
}

fn action(left: &SegmentView, right: &SegmentView) -> f64 {
    let squares =
        |s: &SegmentView| -> f64 { s.actions().iter().map(|&a| f64::from(a).powi(2)).sum() };
    let count = left.actions().len() + right.actions().len();
    ((squares(left) + squares(right)) / count.max(1) as f64).sqrt()
}

fn speed(left: &SegmentView, right: &SegmentView) -> f64 {
    let width = left.trajectories().obs_dim();
    let steps = (left.len() + right.len()) as f64;
    let squares = |s: &SegmentView, k: usize| -> f64 {
        let (from, to) = (s.observations(), s.next_observations());
        (k..from.len())
            .step_by(width)
            .map(|i| (f64::from(to[i]) - f64::from(from[i])).powi(2))
            .sum()
    };
    let terms = variances(left, right).into_iter().enumerate();
    let terms = terms.filter(|(_, variance)| *variance > 0.0);
    root_mean(terms.map(|(k, v)| (squares(left, k) + squares(right, k)) / steps / v))
}

/// σ² of each number of the observation over both episodes.
fn variances(left: &SegmentView, right: &SegmentView) -> Vec<f64> {
    let episodes = [left, right].map(|s| {
        let (store, episode) = (s.trajectories(), s.episode());
        let width = store.obs_dim();
        let row = episode.start + s.segment().trajectory as usize;
        let rows = &store.all_observations()[row * width..(row + episode.len) * width];
        (rows, episode.len as f64)
    });
    let width = left.trajectories().obs_dim();
    let [(a, n), (b, m)] = episodes;
    let column = |rows: &[f32], k: usize, f: &dyn Fn(f64) -> f64| -> f64 {
        let numbers = rows.iter().skip(k).step_by(width);
        numbers.map(|&o| f(f64::from(o))).sum()
    };
    let both = |k: usize, f: &dyn Fn(f64) -> f64| (column(a, k, f) + column(b, k, f)) / (n + m);
    (0..width)
        .map(|k| {
            let mean = both(k, &|o| o);
            both(k, &|o| (o - mean).powi(2))
        })
        .collect()
}

/// The mean of each column of `count` rows.
fn means(rows: &[f32], count: usize) -> Vec<f64> {
    let width = rows.len() / count;
    (0..width)
        .map(|k| {
            let column = rows.iter().skip(k).step_by(width);
            column.map(|&o| f64::from(o)).sum::<f64>() / count as f64
        })
        .collect()
}

fn root_mean(squares: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = squares.fold((0.0, 0u32), |(sum, count), s| (sum + s, count + 1));
    (sum / f64::from(count.max(1))).sqrt()
}
