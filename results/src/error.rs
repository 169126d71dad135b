//! The crate's one error type. Every message names what failed, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::Holder;

/// What can go wrong while results are stored, read, summarised or drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {cause}{}", path.display(), advice(cause))]
    Io {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The file or folder concerned.
        path: PathBuf,
        /// The operating system's answer.
        cause: io::Error,
    },
    /// Another process is working on this run.
    #[error(
        "{} is in use by {}; {}, and start again",
        dir.display(),
        named(holder.as_ref()),
        holder.as_ref().map_or_else(|| "wait for it to end, or stop it".into(), Holder::advice)
    )]
    Locked {
        /// The run's folder.
        dir: PathBuf,
        /// The process recorded in the lock file, where it could be read.
        holder: Option<Holder>,
    },
    /// Another process took this run over while this one was silent.
    #[error(
        "{} was taken over by {} while this process was stopped or cut off from its disk; \
         nothing more is written here, the other process goes on",
        dir.display(),
        named(holder.as_ref())
    )]
    Overtaken {
        /// The run's folder.
        dir: PathBuf,
        /// Who holds it now, where it could be read.
        holder: Option<Holder>,
    },
    /// A folder's `config.json` records another configuration than the one asked for.
    #[error(
        "{} records run {found}, but this configuration is run {expected}; \
         move the folder away, or give this run another root folder",
        file.display()
    )]
    ForeignConfig {
        /// The `config.json` found.
        file: PathBuf,
        /// The key it records.
        found: String,
        /// The key that the folder should have.
        expected: String,
    },
    /// A folder's `config.json` no longer hashes to the key recorded in it.
    #[error(
        "{} was edited after the run began (its configuration does not match its recorded hash); \
         restore the original file, or start the changed configuration as a run of its own",
        file.display()
    )]
    EditedConfig {
        /// The `config.json` found.
        file: PathBuf,
    },
    /// The configuration lacks a key that every run needs, or the key has the wrong type.
    #[error("the run's configuration needs `{key}`: {expected}; found {found}")]
    BadConfig {
        /// The key concerned.
        key: &'static str,
        /// What it should hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A file holds something other than what was written.
    #[error(
        "{}{} is damaged: {reason}; restore it from a copy, or delete the run's folder to run it again",
        file.display(),
        at_line(*line)
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Line, counted from 1, for line-based files.
        line: Option<usize>,
        /// What is wrong with it.
        reason: String,
    },
    /// No generation of a run's checkpoint can be read.
    #[error(
        "no readable checkpoint in {}: {}; delete the checkpoint folders to start this run from step 0",
        dir.display(),
        reasons.join("; ")
    )]
    NoGoodCheckpoint {
        /// The run's folder.
        dir: PathBuf,
        /// One sentence per generation, newest first, naming its file.
        reasons: Vec<String>,
    },
    /// A folder was read that holds no run, or a run without a checkpoint.
    #[error(
        "{} holds no {what}; name the folder of a run (the one with its config.json) that has saved a checkpoint",
        dir.display()
    )]
    NothingSaved {
        /// The folder read.
        dir: PathBuf,
        /// What it lacks.
        what: &'static str,
    },
    /// An export would replace, or be mixed with, something else than its own earlier output.
    #[error(
        "{} was not exported from this run and is left as it is; move it away, or choose another folder",
        file.display()
    )]
    ForeignFile {
        /// The file in the way.
        file: PathBuf,
    },
    /// A checkpoint was written by a run of another configuration.
    #[error(
        "checkpoint {} belongs to run {found}, not to {expected}; \
         remove it (its weights were trained under another configuration)",
        file.display()
    )]
    ForeignCheckpoint {
        /// The checkpoint's manifest.
        file: PathBuf,
        /// The key it records.
        found: String,
        /// The key of the run being resumed.
        expected: String,
    },
    /// A number to be logged is NaN or infinite.
    #[error("{field} is {value} in the evaluation at step {step}; only finite numbers are logged")]
    NotFinite {
        /// Which field.
        field: String,
        /// Its value.
        value: f64,
        /// The evaluation's step.
        step: u64,
    },
    /// An evaluation does not come after the last one logged.
    #[error(
        "evaluation at step {step} does not follow step {last} in {}; \
         call truncate_to with the checkpoint's step when resuming",
        file.display()
    )]
    OutOfOrder {
        /// The log.
        file: PathBuf,
        /// The step offered.
        step: u64,
        /// The last step in the log.
        last: u64,
    },
    /// A finished or failed run was asked to change.
    #[error("{} has ended and is not changed any more; delete the folder to run it again", dir.display())]
    Ended {
        /// The run's folder.
        dir: PathBuf,
    },
    /// Runs do not make a reference score.
    #[error(
        "no reference scores can be made for `{task}`: {reason}; \
         leave in the folder only those runs that belong together"
    )]
    NoReference {
        /// The task.
        task: String,
        /// What stands against it.
        reason: String,
    },
    /// A file of reference scores is not as it is written.
    #[error("{}, line {line}, is no reference score: {reason}; restore the file, or write it anew from the runs", file.display())]
    BadReference {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A published table is not there, or not as it has to be.
    #[error("`{}` is no published table: {reason}", file.display())]
    BadPaper {
        /// The file, or the name asked for.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Runs cannot be set side by side.
    #[error("these runs cannot be compared: {reason}; {advice}")]
    Incomparable {
        /// What stands against it.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A figure could not be drawn.
    #[error("the figure cannot be drawn: {reason}; please report this, the runs are unharmed")]
    Drawing {
        /// What failed.
        reason: String,
    },
    /// A file or run name could escape its folder, or is taken.
    #[error("`{name}` cannot be used as a name here: {reason}")]
    BadName {
        /// The name given.
        name: String,
        /// Why it is refused.
        reason: &'static str,
    },
}

impl Error {
    /// For `map_err`: attaches what was attempted, and where, to an I/O error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io {
            action,
            path: path.to_path_buf(),
            cause,
        }
    }

    pub(crate) fn corrupt(file: &Path, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self::Corrupt {
            file: file.to_path_buf(),
            line,
            reason: reason.into(),
        }
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space and start the same command again, it resumes"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that you may write to"
        }
        io::ErrorKind::NotFound => "; check the path",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; a file stands where a folder is needed, choose another path"
        }
        _ => "",
    }
}

fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".into(), Holder::to_string)
}

fn at_line(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(", line {line},"))
}
