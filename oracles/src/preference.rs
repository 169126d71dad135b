//! Queries and their answers.

use serde::{Deserialize, Serialize};

use crate::segment::Segment;

/// Which side of a pair is preferred. A skipped query has no label: it is `None`.
///
/// An explicit side, since a bare 0 or 1 means opposite things in different code bases.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The left segment is preferred.
    Left,
    /// The right segment is preferred.
    Right,
    /// Both are equally preferable.
    Equal,
}

impl Label {
    /// The label of the pair with its sides exchanged.
    pub fn swapped(self) -> Label {
        match self {
            Label::Left => Label::Right,
            Label::Right => Label::Left,
            Label::Equal => Label::Equal,
        }
    }

    /// The target probability that the right segment is preferred: 0, 1 or 0.5.
    pub fn target(self) -> f32 {
        match self {
            Label::Left => 0.0,
            Label::Right => 1.0,
            Label::Equal => 0.5,
        }
    }
}

/// A query: which of these two segments is better?
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// The left side, σ⁰ of the papers.
    pub left: Segment,
    /// The right side, σ¹ of the papers.
    pub right: Segment,
}

impl Pair {
    /// The same query with its sides exchanged.
    pub fn swapped(self) -> Pair {
        Pair {
            left: self.right,
            right: self.left,
        }
    }
}

/// An answered query.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Preference {
    /// What was asked.
    pub pair: Pair,
    /// What was answered.
    pub label: Label,
}
