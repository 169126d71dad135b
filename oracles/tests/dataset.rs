//! The dataset's folder: what is written is read, and what does not fit is refused by name.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use prefbench_oracles::{
    About, Answer, Dataset, Ending, Label, Origin, Pair, Segment, Trajectories, TrajectoryError,
};
use proptest::prelude::*;
use tempfile::tempdir;

/// Episodes of these lengths and endings; numbers that name their place.
fn dataset(lengths: &[usize], answers: usize) -> Dataset {
    let mut t = Trajectories::new(3, 2);
    let endings = [Ending::Terminated, Ending::Truncated, Ending::Cut];
    let mut origins = Vec::new();
    for (e, &len) in lengths.iter().enumerate() {
        let place = |s: usize, c: usize| (e * 1000 + s) as f32 + c as f32 / 8.0;
        t.begin(&[place(0, 0), place(0, 1), place(0, 2)]).unwrap();
        for s in 1..=len {
            let next = [place(s, 0), place(s, 1), place(s, 2)];
            t.push(&[place(s, 3), -place(s, 4)], place(s, 5), &next)
                .unwrap();
        }
        t.finish(endings[e % 3]).unwrap();
        origins.push(Origin {
            seed: (e % 2 == 0).then_some(u64::MAX - e as u64),
            policy: ["random", "runs/hopper-sac"][e % 2].into(),
            success: [None, Some(true), Some(false)][e % 3],
        });
    }
    let answers = (0..answers).map(|i| {
        let side = |i: usize| {
            let e = i % lengths.len();
            Segment {
                trajectory: e as u32,
                start: (i % lengths[e]) as u32,
                len: 1,
            }
        };
        Answer {
            pair: Pair {
                left: side(i),
                right: side(i + 7),
            },
            label: [
                Some(Label::Left),
                Some(Label::Right),
                Some(Label::Equal),
                None,
            ][i % 4],
            teacher: ["oracle", "human"][i / 3 % 2].into(),
            returns: (i % 5 > 0).then_some([i as f64 / 3.0, -1e300]),
            query: None,
        }
    });
    Dataset {
        about: About {
            task: Some("hopper".to_owned()),
            task_version: Some(2),
            observation: ["x", "y z", "ö"].map(str::to_owned).to_vec(),
            action: ["hip", "knee"].map(str::to_owned).to_vec(),
            true_rewards: true,
            source: "a test".to_owned(),
            ..About::default()
        },
        answers: answers.collect(),
        trajectories: t,
        origins,
    }
}

/// A dataset in a folder, after `damage`; the error of reading it.
fn refusal(damage: impl Fn(&Path)) -> String {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    dataset(&[4, 3], 6).write(&dir).unwrap();
    damage(&dir);
    let message = Dataset::read(&dir).unwrap_err().to_string();
    let head = dir.display().to_string();
    assert!(message.starts_with(&head), "{message}");
    message[head.len()..].to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        lengths in prop::collection::vec(1usize..40, 1..20), answers in 0usize..50,
    ) {
        let place = tempdir().unwrap();
        let dir = place.path().join("d");
        let written = dataset(&lengths, answers);
        written.write(&dir).unwrap();
        prop_assert_eq!(Dataset::read(&dir).unwrap(), written);
    }
}

/// Episodes that lie across the borders of row groups, one of them with its last row there.
#[test]
fn row_groups_cut_episodes_anywhere() {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    let written = dataset(&[65_535, 65_530, 6, 65_534, 3], 9);
    written.write(&dir).unwrap();
    assert!(Dataset::read(&dir).unwrap() == written);
}

#[test]
fn no_episodes_are_a_dataset_too() {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    let mut empty = dataset(&[1], 0);
    (empty.trajectories, empty.origins) = (Trajectories::new(3, 2), Vec::new());
    empty.write(&dir).unwrap();
    assert_eq!(Dataset::read(&dir).unwrap(), empty);
}

/// Bytes of the table that a dataset without derived answers has always been written as.
#[test]
fn answers_that_follow_from_others_have_a_query_and_the_rest_stays_as_it_was() {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    let mut d = dataset(&[4, 3], 6);
    d.write(&dir).unwrap();
    let table = || fs::read(dir.join("preferences.parquet")).unwrap();
    let hash = blake3::hash(&table()).to_hex();
    assert_eq!(&hash[..16], "a3dbd8a04bd543ac");
    let numbers = |d: &Dataset| d.answers_of("oracle").map(|a| a.0).collect::<Vec<_>>();
    assert_eq!((numbers(&d), d.queries_of("oracle")), (vec![0, 1, 2], 3));
    assert_eq!(d.queries_of("nobody"), 0);

    let before = table();
    (d.answers[1].query, d.answers[2].query) = (Some(0), Some(7));
    d.write_answers(&dir).unwrap();
    assert_ne!(before, table());
    let read = Dataset::read(&dir).unwrap();
    assert_eq!(read, d);
    assert_eq!(
        (numbers(&read), read.queries_of("oracle")),
        (vec![0, 0, 7], 8)
    );
}

#[test]
fn answers_are_replaced_in_one_piece() {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    let mut d = dataset(&[4, 3], 6);
    d.write(&dir).unwrap();
    d.answers.truncate(2);
    d.write_answers(&dir).unwrap();
    assert_eq!(Dataset::read(&dir).unwrap(), d);
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "dataset.json",
            "episodes.parquet",
            "preferences.parquet",
            "steps.parquet"
        ]
    );
}

