//! The store under ill treatment: logs cut off at every byte, foreign files, two holders, no room.

mod stored;
mod synthetic;

use std::error::Error as _;
use std::fs;
use std::path::Path;

use prefbench_results::{
    Error, Failure, FinishedRun, Progress, RunKey, Standing, Status, Store, Unfinished, Why,
    each_once,
};
use serde_json::{Value, json};
use stored::{NAME, Outcome, contents, evals, open, oracle, save};
use synthetic::{config, eval};

#[test]
fn a_run_goes_from_new_to_finished() -> Outcome {
    let root = tempfile::tempdir()?;
    let store = Store::open(root.path())?;
    assert_eq!(store.status(NAME, &oracle())?, Status::New);
    let mut run = store.run(NAME, &oracle())?;
    assert_eq!(
        run.dir(),
        root.path()
            .join(format!("{NAME}-{}", RunKey::of(&oracle()).short()))
    );
    assert_eq!(run.status(), Status::New);
    for eval in evals() {
        run.append(&eval)?;
    }
    save(&mut run, 2000)?;
    drop(run);

    assert_eq!(store.status(NAME, &oracle())?, Status::Unfinished);
    let mut run = store.run(NAME, &oracle())?;
    assert_eq!(run.status(), Status::Unfinished);
    assert_eq!(run.evals()?, evals());
    assert!(
        run.evals()?[1].episodes[0].return_.is_sign_negative(),
        "-0.0 keeps its sign"
    );
    run.finish(&json!({"best": 1}))?;
    drop(run);

    assert_eq!(store.status(NAME, &oracle())?, Status::Finished);
    let mut run = store.run(NAME, &oracle())?;
    assert_eq!(run.status(), Status::Finished);
    assert!(matches!(
        run.append(&eval(9000, &[1.0])),
        Err(Error::Ended { .. })
    ));
    assert!(matches!(run.truncate_to(0), Err(Error::Ended { .. })));
    assert!(matches!(run.finish(&Value::Null), Err(Error::Ended { .. })));
    let (finished, unfinished) = Store::scan(root.path())?;
    assert_eq!(unfinished, []);
    assert_eq!(finished.len(), 1);
    assert_eq!(finished[0].evals, evals());
    assert_eq!(finished[0].summary, json!({"best": 1}));
    assert_eq!(
        (&*finished[0].info.task, finished[0].info.seed),
        ("walker-walk", 0)
    );
    Ok(())
}

#[test]
fn identical_runs_write_identical_bytes() -> Outcome {
    let write = |interrupted: bool| -> Result<_, Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let mut run = open(root.path())?;
        run.append(&evals()[0])?;
        save(&mut run, 0)?;
        if interrupted {
            run.append(&evals()[1])?;
            drop(run);
            run = open(root.path())?;
            let step = run.load_checkpoint()?.ok_or("a checkpoint")?.step;
            run.truncate_to(step)?;
        }
        run.append(&evals()[1])?;
        save(&mut run, 1000)?;
        run.finish(&json!({}))?;
        Ok(contents(run.dir())?)
    };
    let straight = write(false)?;
    assert_eq!(straight.len(), 6, "{straight:?}");
    assert_eq!(straight, write(false)?);
    assert_eq!(straight, write(true)?);
    Ok(())
}

#[test]
fn the_log_cut_at_every_byte_is_read_up_to_there_and_continued() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for eval in evals() {
        run.append(&eval)?;
    }
    let file = run.dir().join("eval.jsonl");
    drop(run);
    let whole = fs::read(&file)?;
    for length in 0..=whole.len() {
        fs::write(&file, &whole[..length])?;
        let complete = whole[..length]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        let mut run = open(root.path())?;
        assert_eq!(run.evals()?, evals()[..complete], "cut at {length}");
        for eval in &evals()[complete..] {
            run.append(eval)?;
        }
        assert_eq!(fs::read(&file)?, whole, "cut at {length}");
    }
    Ok(())
}

