//! Inverse preference learning: Q-functions whose implied reward explains the preferences.
//!
//! Hejna & Sadigh, "Inverse Preference Learning: Preference-based RL without a Reward Function" (NeurIPS
//! 2023, arXiv 2305.15363), as its code has it (github.com/jhejna/inverse-preference-learning at 8037b84,
//! `research/algs/ipl_iql.py`, `ipl_awac.py`). The implied reward is r_Q(s,a,s′) = Q(s,a) − γ V(s′). A batch
//! holds the S − 1 transitions inside each segment of some answers, left and right, and some of the whole
//! dataset; each mean below weighs those of segments (both sides alike) and those of the dataset by ½ each.
//! Terminal transitions of the dataset are without V(s′); within a segment nothing terminates. With
//! u = min_k Q̄_k(s,a) − V(s), in this order:
//!
//! 1. L_V = E[|τ − 1(u < 0)| u²]
//! 2. L_Q = E_k[CE(σ(Σ_t r_{Q_k}(right) − Σ_t r_{Q_k}(left)), y)] + χ E[r_Q²], V just updated and held
//!    within ±1/(χ(1 − γ)) if `clip_value`
//! 3. L_π = −E[min(exp(β u), 100) log π(a|s)], u with the V just updated
//! 4. Q̄ ← Q̄ + target_rate (Q − Q̄)
//!
//! `ipl-awac` has no V: V(s′) = mean_k Q̄_k(s′, a′), a′ ~ π(s′), and u = mean_k Q_k(s,a) − mean_k Q_k(s,
//! a_π), a_π ~ π(s), the first Q from before step 2, the second from after it.
//!
//! Deviations: orthogonal initial weights as there, but the start of a sub-segment may also be the last
//! possible one, and observations are scaled at the cheaper tiers.

use burn::tensor::Tensor;
use prefbench_oracles::{Preference, Segment, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig};
use super::critics::{CriticConfig, Critics};
use super::iql::{GAUSSIAN, MOST_WEIGHT, expectile, networks};
use super::segments::{Passes, targets};
use super::shared::{Figures, Memory, act, rows};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::{Inner, log_sigmoid};
use crate::replay::Dims;
use crate::state::{State, StateError};

/// Settings of inverse preference learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IplConfig {
    /// The policy.
    pub actor: ActorConfig,
    /// Critics and V.
    pub critic: CriticConfig,
    /// Number of critics.
    pub critics: usize,
    /// Answers per update.
    pub batch: usize,
    /// Steps of the random part of a segment that is learnt from; all if it is no longer.
    pub part: usize,
    /// Transitions of the whole dataset per update; 0 learns from the segments alone.
    pub replay_batch: usize,
    /// Discount γ.
    pub discount: f64,
    /// Weight χ of the implied reward's square.
    pub chi: f64,
    /// Expectile τ of V; left out by `ipl-awac`, which has no V.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectile: Option<f64>,
    /// Inverse temperature β of the policy's weights.
    pub beta: f64,
    /// Whether V is held within what rewards of 1/χ can give.
    pub clip_value: bool,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
}

impl IplConfig {
    /// Defaults of `ipl`, for a task's family and a tier: `configs/gym_locomotion/ipl_iql.yaml`, and those of
    /// `metaworld` and `robomimic` for Meta-World and robosuite.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let arm = setup.family == "robosuite";
        let full = setup.tier == Tier::Full;
        let (actor, critic) = networks(setup);
        Self {
            actor,
            critic,
            critics: 2,
            batch: if meta { 16 } else { 8 },
            part: match (meta, full) {
                (false, _) => 64,
                (true, true) => 16,
                // As large a share of Meta-World's segments of 64 steps as 16 is of the paper's 25.
                (true, false) => 41,
            },
            replay_batch: if meta { 0 } else { 256 },
            discount: 0.99,
            chi: match setup.family {
                "metaworld" => 3.0,
                "robosuite" => 4.0,
                _ => 0.5,
            },
            expectile: Some(if meta { 0.75 } else { 0.7 }),
            beta: if arm { 0.5 } else { 3.0 },
            clip_value: !meta,
            scale_observations: !full,
        }
    }

    /// Defaults of `ipl-awac`: `configs/metaworld/ipl_awac.yaml`.
    pub fn awac(setup: &Setup<'_>) -> Self {
        Self {
            critics: 1,
            chi: if setup.family == "metaworld" {
                4.0
            } else {
                0.5
            },
            expectile: None,
            clip_value: false,
            ..Self::defaults(setup)
        }
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 5_000,
        Tier::Short => 30_000,
        Tier::Full if setup.family == "metaworld" => 200_000,
        Tier::Full => 1_000_000,
    }
}

