//! Arrays, pickles and archives that lie: always an error with the file and the reason, never a panic,
//! never more memory than ten times the file plus 1 MiB. Alone in its process, because the
//! memory is counted for the whole process.

#![allow(clippy::unwrap_used)]

mod counting;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use counting::{Counting, peak};
use prefbench_oracles::DatasetError;
use prefbench_oracles::import::pickle::Pickle;
use prefbench_oracles::import::{cpl, ipl, lire, npy, oppo, preference_transformer, uni_rlhf};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALONE: Mutex<()> = Mutex::new(());

/// Runs a reader on `bytes` and checks the memory that it took at most, besides theirs.
fn bounded<T>(bytes: &[u8], read: impl FnOnce() -> T) -> T {
    let (result, peak) = peak(read);
    let peak = peak + bytes.len();
    let allowed = 10 * bytes.len() + (1 << 20);
    assert!(
        peak <= allowed,
        "{peak} bytes for a file of {}",
        bytes.len()
    );
    result
}

const FILE: &str = "sample";

fn pickle(bytes: &[u8]) -> Result<(), DatasetError> {
    bounded(bytes, || Pickle::parse(bytes, Path::new(FILE)).map(drop))
}

/// Everything that reads pickles.
fn labels(bytes: &[u8]) -> Result<(), DatasetError> {
    let file = Path::new(FILE);
    let _ = bounded(bytes, || preference_transformer::coded_labels(bytes, file));
    let _ = bounded(bytes, || uni_rlhf::one_hot(bytes, file));
    let _ = bounded(bytes, || oppo::parse(bytes, file));
    let _ = bounded(bytes, || lire::parse(bytes, file));
    bounded(bytes, || preference_transformer::indices(bytes, file)).map(drop)
}

fn npz(bytes: &[u8]) -> Result<(), DatasetError> {
    let file = Path::new(FILE);
    bounded(bytes, || cpl::parse(bytes, file).map(drop))
        .or_else(|first| bounded(bytes, || ipl::parse(bytes, file).map(drop)).map_err(|_| first))
}

fn array(bytes: &[u8]) -> Result<(), DatasetError> {
    bounded(bytes, || {
        let array = npy::Array::parse(bytes);
        let array = array.map_err(|reason| DatasetError::new(Path::new(FILE), "", reason))?;
        drop(array.to_vec::<f32>());
        Ok(())
    })
}

type Reader = fn(&[u8]) -> Result<(), DatasetError>;

/// Checks that the error is one for people.
fn refused(result: Result<(), DatasetError>, what: &str) -> DatasetError {
    let error = result.expect_err(what);
    assert_eq!(error.file, Path::new(FILE), "{what}");
    assert!(error.reason.len() > 10, "{what}: {error}");
    error
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn json() -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder().join("arrays.json")).unwrap()).unwrap()
}

/// Every small sample, and what reads it.
fn samples() -> Vec<(String, Vec<u8>, Reader)> {
    let mut out: Vec<(String, Vec<u8>, Reader)> = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "npz")
            && path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("arrays")
        {
            out.push((
                path.display().to_string(),
                std::fs::read(path).unwrap(),
                npz,
            ));
        }
    }
    let digit = |b: u8| char::from(b).to_digit(16).unwrap() as u8;
    let json = json();
    for (kind, reader) in [("npy", array as Reader), ("pickle", pickle)] {
        for (name, sample) in json[kind].as_object().unwrap() {
            let hex = sample["hex"].as_str().unwrap().as_bytes();
            let bytes = hex.chunks(2).map(|c| 16 * digit(c[0]) + digit(c[1]));
            out.push((name.clone(), bytes.collect(), reader));
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(out.len() > 100);
    out
}

#[test]
fn a_sample_cut_short_anywhere_is_refused() {
    let _alone = ALONE.lock();
    for (name, bytes, read) in samples() {
        read(&bytes).unwrap();
        for len in 0..bytes.len() {
            refused(read(&bytes[..len]), &format!("{name} cut to {len}"));
        }
    }
}

#[test]
fn flipped_bytes_neither_panic_nor_exhaust_memory() {
    let _alone = ALONE.lock();
    let mut state = 1u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for (_, bytes, read) in samples() {
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..=draw(3) {
                damaged[draw(bytes.len())] = draw(256) as u8;
            }
            let _ = read(&damaged);
        }
    }
}

