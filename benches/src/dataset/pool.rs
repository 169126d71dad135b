//! `prefbench dataset pool`: the suite's own offline datasets, each by one command.
//!
//! A recipe says who acts. Its agents are runs of SAC on the true reward, which are trained (or resumed, or
//! found finished) first; all else is `dataset make`. The recipe's hash, over the task, its version and the
//! agents' configurations, is in the dataset's source and marks it as made.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use prefbench_agents::Tier;
use prefbench_envs::{self as envs, Navigator, Task};
use prefbench_oracles::UnknownName;
use prefbench_results::{RunKey, Store};
use serde_json::json;

use super::make::{self, MakeArgs};
use crate::config::{Flags, RunConfig};
use crate::pool::{self, Options};
use crate::rollout;
use crate::training::Learnt;

/// Who acts in a part of a dataset; parts have equal shares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Actor {
    /// Uniformly random actions.
    Random,
    /// The task's scripted expert.
    Scripted,
    /// The same, which takes things to be where they are in another episode.
    Misled,
    /// The scripted expert of the family's next task.
    Neighbour,
    /// In a maze, on its way to one random place after another.
    Roaming,
    /// SAC after a third of its steps.
    Medium,
    /// SAC where its evaluation was best.
    Best,
    /// All that SAC saw in the first third of its steps.
    Seen,
}

/// How a dataset is made.
pub struct Recipe {
    pub id: &'static str,
    pub text: &'static str,
    actors: &'static [Actor],
    /// Deviation of the Gaussian noise on actions.
    noise: f32,
    /// Share of uniformly random actions.
    random: f64,
}

/// All recipes. D4RL draws its actions from SAC's own density; here the mean gets a fixed noise.
pub const RECIPES: &[Recipe] = &[
    Recipe {
        id: "random",
        text: "uniformly random actions",
        actors: &[Actor::Random],
        noise: 0.0,
        random: 0.0,
    },
    Recipe {
        id: "medium",
        text: "SAC after a third of its steps, with noise",
        actors: &[Actor::Medium],
        noise: 0.1,
        random: 0.0,
    },
    Recipe {
        id: "medium-replay",
        text: "all that SAC saw in the first third of its steps",
        actors: &[Actor::Seen],
        noise: 0.0,
        random: 0.0,
    },
    Recipe {
        id: "medium-expert",
        text: "one half medium, one half expert",
        actors: &[Actor::Medium, Actor::Best],
        noise: 0.1,
        random: 0.0,
    },
    Recipe {
        id: "expert",
        text: "SAC at its best, with noise",
        actors: &[Actor::Best],
        noise: 0.1,
        random: 0.0,
    },
    Recipe {
        id: "suboptimal",
        text: "SAC after a third of its steps, with much noise (CPL)",
        actors: &[Actor::Medium],
        noise: 0.3,
        random: 0.0,
    },
    Recipe {
        id: "scripted",
        text: "the scripted expert, two actions in three random and noise on the others",
        actors: &[Actor::Scripted],
        noise: 0.5,
        random: 0.67,
    },
    Recipe {
        id: "scripted-random",
        text: "one half the scripted expert with noise, one half random actions",
        actors: &[Actor::Scripted, Actor::Random],
        noise: 0.3,
        random: 0.0,
    },
    Recipe {
        id: "roaming",
        text: "in a maze, on the way to one random place after another, with noise (D4RL)",
        actors: &[Actor::Roaming],
        noise: 0.5,
        random: 0.0,
    },
    Recipe {
        id: "scripted-mixed",
        text: "a quarter each: the scripted expert, the same misled about the scene, another task's, random actions; \
               with noise (IPL)",
        actors: &[
            Actor::Scripted,
            Actor::Misled,
            Actor::Neighbour,
            Actor::Random,
        ],
        noise: 0.3,
        random: 0.0,
    },
];

/// Arguments of `prefbench dataset pool`.
#[derive(Args)]
pub struct PoolArgs {
    /// Task, e.g. hopper
    pub task: String,
    /// Recipes, e.g. medium-expert; all that the task allows, if none is named
    pub recipes: Vec<String>,
    /// Budget of the agents, and size of the datasets
    #[arg(long, value_parser = Tier::find, default_value = "short")]
    pub tier: Tier,
    /// Folder of datasets: OUT/TIER/TASK/RECIPE
    #[arg(long, default_value = "datasets")]
    pub out: PathBuf,
    /// Runs of SAC side by side
    #[arg(long, default_value = "1")]
    pub jobs: NonZeroUsize,
}

