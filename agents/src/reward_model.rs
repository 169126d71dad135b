//! An ensemble of reward networks trained on preferences between segments.
//!
//! Christiano et al. 2017 (arXiv 1706.03741) with the choices of PEBBLE (arXiv 2106.05091, eq. 3-4):
//! each member maps (s, a) to r̂ ∈ (−1, 1); P[σ⁰ ≻ σ¹] follows Bradley-Terry over sums of r̂; every
//! member sees the same labels in its own order; the policy learns from the members' mean.
//! An `Equal` label is the target ½, and does not count towards the accuracy that stops training
//! (the reference code counts it as "left").

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::{Label, Pair, PairScore, Preference, Segment, Stream};
use serde::{Deserialize, Serialize};

use crate::config::Checks;
use crate::device::Compute;
use crate::nets::{Activation, Init, Inner, Mlp, log_sigmoid};
use crate::optim::Adam;
use crate::replay::{Dims, Replay};
use crate::state::{State, StateError};

/// Rows of (s, a) in one forward pass when nothing is learnt.
const CHUNK: usize = 1024;

/// Settings of the reward ensemble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// Widths of the hidden layers of each member.
    pub hidden: Vec<usize>,
    /// Members of the ensemble.
    pub members: usize,
    /// Adam's learning rate.
    pub lr: f64,
    /// Labelled pairs per gradient step.
    pub batch: usize,
    /// Most passes over all labels in one session.
    pub epochs: usize,
    /// Training accuracy (mean over members) at which a session's training stops.
    pub target_accuracy: f64,
}

impl RewardConfig {
    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("reward.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("reward.hidden", width, 1);
        }
        c.at_least("reward.members", self.members, 1);
        c.positive("reward.lr", self.lr);
        c.at_least("reward.batch", self.batch, 1);
        c.at_least("reward.epochs", self.epochs, 1);
        c.within("reward.target_accuracy", self.target_accuracy, 0.0, 1.0);
    }
}

/// What one session's training did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Mean cross-entropy per pair and member in the last pass, in nats.
    pub loss: f64,
    /// Share of strict labels that the members predict, in the last pass.
    pub accuracy: f64,
    /// Passes made.
    pub epochs: usize,
}

/// The ensemble and its optimiser.
pub struct RewardModel<A: Compute> {
    config: RewardConfig,
    dims: Dims,
    device: A::Device,
    members: Vec<Mlp<Inner<A>>>,
    adam: Adam<Inner<A>>,
}

impl<A: Compute> RewardModel<A> {
    /// A fresh ensemble drawn from `rng`.
    pub fn new(config: RewardConfig, dims: Dims, rng: &mut Stream, device: A::Device) -> Self {
        let mut sizes = vec![dims.obs + dims.act];
        sizes.extend(&config.hidden);
        sizes.push(1);
        let members: Vec<_> = (0..config.members)
            .map(|_| Mlp::new(&sizes, Activation::LeakyRelu, Init::Uniform, rng, &device))
            .collect();
        Self {
            adam: Adam::new(config.lr, &members),
            config,
            dims,
            device,
            members,
        }
    }

    /// Trains on all `preferences` until accurate enough; `rng` shuffles.
    ///
    /// All segments must have one length and lie within the replay. No labels, no training.
    pub fn fit(
        &mut self,
        replay: &Replay,
        preferences: &[Preference],
        rng: &mut Stream,
    ) -> Option<Fit> {
        let mut last = None;
        for epoch in 1..=self.config.epochs {
            let fit = self.epoch(replay, preferences, rng)?;
            last = Some(Fit {
                epochs: epoch,
                ..fit
            });
            if fit.accuracy > self.config.target_accuracy {
                break;
            }
        }
        last
    }

    fn epoch(
        &mut self,
        replay: &Replay,
        preferences: &[Preference],
        rng: &mut Stream,
    ) -> Option<Fit> {
        let count = preferences.len();
        if count == 0 {
            return None;
        }
        let orders: Vec<Vec<usize>> = (0..self.members.len())
            .map(|_| shuffled(count, rng))
            .collect();
        let (mut loss, mut correct, mut strict) = (0.0, 0, 0);
        for start in (0..count).step_by(self.config.batch) {
            let end = count.min(start + self.config.batch);
            let batches: Vec<Vec<Preference>> = orders
                .iter()
                .map(|order| order[start..end].iter().map(|&i| preferences[i]).collect())
                .collect();
            let (sum, margins) = self.step(replay, &batches);
            loss += sum * (end - start) as f64;
            for (batch, margins) in batches.iter().zip(margins) {
                for (p, margin) in batch.iter().zip(margins) {
                    strict += usize::from(p.label != Label::Equal);
                    correct += usize::from(match p.label {
                        Label::Left => margin <= 0.0,
                        Label::Right => margin > 0.0,
                        Label::Equal => false,
                    });
                }
            }
        }
        Some(Fit {
            loss: loss / (count * self.members.len()) as f64,
            accuracy: if strict == 0 {
                f64::NAN
            } else {
                correct as f64 / strict as f64
            },
            epochs: 1,
        })
    }

