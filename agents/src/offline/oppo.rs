//! OPPO: a policy conditioned on what it is to look like in hindsight, and the search for the best such
//! context.
//!
//! Kang et al., "Beyond Reward: Offline Preference-guided Policy Optimization" (ICML 2023, arXiv 2305.16217;
//! github.com/bkkgbkjb/OPPO at bf2efea, `oppo/human`, which learns from given answers as we do). An encoder
//! z = I_θ(τ) (BERT's blocks over states and actions, their outputs averaged over steps, times `pooled`), a policy π(a|s, z) (GPT-2's
//! blocks over z, s, a, as the Decision Transformer) and an optimal context z*. An update is:
//!
//! 1. every other time, encoder and policy on windows of the whole dataset, z from them and the policy's
//!    states with noise: L_HIM = E‖ŝ − s‖² + E‖â − a‖² (means over numbers);
//! 2. the encoder on both segments of `answers` answers, the policy fixed: L_HIM + `preference` L_PM + `norm` L_norm,
//!    L_PM = E max(0, ‖z* − z⁺‖ − ‖z* − z⁻‖ + m), m = 1, of a tie either way round and m = 0;
//!    L_norm = Σ_{left, right} E max(0, ‖z‖ − 1);
//! 3. z* on L_PM with z fixed.
//!
//! It acts on z*.
//!
//! Deviations: z is an average where the code has the sum, which is the same for windows of `pooled` steps.
//! Padding does not enter it; a token's embedding is normalised once (there, twice in the encoder); of a tie the mean over both ways, not
//! one; padded actions are 0, not −10; windows begin at any transition, as likely (there, in any episode); when
//! it acts, every step of its window has z*, not the last alone.

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::{Label, Preference, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::pt::need_segment;
use super::segments::Passes;
use super::sequence::{History, Span, Style, Trunk, Windows, tokens};
use super::shared::{Figures, Scale};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::Inner;
use crate::parameters::{AdamW, Decay, Parameters, clip};
use crate::replay::Dims;
use crate::state::{State, StateError};
use crate::transformer::{Transform, TransformerConfig};

/// Settings of OPPO.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OppoConfig {
    /// The encoder.
    pub encoder: TransformerConfig,
    /// The policy.
    pub transformer: TransformerConfig,
    /// Numbers in a context z.
    pub z: usize,
    /// Deviation of z* at first.
    pub z_init: f64,
    /// Steps of the policy's windows.
    pub context: usize,
    /// Control steps of an episode, at most: times that the models tell apart.
    pub horizon: usize,
    /// What the average over steps is multiplied by, in a context.
    pub pooled: f64,
    /// Windows per update of the policy.
    pub batch: usize,
    /// Answers per update.
    pub answers: usize,
    /// AdamW's learning rate for encoder and policy.
    pub lr: f64,
    /// Updates over which the policy's rate rises.
    pub warmup: u64,
    /// AdamW's learning rate for z*.
    pub z_lr: f64,
    /// Decoupled weight decay of all three.
    pub weight_decay: f64,
    /// Largest norm of a model's gradient.
    pub clip: f64,
    /// Weight of L_PM.
    pub preference: f64,
    /// Weight of L_norm.
    pub norm: f64,
    /// Deviation of the noise on the states that the policy is trained on.
    pub noise: f64,
}

impl OppoConfig {
    /// Defaults for a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        // As long as the segments of answers, so that the encoder, and the policy given what it says, see one length.
        let context = match setup.family {
            "metaworld" => 64,
            _ => 100,
        };
        let transformer = TransformerConfig {
            width: if full { 128 } else { 64 },
            layers: if full { 3 } else { 2 },
            heads: 2,
            dropout: 0.1,
        };
        Self {
            encoder: transformer.clone(),
            transformer,
            z: 16,
            z_init: if full { 1.0 } else { 0.1 },
            context,
            horizon: setup.horizon,
            pooled: if full { context as f64 } else { 1.0 },
            batch: if full { 64 } else { 16 },
            answers: match setup.tier {
                Tier::Full => 64,
                Tier::Short => 8,
                Tier::Smoke => 4,
            },
            lr: if full { 1e-4 } else { 1e-3 },
            warmup: steps(setup) / 10,
            z_lr: 1e-2,
            weight_decay: 1e-4,
            clip: 0.25,
            preference: 10.0,
            norm: 0.1,
            noise: 0.1,
        }
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 1_500,
        Tier::Short => 4_000,
        Tier::Full => 100_000,
    }
}

