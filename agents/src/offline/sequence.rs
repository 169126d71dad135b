//! What the methods on transformers share: windows of episodes, and a transformer over their steps.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use prefbench_oracles::{Segment, Stream, Trajectories};

use super::shared::Scale;
use crate::device::Compute;
use crate::parameters::Parameters;
use crate::transformer::{Call, Shape, Transform, Weights};

/// Consecutive transitions of one episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first, counted over all episodes.
    pub start: usize,
    /// How many.
    pub len: usize,
    /// The time of the first, as the model counts it.
    pub time: usize,
}

impl Span {
    /// A segment, its time counted from `time`.
    pub fn of(t: &Trajectories, segment: Segment, time: usize) -> Self {
        let episode = &t.episodes()[segment.trajectory as usize];
        Self {
            start: episode.start + segment.start as usize,
            len: segment.len as usize,
            time,
        }
    }

    /// At most `most` transitions from `i` on, within its episode; time is that of the episode.
    pub fn from(t: &Trajectories, i: usize, most: usize) -> Self {
        Self::along(t, i, 0, most)
    }

    /// The same within its trajectory: `trajectory` transitions that follow a multiple of as many, whatever
    /// episodes they are of; the episode if that is 0.
    pub fn along(t: &Trajectories, i: usize, trajectory: usize, most: usize) -> Self {
        let (start, end) = match trajectory {
            0 => {
                let episode = &t.episodes()[t.episode_of(i)];
                (episode.start, episode.start + episode.len)
            }
            n => (i - i % n, (i - i % n).saturating_add(n).min(t.len())),
        };
        Self {
            start: i,
            len: most.min(end - i),
            time: i - start,
        }
    }

    /// At most `most` transitions up to `i`, within its episode; time starts at `time`.
    pub fn until(t: &Trajectories, i: usize, most: usize, time: usize) -> Self {
        let start = t.episodes()[t.episode_of(i)]
            .start
            .max((i + 1).saturating_sub(most));
        Self {
            start,
            len: i + 1 - start,
            time,
        }
    }
}

/// When the steps of windows are, and which of them are steps at all.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Windows.
    pub batch: usize,
    /// Steps of each, padding included.
    pub steps: usize,
    /// Time of each step.
    pub time: Vec<usize>,
    /// False for padding, which is on the left; `None` if there is none.
    pub valid: Option<Vec<bool>>,
}

impl Frame {
    /// Of spans, each padded to `steps`.
    pub fn new(spans: &[Span], steps: usize) -> Self {
        let (mut time, mut valid) = (Vec::new(), Vec::new());
        for span in spans {
            let missing = steps - span.len;
            time.extend((0..missing).map(|_| 0));
            time.extend(span.time..span.time + span.len);
            valid.extend((0..steps).map(|i| i >= missing));
        }
        Self {
            batch: spans.len(),
            steps,
            time,
            valid: valid.contains(&false).then_some(valid),
        }
    }

    /// 1 for steps and 0 for padding `[batch · steps, 1]`, and how many steps there are.
    pub fn mask<B: Backend>(&self, device: &B::Device) -> (Tensor<B, 2>, f64) {
        let all = self.batch * self.steps;
        let values: Vec<f32> = match &self.valid {
            None => vec![1.0; all],
            Some(valid) => valid.iter().map(|&v| f32::from(u8::from(v))).collect(),
        };
        let count = values.iter().map(|&v| f64::from(v)).sum();
        (
            Tensor::from_data(TensorData::new(values, [all, 1]), device),
            count,
        )
    }

    /// Rows of `width` numbers a step, padded with 0; `row` appends that of a transition.
    pub fn gather<B: Backend>(
        &self,
        spans: &[Span],
        width: usize,
        device: &B::Device,
        mut row: impl FnMut(usize, &mut Vec<f32>),
    ) -> Tensor<B, 3> {
        let mut rows = Vec::with_capacity(self.batch * self.steps * width);
        for span in spans {
            rows.resize(rows.len() + (self.steps - span.len) * width, 0.0);
            (span.start..span.start + span.len).for_each(|i| row(i, &mut rows));
        }
        Tensor::from_data(
            TensorData::new(rows, [self.batch, self.steps, width]),
            device,
        )
    }
}

