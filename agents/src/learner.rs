//! What a run loop needs of a learner.

use prefbench_oracles::{Label, Pair, SamplerError, Trajectories, TrajectoryError};

use crate::replay::Transition;
use crate::state::{State, StateError};

/// How to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To learn: random or noisy, drawing from the learner's own streams.
    Explore,
    /// To be judged: deterministic (the random baseline excepted), nothing learnt from it.
    Evaluate,
}

/// Chooses actions.
pub trait Policy {
    /// An episode begins. For policies with a memory: what they remember is what [`Policy::act`] saw and
    /// wrote since then, and no part of a learner's saved state.
    fn begin_episode(&mut self) {}

    /// The action for an observation `[obs]`, written to `action` `[act]`, each in [−1, 1].
    fn act(&mut self, observation: &[f32], mode: Mode, action: &mut [f32]);
}

/// Improves with experience; its complete state can be saved and loaded.
pub trait Learner: Policy + Send {
    /// Whatever gradient updates are due now; of an offline learner, one gradient step.
    fn update(&mut self) -> Result<(), LearnError>;

    /// Named figures of the latest update, for the log.
    fn metrics(&self) -> Vec<(&'static str, f64)>;

    /// State values V(s) of the current policy for observations `[rows, obs]`: the mean over `actions`
    /// sampled actions of the critics' mean Q, as CPL (Hejna et al. 2024) computes an expert's.
    /// `None` where the learner has no critics. The samples are the same at every call.
    fn values(&self, _observations: &[f32], _actions: usize) -> Option<Vec<f64>> {
        None
    }

    /// The complete state: a learner built alike continues from it bit for bit.
    fn save(&self) -> State;

    /// Continues from a saved state.
    fn load(&mut self, state: &State) -> Result<(), StateError>;
}

/// A learner that collects its own experience, and may ask a teacher about it.
///
/// Per environment step the run loop calls, in order: [`Online::queries`] (and, if there are any,
/// [`Online::teach`] with the answers), [`Learner::update`], [`Policy::act`], [`Online::observe`].
pub trait Online: Learner {
    /// A new episode starts from `observation`.
    fn begin(&mut self, observation: &[f32]) -> Result<(), LearnError>;

    /// A step was taken.
    fn observe(&mut self, transition: Transition<'_>) -> Result<(), LearnError>;

    /// The pairs to ask about now; empty unless a feedback session is due.
    fn queries(&mut self) -> Result<Vec<Pair>, LearnError> {
        Ok(Vec::new())
    }

    /// The answers to [`Online::queries`], in its order; `None` where the teacher skipped.
    fn teach(&mut self, _answers: &[(Pair, Option<Label>)]) -> Result<(), LearnError> {
        Ok(())
    }

    /// Queries this learner will ask over a whole run, at most.
    fn feedback_budget(&self) -> u64 {
        0
    }

    /// Everything collected so far, with the privileged true rewards a teacher judges by.
    fn trajectories(&self) -> &Trajectories;
}

/// Why learning cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The replay refused a transition: a non-finite number, or calls out of order.
    #[error(transparent)]
    Replay(#[from] TrajectoryError),
    /// No queries could be chosen.
    #[error(transparent)]
    Sampler(#[from] SamplerError),
    /// An offline learner was given nothing to learn from.
    #[error("there is no {0} to learn from")]
    Nothing(&'static str),
    /// Segments that cannot be set side by side.
    #[error(
        "the answers are about segments of {shortest} to {longest} steps, but all must have one length"
    )]
    Lengths {
        /// Steps of the shortest.
        shortest: u32,
        /// Steps of the longest.
        longest: u32,
    },
    /// The reward model is no longer finite.
    #[error("training diverged: {what} is {value} after {step} steps; try a lower learning rate")]
    Diverged {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Environment steps, or gradient steps of an offline learner, so far.
        step: u64,
    },
}
