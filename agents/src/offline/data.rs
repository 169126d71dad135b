//! What offline learners learn from.

use std::sync::Arc;

use prefbench_oracles::{Columns, Preference, Trajectories};

use crate::learner::LearnError;
use crate::replay::Dims;

/// Episodes, and answered queries about their segments. Shared: a clone copies neither.
#[derive(Clone, Debug)]
pub struct OfflineData {
    trajectories: Arc<Trajectories>,
    preferences: Arc<[Preference]>,
    /// Steps of the shortest and the longest segment asked about.
    lengths: (u32, u32),
    /// The rewards are zeros.
    blind: bool,
}

impl OfflineData {
    /// These episodes, with their true rewards, and these answers.
    ///
    /// # Errors
    /// [`LearnError::Replay`] if a segment does not lie in the episodes.
    pub fn new(
        trajectories: Trajectories,
        preferences: Vec<Preference>,
    ) -> Result<Self, LearnError> {
        let mut lengths = (u32::MAX, 0);
        for side in preferences.iter().flat_map(|p| [p.pair.left, p.pair.right]) {
            trajectories.view(side)?;
            lengths = (lengths.0.min(side.len), lengths.1.max(side.len));
        }
        Ok(Self {
            trajectories: Arc::new(trajectories),
            preferences: preferences.into(),
            lengths,
            blind: false,
        })
    }

    /// Nothing: for a learner that only acts, with what it loads.
    pub fn none(dims: Dims) -> Self {
        Self {
            trajectories: Arc::new(Trajectories::new(dims.obs, dims.act)),
            preferences: Arc::new([]),
            lengths: (u32::MAX, 0),
            blind: false,
        }
    }

    /// The same data with zeros for the true rewards, which are privileged.
    #[must_use]
    pub fn blind(self) -> Self {
        if self.blind {
            return self;
        }
        let mut columns = Columns::from(Arc::unwrap_or_clone(self.trajectories));
        columns.rewards.fill(0.0);
        let trajectories = Trajectories::try_from(columns);
        Self {
            trajectories: Arc::new(trajectories.expect("they were valid, and zeros are")),
            blind: true,
            ..self
        }
    }

    /// The episodes; all rewards are zero unless the algorithm may read the true ones.
    pub fn trajectories(&self) -> &Arc<Trajectories> {
        &self.trajectories
    }

    /// The answered queries.
    pub fn preferences(&self) -> &[Preference] {
        &self.preferences
    }

    /// Sizes of one observation and one action.
    pub fn dims(&self) -> Dims {
        Dims {
            obs: self.trajectories.obs_dim(),
            act: self.trajectories.act_dim(),
        }
    }

    /// Refuses to learn from no transition.
    pub(crate) fn need_transitions(&self) -> Result<(), LearnError> {
        match self.trajectories.is_empty() {
            true => Err(LearnError::Nothing("transition in the dataset")),
            false => Ok(()),
        }
    }

    /// Steps of the segments that are compared.
    ///
    /// # Errors
    /// If there is no answer, or not all segments have one length.
    pub(crate) fn segment_len(&self) -> Result<usize, LearnError> {
        match self.lengths {
            _ if self.preferences.is_empty() => Err(LearnError::Nothing("answered query")),
            (shortest, longest) if shortest != longest => {
                Err(LearnError::Lengths { shortest, longest })
            }
            (len, _) => Ok(len as usize),
        }
    }
}
