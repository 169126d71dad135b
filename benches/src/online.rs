//! The steps of online runs: environment, learner, teacher.

use anyhow::{Context, Result, bail};
use prefbench_agents::{Build, Learner, Mode, Online, Ticket, Transition, algorithm};
use prefbench_envs::{End, Env, Snapshot};
use prefbench_oracles::{Ending, Session, Stream, Teacher, ask};
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::progress::Report;
use crate::training::{Scale, Steps, finite, stream_seed};

/// Episodes whose mean return a teacher's thresholds refer to (B-Pref).
const RECENT_EPISODES: usize = 10;
/// A curriculum's step: up after an episode that succeeded at any time, down after another, as
/// terrains are promoted and demoted in legged-gym (Rudin et al. 2021, arXiv:2109.11978). Training
/// settles where about one episode in two succeeds, since both steps are alike.
const CURRICULUM_STEP: f32 = 0.05;
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

/// An online run.
pub struct OnlineRun<'a> {
    config: &'a RunConfig,
    env: Box<dyn Env>,
    teacher: Option<Box<dyn Teacher>>,
    learner: Box<dyn Online>,
    horizon: f64,
    scale: Scale,
    observation: Vec<f32>,
    action: Vec<f32>,
    state: Loop,
}

impl<'a> OnlineRun<'a> {
    /// A fresh run; with a ticket, one of a stack.
    pub fn new(config: &'a RunConfig, ticket: Option<Ticket>) -> Result<Self> {
        let task = config.task()?;
        Ok(Self {
            config,
            env: task.make()?,
            teacher: config.make_teacher()?,
            learner: learner(config, ticket)?,
            horizon: f64::from(task.spec.horizon),
            scale: Scale::new(config, &task),
            observation: vec![0.0; task.spec.obs_dim()],
            action: vec![0.0; task.spec.action_dim()],
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

    fn begin_episode(&mut self) -> Result<()> {
        let seed = stream_seed(self.config.seed, "env", self.state.episodes);
        self.env.reset(seed, &mut self.observation)?;
        self.scale.apply(&mut self.observation);
        (self.state.episode_return, self.state.succeeded) = (0.0, false);
        Ok(self.learner.begin(&self.observation)?)
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
}

impl Steps for OnlineRun<'_> {
    fn begin(&mut self) -> Result<()> {
        if self.config.curriculum {
            self.env.set_difficulty(0.0)?;
        }
        self.begin_episode()
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

    fn learner(&mut self) -> &mut dyn Learner {
        self.learner.as_mut()
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

    fn labelled(&self) -> u64 {
        self.state.labelled
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Loop {
            env: Some(self.env.snapshot()?),
            ..self.state.clone()
        })?)
    }

    fn load(&mut self, saved: &[u8]) -> Result<()> {
        self.state = serde_json::from_slice(saved)?;
        if let Some(snapshot) = self.state.env.take() {
            self.env.restore(&snapshot)?;
            self.env.observe(&mut self.observation)?;
            self.scale.apply(&mut self.observation);
        }
        Ok(())
    }
}

/// The fresh learner of an online run.
pub fn learner(config: &RunConfig, ticket: Option<Ticket>) -> Result<Box<dyn Online>> {
    let algorithm = algorithm::find(&config.algorithm)?;
    let build = Build {
        ticket,
        ..config.build()?
    };
    Ok(algorithm.build(&config.agent, build)?)
}
