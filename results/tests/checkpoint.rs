//! Checkpoints torn, foreign and left half-written.

mod stored;
mod synthetic;

use std::fs;

use prefbench_results::{Checkpoint, Error, Store};
use stored::{Outcome, checkpoint, contents, open, oracle, save};
use synthetic::config;

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
    assert_eq!(
        folders,
        ["checkpoint-000000000002", "checkpoint-000000000003"]
    );
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
    let newest = run.dir().join("checkpoint-000000000002");
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
    fs::remove_file(run.dir().join("checkpoint-000000000003/state.json"))?;
    assert_eq!(
        run.load_checkpoint()?.ok_or("a checkpoint")?.step,
        1,
        "the good one was kept, not the torn one"
    );

    fs::remove_file(run.dir().join("checkpoint-000000000001/policy.safetensors"))?;
    match run.load_checkpoint() {
        Err(error @ Error::NoGoodCheckpoint { .. }) => {
            let message = error.to_string();
            assert!(
                message.contains("checkpoint-000000000003/state.json"),
                "{message}"
            );
            assert!(
                message.contains("checkpoint-000000000001/policy.safetensors"),
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
        other.dir().join("checkpoint-000000000007"),
        run.dir().join("checkpoint-000000000002"),
    )?;
    match run.load_checkpoint() {
        Err(error @ Error::ForeignCheckpoint { .. }) => {
            assert!(
                error.to_string().contains("checkpoint-000000000002"),
                "{error}"
            );
        }
        unexpected => panic!("{unexpected:?}"),
    }
    Ok(())
}

#[test]
fn a_run_in_progress_can_be_looked_at() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for (dir, lacks) in [(root.path(), "config.json"), (run.dir(), "checkpoint")] {
        let message = Store::peek(dir).err().ok_or("it was read")?.to_string();
        assert!(message.contains(&format!("holds no {lacks}")), "{message}");
    }
    save(&mut run, 1)?;
    save(&mut run, 2)?;
    fs::remove_file(run.dir().join("checkpoint-000000000002/state.json"))?;
    let before = contents(run.dir())?;
    let (config, loaded) = Store::peek(run.dir())?;
    assert_eq!(
        (config, loaded.step, loaded.passed_over.len()),
        (oracle(), 1, 1)
    );
    assert_eq!(contents(run.dir())?, before);
    Ok(())
}

/// What is left of a finished run does not tell whether it was interrupted on the way.
#[test]
fn a_finished_run_keeps_one_checkpoint() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = open(root.path())?;
    for step in [1, 2, 5] {
        save(&mut run, step)?;
    }
    run.finish(&serde_json::json!({}))?;
    assert!(!run.dir().join("checkpoint-000000000002").exists());
    assert_eq!(Store::peek(run.dir())?.1, checkpoint(5));
    Ok(())
}
