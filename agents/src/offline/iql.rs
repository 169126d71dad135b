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
//! as a cosine. Rewards of Gymnasium's robots are scaled by 1000 over the range of the episodes' returns.
//!
//! Deviations: orthogonal weights have gain 1, not √2. [`Iql`] is the update; [`IqlOffline`] the learner
//! on the true reward, which is privileged.

use burn::tensor::Tensor;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::shared::{Figures, Memory, act, cosine, rows};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::{Activation, Init, Inner, Mlp};
use crate::optim::{Adam, polyak};
use crate::replay::{Batch, Dims};
use crate::state::{State, StateError};

/// Largest weight of a transition in L_π.
const MOST_WEIGHT: f32 = 100.0;

/// Settings of implicit Q-learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IqlConfig {
    /// Widths of the hidden layers of each critic and of V.
    pub hidden: Vec<usize>,
    /// Initial weights of critics and V.
    pub init: Init,
    /// Adam's learning rate for critics and V.
    pub lr: f64,
    /// Transitions per update.
    pub batch: usize,
    /// Discount γ.
    pub discount: f64,
    /// Step of the target critics' moving average.
    pub target_rate: f64,
    /// Expectile τ of V.
    pub expectile: f64,
    /// Inverse temperature β of the policy's weights.
    pub beta: f64,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
    /// Whether rewards are scaled so that the returns of the best and the worst episode lie 1000 apart.
    pub scale_rewards: bool,
}

impl IqlConfig {
    /// Defaults for a task's family and a tier: Preference Transformer's for Gymnasium's robots, IPL's and
    /// CPL's for Meta-World's (`configs/metaworld/mr_iql.yaml` of IPL).
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let full = setup.tier == Tier::Full;
        Self {
            hidden: match full {
                true if meta => vec![256; 3],
                true => vec![256; 2],
                false => vec![128; 2],
            },
            init: Init::Orthogonal,
            lr: if full { 3e-4 } else { 1e-3 },
            batch: 256,
            discount: 0.99,
            target_rate: 0.005,
            expectile: if meta { 0.75 } else { 0.7 },
            beta: 3.0,
            scale_observations: !full,
            scale_rewards: setup.family == "gymnasium",
        }
    }

    /// The policy's defaults.
    pub fn actor(&self, setup: &Setup<'_>) -> ActorConfig {
        ActorConfig {
            hidden: self.hidden.clone(),
            init: Init::Orthogonal,
            dropout: 0.0,
            lr: if setup.tier == Tier::Full { 3e-4 } else { 1e-3 },
        }
    }

    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("iql.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("iql.hidden", width, 1);
        }
        c.positive("iql.lr", self.lr);
        c.at_least("iql.batch", self.batch, 1);
        c.within("iql.discount", self.discount, 0.0, 1.0);
        c.within("iql.target_rate", self.target_rate, 0.0, 1.0);
        c.within("iql.expectile", self.expectile, 0.0, 1.0);
        c.positive("iql.beta", self.beta);
    }
}

/// log σ of the policies of IQL and IPL lies within these bounds.
pub const GAUSSIAN: Density = Density::Gaussian(-5.0, 2.0);

/// The update, with networks and optimisers.
pub struct Iql<A: Compute> {
    config: IqlConfig,
    dims: Dims,
    device: A::Device,
    pub(super) actor: Actor<A>,
    critics: Vec<Mlp<Inner<A>>>,
    targets: Vec<Mlp<Inner<A>>>,
    value: Mlp<Inner<A>>,
    critic_adam: Adam<Inner<A>>,
    value_adam: Adam<Inner<A>>,
    updates: u64,
    /// Updates of a run, after which the policy's rate is 0.
    total: u64,
    figures: Figures<A>,
}

/// A network for critics and values.
pub(super) fn network<A: Compute>(
    inputs: usize,
    hidden: &[usize],
    init: Init,
    rng: &mut Stream,
    device: &A::Device,
) -> Mlp<Inner<A>> {
    let sizes = [&[inputs], hidden, &[1]].concat();
    Mlp::new(&sizes, Activation::Relu, init, rng, device)
}

