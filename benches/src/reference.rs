//! `prefbench reference`: from finished runs to the scores that returns are normalised by.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use prefbench_results::reference::{self, EXPERT, RANDOM, Score};

use crate::show::scan;

/// Arguments of `prefbench reference`.
#[derive(Args)]
pub struct ReferenceArgs {
    /// Folder of runs of `random` and `sac`
    pub runs: PathBuf,
    /// The file whose rows of these tasks are replaced
    #[arg(long, default_value = "results/reference/scores.csv")]
    pub out: PathBuf,
}

/// Writes the references of a folder of runs and prints them.
pub fn reference(args: &ReferenceArgs) -> Result<ExitCode> {
    let (finished, unfinished) = scan(&args.runs)?;
    let (references, left_out) = reference::of_runs(&finished)?;
    for run in &unfinished {
        eprintln!("prefbench: not counted: {}: {}", run.dir.display(), run.why);
    }
    for task in &left_out {
        eprintln!("prefbench: {task}");
    }
    if references.is_empty() {
        bail!(
            "{} holds no task with finished runs of both `{RANDOM}` and an `{EXPERT}` that is better; \
             make them with `prefbench run TASK --algo {RANDOM},{EXPERT} --out {0}`",
            args.runs.display()
        );
    }
    reference::update(&args.out, &references)?;
    let mut out = std::io::stdout().lock();
    for r in &references {
        let (task, version, tier) = (&r.task, r.version, &r.tier);
        writeln!(
            out,
            "{task} v{version} ({tier}): random {}, expert {}",
            spell(&r.random),
            spell(&r.expert)
        )?;
    }
    writeln!(
        out,
        "{}: tables use it once prefbench is built anew",
        args.out.display()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// `455.0 [391.9, 498.1] (seeds: 3)`.
fn spell(score: &Score) -> String {
    let interval = score
        .interval
        .map_or_else(String::new, |i| format!(" [{:.1}, {:.1}]", i.low, i.high));
    format!("{:.1}{interval} (seeds: {})", score.mean, score.seeds)
}
