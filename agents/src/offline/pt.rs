//! PT: implicit Q-learning on the reward of a Preference Transformer.
//!
//! Kim et al., "Preference Transformer: Modeling Human Preferences using Transformers for RL" (ICLR 2023,
//! arXiv 2303.00957; github.com/csmile-1006/PreferenceTransformer at f71647b, `JaxPref/PrefTransformer.py`,
//! `flaxmodels/gpt2/trajectory_gpt2.py`, `JaxPref/reward_transform.py`). A run has two stages, each of
//! gradient steps:
//!
//! 1. the [`PreferenceModel`], causal, on pairs of whole segments, whose time counts from 1;
//! 2. IQL ([`super::iql`]) for the rest of the run's steps, on r̂ of the last step of the window that ends
//!    there, as long as a segment or as its episode allows. As in [`super::mr`], rewards are scaled by the
//!    longest episode's steps over the range of the episodes' learned returns and `reward_offset` is added.
//!
//! Deviations: the preference attention layer is on by default, as in the paper (the code's command leaves it
//! out); where rewards are not scaled by returns, they are brought to deviation 1 (`unit_rewards`; the code knows
//! no Meta-World, and r̂ has no bound); the model's last state is used, not its best on a part of the training labels; and those of
//! [`super::preference`].

use burn::tensor::Tensor;
use prefbench_oracles::{Preference, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::ActorConfig;
use super::critics::CriticConfig;
use super::iql::{Iql, IqlConfig, networks};
use super::mr::offset;
use super::preference::{Head, PreferenceConfig, PreferenceModel};
use super::reward_stage::need_steps;
use super::segments::{Passes, targets};
use super::sequence::{Span, Windows};
use super::shared::{Memory, act};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, LARGEST, Setup};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::Inner;
use crate::state::{State, StateError};

/// Windows in one pass through the model when nothing is learnt.
const CHUNK: usize = 64;

/// Settings of PT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PtConfig {
    /// The reward model.
    pub preference: PreferenceConfig,
    /// Whether it has the preference attention layer, else a perceptron for each step.
    pub attention: bool,
    /// Steps of the longest segment that can be asked about.
    pub segment: usize,
    /// Whether learned rewards are brought to deviation 1 over the dataset.
    pub unit_rewards: bool,
    /// What is added to each learned reward.
    pub reward_offset: f64,
    /// The policy.
    pub actor: ActorConfig,
    /// Critics and V.
    pub critic: CriticConfig,
    /// The policy's update.
    pub iql: IqlConfig,
}

impl PtConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let (actor, critic) = networks(setup);
        let iql = IqlConfig::defaults(setup);
        Self {
            preference: PreferenceConfig::defaults(setup),
            attention: true,
            segment: 100,
            unit_rewards: !iql.scale_rewards,
            reward_offset: offset(setup),
            actor,
            critic,
            iql,
        }
    }
}

impl OfflineConfig for PtConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.preference.check(c);
            c.at_least("segment", self.segment, 1);
            c.within("reward_offset", self.reward_offset, -LARGEST, LARGEST);
            self.actor.check(c);
            self.critic.check(c);
            self.iql.check(c);
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
        let head = match self.attention {
            true => Head::Attention,
            false => Head::Perceptron,
        };
        let sizes = (b.dims, self.segment);
        let mut model =
            PreferenceModel::new(self.preference.clone(), (head, true), sizes, init, &device);
        model.total = steps as u64;
        let policy_steps = b.total_steps - steps as u64;
        let nets = (&self.actor, &self.critic);
        let iql = Iql::new(
            self.iql.clone(),
            nets,
            b.dims,
            policy_steps,
            init,
            device.clone(),
        );
        Ok(Box::new(Pt::<A> {
            id,
            memory: Memory::new(&data, self.iql.scale_observations),
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            config: self,
            device,
            data,
            model,
            iql,
        }))
    }
}

/// Refuses answers about longer segments than a model is built for.
pub(super) fn need_segment(
    key: &str,
    longest: usize,
    data: &OfflineData,
) -> Result<(), ConfigError> {
    match data.segment_len() {
        Ok(len) if len > longest => Err(ConfigError {
            key: key.to_owned(),
            value: longest.to_string(),
            must: format!("at least {len}, the steps of the segments asked about"),
        }),
        _ => Ok(()),
    }
}

