//! Query samplers: where segments may lie, and which candidates win.

#![allow(clippy::unwrap_used)]

use prefbench_oracles::{
    Disagreement, Ending, NoScores, Pair, PairScore, Pool, QuerySampler, SAMPLERS, SamplerError,
    Stream, Trajectories, Uniform, sampler,
};
use proptest::prelude::*;

/// Finished episodes of these lengths, and a running one of 50 steps.
fn store(lengths: &[usize]) -> Trajectories {
    let mut store = Trajectories::new(1, 1);
    for &len in lengths.iter().chain(&[50]) {
        if store.complete() < store.episodes().len() {
            store.finish(Ending::Truncated).unwrap();
        }
        store.begin(&[0.0]).unwrap();
        for _ in 0..len {
            store.push(&[0.0], 0.0, &[0.0]).unwrap();
        }
    }
    store
}

/// An ensemble whose opinions are a function of (member, pair), in coarse steps so that scores tie.
/// Remembers what it was asked.
struct Ensemble {
    members: usize,
    asked: Vec<Pair>,
}

impl Ensemble {
    fn new(members: usize) -> Self {
        let asked = Vec::new();
        Ensemble { members, asked }
    }

    fn opinion(member: usize, pair: &Pair) -> f32 {
        let mut x = member as u64;
        for s in [pair.left, pair.right] {
            x ^= u64::from(s.trajectory) << 40 ^ u64::from(s.start) << 20;
            x = x.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            x ^= x >> 29;
        }
        (x % 5) as f32 / 4.0
    }

    fn deviation(&self, pair: &Pair) -> f64 {
        let n = self.members as f64;
        let p: Vec<f64> = (0..self.members)
            .map(|m| Self::opinion(m, pair).into())
            .collect();
        let mean = p.iter().sum::<f64>() / n;
        (p.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt()
    }
}

impl PairScore for Ensemble {
    fn members(&self) -> usize {
        self.members
    }

    fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
        self.asked.extend(pairs);
        (0..self.members)
            .flat_map(|m| pairs.iter().map(move |pair| Self::opinion(m, pair)))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn segments_stay_inside_eligible_episodes(
        lengths in prop::collection::vec(1usize..30, 1..12),
        segment_len in 1usize..12,
        recent in 1usize..12,
        n in 0usize..20,
        seed: u64,
    ) {
        let store = store(&lengths);
        let pool = Pool::recent(&store, recent, &[]);
        let tail = lengths.len().saturating_sub(recent);
        let possible = lengths[tail..].iter().any(|&len| len >= segment_len);
        for entry in SAMPLERS {
            let mut rng = Stream::new(seed, "query");
            let mut again = rng.clone();
            let pairs = entry.sampler.select(&pool, segment_len, n, &mut Ensemble::new(3), &mut rng);
            prop_assert_eq!(pairs.is_ok(), possible);
            let Ok(pairs) = pairs else { continue };
            prop_assert_eq!(pairs.len(), n);
            prop_assert_eq!(rng == again, n == 0); // the next session asks something else
            for side in pairs.iter().flat_map(|p| [p.left, p.right]) {
                prop_assert!((tail..lengths.len()).contains(&(side.trajectory as usize)));
                prop_assert_eq!(store.view(side).map(|v| v.len()), Ok(segment_len));
            }
            let repeat =
                entry.sampler.select(&pool, segment_len, n, &mut Ensemble::new(3), &mut again);
            prop_assert_eq!(repeat, Ok(pairs));
        }
    }

    #[test]
    fn disagreement_keeps_the_most_contested(
        members in 2usize..6, n in 1usize..12, factor in 1usize..12, seed: u64,
    ) {
        let store = store(&[40, 25, 60]);
        let pool = Pool::recent(&store, 100, &[]);
        let mut ensemble = Ensemble::new(members);
        let mut rng = Stream::new(seed, "query");
        let sampler = Disagreement { factor };
        let chosen = sampler.select(&pool, 10, n, &mut ensemble, &mut rng).unwrap();

        // One call, with n · L candidates. Repeatedly taking the best that is left, and the first of
        // equals, gives the same pairs in the same order.
        prop_assert_eq!(ensemble.asked.len(), n * factor);
        let mut left = ensemble.asked.clone();
        for pair in chosen {
            let scores: Vec<f64> = left.iter().map(|p| ensemble.deviation(p)).collect();
            let best = (0..left.len()).fold(0, |b, j| if scores[j] > scores[b] { j } else { b });
            // Equal opinions in another order of members may differ in the last bit.
            let ours = ensemble.deviation(&pair);
            prop_assert!((ours - scores[best]).abs() < 1e-12);
            let first = left.iter().position(|p| *p == pair);
            prop_assert!(first.is_some());
            left.remove(first.unwrap_or(best));
        }
    }
}

#[test]
fn ties_keep_the_order_of_drawing() {
    struct Same;
    impl PairScore for Same {
        fn members(&self) -> usize {
            2
        }
        fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
            vec![0.5; 2 * pairs.len()]
        }
    }
    let store = store(&[40, 25]);
    let pool = Pool::recent(&store, 100, &[]);
    let rng = Stream::new(3, "query");
    let candidates = pool.pairs(10, 70, &mut rng.clone()).unwrap();
    let sampler = Disagreement { factor: 10 };
    let chosen = sampler.select(&pool, 10, 7, &mut Same, &mut rng.clone());
    assert_eq!(chosen.as_deref(), Ok(&candidates[..7]));
}

