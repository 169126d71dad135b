//! What `prefbench` writes for other tools.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

mod common;
use common::{Told, ok, prefbench, refused};

#[test]
fn every_run_but_the_damaged_becomes_an_event_file() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let results =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs/2026-11-26-reach-smoke");
    for (name, from) in [
        ("finished", "reach-pebble-oracle-s0-98b69db8ed62315d"),
        ("stopped", "reach-pebble-oracle-s1-331c486e074327e4"),
        ("damaged", "reach-random-none-s0-af9aef94066189f6"),
    ] {
        let to = dir.join("runs").join(name);
        fs::create_dir_all(&to).unwrap();
        for file in fs::read_dir(results.join(from)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    fs::remove_file(dir.join("runs/stopped/done.json")).unwrap();
    fs::write(dir.join("runs/damaged/eval.jsonl"), "{}\n").unwrap();

    for written in [2, 0] {
        let Told { code, out, err } = prefbench(dir, "export tensorboard runs --out tb");
        assert_ne!(code, Some(0));
        assert!(err.contains("runs/damaged is not exported: "), "{err}");
        let told = format!("{written} event files written to tb, {} were", 2 - written);
        assert!(out.contains(&told), "{out}");
    }
    let mut names: Vec<_> = fs::read_dir(dir.join("tb"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["finished", "stopped"]);

    fs::remove_dir_all(dir.join("runs/damaged")).unwrap();
    ok(dir, "export tensorboard runs --out tb");
    for (line, part) in [
        ("export tensorboard tb --out other", "tb holds no runs"),
        ("export tensorboard nowhere --out other", "check the path"),
        (
            "export tensorboard runs --out runs",
            "choose another folder",
        ),
    ] {
        refused(dir, line, &[part]);
    }
    assert!(!dir.join("other").exists());
}

#[test]
fn shells_complete_names_and_the_schema_is_printed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = ok(dir, &["completions", shell]).out;
        assert!(script.contains("tensorboard"), "{shell}");
    }
    let script = ok(dir, "completions bash").out;
    for name in ["quadruped-walk", "pebble", "indistinct", "ndarray"] {
        assert!(script.contains(name), "{name}");
    }
    // Though the shell knows the names, a misspelt one gets our answer.
    refused(
        dir,
        "run hopperr --algo sac",
        &["nearest known name is `hopper`"],
    );

    let schema: serde_json::Value = serde_json::from_str(&ok(dir, "schema").out).unwrap();
    assert_eq!(schema["properties"]["device"]["enum"][0], "flex");
}
