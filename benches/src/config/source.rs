//! What an offline run learns from: a dataset, and answers about it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use prefbench_agents::{Algorithm, Tier};
use prefbench_envs::Task;
use prefbench_oracles::{About, Dataset, Label, MOST_PAIRS, Preference};
use serde::{Deserialize, Serialize};

use super::RunConfig;
use crate::dataset;

/// The dataset of an offline run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its folder, in which `{task}` and `{tier}` stand for the run's. Not part of the run's identity: the folder may
    /// be moved.
    #[serde(default)]
    pub path: String,
    /// What it is called, for tables; as it calls itself.
    pub name: String,
    /// Hash of its episodes, and of the answers that are learnt from unless a teacher is asked; filled in
    /// where it is empty, else the dataset must have it.
    pub hash: String,
}

/// The preferences of an offline run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The name of answers in the dataset. Where it is empty, the run's teacher is asked.
    pub answers: String,
    /// Queries: asked of the teacher, or what the first so many gave of the answers, all if there are fewer.
    pub queries: u64,
    /// Steps of a segment, where the teacher is asked.
    pub segment: u64,
}

impl Labels {
    /// Defaults for a task's family and a tier: the segments of CPL on Meta-World and of Preference
    /// Transformer elsewhere.
    pub fn defaults(task: &Task, tier: Tier) -> Self {
        let meta = task.family == "metaworld";
        Self {
            answers: String::new(),
            queries: match tier {
                Tier::Full if meta => 10_000,
                Tier::Short if meta => 2_500,
                _ => 500,
            },
            segment: if meta { 64 } else { 100 },
        }
    }
}

/// What has to be known of a dataset before anything is run on it.
pub struct Facts {
    about: About,
    obs_dim: usize,
    act_dim: usize,
    /// Steps of the longest episode.
    longest: usize,
    /// See [`usual`].
    usual: usize,
    episodes: String,
    /// Their hash, by name.
    answers: BTreeMap<String, String>,
}

impl Facts {
    /// Of a dataset.
    pub fn of(dataset: &Dataset) -> Self {
        let mut answers: BTreeMap<String, blake3::Hasher> = BTreeMap::new();
        for answer in &dataset.answers {
            let hasher = answers.entry(answer.teacher.to_string()).or_default();
            let sides = [answer.pair.left, answer.pair.right];
            for n in sides.iter().flat_map(|s| [s.trajectory, s.start, s.len]) {
                hasher.update(&n.to_le_bytes());
            }
            hasher.update(&[match answer.label {
                None => 0,
                Some(Label::Left) => 1,
                Some(Label::Right) => 2,
                Some(Label::Equal) => 3,
            }]);
            // Left out where it tells nothing, so that such answers keep their hash.
            if let Some(query) = answer.query {
                hasher.update(&query.to_le_bytes());
            }
        }
        let t = &dataset.trajectories;
        let lengths: Vec<usize> = t.episodes().iter().map(|e| e.len).collect();
        Self {
            about: dataset.about.clone(),
            obs_dim: t.obs_dim(),
            act_dim: t.act_dim(),
            longest: lengths.iter().copied().max().unwrap_or(0),
            usual: usual(lengths),
            episodes: dataset.episodes_hash(),
            answers: answers
                .into_iter()
                .map(|(name, hasher)| (name, hasher.finalize().to_hex().to_string()))
                .collect(),
        }
    }

    /// Of the dataset in a folder, which is read once.
    pub fn read(path: &str, task: &Task, tier: Tier) -> Result<Arc<Self>> {
        static KNOWN: Mutex<BTreeMap<PathBuf, Arc<Facts>>> = Mutex::new(BTreeMap::new());
        let dir = folder(path, task, tier);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = known.get(&dir) {
            return Ok(Arc::clone(facts));
        }
        let facts = Arc::new(Self::of(&dataset::read(&dir)?));
        known.insert(dir, Arc::clone(&facts));
        Ok(facts)
    }

