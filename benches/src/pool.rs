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

use crate::cell::{Ended, Line, Message};
use crate::config::RunConfig;
use crate::progress::{Counts, Display, Progress, RunProgress};
use crate::training::Outcome;

mod pace;
mod stacks;

use pace::{Paces, Rest, kind};

/// Times that a run is begun again after it died without coming further.
pub const TRIES: u32 = 3;
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
    /// Runs of one configuration but for their seeds that learn in one process, as one stack; at most.
    pub stack: usize,
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

/// A process on its way: one run, or a stack of them.
#[derive(Clone)]
struct Cell {
    runs: Vec<RunConfig>,
    /// Not before.
    due: Instant,
    /// Deaths since it last came further.
    tries: u32,
    /// The step it was at when it last died.
    reached: u64,
    /// Since when another process holds one of its runs.
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

/// What the overall line is made of.
#[derive(Default)]
struct State {
    tally: Tally,
    running: usize,
    total: usize,
    paces: Paces,
    /// What is left of the runs at work, by slot and place in it.
    left: BTreeMap<(usize, usize), Rest>,
}

/// Runs all of `cells`, in their order, and says what became of them.
pub fn run(cells: Vec<RunConfig>, options: &Options<'_>) -> Result<Tally> {
    let total = cells.len();
    let cells = stacks::of(cells, options.stack);
    let jobs = options.jobs.clamp(1, cells.len().max(1));
    let display = Display::new(total);
    let slots = Arc::new(Slots {
        stop: AtomicBool::new(false),
        children: (0..jobs).map(|_| Mutex::new(None)).collect(),
    });
    stop_on_signal(&slots)?;
    let fresh = |runs| Cell {
        runs,
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
            let (over, runs): (Vec<_>, Vec<_>) =
                cell.runs.drain(..).partition(|run| self.is_finished(run));
            let over = over.into_iter().map(|run| {
                self.display.run(&run.prefix(), run.steps).finish();
                (run, Ok(Ended::With(Outcome::FinishedBefore)))
            });
            let mut ended: Vec<_> = over.collect();
            if !runs.is_empty() {
                cell.runs.clone_from(&runs);
                let bars = runs
                    .iter()
                    .map(|run| self.display.run(&run.prefix(), run.steps));
                let bars: Vec<_> = bars.collect();
                let how = self.drive(slot, &mut cell, &bars);
                bars.iter().for_each(RunProgress::finish);
                ended.extend(runs.into_iter().zip(how));
            }
            lock(&self.state).left.retain(|place, _| place.0 != slot);
            lock(&self.state).running -= ended.len();
            self.settle(cell, ended);
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
                    lock(&self.state).running += queue[i].runs.len();
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

    /// Notes how the runs of a process ended, and queues those again that may yet come to an end.
    fn settle(&self, mut cell: Cell, ended: Vec<(RunConfig, Result<Ended>)>) {
        let broken = |run: &RunConfig, text: String| {
            lock(&self.state).tally.broken.push((run.prefix(), text));
        };
        let (mut died, mut held) = (Vec::new(), Vec::new());
        for (run, how) in ended {
            match how {
                Ok(Ended::With(outcome)) => self.ended(&run, outcome),
                Ok(Ended::Held(by)) => held.push((run, by)),
                Ok(Ended::Error {
                    text,
                    passing: false,
                }) => broken(&run, text),
                Ok(Ended::Error { text, .. }) => died.push((run, text)),
                Err(error) => died.push((run, format!("{error:#}"))),
            }
        }
        let again = |cell: Cell| lock(&self.queue).push_back(cell);
        if !held.is_empty() {
            if cell.held.is_none() {
                for (run, by) in &held {
                    let (name, seconds) = (run.prefix(), PATIENCE.as_secs());
                    let text = format!("{name}: {by} (trying for {seconds} s)");
                    self.display.line(&text);
                }
            }
            let since = *cell.held.get_or_insert_with(Instant::now);
            if since.elapsed() < PATIENCE {
                again(Cell {
                    runs: held.into_iter().map(|(run, _)| run).collect(),
                    due: Instant::now() + Duration::from_millis(500),
                    ..cell.clone()
                });
            } else {
                held.into_iter().for_each(|(run, by)| broken(&run, by));
            }
        }
        if died.is_empty() || self.slots.stop.load(Ordering::Relaxed) {
            return;
        }
        cell.tries += 1;
        if cell.tries < TRIES {
            let wait = Duration::from_secs(1 << cell.tries);
            for (run, why) in &died {
                let (name, seconds) = (run.prefix(), wait.as_secs());
                let text = format!("{name}: {why}; trying again in {seconds} s");
                self.display.line(&text);
            }
            again(Cell {
                runs: died.into_iter().map(|(run, _)| run).collect(),
                due: Instant::now() + wait,
                ..cell
            });
        } else {
            for (run, why) in died {
                broken(
                    &run,
                    format!("{why} ({TRIES} times without coming further)"),
                );
            }
        }
    }

    fn ended(&self, run: &RunConfig, outcome: Outcome) {
        // Of runs that had ended before a sweep says nothing.
        if !matches!(outcome, Outcome::FinishedBefore) || self.display.is_short() {
            let dir = self.options.out.join(run.folder().unwrap_or_default());
            let text = format!("{}: {outcome}, in {}", run.prefix(), dir.display());
            self.display.line(&text);
        }
        let tally = &mut lock(&self.state).tally;
        match outcome {
            Outcome::Finished | Outcome::FinishedBefore => tally.finished += 1,
            Outcome::Failed(why) | Outcome::FailedBefore(why) => {
                tally.failed.push((run.prefix(), why));
            }
            Outcome::Stopped(_) => {}
        }
    }

    /// Starts a child for `cell`, relays what it says, and waits for its end: how each run ended.
    fn drive(&self, slot: usize, cell: &mut Cell, bars: &[RunProgress]) -> Vec<Result<Ended>> {
        let mut ended: Vec<_> = bars.iter().map(|_| None).collect();
        let end = self.relay(slot, cell, bars, &mut ended);
        let words = end.unwrap_or_else(|error| format!("{error:#}"));
        let or_died = |how: Option<Ended>| how.ok_or_else(|| anyhow!(words.clone()));
        ended.into_iter().map(or_died).collect()
    }

    /// The same until the child's end, which it describes.
    fn relay(
        &self,
        slot: usize,
        cell: &mut Cell,
        bars: &[RunProgress],
        ended: &mut [Option<Ended>],
    ) -> Result<String> {
        let runs = &cell.runs;
        let mut child = self
            .command(slot, &runs[0])
            .spawn()
            .context("cannot start a process")?;
        let mut input = child.stdin.take();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(mut stderr)) = (stdout, stderr) else {
            return Err(anyhow!("a process came without its pipes"));
        };
        if let Some(pipe) = &mut input {
            // A child that died already is met below.
            let _ = writeln!(pipe, "{}", serde_json::to_string(runs)?);
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
        let start = Instant::now();
        let mut last: Vec<Option<(u64, Instant)>> = vec![None; runs.len()];
        for (run, config) in runs.iter().enumerate() {
            lock(&self.state)
                .left
                .insert((slot, run), Rest::all(config));
        }
        for line in BufReader::new(stdout).lines() {
            let Ok(Line { run, message }) =
                serde_json::from_str(&line.context("cannot read from a process")?)
            else {
                continue;
            };
            let Some(bar) = bars.get(run) else { continue };
            match message {
                Message::Step(report) => {
                    bar.step(&report);
                    let (from, then) = last[run].unzip();
                    // The runs of a stack share its time.
                    let took = then.unwrap_or(start).elapsed() / runs.len() as u32;
                    self.count((slot, run), &runs[run], from, report.step, took);
                    last[run] = Some((report.step, Instant::now()));
                }
                Message::Evaluated(eval) => bar.evaluated(&eval),
                Message::Resumed(step) => {
                    bar.resumed(step);
                    if step > cell.reached {
                        (cell.reached, cell.tries) = (step, 0);
                    }
                    last[run] = Some((step, Instant::now()));
                    let rest = Rest::after(&runs[run], step);
                    lock(&self.state).left.insert((slot, run), rest);
                }
                Message::Warning(text) => bar.warn(&text),
                Message::Ended(how) => ended[run] = Some(how),
            }
        }
        let mut child = lock(&self.slots.children[slot]).take();
        let status = child.as_mut().map(Child::wait).transpose()?;
        Ok(death(status, &last_words.join().unwrap_or_default()))
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

    /// Notes that a run came from a step, or from its start, to another and refreshes the overall
    /// line.
    fn count(
        &self,
        place: (usize, usize),
        run: &RunConfig,
        from: Option<u64>,
        to: u64,
        took: Duration,
    ) {
        {
            let mut state = lock(&self.state);
            match from {
                Some(from) => state.paces.made(kind(run), to.saturating_sub(from), took),
                None => state.paces.began(kind(run), took),
            }
            state.left.insert(place, Rest::after(run, to));
        }
        self.show();
    }

    fn show(&self) {
        let mut shown = lock(&self.shown);
        if shown.elapsed() < SHOW_EVERY {
            return;
        }
        *shown = Instant::now();
        let waiting: Vec<Rest> = lock(&self.queue)
            .iter()
            .flat_map(|cell| &cell.runs)
            .map(Rest::all)
            .collect();
        let state = lock(&self.state);
        let rests = state.left.values().chain(&waiting);
        let seconds: Option<f64> = rests.map(|rest| state.paces.seconds(rest)).sum();
        self.display.overall(&Counts {
            total: state.total,
            finished: state.tally.finished,
            running: state.running,
            failed: state.tally.failed.len() + state.tally.broken.len(),
            left: seconds.map(|s| Duration::from_secs_f64(s / self.slots.children.len() as f64)),
        });
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

/// The first signal asks the runs to save and stop; a second one ends everything at once. Of several pools, one after
/// the other, the signal is for the latest.
fn stop_on_signal(slots: &Arc<Slots>) -> Result<()> {
    static LATEST: Mutex<Option<Arc<Slots>>> = Mutex::new(None);
    if lock(&LATEST).replace(Arc::clone(slots)).is_some() {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        let Some(slots) = lock(&LATEST).clone() else {
            return;
        };
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
