//! Contrastive preference learning: a policy from preferences alone, without reward or value.
//!
//! Hejna et al., "Contrastive Preference Learning: Learning from Human Feedback without RL" (ICLR 2024,
//! arXiv 2310.13639), as its code has it (github.com/jhejna/cpl at b333667, `research/algs/cpl.py`,
//! `cpl_kl.py`, `research/datasets/feedback_buffer.py`). A deterministic policy μ(s) = tanh(MLP(s)) with
//! log π(a|s) = −‖a − μ(s)‖² (no ½), and of a segment A(σ) = α Σ_t log π(a_t|s_t), undiscounted:
//!
//! 1. for the first `bc_steps`: L = E[−log π] on all segments of the batch;
//! 2. then, with a fresh optimiser whose rate rises for `warmup` steps:
//!    L = ℓ_λ + c_BC E[−log π], ℓ_λ = E[−log σ(A(σ⁺) − λ A(σ⁻))]; an equal pair counts half each way.
//!
//! `cpl` has c_BC = 0 and λ < 1, `cpl-bc` c_BC > 0 and λ = 1; `cpl-kl` takes A(σ) = α Σ_t (log π − log
//! π_ref), π_ref the policy at the end of the first stage, and a smaller rate. Which segments are compared
//! is the [`Pairing`]; the losses are [`super::contrastive`].
//!
//! Deviations: actions are not clipped to ±(1 − 10⁻⁵), which matters to squashed densities only.

use std::collections::HashMap;

use burn::tensor::Tensor;
use prefbench_oracles::{Label, Pair, Preference, Segment, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::contrastive::{agreement, comparison, ranking, sorted_share};
use super::segments::{Passes, Rows, targets};
use super::shared::{Figures, Scale, act};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::{Init, Inner};
use crate::state::{State, StateError};

/// Which segments are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairing {
    /// Those of each answer.
    Comparison,
    /// Each segment with a random one, by their scores: comparisons won less comparisons lost. For answers
    /// that rank all segments.
    Rank,
    /// All segments of a batch with each other, by their scores.
    Score,
}

/// Settings of contrastive preference learning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CplConfig {
    /// The policy.
    pub actor: ActorConfig,
    /// Comparisons per update; segments, where they are compared by score.
    pub batch: usize,
    /// Steps of behaviour cloning before the contrastive loss.
    pub bc_steps: u64,
    /// Steps over which the rate then rises from 0.
    pub warmup: u64,
    /// What the rate is multiplied by after them.
    pub rate: f64,
    /// Temperature α of A(σ).
    pub alpha: f64,
    /// Bias λ in (0, 1]: the weight of the worse segment's A(σ).
    pub lambda: f64,
    /// Weight c_BC of behaviour cloning beside the contrastive loss.
    pub bc: f64,
    /// Whether A(σ) is relative to the policy that behaviour cloning gave.
    pub reference: bool,
    /// Which segments are compared.
    pub pairing: Pairing,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
}

impl CplConfig {
    /// Defaults of `cpl` for a task's family and a tier: `configs/mw_state_sparse/cpl.yaml`.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        Self {
            actor: policy(setup),
            batch: if full { 96 } else { 16 },
            bc_steps: steps(setup) * 2 / 5,
            warmup: if full { 10_000 } else { steps(setup) / 50 },
            rate: 1.0,
            alpha: 0.1,
            lambda: 0.5,
            bc: 0.0,
            reference: false,
            pairing: Pairing::Comparison,
            scale_observations: !full,
        }
    }

    /// Defaults of `cpl-bc`: `configs/mw_state_sparse/cpl_bc.yaml`.
    pub fn bc(setup: &Setup<'_>) -> Self {
        Self {
            lambda: 1.0,
            bc: 1.0,
            ..Self::defaults(setup)
        }
    }

    /// Defaults of `cpl-kl`: `configs/mw_state_sparse/cpl_kl.yaml`.
    pub fn kl(setup: &Setup<'_>) -> Self {
        Self {
            alpha: 0.2,
            lambda: 0.75,
            rate: 0.1,
            reference: true,
            ..Self::defaults(setup)
        }
    }
}

