//! NumPy arrays, pickles and what is read from them, against the lists of `import/arrays.py`.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use prefbench_oracles::import::npy::Array;
use prefbench_oracles::import::pickle::{Pickle, Value, View};
use prefbench_oracles::import::qlearning::QLearning;
use prefbench_oracles::import::{self, Read};
use prefbench_oracles::{
    About, Counting, Dataset, DatasetError, Ending, Label, Origin, Trajectories,
};
use serde_json::{Value as Json, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn samples() -> Json {
    serde_json::from_slice(&std::fs::read(folder().join("arrays.json")).unwrap()).unwrap()
}

fn bytes(hex: &Json) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    let digit = |b: u8| char::from(b).to_digit(16).unwrap() as u8;
    hex.chunks(2)
        .map(|c| 16 * digit(c[0]) + digit(c[1]))
        .collect()
}

fn floats(json: &Json) -> Vec<f64> {
    match json {
        Json::Array(items) => items.iter().flat_map(floats).collect(),
        Json::Bool(b) => vec![f64::from(u8::from(*b))],
        number => vec![number.as_f64().unwrap()],
    }
}

#[test]
fn npy_arrays_are_what_numpy_wrote() {
    let samples = samples();
    for (name, sample) in samples["npy"].as_object().unwrap() {
        let bytes = bytes(&sample["hex"]);
        let array = Array::parse(&bytes).unwrap();
        assert_eq!(json!(array.shape()), sample["shape"], "{name}");
        assert_eq!(array.to_vec::<f64>(), floats(&sample["values"]), "{name}");
        let single = array.to_vec::<f32>().into_iter().map(f64::from);
        assert!(single.eq(floats(&sample["values"])), "{name} as f32");
    }
    for (name, hex) in samples["npy_refused"].as_object().unwrap() {
        let error = Array::parse(&bytes(hex)).unwrap_err();
        let says = match name.as_str() {
            "object" => "Python objects",
            "string" | "bytes" => "strings",
            "structured" => "structured",
            "complex" => "complex",
            "half" => "floats of a size",
            _ => "dates",
        };
        assert!(error.contains(says), "{name}: {error}");
    }
}

/// A pickled value as `arrays.py` writes it.
fn plain(pickle: &Pickle<'_>, value: Value) -> Json {
    let all = |items: &[Value]| items.iter().map(|&v| plain(pickle, v)).collect::<Vec<_>>();
    match pickle.view(value) {
        View::None => Json::Null,
        View::Bool(b) => json!(b),
        View::Int(i) => json!(i),
        View::Float(f) => json!(f),
        View::Bytes(b) => json!({ "bytes": b }),
        View::Text(t) => json!(t),
        View::Tuple(items) => json!({ "tuple": all(items) }),
        View::List(items) => json!(all(items)),
        View::Dict(items) => {
            let pair = |&(k, v)| json!([plain(pickle, k), plain(pickle, v)]);
            json!({ "dict": items.iter().map(pair).collect::<Vec<_>>() })
        }
        View::Array(a) => json!({ "shape": a.shape(), "values": a.to_vec::<f64>() }),
        View::Other => json!("other"),
    }
}

#[test]
fn pickles_of_every_protocol_are_what_python_wrote() {
    for (name, sample) in samples()["pickle"].as_object().unwrap() {
        let bytes = bytes(&sample["hex"]);
        let pickle = Pickle::parse(&bytes, Path::new(name)).unwrap();
        assert_eq!(plain(&pickle, pickle.root()), sample["value"], "{name}");
    }
}

#[test]
fn pickles_of_python_2_are_read() {
    // pickle.dumps({'a': [1, 2L, 'x\n'], 'b': True}, 0) and the like, protocol 2 with its strings.
    for bytes in [
        &b"(dp1\nS'a'\np2\n(lp3\nI1\naL2L\naS'x\\n'\np4\nasS'b'\np5\nI01\ns."[..],
        b"\x80\x02}q\x01(U\x01aq\x02]q\x03(K\x01\x8a\x01\x02U\x02x\nq\x04eU\x01bq\x05\x88u.",
    ] {
        let pickle = Pickle::parse(bytes, Path::new("old")).unwrap();
        let expected = json!({ "dict": [
            [{ "bytes": b"a" }, [1, 2, { "bytes": b"x\n" }]],
            [{ "bytes": b"b" }, true],
        ] });
        assert_eq!(plain(&pickle, pickle.root()), expected);
        assert!(matches!(
            pickle.view(pickle.get(pickle.root(), "b").unwrap()),
            View::Bool(true)
        ));
    }
}

