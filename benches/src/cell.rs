//! `prefbench cell`: one run in a process of its own. The pool starts these, and so does Slurm.

use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use prefbench_agents::Ticket;
use prefbench_results::{Error as StoreError, Eval, Run, Store};
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::pool;
use crate::progress::{Display, Progress, Report};
use crate::sweep::record::Record;
use crate::training::{self, Outcome};

/// Exit code of a cell that was stopped and saved itself: the same cell can go on later.
pub const STOPPED: u8 = 75;
/// A step is reported at most this often.
const REPORT_EVERY: Duration = Duration::from_millis(200);
/// A claim on another machine whose holder died goes stale within this time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Arguments of `prefbench cell`.
#[derive(Args)]
pub struct CellArgs {
    /// Folder of runs
    out: PathBuf,
    /// Number of the cell in the folder's sweep [default: configurations are read from standard input]
    index: Option<usize>,
    /// Give a run that failed another try, from its last checkpoint
    #[arg(long)]
    retry_failed: bool,
}

/// What a cell tells its parent, one line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// Place of the run in the list that the parent gave.
    pub run: usize,
    pub message: Message,
}

/// What a run says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    Step(Report),
    Evaluated(Eval),
    Resumed(u64),
    Warning(String),
    Ended(Ended),
}

/// How a cell ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// By its own doing.
    With(Outcome),
    /// Another process works on the run.
    Held(String),
    /// By an error; `passing` if trying again may help, as after a full disk.
    Error { text: String, passing: bool },
}

/// Works on one run until it ends, or is stopped.
pub fn cell(args: &CellArgs) -> Result<ExitCode> {
    let stop = Arc::new(AtomicBool::new(false));
    let raise = Arc::clone(&stop);
    ctrlc::set_handler(move || raise.store(true, Ordering::Relaxed))
        .context("cannot listen for signals")?;
    match args.index {
        Some(index) => of_sweep(args, index, &stop),
        None => of_parent(args, &stop),
    }
}

/// A cell whose configurations come from the parent, who is told all and whose death ends it. Several
/// are of one configuration but for their seeds, and learn as one stack.
fn of_parent(args: &CellArgs, stop: &Arc<AtomicBool>) -> Result<ExitCode> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let configs: Vec<RunConfig> =
        serde_json::from_str(&line).context("standard input must hold a list of configurations")?;
    configs.iter().try_for_each(RunConfig::validate)?;
    let raise = Arc::clone(stop);
    std::thread::spawn(move || {
        // Ends when the parent closes the pipe, or dies.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        raise.store(true, Ordering::Relaxed);
    });
    let mut folders: Vec<_> = configs.iter().map(|config| claim(config, args)).collect();
    let due = |folder: &Result<Run>| {
        let ended = folder.as_ref().ok().map(training::ended_before);
        matches!(ended, Some(Ok(None)))
    };
    let count = folders.iter().filter(|folder| due(folder)).count();
    let mut tickets = match count {
        0 | 1 => Vec::new(),
        _ => Ticket::book(count),
    };
    std::thread::scope(|scope| {
        for (run, (config, folder)) in configs.iter().zip(folders.drain(..)).enumerate() {
            let ticket = due(&folder).then(|| tickets.pop()).flatten();
            scope.spawn(move || {
                let parent = Parent {
                    run,
                    reported: Mutex::new(Instant::now()),
                };
                let ended = folder.and_then(|mut folder| {
                    training::run(config, &mut folder, &parent, stop, ticket)
                });
                parent.tell(Message::Ended(Ended::from(ended)));
            });
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// A cell that a cluster's scheduler started. It may start a cell twice, or again after a machine died.
fn of_sweep(args: &CellArgs, index: usize, stop: &AtomicBool) -> Result<ExitCode> {
    let config = Record::cell(&args.out, index)?;
    let (name, began) = (config.prefix(), Instant::now());
    let display = Display::new(1);
    let progress = display.run(&name, config.steps);
    let mut tries = 0;
    loop {
        let ended = claim(&config, args)
            .and_then(|mut folder| training::run(&config, &mut folder, &progress, stop, None));
        match Ended::from(ended) {
            Ended::Held(_) if began.elapsed() < PATIENCE && !stop.load(Ordering::Relaxed) => {
                std::thread::sleep(Duration::from_secs(1));
            }
            Ended::Held(by) => {
                display.line(&format!("{name}: left to its holder: {by}"));
                return Ok(ExitCode::SUCCESS);
            }
            Ended::Error {
                text,
                passing: true,
            } if tries < pool::TRIES && !stop.load(Ordering::Relaxed) => {
                tries += 1;
                let wait = 1 << tries;
                display.line(&format!("{name}: {text}; trying again in {wait} s"));
                std::thread::sleep(Duration::from_secs(wait));
            }
            Ended::Error { text, .. } => anyhow::bail!("{name}: {text}"),
            Ended::With(outcome) => {
                display.line(&format!("{name}: {outcome}"));
                return Ok(match outcome {
                    Outcome::Stopped(_) => ExitCode::from(STOPPED),
                    Outcome::Finished | Outcome::FinishedBefore => ExitCode::SUCCESS,
                    Outcome::Failed(_) | Outcome::FailedBefore(_) => ExitCode::FAILURE,
                });
            }
        }
    }
}

impl From<Result<Outcome>> for Ended {
    fn from(outcome: Result<Outcome>) -> Self {
        match outcome {
            Ok(outcome) => Self::With(outcome),
            Err(error) => match error.downcast_ref() {
                Some(StoreError::Locked { .. }) => Self::Held(error.to_string()),
                cause => Self::Error {
                    passing: matches!(cause, Some(StoreError::Io { .. })),
                    text: format!("{error:#}"),
                },
            },
        }
    }
}

/// Takes the run's folder.
fn claim(config: &RunConfig, args: &CellArgs) -> Result<Run> {
    let mut folder = Store::open(&args.out)?.run(&config.prefix(), &config.to_json()?)?;
    if args.retry_failed {
        folder.retry()?;
    }
    Ok(folder)
}

/// Standard output, read by the pool.
struct Parent {
    /// Place in the list of configurations.
    run: usize,
    /// When a step was last reported.
    reported: Mutex<Instant>,
}

impl Parent {
    fn tell(&self, message: Message) {
        let run = self.run;
        if let Ok(line) = serde_json::to_string(&Line { run, message }) {
            // A parent that died must not stop the run from saving itself.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
    }
}

impl Progress for Parent {
    fn step(&self, report: &Report) {
        let mut last = self.reported.lock().unwrap_or_else(|e| e.into_inner());
        if last.elapsed() >= REPORT_EVERY {
            *last = Instant::now();
            self.tell(Message::Step(report.clone()));
        }
    }

    fn evaluated(&self, eval: &Eval) {
        self.tell(Message::Evaluated(eval.clone()));
    }

    fn resumed(&self, step: u64) {
        self.tell(Message::Resumed(step));
    }

    fn warn(&self, message: &str) {
        self.tell(Message::Warning(message.to_owned()));
    }
}
