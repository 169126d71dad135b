//! The binary as its user meets it: results that repeat to the bit, runs that survive anything,
//! errors that say what to do.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// A PEBBLE run of a few seconds that goes through every phase: random, unsupervised, feedback.
const TINY: &[&str] = &[
    "run",
    "reach",
    "--algo",
    "pebble",
    "--set",
    "steps=1600",
    "--set",
    "eval_every=400",
    "--set",
    "eval_episodes=1",
    "--set",
    "checkpoint_every=200",
    "--set",
    "agent.seed_steps=250",
    "--set",
    "agent.unsupervised_steps=250",
    "--set",
    "agent.reset_updates=5",
    "--set",
    "agent.sac.hidden=[16,16]",
    "--set",
    "agent.sac.batch=16",
    "--set",
    "agent.reward.hidden=[16]",
    "--set",
    "agent.reward.epochs=2",
    "--set",
    "agent.feedback.every=300",
    "--set",
    "agent.feedback.budget=30",
    "--set",
    "agent.feedback.per_session=10",
];

/// Episodes that terminate early, and a learner without feedback.
const HOPPER: &[&str] = &[
    "run",
    "hopper",
    "--algo",
    "sac",
    "--set",
    "steps=4000",
    "--set",
    "eval_every=700",
    "--set",
    "eval_episodes=2",
    "--set",
    "checkpoint_every=300",
    "--set",
    "agent.seed_steps=300",
    "--set",
    "agent.sac.hidden=[16,16]",
    "--set",
    "agent.sac.batch=16",
];

/// An evaluation that takes long and draws from a stream of the learner's.
const RANDOM: &[&str] = &[
    "run",
    "reach",
    "--algo",
    "random",
    "--set",
    "steps=9000",
    "--set",
    "eval_every=3000",
    "--set",
    "eval_episodes=10",
    "--set",
    "checkpoint_every=1000",
];

fn prefbench(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
}

fn finish(dir: &Path, args: &[&str]) -> Output {
    let out = prefbench(dir, args).output().unwrap();
    assert!(out.status.success(), "{}", stderr(&out));
    out
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn only_run(dir: &Path) -> PathBuf {
    let runs = fs::read_dir(dir.join("runs")).unwrap();
    let mut runs = runs
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("config.json").exists());
    let run = runs.next().expect("a run");
    assert!(runs.next().is_none());
    run
}

/// Every file that must not depend on when or how often the run was interrupted.
fn bytes_of(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().display().to_string();
            if path.is_dir() {
                folders.push(path);
            } else if !["progress.jsonl", "done.json", "lock"].contains(&name.as_str()) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    assert!(files.contains_key("eval.jsonl"), "{:?}", files.keys());
    assert!(
        files.keys().any(|k| k.ends_with("learner.safetensors")),
        "{:?}",
        files.keys()
    );
    files
}

fn same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(bytes == &b[name], "{name} differs");
    }
}

fn undisturbed(args: &[&str]) -> BTreeMap<String, Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    finish(dir.path(), args);
    bytes_of(&only_run(dir.path()))
}

#[test]
fn equal_commands_give_equal_bytes_and_a_finished_run_is_left_alone() {
    let first = undisturbed(TINY);
    let dir = tempfile::tempdir().unwrap();
    finish(dir.path(), TINY);
    let run = only_run(dir.path());
    same(&first, &bytes_of(&run));

    let done = fs::read(run.join("done.json")).unwrap();
    let again = finish(dir.path(), TINY);
    assert!(
        stderr(&again).contains("finished before"),
        "{}",
        stderr(&again)
    );
    assert_eq!(done, fs::read(run.join("done.json")).unwrap());
    same(&first, &bytes_of(&run));
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    for args in [TINY, HOPPER, RANDOM] {
        let whole = undisturbed(args);
        let dir = tempfile::tempdir().unwrap();
        let (mut kills, mut resumed) = (0, 0);
        for attempt in 0..60u64 {
            let log = dir.path().join("log");
            let mut child = prefbench(dir.path(), args)
                .stderr(fs::File::create(&log).unwrap())
                .spawn()
                .unwrap();
            // Odd waits, so that the kill falls into every phase, start-up and saving included.
            sleep(Duration::from_millis(25 + attempt * 97 % 350));
            let ended = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();
            let text = fs::read_to_string(&log).unwrap();
            resumed += usize::from(text.contains("resuming at step"));
            if ended {
                break;
            }
            kills += 1;
        }
        assert!(kills > 0, "{args:?} ended before it could be killed");
        let text = stderr(&finish(dir.path(), args));
        resumed += usize::from(text.contains("resuming at step"));
        assert!(resumed > 0, "{args:?} never resumed from a checkpoint");
        same(&whole, &bytes_of(&only_run(dir.path())));
    }
}

