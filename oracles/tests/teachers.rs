//! The teachers against an independent NumPy implementation (`teachers.py`), and their laws.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use prefbench_oracles::{
    Ending, Label, Pair, Pool, Scripted, Segment, Session, Stream, TEACHERS, Teacher, Trajectories,
    ask, scripted, scripted::Unit, teacher,
};
use proptest::prelude::*;

const PAIRS: usize = 10_000;
const H: usize = 20;
const SESSION: Session = Session {
    average_return: 1000.0,
    return_spread: 2.0,
    average_length: 1000.0,
    episode_length: 1000.0,
    index: 0,
    user: 0,
};

/// Each segment is an episode of its own; neighbours are compared.
fn store(segments: impl IntoIterator<Item = Vec<f32>>) -> (Trajectories, Vec<Pair>) {
    let mut store = Trajectories::new(1, 1);
    for rewards in segments {
        store.begin(&[0.0]).unwrap();
        for reward in rewards {
            store.push(&[0.0], reward, &[0.0]).unwrap();
        }
        store.finish(Ending::Truncated).unwrap();
    }
    let side = |e: usize| Segment {
        trajectory: e as u32,
        start: 0,
        len: store.episodes()[e].len as u32,
    };
    let pairs = (0..store.complete() / 2)
        .map(|p| Pair {
            left: side(2 * p),
            right: side(2 * p + 1),
        })
        .collect();
    (store, pairs)
}

/// The rewards of `teachers.py`.
fn reference_pairs() -> (Trajectories, Vec<Pair>) {
    let mut state = 1u64;
    let mut draw = move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) as i32
    };
    store((0..2 * PAIRS).map(|_| {
        let level = draw() % 4;
        let step = |_| (level * (draw() % 16 - 3)) as f32 / 32.0;
        (0..H).map(step).collect()
    }))
}

