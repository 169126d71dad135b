//! The readers of HDF5 against NumPy's view of files that h5py and minari wrote, and the writer
//! against the reader and against minari.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hdf5_pure::FileBuilder;
use prefbench_oracles::import::Read;
use prefbench_oracles::import::qlearning::QLearning;
use prefbench_oracles::{
    About, Answer, Columns, Counting, Dataset, DatasetError, Ending, Origin, Trajectories,
};
use prefbench_oracles::{Pair, Segment, export, import};

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/import")
        .join(name)
}

fn read(format: &str, path: &Path) -> Result<Dataset, DatasetError> {
    match import::find(format).unwrap().read {
        Read::Dataset(read) => read(path),
        Read::Labels(_) => panic!("{format} holds a dataset"),
    }
}

fn expected() -> BTreeMap<String, Columns> {
    serde_json::from_slice(&fs::read(sample("hdf5.json")).unwrap()).unwrap()
}

#[test]
fn values_are_those_that_numpy_has() {
    let expected = expected();
    for (name, columns) in &expected {
        let format = name.split('_').next().unwrap();
        let file = if name == "minari" {
            name.clone()
        } else {
            format!("{name}.hdf5")
        };
        let dataset = read(format, &sample(&file)).unwrap();
        assert_eq!(dataset.trajectories.columns(), columns, "{name}");
        assert_eq!(dataset.origins.len(), columns.episodes.len(), "{name}");
        assert_eq!(dataset.about.observation.len(), columns.obs_dim, "{name}");
        assert_eq!(dataset.about.action.len(), columns.act_dim, "{name}");
        assert!(
            dataset.about.true_rewards && dataset.answers.is_empty(),
            "{name}"
        );
    }
    assert_eq!(expected.len(), 8);
}