impl OfflineConfig for OppoConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.encoder.check("encoder", c);
            self.transformer.check("transformer", c);
            c.at_least("z", self.z, 1);
            c.within("z_init", self.z_init, 0.0, LARGEST);
            c.at_least("context", self.context, 1);
            c.at_least("horizon", self.horizon, 1);
            c.positive("pooled", self.pooled);
            c.at_least("batch", self.batch, 1);
            c.at_least("answers", self.answers, 1);
            c.positive("lr", self.lr);
            c.at_least("warmup", self.warmup as usize, 1);
            c.positive("z_lr", self.z_lr);
            c.within("weight_decay", self.weight_decay, 0.0, 1.0);
            c.positive("clip", self.clip);
            c.within("preference", self.preference, 0.0, LARGEST);
            c.within("norm", self.norm, 0.0, LARGEST);
            c.within("noise", self.noise, 0.0, LARGEST);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        need_segment("agent.horizon", self.horizon, &data)?;
        let init = &mut Stream::new(b.seed, "init");
        Ok(Box::new(OppoLearner::<A> {
            id,
            scale: Scale::chosen(data.trajectories(), true),
            models: Oppo::new(self, b.dims, init, device),
            data,
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            history: History::default(),
        }))
    }
}

/// Encoder, policy and context, with their optimisers.
pub(crate) struct Oppo<A: Compute> {
    config: OppoConfig,
    dims: Dims,
    device: A::Device,
    encoder_trunk: Trunk,
    policy_trunk: Trunk,
    pub encoder: Parameters<Inner<A>>,
    pub policy: Parameters<Inner<A>>,
    /// z*, alone.
    pub context: Parameters<Inner<A>>,
    encoder_adam: AdamW<Inner<A>>,
    policy_adam: AdamW<Inner<A>>,
    context_adam: AdamW<Inner<A>>,
    steps: u64,
    figures: Figures<A>,
}

impl<A: Compute> Oppo<A> {
    pub fn new(config: OppoConfig, dims: Dims, rng: &mut Stream, device: A::Device) -> Self {
        let [mut encoder, mut policy, mut context] = [(); 3].map(|()| Parameters::new(&device));
        let encoder_trunk = Trunk::new(
            "encoder",
            config.encoder.shape(false, false),
            (&["state", "action"], &[dims.obs, dims.act]),
            config.horizon,
            Style::Torch,
            (&mut encoder, rng),
        );
        encoder.add_linear("z", (config.encoder.width, config.z), None, rng);
        let policy_trunk = Trunk::new(
            "policy",
            config.transformer.shape(true, true),
            (&["z", "state", "action"], &[config.z, dims.obs, dims.act]),
            config.horizon,
            Style::Torch,
            (&mut policy, rng),
        )
        .without_time("z");
        let width = config.transformer.width;
        policy.add_linear("predict_state", (width, dims.obs), None, rng);
        policy.add_linear("predict_action", (width, dims.act), None, rng);
        let mut z = vec![0.0; config.z];
        rng.fill_normal(&mut z);
        let scale = config.z_init as f32;
        context.add("z", &[1, config.z], z.iter().map(|z| scale * z).collect());
        let adam = |p: &Parameters<_>| AdamW::new(config.weight_decay, Decay::Decoupled, p);
        Self {
            encoder_adam: adam(&encoder),
            policy_adam: adam(&policy),
            context_adam: adam(&context),
            config,
            dims,
            device,
            encoder_trunk,
            policy_trunk,
            encoder,
            policy,
            context,
            steps: 0,
            figures: Figures::new(&["oppo.him_loss", "oppo.preference_loss", "oppo.norm"]),
        }
    }

    /// z `[batch, z]` of windows.
    fn encode<B: Transform>(
        &self,
        p: &Parameters<B>,
        w: &Windows<B>,
        dropout: Option<u64>,
    ) -> Tensor<B, 2> {
        let inputs = vec![w.state.clone(), w.action.clone()];
        let y = self.encoder_trunk.forward(p, inputs, &w.frame, dropout);
        let (n, steps) = (w.frame.batch, w.frame.steps);
        let (mask, _) = w.frame.mask::<B>(p.device());
        let mask = mask.reshape([n, steps, 1]);
        let y = y.sum_dim(2).reshape([n, steps, self.config.encoder.width]);
        let mean = (y * mask.clone()).sum_dim(1) / mask.sum_dim(1);
        let pooled = mean.reshape([n, self.config.encoder.width]) * self.config.pooled;
        p.linear("z", pooled)
    }

    /// ŝ and â `[batch · steps, ·]` for contexts `[batch, z]`.
    fn predict<B: Transform>(
        &self,
        p: &Parameters<B>,
        z: Tensor<B, 2>,
        w: &Windows<B>,
        dropout: Option<u64>,
    ) -> [Tensor<B, 2>; 2] {
        let z = z
            .reshape([w.frame.batch, 1, self.config.z])
            .repeat_dim(1, w.frame.steps);
        let inputs = vec![z, w.state.clone(), w.action.clone()];
        let y = self.policy_trunk.forward(p, inputs, &w.frame, dropout);
        let state = p.linear("predict_state", tokens(&y, 2));
        [state, p.linear("predict_action", tokens(&y, 1)).tanh()]
    }

