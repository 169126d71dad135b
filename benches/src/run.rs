//! `prefbench run`: a task, algorithms and seeds, from the command line.

use std::ffi::OsStr;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use prefbench_agents::Tier;
use prefbench_results::Store;

use crate::config::{Flags, RunConfig, sets};
use crate::pool::{self, Tally};
use crate::show;

/// Arguments of `prefbench run`.
#[derive(Args)]
pub struct RunArgs {
    /// Task, e.g. hopper (optional if the config file names it)
    pub task: Option<String>,
    /// Algorithms, e.g. pebble or sac,pebble
    #[arg(long = "algo", value_name = "ALGORITHM", value_delimiter = ',')]
    pub algorithms: Vec<String>,
    /// Folder of the dataset that offline algorithms learn from; `{task}` and `{tier}` stand for the run's
    #[arg(long)]
    pub dataset: Option<String>,
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
    #[command(flatten)]
    pub pace: Pace,
    /// Folder of runs
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
}

/// How runs share the machine.
#[derive(Args)]
pub struct Pace {
    /// Runs side by side [default: the number of cores]
    #[arg(long)]
    pub jobs: Option<NonZeroUsize>,
    /// GPUs for the runs on cuda, in turn [default: those of CUDA_VISIBLE_DEVICES, or all]
    #[arg(long, value_delimiter = ',')]
    gpus: Vec<String>,
    /// Train up to so many seeds of a configuration in one process, their networks batched: for GPUs
    #[arg(long, value_name = "SEEDS", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    stack_seeds: u32,
    /// Give runs that failed (diverged) another try, from their last checkpoint
    #[arg(long)]
    pub retry_failed: bool,
}

impl Pace {
    /// For runs in the folder `out`.
    pub fn options<'a>(&self, out: &'a Path) -> pool::Options<'a> {
        let jobs = self
            .jobs
            .map_or_else(std::thread::available_parallelism, Ok);
        pool::Options {
            out,
            jobs: jobs.map_or(1, usize::from),
            gpus: match self.gpus.as_slice() {
                [] => gpus(),
                given => given.to_vec(),
            },
            retry_failed: self.retry_failed,
            stack: self.stack_seeds as usize,
        }
    }
}

/// The GPUs that this process may use.
fn gpus() -> Vec<String> {
    if let Ok(visible) = std::env::var("CUDA_VISIBLE_DEVICES") {
        let names = visible.split(',').map(str::trim);
        return names.filter(|n| !n.is_empty()).map(str::to_owned).collect();
    }
    let devices = fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |name: &OsStr| name.to_str()?.strip_prefix("nvidia")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = devices.filter_map(|d| number(&d.file_name())).collect();
    numbers.sort_unstable();
    numbers.iter().map(ToString::to_string).collect()
}

/// A list of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds(pub Vec<u64>);

/// Trains every combination; prints the table and the plots when all of them have ended.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let configs = configs(args)?;
    Store::open(&args.out)?;
    let tally = pool::run(configs, &args.pace.options(&args.out))?;
    report(&tally, &args.out)
}

/// Says what became of the runs; the table and the plots unless they were stopped.
pub fn report(tally: &Tally, out: &Path) -> Result<ExitCode> {
    for (name, why) in &tally.broken {
        eprintln!("prefbench: {name} did not end: {why}");
    }
    if tally.stopped {
        eprintln!(
            "Stopped: {} runs finished. The same command resumes the rest.",
            tally.finished
        );
        return Ok(ExitCode::from(130));
    }
    show::summary(out)?;
    Ok(if tally.broken.is_empty() && tally.failed.is_empty() {
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
    // And the dataset for those that learn from one, labels for those of them that are taught.
    let offline = |name: &Option<String>| {
        let name = name.as_deref().unwrap_or_default();
        prefbench_agents::algorithm::find(name).is_ok_and(|a| a.offline().is_some())
    };
    let partly_offline = algorithms.iter().any(offline);
    if let (Some(path), true) = (&args.dataset, sets(&args.set, "dataset.path")) {
        bail!(
            "`--set dataset.path=…` has no effect: the dataset is {path} by --dataset; say it there"
        );
    }
    let set = |name: &Option<String>| {
        let wanted = !partly_offline || offline(name);
        let dataset = args.dataset.iter().filter(|_| wanted);
        let dataset = dataset.map(|path| format!("dataset.path={path:?}"));
        let given = args.set.iter().cloned();
        let given = given.filter(|pair| !mixed || taught(name) || !pair.starts_with("labels."));
        given.chain(dataset).collect()
    };
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
                set: set(algorithm),
            };
            let config = RunConfig::resolve(&file, &flags);
            let config = match algorithm {
                Some(name) if algorithms.len() > 1 => config.with_context(|| name.clone())?,
                _ => config?,
            };
            // A combination named twice is run once.
            if !configs.contains(&config) {
                configs.push(config);
            }
        }
    }
    Ok(configs)
}

/// More than anyone means.
const MOST_SEEDS: u64 = 10_000;

/// Seeds as written on the command line.
pub fn parse_seeds(text: &str) -> Result<Seeds> {
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
