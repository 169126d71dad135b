//! Scripted policies that datasets are recorded of: experts, experts that are misled, and a wanderer.

use anyhow::{Context, Result, ensure};
use prefbench_envs::{self as envs, Expert, Navigator, Task};
use prefbench_oracles::Stream;

use crate::rollout::expert_of;
use crate::training::stream_seed;

/// Writes the action for an observation.
pub type Act<'a> = dyn FnMut(&[f32], &mut [f32]) + 'a;

/// Who acts.
pub enum Scripted {
    /// An expert.
    Expert(Expert),
    /// An expert that takes things to be where they are in another episode.
    Elsewhere(Expert),
    /// On its way to one random place of a maze after another.
    Roam(Navigator),
}

impl Scripted {
    /// What a source of `dataset make` names, if it is one of these.
    pub fn find(source: &str, task: &Task) -> Result<Option<Self>> {
        Ok(Some(match source {
            "expert" => Self::Expert(expert_of(task)?),
            "expert:elsewhere" => {
                ensure!(
                    Navigator::of(task).is_none(),
                    "--from {source}: {} observes nothing but the ball; take `roam`",
                    task.id
                );
                Self::Elsewhere(expert_of(task)?)
            }
            "roam" => {
                let navigator = Navigator::of(task);
                Self::Roam(navigator.with_context(|| {
                    format!(
                        "--from roam: {} is not a maze that a ball is pushed through",
                        task.id
                    )
                })?)
            }
            _ => match source.strip_prefix("expert:") {
                None => return Ok(None),
                Some(id) => Self::Expert(expert_for(envs::find(id)?, task, source)?),
            },
        }))
    }

    /// What acts in episode number `k`, which begins with `seed`, of a dataset of seed `of`.
    pub fn act(&self, task: &Task, (of, k, seed): (u64, u64, u64)) -> Result<Box<Act<'_>>> {
        Ok(match self {
            Self::Expert(expert) => Box::new(expert),
            Self::Elsewhere(expert) => {
                let aside = aside(task, seed, stream_seed(of, "dataset.elsewhere", k))?;
                Box::new(move |observation, action| {
                    let seen = observation.iter().zip(&aside).map(|(x, aside)| x + aside);
                    expert(&seen.collect::<Vec<f32>>(), action);
                })
            }
            Self::Roam(navigator) => {
                let mut places = Stream::new(of, "dataset.roam").at(k);
                let mut place = places.below(navigator.places());
                Box::new(move |observation, action| {
                    if navigator.towards(place, observation, action) {
                        place = places.below(navigator.places());
                    }
                })
            }
        })
    }
}

/// Another task's expert, if it can act here.
fn expert_for(other: &Task, task: &Task, source: &str) -> Result<Expert> {
    let names = |task: &Task| -> Vec<_> {
        let observed = task.spec.fields.iter().map(|f| f.name);
        observed.chain(task.spec.actions.iter().copied()).collect()
    };
    let expert = expert_of(other)?;
    ensure!(
        names(other) == names(task),
        "--from {source}: {} observes or does other things than {}",
        other.id,
        task.id
    );
    Ok(expert)
}

/// From where things are when an episode begins to where they are in another: differences of observations.
fn aside(task: &Task, seed: u64, other: u64) -> Result<Vec<f32>> {
    let mut env = task.make()?;
    let mut begin = |seed| -> Result<Vec<f32>> {
        let mut observation = vec![0.0; task.spec.obs_dim()];
        env.reset(seed, &mut observation)?;
        Ok(observation)
    };
    let (here, there) = (begin(seed)?, begin(other)?);
    Ok(here.iter().zip(there).map(|(a, b)| b - a).collect())
}
