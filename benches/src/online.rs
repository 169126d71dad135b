//! The one loop of online runs: environment, learner, teacher, evaluation, checkpoints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use prefbench_agents::{
    Build, Dims, LearnError, Mode, Online, State, Ticket, Transition, algorithm,
};
use prefbench_envs::{End, Env, EnvError, Field, Snapshot, Step, Task};
use prefbench_oracles::{Ending, Session, Stream, Teacher, ask};
use prefbench_results::{Checkpoint, EpisodeResult, Eval, Failure, Run, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{RunConfig, goal_fields};
use crate::progress::{Progress, Report};

mod player;

pub use player::{Learnt, Player};

/// Episodes whose mean return a teacher's thresholds refer to (B-Pref).
const RECENT_EPISODES: usize = 10;
/// A curriculum's step: up after an episode that succeeded at any time, down after another, as
/// terrains are promoted and demoted in legged-gym (Rudin et al. 2021, arXiv:2109.11978). Training
/// settles where about one episode in two succeeds, since both steps are alike.
const CURRICULUM_STEP: f32 = 0.05;
/// What to do about a divergence.
const LOWER_RATES: &str =
    "try lower learning rates (agent.sac.actor_lr, agent.sac.critic_lr, agent.reward.lr)";
/// Parts of a checkpoint.
const LEARNER: &str = "learner.safetensors";
const LOOP: &str = "loop.json";

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

/// The loop's own state; the rest of a checkpoint is the learner's.
#[derive(Clone, Serialize, Deserialize)]
struct Loop {
    step: u64,
    episodes: u64,
    asked: u64,
    labelled: u64,
    sessions: usize,
    /// Return of the episode in progress, for display.
    episode_return: f64,
    last_return: Option<f64>,
    /// Whether the episode in progress has succeeded.
    #[serde(default)]
    succeeded: bool,
    /// Holds the difficulty of a curriculum too.
    env: Option<Snapshot>,
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
/// ticket, as one of a stack.
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
    let mut session = OnlineRun::new(config, ticket)?;
    match session.train(folder, progress, stop) {
        Err(error) if is_divergence(&error) => {
            let step = session.state.step;
            let reason = format!("{error:#}");
            folder.fail(step, &reason)?;
            Ok(Outcome::Failed(Failure { step, reason }))
        }
        other => other,
    }
}

struct OnlineRun<'a> {
    config: &'a RunConfig,
    env: Box<dyn Env>,
    eval_env: Box<dyn Env>,
    teacher: Option<Box<dyn Teacher>>,
    learner: Box<dyn Online>,
    horizon: f64,
    scale: Scale,
    observation: Vec<f32>,
    action: Vec<f32>,
    state: Loop,
}

impl<'a> OnlineRun<'a> {
    fn new(config: &'a RunConfig, ticket: Option<Ticket>) -> Result<Self> {
        let task = config.task()?;
        let dims = Dims {
            obs: task.spec.obs_dim(),
            act: task.spec.action_dim(),
        };
        let build = Build {
            dims,
            total_steps: config.steps,
            seed: config.seed,
            device: config.device,
            ticket,
        };
        Ok(Self {
            config,
            env: task.make()?,
            eval_env: task.make()?,
            teacher: config.make_teacher()?,
            learner: (algorithm::find(&config.algorithm)?.build)(&config.agent, build)?,
            horizon: f64::from(task.spec.horizon),
            scale: Scale::new(config, &task),
            observation: vec![0.0; dims.obs],
            action: vec![0.0; dims.act],
            state: Loop {
                step: 0,
                episodes: 0,
                asked: 0,
                labelled: 0,
                sessions: 0,
                episode_return: 0.0,
                last_return: None,
                succeeded: false,
                env: None,
            },
        })
    }

