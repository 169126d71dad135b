//! Offline runs on the command line: on a dataset of our own and on other people's files, interrupted at
//! will, and refused where nothing can be learnt.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use serde_json::Value;

mod common;
use common::{bytes_of, only_run, refused, run_through_kills, runs, same};

/// What a command says on its way.
fn ok(dir: &Path, line: &str) -> String {
    common::ok(dir, line).err
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

#[test]
fn a_run_killed_at_any_moment_ends_with_the_same_bytes() {
    for (algorithm, settings) in [("mr", MR), ("cpl", CPL)] {
        let line =
            format!("run reach --algo {algorithm} --dataset data/{{task}} {TINY} {settings}");
        let [whole, killed] = [(); 2].map(|()| {
            let dir = tempfile::tempdir().unwrap();
            make(dir.path());
            dir
        });
        ok(whole.path(), &line);
        run_through_kills(killed.path(), &line);
        let [ours, theirs] = [killed, whole].map(|dir| bytes_of(&only_run(dir.path())));
        same(&ours, &theirs);
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
    refused(dir, &line("data/moved"), &["data/moved"]);
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
    let run = |what: &str, parts: &[&str]| refused(dir, &format!("run {what} {TINY}"), parts);
    let bc = |what: &str, part| run(&format!("reach --algo bc {what}"), &[part]);
    let cpl = |what: &str, parts: &[&str]| {
        let line = format!("reach --algo cpl --dataset data/reach {what} {CPL}");
        run(&line, parts)
    };
    run("reach --algo bc", &["--dataset", "dataset make"]);
    bc("--dataset nowhere", "nowhere");
    bc(
        "--dataset data/reach --teacher oracle",
        "does not learn from preferences",
    );
    run(
        "reach --algo bc --dataset data/reach --set labels.queries=3",
        &["`labels`", "leave it out"],
    );
    bc(
        "--dataset data/reach --set dataset.hash=0",
        "`dataset.hash`",
    );
    bc("--dataset data/reach --set curriculum=true", "curriculum");
    cpl("--set labels.segment=41", &["`labels.segment`", "40 steps"]);
    cpl("--set labels.queries=0", &["`labels.queries`"]);
    cpl(
        "--set labels.queries=1000000000000",
        &["`labels.queries` is 1000000000000", "at most 10000000"],
    );
    cpl(
        "--teacher skip --set teacher_settings.compat=true",
        &["`teacher_settings.compat`", "has no effect"],
    );
    cpl("--set labels.answers=human", &["no answers"]);
    cpl(
        "--set labels.answers=human --teacher oracle",
        &["teacher oracle"],
    );
    for algorithms in [
        "sac --set dataset.path=data/reach",
        "random,sac --dataset data/reach",
    ] {
        run(
            &format!("reach --algo {algorithms}"),
            &["`dataset`", "learns by acting"],
        );
    }
    run(
        "door-open --algo bc --dataset data/reach",
        &["is of reach, not of door-open"],
    );
    let layouts = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts");
    ok(
        dir,
        &format!("dataset import cpl {layouts}/reach_cpl.npz --out segments"),
    );
    run("hopper --algo bc --dataset segments", &["39", "11"]);
    let steps = dir.join("data/reach/steps.parquet");
    let bytes = fs::read(&steps).unwrap();
    fs::write(&steps, &bytes[..bytes.len() / 2]).unwrap();
    bc("--dataset data/reach", "steps.parquet");
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
    refused(dir, &line(skip), &["none of 5 queries was answered"]);
    let tie = "--teacher equal --set teacher_settings.equal=1000 --set labels.queries=5";
    assert!(ok(dir, &line(tie)).contains("every answer is a tie"));
}
