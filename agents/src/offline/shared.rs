//! What the offline learners share: the scale of observations, rows as tensors, figures for the log.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use prefbench_oracles::{Stream, Trajectories};

use super::OfflineData;
use super::actor::Actor;
use crate::device::Compute;
use crate::learner::LearnError;
use crate::nets::Inner;
use crate::replay::{Batch, Replay};
use crate::state::{State, StateError};

/// What is added to a deviation before it divides (CORL).
const EPSILON: f64 = 1e-3;

/// Maps each number of an observation to mean 0 and deviation 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Scale {
    /// Leaves observations as they are.
    pub fn none(width: usize) -> Self {
        Self {
            mean: vec![0.0; width],
            std: vec![1.0; width],
        }
    }

    /// Of all observations of a dataset, or none.
    pub fn chosen(trajectories: &Trajectories, wanted: bool) -> Self {
        match wanted {
            true => Self::of(trajectories, 0..trajectories.len()),
            false => Self::none(trajectories.obs_dim()),
        }
    }

    /// Of the observations before these transitions (divisor n), as CORL normalises.
    pub fn of(
        trajectories: &Trajectories,
        transitions: impl Iterator<Item = usize> + Clone,
    ) -> Self {
        let width = trajectories.obs_dim();
        let count = transitions.clone().count();
        if count == 0 {
            return Self::none(width);
        }
        let sum = |term: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; width];
            for i in transitions.clone() {
                for (k, &x) in trajectories.observation(i).iter().enumerate() {
                    sums[k] += term(k, f64::from(x));
                }
            }
            sums.iter_mut().for_each(|sum| *sum /= count as f64);
            sums
        };
        let mean = sum(&|_, x| x);
        let variance = sum(&|k, x| (x - mean[k]).powi(2));
        Self {
            std: variance
                .iter()
                .map(|v| (v.sqrt() + EPSILON) as f32)
                .collect(),
            mean: mean.iter().map(|&m| m as f32).collect(),
        }
    }

    /// Scales rows of observations in place.
    pub fn apply(&self, rows: &mut [f32]) {
        for row in rows.chunks_exact_mut(self.mean.len()) {
            for (x, (mean, std)) in row.iter_mut().zip(self.mean.iter().zip(&self.std)) {
                *x = (*x - mean) / std;
            }
        }
    }

    /// Writes mean and deviation.
    pub fn save(&self, state: &mut State) {
        state.put_column("scale.mean", &[self.mean.len()], &self.mean);
        state.put_column("scale.std", &[self.std.len()], &self.std);
    }

    /// Reads what [`Scale::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.mean = state.get_column("scale.mean", &[self.mean.len()])?;
        self.std = state.get_column("scale.std", &[self.std.len()])?;
        Ok(())
    }
}

/// A dataset's transitions, with the rewards to learn from and observations to scale.
pub struct Memory {
    pub(crate) replay: Replay,
    /// Of observations.
    pub scale: Scale,
    /// Some next observation is known.
    usable: bool,
}

impl Memory {
    /// Of a dataset; the rewards are its true ones, or zeros where they may not be read.
    pub fn new(data: &OfflineData, scale_observations: bool) -> Self {
        let t = data.trajectories();
        Self {
            scale: Scale::chosen(t, scale_observations),
            replay: Replay::of(Arc::clone(t)),
            usable: (0..t.len()).any(|i| t.next_known(i)),
        }
    }

    /// A batch drawn uniformly with replacement from the transitions whose next observation is known.
    ///
    /// # Errors
    /// [`LearnError::Nothing`] if there is none.
    pub fn batch(&self, rows: usize, rng: &mut Stream) -> Result<Batch, LearnError> {
        if !self.usable {
            return Err(LearnError::Nothing("transition in the dataset"));
        }
        let t = self.replay.trajectories();
        let draw = |_| loop {
            let i = rng.below(t.len());
            if t.next_known(i) {
                return i;
            }
        };
        let indices: Vec<usize> = (0..rows).map(draw).collect();
        let mut batch = self.replay.gather(&indices);
        self.scale.apply(&mut batch.observation);
        self.scale.apply(&mut batch.next_observation);
        let (obs, width) = (t.obs_dim(), t.obs_dim() + t.act_dim());
        for row in batch.observation_action.chunks_exact_mut(width) {
            self.scale.apply(&mut row[..obs]);
        }
        Ok(batch)
    }

    /// Writes the scale, and the rewards to learn from.
    pub fn save(&self, state: &mut State) {
        self.scale.save(state);
        let rewards = self.replay.rewards();
        state.put_column("rewards", &[rewards.len()], rewards);
    }

