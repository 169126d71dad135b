//! Where policies are judged: an environment of its own, seen as the learner sees it.

use anyhow::{Result, bail};
use prefbench_agents::{Learner, Mode};
use prefbench_envs::{End, Env, Field, Step, Task};
use prefbench_oracles::Stream;
use prefbench_results::EpisodeResult;

use super::Diverged;
use crate::config::{RunConfig, goal_fields};

/// An environment for evaluations.
pub struct Arena {
    env: Box<dyn Env>,
    scale: Scale,
    action_dim: usize,
}

impl Arena {
    /// Of a run's task.
    pub fn new(config: &RunConfig, task: &Task) -> Result<Self> {
        Ok(Self {
            env: task.make()?,
            scale: Scale::new(config, task),
            action_dim: task.spec.action_dim(),
        })
    }

    /// Plays the episode of an environment's seed. `alter` may change each action before it is
    /// taken; `visit` sees each observation, the action and what followed.
    pub fn play(
        &mut self,
        learner: &mut dyn Learner,
        seed: u64,
        mut alter: impl FnMut(&mut [f32]),
        mut visit: impl FnMut(&[f32], &[f32], &Step) -> Result<()>,
    ) -> Result<EpisodeResult> {
        let mut observation = vec![0.0; self.scale.0.len()];
        let mut next = observation.clone();
        let mut scaled = observation.clone();
        let mut action = vec![0.0; self.action_dim];
        let mut result = EpisodeResult {
            seed,
            return_: 0.0,
            length: 0,
            success: false,
        };
        self.env.reset(result.seed, &mut observation)?;
        learner.begin_episode();
        loop {
            scaled.copy_from_slice(&observation);
            self.scale.apply(&mut scaled);
            learner.act(&scaled, Mode::Evaluate, &mut action);
            finite(&action)?;
            alter(&mut action);
            let step = self.env.step(&action, &mut next)?;
            visit(&observation, &action, &step)?;
            observation.copy_from_slice(&next);
            result.return_ += f64::from(step.reward);
            result.length += 1;
            result.success |= step.success;
            if step.end != End::No {
                return Ok(result);
            }
        }
    }
}

/// Maps bounded observation fields onto [−1, 1], and a hidden goal onto zero, before a learner sees
/// them.
pub struct Scale(Vec<(f32, f32)>);

impl Scale {
    /// Centre and half-width of each field; (0, 1) leaves a field as it is.
    pub fn new(config: &RunConfig, task: &Task) -> Self {
        let wanted = config.scale_observations;
        let one = |f: &Field| {
            let (centre, half) = (0.5 * (f.high + f.low), 0.5 * (f.high - f.low));
            if wanted && half.is_finite() && half > 0.0 {
                (centre, half)
            } else {
                (0.0, 1.0)
            }
        };
        let mut scale: Vec<_> = task.spec.fields.iter().map(one).collect();
        if config.hide_goal {
            for i in goal_fields(task) {
                scale[i] = (0.0, f32::INFINITY);
            }
        }
        Self(scale)
    }

    /// Of one observation, or of many.
    pub fn apply(&self, observations: &mut [f32]) {
        for row in observations.chunks_exact_mut(self.0.len()) {
            for (x, (centre, half)) in row.iter_mut().zip(&self.0) {
                *x = (*x - centre) / half;
            }
        }
    }
}

/// The seed of the `k`-th episode of a named stream.
pub fn stream_seed(seed: u64, name: &str, k: u64) -> u64 {
    Stream::new(seed, name).at(k).below(usize::MAX) as u64
}

/// Refuses an action that is none.
pub fn finite(action: &[f32]) -> Result<()> {
    match action.iter().find(|a| !a.is_finite()) {
        Some(&bad) => bail!(Diverged {
            what: "the policy's action".to_owned(),
            value: f64::from(bad),
        }),
        None => Ok(()),
    }
}