/// The policy of CPL and of its baselines.
pub(super) fn policy(setup: &Setup<'_>) -> ActorConfig {
    let full = setup.tier == Tier::Full;
    ActorConfig {
        hidden: if full { vec![512; 2] } else { vec![128; 2] },
        init: Init::Orthogonal,
        dropout: if full { 0.25 } else { 0.0 },
        // At 1e-3 a policy of 20,000 steps swings from one evaluation to the next.
        lr: match setup.tier {
            Tier::Full => 1e-4,
            Tier::Short => 3e-4,
            Tier::Smoke => 1e-3,
        },
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 5_000,
        Tier::Short => 20_000,
        Tier::Full => 500_000,
    }
}

impl OfflineConfig for CplConfig {
    fn validate(&self, steps: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
            c.at_least("batch", self.batch, 1);
            let must = format!("below the run's {steps} steps");
            c.that("bc_steps", self.bc_steps, self.bc_steps < steps, &must);
            if self.reference {
                c.at_least("bc_steps", self.bc_steps as usize, 1);
            }
            c.positive("rate", self.rate);
            c.positive("alpha", self.alpha);
            c.positive("lambda", self.lambda);
            c.within("lambda", self.lambda, 0.0, 1.0);
            c.within("bc", self.bc, 0.0, LARGEST);
            let pairs = self.pairing != Pairing::Score || self.batch > 1;
            c.that(
                "batch",
                self.batch,
                pairs,
                "at least 2, to compare by score",
            );
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        let mut init = Stream::new(b.seed, "init");
        let mut fresh = || Actor::new(&self.actor, Density::Squared, b.dims, &mut init, &device);
        Ok(Box::new(Cpl::<A> {
            id,
            scale: Scale::chosen(data.trajectories(), self.scale_observations),
            actor: fresh(),
            reference: self.reference.then(fresh),
            scored: match self.pairing {
                Pairing::Comparison => Vec::new(),
                _ => scores(data.preferences()),
            },
            config: self,
            device,
            data,
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            steps: 0,
            figures: Figures::new(&["cpl.loss", "cpl.bc_loss", "cpl.accuracy"]),
        }))
    }
}

/// The learner.
pub struct Cpl<A: Compute> {
    id: &'static str,
    config: CplConfig,
    device: A::Device,
    data: OfflineData,
    /// Every segment with its score, where they are compared by it.
    scored: Vec<(Segment, f64)>,
    scale: Scale,
    actor: Actor<A>,
    reference: Option<Actor<A>>,
    passes: Passes,
    /// Batches and dropped activations.
    stream: Stream,
    steps: u64,
    figures: Figures<A>,
}

/// Every segment that is asked about, in the order of the answers, with the comparisons it won less those
/// it lost.
fn scores(preferences: &[Preference]) -> Vec<(Segment, f64)> {
    let mut scored: Vec<(Segment, f64)> = Vec::new();
    let mut place = HashMap::new();
    for p in preferences {
        let right = f64::from(p.label.target()) * 2.0 - 1.0;
        for (segment, score) in [(p.pair.left, -right), (p.pair.right, right)] {
            let at = *place.entry(segment).or_insert_with(|| {
                scored.push((segment, 0.0));
                scored.len() - 1
            });
            scored[at].1 += score;
        }
    }
    scored
}

/// What one step learns from.
enum Chosen {
    /// Pairs with answers; the segments are all left ones, then all right ones.
    Pairs(Vec<Preference>),
    /// Segments, the worst first.
    Sorted(Vec<Segment>),
}

impl Chosen {
    fn segments(&self) -> Vec<Segment> {
        match self {
            Self::Sorted(segments) => segments.clone(),
            Self::Pairs(pairs) => {
                let left = pairs.iter().map(|p| p.pair.left);
                left.chain(pairs.iter().map(|p| p.pair.right)).collect()
            }
        }
    }
}

