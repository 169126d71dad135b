//! `prefbench page`: the committed results as one page.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use prefbench_agents::Tier;
use prefbench_results::site::Site;

use crate::show;

/// Arguments of `prefbench page`.
#[derive(Args)]
pub struct PageArgs {
    /// Folder with findings.md and a folder of runs for each sweep under runs
    #[arg(default_value = "results")]
    results: PathBuf,
    /// The tier of the runs that papers are set beside
    #[arg(long, default_value = "short", value_parser = Tier::find)]
    tier: Tier,
    /// Folder for the page [default: page, in the folder of results]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Writes the page, and prints where it is.
pub fn page(args: &PageArgs) -> Result<ExitCode> {
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| args.results.join("page"));
    let index = Site::read(&args.results, args.tier.name())?.write(&out)?;
    show::out(&format!("{}\n", index.display()))?;
    Ok(ExitCode::SUCCESS)
}
