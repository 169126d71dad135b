//! Made-up runs of three methods on three tasks, for the tests of comparisons.
#![allow(dead_code, reason = "each test file uses its part")]

use prefbench_results::compare::{CompareOptions, Comparison};
use prefbench_results::reference::{Reference, Score};
use prefbench_results::stats::Bootstrap;
use prefbench_results::{Error, Failure, FinishedRun, RunKey, Unfinished, Why};
use serde_json::json;

use crate::synthetic::learning;

pub const QUICK: Bootstrap = Bootstrap {
    resamples: 500,
    level: 0.95,
    seed: 0,
};

pub fn options() -> CompareOptions {
    let end = |algorithm: &str, mean| Score {
        algorithm: algorithm.into(),
        steps: 1_000_000,
        seeds: 5,
        episodes: 50,
        mean,
        interval: None,
        commits: Vec::new(),
        runs: Vec::new(),
    };
    let walker = Reference {
        task: "walker-walk".into(),
        version: 1,
        tier: "full".into(),
        random: end("random", 40.0),
        expert: end("sac", 960.0),
    };
    CompareOptions {
        bootstrap: QUICK,
        bands: QUICK,
        curves: QUICK,
        references: vec![walker],
        ..CompareOptions::default()
    }
}

/// A run of version 1 of its task, made by a commit.
pub fn run(task: &str, algorithm: &str, seed: u64, top: f64) -> FinishedRun {
    let teacher = (algorithm != "sac").then_some("oracle");
    let mut run = learning(task, algorithm, teacher, seed, top);
    run.info.config["task_version"] = json!(1);
    run.key = RunKey::of(&run.info.config);
    run.summary = json!({ "commit": "0123456789ab", "version": "0.1.0" });
    run
}

/// Success on `reach`, a normalised return on `walker-walk`, a return as it is on `hopper`, where
/// `surf` is missing.
pub fn runs() -> Vec<FinishedRun> {
    let mut runs = Vec::new();
    for seed in 0..4 {
        for (task, tops) in [
            ("reach", [930.0, 800.0, 760.0]),
            ("walker-walk", [930.0, 640.0, 655.0]),
            ("hopper", [300.0, 280.0, 0.0]),
        ] {
            for (algorithm, top) in ["sac", "pebble", "surf"].into_iter().zip(tops) {
                if top > 0.0 {
                    runs.push(run(task, algorithm, seed, top));
                }
            }
        }
    }
    runs
}

pub fn unfinished(run: FinishedRun, why: Why) -> Unfinished {
    Unfinished {
        dir: run.dir,
        info: Some(run.info),
        why,
    }
}

pub fn failed(run: FinishedRun) -> Unfinished {
    let failure = Failure {
        step: 70_000,
        reason: "the critic's loss is NaN".into(),
    };
    unfinished(run, Why::Failed(failure))
}

/// Five seeds of `surf` on `reach`, the last of which failed, and one folder that is damaged.
pub fn with_failures() -> (Vec<FinishedRun>, Vec<Unfinished>) {
    let mut runs = runs();
    let rest = [("sac", 930.0), ("pebble", 800.0)];
    runs.extend(rest.map(|(algorithm, top)| run("reach", algorithm, 4, top)));
    let damaged = Why::Damaged("eval.jsonl, line 3, is damaged".into());
    let left_out = vec![
        failed(run("reach", "surf", 4, 760.0)),
        unfinished(run("walker-walk", "surf", 9, 1.0), damaged),
    ];
    (runs, left_out)
}

pub fn compare(runs: &[FinishedRun], options: &CompareOptions) -> Result<Comparison, Error> {
    Comparison::new(runs, &[], options)
}
