//! Datasets on the command line: made, checked, labelled, reported on, converted.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

mod common;
use common::{only_run, refused};

fn ok(dir: &Path, line: &str) -> String {
    common::ok(dir, line).out
}

fn table(dir: &Path, dataset: &str, name: &str) -> Vec<u8> {
    fs::read(dir.join(dataset).join(name)).unwrap()
}

const SAC: &str = "run hopper --algo sac --set steps=1200 --set eval_every=600 --set eval_episodes=1 \
                   --set checkpoint_every=600 --set agent.seed_steps=300 --set agent.sac.hidden=[16,16] \
                   --set agent.sac.batch=16";

#[test]
fn a_dataset_is_made_checked_labelled_and_judged() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(dir, SAC);
    let run = only_run(dir);
    let run = run.strip_prefix(dir).unwrap().to_str().unwrap();

    // From chance, from a policy with noise, and from what the run has seen: all can be replayed.
    let make = format!(
        "dataset make hopper --from random --from {run} --from replay:{run} --episodes 9 --noise 0.3 --seed 4 --out"
    );
    let made = ok(dir, &format!("{make} d"));
    for part in [
        "hopper, v2: observation 11, action 3, true rewards",
        "random ",
        run,
        "no answers yet",
    ] {
        assert!(made.contains(part), "{made}\nlacks {part}");
    }
    let checked = ok(dir, "dataset check d --episodes 100");
    assert!(
        checked.contains("ok: 9 episodes replayed in hopper, equal to the bit"),
        "{checked}"
    );
    ok(dir, &format!("{make} again"));
    for name in ["steps.parquet", "episodes.parquet"] {
        assert!(
            table(dir, "d", name) == table(dir, "again", name),
            "{name} differs for one seed"
        );
    }
    refused(dir, &format!("{make} d"), &["d exists already"]);
    // A policy plays to the dataset's horizon; what was seen had the run's.
    let short = ok(
        dir,
        &format!("dataset make hopper --from {run} --episodes 2 --horizon 5 --out h"),
    );
    assert!(short.contains("2 truncated"), "{short}");
    ok(dir, "dataset check h");
    let longer = format!("dataset make hopper --from replay:{run} --horizon 5 --out i");
    refused(dir, &longer, &["say --horizon 1000"]);

    let label = "label d --segment 5 --queries 200 --teacher";
    assert!(
        ok(dir, &format!("{label} oracle"))
            .contains("oracle: 200 queries asked, 200 answered; 200 rows")
    );
    refused(dir, &format!("{label} oracle"), &["--fresh replaces them"]);
    let first = table(dir, "d", "preferences.parquet");
    ok(dir, &format!("{label} oracle --fresh"));
    assert!(
        first == table(dir, "d", "preferences.parquet"),
        "the same command gives other answers"
    );
    ok(dir, &format!("{label} mistake --set mistake=0.5 --seed 1"));
    let ranked = ok(dir, &format!("{label} oracle --scheme lire --per-list 30"));
    let rows: Vec<&str> = ranked
        .split(' ')
        .filter(|w| w.parse::<u32>().is_ok())
        .collect();
    assert!(
        ranked.contains("oracle lire: 200 queries asked, 200 answered; "),
        "{ranked}"
    );
    ok(dir, &format!("{label} oracle --scheme seqrank"));
    ok(dir, &format!("{label} regret --expert {run}"));
    assert!(ok(dir, "dataset check d").contains("ok: the returns of"));
    let info = ok(dir, "dataset info d");
    for part in [
        "mistake mistake=0.5",
        "oracle lire",
        "oracle seqrank",
        "regret",
    ] {
        assert!(info.contains(part), "{info}\nlacks {part}");
    }
    // Of ranked lists the queries are told from the rows.
    let row = info
        .lines()
        .find(|l| l.trim_start().starts_with("oracle lire"));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    assert_eq!(words[2..4], ["200", rows[2]], "{info}\n{ranked}");

    let stored = ok(dir, "teachers d --stored --format csv");
    let wrong = |name: &str| -> f64 {
        let row = stored
            .lines()
            .find(|l| l.starts_with(&format!("{name},")))
            .unwrap();
        row.split(',').nth(4).unwrap().parse().unwrap()
    };
    assert_eq!(
        (
            wrong("oracle"),
            wrong("oracle lire"),
            wrong("oracle seqrank")
        ),
        (0.0, 0.0, 0.0)
    );
    assert!(
        (35.0..65.0).contains(&wrong("mistake mistake=0.5")),
        "{stored}"
    );

    let report = ok(dir, "teachers d --segment 5 --queries 500 --out plots");
    assert!(
        report.contains("boltzmann") && !report.contains("regret"),
        "{report}"
    );
    assert!(
        fs::read(dir.join("plots/hopper-teachers-1.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    let svg = fs::read_to_string(dir.join("plots/hopper-teachers-1.svg")).unwrap();
    assert!(svg.contains("agreement with the true returns (%)"));

    // To Minari and back: the episodes are the same.
    ok(dir, "dataset export minari d exported-v0");
    ok(dir, "dataset import minari exported-v0 --out back");
    let info = ok(dir, "dataset info back");
    assert!(
        info.contains("observation 11, action 3, true rewards"),
        "{info}"
    );
}

#[test]
fn an_expert_makes_episodes_of_any_horizon() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(
        dir,
        "dataset make button-press --from expert --from random --episodes 4 --noise 0.1 --horizon 120 --out d",
    );
    let checked = ok(dir, "dataset check d --episodes 4");
    for part in ["4 episodes, 480 transitions", "ok: 4 episodes replayed"] {
        assert!(checked.contains(part), "{checked}\nlacks {part}");
    }
    let rows = ok(dir, "rollout button-press --expert");
    let succeeded = rows.lines().filter(|row| row.ends_with(",true")).count();
    assert!(
        succeeded > 100,
        "the expert holds success for {succeeded} steps"
    );
    // Who wanders through a maze comes by many places.
    ok(
        dir,
        "dataset make pointmaze-umaze --from roam --episodes 2 --out w",
    );
    let info = ok(dir, "dataset info w");
    assert!(info.contains(" roam "), "{info}");
    // Experts that are misled do less.
    ok(
        dir,
        "dataset make button-press --from expert --from expert:elsewhere --from expert:door-open --episodes 9 --out m",
    );
    ok(dir, "dataset check m --episodes 9");
    let info = ok(dir, "dataset info m");
    let success = |who: &str| -> u32 {
        let row = info
            .lines()
            .find(|l| l.split_whitespace().next() == Some(who));
        let words: Vec<&str> = row.unwrap().split_whitespace().collect();
        words[6].parse().unwrap()
    };
    assert_eq!(success("expert"), 100, "{info}");
    assert!(success("expert:elsewhere") < 100, "{info}");
    assert_eq!(success("expert:door-open"), 0, "{info}");
    for (line, says) in [
        (
            "dataset make reach --from roam --out x",
            "reach is not a maze",
        ),
        (
            "dataset make pointmaze-umaze --from expert:elsewhere --out x",
            "observes nothing but the ball",
        ),
        (
            "dataset pool hopper random scripted-mixed",
            "hopper has no scripted expert",
        ),
        (
            "dataset pool pointmaze-umaze scripted-mixed",
            "no other task of maze has an expert for it",
        ),
        ("dataset make reach --from expert:rech --out x", "rech"),
        (
            "dataset make reach --from expert:hopper --out x",
            "hopper has no scripted expert",
        ),
        (
            "dataset make reach --from expert:lift --out x",
            "lift observes or does other things than reach",
        ),
    ] {
        refused(dir, line, &[says]);
    }
    for line in [
        "dataset make hopper --from expert --out x",
        "rollout hopper --expert",
    ] {
        refused(dir, line, &["hopper has no scripted expert", "reach"]);
    }
}

/// Each reads all answers and writes them back with its own.
#[test]
fn labels_that_are_made_at_once_are_all_kept() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(dir, "dataset make reach --episodes 20 --out d");
    std::thread::scope(|scope| {
        for i in 0..8 {
            let line = format!("label d --queries 100 --seed {i} --name n{i}");
            scope.spawn(move || ok(dir, &line));
        }
    });
    let info = ok(dir, "dataset info d");
    for i in 0..8 {
        assert!(info.contains(&format!(" n{i} ")), "{info}");
    }
}

