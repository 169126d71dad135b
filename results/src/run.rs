//! One run's folder, held under a lock by the process that works on it.
//!
//! ```text
//! config.json        the resolved configuration and its full hash; written once
//! eval.jsonl         one evaluation per line; byte-identical between identical runs
//! progress.jsonl     notes with time stamps and speeds, which are not
//! checkpoint-<step>  the newest checkpoint and, until the run is finished, the one before it
//! done.json          the summary and the hash of eval.jsonl; its presence means finished
//! failed.json        in its place where the run ended for a reason of its own, such as divergence
//! lock               who works on the run; empty when nobody does
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::{Checkpoint, Generations};
use crate::claim::Claim;
use crate::eval::{parse_evals, parse_log};
use crate::files::{append_line, read_if_there, write_atomic};
use crate::key::canonical_json;
use crate::{Error, Eval, RunInfo, RunKey};

const CONFIG: &str = "config.json";
pub(crate) const EVALS: &str = "eval.jsonl";
pub(crate) const NOTES: &str = "progress.jsonl";
const DONE: &str = "done.json";
const FAILED: &str = "failed.json";
const FORMAT: u32 = 1;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing was logged or saved yet.
    New,
    /// There is something to resume from.
    Unfinished,
    /// `done.json` is there: the run is complete and is not changed any more.
    Finished,
    /// `failed.json` is there: the run cannot go on, by its own doing. A result, too.
    Failed,
}

/// Why and when a run failed by its own doing, as recorded in `failed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Steps made before.
    pub step: u64,
    /// A sentence.
    pub reason: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "failed at step {}: {}", self.step, self.reason)
    }
}

/// A run's folder, locked for this process until the value is dropped.
#[derive(Debug)]
pub struct Run {
    dir: PathBuf,
    key: RunKey,
    generations: Generations,
    last_step: Option<u64>,
    status: Status,
    claim: Claim,
}

