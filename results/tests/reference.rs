//! Reference scores: made of runs, written, read back, and used to normalise.

mod synthetic;

use std::fs;
use std::path::Path;

use prefbench_results::reference::{self, Reference};
use prefbench_results::stats::Interval;
use prefbench_results::table::{Metric, Table, TableOptions};
use prefbench_results::{FinishedRun, RunKey};
use serde_json::{Value, json};
use synthetic::{config, eval, finished};

/// A run of version 1 whose last evaluation has these returns.
fn run(task: &str, algorithm: &str, seed: u64, returns: &[f64]) -> FinishedRun {
    let mut config = config(task, algorithm, None, seed);
    config["task_version"] = json!(1);
    let mut run = finished(config, vec![eval(0, &[9e9]), eval(4_000, returns)]);
    run.summary = json!({ "commit": format!("c{}", seed % 2) });
    run
}

/// Its one early evaluation counts.
fn random(task: &str, returns: &[f64]) -> FinishedRun {
    let mut run = run(task, "random", 0, returns);
    run.evals[0] = eval(0, &[0.0, 40.0]);
    run
}

fn runs(task: &str) -> Vec<FinishedRun> {
    vec![
        random(task, &[10.0, 30.0]),
        run(task, "sac", 0, &[100.0, 120.0]),
        run(task, "sac", 1, &[120.0, 140.0]),
        run(task, "sac", 2, &[130.0, 110.0]),
        run(task, "pebble", 0, &[70.0]),
    ]
}

fn made(runs: &[FinishedRun]) -> Vec<Reference> {
    reference::of_runs(runs)
        .expect("runs that belong together")
        .0
}

fn refusal(runs: &[FinishedRun]) -> String {
    let refused = reference::of_runs(runs).expect_err("runs that do not belong together");
    refused.to_string()
}

#[test]
fn the_committed_file_is_as_it_would_be_written() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/scores.csv");
    let text = fs::read_to_string(&file).expect("the committed file");
    let parsed = reference::parse(&file, &text).expect("the committed file parses");
    assert_eq!(reference::to_csv(&parsed), text);
    assert_eq!(reference::committed(), parsed);
    for r in &parsed {
        assert_eq!(reference::find(&r.task, r.version), Some(r));
        assert_eq!(reference::find(&r.task, r.version + 1), None);
    }
}

#[test]
fn the_expert_is_scored_by_its_last_evaluation_and_chance_by_all() {
    let made = made(&runs("reach"));
    let [r] = &made[..] else { panic!("{made:?}") };
    assert_eq!((&*r.task, r.version, &*r.tier), ("reach", 1, "smoke"));
    let (random, expert) = (&r.random, &r.expert);
    assert_eq!((random.mean, random.seeds, random.episodes), (20.0, 1, 4));
    assert_eq!((expert.mean, expert.seeds, expert.episodes), (120.0, 3, 6));
    assert_eq!((expert.steps, &*expert.commits.join(" ")), (4_000, "c0 c1"));
    // Over the episodes of the one seed, and over the three seeds.
    let interval = |low, high| Some(Interval { low, high });
    assert_eq!(random.interval, interval(5.0, 35.0));
    assert_eq!(expert.interval, interval(110.0, 130.0));
    assert_eq!(random.runs, [runs("reach")[0].key.short()]);
    let scores = [20.0, 120.0, 70.0, 145.0, 0.0].map(|score| r.normalised(score));
    assert_eq!(scores, [0.0, 100.0, 50.0, 125.0, -20.0].map(Some));
}

#[test]
fn nothing_is_normalised_by_an_expert_that_is_no_better_than_chance() {
    let mut r = made(&runs("reach")).remove(0);
    for mean in [r.random.mean, r.random.mean - 1.0] {
        r.expert.mean = mean;
        assert_eq!(r.normalised(50.0), None);
    }
}

