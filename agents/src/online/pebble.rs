//! PEBBLE: off-policy learning from preferences, with unsupervised pre-training and relabelling.
//!
//! Lee, Smith, Abbeel, "PEBBLE: Feedback-Efficient Interactive Reinforcement Learning via
//! Relabeling Experience and Unsupervised Pre-training" (ICML 2021, arXiv 2106.05091), with the
//! protocol of B-Pref (arXiv 2111.03026):
//!
//! 1. random actions, then exploration by state entropy ([`crate::explore`]);
//! 2. the first feedback session asks uniformly drawn pairs; the reward ensemble is trained, the
//!    whole memory relabelled, the critics drawn anew and updated `reset_updates` times;
//! 3. from then on a session every `feedback.every` steps until the budget is asked, each followed
//!    by training and relabelling; one SAC update a step on the learned reward.
//!
//! Deviations from the reference code: its running variance is corrected ([`crate::explore`]);
//! where no episode is long enough for a segment, a session waits for one (the reference assumes
//! episodes of equal length); a session in which every query is skipped trains nothing (the
//! reference crashes); a schedule never shrinks a session below one query; the neighbours of
//! exploration include the last observation of each episode; and one update is made at the step
//! that ends the random phase and at that of the first session, where the reference makes none.
//! Budgets count queries asked, as there.

use prefbench_oracles::{
    Label, Pair, Pool, Preference, QuerySampler, SamplerError, Stream, Trajectories, Uniform,
    sampler,
};
use serde::{Deserialize, Serialize};

use super::method::{Method, Plain};
use crate::algorithm::Build;
use crate::backbone::{Backbone, Streams, check_seed_steps};
use crate::config::{Checks, ConfigError, Setup, Tier};
use crate::device::Compute;
use crate::explore::StateEntropy;
use crate::held_out;
use crate::learner::{LearnError, Learner, Mode, Online, Policy};
use crate::replay::Transition;
use crate::reward_model::{Fit, RewardConfig, RewardModel};
use crate::sac::SacConfig;
use crate::state::{State, StateError, exact};

/// How the size of sessions changes over a run of length T at step t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Every session asks the same.
    Uniform,
    /// Sizes fall as (T − t)/T.
    Decay,
    /// Sizes grow as T/(T − t + 1).
    Increase,
}

/// When and what to ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedbackConfig {
    /// Queries over the whole run, skipped ones included.
    pub budget: usize,
    /// Queries in a session (before the schedule's factor).
    pub per_session: usize,
    /// Environment steps between two sessions.
    pub every: u64,
    /// Steps of a segment, H.
    pub segment: usize,
    /// Most recent complete episodes that queries are drawn from.
    pub pool: usize,
    /// Query sampler from the second session on; the first is always uniform.
    pub sampler: String,
    /// How session sizes change over the run.
    pub schedule: Schedule,
}

/// Settings of PEBBLE, and of a method `M` on its backbone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(bound(serialize = "M: Serialize", deserialize = "M: Method"))]
pub struct PebbleConfig<M = Plain> {
    /// Steps of uniformly random actions before the first update.
    pub seed_steps: u64,
    /// Steps of unsupervised exploration after them.
    pub unsupervised_steps: u64,
    /// The neighbour, k, whose distance is the intrinsic reward.
    pub neighbours: usize,
    /// Updates right after the first session.
    pub reset_updates: u32,
    /// The policy learner.
    pub sac: SacConfig,
    /// The reward ensemble.
    pub reward: RewardConfig,
    /// When and what to ask.
    pub feedback: FeedbackConfig,
    /// The method's own settings; absent where it has none.
    #[serde(default = "none", skip_serializing_if = "is_none")]
    pub method: M,
}

/// Whether a method has no settings.
fn is_none<M>(_: &M) -> bool {
    size_of::<M>() == 0
}

/// A method without settings, from nothing.
fn none<M: Method>() -> M {
    serde_json::from_value(serde_json::Value::Null)
        .expect("a method whose settings were left out has none")
}

