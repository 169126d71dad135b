//! Our statistics against those of rliable, SciPy and statsmodels, written by stats.py into
//! stats.json.

use std::error::Error;

use prefbench_results::stats::{
    Bootstrap, Interval, PermutationTest, Permutations, Statistic, Welch, holm, improvement, iqm,
    kendall_tau_b, mean, median, profile, std,
};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// In the order of the golden intervals.
const STATISTICS: [Statistic; 4] = [
    Statistic::Mean,
    Statistic::Median,
    Statistic::Iqm,
    Statistic::OptimalityGap { gamma: 100.0 },
];

fn goldens() -> Result<Value, serde_json::Error> {
    serde_json::from_str(include_str!("stats.json"))
}

fn list(json: &Value) -> Vec<f64> {
    let items = json.as_array().expect("an array").iter();
    items.map(|x| x.as_f64().expect("a number")).collect()
}

fn lists(json: &Value) -> Vec<Vec<f64>> {
    items(json).map(list).collect()
}

fn items(json: &Value) -> impl Iterator<Item = &Value> {
    let items = json.as_array().expect("an array");
    assert!(!items.is_empty());
    items.iter()
}

fn largest<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    values.into_iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// Equal up to rounding, of values of that size: what is a difference of such is no better.
#[track_caller]
fn assert_close(ours: Option<f64>, theirs: &Value, scale: f64) {
    match (ours, theirs.as_f64()) {
        (Some(ours), Some(theirs)) => assert!(
            (ours - theirs).abs() <= 1e-12 * scale,
            "{ours} against {theirs}"
        ),
        (None, None) => assert!(theirs.is_null()),
        differ => panic!("{differ:?}"),
    }
}

/// A bootstrap of theirs with so many resamples and one of ours with five times as many agree.
/// The quantile q of n resamples is, as a share of the true distribution, q with standard deviation
/// `sqrt(q (1 - q) / n)`. So, whatever the statistic's distribution, the ends of theirs lie between
/// those that ours has for a little more and a little less coverage: four standard deviations of the
/// difference of the two shares.
#[track_caller]
fn assert_agree(
    theirs: &Value,
    resamples: usize,
    ours: impl Fn(&Bootstrap) -> Option<Vec<Interval>>,
) {
    let at = |sign: f64| {
        let bootstrap = Bootstrap {
            resamples: 5 * resamples,
            ..Bootstrap::default()
        };
        let tail = (1.0 - bootstrap.level) / 2.0;
        let variance = tail * (1.0 - tail) * (1.0 + 1.0 / 5.0) / resamples as f64;
        ours(&Bootstrap {
            level: bootstrap.level + sign * 2.0 * 4.0 * variance.sqrt(),
            ..bootstrap
        })
    };
    let (Some(wide), Some(narrow)) = (at(1.0), at(-1.0)) else {
        assert!(theirs.is_null(), "no interval against {theirs}");
        return;
    };
    let theirs = lists(theirs);
    let ours: Vec<_> = wide.into_iter().zip(narrow).collect();
    assert_eq!(ours.len(), theirs.len());
    for ((wide, narrow), theirs) in ours.into_iter().zip(theirs) {
        let slack = 1e-12 * largest(&theirs).max(1.0);
        let between = |low: f64, x: f64, high: f64| low - slack <= x && x <= high + slack;
        assert!(
            between(wide.low, theirs[0], narrow.low) && between(narrow.high, theirs[1], wide.high),
            "{wide:?}, {narrow:?} against {theirs:?}"
        );
    }
}

#[test]
fn one_sample_figures_equal_scipy() -> Outcome {
    for golden in items(&goldens()?["samples"]) {
        let values = list(&golden["values"]);
        let scale = largest(&values);
        assert_close(mean(&values), &golden["mean"], scale);
        assert_close(std(&values), &golden["std"], scale);
        assert_close(median(&values), &golden["median"], scale);
        assert_close(iqm(&values), &golden["iqm"], scale);
    }
    Ok(())
}

