//! How the runs of a folder stand, while they go on.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::present;
use crate::run::{lost_config, read_config, read_failed, read_last_note, read_last_step};
use crate::store::is_hidden;
use crate::{Claim, Error, Failure, Holder, RunKey, Store};

/// How one run stands.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Its folder.
    pub dir: PathBuf,
    /// What is the matter with it.
    pub standing: Standing,
    /// The step last evaluated or saved, whichever is later, unless it is finished.
    pub last_step: Option<u64>,
    /// Steps at its end, where the configuration names them (`steps`).
    pub steps: Option<u64>,
    /// Steps per second, as last noted.
    pub pace: Option<f64>,
}

/// What is the matter with a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nothing was logged yet, and nobody works on it.
    New,
    /// A living process works on it.
    Running(Holder),
    /// It can be resumed, and nobody works on it.
    Stopped,
    /// It is complete.
    Finished,
    /// It failed by its own doing.
    Failed(Failure),
    /// A file of it cannot be read; the sentence says which, and why.
    Damaged(String),
}

impl Store {
    /// How every run in `root` stands, ordered by folder name. Claims nothing, and verifies less than
    /// [`Store::scan`]: the logs of finished runs are not read.
    ///
    /// # Errors
    /// [`Error::Io`] if `root` cannot be listed.
    pub fn progress(root: &Path) -> Result<Vec<Progress>, Error> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
            let dir = entry.map_err(Error::io("list", root))?.path();
            let run = dir.join("config.json").exists() || lost_config(&dir).is_some();
            if run && !is_hidden(&dir) {
                dirs.push(dir);
            }
        }
        dirs.sort_unstable();
        let of = |dir: PathBuf| {
            let mut progress = Progress {
                dir,
                standing: Standing::New,
                last_step: None,
                steps: None,
                pace: None,
            };
            progress.standing = match read(&mut progress) {
                Ok(standing) => standing,
                Err(error) => Standing::Damaged(error.to_string()),
            };
            progress
        };
        Ok(dirs.into_iter().map(of).collect())
    }
}

fn read(progress: &mut Progress) -> Result<Standing, Error> {
    let dir = &progress.dir;
    let Some(config) = read_config(dir)? else {
        return lost_config(dir).map_or(Ok(Standing::New), Err);
    };
    progress.steps = config.get("steps").and_then(Value::as_u64);
    if dir.join("done.json").exists() {
        return Ok(Standing::Finished);
    }
    progress.last_step = read_last_step(dir)?.max(present(dir)?.first().copied());
    let note = read_last_note(dir)?;
    progress.pace = note.and_then(|note| note.get("steps_per_second")?.as_f64());
    Ok(
        match (read_failed(dir, RunKey::of(&config))?, Claim::holder(dir)?) {
            (Some(failure), _) => Standing::Failed(failure),
            (None, Some(holder)) => Standing::Running(holder),
            (None, None) if progress.last_step.is_some() => Standing::Stopped,
            (None, None) => Standing::New,
        },
    )
}
