//! Preference datasets: episodes, and what teachers said about pairs of their segments.
//!
//! A [`Dataset`] is what offline methods learn from. On disk it is a folder of Parquet tables and
//! one JSON file (`oracles/DATASET.md` is the format's page); [`crate::import`] reads what other
//! people publish into the same type.

mod answers;
mod decode;
mod error;
mod steps;
mod store;
mod table;
mod words;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use error::DatasetError;
pub use store::SCHEMA;

use crate::preference::{Label, Pair, Preference};
use crate::trajectory::{Ending, Trajectories};

/// Episodes and answers about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What it is.
    pub about: About,
    /// The episodes.
    pub trajectories: Trajectories,
    /// Where each episode comes from: one entry an episode.
    pub origins: Vec<Origin>,
    /// What teachers said so far, in the order of asking; empty in unlabelled data.
    pub answers: Vec<Answer>,
}

/// What a dataset is; `dataset.json` in its folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is called, as `medium-expert`: runs on it bear this name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The task's id, where it is one of prefbench's: then episodes can be replayed.
    pub task: Option<String>,
    /// The task's version.
    pub task_version: Option<u32>,
    /// Steps of an episode, where they are not the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<u32>,
    /// A name for each number of an observation.
    pub observation: Vec<String>,
    /// A name for each number of an action.
    pub action: Vec<String>,
    /// Whether the rewards are the task's true ones. Where the source has none they are zeros, and
    /// no scripted teacher can label.
    pub true_rewards: bool,
    /// How it was made, or what it was read from.
    pub source: String,
    /// How published labels count its transitions, for [`crate::import`].
    #[serde(default, skip_serializing_if = "Counting::is_none")]
    pub counting: Counting,
}

/// How published labels count the transitions of a dataset that was imported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Counting {
    /// No published labels refer to it, or its file does not say enough.
    #[default]
    None,
    /// As `d4rl.qlearning_dataset`; see [`crate::import::qlearning`].
    D4rl {
        /// Transitions that end an episode as terminated and are left out all the same, because the
        /// file marks them as timeouts too: global indices, ascending.
        dropped: Vec<u64>,
        /// Transitions that end an episode otherwise than as terminated and are not left out, because the file does not
        /// mark them as timeouts: global indices, ascending.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<u64>,
    },
    /// As Preference Transformer counts robomimic's demonstrations.
    Robomimic,
}

impl Counting {
    fn is_none(&self) -> bool {
        *self == Counting::None
    }
}

/// Where an episode comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Seed of the environment's reset, where the episode can be replayed.
    pub seed: Option<u64>,
    /// What acted: a run, `random`, or the source's own word.
    pub policy: Arc<str>,
    /// Whether the episode succeeded at any step, where known.
    pub success: Option<bool>,
}

/// A query and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked.
    pub pair: Pair,
    /// The answer; `None` if the teacher skipped the query.
    pub label: Option<Label>,
    /// Who answered: a teacher's id, or the source's own word, such as `human`.
    pub teacher: Arc<str>,
    /// Privileged: the true returns of the left and the right segment, where known.
    pub returns: Option<[f64; 2]>,
    /// Of answers that follow from others, as those of ranked lists: the query by which this one became
    /// known, numbered from 0 among those of its teacher. `None` where every answer is a query of its own.
    pub query: Option<u64>,
}

impl Dataset {
    /// The true returns of both sides of a pair; `None` if the rewards are not the true ones, or a
    /// side does not lie in the trajectories.
    pub fn returns(&self, pair: Pair) -> Option<[f64; 2]> {
        let side = |segment| Some(self.trajectories.view(segment).ok()?.true_return());
        match self.about.true_rewards {
            true => Some([side(pair.left)?, side(pair.right)?]),
            false => None,
        }
    }

    /// The answers of this name, each with the number of the query by which it became known.
    pub fn answers_of(&self, teacher: &str) -> impl Iterator<Item = (u64, &Answer)> {
        let answers = self.answers.iter().filter(move |a| *a.teacher == *teacher);
        (0..)
            .zip(answers)
            .map(|(row, answer)| (answer.query.unwrap_or(row), answer))
    }

    /// How many queries the answers of this name took.
    pub fn queries_of(&self, teacher: &str) -> u64 {
        let numbers = self.answers_of(teacher).map(|(query, _)| query);
        numbers.max().map_or(0, |last| last.saturating_add(1))
    }

    /// A hash of the episodes, by which two datasets can be told apart: sizes, numbers to the bit, and how
    /// episodes ended; no answers, no names. 64 hexadecimal digits.
    pub fn episodes_hash(&self) -> String {
        let columns = self.trajectories.columns();
        let mut hasher = blake3::Hasher::new();
        for size in [columns.obs_dim, columns.act_dim, columns.episodes.len()] {
            hasher.update(&(size as u64).to_le_bytes());
        }
        for e in &columns.episodes {
            let ending = match e.ending {
                None => 0,
                Some(Ending::Terminated) => 1,
                Some(Ending::Truncated) => 2,
                Some(Ending::Cut) => 3u8,
            };
            hasher
                .update(&(e.len as u64).to_le_bytes())
                .update(&[ending]);
        }
        let mut bytes = Vec::new();
        for column in [&columns.observations, &columns.actions, &columns.rewards] {
            for part in column.chunks(1 << 14) {
                bytes.clear();
                bytes.extend(part.iter().flat_map(|x| x.to_le_bytes()));
                hasher.update(&bytes);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The answered queries, as learners take them.
    pub fn preferences(&self) -> Vec<Preference> {
        let answered = |a: &Answer| {
            a.label.map(|label| Preference {
                pair: a.pair,
                label,
            })
        };
        self.answers.iter().filter_map(answered).collect()
    }
}
