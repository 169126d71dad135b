//! Published tables and claims as data: `results/papers/*.toml`, compiled in, and any other file of
//! their form.
//!
//! A file holds one table of a paper: its methods and tasks and which of ours they are, its cells,
//! and what the paper claims about its methods. What nobody here has read in the paper itself says
//! so ([`Paper::verified`]), and never counts as published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::files::read_if_there;
use crate::table::text::clean;

macro_rules! committed {
    ($($id:literal)*) => { &[$(($id, include_str!(concat!("../papers/", $id, ".toml")))),*] };
}

/// Names and texts of the committed tables, in order of their names.
const COMMITTED: &[(&str, &str)] = committed!["bpref" "camp-1" "cpl-dense" "cpl-sparse" "dtr-1" "dtr-2" "ipl-d4rl" "ipl-robosuite" "oppo" "pebble" "ppe-1-dmc" "ppe-1-metaworld" "rime-dmc" "rime-metaworld" "star-1" "star-2-d4rl" "star-2-robosuite" ];

/// One table of a paper.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Paper {
    /// What the table is called here; the file's name.
    #[serde(skip)]
    pub id: String,
    /// What it shows.
    pub title: String,
    /// Authors, title, place and year.
    pub paper: String,
    /// Where to read it.
    pub url: String,
    /// Which table of the paper, and the page.
    pub table: String,
    /// What its figures are, where a task does not say otherwise.
    pub metric: Scale,
    /// What the second figure of a cell is.
    #[serde(default)]
    pub spread: String,
    /// Whether the figures were read in the paper itself.
    pub verified: bool,
    /// Where and how.
    pub seen: String,
    /// How the paper ran it.
    pub protocol: String,
    /// How our runs of it differ.
    #[serde(default)]
    pub deviations: Vec<String>,
    /// What could not be found.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Its columns.
    pub methods: Vec<Method>,
    /// Its rows.
    pub tasks: Vec<Task>,
    /// What the paper says of its methods.
    #[serde(default)]
    pub claims: Vec<Claim>,
}

/// What a published figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scale {
    /// Successful episodes, in per cent.
    Success,
    /// A return in the task's own units.
    Return,
    /// The return of a `DeepMind` Control task, which is 1000 at most.
    #[serde(rename = "return-of-1000")]
    ReturnOf1000,
    /// D4RL's normalised return: 0 is a random policy, 100 an expert.
    D4rl,
    /// The score as a part of that of SAC on the true reward, 1 for as good.
    RatioToSac,
}

impl Scale {
    /// A figure on a scale where 100 is full success, the best there is, or an expert; `None` for
    /// returns that have no such scale.
    #[must_use]
    pub fn points(self, figure: f64) -> Option<f64> {
        match self {
            Self::Success | Self::D4rl => Some(figure),
            Self::ReturnOf1000 => Some(figure / 10.0),
            Self::RatioToSac => Some(100.0 * figure),
            Self::Return => None,
        }
    }

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success %",
            Self::Return => "return",
            Self::ReturnOf1000 => "return, 1000 at most",
            Self::D4rl => "D4RL's normalised return",
            Self::RatioToSac => "score over SAC's",
        }
    }
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    /// As the paper calls it.
    pub name: String,
    /// Our algorithm; `None` if we have none.
    pub algorithm: Option<String>,
    /// Its teacher, where methods differ in it; else [`crate::reproduce`] takes the oracle.
    pub teacher: Option<String>,
    /// Settings of our runs of it, by their dotted paths.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Anything else.
    #[serde(default)]
    pub note: String,
    /// Where it is not as the whole table.
    pub verified: Option<bool>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// As the paper calls it.
    pub name: String,
    /// Our task; `None` if we have none.
    pub task: Option<String>,
    /// The name of the dataset that our runs learn from, if they do.
    pub dataset: Option<String>,
    /// Settings of our runs of it, as of a method.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// How close our task is; given exactly where `task` is.
    pub fidelity: Option<Fidelity>,
    /// Why so.
    #[serde(default)]
    pub why: String,
    /// What the row's figures are, where they are not the table's.
    pub metric: Option<Scale>,
    /// By method: the mean, and the spread where it is known.
    #[serde(default)]
    pub cells: BTreeMap<String, Vec<f64>>,
}

/// How close a task of ours is to the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// The same task in another simulator: observations, actions and reward are the paper's.
    Ported,
    /// The same skill, modelled anew.
    Remodelled,
    /// Only alike.
    Analogue,
}

impl Fidelity {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ported => "ported",
            Self::Remodelled => "remodelled",
            Self::Analogue => "analogue",
        }
    }
}

/// What a paper says about its methods: each of `better` scores higher than each of `worse`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// In our words.
    pub says: String,
    /// Where in the paper.
    #[serde(rename = "where")]
    pub place: String,
    /// Methods, by the paper's names.
    pub better: Vec<String>,
    /// Those they are better than.
    pub worse: Vec<String>,
    /// On these tasks, pooled; on all if there are none.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// Whether it was read in the paper itself.
    pub verified: bool,
}

