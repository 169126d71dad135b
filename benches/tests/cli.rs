//! The binary as its user meets it: results that repeat to the bit, runs that survive anything,
//! errors that say what to do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
#[cfg(unix)]
use std::{process::Command, thread::sleep, time::Duration};

mod common;
use common::{
    Told, bytes_of, command, ok, only_run, prefbench, refused, run_through_kills, runs, same,
};

/// A PEBBLE run of a few seconds that goes through every phase: random, unsupervised, feedback.
const TINY: &str = "run reach --algo pebble --set steps=1600 --set eval_every=400 --set eval_episodes=1 \
    --set checkpoint_every=200 --set agent.seed_steps=250 --set agent.unsupervised_steps=250 \
    --set agent.reset_updates=5 --set agent.sac.hidden=[16,16] --set agent.sac.batch=16 \
    --set agent.reward.hidden=[16] --set agent.reward.epochs=2 --set agent.feedback.every=300 \
    --set agent.feedback.budget=30 --set agent.feedback.per_session=10";

/// Episodes that terminate early, and a learner without feedback.
const HOPPER: &str = "run hopper --algo sac --set steps=4000 --set eval_every=700 --set eval_episodes=2 \
    --set checkpoint_every=300 --set agent.seed_steps=300 --set agent.sac.hidden=[16,16] \
    --set agent.sac.batch=16";

/// An evaluation that takes long and draws from a stream of the learner's.
const RANDOM: &str = "run reach --algo random --set steps=9000 --set eval_every=3000 --set eval_episodes=10 \
    --set checkpoint_every=1000";

fn undisturbed(line: &str) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), line);
    bytes_of(&only_run(dir.path()))
}

#[test]
fn equal_commands_give_equal_bytes_and_a_finished_run_is_left_alone() {
    let first = undisturbed(TINY);
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), TINY);
    let run = only_run(dir.path());
    same(&first, &bytes_of(&run));

    let done = fs::read(run.join("done.json")).unwrap();
    let Told { err, .. } = ok(dir.path(), TINY);
    assert!(err.contains("finished before"), "{err}");
    assert_eq!(done, fs::read(run.join("done.json")).unwrap());
    same(&first, &bytes_of(&run));
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    for line in [TINY, HOPPER, RANDOM] {
        let dir = tempfile::tempdir().unwrap();
        run_through_kills(dir.path(), line);
        same(&undisturbed(line), &bytes_of(&only_run(dir.path())));
    }
}

/// Stops a run in the middle by a signal.
#[cfg(unix)]
fn interrupt(dir: &Path) -> Told {
    let child = command(dir, TINY)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Two generations of checkpoints, so that there is one to fall back to.
    let generations = || {
        let runs = fs::read_dir(dir.join("runs")).ok()?;
        let runs = runs.filter_map(|e| fs::read_dir(e.ok()?.path()).ok());
        let files = runs
            .flatten()
            .filter_map(|e| e.ok()?.file_name().into_string().ok());
        Some(files.filter(|name| name.starts_with("checkpoint-")).count())
    };
    while generations().unwrap_or(0) < 2 {
        sleep(Duration::from_millis(2));
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.unwrap().success());
    child.wait_with_output().unwrap().into()
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_says_so_and_the_same_command_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let Told { code, err, .. } = interrupt(dir.path());
    assert_eq!(code, Some(130), "{err}");
    for part in ["saved at step", "same command resumes"] {
        assert!(err.contains(part), "{err}");
    }

    let Told { err, .. } = ok(dir.path(), TINY);
    assert!(err.contains("resuming at step"), "{err}");
    same(&undisturbed(TINY), &bytes_of(&only_run(dir.path())));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_or_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), TINY);
    let run = only_run(dir.path());
    fs::remove_file(run.join("done.json")).unwrap();
    let learner = bytes_of(&run)
        .into_keys()
        .find(|k| k.ends_with(".safetensors"))
        .unwrap();
    let learner = run.join(learner);
    let good = fs::read(&learner).unwrap();
    fs::write(&learner, &good[..good.len() / 2]).unwrap();
    let before = bytes_of(&run);
    refused(dir.path(), TINY, &["learner.safetensors"]);
    same(&before, &bytes_of(&run));
    fs::write(&learner, good).unwrap();
    ok(dir.path(), TINY);
}

#[cfg(unix)]
#[test]
fn a_torn_checkpoint_costs_only_the_steps_since_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    interrupt(dir.path());
    let run = only_run(dir.path());
    let files = bytes_of(&run);
    let newest = files
        .keys()
        .rfind(|k| k.ends_with("learner.safetensors"))
        .unwrap();
    fs::write(run.join(newest), &files[newest][..100]).unwrap();
    let Told { err, .. } = ok(dir.path(), TINY);
    for part in ["warning", newest] {
        assert!(err.contains(part), "{err}");
    }
    same(&undisturbed(TINY), &bytes_of(&run));
}

