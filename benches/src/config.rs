//! The one user-facing configuration, resolved from defaults, a file, `--set` and flags.
//!
//! The defaults of a task, an algorithm and a tier form a complete tree; whatever the user gives
//! must name a leaf of that tree and have its type. The resolved tree's hash names the run.

use anyhow::{Result, anyhow, bail};
use prefbench_agents::{Algorithm, Build, Device, Dims, Setup, Tier, algorithm};
use prefbench_envs::{self as envs, Task};
use prefbench_oracles::nearest::nearest;
use prefbench_oracles::{Teacher, TeacherEntry, teacher};
use prefbench_results::RunKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

mod source;
pub mod tree;

use source::Facts;
pub use source::{Labels, Source, check_compat};
pub use tree::{merge, parse_set};
use tree::{overlay, to_json};

/// Everything that determines a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Task id.
    pub task: String,
    /// The task's version: its physics, reward and success definition.
    pub task_version: u32,
    /// Algorithm id.
    pub algorithm: String,
    /// The algorithm's version.
    pub algorithm_version: u32,
    /// Teacher id; null where the algorithm does not learn from preferences.
    pub teacher: Option<String>,
    /// The teacher's own settings; null where there is none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub teacher_settings: Value,
    /// Budget tier that chose the defaults.
    pub tier: Tier,
    /// Seed of every random stream.
    pub seed: u64,
    /// Where tensors are computed.
    pub device: Device,
    /// Map bounded observation fields onto [−1, 1] for the learner (papers: false).
    pub scale_observations: bool,
    /// Train on a curriculum, for tasks that have one: begin easy, harder after each success.
    #[serde(default)]
    pub curriculum: bool,
    /// Show the learner zeros for the goal, on tasks whose observation has one.
    #[serde(default)]
    pub hide_goal: bool,
    /// Steps of an episode; the task's own where it is not given.
    #[serde(default)]
    pub horizon: Option<u32>,
    /// What an offline algorithm learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Source>,
    /// The preferences that an offline algorithm learns from, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
    /// Environment steps; gradient steps of an offline algorithm.
    pub steps: u64,
    /// Steps between two evaluations.
    pub eval_every: u64,
    /// Episodes per evaluation.
    pub eval_episodes: u64,
    /// Steps between two checkpoints.
    pub checkpoint_every: u64,
    /// The algorithm's own settings.
    pub agent: Value,
}

/// What the command line fixes before anything else is looked up.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub task: Option<String>,
    pub algorithm: Option<String>,
    pub teacher: Option<String>,
    pub tier: Option<Tier>,
    pub seed: Option<u64>,
    pub device: Option<String>,
    /// `key=value` pairs.
    pub set: Vec<String>,
}

impl RunConfig {
    /// Resolves defaults, then `file`, then `flags.set`, then the other flags.
    pub fn resolve(file: &toml::Table, flags: &Flags) -> Result<Self> {
        let mut given = to_json(&toml::Value::Table(file.clone()), "the config file")?;
        for pair in &flags.set {
            merge(&mut given, parse_set(pair)?);
        }
        let flagged = [
            ("task", flags.task.as_ref().map(|v| json!(v))),
            ("algorithm", flags.algorithm.as_ref().map(|v| json!(v))),
            ("tier", flags.tier.map(|v| json!(v))),
            ("seed", flags.seed.map(|v| json!(v))),
            ("device", flags.device.as_ref().map(|v| json!(v))),
            ("teacher", flags.teacher.as_ref().map(|v| json!(v))),
        ];
        for (key, value) in flagged {
            let Some(value) = value else { continue };
            if sets(&flags.set, key) && given.get(key) != Some(&value) {
                bail!(
                    "`--set {key}=…` has no effect: {key} is {value} by what is asked for otherwise; say it there"
                );
            }
            given[key] = value;
        }
        let named = |key: &str| match given.get(key) {
            Some(Value::String(name)) => Ok(Some(name.clone())),
            Some(other) => bail!("`{key}` is {other}, but must be a name in quotes"),
            None => Ok(None),
        };
        let lacks = |key: &str, flag: &str| {
            let typed = given.as_object().into_iter().flat_map(|map| map.keys());
            let typed = typed.filter(|typed| nearest(typed, [key]).is_some());
            let typed = typed.map(|typed| format!("; `{typed}` is no key, did you mean `{key}`?"));
            let typed = typed.collect::<String>();
            anyhow!("no {key} given{flag}; `prefbench list` shows them{typed}")
        };
        let task = named("task")?.ok_or_else(|| lacks("task", ""))?;
        let task = envs::find(&task)?;
        let algorithm = named("algorithm")?.ok_or_else(|| lacks("algorithm", " (--algo)"))?;
        let algorithm = algorithm::find(&algorithm)?;
        let tier = match named("tier")? {
            Some(name) => Tier::find(&name)?,
            None => Tier::Smoke,
        };
        if let Some(device) = named("device")? {
            Device::find(&device)?;
        }
        let teacher = named("teacher")?;
        if let Some(teacher) = teacher.as_ref().filter(|_| !algorithm.taught) {
            bail!(
                "`{}` does not learn from preferences, so --teacher {teacher} has no effect; \
                 leave it out",
                algorithm.id
            );
        }

        source::complete(&mut given, algorithm)?;
        let asked = algorithm.taught && !source::names_answers(&given, teacher.as_deref())?;
        let teacher = match asked {
            true => Some(teacher::find(teacher.as_deref().unwrap_or("oracle"))?),
            false => None,
        };
        let mut defaults = Self::defaults(task, algorithm, teacher, tier);
        let facts = match algorithm.offline() {
            None => None,
            Some(_) => Some(Facts::read(source::path(&given, algorithm)?, task, tier)?),
        };
        if let Some(facts) = &facts {
            facts.fit(&mut defaults);
        }
        let mut tree = serde_json::to_value(defaults)?;
        overlay(&mut tree, &given, "")?;
        let mut config: Self = serde_path_to_error::deserialize(tree)
            .map_err(|e| anyhow!("`{}` cannot be used: {}", e.path(), e.inner()))?;
        if let (Some(facts), Some(source)) = (facts, &mut config.dataset) {
            source.settle(&facts, task, algorithm, config.labels.as_mut())?;
            check_compat("teacher_settings.compat", &config.teacher_settings)?;
        }
        config.validate()?;
        Ok(config)
    }

