//! `prefbench compare`: methods set side by side over tasks and seeds.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use prefbench_agents::Tier;
use prefbench_results::compare::{CompareOptions, Comparison};
use prefbench_results::{FinishedRun, RunInfo, Unfinished, Why, each_once};

use crate::show::{self, MetricArg};
use crate::sweep::record::Record;

/// Arguments of `prefbench compare`.
#[derive(Args)]
pub struct CompareArgs {
    /// Folders of runs
    #[arg(default_value = "runs")]
    runs: Vec<PathBuf>,
    /// Folder for the report [default: report, in the first folder]
    #[arg(long)]
    out: Option<PathBuf>,
    /// The tier to compare, where there are several
    #[arg(long, value_parser = Tier::find)]
    tier: Option<Tier>,
    /// One metric for all tasks [default: success where it occurs, else the normalised return, else the return]
    #[arg(long, value_enum)]
    metric: Option<MetricArg>,
    /// Compare all with this method [default: each with each]
    #[arg(long, value_name = "METHOD")]
    baseline: Option<String>,
    /// Compare methods although their seeds differ
    #[arg(long)]
    unequal_seeds: bool,
    /// Do not count runs that failed (diverged) as the worst score
    #[arg(long)]
    without_failed: bool,
}

/// Prints the tables, and writes the report and its figures.
pub fn compare(args: &CompareArgs) -> Result<ExitCode> {
    let (finished, unfinished) = all(&args.runs)?;
    if finished.is_empty() && unfinished.is_empty() {
        return Err(show::no_runs(&args.runs));
    }
    let options = CompareOptions {
        tier: args.tier.map(|tier| tier.name().to_owned()),
        metric: args.metric.map(show::metric),
        baseline: args.baseline.clone(),
        unequal_seeds: args.unequal_seeds,
        count_failed: !args.without_failed,
        ..CompareOptions::default()
    };
    let comparison = Comparison::new(&finished, &unfinished, &options)?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| args.runs[0].join("report"));
    show::out(&comparison.terminal())?;
    comparison.write(&out)?;
    show::out(&format!("{}\n", out.join("report.html").display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the report of a sweep's folder into it, as far as its runs can be compared, and says where.
pub fn after_sweep(folder: &Path) -> Result<()> {
    let (finished, unfinished) = all(&[folder.to_path_buf()])?;
    let options = CompareOptions {
        count_failed: true,
        ..CompareOptions::default()
    };
    match Comparison::new(&finished, &unfinished, &options) {
        Ok(comparison) => {
            let out = folder.join("report");
            comparison.write(&out)?;
            show::out(&format!("{}\n", out.join("report.html").display()))
        }
        Err(why) => show::out(&format!("No report: {why}\n")),
    }
}

/// The runs of several folders, each once, and the cells that their sweeps planned but nobody began.
pub fn all(folders: &[PathBuf]) -> Result<(Vec<FinishedRun>, Vec<Unfinished>)> {
    let (mut finished, mut unfinished) = (Vec::new(), Vec::new());
    for folder in folders {
        let (more, rest) = show::scan(folder)?;
        finished.extend(more);
        unfinished.extend(rest);
        unfinished.extend(waiting(folder)?);
    }
    Ok(each_once(finished, unfinished))
}

fn waiting(folder: &Path) -> Result<Vec<Unfinished>> {
    let mut waiting = Vec::new();
    for cell in Record::read(folder)?
        .iter()
        .flat_map(|record| &record.cells)
    {
        let dir = folder.join(cell.folder()?);
        if !dir.exists() {
            waiting.push(Unfinished {
                dir,
                info: Some(RunInfo::of(&cell.to_json()?)?),
                why: Why::NotFinished { last_step: None },
            });
        }
    }
    Ok(waiting)
}
