//! The samplers that look for new ground, against the definition worked out naively in `f64`.

#![allow(clippy::unwrap_used)]

use prefbench_oracles::{
    Ending, KCenter, Label, NoScores, Pair, PairScore, Pool, Preference, QuerySampler, SAMPLERS,
    SamplerError, Segment, Stream, Trajectories, Uncertainty, sampler,
};
use proptest::prelude::*;

/// Episodes of `dim` columns whose numbers are drawn by `number`.
fn store(dim: usize, episodes: usize, len: usize, mut number: impl FnMut() -> f32) -> Trajectories {
    let mut store = Trajectories::new(dim, 1);
    for _ in 0..episodes {
        let mut state = || (0..dim).map(|_| number()).collect::<Vec<_>>();
        store.begin(&state()).unwrap();
        for _ in 0..len {
            store.push(&[0.0], 0.0, &state()).unwrap();
        }
        store.finish(Ending::Truncated).unwrap();
    }
    store
}

/// A pair's states, left side first.
fn feature(store: &Trajectories, pair: &Pair) -> Vec<f64> {
    let side = |s| store.view(s).unwrap().observations().iter();
    let both = side(pair.left).chain(side(pair.right));
    both.map(|&x| f64::from(x)).collect()
}

/// Checks each choice in turn against all candidates that were left. With `slack` 0 ties count
/// as well: the first drawn must win.
fn check(store: &Trajectories, candidates: &[Pair], labelled: &[Pair], taken: &[Pair], slack: f64) {
    let mut left: Vec<(Pair, Vec<f64>, f64)> = candidates
        .iter()
        .map(|pair| (*pair, feature(store, pair), f64::INFINITY))
        .collect();
    let add = |centre: &[f64], left: &mut [(Pair, Vec<f64>, f64)]| {
        for (_, own, nearest) in left {
            let squares = own.iter().zip(centre).map(|(a, b)| (a - b).powi(2));
            *nearest = nearest.min(squares.sum());
        }
    };
    for pair in labelled {
        add(&feature(store, pair), &mut left);
    }
    for (turn, pair) in taken.iter().enumerate() {
        let best = (0..left.len()).fold(0, |b, j| if left[j].2 > left[b].2 { j } else { b });
        let at = left.iter().position(|l| l.0 == *pair).unwrap();
        if slack == 0.0 {
            assert_eq!(*pair, left[best].0, "choice {turn}");
        } else {
            let (ours, most) = (left[at].2, left[best].2);
            assert!(
                ours == most || ours >= most * (1.0 - slack),
                "choice {turn}: {ours} of {most}"
            );
        }
        let (_, centre, _) = left.remove(at);
        add(&centre, &mut left);
    }
}

fn labelled(pairs: &[Pair]) -> Vec<Preference> {
    let label = Label::Equal;
    pairs
        .iter()
        .map(|&pair| Preference { pair, label })
        .collect()
}

/// An ensemble whose opinions follow from the starts of the segments.
struct Opinions;

impl PairScore for Opinions {
    fn members(&self) -> usize {
        3
    }
    fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
        let one =
            |m: u32, p: &Pair| ((p.left.start * 7 + p.right.start * (3 + m)) % 17) as f32 / 16.0;
        (0..3)
            .flat_map(|m| pairs.iter().map(move |p| one(m, p)))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Small whole numbers: distances are exact and ties are everywhere.
    #[test]
    fn each_choice_is_the_farthest_candidate_and_of_equals_the_first(
        dim in 1usize..6, segment_len in 1usize..20, n in 0usize..20, factor in 0usize..8,
        asked in 0usize..50, levels in 1usize..4, seed: u64,
    ) {
        let mut rng = Stream::new(seed, "query");
        let store = store(dim, 4, 22, || rng.below(levels) as f32);
        let mut rng = Stream::new(seed, "candidates");
        let open = Pool::recent(&store, 4, &[]);
        let old = open.pairs(segment_len, asked, &mut rng).unwrap();
        let labels = labelled(&old);
        let pool = Pool::recent(&store, 3, &labels);
        for first in [None, Some(Uncertainty::Disagreement), Some(Uncertainty::Entropy)] {
            let drawn = n * factor.max(1);
            let mut candidates = pool.pairs(segment_len, drawn, &mut rng.clone()).unwrap();
            if let Some(measure) = first {
                let p = Opinions.probabilities(&candidates);
                let score = |j: usize| measure.of((0..3).map(|m| p[m * drawn + j]));
                let mut order: Vec<usize> = (0..drawn).collect();
                order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
                candidates = order.into_iter().map(|j| candidates[j]).collect();
                candidates.truncate(n.max(drawn / 2));
            }
            let sampler = KCenter { factor, first };
            let taken = sampler.select(&pool, segment_len, n, &mut Opinions, &mut rng.clone()).unwrap();
            prop_assert_eq!(taken.len(), n);
            check(&store, &candidates, &old, &taken, 0.0);
        }
    }
}

