//! The human side of preference-based reinforcement learning, simulated: what is compared
//! ([`Trajectories`], [`Segment`]), what is asked ([`Pair`], chosen by a [`QuerySampler`]) and what
//! is answered (a [`Label`], given by a [`Teacher`]). A [`Dataset`] keeps all of it on disk; [`import`]
//! and [`export`] read and write other people's formats.
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
pub mod export;
pub mod import;
pub mod nearest;
pub mod preference;
pub mod ranking;
pub mod report;
pub mod sampler;
pub mod segment;
pub mod session;
pub mod stream;
pub mod teacher;
pub mod trajectory;

pub use dataset::{About, Answer, Counting, Dataset, DatasetError, Origin};
pub use nearest::UnknownName;
pub use preference::{Label, Pair, Preference};
pub use ranking::{Ranking, Rankings};
pub use report::{Judged, Report};
pub use sampler::disagreement::Disagreement;
pub use sampler::entropy::Entropy;
pub use sampler::k_center::KCenter;
pub use sampler::near_on_policy::NearOnPolicy;
pub use sampler::uncertainty::Uncertainty;
pub use sampler::uniform::Uniform;
pub use sampler::{
    MOST_PAIRS, NoScores, PairScore, Pool, QuerySampler, SAMPLERS, SamplerEntry, SamplerError,
};
pub use segment::{Segment, SegmentView};
pub use session::{Ledger, Session};
pub use stream::Stream;
pub use teacher::feature::{self, Feature, FeatureNoise};
pub use teacher::indistinct::Indistinct;
pub use teacher::regret::{Regret, RegretSettings, ValueFunction};
pub use teacher::scripted::{self, Scripted};
pub use teacher::{Expert, TEACHERS, Teacher, TeacherEntry, TeacherError, ask, ask_ratings};
pub use trajectory::{Columns, Ending, Episode, Trajectories, TrajectoryError};
