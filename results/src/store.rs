//! The store: a folder of runs, each in a folder of its own, named by what it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::checkpoint::Generations;
use crate::files::check_name;
use crate::run::{
    lost_config, read_config, read_done, read_failed, read_finished_evals, read_last_step,
};
use crate::{Checkpoint, Error, Eval, Failure, Run, RunInfo, RunKey, Status};

/// A folder of runs that may be written to.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// A complete run, as read for tables and figures.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRun {
    /// Its folder.
    pub dir: PathBuf,
    /// The hash of its configuration.
    pub key: RunKey,
    /// What was run.
    pub info: RunInfo,
    /// What [`Run::finish`] was given.
    pub summary: Value,
    /// All its evaluations, in order of their steps.
    pub evals: Vec<Eval>,
}

/// A folder that tables and figures leave out and name instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// The folder.
    pub dir: PathBuf,
    /// What is run there, where its configuration is readable.
    pub info: Option<RunInfo>,
    /// Why it is left out.
    pub why: Why,
}

impl Unfinished {
    /// A run that failed by its own doing, as one that counts: without evaluations. `None` for others.
    pub(crate) fn failed(&self) -> Option<FinishedRun> {
        let info = self.info.clone()?;
        matches!(self.why, Why::Failed(_)).then(|| FinishedRun {
            dir: self.dir.clone(),
            key: RunKey::of(&info.config),
            info,
            summary: Value::Null,
            evals: Vec::new(),
        })
    }
}

/// Why a run is left out of tables and figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// It failed by its own doing: a result, and not one to be forgotten.
    Failed(Failure),
    /// It runs still, or was stopped; with the step last evaluated.
    NotFinished {
        /// Step of the last evaluation, if there was one.
        last_step: Option<u64>,
    },
    /// A copy of the same run was read already.
    DuplicateOf(PathBuf),
    /// Its files cannot be trusted; the sentence says why.
    Damaged(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(failure) => failure.fmt(f),
            Self::NotFinished {
                last_step: Some(step),
            } => write!(f, "not finished, last evaluated at step {step}"),
            Self::NotFinished { last_step: None } => f.write_str("not finished, no evaluation yet"),
            Self::DuplicateOf(dir) => write!(f, "a copy of {}", dir.display()),
            Self::Damaged(reason) => f.write_str(reason),
        }
    }
}

impl Store {
    /// Opens the folder `root` for writing, creating it and its parents if need be.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be created or written to.
    pub fn open(root: &Path) -> Result<Self, Error> {
        fs::create_dir_all(root).map_err(Error::io("create folder", root))?;
        // Asking the permissions would not do: a file system can be mounted read-only.
        let probe = root.join(format!(".writable-{}", std::process::id()));
        fs::write(&probe, b"").map_err(Error::io("write to folder", root))?;
        fs::remove_file(&probe).map_err(Error::io("write to folder", root))?;
        Ok(Self {
            root: root.to_path_buf(),
        })
    }

    /// Where the run of `config` lives: `<root>/<name_prefix>-<first 16 digits of its key>`.
    #[must_use]
    pub fn dir_of(&self, name_prefix: &str, config: &Value) -> PathBuf {
        self.root
            .join(format!("{name_prefix}-{}", RunKey::of(config)))
    }

    /// Opens or creates the run of the resolved configuration `config` and locks it for this
    /// process. By convention `name_prefix` is `<task>-<algorithm>-<teacher>-s<seed>`.
    ///
    /// # Errors
    /// - [`Error::BadConfig`] if `config` lacks one of the keys of [`RunInfo`];
    /// - [`Error::BadName`] if the prefix is not a plain file name;
    /// - [`Error::Locked`] if another process, or another [`Run`] of this one, holds the run;
    /// - [`Error::ForeignConfig`], [`Error::EditedConfig`], [`Error::Corrupt`] if the folder holds
    ///   something else than this run; nothing is overwritten then;
    /// - [`Error::Io`].
    pub fn run(&self, name_prefix: &str, config: &Value) -> Result<Run, Error> {
        check_name(name_prefix)?;
        Run::open(self.dir_of(name_prefix, config), config)
    }

    /// How far the run of `config` has come, without locking or creating anything.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::EditedConfig`] and [`Error::Io`] as for [`Store::run`].
    pub fn status(&self, name_prefix: &str, config: &Value) -> Result<Status, Error> {
        let dir = self.dir_of(name_prefix, config);
        if read_config(&dir)?.is_none() {
            Ok(Status::New)
        } else if read_done(&dir)?.is_some() {
            Ok(Status::Finished)
        } else if read_failed(&dir, RunKey::of(config))?.is_some() {
            Ok(Status::Failed)
        } else if read_last_step(&dir)?.is_some() || Run::has_checkpoint(&dir)? {
            Ok(Status::Unfinished)
        } else {
            Ok(Status::New)
        }
    }

