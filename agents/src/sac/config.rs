//! SAC's settings.

use serde::{Deserialize, Serialize};

use crate::config::{Checks, Setup, Tier};
use crate::nets::Init;

/// Settings of SAC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SacConfig {
    /// Widths of the hidden layers of the actor and of each critic.
    pub hidden: Vec<usize>,
    /// Initial weights: `orthogonal` (B-Pref) or `uniform` (PyTorch's default).
    pub init: Init,
    /// Transitions per update.
    pub batch: usize,
    /// Adam's learning rate for the actor.
    pub actor_lr: f64,
    /// Adam's learning rate for both critics.
    pub critic_lr: f64,
    /// Adam's learning rate for log α.
    pub alpha_lr: f64,
    /// α at the start.
    pub init_temperature: f64,
    /// Discount γ.
    pub discount: f64,
    /// Step τ of the targets' moving average.
    pub tau: f64,
    /// Updates between two steps of the targets.
    pub target_update_every: u32,
}

impl SacConfig {
    /// Defaults for a task's family and a tier.
    ///
    /// The full tier is the published protocol: for Gymnasium bodies that of SAC's authors and of
    /// Stable-Baselines3, else B-Pref's (`config/agent/sac.yaml` and its scripts). The cheaper
    /// tiers shrink networks and batches to what a CPU core does in their time.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = match setup.family {
            "gymnasium" => Self {
                hidden: vec![256, 256],
                init: Init::Uniform,
                batch: 256,
                actor_lr: 3e-4,
                critic_lr: 3e-4,
                alpha_lr: 3e-4,
                init_temperature: 1.0,
                discount: 0.99,
                tau: 0.005,
                target_update_every: 1,
            },
            family => {
                let meta = family == "metaworld";
                // Robots of many joints go slower, in B-Pref's scripts and in QPA's.
                let slow = ["quadruped-", "humanoid-"];
                let slow = slow.iter().any(|robot| setup.task.starts_with(robot));
                let lr = match (meta, slow && setup.tier == Tier::Full) {
                    (true, _) => 3e-4,
                    (false, true) => 1e-4,
                    (false, false) => 5e-4,
                };
                Self {
                    hidden: if meta { vec![256; 3] } else { vec![1024; 2] },
                    init: Init::Orthogonal,
                    batch: if meta { 512 } else { 1024 },
                    actor_lr: lr,
                    critic_lr: lr,
                    alpha_lr: 1e-4,
                    init_temperature: 0.1,
                    discount: 0.99,
                    tau: 0.005,
                    target_update_every: 2,
                }
            }
        };
        match setup.tier {
            Tier::Full => full,
            // A small critic must learn faster to keep up within the shorter run.
            // As Meta-World's own SAC begins: its rewards, up to 10 a step, leave no entropy otherwise.
            Tier::Short if setup.family == "metaworld" => Self {
                hidden: vec![128; 2],
                batch: 128,
                critic_lr: 1e-3,
                alpha_lr: 3e-4,
                init_temperature: 1.0,
                target_update_every: 1,
                ..full
            },
            Tier::Short => Self {
                hidden: vec![128; 2],
                batch: 128,
                critic_lr: 1e-3,
                ..full
            },
            // Seconds, not hours: fast targets and a nearer horizon make up for few updates.
            Tier::Smoke => Self {
                hidden: vec![128; 2],
                batch: 128,
                actor_lr: 1e-3,
                critic_lr: 1e-3,
                discount: 0.97,
                tau: 0.01,
                target_update_every: 1,
                ..full
            },
        }
    }

    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("sac.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("sac.hidden", width, 1);
        }
        c.at_least("sac.batch", self.batch, 1);
        c.positive("sac.actor_lr", self.actor_lr);
        c.positive("sac.critic_lr", self.critic_lr);
        c.positive("sac.alpha_lr", self.alpha_lr);
        c.positive("sac.init_temperature", self.init_temperature);
        c.within("sac.discount", self.discount, 0.0, 1.0);
        c.within("sac.tau", self.tau, 0.0, 1.0);
        c.at_least(
            "sac.target_update_every",
            self.target_update_every as usize,
            1,
        );
    }
}