#[test]
fn a_damaged_line_is_named() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for eval in evals() {
        run.append(&eval)?;
    }
    let file = run.dir().join("eval.jsonl");
    let text = fs::read_to_string(&file)?;
    let damaged = [
        (text.replacen("\"step\":1000", "\"step\":1o00", 1), 2),
        (text.replacen("\"step\":1000", "\"step\":3000", 1), 3),
        (text.replacen("\"step\":1000", "\"step\":0", 1), 2),
        (text.replacen("{\"step\":0", "\n{\"step\":0", 1), 1),
        (text.replacen("\"metrics\"", "\"metric\"", 1), 1),
        (format!("{text}\u{0}\n"), 4),
    ];
    for (text, expected) in damaged {
        fs::write(&file, text)?;
        match run.evals() {
            Err(
                error @ Error::Corrupt {
                    line: Some(line), ..
                },
            ) => {
                assert_eq!(line, expected, "{error}");
                assert!(error.to_string().contains("eval.jsonl"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[test]
fn what_should_not_be_logged_is_refused() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    run.append(&evals()[1])?;
    let before = contents(run.dir())?;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(
            run.append(&eval(2000, &[0.0, value])),
            Err(Error::NotFinite { step: 2000, .. })
        ));
        let mut metric = eval(2000, &[0.0]);
        metric.metrics.insert("critic_loss".into(), value);
        let message = run
            .append(&metric)
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(
            message.contains("critic_loss") && message.contains("2000"),
            "{message}"
        );
    }
    for step in [0, 1000] {
        assert!(matches!(
            run.append(&eval(step, &[0.0])),
            Err(Error::OutOfOrder { last: 1000, .. })
        ));
    }
    assert_eq!(contents(run.dir())?, before);
    Ok(())
}

#[test]
fn resuming_drops_what_came_after_the_checkpoint() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for eval in evals() {
        run.append(&eval)?;
    }
    for (step, kept) in [(5000, 3), (1999, 2), (1000, 2), (999, 1)] {
        run.truncate_to(step)?;
        assert_eq!(run.evals()?, evals()[..kept]);
    }
    run.append(&evals()[1])?;
    assert_eq!(run.evals()?, evals()[..2]);
    Ok(())
}

#[test]
fn notes_are_kept_apart() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    run.append_note(&json!({"time": "2026-01-01T00:00:00Z", "steps_per_s": 812.5}))?;
    run.append_note(&json!({"warning": "slow"}))?;
    let notes = fs::read_to_string(run.dir().join("progress.jsonl"))?;
    assert_eq!(notes.lines().nth(1), Some(r#"{"warning":"slow"}"#));
    assert_eq!((notes.lines().count(), run.evals()?.len()), (2, 0));
    Ok(())
}

#[test]
fn another_holder_is_refused_and_named() -> Outcome {
    let root = tempfile::tempdir()?;
    let held = open(root.path())?;
    match open(root.path()) {
        Err(
            error @ Error::Locked {
                holder: Some(_), ..
            },
        ) => {
            let message = error.to_string();
            assert!(
                message.contains(&std::process::id().to_string()),
                "{message}"
            );
            assert!(message.contains(NAME), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        Store::open(root.path())?.status(NAME, &oracle())?,
        Status::New,
        "reading needs no lock"
    );
    drop(held);
    open(root.path())?;
    Ok(())
}

#[test]
fn a_foreign_or_edited_config_is_refused_and_left_alone() -> Outcome {
    let root = tempfile::tempdir()?;
    let dir = open(root.path())?.dir().to_path_buf();
    let file = dir.join("config.json");
    let original = fs::read_to_string(&file)?;

    let edited = original.replace("0.0003", "0.001");
    assert_ne!(edited, original);
    fs::write(&file, &edited)?;
    assert!(matches!(open(root.path()), Err(Error::EditedConfig { .. })));
    assert_eq!(fs::read_to_string(&file)?, edited);
    let (_, unfinished) = Store::scan(root.path())?;
    assert!(matches!(&unfinished[0].why, Why::Damaged(reason) if reason.contains("edited")));

    let other = config("walker-walk", "pebble", Some("oracle"), 1);
    let foreign = Store::open(root.path())?
        .run("other", &other)?
        .dir()
        .join("config.json");
    fs::copy(&foreign, &file)?;
    assert!(matches!(
        open(root.path()),
        Err(Error::ForeignConfig { .. })
    ));
    assert_eq!(fs::read(&file)?, fs::read(&foreign)?);

    for length in 0..original.len() - 1 {
        fs::write(&file, &original[..length])?;
        assert!(
            matches!(open(root.path()), Err(Error::Corrupt { .. })),
            "cut at {length}"
        );
    }
    Ok(())
}

#[test]
fn a_config_without_what_tables_need_is_refused() -> Outcome {
    let root = tempfile::tempdir()?;
    let store = Store::open(root.path())?;
    for key in ["task", "algorithm", "teacher", "tier", "seed"] {
        for value in [None, Some(json!(-1.5))] {
            let mut config = oracle();
            match value {
                None => drop(config.as_object_mut().and_then(|map| map.remove(key))),
                Some(value) => config[key] = value,
            }
            match store.run(NAME, &config) {
                Err(Error::BadConfig { key: named, .. }) => assert_eq!(named, key),
                other => panic!("{other:?}"),
            }
        }
    }
    for name in ["", "..", ".hidden", "a/b", "a\\b", "a b", "ü"] {
        assert!(
            matches!(store.run(name, &oracle()), Err(Error::BadName { .. })),
            "{name}"
        );
    }
    assert_eq!(contents(root.path())?, []);
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() -> Outcome {
    let root = tempfile::tempdir()?;
    let file = root.path().join("a-file");
    fs::write(&file, b"x")?;
    let message = Store::open(&file)
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    assert!(
        message.contains("a-file") && message.contains("choose"),
        "{message}"
    );

    // Read-only permissions do not bind root, but nobody creates files in /proc.
    #[cfg(target_os = "linux")]
    {
        let error = Store::open(Path::new("/proc/self"))
            .err()
            .ok_or("it opened")?;
        assert!(error.to_string().contains("/proc/self"), "{error}");
        assert!(error.source().is_none(), "the message is complete: {error}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn reading_needs_no_write_access() -> Outcome {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    run.append(&evals()[0])?;
    run.finish(&Value::Null)?;
    let dir = run.dir().to_path_buf();
    drop(run);
    let before = contents(root.path())?;
    for path in [&dir, root.path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555))?;
    }
    let scanned = Store::scan(root.path());
    for path in [root.path(), &dir] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    assert_eq!(scanned?.0.len(), 1);
    assert_eq!(contents(root.path())?, before);
    Ok(())
}

#[test]
fn names_that_would_overwrite_or_escape_are_refused() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for names in [["manifest.json", "a"], ["a", "a"], ["a", "../a"]] {
        let parts = names.map(|name| (name, &b""[..]));
        assert!(
            matches!(run.save_checkpoint(0, &parts), Err(Error::BadName { .. })),
            "{names:?}"
        );
    }
    assert_eq!(run.load_checkpoint()?, None);
    Ok(())
}

#[test]
fn scanning_lists_what_it_leaves_out() -> Outcome {
    let root = tempfile::tempdir()?;
    let store = Store::open(root.path())?;
    for seed in 0..4 {
        let mut run = store.run(&format!("s{seed}"), &config("reach", "sac", None, seed))?;
        run.append(&evals()[1])?;
        if seed < 3 {
            run.finish(&Value::Null)?;
        }
    }
    let dir = |seed| store.dir_of(&format!("s{seed}"), &config("reach", "sac", None, seed));
    // A copy, a changed log, a stray folder, a stray file, a sweep's folder, a run without its config.
    fs::create_dir(root.path().join("z-copy"))?;
    for (name, bytes) in contents(&dir(0))? {
        fs::write(root.path().join("z-copy").join(name), bytes)?;
    }
    let log = fs::read_to_string(dir(1).join("eval.jsonl"))?;
    fs::write(dir(1).join("eval.jsonl"), log.replace("250", "251"))?;
    fs::create_dir(root.path().join("figures"))?;
    fs::write(root.path().join("table.md"), b"")?;
    fs::create_dir(root.path().join("sweep"))?;
    fs::write(root.path().join("sweep/lock"), b"")?;
    fs::create_dir(root.path().join("t-lost"))?;
    fs::copy(
        dir(3).join("eval.jsonl"),
        root.path().join("t-lost/eval.jsonl"),
    )?;

    let (finished, unfinished) = Store::scan(root.path())?;
    let seeds: Vec<u64> = finished.iter().map(|run| run.info.seed).collect();
    assert_eq!(seeds, [0, 2]);
    let why: Vec<&Why> = unfinished.iter().map(|run| &run.why).collect();
    assert!(
        matches!(why[0], Why::Damaged(reason) if reason.contains("changed after the run finished")),
        "{why:?}"
    );
    let last_step = Some(1000);
    assert_eq!(why[1], &Why::NotFinished { last_step });
    let lost = "t-lost/config.json is damaged: it is missing";
    assert!(
        matches!(why[2], Why::Damaged(reason) if reason.contains(lost)),
        "{why:?}"
    );
    assert_eq!(why[3..], [&Why::DuplicateOf(dir(0))]);
    // Without the logs of finished runs, and of copies, `progress` says the same.
    let standings: Vec<_> = Store::progress(root.path())?;
    let said = |p: &Progress| matches!(&p.standing, Standing::Damaged(why) if why.contains(lost));
    assert_eq!(
        (
            standings.len(),
            standings.iter().filter(|p| said(p)).count()
        ),
        (6, 1)
    );
    assert!(Store::scan(&root.path().join("nowhere")).is_err());

    // Of a run's copies in several folders the one that finished counts, or else one that failed.
    let copy = |dir: &str, run: &FinishedRun| Unfinished {
        dir: dir.into(),
        info: Some(run.info.clone()),
        why: Why::Failed(Failure {
            step: 7,
            reason: "the loss is NaN".into(),
        }),
    };
    let copies = vec![
        copy("b", &finished[0]),
        copy("c", &finished[1]),
        copy("d", &finished[1]),
    ];
    let (counted, rest) = each_once(vec![finished[0].clone()], copies);
    assert_eq!(counted, [finished[0].clone()]);
    let why: Vec<&Why> = rest.iter().map(|run| &run.why).collect();
    assert_eq!(why[0], &Why::DuplicateOf(counted[0].dir.clone()));
    assert!(matches!(why[1], Why::Failed(_)));
    assert_eq!(why[2], &Why::DuplicateOf("c".into()));
    Ok(())
}
