//! The five walkers of Gymnasium's MuJoCo family, version 5.

pub(crate) mod hopper;
pub(crate) mod humanoid;