    /// L_HIM of windows; the policy sees `seen`.
    fn him(
        &self,
        p: &Parameters<A>,
        (z, w, seen): (Tensor<A, 2>, &Windows<A>, &Windows<A>),
        dropout: Option<u64>,
    ) -> Tensor<A, 1> {
        let [s_hat, a_hat] = self.predict(p, z, seen, dropout);
        let (mask, count) = w.frame.mask::<A>(&self.device);
        let (rows, d) = (w.frame.batch * w.frame.steps, self.dims);
        let mean = |error: Tensor<A, 2>, width: usize| {
            (error.square() * mask.clone()).sum() / (count * width as f64)
        };
        let state = mean(s_hat - w.state.clone().reshape([rows, d.obs]), d.obs);
        // There, the state's term is a mean over padding too.
        state + mean(a_hat - w.action.clone().reshape([rows, d.act]), d.act)
    }

    /// Step 1 of the update: `noise` `[batch, steps, obs]` is added to the states that the policy sees.
    pub fn imitate(&mut self, w: Windows<Inner<A>>, noise: Vec<f32>, rng: &mut Stream) {
        let w = w.lifted::<A>();
        let noise = TensorData::new(noise, w.state.dims());
        let seen = Windows {
            state: w.state.clone() + Tensor::from_data(noise, &self.device),
            action: w.action.clone(),
            frame: w.frame.clone(),
        };
        let encoder = Parameters::<A>::tracked(&self.encoder);
        let policy = Parameters::<A>::tracked(&self.policy);
        let z = self.encode(&encoder, &w, self.dropout(rng));
        let loss = self.him(&policy, (z, &w, &seen), self.dropout(rng));
        let mut grads = loss.backward();
        let mut of_encoder = encoder.take_grads(&mut grads);
        let mut of_policy = policy.take_grads(&mut grads);
        clip(&mut of_encoder, self.config.clip);
        clip(&mut of_policy, self.config.clip);
        let risen = ((self.steps + 1) as f64 / self.config.warmup as f64).min(1.0);
        self.encoder_adam
            .step::<A>(&mut self.encoder, of_encoder, self.config.lr);
        self.policy_adam
            .step::<A>(&mut self.policy, of_policy, self.config.lr * risen);
    }

    /// Steps 2 and 3 of the update, on both segments of each answer.
    pub fn prefer(&mut self, w: Windows<Inner<A>>, labels: &[Label], rng: &mut Stream) {
        let w = w.lifted::<A>();
        let encoder = Parameters::<A>::tracked(&self.encoder);
        let policy = Parameters::<A>::frozen(&self.policy);
        let z = self.encode(&encoder, &w, self.dropout(rng));
        let anchor = Tensor::<A, 2>::from_inner(self.context.get::<2>("z"));
        let preference = triplet(anchor, z.clone(), labels);
        let norm = burn::tensor::activation::relu(length(z.clone()) - 1.0).mean() * 2.0;
        // The means over left and over right add up.
        let him = self.him(&policy, (z, &w, &w), self.dropout(rng)) * 2.0;
        let loss = him.clone()
            + preference.clone() * self.config.preference
            + norm.clone() * self.config.norm;
        let mut grads = loss.backward();
        let mut grads = encoder.take_grads(&mut grads);
        clip(&mut grads, self.config.clip);
        self.encoder_adam
            .step::<A>(&mut self.encoder, grads, self.config.lr);
        self.figures
            .set(vec![him.inner(), preference.inner(), norm.inner()]);

        let encoder = Parameters::<A>::frozen(&self.encoder);
        let z = self.encode(&encoder, &w, self.dropout(rng));
        let context = Parameters::<A>::tracked(&self.context);
        let loss = triplet(context.get::<2>("z"), z, labels);
        let mut grads = loss.backward();
        let grads = context.take_grads(&mut grads);
        self.context_adam
            .step::<A>(&mut self.context, grads, self.config.z_lr);
        self.steps += 1;
    }

    /// Figures of the latest update.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.figures.metrics()
    }

    fn dropout(&self, rng: &mut Stream) -> Option<u64> {
        let some = self.config.encoder.dropout > 0.0 || self.config.transformer.dropout > 0.0;
        some.then(|| rng.key())
    }
}