#[test]
fn a_grid_ends_with_a_table_and_figures() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let line = "run reach --algo random,sac --seed 0..2 --set steps=600 --set eval_episodes=1";
    let text = ok(dir, line).out;
    for part in ["random", "sac", "IQM", "smoke", ".png", ".svg"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    let drawn = |line: &&str| line.ends_with(".png") || line.ends_with(".svg");
    for line in text.lines().filter(drawn) {
        assert!(fs::metadata(dir.join(line)).unwrap().len() > 1000, "{line}");
    }
    // Its short episodes have no reference scores.
    refused(dir, "plot --metric normalised", &["nothing to draw"]);
    for format in ["markdown", "csv", "seeds"] {
        let table = ok(dir, &["table", "--format", format]).out;
        assert!(table.contains("random"), "{format}");
    }
    let of_sac = |run: &PathBuf| run.to_string_lossy().contains("sac-none-s1");
    let run = runs(dir).into_iter().find(of_sac).unwrap();
    let csv = ok(dir, &["rollout", run.to_str().unwrap()]).out;
    assert!(csv.starts_with("episode,step,hand_x"), "{}", &csv[..60]);
    assert!(csv.lines().count() > 2);
}

#[test]
fn bad_input_gets_one_clear_error_and_writes_nothing() {
    let cases: &[(&str, &[&str])] = &[
        ("run hoper --algo sac", &["hoper", "hopper"]),
        ("run reach --algo pebbel", &["pebbel", "pebble"]),
        (
            "run reach --algo pebble --teacher oracel",
            &["oracel", "oracle"],
        ),
        (
            "run reach --algo sac --teacher oracle",
            &["--teacher", "sac"],
        ),
        (
            "run reach --algo sac --set agent.sac.bacth=3",
            &["agent.sac.batch"],
        ),
        (
            "run reach --algo sac --set steps=many",
            &["steps", "number"],
        ),
        (
            "run reach --algo sac --set agent.sac.tau=nan",
            &["tau", "finite"],
        ),
        (
            "run reach --algo sac --set agent.sac.tau=7",
            &["agent.sac.tau", "7"],
        ),
        ("run reach --algo sac --device flxe", &["flxe", "flex"]),
        ("run reach --algo sac --config none.toml", &["none.toml"]),
        ("run reach --algo sac --out /proc/self", &["/proc/self"]),
        ("run reach", &["--algo"]),
        (
            "run reach --algo pebble --set teacher=oracel",
            &["oracel", "oracle"],
        ),
        ("run reach --algo sac --set tier=fast", &["fast", "full"]),
        ("suite quick --set seed=9", &["seed", "no effect"]),
        (
            "run reach --algo pebble --set agent.feedback.segment=300",
            &["agent.feedback.segment", "300", "100"],
        ),
        (
            "run reach --algo pebble --set steps=1000",
            &["unsupervised_steps", "1000"],
        ),
        ("run --algo sac", &["task"]),
        ("table nowhere", &["nowhere"]),
        ("plot nowhere", &["nowhere"]),
        ("rollout nowhere", &["nowhere"]),
    ];
    for (line, parts) in cases {
        let dir = tempfile::tempdir().unwrap();
        let told = refused(dir.path(), *line, parts);
        assert_eq!(told.lines().count(), 1, "{line}: {told}");
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            0,
            "{line} wrote something"
        );
    }
}

/// On a machine with an NVIDIA driver and a CUDA build this device works; elsewhere it says why not.
#[test]
fn cuda_works_or_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let Told { code, err, .. } = prefbench(dir.path(), &format!("{TINY} --device cuda"));
    let explained = err.lines().count() == 1 && err.contains("cuda");
    assert!(code == Some(0) || explained, "{err}");
}

#[test]
fn reference_scores_come_from_runs_of_both_roles() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs");
    let dir = tempfile::tempdir().unwrap();
    let line = |runs: &str| format!("reference {}/{runs} --out scores.csv", committed.display());
    ok(dir.path(), &line("2026-11-24-locomotion-sac-short"));
    let written = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
    let rows: Vec<&str> = written.lines().skip(1).collect();
    assert!(rows[2].starts_with("cheetah-run,1,random,random,short,10000,2,60,6.423"));
    assert!(rows[3].starts_with("cheetah-run,1,expert,sac,short,100000,2,20,279.46"));
    for (runs, part) in [
        ("2026-11-24-hopper-sac-short", "no finished run of `random`"),
        ("2026-11-26-reach-smoke", "a `horizon` of its own"),
    ] {
        refused(dir.path(), &line(runs), &[part]);
    }
    let unchanged = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
    assert_eq!(unchanged, written);
}
