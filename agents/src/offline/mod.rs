//! The offline methods, one file each, and what they share: the data, the policy.

pub mod actor;
pub mod bc;
pub mod contrastive;
pub mod cpl;
pub mod critics;
pub mod data;
pub mod dppo;
pub mod dtr;
pub mod ipl;
pub mod iql;
pub mod mr;
pub mod oppo;
pub mod preference;
pub mod pt;
pub mod reward_stage;
pub mod segments;
pub mod sequence;
pub mod sft;
pub mod shared;

pub use data::OfflineData;
