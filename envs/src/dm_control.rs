//! Tasks of DeepMind's Control Suite.

pub(crate) mod humanoid;
