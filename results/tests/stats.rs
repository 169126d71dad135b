//! Our statistics against scipy's and rliable's, written by stats.py into stats.json.

use std::error::Error;

use prefbench_results::stats::{
    Bootstrap, Interval, Statistic, iqm, mean, median, probability_of_improvement, std,
};
use proptest::prelude::*;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

fn goldens() -> Result<Value, serde_json::Error> {
    serde_json::from_str(include_str!("stats.json"))
}

fn list(json: &Value) -> Vec<f64> {
    json.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}

fn lists(json: &Value) -> Vec<Vec<f64>> {
    json.as_array().into_iter().flatten().map(list).collect()
}

fn items(json: &Value) -> impl Iterator<Item = &Value> {
    let items = json.as_array().expect("an array");
    assert!(!items.is_empty());
    items.iter()
}

#[track_caller]
fn assert_close(ours: Option<f64>, theirs: &Value, scale: f64) {
    match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => {
            assert!(
                (ours - theirs).abs() <= 1e-12 * scale.max(1.0),
                "{ours} against {theirs}"
            );
        }
        (None, None) => assert!(theirs.is_null()),
        differ => panic!("{differ:?}"),
    }
}

/// Within `share` of the interval's width, the Monte-Carlo error of two bootstraps.
#[track_caller]
fn assert_near(ours: Option<Interval>, theirs: &Value, share: f64) {
    let (ours, theirs) = (ours.expect("an interval"), list(theirs));
    let slack = share * (theirs[1] - theirs[0]);
    assert!(slack > 0.0);
    assert!(
        (ours.low - theirs[0]).abs() <= slack,
        "{ours:?} against {theirs:?}"
    );
    assert!(
        (ours.high - theirs[1]).abs() <= slack,
        "{ours:?} against {theirs:?}"
    );
}

#[test]
fn one_sample_figures_equal_scipy() -> Outcome {
    for golden in items(&goldens()?["samples"]) {
        let values = list(&golden["values"]);
        let scale = values.iter().fold(0.0_f64, |scale, x| scale.max(x.abs()));
        assert_close(mean(&values), &golden["mean"], scale);
        assert_close(std(&values), &golden["std"], scale);
        assert_close(median(&values), &golden["median"], scale);
        assert_close(iqm(&values), &golden["iqm"], scale);
    }
    Ok(())
}

#[test]
fn aggregates_and_intervals_equal_rliable() -> Outcome {
    for golden in items(&goldens()?["matrices"]) {
        let tasks = lists(&golden["tasks"]);
        for statistic in [Statistic::Mean, Statistic::Median, Statistic::Iqm] {
            let theirs = &golden["statistics"][statistic.name().to_lowercase()];
            if theirs.is_null() {
                assert_eq!((statistic, tasks.len()), (Statistic::Median, 1));
                continue;
            }
            assert_close(statistic.of(&tasks), &theirs["value"], 10.0);
            assert_near(
                Bootstrap::default().interval(statistic, &tasks),
                &theirs["interval"],
                0.03,
            );
        }
    }
    Ok(())
}

#[test]
fn probability_of_improvement_equals_rliable() -> Outcome {
    for golden in items(&goldens()?["pairs"]) {
        let (x, y) = (lists(&golden["x"]), lists(&golden["y"]));
        let each: Option<Vec<f64>> = x
            .iter()
            .zip(&y)
            .map(|(x, y)| probability_of_improvement(x, y))
            .collect();
        assert_close(each.and_then(|each| mean(&each)), &golden["value"], 1.0);
        let bootstrap = Bootstrap {
            resamples: 5_000,
            ..Bootstrap::default()
        };
        assert_near(
            bootstrap.improvement_interval(&x, &y),
            &golden["interval"],
            0.07,
        );
    }
    Ok(())
}

