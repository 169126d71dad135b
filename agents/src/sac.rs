//! Soft actor-critic: the policy learner under every online method here.
//!
//! Haarnoja et al., "Soft Actor-Critic Algorithms and Applications" (arXiv 1812.05905), with twin
//! critics and automatic temperature. Symbols follow the paper: policy π, critics Q, targets Q̄,
//! temperature α, target entropy H̄ = −dim(A).
//!
//! Differences from the paper are those of PEBBLE's implementation: log σ is squashed into
//! [−5, 2] by a tanh, the temperature's loss is linear in α (gradient through log α), and the
//! target critics may be updated every n-th step. Time limits never cut the bootstrap: only
//! termination does (the batch carries `bootstrap` = 1 − terminated).

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::nets::{Activation, Gradient, Init, Inner, Mlp, log_sigmoid};
use crate::optim::{Adam, VectorAdam, polyak};
use crate::replay::{Batch, Dims};
use crate::state::{State, StateError};

const LOG_STD_MIN: f64 = -5.0;
const LOG_STD_MAX: f64 = 2.0;
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

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
                let lr = if meta { 3e-4 } else { 5e-4 };
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

/// The squashed Gaussian policy π(a|s) = tanh(N(μ(s), σ(s))).
pub(crate) fn sample<B: burn::tensor::backend::Backend>(
    actor: &Mlp<B>,
    state: Tensor<B, 2>,
    noise: Tensor<B, 2>,
) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let actions = noise.dims()[1];
    let out = actor.forward(state);
    let mean = out.clone().narrow(1, 0, actions);
    let squashed = out.narrow(1, actions, actions).tanh();
    let log_std =
        squashed * (0.5 * (LOG_STD_MAX - LOG_STD_MIN)) + 0.5 * (LOG_STD_MAX + LOG_STD_MIN);
    let pre = mean + log_std.clone().exp() * noise.clone();
    let gauss = noise.square() * -0.5 - log_std - HALF_LOG_TWO_PI;
    // log(1 − tanh²u) = 2 (log 2 − u + log sigmoid(2u)), exact for any u.
    let volume = (log_sigmoid(pre.clone() * 2.0) - pre.clone() + std::f64::consts::LN_2) * 2.0;
    (pre.tanh(), (gauss - volume).sum_dim(1))
}

/// The losses of one update, left on the device until somebody asks.
struct Losses<A: Compute> {
    critic: Tensor<Inner<A>, 1>,
    actor: Tensor<Inner<A>, 1>,
    alpha: Tensor<Inner<A>, 1>,
}

/// The complete state of SAC.
pub struct Sac<A: Compute> {
    config: SacConfig,
    dims: Dims,
    device: A::Device,
    actor: Mlp<Inner<A>>,
    critics: Vec<Mlp<Inner<A>>>,
    targets: Vec<Mlp<Inner<A>>>,
    log_alpha: Tensor<Inner<A>, 1>,
    actor_adam: Adam<Inner<A>>,
    critic_adam: Adam<Inner<A>>,
    alpha_adam: VectorAdam<Inner<A>>,
    updates: u32,
    losses: Option<Losses<A>>,
}

impl<A: Compute> Sac<A> {
    /// Fresh networks drawn from `rng`.
    pub fn new(config: SacConfig, dims: Dims, rng: &mut Stream, device: A::Device) -> Self {
        let mut sizes = vec![dims.obs];
        sizes.extend(&config.hidden);
        sizes.push(2 * dims.act);
        let actor = Mlp::new(&sizes, Activation::Relu, config.init, rng, &device);
        let critics = Self::fresh_critics(&config, dims, rng, &device);
        let log_alpha = Tensor::from_data([config.init_temperature.ln() as f32], &device);
        Self {
            actor_adam: Adam::new(config.actor_lr, [&actor]),
            critic_adam: Adam::new(config.critic_lr, &critics),
            alpha_adam: VectorAdam::new(config.alpha_lr, &log_alpha),
            targets: critics.clone(),
            config,
            dims,
            device,
            actor,
            critics,
            log_alpha,
            updates: 0,
            losses: None,
        }
    }

    fn fresh_critics(
        config: &SacConfig,
        dims: Dims,
        rng: &mut Stream,
        device: &A::Device,
    ) -> Vec<Mlp<Inner<A>>> {
        let mut sizes = vec![dims.obs + dims.act];
        sizes.extend(&config.hidden);
        sizes.push(1);
        (0..2)
            .map(|_| Mlp::new(&sizes, Activation::Relu, config.init, rng, device))
            .collect()
    }

    /// The settings this learner was built with.
    pub fn config(&self) -> &SacConfig {
        &self.config
    }

