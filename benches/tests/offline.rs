//! Offline runs on the command line: on a dataset of our own and on other people's files, interrupted at
//! will, and refused where nothing can be learnt.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

fn command(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prefbench"));
    let args = line.split(' ').filter(|word| !word.is_empty());
    command.current_dir(dir).args(args).stdin(Stdio::null());
    command
}

fn ok(dir: &Path, line: &str) -> String {
    let output = command(dir, line).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {text}");
    text
}

fn refused(dir: &Path, line: &str) -> String {
    let output = command(dir, line).output().unwrap();
    assert!(!output.status.success(), "{line} was not refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Small networks, few steps; both of MR's stages and both of CPL's.
const TINY: &str = "--set steps=300 --set eval_every=100 --set eval_episodes=1 --set checkpoint_every=20 \
                    --set agent.actor.hidden=[8,8] --jobs 1";
const MR: &str = "--set agent.critic.hidden=[8,8] --set agent.reward.hidden=[8] --set agent.reward.epochs=20 \
                  --set agent.reward.target_accuracy=1 --set labels.queries=120";
const CPL: &str = "--set agent.bc_steps=100 --set agent.batch=8";

fn make(dir: &Path) {
    ok(
        dir,
        "dataset make reach --from expert --from random --noise 0.3 --horizon 40 --episodes 8 --out data/reach",
    );
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir.join("runs")).into_iter().flatten();
    let mut all: Vec<_> = all
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("config.json").exists())
        .collect();
    all.sort();
    all
}

/// Everything in a run's folder that must not depend on interruptions.
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
    assert!(files.len() > 3, "{:?}", files.keys());
    files
}

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    for (algorithm, settings) in [("mr", MR), ("cpl", CPL)] {
        let line =
            format!("run reach --algo {algorithm} --dataset data/{{task}} {TINY} {settings}");
        let whole = tempfile::tempdir().unwrap();
        make(whole.path());
        ok(whole.path(), &line);
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let (mut kills, mut resumed) = (0, 0);
        for attempt in 0..60u64 {
            let log = dir.path().join("log");
            let mut child = command(dir.path(), &line)
                .stderr(fs::File::create(&log).unwrap())
                .spawn()
                .unwrap();
            sleep(Duration::from_millis(40 + attempt * 97 % 400));
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
        assert!(kills > 0, "{algorithm} ended before it could be killed");
        resumed += usize::from(ok(dir.path(), &line).contains("resuming at step"));
        assert!(resumed > 0, "{algorithm} never resumed from a checkpoint");
        let [ours, theirs] = [dir.path(), whole.path()].map(|d| bytes_of(&runs(d)[0]));
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>()
        );
        for (name, bytes) in &ours {
            assert!(bytes == &theirs[name], "{algorithm}: {name} differs");
        }
    }
}

#[test]
fn a_run_is_named_by_its_datasets_content_and_can_be_played() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    make(dir);
    let line = |path: &str| format!("run reach --algo bc --dataset {path} {TINY}");
    ok(dir, &line("data/reach"));
    let run = runs(dir)[0].clone();
    let config: Value =
        serde_json::from_slice(&fs::read(run.join("config.json")).unwrap()).unwrap();
    let config = config.get("config").unwrap_or(&config).to_string();
    assert!(
        config.contains("\"hash\"") && !config.contains("data/reach"),
        "{config}"
    );
    for part in ["\"horizon\":40", "\"name\":\"reach\""] {
        assert!(config.contains(part), "{config}");
    }

    // Elsewhere it is the same run, and answers added to the dataset change nothing for BC.
    fs::rename(dir.join("data/reach"), dir.join("data/moved")).unwrap();
    ok(dir, "label data/moved --queries 20 --segment 10");
    assert!(ok(dir, &line("data/moved")).contains("finished before"));
    assert_eq!(runs(dir), std::slice::from_ref(&run));

    // Its policy needs no dataset.
    fs::rename(dir.join("data"), dir.join("away")).unwrap();
    let name = format!("runs/{}", run.file_name().unwrap().to_str().unwrap());
    assert!(ok(dir, &format!("rollout {name} --out episode.csv")).contains("episode 0"));
    assert!(refused(dir, &line("data/moved")).contains("data/moved"));
}