impl OfflineConfig for IplConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
            self.critic.check(c);
            c.at_least("critics", self.critics, 1);
            c.at_least("batch", self.batch, 1);
            c.at_least("part", self.part, 2);
            c.within("discount", self.discount, 0.0, 1.0);
            c.positive("chi", self.chi);
            if let Some(expectile) = self.expectile {
                c.within("expectile", expectile, 0.0, 1.0);
            }
            c.positive("beta", self.beta);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        Ok(Box::new(Ipl::<A>::new(id, self, b, data, device)))
    }
}

/// The learner.
pub struct Ipl<A: Compute> {
    id: &'static str,
    config: IplConfig,
    dims: Dims,
    device: A::Device,
    data: OfflineData,
    memory: Memory,
    actor: Actor<A>,
    critics: Critics<A>,
    passes: Passes,
    /// Batches, sampled actions, dropped activations.
    stream: Stream,
    figures: Figures<A>,
}

/// Transitions `[rows, ..]`: those of all left sides, of all right sides, and of the whole dataset.
pub(crate) struct Transitions<A: Compute> {
    pub(crate) state: Tensor<Inner<A>, 2>,
    pub(crate) action: Tensor<Inner<A>, 2>,
    pub(crate) next_state: Tensor<Inner<A>, 2>,
    /// `[rows, 1]`: 0 where the episode terminated, else 1.
    pub(crate) bootstrap: Tensor<Inner<A>, 2>,
    /// P\[right\] `[pairs, 1]`.
    pub(crate) y: Tensor<Inner<A>, 2>,
    pub(crate) pairs: usize,
    /// Transitions of a segment.
    pub(crate) len: usize,
}

impl<A: Compute> Transitions<A> {
    /// The mean of `[rows, ..]` in which segments and dataset weigh ½ each, if there is any of the latter.
    fn mean(&self, x: Tensor<A, 2>) -> Tensor<A, 1> {
        let (all, fed) = (x.dims()[0], 2 * self.pairs * self.len);
        if all == fed {
            return x.mean();
        }
        let (feedback, replay) = (x.clone().narrow(0, 0, fed), x.narrow(0, fed, all - fed));
        (feedback.mean() + replay.mean()) * 0.5
    }

    /// The mean cross-entropy of the preferences under implied rewards `[rows, critics]`.
    fn preference_loss(&self, r: Tensor<A, 2>) -> Tensor<A, 1> {
        let (rows, critics) = (self.pairs * self.len, r.dims()[1]);
        let side = |k: usize| {
            let r = r.clone().narrow(0, k * rows, rows);
            let sum = r.reshape([self.pairs, self.len, critics]).sum_dim(1);
            sum.reshape([self.pairs, critics])
        };
        let margin = side(1) - side(0);
        let y = Tensor::<A, 2>::from_inner(self.y.clone());
        let not_y = y.clone().neg() + 1.0;
        let right = log_sigmoid(margin.clone());
        (y * right + not_y * log_sigmoid(margin.neg())).mean().neg()
    }
}

