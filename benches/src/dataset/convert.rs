//! `prefbench dataset import` and `export`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::Args;
use prefbench_oracles::import::Read;
use prefbench_oracles::{Dataset, export, import};

/// Arguments of `prefbench dataset import`.
#[derive(Args)]
pub struct ImportArgs {
    /// Format, see `prefbench list formats`
    pub format: String,
    /// The file or folder to read
    pub path: PathBuf,
    /// Folder of the new dataset
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// For formats of labels: the imported dataset whose segments they are of
    #[arg(long)]
    pub into: Option<PathBuf>,
    /// For formats of labels: steps of a segment
    #[arg(long)]
    pub segment: Option<u32>,
    /// For formats of labels: name of the answers in the dataset [default: human, or scripted]
    #[arg(long, value_parser = super::parse_name)]
    pub name: Option<String>,
}

/// Arguments of `prefbench dataset export`.
#[derive(Args)]
pub struct ExportArgs {
    /// Format, see `prefbench list formats`
    pub format: String,
    /// The dataset's folder
    pub dataset: PathBuf,
    /// What to write
    pub out: PathBuf,
}

/// Reads a format of somebody else's.
pub fn import(args: &ImportArgs) -> Result<ExitCode> {
    let format = import::find(&args.format)?;
    match format.read {
        Read::Dataset(read) => {
            if args.into.is_some() || args.segment.is_some() || args.name.is_some() {
                bail!(
                    "`{}` holds a dataset: give --out, not --into, --segment and --name",
                    format.id
                );
            }
            let wanted = || {
                anyhow!(
                    "`{}` holds a dataset: say with --out where to write it",
                    format.id
                )
            };
            let out = args.out.as_ref().ok_or_else(wanted)?;
            let mut dataset = read(&args.path)?;
            if dataset.about.name.is_empty() {
                dataset.about.name = super::name_of(out);
            }
            dataset.write(out)?;
            super::info::print(&dataset)?;
            println!("written to {}", out.display());
        }
        Read::Labels(read) => {
            let (Some(dir), Some(segment), None) = (&args.into, args.segment, &args.out) else {
                bail!(
                    "`{}` holds labels for segments of a dataset: give --into DATASET and --segment STEPS",
                    format.id
                );
            };
            let _alone = Dataset::lock(dir)?;
            let mut dataset = super::read(dir)?;
            let before = dataset.answers.len();
            let left_out = read(&args.path, &mut dataset, segment)?;
            let mut added = dataset.answers.split_off(before);
            if let Some(name) = &args.name {
                let name: Arc<str> = name.as_str().into();
                for answer in &mut added {
                    answer.teacher = Arc::clone(&name);
                }
            }
            if let Some(answer) = added.first() {
                let instead = "these are not added to them; --name gives these another name";
                super::check_name(&dataset, dir, &answer.teacher, instead)?;
            }
            let count = added.len();
            dataset.answers.append(&mut added);
            dataset.write_answers(dir)?;
            println!("{count} answers added to {}", dir.display());
            if left_out > 0 {
                println!(
                    "{left_out} left out: a segment of {segment} steps from there leaves its episode"
                );
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a format of somebody else's.
pub fn export(args: &ExportArgs) -> Result<ExitCode> {
    let format = export::find(&args.format)?;
    let dataset = super::read(&args.dataset)?;
    (format.write)(&dataset, &args.out)?;
    println!("written to {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