/// D4RL sets the terminals of mazes wherever the robot is at the goal of the evaluation.
#[test]
fn mazes_end_at_timeouts_and_new_goals_not_at_goals() {
    let rows = 12;
    let flags = |set: &[usize]| -> Vec<f32> {
        let flag = |row| f32::from(u8::from(set.contains(&row)));
        (0..rows).map(flag).collect()
    };
    let file = |goal: Option<usize>| {
        let mut file = FileBuilder::new();
        let numbers: Vec<f32> = (0..rows).map(|row| row as f32).collect();
        let columns = [
            ("observations", numbers.clone(), true),
            ("actions", numbers.clone(), true),
            ("rewards", numbers, false),
            ("terminals", flags(&[2, 5, 10]), false),
            ("timeouts", flags(&[5]), false),
        ];
        for (name, data, table) in columns {
            let shape = [rows as u64, 1];
            let shape = if table { &shape[..] } else { &shape[..1] };
            file.create_dataset(name)
                .with_f32_data(&data)
                .with_shape(shape);
        }
        if let Some(change) = goal {
            let mut infos = file.create_group("infos");
            let goals: Vec<f32> = (0..rows)
                .flat_map(|row| [8.0, if row < change { 4.0 } else { 0.5 }])
                .collect();
            let shape = [rows as u64, 2];
            infos
                .create_dataset("goal")
                .with_f32_data(&goals)
                .with_shape(&shape);
            file.add_group(infos.finish());
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("maze.hdf5");
        fs::write(&path, file.finish().unwrap()).unwrap();
        read("d4rl", &path).unwrap()
    };
    let lengths = |d: &Dataset| -> Vec<_> {
        let episodes = d.trajectories.episodes().iter();
        episodes.map(|e| (e.len, e.ending.unwrap())).collect()
    };
    let maze = file(Some(9));
    let (cut, terminated) = (Ending::Cut, Ending::Terminated);
    assert_eq!(lengths(&maze), [(6, terminated), (3, cut), (3, cut)]);
    let Counting::D4rl { dropped, kept } = &maze.about.counting else {
        panic!("{:?}", maze.about);
    };
    assert_eq!((dropped.as_slice(), kept.as_slice()), (&[5][..], &[8][..]));
    // D4RL leaves out timeouts and the last row, and nothing else.
    let view = QLearning::new(&maze.trajectories, dropped, kept);
    let left: Vec<_> = (0..view.len())
        .map(|i| view.transition(i).unwrap())
        .collect();
    assert_eq!(left, [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]);
    assert!(view.segment(1, 4).is_some() && view.segment(6, 3).is_none());

    // Without goals terminals are ends, and dataset.json is as it always was.
    let other = file(None);
    let all = [(3, terminated), (3, terminated), (5, terminated), (1, cut)];
    assert_eq!(lengths(&other), all);
    let counting = serde_json::to_string(&other.about.counting).unwrap();
    assert_eq!(counting, r#"{"d4rl":{"dropped":[5]}}"#);
}

#[test]
fn what_a_source_says_beside_the_numbers_is_kept() {
    let robomimic = read("robomimic", &sample("robomimic.hdf5")).unwrap();
    let source = &robomimic.about.source;
    assert!(source.contains(r#""env_name": "Lift""#), "{source}");
    assert!(
        source.contains("left out: agentview_image, robot0_eef_vel_lin"),
        "{source}"
    );
    assert_eq!(
        robomimic.about.observation[3..6],
        ["object.3", "robot0_joint_pos.0", "robot0_joint_pos.1"]
    );
    let success: Vec<_> = robomimic
        .origins
        .iter()
        .map(|o| o.success)
        .take(3)
        .collect();
    assert_eq!(success, [Some(true), Some(false), Some(true)]);

    let minari = read("minari", &sample("minari")).unwrap();
    let seeds: Vec<_> = minari.origins.iter().map(|o| o.seed).collect();
    assert_eq!(seeds, [Some(40), Some(41), None]);
    assert_eq!(&*minari.origins[0].policy, "expert");
    assert_eq!(
        minari.about.observation[..4],
        ["goal.aim.0", "goal.aim.1", "goal.far.0", "observation.0"]
    );
    let inner = read("minari", &sample("minari/data")).unwrap();
    assert_eq!(inner, minari);

    let d4rl = read("d4rl", &sample("d4rl_bare.hdf5")).unwrap();
    assert_eq!(
        d4rl.about.source,
        "D4RL file d4rl_bare.hdf5; it has no timeouts"
    );
    assert_eq!(&*d4rl.origins[0].policy, "d4rl_bare");
}

/// Three episodes, each ending in another way, with all there is to say about them.
fn dataset() -> Dataset {
    let mut trajectories = Trajectories::new(3, 2);
    let endings = [Ending::Terminated, Ending::Truncated, Ending::Cut];
    for (e, ending) in endings.into_iter().enumerate() {
        let row = |step: usize| [e as f32, step as f32 / 3.0, -1e-7 * step as f32];
        trajectories.begin(&row(0)).unwrap();
        for step in 1..=4 + e {
            trajectories
                .push(&[step as f32, 0.1], e as f32 - 0.3, &row(step))
                .unwrap();
        }
        trajectories.finish(ending).unwrap();
    }
    let origin = |seed, policy: &str, success| Origin {
        seed,
        policy: policy.into(),
        success,
    };
    Dataset {
        about: About {
            task: Some("walker-walk".into()),
            task_version: Some(3),
            observation: vec!["height".into(), "angle \"a\"".into(), "speed".into()],
            action: vec!["hip".into(), "knee".into()],
            true_rewards: false,
            source: "a test".into(),
            ..About::default()
        },
        trajectories,
        origins: vec![
            origin(Some(u64::MAX), "random", Some(true)),
            origin(Some(7), "", None),
            origin(None, "run 3, é", Some(false)),
        ],
        answers: Vec::new(),
    }
}

#[test]
fn an_exported_dataset_reads_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let write = export::find("minari").unwrap().write;
    let mut dataset = dataset();
    write(&dataset, &dir.path().join("made-v0")).unwrap();
    assert_eq!(
        read("minari", &dir.path().join("made-v0")).unwrap(),
        dataset
    );

    // Answers have no place; that is said.
    let segment = Segment {
        trajectory: 0,
        start: 0,
        len: 2,
    };
    let pair = Pair {
        left: segment,
        right: segment,
    };
    dataset.answers.push(Answer {
        pair,
        label: None,
        teacher: "oracle".into(),
        returns: None,
        query: None,
    });
    write(&dataset, &dir.path().join("labelled-v0")).unwrap();
    let metadata = fs::read_to_string(dir.path().join("labelled-v0/data/metadata.json")).unwrap();
    assert!(
        metadata.contains("1 answers about preferences are not included"),
        "{metadata}"
    );
    assert!(
        metadata.contains("In 1 episodes the recording stops"),
        "{metadata}"
    );

    // Other people's datasets too, and with more episodes than a small group holds.
    for (format, name) in [("d4rl", "d4rl_gzip.hdf5"), ("robomimic", "robomimic.hdf5")] {
        let dataset = read(format, &sample(name)).unwrap();
        let folder = dir.path().join(format!("{format}-v1"));
        write(&dataset, &folder).unwrap();
        assert_eq!(read("minari", &folder).unwrap(), dataset, "{name}");
    }
}

#[test]
fn an_export_is_complete_or_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let write = export::find("minari").unwrap().write;
    // Minari would not find it, nor, with it in its root, list any other.
    let error = write(&dataset(), &dir.path().join("made by me")).unwrap_err();
    assert!(error.to_string().contains("as made-by-me-v0"), "{error}");
    let folder = dir.path().join("made-v0");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), "").unwrap();
    let error = write(&dataset(), &folder).unwrap_err();
    assert!(error.to_string().contains("exists already"), "{error}");
    fs::remove_file(folder.join("mine")).unwrap();

    let mut running = dataset();
    running.trajectories.begin(&[0.0; 3]).unwrap();
    let error = write(&running, &folder).unwrap_err();
    assert!(error.to_string().contains("all must have ended"), "{error}");

    write(&dataset(), &folder).unwrap();
    let left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(left, ["made-v0"]);
}

