//! Ranked lists against NumPy (`rankings.py`), and their laws.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::convert::Infallible;

use prefbench_oracles::ranking::{Placed, by_teacher, lire, seqrank};
use prefbench_oracles::{
    Ending, Label, Ledger, Pair, Preference, Rankings, Segment, Session, Stream, Trajectories, ask,
    scripted,
};
use proptest::prelude::*;

const BUDGET: u64 = 300;
const PER_LIST: u64 = 40;

/// Segment number i of a sequence.
fn segment(i: usize) -> Segment {
    Segment {
        trajectory: i as u32,
        start: 0,
        len: 1,
    }
}

fn segments(count: usize) -> impl Iterator<Item = Segment> {
    (0..count).map(segment)
}

/// The values of `rankings.py`.
fn reference_values() -> Vec<u64> {
    let mut state = 3u64;
    let next = |_| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 56) % 24
    };
    (0..2 * BUDGET).map(next).collect()
}

/// The exact order of values, counting calls.
fn exact<'a>(
    values: &'a [u64],
    calls: &'a mut u64,
) -> impl FnMut(Pair) -> Result<Option<Label>, Infallible> + 'a {
    move |pair| {
        *calls += 1;
        let [l, r] = [pair.left, pair.right].map(|s| values[s.trajectory as usize]);
        Ok(Some(match l.cmp(&r) {
            std::cmp::Ordering::Less => Label::Right,
            std::cmp::Ordering::Equal => Label::Equal,
            std::cmp::Ordering::Greater => Label::Left,
        }))
    }
}

/// The lists as `rankings.py` prints them.
fn printed(name: &str, rankings: &Rankings) -> Vec<String> {
    let group = |group: &Vec<Placed>| {
        let mut numbers: Vec<u32> = group.iter().map(|p| p.segment.trajectory).collect();
        numbers.sort_unstable();
        numbers
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let line = |groups: &Vec<Vec<Placed>>| {
        let groups: Vec<String> = groups.iter().map(group).collect();
        format!("{name} {}", groups.join("|"))
    };
    rankings
        .lists
        .iter()
        .map(|list| line(&list.groups))
        .collect()
}

fn reference(name: &str) -> Vec<&'static str> {
    let lines = include_str!("rankings.txt").lines();
    lines
        .filter(|line| line.split(' ').next() == Some(name))
        .collect()
}

fn spent(queries: u64) -> Ledger {
    Ledger {
        asked: queries,
        answered: queries,
    }
}

#[test]
fn lists_are_those_of_numpy() {
    let values = reference_values();
    let mut calls = 0;
    for seed in 0..3 {
        calls = 0;
        let mut rng = Stream::new(seed, "members");
        let compare = exact(&values, &mut calls);
        let rankings = lire(segments(600), BUDGET, PER_LIST, &mut rng, compare).unwrap();
        assert_eq!(printed("lire", &rankings), reference("lire"));
        assert_eq!(rankings.ledger, spent(BUDGET));
    }
    assert_eq!(calls, BUDGET);
    let rankings = seqrank(segments(600), BUDGET, exact(&values, &mut calls)).unwrap();
    assert_eq!(printed("seqrank", &rankings), reference("seqrank"));
    assert_eq!((rankings.ledger, calls), (spent(BUDGET), 2 * BUDGET));
}

#[test]
fn a_list_gives_every_pair_in_it() {
    let values = [5, 1, 5, 3];
    let mut calls = 0;
    let mut rng = Stream::new(0, "members");
    let compare = exact(&values, &mut calls);
    let rankings = lire(segments(4), 100, 100, &mut rng, compare).unwrap();
    assert_eq!(rankings.lists[0].pairs(), 6);
    let preferences: Vec<_> = rankings.lists[0].preferences().collect();
    assert_eq!(preferences.len(), 6);
    for (_, Preference { pair, label }) in preferences {
        let [l, r] = [pair.left, pair.right].map(|s| values[s.trajectory as usize]);
        assert_ne!(pair.left, pair.right);
        assert_eq!(
            (label, l <= r),
            (if l == r { Label::Equal } else { Label::Right }, true)
        );
    }
}

