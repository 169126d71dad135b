//! What holds of statistics whatever the scores: bits that are a promise, edge cases, invariances.

use prefbench_results::stats::{
    Bootstrap, Interval, Permutations, Statistic, holm, improvement, iqm, kendall_tau_b, mean,
    median, profile, std,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const STATISTICS: [Statistic; 4] = [
    Statistic::Mean,
    Statistic::Median,
    Statistic::Iqm,
    Statistic::OptimalityGap { gamma: 50.0 },
];

fn bootstrap(resamples: usize) -> Bootstrap {
    Bootstrap {
        resamples,
        ..Bootstrap::default()
    }
}

/// Published intervals must not change with a library's version: these bits are a promise.
#[test]
fn the_bootstrap_is_reproducible_to_the_bit() {
    let tasks = [vec![1.0, 2.0, 4.0, 8.0, 16.0], vec![0.5, 0.25, 0.125]];
    let interval = bootstrap(1_000).interval(Statistic::Mean, &tasks);
    let interval = interval.expect("enough runs");
    assert_eq!(
        [interval.low, interval.high].map(f64::to_bits),
        [4_607_933_018_737_912_491, 4_618_202_633_263_200_774],
        "{interval:?}"
    );
}

/// The values of a statistic on resamples made the plain way.
fn plain(tasks: &[Vec<f64>], of: impl Fn(&[Vec<f64>]) -> Option<f64>) -> Option<Vec<f64>> {
    let mut rng = ChaCha8Rng::from_seed([0; 32]);
    let mut draw = |runs: &Vec<f64>| {
        let run = |_| runs[((u128::from(rng.next_u64()) * runs.len() as u128) >> 64) as usize];
        (0..runs.len()).map(run).collect()
    };
    let resamples =
        (0..PLAIN.resamples).map(|_| of(&tasks.iter().map(&mut draw).collect::<Vec<_>>()));
    let mut values = resamples.collect::<Option<Vec<_>>>()?;
    values.sort_by(f64::total_cmp);
    Some(values)
}

/// So many, with such coverage, that an interval's ends are single values.
const PLAIN: Bootstrap = Bootstrap {
    resamples: 81,
    level: 0.5,
    seed: 0,
};

fn ends(values: Option<Vec<f64>>) -> Option<Interval> {
    values.map(|values| Interval {
        low: values[20],
        high: values[60],
    })
}

/// Resampling within tasks: tasks whose runs agree contribute no width, whatever lies between them.
#[test]
fn runs_are_never_resampled_across_tasks() {
    let tasks = [vec![1.0; 4], vec![100.0; 4], vec![7.0; 4]];
    for statistic in STATISTICS {
        let value = statistic.of(&tasks).expect("runs");
        let expected = Interval {
            low: value,
            high: value,
        };
        assert_eq!(bootstrap(200).interval(statistic, &tasks), Some(expected));
    }
}

#[test]
fn too_few_runs_have_no_figures() {
    let few = [vec![1.0, 2.0], vec![1.0]];
    assert_eq!(bootstrap(10).intervals(&STATISTICS, &[]), None);
    assert_eq!(bootstrap(10).intervals(&STATISTICS, &few), None);
    assert_eq!(bootstrap(10).profile_band(&few, &[0.0]), None);
    assert_eq!(bootstrap(10).band(Statistic::Mean, &[vec![1.0, 2.0]]), None);
    assert_eq!(bootstrap(10).band(Statistic::Mean, &few), None);
    assert_eq!(bootstrap(10).improvement_interval(&few, &few), None);
    assert_eq!(bootstrap(10).improvement_interval(&few[..1], &[]), None);
    assert_eq!((mean(&[]), median(&[]), iqm(&[])), (None, None, None));
    assert_eq!((std(&[1.0]), improvement(&[], &[])), (None, None));
    assert_eq!(improvement(&few, &few[..1]), None);
    assert_eq!(profile(&[vec![1.0], vec![]], &[0.0]), None);
    assert_eq!(kendall_tau_b(&[1.0, 2.0], &[1.0]), None);
    let permutations = Permutations::default();
    // Three against three: one arrangement in twenty is as extreme, to either side.
    let (ahead, behind) = (vec![vec![4.0, 6.0, 5.0]], vec![vec![1.0, 2.0, 3.0]]);
    let test = permutations.improvement(&ahead, &behind).unwrap();
    assert_eq!((test.value, test.greater, test.two_sided), (1.0, 0.05, 0.1));
    assert_eq!(permutations.improvement(&few, &few[..1]), None);
    assert_eq!(permutations.kendall(&[]), None);
    let alone = [
        vec![Some([1.0, 2.0]), Some([2.0, 1.0])],
        vec![None, Some([1.0, 1.0])],
    ];
    assert_eq!(permutations.kendall(&alone), None);
    assert_eq!(permutations.difference(&few, &few[..1]), None);
}

#[test]
fn what_is_not_finite_has_no_figures() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (fine, tasks) = ([vec![1.0, 2.0, 4.0]], [vec![1.0, bad, 4.0]]);
        let runs = &tasks[0];
        assert_eq!([mean(runs), std(runs), median(runs), iqm(runs)], [None; 4]);
        assert_eq!(STATISTICS.map(|statistic| statistic.of(&tasks)), [None; 4]);
        assert_eq!(bootstrap(10).intervals(&STATISTICS, &tasks), None);
        assert_eq!(
            bootstrap(10).band(Statistic::Mean, &[vec![1.0], vec![bad]]),
            None
        );
        let gap = Statistic::OptimalityGap { gamma: bad };
        assert_eq!(
            (gap.of(&fine), bootstrap(10).interval(gap, &fine)),
            (None, None)
        );
        assert_eq!(
            (profile(&tasks, &[0.0]), profile(&fine, &[bad])),
            (None, None)
        );
        assert_eq!(bootstrap(10).profile_band(&fine, &[bad]), None);
        for (x, y) in [(&fine, &tasks), (&tasks, &fine)] {
            assert_eq!(improvement(x, y), None);
            assert_eq!(bootstrap(10).improvement_interval(x, y), None);
            assert_eq!(kendall_tau_b(&x[0], &y[0]), None);
            let row = x[0].iter().zip(&y[0]).map(|(x, y)| Some([*x, *y]));
            assert_eq!(Permutations::default().kendall(&[row.collect()]), None);
            assert_eq!(Permutations::default().difference(x, y), None);
        }
    }
    let adjusted = holm(&[0.03, f64::NAN, 0.02]);
    assert_eq!((adjusted[0], adjusted[2]), (0.04, 0.04));
    assert!(adjusted[1].is_nan());
}

