//! The tables of a dataset: each of a sound folder's files in turn is replaced by the input.
//! Readers take paths, so each input goes through a file; point TMPDIR at a memory disk.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use prefbench_oracles::Dataset;

const TABLES: [&str; 4] = ["dataset.json", "episodes.parquet", "steps.parquet", "preferences.parquet"];

/// A copy of the sample, to be damaged.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("prefbench-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for table in TABLES {
        std::fs::copy(sample(table), folder.join(table)).expect("a file");
    }
    folder
});

fn sample(table: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/dataset").join(table)
}

fuzz_target!(|bytes: &[u8]| {
    for table in TABLES {
        let path = FOLDER.join(table);
        std::fs::write(&path, bytes).expect("a file");
        let _ = Dataset::read(&FOLDER);
        std::fs::copy(sample(table), path).expect("a file");
    }
});