    fn train(
        &mut self,
        folder: &mut Run,
        progress: &dyn Progress,
        stop: &AtomicBool,
    ) -> Result<Outcome> {
        let config = self.config;
        self.start(folder, progress)?;
        let began = (Instant::now(), self.state.step);
        // What is neither stepping nor learning.
        let mut kept = Duration::ZERO;
        while self.state.step < config.steps {
            self.step()?;
            let step = self.state.step;
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
                self.save(folder)?;
            }
            if stopped {
                return Ok(Outcome::Stopped(step));
            }
            progress.step(&self.report());
            kept += clock.elapsed();
        }
        folder.finish(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": env!("PREFBENCH_COMMIT"),
            "steps": config.steps,
            "feedback_asked": self.state.asked,
            "feedback_labelled": self.state.labelled,
            "resumed_at": began.1,
            "seconds_since_then": began.0.elapsed().as_secs_f64(),
            "of_them_keeping_records": kept.as_secs_f64(),
        }))?;
        Ok(Outcome::Finished)
    }

    /// Continues from the newest checkpoint, or begins with an evaluation of the fresh learner.
    fn start(&mut self, folder: &mut Run, progress: &dyn Progress) -> Result<()> {
        let Some(checkpoint) = folder.load_checkpoint()? else {
            folder.truncate_to(0)?;
            // Also where the log has it already: an evaluation may draw from the learner's streams.
            let eval = self.evaluate()?;
            if folder.evals()?.is_empty() {
                folder.append(&eval)?;
            }
            progress.evaluated(&eval);
            if self.config.curriculum {
                self.env.set_difficulty(0.0)?;
            }
            return self.begin_episode();
        };
        for why in &checkpoint.passed_over {
            progress.warn(why);
        }
        self.load(&checkpoint, folder.dir())?;
        if let Some(snapshot) = self.state.env.take() {
            self.env.restore(&snapshot)?;
            self.env.observe(&mut self.observation)?;
            self.scale.apply(&mut self.observation);
        }
        folder.truncate_to(checkpoint.step)?;
        progress.resumed(checkpoint.step);
        if let Some(last) = folder.evals()?.last() {
            progress.evaluated(last);
        }
        Ok(())
    }

    /// Takes over the learner and the loop's state.
    fn load(&mut self, checkpoint: &Checkpoint, dir: &Path) -> Result<()> {
        let part = |name: &str| {
            let bytes = checkpoint.parts.get(name);
            bytes.with_context(|| format!("the checkpoint in {} lacks {name}", dir.display()))
        };
        let place = |name: &str| format!("{name} of the checkpoint in {}", dir.display());
        self.state = serde_json::from_slice(part(LOOP)?).with_context(|| place(LOOP))?;
        State::from_bytes(part(LEARNER)?)
            .and_then(|state| self.learner.load(&state))
            .with_context(|| place(LEARNER))
    }

    fn begin_episode(&mut self) -> Result<()> {
        let seed = stream_seed(self.config.seed, "env", self.state.episodes);
        self.env.reset(seed, &mut self.observation)?;
        self.scale.apply(&mut self.observation);
        (self.state.episode_return, self.state.succeeded) = (0.0, false);
        Ok(self.learner.begin(&self.observation)?)
    }

    /// One environment step, with whatever feedback and updates are due before it.
    fn step(&mut self) -> Result<()> {
        self.feedback()?;
        self.learner.update()?;
        self.learner
            .act(&self.observation, Mode::Explore, &mut self.action);
        finite(&self.action)?;
        let step = self.env.step(&self.action, &mut self.observation);
        let step = step.with_context(|| format!("environment step {}", self.state.step + 1))?;
        self.scale.apply(&mut self.observation);
        self.learner.observe(Transition {
            action: &self.action,
            reward: step.reward,
            next_observation: &self.observation,
            end: match step.end {
                End::No => None,
                End::Terminated => Some(Ending::Terminated),
                End::Truncated => Some(Ending::Truncated),
            },
        })?;
        self.state.step += 1;
        self.state.episode_return += f64::from(step.reward);
        self.state.succeeded |= step.success;
        if step.end != End::No {
            self.promote()?;
            self.state.episodes += 1;
            self.state.last_return = Some(self.state.episode_return);
            self.begin_episode()?;
        }
        Ok(())
    }

    /// Makes the next episode of a curriculum harder or easier than the one that ended.
    fn promote(&mut self) -> Result<()> {
        let Some(now) = self.difficulty() else {
            return Ok(());
        };
        let next = if self.state.succeeded {
            now + CURRICULUM_STEP
        } else {
            now - CURRICULUM_STEP
        };
        Ok(self.env.set_difficulty(next.clamp(0.0, 1.0))?)
    }

    /// Of the training environment, if the run has a curriculum.
    fn difficulty(&self) -> Option<f32> {
        self.env.difficulty().filter(|_| self.config.curriculum)
    }

    fn feedback(&mut self) -> Result<()> {
        let pairs = self.learner.queries()?;
        if pairs.is_empty() {
            return Ok(());
        }
        let Some(teacher) = &self.teacher else {
            bail!(
                "`{}` asks queries, but no teacher is configured",
                self.config.algorithm
            );
        };
        let trajectories = self.learner.trajectories();
        let session = Session::recent(
            trajectories,
            RECENT_EPISODES,
            self.horizon,
            self.state.sessions,
            pairs[0].left.len as usize,
        );
        let stream = Stream::new(self.config.seed, "teacher");
        let asked = self.state.asked;
        let labels = ask(
            teacher.as_ref(),
            trajectories,
            &pairs,
            &session,
            &stream,
            asked,
        )?;
        self.state.sessions += 1;
        self.state.asked += pairs.len() as u64;
        self.state.labelled += labels.iter().flatten().count() as u64;
        let answers: Vec<_> = pairs.into_iter().zip(labels).collect();
        Ok(self.learner.teach(&answers)?)
    }

    /// Evaluates in the evaluation environment, on the same episodes every time.
    fn evaluate(&mut self) -> Result<Eval> {
        let episodes = (0..self.config.eval_episodes)
            .map(|k| {
                let seed = stream_seed(self.config.seed, "eval", k);
                self.play(seed, |_| (), |_, _, _| Ok(()))
            })
            .collect::<Result<_>>()?;
        let mut metrics = BTreeMap::new();
        for (name, value) in self.learner.metrics() {
            if !value.is_finite() {
                let what = name.to_owned();
                bail!(Diverged { what, value });
            }
            metrics.insert(name.to_owned(), value);
        }
        Ok(Eval {
            step: self.state.step,
            episodes,
            feedback_asked: self.state.asked,
            feedback_labelled: self.state.labelled,
            metrics,
        })
    }

    /// Plays the episode of an environment's seed. `alter` may change each action before it is
    /// taken; `visit` sees each observation, the action and what followed.
    fn play(
        &mut self,
        seed: u64,
        mut alter: impl FnMut(&mut [f32]),
        mut visit: impl FnMut(&[f32], &[f32], &Step) -> Result<()>,
    ) -> Result<EpisodeResult> {
        let mut observation = vec![0.0; self.observation.len()];
        let mut next = observation.clone();
        let mut scaled = observation.clone();
        let mut action = vec![0.0; self.action.len()];
        let mut result = EpisodeResult {
            seed,
            return_: 0.0,
            length: 0,
            success: false,
        };
        self.eval_env.reset(result.seed, &mut observation)?;
        loop {
            scaled.copy_from_slice(&observation);
            self.scale.apply(&mut scaled);
            self.learner.act(&scaled, Mode::Evaluate, &mut action);
            finite(&action)?;
            alter(&mut action);
            let step = self.eval_env.step(&action, &mut next)?;
            visit(&observation, &action, &step)?;
            observation.copy_from_slice(&next);
            result.return_ += f64::from(step.reward);
            result.length += 1;
            result.success |= step.success;
            if step.end != End::No {
                return Ok(result);
            }
        }
    }

    fn save(&self, folder: &mut Run) -> Result<()> {
        let state = Loop {
            env: Some(self.env.snapshot()?),
            ..self.state.clone()
        };
        let learner = self.learner.save().to_bytes();
        let parts: [(&str, &[u8]); 2] = [(LEARNER, &learner), (LOOP, &serde_json::to_vec(&state)?)];
        Ok(folder.save_checkpoint(self.state.step, &parts)?)
    }

    fn report(&self) -> Report {
        Report {
            step: self.state.step,
            asked: self.state.asked,
            budget: self.learner.feedback_budget(),
            episode_return: self.state.last_return,
            difficulty: self.difficulty(),
        }
    }
}

