//! Implicit Q-learning: a policy from a dataset's transitions and a reward, true or learned.
//!
//! Kostrikov, Nair, Levine, "Offline Reinforcement Learning with Implicit Q-Learning" (ICLR 2022, arXiv
//! 2110.06169), as its authors' code has it in Preference Transformer's repository
//! (github.com/csmile-1006/PreferenceTransformer at f71647b: `learner.py`, `actor.py`, `critic.py`). With
//! u = min_k Q̄_k(s,a) − V(s), in this order:
//!
//! 1. L_V = E[|τ − 1(u < 0)| u²]
//! 2. L_π = −E[min(exp(β u), 100) log π(a|s)], u with the V just updated
//! 3. L_Q = Σ_k E[(r + γ (1 − terminated) V(s′) − Q_k(s,a))²]
//! 4. Q̄ ← Q̄ + target_rate (Q − Q̄)
//!
//! π is a Gaussian around tanh(MLP(s)) whose log σ does not depend on s; the rate of its optimiser falls
//! as a cosine. Rewards are scaled by the steps of the longest episode over the range of the episodes' returns.
//!
//! Deviations: orthogonal weights have gain 1, not √2; the steps are the environment's limit there, and
//! of the true rewards D4RL's robots' alone are scaled. [`Iql`] is the update; [`IqlOffline`] the learner
//! on the true reward, which is privileged.

use burn::tensor::Tensor;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::critics::{CriticConfig, Critics};
use super::shared::{Figures, Memory, act, cosine, rows};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::{Init, Inner};
use crate::replay::{Batch, Dims};
use crate::state::{State, StateError};

/// Largest weight of a transition in L_π.
pub(super) const MOST_WEIGHT: f32 = 100.0;

/// Settings of implicit Q-learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IqlConfig {
    /// Transitions per update.
    pub batch: usize,
    /// Discount γ.
    pub discount: f64,
    /// Expectile τ of V.
    pub expectile: f64,
    /// Inverse temperature β of the policy's weights.
    pub beta: f64,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
    /// Whether rewards are scaled so that the returns of the best and the worst episode lie as far apart as
    /// the longest episode has steps.
    pub scale_rewards: bool,
}

impl IqlConfig {
    /// Defaults for a task's family and a tier: Preference Transformer's for Gymnasium's robots and robosuite's
    /// (`configs/adroit_config.py`), IPL's for Meta-World's (`configs/metaworld/mr_iql.yaml`).
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let full = setup.tier == Tier::Full;
        Self {
            batch: 256,
            discount: 0.99,
            expectile: if meta { 0.75 } else { 0.7 },
            beta: if setup.family == "robosuite" {
                0.5
            } else {
                3.0
            },
            scale_observations: !full,
            scale_rewards: ["gymnasium", "robosuite"].contains(&setup.family),
        }
    }

    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("iql.batch", self.batch, 1);
        c.within("iql.discount", self.discount, 0.0, 1.0);
        c.within("iql.expectile", self.expectile, 0.0, 1.0);
        c.positive("iql.beta", self.beta);
    }
}

/// Defaults of the networks of IQL and IPL: the policy's, and the critics'.
pub(super) fn networks(setup: &Setup<'_>) -> (ActorConfig, CriticConfig) {
    let full = setup.tier == Tier::Full;
    let hidden = match full {
        true if setup.family == "metaworld" => vec![256; 3],
        true => vec![256; 2],
        false => vec![128; 2],
    };
    let (init, lr) = (Init::Orthogonal, if full { 3e-4 } else { 1e-3 });
    let actor = ActorConfig {
        hidden: hidden.clone(),
        init,
        dropout: if setup.family == "robosuite" {
            0.1
        } else {
            0.0
        },
        lr,
    };
    let critic = CriticConfig {
        hidden,
        init,
        lr,
        // Fast targets make up for few updates.
        target_rate: if setup.tier == Tier::Smoke {
            0.02
        } else {
            0.005
        },
    };
    (actor, critic)
}

/// log σ of the policies of IQL and IPL lies within these bounds.
pub const GAUSSIAN: Density = Density::Gaussian(-5.0, 2.0);

/// The update, with networks and optimisers.
pub struct Iql<A: Compute> {
    config: IqlConfig,
    dims: Dims,
    device: A::Device,
    pub(super) actor: Actor<A>,
    critics: Critics<A>,
    updates: u64,
    /// Updates of a run, after which the policy's rate is 0.
    total: u64,
    figures: Figures<A>,
}

impl<A: Compute> Iql<A> {
    /// Fresh networks drawn from `rng`, for a run of `total` updates.
    pub fn new(
        config: IqlConfig,
        networks: (&ActorConfig, &CriticConfig),
        dims: Dims,
        total: u64,
        rng: &mut Stream,
        device: A::Device,
    ) -> Self {
        Self {
            config,
            dims,
            actor: Actor::new(networks.0, GAUSSIAN, dims, rng, &device),
            critics: Critics::new(networks.1, 2, dims, rng, &device),
            device,
            updates: 0,
            total,
            figures: Figures::new(&["iql.value_loss", "iql.actor_loss", "iql.critic_loss"]),
        }
    }

