//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use prefbench_agents::{TIERS, Tier};

use crate::{list, rollout, run, show};

#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train: one run per algorithm and seed, side by side on the cores; resumes by itself
    Run(RunArgs),
    /// Show tasks, algorithms, teachers, samplers and devices
    List(list::ListArgs),
    /// Print the table of a folder of finished runs
    Table(TableArgs),
    /// Draw the learning curves of a folder of finished runs
    Plot(PlotArgs),
    /// Play a run's policy and write every step as CSV
    Rollout(rollout::RolloutArgs),
}

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
    #[arg(long, value_parser = parse_tier)]
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

/// Arguments of `prefbench table`.
#[derive(Args)]
pub struct TableArgs {
    /// Folder of runs
    #[arg(default_value = "runs")]
    pub runs: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: TableFormat,
    /// Only this metric [default: both]
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
}

/// Arguments of `prefbench plot`.
#[derive(Args)]
pub struct PlotArgs {
    /// Folder of runs
    #[arg(default_value = "runs")]
    pub runs: PathBuf,
    /// Folder for the figures [default: plots in the folder of runs]
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Only this metric [default: both]
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// The horizontal axis
    #[arg(long, value_enum, default_value = "steps")]
    pub by: AxisArg,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum TableFormat {
    Terminal,
    Markdown,
    Csv,
    /// CSV with one row per seed
    Seeds,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum MetricArg {
    Return,
    Success,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AxisArg {
    Steps,
    Feedback,
}

/// A list of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeds(pub Vec<u64>);

fn parse_seeds(text: &str) -> Result<Seeds> {
    let mut seeds = Vec::new();
    for part in text.split(',') {
        let number = |t: &str| -> Result<u64> {
            match t.trim().parse() {
                Ok(n) => Ok(n),
                Err(_) => bail!("`{part}` is no seed; give whole numbers like 3, 0,1,2 or 0..4"),
            }
        };
        match part.split_once("..") {
            Some((from, to)) => seeds.extend(number(from)?..number(to)?),
            None => seeds.push(number(part)?),
        }
    }
    if seeds.is_empty() {
        bail!("`{text}` holds no seed; the end of a range is excluded, as in 0..4");
    }
    seeds.sort_unstable();
    seeds.dedup();
    Ok(Seeds(seeds))
}

fn parse_tier(text: &str) -> Result<Tier> {
    match TIERS.iter().find(|(name, _)| *name == text) {
        Some((_, tier)) => Ok(*tier),
        None => bail!("tiers are smoke, short and full"),
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::List(args) => list::list(&args),
        Command::Table(args) => show::table(&args),
        Command::Plot(args) => show::plot(&args),
        Command::Rollout(args) => rollout::rollout(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_lists_and_ranges() {
        assert_eq!(parse_seeds("3").unwrap().0, [3]);
        assert_eq!(parse_seeds("0..3,7,1").unwrap().0, [0, 1, 2, 7]);
        for bad in ["", "x", "1..", "3..3", "-1"] {
            assert!(parse_seeds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
