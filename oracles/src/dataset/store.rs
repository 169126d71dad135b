//! A dataset's folder: `dataset.json` and three Parquet tables.
//!
//! The tables' columns, and what a reader must know, are on `oracles/DATASET.md`. A folder is
//! written beside its place and renamed, so it is complete or absent; answers that are added later
//! replace their table in one rename.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::table::{Cells, Kind, Table, TableWriter};
use super::words::Words;
use super::{About, Dataset, DatasetError, Origin, answers, steps};
use crate::trajectory::{Ending, Episode};

/// The version of the layout that this crate writes, and the only one that it reads.
pub const SCHEMA: u32 = 1;

const FORMAT: &str = "prefbench-dataset";
const ABOUT: &str = "dataset.json";
const STEPS: &str = "steps.parquet";
const EPISODES: &str = "episodes.parquet";
const PREFERENCES: &str = "preferences.parquet";
/// What a row of the episodes' table takes in the file at least.
const EPISODE_BYTES: u64 = 8;

impl Dataset {
    /// Writes a new folder.
    ///
    /// # Errors
    /// If `dir` exists, the parts do not fit together, or a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), DatasetError> {
        let fail = |reason: String| DatasetError::new(dir, "", reason);
        if dir.exists() {
            return Err(fail(
                "it exists already; choose another name or remove it".to_owned(),
            ));
        }
        self.check()
            .map_err(|(field, reason)| DatasetError::new(dir, field, reason))?;
        let beside = beside(dir);
        let _ = fs::remove_dir_all(&beside); // of a writer of this number that was killed
        let written = fs::create_dir_all(&beside)
            .map_err(|e| DatasetError::new(&beside, "", e))
            .and_then(|()| {
                self.write_about(&beside)?;
                steps::write(self, &beside.join(STEPS))?;
                self.write_episodes(&beside)?;
                answers::write(&beside.join(PREFERENCES), &self.answers)
            })
            .and_then(|()| fs::rename(&beside, dir).map_err(|e| fail(e.to_string())));
        if written.is_err() {
            let _ = fs::remove_dir_all(&beside);
        }
        written
    }

    /// Keeps others from changing the answers of the dataset in `dir` until the guard is dropped, and
    /// waits for those who do: for reading, adding answers and [`Dataset::write_answers`].
    ///
    /// # Errors
    /// If there is no dataset, or it cannot be locked.
    pub fn lock(dir: &Path) -> Result<fs::File, DatasetError> {
        let path = dir.join(ABOUT);
        let fail =
            |e| DatasetError::new(&path, "", format!("{e}; is this the folder of a dataset?"));
        let file = fs::File::open(&path).map_err(fail)?;
        file.lock().map_err(fail)?;
        Ok(file)
    }

    /// Replaces the answers of the dataset in `dir` by these.
    ///
    /// # Errors
    /// If the table cannot be written; the old one is then still there.
    pub fn write_answers(&self, dir: &Path) -> Result<(), DatasetError> {
        let path = dir.join(PREFERENCES);
        let beside = dir.join(format!(".{PREFERENCES}.tmp"));
        answers::write(&beside, &self.answers)?;
        fs::rename(&beside, &path).map_err(|e| DatasetError::new(&path, "", e))
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// [`DatasetError`] for the first thing that is missing, damaged or does not fit.
    pub fn read(dir: &Path) -> Result<Self, DatasetError> {
        let about = read_about(dir)?;
        let (episodes, origins) = read_episodes(&dir.join(EPISODES))?;
        let trajectories = steps::read(&dir.join(STEPS), &about, episodes)?;
        let answers = answers::read(&dir.join(PREFERENCES), &trajectories)?;
        let dataset = Dataset {
            about,
            trajectories,
            origins,
            answers,
        };
        let fits = dataset.check();
        fits.map_err(|(field, reason)| DatasetError::new(dir, field, reason))?;
        Ok(dataset)
    }

    /// What must hold of every dataset; the error is a field and a reason.
    fn check(&self) -> Result<(), (String, String)> {
        let (about, t) = (&self.about, &self.trajectories);
        let named = [
            ("observation", &about.observation, t.obs_dim()),
            ("action", &about.action, t.act_dim()),
        ];
        for (field, names, width) in named {
            let fail = |reason: String| Err((field.to_owned(), reason));
            if names.len() != width {
                return fail(format!("{} names for {width} numbers", names.len()));
            }
            if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
                return fail(format!("the name {:?} stands twice", names[i]));
            }
        }
        if t.complete() != t.episodes().len() {
            return Err((
                "episodes".to_owned(),
                "the last is still running".to_owned(),
            ));
        }
        if self.origins.len() != t.episodes().len() {
            let (n, m) = (self.origins.len(), t.episodes().len());
            return Err(("origins".to_owned(), format!("{n} for {m} episodes")));
        }
        for (row, answer) in self.answers.iter().enumerate() {
            for side in [answer.pair.left, answer.pair.right] {
                t.view(side)
                    .map_err(|e| (format!("preferences, row {row}"), e.to_string()))?;
            }
        }
        Ok(())
    }

    fn write_about(&self, dir: &Path) -> Result<(), DatasetError> {
        let path = dir.join(ABOUT);
        let fail = |e: &dyn Display| DatasetError::new(&path, "", e);
        let mut value = json!({"format": FORMAT, "schema": SCHEMA});
        let about = serde_json::to_value(&self.about).map_err(|e| fail(&e))?;
        if let (Value::Object(all), Value::Object(about)) = (&mut value, about) {
            all.extend(about);
        }
        let text = serde_json::to_string_pretty(&value).map_err(|e| fail(&e))?;
        let mut file = fs::File::create(&path).map_err(|e| fail(&e))?;
        let written = file.write_all((text + "\n").as_bytes());
        written.and_then(|()| file.sync_all()).map_err(|e| fail(&e))
    }

    fn write_episodes(&self, dir: &Path) -> Result<(), DatasetError> {
        let columns = [
            ("episode", Kind::U32),
            ("length", Kind::U32),
            ("ending", Kind::Text),
            ("return", Kind::F64),
            ("success", Kind::Bool),
            ("seed", Kind::U64),
            ("policy", Kind::Text),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
        let mut table = TableWriter::create(&dir.join(EPISODES), columns)?;
        let (t, origins) = (&self.trajectories, &self.origins);
        let episodes = t.episodes();
        let word = |e: &Episode| e.ending.map(|ending| ending_word(ending).into());
        let known = self.about.true_rewards;
        let total = |e: usize| known.then(|| t.episode_return(e));
        table.group(|column| match column {
            0 => Cells::U32((0u32..).take(episodes.len()).collect()),
            1 => Cells::U32(episodes.iter().map(|e| e.len as u32).collect()),
            2 => Cells::Text(episodes.iter().map(word).collect()),
            3 => Cells::F64((0..episodes.len()).map(total).collect()),
            4 => Cells::Bool(origins.iter().map(|o| o.success).collect()),
            5 => Cells::U64(origins.iter().map(|o| o.seed).collect()),
            _ => Cells::Text(
                origins
                    .iter()
                    .map(|o| Some(Arc::clone(&o.policy)))
                    .collect(),
            ),
        })?;
        table.finish()
    }
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Terminated => "terminated",
        Ending::Truncated => "truncated",
        Ending::Cut => "cut",
    }
}

