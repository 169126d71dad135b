//! Runs for other tools: TensorBoard's event files, against bytes that its own classes wrote
//! (`tensorboard/make.py`), and as it reads them; the import into W&B.

use std::fs;
use std::path::Path;
use std::process::Command;

use prefbench_results::Error;
use prefbench_results::tensorboard::{FILE, export};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const EXPECTED: &[u8] = include_bytes!("tensorboard/run.tfevents");

fn run() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/tensorboard/run"
    ))
}

#[test]
fn the_bytes_are_tensorboards_and_are_written_once() -> Outcome {
    let root = tempfile::tempdir()?;
    let out = root.path().join("new/folder");
    assert_eq!(export(run(), &out)?, (out.join(FILE), true));
    assert!(fs::read(out.join(FILE))? == EXPECTED);
    assert_eq!(export(run(), &out)?, (out.join(FILE), false));

    // The run went on since the last export.
    fs::write(out.join(FILE), &EXPECTED[..EXPECTED.len() - 100])?;
    assert_eq!(export(run(), &out)?, (out.join(FILE), true));
    assert!(fs::read(out.join(FILE))? == EXPECTED);
    Ok(())
}

#[test]
fn what_is_not_of_this_run_is_left_alone() -> Outcome {
    let root = tempfile::tempdir()?;
    let out = root.path();
    let nothing = export(out, out);
    assert!(
        matches!(nothing, Err(Error::NothingSaved { .. })),
        "{nothing:?}"
    );

    let mut other = EXPECTED.to_vec();
    other[100] ^= 1;
    for (name, bytes) in [(FILE, other.as_slice()), ("config.json", b"{}")] {
        let path = out.join(name);
        fs::write(&path, bytes)?;
        let refused = export(run(), out).expect_err(name);
        assert!(
            matches!(&refused, Error::ForeignFile { file } if *file == path),
            "{refused}"
        );
        assert!(fs::read(&path)? == bytes);
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Runs a script, which ends with 77 where `package` is missing: then the test is skipped.
fn python(package: &str, script: &[&str]) {
    let Ok(out) = Command::new("python3").args(script).output() else {
        eprintln!("skipped: there is no python3 here");
        return;
    };
    match out.status.code() {
        Some(0) => {}
        Some(77) => eprintln!("skipped: python3 has no {package} here"),
        _ => panic!("{}", String::from_utf8_lossy(&out.stderr)),
    }
}

const READ: &str = r#"
import sys
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    sys.exit(77)
read = EventAccumulator(sys.argv[1]).Reload()
assert len(read.Tags()["scalars"]) == 12, read.Tags()
assert [e.step for e in read.Scalars("eval/return")] == [0, 4000, 6000]
assert [e.step for e in read.Scalars("progress/steps_per_second")] == [2000, 4000, 6000]
assert read.Scalars("progress/steps_per_second")[-1].value == 602.25
(config,) = read.Tensors("config")
assert b'"task": "reach"' in config.tensor_proto.string_val[0]
assert list(read.PluginTagToContent("text")) == ["config"]
"#;

#[test]
fn tensorboard_reads_an_event_file() -> Outcome {
    let root = tempfile::tempdir()?;
    let (path, _) = export(run(), root.path())?;
    python(
        "tensorboard",
        &["-W", "ignore", "-c", READ, path.to_str().ok_or("no UTF-8")?],
    );
    Ok(())
}

#[test]
fn runs_are_imported_into_wandb_once() {
    python(
        "wandb 0.25.1",
        &[concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wandb/check.py")],
    );
}