    /// The mean action tanh(μ), or a sample of π with the given noise; `[act]` values in (−1, 1).
    pub fn act(&self, observation: &[f32], noise: Option<Vec<f32>>) -> Vec<f32> {
        let state = self.tensor(observation.to_vec(), self.dims.obs);
        let noise = noise.unwrap_or_else(|| vec![0.0; self.dims.act]);
        // With zero noise the sample is the mean.
        let (action, _) = sample(&self.actor, state, self.tensor(noise, self.dims.act));
        action.into_data().iter::<f32>().collect()
    }

    /// See [`crate::Learner::values`].
    pub fn values(&self, observations: &[f32], actions: usize) -> Vec<f64> {
        // The same noise for every row, so that a value depends on its row alone.
        let mut noise = vec![0.0; actions * self.dims.act];
        Stream::new(0, "values").fill_normal(&mut noise);
        let noise = self.tensor(noise, self.dims.act);
        let mut out = Vec::with_capacity(observations.len() / self.dims.obs);
        for observation in observations.chunks_exact(self.dims.obs) {
            let state = self.tensor(observation.repeat(actions), self.dims.obs);
            let (action, _) = sample(&self.actor, state.clone(), noise.clone());
            let state_action = Tensor::cat(vec![state, action], 1);
            let q = |i: usize| self.critics[i].forward(state_action.clone()).mean();
            out.push(f64::from((q(0) + q(1)).into_scalar()) / 2.0);
        }
        out
    }

    /// One update of critics, actor, temperature and (when due) targets.
    ///
    /// `rng` gives the policy noise of the two sampled actions.
    pub fn update(&mut self, batch: Batch, rng: &mut Stream) {
        let [next_noise, noise] = [(); 2].map(|()| self.noise(batch.reward.len(), rng));
        self.update_with(batch, next_noise, noise);
    }

    /// Noise for a sample of the policy at so many states.
    pub(crate) fn noise(&self, rows: usize, rng: &mut Stream) -> Vec<f32> {
        let mut noise = vec![0.0; rows * self.dims.act];
        rng.fill_normal(&mut noise);
        noise
    }

    /// [`Sac::update`] with the noise given, `[rows, act]` each: that of a' in the critics' target
    /// and that of a in the actor's loss.
    pub(crate) fn update_with(&mut self, mut batch: Batch, next_noise: Vec<f32>, noise: Vec<f32>) {
        let state = self.tensor(std::mem::take(&mut batch.observation), self.dims.obs);
        let (critic, grads) = self.critic_gradients(batch, next_noise);
        self.critic_adam
            .step::<A>(&mut self.critics, grads.into_iter().flatten());
        let (actor, log_prob) = self.update_actor(state, self.tensor(noise, self.dims.act));
        let alpha = self.update_temperature(log_prob);
        self.updates += 1;
        if self.updates.is_multiple_of(self.config.target_update_every) {
            for (target, critic) in self.targets.iter_mut().zip(&self.critics) {
                polyak::<A>(target, critic, self.config.tau);
            }
        }
        self.losses = Some(Losses {
            critic,
            actor,
            alpha,
        });
    }

    /// J_Q = Σ_i E[(Q_i(s,a) − y)²], y = r + γ (1 − terminated) (min_i Q̄_i(s',a') − α log π(a'|s')), and its
    /// gradient by each critic.
    pub(crate) fn critic_gradients(
        &self,
        batch: Batch,
        next_noise: Vec<f32>,
    ) -> (Tensor<Inner<A>, 1>, Vec<Gradient<Inner<A>>>) {
        let next_state = self.tensor(batch.next_observation, self.dims.obs);
        let noise = self.tensor(next_noise, self.dims.act);
        let (action, log_prob) = sample(&self.actor, next_state.clone(), noise);
        let next = Tensor::cat(vec![next_state, action], 1);
        let value = self.targets[0]
            .forward(next.clone())
            .min_pair(self.targets[1].forward(next))
            - log_prob * self.alpha().unsqueeze();
        let (reward, bootstrap) = (
            self.tensor(batch.reward, 1),
            self.tensor(batch.bootstrap, 1),
        );
        let y = Tensor::from_inner(reward + bootstrap * value * self.config.discount);

        let state_action = Tensor::from_inner(self.state_actions(batch.observation_action));
        let critics: Vec<Mlp<A>> = self.critics.iter().map(Mlp::tracked).collect();
        let error = |q: &Mlp<A>| {
            (q.forward(state_action.clone()) - y.clone())
                .square()
                .mean()
        };
        let loss = error(&critics[0]) + error(&critics[1]);
        let mut grads = loss.backward();
        let critics = critics.into_iter().map(|q| q.take_grads(&mut grads));
        (loss.inner(), critics.collect())
    }

    /// Both critics.
    pub(crate) fn critics(&self) -> &[Mlp<Inner<A>>] {
        &self.critics
    }