    /// Makes defaults fit: episodes as long as in the dataset, for the algorithm too if it asks; segments that half of
    /// the data can hold.
    pub fn fit(&self, defaults: &mut RunConfig) {
        defaults.horizon = self.about.horizon.or(defaults.horizon);
        let steps = defaults.horizon.into_iter();
        for (steps, key) in steps.flat_map(|n| [(n, "horizon"), (n, "trajectory")]) {
            // A trajectory of 0 steps is an episode.
            if let Some(own) = defaults.agent.get_mut(key).filter(|own| **own != 0) {
                *own = steps.into();
            }
        }
        if let Some(labels) = &mut defaults.labels {
            labels.segment = labels.segment.min(self.usual as u64);
        }
    }

    /// The hash of what is learnt from.
    pub fn hash(&self, labels: Option<&Labels>) -> String {
        let answers = labels.and_then(|l| self.answers.get(&l.answers));
        match answers {
            None => self.episodes.clone(),
            Some(answers) => blake3::hash(format!("{}{answers}", self.episodes).as_bytes())
                .to_hex()
                .to_string(),
        }
    }

    /// Refuses what an algorithm cannot learn a task from.
    pub fn check(&self, task: &Task, algorithm: &Algorithm, labels: Option<&Labels>) -> Result<()> {
        let about = &self.about;
        match &about.task {
            Some(id) if id != task.id => bail!("the dataset is of {id}, not of {}", task.id),
            Some(_) if about.task_version != Some(task.version) => bail!(
                "the dataset is of version {} of {}, and this prefbench has version {}",
                about
                    .task_version
                    .map_or("none".to_owned(), |v| v.to_string()),
                task.id,
                task.version
            ),
            _ => {}
        }
        let (theirs, ours) = (
            (self.obs_dim, self.act_dim),
            (task.spec.obs_dim(), task.spec.action_dim()),
        );
        if theirs != ours {
            bail!(
                "the dataset has observations of {} and actions of {} numbers, but {} has {} and {}",
                theirs.0,
                theirs.1,
                task.id,
                ours.0,
                ours.1
            );
        }
        let asked = labels.is_some_and(|l| l.answers.is_empty());
        if !about.true_rewards && (asked || algorithm.offline().is_some_and(|o| o.privileged)) {
            bail!(
                "the dataset has no true rewards ({}), by which {}",
                about.source,
                match asked {
                    true => "a scripted teacher judges; take answers of its own (labels.answers)",
                    false => "the algorithm learns",
                }
            );
        }
        let Some(labels) = labels else {
            return Ok(());
        };
        if labels.queries == 0 {
            bail!("`labels.queries` is 0, but must be at least 1");
        }
        if asked {
            let (segment, queries) = (labels.segment, labels.queries);
            if queries > MOST_PAIRS as u64 {
                bail!("`labels.queries` is {queries}, but a teacher is asked at most {MOST_PAIRS}");
            }
            if segment == 0 || segment > self.longest as u64 {
                bail!(
                    "`labels.segment` is {segment}, but the dataset's longest episode has {} steps, and a segment at least 1",
                    self.longest
                );
            }
        } else if !self.answers.contains_key(&labels.answers) {
            let names: Vec<&str> = self.answers.keys().map(String::as_str).collect();
            bail!(
                "`labels.answers` is \"{}\", but the dataset has {}",
                labels.answers,
                match names.as_slice() {
                    [] => "no answers; leave it out to ask a teacher".to_owned(),
                    names => format!("answers of: {}", names.join(", ")),
                }
            );
        }
        Ok(())
    }
}

/// The most steps that a segment can have in two episodes at least, which make up half of the data.
fn usual(mut lengths: Vec<usize>) -> usize {
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let all: usize = lengths.iter().sum();
    let longest = lengths.first().copied().unwrap_or(0);
    let mut held = longest;
    let half = |&length: &usize| {
        held += length;
        2 * held >= all
    };
    lengths.into_iter().skip(1).find(half).unwrap_or(longest)
}

impl Source {
    /// Ties a run to what its dataset holds.
    pub fn settle(
        &mut self,
        facts: &Facts,
        task: &Task,
        algorithm: &Algorithm,
        labels: Option<&mut Labels>,
    ) -> Result<()> {
        facts.check(task, algorithm, labels.as_deref())?;
        let hash = facts.hash(labels.as_deref());
        if !self.hash.is_empty() && self.hash != hash {
            bail!(
                "`dataset.hash` is {}, but that of {} is {hash}",
                self.hash,
                self.path
            );
        }
        self.hash = hash;
        self.name.clone_from(&facts.about.name);
        // Of no effect there, so that it must not tell runs apart.
        if let Some(labels) = labels.filter(|l| !l.answers.is_empty()) {
            labels.segment = 0;
        }
        Ok(())
    }

