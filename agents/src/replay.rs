//! The replay memory: every transition of a run, and batches drawn from it.
//!
//! Transitions live in the same columnar store that offline datasets use; the true reward in it
//! is privileged. What a learner regresses to is a second column that a reward model may rewrite
//! in place (relabelling).

use std::sync::Arc;

use prefbench_oracles::{Columns, Ending, Stream, Trajectories, TrajectoryError};

use crate::state::{State, StateError};

/// Sizes of one observation and one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Numbers in an observation.
    pub obs: usize,
    /// Numbers in an action, each in [−1, 1].
    pub act: usize,
}

/// One step of the environment, as the learner sees it.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// The action taken, `[act]`.
    pub action: &'a [f32],
    /// The task's true reward: privileged for a preference-based learner.
    pub reward: f32,
    /// The observation that followed, `[obs]`.
    pub next_observation: &'a [f32],
    /// How the episode ended with this step, if it did.
    pub end: Option<Ending>,
}

/// Host columns of a batch, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[rows]`: the transitions.
    pub index: Vec<usize>,
    /// `[rows, obs]`
    pub observation: Vec<f32>,
    /// `[rows, obs + act]`
    pub observation_action: Vec<f32>,
    /// `[rows, obs]`
    pub next_observation: Vec<f32>,
    /// `[rows]`
    pub reward: Vec<f32>,
    /// `[rows]`: 0 where the episode terminated, else 1 (time limits included).
    pub bootstrap: Vec<f32>,
}

/// All transitions so far, and the reward column to learn from.
#[derive(Clone, Debug)]
pub struct Replay {
    dims: Dims,
    /// Shared where it is a dataset, which never grows.
    trajectories: Arc<Trajectories>,
    reward: Vec<f32>,
}

impl Replay {
    /// An empty memory.
    pub fn new(dims: Dims) -> Self {
        Self {
            dims,
            trajectories: Arc::new(Trajectories::new(dims.obs, dims.act)),
            reward: Vec::new(),
        }
    }

    /// The transitions of a dataset; the rewards to learn from are the true ones.
    pub fn of(trajectories: Arc<Trajectories>) -> Self {
        Self {
            dims: Dims {
                obs: trajectories.obs_dim(),
                act: trajectories.act_dim(),
            },
            reward: trajectories.all_rewards().to_vec(),
            trajectories,
        }
    }

    /// Sizes of one row.
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// The episodes, true rewards included.
    pub fn trajectories(&self) -> &Trajectories {
        &self.trajectories
    }

    /// Transitions stored.
    pub fn len(&self) -> usize {
        self.reward.len()
    }

    /// True before the first transition.
    pub fn is_empty(&self) -> bool {
        self.reward.is_empty()
    }

    /// Opens an episode.
    pub fn begin(&mut self, observation: &[f32]) -> Result<(), TrajectoryError> {
        Arc::make_mut(&mut self.trajectories).begin(observation)
    }

    /// Appends a transition whose reward to learn from is `reward`.
    pub fn push(&mut self, t: Transition<'_>, reward: f32) -> Result<(), TrajectoryError> {
        let trajectories = Arc::make_mut(&mut self.trajectories);
        trajectories.push(t.action, t.reward, t.next_observation)?;
        if let Some(end) = t.end {
            trajectories.finish(end)?;
        }
        self.reward.push(reward);
        Ok(())
    }

    /// The column of rewards to learn from, one a transition.
    pub fn rewards(&self) -> &[f32] {
        &self.reward
    }

    /// The column of rewards to learn from, one a transition, for relabelling in place.
    pub fn rewards_mut(&mut self) -> &mut [f32] {
        &mut self.reward
    }

    /// The rows (s, a) of all transitions, `size` at a time.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Vec<f32>> + '_ {
        (0..self.len()).step_by(size).map(move |start| {
            let mut rows = Vec::new();
            for i in start..self.len().min(start + size) {
                self.extend_observation_action(i, &mut rows);
            }
            rows
        })
    }

    /// Appends the rows (s, a) of transition `i` to `out`.
    pub fn extend_observation_action(&self, i: usize, out: &mut Vec<f32>) {
        out.extend_from_slice(self.trajectories.observation(i));
        out.extend_from_slice(self.trajectories.action(i));
    }

    /// The rows (s, a) of these transitions.
    pub fn state_actions(&self, indices: impl IntoIterator<Item = usize>) -> Vec<f32> {
        let indices = indices.into_iter();
        let width = self.dims.obs + self.dims.act;
        let mut rows = Vec::with_capacity(indices.size_hint().0 * width);
        for i in indices {
            self.extend_observation_action(i, &mut rows);
        }
        rows
    }

    /// Rows of [`Trajectories::all_observations`].
    pub fn states(&self) -> usize {
        self.trajectories.all_observations().len() / self.dims.obs.max(1)
    }

    /// The rows of [`Trajectories::all_observations`] that hold the observations before these transitions.
    pub fn observation_rows(&self, indices: &[usize]) -> Vec<usize> {
        let row = |&i| i + self.trajectories.episode_of(i);
        indices.iter().map(row).collect()
    }

    /// Transition indices drawn uniformly with replacement.
    pub fn sample(&self, rows: usize, rng: &mut Stream) -> Vec<usize> {
        (0..rows).map(|_| rng.below(self.len())).collect()
    }

    /// Writes every column.
    pub fn save(&self, state: &mut State) {
        let c = self.trajectories.columns();
        let mut put = |name: &str, values: &[f32]| {
            state.put_column(&format!("replay.{name}"), &[values.len()], values);
        };
        put("observations", &c.observations);
        put("actions", &c.actions);
        put("true_rewards", &c.rewards);
        put("rewards", &self.reward);
        state.put_json("replay.episodes", &c.episodes);
    }

    /// Reads what [`Replay::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        let get = |name: &str| state.get_flat(&format!("replay.{name}"));
        let trajectories = Trajectories::try_from(Columns {
            obs_dim: self.dims.obs,
            act_dim: self.dims.act,
            observations: get("observations")?,
            actions: get("actions")?,
            rewards: get("true_rewards")?,
            episodes: state.get_json("replay.episodes")?,
        })
        .map_err(|e| StateError::Value {
            name: "replay".to_owned(),
            why: e.to_string(),
        })?;
        self.trajectories = Arc::new(trajectories);
        self.reward = get("rewards")?;
        if self.reward.len() != self.trajectories.len() {
            return Err(StateError::Shape {
                name: "replay.rewards".to_owned(),
                found: vec![self.reward.len()],
                needed: vec![self.trajectories.len()],
            });
        }
        Ok(())
    }

    /// Gathers the batch of the given transitions.
    pub fn gather(&self, indices: &[usize]) -> Batch {
        let rows = indices.len();
        let Dims { obs, act } = self.dims;
        let mut b = Batch {
            index: indices.to_vec(),
            observation: Vec::with_capacity(rows * obs),
            observation_action: Vec::with_capacity(rows * (obs + act)),
            next_observation: Vec::with_capacity(rows * obs),
            reward: Vec::with_capacity(rows),
            bootstrap: Vec::with_capacity(rows),
        };
        for &i in indices {
            let t = &self.trajectories;
            b.observation.extend_from_slice(t.observation(i));
            self.extend_observation_action(i, &mut b.observation_action);
            b.next_observation.extend_from_slice(t.next_observation(i));
            b.reward.push(self.reward[i]);
            b.bootstrap.push(if t.terminated(i) { 0.0 } else { 1.0 });
        }
        b
    }
}