#[test]
fn other_peoples_files_are_trained_on() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts");
    ok(
        dir,
        &format!("dataset import d4rl {layouts}/hopper_d4rl.hdf5 --out hopper"),
    );
    ok(
        dir,
        &format!("dataset import cpl {layouts}/reach_cpl.npz --out reach"),
    );
    ok(
        dir,
        &format!("run hopper --algo bc,percent-bc --dataset {{task}} {TINY}"),
    );
    let critics = "--set agent.critic.hidden=[8,8]";
    ok(
        dir,
        &format!("run hopper --algo iql --dataset hopper {TINY} {critics}"),
    );
    // A teacher that is asked about D4RL's episodes, and CPL's own answers.
    ok(
        dir,
        &format!("run hopper --algo mr --dataset hopper {TINY} {MR} --set labels.segment=20"),
    );
    for (algorithm, settings) in [("cpl", CPL), ("sft", CPL), ("ipl", critics)] {
        let line = format!("run reach --algo {algorithm} --dataset reach {TINY} {settings}");
        ok(dir, &format!("{line} --set labels.answers=rl_sum"));
    }
    assert_eq!(runs(dir).len(), 7);
}

#[test]
fn what_cannot_be_learnt_from_is_refused_before_anything_runs() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    make(dir);
    let bc = |what: &str| refused(dir, &format!("run reach --algo bc {what} {TINY}"));
    let cpl = |what: &str| {
        refused(
            dir,
            &format!("run reach --algo cpl --dataset data/reach {what} {TINY} {CPL}"),
        )
    };
    for (message, parts) in [
        (bc(""), vec!["--dataset", "dataset make"]),
        (bc("--dataset nowhere"), vec!["nowhere"]),
        (
            bc("--dataset data/reach --teacher oracle"),
            vec!["does not learn from preferences"],
        ),
        (
            bc("--dataset data/reach --set labels.queries=3"),
            vec!["`labels`", "leave it out"],
        ),
        (
            bc("--dataset data/reach --set dataset.hash=0"),
            vec!["`dataset.hash`"],
        ),
        (
            bc("--dataset data/reach --set curriculum=true"),
            vec!["curriculum"],
        ),
        (
            cpl("--set labels.segment=41"),
            vec!["`labels.segment`", "40 steps"],
        ),
        (cpl("--set labels.queries=0"), vec!["`labels.queries`"]),
        (
            cpl("--set labels.queries=1000000000000"),
            vec!["`labels.queries` is 1000000000000", "at most 10000000"],
        ),
        (
            cpl("--teacher skip --set teacher_settings.compat=true"),
            vec!["`teacher_settings.compat`", "has no effect"],
        ),
        (cpl("--set labels.answers=human"), vec!["no answers"]),
        (
            cpl("--set labels.answers=human --teacher oracle"),
            vec!["teacher oracle"],
        ),
        (
            refused(
                dir,
                &format!("run reach --algo sac --set dataset.path=data/reach {TINY}"),
            ),
            vec!["`dataset`", "learns by acting"],
        ),
        (
            refused(
                dir,
                &format!("run reach --algo random,sac --dataset data/reach {TINY}"),
            ),
            vec!["`dataset`", "learns by acting"],
        ),
        (
            refused(
                dir,
                &format!("run door-open --algo bc --dataset data/reach {TINY}"),
            ),
            vec!["is of reach, not of door-open"],
        ),
    ] {
        for part in parts {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts");
    ok(
        dir,
        &format!("dataset import cpl {layouts}/reach_cpl.npz --out segments"),
    );
    let message = refused(
        dir,
        &format!("run hopper --algo bc --dataset segments {TINY}"),
    );
    assert!(
        message.contains("39") && message.contains("11"),
        "{message}"
    );
    let steps = dir.join("data/reach/steps.parquet");
    let bytes = fs::read(&steps).unwrap();
    fs::write(&steps, &bytes[..bytes.len() / 2]).unwrap();
    assert!(bc("--dataset data/reach").contains("steps.parquet"));
    assert!(runs(dir).is_empty());
}

#[test]
fn unanswered_queries_end_a_run_and_ties_alone_are_warned_of() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    make(dir);
    let line = |set: &str| format!("run reach --algo cpl --dataset data/reach {TINY} {CPL} {set}");
    // Of B-Pref's teachers, one skips queries about segments that are not good enough, one ties what is alike.
    let skip = "--teacher skip --set teacher_settings.skip=1000 --set labels.queries=5";
    assert!(refused(dir, &line(skip)).contains("none of 5 queries was answered"));
    let tie = "--teacher equal --set teacher_settings.equal=1000 --set labels.queries=5";
    assert!(ok(dir, &line(tie)).contains("every answer is a tie"));
}
