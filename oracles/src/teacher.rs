//! Teachers answer queries.

pub mod feature;
pub mod indistinct;
pub mod regret;
pub mod scripted;
mod settings;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use self::indistinct::Indistinct;
use self::regret::{Regret, RegretSettings, ValueFunction};
use self::settings::{changed, json, made};
use crate::nearest::UnknownName;
use crate::preference::{Label, Pair};
use crate::segment::{Segment, SegmentView};
use crate::session::Session;
use crate::stream::Stream;
use crate::trajectory::{Trajectories, TrajectoryError};

pub use settings::TeacherError;

/// Judges segments from privileged information.
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

    /// The answer to "how good is this?": a class in `0..classes`, 0 the worst, or `None` if the
    /// teacher skips the query. The default never rates. Chance comes from `rng`, as in
    /// [`Teacher::label`].
    fn rate(
        &self,
        segment: &SegmentView,
        classes: u32,
        session: &Session,
        rng: &mut Stream,
    ) -> Option<u32> {
        let _ = (segment, classes, session, rng);
        None
    }
}

/// Asks a teacher about every pair; the answers are in the order of the pairs.
///
/// Query `i` uses the substream `stream.at(asked + i)`, where `asked` is the number of queries
/// asked earlier in the run. Budgets count queries asked, so a skipped one is spent; a
/// [`crate::Ledger`] keeps both counts.
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

/// Asks a teacher to rate every segment by one of `classes` classes; otherwise like [`ask`].
///
/// # Errors
/// [`TrajectoryError::BadSegment`] if a segment does not fit the trajectories.
pub fn ask_ratings(
    teacher: &dyn Teacher,
    trajectories: &Trajectories,
    segments: &[Segment],
    classes: u32,
    session: &Session,
    stream: &Stream,
    asked: u64,
) -> Result<Vec<Option<u32>>, TrajectoryError> {
    segments
        .iter()
        .zip(asked..)
        .map(|(&segment, number)| {
            let view = trajectories.view(segment)?;
            Ok(teacher.rate(&view, classes, session, &mut stream.at(number)))
        })
        .collect()
}

/// The label by true returns; ties go left.
pub(crate) fn oracle(left: &SegmentView, right: &SegmentView) -> Label {
    let [g0, g1] = [left, right].map(|s| s.true_return());
    higher(g0, g1)
}

/// Prefers the higher number; ties go left.
pub(crate) fn higher(left: f64, right: f64) -> Label {
    if left < right {
        Label::Right
    } else {
        Label::Left
    }
}

/// An expert for teachers that need one.
pub type Expert = Option<Arc<dyn ValueFunction>>;

/// A teacher, or why there is none.
pub type Made = Result<Box<dyn Teacher>, TeacherError>;

/// A teacher in the registry.
#[derive(Copy, Clone, Debug)]
pub struct TeacherEntry {
    /// The name used in configs and tables.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Whether it must be given an expert; others ignore one.
    pub needs_expert: bool,
    /// Its complete settings.
    pub defaults: fn() -> Value,
    /// The teacher with these settings, an object; those left out are the defaults, and so are all
    /// if it is null.
    pub make: fn(&Value, Expert) -> Made,
}

/// Every teacher: the six of B-Pref (Lee et al. 2021), then other values of
/// [`crate::Scripted`], then those with a file of their own.
pub static TEACHERS: &[TeacherEntry] = &[
    TeacherEntry {
        id: "oracle",
        summary: "always prefers the higher true return",
        needs_expert: false,
        defaults: || json(&scripted::ORACLE),
        make: |s, _| made(&scripted::ORACLE, s),
    },
    TeacherEntry {
        id: "mistake",
        summary: "the oracle, wrong one time in ten",
        needs_expert: false,
        defaults: || json(&scripted::MISTAKE),
        make: |s, _| made(&scripted::MISTAKE, s),
    },
    TeacherEntry {
        id: "noisy",
        summary: "Bradley-Terry with β = 1: the closer the returns, the more random",
        needs_expert: false,
        defaults: || json(&scripted::NOISY),
        make: |s, _| made(&scripted::NOISY, s),
    },
    TeacherEntry {
        id: "skip",
        summary: "the oracle, but skips a query when both segments are poor",
        needs_expert: false,
        defaults: || json(&scripted::SKIP),
        make: |s, _| made(&scripted::SKIP, s),
    },
    TeacherEntry {
        id: "equal",
        summary: "the oracle, but calls segments of similar return equal",
        needs_expert: false,
        defaults: || json(&scripted::EQUAL),
        make: |s, _| made(&scripted::EQUAL, s),
    },
    TeacherEntry {
        id: "myopic",
        summary: "an oracle that discounts a segment's early steps (γ = 0.9)",
        needs_expert: false,
        defaults: || json(&scripted::MYOPIC),
        make: |s, _| made(&scripted::MYOPIC, s),
    },
    TeacherEntry {
        id: "boltzmann",
        summary: "Bradley-Terry whose noise keeps pace with the spread of recent returns",
        needs_expert: false,
        defaults: || json(&scripted::BOLTZMANN),
        make: |s, _| made(&scripted::BOLTZMANN, s),
    },
    TeacherEntry {
        id: "margin",
        summary: "the oracle, wrong the more often the closer the returns",
        needs_expert: false,
        defaults: || json(&scripted::MARGIN),
        make: |s, _| made(&scripted::MARGIN, s),
    },
    TeacherEntry {
        id: "tie",
        summary: "the oracle, but calls returns within a fixed margin per step equal",
        needs_expert: false,
        defaults: || json(&scripted::TIE),
        make: |s, _| made(&scripted::TIE, s),
    },
    TeacherEntry {
        id: "unsure",
        summary: "the oracle, but skips a query when the returns are close (CLARIFY)",
        needs_expert: false,
        defaults: || json(&scripted::UNSURE),
        make: |s, _| made(&scripted::UNSURE, s),
    },
    TeacherEntry {
        id: "discounted",
        summary: "an oracle that discounts a segment's later steps (IPL, 0.99)",
        needs_expert: false,
        defaults: || json(&scripted::DISCOUNTED),
        make: |s, _| made(&scripted::DISCOUNTED, s),
    },
    TeacherEntry {
        id: "mean",
        summary: "an oracle by mean reward per step, fair to unequal lengths",
        needs_expert: false,
        defaults: || json(&scripted::MEAN),
        make: |s, _| made(&scripted::MEAN, s),
    },
    TeacherEntry {
        id: "indistinct",
        summary: "the oracle, but guesses between episodes of similar return (S-EPOA)",
        needs_expert: false,
        defaults: || json(&Indistinct::default()),
        make: |s, _| made(&Indistinct::default(), s),
    },
    TeacherEntry {
        id: "similar",
        summary: "the oracle, wrong the more often the more alike the segments look",
        needs_expert: false,
        defaults: || json(&feature::SIMILAR),
        make: |s, _| made(&feature::SIMILAR, s),
    },
    TeacherEntry {
        id: "feature",
        summary: "the oracle, wrong the more often the larger the actions (or the speed)",
        needs_expert: false,
        defaults: || json(&feature::ACTIONS),
        make: |s, _| made(&feature::ACTIONS, s),
    },
    TeacherEntry {
        id: "regret",
        summary: "prefers less regret under an expert's values (CPL)",
        needs_expert: true,
        defaults: || json(&RegretSettings::default()),
        make: |s, expert| {
            let settings = changed(&RegretSettings::default(), s)?;
            let expert = expert.ok_or(TeacherError::NeedsExpert { id: "regret" })?;
            Ok(Box::new(Regret { settings, expert }))
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
