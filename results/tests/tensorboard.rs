//! Event files, against bytes that TensorBoard's own classes wrote (`tensorboard/make.py`).

use std::fs;
use std::path::Path;

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
