//! Disagreement sampling: ask where the ensemble's members differ.
//!
//! Christiano et al., "Deep RL from Human Preferences", NeurIPS 2017, section 2.2.4, in the form of
//! PEBBLE and B-Pref (Lee et al. 2021): draw L candidates per query, score each by the standard
//! deviation over members (divisor M, not M − 1) of P_m\[right preferred\], keep the highest.
//! Ties are broken in the order the candidates were drawn.

use crate::preference::Pair;
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
        let members = scores.members();
        if members < 2 {
            return Err(SamplerError::TooFewMembers {
                sampler: "disagreement",
                needed: 2,
                members,
            });
        }
        let candidates = pool.pairs(segment_len, n * self.factor.max(1), rng)?;
        let probabilities = scores.probabilities(&candidates);
        let expected = members * candidates.len();
        let finite = probabilities.iter().filter(|p| p.is_finite()).count();
        let got = probabilities.len();
        if got != expected || finite != expected {
            return Err(SamplerError::BadScores {
                expected,
                got,
                finite,
            });
        }

        let mut ranked: Vec<(f64, Pair)> = candidates
            .iter()
            .enumerate()
            .map(|(j, &pair)| {
                let opinions = probabilities.iter().skip(j).step_by(candidates.len());
                (deviation(opinions, members), pair)
            })
            .collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable
        ranked.truncate(n);
        Ok(ranked.into_iter().map(|(_, pair)| pair).collect())
    }
}

/// Population standard deviation.
fn deviation<'a>(values: impl Iterator<Item = &'a f32> + Clone, count: usize) -> f64 {
    let mean = values.clone().copied().map(f64::from).sum::<f64>() / count as f64;
    let squares = values.map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>();
    (squares / count as f64).sqrt()
}