/// Stops a run in the middle by a signal.
#[cfg(unix)]
fn interrupt(dir: &Path) -> Output {
    let child = prefbench(dir, TINY)
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
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_says_so_and_the_same_command_resumes() {
    let dir = tempfile::tempdir().unwrap();
    let out = interrupt(dir.path());
    let text = stderr(&out);
    assert_eq!(out.status.code(), Some(130), "{text}");
    assert!(
        text.contains("saved at step") && text.contains("same command resumes"),
        "{text}"
    );

    let out = finish(dir.path(), TINY);
    assert!(
        stderr(&out).contains("resuming at step"),
        "{}",
        stderr(&out)
    );
    same(&undisturbed(TINY), &bytes_of(&only_run(dir.path())));
}

#[test]
fn a_damaged_checkpoint_is_passed_over_or_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    finish(dir.path(), TINY);
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
    let out = prefbench(dir.path(), TINY).output().unwrap();
    assert!(!out.status.success());
    assert!(
        stderr(&out).contains("learner.safetensors"),
        "{}",
        stderr(&out)
    );
    same(&before, &bytes_of(&run));
    fs::write(&learner, good).unwrap();
    finish(dir.path(), TINY);
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
    let text = stderr(&finish(dir.path(), TINY));
    assert!(
        text.contains("warning") && text.contains(newest.as_str()),
        "{text}"
    );
    same(&undisturbed(TINY), &bytes_of(&run));
}

#[test]
fn a_grid_ends_with_a_table_and_figures() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["run", "reach", "--algo", "random,sac", "--seed", "0..2"];
    args.extend(["--set", "steps=600", "--set", "eval_episodes=1"]);
    let text = String::from_utf8(finish(dir.path(), &args).stdout).unwrap();
    for part in ["random", "sac", "IQM", "smoke", ".png", ".svg"] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    for line in text
        .lines()
        .filter(|l| l.ends_with(".png") || l.ends_with(".svg"))
    {
        assert!(
            fs::metadata(dir.path().join(line)).unwrap().len() > 1000,
            "{line}"
        );
    }
    // Its short episodes have no reference scores.
    let out = prefbench(dir.path(), &["plot", "--metric", "normalised"])
        .output()
        .unwrap();
    let told = stderr(&out);
    assert!(
        !out.status.success() && told.contains("nothing to draw"),
        "{told}"
    );
    for format in ["markdown", "csv", "seeds"] {
        let out = finish(dir.path(), &["table", "--format", format]);
        assert!(
            String::from_utf8(out.stdout).unwrap().contains("random"),
            "{format}"
        );
    }
    let runs = fs::read_dir(dir.path().join("runs")).unwrap();
    let run = runs
        .map(|e| e.unwrap().path())
        .find(|p| p.to_string_lossy().contains("sac-none-s1"))
        .unwrap();
    let out = finish(dir.path(), &["rollout", run.to_str().unwrap()]);
    let csv = String::from_utf8(out.stdout).unwrap();
    assert!(csv.starts_with("episode,step,hand_x"), "{}", &csv[..60]);
    assert!(csv.lines().count() > 2);
}