const MINARI: &str = "
import sys
try:
    import minari, numpy as np
except ImportError as e:
    sys.exit(77)
data = minari.load_dataset('made-v0')
episodes = list(data.iterate_episodes())
assert data.total_episodes == 40 and data.total_steps == sum(len(e) for e in episodes), data.total_steps
last = minari.MinariDataset(sys.argv[1])[39]
assert last.observations.shape == (5, 3) and last.observations.dtype == np.float32
assert last.terminations.dtype == bool and not last.terminations.any()
assert last.truncations.tolist() == [False] * 3 + [True]
assert np.array_equal(last.observations[:, 1], np.arange(5, dtype=np.float32))
assert last.actions.shape == (4, 2) and last.rewards.tolist() == [39.0] * 4
assert data[0].terminations.tolist() == [False, True] and not data[0].truncations.any()
assert next(iter(data.storage.get_episode_metadata([39])))['seed'] == 39
assert data.observation_space.shape == (3,) and data.observation_space.contains(last.observations[0])
assert list(minari.list_local_datasets()) == ['made-v0']
";

#[test]
fn minari_opens_what_is_exported() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = dataset();
    made.trajectories = Trajectories::new(3, 2);
    made.origins.clear();
    for e in 0..40u16 {
        made.trajectories.begin(&[0.0; 3]).unwrap();
        for step in 1..=if e == 0 { 2u8 } else { 4 } {
            let next = [f32::from(e), f32::from(step), 0.0];
            made.trajectories
                .push(&[0.0, 1.0], f32::from(e), &next)
                .unwrap();
        }
        let ending = if e == 0 {
            Ending::Terminated
        } else {
            Ending::Truncated
        };
        made.trajectories.finish(ending).unwrap();
        made.origins.push(Origin {
            seed: Some(u64::from(e)),
            ..Origin::default()
        });
    }
    let folder = dir.path().join("made-v0");
    (export::find("minari").unwrap().write)(&made, &folder).unwrap();
    let mut python = Command::new("python3");
    python
        .args(["-W", "ignore", "-c", MINARI])
        .arg(folder.join("data"));
    let Ok(out) = python.env("MINARI_DATASETS_PATH", dir.path()).output() else {
        eprintln!("skipped: there is no python3 here");
        return;
    };
    if out.status.code() == Some(77) {
        eprintln!("skipped: python3 has no minari here");
        return;
    }
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
