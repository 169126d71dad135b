//! A run's checkpoint put to use after training.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use prefbench_agents::Online;
use prefbench_envs::Step;
use prefbench_oracles::Episode;
use prefbench_results::{Checkpoint, EpisodeResult};

use super::{OnlineRun, Scale, stream_seed};
use crate::config::RunConfig;

/// What a run's checkpoint knows, apart from any environment.
pub struct Learnt {
    learner: Mutex<Box<dyn Online>>,
    scale: Scale,
}

impl Learnt {
    /// The learner saved in `checkpoint`, read from the run folder `dir`.
    pub fn new(config: &RunConfig, checkpoint: &Checkpoint, dir: &Path) -> Result<Self> {
        let mut run = OnlineRun::new(config, None)?;
        run.load(checkpoint, dir)?;
        Ok(Self {
            learner: Mutex::new(run.learner),
            scale: run.scale,
        })
    }

    /// The seeds and the actions of the episodes that the run has finished so far.
    pub fn experience(&self, config: &RunConfig) -> Vec<(u64, Vec<Vec<f32>>)> {
        let learner = self.learner.lock().unwrap_or_else(PoisonError::into_inner);
        let t = learner.trajectories();
        let finished = (0..).zip(&t.episodes()[..t.complete()]);
        let actions = |e: &Episode| {
            (e.start..e.start + e.len)
                .map(|i| t.action(i).to_vec())
                .collect()
        };
        finished
            .map(|(k, e)| (stream_seed(config.seed, "env", k), actions(e)))
            .collect()
    }

    /// State values of the policy for raw observations `[rows, obs]`, if it has critics.
    pub fn values(&self, observations: &[f32], actions: usize) -> Option<Vec<f64>> {
        let mut scaled = observations.to_vec();
        for row in scaled.chunks_exact_mut(self.scale.0.len()) {
            self.scale.apply(row);
        }
        let learner = self.learner.lock().unwrap_or_else(PoisonError::into_inner);
        learner.values(&scaled, actions)
    }
}

/// The policy of a run's checkpoint, to be looked at.
pub struct Player<'a>(OnlineRun<'a>);

impl<'a> Player<'a> {
    /// The policy saved in `checkpoint`, read from the run folder `dir`.
    pub fn new(config: &'a RunConfig, checkpoint: &Checkpoint, dir: &Path) -> Result<Self> {
        let mut run = OnlineRun::new(config, None)?;
        run.load(checkpoint, dir)?;
        Ok(Self(run))
    }

    /// The seed of the run's `k`-th evaluation episode.
    pub fn seed(&self, k: u64) -> u64 {
        stream_seed(self.0.config.seed, "eval", k)
    }

    /// Plays the episode of an environment's seed. `alter` may change each action before it is
    /// taken; `visit` sees each observation, the action and what followed.
    pub fn play(
        &mut self,
        seed: u64,
        alter: impl FnMut(&mut [f32]),
        visit: impl FnMut(&[f32], &[f32], &Step) -> Result<()>,
    ) -> Result<EpisodeResult> {
        self.0.play(seed, alter, visit)
    }
}