/// Windows with their observations (scaled) and actions.
pub struct Windows<B: Backend> {
    /// Times and padding.
    pub frame: Frame,
    /// `[batch, steps, obs]`
    pub state: Tensor<B, 3>,
    /// `[batch, steps, act]`
    pub action: Tensor<B, 3>,
}

impl<B: Backend> Windows<B> {
    /// Of spans, each padded to `steps`.
    pub fn of(
        t: &Trajectories,
        spans: &[Span],
        steps: usize,
        scale: &Scale,
        device: &B::Device,
    ) -> Self {
        let frame = Frame::new(spans, steps);
        let state = frame.gather(spans, t.obs_dim(), device, |i, rows| {
            rows.extend_from_slice(t.observation(i));
            let from = rows.len() - t.obs_dim();
            scale.apply(&mut rows[from..]);
        });
        let action = frame.gather(spans, t.act_dim(), device, |i, rows| {
            rows.extend_from_slice(t.action(i));
        });
        Self {
            frame,
            state,
            action,
        }
    }
}

impl<B: Backend> Windows<B> {
    /// The same as constants of an autodiff graph.
    pub fn lifted<A: Compute<InnerBackend = B>>(self) -> Windows<A> {
        Windows {
            frame: self.frame,
            state: Tensor::from_inner(self.state),
            action: Tensor::from_inner(self.action),
        }
    }
}

/// A transformer over steps, each of several tokens: an affine layer for each kind of token, to which an
/// embedding of time is added. The names of its parameters begin with its own.
#[derive(Clone, Debug)]
pub struct Trunk {
    name: &'static str,
    shape: Arc<Shape>,
    kinds: &'static [&'static str],
    /// The kind of token, if there is one, that is the same at all times.
    timeless: Option<&'static str>,
    times: usize,
}

/// How the parameters outside the blocks are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// PyTorch's linear layers and N(0, 1) for times, GPT-2's blocks.
    Torch,
    /// Flax's defaults throughout.
    Flax,
}

impl Style {
    /// Of affine layers.
    pub fn linear(self) -> Option<Weights> {
        match self {
            Style::Torch => None,
            Style::Flax => Some(Weights::Lecun),
        }
    }
}

impl Trunk {
    /// Adds its parameters. `kinds` are the tokens of a step in their order, of `widths` numbers each;
    /// times are below `times`, and those beyond count as the last.
    pub fn new<B: Backend>(
        name: &'static str,
        shape: Shape,
        (kinds, widths): (&'static [&'static str], &[usize]),
        times: usize,
        style: Style,
        (parameters, rng): (&mut Parameters<B>, &mut Stream),
    ) -> Self {
        let d = shape.width;
        for (kind, &width) in kinds.iter().zip(widths) {
            parameters.add_linear(&format!("{name}.{kind}"), (width, d), style.linear(), rng);
        }
        let mut table = vec![0.0; times * d];
        rng.fill_normal(&mut table);
        let blocks = match style {
            Style::Torch => Weights::Gpt,
            Style::Flax => {
                let std = 1.0 / (d as f32).sqrt();
                table.iter_mut().for_each(|x| *x *= std);
                Weights::Lecun
            }
        };
        parameters.add(&format!("{name}.time"), &[times, d], table);
        let values = shape.draw(blocks, rng);
        parameters.add(&format!("{name}.blocks"), &[shape.numbers()], values);
        Self {
            name,
            shape: Arc::new(shape),
            kinds,
            timeless: None,
            times,
        }
    }

    /// Tokens of this kind have no embedding of time.
    pub fn without_time(self, kind: &'static str) -> Self {
        Self {
            timeless: Some(kind),
            ..self
        }
    }

    /// Outputs `[batch, steps, kinds, width]` for the tokens' inputs `[batch, steps, ·]`, one a kind;
    /// `dropout` is the seed of what is dropped, if anything is.
    pub fn forward<B: Transform>(
        &self,
        p: &Parameters<B>,
        inputs: Vec<Tensor<B, 3>>,
        frame: &Frame,
        dropout: Option<u64>,
    ) -> Tensor<B, 4> {
        let (name, d, kinds) = (self.name, self.shape.width, self.kinds.len());
        let (batch, steps) = (frame.batch, frame.steps);
        let times: Vec<i64> = frame
            .time
            .iter()
            .map(|&t| t.min(self.times - 1) as i64)
            .collect();
        let times = TensorData::new(times, [batch * steps]);
        let times = Tensor::<B, 1, Int>::from_data(times, p.device());
        let time = p.get::<2>(&format!("{name}.time")).select(0, times);
        let tokens = self.kinds.iter().zip(inputs).map(|(kind, x)| {
            let width = x.dims()[2];
            let x = x.reshape([batch * steps, width]);
            let token = p.linear(&format!("{name}.{kind}"), x);
            match self.timeless == Some(*kind) {
                true => token,
                false => token + time.clone(),
            }
        });
        let tokens = Tensor::stack::<3>(tokens.collect(), 1).reshape([batch, steps * kinds, d]);
        let each = |v: &Vec<bool>| {
            v.iter()
                .flat_map(|&v| std::iter::repeat_n(v, kinds))
                .collect()
        };
        let call = Call {
            valid: frame.valid.as_ref().map(each),
            dropout,
        };
        let y = B::transform(&self.shape, tokens, p.get(&format!("{name}.blocks")), &call);
        y.reshape([batch, steps, kinds, d])
    }
}

