//! The teachers beyond B-Pref's against NumPy (`teachers.py`), on segments of common episodes.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;

use prefbench_oracles::{
    Ending, Feature, FeatureNoise, Indistinct, Label, Pair, Regret, RegretSettings, Scripted,
    Segment, Session, Stream, Teacher, Trajectories, ValueFunction, ask, feature, scripted,
};

const PAIRS: usize = 10_000;
const H: u32 = 20;
const T: u32 = 40;
const EPISODES: u32 = 200;

/// The world of `teachers.py`: its episodes, and pairs of equal and of unequal length.
fn world() -> (Trajectories, Vec<Pair>, Vec<Pair>) {
    let mut state = 2u64;
    let mut draw = move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) as i32
    };
    let mut store = Trajectories::new(3, 2);
    for _ in 0..EPISODES {
        let (level, pace) = (draw() % 4, draw() % 4);
        let mut at = [0; 2].map(|_| draw() % 64 - 32);
        let observation = |at: [i32; 2]| [at[0] as f32 / 32.0, at[1] as f32 / 32.0, 0.5];
        store.begin(&observation(at)).unwrap();
        for _ in 0..T {
            let action = [0; 2].map(|_| (level * (draw() % 33 - 16)) as f32 / 64.0);
            let reward = (level * (draw() % 16 - 3)) as f32 / 32.0;
            at = at.map(|x| x + pace * (draw() % 9 - 4));
            store.push(&action, reward, &observation(at)).unwrap();
        }
        store.finish(Ending::Truncated).unwrap();
    }
    let mut side = || {
        let trajectory = (draw() * 256 + draw()) as u32 % EPISODES;
        let start = draw() as u32 % (T - H + 1);
        let short = 8 + draw() as u32 % 13;
        [H, short].map(|len| Segment {
            trajectory,
            start,
            len,
        })
    };
    let sides: Vec<_> = (0..PAIRS).map(|_| (side(), side())).collect();
    let pairs = |k: usize| {
        let pair = |&(l, r): &([Segment; 2], [Segment; 2])| Pair {
            left: l[k],
            right: r[k],
        };
        sides.iter().map(pair).collect()
    };
    let (equal, unequal) = (pairs(0), pairs(1));
    (store, equal, unequal)
}

fn reference() -> HashMap<&'static str, &'static str> {
    let lines = include_str!("teachers.txt").lines();
    lines
        .filter_map(|l| l.strip_prefix("world.")?.split_once(' '))
        .collect()
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(' ').map(|x| x.parse().unwrap()).collect()
}

fn session(store: &Trajectories) -> Session {
    Session::recent(store, 10, f64::from(T), 0, H as usize)
}

/// V of `teachers.py`.
#[derive(Debug)]
struct Linear;

impl ValueFunction for Linear {
    fn values(&self, observations: &[f32], obs_dim: usize) -> Vec<f64> {
        let row = |o: &[f32]| 2.0 * f64::from(o[0]) - 0.25 * f64::from(o[1]);
        observations.chunks(obs_dim).map(row).collect()
    }
}

fn regret(discount: f64) -> Regret {
    Regret {
        settings: RegretSettings { discount },
        expert: Arc::new(Linear),
    }
}

#[test]
fn the_session_agrees_with_numpy() {
    let (store, ..) = world();
    let session = session(&store);
    let expected = numbers(reference()["session"]);
    assert_eq!(session.average_return, expected[0]);
    assert!((session.return_spread / expected[1] - 1.0).abs() < 1e-12);
    // Longer than any episode: no window.
    let none = Session::recent(&store, 10, 40.0, 0, 41);
    assert_eq!(none.return_spread, 0.0);
    let whole = Session::recent(&store, 1, 40.0, 0, 40);
    assert_eq!(whole.return_spread, 0.0); // one window
}

#[test]
fn deterministic_teachers_agree_with_numpy() {
    let (store, equal, unequal) = world();
    let (session, reference) = (session(&store), reference());
    let all = Scripted {
        gamma: 0.9,
        discount: 0.95,
        mistake: 1.0,
        skip: 0.1,
        unsure: 0.01,
        tie: Some(0.025),
        ..scripted::ORACLE
    };
    let mean_equal = Scripted {
        equal: 0.5,
        ..scripted::MEAN
    };
    let (plain, discounted) = (regret(1.0), regret(0.9));
    let cases: [(&str, &dyn Teacher, &[Pair]); 8] = [
        ("tie", &scripted::TIE, &equal),
        ("unsure", &scripted::UNSURE, &equal),
        ("discounted", &scripted::DISCOUNTED, &equal),
        ("all", &all, &equal),
        ("mean", &scripted::MEAN, &unequal),
        ("mean-equal", &mean_equal, &unequal),
        ("regret", &plain, &equal),
        ("regret-discounted", &discounted, &equal),
    ];
    for (name, teacher, pairs) in cases {
        let labels = ask(teacher, &store, pairs, &session, &Stream::new(0, "t"), 0).unwrap();
        let expected = reference[name];
        assert_eq!(expected.len(), PAIRS);
        let wrong = labels.iter().zip(expected.bytes()).position(|(label, b)| {
            let ours = match label {
                Some(Label::Left) => b'L',
                Some(Label::Right) => b'R',
                Some(Label::Equal) => b'E',
                None => b'S',
            };
            ours != b
        });
        assert_eq!(wrong, None, "{name}: first difference");
    }
}

