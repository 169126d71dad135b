//! Uniform sampling: random pairs, see [`Pool::pairs`]. Every method's first session uses it, when
//! the reward model knows nothing yet.

use crate::preference::Pair;
use crate::sampler::{PairScore, Pool, QuerySampler, SamplerError};
use crate::stream::Stream;

/// Random pairs; never looks at the scores.
#[derive(Copy, Clone, Debug, Default)]
pub struct Uniform;

impl QuerySampler for Uniform {
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        _scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        pool.pairs(segment_len, n, rng)
    }
}