    /// The configuration and the newest good checkpoint of the run in the folder `dir`, without
    /// locking or changing anything: for looking at a run, finished or not, even while it goes on.
    ///
    /// # Errors
    /// [`Error::NothingSaved`] if `dir` is no run or has no checkpoint yet, and the errors of
    /// [`Store::run`] and [`Run::load_checkpoint`] for damaged and foreign files.
    pub fn peek(dir: &Path) -> Result<(Value, Checkpoint), Error> {
        let lacks = |what| Error::NothingSaved {
            dir: dir.to_path_buf(),
            what,
        };
        let config = read_config(dir)?.ok_or_else(|| lacks("config.json"))?;
        let checkpoint = Generations::new(dir, RunKey::of(&config)).load()?;
        Ok((config, checkpoint.ok_or_else(|| lacks("checkpoint"))?))
    }

    /// Reads every run in `root`: the finished ones, verified, and a list of the others. Both are
    /// ordered by folder name. Needs no write access and takes no locks; folders that are not
    /// runs are passed over. Only the folders directly in `root` are read.
    ///
    /// # Errors
    /// [`Error::Io`] if `root` cannot be listed. Flaws inside a run make it [`Why::Damaged`].
    pub fn scan(root: &Path) -> Result<(Vec<FinishedRun>, Vec<Unfinished>), Error> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
            let dir = entry.map_err(Error::io("list", root))?.path();
            if dir.is_dir() && !is_hidden(&dir) {
                dirs.push(dir);
            }
        }
        dirs.sort_unstable();

        let (mut finished, mut unfinished) = (Vec::new(), Vec::new());
        for (dir, found) in read_all(dirs) {
            match found {
                Ok(Found::Finished(run)) => finished.push(*run),
                Ok(Found::Unfinished(run)) => unfinished.push(run),
                Ok(Found::NotARun) => {}
                Err(flawed) => {
                    let (info, flaw) = *flawed;
                    unfinished.push(Unfinished {
                        dir,
                        info,
                        why: Why::Damaged(flaw.to_string()),
                    });
                }
            }
        }
        Ok(each_once(finished, unfinished))
    }
}

/// Runs read from several folders, each counted once: of the copies of a run a finished one, or else the
/// first that failed. The other ones of these are [`Why::DuplicateOf`] it.
#[must_use]
pub fn each_once(
    finished: Vec<FinishedRun>,
    unfinished: Vec<Unfinished>,
) -> (Vec<FinishedRun>, Vec<Unfinished>) {
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut copy_of = |key: RunKey, dir: &Path| match seen.get(&key.full()) {
        Some(first) => Some(Why::DuplicateOf(first.clone())),
        None => {
            seen.insert(key.full(), dir.to_path_buf());
            None
        }
    };
    let (mut counted, mut rest) = (Vec::new(), Vec::new());
    for run in finished {
        match copy_of(run.key, &run.dir) {
            None => counted.push(run),
            Some(why) => rest.push(Unfinished {
                dir: run.dir,
                info: Some(run.info),
                why,
            }),
        }
    }
    for mut run in unfinished {
        if let Some(failed) = run.failed()
            && let Some(why) = copy_of(failed.key, &run.dir)
        {
            run.why = why;
        }
        rest.push(run);
    }
    rest.sort_by(|a, b| a.dir.cmp(&b.dir));
    (counted, rest)
}

/// Half a copy, or nothing of ours.
pub(crate) fn is_hidden(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().starts_with('.')
}

enum Found {
    Finished(Box<FinishedRun>),
    Unfinished(Unfinished),
    NotARun,
}

/// Reads folders side by side, for a sweep has thousands; in their order.
fn read_all(dirs: Vec<PathBuf>) -> Vec<(PathBuf, Result<Found, Flaw>)> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = dirs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let read_share =
            |share: &'_ [PathBuf]| -> Vec<_> { share.iter().map(|dir| read(dir)).collect() };
        let shares: Vec<_> = dirs
            .chunks(share)
            .map(|share| scope.spawn(move || read_share(share)))
            .collect();
        let found = shares.into_iter().flat_map(|share| match share.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        dirs.iter().cloned().zip(found).collect()
    })
}

/// A flaw in a run, and what is known of the run.
type Flaw = Box<(Option<RunInfo>, Error)>;

/// Reads one folder. A flaw comes with what is known of the run it is in.
fn read(dir: &Path) -> Result<Found, Flaw> {
    let Some(config) = read_config(dir).map_err(|e| Box::new((None, e)))? else {
        return match lost_config(dir) {
            Some(flaw) => Err(Box::new((None, flaw))),
            None => Ok(Found::NotARun),
        };
    };
    let key = RunKey::of(&config);
    let info = RunInfo::of(&config).map_err(|e| Box::new((None, e)))?;
    let flawed = |e| Box::new((Some(info.clone()), e));
    let dir = dir.to_path_buf();
    match read_done(&dir).map_err(flawed)? {
        Some(done) => {
            let evals = read_finished_evals(&dir, key, &done).map_err(flawed)?;
            Ok(Found::Finished(Box::new(FinishedRun {
                dir,
                key,
                info,
                summary: done.summary,
                evals,
            })))
        }
        None => {
            let why = match read_failed(&dir, key).map_err(flawed)? {
                Some(failure) => Why::Failed(failure),
                None => Why::NotFinished {
                    last_step: read_last_step(&dir).map_err(flawed)?,
                },
            };
            Ok(Found::Unfinished(Unfinished {
                dir,
                info: Some(info),
                why,
            }))
        }
    }
}