#[test]
fn random_teachers_follow_the_probabilities_of_numpy() {
    let (store, pairs, _) = world();
    let (session, reference) = (session(&store), reference());
    let speed = FeatureNoise {
        by: Feature::Speed,
        mistake: 0.6,
        scale: 0.25,
    };
    let noisy = Scripted {
        temperature: 0.1,
        gamma: 0.95,
        discount: 0.7,
        ..scripted::ORACLE
    };
    let cases: [(&str, &dyn Teacher); 7] = [
        ("noisy", &noisy),
        ("boltzmann", &scripted::BOLTZMANN),
        ("margin", &scripted::MARGIN),
        ("indistinct", &Indistinct::default()),
        ("similar", &feature::SIMILAR),
        ("actions", &feature::ACTIONS),
        ("speed", &speed),
    ];
    for (name, teacher) in cases {
        let labels = ask(teacher, &store, &pairs, &session, &Stream::new(5, "t"), 0).unwrap();
        let bands = reference[name].as_bytes();
        assert_eq!(bands.len(), PAIRS);
        let sums = numbers(reference[format!("{name}.bands").as_str()]);
        for band in 0..16 {
            let inside = |b: &u8| usize::from(b - b'a') == band;
            let answers = labels.iter().zip(bands).filter(|(_, b)| inside(b));
            let rights = answers.filter(|(l, _)| **l == Some(Label::Right)).count();
            let surplus = rights as f64 - sums[band];
            // Where chance plays no part, none is allowed; rare events have a longer tail.
            let slack = if sums[16 + band] > 0.0 { 3.0 } else { 1e-6 };
            let bound = 4.0 * sums[16 + band].sqrt() + slack;
            assert!(
                surplus.abs() < bound,
                "{name}, band {band}: {surplus} of {bound}"
            );
        }
    }
}

#[test]
fn noise_without_a_spread_is_the_limit_of_noise_with_one() {
    let (store, pairs, _) = world();
    let known = session(&store);
    for teacher in [scripted::BOLTZMANN, scripted::MARGIN] {
        let labels = |return_spread| {
            let session = Session {
                return_spread,
                ..known
            };
            ask(&teacher, &store, &pairs, &session, &Stream::new(5, "t"), 0).unwrap()
        };
        assert_eq!(labels(0.0), labels(1e-12));
        assert_ne!(labels(0.0), labels(1.0));
    }
}

#[test]
fn noise_by_mean_reward_has_the_same_unit() {
    let (store, pairs, _) = world();
    let session = session(&store);
    for teacher in [scripted::BOLTZMANN, scripted::MARGIN] {
        let mean = Scripted {
            mean: true,
            ..teacher
        };
        let [a, b] = [teacher, mean]
            .map(|t| ask(&t, &store, &pairs, &session, &Stream::new(5, "t"), 0).unwrap());
        assert_eq!(a, b);
    }
}

#[test]
fn errors_on_normal_returns_are_as_documented() {
    // Segments of one step with normal rewards; the spread is 1.
    let mut store = Trajectories::new(1, 1);
    let mut stream = Stream::new(1, "rewards");
    store.begin(&[0.0]).unwrap();
    for _ in 0..80_000 {
        store.push(&[0.0], stream.normal(), &[0.0]).unwrap();
    }
    store.finish(Ending::Truncated).unwrap();
    let side = |start| Segment {
        trajectory: 0,
        start,
        len: 1,
    };
    let pairs: Vec<_> = (0..40_000)
        .map(|j| Pair {
            left: side(2 * j),
            right: side(2 * j + 1),
        })
        .collect();
    let session = Session::recent(&store, 1, 1.0, 0, 1);
    assert!((session.return_spread - 1.0).abs() < 0.02);
    let at = |temperature| Scripted {
        temperature,
        ..scripted::BOLTZMANN
    };
    let focus = |focus| Scripted {
        focus,
        ..scripted::MARGIN
    };
    let oracle = ask(&scripted::ORACLE, &store, &pairs, &session, &stream, 0).unwrap();
    for (teacher, rate) in [
        (at(0.1), 0.0389),
        (scripted::BOLTZMANN, 0.0941),
        (at(0.5), 0.1720),
        (at(1.0), 0.2748),
        (focus(2.0), 0.1277),
        (scripted::MARGIN, 0.1054),
        (focus(4.0), 0.0685),
    ] {
        let labels = ask(&teacher, &store, &pairs, &session, &stream, 0).unwrap();
        let errors = labels.iter().zip(&oracle).filter(|(a, b)| a != b).count();
        let observed = errors as f64 / labels.len() as f64;
        assert!((observed - rate).abs() < 0.007, "{teacher:?}: {observed}");
    }
}
