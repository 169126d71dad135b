//! Uniformly random actions: the floor that every method is measured against.

use prefbench_oracles::{Stream, Trajectories};
use serde::{Deserialize, Serialize};

use crate::learner::{LearnError, Learner, Mode, Online, Policy};
use crate::replay::{Dims, Replay, Transition};
use crate::state::{State, StateError};

/// The random policy has no settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomConfig {}

/// The policy. It also acts at random when evaluated, from a stream of its own.
pub struct Random {
    explore: Stream,
    evaluate: Stream,
    replay: Replay,
}

impl Random {
    /// The random policy of a run's seed.
    pub fn new(dims: Dims, seed: u64) -> Self {
        Self {
            explore: Stream::new(seed, "explore"),
            evaluate: Stream::new(seed, "random evaluation"),
            replay: Replay::new(dims),
        }
    }
}

impl Policy for Random {
    fn act(&mut self, _: &[f32], mode: Mode, action: &mut [f32]) {
        let stream = match mode {
            Mode::Explore => &mut self.explore,
            Mode::Evaluate => &mut self.evaluate,
        };
        stream.fill_uniform(action, -1.0, 1.0);
    }
}

impl Learner for Random {
    fn update(&mut self) -> Result<(), LearnError> {
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm("random");
        self.replay.save(&mut state);
        state.put_json("streams", &(&self.explore, &self.evaluate));
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm("random")?;
        self.replay.load(state)?;
        (self.explore, self.evaluate) = state.get_json("streams")?;
        Ok(())
    }
}

impl Online for Random {
    fn begin(&mut self, observation: &[f32]) -> Result<(), LearnError> {
        Ok(self.replay.begin(observation)?)
    }

    fn observe(&mut self, transition: Transition<'_>) -> Result<(), LearnError> {
        Ok(self.replay.push(transition, transition.reward)?)
    }

    fn trajectories(&self) -> &Trajectories {
        self.replay.trajectories()
    }
}