    /// Reads the dataset of a run; it must be the one that the run was resolved with.
    pub fn read(&self, task: &Task, tier: Tier, labels: Option<&Labels>) -> Result<Dataset> {
        let dir = folder(&self.path, task, tier);
        let dataset = dataset::read(&dir)?;
        let hash = Facts::of(&dataset).hash(labels);
        if hash != self.hash {
            bail!(
                "the dataset in {} is not the one of this run: its hash is {hash}, not {}",
                dir.display(),
                self.hash
            );
        }
        Ok(dataset)
    }
}

impl Labels {
    /// The preferences among the named answers, and how many queries they took.
    pub fn named(&self, dataset: &Dataset) -> (Vec<Preference>, u64) {
        let known = dataset
            .answers_of(&self.answers)
            .filter(|(query, _)| *query < self.queries);
        let answered = known.filter_map(|(_, a)| {
            a.label.map(|label| Preference {
                pair: a.pair,
                label,
            })
        });
        let queries = dataset.queries_of(&self.answers).min(self.queries);
        (answered.collect(), queries)
    }
}

fn folder(path: &str, task: &Task, tier: Tier) -> PathBuf {
    PathBuf::from(
        path.replace("{task}", task.id)
            .replace("{tier}", tier.name()),
    )
}

/// Completes what was said about the dataset, before it is laid over the defaults: the bare path of its
/// folder will do.
pub fn complete(given: &mut serde_json::Value, algorithm: &Algorithm) -> Result<()> {
    if let Some(path @ serde_json::Value::String(_)) = given.get("dataset") {
        given["dataset"] = serde_json::json!({ "path": path });
    }
    for key in ["dataset", "labels"] {
        if algorithm.offline().is_none() && given.get(key).is_some() {
            bail!(
                "`{}` learns by acting, so `{key}` has no effect; leave it out",
                algorithm.id
            );
        }
    }
    if given.get("labels").is_some() && !algorithm.taught {
        bail!(
            "`{}` does not learn from preferences, so `labels` has no effect; leave it out",
            algorithm.id
        );
    }
    Ok(())
}

/// Refuses, of a teacher that is asked about a dataset, the setting that only changes later sessions.
pub fn check_compat(key: &str, settings: &serde_json::Value) -> Result<()> {
    if settings["compat"] == true {
        bail!(
            "`{key}` is true, but it changes thresholds from the second session of a run on, and a dataset \
             is labelled in one: it has no effect; leave it out"
        );
    }
    Ok(())
}

/// Whether the preferences are answers in the dataset, so that no teacher is asked.
pub fn names_answers(given: &serde_json::Value, teacher: Option<&str>) -> Result<bool> {
    let name = given
        .pointer("/labels/answers")
        .and_then(|name| name.as_str());
    let named = name.is_some_and(|name| !name.is_empty());
    if let (true, Some(teacher)) = (named, teacher) {
        bail!(
            "`labels.answers` names answers, so the teacher {teacher} would not be asked; leave one out"
        );
    }
    if named && given.pointer("/labels/segment").is_some() {
        bail!(
            "`labels.answers` names answers about segments as they are, so `labels.segment` has no effect; leave it out"
        );
    }
    Ok(named)
}

/// The path that was given.
pub fn path<'a>(given: &'a serde_json::Value, algorithm: &Algorithm) -> Result<&'a str> {
    given
        .pointer("/dataset/path")
        .and_then(|path| path.as_str())
        .with_context(|| {
            format!(
                "`{}` learns from a dataset: name its folder (--dataset, or `dataset` in a file); \
                 `prefbench dataset make` and `dataset import` make one",
                algorithm.id
            )
        })
}

#[cfg(test)]
mod tests {
    use super::usual;

    #[test]
    fn a_usual_segment_fits_two_episodes_and_half_of_the_data() {
        assert_eq!(usual(vec![500; 8]), 500);
        assert_eq!(usual(vec![20, 30, 82, 25, 28, 15]), 30);
        assert_eq!(usual(vec![10, 100, 10, 10]), 10);
        assert_eq!((usual(vec![7]), usual(vec![])), (7, 0));
    }
}
