//! The human side of preference-based reinforcement learning, simulated: what is compared
//! ([`Trajectories`], [`Segment`]), what is asked ([`Pair`], chosen by a [`QuerySampler`]) and what
//! is answered (a [`Label`], given by a [`Teacher`]).
//!
//! The crate depends on no simulator and no learning framework. All randomness comes from named,
//! counter-based [`Stream`]s that the caller passes in.
//!
//! ```
//! use prefbench_oracles::{Ending, NoScores, Pool, QuerySampler, Session, Stream, Trajectories};
//! use prefbench_oracles::{ask, sampler, teacher};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut memory = Trajectories::new(1, 1);
//! for episode in 0..4 {
//!     memory.begin(&[0.0])?;
//!     for step in 1..=100 {
//!         memory.push(&[0.0], episode as f32, &[step as f32])?;
//!     }
//!     memory.finish(Ending::Truncated)?;
//! }
//!
//! let pool = Pool::recent(&memory, 100, &[]);
//! let mut query = Stream::new(7, "query");
//! let uniform = sampler::find("uniform")?.sampler;
//! let pairs = uniform.select(&pool, 50, 8, &mut NoScores, &mut query)?;
//!
//! let oracle = (teacher::find("oracle")?.make)(&serde_json::Value::Null, None)?;
//! let session = Session::recent(&memory, 10, 100.0, 0, 50);
//! let answers = ask(oracle.as_ref(), &memory, &pairs, &session, &Stream::new(7, "teacher"), 0)?;
//! assert_eq!(answers.len(), 8);
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod dataset;
pub mod disagreement;
pub mod entropy;
pub mod export;
pub mod feature;
pub mod import;
pub mod indistinct;
pub mod k_center;
pub mod near_on_policy;
pub mod nearest;
pub mod preference;
pub mod ranking;
pub mod regret;
pub mod report;
pub mod sampler;
pub mod scripted;
pub mod segment;
pub mod session;
mod settings;
pub mod stream;
pub mod teacher;
pub mod trajectory;
pub mod uncertainty;
pub mod uniform;

pub use dataset::{About, Answer, Counting, Dataset, DatasetError, Origin};
pub use disagreement::Disagreement;
pub use entropy::Entropy;
pub use feature::{Feature, FeatureNoise};
pub use indistinct::Indistinct;
pub use k_center::KCenter;
pub use near_on_policy::NearOnPolicy;
pub use nearest::UnknownName;
pub use preference::{Label, Pair, Preference};
pub use ranking::{Ranking, Rankings};
pub use regret::{Regret, RegretSettings, ValueFunction};
pub use report::{Judged, Report};
pub use sampler::{NoScores, PairScore, Pool, QuerySampler, SAMPLERS, SamplerEntry, SamplerError};
pub use scripted::Scripted;
pub use segment::{Segment, SegmentView};
pub use session::{Ledger, Session};
pub use stream::Stream;
pub use teacher::{Expert, TEACHERS, Teacher, TeacherEntry, TeacherError, ask, ask_ratings};
pub use trajectory::{Columns, Ending, Episode, Trajectories, TrajectoryError};
pub use uncertainty::Uncertainty;
pub use uniform::Uniform;
