//! HDF5 files, through every reader of the registry that takes them. Readers take paths, so each
//! input goes through a file; point TMPDIR at a memory disk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prefbench_oracles::import::{FORMATS, Read};

const IDS: &[&str] = &["d4rl", "minari", "robomimic"];

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let path = folder.path().join("fuzzed.hdf5");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    for format in FORMATS.iter().filter(|f| IDS.contains(&f.id)) {
        if let Read::Dataset(read) = format.read {
            let _ = read(&path);
        }
    }
});