fn reference() -> HashMap<&'static str, &'static str> {
    let lines = include_str!("teachers.txt").lines();
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

fn letters(labels: &[Option<Label>]) -> String {
    labels
        .iter()
        .map(|label| match label {
            Some(Label::Left) => 'L',
            Some(Label::Right) => 'R',
            Some(Label::Equal) => 'E',
            None => 'S',
        })
        .collect()
}

#[test]
fn deterministic_teachers_agree_with_numpy() {
    let (store, pairs) = reference_pairs();
    let reference = reference();
    let all = Scripted {
        gamma: 0.9,
        mistake: 1.0,
        skip: 0.1,
        equal: 0.1,
        ..scripted::ORACLE
    };
    let compat = |teacher| Scripted {
        compat: true,
        ..teacher
    };
    let cases = [
        ("oracle", scripted::ORACLE, 0),
        ("skip", scripted::SKIP, 0),
        ("skip", scripted::SKIP, 3),
        ("skip", compat(scripted::SKIP), 0),
        ("skip-compat", compat(scripted::SKIP), 1),
        ("equal", scripted::EQUAL, 0),
        ("equal", scripted::EQUAL, 3),
        ("equal", compat(scripted::EQUAL), 0),
        ("equal-compat", compat(scripted::EQUAL), 1),
        ("myopic", scripted::MYOPIC, 0),
        ("all", all, 0),
    ];
    for (name, teacher, index) in cases {
        let session = Session { index, ..SESSION };
        let labels = ask(&teacher, &store, &pairs, &session, &Stream::new(0, "t"), 0).unwrap();
        let expected = reference[name];
        assert_eq!(expected.len(), PAIRS);
        let ours = letters(&labels);
        let wrong = ours.bytes().zip(expected.bytes()).position(|(a, b)| a != b);
        assert_eq!(wrong, None, "{name}, session {index}: first difference");
    }
}

#[test]
fn mistakes_are_as_frequent_as_numpy_says() {
    let (store, pairs) = reference_pairs();
    let stream = Stream::new(5, "teacher");
    let labels = ask(&scripted::MISTAKE, &store, &pairs, &SESSION, &stream, 0).unwrap();
    let ours = letters(&labels);
    for side in [b'L', b'R'] {
        let oracle = reference()["oracle"].bytes();
        let asked: Vec<_> = ours
            .bytes()
            .zip(oracle)
            .filter(|(_, o)| *o == side)
            .collect();
        let mistakes = asked.iter().filter(|(a, o)| a != o).count() as f64;
        let n = asked.len() as f64;
        let bound = 4.0 * (n * 0.1 * 0.9).sqrt();
        assert!((mistakes - 0.1 * n).abs() < bound, "{mistakes} of {n}");
    }
}

#[test]
fn noise_follows_the_probabilities_of_numpy() {
    let (store, pairs) = reference_pairs();
    let stream = Stream::new(5, "teacher");
    let labels = ask(&scripted::NOISY, &store, &pairs, &SESSION, &stream, 0).unwrap();
    let reference = reference();
    // Per band of p: surplus of right answers, and its variance.
    let mut bands = [(0.0, 0.0, 0); 16];
    for (j, label) in labels.iter().enumerate() {
        let digits = &reference["noisy"][4 * j..4 * j + 4];
        let p = f64::from(u16::from_str_radix(digits, 16).unwrap()) / 65535.0;
        let band = &mut bands[(p * 15.999) as usize];
        let right = f64::from(*label == Some(Label::Right));
        *band = (band.0 + right - p, band.1 + p * (1.0 - p), band.2 + 1);
    }
    for (surplus, variance, count) in bands {
        assert!(count > 100, "{bands:?}");
        assert!(surplus.abs() < 4.0 * variance.sqrt() + 1.0, "{bands:?}");
    }
}

#[test]
fn noise_is_stable_for_enormous_returns() {
    let big = vec![1e38_f32; 4];
    let small: Vec<f32> = big.iter().map(|r| -r).collect();
    let (store, pairs) = store([small.clone(), big.clone(), big, small]);
    let steep = Scripted {
        temperature: 1e-300,
        ..scripted::NOISY
    };
    for teacher in [scripted::NOISY, steep] {
        let stream = Stream::new(1, "t");
        let labels = ask(&teacher, &store, &pairs, &SESSION, &stream, 0).unwrap();
        assert_eq!(letters(&labels), "RL");
    }
}

#[test]
fn thresholds_are_strict_and_ties_go_left() {
    // m = 2, so a rate of 0.5 is a threshold of exactly 1.
    let session = Session {
        average_return: 20.0,
        episode_length: 10.0,
        ..SESSION
    };
    let above = 1.0 + f32::EPSILON;
    let (store, pairs) = store([
        vec![0.0],
        vec![1.0],
        vec![0.0],
        vec![above],
        vec![3.0],
        vec![3.0],
    ]);
    let labels = |teacher: Scripted| {
        let stream = Stream::new(0, "t");
        letters(&ask(&teacher, &store, &pairs, &session, &stream, 0).unwrap())
    };
    let skip = Scripted {
        skip: 0.5,
        ..scripted::ORACLE
    };
    let equal = Scripted {
        equal: 0.5,
        ..scripted::ORACLE
    };
    assert_eq!(labels(scripted::ORACLE), "RRL");
    assert_eq!(labels(skip), "SRL"); // a best return of 1 does not exceed 1
    assert_eq!(labels(equal), "RRE"); // a difference of 1 is not below 1
}

/// CLARIFY's threshold is ε·H times the mean reward of a step, however early episodes end; B-Pref's are by the horizon.
#[test]
fn the_unsure_threshold_is_by_the_mean_reward_of_a_step() {
    // 40 episodes of 5 to 24 steps of a horizon of 100, with rewards 0 to 1.
    let mut draw = Stream::new(0, "rewards");
    let (mut all, mut steps) = (0.0, 0.0);
    let (store, _) = store((0..40).map(|e| {
        let rewards: Vec<f32> = (0..5 + e / 2)
            .map(|_| draw.below(257) as f32 / 256.0)
            .collect();
        all += rewards.iter().map(|&r| f64::from(r)).sum::<f64>();
        steps += rewards.len() as f64;
        rewards
    }));
    let session = Session::recent(&store, usize::MAX, 100.0, 0, 5);
    let pairs = Pool::recent(&store, usize::MAX, &[]);
    let pairs = pairs.pairs(5, 2000, &mut Stream::new(0, "query")).unwrap();
    let gaps: Vec<f64> = pairs
        .iter()
        .map(|p| {
            let [left, right] = [p.left, p.right].map(|s| store.view(s).unwrap().true_return());
            (left - right).abs()
        })
        .collect();
    let labels = ask(
        &scripted::UNSURE,
        &store,
        &pairs,
        &session,
        &Stream::new(0, "t"),
        0,
    )
    .unwrap();
    let within = |threshold: f64| gaps.iter().filter(|&&gap| gap <= threshold).count();
    let skipped = labels.iter().filter(|label| label.is_none()).count();
    assert_eq!(skipped, within(0.5 * all / steps * 5.0));
    assert!(skipped > 3 * within(0.5 * session.average_return * 5.0 / 100.0));
}

#[test]
fn a_poor_policy_disables_the_thresholds() {
    let session = Session {
        average_return: -50.0,
        ..SESSION
    };
    let (store, pairs) = store([vec![-9.0], vec![-9.0]]);
    for teacher in [scripted::SKIP, scripted::EQUAL] {
        let labels = ask(&teacher, &store, &pairs, &session, &Stream::new(0, "t"), 0).unwrap();
        assert_eq!(letters(&labels), "L");
    }
}

#[test]
fn unknown_names_are_answered_with_the_nearest() {
    let known = Vec::from_iter(TEACHERS.iter().map(|entry| entry.id)).join(", ");
    assert_eq!(
        teacher::find("orcale").unwrap_err().to_string(),
        format!("no teacher is called \"orcale\" (did you mean \"oracle\"?); known: {known}")
    );
    assert_eq!(teacher::find("MYOPIC").unwrap_err().nearest, Some("myopic"));
    let far = teacher::find("bayesian").unwrap_err();
    assert_eq!(far.nearest, None);
    assert!(!far.to_string().contains("did you mean"));
}

#[test]
fn labels_name_their_side() {
    let labels = [Label::Left, Label::Right, Label::Equal];
    assert_eq!(labels.map(Label::target), [0.0, 1.0, 0.5]);
    let text = serde_json::to_string(&labels).unwrap();
    assert_eq!(text, r#"["left","right","equal"]"#);
}

#[test]
fn a_session_averages_the_last_complete_episodes() {
    let (mut store, _) = store((1..=12).map(|e| vec![e as f32; 2]));
    store.begin(&[0.0]).unwrap();
    store.push(&[0.0], 1e6, &[0.0]).unwrap(); // running: does not count
    let session = Session::recent(&store, 10, 2.0, 4, 2);
    // Returns 6, 8, ..., 24.
    assert_eq!(session.average_return, 15.0);
    assert_eq!((session.episode_length, session.index), (2.0, 4));
    // One window an episode: the population standard deviation of 6, 8, ..., 24.
    assert_eq!(session.return_spread, 33f64.sqrt());
    let few = Session::recent(&store, 100, 2.0, 0, 2);
    assert_eq!(few.average_return, 13.0);
    let none = Session::recent(&Trajectories::new(1, 1), 10, 2.0, 0, 2);
    assert_eq!((none.average_return, none.return_spread), (0.0, 0.0));
    assert_eq!((few.average_length, none.average_length), (2.0, 0.0));
}

/// Episodes too short for a segment are not asked about, and those that are keep their unit of noise.
#[test]
fn the_spread_is_that_of_episodes_that_hold_a_segment() {
    let long = (1..=12).map(|e| vec![e as f32; 2]);
    let (store, _) = store(long.chain((0..10).map(|_| vec![1e6])));
    let session = Session::recent(&store, 10, 2.0, 0, 2);
    assert_eq!(session.return_spread, 33f64.sqrt());
    assert_eq!((session.average_return, session.average_length), (1e6, 1.0));
}

fn rewards() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-10.0f32..10.0, 8)
}

