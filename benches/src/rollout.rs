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
    let mut row = (0, 0);
    let played = online::replay(
        &config,
        &checkpoint,
        &args.run,
        args.episodes,
        |k, obs, act, step| {
            row = if row.0 == k { (k, row.1 + 1) } else { (k, 1) };
            write!(out, "{},{}", row.0, row.1)?;
            for value in obs.iter().chain(act) {
                write!(out, ",{value}")?;
            }
            Ok(writeln!(out, ",{},{}", step.reward, step.success)?)
        },
    )?;
    out.flush()?;
    for (k, e) in played.iter().enumerate() {
        eprintln!(
            "episode {k}: return {:.1}, {} steps, success {}",
            e.return_, e.length, e.success
        );
    }
    Ok(ExitCode::SUCCESS)
}
