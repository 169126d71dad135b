//! The store under ill treatment: files cut off at every byte, foreign files, two holders, no room.

mod synthetic;

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};

use prefbench_results::{Checkpoint, Error, Eval, Run, RunKey, Status, Store, Why, canonical_json};
use proptest::prelude::*;
use serde_json::{Value, json};
use synthetic::{config, eval};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NAME: &str = "walker-walk-pebble-oracle-s0";

fn oracle() -> Value {
    config("walker-walk", "pebble", Some("oracle"), 0)
}

fn open(root: &Path) -> Result<Run, Error> {
    Store::open(root)?.run(NAME, &oracle())
}

/// Awkward floats: they must come back bit by bit.
fn evals() -> Vec<Eval> {
    let values = [0.1 + 0.2, -0.0, 1e300, 5e-324, 1.0 / 3.0];
    (0..3)
        .map(|i| {
            let mut eval = eval(1000 * i, &values[i as usize..][..2]);
            eval.episodes[0].success = true;
            eval.metrics
                .insert("loss \"q\"".into(), values[4 - i as usize]);
            eval
        })
        .collect()
}

fn parts(step: u64) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("policy.safetensors", vec![step as u8; 40]),
        ("state.json", format!("{{\"step\":{step}}}").into_bytes()),
    ]
}

fn save(run: &mut Run, step: u64) -> Result<(), Error> {
    let parts = parts(step);
    let parts: Vec<(&str, &[u8])> = parts
        .iter()
        .map(|(name, bytes)| (*name, &**bytes))
        .collect();
    run.save_checkpoint(step, &parts)
}

fn checkpoint(step: u64) -> Checkpoint {
    let parts = parts(step)
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    Checkpoint {
        step,
        parts,
        passed_over: Vec::new(),
    }
}

/// Every file below `dir` with its contents, but for the lock.
fn contents(dir: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, std::io::Error> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                found.push((
                    path.strip_prefix(dir).unwrap_or(&path).to_path_buf(),
                    fs::read(&path)?,
                ));
            }
        }
    }
    found.sort();
    Ok(found)
}

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
        Err(Error::AlreadyFinished { .. })
    ));
    assert!(matches!(
        run.truncate_to(0),
        Err(Error::AlreadyFinished { .. })
    ));
    assert!(matches!(
        run.finish(&Value::Null),
        Err(Error::AlreadyFinished { .. })
    ));
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
    assert_eq!(straight.len(), 9, "{straight:?}");
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
    assert_eq!(run.notes()?[1], json!({"warning": "slow"}));
    assert_eq!((run.notes()?.len(), run.evals()?.len()), (2, 0));
    Ok(())
}

