//! A transformer that judges segments, and learns to from preferences: the reward of Preference Transformer
//! and the predictor of DPPO.
//!
//! A step is two tokens, its action and then its state, so that the state's token sees both. From what comes
//! out there, x_t, either
//! - the preference attention layer: q_t, k_t, r̂_t affine in x_t, z_t = Σ_j softmax_j(q_t·k_j) r̂_j over all
//!   steps, without the division by √d, which the code makes by the width of r̂, 1; or
//! - a perceptron of half the width: r̂_t, and z_t = r̂_t.
//!
//! A segment's score is the mean of z_t, and P\[right\] = σ(score(right) − score(left)).
//!
//! Deviations from the code: padding does not enter the mean (there it does, in DPPO); observations are
//! scaled; actions are not clipped to ±0.999.

use burn::tensor::{Tensor, activation};
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::contrastive::agreement;
use super::sequence::{Style, Trunk, Windows, tokens};
use super::shared::Figures;
use crate::config::{Checks, Setup, Tier};
use crate::device::Compute;
use crate::nets::{Inner, log_sigmoid};
use crate::parameters::{AdamW, Decay, Parameters};
use crate::replay::Dims;
use crate::state::{State, StateError};
use crate::transformer::{Transform, TransformerConfig};

/// Settings of the model and of its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferenceConfig {
    /// The transformer.
    pub transformer: TransformerConfig,
    /// Passes over all answers.
    pub epochs: usize,
    /// Answers per gradient step.
    pub batch: usize,
    /// AdamW's learning rate at the start and at the end; it rises to ten times that over the first tenth of
    /// the training and falls as a cosine.
    pub lr: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

impl PreferenceConfig {
    /// The code's defaults, which are both papers', for the 500 answers they are made for; or what one core trains
    /// in minutes. Meta-World's 10,000 answers take as many gradient steps.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let (full, meta) = (setup.tier == Tier::Full, setup.family == "metaworld");
        Self {
            transformer: TransformerConfig {
                width: if full { 256 } else { 64 },
                layers: 1,
                heads: 4,
                dropout: 0.1,
            },
            epochs: match (setup.tier, meta) {
                (Tier::Full, true) => 500,
                (Tier::Full, false) => 10_000,
                (Tier::Short, true) => 10,
                (Tier::Short, false) => 30,
                (Tier::Smoke, _) => 20,
            },
            batch: if full { 256 } else { 32 },
            lr: 1e-4,
            weight_decay: 1e-4,
        }
    }

    pub(crate) fn check(&self, c: &mut Checks) {
        self.transformer.check("preference.transformer", c);
        c.at_least("preference.epochs", self.epochs, 1);
        c.at_least("preference.batch", self.batch, 1);
        c.positive("preference.lr", self.lr);
        c.within("preference.weight_decay", self.weight_decay, 0.0, 1.0);
    }

    /// Gradient steps for this many answers.
    pub fn steps(&self, answers: usize) -> usize {
        self.epochs * answers.div_ceil(self.batch)
    }

    /// The learning rate of step `done` of `total`.
    fn rate(&self, done: u64, total: u64) -> f64 {
        let warmup = total / 10;
        let share = if done < warmup {
            done as f64 / warmup as f64
        } else {
            let gone = (done - warmup) as f64 / (total - warmup).max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * gone.min(1.0)).cos())
        };
        self.lr * (1.0 + 9.0 * share)
    }
}

/// What makes a score of what comes out of the transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The preference attention layer.
    Attention,
    /// A perceptron for each step.
    Perceptron,
}

/// The model and its optimiser.
pub(crate) struct PreferenceModel<A: Compute> {
    config: PreferenceConfig,
    head: Head,
    trunk: Trunk,
    pub parameters: Parameters<Inner<A>>,
    adam: AdamW<Inner<A>>,
    steps: u64,
    /// Gradient steps of its training.
    pub total: u64,
    figures: Figures<A>,
}

impl<A: Compute> PreferenceModel<A> {
    /// Fresh, for segments of at most `longest` steps. If it is `causal`, a step knows none after it.
    pub fn new(
        config: PreferenceConfig,
        (head, causal): (Head, bool),
        (dims, longest): (Dims, usize),
        rng: &mut Stream,
        device: &A::Device,
    ) -> Self {
        let mut parameters = Parameters::new(device);
        let trunk = Trunk::new(
            "trunk",
            config.transformer.shape(causal, true),
            (&["action", "state"], &[dims.act, dims.obs]),
            longest + 1,
            Style::Flax,
            (&mut parameters, rng),
        );
        let (d, flax) = (config.transformer.width, Style::Flax.linear());
        match head {
            Head::Attention => {
                parameters.add_linear("attention", (d, 2 * d + 1), flax, rng);
            }
            Head::Perceptron => {
                parameters.add_linear("hidden", (d, d / 2), flax, rng);
                parameters.add_linear("score", (d / 2, 1), flax, rng);
            }
        }
        Self {
            adam: AdamW::new(config.weight_decay, Decay::Decoupled, &parameters),
            config,
            head,
            trunk,
            parameters,
            steps: 0,
            total: 1,
            figures: Figures::new(&[
                "preference.loss",
                "preference.accuracy",
                "preference.smooth",
            ]),
        }
    }

