//! An ensemble of reward networks trained on preferences between segments.
//!
//! Christiano et al. 2017 (arXiv 1706.03741) with the choices of PEBBLE (arXiv 2106.05091, eq. 3-4):
//! each member maps (s, a) to r̂ ∈ (−1, 1); P[σ⁰ ≻ σ¹] follows Bradley-Terry over sums of r̂; every
//! member sees the same labels in its own order; the policy learns from the members' mean.
//! An `Equal` label is the target ½, and does not count towards the accuracy that stops training
//! (the reference code counts it as "left").

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use prefbench_oracles::{Label, Pair, Preference, Segment, Stream};

use crate::dense::Dense;
use crate::device::Compute;
use crate::nets::{Activation, Init, Inner, Mlp, log_sigmoid};
use crate::optim::Adam;
use crate::replay::{Dims, Replay};
use crate::state::{State, StateError};

mod config;
mod scores;

pub use config::RewardConfig;
pub use scores::Scores;

/// Rows of (s, a) in one forward pass when nothing is learnt.
const CHUNK: usize = 1024;

/// A pair to learn from: what is to be predicted, and how much it counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Example {
    /// Segments of any lengths.
    pub pair: Pair,
    /// P\[right preferred\] as it should be.
    pub target: f32,
    /// Share in the loss; those of a batch sum to 1 for a mean.
    pub weight: f32,
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
    /// How many deviations of its members the policy's reward lies below their mean.
    penalty: f32,
    /// The members in host memory, where the backend's are not: a GPU is slow to ask about one transition.
    near: OnceCell<Vec<Mlp<Flex>>>,
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
            penalty: 0.0,
            near: OnceCell::new(),
        }
    }

    /// From now on the policy's reward is the mean minus `deviations` of the members.
    #[must_use]
    pub fn penalised(mut self, deviations: f32) -> Self {
        self.penalty = deviations;
        self
    }

    /// The settings this ensemble was built with.
    pub fn config(&self) -> &RewardConfig {
        &self.config
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

    /// One pass over all `preferences` in batches; `None` if there are none.
    pub fn epoch(
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
    pub fn step(&mut self, replay: &Replay, batches: &[Vec<Preference>]) -> (f64, Vec<Vec<f32>>) {
        let example = |p: &Preference| Example {
            pair: p.pair,
            target: p.label.target(),
            weight: f32::NAN,
        };
        let examples: Vec<Vec<Example>> = batches
            .iter()
            .map(|batch| batch.iter().map(example).collect())
            .collect();
        let margins = |member: &Mlp<A>, batch: &[Example]| self.aligned(member, replay, batch);
        let (members, losses, margins) =
            losses(&self.members, &examples, &self.device, margins, |l, _| {
                l.mean()
            });
        (self.descend(members, losses), margins)
    }

    /// [`RewardModel::step`] on examples with weights of their own: the loss is the sum over members of
    /// Σ weight · cross-entropy. Segments may be of any lengths, and share transitions at little cost.
    pub fn step_weighted(
        &mut self,
        replay: &Replay,
        batches: &[Vec<Example>],
    ) -> (f64, Vec<Vec<f32>>) {
        let margins = |member: &Mlp<A>, batch: &[Example]| self.gathered(member, replay, batch);
        let (members, losses, margins) =
            losses(&self.members, batches, &self.device, margins, |l, w| {
                (l * w).sum()
            });
        (self.descend(members, losses), margins)
    }

    /// One gradient step on the sum over members of `loss`, of r̂ at these transitions and of `values`, a
    /// number for each of them; both come as `[rows, 1]`.
    pub fn step_on(
        &mut self,
        replay: &Replay,
        indices: &[usize],
        values: Vec<f32>,
        loss: impl Fn(Tensor<A, 2>, Tensor<A, 2>) -> Tensor<A, 1>,
    ) -> f64 {
        let x = Tensor::from_inner(self.rows(replay.state_actions(indices.iter().copied())));
        let values = TensorData::new(values, [indices.len(), 1]);
        let values = Tensor::<A, 2>::from_data(values, &self.device);
        let members: Vec<Mlp<A>> = self.members.iter().map(Mlp::tracked).collect();
        let one = |m: &Mlp<A>| loss(m.forward(x.clone()).tanh(), values.clone());
        let total = members.iter().map(one).reduce(|sum, loss| sum + loss);
        self.descend(members, total)
    }

    /// From now on Adam's learning rate; a saved state does not hold it.
    pub fn set_lr(&mut self, lr: f64) {
        self.adam.set_lr(lr);
    }

    fn descend(&mut self, members: Vec<Mlp<A>>, losses: Option<Tensor<A, 1>>) -> f64 {
        let Some(total) = losses else {
            return 0.0;
        };
        let mut grads = total.backward();
        let loss = f64::from(total.inner().into_scalar());
        let grads: Vec<_> = members
            .into_iter()
            .flat_map(|m| m.take_grads(&mut grads))
            .collect();
        self.adam.step(&mut self.members, grads);
        self.near.take();
        loss
    }

    /// Σr̂(right) − Σr̂(left) of pairs whose segments have one length, `[pairs, 1]`.
    fn aligned(&self, member: &Mlp<A>, replay: &Replay, batch: &[Example]) -> Tensor<A, 2> {
        let len = batch.first().map_or(0, |e| e.pair.left.len as usize);
        let sum = |side: fn(&Pair) -> Segment| {
            let mut rows = Vec::with_capacity(batch.len() * len * self.width());
            for e in batch {
                extend_segment(replay, side(&e.pair), &mut rows);
            }
            let r = member.forward(Tensor::from_inner(self.rows(rows))).tanh();
            r.reshape([batch.len(), len]).sum_dim(1)
        };
        sum(|p| p.right) - sum(|p| p.left)
    }

    /// The same for segments of any lengths: r̂ of each transition once, gathered and summed.
    fn gathered(&self, member: &Mlp<A>, replay: &Replay, batch: &[Example]) -> Tensor<A, 2> {
        let sides = [|p: &Pair| p.right, |p: &Pair| p.left];
        let longest = batch
            .iter()
            .flat_map(|e| sides.map(|side| side(&e.pair).len as usize));
        let longest = longest.max().unwrap_or(0);
        let mut place = HashMap::new();
        let mut rows = Vec::new();
        let mut gather = sides.map(|side| {
            let mut gather = Vec::with_capacity(batch.len() * longest);
            for e in batch {
                let transitions = transitions(replay, side(&e.pair));
                let missing = longest - transitions.len();
                for i in transitions {
                    let next = place.len() as i64 + 1;
                    gather.push(*place.entry(i).or_insert_with(|| {
                        replay.extend_observation_action(i, &mut rows);
                        next
                    }));
                }
                // Row 0 is nothing.
                gather.resize(gather.len() + missing, 0);
            }
            gather
        });
        let r = member.forward(Tensor::from_inner(self.rows(rows))).tanh();
        let r = Tensor::cat(vec![Tensor::zeros([1, 1], &self.device), r], 0);
        let mut sum = |side: usize| {
            let gather = std::mem::take(&mut gather[side]);
            let count = gather.len();
            let gather =
                Tensor::<A, 1, Int>::from_data(TensorData::new(gather, [count]), &self.device);
            r.clone()
                .select(0, gather)
                .reshape([batch.len(), longest])
                .sum_dim(1)
        };
        sum(0) - sum(1)
    }

    /// Mean and standard deviation (divisor: members) of the members' r̂ for each transition.
    pub fn opinions(&self, replay: &Replay, indices: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let rows = replay.state_actions(indices.iter().copied());
        spread(&self.members, &self.rows(rows))
    }

    /// Each member's r̂ of all transitions of the replay.
    pub fn opinions_of_all(&self, replay: &Replay) -> Vec<Vec<f32>> {
        let mut all = vec![Vec::with_capacity(replay.len()); self.members.len()];
        for rows in replay.chunks(CHUNK) {
            for (all, chunk) in all.iter_mut().zip(each(&self.members, &self.rows(rows))) {
                all.extend(chunk);
            }
        }
        all
    }

    /// The policy's reward for one transition.
    pub fn predict(&self, observation: &[f32], action: &[f32]) -> f32 {
        let row = [observation, action].concat();
        if Inner::<A>::HOST {
            return rewards(&self.members, self.rows(row), self.penalty)[0];
        }
        let near = || {
            self.members
                .iter()
                .map(|m| m.copied_to(&FlexDevice))
                .collect()
        };
        let x = TensorData::new(row, [1, self.width()]);
        let x = Tensor::from_data(x, &FlexDevice);
        rewards(self.near.get_or_init(near), x, self.penalty)[0]
    }

    /// Rewrites every reward in the replay.
    pub fn relabel(&self, replay: &mut Replay) {
        let of = |rows| rewards(&self.members, self.rows(rows), self.penalty);
        let rewards: Vec<f32> = replay.chunks(CHUNK).flat_map(of).collect();
        replay.rewards_mut().copy_from_slice(&rewards);
    }

    /// Opinions on pairs of the replay, for query samplers.
    pub fn scores<'a>(&'a self, replay: &'a Replay) -> Scores<'a, A> {
        Scores {
            model: self,
            replay,
        }
    }

    /// P[right] of each pair by each of these members, a member after the other. All segments must have one
    /// length.
    pub fn prefers(&self, replay: &Replay, pairs: &[Pair], members: Range<usize>) -> Vec<f32> {
        self.returns(replay, pairs, members)
            .iter()
            .flat_map(|r| r.as_chunks::<2>().0)
            .map(|[left, right]| 1.0 / (1.0 + (left - right).exp()))
            .collect()
    }

    /// Σr̂ of the left and of the right segment of each pair, in turn, by each of these members. All segments
    /// must have one length.
    pub fn returns(&self, replay: &Replay, pairs: &[Pair], members: Range<usize>) -> Vec<Vec<f32>> {
        let members = &self.members[members];
        let mut returns = vec![Vec::with_capacity(2 * pairs.len()); members.len()];
        let len = pairs.first().map_or(1, |p| p.left.len as usize);
        for pairs in pairs.chunks((CHUNK / (2 * len)).max(1)) {
            let sides = pairs.iter().flat_map(|p| [p.left, p.right]);
            let rows = sides.flat_map(|side| transitions(replay, side));
            let x = self.rows(replay.state_actions(rows));
            for (member, returns) in members.iter().zip(&mut returns) {
                let r = member.forward(x.clone()).tanh();
                let sums = r.reshape([2 * pairs.len(), len]).sum_dim(1).into_data();
                returns.extend(sums.iter::<f32>());
            }
        }
        returns
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
        self.near.take();
        self.adam.load("reward.adam", state)
    }

    fn width(&self) -> usize {
        self.dims.obs + self.dims.act
    }

    fn rows(&self, rows: Vec<f32>) -> Tensor<Inner<A>, 2> {
        let count = rows.len() / self.width();
        Tensor::from_data(TensorData::new(rows, [count, self.width()]), &self.device)
    }
}

/// The policy's reward of each row (s, a): the members' mean, less the penalty on their deviation.
fn rewards<B: Dense>(members: &[Mlp<B>], x: Tensor<B, 2>, penalty: f32) -> Vec<f32> {
    if penalty > 0.0 {
        let (means, deviations) = spread(members, &x);
        let both = means.iter().zip(deviations);
        return both.map(|(m, d)| m - penalty * d).collect();
    }
    let one = |m: &Mlp<B>| m.forward(x.clone()).tanh();
    let first = one(&members[0]);
    let sum = members[1..].iter().fold(first, |sum, m| sum + one(m));
    (sum / members.len() as f64).into_data().iter().collect()
}

/// Each member's r̂ of each row (s, a).
fn each<B: Dense>(members: &[Mlp<B>], x: &Tensor<B, 2>) -> Vec<Vec<f32>> {
    let of = |m: &Mlp<B>| m.forward(x.clone()).tanh().into_data().iter().collect();
    members.iter().map(of).collect()
}

/// Mean and standard deviation of the members' r̂ for each row.
fn spread<B: Dense>(members: &[Mlp<B>], x: &Tensor<B, 2>) -> (Vec<f32>, Vec<f32>) {
    let r = each(members, x);
    let count = r.len() as f32;
    let moments = |i: usize| {
        let mean = r.iter().map(|r| r[i]).sum::<f32>() / count;
        let square = r.iter().map(|r| (r[i] - mean) * (r[i] - mean)).sum::<f32>();
        (mean, (square / count).sqrt())
    };
    (0..x.dims()[0]).map(moments).unzip()
}

/// The sum over members of their batches' reduced cross-entropy, the members it is of, and margins.
#[expect(clippy::type_complexity, reason = "an intermediate of two callers")]
fn losses<A: Compute>(
    members: &[Mlp<Inner<A>>],
    batches: &[Vec<Example>],
    device: &A::Device,
    margin: impl Fn(&Mlp<A>, &[Example]) -> Tensor<A, 2>,
    reduce: impl Fn(Tensor<A, 2>, Tensor<A, 2>) -> Tensor<A, 1>,
) -> (Vec<Mlp<A>>, Option<Tensor<A, 1>>, Vec<Vec<f32>>) {
    let members: Vec<Mlp<A>> = members.iter().map(Mlp::tracked).collect();
    let mut total: Option<Tensor<A, 1>> = None;
    let mut margins = Vec::with_capacity(members.len());
    for (member, batch) in members.iter().zip(batches) {
        let margin = margin(member, batch);
        let column = |of: fn(&Example) -> f32| {
            let values: Vec<f32> = batch.iter().map(of).collect();
            Tensor::<A, 2>::from_data(TensorData::new(values, [batch.len(), 1]), device)
        };
        margins.push(margin.clone().into_data().iter::<f32>().collect());
        let losses = cross_entropy(margin, column(|e| e.target));
        let loss = reduce(losses, column(|e| e.weight));
        total = Some(match total {
            Some(sum) => sum + loss,
            None => loss,
        });
    }
    (members, total, margins)
}

/// Of each row −t log P[right] − (1−t) log P[left], P\[right\] = sigmoid(margin).
pub(crate) fn cross_entropy<A: Compute>(
    margin: Tensor<A, 2>,
    target: Tensor<A, 2>,
) -> Tensor<A, 2> {
    let right = log_sigmoid(margin.clone());
    let left = log_sigmoid(margin.neg());
    let other = target.clone().neg() + 1.0;
    (target * right + other * left).neg()
}

/// Where a segment lies in the replay.
pub(crate) fn transitions(replay: &Replay, segment: Segment) -> Range<usize> {
    let first = replay.trajectories().episodes()[segment.trajectory as usize].start;
    let first = first + segment.start as usize;
    first..first + segment.len as usize
}

fn extend_segment(replay: &Replay, segment: Segment, rows: &mut Vec<f32>) {
    for i in transitions(replay, segment) {
        replay.extend_observation_action(i, rows);
    }
}

/// A uniform permutation of 0..n (Fisher-Yates).
pub(crate) fn shuffled(n: usize, rng: &mut Stream) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.below(i + 1));
    }
    order
}
