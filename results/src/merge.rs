//! Folders of runs, made on many machines, brought together in one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkpoint::Generations;
use crate::files::sync_dir;
use crate::run::{read_config, read_done, read_failed, read_finished_evals, read_last_step};
use crate::store::is_hidden;
use crate::{Claim, Error, Eval, Failure, RunKey, Store};

/// What [`merge`] did.
#[derive(Debug, Default)]
pub struct Merged {
    /// Runs that the target did not have.
    pub copied: Vec<PathBuf>,
    /// Runs that had come further than the target's copy, and took its place.
    pub replaced: Vec<PathBuf>,
    /// Number of runs of which the target's copy was as good or better.
    pub kept: usize,
    /// Runs left where they are, each with the reason.
    pub conflicts: Vec<(PathBuf, String)>,
}

/// How far a run has come.
#[derive(Debug, PartialEq)]
enum Come {
    /// To its newest checkpoint that is whole.
    To(u64),
    Failed(Failure),
    Finished(Vec<Eval>),
}

/// Copies every run directly in the folders `from` into the folder `into`, unless a copy that came
/// as far is there. Two copies that ended differently are a conflict, and neither is touched: runs of
/// one configuration are equal to the bit on one kind of CPU only. The folders read are not changed.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be listed or written to. What is wrong with a single run is a
/// conflict.
pub fn merge(from: &[PathBuf], into: &Path) -> Result<Merged, Error> {
    let mut runs = Vec::new();
    for root in from {
        for entry in fs::read_dir(root).map_err(Error::io("list", root))? {
            runs.push(entry.map_err(Error::io("list", root))?.path());
        }
    }
    // Only now, for a folder that cannot be read must cost nothing. Of copies the first folder's wins.
    Store::open(into)?;
    let mut merged = Merged::default();
    for run in runs {
        let Some(name) = run.file_name().filter(|_| is_run(&run)) else {
            continue;
        };
        let target = into.join(name);
        match one(&run, into, &target) {
            Ok(Deed::Copied) => merged.copied.push(target),
            Ok(Deed::Replaced) => merged.replaced.push(target),
            Ok(Deed::Kept) => merged.kept += 1,
            Ok(Deed::Refused(reason)) => merged.conflicts.push((run, reason)),
            Err(error) => merged.conflicts.push((run, error.to_string())),
        }
    }
    merged.conflicts.sort();
    Ok(merged)
}

fn is_run(dir: &Path) -> bool {
    dir.join("config.json").exists() && !is_hidden(dir)
}

/// What was done with one run.
enum Deed {
    Copied,
    Replaced,
    Kept,
    Refused(String),
}

fn one(run: &Path, into: &Path, target: &Path) -> Result<Deed, Error> {
    if let Some(holder) = Claim::holder(run)? {
        let reason = format!("{holder} works on it; merge when it has ended");
        return Ok(Deed::Refused(reason));
    }
    let (key, ours) = come(run)?;
    if !target.exists() {
        return copy(run, &ours, into, target, Deed::Copied);
    }
    // Held until the folder is replaced: nobody starts to work in it meanwhile.
    let _claim = Claim::take(target)?;
    let (other, theirs) = come(target)?;
    if key != other {
        return Ok(Deed::Refused(format!(
            "{} is another run",
            target.display()
        )));
    }
    let better = match (&ours, &theirs) {
        (Come::Finished(a), Come::Finished(b)) if a != b => {
            return Ok(Deed::Refused(format!(
                "{} is the same run with other evaluations; look at the commits in both done.json, and keep one",
                target.display()
            )));
        }
        (Come::Failed(a), Come::Failed(b)) if a != b => {
            let reason = format!(
                "{} is the same run and failed in another way",
                target.display()
            );
            return Ok(Deed::Refused(reason));
        }
        (Come::Finished(_), Come::Failed(failure)) | (Come::Failed(failure), Come::Finished(_)) => {
            return Ok(Deed::Refused(format!(
                "of it and {} one is finished and the other {failure}; remove the one that is not to count",
                target.display()
            )));
        }
        (Come::Finished(_) | Come::Failed(_), Come::To(_)) => true,
        (Come::To(a), Come::To(b)) => a > b,
        (_, Come::Finished(_) | Come::Failed(_)) => false,
    };
    match better {
        true => copy(run, &ours, into, target, Deed::Replaced),
        false => Ok(Deed::Kept),
    }
}

fn come(run: &Path) -> Result<(RunKey, Come), Error> {
    let lacking = || Error::corrupt(&run.join("config.json"), None, "it is missing");
    let key = RunKey::of(&read_config(run)?.ok_or_else(lacking)?);
    let come = match (read_done(run)?, read_failed(run, key)?) {
        (Some(done), _) => Come::Finished(read_finished_evals(run, key, &done)?),
        (None, Some(failure)) => Come::Failed(failure),
        // Evaluations after the checkpoint are made again.
        (None, None) => Come::To(match Generations::new(run, key).load() {
            Ok(Some(checkpoint)) => checkpoint.step,
            Ok(None) => read_last_step(run)?.unwrap_or(0).min(1),
            Err(Error::NoGoodCheckpoint { .. }) => 0,
            Err(other) => return Err(other),
        }),
    };
    Ok((key, come))
}

/// Copies the folder `run`, which has come as far as `come_to`, to `target` inside `into`: whole or not
/// at all.
fn copy(run: &Path, come_to: &Come, into: &Path, target: &Path, deed: Deed) -> Result<Deed, Error> {
    let beside = into.join(format!(".merge-{}", std::process::id()));
    let remove = |folder: &Path| match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(e)),
        _ => Ok(()),
    };
    remove(&beside)?;
    copy_tree(run, &beside)?;
    if !come(&beside).is_ok_and(|(_, to)| to == *come_to) {
        remove(&beside)?;
        let reason = "it changed while it was copied; merge when it has ended";
        return Ok(Deed::Refused(reason.into()));
    }
    let old = into.join(format!(".merged-{}", std::process::id()));
    if matches!(deed, Deed::Replaced) {
        remove(&old)?;
        fs::rename(target, &old).map_err(Error::io("move", target))?;
    }
    // Fails where a sweep began the run meanwhile: a folder takes no other's place.
    if let Err(cause) = fs::rename(&beside, target) {
        if matches!(deed, Deed::Replaced) {
            fs::rename(&old, target).map_err(Error::io("move back", target))?;
        }
        remove(&beside)?;
        return Err(Error::io("write", target)(cause));
    }
    sync_dir(into)?;
    remove(&old)?;
    Ok(deed)
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create folder", to))?;
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let path = entry.map_err(Error::io("list", from))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if path.is_dir() {
            copy_tree(&path, &to.join(name))?;
        } else if name != "lock" {
            let copy = to.join(name);
            fs::copy(&path, &copy)
                .and_then(|_| fs::File::open(&copy)?.sync_all())
                .map_err(Error::io("copy to", &copy))?;
        }
    }
    sync_dir(to)
}
