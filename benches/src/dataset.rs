//! `prefbench dataset`: make, check, describe, import and export preference datasets.

mod check;
mod convert;
mod info;
mod make;
mod pool;
mod scripted;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, ensure};
use clap::{Args, Subcommand};
use prefbench_envs::{self as envs, Task};
use prefbench_oracles::Dataset;

pub use pool::RECIPES;

/// Arguments of `prefbench dataset`.
#[derive(Args)]
pub struct DatasetArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Record episodes of a task: of random actions, of runs' policies, or of what a run has seen
    Make(make::MakeArgs),
    /// Make the suite's own datasets, as medium-expert, and train the agents they need
    Pool(pool::PoolArgs),
    /// Read everything and replay a sample of the episodes in the environment
    Check(check::CheckArgs),
    /// Say what is in a dataset
    Info(info::InfoArgs),
    /// Read other people's files: a dataset, or labels for one
    Import(convert::ImportArgs),
    /// Write a dataset in another format
    Export(convert::ExportArgs),
}

/// Does what the arguments say.
pub fn dataset(args: &DatasetArgs) -> Result<ExitCode> {
    match &args.command {
        Command::Make(args) => make::make(args),
        Command::Pool(args) => pool::pool(args),
        Command::Check(args) => check::check(args),
        Command::Info(args) => info::info(args),
        Command::Import(args) => convert::import(args),
        Command::Export(args) => convert::export(args),
    }
}

/// Reads a dataset of prefbench's own format.
pub fn read(dir: &Path) -> Result<Dataset> {
    Ok(Dataset::read(dir)?)
}

/// A name for a dataset or for answers, as given on the command line.
pub fn parse_name(text: &str) -> Result<String> {
    ensure!(!text.trim().is_empty(), "a name is not empty");
    ensure!(
        !text.contains(char::is_control),
        "a name has no line breaks or control characters"
    );
    Ok(text.to_owned())
}

/// Refuses a name that answers in the dataset of this folder have already; `instead` says what to do.
pub fn check_name(dataset: &Dataset, dir: &Path, name: &str, instead: &str) -> Result<()> {
    let count = dataset.answers_of(name).count();
    ensure!(
        count == 0,
        "{} already has {count} answers of \"{name}\": {instead}",
        dir.display()
    );
    Ok(())
}

/// What a dataset in this folder is called, unless it is told otherwise.
fn name_of(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The task whose episodes these are, with their horizon, if this prefbench has it in the same version.
pub fn task_of(dataset: &Dataset) -> Result<Task> {
    let about = &dataset.about;
    let id = about.task.as_deref().ok_or_else(|| {
        anyhow!(
            "the dataset is of no task of prefbench (it comes from {})",
            about.source
        )
    })?;
    let task = *envs::find(id)?;
    if about.task_version != Some(task.version) {
        let theirs = about
            .task_version
            .map_or("none".to_owned(), |v| v.to_string());
        return Err(anyhow!(
            "the dataset is of version {theirs} of {id}, and this prefbench has version {}",
            task.version
        ));
    }
    Ok(about.horizon.map_or(task, |steps| task.with_horizon(steps)))
}
