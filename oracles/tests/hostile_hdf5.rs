//! The readers of HDF5 on damaged and hostile files: an error or a dataset, never a panic, and
//! memory below ten times the file's size and a megabyte. Alone in its process, because memory is
//! counted in the whole process.

#![allow(clippy::unwrap_used)]

mod counting;

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use counting::{Counting, peak};
use hdf5_pure::{CompoundTypeBuilder, DatasetBuilder, Datatype, FileBuilder};
use prefbench_oracles::import::Read;
use prefbench_oracles::{Dataset, DatasetError, Stream, export, import};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tests take turns, so that what is counted belongs to one.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file on disk that is changed again and again.
struct Victim {
    format: &'static str,
    name: &'static str,
    /// What is read: the file, or the folder that it lies in.
    path: PathBuf,
    file: PathBuf,
    sound: Vec<u8>,
    _dir: TempDir,
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(name)
}

impl Victim {
    fn new(format: &'static str, name: &'static str, sound: Vec<u8>) -> Victim {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.hdf5");
        fs::write(&file, &sound).unwrap();
        Victim {
            format,
            name,
            path: file.clone(),
            file,
            sound,
            _dir: dir,
        }
    }

    fn sample(format: &'static str, name: &'static str) -> Victim {
        Victim::new(format, name, fs::read(sample(name)).unwrap())
    }

    /// A Minari folder whose main file is changed.
    fn folder(name: &'static str, from: &Path) -> Victim {
        let mut victim = Victim::new(
            "minari",
            name,
            fs::read(from.join("data/main_data.hdf5")).unwrap(),
        );
        let file = victim.path.with_file_name("main_data.hdf5");
        fs::rename(&victim.file, &file).unwrap();
        fs::copy(
            from.join("data/metadata.json"),
            file.with_file_name("metadata.json"),
        )
        .unwrap();
        victim.path = file.parent().unwrap().to_path_buf();
        victim.file = file;
        victim
    }

