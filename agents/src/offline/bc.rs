//! Behaviour cloning: imitate the dataset, or its best episodes.
//!
//! As CORL has it (github.com/tinkoff-ai/CORL at 6afec90, `algorithms/offline/any_percent_bc.py`): a
//! deterministic policy π(s) = tanh(MLP(s)), L = E[‖π(s) − a‖²]/dim(A), observations scaled to mean 0 and
//! deviation 1 over what is imitated. k% BC keeps the ⌊k·n⌋ (at least one) episodes of the highest true
//! return, which is privileged.

use prefbench_oracles::{Stream, Trajectories};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::actor::{Actor, ActorConfig, Density};
use super::shared::{Figures, Scale, act, rows};
use crate::algorithm::{Build, OfflineConfig};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Policy};
use crate::nets::Init;
use crate::replay::Dims;
use crate::state::{State, StateError};

/// Settings of behaviour cloning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BcConfig {
    /// The policy.
    pub actor: ActorConfig,
    /// Transitions per update.
    pub batch: usize,
    /// Share of the episodes, those of the highest true return, that are imitated (`percent-bc` only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
}

impl BcConfig {
    /// Defaults for a task's family and a tier: CORL's.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let full = setup.tier == Tier::Full;
        Self {
            actor: ActorConfig {
                hidden: if full { vec![256; 2] } else { vec![128; 2] },
                init: Init::Uniform,
                dropout: 0.0,
                lr: if full { 3e-4 } else { 1e-3 },
            },
            batch: 256,
            fraction: None,
        }
    }

    /// Those of k% BC.
    pub fn best(setup: &Setup<'_>) -> Self {
        Self {
            fraction: Some(0.1),
            ..Self::defaults(setup)
        }
    }
}

impl OfflineConfig for BcConfig {
    fn validate(&self, _: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            self.actor.check(c);
            c.at_least("batch", self.batch, 1);
            if let Some(fraction) = self.fraction {
                c.positive("fraction", fraction);
                c.within("fraction", fraction, 0.0, 1.0);
            }
        })
    }

    fn learner<A: Compute>(
        self,
        id: &'static str,
        b: Build,
        data: OfflineData,
        device: A::Device,
    ) -> Result<Box<dyn Learner>, ConfigError> {
        Ok(Box::new(Bc::<A>::new(id, self, b.seed, data, device)))
    }
}

/// Gradient steps of a run.
pub fn steps(setup: &Setup<'_>) -> u64 {
    match setup.tier {
        Tier::Smoke => 10_000,
        Tier::Short => 50_000,
        Tier::Full => 1_000_000,
    }
}

/// The learner.
pub struct Bc<A: Compute> {
    id: &'static str,
    config: BcConfig,
    dims: Dims,
    device: A::Device,
    data: OfflineData,
    /// The episodes that are imitated, as (first transition, transitions before it in the choice).
    chosen: Vec<(usize, usize)>,
    /// Transitions imitated.
    count: usize,
    scale: Scale,
    actor: Actor<A>,
    /// Batches.
    stream: Stream,
    figures: Figures<A>,
}

impl<A: Compute> Bc<A> {
    /// A fresh learner.
    pub(crate) fn new(
        id: &'static str,
        config: BcConfig,
        seed: u64,
        data: OfflineData,
        device: A::Device,
    ) -> Self {
        let dims = data.dims();
        let t = data.trajectories();
        let mut count = 0;
        let chosen: Vec<_> = best_episodes(t, config.fraction.unwrap_or(1.0))
            .map(|e| {
                let before = count;
                count += t.episodes()[e].len;
                (t.episodes()[e].start, before)
            })
            .collect();
        let transitions = (0..count).map(|i| locate(&chosen, i));
        let mut init = Stream::new(seed, "init");
        Self {
            id,
            scale: Scale::of(t, transitions),
            actor: Actor::new(&config.actor, Density::Squared, dims, &mut init, &device),
            config,
            dims,
            device,
            data,
            chosen,
            count,
            stream: Stream::new(seed, "batch"),
            figures: Figures::new(&["bc.loss"]),
        }
    }

    /// One update on these transitions.
    pub(crate) fn learn(&mut self, batch: &[usize]) {
        let t = self.data.trajectories();
        let (mut states, mut actions) = (Vec::new(), Vec::new());
        for &i in batch {
            states.extend_from_slice(t.observation(i));
            actions.extend_from_slice(t.action(i));
        }
        self.scale.apply(&mut states);
        let width = self.dims.act as f64;
        let loss = self.actor.step(
            rows(states, self.dims.obs, &self.device),
            rows(actions, self.dims.act, &self.device),
            &mut self.stream,
            |log_prob| log_prob.mean().neg() / width,
        );
        self.figures.set(vec![loss]);
    }
}

/// The ⌊fraction·n⌋, at least one, of the episodes with the highest true return, best first; all of them
/// in their order if the fraction is 1.
fn best_episodes(t: &Trajectories, fraction: f64) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..t.episodes().len()).collect();
    if fraction < 1.0 {
        let returns: Vec<f64> = order.iter().map(|&e| t.episode_return(e)).collect();
        order.sort_by(|&a, &b| returns[b].total_cmp(&returns[a]));
        let keep = ((fraction * order.len() as f64) as usize).max(1);
        order.truncate(keep);
    }
    order.into_iter()
}

/// The transition that is number `i` of the chosen episodes.
fn locate(chosen: &[(usize, usize)], i: usize) -> usize {
    let (start, before) = chosen[chosen.partition_point(|&(_, before)| before <= i) - 1];
    start + (i - before)
}

impl<A: Compute> Policy for Bc<A> {
    fn act(&mut self, observation: &[f32], _: Mode, action: &mut [f32]) {
        act(&self.actor, &self.scale, observation, action);
    }
}

impl<A: Compute> Learner for Bc<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        self.data.need_transitions()?;
        let rows = self.config.batch;
        let draw = |_| locate(&self.chosen, self.stream.below(self.count));
        let batch: Vec<usize> = (0..rows).map(draw).collect();
        self.learn(&batch);
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
        state.put_json("stream", &self.stream);
        self.figures.save("figures", &mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.id)?;
        self.scale.load(state)?;
        self.actor.load("actor", state)?;
        self.stream = state.get_json("stream")?;
        self.figures.load("figures", state, &self.device)
    }
}
