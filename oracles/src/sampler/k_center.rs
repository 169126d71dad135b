//! k-center sampling: ask about what is far from everything asked before.
//!
//! B-Pref (Lee et al. 2021, arXiv 2111.03026), after Sener and Savarese, "Active Learning for
//! Convolutional Neural Networks: A Core-Set Approach" (ICLR 2018): of L candidates per query take,
//! one after another, the candidate whose nearest centre is farthest. Centres are the pairs labelled
//! so far and those taken before. With `first`, only the candidates of highest [`Uncertainty`]
//! compete, L/2 per query.
//!
//! As in the reference code, a pair is the point of its 2·H·dim(s) states, left side first, without
//! actions and without scaling; the distance is Euclidean. So a pair and its swap are two points,
//! and both may be taken. A pair answered "equal" is a centre, and a skipped one is not.
//!
//! What the reference leaves open: ties go to the candidate drawn first (so where nothing is labelled
//! yet, the first candidate is the first taken; the reference cannot run then), and labelled pairs
//! with sides of another length than the candidates' are passed over. Distances are sums in `f32` in
//! one fixed order, on every machine.

mod distance;
mod farthest;
mod sketch;

use crate::preference::Pair;
use crate::sampler::uncertainty::Uncertainty;
use crate::sampler::{PairScore, Pool, QuerySampler, SamplerError};
use crate::stream::Stream;
use crate::trajectory::{Trajectories, TrajectoryError};
use distance::Point;

/// Pairs that cover the states of `factor * n` random pairs, in the order taken.
#[derive(Copy, Clone, Debug)]
pub struct KCenter {
    /// L, candidates per query, at least 1 (B-Pref: 10).
    pub factor: usize,
    /// Measure by which half of the candidates, and no fewer than `n`, are kept beforehand.
    pub first: Option<Uncertainty>,
}

impl QuerySampler for KCenter {
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        let id = match self.first {
            None => "k-center",
            Some(Uncertainty::Disagreement) => "k-center-disagreement",
            Some(Uncertainty::Entropy) => "k-center-entropy",
        };
        if let Some(measure) = self.first {
            measure.check(id, scores)?;
        }
        let drawn = n.saturating_mul(self.factor.max(1));
        let mut candidates = pool.pairs(segment_len, drawn, rng)?;
        if let Some(measure) = self.first {
            candidates = measure.highest(candidates, n.max(drawn / 2), scores)?;
        }

        let states = pool.trajectories;
        let asked = pool.labelled.iter().map(|labelled| &labelled.pair);
        let fits = |pair: &&Pair| {
            [pair.left, pair.right]
                .iter()
                .all(|s| s.len as usize == segment_len)
        };
        let centres: Result<Vec<_>, _> = asked.filter(fits).map(|p| point(states, p)).collect();
        let points: Result<Vec<_>, _> = candidates.iter().map(|p| point(states, p)).collect();
        let taken = farthest::first(&points?, centres?, states.obs_dim(), n);
        Ok(taken.into_iter().map(|j| candidates[j]).collect())
    }
}

fn point<'a>(trajectories: &'a Trajectories, pair: &Pair) -> Result<Point<'a>, TrajectoryError> {
    let side = |segment| Ok(trajectories.view(segment)?.observations());
    Ok([side(pair.left)?, side(pair.right)?])
}