    fn all() -> Vec<Victim> {
        let small = read("robomimic", &sample("robomimic_small.hdf5")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        (export::find("minari").unwrap().write)(&small, &dir.path().join("made-v0")).unwrap();
        vec![
            Victim::sample("d4rl", "d4rl.hdf5"),
            Victim::sample("d4rl", "d4rl_gzip.hdf5"),
            Victim::sample("d4rl", "d4rl_no_timeouts.hdf5"),
            Victim::sample("robomimic", "robomimic_small.hdf5"),
            Victim::sample("robomimic", "robomimic.hdf5"),
            Victim::folder("written by prefbench", &dir.path().join("made-v0")),
            Victim::folder("written by minari", &sample("minari")),
        ]
    }

    /// Reads it with `bytes` at `at`, which it has only for that long.
    fn check_changed(&self, changes: &[(usize, Vec<u8>)], what: &dyn std::fmt::Display) {
        let mut file = OpenOptions::new().write(true).open(&self.file).unwrap();
        let mut put = |at: usize, bytes: &[u8]| {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(bytes).unwrap();
        };
        changes.iter().for_each(|(at, bytes)| put(*at, bytes));
        self.check(what);
        (changes.iter()).for_each(|(at, bytes)| put(*at, &self.sound[*at..at + bytes.len()]));
    }

    /// Reads it as it is. Whether that succeeded.
    fn check(&self, what: &dyn std::fmt::Display) -> bool {
        let len = self.file.metadata().unwrap().len() as usize;
        let (result, peak) = peak(|| read(self.format, &self.path));
        let bar = 10 * len + (1 << 20);
        let name = self.name;
        assert!(
            peak <= bar,
            "{name}, {what}: {peak} bytes for a file of {len}"
        );
        if let Err(e) = &result {
            assert!(!e.to_string().contains("panicked"), "{name}, {what}: {e}");
        }
        result.is_ok()
    }
}

fn read(format: &str, path: &Path) -> Result<Dataset, DatasetError> {
    match import::find(format).unwrap().read {
        Read::Dataset(read) => read(path),
        Read::Labels(_) => panic!("{format} holds a dataset"),
    }
}

#[test]
fn cut_off_anywhere() {
    let _turn = turn();
    for victim in Victim::all() {
        // Every offset of the small ones.
        let step = if victim.sound.len() < 20_000 { 1 } else { 101 };
        let file = OpenOptions::new().write(true).open(&victim.file).unwrap();
        assert!(victim.check(&"whole"));
        for len in (0..victim.sound.len()).rev().step_by(step) {
            file.set_len(len as u64).unwrap();
            assert!(
                !victim.check(&format_args!("cut to {len} bytes")),
                "{len} bytes of {}",
                victim.name
            );
        }
    }
    // And where the file says that this is all of it.
    let victim = Victim::sample("d4rl", "d4rl.hdf5");
    let file = OpenOptions::new().write(true).open(&victim.file).unwrap();
    for len in (96..victim.sound.len()).rev() {
        file.set_len(len as u64).unwrap();
        let end = (len as u64).to_le_bytes().to_vec();
        victim.check_changed(&[(40, end)], &format_args!("shortened to {len} bytes"));
    }
}

#[test]
fn bytes_changed() {
    let _turn = turn();
    let mut chance = Stream::new(1, "bytes");
    for victim in Victim::all() {
        for _ in 0..600 {
            let change = |_| {
                let at = chance.below(victim.sound.len());
                let old = victim.sound[at];
                let any = chance.below(256) as u8;
                let new = [0, 0xFF, old ^ (1 << chance.below(8)), any][chance.below(4)];
                (at, vec![new])
            };
            let changes: Vec<_> = (0..4).map(change).collect();
            victim.check_changed(&changes[..=chance.below(4)], &"bytes changed");
        }
    }
}

/// Every number in the structures, as a size that is absurd and as an address elsewhere.
#[test]
fn numbers_changed() {
    let _turn = turn();
    let mut chance = Stream::new(1, "numbers");
    for victim in Victim::all() {
        let all: Vec<usize> = (0..victim.sound.len() - 8)
            .step_by(if victim.sound.len() < 20_000 { 8 } else { 64 })
            .collect();
        let addresses: Vec<u64> = (all.iter())
            .map(|&at| u64::from_le_bytes(victim.sound[at..at + 8].try_into().unwrap()))
            .filter(|&n| n > 8 && n < victim.sound.len() as u64)
            .collect();
        for &at in &all {
            let address = addresses[chance.below(addresses.len())];
            let absurd = [1 << 20, 1 << 31, 1 << 40, 1 << 62, u64::MAX - 1][chance.below(5)];
            for number in [address, absurd] {
                let change = [(at, number.to_le_bytes().to_vec())];
                victim.check_changed(&change, &format_args!("{number} at {at}"));
            }
        }
    }
}

/// A D4RL file of ten rows in which `change` may make an array of its own of an array's name.
fn d4rl(change: impl Fn(&str, &mut DatasetBuilder) -> bool) -> Vec<u8> {
    let mut file = FileBuilder::new();
    for name in [
        "observations",
        "actions",
        "rewards",
        "terminals",
        "timeouts",
        "next_observations",
    ] {
        let array = file.create_dataset(name);
        if !change(name, array) {
            let width = if name.contains("observations") { 4 } else { 1 };
            array
                .with_f32_data(&vec![1.0; 10 * width])
                .with_shape(&[10, width as u64]);
        }
    }
    file.finish().unwrap()
}

#[test]
fn what_inflates_more_than_tenfold() {
    let _turn = turn();
    // In chunks, and in one.
    for chunk in [1 << 12, 1 << 18] {
        let bytes = d4rl(|name, array| {
            let width = if name.contains("observations") { 4 } else { 1 };
            array
                .with_f32_data(&vec![0.0; (1 << 18) * width])
                .with_shape(&[1 << 18, width as u64]);
            array.with_chunks(&[chunk, width as u64]).with_deflate(9);
            true
        });
        let victim = Victim::new("d4rl", "zeros", bytes);
        assert!(!victim.check(&"zeros"));
        let error = read("d4rl", &victim.path).unwrap_err();
        assert!(error.reason.contains("h5repack -f NONE"), "{error}");
    }
}

/// What fuzzing has found, and what it began with.
#[test]
fn seeds_of_the_fuzzer() {
    let _turn = turn();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/hdf5");
    for seed in fs::read_dir(folder).unwrap() {
        let path = seed.unwrap().path();
        for format in ["d4rl", "robomimic"] {
            let victim = Victim::new(format, "seed", fs::read(&path).unwrap());
            victim.check(&path.display());
        }
        let victim = Victim::folder("seed", &sample("minari"));
        fs::copy(&path, &victim.file).unwrap();
        victim.check(&path.display());
    }
}

/// A name for each of a million numbers takes more room than the numbers.
#[test]
fn one_very_wide_row() {
    let _turn = turn();
    let bytes = d4rl(|name, array| {
        let width = if name.contains("observations") {
            1 << 20
        } else {
            1
        };
        array
            .with_u8_data(&vec![1; width])
            .with_shape(&[1, width as u64]);
        true
    });
    let victim = Victim::new("d4rl", "wide", bytes);
    assert!(!victim.check(&"wide"));
}

#[test]
fn metadata_of_minari() {
    let _turn = turn();
    let mut victim = Victim::folder("metadata", &sample("minari"));
    victim.file.set_file_name("metadata.json");
    let sound = fs::read_to_string(&victim.file).unwrap();
    let refused = |text: &str, reason: &str| {
        fs::write(&victim.file, text).unwrap();
        assert!(!victim.check(&reason));
        let error = read("minari", &victim.path).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}, not {reason}");
    };
    for len in 0..sound.len() {
        refused(&sound[..len], "metadata.json: ");
    }
    refused(
        &sound.replace("\"total_steps\": 11", "\"total_steps\": 12"),
        "12 are announced, but 11",
    );
    refused(
        &sound.replace("\"total_steps\": 11", "\"total_steps\": 10"),
        "10 are announced, but there",
    );
    let huge = sound.replace(
        "\"total_steps\": 11",
        "\"total_steps\": 18446744073709551615",
    );
    refused(&huge, "h5repack");
    refused(
        &sound.replace("\"total_episodes\": 3", "\"total_episodes\": 4"),
        "but 3 are there",
    );
    refused(
        &sound.replace("\"hdf5\"", "\"arrow\""),
        "convert the dataset to hdf5",
    );
    refused(
        &sound.replacen("Box", "Discrete", 1),
        "space of type Discrete",
    );
    refused(&sound.replacen("[3]", "[4]", 1), "but its space's is [4]");
    refused(
        &sound.replacen("\\\"aim\\\"", "\\\"arm\\\"", 1),
        "its space is not in the metadata",
    );
    refused(&format!("{}{sound}", " ".repeat(17 << 20)), "more than");
    let nested = r#"{\"type\": \"Dict\", \"subspaces\": {\"a\": "#.repeat(200);
    let nested =
        format!(r#"{{"total_episodes": 3, "total_steps": 11, "observation_space": "{nested}"}}"#);
    refused(&nested, "recursion limit");
}

#[test]
fn wrong_arrays_are_named() {
    let _turn = turn();
    let refused = |field: &str, reason: &str, change: &dyn Fn(&mut DatasetBuilder)| {
        let bytes = d4rl(|name, array| {
            let chosen = name == field;
            if chosen {
                change(array);
            }
            chosen
        });
        let victim = Victim::new("d4rl", "d4rl", bytes);
        victim.check(&reason);
        let error = read("d4rl", &victim.path).unwrap_err();
        assert_eq!(
            (error.field.as_str(), &error.file),
            (field, &victim.path),
            "{error}"
        );
        assert!(error.reason.contains(reason), "{error}, not {reason}");
    };
    assert!(Victim::new("d4rl", "sound", d4rl(|_, _| false)).check(&"sound"));
    refused("observations", "not text", &|a| {
        a.with_ascii_strings(&["a"; 10]).unwrap();
    });
    refused("rewards", "not values of variable length", &|a| {
        a.with_vlen_strings(&["a"; 10]);
    });
    let record = || CompoundTypeBuilder::new().f64_field("r").build().unwrap();
    refused("rewards", "it holds records", &|a| {
        a.with_compound_data(record(), vec![0; 80], 10);
    });
    refused(
        "actions",
        "9 rows, where 10 are expected from observations",
        &|a| {
            a.with_i64_data(&[1; 9]);
        },
    );
    refused(
        "rewards",
        "a row has 2 numbers, where 1 is expected",
        &|a| {
            a.with_f32_data(&[0.0; 20]).with_shape(&[10, 2]);
        },
    );
    refused("observations", "images are not supported", &|a| {
        a.with_u8_data(&[0; 90]).with_shape(&[10, 3, 3]);
    });
    refused(
        "next_observations",
        "5 numbers a row, where observations have 4",
        &|a| {
            a.with_f32_data(&[0.0; 50]).with_shape(&[10, 5]);
        },
    );
    refused(
        "next_observations",
        "row 9 has a number that is not finite",
        &|a| {
            let mut numbers = [0.0; 40];
            numbers[38] = f32::NAN;
            a.with_f32_data(&numbers).with_shape(&[10, 4]);
        },
    );
    refused("rewards", "row 3 has a number that is not finite", &|a| {
        // Finite, but not in the precision kept.
        a.with_f64_data(&[0.0, 0.0, 0.0, 1e300, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    });
    let mut file = FileBuilder::new();
    file.create_dataset("observations").with_f32_data(&[1.0]);
    let victim = Victim::new("d4rl", "missing", file.finish().unwrap());
    let error = read("d4rl", &victim.path).unwrap_err();
    assert_eq!(
        (error.field.as_str(), error.reason.as_str()),
        ("actions", "missing; its group has observations")
    );
}

/// The library parses datatypes by recursion: this one would take its thread's stack.
#[test]
fn a_datatype_of_thousands_of_levels() {
    let _turn = turn();
    let build = || {
        let mut datatype = hdf5_pure::make_u8_type();
        for _ in 0..8000 {
            datatype = Datatype::VariableLength {
                is_string: false,
                padding: None,
                charset: None,
                base_type: Box::new(datatype),
            };
        }
        d4rl(|name, array| {
            if name == "observations" {
                array.with_raw_data(datatype.clone(), vec![0; 160], 10);
            }
            name == "observations"
        })
    };
    // Making it is recursive too.
    let thread = std::thread::Builder::new()
        .stack_size(256 << 20)
        .spawn(build);
    let victim = Victim::new("d4rl", "nested", thread.unwrap().join().unwrap());
    assert!(!victim.check(&"a nested datatype"));
    let error = read("d4rl", &victim.path).unwrap_err();
    assert!(error.reason.contains("that contain others"), "{error}");
}