/// Opinions are read member by member: only pair 11 is contested.
#[test]
fn the_layout_of_probabilities_is_member_by_member() {
    struct Contested;
    impl PairScore for Contested {
        fn members(&self) -> usize {
            3
        }
        fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
            let mut p: Vec<f32> = (0..3 * pairs.len())
                .map(|k| (k % pairs.len()) as f32 / pairs.len() as f32)
                .collect();
            p[2 * pairs.len() + 11] = 0.0;
            p
        }
    }
    let store = store(&[200]);
    let pool = Pool::recent(&store, 100, &[]);
    let rng = Stream::new(3, "query");
    let candidates = pool.pairs(10, 20, &mut rng.clone()).unwrap();
    let sampler = Disagreement { factor: 20 };
    let chosen = sampler.select(&pool, 10, 1, &mut Contested, &mut rng.clone());
    assert_eq!(chosen.as_deref(), Ok(&candidates[11..12]));
}

#[test]
fn starts_and_episodes_are_uniform_up_to_the_last() {
    // Episodes count alike whatever their length; too short ones never.
    let store = store(&[12, 10, 9]);
    let pool = Pool::recent(&store, 100, &[]);
    let n = 6000;
    let pairs = Uniform
        .select(&pool, 10, n, &mut NoScores, &mut Stream::new(1, "query"))
        .unwrap();
    for side in [|p: &Pair| p.left, |p: &Pair| p.right] {
        let count = |e, s| {
            let here = |p: &&Pair| side(p).trajectory == e && side(p).start == s;
            pairs.iter().filter(here).count() as f64
        };
        for (e, s, p) in [
            (0, 0, 1. / 6.),
            (0, 1, 1. / 6.),
            (0, 2, 1. / 6.),
            (1, 0, 0.5),
        ] {
            let n = n as f64;
            let c = count(e, s);
            assert!(
                (c - n * p).abs() < 4.0 * (n * p * (1.0 - p)).sqrt(),
                "{e} {s}: {c}"
            );
        }
    }
    // The sides are independent: both in episode 1 a quarter of the time.
    let both = pairs
        .iter()
        .filter(|p| p.left.trajectory == 1 && p.right.trajectory == 1);
    assert!((both.count() as f64 - 1500.0).abs() < 4.0 * (6000.0f64 * 3.0 / 16.0).sqrt());
}

#[test]
fn refusals_say_what_to_do() {
    let store = store(&[7, 9]);
    let pool = Pool::recent(&store, 100, &[]);
    let mut rng = Stream::new(1, "query");
    let long = Uniform.select(&pool, 10, 1, &mut NoScores, &mut rng);
    assert_eq!(
        long.unwrap_err().to_string(),
        "no episode holds a segment of 10 steps: of 2 complete episodes the longest has 9; \
         lower the segment length (at least 1) or collect more"
    );
    assert!(
        Uniform
            .select(&pool, 0, 1, &mut NoScores, &mut rng)
            .is_err()
    );

    // The running episode is long enough, but may not be asked about.
    let whole = Pool {
        episodes: 0..3,
        ..pool.clone()
    };
    assert_eq!(whole.pairs(10, 1, &mut rng), pool.pairs(10, 1, &mut rng));

    // More than fit into memory, ten times as many candidates included.
    for entry in SAMPLERS {
        let chosen = entry.sampler;
        let mut scores = Ensemble::new(2);
        let error = chosen.select(&pool, 5, usize::MAX, &mut scores, &mut rng);
        let many = SamplerError::TooMany { pairs: usize::MAX };
        assert_eq!(error.unwrap_err(), many, "{}", entry.id);
    }

    let disagreement = sampler::find("disagreement").unwrap().sampler;
    let alone = disagreement.select(&pool, 5, 1, &mut Ensemble::new(1), &mut rng);
    assert_eq!(
        alone.unwrap_err(),
        SamplerError::TooFewMembers {
            sampler: "disagreement",
            needed: 2,
            members: 1
        }
    );
    let error = sampler::find("disagrement").err().map(|e| e.nearest);
    assert_eq!(error, Some(Some("disagreement")));
}

#[test]
fn broken_scores_are_refused() {
    struct Broken(Vec<f32>);
    impl PairScore for Broken {
        fn members(&self) -> usize {
            2
        }
        fn probabilities(&mut self, _: &[Pair]) -> Vec<f32> {
            self.0.clone()
        }
    }
    let store = store(&[20]);
    let pool = Pool::recent(&store, 100, &[]);
    let sampler = Disagreement { factor: 3 };
    let mut surplus = vec![0.5; 7];
    surplus[6] = f32::NAN;
    for (scores, finite) in [(vec![0.5; 5], 5), (surplus, 6), (vec![f32::NAN; 6], 0)] {
        let (expected, got) = (6, scores.len());
        let rng = &mut Stream::new(1, "query");
        let result = sampler.select(&pool, 5, 1, &mut Broken(scores), rng);
        let error = SamplerError::BadScores {
            expected,
            got,
            finite,
        };
        assert_eq!(result, Err(error));
    }
}
