//! What every teacher keeps to: settings, laws, and forms of feedback that are not one pair.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use prefbench_oracles::scripted::{self, Scripted};
use prefbench_oracles::{
    Ending, Expert, Label, Ledger, Pair, Segment, SegmentView, Session, Stream, TEACHERS, Teacher,
    Trajectories, ValueFunction, ask, ask_ratings, teacher,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const SESSION: Session = Session {
    average_return: 10.0,
    return_spread: 3.0,
    average_length: 12.0,
    episode_length: 12.0,
    index: 0,
    user: 0,
};

/// Episodes of 6 steps; neighbours are compared. The rewards double as observations and actions.
fn store(segments: &[Vec<f32>]) -> (Trajectories, Vec<Pair>) {
    let mut store = Trajectories::new(1, 1);
    for rewards in segments {
        store.begin(&[rewards[0]]).unwrap();
        for &reward in rewards {
            store.push(&[reward / 10.0], reward, &[reward]).unwrap();
        }
        store.finish(Ending::Truncated).unwrap();
    }
    let side = |e: usize| Segment {
        trajectory: e as u32,
        start: 0,
        len: segments[e].len() as u32,
    };
    let pair = |p: usize| Pair {
        left: side(2 * p),
        right: side(2 * p + 1),
    };
    let pairs = (0..segments.len() / 2).map(pair).collect();
    (store, pairs)
}

#[derive(Debug)]
struct Double;

impl ValueFunction for Double {
    fn values(&self, observations: &[f32], _: usize) -> Vec<f64> {
        observations.iter().map(|&o| 2.0 * f64::from(o)).collect()
    }
}

fn expert() -> Expert {
    Some(Arc::new(Double))
}

fn make(id: &str, changes: Value) -> Box<dyn Teacher> {
    (teacher::find(id).unwrap().make)(&changes, expert()).unwrap()
}

fn refusal(id: &str, changes: Value) -> String {
    let made = (teacher::find(id).unwrap().make)(&changes, None);
    made.unwrap_err().to_string()
}

/// RbRL's teacher (White et al. 2024): class i of n if the return lies in [i/n, (i+1)/n) of the best.
#[derive(Debug)]
struct Rater {
    best: f64,
}

impl Teacher for Rater {
    fn label(
        &self,
        _: &SegmentView,
        _: &SegmentView,
        _: &Session,
        _: &mut Stream,
    ) -> Option<Label> {
        None // does not compare
    }

    fn rate(&self, s: &SegmentView, classes: u32, _: &Session, _: &mut Stream) -> Option<u32> {
        let share = f64::from(s.rewards().iter().sum::<f32>()) / self.best;
        Some(((share * f64::from(classes)).max(0.0) as u32).min(classes - 1))
    }
}

#[test]
fn a_teacher_may_rate() {
    let (store, pairs) = store(&[
        vec![-1.0, 0.0],
        vec![0.5, 0.5],
        vec![1.0, 1.5],
        vec![4.0, 0.0],
    ]);
    let segments = [pairs[0].left, pairs[0].right, pairs[1].left, pairs[1].right];
    let stream = Stream::new(0, "t");
    let rate = |teacher: &dyn Teacher| {
        ask_ratings(teacher, &store, &segments, 4, &SESSION, &stream, 0).unwrap()
    };
    let ratings = rate(&Rater { best: 4.0 });
    assert_eq!(ratings, [Some(0), Some(1), Some(2), Some(3)]);
    assert_eq!(rate(&scripted::ORACLE), [None; 4]);

    let mut ledger = Ledger::default();
    ledger.record(&ratings);
    ledger.record(&rate(&scripted::ORACLE));
    assert_eq!((ledger.asked, ledger.answered, ledger.skipped()), (8, 4, 4));

    let beyond = Segment {
        start: 1,
        ..segments[0]
    };
    let refused = ask_ratings(
        &scripted::ORACLE,
        &store,
        &[beyond],
        4,
        &SESSION,
        &stream,
        0,
    );
    assert!(refused.is_err());
}

/// Two people who want the opposite.
#[derive(Debug)]
struct Couple;

impl Teacher for Couple {
    fn label(
        &self,
        left: &SegmentView,
        right: &SegmentView,
        session: &Session,
        rng: &mut Stream,
    ) -> Option<Label> {
        let label = scripted::ORACLE.label(left, right, session, rng);
        match session.user {
            0 => label,
            _ => label.map(Label::swapped),
        }
    }
}

#[test]
fn a_teacher_may_speak_for_several_people() {
    let (store, pairs) = store(&[vec![1.0], vec![2.0]]);
    let answers = [0, 1].map(|user| {
        let session = Session { user, ..SESSION };
        ask(&Couple, &store, &pairs, &session, &Stream::new(0, "t"), 0).unwrap()[0]
    });
    assert_eq!(answers, [Some(Label::Right), Some(Label::Left)]);
}

#[test]
fn defaults_are_complete_and_make_the_teacher() {
    for entry in TEACHERS {
        let defaults = (entry.defaults)();
        let made = (entry.make)(&defaults, expert()).unwrap();
        let plain = (entry.make)(&Value::Null, expert()).unwrap();
        assert_eq!(format!("{made:?}"), format!("{plain:?}"), "{}", entry.id);
        // Each setting can be given alone, and each alone is refused if it is of no use.
        for (key, value) in defaults.as_object().unwrap() {
            assert!((entry.make)(&json!({ key: value }), expert()).is_ok());
            let error = refusal(entry.id, json!({ key: [1] }));
            assert!(error.contains(key.as_str()), "{}: {error}", entry.id);
        }
        assert!(refusal(entry.id, json!({"typo": 1})).contains("typo"));
        let without = (entry.make)(&Value::Null, None);
        assert_eq!(without.is_err(), entry.needs_expert, "{}", entry.id);
    }
}

#[test]
fn the_six_have_their_published_parameters() {
    // β = 1/temperature.
    let six = [
        ("oracle", 0.0, 1.0, 0.0, 0.0, 0.0),
        ("mistake", 0.0, 1.0, 0.1, 0.0, 0.0),
        ("noisy", 1.0, 1.0, 0.0, 0.0, 0.0),
        ("skip", 0.0, 1.0, 0.0, 0.1, 0.0),
        ("equal", 0.0, 1.0, 0.0, 0.0, 0.1),
        ("myopic", 0.0, 0.9, 0.0, 0.0, 0.0),
    ];
    for (entry, (id, temperature, gamma, mistake, skip, equal)) in TEACHERS.iter().zip(six) {
        assert_eq!(entry.id, id);
        let expected = json!({
            "temperature": temperature, "unit": "return", "gamma": gamma, "discount": 1.0,
            "mean": false, "mistake": mistake, "focus": 0.0, "skip": skip, "unsure": 0.0,
            "equal": equal, "tie": null, "compat": false,
        });
        assert_eq!((entry.defaults)(), expected);
    }
}

#[test]
fn changes_apply_to_the_teachers_own_defaults() {
    let made = make("mistake", json!({"compat": true, "skip": 2}));
    let expected = Scripted {
        compat: true,
        skip: 2.0,
        ..scripted::MISTAKE
    };
    assert_eq!(format!("{made:?}"), format!("{expected:?}"));
}

#[test]
fn bad_settings_are_refused_by_name() {
    assert_eq!(
        refusal("oracle", json!({"gamma": 1.5})),
        "teacher.gamma = 1.5 is invalid: it must be in [0, 1]"
    );
    assert_eq!(
        refusal("similar", json!({"scale": 0})),
        "teacher.scale = 0 is invalid: it must be above 0"
    );
    assert_eq!(
        refusal("tie", json!({"tie": -1})),
        "teacher.tie = -1 is invalid: it must be at least 0"
    );
    assert!(refusal("indistinct", json!({"epsilon": -0.1})).contains("teacher.epsilon = -0.1"));
    assert!(refusal("regret", json!({"discount": 2})).contains("teacher.discount = 2"));
    let typo = refusal("myopic", json!({"gama": 0.9}));
    assert!(typo.starts_with("teacher.gama: unknown field"), "{typo}");
    let kind = refusal("boltzmann", json!({"unit": "metre"}));
    assert!(
        kind.contains("teacher.unit") && kind.contains("spread"),
        "{kind}"
    );
    assert_eq!(
        refusal("oracle", json!(3)),
        "teacher: expected an object of settings, found 3"
    );
    assert_eq!(
        refusal("regret", Value::Null),
        "the teacher \"regret\" needs an expert's value function, and there is none; train or name \
         an expert, or use a teacher that needs none, such as \"oracle\""
    );
    let nan = Scripted {
        temperature: f64::NAN,
        ..scripted::ORACLE
    };
    assert_eq!(nan.check().unwrap_err().key, "temperature");
}

#[test]
fn regret_counts_neither_the_last_reward_nor_what_follows() {
    let (store, pairs) = store(&[vec![1.0, 2.0, 50.0], vec![1.0, 3.0, -50.0]]);
    let labels = |pairs: &[Pair]| {
        let teacher = make("regret", Value::Null);
        ask(
            teacher.as_ref(),
            &store,
            pairs,
            &SESSION,
            &Stream::new(0, "t"),
            0,
        )
        .unwrap()
    };
    // 1 + 2 + V(2) − V(1) against 1 + 3 + V(3) − V(1).
    assert_eq!(labels(&pairs), [Some(Label::Right)]);
    let single = |s: Segment| Segment { len: 1, ..s };
    let short = Pair {
        left: single(pairs[0].left),
        right: single(pairs[0].right),
    };
    assert_eq!(labels(&[short, short.swapped()]), [Some(Label::Left); 2]);
}

/// All but Bradley-Terry noise, whose single draw cannot serve both orders.
fn commuting() -> impl Iterator<Item = &'static str> {
    let ids = TEACHERS.iter().map(|e| e.id);
    ids.filter(|id| !["noisy", "boltzmann"].contains(id))
}

