//! DTR: a Decision Transformer held to the best of its dataset by a Q-function, on a learned reward.
//!
//! Tu et al., "In-Dataset Trajectory Return Regularization for Offline Preference-based Reinforcement
//! Learning" (AAAI 2025, arXiv 2412.09104; github.com/TU2021/DTR at 5993fdc, `ql_trainer.py`, `ql_DT.py`).
//! A run has two stages, each of gradient steps:
//!
//! 1. an ensemble of rewards ([`RewardStage`]); r̂ is the mean of its members after each is brought to mean
//!    0 and deviation 1 over the dataset;
//! 2. the policy, on windows (R, s, a)_{j..t} of returns to go, states and actions:
//!    - L_Q = Σ_k E[(Q̂_j − Q_k(s_j, a_j))²] for j < t, with
//!      Q̂_j = Σ_{i=j}^{t−1} γ^{i−j} r̂_i + γ^{t−j} min_k Q̄_k(s_t, â_t), â of the averaged policy;
//!    - L_DT = E‖ŝ − s‖² + E‖â − a‖² (means over numbers);
//!    - L_π = L_DT − λ E Q(s, â), λ = η/E|Q| and η rising from 0 to `eta` over the run; one of the two
//!      critics is Q, the other scales it, as chance has it.
//!
//! At a step the policy proposes an action for each of several wanted returns, multiples of the best learned
//! return in the data, and the one with the highest min_k Q̄_k is taken.
//!
//! Deviations from the code, which departs from the paper: ŝ is learned (there the term is switched off);
//! the proposals are the paper's five, and the best is taken, not one of fifty drawn from a softmax of Q;
//! where the window's last transition terminates, r̂_t takes the place of Q̄ (there, 0); the cosine of the
//! rate falls at every step; the last trajectory of Gymnasium's robots may be short (there, it is left out).

mod update;

use burn::tensor::Tensor;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::reward_stage::{RewardStage, normalised};
use super::sequence::{History, Span, Windows};
use super::shared::Scale;
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::Inner;
use crate::replay::Replay;
use crate::reward_model::RewardConfig;
use crate::state::{State, StateError};
use crate::transformer::TransformerConfig;
pub(crate) use update::{Dtr, DtrBatch};

/// Settings of DTR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DtrConfig {
    /// The reward ensemble.
    pub reward: RewardConfig,
    /// The policy.
    pub transformer: TransformerConfig,
    /// Steps of a window.
    pub context: usize,
    /// Transitions of a trajectory, one after another through the dataset, over the ends of its episodes; 0 for
    /// trajectories that are the episodes.
    #[serde(default)]
    pub trajectory: usize,
    /// Control steps of an episode, at most: times that the policy tells apart.
    pub horizon: usize,
    /// Windows per update.
    pub batch: usize,
    /// Adam's learning rate for the policy and the critics at the start; it falls as a cosine.
    pub lr: f64,
    /// Weight decay of the policy, in the gradient.
    pub weight_decay: f64,
    /// Largest norm of a gradient.
    pub clip: f64,
    /// Widths of the hidden layers of each critic.
    pub critic_hidden: Vec<usize>,
    /// Discount γ.
    pub discount: f64,
    /// Step of the target critics' moving average.
    pub target_rate: f64,
    /// What the policy's moving average keeps each time.
    pub average: f64,
    /// Steps from one time to the next.
    pub average_every: u64,
    /// Steps before the first.
    pub average_from: u64,
    /// Largest weight η of Q in L_π.
    pub eta: f64,
    /// What returns to go are divided by.
    pub return_scale: f64,
    /// Wanted returns, in multiples of the best learned return.
    pub wanted: Vec<f64>,
}

