//! A sweep's file: a grid of runs in TOML.
//!
//! ```toml
//! name = "teachers"
//! tier = "short"
//! tasks = ["walker-walk", "button-press"]
//! seeds = "0..5"                          # or 3, or [0, 1, 2]
//!
//! [set]                                   # settings of every cell
//! eval_episodes = 20
//!
//! [[cells]]                               # a grid; what it does not say is as above
//! algorithms = ["sac"]
//!
//! [[cells]]
//! algorithms = ["pebble"]
//! teachers = ["oracle", "mistake"]
//! vary.agent.feedback.budget = [500, 1000] # every combination of such lists
//! ```
//!
//! Without `[[cells]]` the file is one grid. Cells come seed by seed, so that half a sweep is a whole
//! table with fewer seeds.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use prefbench_agents::{Tier, algorithm};
use prefbench_oracles::nearest::nearest;
use serde::Deserialize;

use crate::config::{Flags, RunConfig};
use crate::run::{Seeds, parse_seeds};

/// What the command line says about all of a file's grids.
#[derive(Args, Clone, Debug, Default)]
pub struct Overrides {
    /// Instead of the grid's tiers
    #[arg(long, value_parser = Tier::find)]
    pub tier: Option<Tier>,
    /// Instead of the grid's seeds
    #[arg(long = "seed", value_name = "SEEDS", value_parser = parse_seeds)]
    pub seeds: Option<Seeds>,
    /// Instead of the grid's devices
    #[arg(long)]
    pub device: Option<String>,
    /// Override one setting in every cell (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// A file's cells.
#[derive(Debug)]
pub struct Grid {
    /// What the file calls itself.
    pub name: Option<String>,
    /// All different.
    pub cells: Vec<RunConfig>,
}

/// One grid, or what all grids of a file share.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    tasks: Option<Vec<String>>,
    algorithms: Option<Vec<String>>,
    teachers: Option<Vec<String>>,
    seeds: Option<toml::Value>,
    tier: Option<String>,
    device: Option<String>,
    #[serde(default)]
    set: toml::Table,
    #[serde(default)]
    vary: toml::Table,
}

/// Keys of a file, beside those of its grid.
const OF_FILE: [&str; 3] = ["cells", "name", "description"];
/// Keys of a grid.
const OF_BLOCK: [&str; 8] = [
    "tasks",
    "algorithms",
    "teachers",
    "seeds",
    "tier",
    "device",
    "set",
    "vary",
];

/// Refuses keys that are none, and names that stand alone where a list of them must.
fn well_formed(table: &toml::Table, keys: &[&str]) -> Result<()> {
    for (key, value) in table {
        if !keys.contains(&&**key) {
            let meant = nearest(key, keys.iter().copied());
            let meant = meant.map_or_else(String::new, |k| format!(" (did you mean `{k}`?)"));
            bail!("`{key}` is no key here{meant}; known: {}", keys.join(", "));
        }
        let list = ["tasks", "algorithms", "teachers"].contains(&&**key);
        if let (true, toml::Value::String(name)) = (list, value) {
            bail!("`{key}` is {name:?}, but must be a list: {key} = [{name:?}]");
        }
    }
    Ok(())
}

