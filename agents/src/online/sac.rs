//! SAC on the task's true reward: what preference-based methods are measured against.

use prefbench_oracles::Trajectories;
use serde::{Deserialize, Serialize};

use crate::algorithm::Build;
use crate::backbone::{Backbone, Streams, check_seed_steps};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::learner::{LearnError, Learner, Mode, Online, Policy};
use crate::replay::Transition;
use crate::sac::SacConfig;
use crate::state::{State, StateError};

/// Settings of SAC on the true reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SacOnlineConfig {
    /// Steps of uniformly random actions before the first update.
    pub seed_steps: u64,
    /// The policy learner.
    pub sac: SacConfig,
}

impl SacOnlineConfig {
    /// Defaults for a task's family and a tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        Self {
            seed_steps: match (setup.tier, setup.family) {
                (Tier::Smoke, _) => 500,
                // B-Pref's SAC (`config/train.yaml`); its PEBBLE takes 1,000.
                (Tier::Full, _) | (_, "gymnasium") => 5_000,
                (Tier::Short, _) => 1_000,
            },
            sac: SacConfig::defaults(setup),
        }
    }

    /// Refuses values outside their range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Checks::run(|c| {
            check_seed_steps(c, self.seed_steps);
            self.sac.check(c);
        })
    }
}

/// The learner.
pub struct SacOnline<A: Compute>(Backbone<A>);

impl<A: Compute> SacOnline<A> {
    /// A fresh learner.
    pub fn new(config: SacOnlineConfig, build: Build) -> Self {
        Self(Backbone::new(
            config.sac,
            config.seed_steps,
            build.dims,
            Streams::new(build.seed),
            A::Device::default(),
            build.ticket,
        ))
    }
}

impl<A: Compute> Policy for SacOnline<A> {
    fn act(&mut self, observation: &[f32], mode: Mode, action: &mut [f32]) {
        self.0.act(observation, mode, action);
    }
}

impl<A: Compute> Learner for SacOnline<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        if !self.0.warming_up() {
            self.0.update(|_, _| {});
        }
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.0.sac.metrics()
    }

    fn values(&self, observations: &[f32], actions: usize) -> Option<Vec<f64>> {
        Some(self.0.sac.values(observations, actions))
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm("sac");
        self.0.save(&mut state);
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm("sac")?;
        self.0.load(state)
    }
}

impl<A: Compute> Online for SacOnline<A> {
    fn begin(&mut self, observation: &[f32]) -> Result<(), LearnError> {
        Ok(self.0.replay.begin(observation)?)
    }

    fn observe(&mut self, transition: Transition<'_>) -> Result<(), LearnError> {
        self.0.observe(transition, transition.reward)
    }

    fn trajectories(&self) -> &Trajectories {
        self.0.replay.trajectories()
    }
}