#[test]
fn the_segment_that_the_budget_interrupts_is_dropped() {
    let values: Vec<u64> = (0..16).collect();
    // The second to sixth segment of an ascending sequence take 1, 1, 2, 2 and 2 comparisons.
    for (budget, len) in [
        (0, 0),
        (1, 2),
        (2, 3),
        (3, 3),
        (4, 4),
        (5, 4),
        (6, 5),
        (8, 6),
    ] {
        let (mut calls, mut rng) = (0, Stream::new(0, "members"));
        let compare = exact(&values, &mut calls);
        let rankings = lire(segments(16), budget, 100, &mut rng, compare).unwrap();
        let lens: Vec<_> = rankings.lists.iter().map(|l| l.len()).collect();
        assert_eq!(lens, if len == 0 { vec![] } else { vec![len] }, "{budget}");
        assert_eq!((rankings.ledger.asked, calls), (budget, budget));
    }
}

#[test]
fn a_skipped_query_costs_and_drops_the_segment() {
    let values: Vec<u64> = (0..16).collect();
    let hates_two = |pair: Pair| {
        let skips = pair.left == segment(2) || pair.right == segment(2);
        let [l, r] = [pair.left, pair.right].map(|s| values[s.trajectory as usize]);
        let label = if l < r { Label::Right } else { Label::Left };
        Ok::<_, Infallible>((!skips).then_some(label))
    };
    // Placed by these queries: the second, number 1, is the one skipped.
    let expected: Vec<_> = [(0, 0), (1, 0), (3, 2)]
        .map(|(i, query)| {
            let segment = segment(i);
            vec![Placed { segment, query }]
        })
        .into();
    let skipped = |left, right| {
        let (left, right) = (segment(left), segment(right));
        [(1, Pair { left, right })]
    };
    let seqrank = seqrank(segments(4), 100, hates_two).unwrap();
    assert_eq!(seqrank.lists[0].groups, expected);
    assert_eq!(seqrank.dropped, skipped(1, 2));
    let lire = lire(segments(4), 100, 100, &mut Stream::new(0, "m"), hates_two).unwrap();
    assert_eq!(lire.lists[0].groups, expected);
    assert_eq!(lire.dropped, skipped(2, 1));
    assert_eq!((seqrank.ledger.asked, seqrank.ledger.answered), (3, 2));
    assert_eq!((lire.ledger.asked, lire.ledger.answered), (3, 2));

    let never = |_| Ok::<_, Infallible>(None);
    let nothing = self::lire(segments(40), 10, 3, &mut Stream::new(0, "m"), never).unwrap();
    assert!(nothing.lists.is_empty());
    assert_eq!((nothing.ledger.asked, nothing.ledger.answered), (10, 0));
}

#[test]
fn one_query_a_list_makes_independent_pairs() {
    let values = reference_values();
    let (mut calls, mut rng) = (0, Stream::new(0, "members"));
    let rankings = lire(segments(40), 20, 1, &mut rng, exact(&values, &mut calls)).unwrap();
    assert_eq!(rankings.lists.len(), 20);
    let pairs = rankings.answers().into_iter().map(|(query, pair, _)| {
        let mut sides = [pair.left.trajectory, pair.right.trajectory];
        sides.sort_unstable();
        (query, sides)
    });
    assert!(pairs.eq((0..20).map(|j| (u64::from(j), [2 * j, 2 * j + 1]))));
}

#[test]
fn any_member_of_the_middle_group_may_be_compared() {
    let asked: HashSet<Segment> = (0..40)
        .map(|seed| {
            let mut last = segment(0);
            let equal = |pair: Pair| {
                last = pair.right;
                Ok::<_, Infallible>(Some(Label::Equal))
            };
            lire(segments(4), 3, 100, &mut Stream::new(seed, "m"), equal).unwrap();
            last
        })
        .collect();
    assert_eq!(asked, segments(3).collect());
}

