//! DPPO: a policy nearer to what a preference predictor ranks higher, without a reward.
//!
//! An et al., "Direct Preference-based Policy Optimization without Reward Modeling" (NeurIPS 2023, arXiv
//! 2301.12842; github.com/snu-mllab/DPPO at bce1756, `learner.py`, `JaxPref/PrefTransformer.py`,
//! `JaxPref/dataset_utils.py`). A run has two stages, each of gradient steps:
//!
//! 1. the predictor, a [`PreferenceModel`] that is not causal:
//!    L = E[−log P(preferred)] + ν E[(score(σ) − score(σ′))²], σ′ the window that begins round(N(0, m²)) steps
//!    later in the same episode; half of the σ are labelled segments;
//! 2. a deterministic policy μ(s) = tanh(MLP(s)), on windows sorted by their scores, the best first. With the
//!    distance d(σ) = E_t ‖μ(s_t) − a_t‖₂ / 2:
//!    L = −E_{i<j} log[e^{−d_i/T} / (e^{−d_i/T} + e^{−λ d_j/T})].
//!
//! Windows are as long as a segment or as their episode allows. Deviations: those of [`super::preference`];
//! windows are drawn with replacement.

use burn::tensor::Tensor;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::preference::{Head, PreferenceConfig, PreferenceModel};
use super::pt::{answers, need_segment};
use super::reward_stage::need_steps;
use super::segments::Passes;
use super::sequence::{Span, Windows};
use super::shared::{Figures, Memory, act};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::{Init, Inner, log_sigmoid};
use crate::state::{State, StateError};

/// Windows in one pass through the predictor when nothing is learnt.
const CHUNK: usize = 64;

/// Settings of DPPO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DppoConfig {
    /// The predictor.
    pub preference: PreferenceConfig,
    /// Steps of the longest segment that can be asked about.
    pub segment: usize,
    /// Weight ν of smoothness.
    pub smoothness: f64,
    /// Deviation m of the shift between windows that should score alike, in steps.
    pub shift: f64,
    /// The policy.
    pub actor: ActorConfig,
    /// Windows per update of the policy.
    pub batch: usize,
    /// Weight λ of the worse window's distance.
    pub lambda: f64,
    /// Temperature T.
    pub temperature: f64,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
}

impl DppoConfig {
    /// Defaults for a tier. ν and m are ours: the paper's differ by task.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        Self {
            preference: PreferenceConfig::defaults(setup),
            segment: 100,
            smoothness: 1.0,
            shift: 20.0,
            actor: ActorConfig {
                hidden: if full { vec![256; 2] } else { vec![128; 2] },
                init: Init::Orthogonal,
                dropout: 0.0,
                lr: if full { 3e-4 } else { 1e-3 },
            },
            batch: if full { 256 } else { 32 },
            // Where λ is 1, as the code's is unless its command says otherwise, nothing asks the policy to stay near
            // the data, and both distances may grow.
            lambda: 0.1,
            temperature: 0.1,
            scale_observations: !full,
        }
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 4_000,
        Tier::Short => 20_000,
        Tier::Full => 1_000_000,
    }
}

impl OfflineConfig for DppoConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.preference.check(c);
            c.at_least("segment", self.segment, 1);
            c.within("smoothness", self.smoothness, 0.0, LARGEST);
            c.within("shift", self.shift, 0.0, LARGEST);
            self.actor.check(c);
            c.at_least("batch", self.batch, 2);
            c.within("lambda", self.lambda, 0.0, LARGEST);
            c.positive("temperature", self.temperature);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        let steps = self.preference.steps(data.preferences().len());
        need_steps(b.total_steps, steps)?;
        need_segment("agent.segment", self.segment, &data)?;
        let init = &mut Stream::new(b.seed, "init");
        let sizes = (b.dims, self.segment);
        let config = self.preference.clone();
        let mut model =
            PreferenceModel::new(config, (Head::Perceptron, false), sizes, init, &device);
        model.total = steps as u64;
        Ok(Box::new(Dppo::<A> {
            id,
            memory: Memory::new(&data, self.scale_observations),
            actor: Actor::new(&self.actor, Density::Squared, b.dims, init, &device),
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            scores: Vec::new(),
            figures: Figures::new(&["dppo.loss", "dppo.distance"]),
            config: self,
            device,
            data,
            model,
        }))
    }
}

/// The learner.
struct Dppo<A: Compute> {
    id: &'static str,
    config: DppoConfig,
    device: A::Device,
    data: OfflineData,
    memory: Memory,
    model: PreferenceModel<A>,
    actor: Actor<A>,
    passes: Passes,
    /// The score of the window that ends at each transition, once the predictor is trained.
    scores: Vec<f32>,
    stream: Stream,
    figures: Figures<A>,
}

/// −E_{i<j} log[e^{−d_i/T} / (e^{−d_i/T} + e^{−λ d_j/T})] of distances `[n, 1]`, the best window's first.
pub(crate) fn contrast<A: Compute>(d: Tensor<A, 2>, lambda: f64, temperature: f64) -> Tensor<A, 1> {
    let n = d.dims()[0];
    let d = d / temperature;
    // Row i, column j: λ d_j − d_i.
    let margin = (d.clone() * lambda).transpose() - d;
    let above: Vec<f32> = (0..n * n)
        .map(|at| f32::from(u8::from(at / n < at % n)))
        .collect();
    let above = burn::tensor::TensorData::new(above, [n, n]);
    let above = Tensor::<A, 2>::from_data(above, &margin.device());
    (log_sigmoid(margin) * above).sum().neg() / (n * (n - 1) / 2) as f64
}