#[test]
fn a_band_is_the_interval_at_each_point() {
    let runs = [
        vec![1.0, 10.0],
        vec![2.0, -3.0],
        vec![4.0, 0.0],
        vec![8.0, 2.5],
    ];
    let band = bootstrap(500)
        .band(Statistic::Iqm, &runs)
        .expect("four runs");
    for (point, interval) in band.into_iter().enumerate() {
        let scores = runs.iter().map(|run| run[point]).collect();
        assert_eq!(
            Some(interval),
            bootstrap(500).interval(Statistic::Iqm, &[scores])
        );
    }
}

/// Scores of some runs by task, with ties; multiples of a quarter, so that sums are exact.
fn tasks(least: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    let score = prop_oneof![-400..400_i32, -4..4_i32].prop_map(|x| f64::from(x) / 4.0);
    vec(vec(score, least..9), 1..5)
}

fn each(tasks: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    let runs = |runs: &Vec<f64>| runs.iter().map(|&score| f(score)).collect();
    tasks.iter().map(runs).collect()
}

proptest! {
    /// Counting what was drawn is an optimisation: the bits are those of resampling and sorting.
    #[test]
    fn intervals_equal_plain_resampling(x in tasks(2), tau in -100.0..100.0) {
        let x = each(&x, |score| score * 0.1);
        let each = STATISTICS.map(|statistic| ends(plain(&x, |tasks| statistic.of(tasks))));
        let ours = PLAIN.intervals(&STATISTICS, &x);
        prop_assert_eq!(ours, each.into_iter().collect());
        let above = plain(&x, |tasks| profile(tasks, &[tau])?.pop());
        let ours = PLAIN.profile_band(&x, &[tau]);
        prop_assert_eq!(ours, ends(above).map(|interval| vec![interval]));
    }

    #[test]
    fn improvement_intervals_equal_plain_resampling(
        (x, y) in tasks(2).prop_flat_map(|x| (vec(vec((-4..4_i8).prop_map(f64::from), 2..9), x.len()), Just(x))),
    ) {
        let n = x.len();
        let plain = plain(&[&x[..], &y].concat(), |both| improvement(&both[..n], &both[n..]));
        prop_assert_eq!(PLAIN.improvement_interval(&x, &y), ends(plain));
    }

    /// The order of runs is no information, nor is that of tasks.
    #[test]
    fn estimates_ignore_order(x in tasks(1)) {
        let mut reversed = x.clone();
        reversed.reverse();
        reversed.iter_mut().for_each(|runs| runs.reverse());
        for statistic in STATISTICS {
            let (a, b) = (statistic.of(&x), statistic.of(&reversed));
            prop_assert!(a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 1e-12), "{:?} {:?}", a, b);
        }
    }

    /// Estimates lie among the scores, intervals around some of them, and move and stretch along.
    #[test]
    fn estimates_are_bounded_and_equivariant(x in tasks(2), shift in -64..64_i32, scale in 1..5_i32) {
        let (shift, scale) = (f64::from(shift), f64::from(scale));
        let moved = each(&x, |score| scale * score + shift);
        let (low, high) = x.iter().flatten().fold((f64::MAX, f64::MIN), |(l, h), &s| (l.min(s), h.max(s)));
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let inside = |value: f64| low - 1e-9 <= value && value <= high + 1e-9;
        for statistic in &STATISTICS[..3] {
            let (a, b) = (statistic.of(&x).unwrap(), statistic.of(&moved).unwrap());
            prop_assert!(inside(a) && near(scale * a + shift, b));
            let interval = |tasks| bootstrap(40).interval(*statistic, tasks).unwrap();
            let (a, b) = (interval(&x), interval(&moved));
            prop_assert!(inside(a.low) && inside(a.high) && a.low <= a.high);
            prop_assert!(near(scale * a.low + shift, b.low) && near(scale * a.high + shift, b.high));
        }
        let gap = |gamma, tasks: &[Vec<f64>]| Statistic::OptimalityGap { gamma }.of(tasks).unwrap();
        prop_assert!(near(scale * gap(low, &x), 0.0));
        prop_assert!(near(scale * gap(7.0, &x), gap(scale * 7.0 + shift, &moved)));
        let pooled = mean(&x.concat()).unwrap();
        prop_assert!(near(gap(high, &x), high - pooled) && gap(7.0, &x) >= 0.0_f64.max(7.0 - pooled) - 1e-9);
    }

    /// A profile falls from all runs to none, and its area is the mean.
    #[test]
    fn profiles_fall_from_one_to_zero(x in tasks(1)) {
        let taus: Vec<f64> = (-401..401).map(|tau| f64::from(tau) / 4.0).collect();
        let heights = profile(&x, &taus).unwrap();
        prop_assert_eq!((heights[0], heights[heights.len() - 1]), (1.0, 0.0));
        prop_assert!(heights.is_sorted_by(|a, b| a >= b));
        let area = heights.iter().sum::<f64>() / 4.0 + taus[0];
        prop_assert!((area - mean(&x.concat()).unwrap()).abs() < 1e-9);
    }

    /// Whoever wins less, loses more, and monotone changes of scale do not matter.
    #[test]
    fn improvement_and_tau_are_of_order_alone(pairs in vec((-3..3_i8, -3..3_i8), 2..9)) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).unzip();
        let stretched = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| x * x * x - 7.0).collect() };
        let less: Vec<f64> = x.iter().map(|x| -x).collect();
        let tau = kendall_tau_b(&x, &y);
        prop_assert_eq!(kendall_tau_b(&y, &x), tau);
        prop_assert_eq!(kendall_tau_b(&stretched(&x), &y), tau);
        prop_assert_eq!(kendall_tau_b(&less, &y), tau.map(|tau| -tau));
        prop_assert!(tau.is_none_or(|tau| tau.abs() <= 1.0));
        let improves = |x: &[f64], y: &[f64]| improvement(&[x.to_vec()], &[y.to_vec()]).unwrap();
        prop_assert!((improves(&x, &y) + improves(&y, &x) - 1.0).abs() < 1e-12);
        prop_assert_eq!(improves(&stretched(&x), &stretched(&y)), improves(&x, &y));
    }

    /// The test by ranks is of the probability itself, and of order alone.
    #[test]
    fn improvement_is_tested_by_ranks(x in tasks(1), y in tasks(1)) {
        let n = x.len().min(y.len());
        let (x, y) = (&x[..n], &y[..n]);
        let permutations = Permutations { limit: 200, ..Permutations::default() };
        let test = permutations.improvement(x, y).unwrap();
        prop_assert!((test.value - improvement(x, y).unwrap()).abs() < 1e-9);
        let stretched = |x: &[Vec<f64>]| -> Vec<Vec<f64>> {
            x.iter().map(|runs| runs.iter().map(|x| x.exp()).collect()).collect()
        };
        let moved = permutations.improvement(&stretched(x), &stretched(y)).unwrap();
        prop_assert_eq!(moved.two_sided, test.two_sided);
    }

    /// The tests of both directions and the two-sided one fit together.
    #[test]
    fn differences_are_antisymmetric(x in tasks(1), y in tasks(1), exact: bool) {
        let few = |tasks: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let first = |runs: &Vec<f64>| runs.iter().copied().take(4).collect();
            tasks.iter().take(x.len().min(y.len()).min(2)).map(first).collect()
        };
        let permutations = Permutations { limit: if exact { 10_000 } else { 1 }, seed: 1 };
        let test = permutations.difference(&few(&x), &few(&y)).unwrap();
        let other = permutations.difference(&few(&y), &few(&x)).unwrap();
        prop_assert!((test.value + other.value).abs() < 1e-9);
        prop_assert!(test.greater > 0.0 && test.greater <= 1.0 && test.two_sided <= 1.0);
        prop_assert_eq!(test.exact, exact);
        if exact {
            prop_assert!((test.two_sided - other.two_sided).abs() < 1e-12);
            prop_assert!(test.greater + other.greater >= 1.0);
            prop_assert!(test.two_sided >= test.greater.min(other.greater) - 1e-12);
        }
    }

    /// Holm lies between no correction and Bonferroni's.
    #[test]
    fn holm_is_between_none_and_bonferroni(p in vec(0.0..1.0_f64, 1..9)) {
        for (raw, held) in p.iter().zip(holm(&p)) {
            prop_assert!(*raw <= held && held <= (raw * p.len() as f64).min(1.0));
        }
    }
}