    /// What a run is where nothing is asked for but these four; the teacher is for algorithms that
    /// ask one.
    pub fn defaults(
        task: &Task,
        algorithm: &Algorithm,
        teacher: Option<&TeacherEntry>,
        tier: Tier,
    ) -> Self {
        let gymnasium = task.family == "gymnasium";
        let meta = task.family == "metaworld";
        let steps = match tier {
            Tier::Smoke => 40_000,
            Tier::Short if gymnasium || meta => 300_000,
            Tier::Short => 100_000,
            Tier::Full => 1_000_000,
        };
        let setup = setup(task, tier);
        let online = Self {
            task: task.id.to_owned(),
            task_version: task.version,
            algorithm: algorithm.id.to_owned(),
            algorithm_version: algorithm.version,
            teacher: teacher.map(|t| t.id.to_owned()),
            teacher_settings: teacher.map_or(Value::Null, |t| (t.defaults)()),
            tier,
            seed: 0,
            device: Device::Flex,
            scale_observations: tier == Tier::Smoke && !gymnasium,
            curriculum: false,
            hide_goal: false,
            // A hand does its work in a second: more beginnings teach more than long endings.
            horizon: Some(match tier {
                Tier::Smoke if meta => 100,
                Tier::Short if meta => 200,
                _ => task.spec.horizon,
            }),
            steps,
            eval_every: if tier == Tier::Smoke { 2_000 } else { 10_000 },
            eval_episodes: 10,
            checkpoint_every: if tier == Tier::Smoke { 10_000 } else { 25_000 },
            dataset: None,
            labels: None,
            agent: (algorithm.defaults)(&setup),
        };
        let Some(offline) = algorithm.offline() else {
            return online;
        };
        let steps = (offline.steps)(&setup);
        let every = match tier {
            Tier::Full => 5_000,
            _ => steps.div_ceil(10),
        };
        Self {
            scale_observations: false,
            horizon: Some(task.spec.horizon),
            dataset: Some(Source::default()),
            labels: algorithm.taught.then(|| Labels::defaults(task, tier)),
            steps,
            eval_every: every,
            checkpoint_every: every,
            ..online
        }
    }

    /// Refuses what this prefbench cannot run as it is written.
    pub fn validate(&self) -> Result<()> {
        let task = envs::find(&self.task)?;
        let algorithm = algorithm::find(&self.algorithm)?;
        self.make_teacher()?;
        for (key, value) in [
            ("steps", self.steps),
            ("eval_every", self.eval_every),
            ("eval_episodes", self.eval_episodes),
            ("checkpoint_every", self.checkpoint_every),
        ] {
            if value == 0 {
                bail!("`{key}` is 0, but must be at least 1");
            }
        }
        for (key, value, now) in [
            ("task_version", self.task_version, task.version),
            (
                "algorithm_version",
                self.algorithm_version,
                algorithm.version,
            ),
        ] {
            if value != now {
                bail!(
                    "`{key}` is {value}, but this prefbench has version {now}; use the release that has {value}"
                );
            }
        }
        if self.dataset.is_some() != algorithm.offline().is_some() {
            bail!("`dataset` is for the algorithms that learn from one, and for no others");
        }
        if self.curriculum && self.dataset.is_some() {
            bail!("`curriculum` is true, but an offline run does not act; leave it out");
        }
        if self.curriculum && task.make()?.difficulty().is_none() {
            bail!(
                "`curriculum` is true, but `{}` has no curriculum; leave it out, or take one of: {}",
                task.id,
                curricula().join(", ")
            );
        }
        if self.horizon == Some(0) {
            bail!("`horizon` is 0, but an episode has at least 1 step");
        }
        if self.hide_goal && goal_fields(task).next().is_none() {
            bail!(
                "`hide_goal` is true, but `{}` does not show a goal; leave it out",
                task.id
            );
        }
        (algorithm.check)(&self.agent, &setup(&self.task()?, self.tier), self.steps)?;
        self.device.check()?;
        Ok(())
    }

