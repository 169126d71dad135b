//! `prefbench table` and `prefbench plot`: what the finished runs of a folder say.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use prefbench_results::plot::{Figure, PlotOptions, X, learning_curves};
use prefbench_results::reference;
use prefbench_results::table::{Metric, Table, TableOptions};
use prefbench_results::{FinishedRun, Store, Unfinished};

/// Arguments of `prefbench table`.
#[derive(Args)]
pub struct TableArgs {
    /// Folder of runs
    #[arg(default_value = "runs")]
    pub runs: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: TableFormat,
    /// Only this metric [default: all that the task has]
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
    /// Only this metric [default: return and success]
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// The horizontal axis
    #[arg(long, value_enum, default_value = "steps")]
    pub by: AxisArg,
    /// A thin line for each seed too
    #[arg(long)]
    pub seeds: bool,
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
    /// The return, 0 for a random policy and 100 for an expert
    Normalised,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AxisArg {
    Steps,
    Feedback,
}

/// What a command says that found no run in `folders`.
pub fn no_runs(folders: &[PathBuf]) -> anyhow::Error {
    let holds = if folders.len() == 1 { "holds" } else { "hold" };
    // A sweep has a folder of its own in the folder of runs.
    let held = |folder: &PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut inside: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        inside.retain(|path| Store::progress(path).is_ok_and(|runs| !runs.is_empty()));
        inside.sort();
        inside
    };
    let held: Vec<PathBuf> = folders.iter().flat_map(held).collect();
    let listed = |folders: &[PathBuf]| {
        let names: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
        names.join(", ")
    };
    let folders = listed(folders);
    match held.as_slice() {
        [] => anyhow!("{folders} {holds} no runs; give the folder that holds them"),
        held => anyhow!(
            "{folders} {holds} no runs of its own; give the folder of a sweep: {}",
            listed(held)
        ),
    }
}

/// Prints the table of a folder of runs.
pub fn table(args: &TableArgs) -> Result<ExitCode> {
    let (finished, unfinished) = scan(&args.runs)?;
    if finished.is_empty() && unfinished.is_empty() {
        return Err(no_runs(std::slice::from_ref(&args.runs)));
    }
    let options = TableOptions {
        metrics: args.metric.map(|m| vec![metric(m)]),
        ..TableOptions::default()
    };
    let table = Table::new(&finished, &unfinished, &options);
    let text = match args.format {
        TableFormat::Terminal => table.terminal(),
        TableFormat::Markdown => table.markdown(),
        TableFormat::Csv => table.csv(),
        TableFormat::Seeds => table.seeds_csv(),
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Draws the figures of a folder of runs and prints their paths.
pub fn plot(args: &PlotArgs) -> Result<ExitCode> {
    let (finished, _) = scan(&args.runs)?;
    if finished.is_empty() {
        bail!("{} holds no finished run to draw", args.runs.display());
    }
    let metrics = match args.metric {
        Some(m) => vec![metric(m)],
        None => vec![Metric::Return, Metric::Success],
    };
    let options = PlotOptions {
        x: match args.by {
            AxisArg::Steps => X::Steps,
            AxisArg::Feedback => X::Feedback,
        },
        seeds: args.seeds,
        ..PlotOptions::default()
    };
    let out = args.out.clone().unwrap_or_else(|| args.runs.join("plots"));
    if draw(&finished, &metrics, &options, &out)? == 0 {
        let names: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
        bail!(
            "there is nothing to draw: no finished run in {} has a score ({})",
            args.runs.display(),
            names.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The table and the figures, as shown when `prefbench run` ends.
pub fn summary(runs: &Path) -> Result<()> {
    let (finished, unfinished) = scan(runs)?;
    let table = Table::new(&finished, &unfinished, &TableOptions::default());
    std::io::stdout()
        .lock()
        .write_all(table.terminal().as_bytes())?;
    draw(
        &finished,
        &[Metric::Return, Metric::Success],
        &PlotOptions::default(),
        &runs.join("plots"),
    )?;
    Ok(())
}

/// The runs of tasks on which some run ever succeeded; on others a success rate says nothing.
fn with_success(finished: &[FinishedRun]) -> Vec<FinishedRun> {
    let succeeded = |run: &&FinishedRun| {
        let mut episodes = run.evals.iter().flat_map(|e| &e.episodes);
        episodes.any(|e| e.success)
    };
    let tasks: Vec<_> = finished
        .iter()
        .filter(succeeded)
        .map(|run| run.info.problem())
        .collect();
    let known = |run: &&FinishedRun| tasks.contains(&run.info.problem());
    finished.iter().filter(known).cloned().collect()
}

/// The runs of tasks with reference scores.
fn with_reference(finished: &[FinishedRun]) -> Vec<FinishedRun> {
    let known = |run: &&FinishedRun| reference::of_run(reference::committed(), &run.info).is_some();
    finished.iter().filter(known).cloned().collect()
}

/// How many figures were drawn.
fn draw(
    finished: &[FinishedRun],
    metrics: &[Metric],
    options: &PlotOptions,
    out: &Path,
) -> Result<usize> {
    let mut drawn = 0;
    for &metric in metrics {
        let options = PlotOptions {
            metric,
            ..options.clone()
        };
        let runs = match metric {
            Metric::Return => finished.to_vec(),
            Metric::Success => with_success(finished),
            Metric::Normalised => with_reference(finished),
        };
        for figure in learning_curves(&runs, &options)? {
            fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
            write(&figure, out)?;
            drawn += 1;
        }
    }
    Ok(drawn)
}

/// Writes a figure's two files and prints their paths.
pub fn write(figure: &Figure, out: &Path) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    for (extension, bytes) in [("svg", figure.svg.as_bytes()), ("png", &figure.png)] {
        let path = out.join(format!("{}.{extension}", figure.name));
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(stdout, "{}", path.display())?;
    }
    Ok(())
}

/// Reads a folder of runs.
pub fn scan(runs: &Path) -> Result<(Vec<FinishedRun>, Vec<Unfinished>)> {
    Store::scan(runs).with_context(|| format!("cannot read the runs in {}", runs.display()))
}

/// Writes to standard output; a closed pipe is an error that `main` knows, not a panic.
pub fn out(text: &str) -> Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// The metric by this name.
pub fn metric(arg: MetricArg) -> Metric {
    match arg {
        MetricArg::Return => Metric::Return,
        MetricArg::Success => Metric::Success,
        MetricArg::Normalised => Metric::Normalised,
    }
}
