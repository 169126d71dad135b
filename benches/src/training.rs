//! What every run shares: steps in a loop, evaluations, checkpoints, resume, and how it ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use prefbench_agents::{LearnError, Learner, State, Ticket};
use prefbench_envs::EnvError;
use prefbench_results::{Checkpoint, Eval, Failure, Run, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::RunConfig;
use crate::offline::OfflineRun;
use crate::online::OnlineRun;
use crate::progress::{Progress, Report};

mod arena;
mod player;

pub use arena::{Arena, Scale, finite, stream_seed};
pub use player::{Learnt, Player};

/// What to do about a divergence.
const LOWER_RATES: &str =
    "try lower learning rates (the settings of `agent` whose names end in `lr`)";
/// Parts of a checkpoint.
const LEARNER: &str = "learner.safetensors";
const LOOP: &str = "loop.json";

/// The steps of a run: of an environment, or of gradients.
pub trait Steps {
    /// Begins a fresh run.
    fn begin(&mut self) -> Result<()>;

    /// Takes one step, with all that is due before it.
    fn step(&mut self) -> Result<()>;

    /// Who learns.
    fn learner(&mut self) -> &mut dyn Learner;

    /// Where it stands.
    fn report(&self) -> Report;

    /// Queries answered so far.
    fn labelled(&self) -> u64;

    /// Its own state; the rest of a checkpoint is the learner's.
    fn save(&self) -> Result<Vec<u8>>;

    /// Continues from a saved state; the learner has loaded its own.
    fn load(&mut self, saved: &[u8]) -> Result<()>;
}

/// How a call of [`run`] ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The run is complete.
    Finished,
    /// It had been complete before.
    FinishedBefore,
    /// It diverged, and would do so again.
    Failed(Failure),
    /// It had failed before.
    FailedBefore(Failure),
    /// It was asked to stop, and saved itself after this many steps.
    Stopped(u64),
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::FinishedBefore => f.write_str("finished before"),
            Self::Failed(why) => why.fmt(f),
            Self::FailedBefore(why) => {
                write!(f, "before, it {why} (--retry-failed tries again)")
            }
            Self::Stopped(step) => write!(f, "saved at step {step}"),
        }
    }
}

/// A learner that came to numbers which are none.
#[derive(Debug)]
struct Diverged {
    what: String,
    value: f64,
}

impl std::fmt::Display for Diverged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, value } = self;
        write!(f, "training diverged: {what} is {value}; {LOWER_RATES}")
    }
}

impl std::error::Error for Diverged {}

/// Whether the same run would end in the same error again.
fn is_divergence(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<Diverged>()
            || matches!(cause.downcast_ref(), Some(LearnError::Diverged { .. }))
            || matches!(cause.downcast_ref(), Some(EnvError::Diverged { .. }))
    })
}

/// How a run had ended before, if it had.
pub fn ended_before(folder: &Run) -> Result<Option<Outcome>> {
    Ok(match (folder.status(), folder.failure()?) {
        (Status::Finished, _) => Some(Outcome::FinishedBefore),
        (Status::Failed, Some(failure)) => Some(Outcome::FailedBefore(failure)),
        _ => None,
    })
}

/// Runs (or resumes) one configuration in its folder until it has ended or `stop` is raised; with a
/// ticket, as one of a stack (offline learners go without).
pub fn run(
    config: &RunConfig,
    folder: &mut Run,
    progress: &dyn Progress,
    stop: &AtomicBool,
    ticket: Option<Ticket>,
) -> Result<Outcome> {
    if let Some(outcome) = ended_before(folder)? {
        return Ok(outcome);
    }
    let mut training = Training {
        config,
        arena: Arena::new(config, &config.task()?)?,
        steps: match config.dataset {
            None => Box::new(OnlineRun::new(config, ticket)?),
            Some(_) => Box::new(OfflineRun::new(config, progress)?),
        },
    };
    match training.train(folder, progress, stop) {
        Err(error) if is_divergence(&error) => {
            let step = training.steps.report().step;
            let reason = format!("{error:#}");
            folder.fail(step, &reason)?;
            Ok(Outcome::Failed(Failure { step, reason }))
        }
        other => other,
    }
}

struct Training<'a> {
    config: &'a RunConfig,
    arena: Arena,
    steps: Box<dyn Steps + 'a>,
}