/// Reads a file's text and resolves every cell.
pub fn read(text: &str, overrides: &Overrides) -> Result<Grid> {
    let mut file: toml::Table = text.parse().context("it is not valid TOML")?;
    well_formed(&file, &[&OF_FILE[..], &OF_BLOCK].concat())?;
    let name = file.remove("name").map(toml::Value::try_into).transpose();
    let name: Option<String> = name.context("`name` must be a string")?;
    if let Some(name) = name.as_ref().filter(|name| !is_folder(name)) {
        bail!("`name` is {name:?}, but names the sweep's folder: give a word without slashes");
    }
    // For readers.
    file.remove("description");
    let blocks = match file.remove("cells") {
        None => vec![toml::Table::new()],
        Some(blocks) => blocks
            .try_into::<Vec<toml::Table>>()
            .context("`cells` must be one or more tables: [[cells]]")?,
    };
    if blocks.is_empty() {
        bail!("`cells` is empty, so there is nothing to run; give one or more tables: [[cells]]");
    }
    let shared: Block = file.try_into()?;
    shared.check("the file")?;
    let mut cells: Vec<(RunConfig, usize)> = Vec::new();
    let (many, whole) = (blocks.len() > 1, blocks == [toml::Table::new()]);
    let mut seeds_of = BTreeMap::<u64, Vec<(RunConfig, usize)>>::new();
    for (number, block) in (1..).zip(blocks) {
        let place = || match many {
            true => format!("[[cells]] number {number}"),
            false => "the grid".to_owned(),
        };
        well_formed(&block, &OF_BLOCK).with_context(place)?;
        let block: Block = block.try_into().with_context(place)?;
        block.check(&place())?;
        // Teachers that the file names for all its grids are for those of them that ask one.
        let own_teachers = whole || block.teachers.is_some();
        let block = block.or(&shared);
        for cell in block.cells(overrides, own_teachers).with_context(place)? {
            seeds_of.entry(cell.seed).or_default().push((cell, number));
        }
    }
    let mut places = BTreeMap::new();
    for (cell, number) in seeds_of.into_values().flatten() {
        let folder = cell.folder()?;
        if let Some(first) = places.insert(folder, number) {
            let cell = cell.prefix();
            if first == number {
                bail!(
                    "the cell {cell} occurs twice: a list names something twice, or --set writes over what `vary` lists"
                );
            }
            bail!(
                "the cell {cell} occurs twice, in [[cells]] number {first} and number {number}; take it out of one"
            );
        }
        cells.push((cell, number));
    }
    let cells = cells.into_iter().map(|(cell, _)| cell).collect();
    Ok(Grid { name, cells })
}

/// Whether a folder can be called so.
fn is_folder(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
        && !name.contains(char::is_control)
}

/// The path of a setting that both tables have.
fn in_both(set: &toml::Table, vary: &toml::Table) -> Option<String> {
    set.iter()
        .find_map(|(key, value)| match (value, vary.get(key)?) {
            (toml::Value::Table(set), toml::Value::Table(vary)) => {
                in_both(set, vary).map(|path| format!("{key}.{path}"))
            }
            _ => Some(key.clone()),
        })
}

impl Block {
    /// Refuses a setting that is set and varied in one place.
    fn check(&self, place: &str) -> Result<()> {
        match in_both(&self.set, &self.vary) {
            Some(key) => {
                bail!("{place}: `set.{key}` has no effect beside `vary.{key}`; leave one out")
            }
            None => Ok(()),
        }
    }

    /// This grid, completed by what all grids share.
    fn or(self, shared: &Self) -> Self {
        let mut set = shared.set.clone();
        overlay(&mut set, self.set);
        let mut vary = shared.vary.clone();
        overlay(&mut vary, self.vary);
        let shared = shared.clone();
        Self {
            tasks: self.tasks.or(shared.tasks),
            algorithms: self.algorithms.or(shared.algorithms),
            teachers: self.teachers.or(shared.teachers),
            seeds: self.seeds.or(shared.seeds),
            tier: self.tier.or(shared.tier),
            device: self.device.or(shared.device),
            set,
            vary,
        }
    }