impl Paper {
    /// Names of the committed tables.
    pub fn ids() -> impl Iterator<Item = &'static str> {
        COMMITTED.iter().map(|(id, _)| *id)
    }

    /// A committed table by its name, or the one in a file whose name ends in `.toml`.
    ///
    /// # Errors
    /// [`Error::BadPaper`] if there is no such table, or it is not as it has to be; I/O errors.
    pub fn find(name: &str) -> Result<Self, Error> {
        let file = Path::new(name);
        if file.extension().is_some_and(|e| e == "toml") {
            let bytes = read_if_there(file)?.ok_or_else(|| bad(file, "there is no such file"))?;
            let text = String::from_utf8(bytes).map_err(|e| bad(file, e.to_string()))?;
            return Self::parse(file, &text);
        }
        match COMMITTED.iter().find(|(id, _)| *id == name) {
            Some((id, text)) => Self::parse(Path::new(&format!("results/papers/{id}.toml")), text),
            None => {
                let known = Vec::from_iter(Self::ids()).join(", ");
                let reason = format!("there is no such table; known: {known}, and files in .toml");
                Err(bad(file, reason))
            }
        }
    }

    /// The table in `text`, which was read from `file`.
    ///
    /// # Errors
    /// [`Error::BadPaper`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, Error> {
        let mut paper: Self = toml::from_str(text).map_err(|e| bad(file, e.to_string()))?;
        let whole: toml::Table = toml::from_str(text).map_err(|e| bad(file, e.to_string()))?;
        if let Some(unprintable) = unprintable(&toml::Value::Table(whole)) {
            let reason = format!("`{unprintable}` has control characters; leave them out");
            return Err(bad(file, reason));
        }
        let stem = file.file_stem().unwrap_or_default();
        paper.id = stem.to_string_lossy().into_owned();
        paper.check().map_err(|reason| bad(file, reason))?;
        Ok(paper)
    }

    /// Whether the figures of this method were read in the paper itself.
    #[must_use]
    pub fn verified(&self, method: &Method) -> bool {
        method.verified.unwrap_or(self.verified)
    }

    /// What the figures of this row are.
    #[must_use]
    pub fn scale(&self, task: &Task) -> Scale {
        task.metric.unwrap_or(self.metric)
    }

    fn check(&self) -> Result<(), String> {
        let methods = distinct("method", self.methods.iter().map(|m| &m.name))?;
        let tasks = distinct("task", self.tasks.iter().map(|t| &t.name))?;
        let known = |what: &str, names: &BTreeSet<&str>, name: &String, whose: &str| match names
            .contains(&**name)
        {
            true => Ok(()),
            false => Err(format!(
                "{whose} names the {what} `{name}`, which is not among its {what}s"
            )),
        };
        for task in &self.tasks {
            let whose = format!("the task `{}`", task.name);
            if task.task.is_some() != task.fidelity.is_some() {
                return Err(format!(
                    "{whose} must have both `task` and `fidelity`, or neither"
                ));
            }
            for (method, figures) in &task.cells {
                known("method", &methods, method, &whose)?;
                if !(1..=2).contains(&figures.len()) || figures.iter().any(|x| !x.is_finite()) {
                    return Err(format!(
                        "{whose} must have for `{method}` a mean, or a mean and its spread"
                    ));
                }
            }
        }
        for claim in &self.claims {
            let whose = format!("the claim `{}`", claim.says);
            for method in claim.better.iter().chain(&claim.worse) {
                known("method", &methods, method, &whose)?;
            }
            for task in &claim.tasks {
                known("task", &tasks, task, &whose)?;
            }
            if claim.better.is_empty() || claim.worse.is_empty() {
                return Err(format!(
                    "{whose} needs a method in `better` and one in `worse`"
                ));
            }
            if let Some(both) = claim.better.iter().find(|m| claim.worse.contains(m)) {
                return Err(format!("{whose} has `{both}` in `better` and in `worse`"));
            }
        }
        Ok(())
    }
}

/// The first text with characters that could move a terminal's cursor or end a table's line; cleaned.
fn unprintable(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(clean(text)).filter(|cleaned| cleaned != text),
        toml::Value::Array(items) => items.iter().find_map(unprintable),
        toml::Value::Table(table) => table.iter().find_map(|(key, value)| {
            let key = Some(clean(key)).filter(|cleaned| cleaned != key);
            key.or_else(|| unprintable(value))
        }),
        _ => None,
    }
}

fn distinct<'a>(
    what: &str,
    names: impl Iterator<Item = &'a String>,
) -> Result<BTreeSet<&'a str>, String> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(&**name) {
            return Err(format!("the {what} `{name}` is there twice"));
        }
    }
    match seen.len() {
        0 => Err(format!("there is no {what}")),
        _ => Ok(seen),
    }
}

fn bad(file: &Path, reason: impl Into<String>) -> Error {
    Error::BadPaper {
        file: file.to_path_buf(),
        reason: reason.into(),
    }
}
