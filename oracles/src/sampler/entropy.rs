//! Entropy sampling: ask where each member of the ensemble is unsure.
//!
//! B-Pref (Lee et al. 2021, arXiv 2111.03026): draw L candidates per query, score each by the mean
//! over members of the entropy of P_m ([`Uncertainty::Entropy`]), keep the highest. Ties are broken
//! in the order the candidates were drawn.

use crate::preference::Pair;
use crate::sampler::uncertainty::Uncertainty;
use crate::sampler::{PairScore, Pool, QuerySampler, SamplerError};
use crate::stream::Stream;

/// The least certain of `factor * n` random pairs, least certain first.
#[derive(Copy, Clone, Debug)]
pub struct Entropy {
    /// L, candidates per query, at least 1 (B-Pref: 10).
    pub factor: usize,
}

impl QuerySampler for Entropy {
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        Uncertainty::Entropy.check("entropy", scores)?;
        let candidates = pool.pairs(segment_len, n.saturating_mul(self.factor.max(1)), rng)?;
        Uncertainty::Entropy.highest(candidates, n, scores)
    }
}