#[test]
fn labels_of_two_sources_stand_beside_each_other() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(dir, "dataset make reach --episodes 4 --out d");
    // As if it had come from a D4RL file.
    let json = fs::read_to_string(dir.join("d/dataset.json")).unwrap();
    let counted = "\"schema\": 1, \"counting\": {\"d4rl\": {\"dropped\": []}},";
    let json = json.replace("\"schema\": 1,", counted);
    fs::write(dir.join("d/dataset.json"), json).unwrap();
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../oracles/tests/import");
    let import = |format: &str, folder: &str, rest: &str| {
        format!("dataset import {format} {samples}/{folder} --into d --segment 8{rest}")
    };
    let pt = import("preference-transformer", "labels_pt", "");
    let added = ok(dir, &pt);
    let before = table(dir, "d", "preferences.parquet");
    for again in [pt, import("uni-rlhf", "labels_uni_human", "")] {
        let parts = [
            "d already has 60 answers of \"human\": ",
            "--name gives these another name",
        ];
        refused(dir, &again, &parts);
    }
    assert!(before == table(dir, "d", "preferences.parquet"));
    let uni = ok(dir, &import("uni-rlhf", "labels_uni_human", " --name uni"));
    assert_eq!((&added[..3], &uni[..3]), ("60 ", "60 "), "{added}{uni}");
    let info = ok(dir, "dataset info d");
    assert!(info.contains(" human ") && info.contains(" uni "), "{info}");
}

