//! HDF5 files, through every reader of the registry that takes them. Readers take paths, so each
//! input goes through a file; point TMPDIR at a memory disk.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prefbench_oracles::import::{FORMATS, Read};

/// What lies beside a Minari dataset's file.
const METADATA: &str = include_str!("../../tests/import/minari/data/metadata.json");

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let folder = folder.path();
    let path = folder.join("main_data.hdf5");
    let written = std::fs::write(&path, bytes);
    if written.is_err() || std::fs::write(folder.join("metadata.json"), METADATA).is_err() {
        return;
    }
    for format in FORMATS {
        let path = match format.id {
            "d4rl" | "robomimic" => &path,
            "minari" => folder,
            _ => continue,
        };
        if let Read::Dataset(read) = format.read {
            let _ = read(path);
        }
    }
});