/// The folder that is written in `dir`'s stead until it is complete: no other process's.
fn beside(dir: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(dir.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    dir.with_file_name(name)
}

fn read_about(dir: &Path) -> Result<About, DatasetError> {
    let path = dir.join(ABOUT);
    let fail = |reason: String| DatasetError::new(&path, "", reason);
    let text = fs::read_to_string(&path)
        .map_err(|e| fail(format!("{e}; is this the folder of a dataset?")))?;
    let mut value: Value =
        serde_json::from_str(&text).map_err(|e| fail(format!("not JSON: {e}")))?;
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(fail(format!(
            "its format is not {FORMAT}: not a prefbench dataset"
        )));
    }
    match value.get("schema").and_then(Value::as_u64) {
        Some(schema) if schema == u64::from(SCHEMA) => {}
        Some(schema) => {
            return Err(fail(format!(
                "it has schema {schema}, and this version reads {SCHEMA}: use the version that wrote it"
            )));
        }
        None => {
            return Err(fail(
                "it names no schema: not a prefbench dataset".to_owned(),
            ));
        }
    }
    if let Value::Object(all) = &mut value {
        all.remove("format");
        all.remove("schema");
    }
    serde_json::from_value(value).map_err(|e| fail(e.to_string()))
}

fn read_episodes(path: &Path) -> Result<(Vec<Episode>, Vec<Origin>), DatasetError> {
    let table = Table::open(path, EPISODE_BYTES)?;
    let rows = table.rows();
    let (mut episodes, mut origins) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let mut start = 0usize;
    table.indices("length", |_, length| {
        let len = length as usize;
        episodes.push(Episode {
            start,
            len,
            ending: None,
        });
        start = start.checked_add(len).ok_or("the lengths are too large")?;
        origins.push(Origin::default());
        Ok(())
    })?;
    // Rows are matched with the steps by their position: a table that was sorted would swap episodes of one length.
    table.indices("episode", |row, e| match e as usize == row {
        true => Ok(()),
        false => Err("the episodes are not 0, 1, 2, ... in their order: sort the table by it"),
    })?;
    table.words("ending", |row, word| {
        let known = [Ending::Terminated, Ending::Truncated, Ending::Cut];
        let ending = known.into_iter().find(|&e| Some(ending_word(e)) == word);
        let wrong = "an ending is not terminated, truncated or cut";
        episodes[row].ending = Some(ending.ok_or(wrong)?);
        Ok(())
    })?;
    table.flags("success", |row, success| {
        origins[row].success = success;
        Ok(())
    })?;
    table.whole("seed", |row, seed| {
        origins[row].seed = seed;
        Ok(())
    })?;
    let mut words = Words::default();
    table.words("policy", |row, word| {
        origins[row].policy = words.share(word.unwrap_or_default());
        Ok(())
    })?;
    Ok((episodes, origins))
}
