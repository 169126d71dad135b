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
//!
//! [`Sac`] may hold a stack of S learners of one configuration, in slots that never touch each other
//! ([`Sac::join`], [`Sac::slot`]); alone, it is a stack of one.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use prefbench_oracles::Stream;

use crate::dense::Dense;
use crate::device::Compute;
use crate::nets::{Activation, Gradient, Inner, Mlp, log_sigmoid};
use crate::optim::{Adam, polyak_by};
use crate::replay::{Batch, Dims};
use crate::state::{State, StateError};

mod config;

pub use config::SacConfig;

const LOG_STD_MIN: f64 = -5.0;
const LOG_STD_MAX: f64 = 2.0;
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// The squashed Gaussian policy π(a|s) = tanh(N(μ(s), σ(s))): actions `[S, rows, act]` and their log
/// densities `[S, rows, 1]`.
pub(crate) fn sample<B: Dense>(
    actor: &Mlp<B>,
    state: Tensor<B, 3>,
    noise: Tensor<B, 3>,
) -> (Tensor<B, 3>, Tensor<B, 3>) {
    let actions = noise.dims()[2];
    let out = actor.forward_stack(state);
    let mean = out.clone().narrow(2, 0, actions);
    let squashed = out.narrow(2, actions, actions).tanh();
    let log_std =
        squashed * (0.5 * (LOG_STD_MAX - LOG_STD_MIN)) + 0.5 * (LOG_STD_MAX + LOG_STD_MIN);
    let pre = mean + log_std.clone().exp() * noise.clone();
    let gauss = noise.square() * -0.5 - log_std - HALF_LOG_TWO_PI;
    // log(1 − tanh²u) = 2 (log 2 − u + log sigmoid(2u)), exact for any u.
    let volume = (log_sigmoid(pre.clone() * 2.0) - pre.clone() + std::f64::consts::LN_2) * 2.0;
    (pre.tanh(), (gauss - volume).sum_dim(2))
}

/// The losses of one update `[S, 1, 1]`, left on the device until somebody asks.
struct Losses<A: Compute> {
    critic: Tensor<Inner<A>, 3>,
    actor: Tensor<Inner<A>, 3>,
    alpha: Tensor<Inner<A>, 3>,
}

/// What a learner in a stack brings to an update.
#[derive(Clone)]
pub(crate) struct Share {
    /// Its transitions.
    pub(crate) batch: Batch,
    /// Policy noise `[rows, act]` of a' in the critics' target.
    pub(crate) next_noise: Vec<f32>,
    /// Policy noise `[rows, act]` of a in the actor's loss.
    pub(crate) noise: Vec<f32>,
}

impl Share {
    /// A batch, and noise drawn from `rng`.
    pub(crate) fn new(batch: Batch, dims: Dims, rng: &mut Stream) -> Self {
        let mut draw = || {
            let mut noise = vec![0.0; batch.reward.len() * dims.act];
            rng.fill_normal(&mut noise);
            noise
        };
        let (next_noise, noise) = (draw(), draw());
        Self {
            batch,
            next_noise,
            noise,
        }
    }
}

/// The same of all slots, `[S, rows, columns]`.
pub(crate) struct Inputs<B: Backend> {
    state: Tensor<B, 3>,
    state_action: Tensor<B, 3>,
    next_state: Tensor<B, 3>,
    reward: Tensor<B, 3>,
    bootstrap: Tensor<B, 3>,
    next_noise: Tensor<B, 3>,
    noise: Tensor<B, 3>,
}

