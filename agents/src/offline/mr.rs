//! MR: implicit Q-learning on a Markovian reward r̂(s, a) that is learned from preferences first.
//!
//! The baseline of Preference Transformer (Kim et al. 2023, arXiv 2303.00957;
//! github.com/csmile-1006/PreferenceTransformer at f71647b, `train_offline.py`) with the reward ensemble of
//! Uni-RLHF (github.com/pickxiguapi/Clean-Offline-RLHF), which is [`crate::reward_model::RewardModel`]: Bradley-Terry over sums
//! of tanh outputs. A run has two stages, each of gradient steps:
//!
//! 1. the ensemble, until a pass over the answers is accurate enough or `reward.epochs` are made;
//! 2. IQL ([`super::iql`]) on r̂ of all transitions, for the rest of the run's steps. As there, r̂ is
//!    scaled by the longest episode's steps over the range of the learned returns, and `reward_offset` is
//!    added to it, 0.5, for Gymnasium's robots, whose episodes end when they fall.
//!
//! Deviations from Preference Transformer's MR: an ensemble of three with sums, where it has one network
//! with means; the last state of the reward, where it takes the best on a part of the training labels.

use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::ActorConfig;
use super::critics::CriticConfig;
use super::iql::{Iql, IqlConfig, networks};
use super::reward_stage::RewardStage;
use super::shared::{Memory, act};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::reward_model::RewardConfig;
use crate::state::{State, StateError};

/// Settings of MR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MrConfig {
    /// The reward ensemble.
    pub reward: RewardConfig,
    /// What is added to each learned reward.
    pub reward_offset: f64,
    /// The policy.
    pub actor: ActorConfig,
    /// Critics and V.
    pub critic: CriticConfig,
    /// The policy's update.
    pub iql: IqlConfig,
}

impl MrConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        let (actor, critic) = networks(setup);
        Self {
            reward: RewardConfig {
                hidden: if full { vec![256; 3] } else { vec![128; 2] },
                members: 3,
                lr: if full { 3e-4 } else { 1e-3 },
                batch: 64,
                epochs: 50,
                target_accuracy: 0.968,
            },
            reward_offset: offset(setup),
            actor,
            critic,
            iql: IqlConfig::defaults(setup),
        }
    }
}

/// What Preference Transformer adds to learned rewards.
pub(super) fn offset(setup: &Setup<'_>) -> f64 {
    match setup.family {
        "gymnasium" => 0.5,
        _ => 0.0,
    }
}

impl OfflineConfig for MrConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.reward.check(c);
            c.within("reward_offset", self.reward_offset, -LARGEST, LARGEST);
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
        let init = &mut Stream::new(b.seed, "init");
        let reward = RewardStage::new(&self.reward, &data, b.total_steps, init, &device)?;
        let iql = Iql::new(
            self.iql.clone(),
            (&self.actor, &self.critic),
            b.dims,
            0,
            init,
            device,
        );
        Ok(Box::new(Mr::<A> {
            id,
            memory: Memory::new(&data, self.iql.scale_observations),
            stream: Stream::new(b.seed, "batch"),
            total: b.total_steps,
            config: self,
            data,
            reward,
            iql,
        }))
    }
}

/// The learner.
pub struct Mr<A: Compute> {
    id: &'static str,
    config: MrConfig,
    total: u64,
    data: OfflineData,
    memory: Memory,
    reward: RewardStage<A>,
    iql: Iql<A>,
    /// Batches of either stage.
    stream: Stream,
}

impl<A: Compute> Policy for Mr<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.iql.actor, &self.memory.scale, observation, action);
    }
}

impl<A: Compute> Learner for Mr<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        if !self.reward.done() {
            let replay = &self.memory.replay;
            self.reward.step(&self.data, replay, &mut self.stream)?;
            if self.reward.done() {
                self.iql.set_total(self.total - self.reward.steps());
                self.reward.model.relabel(&mut self.memory.replay);
                if self.config.iql.scale_rewards {
                    self.memory.scale_rewards();
                }
                self.memory.shift_rewards(self.config.reward_offset);
            }
            return Ok(());
        }
        let batch = self.memory.batch(self.iql.batch(), &mut self.stream)?;
        self.iql.update(batch, &mut self.stream);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut out = self.iql.metrics();
        out.extend(self.reward.metrics());
        out
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.reward.save(&mut state);
        self.iql.save(&mut state);
        self.memory.save(&mut state);
        state.put_json("stream", &self.stream);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.reward.load(state)?;
        self.iql.load(state)?;
        self.memory.load(state)?;
        self.stream = state.get_json("stream")?;
        Ok(())
    }
}