#[test]
fn a_teacher_answers_each_comparison_from_its_own_position() {
    let mut store = Trajectories::new(1, 1);
    for i in 0..200 {
        store.begin(&[0.0]).unwrap();
        store.push(&[0.0], (i % 7) as f32 / 4.0, &[0.0]).unwrap();
        store.finish(Ending::Truncated).unwrap();
    }
    let session = Session::recent(&store, 10, 1.0, 0, 1);
    let stream = Stream::new(9, "teacher");
    let mut log = Vec::new();
    let mut teacher = by_teacher(&scripted::NOISY, &store, &session, &stream, 500);
    let compare = |pair| {
        let answer = teacher(pair);
        log.push((pair, answer.clone().unwrap()));
        answer
    };
    lire(segments(200), 100, 20, &mut Stream::new(0, "m"), compare).unwrap();
    let (pairs, answers): (Vec<Pair>, Vec<_>) = log.into_iter().unzip();
    let again = ask(&scripted::NOISY, &store, &pairs, &session, &stream, 500).unwrap();
    assert_eq!((answers.len(), answers), (100, again));

    let compare = by_teacher(&scripted::ORACLE, &store, &session, &stream, 0);
    let beyond = seqrank(segments(201).skip(199), 100, compare);
    assert!(beyond.is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// The first queries of many are the queries of a smaller budget: they tell the same.
    #[test]
    fn what_so_many_queries_gave_can_be_told(
        values in prop::collection::vec(0u64..9, 60),
        budget in 0u64..60,
        fewer in 0u64..60,
        per_list in 0u64..20,
        skips in 0u64..9,
        seed: u64,
    ) {
        let asks = |budget: u64| {
            let compare = || {
                let mut calls = 0;
                let values = &values;
                move |pair: Pair| {
                    let answer = exact(values, &mut calls)(pair)?;
                    Ok::<_, Infallible>(answer.filter(|_| values[pair.left.trajectory as usize] != skips))
                }
            };
            let mut rng = Stream::new(seed, "m");
            let lists = lire(segments(60), budget, per_list, &mut rng, compare()).unwrap();
            [lists, seqrank(segments(60), budget, compare()).unwrap()]
        };
        let labelled = |rankings: &Rankings, below: u64| -> Vec<_> {
            let known = rankings.answers().into_iter().filter(|a| a.0 < below && a.2.is_some());
            known.map(|(query, pair, _)| (query, [pair, pair.swapped()].map(|p| p.left.trajectory))).collect()
        };
        for (many, few) in asks(budget).iter().zip(&asks(fewer.min(budget))) {
            let sorted = |mut answers: Vec<_>| { answers.sort_unstable(); answers };
            prop_assert_eq!(sorted(labelled(many, fewer)), sorted(labelled(few, u64::MAX)));
            let last = many.answers().last().map_or(0, |a| a.0 + 1);
            prop_assert_eq!(last, many.ledger.asked);
        }
    }

    #[test]
    fn groups_are_sorted_whatever_the_budget(
        values in prop::collection::vec(0u64..9, 60),
        budget in 0u64..60,
        per_list in 0u64..20,
        seed: u64,
    ) {
        let mut calls = 0;
        let mut rng = Stream::new(seed, "m");
        let lists = lire(segments(60), budget, per_list, &mut rng, exact(&values, &mut calls));
        let chains = seqrank(segments(60), budget, exact(&values, &mut calls));
        for rankings in [lists.unwrap(), chains.unwrap()] {
            prop_assert!(rankings.ledger.asked <= budget);
            for list in &rankings.lists {
                let group = |g: &Vec<Placed>| -> HashSet<u64> {
                    g.iter().map(|p| values[p.segment.trajectory as usize]).collect()
                };
                let groups: Vec<_> = list.groups.iter().map(group).collect();
                prop_assert!(groups.iter().all(|g| g.len() == 1));
                prop_assert!(groups.windows(2).all(|w| w[0].iter().max() < w[1].iter().min()));
            }
        }
    }
}