/// The complete state of SAC.
pub struct Sac<A: Compute> {
    config: SacConfig,
    dims: Dims,
    device: A::Device,
    actor: Mlp<Inner<A>>,
    critics: [Mlp<Inner<A>>; 2],
    targets: [Mlp<Inner<A>>; 2],
    /// `[S, 1, 1]`
    log_alpha: Tensor<Inner<A>, 3>,
    actor_adam: Adam<Inner<A>>,
    critic_adam: Adam<Inner<A>>,
    alpha_adam: Adam<Inner<A>>,
    /// By slot.
    updates: Vec<u32>,
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
        let log_alpha = Tensor::from_data([[[config.init_temperature.ln() as f32]]], &device);
        Self {
            actor_adam: Adam::new(config.actor_lr, [&actor]),
            critic_adam: Adam::new(config.critic_lr, &critics),
            alpha_adam: Adam::of(config.alpha_lr, [&log_alpha]),
            targets: critics.clone(),
            config,
            dims,
            device,
            actor,
            critics,
            log_alpha,
            updates: vec![0],
            losses: None,
        }
    }

    fn fresh_critics(
        config: &SacConfig,
        dims: Dims,
        rng: &mut Stream,
        device: &A::Device,
    ) -> [Mlp<Inner<A>>; 2] {
        let mut sizes = vec![dims.obs + dims.act];
        sizes.extend(&config.hidden);
        sizes.push(1);
        [(); 2].map(|()| Mlp::new(&sizes, Activation::Relu, config.init, rng, device))
    }

    /// One stack of these learners, which have one configuration and have all been updated or none.
    pub(crate) fn join(parts: &[&Self]) -> Self {
        let nets = |of: &dyn Fn(&Self) -> &Mlp<Inner<A>>| {
            Mlp::join(&parts.iter().map(|p| of(p)).collect::<Vec<_>>())
        };
        let adam = |of: &dyn Fn(&Self) -> &Adam<Inner<A>>| {
            Adam::join(&parts.iter().map(|p| of(p)).collect::<Vec<_>>())
        };
        let cat = |of: &dyn Fn(&Self) -> Option<Tensor<Inner<A>, 3>>| {
            let all: Option<Vec<_>> = parts.iter().map(|p| of(p)).collect();
            all.map(|all| Tensor::cat(all, 0))
        };
        let loss = |of: fn(&Losses<A>) -> &Tensor<Inner<A>, 3>| {
            cat(&|p| p.losses.as_ref().map(|l| of(l).clone()))
        };
        let losses = (loss(|l| &l.critic), loss(|l| &l.actor), loss(|l| &l.alpha));
        Self {
            config: parts[0].config.clone(),
            dims: parts[0].dims,
            device: parts[0].device.clone(),
            actor: nets(&|p| &p.actor),
            critics: [nets(&|p| &p.critics[0]), nets(&|p| &p.critics[1])],
            targets: [nets(&|p| &p.targets[0]), nets(&|p| &p.targets[1])],
            log_alpha: Tensor::cat(parts.iter().map(|p| p.log_alpha.clone()).collect(), 0),
            actor_adam: adam(&|p| &p.actor_adam),
            critic_adam: adam(&|p| &p.critic_adam),
            alpha_adam: adam(&|p| &p.alpha_adam),
            updates: parts.iter().flat_map(|p| p.updates.clone()).collect(),
            losses: match losses {
                (Some(critic), Some(actor), Some(alpha)) => Some(Losses {
                    critic,
                    actor,
                    alpha,
                }),
                _ => None,
            },
        }
    }

    /// The learner in one place of the stack.
    pub(crate) fn slot(&self, slot: usize) -> Self {
        let one = |t: &Tensor<Inner<A>, 3>| t.clone().narrow(0, slot, 1);
        Self {
            config: self.config.clone(),
            dims: self.dims,
            device: self.device.clone(),
            actor: self.actor.slot(slot),
            critics: self.critics.each_ref().map(|q| q.slot(slot)),
            targets: self.targets.each_ref().map(|q| q.slot(slot)),
            log_alpha: one(&self.log_alpha),
            actor_adam: self.actor_adam.slot(slot),
            critic_adam: self.critic_adam.slot(slot),
            alpha_adam: self.alpha_adam.slot(slot),
            updates: vec![self.updates[slot]],
            losses: self.losses.as_ref().map(|l| Losses {
                critic: one(&l.critic),
                actor: one(&l.actor),
                alpha: one(&l.alpha),
            }),
        }
    }

    /// The settings this learner was built with.
    pub fn config(&self) -> &SacConfig {
        &self.config
    }

    /// Sizes of observations and actions.
    pub(crate) fn dims(&self) -> Dims {
        self.dims
    }

    /// The mean action tanh(μ), or a sample of π with the given noise; `[S, act]` values in (−1, 1) for
    /// observations `[S, obs]`.
    pub fn act(&self, observations: &[f32], noise: Option<Vec<f32>>) -> Vec<f32> {
        let state = self.tensor(observations.to_vec(), self.dims.obs);
        // With zero noise the sample is the mean.
        let noise = noise.unwrap_or_else(|| vec![0.0; self.updates.len() * self.dims.act]);
        let (action, _) = sample(&self.actor, state, self.tensor(noise, self.dims.act));
        action.into_data().iter::<f32>().collect()
    }

    /// See [`crate::Learner::values`]; of a learner alone.
    pub fn values(&self, observations: &[f32], actions: usize) -> Vec<f64> {
        // The same noise for every row, so that a value depends on its row alone.
        let mut noise = vec![0.0; actions * self.dims.act];
        Stream::new(0, "values").fill_normal(&mut noise);
        let noise = self.tensor(noise, self.dims.act);
        let mut out = Vec::with_capacity(observations.len() / self.dims.obs);
        for observation in observations.chunks_exact(self.dims.obs) {
            let state = self.tensor(observation.repeat(actions), self.dims.obs);
            let (action, _) = sample(&self.actor, state.clone(), noise.clone());
            let state_action = Tensor::cat(vec![state, action], 2);
            let q = |i: usize| self.critics[i].forward_stack(state_action.clone()).mean();
            out.push(f64::from((q(0) + q(1)).into_scalar()) / 2.0);
        }
        out
    }

    /// One update of critics, actor, temperature and (when due) targets.
    ///
    /// `rng` gives the policy noise of the two sampled actions.
    pub fn update(&mut self, batch: Batch, rng: &mut Stream) {
        self.update_all(vec![Share::new(batch, self.dims, rng)]);
    }

    /// [`Sac::update`] of every slot.
    pub(crate) fn update_all(&mut self, shares: Vec<Share>) {
        let inputs = self.inputs(shares);
        let (critic, grads) = self.critic_gradients(&inputs);
        self.critic_adam
            .step(&mut self.critics, grads.into_iter().flatten());
        let (actor, log_prob) = self.update_actor(inputs.state, inputs.noise);
        let alpha = self.update_temperature(log_prob);
        self.losses = Some(Losses {
            critic,
            actor,
            alpha,
        });
        self.updates.iter_mut().for_each(|updates| *updates += 1);
        let every = self.config.target_update_every;
        let taus = self.updates.iter().map(|updates| match updates % every {
            0 => self.config.tau as f32,
            _ => 0.0,
        });
        let taus: Vec<f32> = taus.collect();
        if taus.iter().any(|&tau| tau > 0.0) {
            for (target, critic) in self.targets.iter_mut().zip(&self.critics) {
                polyak_by(target, critic, &taus);
            }
        }
    }

    /// The columns of all shares, a slot after the other.
    pub(crate) fn inputs(&self, mut shares: Vec<Share>) -> Inputs<Inner<A>> {
        let mut tensor = |columns, of: fn(&mut Share) -> &mut Vec<f32>| {
            let mut all = std::mem::take(of(&mut shares[0]));
            for share in &mut shares[1..] {
                all.append(of(share));
            }
            self.tensor(all, columns)
        };
        let Dims { obs, act } = self.dims;
        Inputs {
            state: tensor(obs, |s| &mut s.batch.observation),
            state_action: tensor(obs + act, |s| &mut s.batch.observation_action),
            next_state: tensor(obs, |s| &mut s.batch.next_observation),
            reward: tensor(1, |s| &mut s.batch.reward),
            bootstrap: tensor(1, |s| &mut s.batch.bootstrap),
            next_noise: tensor(act, |s| &mut s.next_noise),
            noise: tensor(act, |s| &mut s.noise),
        }
    }

    /// J_Q = Σ_i E[(Q_i(s,a) − y)²], y = r + γ (1 − terminated) (min_i Q̄_i(s',a') − α log π(a'|s')), and its
    /// gradient by each critic.
    pub(crate) fn critic_gradients(
        &self,
        inputs: &Inputs<Inner<A>>,
    ) -> (Tensor<Inner<A>, 3>, [Gradient<Inner<A>>; 2]) {
        let (next_state, noise) = (inputs.next_state.clone(), inputs.next_noise.clone());
        let (action, log_prob) = sample(&self.actor, next_state.clone(), noise);
        let next = Tensor::cat(vec![next_state, action], 2);
        let value = self.targets[0]
            .forward_stack(next.clone())
            .min_pair(self.targets[1].forward_stack(next))
            - log_prob * self.alpha();
        let (reward, bootstrap) = (inputs.reward.clone(), inputs.bootstrap.clone());
        let y = Tensor::from_inner(reward + bootstrap * value * self.config.discount);

        let state_action = Tensor::from_inner(inputs.state_action.clone());
        let critics = self.critics.each_ref().map(Mlp::<A>::tracked);
        let error = |q: &Mlp<A>| {
            (q.forward_stack(state_action.clone()) - y.clone())
                .square()
                .mean_dim(1)
        };
        let loss = error(&critics[0]) + error(&critics[1]);
        let mut grads = loss.clone().sum().backward();
        (loss.inner(), critics.map(|q| q.take_grads(&mut grads)))
    }

    /// Both critics.
    pub(crate) fn critics(&self) -> &[Mlp<Inner<A>>; 2] {
        &self.critics
    }

    /// Rows (s, a) as a critic's input.
    pub(crate) fn state_actions(&self, rows: Vec<f32>) -> Tensor<Inner<A>, 3> {
        self.tensor(rows, self.dims.obs + self.dims.act)
    }

    /// J_π = E[α log π(a|s) − min_i Q_i(s,a)], a ~ π(·|s) reparameterised.
    fn update_actor(
        &mut self,
        state: Tensor<Inner<A>, 3>,
        noise: Tensor<Inner<A>, 3>,
    ) -> (Tensor<Inner<A>, 3>, Tensor<Inner<A>, 3>) {
        let state = Tensor::from_inner(state);
        let actor = Mlp::<A>::tracked(&self.actor);
        let (action, log_prob) = sample(&actor, state.clone(), Tensor::from_inner(noise));
        let state_action = Tensor::cat(vec![state, action], 2);
        let q = |i: usize| Mlp::<A>::frozen(&self.critics[i]).forward_stack(state_action.clone());
        let value = q(0).min_pair(q(1));
        let alpha = Tensor::from_inner(self.alpha());
        let loss = (log_prob.clone() * alpha - value).mean_dim(1);
        let mut grads = loss.clone().sum().backward();
        let grads = actor.take_grads(&mut grads);
        self.actor_adam.step([&mut self.actor], grads);
        (loss.inner(), log_prob.inner())
    }

    /// J(α) = E[α (−log π(a|s) − H̄)], whose derivative by log α is the loss itself.
    fn update_temperature(&mut self, log_prob: Tensor<Inner<A>, 3>) -> Tensor<Inner<A>, 3> {
        let target_entropy = -(self.dims.act as f64);
        let loss = self.alpha() * (log_prob.mean_dim(1) + target_entropy).neg();
        self.alpha_adam
            .step_on([&mut self.log_alpha], [loss.clone()]);
        loss
    }

    /// Draws new critics and targets and forgets the critics' optimiser state; of a learner alone.
    pub fn reset_critics(&mut self, rng: &mut Stream) {
        self.critics = Self::fresh_critics(&self.config, self.dims, rng, &self.device);
        self.targets = self.critics.clone();
        self.critic_adam = Adam::new(self.config.critic_lr, &self.critics);
    }

    /// Losses of the last update and the temperature; of a learner alone.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let read = |t: &Tensor<Inner<A>, 3>| f64::from(t.clone().into_scalar());
        let mut out = vec![("sac.alpha", read(&self.alpha()))];
        if let Some(l) = &self.losses {
            out.push(("sac.critic_loss", read(&l.critic)));
            out.push(("sac.actor_loss", read(&l.actor)));
            out.push(("sac.alpha_loss", read(&l.alpha)));
        }
        out
    }

    /// Writes networks, targets, optimisers and temperature; of a learner alone.
    pub fn save(&self, state: &mut State) {
        self.actor.save("actor", state);
        for i in 0..2 {
            self.critics[i].save(&format!("critic.{i}"), state);
            self.targets[i].save(&format!("target.{i}"), state);
        }
        state.put_tensor("log_alpha", self.log_alpha.clone().flatten::<1>(0, 2));
        self.actor_adam.save("actor.adam", state);
        self.critic_adam.save("critic.adam", state);
        self.alpha_adam.save("alpha.adam", state);
        state.put_json("sac.updates", &self.updates[0]);
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
        let mut log_alpha = self.log_alpha.clone().flatten::<1>(0, 2);
        state.get_tensor("log_alpha", &mut log_alpha)?;
        self.log_alpha = log_alpha.unsqueeze();
        self.actor_adam.load("actor.adam", state)?;
        self.critic_adam.load("critic.adam", state)?;
        self.alpha_adam.load("alpha.adam", state)?;
        self.updates = vec![state.get_json("sac.updates")?];
        self.losses = None;
        if self.updates != [0] {
            let read = |name: &str| {
                let mut t = Tensor::zeros([1, 1, 1], &self.device);
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

    fn alpha(&self) -> Tensor<Inner<A>, 3> {
        self.log_alpha.clone().exp()
    }

    /// `[S, rows, columns]`.
    fn tensor(&self, values: Vec<f32>, columns: usize) -> Tensor<Inner<A>, 3> {
        let slots = self.updates.len();
        let shape = [slots, values.len() / columns / slots, columns];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}
