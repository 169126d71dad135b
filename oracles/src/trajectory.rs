//! Trajectories in columns: the memory of an online run, or an offline dataset.
//!
//! Appending is amortized O(1), and nothing is ever copied out: segments and batches are slices or
//! indices into the columns. As in Minari, an episode of T transitions holds T + 1 observations, so
//! the next observation needs no second copy.
//!
//! The rewards are the task's true rewards: privileged information for teachers, evaluation and
//! oracle baselines. A learner keeps its predicted rewards in a column of its own, under the
//! same global transition indices.

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use crate::segment::Segment;

/// How an episode ended.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// In a state from which no reward follows: values do not bootstrap.
    Terminated,
    /// By the clock: values bootstrap.
    Truncated,
    /// The recording stops and does not say what followed: the last observation stands for one, and
    /// repeats the one before it as far as the file allows. Only in imported data; see [`Trajectories::next_known`].
    Cut,
}

/// Where an episode lies in the columns.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Episode {
    /// Global index of its first transition.
    pub start: usize,
    /// Number of transitions so far.
    pub len: usize,
    /// `None` while it is still running; only the last episode may be.
    pub ending: Option<Ending>,
}

/// Many episodes in columns, append-only. Sizes are fixed at the start.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Columns")]
pub struct Trajectories {
    columns: Columns,
}

/// The raw columns of [`Trajectories`], for checkpoints and dataset files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Numbers per observation.
    pub obs_dim: usize,
    /// Numbers per action.
    pub act_dim: usize,
    /// Observations row by row: one row more than transitions for each episode.
    pub observations: Vec<f32>,
    /// Actions row by row: one row per transition.
    pub actions: Vec<f32>,
    /// True rewards: one per transition.
    pub rewards: Vec<f32>,
    /// The episodes in order, without gaps.
    pub episodes: Vec<Episode>,
}

/// What [`Trajectories`] refuses. The store is unchanged after an error.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrajectoryError {
    /// A row of the wrong size.
    #[error("{column} has {got} numbers where {expected} are expected")]
    WrongSize {
        /// The column.
        column: &'static str,
        /// Numbers expected.
        expected: usize,
        /// Numbers given.
        got: usize,
    },
    /// A number that is NaN or infinite.
    #[error("{column}[{index}] is not finite")]
    NotFinite {
        /// The column.
        column: &'static str,
        /// Index of the first such number in the slice given.
        index: usize,
    },
    /// `begin` while an episode is running.
    #[error("episode {episode} is still running: finish it before beginning another")]
    StillRunning {
        /// Its index.
        episode: usize,
    },
    /// `push` or `finish` while no episode is running.
    #[error("no episode is running: begin one first")]
    NotRunning,
    /// `finish` before the first `push`.
    #[error("episode {episode} has no transition yet: push at least one before finishing")]
    NoTransition {
        /// Its index.
        episode: usize,
    },
    /// More than 2³² − 1 episodes, or steps in an episode.
    #[error(
        "a store holds at most {} episodes of at most {} steps",
        u32::MAX,
        u32::MAX
    )]
    Full,
    /// Raw columns whose episodes do not follow one another without gaps.
    #[error("episode {episode} of the columns is invalid: {problem}")]
    BadEpisode {
        /// Its index.
        episode: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A segment that does not fit.
    #[error("{segment:?} does not fit: {}", fit(.episodes, .steps))]
    BadSegment {
        /// The segment.
        segment: Segment,
        /// Number of episodes in the store.
        episodes: usize,
        /// Steps of the segment's episode, if there is such an episode.
        steps: Option<usize>,
    },
}

fn fit(episodes: &usize, steps: &Option<usize>) -> String {
    match steps {
        Some(steps) => format!("its episode has {steps} steps, and a segment at least 1"),
        None => format!("there are {episodes} episodes"),
    }
}

impl Trajectories {
    /// An empty store for observations of `obs_dim` and actions of `act_dim` numbers.
    pub fn new(obs_dim: usize, act_dim: usize) -> Self {
        Trajectories {
            columns: Columns {
                obs_dim,
                act_dim,
                observations: Vec::new(),
                actions: Vec::new(),
                rewards: Vec::new(),
                episodes: Vec::new(),
            },
        }
    }