    /// One gradient step on the sum over members of the mean cross-entropy; each member has its
    /// own batch. Gives that sum and each member's margins Σr̂(right) − Σr̂(left) before the step.
    pub(crate) fn step(
        &mut self,
        replay: &Replay,
        batches: &[Vec<Preference>],
    ) -> (f64, Vec<Vec<f32>>) {
        let members: Vec<Mlp<A>> = self.members.iter().map(Mlp::tracked).collect();
        let mut total: Option<Tensor<A, 1>> = None;
        let mut margins = Vec::with_capacity(members.len());
        for (member, batch) in members.iter().zip(batches) {
            let len = batch.first().map_or(0, |p| p.pair.left.len as usize);
            let sum = |side: fn(&Pair) -> Segment| {
                let mut rows = Vec::with_capacity(batch.len() * len * self.width());
                for p in batch {
                    extend_segment(replay, side(&p.pair), &mut rows);
                }
                let r = member.forward(Tensor::from_inner(self.rows(rows))).tanh();
                r.reshape([batch.len(), len]).sum_dim(1)
            };
            let margin = sum(|p| p.right) - sum(|p| p.left);
            let targets: Vec<f32> = batch.iter().map(|p| p.label.target()).collect();
            let targets = TensorData::new(targets, [batch.len(), 1]);
            let target = Tensor::<A, 2>::from_data(targets, &self.device);
            margins.push(margin.clone().into_data().iter::<f32>().collect());
            let loss = cross_entropy(margin, target);
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let Some(total) = total else {
            return (0.0, margins);
        };
        let mut grads = total.backward();
        let loss = f64::from(total.inner().into_scalar());
        let grads: Vec<_> = members
            .into_iter()
            .flat_map(|m| m.take_grads(&mut grads))
            .collect();
        self.adam.step::<A>(&mut self.members, grads);
        (loss, margins)
    }

    /// The mean r̂(s, a) of the ensemble for one transition.
    pub fn predict(&self, observation: &[f32], action: &[f32]) -> f32 {
        let rows = [observation, action].concat();
        self.mean(rows).into_data().iter::<f32>().sum()
    }

    /// Rewrites every reward in the replay with the ensemble's mean.
    pub fn relabel(&self, replay: &mut Replay) {
        for start in (0..replay.len()).step_by(CHUNK) {
            let end = replay.len().min(start + CHUNK);
            let mut rows = Vec::with_capacity((end - start) * self.width());
            for i in start..end {
                replay.extend_observation_action(i, &mut rows);
            }
            let means = self.mean(rows).into_data();
            let column = &mut replay.rewards_mut()[start..end];
            column
                .iter_mut()
                .zip(means.iter::<f32>())
                .for_each(|(r, m)| *r = m);
        }
    }

    /// Opinions on pairs of the replay, for query samplers.
    pub fn scores<'a>(&'a self, replay: &'a Replay) -> Scores<'a, A> {
        Scores {
            model: self,
            replay,
        }
    }

    /// Writes members and optimiser.
    pub fn save(&self, state: &mut State) {
        for (i, m) in self.members.iter().enumerate() {
            m.save(&format!("reward.{i}"), state);
        }
        self.adam.save("reward.adam", state);
    }

    /// Reads what [`RewardModel::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        for (i, m) in self.members.iter_mut().enumerate() {
            m.load(&format!("reward.{i}"), state)?;
        }
        self.adam.load("reward.adam", state)
    }

    fn width(&self) -> usize {
        self.dims.obs + self.dims.act
    }

    fn rows(&self, rows: Vec<f32>) -> Tensor<Inner<A>, 2> {
        let count = rows.len() / self.width();
        Tensor::from_data(TensorData::new(rows, [count, self.width()]), &self.device)
    }

    fn mean(&self, rows: Vec<f32>) -> Tensor<Inner<A>, 2> {
        let x = self.rows(rows);
        let one = |m: &Mlp<Inner<A>>| m.forward(x.clone()).tanh();
        let first = one(&self.members[0]);
        let sum = self.members[1..].iter().fold(first, |sum, m| sum + one(m));
        sum / self.members.len() as f64
    }
}

/// The ensemble's opinion of pairs of a replay's segments.
pub struct Scores<'a, A: Compute> {
    model: &'a RewardModel<A>,
    replay: &'a Replay,
}

impl<A: Compute> PairScore for Scores<'_, A> {
    fn members(&self) -> usize {
        self.model.members.len()
    }

    fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
        let mut returns = vec![Vec::with_capacity(2 * pairs.len()); self.members()];
        let len = pairs.first().map_or(1, |p| p.left.len as usize);
        for pairs in pairs.chunks((CHUNK / (2 * len)).max(1)) {
            let mut rows = Vec::with_capacity(2 * pairs.len() * len * self.model.width());
            for p in pairs {
                extend_segment(self.replay, p.left, &mut rows);
                extend_segment(self.replay, p.right, &mut rows);
            }
            let x = self.model.rows(rows);
            for (member, returns) in self.model.members.iter().zip(&mut returns) {
                let r = member.forward(x.clone()).tanh();
                let sums = r.reshape([2 * pairs.len(), len]).sum_dim(1).into_data();
                returns.extend(sums.iter::<f32>());
            }
        }
        returns
            .iter()
            .flat_map(|r| r.as_chunks::<2>().0)
            .map(|[left, right]| 1.0 / (1.0 + (left - right).exp()))
            .collect()
    }
}

/// Mean over rows of −t log P[right] − (1−t) log P[left], P\[right\] = sigmoid(margin).
fn cross_entropy<A: Compute>(margin: Tensor<A, 2>, target: Tensor<A, 2>) -> Tensor<A, 1> {
    let right = log_sigmoid(margin.clone());
    let left = log_sigmoid(margin.neg());
    let other = target.clone().neg() + 1.0;
    (target * right + other * left).mean().neg()
}

fn extend_segment(replay: &Replay, segment: Segment, rows: &mut Vec<f32>) {
    let first = replay.trajectories().episodes()[segment.trajectory as usize].start;
    let first = first + segment.start as usize;
    for i in first..first + segment.len as usize {
        replay.extend_observation_action(i, rows);
    }
}

/// A uniform permutation of 0..n (Fisher-Yates).
fn shuffled(n: usize, rng: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.below(i + 1));
    }
    order
}
