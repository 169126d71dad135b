//! The steps of offline runs: a dataset, its labels, and a learner.

use anyhow::{Context, Result, bail};
use prefbench_agents::{Learner, OfflineData, algorithm};
use prefbench_oracles::{Columns, Dataset, Label, Preference, Trajectories};
use serde::{Deserialize, Serialize};

use crate::config::{Labels, RunConfig};
use crate::label;
use crate::progress::{Progress, Report};
use crate::training::{Scale, Steps};

/// An offline run. A step is one gradient step of its learner.
pub struct OfflineRun {
    learner: Box<dyn Learner>,
    asked: u64,
    labelled: u64,
    state: Loop,
}

/// The loop's own state; the rest of a checkpoint is the learner's.
#[derive(Serialize, Deserialize)]
struct Loop {
    step: u64,
}

impl OfflineRun {
    /// A fresh run on its dataset.
    pub fn new(config: &RunConfig, progress: &dyn Progress) -> Result<Self> {
        let task = config.task()?;
        let source = config
            .dataset
            .as_ref()
            .context("an offline run has a `dataset`")?;
        let dataset = source.read(&task, config.tier, config.labels.as_ref())?;
        let (preferences, asked) = match &config.labels {
            None => (Vec::new(), 0),
            Some(labels) => preferences(config, labels, &dataset)?,
        };
        if config.labels.is_some() {
            if preferences.is_empty() {
                bail!("none of {asked} queries was answered, so there is nothing to learn from");
            }
            if preferences.iter().all(|p| p.label == Label::Equal) {
                progress.warn("every answer is a tie: there is nothing to tell good from bad");
            }
        }
        let labelled = preferences.len() as u64;
        let episodes = as_seen(dataset.trajectories, &Scale::new(config, &task))?;
        let data = OfflineData::new(episodes, preferences)?;
        Ok(Self {
            learner: learner(config, data)?,
            asked,
            labelled,
            state: Loop { step: 0 },
        })
    }
}

/// What is learnt from, and how many queries it took.
fn preferences(
    config: &RunConfig,
    labels: &Labels,
    dataset: &Dataset,
) -> Result<(Vec<Preference>, u64)> {
    let Some(teacher) = config.make_teacher()? else {
        return Ok(labels.named(dataset));
    };
    let (queries, segment) = (labels.queries as usize, labels.segment as usize);
    let answers = label::pairs(teacher.as_ref(), dataset, segment, queries, config.seed)?;
    let answered = answers
        .into_iter()
        .filter_map(|(pair, label)| label.map(|label| Preference { pair, label }));
    Ok((answered.collect(), labels.queries))
}

/// The episodes as the learner sees them.
fn as_seen(trajectories: Trajectories, scale: &Scale) -> Result<Trajectories> {
    let mut columns = Columns::from(trajectories);
    scale.apply(&mut columns.observations);
    Ok(Trajectories::try_from(columns)?)
}

fn learner(config: &RunConfig, data: OfflineData) -> Result<Box<dyn Learner>> {
    let algorithm = algorithm::find(&config.algorithm)?;
    Ok(algorithm.build_on(&config.agent, config.build()?, data)?)
}

/// The learner of an offline run that only acts, with what it loads.
pub fn without_data(config: &RunConfig) -> Result<Box<dyn Learner>> {
    learner(config, OfflineData::none(config.build()?.dims))
}

impl Steps for OfflineRun {
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        self.learner.update()?;
        self.state.step += 1;
        Ok(())
    }

    fn learner(&mut self) -> &mut dyn Learner {
        self.learner.as_mut()
    }

    fn report(&self) -> Report {
        Report {
            step: self.state.step,
            asked: self.asked,
            budget: self.asked,
            episode_return: None,
            difficulty: None,
        }
    }

    fn labelled(&self) -> u64 {
        self.labelled
    }

    fn save(&self) -> Result<Vec<u8>> {
        Ok(serde_json::to_vec(&self.state)?)
    }

    fn load(&mut self, saved: &[u8]) -> Result<()> {
        self.state = serde_json::from_slice(saved)?;
        Ok(())
    }
}
