//! Batches of segments: the order in which answers are learnt from, and their rows as tensors.

use burn::tensor::{Tensor, backend::Backend};
use prefbench_oracles::{Preference, Segment, Stream, Trajectories};
use serde::{Deserialize, Serialize};

use super::shared::{Scale, rows};
use crate::reward_model::shuffled;

/// Passes over `0..n`, each in an order of its own.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Passes {
    order: Vec<usize>,
    next: usize,
    /// Where the order was drawn from.
    drawn: Option<Stream>,
}

/// A state without the order, which may be long and can be drawn again.
#[derive(Serialize, Deserialize)]
struct Saved {
    drawn: Option<Stream>,
    n: usize,
    next: usize,
}

impl From<Passes> for Saved {
    fn from(passes: Passes) -> Self {
        Self {
            n: passes.order.len(),
            drawn: passes.drawn,
            next: passes.next,
        }
    }
}

impl From<Saved> for Passes {
    fn from(saved: Saved) -> Self {
        let order = |from: &Stream| shuffled(saved.n, &mut from.clone());
        Self {
            order: saved.drawn.as_ref().map(order).unwrap_or_default(),
            next: saved.next,
            drawn: saved.drawn,
        }
    }
}

impl Passes {
    /// The next batch: at most `size` numbers, fewer at the end of a pass. `n` must not be 0.
    pub fn batch(&mut self, n: usize, size: usize, rng: &mut Stream) -> &[usize] {
        if self.over() {
            self.drawn = Some(rng.clone());
            self.order = shuffled(n, rng);
            self.next = 0;
        }
        let from = self.next;
        self.next = self.order.len().min(from + size);
        &self.order[from..self.next]
    }

    /// Whether the pass is over.
    pub fn over(&self) -> bool {
        self.next >= self.order.len()
    }
}

/// The observations (scaled) and the actions of segments, step by step.
pub struct Rows<B: Backend> {
    /// `[segments · steps, obs]`
    pub state: Tensor<B, 2>,
    /// `[segments · steps, act]`
    pub action: Tensor<B, 2>,
}

impl<B: Backend> Rows<B> {
    /// Of segments that lie in `t`.
    pub fn of(
        t: &Trajectories,
        segments: impl Iterator<Item = Segment>,
        scale: &Scale,
        device: &B::Device,
    ) -> Self {
        let (mut states, mut actions) = (Vec::new(), Vec::new());
        for segment in segments {
            let view = t.view(segment).expect("the data's segments lie in it");
            states.extend_from_slice(view.observations());
            actions.extend_from_slice(view.actions());
        }
        scale.apply(&mut states);
        Self {
            state: rows(states, t.obs_dim(), device),
            action: rows(actions, t.act_dim(), device),
        }
    }
}

/// The targets P\[right\] `[pairs, 1]` of answers.
pub fn targets<B: Backend>(batch: &[Preference], device: &B::Device) -> Tensor<B, 2> {
    rows(batch.iter().map(|p| p.label.target()).collect(), 1, device)
}
