//! Episodes to look at, of a task or of a run; `prefbench rollout` writes them as CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use prefbench_envs::{self as envs, End, Env, Expert, Step, Task};
use prefbench_oracles::Stream;
use prefbench_results::{Checkpoint, EpisodeResult, Store};

use crate::config::RunConfig;
use crate::training;

/// Arguments of `prefbench rollout`.
#[derive(Args)]
pub struct RolloutArgs {
    /// A run's folder (its latest policy), or a task (random actions, or its expert's)
    pub what: String,
    /// Of a task: the scripted expert acts
    #[arg(long)]
    pub expert: bool,
    /// Episodes to play; of a run, the first of its own evaluation episodes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub episodes: u64,
    /// The CSV file [default: standard output]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Writes one row a step: episode, step, every observation field, every action, reward, success.
pub fn rollout(args: &RolloutArgs) -> Result<ExitCode> {
    let source = Source::open(&args.what, args.expert)?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };

    let spec = source.task()?.spec;
    write!(out, "episode,step")?;
    for name in spec
        .fields
        .iter()
        .map(|f| f.name)
        .chain(spec.actions.iter().copied())
    {
        write!(out, ",{name}")?;
    }
    writeln!(out, ",reward,success")?;
    for (k, episode) in source.episodes(0..args.episodes)?.iter().enumerate() {
        let mut replay = episode.replay()?;
        let mut before = replay.observation.clone();
        while let Some((action, step)) = replay.step()? {
            write!(out, "{k},{}", replay.result.length)?;
            for value in before.iter().chain(action) {
                write!(out, ",{value}")?;
            }
            writeln!(out, ",{},{}", step.reward, step.success)?;
            before.copy_from_slice(&replay.observation);
        }
        eprintln!("episode {k}: {}", summary(&replay.result));
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// An episode's outcome, in words.
pub fn summary(result: &EpisodeResult) -> String {
    let (g, steps, success) = (result.return_, result.length, result.success);
    format!("return {g:.1}, {steps} steps, success {success}")
}

/// The configuration and the latest checkpoint of the run in this folder, which must be of `task` if
/// one is given.
pub fn open_run(dir: &Path, task: Option<&Task>) -> Result<(RunConfig, Checkpoint)> {
    let (config, checkpoint) = Store::peek(dir)?;
    let config: RunConfig = serde_json::from_value(config)
        .with_context(|| format!("{} is not a run of this version", dir.display()))?;
    config.validate()?;
    if let Some(task) = task.filter(|task| config.task != task.id) {
        bail!(
            "{} is a run of {}, not of {}",
            dir.display(),
            config.task,
            task.id
        );
    }
    Ok((config, checkpoint))
}

/// What acts: chance or an expert in a task, or the policy of a run.
pub enum Source {
    /// Uniformly random actions.
    Random(Task),
    /// The scripted expert of a task.
    Expert(Task, Expert),
    /// The deterministic policy of a run's latest checkpoint.
    Policy {
        config: Box<RunConfig>,
        checkpoint: Checkpoint,
        dir: PathBuf,
    },
}

impl Source {
    /// The task of this name, or the run in this folder. (For a folder named like a task: `./reach`.)
    pub fn open(what: &str, expert: bool) -> Result<Self> {
        let dir = Path::new(what);
        match envs::find(what) {
            Ok(task) if expert => Ok(Self::Expert(*task, expert_of(task)?)),
            Ok(task) => Ok(Self::Random(*task)),
            Err(_) if expert && dir.is_dir() => {
                bail!("--expert goes with a task; {what} is a run, whose policy acts")
            }
            Err(_) if dir.is_dir() => {
                let (config, checkpoint) = open_run(dir, None)?;
                Ok(Self::Policy {
                    config: Box::new(config),
                    checkpoint,
                    dir: dir.to_path_buf(),
                })
            }
            Err(e) => {
                Err(e).with_context(|| format!("{what} is neither a run's folder nor a task"))
            }
        }
    }

    /// The task that is played.
    pub fn task(&self) -> Result<Task> {
        Ok(match self {
            Self::Random(task) | Self::Expert(task, _) => *task,
            Self::Policy { config, .. } => config.task()?,
        })
    }

    /// The episodes of these numbers: evaluation episodes of a run, seeds of a task.
    pub fn episodes(&self, numbers: impl Iterator<Item = u64>) -> Result<Vec<Episode>> {
        let task = self.task()?;
        match self {
            Self::Random(_) => Ok(numbers.map(|seed| Episode::random(task, seed)).collect()),
            Self::Expert(_, expert) => numbers
                .map(|seed| Episode::of(task, seed, expert))
                .collect(),
            Self::Policy {
                config,
                checkpoint,
                dir,
            } => {
                let mut player = training::Player::new(config, checkpoint, dir, &task)?;
                let one = |k| {
                    let mut actions = Vec::new();
                    let seed = player.seed(k);
                    let keep = |_: &[f32], action: &[f32], _: &Step| {
                        actions.push(action.to_vec());
                        Ok(())
                    };
                    player.play(seed, |_| (), keep)?;
                    Ok(Episode {
                        task,
                        seed,
                        actions,
                    })
                };
                numbers.map(one).collect()
            }
        }
    }
}

/// The task's scripted expert.
pub fn expert_of(task: &Task) -> Result<Expert> {
    task.expert.with_context(|| {
        let known = envs::TASKS.iter().filter(|t| t.expert.is_some());
        let known: Vec<_> = known.map(|t| t.id).collect();
        format!(
            "{} has no scripted expert; these have one: {}",
            task.id,
            known.join(", ")
        )
    })
}

/// A seed and actions, which determine every bit of an episode.
pub struct Episode {
    pub task: Task,
    pub seed: u64,
    pub actions: Vec<Vec<f32>>,
}

impl Episode {
    fn random(task: Task, seed: u64) -> Self {
        let mut stream = Stream::new(seed, "play");
        let mut action = || {
            let mut action = vec![0.0; task.spec.action_dim()];
            stream.fill_uniform(&mut action, -1.0, 1.0);
            action
        };
        Self {
            task,
            seed,
            actions: (0..task.spec.horizon).map(|_| action()).collect(),
        }
    }

    /// Of what `act` writes, given an observation.
    pub fn of(task: Task, seed: u64, mut act: impl FnMut(&[f32], &mut [f32])) -> Result<Self> {
        let mut env = task.make()?;
        let mut observation = vec![0.0; task.spec.obs_dim()];
        let mut actions = Vec::new();
        env.reset(seed, &mut observation)?;
        loop {
            let mut action = vec![0.0; task.spec.action_dim()];
            act(&observation, &mut action);
            let end = env.step(&action, &mut observation)?.end;
            actions.push(action);
            if end != End::No {
                break;
            }
        }
        Ok(Self {
            task,
            seed,
            actions,
        })
    }

    /// Begins to play it in an environment of its own.
    pub fn replay(&self) -> Result<Replay<'_>> {
        let mut env = self.task.make()?;
        let mut observation = vec![0.0; self.task.spec.obs_dim()];
        env.reset(self.seed, &mut observation)?;
        Ok(Replay {
            env,
            observation,
            result: EpisodeResult {
                seed: self.seed,
                return_: 0.0,
                length: 0,
                success: false,
            },
            actions: self.actions.iter(),
            over: false,
        })
    }
}

/// An episode that is being played.
pub struct Replay<'a> {
    pub env: Box<dyn Env>,
    /// The current observation.
    pub observation: Vec<f32>,
    /// The outcome so far.
    pub result: EpisodeResult,
    actions: std::slice::Iter<'a, Vec<f32>>,
    over: bool,
}

impl<'a> Replay<'a> {
    /// The next action and what came of it, until the episode ends.
    pub fn step(&mut self) -> Result<Option<(&'a [f32], Step)>> {
        if self.over {
            return Ok(None);
        }
        let Some(action) = self.actions.next() else {
            return Ok(None);
        };
        let step = self.env.step(action, &mut self.observation)?;
        self.result.return_ += f64::from(step.reward);
        self.result.length += 1;
        self.result.success |= step.success;
        self.over = step.end != End::No;
        Ok(Some((action, step)))
    }
}
