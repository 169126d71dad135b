//! The one error type of this crate.

use thiserror::Error;

/// What can go wrong with a task. Every message says where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum EnvError {
    /// No task has this id.
    #[error("unknown task `{id}`; the nearest known name is `{nearest}`; known: {known}")]
    UnknownTask {
        /// The id asked for.
        id: String,
        /// The known id with the smallest edit distance.
        nearest: &'static str,
        /// All known ids, comma-separated.
        known: String,
    },
    /// The action has the wrong number of elements. The world is untouched.
    #[error("{task}: an action has {expected} elements, got {got}; see `Spec::action_dim`")]
    ActionLength {
        /// Task id.
        task: &'static str,
        /// Elements the task expects.
        expected: usize,
        /// Elements that were given.
        got: usize,
    },
    /// An action element is NaN or infinite. The world is untouched.
    #[error(
        "{task}: action element {index} is {value}; actions must be finite \
         (finite values outside [-1, 1] are clipped)"
    )]
    ActionNotFinite {
        /// Task id.
        task: &'static str,
        /// Index of the first such element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// The observation buffer has the wrong size. The world is untouched.
    #[error(
        "{task}: an observation has {expected} elements, the buffer {got}; see `Spec::obs_dim`"
    )]
    ObsLength {
        /// Task id.
        task: &'static str,
        /// Elements the task writes.
        expected: usize,
        /// Elements the buffer has.
        got: usize,
    },
    /// `step` or `observe` before the first `reset`.
    #[error("{task}: no episode is running; call `reset` first")]
    NotReset {
        /// Task id.
        task: &'static str,
    },
    /// `step` after an episode ended.
    #[error("{task}: the episode ended at step {step}; call `reset` to begin another")]
    EpisodeOver {
        /// Task id.
        task: &'static str,
        /// Steps the finished episode took.
        step: u32,
    },
    /// `set_difficulty` of a task that has only one.
    #[error("{task}: this task has no curriculum, its difficulty cannot be set")]
    NoCurriculum {
        /// Task id.
        task: &'static str,
    },
    /// `set_difficulty` with what is no difficulty. It stays as it was.
    #[error("{task}: difficulty {difficulty} is out of range; give a number from 0 to 1")]
    Difficulty {
        /// Task id.
        task: &'static str,
        /// What was given.
        difficulty: f32,
    },
    /// The simulation left the finite numbers. The episode is over; `reset` recovers completely.
    #[error(
        "{task}: the simulation diverged at step {step} ({what}); call `reset` to begin another episode"
    )]
    Diverged {
        /// Task id.
        task: &'static str,
        /// The step that failed, counted from 1.
        step: u32,
        /// What was found.
        what: &'static str,
    },
    /// A snapshot that this task cannot continue from. The environment is untouched.
    #[error("{task} v{version}: cannot restore this snapshot: {why}")]
    Snapshot {
        /// Task id of the environment.
        task: &'static str,
        /// Task version of the environment.
        version: u32,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The physics engine refused a part of the robot: a defect in the task, not in its use.
    #[error(
        "{task}: the physics engine refused {what}; this is a bug in the task, please report it"
    )]
    Build {
        /// Task id.
        task: &'static str,
        /// The part refused.
        what: &'static str,
    },
}
