//! D4RL's q-learning view of a dataset, which published labels count in.
//!
//! `d4rl.qlearning_dataset` goes through the rows of a file but the last, since it needs the row after
//! each, and drops the rows that are marked as timeouts, since the row after such a row belongs to
//! another episode. Preference Transformer and Uni-RLHF give a segment as an index into what is left.
//!
//! In a [`Dataset`] read from a D4RL file, a transition is a row, in the file's order. Dropped are
//! then the last transition of every episode that did not end [`Ending::Terminated`], and the
//! file's last row, however its episode ended. D4RL drops a row that is marked both as a timeout
//! and as a terminal: such an episode has to be [`Ending::Truncated`] here for the view to be D4RL's.

use std::path::Path;
use std::sync::Arc;

use crate::dataset::{Answer, Dataset, DatasetError};
use crate::preference::{Label, Pair};
use crate::segment::Segment;
use crate::trajectory::{Ending, Trajectories};

/// Which transitions the view has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QLearning {
    /// Global indices of the transitions left out, ascending.
    dropped: Vec<usize>,
    len: usize,
}

impl QLearning {
    /// The view of these trajectories.
    pub fn new(trajectories: &Trajectories) -> Self {
        let end_of = |e: &crate::trajectory::Episode| (e.start + e.len).checked_sub(1);
        let mut dropped: Vec<usize> = trajectories
            .episodes()
            .iter()
            .filter(|e| e.len > 0 && e.ending != Some(Ending::Terminated))
            .filter_map(end_of)
            .collect();
        if let Some(last) = trajectories.len().checked_sub(1)
            && dropped.last() != Some(&last)
        {
            dropped.push(last);
        }
        QLearning {
            len: trajectories.len() - dropped.len(),
            dropped,
        }
    }

    /// Number of transitions in the view.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the view has no transition.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Global index of the view's transition `i`, by binary search.
    pub fn transition(&self, i: usize) -> Option<usize> {
        if i >= self.len {
            return None;
        }
        // The k-th dropped transition has dropped[k] - k kept ones before it.
        let (mut low, mut high) = (0, self.dropped.len());
        while low < high {
            let middle = (low + high) / 2;
            if self.dropped[middle] - middle <= i {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(i + low)
    }

    /// The segment of `len` transitions of the view from `start` on; `None` if it does not lie within
    /// one episode.
    pub fn segment(&self, trajectories: &Trajectories, start: usize, len: u32) -> Option<Segment> {
        let first = self.transition(start)?;
        let index = trajectories.episode_of(first);
        let episode = trajectories.episodes().get(index)?;
        let after = first.checked_add(len as usize)?;
        let dropped = self
            .dropped
            .binary_search(&(episode.start + episode.len - 1));
        let end = episode.start + episode.len - usize::from(dropped.is_ok());
        (len > 0 && after <= end).then_some(Segment {
            trajectory: u32::try_from(index).ok()?,
            start: u32::try_from(first - episode.start).ok()?,
            len,
        })
    }
}

/// Labels of pairs of segments, each given by its first transition in the view.
pub(super) struct Labels<'a> {
    /// The file with the left segments, and theirs.
    pub left: (&'a Path, Vec<i64>),
    /// The file with the right segments, and theirs.
    pub right: (&'a Path, Vec<i64>),
    /// The answers.
    pub labels: Vec<Label>,
    /// Who gave them.
    pub teacher: &'static str,
}

impl Labels<'_> {
    /// Appends them to the dataset's answers. Returns how many were left out because a segment
    /// crosses the end of an episode.
    ///
    /// # Errors
    /// If an index lies outside of the dataset's view: then the labels are another dataset's. The
    /// dataset is unchanged.
    pub fn append(self, dataset: &mut Dataset, len: u32) -> Result<usize, DatasetError> {
        let view = QLearning::new(&dataset.trajectories);
        let mut answers = Vec::with_capacity(self.labels.len());
        let teacher: Arc<str> = self.teacher.into();
        for (i, &label) in self.labels.iter().enumerate() {
            let (Some(&left), Some(&right)) = (self.left.1.get(i), self.right.1.get(i)) else {
                let reason = format!("there is no index for label {i}");
                return Err(DatasetError::new(self.left.0, "", reason));
            };
            let side = |file: &Path, start: i64| {
                let inside = usize::try_from(start)
                    .ok()
                    .filter(|s| s.checked_add(len as usize).is_some_and(|e| e <= view.len()));
                let start = inside.ok_or_else(|| {
                    let reason = format!(
                        "segment {i} begins at {start} and has {len} steps, but the dataset has {} \
                         transitions in D4RL's q-learning view: these are the labels of another \
                         dataset, or of segments of another length",
                        view.len()
                    );
                    DatasetError::new(file, "", reason)
                })?;
                Ok(view.segment(&dataset.trajectories, start, len))
            };
            let sides = (side(self.left.0, left)?, side(self.right.0, right)?);
            if let (Some(left), Some(right)) = sides {
                let pair = Pair { left, right };
                answers.push(Answer {
                    pair,
                    label: Some(label),
                    teacher: Arc::clone(&teacher),
                    returns: true_returns(dataset, pair),
                });
            }
        }
        let left_out = self.labels.len() - answers.len();
        dataset.answers.append(&mut answers);
        Ok(left_out)
    }
}

/// The true returns of both sides, if the dataset's rewards are true.
pub(super) fn true_returns(dataset: &Dataset, pair: Pair) -> Option<[f64; 2]> {
    let sum = |side: Segment| {
        let view = dataset.trajectories.view(side).ok()?;
        Some(view.rewards().iter().map(|&r| f64::from(r)).sum())
    };
    if dataset.about.true_rewards {
        Some([sum(pair.left)?, sum(pair.right)?])
    } else {
        None
    }
}
