//! Made-up runs: smooth learning curves with a wiggle per seed, without any generator.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use prefbench_results::{EpisodeResult, Eval, FinishedRun, RunInfo, RunKey};
use serde_json::{Value, json};

pub fn config(task: &str, algorithm: &str, teacher: Option<&str>, seed: u64) -> Value {
    json!({
        "task": task, "algorithm": algorithm, "teacher": teacher, "tier": "smoke", "seed": seed,
        "sac": { "lr": 0.0003, "batch": 256 },
    })
}

pub fn eval(step: u64, returns: &[f64]) -> Eval {
    let episodes = returns
        .iter()
        .enumerate()
        .map(|(i, &return_)| EpisodeResult {
            seed: 1000 + i as u64,
            return_,
            length: 250,
            success: false,
        });
    Eval {
        step,
        episodes: episodes.collect(),
        feedback_asked: 0,
        feedback_labelled: 0,
        metrics: BTreeMap::new(),
    }
}

/// A finished run of `config` with these evaluations.
pub fn finished(config: Value, evals: Vec<Eval>) -> FinishedRun {
    let info = RunInfo::of(&config).expect("a complete configuration");
    let dir = PathBuf::from(format!(
        "runs/{}-{}-s{}",
        info.task, info.algorithm, info.seed
    ));
    FinishedRun {
        dir,
        key: RunKey::of(&config),
        info,
        summary: Value::Null,
        evals,
    }
}

/// A run that learns up to about `top`, with 100 queries per 10 000 steps if it has a teacher.
pub fn learning(
    task: &str,
    algorithm: &str,
    teacher: Option<&str>,
    seed: u64,
    top: f64,
) -> FinishedRun {
    let curve = (0..=25).map(|i| {
        let step = 10_000 * i;
        // Only arithmetic that IEEE 754 fixes to the bit; no sin or exp, which differ by platform.
        let t = i as f64 / 25.0;
        let wiggle = ((31 * i + 53 * seed + 7 * i * seed) % 23) as f64 / 23.0 - 0.5;
        let level =
            top * (1.25 * t / (t + 0.25) + 0.1 * wiggle * t + 0.02 * (seed as f64 - 2.0) * t);
        let mut eval = eval(
            step,
            &[level - 10.0, level, level + 10.0, level + 0.5 * seed as f64],
        );
        if teacher.is_some() {
            eval.feedback_asked = 100 * i.min(20);
            eval.feedback_labelled = 98 * i.min(20);
        }
        for (episode, reached) in eval.episodes.iter_mut().zip([0.9, 0.7, 0.5, 0.3]) {
            episode.success = task.starts_with("reach") && level > reached * 900.0;
        }
        eval
    });
    finished(config(task, algorithm, teacher, seed), curve.collect())
}

/// Two tasks; one row with a variant, one with missing seeds, one without a teacher.
pub fn sweep() -> Vec<FinishedRun> {
    let mut runs = Vec::new();
    for seed in 0..5 {
        runs.push(learning("walker-walk", "sac", None, seed, 930.0));
        runs.push(learning(
            "walker-walk",
            "pebble",
            Some("oracle"),
            seed,
            840.0,
        ));
        runs.push(learning(
            "walker-walk",
            "pebble",
            Some("mistake"),
            seed,
            610.0,
        ));
        runs.push(learning("reach", "pebble", Some("oracle"), seed, 800.0));
        let mut larger = learning("walker-walk", "pebble", Some("mistake"), seed, 700.0);
        larger.info.config["sac"]["batch"] = json!(1024);
        larger.key = RunKey::of(&larger.info.config);
        runs.push(larger);
    }
    for seed in [1, 3] {
        runs.push(learning("walker-walk", "random", None, seed, 60.0));
    }
    runs
}

/// Compares `text` with the committed file tests/expected/`name`. With BLESS=1 in the
/// environment it writes the file instead; read the difference before committing it.
#[track_caller]
pub fn assert_expected(name: &str, text: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, text).expect("the expected file can be written");
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if let Some((line, (ours, theirs))) = text
        .lines()
        .zip(expected.lines())
        .enumerate()
        .find(|(_, (ours, theirs))| ours != theirs)
    {
        panic!("{name}, line {}:\n now {ours}\n was {theirs}", line + 1);
    }
    assert_eq!(text.len(), expected.len(), "{name}: one is longer");
}
