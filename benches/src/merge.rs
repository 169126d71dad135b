//! `prefbench merge`: folders of runs brought together.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::show;
use crate::sweep::record::Record;

/// Arguments of `prefbench merge`.
#[derive(Args)]
pub struct MergeArgs {
    /// Folders of runs to copy from; they are not changed
    #[arg(required = true)]
    from: Vec<PathBuf>,
    /// Folder to copy into; of two copies of a run the one that came further stays
    #[arg(long)]
    into: PathBuf,
}

/// Copies, and reports what does not fit together.
pub fn merge(args: &MergeArgs) -> Result<ExitCode> {
    let merged = prefbench_results::merge(&args.from, &args.into)?;
    let (copied, replaced) = (merged.copied.len(), merged.replaced.len());
    if copied + replaced + merged.kept + merged.conflicts.len() == 0 {
        return Err(show::no_runs(&args.from));
    }
    show::out(&format!(
        "{copied} runs copied, {replaced} replaced by a copy that came further, {} were there; now in {}\n",
        merged.kept,
        args.into.display()
    ))?;
    // What was planned and never begun is told by the sweeps' records alone.
    for from in &args.from {
        let carried = Record::read(from).and_then(|record| match record {
            Some(record) => {
                Record::planned(&args.into, &record.name, record.cells, true)?.write(&args.into)
            }
            None => Ok(()),
        });
        if let Err(why) = carried {
            eprintln!(
                "prefbench: which runs {} still lacks is not known in {}: {why:#}",
                from.display(),
                args.into.display()
            );
        }
    }
    for (run, why) in &merged.conflicts {
        eprintln!("prefbench: {} was not merged: {why}", run.display());
    }
    Ok(if merged.conflicts.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
