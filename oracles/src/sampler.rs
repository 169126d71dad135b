//! Query samplers choose which pairs of segments to ask about.

pub mod disagreement;
pub mod entropy;
pub mod k_center;
pub mod near_on_policy;
pub mod uncertainty;
pub mod uniform;

use std::ops::Range;

use thiserror::Error;

use self::disagreement::Disagreement;
use self::entropy::Entropy;
use self::k_center::KCenter;
use self::near_on_policy::NearOnPolicy;
use self::uncertainty::Uncertainty;
use self::uniform::Uniform;
use crate::nearest::UnknownName;
use crate::preference::{Pair, Preference};
use crate::segment::Segment;
use crate::stream::Stream;
use crate::trajectory::{Trajectories, TrajectoryError};

/// Pairs that are drawn at once, at most: they are kept in memory, with all that is said of them.
pub const MOST_PAIRS: usize = 10_000_000;

/// Where queries come from.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    /// All trajectories; samplers that need raw states read them here.
    pub trajectories: &'a Trajectories,
    /// The episodes that may be asked about. B-Pref: the last 100 complete ones.
    pub episodes: Range<usize>,
    /// The pairs labelled so far, for samplers that look for new ground.
    pub labelled: &'a [Preference],
}

impl<'a> Pool<'a> {
    /// The most recent `count` complete episodes.
    pub fn recent(
        trajectories: &'a Trajectories,
        count: usize,
        labelled: &'a [Preference],
    ) -> Self {
        let complete = trajectories.complete();
        Pool {
            trajectories,
            episodes: complete.saturating_sub(count)..complete,
            labelled,
        }
    }

    /// `n` pairs of segments of `segment_len` steps.
    ///
    /// Each side is drawn independently: the episode uniformly from those complete ones that have
    /// `segment_len` steps or more, then the start uniformly from all T − H + 1 that fit. So the
    /// sides may overlap or coincide. The reference code leaves out the last start; we do not.
    ///
    /// # Errors
    /// [`SamplerError::TooShort`] if no episode is long enough, [`SamplerError::TooMany`] if `n` is above
    /// [`MOST_PAIRS`].
    pub fn pairs(
        &self,
        segment_len: usize,
        n: usize,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        let eligible = self.eligible(segment_len)?;
        self.pairs_from(&eligible, segment_len, n, rng)
    }

    /// The complete episodes of the pool that hold a segment of `segment_len` steps, in order; at
    /// least one.
    pub(crate) fn eligible(&self, segment_len: usize) -> Result<Vec<usize>, SamplerError> {
        let all = self.trajectories.episodes();
        let within = self.episodes.start.min(all.len())..self.episodes.end.min(all.len());
        let complete = || within.clone().filter(|&e| all[e].ending.is_some());
        let eligible: Vec<usize> = complete()
            .filter(|&e| segment_len > 0 && all[e].len >= segment_len)
            .collect();
        if eligible.is_empty() {
            return Err(SamplerError::TooShort {
                segment_len,
                episodes: complete().count(),
                longest: complete().map(|e| all[e].len).max().unwrap_or(0),
            });
        }
        Ok(eligible)
    }

    /// [`Pool::pairs`] from some of the [`Pool::eligible`] episodes.
    pub(crate) fn pairs_from(
        &self,
        eligible: &[usize],
        segment_len: usize,
        n: usize,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError> {
        if n > MOST_PAIRS {
            return Err(SamplerError::TooMany { pairs: n });
        }
        let all = self.trajectories.episodes();
        let mut segment = || {
            let episode = eligible[rng.below(eligible.len())];
            let start = rng.below(all[episode].len - segment_len + 1);
            // Trajectories holds fewer than 2³² episodes and steps per episode.
            Segment {
                trajectory: episode as u32,
                start: start as u32,
                len: segment_len as u32,
            }
        };
        let pair = |_| Pair {
            left: segment(),
            right: segment(),
        };
        Ok((0..n).map(pair).collect())
    }
}

/// A reward model's opinion of pairs; implemented by an ensemble.
pub trait PairScore {
    /// Number of ensemble members.
    fn members(&self) -> usize;

    /// P_m\[right preferred\] for every member m and every pair: `members * pairs` numbers,
    /// member by member (member m's opinion of pair j is at `m * pairs.len() + j`).
    fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32>;
}

/// Stands for the reward model where there is none yet.
#[derive(Copy, Clone, Debug, Default)]
pub struct NoScores;

impl PairScore for NoScores {
    fn members(&self) -> usize {
        0
    }

