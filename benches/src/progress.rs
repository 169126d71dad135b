//! What a run shows while it runs: bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};
use prefbench_results::Eval;
use serde::{Deserialize, Serialize};

/// A plain line at most this often per run.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// A plain line about the whole at most this often.
const OVERALL_EVERY: Duration = Duration::from_secs(30);
/// Of so many runs each is shown from beginning to end; of more, only those at work.
const SHORT: usize = 8;

/// Where a run stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub step: u64,
    pub asked: u64,
    pub budget: u64,
    /// Return of the last training episode.
    pub episode_return: Option<f64>,
    /// Of the next training episode, where there is a curriculum.
    pub difficulty: Option<f32>,
}

/// Receives what happens in one run.
pub trait Progress: Sync {
    fn step(&self, report: &Report);
    fn evaluated(&self, eval: &Eval);
    fn resumed(&self, step: u64);
    fn warn(&self, message: &str);
}

/// Where the runs of one command stand.
pub struct Counts {
    pub total: usize,
    pub finished: usize,
    pub running: usize,
    pub failed: usize,
    /// Until all have ended, where there is something to go by.
    pub left: Option<Duration>,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (finished, total, running) = (self.finished, self.total, self.running);
        write!(f, "{finished}/{total} finished, {running} running")?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        match self.left {
            Some(left) => write!(f, ", ETA {}", HumanDuration(left)),
            None => Ok(()),
        }
    }
}

/// The display of all runs of one command.
pub struct Display {
    bars: Option<MultiProgress>,
    overall: Option<ProgressBar>,
    last_overall: Mutex<Instant>,
    short: bool,
}

impl Display {
    /// Bars if standard error is a terminal. `total` is the number of runs.
    pub fn new(total: usize) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let overall = bars.as_ref().filter(|_| total > 1).map(|bars| {
            let style = style("{bar:24.green/white} {msg}");
            bars.add(ProgressBar::new(total as u64).with_style(style))
        });
        Self {
            bars,
            overall,
            last_overall: Mutex::new(Instant::now()),
            short: total <= SHORT,
        }
    }

    /// Whether there are so few runs that each is shown from beginning to end.
    pub fn is_short(&self) -> bool {
        self.short
    }

    /// The progress of a run of `steps` steps called `name`.
    pub fn run(&self, name: &str, steps: u64) -> RunProgress {
        let bar = self.bars.as_ref().map(|bars| {
            let style = style("{prefix:.bold} {bar:24.cyan/blue} {pos:>7}/{len} {msg} ETA {eta}");
            let bar = ProgressBar::new(steps).with_style(style);
            let bar = match &self.overall {
                Some(overall) => bars.insert_before(overall, bar),
                None => bars.add(bar),
            };
            bar.set_prefix(name.to_owned());
            bar
        });
        RunProgress {
            name: name.to_owned(),
            steps,
            bar,
            short: self.short,
            inner: Mutex::new(Inner {
                since: None,
                last_line: Instant::now(),
                eval: String::new(),
            }),
        }
    }

    /// Shows where the whole stands.
    pub fn overall(&self, counts: &Counts) {
        if let Some(bar) = &self.overall {
            bar.set_position((counts.finished + counts.failed) as u64);
            bar.set_message(counts.to_string());
        } else if self.bars.is_none() && !self.short {
            let mut last = self.last_overall.lock().unwrap_or_else(|e| e.into_inner());
            if last.elapsed() >= OVERALL_EVERY {
                *last = Instant::now();
                self.line(&counts.to_string());
            }
        }
    }

    /// Takes the line about the whole away.
    pub fn finish(&self) {
        if let Some(bar) = &self.overall {
            bar.finish_and_clear();
        }
    }

    /// Prints a line above the bars.
    pub fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(text)),
            // A closed pipe must not stop the training.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The progress of one run.
pub struct RunProgress {
    name: String,
    steps: u64,
    bar: Option<ProgressBar>,
    short: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    /// The first step that was seen, and when: what came before it is not the pace.
    since: Option<(u64, Instant)>,
    last_line: Instant,
    eval: String,
}

impl RunProgress {
    fn locked<T>(&self, f: impl FnOnce(&mut Inner) -> T) -> T {
        f(&mut self.inner.lock().unwrap_or_else(|e| e.into_inner()))
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{}: {text}", self.name)),
            None => drop(writeln!(std::io::stderr(), "{}: {text}", self.name)),
        }
    }

    /// Leaves the last state on the screen, if there is room.
    pub fn finish(&self) {
        match &self.bar {
            Some(bar) if self.short => bar.abandon(),
            Some(bar) => bar.finish_and_clear(),
            None => {}
        }
    }
}

impl Progress for RunProgress {
    fn step(&self, r: &Report) {
        let due = self.locked(|i| {
            if i.since.is_none() {
                i.since = Some((r.step, Instant::now()));
                return false;
            }
            let wait = if self.bar.is_some() {
                Duration::from_millis(100)
            } else {
                LINE_EVERY
            };
            let due = i.last_line.elapsed() >= wait && (self.short || self.bar.is_some());
            if due {
                i.last_line = Instant::now();
            }
            due
        });
        if !due {
            return;
        }
        let mut text = String::new();
        if r.budget > 0 {
            text += &format!("feedback {}/{}  ", r.asked, r.budget);
        }
        if let Some(g) = r.episode_return {
            text += &format!("return {g:.0}  ");
        }
        if let Some(d) = r.difficulty {
            text += &format!("difficulty {d:.2}  ");
        }
        text += &self.locked(|i| i.eval.clone());
        match &self.bar {
            Some(bar) => {
                bar.set_position(r.step);
                bar.set_message(text);
            }
            None => {
                let Some((from, then)) = self.locked(|i| i.since) else {
                    return;
                };
                let speed = (r.step - from) as f64 / then.elapsed().as_secs_f64();
                let left = (self.steps - r.step) as f64 / speed;
                self.say(&format!(
                    "step {}/{}  {text}  {speed:.0} steps/s  ETA {left:.0} s",
                    r.step, self.steps
                ));
            }
        }
    }

    fn evaluated(&self, eval: &Eval) {
        let text = format!(
            "eval return {:.0} success {:.0} %",
            eval.mean_return().unwrap_or(0.0),
            100.0 * eval.success_rate().unwrap_or(0.0)
        );
        self.locked(|i| i.eval = text);
    }

    fn resumed(&self, step: u64) {
        self.locked(|i| i.since = Some((step, Instant::now())));
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.reset_eta();
        }
        if self.short {
            self.say(&format!("resuming at step {step}"));
        }
    }

    fn warn(&self, message: &str) {
        self.say(&format!("warning: {message}"));
    }
}
