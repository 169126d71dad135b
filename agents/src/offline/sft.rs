//! SFT: behaviour cloning of all compared segments, then of the preferred ones alone.
//!
//! The baseline of CPL (github.com/jhejna/cpl at b333667, `research/algs/bc.py` with `bc_data: pos`,
//! `configs/mw_state_sparse/sft.yaml`): L = E[−log π(a|s)] with CPL's policy and density; both segments of
//! an equal pair count as preferred.

use prefbench_oracles::{Label, Preference, Segment, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::cpl::{policy, steps};
use super::segments::{Passes, Rows};
use super::shared::{Figures, Scale, act};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::state::{State, StateError};

/// Settings of SFT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftConfig {
    /// The policy.
    pub actor: ActorConfig,
    /// Comparisons per update.
    pub batch: usize,
    /// Steps on all segments before those on the preferred ones.
    pub bc_steps: u64,
    /// Whether observations are scaled to mean 0 and deviation 1.
    pub scale_observations: bool,
}

impl SftConfig {
    /// Defaults for a task's family and a tier: CPL's.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        Self {
            actor: policy(setup),
            batch: if full { 96 } else { 16 },
            bc_steps: steps(setup) * 2 / 5,
            scale_observations: !full,
        }
    }
}

impl OfflineConfig for SftConfig {
    fn validate(&self, steps: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
            c.at_least("batch", self.batch, 1);
            let must = format!("below the run's {steps} steps");
            c.that("bc_steps", self.bc_steps, self.bc_steps < steps, &must);
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        let init = &mut Stream::new(b.seed, "init");
        Ok(Box::new(Sft::<A> {
            id,
            scale: Scale::chosen(data.trajectories(), self.scale_observations),
            actor: Actor::new(&self.actor, Density::Squared, b.dims, init, &device),
            config: self,
            device,
            data,
            passes: Passes::default(),
            stream: Stream::new(b.seed, "batch"),
            steps: 0,
            figures: Figures::new(&["sft.loss"]),
        }))
    }
}

/// The learner.
pub struct Sft<A: Compute> {
    id: &'static str,
    config: SftConfig,
    device: A::Device,
    data: OfflineData,
    scale: Scale,
    actor: Actor<A>,
    passes: Passes,
    /// Batches and dropped activations.
    stream: Stream,
    steps: u64,
    figures: Figures<A>,
}

/// The preferred segments of an answer.
fn preferred(p: &Preference) -> Vec<Segment> {
    match p.label {
        Label::Left => vec![p.pair.left],
        Label::Right => vec![p.pair.right],
        Label::Equal => vec![p.pair.left, p.pair.right],
    }
}

impl<A: Compute> Policy for Sft<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.actor, &self.scale, observation, action);
    }
}

impl<A: Compute> Learner for Sft<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        self.data.segment_len()?;
        let answers = self.data.preferences();
        let all = self.steps < self.config.bc_steps;
        let batch = self
            .passes
            .batch(answers.len(), self.config.batch, &mut self.stream);
        let segments = batch.iter().flat_map(|&i| match all {
            true => vec![answers[i].pair.left, answers[i].pair.right],
            false => preferred(&answers[i]),
        });
        let rows = Rows::of(
            self.data.trajectories(),
            segments,
            &self.scale,
            &self.device,
        );
        let loss = self
            .actor
            .step(rows.state, rows.action, &mut self.stream, |log_prob| {
                log_prob.mean().neg()
            });
        self.figures.set(vec![loss]);
        self.steps += 1;
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
        state.put_json("progress", &(self.steps, &self.passes, &self.stream));
        self.figures.save("figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.scale.load(state)?;
        self.actor.load("actor", state)?;
        (self.steps, self.passes, self.stream) = state.get_json("progress")?;
        self.figures.load("figures", state, &self.device)
    }
}
