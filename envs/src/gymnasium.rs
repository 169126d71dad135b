//! The five walkers of Gymnasium's MuJoCo family, version 5.

pub(crate) mod ant;
pub(crate) mod half_cheetah;
pub(crate) mod hopper;
pub(crate) mod humanoid;
pub(crate) mod walker2d;
