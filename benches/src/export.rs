//! `prefbench export`: runs in the formats of other tools.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use prefbench_results::{Why, tensorboard};

use crate::show::{self, scan};

/// Arguments of `prefbench export`.
#[derive(Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    format: Format,
}

#[derive(Subcommand)]
enum Format {
    /// Event files for TensorBoard (`tensorboard --logdir DIR`): curves and configuration of every
    /// run, finished or not. Again, it adds what is new
    Tensorboard(TensorboardArgs),
}

#[derive(Args)]
struct TensorboardArgs {
    /// Folder of runs
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// Folder for the event files, each in a folder named as its run
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Exports a folder of runs.
pub fn export(args: &ExportArgs) -> Result<ExitCode> {
    match &args.format {
        Format::Tensorboard(args) => to_tensorboard(args),
    }
}

/// A run that cannot be exported is named, and the others are exported.
fn to_tensorboard(args: &TensorboardArgs) -> Result<ExitCode> {
    let (finished, unfinished) = scan(&args.runs)?;
    if finished.is_empty() && unfinished.is_empty() {
        return Err(show::no_runs(std::slice::from_ref(&args.runs)));
    }
    let mut failed = 0;
    let mut fail = |dir: &Path, why: &dyn std::fmt::Display| {
        eprintln!("prefbench: {} is not exported: {why}", dir.display());
        failed += 1;
    };
    let mut runs: Vec<&Path> = finished.iter().map(|run| run.dir.as_path()).collect();
    for run in &unfinished {
        match &run.why {
            Why::NotFinished { .. } | Why::Failed(_) if run.info.is_some() => runs.push(&run.dir),
            why => fail(&run.dir, why),
        }
    }
    let (mut written, mut kept) = (0, 0);
    for run in runs {
        let name = run.file_name().unwrap_or_default();
        match tensorboard::export(run, &args.out.join(name)) {
            Ok((_, true)) => written += 1,
            Ok((_, false)) => kept += 1,
            Err(error) => fail(run, &error),
        }
    }
    writeln!(
        std::io::stdout(),
        "{written} event files written to {}, {kept} were up to date",
        args.out.display()
    )?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