fn rewards(len: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0f32..3.0, len)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn swapping_the_pair_swaps_every_teachers_label(
        left in rewards(6), right in (2usize..7).prop_flat_map(rewards), seed: u64,
    ) {
        prop_assume!(left != right);
        let (store, pairs) = store(&[left, right]);
        let stream = Stream::new(seed, "t");
        for id in commuting() {
            let teacher = make(id, Value::Null);
            let there = ask(teacher.as_ref(), &store, &pairs, &SESSION, &stream, 0).unwrap();
            let swapped = [pairs[0].swapped()];
            let back = ask(teacher.as_ref(), &store, &swapped, &SESSION, &stream, 0).unwrap();
            prop_assert_eq!(there[0].map(Label::swapped), back[0], "{}", id);
        }
    }

    #[test]
    fn the_order_of_queries_changes_no_teachers_label(
        segments in prop::collection::vec(rewards(6), 16),
        order in Just((0..8).collect::<Vec<usize>>()).prop_shuffle(),
        seed: u64,
        asked in 0u64..1000,
    ) {
        let (store, pairs) = store(&segments);
        let stream = Stream::new(seed, "teacher");
        for entry in TEACHERS {
            let teacher = make(entry.id, Value::Null);
            let ask = |pairs: &[Pair], asked| {
                ask(teacher.as_ref(), &store, pairs, &SESSION, &stream, asked).unwrap()
            };
            let together = ask(&pairs, asked);
            for &j in &order {
                let alone = ask(&pairs[j..=j], asked + j as u64);
                prop_assert_eq!(alone[0], together[j], "{}", entry.id);
            }
        }
    }

    #[test]
    fn budgets_count_asked_and_answered_separately(
        batches in prop::collection::vec(prop::collection::vec(any::<Option<u8>>(), 0..9), 0..9),
    ) {
        let mut ledger = Ledger::default();
        for batch in &batches {
            ledger.record(batch);
        }
        let all: Vec<_> = batches.concat();
        prop_assert_eq!(ledger.asked, all.len() as u64);
        prop_assert_eq!(ledger.skipped(), all.iter().filter(|a| a.is_none()).count() as u64);
        prop_assert_eq!(ledger.answered + ledger.skipped(), ledger.asked);
    }
}