    /// r̂_t and z_t of each step `[batch, steps]`.
    pub fn judge<B: Transform>(
        &self,
        p: &Parameters<B>,
        w: Windows<B>,
        dropout: Option<u64>,
    ) -> [Tensor<B, 2>; 2] {
        let frame = w.frame;
        let (n, steps) = (frame.batch, frame.steps);
        let y = self
            .trunk
            .forward(p, vec![w.action, w.state], &frame, dropout);
        let x = tokens(&y, 1);
        match self.head {
            Head::Perceptron => {
                let r = p.linear("score", activation::relu(p.linear("hidden", x)));
                let r = r.reshape([n, steps]);
                [r.clone(), r]
            }
            Head::Attention => {
                let x = p.linear("attention", x);
                let each = (x.dims()[1] - 1) / 2;
                let part = |from: usize, width: usize| {
                    x.clone().narrow(1, from, width).reshape([n, steps, width])
                };
                let (q, k, r) = (part(0, each), part(each, each), part(2 * each, 1));
                let mut scores = q.matmul(k.swap_dims(1, 2));
                if frame.valid.is_some() {
                    let (mask, _) = frame.mask::<B>(p.device());
                    scores = scores + ((mask - 1.0) * 1e9).reshape([n, 1, steps]);
                }
                let z = activation::softmax(scores, 2).matmul(r.clone());
                [r.reshape([n, steps]), z.reshape([n, steps])]
            }
        }
    }

    /// The mean of z_t over the steps of each window `[batch, 1]`.
    pub fn scores<B: Transform>(
        &self,
        p: &Parameters<B>,
        w: Windows<B>,
        dropout: Option<u64>,
    ) -> Tensor<B, 2> {
        let (n, steps) = (w.frame.batch, w.frame.steps);
        let (mask, _) = w.frame.mask::<B>(p.device());
        let mask = mask.reshape([n, steps]);
        let [_, z] = self.judge(p, w, dropout);
        (z * mask.clone()).sum_dim(1) / mask.sum_dim(1)
    }

    /// One gradient step on pairs with targets P\[right\] `[pairs, 1]`, and on `smooth`, if given: two windows
    /// each whose scores should be alike, and ν. The loss is
    /// L = E[−y log P\[right\] − (1 − y) log P\[left\]] + ν E[(score(σ) − score(σ′))²].
    pub fn step(
        &mut self,
        [left, right]: [Windows<Inner<A>>; 2],
        y: Tensor<Inner<A>, 2>,
        smooth: Option<([Windows<Inner<A>>; 2], f64)>,
        rng: &mut Stream,
    ) {
        let dropped = self.config.transformer.dropout > 0.0;
        let p = Parameters::<A>::tracked(&self.parameters);
        let mut score = |w: Windows<Inner<A>>| {
            let seed = dropped.then(|| rng.key());
            self.scores(&p, w.lifted::<A>(), seed)
        };
        let margin = score(right) - score(left);
        let smoothness = smooth.map(|([one, two], nu)| {
            let square = (score(one) - score(two)).square().mean();
            (square, nu)
        });
        let agreed = agreement(margin.clone().inner(), y.clone());
        let y = Tensor::<A, 2>::from_inner(y);
        let not_y = y.clone().neg() + 1.0;
        let log_p = y * log_sigmoid(margin.clone()) + not_y * log_sigmoid(margin.neg());
        let mut loss = log_p.mean().neg();
        let mut figures = vec![loss.clone().inner(), agreed];
        match smoothness {
            Some((square, nu)) => {
                figures.push(square.clone().inner());
                loss = loss + square * nu;
            }
            None => figures.push(Tensor::zeros([1], self.parameters.device())),
        }
        let mut grads = loss.backward();
        let grads = p.take_grads(&mut grads);
        let lr = self.config.rate(self.steps, self.total);
        self.adam.step::<A>(&mut self.parameters, grads, lr);
        self.steps += 1;
        self.figures.set(figures);
    }

    /// Whether its training is over.
    pub fn done(&self) -> bool {
        self.steps >= self.total
    }

    /// Gradient steps so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Figures of the latest step.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.figures.metrics()
    }

    /// Writes parameters, optimiser and progress.
    pub fn save(&self, state: &mut State) {
        self.parameters.save("preference", state);
        self.adam.save("preference.adam", state);
        state.put_json("preference.steps", &(self.steps, self.total));
        self.figures.save("preference.figures", state);
    }

    /// Reads what [`PreferenceModel::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.parameters.load("preference", state)?;
        self.adam.load("preference.adam", state)?;
        (self.steps, self.total) = state.get_json("preference.steps")?;
        let device = self.parameters.device().clone();
        self.figures.load("preference.figures", state, &device)
    }
}