#[test]
fn a_changed_dataset_fails_its_check() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(dir, "dataset make reach --episodes 2 --out d");
    ok(dir, "dataset make reach --episodes 2 --seed 1 --out other");
    // Episodes of one seed that tell of another.
    fs::copy(
        dir.join("other/episodes.parquet"),
        dir.join("d/episodes.parquet"),
    )
    .unwrap();
    refused(
        dir,
        "dataset check d",
        &["episode 0, step 0: ", "when replayed"],
    );
    let json = fs::read_to_string(dir.join("d/dataset.json")).unwrap();
    let version = json.replace("\"task_version\": 2", "\"task_version\": 99");
    assert_ne!(json, version);
    fs::write(dir.join("d/dataset.json"), version).unwrap();
    let part = "the dataset is of version 99 of reach, and this prefbench has version 2";
    refused(dir, "dataset check d", &[part]);
}

#[test]
fn bad_input_says_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    ok(dir, "dataset make reach --episodes 1 --out d");
    fs::write(dir.join("x.hdf5"), "no HDF5 at all").unwrap();
    let cases = [
        ("dataset info nowhere", "nowhere/dataset.json: "),
        (
            "dataset make reach --episodes 0 --out e",
            "--episodes is 0, but must be at least 1",
        ),
        (
            "dataset make reach --noise=-1 --out e",
            "--noise is -1, but must be at least 0",
        ),
        (
            "dataset make reach --from runs/x --out e",
            "nor an `expert` nor such a run",
        ),
        (
            "dataset import d4lr x.hdf5 --out e",
            "did you mean \"d4rl\"?",
        ),
        (
            "dataset import d4rl x.hdf5",
            "say with --out where to write it",
        ),
        ("dataset import d4rl x.hdf5 --out e", "x.hdf5"),
        ("label d --teacher orcale", "did you mean \"oracle\"?"),
        (
            "label d --teacher regret",
            "give --expert and the folder of a finished run of sac",
        ),
        ("label d --teacher oracle --expert runs/x", "asks no expert"),
        (
            "teachers d --teacher oracle --expert runs/x",
            "none of oracle asks an expert",
        ),
        ("label d --segment 500", "one episode alone holds a segment"),
        (
            "teachers d --teacher oracle --segment 500",
            "one episode alone holds a segment",
        ),
        ("label d --scheme lire --per-list 0", "0 is not in 1.."),
        (
            "dataset make reach --noise 0.3 --out e",
            "--noise and --random are for a policy's actions",
        ),
        (
            "label d --teacher mistake --set mistake=2",
            "teacher.mistake = 2 is invalid: it must be in [0, 1]",
        ),
        ("label d --teacher mistake --set mistaken=1", "mistaken"),
        (
            "label d --segment 5000",
            "no episode holds a segment of 5000 steps",
        ),
        (
            "label d --queries 0",
            "--queries is 0, but must be from 1 to 10000000",
        ),
        (
            "label d --queries 1000000000000",
            "--queries is 1000000000000, but must be from 1 to 10000000",
        ),
        (
            "teachers d --queries 18446744073709551615",
            "--queries is 18446744073709551615, but must be",
        ),
        (
            "label d --segment 1 --scheme lire --queries 90000 --per-list 90000",
            "pairs, but at most 10000000 are kept: ask fewer --queries",
        ),
        (
            "label d --scheme seqrank --per-list 30",
            "--per-list is for --scheme lire",
        ),
        (
            "label d --teacher skip --set compat=true",
            "`compat` is true, but it changes thresholds from the second session",
        ),
        ("teachers d --stored", "`prefbench label` adds some"),
    ];
    for (line, part) in cases {
        refused(dir, line, &[part]);
    }
    assert!(!dir.join("e").exists());
}