    /// The teacher that answers, if the algorithm asks one.
    pub fn make_teacher(&self) -> Result<Option<Box<dyn Teacher>>> {
        let Some(id) = &self.teacher else {
            return Ok(None);
        };
        let entry = teacher::find(id)?;
        if entry.needs_expert {
            bail!(
                "the teacher \"{id}\" judges by an expert's values and labels datasets only \
                 (`prefbench label --teacher {id} --expert RUN`); take another for a run"
            );
        }
        let teacher = (entry.make)(&self.teacher_settings, None)?;
        // Tables name the teacher; one that errs must not be called an oracle there.
        let (own, defaults) = (&self.teacher_settings, (entry.defaults)());
        let erring = [
            "mistake",
            "skip",
            "equal",
            "tie",
            "unsure",
            "temperature",
            "gamma",
        ];
        let erring = erring.iter().find(|&&key| own[key] != defaults[key]);
        if let Some(key) = erring.filter(|_| id == "oracle" && own.is_object()) {
            bail!(
                "`teacher_settings.{key}` is {}, but the oracle does not err, skip or call a tie; name the teacher \
                 that does (`prefbench list teachers`), and set it there",
                own[key]
            );
        }
        Ok(Some(teacher))
    }

    /// The task with the horizon that is asked for.
    pub fn task(&self) -> Result<Task> {
        let task = *envs::find(&self.task)?;
        Ok(match self.horizon {
            Some(steps) => task.with_horizon(steps),
            None => task,
        })
    }

    /// What its learner is built for.
    pub fn build(&self) -> Result<Build> {
        let spec = self.task()?.spec;
        Ok(Build {
            dims: Dims {
                obs: spec.obs_dim(),
                act: spec.action_dim(),
            },
            total_steps: self.steps,
            seed: self.seed,
            device: self.device,
            ticket: None,
        })
    }

    /// The start of the run folder's name.
    pub fn prefix(&self) -> String {
        let teacher = self.teacher.as_deref().unwrap_or("none");
        format!("{}-{}-{teacher}-s{}", self.task, self.algorithm, self.seed)
    }

    /// The run folder's name.
    pub fn folder(&self) -> Result<String> {
        Ok(format!(
            "{}-{}",
            self.prefix(),
            RunKey::of(&self.to_json()?)
        ))
    }

    /// The tree that is hashed and stored.
    pub fn to_json(&self) -> Result<Value> {
        let mut tree = serde_json::to_value(self)?;
        // What is as it always was is left out, so that runs keep the names they had before it could
        // be set.
        let own = envs::find(&self.task)?.spec.horizon;
        let defaults = [
            ("curriculum", !self.curriculum),
            ("hide_goal", !self.hide_goal),
            ("horizon", self.horizon.is_none_or(|steps| steps == own)),
        ];
        if let Some(leaves) = tree.as_object_mut() {
            for (key, _) in defaults.iter().filter(|(_, default)| *default) {
                leaves.remove(*key);
            }
            if let Some(Value::Object(dataset)) = leaves.get_mut("dataset") {
                dataset.remove("path");
            }
        }
        Ok(tree)
    }
}

/// Whether some of these `key=value` pairs set `key`.
pub fn sets(pairs: &[String], key: &str) -> bool {
    let mut keys = pairs.iter().filter_map(|pair| pair.split('=').next());
    keys.any(|set| set.trim() == key)
}

/// The tasks that have a curriculum.
fn curricula() -> Vec<&'static str> {
    let tagged = envs::TASKS
        .iter()
        .filter(|t| t.tags.contains(&"curriculum"));
    tagged.map(|t| t.id).collect()
}

/// Where the observation shows the goal.
pub fn goal_fields(task: &Task) -> impl Iterator<Item = usize> {
    let fields = task.spec.fields.iter().enumerate();
    fields
        .filter(|(_, f)| f.name.starts_with("goal_"))
        .map(|(i, _)| i)
}

fn setup(task: &Task, tier: Tier) -> Setup<'_> {
    Setup {
        task: task.id,
        family: task.family,
        horizon: task.spec.horizon as usize,
        tier,
    }
}

#[cfg(test)]
mod tests;
