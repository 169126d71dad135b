//! The online methods, one file each.

pub mod cautious;
pub mod method;
pub mod mrn;
pub mod pebble;
pub mod qpa;
pub mod random;
pub mod rime;
pub mod rune;
pub mod sac;
pub mod surf;