/// The outputs `[batch · steps, width]` at the tokens of one kind.
pub fn tokens<B: Backend>(y: &Tensor<B, 4>, kind: usize) -> Tensor<B, 2> {
    let [batch, steps, _, d] = y.dims();
    y.clone().narrow(2, kind, 1).reshape([batch * steps, d])
}

/// What a policy with a memory saw and did since an episode began, at most the last `most` steps.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Observations, scaled; that of now included.
    pub states: Vec<Vec<f32>>,
    /// Actions before now.
    pub actions: Vec<Vec<f32>>,
    /// Time of now.
    pub time: usize,
}

impl History {
    /// Another observation; forgets what is older than `most` steps.
    pub fn see(&mut self, observation: &[f32], scale: &Scale, most: usize) {
        if !self.states.is_empty() {
            self.time += 1;
        }
        let mut state = observation.to_vec();
        scale.apply(&mut state);
        self.states.push(state);
        if self.states.len() > most {
            self.states.remove(0);
            self.actions.remove(0);
        }
    }

    /// `copies` windows of it; the action of now is 0.
    pub fn windows<B: Backend>(&self, copies: usize, act: usize, device: &B::Device) -> Windows<B> {
        let steps = self.states.len();
        let span = Span {
            start: 0,
            len: steps,
            time: self.time + 1 - steps,
        };
        let spans = vec![span; copies];
        let frame = Frame::new(&spans, steps);
        let width = self.states[0].len();
        let state = frame.gather(&spans, width, device, |i, rows| {
            rows.extend(&self.states[i])
        });
        let action = frame.gather(&spans, act, device, |i, rows| match self.actions.get(i) {
            Some(action) => rows.extend(action),
            None => rows.resize(rows.len() + act, 0.0),
        });
        Windows {
            frame,
            state,
            action,
        }
    }
}

#[cfg(test)]
mod tests {
    use prefbench_oracles::{Columns, Ending, Episode};

    use super::*;

    /// Episodes of 3, 4 and 2 transitions.
    fn trajectories() -> Trajectories {
        let episode = |(start, len)| Episode {
            start,
            len,
            ending: Some(Ending::Terminated),
        };
        Trajectories::try_from(Columns {
            obs_dim: 1,
            act_dim: 1,
            observations: vec![0.0; 9 + 3],
            actions: vec![0.0; 9],
            rewards: vec![0.0; 9],
            episodes: [(0, 3), (3, 4), (7, 2)].map(episode).to_vec(),
        })
        .unwrap()
    }

    #[test]
    fn windows_end_with_their_trajectory() {
        let t = trajectories();
        let at = |i, trajectory, most| {
            let span = Span::along(&t, i, trajectory, most);
            (span.start, span.len, span.time)
        };
        assert_eq!(at(4, 0, 10), (4, 3, 1));
        assert_eq!(at(4, 0, 2), (4, 2, 1));
        // Trajectories of 5 transitions, over the ends of episodes; the last has 4.
        assert_eq!(at(2, 5, 10), (2, 3, 2));
        assert_eq!(at(2, 5, 2), (2, 2, 2));
        assert_eq!(at(5, 5, 10), (5, 4, 0));
        assert_eq!(at(8, 100, 10), (8, 1, 8));
        assert_eq!(Span::from(&t, 4, 10), Span::along(&t, 4, 0, 10));
    }
}