impl<M: Method> PebbleConfig<M> {
    /// Defaults for a task's family and a tier: B-Pref's scripts at the full tier.
    pub fn defaults(setup: &Setup<'_>) -> Self {
        let meta = setup.family == "metaworld";
        let full = setup.tier == Tier::Full;
        let reward = RewardConfig {
            hidden: if full { vec![256; 3] } else { vec![64; 3] },
            members: 3,
            lr: if full { 3e-4 } else { 1e-3 },
            batch: if full { 128 } else { 64 },
            epochs: if meta || setup.tier == Tier::Smoke {
                10
            } else {
                50
            },
            target_accuracy: 0.97,
        };
        let feedback = |budget, per_session, every, segment, pool| FeedbackConfig {
            budget,
            per_session,
            every,
            segment,
            pool,
            sampler: "disagreement".to_owned(),
            schedule: Schedule::Uniform,
        };
        let mut config = Self {
            seed_steps: if setup.tier == Tier::Smoke {
                500
            } else {
                1_000
            },
            unsupervised_steps: match setup.tier {
                Tier::Smoke => 1_000,
                Tier::Short => 4_000,
                Tier::Full => 9_000,
            },
            neighbours: 5,
            reset_updates: 100,
            sac: SacConfig {
                // A learned reward is below 1 in size: more entropy than B-Pref's would drown it.
                init_temperature: 0.1,
                ..SacConfig::defaults(setup)
            },
            reward,
            feedback: match (setup.tier, meta) {
                (Tier::Full, true) => feedback(10_000, 50, 5_000, 50, 100),
                (Tier::Full, false) if setup.task.starts_with("quadruped-") => {
                    feedback(1_000, 100, 30_000, 50, 100)
                }
                (Tier::Full, false) => feedback(1_000, 100, 20_000, 50, 100),
                // Half as many sessions as B-Pref would have, for each goes through all answers so far.
                (Tier::Short, true) => feedback(5_000, 100, 2_000, 25, 100),
                // As early in the run as B-Pref's.
                (Tier::Short, false) => feedback(1_000, 100, 4_000, 50, 100),
                // Short segments and a recent pool say more per label where steps are few.
                (Tier::Smoke, _) => feedback(2_000, 50, 500, 10, 40),
            },
            method: M::defaults(setup),
        };
        M::adapt(&mut config, setup);
        config
    }

    /// Refuses values outside their range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Checks::run(|c| {
            check_seed_steps(c, self.seed_steps);
            c.at_least("neighbours", self.neighbours, 1);
            self.sac.check(c);
            self.reward.check(c);
            self.method.check(c);
            let f = &self.feedback;
            c.at_least("feedback.budget", f.budget, 1);
            c.at_least("feedback.per_session", f.per_session, 1);
            c.at_least("feedback.every", f.every as usize, 1);
            c.at_least("feedback.segment", f.segment, 1);
            c.at_least("feedback.pool", f.pool, 1);
            match sampler::find(&f.sampler) {
                Err(e) => {
                    let known = format!("a query sampler: {e}");
                    c.that("feedback.sampler", &f.sampler, false, &known);
                }
                Ok(sampler) => {
                    let (members, needed) = (self.reward.members, sampler.members);
                    let must = format!("at least {needed} for this feedback.sampler");
                    c.that("reward.members", members, members >= needed, &must);
                }
            }
        })
    }
}

impl<M: Method> PebbleConfig<M> {
    /// Also refuses a run that could never hold a feedback session.
    pub fn validate_for(&self, setup: &Setup<'_>, steps: u64) -> Result<(), ConfigError> {
        self.validate()?;
        Checks::run(|c| {
            let (segment, horizon) = (self.feedback.segment, setup.horizon);
            let must = format!("at most {horizon}, the task's horizon");
            c.that("feedback.segment", segment, segment <= horizon, &must);
            let first = self.seed_steps + self.unsupervised_steps;
            let must = format!("so small that feedback begins before the run's {steps} steps end");
            let total = format!(
                "{} after {} seed_steps",
                self.unsupervised_steps, self.seed_steps
            );
            c.that("unsupervised_steps", total, first < steps, &must);
        })
    }
}