#[test]
fn aggregates_and_their_intervals_equal_rliable() -> Outcome {
    let goldens = goldens()?;
    assert!(items(&goldens["matrices"]).count() > 50);
    for golden in items(&goldens["matrices"]) {
        let tasks = lists(&golden["tasks"]);
        let scale = largest(tasks.iter().flatten()).max(100.0);
        for statistic in STATISTICS {
            assert_close(statistic.of(&tasks), &golden[statistic.name()], scale);
        }
        assert_agree(&golden["intervals"], 10_000, |ours| {
            ours.intervals(&STATISTICS, &tasks)
        });
    }
    Ok(())
}

#[test]
fn performance_profiles_equal_rliable() -> Outcome {
    for golden in items(&goldens()?["matrices"]) {
        let (tasks, taus) = (lists(&golden["tasks"]), list(&golden["taus"]));
        assert_eq!(profile(&tasks, &taus), Some(list(&golden["profile"])));
        assert_agree(&golden["band"], 2_000, |ours| {
            ours.profile_band(&tasks, &taus)
        });
    }
    Ok(())
}

#[test]
fn improvement_equals_rliable() -> Outcome {
    for golden in items(&goldens()?["pairs"]) {
        let (x, y) = (lists(&golden["x"]), lists(&golden["y"]));
        assert_close(improvement(&x, &y), &golden["value"], 1.0);
        assert_agree(&golden["interval"], 2_000, |ours| {
            Some(vec![ours.improvement_interval(&x, &y)?])
        });
    }
    Ok(())
}

#[test]
fn kendall_equals_scipy() -> Outcome {
    for golden in items(&goldens()?["taus"]) {
        let (x, y) = (list(&golden["x"]), list(&golden["y"]));
        assert_close(kendall_tau_b(&x, &y), &golden["tau"], 1.0);
    }
    Ok(())
}

/// Against the probabilities of all permutations: equal if ours counts them too, else within five
/// standard errors.
#[track_caller]
fn assert_tests_agree(golden: &Value, test: impl Fn(&Permutations) -> Option<PermutationTest>) {
    for limit in [2_000, 1_000_000] {
        let permutations = Permutations {
            limit,
            ..Permutations::default()
        };
        let ours = test(&permutations).expect("a test");
        assert_close(Some(ours.value), &golden["value"], 10.0);
        for (ours_p, name) in [(ours.greater, "greater"), (ours.two_sided, "two_sided")] {
            let p = golden[name].as_f64().expect("a number");
            let n = limit as f64;
            let error = match ours.exact {
                true => 1e-12,
                false => 5.0 * (p * (1.0 - p) / n).sqrt() + 1.0 / n,
            };
            assert!((ours_p - p).abs() <= error, "{ours:?} against {golden}");
        }
    }
}

#[test]
fn pooled_kendall_tests_equal_the_enumeration() -> Outcome {
    for golden in items(&goldens()?["rankings"]) {
        let tasks = serde_json::from_value::<Vec<_>>(golden["tasks"].clone())?;
        assert_tests_agree(golden, |permutations| permutations.kendall(&tasks));
    }
    Ok(())
}

#[test]
fn stratified_difference_tests_equal_the_enumeration() -> Outcome {
    for golden in items(&goldens()?["differences"]) {
        let (x, y) = (lists(&golden["x"]), lists(&golden["y"]));
        assert_tests_agree(golden, |permutations| permutations.difference(&x, &y));
    }
    Ok(())
}

#[test]
fn holm_equals_statsmodels() -> Outcome {
    let goldens = goldens()?;
    for golden in items(&goldens["holm"]) {
        let ours = holm(&list(&golden["p"]));
        assert_eq!(ours.len(), list(&golden["adjusted"]).len());
        for (ours, theirs) in ours.into_iter().zip(items(&golden["adjusted"])) {
            assert_close(Some(ours), theirs, 1.0);
        }
    }
    Ok(())
}

#[test]
fn power_equals_scipys_noncentral_t() -> Outcome {
    for golden in items(&goldens()?["powers"]) {
        let [x, y] = ["x", "y"].map(|side| lists(&golden[side]));
        let difference = golden["difference"].as_f64().expect("a number");
        let welch = Welch::of(&x, &y).expect("scores that vary");
        assert_close(welch.power(difference, 0.05), &golden["power"], 1.0);
        let needed = &golden["detectable"];
        assert_close(
            welch.detectable(0.05),
            needed,
            needed.as_f64().expect("a number"),
        );
    }
    Ok(())
}
