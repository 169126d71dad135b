//! The first stage of the methods on a learned reward: gradient steps of the ensemble, pass by pass over the
//! answers, until one is accurate enough or enough are made.

use prefbench_oracles::{Label, Preference, Stream};
use serde::{Deserialize, Serialize};

use super::OfflineData;
use super::segments::Passes;
use crate::config::ConfigError;
use crate::device::Compute;
use crate::learner::LearnError;
use crate::replay::Replay;
use crate::reward_model::{RewardConfig, RewardModel};
use crate::state::{State, StateError, exact};

/// How far the reward is trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Progress {
    /// Gradient steps.
    steps: u64,
    /// Complete passes.
    epochs: usize,
    /// Whether it is the policy's turn.
    done: bool,
    /// Each member's order of the answers.
    passes: Vec<Passes>,
    /// Of the pass that goes on.
    now: Tally,
    /// Of the last complete pass.
    last: Option<Tally>,
}

/// What a pass over the answers found.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Tally {
    /// Sum over members and answers of the cross-entropy.
    #[serde(with = "exact")]
    loss: f64,
    /// Members times answers.
    answers: usize,
    /// Those of them that are strict.
    strict: usize,
    /// Strict answers that the members predict.
    correct: usize,
}

impl Tally {
    /// Share of strict answers that are predicted; NaN if there are none.
    fn accuracy(&self) -> f64 {
        self.correct as f64 / self.strict as f64
    }
}

/// An ensemble in training.
pub struct RewardStage<A: Compute> {
    config: RewardConfig,
    /// The ensemble.
    pub model: RewardModel<A>,
    progress: Progress,
}

/// Refuses a run of too few steps for `passes` steps of the reward before it.
pub(super) fn need_steps(total: u64, passes: usize) -> Result<(), ConfigError> {
    if total > passes as u64 {
        return Ok(());
    }
    Err(ConfigError {
        key: "steps".to_owned(),
        value: total.to_string(),
        must: format!("more than the {passes} that the reward may take"),
    })
}

impl<A: Compute> RewardStage<A> {
    /// A fresh ensemble for a run of `total` steps.
    ///
    /// # Errors
    /// If the reward might take them all.
    pub fn new(
        config: &RewardConfig,
        data: &OfflineData,
        total: u64,
        rng: &mut Stream,
        device: &A::Device,
    ) -> Result<Self, ConfigError> {
        need_steps(
            total,
            config.epochs * data.preferences().len().div_ceil(config.batch),
        )?;
        Ok(Self {
            model: RewardModel::new(config.clone(), data.dims(), rng, device.clone()),
            progress: Progress {
                steps: 0,
                epochs: 0,
                done: false,
                passes: vec![Passes::default(); config.members],
                now: Tally::default(),
                last: None,
            },
            config: config.clone(),
        })
    }

    /// Whether it is over.
    pub fn done(&self) -> bool {
        self.progress.done
    }

    /// Gradient steps so far.
    pub fn steps(&self) -> u64 {
        self.progress.steps
    }

    /// One gradient step; `rng` shuffles.
    ///
    /// # Errors
    /// If there is no answer, segments differ in length, or the loss is not finite.
    pub fn step(
        &mut self,
        data: &OfflineData,
        replay: &Replay,
        rng: &mut Stream,
    ) -> Result<(), LearnError> {
        data.segment_len()?;
        let (answers, p) = (data.preferences(), &mut self.progress);
        let choose = |pass: &mut Passes| {
            let chosen = pass.batch(answers.len(), self.config.batch, rng);
            chosen.iter().map(|&i| answers[i]).collect()
        };
        let batches: Vec<Vec<Preference>> = p.passes.iter_mut().map(choose).collect();
        let (loss, margins) = self.model.step(replay, &batches);
        p.steps += 1;
        if !loss.is_finite() {
            return Err(LearnError::Diverged {
                what: "the reward model's loss",
                value: loss,
                step: p.steps,
            });
        }
        p.now.loss += loss * batches[0].len() as f64;
        for (answer, margin) in batches.iter().flatten().zip(margins.into_iter().flatten()) {
            p.now.answers += 1;
            p.now.strict += usize::from(answer.label != Label::Equal);
            p.now.correct += usize::from(match answer.label {
                Label::Left => margin <= 0.0,
                Label::Right => margin > 0.0,
                Label::Equal => false,
            });
        }
        if p.passes[0].over() {
            p.epochs += 1;
            let pass = std::mem::take(&mut p.now);
            p.last = Some(pass);
            let accurate = pass.accuracy() > self.config.target_accuracy;
            p.done = p.epochs >= self.config.epochs || accurate;
        }
        Ok(())
    }

    /// Figures of the last complete pass.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let Some(last) = &self.progress.last else {
            return Vec::new();
        };
        let mut out = vec![("reward.loss", last.loss / last.answers as f64)];
        // Undefined where every answer is a tie.
        if last.strict > 0 {
            out.push(("reward.accuracy", last.accuracy()));
        }
        out
    }

    /// Writes ensemble and progress.
    pub fn save(&self, state: &mut State) {
        self.model.save(state);
        state.put_json("reward.progress", &self.progress);
    }

    /// Reads what [`RewardStage::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.model.load(state)?;
        self.progress = state.get_json("reward.progress")?;
        Ok(())
    }
}

/// The mean over members, each brought to mean 0 and deviation 1 over all transitions (DTR's ensemble
/// normalisation, eq. 13); a member that says the same of all becomes 0.
pub(crate) fn normalised(members: Vec<Vec<f32>>) -> Vec<f32> {
    let count = members.len() as f64;
    let mut all = vec![0.0; members[0].len()];
    for member in members {
        let n = member.len() as f64;
        let mean = member.iter().map(|&r| f64::from(r)).sum::<f64>() / n;
        let square = |&r: &f32| (f64::from(r) - mean).powi(2);
        let deviation = (member.iter().map(square).sum::<f64>() / n).sqrt();
        if deviation > 0.0 {
            for (sum, &r) in all.iter_mut().zip(&member) {
                *sum += (f64::from(r) - mean) / deviation / count;
            }
        }
    }
    all.into_iter().map(|r| r as f32).collect()
}