    fn probabilities(&mut self, _: &[Pair]) -> Vec<f32> {
        Vec::new()
    }
}

/// Chooses queries.
pub trait QuerySampler: Send + Sync {
    /// `n` pairs of segments of `segment_len` steps from the pool.
    ///
    /// All chance comes from `rng`; equal arguments give equal pairs.
    ///
    /// # Errors
    /// If no episode is long enough, or `scores` is not what the sampler needs.
    fn select(
        &self,
        pool: &Pool,
        segment_len: usize,
        n: usize,
        scores: &mut dyn PairScore,
        rng: &mut Stream,
    ) -> Result<Vec<Pair>, SamplerError>;
}

/// Why no queries could be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SamplerError {
    /// No complete episode has enough steps (or a segment of 0 steps was asked for).
    #[error(
        "no episode holds a segment of {segment_len} steps: of {episodes} complete episodes the \
         longest has {longest}; lower the segment length (at least 1) or collect more"
    )]
    TooShort {
        /// Steps asked for.
        segment_len: usize,
        /// Complete episodes in the pool.
        episodes: usize,
        /// Steps of the longest of them.
        longest: usize,
    },
    /// More pairs than are drawn at once.
    #[error(
        "{pairs} pairs are to be drawn at once, but at most {MOST_PAIRS} can be: ask fewer queries"
    )]
    TooMany {
        /// Pairs asked for.
        pairs: usize,
    },
    /// The sampler reads the opinions of ensemble members, of which there are too few.
    #[error(
        "the sampler \"{sampler}\" needs an ensemble of at least {needed} reward models, and there \
         are {members}; use \"uniform\" or a larger ensemble"
    )]
    TooFewMembers {
        /// The sampler's id.
        sampler: &'static str,
        /// Members it needs.
        needed: usize,
        /// Members there are.
        members: usize,
    },
    /// The reward model did not return one finite probability per member and pair.
    #[error(
        "the reward model must return {expected} finite probabilities (members × pairs); it \
         returned {got} numbers, {finite} of them finite"
    )]
    BadScores {
        /// members × pairs.
        expected: usize,
        /// How many numbers came back.
        got: usize,
        /// How many of them are finite.
        finite: usize,
    },
    /// A labelled pair names a segment that the pool's trajectories do not have.
    #[error("the labelled pairs do not belong to the pool's trajectories: {0}")]
    Foreign(#[from] TrajectoryError),
}

/// A sampler in the registry.
#[derive(Copy, Clone)]
pub struct SamplerEntry {
    /// The name used in configs and tables.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Members that its reward ensemble must have; 0 if it asks none.
    pub members: usize,
    /// The sampler with its published settings.
    pub sampler: &'static dyn QuerySampler,
}

/// Every query sampler.
pub static SAMPLERS: &[SamplerEntry] = &[
    SamplerEntry {
        id: "uniform",
        summary: "random pairs",
        members: 0,
        sampler: &Uniform,
    },
    SamplerEntry {
        id: "disagreement",
        summary: "of ten times as many random pairs, those the ensemble disagrees on most",
        members: 2,
        sampler: &Disagreement { factor: 10 },
    },
    SamplerEntry {
        id: "entropy",
        summary: "of ten times as many random pairs, those its members are least sure of",
        members: 1,
        sampler: &Entropy { factor: 10 },
    },
    SamplerEntry {
        id: "k-center",
        summary: "of ten times as many random pairs, those farthest from each other and the labelled",
        members: 0,
        sampler: &KCenter {
            factor: 10,
            first: None,
        },
    },
    SamplerEntry {
        id: "k-center-disagreement",
        summary: "k-center among the half that the ensemble disagrees on most",
        members: 2,
        sampler: &KCenter {
            factor: 10,
            first: Some(Uncertainty::Disagreement),
        },
    },
    SamplerEntry {
        id: "k-center-entropy",
        summary: "k-center among the half that the ensemble's members are least sure of",
        members: 1,
        sampler: &KCenter {
            factor: 10,
            first: Some(Uncertainty::Entropy),
        },
    },
    SamplerEntry {
        id: "near-on-policy",
        summary: "random pairs from the last ten episodes",
        members: 0,
        sampler: &NearOnPolicy { episodes: 10 },
    },
];

/// The sampler with this id.
///
/// # Errors
/// [`UnknownName`] with the nearest valid id.
pub fn find(id: &str) -> Result<&'static SamplerEntry, UnknownName> {
    SAMPLERS
        .iter()
        .find(|entry| entry.id == id)
        .ok_or_else(|| UnknownName::new("sampler", id, SAMPLERS.iter().map(|e| e.id)))
}
