//! SAC on the task's true reward: what preference-based methods are measured against.
//!
//! `sac-unsupervised` first explores as PEBBLE does ([`crate::explore`]), then draws its critics anew: the fair
//! measure of methods that do so (B-Pref, `train_SAC.py` with `num_unsup_steps`, code
//! github.com/rll-research/BPref at f3ece2e). Deviation: one update is made at the step that ends either
//! phase, where the reference makes none.

use prefbench_oracles::Trajectories;
use serde::{Deserialize, Serialize};

use super::method::Plain;
use super::pebble::PebbleConfig;
use crate::algorithm::Build;
use crate::backbone::{Backbone, Streams, check_seed_steps};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::explore::StateEntropy;
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
    /// Exploration before the reward counts: `sac-unsupervised` has it, `sac` has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsupervised: Option<Unsupervised>,
}

/// Exploration by state entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsupervised {
    /// Steps after the random ones.
    pub steps: u64,
    /// The neighbour, k, whose distance is the intrinsic reward.
    pub neighbours: usize,
    /// Updates of the fresh critics right after exploration.
    pub reset_updates: u32,
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
            unsupervised: None,
        }
    }

    /// The same with exploration: PEBBLE's, but B-Pref's scripts for Meta-World explore longer here.
    pub fn unsupervised(setup: &Setup<'_>) -> Self {
        let pebble = PebbleConfig::<Plain>::defaults(setup);
        Self {
            unsupervised: Some(Unsupervised {
                steps: match (setup.tier, setup.family) {
                    (Tier::Full, "metaworld") => 99_000,
                    _ => pebble.unsupervised_steps,
                },
                neighbours: pebble.neighbours,
                reset_updates: pebble.reset_updates,
            }),
            ..Self::defaults(setup)
        }
    }

    /// The registry's name of the algorithm with these settings.
    pub fn id(&self) -> &'static str {
        match self.unsupervised {
            None => "sac",
            Some(_) => "sac-unsupervised",
        }
    }

    /// Refuses values outside their range, a run of so few `steps` that nothing is learned from the reward, and
    /// the settings of the other algorithm of the two.
    pub fn validate(&self, id: &str, steps: u64) -> Result<(), ConfigError> {
        Checks::run(|c| {
            check_seed_steps(c, self.seed_steps);
            self.sac.check(c);
            let (given, must) = match &self.unsupervised {
                None => ("absent", "given for `sac-unsupervised`"),
                Some(_) => ("given", "absent for `sac`; `sac-unsupervised` has it"),
            };
            c.that("unsupervised", given, self.id() == id, must);
            if let Some(u) = &self.unsupervised {
                c.at_least("unsupervised.neighbours", u.neighbours, 1);
            }
            let must = format!("so small that learning begins before the run's {steps} steps end");
            let explored = self.unsupervised.as_ref().map_or(0, |u| u.steps);
            let (key, value) = match explored {
                0 => ("seed_steps", self.seed_steps.to_string()),
                _ => (
                    "unsupervised.steps",
                    format!("{explored} after {} seed_steps", self.seed_steps),
                ),
            };
            let first = self.seed_steps.saturating_add(explored);
            c.that(key, value, first < steps, &must);
        })
    }
}

/// The learner.
pub struct SacOnline<A: Compute> {
    config: SacOnlineConfig,
    backbone: Backbone<A>,
    entropy: StateEntropy,
}

impl<A: Compute> SacOnline<A> {
    /// A fresh learner.
    pub fn new(config: SacOnlineConfig, build: Build) -> Self {
        let (sac, dims) = (config.sac.clone(), build.dims);
        let (streams, device) = (Streams::new(build.seed), A::Device::default());
        let neighbours = config.unsupervised.as_ref().map_or(1, |u| u.neighbours);
        Self {
            backbone: Backbone::new(sac, config.seed_steps, dims, streams, device, build.ticket),
            entropy: StateEntropy::new(dims.obs, neighbours),
            config,
        }
    }
}

impl<A: Compute> Policy for SacOnline<A> {
    fn act(&mut self, observation: &[f32], mode: Mode, action: &mut [f32]) {
        self.backbone.act(observation, mode, action);
    }
}

impl<A: Compute> Learner for SacOnline<A> {
    fn update(&mut self) -> Result<(), LearnError> {
        let Self {
            config,
            backbone,
            entropy,
        } = self;
        if backbone.warming_up() {
            return Ok(());
        }
        if let Some(u) = &config.unsupervised {
            let explored = backbone.steps() - config.seed_steps;
            if explored < u.steps {
                backbone.explore(entropy);
                return Ok(());
            }
            if explored == u.steps {
                entropy.forget();
                backbone.reset_critics();
                for _ in 0..u.reset_updates {
                    backbone.update(|_, _| {});
                }
            }
        }
        backbone.update(|_, _| {});
        Ok(())
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        self.backbone.sac.metrics()
    }

    fn values(&self, observations: &[f32], actions: usize) -> Option<Vec<f64>> {
        Some(self.backbone.sac.values(observations, actions))
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(self.config.id());
        self.backbone.save(&mut state);
        if self.config.unsupervised.is_some() {
            self.entropy.save(&mut state);
        }
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(self.config.id())?;
        self.backbone.load(state)?;
        if self.config.unsupervised.is_some() {
            self.entropy.load(state, self.backbone.replay.states())?;
        }
        Ok(())
    }
}

impl<A: Compute> Online for SacOnline<A> {
    fn begin(&mut self, observation: &[f32]) -> Result<(), LearnError> {
        Ok(self.backbone.replay.begin(observation)?)
    }

    fn observe(&mut self, transition: Transition<'_>) -> Result<(), LearnError> {
        self.backbone.observe(transition, transition.reward)
    }

    fn trajectories(&self) -> &Trajectories {
        self.backbone.replay.trajectories()
    }
}