impl<A: Compute> Iql<A> {
    /// Fresh networks drawn from `rng`, for a run of `total` updates.
    pub fn new(
        config: IqlConfig,
        actor: &ActorConfig,
        dims: Dims,
        total: u64,
        rng: &mut Stream,
        device: A::Device,
    ) -> Self {
        let actor = Actor::new(actor, GAUSSIAN, dims, rng, &device);
        let (hidden, init) = (&config.hidden, config.init);
        let critics: Vec<_> = (0..2)
            .map(|_| network::<A>(dims.obs + dims.act, hidden, init, rng, &device))
            .collect();
        let value = network::<A>(dims.obs, hidden, init, rng, &device);
        Self {
            critic_adam: Adam::new(config.lr, &critics),
            value_adam: Adam::new(config.lr, [&value]),
            targets: critics.clone(),
            config,
            dims,
            device,
            actor,
            critics,
            value,
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

        let [one, two] = [0, 1].map(|k: usize| self.targets[k].forward(state_action.clone()));
        let q = one.min_pair(two);
        let value_loss = self.update_value(state.clone(), q.clone());
        let u = q - self.value.forward(state.clone());
        let weight = (u * self.config.beta).exp().clamp_max(MOST_WEIGHT);
        self.actor.scale_lr(cosine(self.updates, self.total));
        let weight = Tensor::<A, 2>::from_inner(weight);
        let actor_loss = self.actor.step(state, action, rng, |log_prob| {
            (weight * log_prob).mean().neg()
        });
        let y = reward + bootstrap * self.value.forward(next_state) * self.config.discount;
        let critic_loss = self.update_critics(state_action, y);
        for (target, critic) in self.targets.iter_mut().zip(&self.critics) {
            polyak::<A>(target, critic, self.config.target_rate);
        }
        self.updates += 1;
        self.figures.set(vec![value_loss, actor_loss, critic_loss]);
    }

    /// L_V = E[|τ − 1(u < 0)| u²], u = q − V(s).
    fn update_value(
        &mut self,
        state: Tensor<Inner<A>, 2>,
        q: Tensor<Inner<A>, 2>,
    ) -> Tensor<Inner<A>, 1> {
        let value = Mlp::<A>::tracked(&self.value);
        let u = Tensor::from_inner(q) - value.forward(Tensor::from_inner(state));
        let loss = expectile(u, self.config.expectile).mean();
        let mut grads = loss.backward();
        let grads = value.take_grads(&mut grads);
        self.value_adam.step::<A>([&mut self.value], grads);
        loss.inner()
    }

    /// L_Q = Σ_k E[(y − Q_k(s,a))²].
    fn update_critics(
        &mut self,
        state_action: Tensor<Inner<A>, 2>,
        y: Tensor<Inner<A>, 2>,
    ) -> Tensor<Inner<A>, 1> {
        let (state_action, y) = (Tensor::from_inner(state_action), Tensor::from_inner(y));
        let critics: Vec<Mlp<A>> = self.critics.iter().map(Mlp::tracked).collect();
        let [one, two] = [0, 1].map(|k: usize| {
            let q = critics[k].forward(state_action.clone());
            (q - y.clone()).square().mean()
        });
        let loss = one + two;
        let mut grads = loss.backward();
        let take = |q: Mlp<A>| q.take_grads(&mut grads);
        let grads: Vec<_> = critics.into_iter().flat_map(take).collect();
        self.critic_adam.step::<A>(&mut self.critics, grads);
        loss.inner()
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
        for k in 0..2 {
            self.critics[k].save(&format!("critic.{k}"), state);
            self.targets[k].save(&format!("target.{k}"), state);
        }
        self.value.save("value", state);
        self.critic_adam.save("critic.adam", state);
        self.value_adam.save("value.adam", state);
        state.put_json("iql.updates", &(self.updates, self.total));
        self.figures.save("iql.figures", state);
    }

    /// Reads what [`Iql::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.actor.load("actor", state)?;
        for k in 0..2 {
            self.critics[k].load(&format!("critic.{k}"), state)?;
            self.targets[k].load(&format!("target.{k}"), state)?;
        }
        self.value.load("value", state)?;
        self.critic_adam.load("critic.adam", state)?;
        self.value_adam.load("value.adam", state)?;
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
    /// Critics and values.
    pub iql: IqlConfig,
}

impl IqlOfflineConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let iql = IqlConfig::defaults(setup);
        Self {
            actor: iql.actor(setup),
            iql,
        }
    }
}

impl OfflineConfig for IqlOfflineConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
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
            memory.scale_rewards(0.0);
        }
        let init = &mut Stream::new(b.seed, "init");
        Ok(Box::new(IqlOffline::<A> {
            id,
            iql: Iql::new(self.iql, &self.actor, b.dims, b.total_steps, init, device),
            memory,
            stream: Stream::new(b.seed, "batch"),
        }))
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 10_000,
        Tier::Short => 100_000,
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