/// Published intervals must not change with a library's version: these bits are a promise.
#[test]
fn the_bootstrap_is_reproducible_to_the_bit() {
    let tasks = [vec![1.0, 2.0, 4.0, 8.0, 16.0], vec![0.5, 0.25, 0.125]];
    let bootstrap = Bootstrap {
        resamples: 1_000,
        ..Bootstrap::default()
    };
    let interval = bootstrap
        .interval(Statistic::Mean, &tasks)
        .expect("enough runs");
    assert_eq!(
        [interval.low, interval.high].map(f64::to_bits),
        BITS,
        "{interval:?}"
    );
}

const BITS: [u64; 2] = [4_607_933_018_737_912_491, 4_618_202_633_263_200_774];

/// Resampling within tasks: tasks whose runs agree contribute no width, whatever lies between them.
#[test]
fn runs_are_never_resampled_across_tasks() {
    let tasks = [vec![1.0; 4], vec![100.0; 4], vec![7.0; 4]];
    for statistic in [Statistic::Mean, Statistic::Median, Statistic::Iqm] {
        let value = statistic.of(&tasks).expect("runs");
        let expected = Some(Interval {
            low: value,
            high: value,
        });
        assert_eq!(
            Bootstrap {
                resamples: 200,
                ..Bootstrap::default()
            }
            .interval(statistic, &tasks),
            expected
        );
    }
}

#[test]
fn too_few_runs_have_no_interval() {
    let bootstrap = Bootstrap {
        resamples: 10,
        ..Bootstrap::default()
    };
    assert_eq!(bootstrap.interval(Statistic::Iqm, &[]), None);
    assert_eq!(
        bootstrap.interval(Statistic::Iqm, &[vec![1.0, 2.0], vec![1.0]]),
        None
    );
    assert_eq!(bootstrap.band(Statistic::Mean, &[vec![1.0, 2.0]]), None);
    assert_eq!(
        bootstrap.band(Statistic::Mean, &[vec![1.0, 2.0], vec![1.0]]),
        None
    );
    assert_eq!(bootstrap.improvement_interval(&[vec![1.0, 2.0]], &[]), None);
    assert_eq!(
        (mean(&[]), median(&[]), iqm(&[]), std(&[1.0])),
        (None, None, None, None)
    );
}

#[test]
fn a_band_is_the_interval_at_each_point() {
    let runs = [
        vec![1.0, 10.0],
        vec![2.0, -3.0],
        vec![4.0, 0.0],
        vec![8.0, 2.5],
    ];
    let bootstrap = Bootstrap {
        resamples: 500,
        ..Bootstrap::default()
    };
    let band = bootstrap.band(Statistic::Iqm, &runs).expect("four runs");
    for (point, interval) in band.into_iter().enumerate() {
        let scores = runs.iter().map(|run| run[point]).collect();
        assert_eq!(
            Some(interval),
            bootstrap.interval(Statistic::Iqm, &[scores])
        );
    }
}

proptest! {
    /// The order of runs is no information: point estimates ignore it, up to rounding.
    #[test]
    fn estimates_ignore_the_order_of_runs(values in prop::collection::vec(-1e3..1e3_f64, 1..30)) {
        let mut reversed = values.clone();
        reversed.reverse();
        prop_assert_eq!(median(&values), median(&reversed));
        prop_assert_eq!(iqm(&values), iqm(&reversed));
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        let inside = iqm(&values).is_some_and(|x| low - 1e-9 <= x && x <= high + 1e-9);
        prop_assert!(inside);
    }

    /// Whoever wins less, loses more: P(x > y) + P(y > x) = 1, ties counting half.
    #[test]
    fn improvement_is_antisymmetric(
        x in prop::collection::vec(-3..3_i8, 1..9),
        y in prop::collection::vec(-3..3_i8, 1..9),
    ) {
        let float = |v: Vec<i8>| v.into_iter().map(f64::from).collect::<Vec<_>>();
        let (x, y) = (float(x), float(y));
        let both = probability_of_improvement(&x, &y).zip(probability_of_improvement(&y, &x));
        let sum = both.map(|(a, b)| a + b);
        prop_assert!(sum.is_some_and(|sum| (sum - 1.0).abs() < 1e-12));
    }
}