/// Sizes that fill several blocks, batches and tiles, on data of several kinds: where no bound
/// helps, where states change slowly, and where rounding is largest beside the distances.
#[test]
fn bounds_never_change_a_choice() {
    for (kind, dim, segment_len) in [(0, 24, 50), (1, 24, 50), (2, 3, 33), (1, 7, 9), (0, 1, 3)] {
        let mut rng = Stream::new(kind, "data");
        let mut walk = vec![0.0; dim];
        let mut i = 0;
        let store = store(dim, 8, 100, || {
            i = (i + 1) % dim;
            walk[i] = match kind {
                0 => rng.normal(),
                1 => walk[i] + 0.1 * rng.normal(),
                _ => 4096.0 + rng.normal(),
            };
            walk[i]
        });
        let mut rng = Stream::new(kind, "query");
        let pool = Pool::recent(&store, 8, &[]);
        let old = pool.pairs(segment_len, 70, &mut rng).unwrap();
        for old in [&old[..], &[]] {
            let labels = labelled(old);
            let pool = Pool::recent(&store, 8, &labels);
            let candidates = pool.pairs(segment_len, 300, &mut rng.clone()).unwrap();
            let sampler = KCenter {
                factor: 5,
                first: None,
            };
            let taken = sampler.select(&pool, segment_len, 60, &mut NoScores, &mut rng.clone());
            check(&store, &candidates, old, &taken.unwrap(), 1e-5);
        }
    }
}

#[test]
fn a_pair_and_its_swap_are_two_points() {
    // One step a segment; states 0 and 1 in turn.
    let mut x = 1.0;
    let store = store(1, 1, 2, || {
        x = 1.0 - x;
        x
    });
    let segment = |start| Segment {
        trajectory: 0,
        start,
        len: 1,
    };
    let pair = |left, right| Pair {
        left: segment(left),
        right: segment(right),
    };
    let labels = labelled(&[pair(0, 1)]);
    let pool = Pool::recent(&store, 1, &labels);
    let sampler = KCenter {
        factor: 50,
        first: None,
    };
    let taken = sampler.select(&pool, 1, 2, &mut NoScores, &mut Stream::new(1, "query"));
    assert_eq!(taken.unwrap()[0], pair(1, 0));
}

#[test]
fn labelled_pairs_of_another_length_are_passed_over_and_foreign_ones_refused() {
    let mut rng = Stream::new(2, "data");
    let store = store(2, 3, 40, || rng.normal());
    let rng = Stream::new(2, "query");
    let open = Pool::recent(&store, 3, &[]);
    let mut old = open.pairs(10, 1, &mut rng.clone()).unwrap();
    let sampler = sampler::find("k-center").unwrap().sampler;
    let select = |labels: &[Pair]| {
        let labels = labelled(labels);
        let pool = Pool::recent(&store, 3, &labels);
        sampler.select(&pool, 10, 5, &mut NoScores, &mut rng.clone())
    };
    let candidates = open.pairs(10, 50, &mut rng.clone()).unwrap();
    let taken = select(&[]).unwrap();
    assert_eq!(
        taken[0], candidates[0],
        "nothing is labelled: the first drawn"
    );
    assert_ne!(select(&old).unwrap(), taken);
    old[0].right.len = 9;
    assert_eq!(select(&old).unwrap(), taken);
    old[0].right = Segment {
        trajectory: 7,
        start: 0,
        len: 10,
    };
    let error = select(&old).unwrap_err();
    assert!(matches!(error, SamplerError::Foreign(_)));
    assert!(
        error.to_string().contains("there are 3 episodes"),
        "{error}"
    );
}