/// What has been asked and answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Feedback {
    pub(super) asked: usize,
    pub(super) sessions: usize,
    pub(super) last_session: u64,
    pub(super) labels: Vec<Preference>,
    #[serde(with = "exact")]
    loss: f64,
    #[serde(with = "exact")]
    accuracy: f64,
}

/// The learner.
pub struct Pebble<A: Compute, M: Method = Plain> {
    pub(super) config: PebbleConfig<M>,
    total_steps: u64,
    sampler: &'static dyn QuerySampler,
    pub(super) backbone: Backbone<A>,
    pub(super) entropy: StateEntropy,
    pub(super) reward: RewardModel<A>,
    pub(super) feedback: Feedback,
    pub(super) memory: M::Memory,
    /// Never advanced: pairs to measure by at step t are drawn from its substream t.
    held_out: Stream,
}

impl<A: Compute, M: Method> Pebble<A, M> {
    /// A fresh learner.
    pub fn new(config: PebbleConfig<M>, build: Build) -> Result<Self, ConfigError> {
        config.validate()?;
        let sampler = sampler::find(&config.feedback.sampler).map_err(|e| ConfigError {
            key: "agent.feedback.sampler".to_owned(),
            value: config.feedback.sampler.clone(),
            must: e.to_string(),
        })?;
        let Build { dims, ticket, .. } = build;
        let device = A::Device::default();
        let streams = Streams::new(build.seed);
        let (sac, seed_steps) = (config.sac.clone(), config.seed_steps);
        let mut backbone = Backbone::new(sac, seed_steps, dims, streams, device.clone(), ticket);
        let init = &mut backbone.streams.init;
        let reward = RewardModel::new(config.reward.clone(), dims, init, device);
        Ok(Self {
            reward: reward.penalised(config.method.penalty()),
            total_steps: build.total_steps,
            sampler: sampler.sampler,
            backbone,
            entropy: StateEntropy::new(dims.obs, config.neighbours),
            feedback: Feedback::default(),
            memory: M::Memory::default(),
            held_out: Stream::new(build.seed, "held out"),
            config,
        })
    }

    /// Queries of the session due now; 0 if none is.
    fn session_size(&self) -> usize {
        let (f, t) = (&self.config.feedback, self.backbone.steps());
        let due = if self.feedback.sessions == 0 {
            t >= self.config.seed_steps + self.config.unsupervised_steps
        } else {
            t >= self.feedback.last_session + f.every
        };
        if !due {
            return 0;
        }
        let (total, left) = (
            self.total_steps as f64,
            self.total_steps.saturating_sub(t) as f64,
        );
        let factor = match f.schedule {
            Schedule::Uniform => 1.0,
            Schedule::Decay if left > 0.0 => left / total,
            Schedule::Decay => 0.01,
            Schedule::Increase => total / (left + 1.0),
        };
        let size = (f.per_session as f64 * factor) as usize;
        size.max(1)
            .min(f.budget.saturating_sub(self.feedback.asked))
    }

    fn learn_reward(&mut self) -> Result<(), LearnError> {
        let Some(Fit { loss, accuracy, .. }) = M::fit(self) else {
            return Ok(());
        };
        if !loss.is_finite() {
            return Err(LearnError::Diverged {
                what: "the reward model's loss",
                value: loss,
                step: self.backbone.steps(),
            });
        }
        (self.feedback.loss, self.feedback.accuracy) = (loss, accuracy);
        Ok(())
    }
}

impl<A: Compute, M: Method> Policy for Pebble<A, M> {
    fn act(&mut self, observation: &[f32], mode: Mode, action: &mut [f32]) {
        self.backbone.act(observation, mode, action);
    }
}

