//! What an environment is: its specification, its steps, its snapshots.

use crate::{EnvError, Geom, Health};
use serde::{Deserialize, Serialize};

/// One element of an observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Unique within the task, in snake case: `hand_x`.
    pub name: &'static str,
    /// SI unit: `m`, `m/s`, `rad`, `rad/s`.
    pub unit: &'static str,
    /// No observation is lower than this; may be negative infinity.
    pub low: f32,
    /// No observation is higher than this; may be infinity.
    pub high: f32,
}

impl Field {
    /// A field with the bounds `[low, high]`.
    pub const fn new(name: &'static str, unit: &'static str, low: f32, high: f32) -> Self {
        Self {
            name,
            unit,
            low,
            high,
        }
    }

    /// A field that is always this value, kept so that an original's layout stays whole.
    pub const fn constant(name: &'static str, unit: &'static str, value: f32) -> Self {
        Self::new(name, unit, value, value)
    }

    /// A field that promises no bounds.
    pub const fn unbounded(name: &'static str, unit: &'static str) -> Self {
        Self::new(name, unit, f32::NEG_INFINITY, f32::INFINITY)
    }
}

/// The promises of a task, the same for every episode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spec {
    /// The observation, element by element.
    pub fields: &'static [Field],
    /// What each action element drives. Every element lives in [-1, 1].
    pub actions: &'static [&'static str],
    /// Simulated seconds between two actions.
    pub control_period: f64,
    /// Steps after which an episode is truncated.
    pub horizon: u32,
    /// Bounds of one step's reward, where the task promises them.
    pub reward_bounds: Option<(f32, f32)>,
}

impl Spec {
    /// Number of observation elements.
    pub const fn obs_dim(&self) -> usize {
        self.fields.len()
    }

    /// Number of action elements.
    pub const fn action_dim(&self) -> usize {
        self.actions.len()
    }

    /// Index of the observation element of this name.
    pub fn index_of(&self, field: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == field)
    }
}

/// Whether an episode goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum End {
    /// It goes on.
    No,
    /// It reached a state with no future: a learner must not bootstrap from it.
    Terminated,
    /// It reached the horizon: the state has a future, a learner should bootstrap from it.
    Truncated,
}

/// What one control step yields, besides the observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The task's true reward.
    pub reward: f32,
    /// Whether the task's success condition holds after this step.
    pub success: bool,
    /// Whether the episode ended with this step.
    pub end: End,
}

/// The complete state of an environment, as bytes: task id, version, episode and world, sealed
/// with a checksum. An environment of the same task and version that restores it continues bit
/// for bit. Store it as it is; [`Env::restore`] refuses what it cannot trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot(pub(crate) Vec<u8>);

impl Snapshot {
    /// Wraps bytes read back from storage; they are checked by [`Env::restore`].
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A control task that is being run. Object-safe; make one with [`Task::make`](crate::Task::make).
///
/// Randomness enters at [`reset`](Self::reset) only: the seed and the actions determine every bit
/// of an episode. An `Err` never leaves the environment unusable; after any error, `reset` works.
pub trait Env: Send {
    /// The task's promises.
    fn spec(&self) -> &Spec;

    /// Begins an episode and writes its first observation, `spec().obs_dim()` elements, into `obs`.
    ///
    /// # Errors
    /// [`EnvError::ObsLength`].
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError>;

    /// Applies an action of `spec().action_dim()` elements for one control period and writes the
    /// observation that follows into `obs`. Finite values outside [-1, 1] are clipped; rewards see
    /// the clipped action.
    ///
    /// # Errors
    /// A refused call leaves everything as it was: [`EnvError::ActionLength`],
    /// [`EnvError::ActionNotFinite`], [`EnvError::ObsLength`], [`EnvError::NotReset`],
    /// [`EnvError::EpisodeOver`]. [`EnvError::Diverged`] ends the episode.
    fn step(&mut self, action: &[f32], obs: &mut [f32]) -> Result<Step, EnvError>;

    /// Writes the current observation again: the one that `reset` or `step` last wrote, or, after
    /// [`restore`](Self::restore), the one current when the snapshot was taken.
    ///
    /// # Errors
    /// [`EnvError::ObsLength`], [`EnvError::NotReset`].
    fn observe(&self, obs: &mut [f32]) -> Result<(), EnvError>;

    /// How hard the next episode will be, from 0 to 1, the task in full; `None` for a task without
    /// a curriculum. A new environment is at 1; snapshots hold it.
    fn difficulty(&self) -> Option<f32> {
        None
    }

    /// Sets the difficulty of the episodes that begin from now on.
    ///
    /// # Errors
    /// [`EnvError::NoCurriculum`]; [`EnvError::Difficulty`] for what is not within [0, 1].
    fn set_difficulty(&mut self, difficulty: f32) -> Result<(), EnvError>;

    /// Replaces `scene` with the shapes to draw now. Within an episode their number, order, shapes
    /// and roles stay; only positions and rotations change.
    fn draw(&self, scene: &mut Vec<Geom>);

    /// How sound the simulation is now: for tests that a task stays physical, not for policies.
    fn health(&self) -> Health;

    /// The complete state.
    ///
    /// # Errors
    /// [`EnvError::Snapshot`] if the state cannot be written down, which no known task allows.
    fn snapshot(&self) -> Result<Snapshot, EnvError>;

    /// Continues from a snapshot of this task and version, of this environment or another.
    ///
    /// # Errors
    /// [`EnvError::Snapshot`]; the environment is then as it was.
    fn restore(&mut self, snapshot: &Snapshot) -> Result<(), EnvError>;
}
