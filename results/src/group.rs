//! Runs that differ in nothing but their seed form a group; groups are what tables and figures
//! compare. Two groups that share task, algorithm, teacher and tier but differ elsewhere in their
//! configuration are kept apart, and the differing keys are spelled out as the group's variant, on
//! all tasks alike.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{FinishedRun, RunInfo, canonical_json};

/// The runs of one configuration over its seeds.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// Task, and dataset if they learn from one: [`RunInfo::problem`](crate::RunInfo::problem).
    pub task: Cow<'a, str>,
    /// Algorithm.
    pub algorithm: &'a str,
    /// Teacher; `None` for algorithms trained on the true reward.
    pub teacher: Option<&'a str>,
    /// Budget tier.
    pub tier: &'a str,
    /// The settings that tell groups of the same algorithm, teacher and tier apart on this task
    /// or another, as `key=value` joined by commas; empty if there are no such groups.
    pub variant: String,
    /// The runs in order of their seeds.
    pub runs: Vec<&'a FinishedRun>,
}

impl Group<'_> {
    /// Algorithm, teacher and variant in one line, for legends and notes.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = self.algorithm.to_owned();
        if let Some(teacher) = self.teacher {
            label.push_str(" · ");
            label.push_str(teacher);
        }
        if !self.variant.is_empty() {
            label.push_str(" · ");
            label.push_str(&self.variant);
        }
        label
    }
}

/// Sorts finished runs into groups, ordered by task, tier, algorithm, teacher and variant.
#[must_use]
pub fn group<'a>(runs: impl IntoIterator<Item = &'a FinishedRun>) -> Vec<Group<'a>> {
    let mut by_name = BTreeMap::<_, BTreeMap<String, Vec<&FinishedRun>>>::new();
    for run in runs {
        let info = &run.info;
        let name = (
            info.problem(),
            &*info.tier,
            &*info.algorithm,
            info.teacher.as_deref(),
        );
        by_name
            .entry(name)
            .or_default()
            .entry(without_seed(&info.config))
            .or_default()
            .push(run);
    }
    // What tells variants apart on one task is spelled on the others too, so that a variant has
    // one label everywhere.
    let mut telling = BTreeMap::<_, BTreeSet<String>>::new();
    let mut settled = Vec::new();
    for ((task, tier, algorithm, teacher), by_config) in by_name {
        let runs = Vec::from_iter(by_config.into_values());
        let settings: Vec<_> = runs.iter().map(|runs| settings(runs[0])).collect();
        let method = (tier, algorithm, teacher);
        let keys = differing(&settings);
        telling.entry(method).or_default().extend(keys);
        settled.push((task, method, settings, runs));
    }
    let mut groups = Vec::new();
    for (task, method, settings, runs) in settled {
        let (tier, algorithm, teacher) = method;
        let variants = settings.iter().map(|s| spelled(s, &telling[&method]));
        let mut named: Vec<_> = variants.zip(runs).collect();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (variant, mut runs) in named {
            runs.sort_by_key(|run| run.info.seed);
            groups.push(Group {
                task: task.clone(),
                algorithm,
                teacher,
                tier,
                variant,
                runs,
            });
        }
    }
    groups
}

/// In what runs must agree to be of one task, beside its name.
pub(crate) const OF_PROBLEM: [&str; 4] = ["task_version", "horizon", "hide_goal", "dataset.hash"];

/// What a run has there; `None` if it need not agree with others in it.
pub(crate) fn of_problem(run: &RunInfo, key: &str) -> Option<String> {
    match (key, run.config.get(key)) {
        ("dataset.hash", _) => run.episodes().map(Into::into),
        (_, Some(value)) => Some(value.to_string()),
        (_, None) => Some("(absent)".into()),
    }
}

fn without_seed(config: &Value) -> String {
    let mut config = config.clone();
    if let Some(map) = config.as_object_mut() {
        map.remove("seed");
    }
    canonical_json(&config)
}

/// All settings but the seed, by their dotted paths.
pub(crate) fn settings(run: &FinishedRun) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    flatten(&run.info.config, String::new(), &mut leaves);
    leaves.remove("seed");
    leaves
}

/// The keys in which some of the settings differ.
pub(crate) fn differing(settings: &[BTreeMap<String, String>]) -> BTreeSet<String> {
    let keys: BTreeSet<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    let differs = |key: &&String| {
        let mut values = settings.iter().map(|s| s.get(*key));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    keys.into_iter().filter(differs).cloned().collect()
}

fn spelled(settings: &BTreeMap<String, String>, keys: &BTreeSet<String>) -> String {
    let pairs = keys.iter().map(|key| {
        let value = settings.get(key).map_or("(absent)", String::as_str);
        format!("{key}={value}")
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// Dotted paths of all leaves, with plain strings unquoted. Empty objects and arrays are leaves.
fn flatten(value: &Value, path: String, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                flatten(inner, path, leaves);
            }
        }
        Value::String(text) => drop(leaves.insert(path, text.clone())),
        other => drop(leaves.insert(path, canonical_json(other))),
    }
}

/// Seeds in short form: `0–4, 7`.
#[must_use]
pub fn spell_seeds(seeds: &[u64]) -> String {
    let mut parts = Vec::new();
    let mut rest = seeds;
    while let Some(&first) = rest.first() {
        let length = (0..)
            .zip(rest)
            .take_while(|&(i, &seed)| seed - first == i)
            .count();
        let last = rest[length - 1];
        parts.push(match length {
            1 => first.to_string(),
            2 => format!("{first}, {last}"),
            _ => format!("{first}–{last}"),
        });
        rest = &rest[length..];
    }
    parts.join(", ")
}
