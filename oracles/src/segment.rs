//! Segments: stretches of one episode, held as views.

use serde::{Deserialize, Serialize};

use crate::trajectory::{Episode, Trajectories, TrajectoryError};

/// `len` consecutive transitions of one episode. Names them, never copies them.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// Index of the episode in its [`Trajectories`].
    pub trajectory: u32,
    /// First transition, counted from the beginning of the episode.
    pub start: u32,
    /// Number of transitions, at least 1.
    pub len: u32,
}

/// A segment together with the data it names; see [`Trajectories::view`].
#[derive(Copy, Clone, Debug)]
pub struct SegmentView<'a> {
    trajectories: &'a Trajectories,
    segment: Segment,
    first: usize,
}

impl Trajectories {
    /// The data of a segment.
    ///
    /// # Errors
    /// [`TrajectoryError::BadSegment`] if the segment is empty or leaves its episode.
    pub fn view(&self, segment: Segment) -> Result<SegmentView<'_>, TrajectoryError> {
        let (start, len) = (segment.start as usize, segment.len as usize);
        match self.episodes().get(segment.trajectory as usize) {
            Some(episode) if len > 0 && start + len <= episode.len => Ok(SegmentView {
                trajectories: self,
                segment,
                first: episode.start + start,
            }),
            episode => Err(TrajectoryError::BadSegment {
                segment,
                episodes: self.episodes().len(),
                steps: episode.map(|e| e.len),
            }),
        }
    }
}

impl<'a> SegmentView<'a> {
    /// The segment viewed.
    pub fn segment(&self) -> Segment {
        self.segment
    }

    /// The episode that contains it, for teachers that judge whole trajectories.
    pub fn episode(&self) -> Episode {
        self.trajectories.episodes()[self.segment.trajectory as usize]
    }

    /// The store that contains it.
    pub fn trajectories(&self) -> &'a Trajectories {
        self.trajectories
    }

    /// Global index of the first transition.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Number of transitions, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.segment.len as usize
    }

    /// The observation before each action, row by row: `len * obs_dim` numbers.
    pub fn observations(&self) -> &'a [f32] {
        self.rows(0, self.len())
    }

    /// The observation after each action, row by row: `len * obs_dim` numbers.
    pub fn next_observations(&self) -> &'a [f32] {
        self.rows(1, self.len())
    }

    /// The actions, row by row: `len * act_dim` numbers.
    pub fn actions(&self) -> &'a [f32] {
        let width = self.trajectories.act_dim();
        &self.trajectories.all_actions()[self.first * width..(self.first + self.len()) * width]
    }

    /// The true rewards: `len` numbers. Privileged: only teachers and evaluation may read them.
    pub fn rewards(&self) -> &'a [f32] {
        &self.trajectories.all_rewards()[self.first..self.first + self.len()]
    }

    /// The true undiscounted return of the segment, summed in order. Privileged.
    pub fn true_return(&self) -> f64 {
        self.rewards().iter().map(|&r| f64::from(r)).sum()
    }

    fn rows(&self, skip: usize, count: usize) -> &'a [f32] {
        let width = self.trajectories.obs_dim();
        // Each earlier episode holds one row more than it has transitions.
        let row = self.first + self.segment.trajectory as usize + skip;
        &self.trajectories.all_observations()[row * width..(row + count) * width]
    }
}
