//! RIME: PEBBLE that judges its labels before it learns from them, and warms its reward up.
//!
//! Cheng, Xiong, Dai, Miao, Lv, Wang, "RIME: Robust Preference-based Reinforcement Learning with Noisy
//! Preferences" (ICML 2024, arXiv 2402.17257); code github.com/CJReinforce/RIME_ICML2024 at 4ad03f4. On PEBBLE's
//! backbone:
//!
//! 1. **Denoising discriminator.** Before each pass over the labels, with p̄ the members' mean P\[right\] and
//!    ℓ = −y log p̄ − (1−y) log(1−p̄) (the KL divergence from a strict label), learn from
//!    {ℓ < τ_lower} as labelled, and from {ℓ > τ_upper} with the label flipped for this pass, where
//!    τ_lower = −log ρ + α ρ + min(β_t v, 3) and τ_upper = −log `flip_below`. Of the ℓ trusted so far, ρ follows
//!    the largest of each pass at rate 0.1 and v is the variance; β_t falls in a line from β₀ to β_min over
//!    k = `passes` passes.
//! 2. **Warm start.** Exploring, the critics regress to clip((e − μ)/3σ, −1, 1) of the distances e to
//!    neighbours ([`crate::explore`]), and after each update the reward ensemble makes `warm_steps` steps of
//!    regression to (e − μ)/max(μ − min, max − μ), fresh batches each. The critics then stay as they are.
//! 3. The reward's learning rate rises in a line from 0, over a third of all sessions' least passes. A session
//!    ends above an accuracy of 0.98, but not before `least_epochs` + 2 passes.
//!
//! Deviations: the running mean of e is corrected ([`crate::explore`]); an `Equal` label is never flipped (the
//! code's `1 − label` makes it an index out of range); a pass that trusts nothing learns nothing (the code
//! crashes). That v is the variance is the code's; the paper's text could not be read.

use serde::{Deserialize, Serialize};

use super::method::Method;
use super::pebble::{Pebble, PebbleConfig};
use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::explore::RunningMoments;
use crate::learner::LearnError;
use crate::replay::Replay;
use crate::reward_model::{Fit, RewardModel};

mod denoise;

pub use denoise::Seen;
pub(crate) use denoise::surprise;

/// RIME's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rime {
    /// α: weight of ρ in τ_lower.
    pub alpha: f64,
    /// β₀: weight of the spread of ℓ in τ_lower at first.
    pub beta_init: f64,
    /// β_min: the same in the end.
    pub beta_min: f64,
    /// k: passes over the labels after which the weight is β_min.
    pub passes: usize,
    /// A label to which the ensemble gives a lower probability is flipped.
    pub flip_below: f64,
    /// Passes of a session after which its accuracy may end it.
    pub least_epochs: usize,
    /// Steps of the reward ensemble on the intrinsic reward for each update of exploration.
    pub warm_steps: usize,
}

impl Method for Rime {
    const ID: &'static str = "rime";
    type Memory = Seen;
    const RESETS_CRITICS: bool = false;

    fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let many = meta || setup.tier == Tier::Smoke;
        Self {
            alpha: 0.5,
            beta_init: 3.0,
            beta_min: 1.0,
            // The code's, but where a run has fewer sessions than its (Meta-World) or others (smoke).
            passes: match (setup.tier, meta) {
                (Tier::Full, true) => 600,
                (Tier::Short, true) => 200,
                (Tier::Full | Tier::Short, false) => 60,
                (Tier::Smoke, _) => 120,
            },
            flip_below: 0.001,
            least_epochs: if many { 5 } else { 15 },
            warm_steps: 5,
        }
    }

    fn adapt(config: &mut PebbleConfig<Self>, setup: &Setup<'_>) {
        config.reward.target_accuracy = 0.98;
        if setup.tier == Tier::Short {
            // The code's: the least passes of a session are for these, and PEBBLE's of this tier would
            // move the reward six times as far in them.
            config.reward.lr = 3e-4;
            config.reward.batch = 128;
        }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.alpha", self.alpha, 0.0, 100.0);
        c.within("method.beta_init", self.beta_init, 0.0, 100.0);
        c.within("method.beta_min", self.beta_min, 0.0, self.beta_init);
        c.at_least("method.passes", self.passes, 1);
        c.within("method.flip_below", self.flip_below, 0.0, 0.5);
    }

    fn explore<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        let Pebble {
            backbone,
            entropy,
            reward,
            memory,
            config,
            ..
        } = learner;
        let mut mean = 0.0;
        backbone.update(|batch, replay| {
            let states = replay.trajectories().all_observations();
            let e = entropy.distances(&replay.observation_rows(&batch.index), states);
            let moments = entropy.scale(&e);
            memory.meet(&e);
            batch.reward = clipped(&e, moments);
            mean = moments.mean();
        });
        for _ in 0..config.method.warm_steps {
            let replay = &backbone.replay;
            let indices = replay.sample(config.sac.batch, &mut backbone.streams.replay);
            let states = replay.trajectories().all_observations();
            let e = entropy.distances(&replay.observation_rows(&indices), states);
            warm(reward, replay, &indices, memory.normalised(&e, mean));
        }
        Ok(())
    }

    fn fit<A: Compute>(learner: &mut Pebble<A, Self>) -> Option<Fit> {
        let (config, replay) = (&learner.config, &learner.backbone.replay);
        let (rime, labels) = (&config.method, &learner.feedback.labels);
        if labels.is_empty() {
            return None;
        }
        let (reward, seen) = (&mut learner.reward, &mut learner.memory);
        let rng = &mut learner.backbone.streams.query;
        let f = &config.feedback;
        let sessions = f.budget as f64 / f.per_session as f64;
        let warm_up = (sessions / 3.0 * rime.least_epochs as f64).round().max(1.0);
        let mut last = None;
        for epoch in 0..config.reward.epochs {
            reward.set_lr(config.reward.lr * (seen.passes as f64 / warm_up).min(1.0));
            let chosen = seen.judge(rime, labels, &surprise(reward, replay, labels));
            let Some(fit) = reward.epoch(replay, &chosen, rng) else {
                continue;
            };
            let epochs = epoch + 1;
            last = Some(Fit { epochs, ..fit });
            if fit.accuracy > config.reward.target_accuracy && epoch > rime.least_epochs {
                break;
            }
        }
        last
    }

    fn metrics(seen: &Seen) -> Vec<(&'static str, f64)> {
        let all = [
            ("rime.trusted", seen.trusted),
            ("rime.flipped", seen.flipped),
        ];
        all.into_iter()
            .filter(|(_, share)| share.is_finite())
            .collect()
    }
}

/// What the critics regress to while exploring.
pub(crate) fn clipped(distances: &[f32], moments: RunningMoments) -> Vec<f32> {
    let (mean, width) = (moments.mean() as f32, 3.0 * moments.std() as f32);
    let one = |e: &f32| ((e - mean) / width).clamp(-1.0, 1.0);
    distances.iter().map(one).collect()
}

/// A step of the ensemble on Σ_members mean (r̂ − target)².
pub(crate) fn warm<A: Compute>(
    reward: &mut RewardModel<A>,
    replay: &Replay,
    indices: &[usize],
    targets: Vec<f32>,
) -> f64 {
    reward.step_on(replay, indices, targets, |r, t| (r - t).square().mean())
}