impl<A: Compute> Cpl<A> {
    fn choose(&mut self) -> Chosen {
        let (size, rng) = (self.config.batch, &mut self.stream);
        let preferences = self.data.preferences();
        let scored = &self.scored;
        match self.config.pairing {
            Pairing::Comparison => {
                let batch = self.passes.batch(preferences.len(), size, rng);
                Chosen::Pairs(batch.iter().map(|&i| preferences[i]).collect())
            }
            Pairing::Rank => {
                let first = self.passes.batch(scored.len(), size, rng).to_vec();
                let pair = |i: usize| {
                    let (left, right) = (scored[i], scored[rng.below(scored.len())]);
                    Preference {
                        pair: Pair {
                            left: left.0,
                            right: right.0,
                        },
                        label: match left.1.total_cmp(&right.1) {
                            std::cmp::Ordering::Less => Label::Right,
                            std::cmp::Ordering::Equal => Label::Equal,
                            std::cmp::Ordering::Greater => Label::Left,
                        },
                    }
                };
                Chosen::Pairs(first.into_iter().map(pair).collect())
            }
            Pairing::Score => {
                let batch = self.passes.batch(scored.len(), size, rng);
                let mut batch: Vec<_> = batch.iter().map(|&i| scored[i]).collect();
                batch.sort_by(|a, b| a.1.total_cmp(&b.1));
                Chosen::Sorted(batch.into_iter().map(|(segment, _)| segment).collect())
            }
        }
    }
}

impl<A: Compute> Policy for Cpl<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.actor, &self.scale, observation, action);
    }
}

impl<A: Compute> Learner for Cpl<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        let len = self.data.segment_len()?;
        let chosen = self.choose();
        let segments = chosen.segments();
        let (t, count) = (self.data.trajectories(), segments.len());
        let rows = Rows::of(t, segments.into_iter(), &self.scale, &self.device);
        let CplConfig {
            alpha, lambda, bc, ..
        } = self.config;
        let contrastive = self.steps >= self.config.bc_steps;
        if contrastive {
            let since = self.steps - self.config.bc_steps + 1;
            let risen = (since as f64 / self.config.warmup.max(1) as f64).min(1.0);
            self.actor.scale_lr(self.config.rate * risen);
        }
        let reference = self.reference.as_ref().filter(|_| contrastive);
        let reference = reference.map(|r| r.log_prob(rows.state.clone(), rows.action.clone()));
        let mut figures = Vec::new();
        let loss = |log_prob: Tensor<A, 2>| {
            let cloning = log_prob.clone().mean().neg();
            let relative = match reference {
                Some(reference) => log_prob - Tensor::from_inner(reference),
                None => log_prob,
            };
            let a = relative.reshape([count, len]).sum_dim(1) * alpha;
            let (contrast, accuracy) = match &chosen {
                Chosen::Sorted(_) => (ranking(a.clone(), lambda), sorted_share(a.inner())),
                Chosen::Pairs(pairs) => {
                    let y = targets::<Inner<A>>(pairs, &self.device);
                    let half = pairs.len();
                    let (left, right) = (a.clone().narrow(0, 0, half), a.narrow(0, half, half));
                    let margin = (right.clone() - left.clone()).inner();
                    let loss = comparison(left, right, Tensor::from_inner(y.clone()), lambda);
                    (loss, agreement(margin, y))
                }
            };
            figures = vec![contrast.clone().inner(), cloning.clone().inner(), accuracy];
            match contrastive {
                true => contrast + cloning * bc,
                false => cloning,
            }
        };
        self.actor
            .step(rows.state, rows.action, &mut self.stream, loss);
        self.figures.set(figures);
        self.steps += 1;
        if self.steps == self.config.bc_steps {
            self.actor.fresh_optimiser();
            if let Some(reference) = &mut self.reference {
                reference.copy_from(&self.actor);
            }
        }
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.figures.metrics()
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.scale.save(&mut state);
        self.actor.save("actor", &mut state);
        if let Some(reference) = &self.reference {
            reference.save("reference", &mut state);
        }
        state.put_json("progress", &(self.steps, &self.passes, &self.stream));
        self.figures.save("figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.scale.load(state)?;
        self.actor.load("actor", state)?;
        if let Some(reference) = &mut self.reference {
            reference.load("reference", state)?;
        }
        (self.steps, self.passes, self.stream) = state.get_json("progress")?;
        self.figures.load("figures", state, &self.device)
    }
}