/// Maps bounded observation fields onto [−1, 1], and a hidden goal onto zero, before a learner sees
/// them.
struct Scale(Vec<(f32, f32)>);

impl Scale {
    /// Centre and half-width of each field; (0, 1) leaves a field as it is.
    fn new(config: &RunConfig, task: &Task) -> Self {
        let wanted = config.scale_observations;
        let one = |f: &Field| {
            let (centre, half) = (0.5 * (f.high + f.low), 0.5 * (f.high - f.low));
            if wanted && half.is_finite() && half > 0.0 {
                (centre, half)
            } else {
                (0.0, 1.0)
            }
        };
        let mut scale: Vec<_> = task.spec.fields.iter().map(one).collect();
        if config.hide_goal {
            for i in goal_fields(task) {
                scale[i] = (0.0, f32::INFINITY);
            }
        }
        Self(scale)
    }

    fn apply(&self, observation: &mut [f32]) {
        for (x, (centre, half)) in observation.iter_mut().zip(&self.0) {
            *x = (*x - centre) / half;
        }
    }
}

/// The seed of the `k`-th episode of a named stream.
pub fn stream_seed(seed: u64, name: &str, k: u64) -> u64 {
    Stream::new(seed, name).at(k).below(usize::MAX) as u64
}

fn finite(action: &[f32]) -> Result<()> {
    match action.iter().find(|a| !a.is_finite()) {
        Some(&bad) => bail!(Diverged {
            what: "the policy's action".to_owned(),
            value: f64::from(bad),
        }),
        None => Ok(()),
    }
}
