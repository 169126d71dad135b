//! The local pool: a process for each run, as many side by side as there are slots.
//!
//! A process each, so that a crash, an exhausted memory or a kill takes one run and no other. A child
//! holds the other end of a pipe: when the parent ends, in whatever way, its children save
//! themselves and stop, and the next parent finds them gone within moments.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use prefbench_agents::Device;
use prefbench_results::Failure;

use crate::cell::{Ended, Message};
use crate::config::RunConfig;
use crate::progress::{Counts, Display, Progress, RunProgress};
use crate::training::Outcome;

/// Times that a run is begun again after it died without coming further.
const TRIES: u32 = 3;
/// How long a run that another process holds is waited for: a child whose parent was killed needs
/// moments to save itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// The overall line is refreshed at most this often.
const SHOW_EVERY: Duration = Duration::from_millis(500);

/// How runs are executed.
pub struct Options<'a> {
    /// Folder of runs.
    pub out: &'a Path,
    /// Runs side by side.
    pub jobs: usize,
    /// GPUs, by the names that CUDA_VISIBLE_DEVICES takes, for the runs that want one.
    pub gpus: Vec<String>,
    /// Whether runs that failed by their own doing get another try.
    pub retry_failed: bool,
}

/// What became of the runs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Complete now or before.
    pub finished: usize,
    /// Runs that failed by their own doing: results.
    pub failed: Vec<(String, Failure)>,
    /// Runs that could not be brought to an end, and why.
    pub broken: Vec<(String, String)>,
    /// Whether all was stopped by a signal.
    pub stopped: bool,
}

/// A run on its way.
struct Cell {
    config: RunConfig,
    /// Not before.
    due: Instant,
    /// Deaths since it last came further.
    tries: u32,
    /// The step it was at when it last died.
    reached: u64,
    /// Since when another process holds it.
    held: Option<Instant>,
}

struct Pool<'a> {
    options: &'a Options<'a>,
    display: &'a Display,
    queue: Mutex<VecDeque<Cell>>,
    slots: Arc<Slots>,
    state: Mutex<State>,
    /// When the overall line was last refreshed.
    shown: Mutex<Instant>,
}

/// What the signal handler reaches.
struct Slots {
    stop: AtomicBool,
    children: Vec<Mutex<Option<Child>>>,
}

/// Runs whose steps take alike long: of one task and algorithm.
type Kind = (String, String);

/// What the overall line is made of.
#[derive(Default)]
struct State {
    tally: Tally,
    running: usize,
    total: usize,
    /// Steps made here and the seconds that they took, by task and algorithm.
    speed: BTreeMap<Kind, (u64, f64)>,
    /// Steps to be made of the runs at work, by slot.
    left: BTreeMap<usize, (String, String, u64)>,
}

/// Runs all of `cells`, in their order, and says what became of them.
pub fn run(cells: Vec<RunConfig>, options: &Options<'_>) -> Result<Tally> {
    let jobs = options.jobs.clamp(1, cells.len().max(1));
    let display = Display::new(cells.len());
    let slots = Arc::new(Slots {
        stop: AtomicBool::new(false),
        children: (0..jobs).map(|_| Mutex::new(None)).collect(),
    });
    stop_on_signal(&slots)?;
    let total = cells.len();
    let fresh = |config| Cell {
        config,
        due: Instant::now(),
        tries: 0,
        reached: 0,
        held: None,
    };
    let pool = Pool {
        options,
        display: &display,
        queue: Mutex::new(cells.into_iter().map(fresh).collect()),
        slots: Arc::clone(&slots),
        state: Mutex::new(State {
            total,
            ..State::default()
        }),
        shown: Mutex::new(Instant::now()),
    };
    std::thread::scope(|scope| {
        for slot in 0..jobs {
            let pool = &pool;
            scope.spawn(move || pool.work(slot));
        }
    });
    display.finish();
    let mut tally = std::mem::take(&mut lock(&pool.state).tally);
    tally.stopped = slots.stop.load(Ordering::Relaxed);
    Ok(tally)
}

