//! The offline methods, one file each, and what they share: the data, the policy.

pub mod actor;
pub mod bc;
pub mod contrastive;
pub mod cpl;
pub mod critics;
pub mod data;
pub mod ipl;
pub mod iql;
pub mod mr;
pub mod segments;
pub mod sft;
pub mod shared;

pub use data::OfflineData;
