//! SURF: PEBBLE that also learns from pairs nobody labelled, and from windows of segments.
//!
//! Park, Seo, Shin, Lee, Abbeel, Lee, "SURF: Semi-supervised Reward Learning with Data Augmentation for
//! Feedback-efficient Preference-based Reinforcement Learning" (ICLR 2022, arXiv 2203.10050); code
//! github.com/alinlab/SURF at 866630a. A session's gradient step is, for each member,
//!
//! L = mean CE(crop(labelled), y) + λ mean 1[max(p, 1 − p) ≥ τ] CE(crop(unlabelled), ŷ),
//!
//! where p is the same member's P[right] on the whole segments and ŷ its side; the mean is over all
//! unlabelled pairs of the batch, those below the threshold included. A crop is a window of
//! U{H − c, …, H + c} steps, alike long on both sides, at random within the segment and `margin` steps on
//! either side of it. ⌈`per_label`·labels/batch⌉ steps a session, no early end.
//!
//! Deviations: the code draws segments 2·margin longer and shows the teacher their middle; here the margin
//! is what the episode has around the segment asked about, less near its ends.

use prefbench_oracles::{
    Pair, Pool, Preference, QuerySampler, SamplerError, Segment, Stream, Uniform,
};
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::pebble::Pebble;
use super::qpa::window;
use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::learner::LearnError;
use crate::replay::Replay;
use crate::reward_model::{Example, Fit, shuffled};

/// SURF's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surf {
    /// τ: how sure a member must be of an unlabelled pair to learn from its own answer.
    pub threshold: f64,
    /// λ: weight of the unlabelled pairs.
    pub weight: f64,
    /// μ: unlabelled pairs in a batch for each labelled one.
    pub ratio: usize,
    /// Unlabelled pairs kept for each query asked.
    pub unlabelled: usize,
    /// Gradient steps a session and label, times `reward.batch`.
    pub per_label: usize,
    /// c: steps that a window may be shorter or longer than a segment.
    pub crop: usize,
    /// Steps on either side of a segment that windows may reach into.
    pub margin: usize,
}

/// The pairs nobody was asked about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Unlabelled(Vec<Pair>);

impl Method for Surf {
    const ID: &'static str = "surf";
    type Memory = Unlabelled;

    fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let full = setup.tier == Tier::Full;
        Self {
            threshold: 0.99,
            weight: 1.0,
            ratio: 4,
            unlabelled: if full && !meta { 100 } else { 10 },
            per_label: match (full, meta) {
                (true, false) => 1_000,
                (false, false) => 100,
                (_, true) => 20,
            },
            crop: 5,
            margin: 5,
        }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.threshold", self.threshold, 0.5, 1.0);
        c.within("method.weight", self.weight, 0.0, 1e6);
        c.at_least("method.ratio", self.ratio, 1);
        c.at_least("method.unlabelled", self.unlabelled, 1);
        c.at_least("method.per_label", self.per_label, 1);
    }

    fn chosen<A: Compute>(learner: &mut Pebble<A, Self>, pairs: &[Pair]) -> Result<(), LearnError> {
        let (f, replay) = (&learner.config.feedback, &learner.backbone.replay);
        let count = pairs.len() * learner.config.method.unlabelled;
        let pool = Pool::recent(replay.trajectories(), f.pool, &learner.feedback.labels);
        let mut scores = learner.reward.scores(replay);
        let rng = &mut learner.backbone.streams.query;
        match Uniform.select(&pool, f.segment, count, &mut scores, rng) {
            Err(SamplerError::TooShort { .. }) => {}
            more => learner.memory.0.extend(more?),
        }
        Ok(())
    }

    fn fit<A: Compute>(learner: &mut Pebble<A, Self>) -> Option<Fit> {
        let (config, labels) = (&learner.config, &learner.feedback.labels);
        let (surf, unlabelled) = (&config.method, &learner.memory.0);
        let (replay, rng) = (
            &learner.backbone.replay,
            &mut learner.backbone.streams.query,
        );
        if labels.is_empty() {
            return None;
        }
        let (members, batch) = (config.reward.members, config.reward.batch);
        let mut known = Turns::new(labels.len(), batch);
        let mut unknown = Turns::new(unlabelled.len(), batch * surf.ratio);
        let (mut loss, mut right, mut strict) = (0.0, 0, 0);
        let steps = (surf.per_label * labels.len()).div_ceil(batch);
        for _ in 0..steps {
            let known = known.next(members, rng);
            let unknown = unknown.next(members, rng);
            let mut batches = Vec::with_capacity(members);
            for member in 0..members {
                let chosen: Vec<Preference> = known[member].iter().map(|&i| labels[i]).collect();
                let pairs: Vec<Pair> = unknown[member].iter().map(|&i| unlabelled[i]).collect();
                let sure = learner.reward.prefers(replay, &pairs, member..member + 1);
                let mut examples = surf.examples(replay, &chosen, &pairs, &sure, rng);
                // What weighs nothing need not be computed.
                examples.retain(|e| e.weight > 0.0);
                batches.push(examples);
            }
            let (sum, margins) = learner.reward.step_weighted(replay, &batches);
            loss = sum / members as f64;
            for ((batch, margins), known) in batches.iter().zip(&margins).zip(&known) {
                for (example, margin) in batch.iter().zip(margins).take(known.len()) {
                    strict += usize::from(example.target != 0.5);
                    right += usize::from(
                        example.target != 0.5 && (*margin > 0.0) == (example.target > 0.5),
                    );
                }
            }
        }
        Some(Fit {
            loss,
            accuracy: if strict == 0 {
                f64::NAN
            } else {
                right as f64 / strict as f64
            },
            epochs: steps,
        })
    }
}