    /// Rows (s, a) as a critic's input.
    pub(crate) fn state_actions(&self, rows: Vec<f32>) -> Tensor<Inner<A>, 2> {
        self.tensor(rows, self.dims.obs + self.dims.act)
    }

    /// J_π = E[α log π(a|s) − min_i Q_i(s,a)], a ~ π(·|s) reparameterised.
    fn update_actor(
        &mut self,
        state: Tensor<Inner<A>, 2>,
        noise: Tensor<Inner<A>, 2>,
    ) -> (Tensor<Inner<A>, 1>, Tensor<Inner<A>, 2>) {
        let state = Tensor::from_inner(state);
        let actor = Mlp::<A>::tracked(&self.actor);
        let (action, log_prob) = sample(&actor, state.clone(), Tensor::from_inner(noise));
        let state_action = Tensor::cat(vec![state, action], 1);
        let q = |i: usize| Mlp::<A>::frozen(&self.critics[i]).forward(state_action.clone());
        let value = q(0).min_pair(q(1));
        let alpha = Tensor::from_inner(self.alpha()).unsqueeze();
        let loss = (log_prob.clone() * alpha - value).mean();
        let mut grads = loss.backward();
        let (loss, log_prob) = (loss.inner(), log_prob.inner());
        let grads = actor.take_grads(&mut grads);
        self.actor_adam.step::<A>([&mut self.actor], grads);
        (loss, log_prob)
    }

    /// J(α) = E[α (−log π(a|s) − H̄)], whose derivative by log α is the loss itself.
    fn update_temperature(&mut self, log_prob: Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 1> {
        let target_entropy = -(self.dims.act as f64);
        let loss = self.alpha() * (log_prob.mean() + target_entropy).neg();
        self.alpha_adam.step(&mut self.log_alpha, loss.clone());
        loss
    }

    /// Draws new critics and targets and forgets the critics' optimiser state.
    pub fn reset_critics(&mut self, rng: &mut Stream) {
        self.critics = Self::fresh_critics(&self.config, self.dims, rng, &self.device);
        self.targets = self.critics.clone();
        self.critic_adam = Adam::new(self.config.critic_lr, &self.critics);
    }

    /// Losses of the last update and the temperature.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let read = |t: &Tensor<Inner<A>, 1>| f64::from(t.clone().into_scalar());
        let mut out = vec![("sac.alpha", read(&self.alpha()))];
        if let Some(l) = &self.losses {
            out.push(("sac.critic_loss", read(&l.critic)));
            out.push(("sac.actor_loss", read(&l.actor)));
            out.push(("sac.alpha_loss", read(&l.alpha)));
        }
        out
    }

    /// Writes networks, targets, optimisers and temperature.
    pub fn save(&self, state: &mut State) {
        self.actor.save("actor", state);
        for i in 0..2 {
            self.critics[i].save(&format!("critic.{i}"), state);
            self.targets[i].save(&format!("target.{i}"), state);
        }
        state.put_tensor("log_alpha", self.log_alpha.clone());
        self.actor_adam.save("actor.adam", state);
        self.critic_adam.save("critic.adam", state);
        self.alpha_adam.save("alpha.adam", state);
        state.put_json("sac.updates", &self.updates);
        if let Some(l) = &self.losses {
            state.put_tensor("loss.critic", l.critic.clone());
            state.put_tensor("loss.actor", l.actor.clone());
            state.put_tensor("loss.alpha", l.alpha.clone());
        }
    }

    /// Reads what [`Sac::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.actor.load("actor", state)?;
        for i in 0..2 {
            self.critics[i].load(&format!("critic.{i}"), state)?;
            self.targets[i].load(&format!("target.{i}"), state)?;
        }
        state.get_tensor("log_alpha", &mut self.log_alpha)?;
        self.actor_adam.load("actor.adam", state)?;
        self.critic_adam.load("critic.adam", state)?;
        self.alpha_adam.load("alpha.adam", state)?;
        self.updates = state.get_json("sac.updates")?;
        self.losses = None;
        if self.updates > 0 {
            let read = |name: &str| {
                let mut t = Tensor::zeros([1], &self.device);
                state.get_tensor(name, &mut t).map(|()| t)
            };
            self.losses = Some(Losses {
                critic: read("loss.critic")?,
                actor: read("loss.actor")?,
                alpha: read("loss.alpha")?,
            });
        }
        Ok(())
    }

    fn alpha(&self) -> Tensor<Inner<A>, 1> {
        self.log_alpha.clone().exp()
    }

    fn tensor(&self, values: Vec<f32>, columns: usize) -> Tensor<Inner<A>, 2> {
        let rows = values.len() / columns;
        Tensor::from_data(TensorData::new(values, [rows, columns]), &self.device)
    }
}