/// Makes what is not there yet.
pub fn pool(args: &PoolArgs) -> Result<ExitCode> {
    let task = *envs::find(&args.task)?;
    let recipes: Vec<&Recipe> = match args.recipes.as_slice() {
        [] => RECIPES.iter().filter(|r| r.lack(&task).is_none()).collect(),
        names => {
            let mut named: Vec<&Recipe> = Vec::new();
            for name in names {
                let recipe = find(name)?;
                if let Some(lack) = recipe.lack(&task) {
                    bail!("`{name}` cannot be made: {lack}");
                }
                if !named.iter().any(|known| known.id == recipe.id) {
                    named.push(recipe);
                }
            }
            named
        }
    };
    let plans = recipes.into_iter().map(|recipe| recipe.plan(&task, args));
    let plans: Vec<Plan> = plans.filter_map(Result::transpose).collect::<Result<_>>()?;
    let runs = args.out.join(args.tier.name()).join("agents");
    // The runs whose best evaluations say how long the experts are trained; then all that act.
    for stage in [Plan::whole, Plan::acting] {
        let mut agents: Vec<RunConfig> = Vec::new();
        for plan in &plans {
            for agent in stage(plan, &runs)?.into_iter().flatten() {
                if !agents.contains(&agent) {
                    agents.push(agent);
                }
            }
        }
        if agents.is_empty() {
            continue;
        }
        let options = Options {
            out: &runs,
            jobs: args.jobs.get(),
            gpus: Vec::new(),
            retry_failed: false,
            stack: 1,
        };
        let tally = pool::run(agents, &options)?;
        if tally.stopped || !tally.broken.is_empty() || !tally.failed.is_empty() {
            return crate::run::report(&tally, &runs);
        }
    }
    for plan in plans {
        plan.record(&task, args.tier, &runs)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static Recipe> {
    let ids = RECIPES.iter().map(|r| r.id);
    let recipe = RECIPES.iter().find(|r| r.id == name);
    Ok(recipe.ok_or_else(|| UnknownName::new("recipe", name, ids))?)
}

/// The run of SAC that an actor is, if it is one; of an expert, the whole run.
fn agent(actor: Actor, task: &Task, tier: Tier) -> Result<Option<RunConfig>> {
    if !matches!(actor, Actor::Medium | Actor::Best | Actor::Seen) {
        return Ok(None);
    }
    let flags = |set| Flags {
        task: Some(task.id.to_owned()),
        algorithm: Some("sac".to_owned()),
        tier: Some(tier),
        set,
        ..Flags::default()
    };
    let file = toml::Table::new();
    let whole = RunConfig::resolve(&file, &flags(Vec::new()))?;
    Ok(Some(match actor {
        Actor::Best => whole,
        _ => RunConfig::resolve(
            &file,
            &flags(vec![format!("steps={}", whole.steps.div_ceil(3))]),
        )?,
    }))
}

impl Recipe {
    /// What the task lacks of all that acts.
    fn lack(&self, task: &Task) -> Option<String> {
        let (id, family) = (task.id, task.family);
        let lack = |actor: &Actor| match actor {
            Actor::Scripted | Actor::Misled if task.expert.is_none() => {
                Some(format!("{id} has no scripted expert"))
            }
            Actor::Neighbour if neighbour(task).is_none() => {
                Some(format!("no other task of {family} has an expert for it"))
            }
            Actor::Roaming if Navigator::of(task).is_none() => Some(format!("{id} is not a maze")),
            _ => None,
        };
        self.actors.iter().find_map(lack)
    }

    /// What is to be done; nothing, if the dataset is there.
    fn plan(&'static self, task: &Task, args: &PoolArgs) -> Result<Option<Plan>> {
        let place = args.out.join(args.tier.name());
        let out = place.join(task.id).join(self.id);
        let agents: Vec<Option<RunConfig>> = self
            .actors
            .iter()
            .map(|&actor| agent(actor, task, args.tier))
            .collect::<Result<_>>()?;
        let trained = agents.iter().flatten();
        let keys: Vec<String> = trained.map(RunConfig::folder).collect::<Result<_>>()?;
        let hash = RunKey::of(&json!({
            "recipe": self.id, "actors": format!("{:?}", self.actors), "noise": self.noise,
            "random": self.random, "tier": args.tier, "task": task.id, "version": task.version,
            "agents": keys,
        }));
        if out.exists() {
            let source = super::read(&out)?.about.source;
            ensure!(
                source.contains(&hash.short()),
                "{} was made by another recipe or version ({source}); remove it, or choose another --out",
                out.display()
            );
            println!("{} is there already", out.display());
            return Ok(None);
        }
        Ok(Some(Plan {
            recipe: self,
            out,
            agents,
            hash,
        }))
    }
}

/// A dataset to be made.
struct Plan {
    recipe: &'static Recipe,
    out: PathBuf,
    /// By actor of the recipe.
    agents: Vec<Option<RunConfig>>,
    hash: RunKey,
}

impl Plan {
    /// The runs in full, by actor.
    fn whole(&self, _: &Path) -> Result<Vec<Option<RunConfig>>> {
        Ok(self.agents.clone())
    }

    /// The runs whose last policies act, when those in full are finished: an expert's ends where it was best.
    fn acting(&self, runs: &Path) -> Result<Vec<Option<RunConfig>>> {
        let mut agents = self.agents.clone();
        for (actor, agent) in self.recipe.actors.iter().zip(&mut agents) {
            if let (Actor::Best, Some(config)) = (actor, agent) {
                config.steps = best(&runs.join(config.folder()?))?;
            }
        }
        Ok(agents)
    }

    /// Records it; its agents are trained, in the folder `runs`.
    fn record(self, task: &Task, tier: Tier, runs: &Path) -> Result<()> {
        let agents = self.acting(runs)?;
        let Self {
            recipe, out, hash, ..
        } = self;
        let mut sources = Vec::new();
        for (actor, config) in recipe.actors.iter().zip(&agents) {
            let run = match config {
                Some(config) => runs.join(config.folder()?).display().to_string(),
                None => String::new(),
            };
            sources.push(match actor {
                Actor::Random => "random".to_owned(),
                Actor::Scripted => "expert".to_owned(),
                Actor::Misled => "expert:elsewhere".to_owned(),
                Actor::Roaming => "roam".to_owned(),
                Actor::Neighbour => {
                    let other = neighbour(task).context("a recipe that fits its task")?;
                    format!("expert:{}", other.id)
                }
                Actor::Medium | Actor::Best => run,
                Actor::Seen => format!("replay:{run}"),
            });
        }
        let episodes = match (recipe.actors, &agents[0]) {
            ([Actor::Seen], Some(config)) => seen(&runs.join(config.folder()?))?,
            _ => match tier {
                Tier::Smoke => 100,
                Tier::Short => 500,
                Tier::Full => 1_000,
            },
        };
        // Where hands are given less time to learn, they have the same time in the dataset.
        let horizon = agents.iter().flatten().find_map(|config| config.horizon);
        make::recorded(
            &MakeArgs {
                task: task.id.to_owned(),
                out,
                name: Some(recipe.id.to_owned()),
                from: sources,
                episodes,
                noise: recipe.noise,
                random: recipe.random,
                horizon: horizon.filter(|&steps| steps != task.spec.horizon),
                seed: 0,
            },
            &format!("recipe {}-{hash}: ", recipe.id),
        )?;
        Ok(())
    }
}

/// The family's next task with an expert, after the last one its first. A maze's expert knows no other maze.
fn neighbour(task: &Task) -> Option<&'static Task> {
    let mut family = envs::TASKS
        .iter()
        .filter(|t| t.family == task.family && t.expert.is_some() && Navigator::of(t).is_none());
    let own = family.clone().position(|t| t.id == task.id)?;
    let count = family.clone().count();
    family.nth((own + 1) % count).filter(|t| t.id != task.id)
}

/// The step of a finished run's best evaluation, the first of the best.
fn best(dir: &Path) -> Result<u64> {
    let (finished, _) = Store::scan(dir.parent().unwrap_or(dir))?;
    let run = finished.iter().find(|run| run.dir == dir);
    let run = run.with_context(|| format!("{} is not a finished run", dir.display()))?;
    let returns = run.evals.iter().filter(|e| e.step > 0);
    returns
        .rev()
        .filter_map(|e| Some((e.mean_return()?, e.step)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, step)| step)
        .with_context(|| format!("{} was never evaluated", dir.display()))
}

/// Episodes that a run has finished.
fn seen(dir: &Path) -> Result<usize> {
    let (config, checkpoint) = rollout::open_run(dir, None)?;
    let seen = Learnt::new(&config, &checkpoint, dir)?.experience(&config)?;
    Ok(seen.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recipes that `dataset pool` makes of a task where none is named.
    fn fitting(task: &str) -> Vec<&'static str> {
        let task = envs::find(task).unwrap();
        let fit = RECIPES.iter().filter(|r| r.lack(task).is_none());
        fit.map(|r| r.id).collect()
    }

    #[test]
    fn a_task_gets_the_recipes_whose_actors_it_has() {
        let of_agents = [
            "random",
            "medium",
            "medium-replay",
            "medium-expert",
            "expert",
            "suboptimal",
        ];
        assert_eq!(fitting("hopper"), of_agents);
        assert_eq!(fitting("antmaze-medium"), of_agents);
        let scripted = ["scripted", "scripted-random"];
        let maze = [&of_agents[..], &scripted, &["roaming"]].concat();
        assert_eq!(fitting("pointmaze-large"), maze);
        let hand = [&of_agents[..], &scripted, &["scripted-mixed"]].concat();
        assert_eq!(fitting("button-press"), hand);
    }

    #[test]
    fn neighbours_are_of_one_family() {
        let of = |id| neighbour(envs::find(id).unwrap()).map(|t| t.id);
        assert_eq!(of("button-press"), Some("door-open"));
        assert_eq!(of("assembly"), Some("reach"));
        assert_eq!(of("pointmaze-umaze"), None);
        assert_eq!(of("hopper"), None);
    }
}