impl Surf {
    /// The terms of a member's L, given its P\[right\] of the unlabelled pairs: first the labelled ones.
    pub(crate) fn examples(
        &self,
        replay: &Replay,
        labelled: &[Preference],
        unlabelled: &[Pair],
        sure: &[f32],
        rng: &mut Stream,
    ) -> Vec<Example> {
        let mut examples = Vec::with_capacity(labelled.len() + unlabelled.len());
        for p in labelled {
            let share = 1.0 / labelled.len() as f32;
            examples.push(self.example(replay, p.pair, p.label.target(), share, rng));
        }
        for (&pair, &p) in unlabelled.iter().zip(sure) {
            // Where a member is not sure its pair weighs nothing, but is drawn all the same.
            let share = match f64::from(p.max(1.0 - p)) >= self.threshold {
                true => self.weight as f32 / unlabelled.len() as f32,
                false => 0.0,
            };
            let target = if p > 0.5 { 1.0 } else { 0.0 };
            examples.push(self.example(replay, pair, target, share, rng));
        }
        examples
    }

    /// A pair of windows in and around a pair of segments.
    fn example(
        &self,
        replay: &Replay,
        pair: Pair,
        target: f32,
        weight: f32,
        rng: &mut Stream,
    ) -> Example {
        let (left, right) = (
            self.around(replay, pair.left),
            self.around(replay, pair.right),
        );
        let full = pair.left.len as usize;
        let (least, most) = (full.saturating_sub(self.crop).max(1), full + self.crop);
        let len = least + rng.below(most - least + 1);
        let len = len.min(left.len as usize).min(right.len as usize);
        let pair = Pair {
            left: window(left, len, rng),
            right: window(right, len, rng),
        };
        Example {
            pair,
            target,
            weight,
        }
    }

    /// A segment with its margins, as far as its episode goes.
    fn around(&self, replay: &Replay, segment: Segment) -> Segment {
        let episode = replay.trajectories().episodes()[segment.trajectory as usize];
        let margin = self.margin as u32;
        let start = segment.start.saturating_sub(margin);
        let end = (segment.start + segment.len + margin).min(episode.len as u32);
        Segment {
            start,
            len: end - start,
            ..segment
        }
    }
}

/// Batches of a shuffled set, turn by turn; shuffled anew when it was gone through.
struct Turns {
    count: usize,
    batch: usize,
    at: usize,
    orders: Vec<Vec<usize>>,
}

impl Turns {
    fn new(count: usize, batch: usize) -> Self {
        Self {
            count,
            batch,
            at: count,
            orders: Vec::new(),
        }
    }

    /// The next batch of each member, in an order of its own.
    fn next(&mut self, members: usize, rng: &mut Stream) -> Vec<Vec<usize>> {
        if self.at >= self.count {
            self.orders = (0..members).map(|_| shuffled(self.count, rng)).collect();
            self.at = 0;
        }
        let end = self.count.min(self.at + self.batch);
        let batch = self.orders.iter().map(|order| order[self.at..end].to_vec());
        let batch = batch.collect();
        self.at = end;
        batch
    }
}