/// ‖x‖₂ of rows `[rows, 1]`, the root kept away from 0, where its gradient has no bound.
fn length<A: Compute>(x: Tensor<A, 2>) -> Tensor<A, 2> {
    (x.square().sum_dim(1) + 1e-12).sqrt()
}

/// L_PM for an anchor `[1, z]` and contexts `[2 · answers, z]`, all left ones before all right ones.
pub(crate) fn triplet<A: Compute>(
    anchor: Tensor<A, 2>,
    z: Tensor<A, 2>,
    labels: &[Label],
) -> Tensor<A, 1> {
    let n = labels.len();
    let far = length(anchor - z);
    let closer = far.clone().narrow(0, 0, n) - far.narrow(0, n, n); // > 0: right is nearer
    let column = |of: &dyn Fn(&Label) -> f32| {
        let values = TensorData::new(labels.iter().map(of).collect::<Vec<_>>(), [n, 1]);
        Tensor::<A, 2>::from_data(values, &closer.device())
    };
    let strict = |side: Label| column(&move |l| f32::from(u8::from(*l == side)));
    let hinge = |margin: Tensor<A, 2>| burn::tensor::activation::relu(margin);
    let ties = closer.clone().abs() * strict(Label::Equal) * 0.5;
    let left = hinge(closer.clone() + 1.0) * strict(Label::Left);
    let right = hinge(closer.clone().neg() + 1.0) * strict(Label::Right);
    (left + right + ties).mean()
}

/// The learner.
struct OppoLearner<A: Compute> {
    id: &'static str,
    data: OfflineData,
    scale: Scale,
    models: Oppo<A>,
    passes: Passes,
    stream: Stream,
    history: History,
}

impl<A: Compute> Policy for OppoLearner<A> {
    fn begin_episode(&mut self) {
        self.history = History::default();
    }

    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        let m = &self.models;
        self.history.see(observation, &self.scale, m.config.context);
        let w = self.history.windows::<Inner<A>>(1, m.dims.act, &m.device);
        let last = w.frame.steps - 1;
        let [_, a] = m.predict(&m.policy, m.context.get("z"), &w, None);
        let a = a.narrow(0, last, 1).into_data();
        action.iter_mut().zip(a.iter()).for_each(|(to, a)| *to = a);
        self.history.actions.push(action.to_vec());
    }
}

impl<A: Compute> Learner for OppoLearner<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        let (t, len) = (self.data.trajectories(), self.data.segment_len()?);
        let (answers, m) = (self.data.preferences(), &mut self.models);
        let size = m.config.batch;
        if m.steps.is_multiple_of(2) {
            let steps = m.config.context;
            let draw = |_| Span::from(t, self.stream.below(t.len()), steps);
            let spans: Vec<Span> = (0..size).map(draw).collect();
            let w = Windows::of(t, &spans, steps, &self.scale, &m.device);
            let mut noise = vec![0.0; size * steps * t.obs_dim()];
            self.stream.fill_normal(&mut noise);
            noise.iter_mut().for_each(|x| *x *= m.config.noise as f32);
            m.imitate(w, noise, &mut self.stream);
        }
        let chosen = self
            .passes
            .batch(answers.len(), m.config.answers, &mut self.stream);
        let chosen: Vec<Preference> = chosen.iter().map(|&i| answers[i]).collect();
        let left = chosen.iter().map(|p| p.pair.left);
        let sides = left.chain(chosen.iter().map(|p| p.pair.right));
        let spans: Vec<Span> = sides.map(|s| Span::of(t, s, s.start as usize)).collect();
        let labels: Vec<Label> = chosen.iter().map(|p| p.label).collect();
        let w = Windows::of(t, &spans, len, &self.scale, &m.device);
        m.prefer(w, &labels, &mut self.stream);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.models.metrics()
    }

    fn save(&self) -> State {
        let mut state = State::default();
        let m = &self.models;
        state.put_algorithm(self.id);
        m.encoder.save("encoder", &mut state);
        m.policy.save("policy", &mut state);
        m.context.save("context", &mut state);
        m.encoder_adam.save("encoder.adam", &mut state);
        m.policy_adam.save("policy.adam", &mut state);
        m.context_adam.save("context.adam", &mut state);
        self.scale.save(&mut state);
        state.put_json("progress", &(m.steps, &self.passes, &self.stream));
        m.figures.save("figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        let m = &mut self.models;
        m.encoder.load("encoder", state)?;
        m.policy.load("policy", state)?;
        m.context.load("context", state)?;
        m.encoder_adam.load("encoder.adam", state)?;
        m.policy_adam.load("policy.adam", state)?;
        m.context_adam.load("context.adam", state)?;
        self.scale.load(state)?;
        (m.steps, self.passes, self.stream) = state.get_json("progress")?;
        m.figures.load("figures", state, &m.device)
    }
}