impl DtrConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        let width = if full { 256 } else { 64 };
        Self {
            reward: RewardConfig {
                hidden: if full { vec![256; 3] } else { vec![128; 2] },
                members: 3,
                lr: if full { 3e-4 } else { 1e-3 },
                batch: 64,
                // Of Meta-World's 10,000 answers, a fifth of the run at most.
                epochs: match setup.family == "metaworld" && setup.tier != Tier::Smoke {
                    true => 20,
                    false => 50,
                },
                target_accuracy: 0.968,
            },
            transformer: TransformerConfig {
                width,
                layers: if full { 4 } else { 2 },
                heads: 4,
                dropout: 0.1,
            },
            context: if full { 20 } else { 10 },
            trajectory: match setup.family {
                "gymnasium" => setup.horizon,
                _ => 0,
            },
            horizon: setup.horizon,
            batch: if full { 256 } else { 64 },
            lr: if full { 3e-4 } else { 1e-3 },
            weight_decay: 1e-4,
            clip: 9.0,
            critic_hidden: vec![width; 3],
            discount: 0.99,
            // Fast targets make up for few updates, as IQL's do.
            target_rate: if setup.tier == Tier::Smoke {
                0.02
            } else {
                0.005
            },
            average: 0.995,
            average_every: 5,
            average_from: if full { 1000 } else { 200 },
            // The code's, which its command for one dataset raises to 3. Critics of a few thousand steps are to be
            // trusted less: their slope in the action is of what states are like.
            eta: if full { 1.0 } else { 0.3 },
            return_scale: 10.0,
            wanted: vec![0.5, 0.75, 1.0, 1.5, 2.0],
        }
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 2_000,
        Tier::Short => 10_000,
        Tier::Full => 55_000,
    }
}

impl OfflineConfig for DtrConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.reward.check(c);
            self.transformer.check("transformer", c);
            c.at_least("context", self.context, 2);
            c.at_least("horizon", self.horizon, 1);
            let must = "0, for episodes, or at least 2 steps";
            c.that("trajectory", self.trajectory, self.trajectory != 1, must);
            c.at_least("batch", self.batch, 1);
            c.positive("lr", self.lr);
            c.within("weight_decay", self.weight_decay, 0.0, 1.0);
            c.positive("clip", self.clip);
            c.at_least(
                "critic_hidden (number of layers)",
                self.critic_hidden.len(),
                1,
            );
            for &width in &self.critic_hidden {
                c.at_least("critic_hidden", width, 1);
            }
            c.within("discount", self.discount, 0.0, 1.0);
            c.within("target_rate", self.target_rate, 0.0, 1.0);
            c.within("average", self.average, 0.0, 1.0);
            c.at_least("average_every", self.average_every as usize, 1);
            c.within("eta", self.eta, 0.0, LARGEST);
            c.positive("return_scale", self.return_scale);
            c.at_least("wanted (number of returns)", self.wanted.len(), 1);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        let mut init = Stream::new(b.seed, "init");
        let stage = RewardStage::new(&self.reward, &data, b.total_steps, &mut init, &device)?;
        let scale = Scale::chosen(data.trajectories(), true);
        let policy = Dtr::new(self, b.dims, &mut init, device);
        Ok(Box::new(DtrLearner::<A> {
            id,
            total: b.total_steps,
            replay: Replay::of(data.trajectories().clone()),
            to_go: Vec::new(),
            best: 0.0,
            stream: Stream::new(b.seed, "batch"),
            data,
            stage,
            scale,
            policy,
            history: History::default(),
            returns: Vec::new(),
        }))
    }
}

/// The learner.
struct DtrLearner<A: Compute> {
    id: &'static str,
    total: u64,
    data: OfflineData,
    replay: Replay,
    scale: Scale,
    stage: RewardStage<A>,
    policy: Dtr<A>,
    /// Sum of the learned rewards from each transition on, within its trajectory.
    to_go: Vec<f32>,
    /// The best of the trajectories' learned returns.
    best: f32,
    stream: Stream,
    history: History,
    /// Returns to go of the history, for each wanted return.
    returns: Vec<Vec<f32>>,
}

