//! Learners for preference-based reinforcement learning, on burn.
//!
//! An algorithm is one file under [`online`] or [`offline`] with its settings, its losses and its
//! [`Online`] or [`Learner`] implementation, and one line in [`ALGORITHMS`]. The burn backend is a type
//! parameter inside this crate only; outside, a [`Device`] is a name and a learner is a `Box<dyn Online>`
//! or a `Box<dyn Learner>`.

pub mod algorithm;
pub mod backbone;
pub mod config;
pub mod dense;
pub mod device;
#[cfg(test)]
mod equations;
pub mod explore;
pub mod held_out;
pub mod learner;
pub mod mish;
pub mod nets;
pub mod offline;
pub mod online;
pub mod optim;
pub mod parameters;
pub mod replay;
pub mod reward_model;
pub mod sac;
pub mod stack;
pub mod state;
pub mod transformer;

pub use algorithm::{ALGORITHMS, Algorithm, Build, BuildError, Offline, OfflineConfig, Start};
pub use config::{ConfigError, Setup, TIERS, Tier};
pub use device::{DEVICES, Device, DeviceError};
pub use learner::{LearnError, Learner, Mode, Online, Policy};
pub use offline::OfflineData;
pub use replay::{Dims, Transition};
pub use stack::Ticket;
pub use state::{State, StateError};