/// What fuzzing found, and what it began with.
#[test]
fn seeds_of_the_fuzz_targets_are_replayed() {
    let _alone = ALONE.lock();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (target, readers) in [
        ("npz", [npz as Reader, array]),
        ("pickle", [pickle as Reader, labels]),
    ] {
        let listed = std::fs::read_dir(seeds.join(target)).unwrap();
        let seeds: Vec<_> = listed
            .map(|e| std::fs::read(e.unwrap().path()).unwrap())
            .collect();
        assert!(seeds.len() > 5);
        for (seed, read) in seeds.iter().flat_map(|s| readers.map(|r| (s, r))) {
            if let Err(error) = read(seed) {
                assert_eq!(error.file, Path::new(FILE), "{error}");
            }
        }
    }
}

/// An archive of these members.
fn archive(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn npy_of(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

#[test]
fn arrays_whose_headers_lie_are_refused() {
    let _alone = ALONE.lock();
    for (what, descr, shape) in [
        ("larger than the file", "'<f8'", "(4,)"),
        ("smaller than the file", "'<f8'", "(2,)"),
        (
            "an overflow",
            "'<f8'",
            "(4611686018427387904, 4611686018427387904, 0)",
        ),
        ("beyond 64 bits", "'<f8'", "(99999999999999999999999,)"),
        ("not a tuple", "'<f8'", "3"),
        (
            "too many axes",
            "'<f8'",
            "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,3)",
        ),
        ("unknown", "'<x8'", "(3,)"),
        ("objects", "'|O'", "(3,)"),
        ("structured", "[('x', '<f8')]", "(3,)"),
        ("code", "__import__('os')", "(3,)"),
    ] {
        refused(array(&npy_of(descr, shape, &[0; 24])), what);
        let segments = npy_of(descr, shape, &[0; 24]);
        let npz_of = archive(
            &[("obs", &segments), ("rl_sum", &segments)],
            CompressionMethod::Stored,
        );
        let error = refused(npz(&npz_of), what);
        assert_eq!(error.field, "obs", "{what}: {error}");
    }
    let mut long = b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec();
    long.extend([b' '; 100]);
    assert!(refused(array(&long), "header").reason.contains("header"));
}

/// Observations, actions and scores of segments, all zeros.
fn segments(count: usize, len: usize, dim: usize, descr: &str, size: usize) -> [Vec<u8>; 3] {
    let of = |shape: &str, n: usize| npy_of(descr, shape, &vec![0; n * size]);
    [
        of(&format!("({count}, {len}, {dim})"), count * len * dim),
        of(&format!("({count}, {len}, 1)"), count * len),
        of(&format!("({count},)"), count),
    ]
}

/// A file of scored segments.
fn scored([obs, action, sums]: [&[u8]; 3], method: CompressionMethod) -> Vec<u8> {
    let members = [("obs", obs), ("action", action), ("rl_sum", sums)];
    archive(&members, method)
}

#[test]
fn archives_that_expand_beyond_measure_are_refused() {
    let _alone = ALONE.lock();
    let deflated = CompressionMethod::Deflated;
    for (what, shape, descr, size) in [
        ("one big array", (1000, 64, 39), "'<f4'", 4),
        ("many small ones", (6000, 1, 1), "'|b1'", 1),
        ("a wide one", (1, 1, 1_000_000), "'|i1'", 1),
        ("many bytes that become floats", (100, 100, 90), "'|i1'", 1),
    ] {
        let [obs, action, sums] = segments(shape.0, shape.1, shape.2, descr, size);
        let error = refused(npz(&scored([&obs, &action, &sums], deflated)), what);
        assert!(error.reason.contains("np.savez"), "{what}: {error}");
    }
    // As much in every member as is still allowed.
    for count in [2, 100, 5000, 50_000] {
        for (len, dim) in [(1, 1), (1, 30), (20, 4)] {
            let [obs, action, sums] = segments(count, len, dim, "'|i1'", 1);
            for method in [deflated, CompressionMethod::Stored] {
                let _ = npz(&scored([&obs, &action, &sums], method));
            }
        }
    }
    // Just enough that does not compress, and the rest in an order that needs it whole.
    let noise =
        (0..500_000u64).map(|i| (i.wrapping_mul(i).wrapping_mul(0x9e37_79b9_7f4a) >> 40) as u8);
    let action = npy_of("'|i1'", "(1, 50000, 10)", &noise.collect::<Vec<_>>());
    let [mut obs, _, sums] = segments(1, 50_000, 9, "'|i1'", 1);
    let at = obs.windows(5).position(|w| w == b"False").unwrap();
    obs[at..at + 5].copy_from_slice(b"True ");
    let _ = npz(&scored([&obs, &action, &sums], deflated));
    let names: Vec<String> = (0..30_000).map(|i| format!("{i:x}")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &[][..])).collect();
    refused(npz(&archive(&members, deflated)), "a long list of members");
}

#[test]
fn values_that_are_no_preferences_are_refused() {
    let _alone = ALONE.lock();
    let number = |v: f64| v.to_le_bytes().repeat(2);
    for (key, value, says) in [
        ("rl_sum", f64::NAN, "not finite"),
        ("label", 2.0, "is expected"),
    ] {
        let [obs, action, _] = segments(2, 1, 1, "'<f8'", 8);
        let sums = npy_of("'<f8'", "(2,)", &number(value));
        let suffixes: &[&str] = if key == "label" { &["_1", "_2"] } else { &[""] };
        let mut members = vec![(key.to_owned(), sums.as_slice())];
        for s in suffixes {
            members.push((format!("obs{s}"), &obs));
            members.push((format!("action{s}"), &action));
        }
        let members: Vec<(&str, &[u8])> = members.iter().map(|(n, b)| (n.as_str(), *b)).collect();
        let bytes = archive(&members, CompressionMethod::Stored);
        let error = match key {
            "label" => ipl::parse(&bytes, Path::new(FILE)),
            _ => cpl::parse(&bytes, Path::new(FILE)),
        };
        let error = error.unwrap_err();
        assert_eq!(error.field, key);
        assert!(error.reason.contains(says), "{error}");
    }
    let mut values = vec![0.0; 4];
    values[3] = f64::NAN;
    let values: Vec<u8> = values.into_iter().flat_map(f64::to_le_bytes).collect();
    let obs = npy_of("'<f8'", "(2, 2, 1)", &values);
    let [_, action, sums] = segments(2, 2, 1, "'<f8'", 8);
    let members: [(&str, &[u8]); 3] = [("obs", &obs), ("action", &action), ("rl_sum", &sums)];
    let bytes = archive(&members, CompressionMethod::Stored);
    let error = cpl::parse(&bytes, Path::new(FILE)).unwrap_err();
    assert_eq!(error.field, "obs");
    assert_eq!(error.reason, "segment 1, step 1: not finite");
    let rewards = npy_of("'<f8'", "(2, 2)", &values);
    let [obs, ..] = segments(2, 2, 1, "'<f8'", 8);
    let members: [(&str, &[u8]); 4] = [
        ("obs", &obs),
        ("action", &action),
        ("rl_sum", &sums),
        ("reward", &rewards),
    ];
    let bytes = archive(&members, CompressionMethod::Stored);
    let error = cpl::parse(&bytes, Path::new(FILE)).unwrap_err();
    assert_eq!(error.field, "reward");
    assert_eq!(error.reason, "segment 1, step 1: not finite");
    let [_, action, sums] = segments(2, 1, 1, "'<f8'", 8);
    let images = npy_of("'|u1'", "(2, 1, 3, 2, 2)", &[0; 24]);
    let bytes = scored([&images, &action, &sums], CompressionMethod::Stored);
    let error = refused(npz(&bytes), "images");
    assert!(error.reason.contains("image"), "{error}");
}

#[test]
fn pickles_that_would_execute_are_refused_by_name() {
    let _alone = ALONE.lock();
    for (bytes, op, name) in [
        (&b"cos\nsystem\n(S'true'\ntR."[..], "GLOBAL", "os.system"),
        (
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
            "STACK_GLOBAL",
            "posix.system",
        ),
        (b"cnumpy\nload\n.", "GLOBAL", "numpy.load"),
        (
            b"cnumpy.core.multiarray\nx.__globals__\n.",
            "GLOBAL",
            "__globals__",
        ),
        (b"c__builtin__\neval\n(S'1'\ntR.", "GLOBAL", "eval"),
        (b"(S'true'\nios\nsystem\n.", "INST", "os.system"),
        (b"(K\x01K\x02o.", "OBJ", "a class"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ", "a class"),
        (b"\x80\x04cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX", "a class"),
        (b"\x80\x02\x82\x01.", "EXT1", "extension"),
        (b"Pmodel\n.", "PERSID", "model"),
        (b"K\x01Q.", "BINPERSID", "persistent"),
        (b"\x80\x04\x8f.", "EMPTY_SET", "set"),
        (b"K\x01K\x02R.", "REDUCE", "calls something"),
        (b"cnumpy\nndarray\n)R.", "REDUCE", "Ndarray"),
        (b"}K\x01}b.", "BUILD", "state"),
        (b"cnumpy\ndtype\n(S'O8'\nI00\nI01\ntR.", "REDUCE", "Python"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntS'b'\ntR.",
            "REDUCE",
            "class other",
        ),
    ] {
        let error = refused(pickle(bytes), name);
        assert!(error.reason.starts_with(op), "{op}: {error}");
        assert!(error.reason.contains(name), "{name}: {error}");
        assert!(error.field.starts_with("byte "), "{error}");
    }
}

#[test]
fn pickles_that_are_broken_are_refused() {
    let _alone = ALONE.lock();
    for bytes in [
        &b""[..],
        b".",
        b"\x80\x06N.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
        b"B\xff\xff\xff\xffabc.",
        b"\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.",
        b"X\x02\x00\x00\x00\xff\xff.",
        b"\x8b\xff\xff\xff\x7f\x00.",
        b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.",
        b"j\xff\xff\xff\xff.",
        b"Nr\xff\xff\xff\xff.",
        b"Np18446744073709551615\n.",
        b"N(a.",
        b"}(K\x01u.",
        b"S'\\x1'\n.",
    ] {
        refused(
            pickle(bytes),
            &format!("{:?}", bytes.escape_ascii().to_string()),
        );
    }
}

/// Short pickles whose values are as many, as deep or as often shared as can be.
#[test]
fn pickles_that_unfold_stay_within_their_file() {
    let _alone = ALONE.lock();
    const N: usize = 300_000;
    // Lists of lists of the same list, each twice as large as the one before if it were copied.
    let mut doubling = b"]q\x00N0".to_vec();
    for i in 0..100u8 {
        doubling.extend([b'0', b']', b'q', i + 1, b'h', i, b'a', b'h', i, b'a']);
    }
    doubling.push(b'.');
    pickle(&doubling).unwrap();

    // One that contains itself.
    pickle(b"]q\x00h\x00a.").unwrap();

    let deep = |open: &[u8], close: &[u8]| {
        [
            open.repeat(N),
            b"N".to_vec(),
            close.repeat(N),
            b".".to_vec(),
        ]
        .concat()
    };
    let array = b"cnumpy.core.numeric\n_frombuffer\nq\x00C\x10aaaaaaaaaaaaaaaaq\x01cnumpy\ndtype\n\
                  (U\x02u1I00\nI01\ntRq\x02K\x10\x85q\x03U\x01Cq\x04";
    let call = b"(h\x00h\x01h\x02h\x03h\x04tR".repeat(N / 10);
    let text = format!(
        "c_codecs\nencode\nq\x00X\x00\x00\x01\x00{}q\x01U\x06latin1q\x02",
        "x".repeat(65536)
    );
    let encode = b"(h\x00h\x01h\x02tR".repeat(1000);
    let wide = [
        b"(".to_vec(),
        b"N".repeat(N),
        b"t".to_vec(),
        b"(t".repeat(N),
        b".".to_vec(),
    ];
    for bytes in [
        deep(b"(", b"t"),
        deep(b"]", b"a"),
        deep(b"(", b"l"),
        deep(b"(K\x01", b"d"),
        b"]".repeat(N),
        b")".repeat(N),
        b"N".repeat(N),
        b"(".repeat(N),
        b"N\x94".repeat(N),
        b"N2".repeat(N),
        b"Nr\x40\x00\x00\x00".repeat(N),
        [
            b"N".to_vec(),
            (1..5000u32)
                .flat_map(|i| [&b"r"[..], &(60 * i).to_le_bytes()].concat())
                .collect(),
        ]
        .concat(),
        [b"](".to_vec(), b"K\x01".repeat(N), b"e.".to_vec()].concat(),
        [b"}(".to_vec(), b"NN".repeat(N), b"u.".to_vec()].concat(),
        [
            b"K\x00K\x01\x86q\x00](".to_vec(),
            b"h\x00".repeat(N),
            b"e.".to_vec(),
        ]
        .concat(),
        [b"](".to_vec(), b"I1\n".repeat(N), b"e.".to_vec()].concat(),
        [&array[..], &call, b"."].concat(),
        [text.as_bytes(), &encode, b"."].concat(),
        wide.concat(),
    ] {
        let _ = pickle(&bytes);
        let _ = labels(&bytes);
    }
    // The same trajectory over and over.
    let list = std::fs::read(folder().join("arrays_oppo.pkl")).unwrap();
    let again = [&list[..list.len() - 2], &b"h\x01".repeat(N), b"e."].concat();
    let error = bounded(&again, || oppo::parse(&again, Path::new(FILE))).unwrap_err();
    assert!(error.reason.contains("proportion"), "{error}");
    // Bytes as labels and as indices: eight bytes each in memory.
    let header = b"cnumpy.core.numeric\n_frombuffer\n(\x8e\x80\x96\x98\x00\x00\x00\x00\x00";
    let tail = b"cnumpy\ndtype\n(U\x02i1I00\nI01\ntR(J\x80\x96\x98\x00tU\x01CtR.";
    labels(&[&header[..], &vec![0; 10_000_000], &tail[..]].concat()).unwrap();
}