    /// Makes room for as many further transitions and episodes without reallocation.
    pub fn reserve(&mut self, transitions: usize, episodes: usize) {
        let c = &mut self.columns;
        c.observations.reserve((transitions + episodes) * c.obs_dim);
        c.actions.reserve(transitions * c.act_dim);
        c.rewards.reserve(transitions);
        c.episodes.reserve(episodes);
    }

    /// Begins an episode with its first observation.
    ///
    /// # Errors
    /// If an episode is running, or the observation has the wrong size or is not finite.
    pub fn begin(&mut self, observation: &[f32]) -> Result<(), TrajectoryError> {
        if let Some(episode) = self.running() {
            return Err(TrajectoryError::StillRunning { episode });
        }
        if self.columns.episodes.len() >= u32::MAX as usize {
            return Err(TrajectoryError::Full);
        }
        row("observation", observation, self.columns.obs_dim)?;
        self.columns.observations.extend_from_slice(observation);
        self.columns.episodes.push(Episode {
            start: self.len(),
            len: 0,
            ending: None,
        });
        Ok(())
    }

    /// Appends a transition to the running episode. `reward` is the true reward.
    ///
    /// # Errors
    /// If no episode is running, or something has the wrong size or is not finite.
    pub fn push(
        &mut self,
        action: &[f32],
        reward: f32,
        next_observation: &[f32],
    ) -> Result<(), TrajectoryError> {
        row("action", action, self.columns.act_dim)?;
        row("reward", &[reward], 1)?;
        row("next_observation", next_observation, self.columns.obs_dim)?;
        match self.columns.episodes.last_mut() {
            Some(episode) if episode.ending.is_none() => {
                if episode.len >= u32::MAX as usize {
                    return Err(TrajectoryError::Full);
                }
                episode.len += 1;
            }
            _ => return Err(TrajectoryError::NotRunning),
        }
        self.columns.actions.extend_from_slice(action);
        self.columns.rewards.push(reward);
        self.columns
            .observations
            .extend_from_slice(next_observation);
        Ok(())
    }

    /// Ends the running episode.
    ///
    /// # Errors
    /// If no episode is running, or it has no transition.
    pub fn finish(&mut self, end: Ending) -> Result<(), TrajectoryError> {
        let index = self.running().ok_or(TrajectoryError::NotRunning)?;
        let episode = &mut self.columns.episodes[index];
        if episode.len == 0 {
            return Err(TrajectoryError::NoTransition { episode: index });
        }
        episode.ending = Some(end);
        Ok(())
    }

    /// Numbers per observation.
    pub fn obs_dim(&self) -> usize {
        self.columns.obs_dim
    }

    /// Numbers per action.
    pub fn act_dim(&self) -> usize {
        self.columns.act_dim
    }

    /// Number of transitions, the running episode's included.
    pub fn len(&self) -> usize {
        self.columns.rewards.len()
    }

    /// Whether there is no transition.
    pub fn is_empty(&self) -> bool {
        self.columns.rewards.is_empty()
    }

    /// All episodes; the last may still be running.
    pub fn episodes(&self) -> &[Episode] {
        &self.columns.episodes
    }

    /// Number of finished episodes: they are `episodes()[..complete()]`.
    pub fn complete(&self) -> usize {
        self.running().unwrap_or(self.columns.episodes.len())
    }

    /// Index of the episode that holds transition `i < len()`, by binary search.
    pub fn episode_of(&self, i: usize) -> usize {
        let after = self.columns.episodes.partition_point(|e| e.start <= i);
        after.saturating_sub(1)
    }

    /// Sum of the true rewards of episode `e`. Panics if there is no such episode, like indexing.
    pub fn episode_return(&self, e: usize) -> f64 {
        let Episode { start, len, .. } = self.columns.episodes[e];
        let rewards = &self.columns.rewards[start..start + len];
        rewards.iter().map(|&r| f64::from(r)).sum()
    }

    /// The observation before transition `i`. Like indexing a slice, this and the other accessors by
    /// index require `i < len()`.
    pub fn observation(&self, i: usize) -> &[f32] {
        self.observation_row(i + self.episode_of(i))
    }

