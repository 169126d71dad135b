//! Tables of made-up runs against committed ones, and the rules of what is averaged with what.

mod synthetic;

use std::path::PathBuf;

use prefbench_results::group::{group, spell_seeds};
use prefbench_results::stats::Bootstrap;
use prefbench_results::table::{Metric, Row, Table, TableOptions};
use prefbench_results::{FinishedRun, RunKey, Unfinished, Why};
use serde_json::json;
use synthetic::{assert_expected, config, eval, finished, sweep};

fn options() -> TableOptions {
    TableOptions {
        bootstrap: Bootstrap {
            resamples: 2_000,
            ..Bootstrap::default()
        },
        // The committed ones grow.
        references: Vec::new(),
        metrics: None,
    }
}

fn unfinished() -> Vec<Unfinished> {
    let why = [
        Why::NotFinished {
            last_step: Some(40_000),
        },
        Why::Damaged("eval.jsonl, line 3, is damaged".into()),
    ];
    let dirs = ["runs/walker-walk-random-s4", "runs/reach-sac-s9"];
    let listed = dirs.into_iter().zip(why);
    listed
        .map(|(dir, why)| Unfinished {
            dir: PathBuf::from(dir),
            info: None,
            why,
        })
        .collect()
}

#[test]
fn every_form_is_as_committed() {
    let table = Table::new(&sweep(), &unfinished(), &options());
    assert_expected("table.txt", &table.terminal());
    assert_expected("table.md", &table.markdown());
    assert_expected("table.csv", &table.csv());
    assert_expected("seeds.csv", &table.seeds_csv());
}

#[test]
fn the_order_of_runs_does_not_matter() {
    let table = Table::new(&sweep(), &unfinished(), &options());
    let mut reversed = sweep();
    reversed.reverse();
    assert_eq!(Table::new(&reversed, &unfinished(), &options()), table);
}

/// Two seeds with scores 10 and 20, told apart only by what `change` does to the second's config.
fn rows_of_two(change: impl Fn(&mut serde_json::Value)) -> Vec<Row> {
    let run = |seed: u64| {
        finished(
            config("reach", "sac", None, seed),
            vec![eval(5, &[10.0 * (seed + 1) as f64])],
        )
    };
    let (one, mut two) = (run(0), run(1));
    change(&mut two.info.config);
    two.key = RunKey::of(&two.info.config);
    Table::new(&[one, two], &[], &options()).rows
}

#[test]
fn only_the_seed_is_averaged_over() {
    let rows = rows_of_two(|_| {});
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].mean, &*rows[0].seeds, &*rows[0].variant),
        (15.0, &[0, 1][..], "")
    );

    let rows = rows_of_two(|config| config["sac"]["lr"] = json!(0.001));
    let variants: Vec<&str> = rows.iter().map(|row| &*row.variant).collect();
    assert_eq!(variants, ["sac.lr=0.0003", "sac.lr=0.001"]);
    assert_eq!((rows[0].mean, rows[1].mean), (10.0, 20.0));

    let rows = rows_of_two(|config| config["notch"] = json!({"depth": 2, "kinds": []}));
    let variants: Vec<&str> = rows.iter().map(|row| &*row.variant).collect();
    assert_eq!(
        variants,
        [
            "notch.depth=(absent), notch.kinds=(absent)",
            "notch.depth=2, notch.kinds=[]"
        ]
    );
}

#[test]
fn the_last_evaluation_is_the_score() {
    let evals = vec![eval(1, &[900.0]), eval(2, &[1.0, 2.0, 6.0])];
    let table = Table::new(
        &[finished(config("reach", "sac", None, 0), evals)],
        &[],
        &options(),
    );
    assert_eq!(table.rows[0].scores, [3.0]);
    assert_eq!((table.rows[0].interval, table.rows[0].std), (None, None));
    assert!(table.rows[0].preliminary());
    assert!(table.terminal().contains("1†"));
}

#[test]
fn success_is_shown_where_it_was_ever_reported_or_asked_for() {
    let run = |success: bool| -> FinishedRun {
        let mut evals = vec![
            eval(1, &[5.0, 5.0, 5.0, 5.0]),
            eval(2, &[5.0, 5.0, 5.0, 5.0]),
        ];
        evals[0].episodes[0].success = success;
        finished(config("reach", "sac", None, 0), evals)
    };
    let metrics = |run: FinishedRun, metrics| -> Vec<Metric> {
        let options = TableOptions {
            metrics,
            ..options()
        };
        Table::new(&[run], &[], &options)
            .rows
            .iter()
            .map(|row| row.metric)
            .collect()
    };
    assert_eq!(metrics(run(false), None), [Metric::Return]);
    assert_eq!(metrics(run(true), None), [Metric::Return, Metric::Success]);
    assert_eq!(
        metrics(run(false), Some(vec![Metric::Success])),
        [Metric::Success]
    );
    let table = Table::new(&[run(false)], &[], &options());
    assert!(
        table
            .notes
            .iter()
            .any(|note| note.contains("No run ever reported a success on: reach"))
    );
}