impl<A: Compute> DtrLearner<A> {
    /// Returns to go of the learned rewards.
    fn count_returns(&mut self) {
        let (t, rewards) = (self.replay.trajectories(), self.replay.rewards());
        self.to_go = rewards.to_vec();
        self.best = f32::NEG_INFINITY;
        let mut i = 0;
        while i < t.len() {
            let whole = Span::along(t, i, self.policy.config.trajectory, usize::MAX);
            let end = i + whole.len;
            for j in (i..end).rev().skip(1) {
                self.to_go[j] += self.to_go[j + 1];
            }
            self.best = self.best.max(self.to_go[i]);
            i = end;
        }
    }

    fn batch(&mut self) -> DtrBatch<A> {
        let (t, steps) = (self.data.trajectories(), self.policy.config.context);
        let (rewards, to_go) = (self.replay.rewards(), &self.to_go);
        let device = &self.policy.device;
        let trajectory = self.policy.config.trajectory;
        let draw = |_| Span::along(t, self.stream.below(t.len()), trajectory, steps);
        let spans: Vec<Span> = (0..self.policy.config.batch).map(draw).collect();
        let windows = Windows::of(t, &spans, steps, &self.scale, device);
        let scale = self.policy.config.return_scale as f32;
        let column = |values: &dyn Fn(usize) -> f32| {
            windows
                .frame
                .gather(&spans, 1, device, |i, rows| rows.push(values(i)))
        };
        let to_go = column(&|i| to_go[i] / scale);
        let reward: Tensor<Inner<A>, 3> = column(&|i| rewards[i]);
        let last = spans.iter().map(|s| t.terminated(s.start + s.len - 1));
        DtrBatch {
            terminated: last.collect(),
            reward: reward.into_data().iter().collect(),
            windows,
            to_go,
        }
    }
}

impl<A: Compute> Policy for DtrLearner<A> {
    fn begin_episode(&mut self) {
        self.history = History::default();
        self.returns = Vec::new();
    }

    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        let c = &self.policy.config;
        self.history.see(observation, &self.scale, c.context);
        let first = |wanted: &f64| (wanted * f64::from(self.best) / c.return_scale) as f32;
        if self.returns.is_empty() {
            self.returns = c.wanted.iter().map(|w| vec![first(w)]).collect();
        } else {
            for (row, wanted) in self.returns.iter_mut().zip(&c.wanted) {
                let last = row[row.len() - 1];
                row.push(last - first(wanted) / c.horizon as f32);
                if row.len() > c.context {
                    row.remove(0);
                }
            }
        }
        self.policy.act(&self.history, &self.returns, action);
        self.history.actions.push(action.to_vec());
    }
}

impl<A: Compute> Learner for DtrLearner<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        self.data.need_transitions()?;
        if !self.stage.done() {
            self.stage
                .step(&self.data, &self.replay, &mut self.stream)?;
            if self.stage.done() {
                let rewards = normalised(self.stage.model.opinions_of_all(&self.replay));
                self.replay.rewards_mut().copy_from_slice(&rewards);
                self.count_returns();
            }
            return Ok(());
        }
        let batch = self.batch();
        let total = self.total - self.stage.steps();
        self.policy.update(&batch, total, &mut self.stream);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut out = self.policy.figures.metrics();
        out.extend(self.stage.metrics());
        out
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.stage.save(&mut state);
        self.policy.save(&mut state);
        self.scale.save(&mut state);
        state.put_column("rewards", &[self.replay.len()], self.replay.rewards());
        state.put_column("best", &[1], &[self.best]);
        state.put_json("stream", &self.stream);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.stage.load(state)?;
        self.policy.load(state)?;
        self.scale.load(state)?;
        self.stream = state.get_json("stream")?;
        if !self.replay.is_empty() {
            let rewards = state.get_column("rewards", &[self.replay.len()])?;
            self.replay.rewards_mut().copy_from_slice(&rewards);
            if self.stage.done() {
                self.count_returns();
            }
        }
        self.best = state.get_column("best", &[1])?[0];
        Ok(())
    }
}
