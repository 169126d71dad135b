//! QPA: queries about what the policy does now, and more of it in the critics' batches.
//!
//! Hu, Li, Zhan, Jia, Zhang, "Query-Policy Misalignment in Preference-Based Reinforcement Learning" (ICLR 2024,
//! arXiv 2305.17400); code github.com/huxiao09/QPA at 7e9e49e. On PEBBLE's backbone:
//!
//! 1. queries are drawn uniformly from the last N episodes (`feedback.pool` and `feedback.sampler`);
//! 2. while queries remain, a share ω of each batch is of those episodes (hybrid replay);
//! 3. where `crops` is above 0, each labelled pair is learnt from as so many pairs of random windows, alike long
//!    on both sides (its scripts: DeepMind Control only).
//!
//! With crops a session makes ⌈`per_label`·labels/batch⌉ gradient steps and stops at an accuracy of 0.98 since
//! its beginning; without, it is trained as PEBBLE's. Deviation: recent transitions are those since the N-th last
//! complete episode began, where the code counts N times the longest episode.

use prefbench_oracles::{Label, Pair, Preference, Segment, Stream};
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::pebble::{Pebble, PebbleConfig};
use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::learner::LearnError;
use crate::reward_model::{Example, Fit, shuffled};

/// Accuracy since a session began at which training on crops stops.
const ENOUGH: f64 = 0.98;
/// Steps that a window is shorter than its segment: at least, at most.
const SHORTER: (usize, usize) = (5, 15);

/// QPA's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qpa {
    /// ω: share of a batch that is of the last `feedback.pool` episodes.
    pub recent: f64,
    /// τ: pairs of windows made of each labelled pair; 0 for none.
    pub crops: usize,
    /// Gradient steps a session and label, times `reward.batch`, where there are crops.
    pub per_label: usize,
}

impl Method for Qpa {
    const ID: &'static str = "qpa";
    type Memory = ();

    fn defaults(setup: &Setup<'_>) -> Self {
        let short = setup.tier != Tier::Full;
        Self {
            recent: 0.5,
            crops: if setup.family == "metaworld" { 0 } else { 20 },
            per_label: if short { 200 } else { 2_000 },
        }
    }

    fn adapt(config: &mut PebbleConfig<Self>, setup: &Setup<'_>) {
        let meta = setup.family == "metaworld";
        config.feedback.sampler = "uniform".to_owned();
        config.feedback.pool = if meta { 30 } else { 10 };
        config.reward.members = 1;
        if meta && setup.tier == Tier::Full {
            config.reward.epochs = 200;
        }
    }

    fn check(&self, c: &mut Checks) {
        c.within("method.recent", self.recent, 0.0, 1.0);
        c.at_least("method.per_label", self.per_label, 1);
    }

    fn update<A: Compute>(learner: &mut Pebble<A, Self>) -> Result<(), LearnError> {
        let (config, backbone) = (&learner.config, &mut learner.backbone);
        if learner.feedback.asked >= config.feedback.budget {
            backbone.update(|_, _| {});
            return Ok(());
        }
        let rows = config.sac.batch;
        let recent = (rows as f64 * config.method.recent) as usize;
        let episodes = backbone.replay.trajectories();
        let oldest = episodes.complete().saturating_sub(config.feedback.pool);
        let first = episodes.episodes().get(oldest).map_or(0, |e| e.start);
        let rng = &mut backbone.streams.replay;
        let mut indices = backbone.replay.sample(rows - recent, rng);
        let span = backbone.replay.len() - first;
        indices.extend((0..recent).map(|_| first + rng.below(span)));
        backbone.update_on(&indices, |_, _| {});
        Ok(())
    }

    fn fit<A: Compute>(learner: &mut Pebble<A, Self>) -> Option<Fit> {
        let config = &learner.config;
        let (replay, rng) = (
            &learner.backbone.replay,
            &mut learner.backbone.streams.query,
        );
        let labels = &learner.feedback.labels;
        if config.method.crops == 0 {
            return learner.reward.fit(replay, labels, rng);
        }
        if labels.is_empty() {
            return None;
        }
        let (members, batch) = (config.reward.members, config.reward.batch);
        let steps = (config.method.per_label * labels.len()).div_ceil(batch);
        let (mut loss, mut right, mut strict) = (0.0, 0, 0);
        let mut orders = Vec::new();
        let (mut start, mut made) = (labels.len(), 0);
        for _ in 0..steps {
            if start >= labels.len() {
                orders = (0..members).map(|_| shuffled(labels.len(), rng)).collect();
                start = 0;
            }
            let end = labels.len().min(start + batch);
            let chosen =
                |order: &Vec<usize>| order[start..end].iter().map(|&i| labels[i]).collect();
            let chosen: Vec<Vec<Preference>> = orders.iter().map(chosen).collect();
            let batches = chosen.iter().map(|c| cropped(c, config.method.crops, rng));
            let batches: Vec<Vec<Example>> = batches.collect();
            let (sum, margins) = learner.reward.step_weighted(replay, &batches);
            (loss, made, start) = (sum / members as f64, made + 1, end);
            for (example, margin) in batches.iter().flatten().zip(margins.iter().flatten()) {
                strict += usize::from(example.target != 0.5);
                right +=
                    usize::from(example.target != 0.5 && (*margin > 0.0) == (example.target > 0.5));
            }
            if strict > 0 && right as f64 / strict as f64 >= ENOUGH {
                break;
            }
        }
        Some(Fit {
            loss,
            accuracy: if strict == 0 {
                f64::NAN
            } else {
                right as f64 / strict as f64
            },
            epochs: made,
        })
    }
}

/// `crops` pairs of windows of each pair, alike long on both sides.
pub(crate) fn cropped(preferences: &[Preference], crops: usize, rng: &mut Stream) -> Vec<Example> {
    let weight = 1.0 / (preferences.len() * crops) as f32;
    let mut examples = Vec::with_capacity(preferences.len() * crops);
    for _ in 0..crops {
        for p in preferences {
            let full = p.pair.left.len as usize;
            let (least, most) = (
                full.saturating_sub(SHORTER.1).max(1),
                full.saturating_sub(SHORTER.0).max(1),
            );
            let len = least + rng.below(most - least + 1);
            examples.push(Example {
                pair: Pair {
                    left: window(p.pair.left, len, rng),
                    right: window(p.pair.right, len, rng),
                },
                target: Label::target(p.label),
                weight,
            });
        }
    }
    examples
}

/// A random window of `len` steps in a segment.
pub(super) fn window(segment: Segment, len: usize, rng: &mut Stream) -> Segment {
    let start = rng.below(segment.len as usize - len + 1);
    Segment {
        start: segment.start + start as u32,
        len: len as u32,
        ..segment
    }
}
