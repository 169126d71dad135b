//! `prefbench sweep`: a grid of runs, planned in a folder and brought to its end there.

mod grid;
pub mod record;
mod slurm;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use prefbench_agents::Device;
use prefbench_results::{Claim, Error as StoreError, Status, Store};

pub use grid::{Overrides, read};
use record::Record;

use crate::config::{RunConfig, tree};
use crate::run::{self, Pace};
use crate::{compare, pool, show};

/// `prefbench sweep --help`.
pub const HELP: &str = "\
Run a grid of tasks, algorithms, teachers, seeds and settings; the same command resumes

A sweep is a TOML file:

    tier = \"short\"
    tasks = [\"walker-walk\", \"button-press\"]
    seeds = \"0..5\"

    [set]                             # settings of every cell
    eval_episodes = 20

    [[cells]]                         # a grid; what it does not say is as above
    algorithms = [\"sac\"]

    [[cells]]
    algorithms = [\"pebble\"]
    teachers = [\"oracle\", \"mistake\"]
    vary.agent.feedback.budget = [500, 1000]

Every combination is a run. What is finished is left alone, what was interrupted goes on from its last \
checkpoint, what died is tried again, and no run is ever worked on twice at once, on however many machines.";

/// Arguments of `prefbench sweep`.
#[derive(Args)]
pub struct SweepArgs {
    /// The grid, in TOML
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

/// What to do with a grid.
#[derive(Args)]
pub struct How {
    /// Folder of runs [default: runs/NAME, by the sweep's name]
    #[arg(long)]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Keep cells in the folder's sweep that this grid does not have
    #[arg(long)]
    pub add: bool,
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Only plan: `prefbench cell OUT NUMBER` then runs one cell, under any scheduler
    #[arg(long)]
    pub plan: bool,
    #[command(flatten)]
    pub pace: Pace,
    #[command(flatten)]
    slurm: slurm::SlurmArgs,
}

/// Runs, or resumes, the grid of a file.
pub fn sweep(args: &SweepArgs) -> Result<ExitCode> {
    let place = || format!("{}", args.file.display());
    let text = fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read the sweep {}", args.file.display()))?;
    let grid = read(&text, &args.how.overrides).with_context(place)?;
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = grid.name.clone().unwrap_or_else(|| stem.into_owned());
    let out = args.how.out.clone();
    let out = out.unwrap_or_else(|| Path::new("runs").join(&name));
    carry_out(&name, grid.cells, &out, &args.how)
}

/// Plans `cells` in the folder `out`, and runs there what has not ended.
pub fn carry_out(name: &str, cells: Vec<RunConfig>, out: &Path, how: &How) -> Result<ExitCode> {
    if how.dry_run {
        let record = Record::planned(out, name, cells, how.add)?;
        return dry_run(&record.cells, out, how.pace.retry_failed);
    }
    Store::open(out)?;
    let claim = match Claim::take(out) {
        Err(StoreError::Locked {
            holder: Some(holder),
            ..
        }) => bail!(
            "another sweep works in {} ({holder}); {}; the same command goes on from there",
            out.display(),
            holder.advice()
        ),
        claim => claim?,
    };
    let before = Record::read(out)?;
    let own = env!("PREFBENCH_COMMIT");
    if let Some(before) = before.filter(|before| before.commit != own) {
        eprintln!(
            "prefbench: warning: {} was planned by commit {}, this is {own}; comparisons will say that commits differ",
            out.display(),
            before.commit
        );
    }
    let record = Record::planned(out, name, cells, how.add)?;
    record.write(out)?;
    if how.plan {
        let (planned, last) = (record.cells.len(), record.cells.len().saturating_sub(1));
        show::out(&format!(
            "{planned} cells, 0 to {last}, planned in {}\n",
            out.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    if how.slurm.slurm {
        let waiting = waiting(&record.cells, out, how.pace.retry_failed)?;
        return slurm::submit(&record, &waiting, out, how);
    }
    let tally = pool::run(record.cells, &how.pace.options(out))?;
    let code = run::report(&tally, out)?;
    if !tally.stopped {
        compare::after_sweep(out)?;
    }
    drop(claim);
    Ok(code)
}

/// The numbers of the cells that have not ended.
fn waiting(cells: &[RunConfig], out: &Path, retry_failed: bool) -> Result<Vec<usize>> {
    let store = Store::open(out)?;
    let mut waiting = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        match store.status(&cell.prefix(), &cell.to_json()?)? {
            Status::Finished => {}
            Status::Failed if !retry_failed => {}
            _ => waiting.push(i),
        }
    }
    Ok(waiting)
}

/// What tells a cell from others of its name.
fn variants(cells: &[RunConfig]) -> Result<Vec<String>> {
    let mut named: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, cell) in cells.iter().enumerate() {
        named.entry(cell.prefix()).or_default().push(i);
    }
    let mut variants = vec![String::new(); cells.len()];
    for alike in named.into_values().filter(|alike| alike.len() > 1) {
        let trees = alike.iter().map(|&i| cells[i].to_json());
        let differing = tree::differing(&trees.collect::<Result<Vec<_>>>()?);
        for (i, settings) in alike.into_iter().zip(differing) {
            variants[i] = settings.join(" ") + "  ";
        }
    }
    Ok(variants)
}

fn dry_run(cells: &[RunConfig], out: &Path, retry_failed: bool) -> Result<ExitCode> {
    let waiting = match out.is_dir() {
        true => waiting(cells, out, retry_failed)?,
        false => (0..cells.len()).collect(),
    };
    let variants = variants(cells)?;
    let width = cells.len().saturating_sub(1).to_string().len();
    for &i in &waiting {
        let (cell, variant) = (&cells[i], &variants[i]);
        let (name, steps, tier) = (cell.prefix(), cell.steps, cell.tier.name());
        let device = match cell.device {
            Device::Flex => String::new(),
            other => format!(", {}", other.name()),
        };
        show::out(&format!(
            "{i:width$}  {name}  {variant}{steps} steps, {tier}{device}\n"
        ))?;
    }
    let ended = match cells.len() - waiting.len() {
        0 => String::new(),
        ended => format!("; {ended} more have ended"),
    };
    let (left, out) = (waiting.len(), out.display());
    show::out(&format!("{left} runs in {out}{ended}\n"))?;
    Ok(ExitCode::SUCCESS)
}