impl<A: Compute, M: Method> Learner for Pebble<A, M> {
    fn update(&mut self) -> Result<(), LearnError> {
        if self.backbone.warming_up() {
            return Ok(());
        }
        if self.feedback.sessions > 0 {
            M::update(self)
        } else {
            M::explore(self)
        }
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let mut out = self.backbone.sac.metrics();
        if !self.feedback.labels.is_empty() {
            out.push(("reward.loss", self.feedback.loss));
            // Undefined as long as every label is `Equal`.
            if !self.feedback.accuracy.is_nan() {
                out.push(("reward.accuracy", self.feedback.accuracy));
            }
            out.extend(held_out::quality(
                &self.reward,
                &self.backbone.replay,
                &self.feedback.labels,
                self.config.feedback.segment,
                self.held_out.at(self.backbone.steps()),
            ));
        }
        out.extend(M::metrics(&self.memory));
        out
    }

    fn values(&self, observations: &[f32], actions: usize) -> Option<Vec<f64>> {
        Some(self.backbone.sac.values(observations, actions))
    }

    fn save(&self) -> State {
        let mut state = State::default();
        state.put_algorithm(M::ID);
        self.backbone.save(&mut state);
        self.entropy.save(&mut state);
        self.reward.save(&mut state);
        state.put_json("feedback", &self.feedback);
        state.put_json("held_out", &self.held_out);
        if size_of::<M::Memory>() > 0 {
            state.put_json("method", &self.memory);
        }
        state
    }

    fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.check_algorithm(M::ID)?;
        self.backbone.load(state)?;
        self.entropy.load(state, self.backbone.replay.states())?;
        self.reward.load(state)?;
        self.feedback = state.get_json("feedback")?;
        self.held_out = state.get_json("held_out")?;
        if size_of::<M::Memory>() > 0 {
            self.memory = state.get_json("method")?;
        }
        Ok(())
    }
}

impl<A: Compute, M: Method> Online for Pebble<A, M> {
    fn begin(&mut self, observation: &[f32]) -> Result<(), LearnError> {
        Ok(self.backbone.replay.begin(observation)?)
    }

    fn observe(&mut self, t: Transition<'_>) -> Result<(), LearnError> {
        // Before the first session nothing reads the learned reward; relabelling fills it in.
        let mut reward = 0.0;
        if self.feedback.sessions > 0 {
            // The memory's last row is the observation that this action answered.
            let rows = self.trajectories().all_observations();
            let latest = &rows[rows.len() - self.trajectories().obs_dim()..];
            reward = self.reward.predict(latest, t.action);
        }
        self.backbone.observe(t, reward)
    }

    fn queries(&mut self) -> Result<Vec<Pair>, LearnError> {
        let size = self.session_size();
        if size == 0 {
            return Ok(Vec::new());
        }
        let sampler = match self.feedback.sessions {
            0 => &Uniform as &dyn QuerySampler,
            _ => self.sampler,
        };
        let replay = &self.backbone.replay;
        let f = &self.config.feedback;
        let pool = Pool::recent(replay.trajectories(), f.pool, &self.feedback.labels);
        let mut scores = self.reward.scores(replay);
        let rng = &mut self.backbone.streams.query;
        let pairs = match sampler.select(&pool, f.segment, size, &mut scores, rng) {
            Err(SamplerError::TooShort { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        M::chosen(self, &pairs)?;
        Ok(pairs)
    }

    fn teach(&mut self, answers: &[(Pair, Option<Label>)]) -> Result<(), LearnError> {
        let first = self.feedback.sessions == 0;
        self.feedback.asked += answers.len();
        self.feedback.sessions += 1;
        self.feedback.last_session = self.backbone.steps();
        let labelled =
            |&(pair, label): &(Pair, Option<Label>)| label.map(|label| Preference { pair, label });
        self.feedback
            .labels
            .extend(answers.iter().filter_map(labelled));
        self.learn_reward()?;
        // Also where nothing was learnt: the first time, the column is still empty of predictions.
        self.reward.relabel(&mut self.backbone.replay);
        if first {
            self.entropy.forget();
            if M::RESETS_CRITICS {
                self.backbone.reset_critics();
            }
            for _ in 0..self.config.reset_updates {
                M::update(self)?;
            }
        }
        Ok(())
    }

    fn feedback_budget(&self) -> u64 {
        self.config.feedback.budget as u64
    }

    fn trajectories(&self) -> &Trajectories {
        self.backbone.replay.trajectories()
    }
}