impl Training<'_> {
    fn train(
        &mut self,
        folder: &mut Run,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let config = self.config;
        let mut step = self.start(folder, progress)?;
        let began = (Instant::now(), step);
        // What is neither stepping nor learning.
        let mut kept = Duration::ZERO;
        while step < config.steps {
            self.steps.step()?;
            step += 1;
            let last = step == config.steps;
            let due = last || step.is_multiple_of(config.eval_every);
            let eval = due.then(|| self.evaluate()).transpose()?;
            let clock = Instant::now();
            if let Some(eval) = &eval {
                folder.append(eval)?;
                let speed = (step - began.1) as f64 / began.0.elapsed().as_secs_f64();
                folder.append_note(&json!({"step": step, "steps_per_second": speed}))?;
                progress.evaluated(eval);
            }
            let stopped = stop.load(Ordering::Relaxed) && !last;
            if last || stopped || step.is_multiple_of(config.checkpoint_every) {
                self.save(folder, step)?;
            }
            if stopped {
                return Ok(Outcome::Stopped(step));
            }
            progress.step(&self.steps.report());
            kept += clock.elapsed();
        }
        folder.finish(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": env!("PREFBENCH_COMMIT"),
            "steps": config.steps,
            "feedback_asked": self.steps.report().asked,
            "feedback_labelled": self.steps.labelled(),
            "resumed_at": began.1,
            "seconds_since_then": began.0.elapsed().as_secs_f64(),
            "of_them_keeping_records": kept.as_secs_f64(),
        }))?;
        Ok(Outcome::Finished)
    }

    /// Continues from the newest checkpoint, or begins with an evaluation of the fresh learner; gives
    /// the steps so far.
    fn start(&mut self, folder: &mut Run, progress: &dyn Progress) -> Result<u64> {
        let Some(checkpoint) = folder.load_checkpoint()? else {
            folder.truncate_to(0)?;
            // Also where the log has it already: an evaluation may draw from the learner's streams.
            let eval = self.evaluate()?;
            if folder.evals()?.is_empty() {
                folder.append(&eval)?;
            }
            progress.evaluated(&eval);
            self.steps.begin()?;
            return Ok(0);
        };
        for why in &checkpoint.passed_over {
            progress.warn(why);
        }
        load_learner(self.steps.learner(), &checkpoint, folder.dir())?;
        let (saved, place) = part(&checkpoint, LOOP, folder.dir())?;
        self.steps.load(saved).context(place)?;
        folder.truncate_to(checkpoint.step)?;
        progress.resumed(checkpoint.step);
        if let Some(last) = folder.evals()?.last() {
            progress.evaluated(last);
        }
        Ok(checkpoint.step)
    }

    /// Evaluates in the evaluation environment, on the same episodes every time.
    fn evaluate(&mut self) -> Result<Eval> {
        let learner = self.steps.learner();
        let episodes = (0..self.config.eval_episodes)
            .map(|k| {
                let seed = stream_seed(self.config.seed, "eval", k);
                self.arena.play(learner, seed, |_| (), |_, _, _| Ok(()))
            })
            .collect::<Result<_>>()?;
        let mut metrics = BTreeMap::new();
        for (name, value) in learner.metrics() {
            if !value.is_finite() {
                let what = name.to_owned();
                bail!(Diverged { what, value });
            }
            metrics.insert(name.to_owned(), value);
        }
        let report = self.steps.report();
        Ok(Eval {
            step: report.step,
            episodes,
            feedback_asked: report.asked,
            feedback_labelled: self.steps.labelled(),
            metrics,
        })
    }

    fn save(&mut self, folder: &mut Run, step: u64) -> Result<()> {
        let own = self.steps.save()?;
        let learner = self.steps.learner().save().to_bytes();
        Ok(folder.save_checkpoint(step, &[(LEARNER, &learner), (LOOP, &own)])?)
    }
}

/// A part of the checkpoint read from the run folder `dir`, and its name in errors.
fn part<'a>(checkpoint: &'a Checkpoint, name: &str, dir: &Path) -> Result<(&'a [u8], String)> {
    let bytes = checkpoint.parts.get(name);
    let bytes =
        bytes.with_context(|| format!("the checkpoint in {} lacks {name}", dir.display()))?;
    let place = format!("{name} of the checkpoint in {}", dir.display());
    Ok((bytes, place))
}

/// Takes over the learner saved in the checkpoint that was read from the run folder `dir`.
fn load_learner(learner: &mut dyn Learner, checkpoint: &Checkpoint, dir: &Path) -> Result<()> {
    let (saved, place) = part(checkpoint, LEARNER, dir)?;
    let state = State::from_bytes(saved);
    state.and_then(|state| learner.load(&state)).context(place)
}
