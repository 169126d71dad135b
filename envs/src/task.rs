//! The registry of tasks.

use crate::{Env, EnvError, Spec, dm_control, gymnasium, jump, maze, metaworld, robosuite};

/// A registered task: everything a list, a help text or a paper's table says about it.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    /// Unique id, as users write it.
    pub id: &'static str,
    /// Tasks of one family share a robot and a style: `gymnasium`, `metaworld`.
    pub family: &'static str,
    /// For selections: `dense-reward`, `goal`, `terminates`.
    pub tags: &'static [&'static str],
    /// Raised whenever the same seed and actions no longer yield the same bits.
    pub version: u32,
    /// The true reward, in words.
    pub reward: &'static str,
    /// The success condition, in words.
    pub success: &'static str,
    /// The task's promises.
    pub spec: Spec,
    /// A scripted policy that does the task, from an observation to an action.
    pub expert: Option<Expert>,
    pub(crate) make: fn(Self) -> Result<Box<dyn Env>, EnvError>,
}

/// Writes the action for an observation. It remembers nothing, so that it can take over anywhere.
pub type Expert = fn(obs: &[f32], action: &mut [f32]);

impl Task {
    /// Makes an environment of this task. It needs a [`reset`](Env::reset) before the first step.
    ///
    /// # Errors
    /// [`EnvError::Build`], a defect of the task.
    pub fn make(&self) -> Result<Box<dyn Env>, EnvError> {
        (self.make)(*self)
    }

    /// The task with episodes of so many steps instead of its own, at least one.
    #[must_use]
    pub fn with_horizon(mut self, steps: u32) -> Self {
        self.spec.horizon = steps.max(1);
        self
    }
}

/// Every task, in the order in which documentation lists them.
pub static TASKS: &[Task] = &[
    gymnasium::hopper::TASK,
    gymnasium::walker2d::TASK,
    gymnasium::half_cheetah::TASK,
    gymnasium::ant::TASK,
    gymnasium::humanoid::TASK,
    dm_control::walker::STAND,
    dm_control::walker::WALK,
    dm_control::walker::RUN,
    dm_control::cheetah::RUN,
    dm_control::quadruped::WALK,
    dm_control::quadruped::RUN,
    dm_control::humanoid::STAND,
    dm_control::humanoid::WALK,
    dm_control::hopper::HOP,
    dm_control::cartpole::SWINGUP,
    dm_control::reacher::EASY,
    dm_control::point_mass::EASY,
    maze::point::UMAZE,
    maze::point::MEDIUM,
    maze::point::LARGE,
    maze::ant::UMAZE,
    maze::ant::MEDIUM,
    maze::ant::LARGE,
    jump::TASK,
    metaworld::reach::TASK,
    metaworld::push::TASK,
    metaworld::pick_place::TASK,
    metaworld::button_press::TASK,
    metaworld::door::OPEN,
    metaworld::door::CLOSE,
    metaworld::door_unlock::TASK,
    metaworld::drawer::OPEN,
    metaworld::drawer::CLOSE,
    metaworld::window::OPEN,
    metaworld::window::CLOSE,
    metaworld::sweep_into::TASK,
    metaworld::hammer::TASK,
    metaworld::plate_slide::TASK,
    metaworld::faucet_close::TASK,
    metaworld::bin_picking::TASK,
    metaworld::assembly::TASK,
    robosuite::lift::TASK,
    robosuite::can::TASK,
    robosuite::square::TASK,
];

/// The task with this id.
///
/// # Errors
/// [`EnvError::UnknownTask`], which offers the nearest valid id.
pub fn find(id: &str) -> Result<&'static Task, EnvError> {
    TASKS
        .iter()
        .find(|t| t.id == id)
        .ok_or_else(|| EnvError::UnknownTask {
            id: id.to_owned(),
            nearest: TASKS
                .iter()
                .map(|t| t.id)
                .min_by_key(|known| strsim::damerau_levenshtein(&id.to_lowercase(), known))
                .unwrap_or_default(),
            known: TASKS.iter().map(|t| t.id).collect::<Vec<_>>().join(", "),
        })
}