impl Run {
    /// Opens or creates the folder `dir` for `config`.
    pub(crate) fn open(dir: PathBuf, config: &Value) -> Result<Self, Error> {
        RunInfo::of(config)?;
        let key = RunKey::of(config);
        fs::create_dir_all(&dir).map_err(Error::io("create folder", &dir))?;
        let claim = Claim::take(&dir)?;
        match read_config(&dir)? {
            None => write_config(&dir, key, config)?,
            Some(found) if RunKey::of(&found) == key => {}
            Some(found) => {
                let file = dir.join(CONFIG);
                return Err(Error::ForeignConfig {
                    file,
                    found: RunKey::of(&found).full(),
                    expected: key.full(),
                });
            }
        }
        let generations = Generations::new(&dir, key);
        let mut run = Self {
            dir,
            key,
            generations,
            last_step: None,
            status: Status::New,
            claim,
        };
        run.last_step = run.evals()?.last().map(|eval| eval.step);
        run.status = if read_done(&run.dir)?.is_some() {
            Status::Finished
        } else if read_failed(&run.dir, key)?.is_some() {
            Status::Failed
        } else if run.last_step.is_some() || Self::has_checkpoint(&run.dir)? {
            Status::Unfinished
        } else {
            Status::New
        };
        Ok(run)
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The hash of the run's configuration.
    #[must_use]
    pub fn key(&self) -> &RunKey {
        &self.key
    }

    /// How far the run has come.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Appends one evaluation to `eval.jsonl` and returns once it is on the disk.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for NaN or infinite numbers, [`Error::OutOfOrder`] unless the step
    /// exceeds the last one logged, [`Error::Ended`], and I/O errors. The log is then
    /// as it was, but for a cut-off line that the next append removes.
    pub fn append(&mut self, eval: &Eval) -> Result<(), Error> {
        self.refuse_if_ended()?;
        if let Some(last) = self.last_step.filter(|&last| eval.step <= last) {
            return Err(Error::OutOfOrder {
                file: self.dir.join(EVALS),
                step: eval.step,
                last,
            });
        }
        let file = append_line(&self.dir.join(EVALS), &eval.to_line()?)?;
        file.sync_all()
            .map_err(Error::io("sync", &self.dir.join(EVALS)))?;
        self.last_step = Some(eval.step);
        self.status = Status::Unfinished;
        Ok(())
    }

    /// All evaluations logged, in order. A last line that a crash cut off is left out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming file and line for any other flaw; I/O errors.
    pub fn evals(&self) -> Result<Vec<Eval>, Error> {
        let file = self.dir.join(EVALS);
        parse_evals(&file, &read_if_there(&file)?.unwrap_or_default())
    }

    /// Drops the evaluations after `step`, that of the checkpoint being resumed, from the log. The
    /// lines kept keep their bytes.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Corrupt`] and I/O errors; the log is then unchanged.
    pub fn truncate_to(&mut self, step: u64) -> Result<(), Error> {
        self.refuse_if_ended()?;
        let file = self.dir.join(EVALS);
        let Some(bytes) = read_if_there(&file)? else {
            return Ok(());
        };
        let evals = parse_evals(&file, &bytes)?;
        let kept = evals.iter().take_while(|eval| eval.step <= step).count();
        let length: usize = bytes
            .split_inclusive(|&b| b == b'\n')
            .take(kept)
            .map(<[u8]>::len)
            .sum();
        if length < bytes.len() {
            write_atomic(&self.dir, EVALS, &bytes[..length])?;
        }
        self.last_step = kept.checked_sub(1).map(|last| evals[last].step);
        Ok(())
    }

    /// Appends one line to `progress.jsonl`, the place for wall-clock times, speeds and warnings,
    /// which differ between otherwise identical runs. Not synced: a crash may lose the last ones.
    ///
    /// # Errors
    /// I/O errors.
    pub fn append_note(&mut self, note: &Value) -> Result<(), Error> {
        append_line(
            &self.dir.join(NOTES),
            &format!("{}\n", canonical_json(note)),
        )
        .map(drop)
    }

    /// Saves the state at `step` as a new checkpoint generation and removes all older ones but
    /// the last good one. While saving, up to three generations are on the disk.
    ///
    /// # Errors
    /// [`Error::BadName`] for part names that are not plain file names or occur twice,
    /// [`Error::Ended`], and I/O errors, after which the previous checkpoints are intact.
    pub fn save_checkpoint(&mut self, step: u64, parts: &[(&str, &[u8])]) -> Result<(), Error> {
        self.refuse_if_ended()?;
        self.generations.save(step, parts)?;
        self.status = Status::Unfinished;
        Ok(())
    }

    /// The newest checkpoint that verifies; `None` if none was ever saved. After loading, call
    /// [`Run::truncate_to`] with its step.
    ///
    /// # Errors
    /// [`Error::NoGoodCheckpoint`] if there are checkpoints but none verifies,
    /// [`Error::ForeignCheckpoint`] if one belongs to another configuration.
    pub fn load_checkpoint(&mut self) -> Result<Option<Checkpoint>, Error> {
        self.generations.load()
    }

    /// Marks the run as finished: writes `done.json` with `summary` and the hash of `eval.jsonl`.
    /// From then on the folder is not changed. Only the newest checkpoint stays.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::Corrupt`] if the log does not read back, I/O errors.
    pub fn finish(&mut self, summary: &Value) -> Result<(), Error> {
        self.refuse_if_ended()?;
        // Also drops a cut-off last line, so that the hash is that of the complete lines.
        self.truncate_to(u64::MAX)?;
        let file = self.dir.join(EVALS);
        let bytes = read_if_there(&file)?.unwrap_or_default();
        let done = Done {
            format: FORMAT,
            key: self.key.full(),
            evals: parse_evals(&file, &bytes)?.len(),
            eval_blake3: blake3::hash(&bytes).to_hex().to_string(),
            summary: summary.clone(),
        };
        self.generations.keep_newest()?;
        write_atomic(&self.dir, DONE, &to_json(&self.dir.join(DONE), &done)?)?;
        self.status = Status::Finished;
        Ok(())
    }

    /// Whether any checkpoint generation is in `dir`, readable or not.
    pub(crate) fn has_checkpoint(dir: &Path) -> Result<bool, Error> {
        Ok(!crate::checkpoint::present(dir)?.is_empty())
    }

    /// Marks the run as failed at `step` for a reason of its own, such as divergence, that running it
    /// again would not mend. Log and checkpoints stay as they are.
    ///
    /// # Errors
    /// [`Error::Ended`] and I/O errors.
    pub fn fail(&mut self, step: u64, reason: &str) -> Result<(), Error> {
        self.refuse_if_ended()?;
        let reason = reason.to_owned();
        let failed = Failed {
            format: FORMAT,
            key: self.key.full(),
            failure: Failure { step, reason },
        };
        write_atomic(
            &self.dir,
            FAILED,
            &to_json(&self.dir.join(FAILED), &failed)?,
        )?;
        self.status = Status::Failed;
        Ok(())
    }

    /// Why the run failed, if it did.
    ///
    /// # Errors
    /// [`Error::Corrupt`] and I/O errors.
    pub fn failure(&self) -> Result<Option<Failure>, Error> {
        read_failed(&self.dir, self.key)
    }

    /// Forgets that the run failed: it may go on from its last checkpoint.
    ///
    /// # Errors
    /// I/O errors.
    pub fn retry(&mut self) -> Result<(), Error> {
        if self.status == Status::Failed {
            let file = self.dir.join(FAILED);
            fs::remove_file(&file).map_err(Error::io("remove", &file))?;
            self.status = Status::Unfinished;
        }
        Ok(())
    }

    /// Before every write: the run goes on, and is still ours.
    fn refuse_if_ended(&self) -> Result<(), Error> {
        match self.status {
            Status::Finished | Status::Failed => Err(Error::Ended {
                dir: self.dir.clone(),
            }),
            Status::New | Status::Unfinished => self.claim.check(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    format: u32,
    key: String,
    config: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    format: u32,
    key: String,
    failure: Failure,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Done {
    format: u32,
    key: String,
    evals: usize,
    eval_blake3: String,
    pub(crate) summary: Value,
}

/// The configuration recorded in `dir`, verified against its recorded hash.
pub(crate) fn read_config(dir: &Path) -> Result<Option<Value>, Error> {
    let file = dir.join(CONFIG);
    let Some(bytes) = read_if_there(&file)? else {
        return Ok(None);
    };
    let Config {
        format,
        key,
        config,
    } = serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(&file, None, e.to_string()))?;
    check_format(&file, format)?;
    if RunKey::of(&config).full() != key {
        return Err(Error::EditedConfig { file });
    }
    Ok(Some(config))
}

fn write_config(dir: &Path, key: RunKey, config: &Value) -> Result<(), Error> {
    let record = Config {
        format: FORMAT,
        key: key.full(),
        config: config.clone(),
    };
    write_atomic(dir, CONFIG, &to_json(&dir.join(CONFIG), &record)?)
}

pub(crate) fn read_done(dir: &Path) -> Result<Option<Done>, Error> {
    let file = dir.join(DONE);
    let Some(bytes) = read_if_there(&file)? else {
        return Ok(None);
    };
    let done: Done =
        serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(&file, None, e.to_string()))?;
    check_format(&file, done.format)?;
    Ok(Some(done))
}

pub(crate) fn read_failed(dir: &Path, key: RunKey) -> Result<Option<Failure>, Error> {
    let file = dir.join(FAILED);
    let Some(bytes) = read_if_there(&file)? else {
        return Ok(None);
    };
    let failed: Failed =
        serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(&file, None, e.to_string()))?;
    check_format(&file, failed.format)?;
    if failed.key != key.full() {
        let reason = format!("it belongs to run {}, not to {}", failed.key, key.full());
        return Err(Error::corrupt(&file, None, reason));
    }
    Ok(Some(failed.failure))
}

/// The evaluations of a finished run, verified against the hash in its `done.json`.
pub(crate) fn read_finished_evals(
    dir: &Path,
    key: RunKey,
    done: &Done,
) -> Result<Vec<Eval>, Error> {
    if done.key != key.full() {
        let reason = format!("it belongs to run {}, not to {}", done.key, key.full());
        return Err(Error::corrupt(&dir.join(DONE), None, reason));
    }
    let file = dir.join(EVALS);
    let bytes = read_if_there(&file)?.unwrap_or_default();
    if blake3::hash(&bytes).to_hex().as_str() != done.eval_blake3 {
        return Err(Error::corrupt(
            &file,
            None,
            "it was changed after the run finished",
        ));
    }
    parse_evals(&file, &bytes)
}

/// The last evaluated step of a run in progress, read without its lock.
pub(crate) fn read_last_step(dir: &Path) -> Result<Option<u64>, Error> {
    let file = dir.join(EVALS);
    let evals = parse_evals(&file, &read_if_there(&file)?.unwrap_or_default())?;
    Ok(evals.last().map(|eval| eval.step))
}

/// The last complete note of a run in progress.
pub(crate) fn read_last_note(dir: &Path) -> Result<Option<Value>, Error> {
    let file = dir.join(NOTES);
    Ok(parse_log(&file, &read_if_there(&file)?.unwrap_or_default())?.pop())
}

/// What is wrong with `dir` if it is a run's folder that lost its configuration, which is written before all else.
pub(crate) fn lost_config(dir: &Path) -> Option<Error> {
    let lost = [EVALS, DONE].iter().any(|name| dir.join(name).exists());
    lost.then(|| Error::corrupt(&dir.join(CONFIG), None, "it is missing"))
}

fn check_format(file: &Path, format: u32) -> Result<(), Error> {
    if format == FORMAT {
        return Ok(());
    }
    let reason =
        format!("format {format} is not known to this version, which reads format {FORMAT}");
    Err(Error::corrupt(file, None, reason))
}

fn to_json(file: &Path, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    // Through Value, whose canonical order is then independent of how the caller built it.
    let mut sorted =
        serde_json::to_value(value).map_err(|e| Error::corrupt(file, None, e.to_string()))?;
    sorted.sort_all_objects();
    let mut bytes = serde_json::to_vec_pretty(&sorted)
        .map_err(|e| Error::corrupt(file, None, e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
