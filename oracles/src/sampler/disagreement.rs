//! Disagreement sampling: ask where the ensemble's members differ.
//!
//! Christiano et al., "Deep RL from Human Preferences", NeurIPS 2017, section 2.2.4, in the form of
//! PEBBLE and B-Pref (Lee et al. 2021): draw L candidates per query, score each by the standard
//! deviation over members of P_m\[right preferred\] ([`Uncertainty::Disagreement`]), keep the
//! highest. Ties are broken in the order the candidates were drawn.

use crate::preference::Pair;
use crate::sampler::uncertainty::Uncertainty;
use crate::sampler::{PairScore, Pool, QuerySampler, SamplerError};
use crate::stream::Stream;

/// The most contested of `factor * n` random pairs, most contested first.
#[derive(Copy, Clone, Debug)]
pub struct Disagreement {
    /// L, candidates per query, at least 1 (B-Pref: 10).
    pub factor: usize,
}

impl QuerySampler for Disagreement {
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        Uncertainty::Disagreement.check("disagreement", scores)?;
        let candidates = pool.pairs(segment_len, n.saturating_mul(self.factor.max(1)), rng)?;
        Uncertainty::Disagreement.highest(candidates, n, scores)
    }
}
