//! What a run shows while it runs: bars on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use prefbench_results::Eval;

/// A plain line at most this often per run.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Where a run stands.
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

/// The display of all runs of one command.
pub struct Display {
    bars: Option<MultiProgress>,
}

impl Display {
    /// Bars if standard error is a terminal.
    pub fn new() -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        Self { bars }
    }

    /// The progress of a run of `steps` steps called `name`.
    pub fn run(&self, name: &str, steps: u64) -> RunProgress {
        let bar = self.bars.as_ref().map(|bars| {
            let style = "{prefix:.bold} {bar:24.cyan/blue} {pos:>7}/{len} {msg} ETA {eta}";
            let style = ProgressStyle::with_template(style)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = bars.add(ProgressBar::new(steps).with_style(style));
            bar.set_prefix(name.to_owned());
            bar
        });
        RunProgress {
            name: name.to_owned(),
            steps,
            bar,
            inner: Mutex::new(Inner {
                began: Instant::now(),
                from: 0,
                last_line: Instant::now(),
                eval: String::new(),
            }),
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

/// The progress of one run.
pub struct RunProgress {
    name: String,
    steps: u64,
    bar: Option<ProgressBar>,
    inner: Mutex<Inner>,
}

struct Inner {
    began: Instant,
    /// Step at which this process took over.
    from: u64,
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

    /// Leaves the last state on the screen.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

impl Progress for RunProgress {
    fn step(&self, r: &Report) {
        let due = self.locked(|i| {
            let wait = if self.bar.is_some() {
                Duration::from_millis(100)
            } else {
                LINE_EVERY
            };
            let due = i.last_line.elapsed() >= wait;
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
                let (began, from) = self.locked(|i| (i.began, i.from));
                let speed = (r.step - from) as f64 / began.elapsed().as_secs_f64();
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
        self.locked(|i| i.from = step);
        if let Some(bar) = &self.bar {
            bar.set_position(step);
            bar.reset_eta();
        }
        self.say(&format!("resuming at step {step}"));
    }

    fn warn(&self, message: &str) {
        self.say(&format!("warning: {message}"));
    }
}
