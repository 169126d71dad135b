//! `prefbench run`: a grid of algorithms and seeds, on worker threads.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use prefbench_agents::Tier;
use prefbench_results::Store;

use crate::config::{Flags, RunConfig};
use crate::online::{self, Outcome};
use crate::progress::Display;
use crate::show;

/// Arguments of `prefbench run`.
#[derive(Args)]
pub struct RunArgs {
    /// Task, e.g. hopper (optional if the config file names it)
    pub task: Option<String>,
    /// Algorithms, e.g. pebble or sac,pebble
    #[arg(long = "algo", value_name = "ALGORITHM", value_delimiter = ',')]
    pub algorithms: Vec<String>,
    /// Teacher that answers the queries of the algorithms that ask [default: oracle]
    #[arg(long)]
    pub teacher: Option<String>,
    /// Seeds, e.g. 3 or 0,1,2 or 0..4 (excluding 4) [default: 0]
    #[arg(long = "seed", value_name = "SEEDS", value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Budget, which chooses the defaults [default: smoke]
    #[arg(long, value_parser = Tier::find)]
    pub tier: Option<Tier>,
    /// Override one setting, e.g. steps=20000 or agent.sac.batch=256 (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Settings in TOML; flags and --set come after it
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// flex (default), ndarray or cuda
    #[arg(long)]
    pub device: Option<String>,
    /// Runs side by side [default: the number of cores]
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Folder of runs
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
}

/// A list of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds(pub Vec<u64>);

/// Trains every combination; prints the table and the plots when all of them are finished.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let configs = configs(args)?;
    let store = Store::open(&args.out)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signal(&stop)?;

    let display = Display::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores).clamp(1, configs.len());
    let total = configs.len();
    let queue = Mutex::new(VecDeque::from(configs));
    let ended = Mutex::new((0, Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let Some(config) = lock(&queue).pop_front() else {
                        break;
                    };
                    let outcome = one(&config, &store, &display, &stop);
                    let mut ended = lock(&ended);
                    match outcome {
                        Ok(Outcome::Finished | Outcome::AlreadyFinished) => ended.0 += 1,
                        Ok(Outcome::Stopped(_)) => {}
                        Err(error) => ended.1.push((config.prefix(), error)),
                    }
                }
            });
        }
    });

    let (finished, failed) = ended.into_inner().unwrap_or_else(|e| e.into_inner());
    for (name, error) in &failed {
        eprintln!("prefbench: {name} failed: {error:#}");
    }
    if stop.load(Ordering::Relaxed) {
        eprintln!(
            "Stopped: {finished} of {total} runs finished. The same command resumes the rest."
        );
        return Ok(ExitCode::from(130));
    }
    show::summary(&args.out)?;
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Resolves every run before the first one starts, so that a mistake costs nothing.
fn configs(args: &RunArgs) -> Result<Vec<RunConfig>> {
    let file = match &args.config {
        Some(path) => fs::read_to_string(path)
            .with_context(|| format!("cannot read the config file {}", path.display()))?
            .parse::<toml::Table>()
            .with_context(|| format!("{} is not valid TOML", path.display()))?,
        None => toml::Table::new(),
    };
    let algorithms = match args.algorithms.as_slice() {
        [] => vec![None],
        names => names.iter().cloned().map(Some).collect(),
    };
    let seeds = match &args.seeds {
        Some(Seeds(seeds)) => seeds.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    // In a mixed grid the teacher is for those algorithms that learn from one.
    let taught = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default();
        prefbench_agents::algorithm::find(name).is_ok_and(|a| a.taught)
    };
    let mixed = algorithms.iter().any(taught);
    let mut configs = Vec::new();
    for &seed in &seeds {
        for algorithm in &algorithms {
            let flags = Flags {
                task: args.task.clone(),
                algorithm: algorithm.clone(),
                teacher: args.teacher.clone().filter(|_| !mixed || taught(algorithm)),
                tier: args.tier,
                seed,
                device: args.device.clone(),
                set: args.set.clone(),
            };
            let config = RunConfig::resolve(&file, &flags)?;
            // A combination named twice is run once.
            if !configs.contains(&config) {
                configs.push(config);
            }
        }
    }
    Ok(configs)
}

fn one(config: &RunConfig, store: &Store, display: &Display, stop: &AtomicBool) -> Result<Outcome> {
    let name = config.prefix();
    let mut folder = store.run(&name, &config.to_json()?)?;
    let progress = display.run(&name, config.steps);
    // A panic in a dependency fails this run, not its neighbours.
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        online::run(config, &mut folder, &progress, stop)
    }))
    .unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or(panic.downcast_ref::<&str>().copied());
        Err(anyhow!("internal error: {}", what.unwrap_or("a panic")))
    });
    progress.finish();
    let dir = folder.dir().display();
    match &outcome {
        Ok(Outcome::Finished) => display.line(&format!("{name}: finished, in {dir}")),
        Ok(Outcome::AlreadyFinished) => {
            display.line(&format!("{name}: finished before, in {dir}"));
        }
        Ok(Outcome::Stopped(step)) => {
            display.line(&format!("{name}: saved at step {step}, in {dir}"));
        }
        Err(_) => {}
    }
    outcome
}

/// The first signal asks the runs to save and stop; a second one ends the process at once.
fn stop_on_signal(stop: &Arc<AtomicBool>) -> Result<()> {
    let stop = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("Stopping: saving every run. Again to stop at once (the last checkpoint stays).");
    })
    .context("cannot listen for Ctrl-C")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// More than anyone means.
const MOST_SEEDS: u64 = 10_000;

fn parse_seeds(text: &str) -> Result<Seeds> {
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let number = |t: &str| -> Result<u64> {
            match t.trim().parse() {
                Ok(n) => Ok(n),
                Err(_) => bail!("`{part}` is no seed; give whole numbers like 3, 0,1,2 or 0..4"),
            }
        };
        let range = match part.split_once("..") {
            Some((from, to)) => number(from)?..number(to)?,
            None => number(part)?..number(part)?.saturating_add(1),
        };
        if range.is_empty() || range.end - range.start > MOST_SEEDS {
            bail!(
                "`{part}` must hold 1 to {MOST_SEEDS} seeds; a range excludes its end, as in 0..4"
            );
        }
        seeds.extend(range);
    }
    seeds.sort_unstable();
    seeds.dedup();
    Ok(Seeds(seeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_lists_and_ranges() {
        assert_eq!(parse_seeds("3").unwrap().0, [3]);
        assert_eq!(parse_seeds("0..3,7,1").unwrap().0, [0, 1, 2, 7]);
        for bad in ["", "x", "1..", "3..3", "0,5..2", "0..99999999999", "-1"] {
            assert!(parse_seeds(bad).is_err(), "{bad}");
        }
    }
}