#[test]
fn runs_without_a_score_are_listed_not_averaged() {
    let with = finished(config("reach", "sac", None, 0), vec![eval(1, &[4.0])]);
    let without = finished(config("reach", "sac", None, 1), vec![eval(1, &[])]);
    let never = finished(config("reach", "sac", None, 2), vec![]);
    let table = Table::new(&[with, without, never], &unfinished(), &options());
    assert_eq!((table.rows.len(), &*table.rows[0].seeds), (1, &[0][..]));
    let note = table.notes.last().map(String::as_str).unwrap_or_default();
    assert!(note.starts_with("Not averaged, 4 runs:"), "{note}");
    assert!(
        note.contains("reach-sac-s1") && note.contains("reach-sac-s2"),
        "{note}"
    );
}

#[test]
fn equal_seeds_are_not_flagged() {
    let flagged = |runs: &[FinishedRun]| {
        Table::new(runs, &[], &options())
            .notes
            .iter()
            .any(|note| note.starts_with("Unequal seeds"))
    };
    let mut runs = sweep();
    assert!(flagged(&runs));
    runs.retain(|run| run.info.algorithm != "random");
    assert!(!flagged(&runs));
}

#[test]
fn a_csv_field_with_a_comma_is_quoted() {
    let mut odd = finished(config("reach", "sac", None, 0), vec![eval(1, &[4.0])]);
    odd.info.task = "reach, \"far\"".into();
    let csv = Table::new(&[odd], &[], &options()).csv();
    assert!(csv.contains("\n\"reach, \"\"far\"\"\",sac,"), "{csv}");
}

#[test]
fn seeds_are_spelled_short() {
    let cases: [(&[u64], &str); 5] = [
        (&[], ""),
        (&[7], "7"),
        (&[1, 2], "1, 2"),
        (&[0, 1, 2, 3], "0–3"),
        (&[0, 2, 3, 4, 9], "0, 2–4, 9"),
    ];
    for (seeds, expected) in cases {
        assert_eq!(spell_seeds(seeds), expected);
    }
}

#[test]
fn groups_hold_their_runs_in_order_of_seed() {
    let mut runs = sweep();
    runs.reverse();
    for group in group(&runs) {
        assert!(group.runs.is_sorted_by_key(|run| run.info.seed));
    }
}

/// Each dataset is a task of its own, and the best evaluation stands beside the last.
#[test]
fn offline_rows_bear_their_datasets_name_and_the_best_evaluation() {
    let run = |name: &str, hash: &str, seed: u64| {
        let mut config = config("hopper", "cpl", Some("oracle"), seed);
        config["dataset"] = json!({ "name": name, "hash": hash });
        let scores = [[10.0], [30.0], [20.0]].map(|[score]| score + seed as f64);
        let evals = (0..).zip(scores).map(|(step, score)| eval(step, &[score]));
        finished(config, evals.collect())
    };
    let mut runs: Vec<FinishedRun> = [("medium", "a"), ("expert", "b")]
        .iter()
        .flat_map(|(name, hash)| [0, 1].map(|seed| run(name, hash, seed)))
        .collect();
    let rows = Table::new(&runs, &[], &options()).rows;
    let named: Vec<_> = rows.iter().map(|row| (&*row.task, &*row.variant)).collect();
    assert_eq!(named, [("hopper expert", ""), ("hopper medium", "")]);
    assert!(
        rows.iter()
            .all(|row| row.mean == 20.5 && row.best == Some(30.5))
    );
    let text = Table::new(&runs, &[], &options()).terminal();
    assert!(text.contains("best") && text.contains("30.5"), "{text}");

    // One name for two contents is not enough.
    runs.push(run("medium", "c", 0));
    let rows = Table::new(&runs, &[], &options()).rows;
    let last = &rows.last().unwrap().variant;
    assert!(last.contains("dataset.hash="), "{last}");
    // Runs that act have no such column.
    assert!(
        !Table::new(&sweep(), &[], &options())
            .terminal()
            .contains("best")
    );
}