#[test]
fn another_holder_is_refused_and_named() -> Outcome {
    let root = tempfile::tempdir()?;
    let held = open(root.path())?;
    match open(root.path()) {
        Err(error @ Error::Locked { pid: Some(_), .. }) => {
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
    run.write_atomic("report.md", b"one")?;
    run.write_atomic("report.md", b"two")?;
    assert_eq!(fs::read(run.dir().join("report.md"))?, b"two");
    for name in [
        "config.json",
        "eval.jsonl",
        "done.json",
        "lock",
        "checkpoint-000001",
        "../x",
        "",
        "/x",
        "..",
    ] {
        assert!(
            matches!(run.write_atomic(name, b""), Err(Error::BadName { .. })),
            "{name}"
        );
    }
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
fn two_generations_are_kept() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for step in [0, 1, 2, 2, 3] {
        save(&mut run, step)?;
        assert_eq!(run.load_checkpoint()?, Some(checkpoint(step)));
    }
    let mut folders: Vec<String> = fs::read_dir(run.dir())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("checkpoint"))
        .collect();
    folders.sort();
    assert_eq!(folders, ["checkpoint-000004", "checkpoint-000005"]);
    Ok(())
}

/// Each file of the newest generation, cut at every byte or gone: the older generation is loaded,
/// and it survives the next save.
#[test]
fn a_torn_checkpoint_falls_back_to_the_one_before() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    save(&mut run, 1)?;
    save(&mut run, 2)?;
    let newest = run.dir().join("checkpoint-000002");
    let before = contents(&newest)?;
    assert_eq!(before.len(), 3);
    for (name, bytes) in &before {
        let file = newest.join(name);
        for length in 0..bytes.len() {
            fs::write(&file, &bytes[..length])?;
            let loaded = run.load_checkpoint()?.ok_or("a checkpoint")?;
            assert_eq!(loaded.passed_over.len(), 1, "{name:?} cut at {length}");
            assert_eq!(
                Checkpoint {
                    passed_over: Vec::new(),
                    ..loaded
                },
                checkpoint(1),
                "{name:?} cut at {length}"
            );
        }
        // Same length, one bit changed. White space in the manifest is the only thing that may.
        for i in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            fs::write(&file, &flipped)?;
            let loaded = run.load_checkpoint()?.ok_or("a checkpoint")?;
            let step = if loaded.passed_over.is_empty() { 2 } else { 1 };
            assert!(
                step == 1 || bytes[i].is_ascii_whitespace(),
                "{name:?} changed at {i}"
            );
            assert_eq!(
                Checkpoint {
                    passed_over: Vec::new(),
                    ..loaded
                },
                checkpoint(step)
            );
        }
        fs::remove_file(&file)?;
        assert_eq!(run.load_checkpoint()?.ok_or("a checkpoint")?.step, 1);
        fs::write(&file, bytes)?;
    }
    assert_eq!(run.load_checkpoint()?, Some(checkpoint(2)));

    fs::remove_file(newest.join("state.json"))?;
    drop(run);
    let mut run = open(root.path())?;
    assert_eq!(run.load_checkpoint()?.ok_or("a checkpoint")?.step, 1);
    save(&mut run, 3)?;
    fs::remove_file(run.dir().join("checkpoint-000003/state.json"))?;
    assert_eq!(
        run.load_checkpoint()?.ok_or("a checkpoint")?.step,
        1,
        "the good one was kept, not the torn one"
    );

    fs::remove_file(run.dir().join("checkpoint-000001/policy.safetensors"))?;
    match run.load_checkpoint() {
        Err(error @ Error::NoGoodCheckpoint { .. }) => {
            let message = error.to_string();
            assert!(
                message.contains("checkpoint-000003/state.json"),
                "{message}"
            );
            assert!(
                message.contains("checkpoint-000001/policy.safetensors"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    Ok(())
}

/// A crash between any two steps of saving leaves the previous checkpoint, or the new one.
#[test]
fn leftovers_of_a_killed_save_do_no_harm() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    save(&mut run, 1)?;
    let temporary = run.dir().join(".checkpoint.tmp");
    fs::create_dir(&temporary)?;
    fs::write(temporary.join("policy.safetensors"), b"half")?;
    fs::write(run.dir().join(".eval.jsonl.tmp"), b"half")?;
    assert_eq!(run.load_checkpoint()?, Some(checkpoint(1)));
    save(&mut run, 2)?;
    assert_eq!(run.load_checkpoint()?, Some(checkpoint(2)));
    assert!(!temporary.exists());
    Ok(())
}

#[test]
fn a_checkpoint_of_another_run_is_refused() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    let mut other =
        Store::open(root.path())?.run("other", &config("walker-walk", "sac", None, 0))?;
    save(&mut other, 7)?;
    save(&mut run, 1)?;
    fs::rename(
        other.dir().join("checkpoint-000001"),
        run.dir().join("checkpoint-000002"),
    )?;
    match run.load_checkpoint() {
        Err(error @ Error::ForeignCheckpoint { .. }) => {
            assert!(error.to_string().contains("checkpoint-000002"), "{error}");
        }
        unexpected => panic!("{unexpected:?}"),
    }
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
    // A copy, a changed log, a stray folder, a stray file, a folder killed before its config.
    fs::create_dir(root.path().join("z-copy"))?;
    for (name, bytes) in contents(&dir(0))? {
        fs::write(root.path().join("z-copy").join(name), bytes)?;
    }
    let log = fs::read_to_string(dir(1).join("eval.jsonl"))?;
    fs::write(dir(1).join("eval.jsonl"), log.replace("250", "251"))?;
    fs::create_dir(root.path().join("figures"))?;
    fs::write(root.path().join("table.md"), b"")?;
    fs::create_dir(root.path().join("y-new"))?;
    fs::write(root.path().join("y-new/lock"), b"")?;

    let (finished, unfinished) = Store::scan(root.path())?;
    let seeds: Vec<u64> = finished.iter().map(|run| run.info.seed).collect();
    assert_eq!(seeds, [0, 2]);
    let why: Vec<&Why> = unfinished.iter().map(|run| &run.why).collect();
    assert!(
        matches!(why[0], Why::Damaged(reason) if reason.contains("changed after the run finished")),
        "{why:?}"
    );
    assert_eq!(
        why[1..3],
        [
            &Why::NotFinished {
                last_step: Some(1000)
            },
            &Why::NotFinished { last_step: None }
        ]
    );
    assert_eq!(why[3..], [&Why::DuplicateOf(dir(0))]);
    assert!(Store::scan(&root.path().join("nowhere")).is_err());
    Ok(())
}

/// JSON of some depth, and the same with its objects' keys inserted in another order.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\u{e9}]{1,3}", inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// `value` as JSON text with every object's keys in falling order.
fn backwards(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by(|a, b| b.0.cmp(a.0));
            let pairs = pairs
                .into_iter()
                .map(|(k, v)| format!("{} : {}", Value::from(&**k), backwards(v)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(" , "))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(backwards).collect::<Vec<_>>().join(", ")
        ),
        scalar => scalar.to_string(),
    }
}

