//! `prefbench rollout`: plays a run's policy and writes what happened as CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use prefbench_envs as envs;
use prefbench_results::Store;

use crate::config::RunConfig;
use crate::online;

/// Arguments of `prefbench rollout`.
#[derive(Args)]
pub struct RolloutArgs {
    /// A run's folder
    pub run: PathBuf,
    /// Episodes to play: the first of the run's own evaluation episodes
    #[arg(long, default_value_t = 1)]
    pub episodes: u64,
    /// The CSV file [default: standard output]
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Writes one row a step: episode, step, every observation field, every action, reward, success.
pub fn rollout(args: &RolloutArgs) -> Result<ExitCode> {
    let (config, checkpoint) = Store::peek(&args.run)?;
    let config: RunConfig = serde_json::from_value(config)
        .with_context(|| format!("{} is not a run of this version", args.run.display()))?;
    config.validate()?;
    let mut player = online::Player::new(&config, &checkpoint, &args.run)?;
    let mut out: Box<dyn Write> = match &args.out {
        Some(path) => {
            let file = File::create(path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            Box::new(BufWriter::new(file))
        }
        None => Box::new(BufWriter::new(std::io::stdout().lock())),
    };

    let spec = envs::find(&config.task)?.spec;
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
    for k in 0..args.episodes {
        let mut t = 0;
        let episode = player.play(k, |observation, action, step| {
            t += 1;
            write!(out, "{k},{t}")?;
            for value in observation.iter().chain(action) {
                write!(out, ",{value}")?;
            }
            Ok(writeln!(out, ",{},{}", step.reward, step.success)?)
        })?;
        let (g, success) = (episode.return_, episode.success);
        eprintln!("episode {k}: return {g:.1}, {t} steps, success {success}");
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