/// NumPy's `std` and SciPy's `entropy`, averaged.
#[test]
fn measures_of_uncertainty() {
    for (p, deviation, entropy) in [
        ([0.5, 0.5, 0.5], 0.0, std::f64::consts::LN_2),
        ([0.9, 0.1, 0.5], 0.32659863237109044, 0.44777104244761395),
        ([1.0, 0.0, 0.25], 0.42491829279939874, 0.18744504820626942),
        ([0.125, 0.75, 0.0], 0.3280836614171588, 0.313035101958415),
    ] {
        let of = |measure: Uncertainty| measure.of(p.into_iter());
        assert!(
            (of(Uncertainty::Disagreement) - deviation).abs() < 1e-7,
            "{p:?}"
        );
        assert!((of(Uncertainty::Entropy) - entropy).abs() < 1e-7, "{p:?}");
    }
}

#[test]
fn entropy_keeps_the_least_certain() {
    let mut rng = Stream::new(4, "data");
    let store = store(1, 3, 60, || rng.normal());
    let pool = Pool::recent(&store, 3, &[]);
    let rng = Stream::new(4, "query");
    let candidates = pool.pairs(10, 70, &mut rng.clone()).unwrap();
    let p = Opinions.probabilities(&candidates);
    let entropy = |p: f64| {
        [p, 1.0 - p]
            .iter()
            .filter(|&&p| p > 0.0)
            .map(|p| -p * p.ln())
            .sum::<f64>()
    };
    let score = |j: usize| (0..3).map(|m| entropy(p[m * 70 + j].into())).sum::<f64>();
    let mut left: Vec<usize> = (0..70).collect();
    let sampler = sampler::find("entropy").unwrap().sampler;
    let taken = sampler
        .select(&pool, 10, 7, &mut Opinions, &mut rng.clone())
        .unwrap();
    for pair in taken {
        let most = left.iter().map(|&j| score(j)).fold(0.0, f64::max);
        let at = left.iter().position(|&j| score(j) > most - 1e-12).unwrap();
        assert_eq!(candidates[left.remove(at)], pair);
    }
}

#[test]
fn near_on_policy_keeps_to_the_last_episodes() {
    // Twelve episodes of 20 steps, then four too short to be asked about.
    let mut store = store(1, 12, 20, || 0.0);
    for _ in 0..4 {
        store.begin(&[0.0]).unwrap();
        store.push(&[0.0], 0.0, &[0.0]).unwrap();
        store.finish(Ending::Terminated).unwrap();
    }
    let pool = Pool::recent(&store, 100, &[]);
    let sampler = sampler::find("near-on-policy").unwrap().sampler;
    let pairs = sampler
        .select(&pool, 10, 500, &mut NoScores, &mut Stream::new(1, "query"))
        .unwrap();
    let mut episodes: Vec<u32> = pairs
        .iter()
        .flat_map(|p| [p.left.trajectory, p.right.trajectory])
        .collect();
    episodes.sort_unstable();
    episodes.dedup();
    assert_eq!(episodes, (2..12).collect::<Vec<_>>());
}

#[test]
fn the_registry_says_how_many_members_a_sampler_needs() {
    struct Members(usize);
    impl PairScore for Members {
        fn members(&self) -> usize {
            self.0
        }
        fn probabilities(&mut self, pairs: &[Pair]) -> Vec<f32> {
            vec![0.5; self.0 * pairs.len()]
        }
    }
    let store = store(1, 2, 20, || 0.0);
    let pool = Pool::recent(&store, 100, &[]);
    for entry in SAMPLERS {
        let select = |members| {
            let rng = &mut Stream::new(1, "query");
            entry
                .sampler
                .select(&pool, 10, 3, &mut Members(members), rng)
        };
        assert!(select(entry.members).is_ok(), "{}", entry.id);
        if let Some(members) = entry.members.checked_sub(1) {
            let (sampler, needed) = (entry.id, entry.members);
            let error = SamplerError::TooFewMembers {
                sampler,
                needed,
                members,
            };
            assert_eq!(select(members), Err(error));
        }
    }
}