/// d(σ) `[n, 1]` of windows from log π = −‖μ(s) − a‖² `[n · steps, 1]`, padding apart.
pub(crate) fn distance<A: Compute>(
    log_prob: Tensor<A, 2>,
    mask: Tensor<A, 2>,
    n: usize,
) -> Tensor<A, 2> {
    let steps = log_prob.dims()[0] / n;
    // The root's gradient has no bound at 0.
    let norm = (log_prob.neg() + 1e-12).sqrt() * 0.5;
    let mask = mask.reshape([n, steps]);
    (norm.reshape([n, steps]) * mask.clone()).sum_dim(1) / mask.sum_dim(1)
}

impl<A: Compute> Dppo<A> {
    fn windows(&self, spans: &[Span], steps: usize) -> Windows<Inner<A>> {
        let t = self.data.trajectories();
        Windows::of(t, spans, steps, &self.memory.scale, &self.device)
    }

    /// Pairs of windows, a shift apart, as many as `2 · size`.
    fn alike(&mut self, size: usize, len: usize) -> [Vec<Span>; 2] {
        let (t, answers) = (self.data.trajectories(), self.data.preferences());
        let rng = &mut self.stream;
        let mut both = [Vec::new(), Vec::new()];
        for k in 0..2 * size {
            let end = if k < size {
                let pair = answers[rng.below(answers.len())].pair;
                let segment = if rng.chance(0.5) {
                    pair.left
                } else {
                    pair.right
                };
                let span = Span::of(t, segment, 1);
                span.start + span.len - 1
            } else {
                rng.below(t.len())
            };
            let shift = (f64::from(rng.normal()) * self.config.shift).round() as i64;
            let e = t.episodes()[t.episode_of(end)];
            let other = (end as i64 + shift).clamp(e.start as i64, (e.start + e.len - 1) as i64);
            both[0].push(Span::until(t, end, len, 1));
            both[1].push(Span::until(t, other as usize, len, 1));
        }
        both
    }

    fn learn_predictor(&mut self) -> Result<(), LearnError> {
        let len = self.data.segment_len()?;
        let pass = (&mut self.passes, self.config.preference.batch);
        let (sides, y) = answers::<A>(
            &self.data,
            &self.memory,
            pass,
            &mut self.stream,
            &self.device,
        )?;
        let smooth = (self.config.smoothness > 0.0).then(|| {
            let alike = self.alike(sides[0].frame.batch.div_ceil(2), len);
            let windows = alike.map(|spans| self.windows(&spans, len));
            (windows, self.config.smoothness)
        });
        self.model.step(sides, y, smooth, &mut self.stream);
        if self.model.done() {
            let t = self.data.trajectories();
            let ends: Vec<Span> = (0..t.len()).map(|i| Span::until(t, i, len, 1)).collect();
            for chunk in ends.chunks(CHUNK) {
                let scores =
                    self.model
                        .scores(&self.model.parameters, self.windows(chunk, len), None);
                self.scores.extend(scores.into_data().iter::<f32>());
            }
        }
        Ok(())
    }
}

impl<A: Compute> Policy for Dppo<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.actor, &self.memory.scale, observation, action);
    }
}

impl<A: Compute> Learner for Dppo<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        if self.scores.is_empty() {
            return self.learn_predictor();
        }
        let (t, len) = (self.data.trajectories(), self.data.segment_len()?);
        let draw = |_| self.stream.below(t.len());
        let mut ends: Vec<usize> = (0..self.config.batch).map(draw).collect();
        ends.sort_by(|&a, &b| self.scores[b].total_cmp(&self.scores[a]));
        let spans: Vec<Span> = ends.iter().map(|&i| Span::until(t, i, len, 1)).collect();
        let w = self.windows(&spans, len);
        let (n, (mask, _)) = (ends.len(), w.frame.mask::<A>(&self.device));
        let rows = n * len;
        let (state, action) = (
            w.state.reshape([rows, t.obs_dim()]),
            w.action.reshape([rows, t.act_dim()]),
        );
        let (lambda, temperature) = (self.config.lambda, self.config.temperature);
        let mut mean = None;
        let loss = |log_prob: Tensor<A, 2>| {
            let d = distance(log_prob, mask, n);
            mean = Some(d.clone().inner().mean());
            contrast(d, lambda, temperature)
        };
        let loss = self.actor.step(state, action, &mut self.stream, loss);
        self.figures
            .set([Some(loss), mean].into_iter().flatten().collect());
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut out = self.figures.metrics();
        out.extend(self.model.metrics());
        out
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.model.save(&mut state);
        self.actor.save("actor", &mut state);
        self.memory.scale.save(&mut state);
        state.put_column("scores", &[self.scores.len()], &self.scores);
        state.put_json("progress", &(&self.passes, &self.stream));
        self.figures.save("dppo.figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.model.load(state)?;
        self.actor.load("actor", state)?;
        self.memory.scale.load(state)?;
        self.scores = state.get_flat("scores")?;
        (self.passes, self.stream) = state.get_json("progress")?;
        self.figures.load("dppo.figures", state, &self.device)
    }
}
