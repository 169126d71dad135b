//! What the online methods share: SAC on a replay memory, with its warm-up and random streams.
//!
//! A method owns a [`Backbone`], says which reward its critics regress to, and adds its own part.

use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use crate::config::Checks;
use crate::device::Compute;
use crate::explore::StateEntropy;
use crate::learner::{LearnError, Mode};
use crate::replay::{Batch, Dims, Replay, Transition};
use crate::sac::SacConfig;
use crate::stack::{Seat, Ticket};
use crate::state::{State, StateError};

/// The random streams of a learner; each position is part of its state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Streams {
    /// Initial (and reset) weights.
    pub init: Stream,
    /// Actions while exploring.
    pub explore: Stream,
    /// Batches and the policy noise of updates.
    pub replay: Stream,
    /// Queries, and the order of labels in reward training.
    pub query: Stream,
}

impl Streams {
    /// The streams of the run with this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            init: Stream::new(seed, "init"),
            explore: Stream::new(seed, "explore"),
            replay: Stream::new(seed, "replay"),
            query: Stream::new(seed, "query"),
        }
    }
}

/// SAC, its memory, and the count of steps.
pub struct Backbone<A: Compute> {
    /// The policy learner.
    pub sac: Seat<A>,
    /// Every transition so far.
    pub replay: Replay,
    /// All randomness.
    pub streams: Streams,
    seed_steps: u64,
}

impl<A: Compute> Backbone<A> {
    /// A fresh learner that acts at random for its first `seed_steps` steps; with a ticket, one of a stack.
    pub fn new(
        config: SacConfig,
        seed_steps: u64,
        dims: Dims,
        mut streams: Streams,
        device: A::Device,
        ticket: Option<Ticket>,
    ) -> Self {
        Self {
            sac: Seat::new(config, dims, &mut streams.init, device, ticket),
            replay: Replay::new(dims),
            streams,
            seed_steps,
        }
    }

    /// Environment steps so far.
    pub fn steps(&self) -> u64 {
        self.replay.len() as u64
    }

    /// True while actions are uniformly random.
    pub fn warming_up(&self) -> bool {
        self.steps() < self.seed_steps
    }

    /// See [`crate::Policy::act`].
    pub fn act(&mut self, observation: &[f32], mode: Mode, action: &mut [f32]) {
        if mode == Mode::Explore && self.warming_up() {
            return self.streams.explore.fill_uniform(action, -1.0, 1.0);
        }
        let noise = (mode == Mode::Explore).then(|| {
            let mut noise = vec![0.0; action.len()];
            self.streams.explore.fill_normal(&mut noise);
            noise
        });
        action.copy_from_slice(&self.sac.act(observation, noise));
    }

    /// Stores a transition with the reward to learn from.
    pub fn observe(&mut self, t: Transition<'_>, reward: f32) -> Result<(), LearnError> {
        Ok(self.replay.push(t, reward)?)
    }

    /// One SAC update on a fresh batch; `rewrite` may change the batch's rewards.
    pub fn update(&mut self, rewrite: impl FnOnce(&mut Batch, &Replay)) {
        let rows = self.sac.config().batch;
        let indices = self.replay.sample(rows, &mut self.streams.replay);
        self.update_on(&indices, rewrite);
    }

    /// One SAC update on the intrinsic reward, on a fresh batch.
    pub fn explore(&mut self, entropy: &mut StateEntropy) {
        self.update(|batch, replay| {
            let memory = replay.trajectories().all_observations();
            batch.reward = entropy.reward(&replay.observation_rows(&batch.index), memory);
        });
    }

    /// One SAC update on these transitions.
    pub fn update_on(&mut self, indices: &[usize], rewrite: impl FnOnce(&mut Batch, &Replay)) {
        let mut batch = self.replay.gather(indices);
        rewrite(&mut batch, &self.replay);
        self.sac.update(batch, &mut self.streams.replay);
    }

    /// Replaces critics, targets and their optimiser by fresh ones.
    pub fn reset_critics(&mut self) {
        self.sac.reset_critics(&mut self.streams.init);
    }

    /// Writes everything.
    pub fn save(&self, state: &mut State) {
        self.sac.save(state);
        self.replay.save(state);
        state.put_json("streams", &self.streams);
    }

    /// Reads what [`Backbone::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.sac.load(state)?;
        self.replay.load(state)?;
        self.streams = state.get_json("streams")?;
        Ok(())
    }
}

/// Range checks that every online configuration shares.
pub(crate) fn check_seed_steps(c: &mut Checks, seed_steps: u64) {
    c.at_least("seed_steps", seed_steps as usize, 1);
}