    /// Reads what [`Memory::save`] wrote; a memory of no data, of a learner that only acts, stays so.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.scale.load(state)?;
        if !self.replay.is_empty() {
            let rewards = state.get_column("rewards", &[self.replay.len()])?;
            self.replay.rewards_mut().copy_from_slice(&rewards);
        }
        Ok(())
    }

    /// Divides the rewards by their standard deviation, unless they are all equal.
    pub fn unit_rewards(&mut self) {
        let rewards = self.replay.rewards_mut();
        let n = rewards.len().max(1) as f64;
        let mean = rewards.iter().map(|&r| f64::from(r)).sum::<f64>() / n;
        let square = |&r: &f32| (f64::from(r) - mean).powi(2);
        let deviation = (rewards.iter().map(square).sum::<f64>() / n).sqrt();
        if deviation > 0.0 {
            rewards
                .iter_mut()
                .for_each(|r| *r = (f64::from(*r) / deviation) as f32);
        }
    }

    /// Scales the rewards so that the returns of the best and the worst episode lie as far apart as the
    /// longest episode has steps (Preference Transformer). Returns that are all equal are left as they are.
    pub fn scale_rewards(&mut self) {
        let spans: Vec<_> = self.replay.trajectories().episodes().to_vec();
        let rewards = self.replay.rewards_mut();
        let returns = spans.iter().map(|e| {
            let rewards = rewards[e.start..e.start + e.len].iter();
            rewards.map(|&r| f64::from(r)).sum::<f64>()
        });
        let (low, high) = returns.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), r| {
            (low.min(r), high.max(r))
        });
        let longest = spans.iter().map(|e| e.len).max().unwrap_or(0) as f64;
        let factor = if high > low {
            longest / (high - low)
        } else {
            1.0
        };
        for r in rewards {
            *r = (f64::from(*r) * factor) as f32;
        }
    }

    /// Adds `offset` to each reward.
    pub fn shift_rewards(&mut self, offset: f64) {
        for r in self.replay.rewards_mut() {
            *r += offset as f32;
        }
    }
}

/// The factor of a rate that falls from 1 to 0 over `total` updates as half a cosine (Loshchilov &
/// Hutter 2017).
pub fn cosine(updates: u64, total: u64) -> f64 {
    let done = updates.min(total) as f64 / total.max(1) as f64;
    0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// Writes a policy's mean action for one observation; `scale` is that of its observations.
pub fn act<A: Compute>(actor: &Actor<A>, scale: &Scale, observation: &[f32], action: &mut [f32]) {
    let mut state = observation.to_vec();
    scale.apply(&mut state);
    let mean = actor.mean(rows(state, observation.len(), actor.device()));
    let mean = mean.into_data();
    action.iter_mut().zip(mean.iter()).for_each(|(a, m)| *a = m);
}

/// Rows of `columns` numbers as a tensor.
pub fn rows<B: Backend>(values: Vec<f32>, columns: usize, device: &B::Device) -> Tensor<B, 2> {
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), device)
}

/// Named figures of the latest update, left on the device until somebody asks.
pub struct Figures<A: Compute> {
    names: &'static [&'static str],
    latest: Option<Tensor<Inner<A>, 1>>,
}

impl<A: Compute> Figures<A> {
    /// None so far.
    pub fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            latest: None,
        }
    }

    /// Those of an update, one tensor of one number for each name.
    pub fn set(&mut self, figures: Vec<Tensor<Inner<A>, 1>>) {
        self.latest = Some(Tensor::cat(figures, 0));
    }

    /// For [`crate::Learner::metrics`].
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let values = self.latest.iter();
        let values: Vec<f64> = values
            .flat_map(|t| t.to_data().iter().collect::<Vec<_>>())
            .collect();
        self.names.iter().copied().zip(values).collect()
    }

    /// Writes the figures.
    pub fn save(&self, name: &str, state: &mut State) {
        if let Some(latest) = &self.latest {
            state.put_tensor(name, latest.clone());
        }
    }

    /// Reads what [`Figures::save`] wrote.
    pub fn load(
        &mut self,
        name: &str,
        state: &State,
        device: &A::Device,
    ) -> Result<(), StateError> {
        let mut latest = Tensor::zeros([self.names.len()], device);
        self.latest = match state.get_tensor(name, &mut latest) {
            Ok(()) => Some(latest),
            Err(StateError::Missing(_)) => None,
            Err(other) => return Err(other),
        };
        Ok(())
    }
}