#[test]
fn runs_that_do_not_belong_together_are_refused() {
    let with = |key: &str, value: Value| {
        let mut runs = runs("reach");
        runs[3].info.config[key] = value.clone();
        if let Some(tier) = value.as_str() {
            runs[3].info.tier = tier.into();
        }
        runs[3].key = RunKey::of(&runs[3].info.config);
        refusal(&runs)
    };
    for (message, what) in [
        (with("task_version", json!(2)), "versions 1 and 2"),
        (
            with("task_version", Value::Null),
            "reach-sac-s2 has no task_version",
        ),
        (with("tier", json!("short")), "tiers short and smoke"),
        (
            with("steps", json!(9)),
            "`sac` differ in their settings (steps=(absent); steps=9)",
        ),
    ] {
        assert!(
            message.contains("`reach`") && message.contains(what),
            "{message}"
        );
    }
    let empty = [
        run("reach", "random", 0, &[]),
        run("reach", "sac", 0, &[1.0]),
    ];
    assert!(refusal(&empty).contains("reach-random-s0 has no episodes"));
}

#[test]
fn a_task_without_both_roles_is_named_and_left_out() {
    let mut all = runs("reach");
    all.push(run("hopper", "sac", 0, &[1.0]));
    let (made, left_out) = reference::of_runs(&all).expect("runs");
    assert_eq!(made.len(), 1);
    assert!(left_out[0].contains("hopper") && left_out[0].contains("`random`"));
    assert_eq!(left_out.len(), 1);
}

#[test]
fn a_file_keeps_the_other_tasks_and_reads_back_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("scores.csv");
    let read = || {
        let text = fs::read_to_string(&file).expect("the file");
        reference::parse(&file, &text).expect("the file parses")
    };
    let (hopper, reach) = (made(&runs("hopper")), made(&runs("reach")));
    reference::update(&file, &reach).expect("a new file");
    reference::update(&file, &hopper).expect("an old file");
    assert_eq!(read(), [&hopper[..], &reach].concat());

    let mut newer = reach.clone();
    newer[0].version = 2;
    newer[0].expert.mean = 0.1 + 0.2;
    newer[0].expert.interval = None;
    reference::update(&file, &newer).expect("an old file");
    assert_eq!(read(), [hopper, newer].concat());
}

#[test]
fn a_bad_line_is_named() {
    let good = reference::to_csv(&made(&runs("reach")));
    let refused = |text: &str| {
        let refused = reference::parse(Path::new("scores.csv"), text);
        refused.expect_err("a bad file").to_string()
    };
    let lines: Vec<&str> = good.lines().collect();
    for (text, what) in [
        (String::new(), "line 1,"),
        (
            good.replace("expert", "best"),
            "line 3, is no reference score: the role is `best`",
        ),
        (lines[..2].join("\n"), "line 3,"),
        (
            good.replace(",20,", ",NaN,"),
            "line 2, is no reference score: mean is `NaN`",
        ),
        (
            good.replace("reach,1,expert", "reach,2,expert"),
            "the expert of reach v1",
        ),
        (format!("{good}{}\n{}\n", lines[1], lines[2]), "line 4,"),
    ] {
        let message = refused(&text);
        assert!(
            message.starts_with("scores.csv,") && message.contains(what),
            "{message}"
        );
    }
}

#[test]
fn a_table_normalises_the_version_that_its_references_hold_for() {
    let runs = runs("reach");
    let mut options = TableOptions {
        references: made(&runs),
        ..TableOptions::default()
    };
    let normalised = |options: &TableOptions| -> Vec<(String, f64)> {
        let rows = Table::new(&runs, &[], options).rows.into_iter();
        rows.filter(|row| row.metric == Metric::Normalised)
            .map(|row| (row.algorithm, row.iqm))
            .collect()
    };
    let expected = [("pebble", 50.0), ("random", 0.0), ("sac", 100.0)];
    assert_eq!(
        normalised(&options),
        expected.map(|(a, x)| (a.to_owned(), x))
    );
    let text = Table::new(&runs, &[], &options).terminal();
    let note = "an expert: 20.0 and 120.0 on reach (sac, smoke, 4_000 steps).";
    assert!(text.contains(note), "{text}");

    options.references[0].version = 2;
    let plain = Table::new(&runs, &[], &options);
    options.references.clear();
    assert_eq!(plain, Table::new(&runs, &[], &options));
    assert_eq!(normalised(&options), []);
    options.metrics = Some(vec![Metric::Normalised]);
    let text = Table::new(&runs, &[], &options).terminal();
    assert!(
        text.contains("Not normalised") && text.contains("chance): reach."),
        "{text}"
    );
}
