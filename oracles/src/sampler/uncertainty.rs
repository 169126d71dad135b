//! How unsure a reward ensemble is of a pair, and the candidates that it is least sure of.
//!
//! The two measures of B-Pref's query samplers (Lee et al. 2021, arXiv 2111.03026), both functions
//! of the members' P_m\[right preferred\]:
//!
//! - disagreement: the standard deviation over members (divisor M, not M − 1);
//! - entropy: the mean over members of H(P_m), in nats. Not the entropy of the mean opinion, which
//!   would be high where sure members contradict each other.
//!
//! The reference takes the entropy from log-probabilities; we take it from probabilities in `f32`,
//! so a member whose probability rounds to 0 or 1 has entropy 0 where the reference may have 1e-7.

use crate::preference::Pair;
use crate::sampler::{PairScore, SamplerError};

/// A measure of an ensemble's uncertainty.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Uncertainty {
    /// Standard deviation over members: high where they contradict each other.
    Disagreement,
    /// Mean entropy of the members: high where each is unsure.
    Entropy,
}

impl Uncertainty {
    /// Members that an ensemble needs for this measure to tell pairs apart.
    pub fn members(self) -> usize {
        match self {
            Uncertainty::Disagreement => 2,
            Uncertainty::Entropy => 1,
        }
    }

    /// The measure of one pair from its members' probabilities, of which there is at least one.
    pub fn of(self, probabilities: impl Iterator<Item = f32> + Clone) -> f64 {
        let p = probabilities.map(f64::from);
        match self {
            Uncertainty::Disagreement => {
                let mean = mean(p.clone());
                self::mean(p.map(|p| (p - mean).powi(2))).sqrt()
            }
            Uncertainty::Entropy => mean(p.map(bernoulli_entropy)),
        }
    }

    /// Refuses, in the name of `sampler`, an ensemble that has too few members.
    pub(crate) fn check(
        self,
        sampler: &'static str,
        scores: &dyn PairScore,
    ) -> Result<(), SamplerError> {
        let (members, needed) = (scores.members(), self.members());
        if members < needed {
            return Err(SamplerError::TooFewMembers {
                sampler,
                needed,
                members,
            });
        }
        Ok(())
    }

    /// The `keep` candidates of highest measure, highest first; ties keep the order of drawing.
    ///
    /// # Errors
    /// If `scores` returns the wrong count of numbers or numbers that are not finite.
    pub(crate) fn highest(
        self,
        candidates: Vec<Pair>,
        keep: usize,
        scores: &mut dyn PairScore,
    ) -> Result<Vec<Pair>, SamplerError> {
        let probabilities = scores.probabilities(&candidates);
        let expected = scores.members() * candidates.len();
        let finite = probabilities.iter().filter(|p| p.is_finite()).count();
        let got = probabilities.len();
        if got != expected || finite != expected {
            return Err(SamplerError::BadScores {
                expected,
                got,
                finite,
            });
        }

        let stride = candidates.len();
        let mut ranked: Vec<(f64, Pair)> = candidates
            .into_iter()
            .enumerate()
            .map(|(j, pair)| {
                let opinions = probabilities.iter().skip(j).step_by(stride);
                (self.of(opinions.copied()), pair)
            })
            .collect();
        ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable
        ranked.truncate(keep);
        Ok(ranked.into_iter().map(|(_, pair)| pair).collect())
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    values.sum::<f64>() / count as f64
}

/// −p ln p − (1 − p) ln(1 − p), in nats; 0 at both ends.
fn bernoulli_entropy(p: f64) -> f64 {
    let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    term(p) + term(1.0 - p)
}
