//! Results of preference-based RL experiments: kept safely, summarised honestly, drawn well.
//!
//! - [`store`]: one folder per run, named by the hash of its resolved configuration; append-only
//!   evaluation logs; checkpoints of which two generations are kept; nothing is overwritten.
//! - [`stats`]: point estimates with stratified bootstrap intervals, reproducible to the bit, profiles,
//!   permutation tests.
//! - [`table`]: finished runs grouped over seeds, as terminal text, Markdown and CSV.
//! - [`mod@reference`]: what a random policy and an expert score on a task, and returns normalised
//!   by them.
//! - [`plot`]: learning curves with bootstrap bands, and other charts, as SVG and PNG.
//! - [`compare`]: methods set side by side over tasks: tables, figures, a page to read.
//! - [`paper`]: published tables and claims; [`reproduce`]: ours beside them.
//! - [`site`]: all results as one page.
//! - [`tensorboard`]: runs as TensorBoard's event files.
//!
//! The crate knows nothing of simulators or learners: whoever can write one JSON line per
//! evaluation can use it. All results are plain files, so runs made on many machines are merged
//! by copying their folders into one.
#![forbid(unsafe_code)]

mod checkpoint;
mod claim;
pub mod compare;
mod error;
mod eval;
mod files;
pub mod group;
mod key;
mod merge;
mod page;
pub mod paper;
pub mod plot;
mod progress;
pub mod reference;
pub mod reproduce;
mod run;
mod sheet;
pub mod site;
pub mod stats;
pub mod store;
pub mod table;
pub mod tensorboard;

pub use checkpoint::Checkpoint;
pub use claim::{Claim, Holder};
pub use error::Error;
pub use eval::{EpisodeResult, Eval};
pub use files::write_file;
pub use key::{RunInfo, RunKey, canonical_json};
pub use merge::{Merged, merge};
pub use progress::{Progress, Standing};
pub use run::{Failure, Run, Status};
pub use store::{FinishedRun, Store, Unfinished, Why, each_once};
