//! What `prefbench` writes for other tools.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command; whether it succeeded, its output and its errors.
fn prefbench(dir: &Path, line: &str) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    command.current_dir(dir).stdin(Stdio::null());
    let out = command.args(line.split(' ')).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (out.status.success(), text(out.stdout), text(out.stderr))
}

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
        let (ok, out, err) = prefbench(dir, "export tensorboard runs --out tb");
        assert!(
            !ok && err.contains("runs/damaged is not exported: "),
            "{err}"
        );
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
    assert!(prefbench(dir, "export tensorboard runs --out tb").0);
    for (line, part) in [
        ("export tensorboard tb --out other", "tb holds no runs"),
        ("export tensorboard nowhere --out other", "check the path"),
        (
            "export tensorboard runs --out runs",
            "choose another folder",
        ),
    ] {
        let (ok, _, err) = prefbench(dir, line);
        assert!(!ok && err.contains(part), "{line}: {err}");
    }
    assert!(!dir.join("other").exists());
}

#[test]
fn shells_complete_names_and_the_schema_is_printed() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (ok, script, err) = prefbench(dir, &format!("completions {shell}"));
        assert!(ok, "{err}");
        assert!(script.contains("tensorboard"), "{shell}");
    }
    for name in ["quadruped-walk", "pebble", "indistinct", "ndarray"] {
        assert!(
            prefbench(dir, "completions bash").1.contains(name),
            "{name}"
        );
    }
    // Though the shell knows the names, a misspelt one gets our answer.
    let (_, _, err) = prefbench(dir, "run hopperr --algo sac");
    assert!(err.contains("nearest known name is `hopper`"), "{err}");

    let schema: serde_json::Value = serde_json::from_str(&prefbench(dir, "schema").1).unwrap();
    assert_eq!(schema["properties"]["device"]["enum"][0], "flex");
}
