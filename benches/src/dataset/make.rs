//! `prefbench dataset make`: episodes of known policies, each of which can be replayed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use prefbench_envs::{self as envs, Task};
use prefbench_oracles::{About, Dataset, Origin, Stream, Trajectories};

use super::check::record;
use super::scripted::Scripted;
use crate::rollout;
use crate::training::{Learnt, Player, stream_seed};

/// Arguments of `prefbench dataset make`.
#[derive(Args)]
pub struct MakeArgs {
    /// Task, e.g. hopper
    pub task: String,
    /// Folder to write
    #[arg(long)]
    pub out: PathBuf,
    /// What to call it in tables [default: the folder's name]
    #[arg(long, value_parser = super::parse_name)]
    pub name: Option<String>,
    /// What acts, repeatable (equal shares): `random`, `expert` (the task's scripted one), `expert:elsewhere` (which
    /// takes things to be where they are in another episode), `expert:TASK` (another task's), `roam` (in a maze, to one
    /// random place after another), a run's folder (its deterministic policy), or `replay:` and a run's folder (the
    /// episodes of its training, from the first on)
    #[arg(long = "from", value_name = "SOURCE", default_value = "random")]
    pub from: Vec<String>,
    /// Episodes in all
    #[arg(long, default_value_t = 100)]
    pub episodes: usize,
    /// Standard deviation of Gaussian noise on a policy's actions (CPL: 0.3)
    #[arg(long, default_value_t = 0.0)]
    pub noise: f32,
    /// Share of a policy's actions that are uniformly random instead
    #[arg(long, default_value_t = 0.0)]
    pub random: f64,
    /// Steps of an episode [default: the task's own]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub horizon: Option<u32>,
    /// Seed of episodes and noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// An episode to record: everything that determines it, and who acts.
struct Plan {
    seed: u64,
    actions: Vec<Vec<f32>>,
    policy: Arc<str>,
}

/// Records the episodes and writes the dataset.
pub fn make(args: &MakeArgs) -> Result<ExitCode> {
    recorded(args, "")
}

/// The same, with something to say before the source.
pub fn recorded(args: &MakeArgs, before: &str) -> Result<ExitCode> {
    let task = *envs::find(&args.task)?;
    let task = &args.horizon.map_or(task, |steps| task.with_horizon(steps));
    ensure!(args.episodes > 0, "--episodes is 0, but must be at least 1");
    ensure!(
        args.noise >= 0.0 && args.noise.is_finite(),
        "--noise is {}, but must be at least 0",
        args.noise
    );
    ensure!(
        (0.0..=1.0).contains(&args.random),
        "--random is {}, but must be between 0 and 1",
        args.random
    );
    let drawn = |source: &String| source == "random" || source.starts_with("replay:");
    if args.from.iter().all(drawn) && (args.noise > 0.0 || args.random > 0.0) {
        bail!(
            "--noise and --random are for a policy's actions, and nobody here has one (--from {}); leave them out",
            args.from.join(" --from ")
        );
    }
    ensure!(
        !args.out.exists(),
        "{} exists already; choose another name or remove it",
        args.out.display()
    );

    let style = ProgressStyle::with_template("{msg} {bar:24.cyan/blue} {pos:>7}/{len} ETA {eta}")?;
    let bar = ProgressBar::new(args.episodes as u64)
        .with_style(style)
        .with_message("episodes");
    let mut dataset = empty(task, args);
    dataset.about.source.insert_str(0, before);
    let mut env = task.make()?;
    for (i, source) in args.from.iter().enumerate() {
        // Shares differ by one episode at most; the first sources get the rest.
        let share =
            args.episodes / args.from.len() + usize::from(i < args.episodes % args.from.len());
        let first = dataset.origins.len() as u64;
        plans(source, task, args, first, share, |plan| {
            let success = record(
                env.as_mut(),
                plan.seed,
                &plan.actions,
                &mut dataset.trajectories,
            )
            .with_context(|| format!("episode {} ({source})", dataset.origins.len()))?;
            dataset.origins.push(Origin {
                seed: Some(plan.seed),
                policy: plan.policy,
                success: Some(success),
            });
            bar.inc(1);
            Ok(())
        })?;
    }
    bar.finish_and_clear();
    dataset.write(&args.out)?;
    super::info::print(&dataset)?;
    println!("written to {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

fn empty(task: &Task, args: &MakeArgs) -> Dataset {
    let words = |words: &mut dyn Iterator<Item = &'static str>| words.map(str::to_owned).collect();
    let quoted = |from: &String| {
        let quoted = shlex::try_quote(from).map(Into::into);
        quoted.unwrap_or_else(|_| from.clone())
    };
    let from: Vec<String> = args.from.iter().map(quoted).collect();
    let mut source = format!(
        "prefbench {} ({}) dataset make {} --from {} --episodes {} --seed {}",
        env!("CARGO_PKG_VERSION"),
        env!("PREFBENCH_COMMIT"),
        args.task,
        from.join(" --from "),
        args.episodes,
        args.seed
    );
    for (flag, value) in [
        ("noise", args.noise.to_string()),
        ("random", args.random.to_string()),
        ("horizon", args.horizon.unwrap_or_default().to_string()),
    ] {
        if value != "0" {
            source += &format!(" --{flag} {value}");
        }
    }
    Dataset {
        about: About {
            name: args
                .name
                .clone()
                .unwrap_or_else(|| super::name_of(&args.out)),
            horizon: args.horizon,
            task: Some(task.id.to_owned()),
            task_version: Some(task.version),
            observation: words(&mut task.spec.fields.iter().map(|f| f.name)),
            action: words(&mut task.spec.actions.iter().copied()),
            true_rewards: true,
            source,
            ..About::default()
        },
        trajectories: Trajectories::new(task.spec.obs_dim(), task.spec.action_dim()),
        origins: Vec::new(),
        answers: Vec::new(),
    }
}

/// Gives `each` the plans of one source, of which the dataset's first is number `first`.
fn plans(
    source: &str,
    task: &Task,
    args: &MakeArgs,
    first: u64,
    count: usize,
    mut each: impl FnMut(Plan) -> Result<()>,
) -> Result<()> {
    let policy: Arc<str> = source.into();
    let mut each = |seed, actions| {
        let policy = Arc::clone(&policy);
        each(Plan {
            seed,
            actions,
            policy,
        })
    };
    // Every episode has streams of its own, so that it does not depend on the others.
    let noise = Stream::new(args.seed, "dataset.noise");
    let numbers = (first..)
        .take(count)
        .map(|k| (stream_seed(args.seed, "dataset", k), noise.at(k)));
    if source == "random" {
        for (seed, mut noise) in numbers {
            let mut action = |_| {
                let mut action = vec![0.0; task.spec.action_dim()];
                noise.fill_uniform(&mut action, -1.0, 1.0);
                action
            };
            let actions = (0..task.spec.horizon).map(&mut action).collect();
            each(seed, actions)?;
        }
        return Ok(());
    }
    let alter = |noise: &mut Stream, action: &mut [f32]| {
        if noise.chance(args.random) {
            return noise.fill_uniform(action, -1.0, 1.0);
        }
        for a in action {
            *a = (*a + args.noise * noise.normal()).clamp(-1.0, 1.0);
        }
    };
    if let Some(scripted) = Scripted::find(source, task)? {
        for (k, (seed, mut noise)) in (first..).zip(numbers) {
            let mut act = scripted.act(task, (args.seed, k, seed))?;
            let episode = rollout::Episode::of(*task, seed, |observation, action| {
                act(observation, action);
                alter(&mut noise, action);
            })?;
            each(seed, episode.actions)?;
        }
        return Ok(());
    }
    let (dir, replay) = match source.strip_prefix("replay:") {
        Some(dir) => (PathBuf::from(dir), true),
        None => (PathBuf::from(source), false),
    };
    let (config, checkpoint) = rollout::open_run(&dir, Some(task)).with_context(|| {
        format!("--from {source} (neither `random`, `roam` nor an `expert` nor such a run)")
    })?;
    if replay {
        if config.curriculum {
            bail!("--from {source}: a run on a curriculum cannot be replayed");
        }
        let (theirs, horizon) = (config.task()?.spec.horizon, task.spec.horizon);
        if theirs != horizon {
            bail!(
                "--from {source}: its episodes are of {theirs} steps, not of {horizon}; say --horizon {theirs}"
            );
        }
        let seen = Learnt::new(&config, &checkpoint, &dir)?.experience(&config)?;
        if seen.len() < count {
            bail!(
                "--from {source}: {count} episodes wanted, and the run has finished {}",
                seen.len()
            );
        }
        for (seed, actions) in seen.into_iter().take(count) {
            each(seed, actions)?;
        }
        return Ok(());
    }
    let mut player = Player::new(&config, &checkpoint, &dir, task)?;
    for (seed, mut noise) in numbers {
        let mut actions = Vec::new();
        player.play(
            seed,
            |action| alter(&mut noise, action),
            |_, action, _| {
                actions.push(action.to_vec());
                Ok(())
            },
        )?;
        each(seed, actions)?;
    }
    Ok(())
}
