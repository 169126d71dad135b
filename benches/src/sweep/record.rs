//! `sweep.jsonl` in a folder of runs: which cells belong there.
//!
//! A first line about the sweep, then one line per cell, its whole configuration. A cell's number is
//! its place, and stays: what a longer grid adds comes behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use prefbench_results::write_file;
use serde::{Deserialize, Serialize};

use crate::config::RunConfig;

const FILE: &str = "sweep.jsonl";
const FORMAT: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    name: String,
    version: String,
    commit: String,
}

impl Header {
    /// Another release may read these cells, but not run them: its defaults and results are its own.
    fn own(self, path: &Path) -> Result<Self> {
        match self.version == env!("CARGO_PKG_VERSION") {
            true => Ok(self),
            false => Err(self.foreign(path)),
        }
    }

    fn foreign(&self, path: &Path) -> anyhow::Error {
        let own = env!("CARGO_PKG_VERSION");
        anyhow!(
            "{} was planned by prefbench {}, this is {own}; go on with that release, or give the sweep another folder",
            path.display(),
            self.version
        )
    }
}

/// A folder's sweep.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the sweep is called.
    pub name: String,
    /// Of the program that planned it.
    pub commit: String,
    /// All different.
    pub cells: Vec<RunConfig>,
}

impl Record {
    /// The sweep of the folder `out`, if it has one.
    pub fn read(out: &Path) -> Result<Option<Self>> {
        let path = out.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut lines = lines(&path)?;
        let header = header(&path, lines.next())?;
        let cells = (2..)
            .zip(lines)
            .map(|(line, text)| cell(&path, line, &text?));
        Ok(Some(Self {
            name: header.name,
            commit: header.commit,
            cells: cells.collect::<Result<_>>()?,
        }))
    }

    /// The configuration of one cell.
    pub fn cell(out: &Path, index: usize) -> Result<RunConfig> {
        let path = out.join(FILE);
        let mut lines = lines(&path)?;
        header(&path, lines.next())?.own(&path)?;
        match lines.nth(index) {
            Some(text) => {
                let config = cell(&path, index + 2, &text?)?;
                config.validate()?;
                Ok(config)
            }
            None => bail!(
                "{} has no cell number {index} (they count from 0)",
                path.display()
            ),
        }
    }

    /// The sweep of the folder `out` with `cells`, not written yet. Cells that it has keep their numbers; those that
    /// `cells` lacks stay only if `add` is set.
    pub fn planned(out: &Path, name: &str, cells: Vec<RunConfig>, add: bool) -> Result<Self> {
        let mut all = Vec::new();
        if let Some(old) = Self::read(out)? {
            let path = out.join(FILE);
            header(&path, lines(&path)?.next())?.own(&path)?;
            let wanted: BTreeSet<String> = folders(&cells)?;
            let has: BTreeSet<String> = folders(&old.cells)?;
            let missing = has.difference(&wanted).count();
            if missing > 0 && !add {
                bail!(
                    "{} holds the sweep `{}`, {missing} of whose {} cells are not in this one; give this \
                     sweep a folder of its own (--out), or put both into one with --add",
                    out.display(),
                    old.name,
                    old.cells.len()
                );
            }
            all = old.cells;
            for cell in cells {
                if !has.contains(&cell.folder()?) {
                    all.push(cell);
                }
            }
        } else {
            all.extend(cells);
        }
        Ok(Self {
            name: name.to_owned(),
            commit: env!("PREFBENCH_COMMIT").to_owned(),
            cells: all,
        })
    }

    /// Makes this the sweep of the folder `out`.
    pub fn write(&self, out: &Path) -> Result<()> {
        let header = Header {
            format: FORMAT,
            name: self.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: self.commit.clone(),
        };
        let mut text = serde_json::to_string(&header)? + "\n";
        for cell in &self.cells {
            text += &serde_json::to_string(cell)?;
            text.push('\n');
        }
        write_file(out, FILE, text.as_bytes())?;
        Ok(())
    }
}

fn folders(cells: &[RunConfig]) -> Result<BTreeSet<String>> {
    cells.iter().map(RunConfig::folder).collect()
}

fn lines(path: &PathBuf) -> Result<impl Iterator<Item = std::io::Result<String>>> {
    let file = fs::File::open(path).with_context(|| {
        format!(
            "cannot read {}; name a folder that `prefbench sweep` planned",
            path.display()
        )
    })?;
    Ok(BufReader::new(file).lines())
}

fn header(path: &Path, line: Option<std::io::Result<String>>) -> Result<Header> {
    let text = line.transpose()?.unwrap_or_default();
    let header: Header = serde_json::from_str(&text).with_context(|| {
        format!(
            "{0}, line 1, is damaged; move {0} away and plan the sweep again: finished runs count",
            path.display()
        )
    })?;
    if header.format != FORMAT {
        return Err(header.foreign(path));
    }
    Ok(header)
}

fn cell(path: &Path, line: usize, text: &str) -> Result<RunConfig> {
    serde_json::from_str(text).with_context(|| {
        format!(
            "{0}, line {line}, is damaged, or of a prefbench with other settings; move {0} away and plan the sweep \
             again: finished runs of the same settings count",
            path.display()
        )
    })
}