    /// The observation after transition `i`.
    pub fn next_observation(&self, i: usize) -> &[f32] {
        self.observation_row(i + self.episode_of(i) + 1)
    }

    /// The action of transition `i`.
    pub fn action(&self, i: usize) -> &[f32] {
        &self.columns.actions[i * self.columns.act_dim..(i + 1) * self.columns.act_dim]
    }

    /// The true reward of transition `i`.
    pub fn reward(&self, i: usize) -> f32 {
        self.columns.rewards[i]
    }

    /// Whether transition `i` is the last of a [`Ending::Terminated`] episode: values must not
    /// bootstrap from its next observation.
    pub fn terminated(&self, i: usize) -> bool {
        let episode = self.columns.episodes[self.episode_of(i)];
        i + 1 == episode.start + episode.len && episode.ending == Some(Ending::Terminated)
    }

    /// Whether the observation after transition `i` was recorded: it was not at the end of a
    /// [`Ending::Cut`] episode. Learners of values leave such transitions out.
    pub fn next_known(&self, i: usize) -> bool {
        let episode = self.columns.episodes[self.episode_of(i)];
        i + 1 != episode.start + episode.len || episode.ending != Some(Ending::Cut)
    }

    /// The observation column; see [`Columns::observations`] for its layout.
    pub fn all_observations(&self) -> &[f32] {
        &self.columns.observations
    }

    /// The action column: `len() * act_dim()` numbers.
    pub fn all_actions(&self) -> &[f32] {
        &self.columns.actions
    }

    /// The column of true rewards: `len()` numbers.
    pub fn all_rewards(&self) -> &[f32] {
        &self.columns.rewards
    }

    /// The raw columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    fn running(&self) -> Option<usize> {
        let last = self.columns.episodes.len().checked_sub(1)?;
        self.columns.episodes[last].ending.is_none().then_some(last)
    }

    fn observation_row(&self, row: usize) -> &[f32] {
        let width = self.columns.obs_dim;
        &self.columns.observations[row * width..(row + 1) * width]
    }
}

impl TryFrom<Columns> for Trajectories {
    type Error = TrajectoryError;

    /// Takes over raw columns, such as those of a checkpoint.
    fn try_from(c: Columns) -> Result<Self, TrajectoryError> {
        let transitions = c.rewards.len();
        let mut next = 0;
        for (episode, e) in c.episodes.iter().enumerate() {
            let last = episode + 1 == c.episodes.len();
            let problem = if e.start != next {
                "it does not begin where the one before ends"
            } else if e.ending.is_none() && !last {
                "only the last may be running"
            } else if e.ending.is_some() && e.len == 0 {
                "it is finished but has no transition"
            } else if e.len > transitions - next {
                "it is longer than the columns"
            } else {
                next += e.len;
                continue;
            };
            return Err(TrajectoryError::BadEpisode { episode, problem });
        }
        let longest = c.episodes.iter().map(|e| e.len).max().unwrap_or(0);
        if c.episodes.len().max(longest) > u32::MAX as usize {
            return Err(TrajectoryError::Full);
        }
        let rows = transitions + c.episodes.len();
        row("rewards", &c.rewards, next)?;
        row("actions", &c.actions, transitions.saturating_mul(c.act_dim))?;
        row(
            "observations",
            &c.observations,
            rows.saturating_mul(c.obs_dim),
        )?;
        Ok(Trajectories { columns: c })
    }
}

/// Serializes as its [`Columns`], without copying them.
impl Serialize for Trajectories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.columns.serialize(serializer)
    }
}

impl From<Trajectories> for Columns {
    fn from(trajectories: Trajectories) -> Self {
        trajectories.columns
    }
}

/// Checks size and finiteness.
fn row(column: &'static str, values: &[f32], expected: usize) -> Result<(), TrajectoryError> {
    if values.len() != expected {
        return Err(TrajectoryError::WrongSize {
            column,
            expected,
            got: values.len(),
        });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(TrajectoryError::NotFinite { column, index }),
        None => Ok(()),
    }
}