    /// Every combination. Teachers of its own must be of use.
    fn cells(&self, overrides: &Overrides, own_teachers: bool) -> Result<Vec<RunConfig>> {
        let tasks = listed("tasks", self.tasks.as_ref())?;
        let algorithms = listed("algorithms", self.algorithms.as_ref())?;
        let seeds = match (&overrides.seeds, &self.seeds) {
            (Some(seeds), _) => seeds.clone(),
            (None, Some(given)) => seeds_from(given)?,
            (None, None) => bail!("`seeds` is missing; give e.g. seeds = \"0..3\""),
        };
        let tier = match (overrides.tier, &self.tier) {
            (None, Some(name)) => Some(Tier::find(name)?),
            (tier, _) => tier,
        };
        let mut taught = Vec::new();
        for name in algorithms {
            taught.push(algorithm::find(name)?.taught);
        }
        let teachers = match &self.teachers {
            Some(names) => listed("teachers", Some(names))?.iter().map(Some).collect(),
            None => vec![None],
        };
        if own_teachers && self.teachers.is_some() && !taught.contains(&true) {
            bail!(
                "`teachers` has no effect: none of {} learns from preferences; leave it out",
                algorithms.join(", ")
            );
        }
        let variants = combinations(&self.vary, "vary")?;
        // What has a key of its own here would be written over.
        for (key, own, given) in [
            ("task", "tasks", true),
            ("algorithm", "algorithms", true),
            ("seed", "seeds", true),
            ("teacher", "teachers", self.teachers.is_some()),
            ("tier", "tier", self.tier.is_some()),
            ("device", "device", self.device.is_some()),
        ] {
            let mut settings = [("set", &self.set), ("vary", &self.vary)].into_iter();
            let lost = settings.find(|(_, settings)| given && settings.contains_key(key));
            if let Some((place, _)) = lost {
                bail!("`{place}.{key}` has no effect beside `{own}`; say it there");
            }
        }
        let mut cells = Vec::new();
        for &seed in &seeds.0 {
            for task in tasks {
                for (algorithm, &taught) in algorithms.iter().zip(&taught) {
                    // An algorithm without a teacher is one cell, however many teachers are listed.
                    let none = [None];
                    let teachers = if taught { &teachers[..] } else { &none[..] };
                    for teacher in teachers {
                        for variant in &variants {
                            let mut settings = self.set.clone();
                            overlay(&mut settings, variant.clone());
                            let flags = Flags {
                                task: Some(task.clone()),
                                algorithm: Some(algorithm.clone()),
                                teacher: teacher.cloned(),
                                tier,
                                seed: Some(seed),
                                device: overrides.device.clone().or(self.device.clone()),
                                set: overrides.set.clone(),
                            };
                            let cell = RunConfig::resolve(&settings, &flags);
                            cells.push(cell.with_context(|| format!("{algorithm} on {task}"))?);
                        }
                    }
                }
            }
        }
        Ok(cells)
    }
}

fn listed<'a>(key: &str, names: Option<&'a Vec<String>>) -> Result<&'a [String]> {
    match names {
        None => bail!("`{key}` is missing; `prefbench list {key}` shows what there is"),
        Some(names) if names.is_empty() => {
            bail!(
                "`{key}` is empty, so there is nothing to run; `prefbench list {key}` shows what there is"
            )
        }
        Some(names) => Ok(names),
    }
}

fn seeds_from(value: &toml::Value) -> Result<Seeds> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(seed) => seed.to_string(),
        toml::Value::Array(seeds) if !seeds.is_empty() => {
            let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
            seeds.join(",")
        }
        other => bail!("`seeds` is {other}; give e.g. \"0..3\", 3 or [0, 1, 2]"),
    };
    parse_seeds(&text).with_context(|| format!("`seeds` is {value}"))
}

