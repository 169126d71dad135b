//! What query samplers ask of the ensemble.

use prefbench_oracles::{Pair, PairScore};

use super::RewardModel;
use crate::device::Compute;
use crate::replay::Replay;

/// The ensemble's opinion of pairs of a replay's segments.
pub struct Scores<'a, A: Compute> {
    pub(super) model: &'a RewardModel<A>,
    pub(super) replay: &'a Replay,
}

impl<A: Compute> PairScore for Scores<'_, A> {
    fn members(&self) -> usize {
        self.model.members.len()
    }

    fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
        self.model.prefers(self.replay, pairs, 0..self.members())
    }
}