fn read(format: &str, file: &str) -> Result<Dataset, DatasetError> {
    match import::find(format).unwrap().read {
        Read::Dataset(read) => read(&folder().join(file)),
        Read::Labels(_) => panic!("{format} reads labels"),
    }
}

fn word(label: Option<Label>) -> &'static str {
    match label {
        Some(Label::Left) => "left",
        Some(Label::Right) => "right",
        Some(Label::Equal) => "equal",
        None => "skipped",
    }
}

/// Every segment is an episode that repeats its last observation.
fn assert_holds(dataset: &Dataset, expected: &Json) {
    let t = &dataset.trajectories;
    let observations = expected["obs"].as_array().unwrap();
    assert_eq!(t.episodes().len(), observations.len());
    assert_eq!(dataset.origins.len(), observations.len());
    let f32s = |json: &Json| {
        floats(json)
            .into_iter()
            .map(|v| v as f32)
            .collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    for segment in observations {
        rows.extend(f32s(segment));
        rows.extend(f32s(segment.as_array().unwrap().last().unwrap()));
    }
    assert_eq!(t.all_observations(), rows);
    assert_eq!(t.all_actions(), f32s(&expected["action"]));
    assert!(t.episodes().iter().all(|e| e.ending == Some(Ending::Cut)));
    if dataset.about.true_rewards {
        assert_eq!(t.all_rewards(), f32s(&expected["reward"]));
    } else {
        assert!(t.all_rewards().iter().all(|&r| r == 0.0));
    }
    for answer in &dataset.answers {
        let side = |s| {
            t.view(s)
                .unwrap()
                .rewards()
                .iter()
                .map(|&r| f64::from(r))
                .sum()
        };
        let returns = [answer.pair.left, answer.pair.right].map(side);
        let known = dataset.about.true_rewards.then_some(returns);
        assert_eq!(answer.returns, known);
    }
}

#[test]
fn scored_segments_are_compared_with_those_half_the_file_later() {
    let expected = &samples()["npz"];
    for name in ["arrays_cpl", "arrays_cpl_compressed", "arrays_cpl_fortran"] {
        let dataset = read("cpl", &format!("{name}.npz")).unwrap();
        assert!(dataset.about.true_rewards);
        assert_eq!(dataset.about.observation.len(), 3);
        assert_eq!(dataset.about.action.len(), 2);
        assert_holds(&dataset, &expected["new"]);
        let labels: Vec<_> = dataset.answers.iter().map(|a| word(a.label)).collect();
        assert_eq!(json!(labels), expected["labels"], "{name}");
        let sides = |a: &prefbench_oracles::Answer| [a.pair.left, a.pair.right];
        let pairs: Vec<_> = dataset
            .answers
            .iter()
            .map(|a| sides(a).map(|s| s.trajectory))
            .collect();
        assert_eq!(json!(pairs), expected["pairs"], "{name}");
    }
}

#[test]
fn a_label_of_one_prefers_the_second_of_a_pair() {
    let expected = &samples()["npz"];
    for (name, teacher, rewards) in [
        ("arrays_ipl_human.npz", "human", false),
        ("arrays_cpl_old.npz", "unknown", true),
    ] {
        let dataset = read("ipl", name).unwrap();
        assert_eq!(dataset.about.true_rewards, rewards);
        assert_holds(&dataset, &expected["old"]);
        let labels: Vec<_> = dataset.answers.iter().map(|a| word(a.label)).collect();
        assert_eq!(json!(labels), expected["pairs_labels"]);
        for (i, answer) in dataset.answers.iter().enumerate() {
            let sides = [answer.pair.left, answer.pair.right].map(|s| s.trajectory as usize);
            assert_eq!(sides, [i, i + 7]);
            assert_eq!(&*answer.teacher, teacher);
        }
    }
}

#[test]
fn each_npz_format_points_to_the_other() {
    let error = read("cpl", "arrays_cpl_old.npz").unwrap_err();
    assert!(error.to_string().contains("format ipl"), "{error}");
    let error = read("ipl", "arrays_cpl.npz").unwrap_err();
    assert!(error.to_string().contains("format cpl"), "{error}");
}

#[test]
fn pickled_trajectories_and_replay_buffers_are_the_same_episodes() {
    let expected = &samples()["trajectories"];
    let f32s = |key: &str| {
        floats(&expected[key])
            .into_iter()
            .map(|v| v as f32)
            .collect::<Vec<_>>()
    };
    for (format, last_of_the_second) in [("oppo", Ending::Terminated), ("lire", Ending::Truncated)]
    {
        let dataset = read(format, &format!("arrays_{format}.pkl")).unwrap();
        let t = &dataset.trajectories;
        assert_eq!(t.all_observations(), f32s("rows"), "{format}");
        assert_eq!(t.all_actions(), f32s("actions"), "{format}");
        assert_eq!(t.all_rewards(), f32s("rewards"), "{format}");
        let lengths: Vec<_> = t.episodes().iter().map(|e| e.len).collect();
        assert_eq!(json!(lengths), expected["lengths"], "{format}");
        assert_eq!(t.episodes()[0].ending, Some(Ending::Truncated));
        assert_eq!(t.episodes()[1].ending, Some(last_of_the_second));
        assert!(dataset.about.true_rewards && dataset.answers.is_empty());
    }
}

/// As `preprocess_robosuite_dataset.py` of OPPO writes them; LiRE's buffers need all of it.
#[test]
fn of_oppos_trajectories_the_ends_may_be_unknown() {
    let place = tempfile::tempdir().unwrap();
    let without = |format: &str, keys: &[&str]| {
        let name = format!("arrays_{format}.pkl");
        let mut bytes = std::fs::read(folder().join(&name)).unwrap();
        for key in keys.iter().map(|key| key.as_bytes()) {
            let at = bytes.windows(key.len()).position(|w| w == key).unwrap();
            bytes[at] = b'_';
        }
        let path = place.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        read(format, path.to_str().unwrap())
    };
    let whole = read("oppo", "arrays_oppo.pkl").unwrap().trajectories;
    let bare = without("oppo", &["terminals", "next_observations"]).unwrap();
    let bare = bare.trajectories;
    assert_eq!(bare.all_actions(), whole.all_actions());
    assert_eq!(bare.all_rewards(), whole.all_rewards());
    let cut = Some(Ending::Cut);
    assert!(bare.episodes().iter().all(|e| e.ending == cut));
    let e = without("oppo", &["rewards"]).unwrap_err();
    assert!(
        e.to_string().contains("rewards: there is no such array"),
        "{e}"
    );
    let e = without("lire", &["dones"]).unwrap_err();
    assert!(
        e.to_string().contains("dones: there is no such array"),
        "{e}"
    );
}

/// The dataset that `arrays.py` labels, as an importer of D4RL files makes it: an observation is its
/// row in the file.
fn d4rl(samples: &Json) -> Dataset {
    let [terminals, timeouts, rewards] =
        ["terminals", "timeouts", "rewards"].map(|key| floats(&samples[key]));
    let mut trajectories = Trajectories::new(1, 1);
    let mut running = false;
    let mut dropped = Vec::new();
    for row in 0..rewards.len() {
        if !running {
            trajectories.begin(&[row as f32]).unwrap();
            running = true;
        }
        let next = [(row + 1) as f32];
        trajectories
            .push(&[0.0], rewards[row] as f32, &next)
            .unwrap();
        let ending = match (terminals[row] != 0.0, timeouts[row] != 0.0) {
            // What followed a timeout may be unknown.
            (false, true) if row % 2 == 0 => Ending::Cut,
            (false, true) => Ending::Truncated,
            (true, true) => {
                dropped.push(row as u64);
                Ending::Terminated
            }
            (true, false) => Ending::Terminated,
            (false, false) if row + 1 == rewards.len() => Ending::Cut,
            (false, false) => continue,
        };
        trajectories.finish(ending).unwrap();
        running = false;
    }
    let episodes = trajectories.episodes().len();
    Dataset {
        about: About {
            true_rewards: true,
            counting: Counting::D4rl {
                dropped,
                kept: Vec::new(),
            },
            ..About::default()
        },
        trajectories,
        origins: vec![Origin::default(); episodes],
        answers: Vec::new(),
    }
}

#[test]
fn the_q_learning_view_is_d4rls() {
    let samples = &samples()["labels"];
    let dataset = d4rl(samples);
    let Counting::D4rl { dropped, kept } = &dataset.about.counting else {
        panic!("{:?}", dataset.about);
    };
    assert!(!dropped.is_empty()); // the sample has rows that are both
    let view = QLearning::new(&dataset.trajectories, dropped, kept);
    let rows: Vec<_> = (0..view.len())
        .map(|i| view.transition(i).unwrap())
        .collect();
    assert_eq!(json!(rows), samples["rows"]);
    assert_eq!(view.transition(view.len()), None);
}

#[test]
fn the_last_row_is_out_of_the_view_even_if_it_is_terminal() {
    let mut trajectories = Trajectories::new(1, 1);
    for _ in 0..2 {
        trajectories.begin(&[0.0]).unwrap();
        trajectories.push(&[0.0], 0.0, &[0.0]).unwrap();
        trajectories.push(&[0.0], 0.0, &[0.0]).unwrap();
        trajectories.finish(Ending::Terminated).unwrap();
    }
    let view = QLearning::new(&trajectories, &[], &[]);
    assert_eq!(view.len(), 3);
    assert_eq!(view.segment(0, 2).unwrap().start, 0);
    assert_eq!(view.segment(1, 2), None);
    assert_eq!(view.segment(2, 1).unwrap().trajectory, 1);
    assert_eq!(view.segment(2, 2), None);
}

fn label(
    format: &str,
    path: &Path,
    dataset: &mut Dataset,
    len: u32,
) -> Result<usize, DatasetError> {
    match import::find(format).unwrap().read {
        Read::Labels(read) => read(path, dataset, len),
        Read::Dataset(_) => panic!("{format} reads datasets"),
    }
}

#[test]
fn labels_land_on_the_segments_that_were_shown() {
    let samples = &samples()["labels"];
    let len = samples["length"].as_u64().unwrap() as u32;
    let expected = samples["answers"].as_array().unwrap();
    let left_out = samples["pairs"].as_u64().unwrap() as usize - expected.len();
    for (format, name, teacher) in [
        ("preference-transformer", "labels_pt", "human"),
        ("uni-rlhf", "labels_uni_human", "human"),
        ("uni-rlhf", "labels_uni_fake", "scripted"),
    ] {
        let mut dataset = d4rl(samples);
        let path = folder().join(name);
        assert_eq!(label(format, &path, &mut dataset, len).unwrap(), left_out);
        assert_eq!(dataset.answers.len(), expected.len());
        for (answer, expected) in dataset.answers.iter().zip(expected) {
            let sides = [answer.pair.left, answer.pair.right];
            let row = |side| dataset.trajectories.view(side).unwrap().observations()[0] as u32;
            let [left, right] = sides.map(row);
            let [left_return, right_return] = answer.returns.unwrap();
            let word = word(answer.label);
            let got = json!([left, right, word, left_return, right_return]);
            assert_eq!(&got, expected, "{name}");
            assert!(sides.iter().all(|s| s.len == len));
            assert_eq!(&*answer.teacher, teacher);
        }

        // Of another length, or of a dataset that is too short: refused, and nothing is changed.
        let error = label(format, &path, &mut dataset, len + 1).unwrap_err();
        assert!(error.reason.contains("not of 9"), "{error}");
        let mut short = d4rl(&json!({
            "terminals": vec![0; 20], "timeouts": vec![0; 20], "rewards": vec![0; 20],
        }));
        let error = label(format, &path, &mut short, len).unwrap_err();
        assert!(error.reason.contains("another dataset"), "{error}");
        assert!(short.answers.is_empty());
    }
}

#[test]
fn several_sets_of_labels_are_listed() {
    let samples = &samples()["labels"];
    let both = tempfile::tempdir().unwrap();
    for name in ["labels_uni_human", "labels_uni_fake"] {
        for entry in std::fs::read_dir(folder().join(name)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), both.path().join(entry.file_name())).unwrap();
        }
    }
    let mut dataset = d4rl(samples);
    let error = label("uni-rlhf", both.path(), &mut dataset, 8).unwrap_err();
    let fake = "fake_label_domain_mujoco_env_hopper-medium-v2_num_60_len_8_0123456789abcdef.pkl";
    assert!(error.reason.contains(fake), "{error}");
    label("uni-rlhf", &both.path().join(fake), &mut dataset, 8).unwrap();
    assert!(dataset.answers.iter().all(|a| &*a.teacher == "scripted"));
}

