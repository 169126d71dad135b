//! What the tests of the command line share.

#![allow(dead_code)] // Each test binary uses a part of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Arguments: a line that is split at white space, or a list.
pub trait Arguments {
    fn words(&self) -> Vec<&str>;
}

impl Arguments for str {
    fn words(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl Arguments for String {
    fn words(&self) -> Vec<&str> {
        self.as_str().words()
    }
}

impl<const N: usize> Arguments for [&str; N] {
    fn words(&self) -> Vec<&str> {
        self.to_vec()
    }
}

/// What a command ended with.
pub struct Told {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// The command in a folder, with nothing on its standard input.
pub fn command(dir: &Path, args: &(impl Arguments + ?Sized)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    let args = args.words();
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
}

/// Runs it, whatever comes of it.
pub fn prefbench(dir: &Path, args: &(impl Arguments + ?Sized)) -> Told {
    command(dir, args).output().unwrap().into()
}

/// Runs it to its success.
#[track_caller]
pub fn ok(dir: &Path, args: &(impl Arguments + ?Sized)) -> Told {
    let told = prefbench(dir, args);
    assert_eq!(told.code, Some(0), "{:?}: {}", args.words(), told.err);
    told
}

/// Runs it to its failure, which must say all of `parts`; gives all that it says.
#[track_caller]
pub fn refused(dir: &Path, args: &(impl Arguments + ?Sized), parts: &[&str]) -> String {
    let Told { code, err, .. } = prefbench(dir, args);
    assert_ne!(code, Some(0), "{:?} succeeded", args.words());
    for part in parts {
        assert!(err.contains(part), "{:?}: no {part} in {err}", args.words());
    }
    err
}

/// The runs in `runs`, by name.
pub fn runs(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir.join("runs")).into_iter().flatten();
    let all = all.map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = all.filter(|run| run.join("config.json").exists()).collect();
    all.sort();
    all
}

pub fn only_run(dir: &Path) -> PathBuf {
    let mut runs = runs(dir);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

/// Every file of a run that must not depend on when or how often it was interrupted.
pub fn bytes_of(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !["progress.jsonl", "done.json", "lock"].contains(&name.as_str()) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    for needed in ["eval.jsonl", "learner.safetensors"] {
        assert!(
            files.keys().any(|name| name.ends_with(needed)),
            "no {needed}"
        );
    }
    files
}

#[track_caller]
pub fn same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(bytes == &b[name], "{name} differs");
    }
}

/// Begins a run again and again, killing it at odd moments, until it ends; at least one must have gone on from a
/// checkpoint.
pub fn run_through_kills(dir: &Path, line: &str) {
    let (mut kills, mut resumed) = (0, 0);
    for attempt in 0..60u64 {
        let log = dir.join("log");
        let mut child = command(dir, line)
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        // Odd waits, so that the kill falls into every phase, start-up and saving included.
        sleep(Duration::from_millis(25 + attempt * 97 % 350));
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&log).unwrap();
        resumed += usize::from(text.contains("resuming at step"));
        if ended {
            break;
        }
        kills += 1;
    }
    assert!(kills > 0, "{line} ended before it could be killed");
    resumed += usize::from(ok(dir, line).err.contains("resuming at step"));
    assert!(resumed > 0, "{line} never resumed from a checkpoint");
}
