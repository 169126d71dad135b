//! Folders of runs brought together.

mod stored;
mod synthetic;

use std::fs;
use std::path::Path;

use prefbench_results::{Error, Run, Status, Store, Why, merge};
use serde_json::{Value, json};
use stored::{Outcome, contents, evals, open, save};
use synthetic::{config, eval};

/// A run with the first `n` evaluations and a checkpoint at the last of them.
fn begun(root: &Path, n: usize) -> Result<Run, Error> {
    let mut run = open(root)?;
    for eval in &evals()[..n] {
        run.append(eval)?;
        save(&mut run, eval.step)?;
    }
    Ok(run)
}

#[test]
fn the_copy_that_came_furthest_wins_from_either_side() -> Outcome {
    type Copy = fn(&Path) -> Result<Run, Error>;
    let copies: [Copy; 4] = [
        |root| begun(root, 1),
        |root| begun(root, 2),
        |root| {
            let mut run = begun(root, 2)?;
            run.fail(1500, "the loss is NaN")?;
            Ok(run)
        },
        |root| {
            let mut run = begun(root, 3)?;
            run.finish(&Value::Null)?;
            Ok(run)
        },
    ];
    for (i, worse) in copies.iter().enumerate() {
        for (j, better) in copies.iter().enumerate().skip(i) {
            if (i, j) == (2, 3) {
                continue; // A conflict.
            }
            let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
            drop(worse(a.path())?);
            let run = better(b.path())?;
            let (name, best) = (
                run.dir().file_name().map(ToOwned::to_owned),
                contents(run.dir())?,
            );
            drop(run);
            let name = name.ok_or("a name")?;
            for order in [[&a, &b], [&b, &a]] {
                let into = tempfile::tempdir()?;
                let merged = merge(&order.map(|dir| dir.path().to_path_buf()), into.path())?;
                assert_eq!(
                    (merged.copied.len(), merged.conflicts.len()),
                    (1, 0),
                    "{merged:?}"
                );
                assert_eq!(contents(&into.path().join(&name))?, best, "{i} and {j}");
                assert_eq!(
                    fs::read_dir(into.path())?.count(),
                    1,
                    "nothing is left lying about"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn copies_that_ended_differently_are_a_conflict_and_stay() -> Outcome {
    let (a, b, into) = (
        tempfile::tempdir()?,
        tempfile::tempdir()?,
        tempfile::tempdir()?,
    );
    for (root, value) in [(&a, 1.0), (&b, 2.0)] {
        let mut run = open(root.path())?;
        run.append(&eval(0, &[value]))?;
        run.finish(&json!({}))?;
    }
    let from = [a.path().to_path_buf(), b.path().to_path_buf()];
    let merged = merge(&from, into.path())?;
    assert_eq!((merged.copied.len(), merged.conflicts.len()), (1, 1));
    assert!(merged.conflicts[0].0.starts_with(b.path()));
    assert!(
        merged.conflicts[0].1.contains("other evaluations"),
        "{merged:?}"
    );
    let (finished, _) = Store::scan(into.path())?;
    assert_eq!(finished[0].evals, [eval(0, &[1.0])]);
    Ok(())
}

/// That a seed diverged is a result, which a copy that did not must not hide.
#[test]
fn one_that_failed_and_one_that_finished_are_a_conflict() -> Outcome {
    let (a, b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    begun(a.path(), 2)?.fail(1500, "the loss is NaN")?;
    begun(b.path(), 3)?.finish(&Value::Null)?;
    for (from, into) in [(&a, &b), (&b, &a)] {
        let merged = merge(&[from.path().to_path_buf()], into.path())?;
        assert_eq!(merged.conflicts.len(), 1, "{merged:?}");
        let told = &merged.conflicts[0].1;
        assert!(
            told.contains("failed at step 1500: the loss is NaN"),
            "{told}"
        );
    }
    Ok(())
}

/// A copy that was cut off, as of a disk that filled up, has come only as far as what is whole in it.
#[test]
fn a_checkpoint_that_cannot_be_read_counts_for_nothing() -> Outcome {
    let (cut, whole) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let run = begun(cut.path(), 3)?;
    let name = run.dir().file_name().ok_or("a name")?.to_owned();
    drop(run);
    let mut generations: Vec<_> = fs::read_dir(cut.path().join(&name))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    generations.sort();
    for (i, generation) in generations.iter().enumerate() {
        match i {
            0 => fs::remove_dir_all(generation)?,
            _ => fs::write(generation.join("policy.safetensors"), b"cut")?,
        }
    }
    drop(begun(whole.path(), 2)?);
    let good = contents(&whole.path().join(&name))?;
    let merged = merge(&[cut.path().to_path_buf()], whole.path())?;
    assert_eq!((merged.kept, merged.replaced.len()), (1, 0), "{merged:?}");
    assert_eq!(contents(&whole.path().join(&name))?, good);
    let merged = merge(&[whole.path().to_path_buf()], cut.path())?;
    assert_eq!(merged.replaced.len(), 1, "{merged:?}");
    assert_eq!(contents(&cut.path().join(&name))?, good);
    Ok(())
}

#[test]
fn a_run_at_work_is_left_alone() -> Outcome {
    let (a, into) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let run = begun(a.path(), 1)?;
    let merged = merge(&[a.path().to_path_buf()], into.path())?;
    assert!(merged.conflicts[0].1.contains("works on it"), "{merged:?}");
    assert_eq!(fs::read_dir(into.path())?.count(), 0);
    drop(run);
    assert_eq!(
        merge(&[a.path().to_path_buf()], into.path())?.copied.len(),
        1
    );
    Ok(())
}

#[test]
fn a_failed_run_has_ended_and_is_told_until_it_is_tried_again() -> Outcome {
    let root = tempfile::tempdir()?;
    let mut run = begun(root.path(), 2)?;
    run.fail(1200, "the loss is NaN")?;
    assert!(matches!(run.append(&evals()[2]), Err(Error::Ended { .. })));
    let store = Store::open(root.path())?;
    let of = |seed| config("walker-walk", "pebble", Some("oracle"), seed);
    assert_eq!(store.status(stored::NAME, &of(0))?, Status::Failed);
    let (_, unfinished) = Store::scan(root.path())?;
    assert!(matches!(&unfinished[0].why, Why::Failed(f) if f.step == 1200));
    assert_eq!(
        unfinished[0].why.to_string(),
        "failed at step 1200: the loss is NaN"
    );

    run.retry()?;
    run.append(&evals()[2])?;
    assert_eq!(run.load_checkpoint()?.ok_or("a checkpoint")?.step, 1000);
    Ok(())
}
