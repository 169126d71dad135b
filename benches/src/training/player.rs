//! A run's checkpoint put to use after training.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use prefbench_agents::{Learner, Online};
use prefbench_envs::{Step, Task};
use prefbench_oracles::Episode;
use prefbench_results::{Checkpoint, EpisodeResult};

use super::{Arena, Scale, load_learner, stream_seed};
use crate::config::RunConfig;
use crate::{offline, online};

/// The learner of a run of either kind.
enum Anyone {
    Online(Box<dyn Online>),
    Offline(Box<dyn Learner>),
}

impl Anyone {
    /// The one saved in `checkpoint`, read from the run folder `dir`.
    fn load(config: &RunConfig, checkpoint: &Checkpoint, dir: &Path) -> Result<Self> {
        let mut learner = match config.dataset {
            None => Self::Online(online::learner(config, None)?),
            Some(_) => Self::Offline(offline::without_data(config)?),
        };
        load_learner(learner.get(), checkpoint, dir)?;
        Ok(learner)
    }

    fn get(&mut self) -> &mut dyn Learner {
        match self {
            Self::Online(learner) => learner.as_mut(),
            Self::Offline(learner) => learner.as_mut(),
        }
    }
}

/// What a run's checkpoint knows, apart from any environment.
pub struct Learnt {
    learner: Mutex<Anyone>,
    scale: Scale,
}

impl Learnt {
    /// The learner saved in `checkpoint`, read from the run folder `dir`.
    pub fn new(config: &RunConfig, checkpoint: &Checkpoint, dir: &Path) -> Result<Self> {
        let task = config.task()?;
        Ok(Self {
            learner: Mutex::new(Anyone::load(config, checkpoint, dir)?),
            scale: Scale::new(config, &task),
        })
    }

    /// The seeds and the actions of the episodes that the run has finished so far.
    pub fn experience(&self, config: &RunConfig) -> Result<Vec<(u64, Vec<Vec<f32>>)>> {
        let learner = self.learner.lock().unwrap_or_else(PoisonError::into_inner);
        let Anyone::Online(learner) = &*learner else {
            bail!(
                "{} learns from a dataset, and has seen nothing else",
                config.algorithm
            );
        };
        let t = learner.trajectories();
        let finished = (0..).zip(&t.episodes()[..t.complete()]);
        let actions = |e: &Episode| {
            (e.start..e.start + e.len)
                .map(|i| t.action(i).to_vec())
                .collect()
        };
        Ok(finished
            .map(|(k, e)| (stream_seed(config.seed, "env", k), actions(e)))
            .collect())
    }

    /// State values of the policy for raw observations `[rows, obs]`, if it has critics.
    pub fn values(&self, observations: &[f32], actions: usize) -> Option<Vec<f64>> {
        let mut scaled = observations.to_vec();
        self.scale.apply(&mut scaled);
        let mut learner = self.learner.lock().unwrap_or_else(PoisonError::into_inner);
        learner.get().values(&scaled, actions)
    }
}

/// The policy of a run's checkpoint, to be looked at.
pub struct Player<'a> {
    config: &'a RunConfig,
    learner: Anyone,
    arena: Arena,
}

impl<'a> Player<'a> {
    /// The policy saved in `checkpoint`, read from the run folder `dir`, in episodes of `task`: the run's, with
    /// any horizon.
    pub fn new(
        config: &'a RunConfig,
        checkpoint: &Checkpoint,
        dir: &Path,
        task: &Task,
    ) -> Result<Self> {
        Ok(Self {
            config,
            learner: Anyone::load(config, checkpoint, dir)?,
            arena: Arena::new(config, task)?,
        })
    }

    /// The seed of the run's `k`-th evaluation episode.
    pub fn seed(&self, k: u64) -> u64 {
        stream_seed(self.config.seed, "eval", k)
    }

    /// Plays the episode of an environment's seed. `alter` may change each action before it is
    /// taken; `visit` sees each observation, the action and what followed.
    pub fn play(
        &mut self,
        seed: u64,
        alter: impl FnMut(&mut [f32]),
        visit: impl FnMut(&[f32], &[f32], &Step) -> Result<()>,
    ) -> Result<EpisodeResult> {
        self.arena.play(self.learner.get(), seed, alter, visit)
    }
}
