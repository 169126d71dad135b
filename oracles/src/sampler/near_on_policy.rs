//! Near on-policy queries: random pairs from what the current policy did.
//!
//! Hu et al., "Query-Policy Misalignment in Preference-Based Reinforcement Learning" (QPA, ICLR 2024,
//! arXiv 2305.17400): labels spent on the behaviour of old policies say little about the current
//! one, so candidates come from the last N episodes alone, uniformly and without regard to the reward
//! model. Its code keeps N episodes in the reward model's buffer (10 in the DeepMind Control Suite,
//! 30 or 60 in Meta-world).
//!
//! Its episodes are all of one length. Where they are not, ours are the last N that hold a segment:
//! episodes too short to be asked about take no place.

use crate::preference::Pair;
use crate::sampler::{PairScore, Pool, QuerySampler, SamplerError};
use crate::stream::Stream;

/// Random pairs from the pool's last `episodes`; never looks at the scores.
#[derive(Copy, Clone, Debug)]
pub struct NearOnPolicy {
    /// N, at least 1 (QPA: 10).
    pub episodes: usize,
}

impl QuerySampler for NearOnPolicy {
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        _scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        let eligible = pool.eligible(segment_len)?;
        let old = eligible.len().saturating_sub(self.episodes.max(1));
        pool.pairs_from(&eligible[old..], segment_len, n, rng)
    }
}