/// All values that differ from `value` in one leaf.
fn changed(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(map) => {
            let mut all = vec![json!([])];
            for (key, inner) in map {
                let mut without = map.clone();
                without.remove(key);
                all.push(without.into());
                for other in changed(inner) {
                    let mut map = map.clone();
                    map.insert(key.clone(), other);
                    all.push(map.into());
                }
            }
            all
        }
        Value::Array(items) => {
            let mut all = vec![json!({})];
            for i in 0..items.len() {
                for other in changed(&items[i]) {
                    let mut items = items.clone();
                    items[i] = other;
                    all.push(items.into());
                }
            }
            all
        }
        Value::Null => vec![json!(0), json!("null")],
        Value::Bool(b) => vec![json!(!b), json!(b.to_string())],
        Value::Number(n) => {
            let next = n.as_f64().map(|x| if x == 0.0 { 1.5 } else { x * 1.5 });
            vec![Value::Null, json!(n.to_string()), json!(next)]
        }
        Value::String(s) => vec![json!(format!("{s} ")), Value::Null],
    }
}

proptest! {
    #[test]
    fn key_order_and_white_space_never_matter(value in any_json()) {
        let again: Value = serde_json::from_str(&backwards(&value)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(canonical_json(&again), canonical_json(&value));
        prop_assert_eq!(RunKey::of(&again), RunKey::of(&value));
        let reread: Value =
            serde_json::from_str(&canonical_json(&value)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(RunKey::of(&reread), RunKey::of(&value));
    }

    #[test]
    fn any_change_of_a_value_matters(value in any_json()) {
        for other in changed(&value).into_iter().filter(|other| *other != value) {
            prop_assert_ne!(RunKey::of(&other), RunKey::of(&value), "{} and {}", other, value);
        }
    }
}

/// Folders made by earlier versions must be found again: this hash is a promise.
#[test]
fn the_key_is_what_it_was() {
    let value = json!({"b": [1, 1.0, -0.5, 1e21, true, null], "a": {"é\"\n": "x", "": {}}});
    assert_eq!(
        canonical_json(&value),
        r#"{"a":{"":{},"é\"\n":"x"},"b":[1,1.0,-0.5,1e21,true,null]}"#
    );
    assert_eq!(RunKey::of(&value).short(), "60640cb42510eeec");
    assert_eq!(RunKey::of(&value).full()[..16], RunKey::of(&value).short());
}
