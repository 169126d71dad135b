//! One small run on the disk, for the tests of the store and its checkpoints.
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

use prefbench_results::{Checkpoint, Error, Eval, Run, Store};
use serde_json::Value;

use crate::synthetic::{config, eval};

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

pub const NAME: &str = "walker-walk-pebble-oracle-s0";

pub fn oracle() -> Value {
    config("walker-walk", "pebble", Some("oracle"), 0)
}

pub fn open(root: &Path) -> Result<Run, Error> {
    Store::open(root)?.run(NAME, &oracle())
}

/// Awkward floats: they must come back bit by bit.
pub fn evals() -> Vec<Eval> {
    let values = [0.1 + 0.2, -0.0, 1e300, 5e-324, 1.0 / 3.0];
    (0..3)
        .map(|i| {
            let mut eval = eval(1000 * i, &values[i as usize..][..2]);
            eval.episodes[0].success = true;
            eval.metrics
                .insert("loss \"q\"".into(), values[4 - i as usize]);
            eval
        })
        .collect()
}

pub fn parts(step: u64) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("policy.safetensors", vec![step as u8; 40]),
        ("state.json", format!("{{\"step\":{step}}}").into_bytes()),
    ]
}

pub fn save(run: &mut Run, step: u64) -> Result<(), Error> {
    let parts = parts(step);
    let parts: Vec<(&str, &[u8])> = parts
        .iter()
        .map(|(name, bytes)| (*name, &**bytes))
        .collect();
    run.save_checkpoint(step, &parts)
}

pub fn checkpoint(step: u64) -> Checkpoint {
    let parts = parts(step)
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    Checkpoint {
        step,
        parts,
        passed_over: Vec::new(),
    }
}

/// Every file below `dir` with its contents, but for the lock.
pub fn contents(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, std::io::Error> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.push((
                    path.strip_prefix(dir).unwrap_or(&path).to_path_buf(),
                    fs::read(&path)?,
                ));
            }
        }
    }
    found.sort();
    Ok(found)
}