impl Pool<'_> {
    /// One slot's life: cell after cell.
    fn work(&self, slot: usize) {
        while let Some(mut cell) = self.next() {
            let name = cell.config.prefix();
            let progress = self.display.run(&name, cell.config.steps);
            let ended = match self.is_finished(&cell.config) {
                true => Ok(Ended::With(Outcome::FinishedBefore)),
                false => self.drive(slot, &mut cell, &progress),
            };
            progress.finish();
            lock(&self.state).left.remove(&slot);
            lock(&self.state).running -= 1;
            self.settle(cell, &name, ended);
            self.show();
        }
    }

    /// Whether a run is complete: no process is needed to find out.
    fn is_finished(&self, config: &RunConfig) -> bool {
        let folder = config.folder().map(|folder| self.options.out.join(folder));
        folder.is_ok_and(|folder| folder.join("done.json").exists())
    }

    /// The next cell that is due; waits for one that is not. `None` when there is no more to do.
    fn next(&self) -> Option<Cell> {
        loop {
            if self.slots.stop.load(Ordering::Relaxed) {
                return None;
            }
            {
                let mut queue = lock(&self.queue);
                let now = Instant::now();
                if let Some(i) = queue.iter().position(|cell| cell.due <= now) {
                    lock(&self.state).running += 1;
                    return queue.remove(i);
                }
                // A cell at work may come back; then its own slot takes it again.
                if queue.is_empty() {
                    return None;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn settle(&self, mut cell: Cell, name: &str, ended: Result<Ended>) {
        let again = |mut cell: Cell, wait: Duration| {
            cell.due = Instant::now() + wait;
            lock(&self.queue).push_back(cell);
        };
        let broken = |text: String| lock(&self.state).tally.broken.push((name.to_owned(), text));
        match ended {
            Ok(Ended::With(outcome)) => {
                // Of runs that had ended before a sweep says nothing.
                if !matches!(outcome, Outcome::FinishedBefore) || self.display.is_short() {
                    let dir = self
                        .options
                        .out
                        .join(cell.config.folder().unwrap_or_default());
                    self.display
                        .line(&format!("{name}: {outcome}, in {}", dir.display()));
                }
                let tally = &mut lock(&self.state).tally;
                match outcome {
                    Outcome::Finished | Outcome::FinishedBefore => tally.finished += 1,
                    Outcome::Failed(why) | Outcome::FailedBefore(why) => {
                        tally.failed.push((name.to_owned(), why));
                    }
                    Outcome::Stopped(_) => {}
                }
            }
            Ok(Ended::Held(by)) => {
                let since = *cell.held.get_or_insert_with(Instant::now);
                if since.elapsed() < PATIENCE {
                    again(cell, Duration::from_millis(500));
                } else {
                    broken(by);
                }
            }
            Ok(Ended::Error {
                text,
                passing: false,
            }) => broken(text),
            Ok(Ended::Error { text, .. }) => self.died(cell, text, again, broken),
            Err(error) => self.died(cell, format!("{error:#}"), again, broken),
        }
    }

    fn died(
        &self,
        mut cell: Cell,
        why: String,
        again: impl Fn(Cell, Duration),
        broken: impl Fn(String),
    ) {
        if self.slots.stop.load(Ordering::Relaxed) {
            return;
        }
        cell.tries += 1;
        if cell.tries < TRIES {
            let wait = Duration::from_secs(1 << cell.tries);
            let name = cell.config.prefix();
            let text = format!("{name}: {why}; trying again in {} s", wait.as_secs());
            self.display.line(&text);
            again(cell, wait);
        } else {
            broken(format!("{why} ({TRIES} times without coming further)"));
        }
    }

    /// Starts a child for `cell`, relays what it says, and waits for its end.
    fn drive(&self, slot: usize, cell: &mut Cell, progress: &RunProgress) -> Result<Ended> {
        let config = &cell.config;
        let mut child = self
            .command(slot, config)
            .spawn()
            .context("cannot start a process")?;
        let mut input = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(mut stderr)) = (stdout, stderr) else {
            return Err(anyhow!("a process came without its pipes"));
        };
        if let Some(pipe) = &mut input {
            // A child that died already is met below.
            let _ = writeln!(pipe, "{}", serde_json::to_string(config)?);
        }
        child.stdin = input;
        *lock(&self.slots.children[slot]) = Some(child);
        if self.slots.stop.load(Ordering::Relaxed) {
            self.slots.ask(slot);
        }
        let last_words = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let mut ended = None;
        let (mut at, mut then) = (0, Instant::now());
        for line in BufReader::new(stdout).lines() {
            match serde_json::from_str(&line.context("cannot read from a process")?) {
                Ok(Message::Step(report)) => {
                    progress.step(&report);
                    let made = report.step.saturating_sub(at);
                    (at, then) = (report.step, self.count(slot, config, at, made, then));
                }
                Ok(Message::Evaluated(eval)) => progress.evaluated(&eval),
                Ok(Message::Resumed(step)) => {
                    progress.resumed(step);
                    if step > cell.reached {
                        (cell.reached, cell.tries) = (step, 0);
                    }
                    (at, then) = (step, Instant::now());
                }
                Ok(Message::Warning(text)) => progress.warn(&text),
                Ok(Message::Ended(how)) => ended = Some(how),
                Err(_) => {}
            }
        }
        let mut child = lock(&self.slots.children[slot]).take();
        let status = child.as_mut().map(Child::wait).transpose()?;
        let words = last_words.join().unwrap_or_default();
        ended.ok_or_else(|| anyhow!(death(status, &words)))
    }

    fn command(&self, slot: usize, config: &RunConfig) -> Command {
        // The program that runs now, even if its file was replaced by a newer one meanwhile.
        let own = Path::new("/proc/self/exe");
        let exe = match std::env::current_exe() {
            Ok(exe) if !own.exists() => exe,
            _ => own.to_path_buf(),
        };
        let mut command = Command::new(exe);
        command.arg("cell").arg(self.options.out);
        if self.options.retry_failed {
            command.arg("--retry-failed");
        }
        if config.device == Device::Cuda && !self.options.gpus.is_empty() {
            let gpu = &self.options.gpus[slot % self.options.gpus.len()];
            command.env("CUDA_VISIBLE_DEVICES", gpu);
        }
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the parent, who asks its children to stop.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    /// Notes the pace of a run and refreshes the overall line; returns now.
    fn count(&self, slot: usize, config: &RunConfig, at: u64, made: u64, then: Instant) -> Instant {
        let now = Instant::now();
        let key = (config.task.clone(), config.algorithm.clone());
        {
            let mut state = lock(&self.state);
            let speed = state.speed.entry(key.clone()).or_default();
            speed.0 += made;
            speed.1 += (now - then).as_secs_f64();
            let left = config.steps.saturating_sub(at + made);
            state.left.insert(slot, (key.0, key.1, left));
        }
        self.show();
        now
    }

    fn show(&self) {
        let mut shown = lock(&self.shown);
        if shown.elapsed() < SHOW_EVERY {
            return;
        }
        *shown = Instant::now();
        let waiting: Vec<(String, String, u64)> = lock(&self.queue)
            .iter()
            .map(|cell| {
                let config = &cell.config;
                (config.task.clone(), config.algorithm.clone(), config.steps)
            })
            .collect();
        let state = lock(&self.state);
        let seconds: Option<f64> = state
            .left
            .values()
            .chain(&waiting)
            .map(|(task, algorithm, steps)| Some(*steps as f64 * state.pace(task, algorithm)?))
            .sum();
        self.display.overall(&Counts {
            total: state.total,
            finished: state.tally.finished,
            running: state.running,
            failed: state.tally.failed.len() + state.tally.broken.len(),
            left: seconds.map(|s| Duration::from_secs_f64(s / self.slots.children.len() as f64)),
        });
    }
}

impl State {
    /// Seconds per step of runs like these: of the same task and algorithm, or else of the
    /// algorithm, or else of all.
    fn pace(&self, task: &str, algorithm: &str) -> Option<f64> {
        let likes: [&dyn Fn(&Kind) -> bool; 3] = [
            &|key| key.0 == task && key.1 == algorithm,
            &|key| key.1 == algorithm,
            &|_| true,
        ];
        likes.iter().find_map(|like| {
            let alike = self.speed.iter().filter(|(key, _)| like(key));
            let (steps, seconds) = alike.fold((0, 0.0), |sum, (_, v)| (sum.0 + v.0, sum.1 + v.1));
            (steps > 0).then(|| seconds / steps as f64)
        })
    }
}

impl Slots {
    /// Asks the child of a slot to save itself and stop.
    fn ask(&self, slot: usize) {
        if let Some(child) = &mut *lock(&self.children[slot]) {
            drop(child.stdin.take());
        }
    }
}

/// The first signal asks the runs to save and stop; a second one ends everything at once.
fn stop_on_signal(slots: &Arc<Slots>) -> Result<()> {
    let slots = Arc::clone(slots);
    ctrlc::set_handler(move || {
        let again = slots.stop.swap(true, Ordering::Relaxed);
        if !again {
            eprintln!(
                "Stopping: saving every run. Again to stop at once (the last checkpoint stays)."
            );
        }
        for slot in 0..slots.children.len() {
            slots.ask(slot);
            if again && let Some(child) = &mut *lock(&slots.children[slot]) {
                let _ = child.kill();
            }
        }
        if again {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")
}

/// What is known of a process that ended without a word.
fn death(status: Option<ExitStatus>, words: &str) -> String {
    let how = status.map_or_else(|| "it vanished".into(), |status| status.to_string());
    let words: Vec<&str> = words
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    match words[words.len().saturating_sub(3)..].join(" / ") {
        last if last.is_empty() => format!("its process died ({how})"),
        last => format!("its process died ({how}): {last}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
