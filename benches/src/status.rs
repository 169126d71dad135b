//! `prefbench status`: how the runs of a folder stand, while they go on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use prefbench_results::table::Grid;
use prefbench_results::{Progress, Standing, Store};

use crate::show;
use crate::sweep::record::Record;

/// Arguments of `prefbench status`.
#[derive(Args)]
pub struct StatusArgs {
    /// Folder of runs
    #[arg(default_value = "runs")]
    runs: PathBuf,
    /// Also list the runs that are finished, and those that wait
    #[arg(long)]
    all: bool,
}

/// Prints counts, and a line for each run that is at work, was stopped, or failed.
pub fn status(args: &StatusArgs) -> Result<ExitCode> {
    let found = Store::progress(&args.runs)?;
    let record = Record::read(&args.runs)?;
    if found.is_empty() && record.is_none() {
        return Err(show::no_runs(std::slice::from_ref(&args.runs)));
    }
    let mut runs: BTreeMap<String, Option<Progress>> = BTreeMap::new();
    let mut steps: BTreeMap<String, u64> = BTreeMap::new();
    for cell in record.iter().flat_map(|record| &record.cells) {
        runs.insert(cell.folder()?, None);
        steps.insert(cell.folder()?, cell.steps);
    }
    for progress in found {
        let name = progress.dir.file_name().unwrap_or_default();
        runs.insert(name.to_string_lossy().into_owned(), Some(progress));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut flaws = Vec::new();
    let mut grid = Grid::new(
        &["run", "state"],
        &["step", "of", "steps/s", "minutes left"],
    );
    for (name, progress) in &runs {
        let (state, told, flaw) = state(progress.as_ref());
        flaws.extend(flaw.map(|flaw| format!("{name}: {flaw}")));
        *counts.entry(state).or_default() += 1;
        if !args.all && ["finished", "waiting"].contains(&state) {
            continue;
        }
        let progress = progress.as_ref();
        let of = progress.and_then(|p| p.steps).or(steps.get(name).copied());
        let at = progress.and_then(|p| p.last_step);
        let pace = progress.and_then(|p| p.pace).filter(|_| state == "running");
        let left = of.zip(at).zip(pace);
        let left = left.map(|((of, at), pace)| of.saturating_sub(at) as f64 / pace / 60.0);
        let number = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
        let float = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.0}"));
        grid.row([
            name.clone(),
            told,
            number(at),
            number(of),
            float(pace),
            float(left),
        ]);
    }
    show::out(&lines(&args.runs, record.as_ref(), &counts, runs.len()))?;
    if !grid.is_empty() {
        show::out(&grid.terminal())?;
    }
    for flaw in flaws {
        show::out(&format!("{flaw}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A word for the counts, what the table says, and what there is to say besides.
fn state(progress: Option<&Progress>) -> (&'static str, String, Option<String>) {
    let (word, flaw) = match progress.map(|p| &p.standing) {
        None | Some(Standing::New) => ("waiting", None),
        Some(Standing::Finished) => ("finished", None),
        Some(Standing::Stopped) => ("stopped", None),
        Some(Standing::Running(holder)) => {
            return ("running", format!("running, {holder}"), None);
        }
        Some(Standing::Failed(why)) => ("failed", Some(why.to_string())),
        Some(Standing::Damaged(why)) => ("damaged", Some(why.clone())),
    };
    (word, word.to_owned(), flaw)
}

fn lines(
    runs: &Path,
    record: Option<&Record>,
    counts: &BTreeMap<&str, usize>,
    all: usize,
) -> String {
    let order = [
        "finished", "running", "stopped", "waiting", "failed", "damaged",
    ];
    let parts = order
        .iter()
        .filter_map(|state| Some(format!("{} {state}", counts.get(state)?)));
    let parts: Vec<String> = parts.collect();
    let name = record.map_or_else(String::new, |record| format!(" (sweep {})", record.name));
    let runs_are = if all == 1 { "run" } else { "runs" };
    format!(
        "{}{name}: {all} {runs_are}: {}\n",
        runs.display(),
        parts.join(", ")
    )
}