/// The learner.
struct Pt<A: Compute> {
    id: &'static str,
    config: PtConfig,
    device: A::Device,
    data: OfflineData,
    memory: Memory,
    model: PreferenceModel<A>,
    iql: Iql<A>,
    passes: Passes,
    /// Batches of either stage.
    stream: Stream,
}

/// Both sides of answers as windows, and their targets.
pub(super) type Sides<B> = ([Windows<B>; 2], Tensor<B, 2>);

/// The next batch of answers. Time counts from 1.
///
/// # Errors
/// If there is no answer, or segments differ in length.
pub(super) fn answers<A: Compute>(
    data: &OfflineData,
    memory: &Memory,
    (passes, size): (&mut Passes, usize),
    rng: &mut Stream,
    device: &A::Device,
) -> Result<Sides<Inner<A>>, LearnError> {
    let (len, answers) = (data.segment_len()?, data.preferences());
    let chosen = passes.batch(answers.len(), size, rng);
    let chosen: Vec<Preference> = chosen.iter().map(|&i| answers[i]).collect();
    let t = data.trajectories();
    let side = |of: &dyn Fn(&Preference) -> _| {
        let spans: Vec<Span> = chosen.iter().map(|p| Span::of(t, of(p), 1)).collect();
        Windows::of(t, &spans, len, &memory.scale, device)
    };
    let sides = [side(&|p| p.pair.left), side(&|p| p.pair.right)];
    Ok((sides, targets(&chosen, device)))
}

impl<A: Compute> Pt<A> {
    fn learn_reward(&mut self) -> Result<(), LearnError> {
        let pass = (&mut self.passes, self.config.preference.batch);
        let (sides, y) = answers::<A>(
            &self.data,
            &self.memory,
            pass,
            &mut self.stream,
            &self.device,
        )?;
        self.model.step(sides, y, None, &mut self.stream);
        if self.model.done() {
            self.relabel(self.data.segment_len()?);
            if self.config.unit_rewards {
                self.memory.unit_rewards();
            }
            if self.config.iql.scale_rewards {
                self.memory.scale_rewards();
            }
            self.memory.shift_rewards(self.config.reward_offset);
        }
        Ok(())
    }

    /// Rewrites all rewards. Windows that begin with their episode are parts of one another, and the model is
    /// causal, so that the longest gives r̂ of all their steps.
    fn relabel(&mut self, len: usize) {
        let t = self.data.trajectories();
        // A window, and how many of its last steps it gives the reward of.
        let mut windows = Vec::new();
        for e in t.episodes().iter().filter(|e| e.len > 0) {
            let first = len.min(e.len);
            windows.push((Span::until(t, e.start + first - 1, len, 1), first));
            let rest = e.start + first..e.start + e.len;
            windows.extend(rest.map(|i| (Span::until(t, i, len, 1), 1)));
        }
        for chunk in windows.chunks(CHUNK) {
            let spans: Vec<Span> = chunk.iter().map(|(span, _)| *span).collect();
            let steps = spans.iter().map(|s| s.len).max().unwrap_or(1);
            let w = Windows::of(t, &spans, steps, &self.memory.scale, &self.device);
            let [r, _] = self.model.judge(&self.model.parameters, w, None);
            let r: Vec<f32> = r.into_data().iter().collect();
            let rewards = self.memory.replay.rewards_mut();
            for ((span, last), r) in chunk.iter().zip(r.chunks_exact(steps)) {
                let end = span.start + span.len;
                rewards[end - last..end].copy_from_slice(&r[steps - last..]);
            }
        }
    }
}

impl<A: Compute> Policy for Pt<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.iql.actor, &self.memory.scale, observation, action);
    }
}

impl<A: Compute> Learner for Pt<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        // Without answers there is no training either, but an error.
        if self.model.steps() == 0 || !self.model.done() {
            return self.learn_reward();
        }
        let batch = self.memory.batch(self.iql.batch(), &mut self.stream)?;
        self.iql.update(batch, &mut self.stream);
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut out = self.iql.metrics();
        out.extend(self.model.metrics());
        out
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.id);
        self.model.save(&mut state);
        self.iql.save(&mut state);
        self.memory.save(&mut state);
        state.put_json("progress", &(&self.passes, &self.stream));
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.model.load(state)?;
        self.iql.load(state)?;
        self.memory.load(state)?;
        (self.passes, self.stream) = state.get_json("progress")?;
        Ok(())
    }
}