/// Writes the leaves of `from` over those of `into`.
fn overlay(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => overlay(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// A table per combination of the lists in `vary`; one empty table if there are none.
fn combinations(vary: &toml::Table, path: &str) -> Result<Vec<toml::Table>> {
    let mut all = vec![toml::Table::new()];
    for (key, value) in vary {
        let path = format!("{path}.{key}");
        let choices: Vec<toml::Value> = match value {
            toml::Value::Table(inner) => combinations(inner, &path)?
                .into_iter()
                .map(toml::Value::Table)
                .collect(),
            toml::Value::Array(items) if !items.is_empty() => items.clone(),
            other => {
                return Err(anyhow!(
                    "`{path}` is {other}, but must be a list of values to try, e.g. [500, 1000]"
                ));
            }
        };
        all = all
            .iter()
            .flat_map(|table| {
                choices.iter().map(|choice| {
                    let mut table = table.clone();
                    table.insert(key.clone(), choice.clone());
                    table
                })
            })
            .collect();
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(text: &str) -> Vec<String> {
        let grid = read(text, &Overrides::default()).unwrap();
        grid.cells.iter().map(RunConfig::prefix).collect()
    }

    #[test]
    fn a_grid_is_every_combination_seed_by_seed() {
        let cells = names(
            r#"
            tasks = ["reach", "hopper"]
            algorithms = ["sac", "pebble"]
            teachers = ["oracle", "mistake"]
            seeds = "0..2"
            "#,
        );
        assert_eq!(
            cells[..6],
            [
                "reach-sac-none-s0",
                "reach-pebble-oracle-s0",
                "reach-pebble-mistake-s0",
                "hopper-sac-none-s0",
                "hopper-pebble-oracle-s0",
                "hopper-pebble-mistake-s0",
            ]
        );
        assert!(cells.len() == 12 && cells[6..].iter().all(|name| name.ends_with("s1")));
    }

    #[test]
    fn grids_share_what_they_do_not_say() {
        let text = r#"
            name = "two"
            tasks = ["reach"]
            seeds = [4, 1]
            set.steps = 20000
            [[cells]]
            algorithms = ["random"]
            tier = "short"
            [[cells]]
            algorithms = ["pebble"]
            set.agent.feedback.per_session = 10
            vary.agent.feedback = { budget = [100, 200], sampler = ["uniform", "entropy"] }
        "#;
        let grid = read(text, &Overrides::default()).unwrap();
        assert_eq!(grid.name.as_deref(), Some("two"));
        assert_eq!(grid.cells.len(), 10);
        let all = |f: &dyn Fn(&RunConfig) -> bool| grid.cells.iter().filter(|c| f(c)).count();
        assert_eq!(all(&|c| c.steps == 20_000), 10);
        assert_eq!(all(&|c| c.tier == Tier::Short), 2);
        assert_eq!(all(&|c| c.agent["feedback"]["budget"] == 200), 4);
        assert_eq!(all(&|c| c.agent["feedback"]["sampler"] == "entropy"), 4);
        assert_eq!(all(&|c| c.agent["feedback"]["per_session"] == 10), 8);
        let seeds = Overrides {
            seeds: Some(Seeds(vec![7])),
            set: vec!["steps=30000".into()],
            ..Overrides::default()
        };
        let grid = read(text, &seeds).unwrap();
        assert!(grid.cells.iter().all(|c| c.seed == 7 && c.steps == 30_000));
    }

    #[test]
    fn teachers_of_the_file_are_for_the_grids_that_ask_one() {
        let text = "tasks = ['reach']\nseeds = 0\nteachers = ['mistake']\n[[cells]]\nalgorithms = ['sac']\n";
        assert_eq!(
            names(&format!("{text}[[cells]]\nalgorithms = ['pebble']")),
            ["reach-sac-none-s0", "reach-pebble-mistake-s0"]
        );
    }

    #[test]
    fn a_bad_file_is_refused_before_anything_runs() {
        let sac = "tasks = ['reach']\nalgorithms = ['sac']\n";
        let bad = [
            ("tasks = [", "TOML"),
            ("tasks = ['reach']\nseeds = 0", "`algorithms` is missing"),
            (
                "tasks = []\nalgorithms = ['sac']\nseeds = 0",
                "`tasks` is empty",
            ),
            (
                "task = 'reach'",
                "`task` is no key here (did you mean `tasks`?)",
            ),
            (sac, "`seeds` is missing"),
            (&format!("{sac}seeds = '3..3'"), "3..3"),
            (&format!("{sac}seeds = []"), "`seeds` is []"),
            (
                &format!("{sac}seeds = 0\nteachers = ['oracle']"),
                "no effect",
            ),
            (&format!("{sac}seeds = 0\nset.stepps = 3"), "`steps`"),
            (
                &format!("{sac}seeds = 0\nset.seed = 3"),
                "`set.seed` has no effect",
            ),
            (&format!("{sac}seeds = 0\nvary.steps = 3"), "vary.steps"),
            (
                &format!("{sac}seeds = 0\nset.steps = 9000\nvary.steps = [10000]"),
                "`set.steps` has no effect",
            ),
            (&format!("{sac}seeds = 0\ncells = []"), "`cells` is empty"),
            (&format!("{sac}seeds = 0\nname = '../up'"), "`name` is"),
            (&format!("{sac}seeds = 0\ntier = 'quick'"), "quick"),
            (
                &format!("{sac}seeds = 0\n[[cells]]\n[[cells]]"),
                "occurs twice, in [[cells]] number 1 and number 2",
            ),
            (
                &format!("{sac}seeds = 0\n[[cells]]\n[[cells]]\ntasks = ['hoper']"),
                "number 2: sac on hoper: unknown task `hoper`",
            ),
            (
                &format!("{sac}seeds = [0, 0]\nvary.steps = [9000, 9000]"),
                "twice",
            ),
        ];
        for (text, part) in bad {
            let error = format!("{:#}", read(text, &Overrides::default()).unwrap_err());
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