#[test]
fn a_folder_is_never_overwritten_and_a_killed_writer_leaves_none() {
    let place = tempdir().unwrap();
    let dir = place.path().join("d");
    // What a killed writer leaves is in the way of nobody.
    let left = format!(".d.{}.tmp", std::process::id());
    fs::create_dir(place.path().join(&left)).unwrap();
    fs::write(place.path().join(left).join("steps.parquet"), "half").unwrap();
    let d = dataset(&[4, 3], 6);
    d.write(&dir).unwrap();
    assert_eq!(Dataset::read(&dir).unwrap(), d);
    let again = d.write(&dir).unwrap_err().to_string();
    assert!(
        again.ends_with("it exists already; choose another name or remove it"),
        "{again}"
    );

    let mut odd = dataset(&[4, 3], 6);
    odd.about.action[1] = "hip".to_owned();
    let e = odd.write(&place.path().join("odd")).unwrap_err();
    assert_eq!(
        (&*e.field, &*e.reason),
        ("action", "the name \"hip\" stands twice")
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

/// Something done to a dataset's folder.
type Damage = Box<dyn Fn(&Path)>;

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let json = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            let path = dir.join("dataset.json");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(path, text.replace(from, to)).unwrap();
        }
    };
    let other = |file: &'static str| {
        move |dir: &Path| {
            let place = tempdir().unwrap();
            let other = place.path().join("d");
            dataset(&[2, 1, 9], 3).write(&other).unwrap();
            fs::copy(other.join(file), dir.join(file)).unwrap();
        }
    };
    let swap = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            fs::copy(dir.join(from), dir.join(to)).unwrap();
        }
    };
    // The episodes' numbers of a table that was sorted: where lengths are alike nothing else would tell.
    let sorted = |dir: &Path| {
        let path = dir.join("episodes.parquet");
        let mut table = fs::read(&path).unwrap();
        let at = table.windows(8).position(|w| w == [0, 0, 0, 0, 1, 0, 0, 0]);
        table[at.unwrap()..][..8].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        fs::write(path, table).unwrap();
    };
    let cases: [(Damage, &str); 11] = [
        (
            Box::new(sorted),
            "/episodes.parquet, episode: the episodes are not 0, 1, 2, ... in their order",
        ),
        (
            Box::new(|dir| fs::remove_file(dir.join("dataset.json")).unwrap()),
            "is this the folder of a dataset?",
        ),
        (
            Box::new(|dir| fs::remove_file(dir.join("steps.parquet")).unwrap()),
            "/steps.parquet: No such file",
        ),
        (
            Box::new(json("\"schema\": 1", "\"schema\": 2")),
            "it has schema 2, and this version reads 1",
        ),
        (
            Box::new(json("prefbench-dataset", "another")),
            "its format is not prefbench-dataset",
        ),
        (
            Box::new(json("\"schema\"", "\"shcema\"")),
            "it names no schema",
        ),
        (
            Box::new(json("\"task\"", "\"tusk\"")),
            "unknown field `tusk`",
        ),
        (
            Box::new(json("\"knee\"", "\"ankle\"")),
            "/steps.parquet, action.ankle: there is no such column; the table has episode, step, observation.x, ",
        ),
        (
            Box::new(other("steps.parquet")),
            "/steps.parquet: 15 rows, but 2 episodes of 7 transitions take one row more each",
        ),
        (
            Box::new(other("preferences.parquet")),
            "/preferences.parquet, right: row 1: Segment",
        ),
        (
            Box::new(swap("episodes.parquet", "preferences.parquet")),
            "/preferences.parquet, left_episode: there is no such column",
        ),
    ];
    for (damage, part) in cases {
        let message = refusal(damage);
        assert!(message.contains(part), "{message}\nlacks {part}");
    }
}

/// `dataset/rewrite.py` made it of what this test's dataset was written as.
#[test]
fn tables_that_pandas_wrote_are_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dataset/rewritten");
    let mut expected = dataset(&[4, 3], 6);
    if let Some(folder) = std::env::var_os("PREFBENCH_WRITE") {
        expected.write(Path::new(&folder)).unwrap();
    }
    for (teacher, label, row) in [("Ada", Some(Label::Equal), 0), ("Grace", None, 1)] {
        expected.answers.push(Answer {
            teacher: teacher.into(),
            label,
            returns: None,
            ..expected.answers[row].clone()
        });
    }
    assert_eq!(Dataset::read(&dir).unwrap(), expected);
}

#[test]
fn an_unknown_end_is_told_from_the_others() {
    let d = dataset(&[4, 3, 5], 0);
    let known: Vec<_> = (0..12).map(|i| d.trajectories.next_known(i)).collect();
    let mut expected = vec![true; 12];
    expected[11] = false; // the third episode is cut
    assert_eq!(known, expected);
    assert!(!d.trajectories.terminated(11));
    let short = Segment {
        trajectory: 2,
        start: 3,
        len: 3,
    };
    assert!(matches!(
        d.trajectories.view(short),
        Err(TrajectoryError::BadSegment { .. })
    ));
}
