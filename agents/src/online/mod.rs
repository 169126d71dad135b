//! The online methods, one file each.

pub mod pebble;
pub mod random;
pub mod sac;
