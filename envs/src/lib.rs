//! Deterministic control tasks on the rapier3d physics engine.
//!
//! A task is an entry of [`TASKS`]; [`find`] it by id, [`make`](Task::make) an [`Env`], and step:
//!
//! ```
//! # fn main() -> Result<(), prefbench_envs::EnvError> {
//! let task = prefbench_envs::find("hopper")?;
//! let mut env = task.make()?;
//! let mut obs = vec![0.0; task.spec.obs_dim()];
//! env.reset(7, &mut obs)?;
//! let step = env.step(&[0.1, -0.2, 0.3], &mut obs)?;
//! assert!(step.reward.is_finite());
//! # Ok(()) }
//! ```
//!
//! The promises, each a test over the whole registry in `tests/conformance.rs`:
//! - the seed of [`reset`](Env::reset) and the actions determine every bit of an episode, and a
//!   golden hash per task pins those bits to the task's version;
//! - a [`Snapshot`] continues bit for bit, in the same environment, another one or another process;
//! - observations and rewards are finite and within the [`Spec`]'s bounds;
//! - misuse and divergence are an [`EnvError`], after which [`reset`](Env::reset) works.
//!
//! To add a task, write one file with one `Domain` (learn from `dm_control/walker.rs`) and add one line to
//! [`TASKS`].
#![forbid(unsafe_code)]

mod compliance;
mod dm_control;
mod env;
mod episode;
mod error;
#[cfg(test)]
mod fidelity;
mod gymnasium;
mod jump;
mod maze;
mod metaworld;
mod prop;
pub mod reward;
mod robosuite;
mod robot;
mod scene;
mod task;
mod vec_env;
mod world;

pub use env::{End, Env, Field, Snapshot, Spec, Step};
pub use error::EnvError;
pub use maze::Navigator;
pub use scene::{Geom, Role, Shape};
pub use task::{Expert, TASKS, Task, find};
pub use vec_env::{EpisodeId, VecEnv, VecError};
pub use world::Health;
