//! Sweeps as their user meets them. The drills in benches/drills do worse to them, and for longer.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

mod common;
use common::{Told, command, ok, refused, runs};

const GRID: &str = "
    tasks = ['reach']
    algorithms = ['random', 'sac']
    seeds = '0..2'
    set.eval_every = 400
    set.eval_episodes = 1
    set.checkpoint_every = 200
    set.steps = 1200
    [[cells]]
    algorithms = ['random']
    [[cells]]
    algorithms = ['sac']
    set.agent = { seed_steps = 300, sac = { hidden = [16, 16], batch = 16 } }
";

fn grid(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(name), text).unwrap();
}

/// The runs of a folder and their logs.
fn logs(out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let runs = fs::read_dir(out).unwrap().map(|e| e.unwrap().path());
    let mut logs: Vec<_> = runs
        .filter(|run| run.join("done.json").exists())
        .map(|run| {
            let log = fs::read(run.join("eval.jsonl")).unwrap();
            (run.strip_prefix(out).unwrap().to_path_buf(), log)
        })
        .collect();
    logs.sort();
    logs
}

#[test]
fn a_sweep_whose_processes_are_killed_ends_as_an_undisturbed_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    grid(at, "grid.toml", GRID);
    ok(at, "sweep grid.toml --out whole");
    let whole = logs(&at.join("whole"));
    assert_eq!(whole.len(), 4);

    // A run dies: the sweep begins it again by itself.
    let mut sweep = command(at, "sweep grid.toml --out torn --jobs 1");
    let mut sweep = sweep
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let child = || {
        let pid = sweep.id().to_string();
        let found = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
        String::from_utf8_lossy(&found.stdout)
            .lines()
            .next()
            .map(str::to_owned)
    };
    let victim = loop {
        match child() {
            Some(pid) => break pid,
            None => sleep(Duration::from_millis(2)),
        }
    };
    assert!(
        Command::new("kill")
            .args(["-9", &victim])
            .status()
            .unwrap()
            .success()
    );
    // The sweep dies: its runs stop by themselves, and the same command goes on.
    sleep(Duration::from_millis(2600));
    sweep.kill().unwrap();
    let Told { err, .. } = sweep.wait_with_output().unwrap().into();
    for part in ["signal: 9", "trying again"] {
        assert!(err.contains(part), "{err}");
    }
    ok(at, "sweep grid.toml --out torn");
    assert_eq!(logs(&at.join("torn")), whole);
    assert!(ok(at, "status torn").out.contains("4 runs: 4 finished"));
    let left = ok(at, "sweep grid.toml --out torn --seed 0..3 --dry-run").out;
    assert!(
        left.ends_with("2 runs in torn; 4 more have ended\n"),
        "{left}"
    );
    // As the sweep itself would be.
    let other = "sweep grid.toml --out torn --seed 1..3 --dry-run";
    refused(at, other, &["2 of whose 4 cells are not in this one"]);

    // Halves made apart come together.
    for (seed, out) in [("0", "a"), ("1", "b")] {
        ok(at, &["sweep", "grid.toml", "--seed", seed, "--out", out]);
    }
    assert!(
        ok(at, "merge a b --into both")
            .out
            .contains("4 runs copied")
    );
    assert_eq!(logs(&at.join("both")), whole);
    // So does what is planned and not begun.
    ok(at, "sweep grid.toml --seed 2 --out c --plan");
    ok(at, "merge a c --into more");
    assert!(
        ok(at, "status more")
            .out
            .contains("4 runs: 2 finished, 2 waiting")
    );
}

#[test]
fn bad_sweeps_are_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    grid(
        at,
        "empty.toml",
        "tasks = []\nalgorithms = ['sac']\nseeds = 0",
    );
    refused(at, "sweep empty.toml", &["empty.toml", "`tasks` is empty"]);
    refused(at, "sweep none.toml", &["none.toml"]);
    refused(at, "suite quik", &["did you mean \"quick\"?"]);
    refused(at, "status nowhere", &["nowhere"]);
    refused(at, "cell nowhere 0", &["nowhere", "prefbench sweep"]);
    refused(at, "merge nowhere --into both", &["nowhere"]);
    assert_eq!(
        fs::read_dir(at).unwrap().count(),
        1,
        "something was written"
    );

    grid(at, "grid.toml", GRID);
    ok(at, "sweep grid.toml --plan --out runs");
    refused(at, "sweep grid.toml --sbatch=--time=1", &["--slurm"]);
    let slurm = "sweep grid.toml --plan --slurm";
    refused(at, slurm, &["--plan", "--slurm"]);
    refused(at, "cell runs 4", &["no cell number 4"]);
    let fewer = "sweep grid.toml --out runs --plan --seed 1";
    refused(
        at,
        fewer,
        &["2 of whose 4 cells are not in this one", "--out", "--add"],
    );
    let more = "sweep grid.toml --out runs --plan --seed 0..3";
    assert!(ok(at, more).out.contains("6 cells, 0 to 5, planned"));

    let plan = fs::read_to_string(at.join("runs/sweep.jsonl")).unwrap();
    let other = plan.replacen(
        concat!("\"version\":\"", env!("CARGO_PKG_VERSION")),
        "\"version\":\"9.9",
        1,
    );
    assert_ne!(plan, other);
    fs::write(at.join("runs/sweep.jsonl"), other).unwrap();
    refused(
        at,
        "sweep grid.toml --out runs",
        &["planned by prefbench 9.9"],
    );
    refused(at, "cell runs 0", &["planned by prefbench 9.9"]);
    // To be read it needs no release.
    assert!(ok(at, "status runs").out.contains("6 waiting"));
    fs::write(at.join("runs/sweep.jsonl"), &plan[..plan.len() - 9]).unwrap();
    refused(at, "sweep grid.toml --out runs", &["line 7, is damaged"]);
    assert!(logs(&at.join("runs")).is_empty());
}

#[test]
fn two_sweeps_do_not_share_a_folder_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    grid(at, "grid.toml", &GRID.replace("1200", "60000"));
    let mut first = command(at, "sweep grid.toml --out runs");
    let mut first = first.stderr(Stdio::null()).spawn().unwrap();
    while !at.join("runs/sweep.jsonl").exists() {
        sleep(Duration::from_millis(2));
    }
    let pid = format!("process {}", first.id());
    refused(at, "sweep grid.toml --out runs", &["another sweep", &pid]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_diverged_run_is_a_result_until_it_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    let wild = GRID.replace("batch = 16", "batch = 16, critic_lr = 1000000.0");
    grid(at, "wild.toml", &wild);
    refused(
        at,
        "sweep wild.toml --out runs",
        &["failed at step", "learning rates"],
    );
    let told = ok(at, "status runs").out;
    assert!(told.contains("2 finished, 2 failed"), "{told}");
    let before: Vec<PathBuf> = failures(at);
    assert_eq!(before.len(), 2);
    // Not again by itself, but on demand.
    refused(
        at,
        "sweep wild.toml --out runs",
        &["before, it failed at step"],
    );
    let again = refused(
        at,
        "sweep wild.toml --out runs --retry-failed",
        &["failed at step"],
    );
    assert!(!again.contains("before, it failed"));
    assert_eq!(failures(at), before);
    let told = ok(at, "export tensorboard runs --out tb").out;
    assert!(told.contains("4 event files written"), "{told}");
}

fn failures(at: &Path) -> Vec<PathBuf> {
    let mut runs = runs(at);
    runs.retain(|run| run.join("failed.json").exists());
    runs
}
