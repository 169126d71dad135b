//! Teachers answer queries.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::nearest::UnknownName;
use crate::preference::{Label, Pair};
use crate::scripted::{self, Scripted};
use crate::segment::SegmentView;
use crate::stream::Stream;
use crate::trajectory::{Trajectories, TrajectoryError};

/// What a teacher may know about the training so far; set anew before every feedback session.
#[derive(Copy, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// R̄: mean true return of the most recent training episodes.
    pub average_return: f64,
    /// T_ep: length of a full episode, in control steps; positive.
    pub episode_length: f64,
    /// Number of this session, from 0.
    pub index: usize,
}

impl Session {
    /// A session whose R̄ is the mean over the last `window` complete episodes (B-Pref: 10), 0 if
    /// there is none.
    ///
    /// `episode_length` is the task's horizon, as in B-Pref, not the mean length observed. B-Pref's
    /// PEBBLE loop also counts a return of 0 from before the first episode; we do not.
    pub fn recent(
        trajectories: &Trajectories,
        window: usize,
        episode_length: f64,
        index: usize,
    ) -> Self {
        let complete = trajectories.complete();
        let first = complete.saturating_sub(window);
        let total: f64 = (first..complete)
            .map(|e| trajectories.episode_return(e))
            .sum();
        Session {
            average_return: total / (complete - first).max(1) as f64,
            episode_length,
            index,
        }
    }
}

/// Labels a pair of segments from privileged information.
pub trait Teacher: fmt::Debug + Send + Sync {
    /// The answer to "which is better?", or `None` if the teacher skips the query.
    ///
    /// All chance comes from `rng`. The caller passes a fresh substream per query, numbered by the
    /// queries asked so far in the run (see [`ask`]), so that an answer depends neither on the
    /// order of the queries nor on the answers to others.
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        session: &Session,
        rng: &mut Stream,
    ) -> Option<Label>;
}

/// Asks a teacher about every pair; the answers are in the order of the pairs.
///
/// Query `i` uses the substream `stream.at(asked + i)`, where `asked` is the number of queries
/// asked earlier in the run. Budgets count queries asked, so a skipped one is spent.
///
/// # Errors
/// [`TrajectoryError::BadSegment`] if a pair does not fit the trajectories.
pub fn ask(
    teacher: &dyn Teacher,
    trajectories: &Trajectories,
    pairs: &[Pair],
    session: &Session,
    stream: &Stream,
    asked: u64,
) -> Result<Vec<Option<Label>>, TrajectoryError> {
    pairs
        .iter()
        .zip(asked..)
        .map(|(pair, number)| {
            let left = trajectories.view(pair.left)?;
            let right = trajectories.view(pair.right)?;
            Ok(teacher.label(&left, &right, session, &mut stream.at(number)))
        })
        .collect()
}

/// A teacher in the registry.
#[derive(Copy, Clone, Debug)]
pub struct TeacherEntry {
    /// The name used in configs and tables.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The teacher itself; `compat` asks for known faults of the reference code, where it has any.
    pub make: fn(compat: bool) -> Box<dyn Teacher>,
}

/// Every teacher: the six of B-Pref (Lee et al. 2021).
pub const TEACHERS: &[TeacherEntry] = &[
    TeacherEntry {
        id: "oracle",
        summary: "always prefers the higher true return",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::ORACLE
            })
        },
    },
    TeacherEntry {
        id: "mistake",
        summary: "the oracle, wrong one time in ten",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::MISTAKE
            })
        },
    },
    TeacherEntry {
        id: "noisy",
        summary: "Bradley-Terry with β = 1: the closer the returns, the more random",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::NOISY
            })
        },
    },
    TeacherEntry {
        id: "skip",
        summary: "the oracle, but skips a query when both segments are poor",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::SKIP
            })
        },
    },
    TeacherEntry {
        id: "equal",
        summary: "the oracle, but calls segments of similar return equal",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::EQUAL
            })
        },
    },
    TeacherEntry {
        id: "myopic",
        summary: "an oracle that discounts a segment's early steps (γ = 0.9)",
        make: |compat| {
            Box::new(Scripted {
                compat,
                ..scripted::MYOPIC
            })
        },
    },
];

/// The teacher with this id.
///
/// # Errors
/// [`UnknownName`] with the nearest valid id.
pub fn find(id: &str) -> Result<&'static TeacherEntry, UnknownName> {
    TEACHERS
        .iter()
        .find(|entry| entry.id == id)
        .ok_or_else(|| UnknownName::new("teacher", id, TEACHERS.iter().map(|e| e.id)))
}