#[test]
fn bad_input_gets_one_clear_error_and_writes_nothing() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["run", "hoper", "--algo", "sac"], &["hoper", "hopper"]),
        (&["run", "reach", "--algo", "pebbel"], &["pebbel", "pebble"]),
        (
            &["run", "reach", "--algo", "pebble", "--teacher", "oracel"],
            &["oracel", "oracle"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--teacher", "oracle"],
            &["--teacher", "sac"],
        ),
        (
            &[
                "run",
                "reach",
                "--algo",
                "sac",
                "--set",
                "agent.sac.bacth=3",
            ],
            &["agent.sac.batch"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--set", "steps=many"],
            &["steps", "number"],
        ),
        (
            &[
                "run",
                "reach",
                "--algo",
                "sac",
                "--set",
                "agent.sac.tau=nan",
            ],
            &["tau", "finite"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--set", "agent.sac.tau=7"],
            &["agent.sac.tau", "7"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--device", "flxe"],
            &["flxe", "flex"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--config", "none.toml"],
            &["none.toml"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--out", "/proc/self"],
            &["/proc/self"],
        ),
        (&["run", "reach"], &["--algo"]),
        (
            &[
                "run",
                "reach",
                "--algo",
                "pebble",
                "--set",
                "teacher=oracel",
            ],
            &["oracel", "oracle"],
        ),
        (
            &["run", "reach", "--algo", "sac", "--set", "tier=fast"],
            &["fast", "full"],
        ),
        (
            &["suite", "quick", "--set", "seed=9"],
            &["seed", "no effect"],
        ),
        (
            &[
                "run",
                "reach",
                "--algo",
                "pebble",
                "--set",
                "agent.feedback.segment=300",
            ],
            &["agent.feedback.segment", "300", "100"],
        ),
        (
            &["run", "reach", "--algo", "pebble", "--set", "steps=1000"],
            &["unsupervised_steps", "1000"],
        ),
        (&["run", "--algo", "sac"], &["task"]),
        (&["table", "nowhere"], &["nowhere"]),
        (&["plot", "nowhere"], &["nowhere"]),
        (&["rollout", "nowhere"], &["nowhere"]),
    ];
    for (args, parts) in cases {
        let dir = tempfile::tempdir().unwrap();
        let out = prefbench(dir.path(), args).output().unwrap();
        let text = stderr(&out);
        assert!(!out.status.success(), "{args:?} succeeded");
        assert_eq!(text.lines().count(), 1, "{args:?}: {text}");
        for part in *parts {
            assert!(text.contains(part), "{args:?}: no {part} in {text}");
        }
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            0,
            "{args:?} wrote something"
        );
    }
}

/// On a machine with an NVIDIA driver and a CUDA build this device works; elsewhere it says why not.
#[test]
fn cuda_works_or_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = TINY.to_vec();
    args.extend(["--device", "cuda"]);
    let out = prefbench(dir.path(), &args).output().unwrap();
    let text = stderr(&out);
    assert!(
        out.status.success() || (text.lines().count() == 1 && text.contains("cuda")),
        "{text}"
    );
}

#[test]
fn reference_scores_come_from_runs_of_both_roles() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs");
    let dir = tempfile::tempdir().unwrap();
    let reference = |runs: &str| {
        let runs = committed.join(runs).display().to_string();
        let mut command = prefbench(dir.path(), &["reference", &runs, "--out", "scores.csv"]);
        command.output().unwrap()
    };
    let out = reference("2026-11-24-locomotion-sac-short");
    assert!(out.status.success(), "{}", stderr(&out));
    let written = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
    let rows: Vec<&str> = written.lines().skip(1).collect();
    assert!(rows[2].starts_with("cheetah-run,1,random,random,short,10000,2,60,6.423"));
    assert!(rows[3].starts_with("cheetah-run,1,expert,sac,short,100000,2,20,279.46"));

    let out = reference("2026-11-24-hopper-sac-short");
    assert!(!out.status.success());
    let text = stderr(&out);
    assert!(text.contains("no finished run of `random`"), "{text}");
    let out = reference("2026-11-26-reach-smoke");
    let text = stderr(&out);
    assert!(
        !out.status.success() && text.contains("a `horizon` of its own"),
        "{text}"
    );
    let unchanged = fs::read_to_string(dir.path().join("scores.csv")).unwrap();
    assert_eq!(unchanged, written);
}