impl<A: Compute> Ipl<A> {
    pub(crate) fn new(
        id: &'static str,
        config: IplConfig,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Self {
        let init = &mut Stream::new(b.seed, "init");
        Self {
            id,
            memory: Memory::new(&data, config.scale_observations),
            actor: Actor::new(&config.actor, GAUSSIAN, b.dims, init, &device),
            critics: Critics::new(&config.critic, config.critics, b.dims, init, &device),
            dims: b.dims,
            config,
            device,
            data,
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            figures: Figures::new(&["ipl.preference_loss", "ipl.square", "ipl.actor_loss"]),
        }
    }

    /// The next batch.
    fn batch(&mut self) -> Result<Transitions<A>, LearnError> {
        let whole = self.data.segment_len()?;
        let part = whole.min(self.config.part);
        if part < 2 {
            return Err(LearnError::Nothing("segment of two steps or more"));
        }
        let answers = self.data.preferences();
        let chosen = self
            .passes
            .batch(answers.len(), self.config.batch, &mut self.stream);
        let chosen: Vec<Preference> = chosen.iter().map(|&i| answers[i]).collect();
        let start = self.stream.below(whole - part + 1);
        let (t, len, obs) = (self.data.trajectories(), part - 1, self.dims.obs);
        let (mut states, mut actions, mut next) = (Vec::new(), Vec::new(), Vec::new());
        // Within a segment nothing terminates.
        let mut bootstrap = vec![1.0; 2 * chosen.len() * len];
        let sides: [fn(&Preference) -> Segment; 2] = [|p| p.pair.left, |p| p.pair.right];
        for segment in sides.iter().flat_map(|side| chosen.iter().map(side)) {
            let view = t.view(segment)?;
            let rows = view.observations();
            states.extend_from_slice(&rows[start * obs..(start + len) * obs]);
            next.extend_from_slice(&rows[(start + 1) * obs..(start + 1 + len) * obs]);
            let width = self.dims.act;
            actions.extend_from_slice(&view.actions()[start * width..(start + len) * width]);
        }
        self.memory.scale.apply(&mut states);
        self.memory.scale.apply(&mut next);
        if self.config.replay_batch > 0 {
            let batch = self
                .memory
                .batch(self.config.replay_batch, &mut self.stream)?;
            states.extend(batch.observation);
            next.extend(batch.next_observation);
            bootstrap.extend(batch.bootstrap);
            let width = obs + self.dims.act;
            let of_rows = batch.observation_action.chunks_exact(width);
            actions.extend(of_rows.flat_map(|row| &row[obs..]));
        }
        Ok(Transitions {
            state: rows(states, obs, &self.device),
            action: rows(actions, self.dims.act, &self.device),
            next_state: rows(next, obs, &self.device),
            bootstrap: rows(bootstrap, 1, &self.device),
            y: targets(&chosen, &self.device),
            pairs: chosen.len(),
            len,
        })
    }

    /// States with actions drawn from π.
    fn acted(&self, state: &Tensor<Inner<A>, 2>, noise: Vec<f32>) -> Tensor<Inner<A>, 2> {
        let noise = rows(noise, self.dims.act, &self.device);
        let action = self.actor.sample(state.clone(), noise);
        Tensor::cat(vec![state.clone(), action], 1)
    }

    /// One update; `noise`, `[rows, act]` each, is that of a′ and of a_π where there is no V.
    pub(crate) fn learn(&mut self, b: &Transitions<A>, noise: [Vec<f32>; 2]) {
        let [noise_next, noise] = noise;
        let IplConfig {
            discount,
            beta,
            chi,
            clip_value,
            ..
        } = self.config;
        let state_action = Tensor::cat(vec![b.state.clone(), b.action.clone()], 1);
        let (q, mut next) = match self.config.expectile {
            Some(tau) => {
                let q = self.critics.lowest_target(&state_action);
                let target = Tensor::<A, 2>::from_inner(q.clone());
                self.critics
                    .step_value(b.state.clone(), |v| b.mean(expectile(target - v, tau)));
                (q, self.critics.value(b.next_state.clone()))
            }
            None => {
                let next = self.acted(&b.next_state, noise_next);
                let next = self.critics.mean_target(&next);
                (self.critics.mean(&state_action), next)
            }
        };
        if clip_value {
            let limit = 1.0 / (chi * (1.0 - discount));
            next = next.clamp(-limit, limit);
        }
        let next = Tensor::<A, 2>::from_inner(next * b.bootstrap.clone() * discount);
        let mut figures = Vec::new();
        self.critics.step(state_action, |q| {
            let r = q - next;
            let (loss, square) = (b.preference_loss(r.clone()), b.mean(r.square()));
            figures = vec![loss.clone().inner(), square.clone().inner()];
            loss + square * chi
        });
        let baseline = match self.config.expectile {
            Some(_) => self.critics.value(b.state.clone()),
            None => {
                let acted = self.acted(&b.state, noise);
                self.critics.mean(&acted)
            }
        };
        let weight = ((q - baseline) * beta).exp().clamp_max(MOST_WEIGHT);
        let weight = Tensor::<A, 2>::from_inner(weight);
        let (state, action) = (b.state.clone(), b.action.clone());
        let actor_loss = self
            .actor
            .step(state, action, &mut self.stream, |log_prob| {
                b.mean(weight * log_prob).neg()
            });
        self.critics.follow();
        figures.push(actor_loss);
        self.figures.set(figures);
    }
}

impl<A: Compute> Policy for Ipl<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.actor, &self.memory.scale, observation, action);
    }
}

impl<A: Compute> Learner for Ipl<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        let b = self.batch()?;
        let mut noise = [(); 2].map(|()| vec![0.0; b.action.shape().num_elements()]);
        if self.config.expectile.is_none() {
            noise.iter_mut().for_each(|n| self.stream.fill_normal(n));
        }
        self.learn(&b, noise);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.figures.metrics()
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.memory.scale.save(&mut state);
        self.actor.save("actor", &mut state);
        self.critics.save(&mut state);
        state.put_json("progress", &(&self.passes, &self.stream));
        self.figures.save("figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.memory.scale.load(state)?;
        self.actor.load("actor", state)?;
        self.critics.load(state)?;
        (self.passes, self.stream) = state.get_json("progress")?;
        self.figures.load("figures", state, &self.device)
    }
}
