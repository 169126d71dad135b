//! Damaged datasets: an error that names the file, never a panic, and no memory that the file's
//! size does not explain. One test, because the count of memory is of the whole process.

#![allow(clippy::unwrap_used)]

mod counting;

use std::fs;
use std::path::Path;

use counting::{Counting, peak};
use prefbench_oracles::{
    About, Answer, Dataset, Ending, Label, Origin, Pair, Segment, Stream, Trajectories,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TABLES: [&str; 4] = [
    "dataset.json",
    "episodes.parquet",
    "steps.parquet",
    "preferences.parquet",
];

fn sample() -> Dataset {
    let mut t = Trajectories::new(2, 1);
    for e in 0..3 {
        t.begin(&[e as f32, 0.0]).unwrap();
        for s in 0..5 {
            t.push(&[0.5], 1.0, &[e as f32, s as f32]).unwrap();
        }
        t.finish(Ending::Truncated).unwrap();
    }
    let side = |trajectory, start| Segment {
        trajectory,
        start,
        len: 3,
    };
    let answer = Answer {
        pair: Pair {
            left: side(0, 1),
            right: side(2, 2),
        },
        label: Some(Label::Left),
        teacher: "oracle".into(),
        returns: Some([3.0, 3.0]),
        query: Some(1),
    };
    Dataset {
        about: About {
            observation: vec!["x".into(), "y".into()],
            action: vec!["u".into()],
            true_rewards: true,
            source: "a test".into(),
            ..About::default()
        },
        trajectories: t,
        origins: vec![Origin::default(); 3],
        answers: vec![answer; 4],
    }
}

/// Reads the folder whose `table` now holds `bytes`.
fn read(dir: &Path, table: &str, bytes: &[u8]) -> Result<Dataset, String> {
    // A new file each time: some file systems wait for the disk when an old one is overwritten.
    fs::remove_file(dir.join(table)).unwrap();
    fs::write(dir.join(table), bytes).unwrap();
    let size: u64 = TABLES
        .iter()
        .map(|t| fs::metadata(dir.join(t)).unwrap().len())
        .sum();
    let (result, peak) = peak(|| Dataset::read(dir));
    // A file costs its handles and the library's own tables, however small it is.
    let allowed = 10 * size as usize + (1 << 20);
    assert!(
        peak <= allowed,
        "{table}: {peak} bytes held for {size} read: {result:?}"
    );
    result.map_err(|e| {
        assert!(e.file.starts_with(dir) && !e.reason.is_empty(), "{e:?}");
        e.to_string()
    })
}

#[test]
fn damage_is_an_error_and_costs_little() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("d");
    let whole = sample();
    whole.write(&dir).unwrap();
    for table in TABLES {
        let bytes = fs::read(dir.join(table)).unwrap();
        for end in 0..bytes.len() {
            let result = read(&dir, table, &bytes[..end]);
            // The last byte of the JSON file is a line feed.
            let complete = table == "dataset.json" && end + 1 == bytes.len();
            assert_eq!(result.is_ok(), complete, "{table} of {end} bytes");
        }
        let mut stream = Stream::new(1, table);
        for _ in 0..3_000 {
            let mut damaged = bytes.clone();
            for _ in 0..=stream.below(3) {
                let at = stream.below(damaged.len());
                damaged[at] = match stream.below(4) {
                    0 => 0xff,
                    1 => 0x7f,
                    2 => 0,
                    _ => damaged[at] ^ 1 << stream.below(8),
                };
            }
            let _ = read(&dir, table, &damaged); // Ok where only a number changed
        }
        fs::write(dir.join(table), bytes).unwrap();
    }
    assert_eq!(Dataset::read(&dir).unwrap(), whole);
}