#[test]
fn labels_of_robosuite_count_demonstrations_alphabetically() {
    let mut trajectories = Trajectories::new(1, 1);
    for demo in 0..12 {
        trajectories.begin(&[0.0]).unwrap();
        for _ in 0..3 + demo % 2 {
            trajectories.push(&[0.0], 0.0, &[0.0]).unwrap();
        }
        trajectories.finish(Ending::Terminated).unwrap();
    }
    // demo_0 has 3 steps and keeps 2, demo_1 has 4 and keeps 3, then come demo_10 and demo_11.
    let view = QLearning::robomimic(&trajectories);
    let demos: Vec<_> = (0..13)
        .map(|i| view.segment(i, 1).unwrap().trajectory)
        .collect();
    assert_eq!(demos, [0, 0, 1, 1, 1, 10, 10, 11, 11, 11, 2, 2, 3]);
    assert_eq!(view.len(), 6 * 2 + 6 * 3);
    assert_eq!(view.segment(2, 3).unwrap().start, 0);
    assert_eq!(view.segment(2, 4), None);
}

#[test]
fn labels_are_not_put_onto_datasets_that_count_otherwise() {
    let samples = &samples()["labels"];
    let path = folder().join("labels_pt");
    let place = tempfile::tempdir().unwrap();
    let copied = |name: &str| {
        let copy = place.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        for entry in std::fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
        }
        copy
    };
    let path = copied("hopper-medium-v2");
    for counting in [Counting::None, Counting::Robomimic] {
        let mut dataset = d4rl(samples);
        dataset.about.counting = counting;
        dataset.about.source = "a file of that kind".into();
        let error = label("preference-transformer", &path, &mut dataset, 8).unwrap_err();
        let part =
            "a D4RL file with timeouts, which it is not: the dataset is from a file of that kind";
        assert!(error.reason.contains(part), "{error}");
    }
    // Nor onto another of D4RL's, though all their indices fit; onto one of their own name they go.
    let onto = |file: &str| {
        let mut dataset = d4rl(samples);
        dataset.about.source = format!("D4RL file {file}; 382 rows");
        label("preference-transformer", &path, &mut dataset, 8)
    };
    let refused = onto("walker2d_medium_expert-v2.hdf5").unwrap_err().reason;
    assert!(refused.contains("labels of hopper-medium-v2"), "{refused}");
    onto("hopper_medium-v2.hdf5")
        .and(onto("mine.hdf5"))
        .unwrap();
    // Nor those of robosuite onto one of D4RL.
    let robosuite = copied("Lift_ph");
    std::fs::create_dir(robosuite.join("sub")).unwrap();
    let typed_otherwise = robosuite.join("sub/..");
    for path in [&robosuite, &typed_otherwise] {
        let error = label("preference-transformer", path, &mut d4rl(samples), 8).unwrap_err();
        let part = "_ph or _mh count the transitions of a robomimic file, which it is not";
        assert!(error.reason.contains(part), "{error}");
    }
    // Both go with a robomimic file, and so does a folder of another name: it is the sample that is too short.
    for path in [&robosuite, &typed_otherwise, &folder().join("labels_pt")] {
        let mut dataset = d4rl(samples);
        dataset.about.counting = Counting::Robomimic;
        let error = label("preference-transformer", path, &mut dataset, 8).unwrap_err();
        assert!(error.reason.contains("has 382 transitions"), "{error}");
    }
}