fn any_teacher() -> impl Strategy<Value = Scripted> {
    let noise = (prop_oneof![Just(0.0), 0.5..100.0], 0.0..1.0, 0.0..3.0);
    let weights = (0.5..1.0, 0.5..1.0, any::<bool>());
    let rates = (0.0..3.0, 0.0..1.0, 0.0..3.0, prop::option::of(0.0..1.0));
    (noise, weights, rates).prop_map(
        |((temperature, mistake, focus), (gamma, discount, mean), (skip, unsure, equal, tie))| {
            Scripted {
                temperature,
                unit: Unit::Return,
                gamma,
                discount,
                mean,
                mistake,
                focus,
                skip,
                unsure,
                equal,
                tie,
                compat: false,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swapping_the_pair_swaps_the_label(
        left in rewards(), right in rewards(), teacher in any_teacher(), seed: u64,
    ) {
        // Without Bradley-Terry noise, whose single draw cannot serve both orders.
        let teacher = Scripted { temperature: 0.0, ..teacher };
        prop_assume!(left != right);
        let (store, pairs) = store([left, right]);
        let stream = Stream::new(seed, "t");
        let there = ask(&teacher, &store, &pairs, &SESSION, &stream, 0).unwrap();
        let back = ask(&teacher, &store, &[pairs[0].swapped()], &SESSION, &stream, 0).unwrap();
        prop_assert_eq!(there[0].map(Label::swapped), back[0]);
    }

    #[test]
    fn the_order_of_queries_changes_no_label(
        segments in prop::collection::vec(rewards(), 24),
        order in Just((0..12).collect::<Vec<usize>>()).prop_shuffle(),
        teacher in any_teacher(),
        seed: u64,
        asked in 0u64..1000,
    ) {
        let (store, pairs) = store(segments);
        let stream = Stream::new(seed, "teacher");
        let together = ask(&teacher, &store, &pairs, &SESSION, &stream, asked).unwrap();
        let mut used = stream.clone();
        used.unit(); // how far the stream was read does not matter either
        for j in order {
            let number = asked + j as u64;
            let alone = ask(&teacher, &store, &pairs[j..=j], &SESSION, &used, number).unwrap();
            prop_assert_eq!(alone[0], together[j]);
        }
    }

    #[test]
    fn higher_rates_skip_and_equate_more(
        left in rewards(), right in rewards(), low in 0.0..5.0, more in 0.0..5.0,
    ) {
        let (store, pairs) = store([left, right]);
        let label = |teacher: Scripted| {
            ask(&teacher, &store, &pairs, &SESSION, &Stream::new(0, "t"), 0).unwrap()[0]
        };
        let oracle = label(scripted::ORACLE);
        let skip = |skip| label(Scripted { skip, ..scripted::ORACLE });
        let equal = |equal| label(Scripted { equal, ..scripted::ORACLE });
        if skip(low).is_none() {
            prop_assert_eq!(skip(low + more), None);
        } else {
            prop_assert_eq!(skip(low), oracle);
        }
        if equal(low) == Some(Label::Equal) {
            prop_assert_eq!(equal(low + more), Some(Label::Equal));
        } else {
            prop_assert_eq!(equal(low), oracle);
        }
    }

    #[test]
    fn each_answer_is_drawn_from_the_stream_alone(
        left in rewards(), right in rewards(), teacher in any_teacher(), seed: u64,
    ) {
        let (store, pairs) = store([left, right]);
        let [l, r] = [pairs[0].left, pairs[0].right].map(|s| store.view(s).unwrap());
        let mut a = Stream::new(seed, "t");
        let mut b = a.clone();
        let first = teacher.label(&l, &r, &SESSION, &mut a);
        prop_assert_eq!(first, teacher.label(&l, &r, &SESSION, &mut b));
        prop_assert_eq!(a, b);
    }
}