    /// One update on a batch whose observations are scaled already; `rng` drops activations.
    pub fn update(&mut self, batch: Batch, rng: &mut Stream) {
        let device = self.device.clone();
        let width = self.dims.obs;
        let state = rows::<Inner<A>>(batch.observation, width, &device);
        let state_action = rows(batch.observation_action, width + self.dims.act, &device);
        let next_state = rows(batch.next_observation, width, &device);
        let (reward, bootstrap) = (
            rows(batch.reward, 1, &device),
            rows(batch.bootstrap, 1, &device),
        );
        let action = state_action.clone().narrow(1, width, self.dims.act);

        let tau = self.config.expectile;
        let q = self.critics.lowest_target(&state_action);
        let target = Tensor::<A, 2>::from_inner(q.clone());
        let value_loss = self
            .critics
            .step_value(state.clone(), |v| expectile(target - v, tau).mean());
        let u = q - self.critics.value(state.clone());
        let weight = (u * self.config.beta).exp().clamp_max(MOST_WEIGHT);
        let weight = Tensor::<A, 2>::from_inner(weight);
        self.actor.scale_lr(cosine(self.updates, self.total));
        let actor_loss = self.actor.step(state, action, rng, |log_prob| {
            (weight * log_prob).mean().neg()
        });
        let y = reward + bootstrap * self.critics.value(next_state) * self.config.discount;
        let y = Tensor::<A, 2>::from_inner(y);
        // The sum over critics of the mean over rows.
        let critic_loss = self
            .critics
            .step(state_action, |q| (q - y).square().sum_dim(1).mean());
        self.critics.follow();
        self.updates += 1;
        self.figures.set(vec![value_loss, actor_loss, critic_loss]);
    }

    /// Changes the number of updates after which the policy's rate is 0.
    pub fn set_total(&mut self, total: u64) {
        self.total = total;
    }

    /// Transitions per update.
    pub fn batch(&self) -> usize {
        self.config.batch
    }

    /// Losses of the latest update.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.figures.metrics()
    }

    /// Writes networks, optimisers and counts.
    pub fn save(&self, state: &mut State) {
        self.actor.save("actor", state);
        self.critics.save(state);
        state.put_json("iql.updates", &(self.updates, self.total));
        self.figures.save("iql.figures", state);
    }

    /// Reads what [`Iql::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.actor.load("actor", state)?;
        self.critics.load(state)?;
        (self.updates, self.total) = state.get_json("iql.updates")?;
        self.figures.load("iql.figures", state, &self.device)
    }
}

/// |τ − 1(u < 0)| u² of each number.
pub(super) fn expectile<A: Compute>(u: Tensor<A, 2>, tau: f64) -> Tensor<A, 2> {
    let negative = u.clone().lower_elem(0.0).float();
    let weight = (negative * (1.0 - 2.0 * tau) + tau).detach();
    weight * u.square()
}

/// Settings of IQL on the true reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IqlOfflineConfig {
    /// The policy.
    pub actor: ActorConfig,
    /// Critics and V.
    pub critic: CriticConfig,
    /// The update.
    pub iql: IqlConfig,
}

impl IqlOfflineConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let (actor, critic) = networks(setup);
        Self {
            actor,
            critic,
            // β is for advantages of a few units; Meta-World's rewards go up to 10 a step.
            iql: IqlConfig {
                scale_rewards: true,
                ..IqlConfig::defaults(setup)
            },
        }
    }
}

impl OfflineConfig for IqlOfflineConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
            self.critic.check(c);
            self.iql.check(c);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        let mut memory = Memory::new(&data, self.iql.scale_observations);
        if self.iql.scale_rewards {
            memory.scale_rewards();
        }
        let init = &mut Stream::new(b.seed, "init");
        Ok(Box::new(IqlOffline::<A> {
            id,
            iql: Iql::new(
                self.iql,
                (&self.actor, &self.critic),
                b.dims,
                b.total_steps,
                init,
                device,
            ),
            memory,
            stream: Stream::new(b.seed, "batch"),
        }))
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 10_000,
        Tier::Short => 50_000,
        Tier::Full if setup.family == "metaworld" => 200_000,
        Tier::Full => 1_000_000,
    }
}

/// The learner on the true reward.
pub struct IqlOffline<A: Compute> {
    id: &'static str,
    iql: Iql<A>,
    memory: Memory,
    stream: Stream,
}

impl<A: Compute> Policy for IqlOffline<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.iql.actor, &self.memory.scale, observation, action);
    }
}

impl<A: Compute> Learner for IqlOffline<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        let batch = self.memory.batch(self.iql.batch(), &mut self.stream)?;
        self.iql.update(batch, &mut self.stream);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.iql.metrics()
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.iql.save(&mut state);
        self.memory.scale.save(&mut state);
        state.put_json("stream", &self.stream);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.iql.load(state)?;
        self.memory.scale.load(state)?;
        self.stream = state.get_json("stream")?;
        Ok(())
    }
}
