//! Comparisons of made-up runs: the numbers against the statistics themselves, and what is
//! refused, left out and marked.

mod compared;
mod synthetic;

use compared::{QUICK, compare, failed, options, run, runs, with_failures};
use prefbench_results::compare::{Cell, CompareOptions, Comparison, Picture, Section};
use prefbench_results::stats::{Statistic, improvement};
use prefbench_results::table::Metric;
use prefbench_results::{Error, FinishedRun, RunKey};
use serde_json::json;
use synthetic::{config, eval, finished};

fn method(c: &Comparison, name: &str) -> usize {
    let at = c.methods.iter().position(|method| method.name == name);
    at.expect("a method of this name")
}

fn cell<'a>(c: &'a Comparison, task: &str, name: &str) -> Option<&'a Cell> {
    let task = c.tasks.iter().find(|scores| scores.task == task);
    task.expect("a task of this name").cells[method(c, name)].as_ref()
}

/// The scores by hand, and every number that is made of them by the statistics' own functions.
#[test]
fn numbers_are_those_of_the_statistics() -> Result<(), Error> {
    let (runs, c) = (runs(), compare(&runs(), &options())?);
    let scores = |task: &str, algorithm: &str| -> Vec<f64> {
        let of = |run: &&FinishedRun| run.info.task == task && run.info.algorithm == algorithm;
        let of = runs.iter().filter(of);
        of.map(|run| {
            let last = run.evals.last().expect("an evaluation");
            match task {
                "reach" => 100.0 * last.success_rate().expect("episodes"),
                _ => 100.0 * (last.mean_return().expect("episodes") - 40.0) / 920.0,
            }
        })
        .collect()
    };
    let matrix = |algorithm| ["reach", "walker-walk"].map(|task| scores(task, algorithm));
    let page = c.html()?;
    for (name, algorithm) in [("sac", "sac"), ("pebble · oracle", "pebble")] {
        let (method, matrix) = (method(&c, name), matrix(algorithm));
        for aggregate in &c.aggregates {
            let found = aggregate.estimates[method];
            let value = aggregate.statistic.of(&matrix).expect("scores");
            let interval = QUICK.interval(aggregate.statistic, &matrix);
            assert!(
                (found.value - value).abs() < 1e-9,
                "{}",
                aggregate.statistic.name()
            );
            assert_eq!(found.interval, interval, "{}", aggregate.statistic.name());
            let interval = interval.expect("four seeds");
            let shown = format!("<small>[{:.1}, {:.1}]</small>", interval.low, interval.high);
            assert!(page.contains(&shown), "{shown}");
            assert!(page.contains(&format!(">{value:.1}<")), "{value:.1}");
        }
        let one = &matrix[1..];
        let cell = cell(&c, "walker-walk", name).expect("a cell");
        assert_eq!(Some(cell.estimate.value), Statistic::Iqm.of(one));
        assert_eq!(cell.estimate.interval, QUICK.interval(Statistic::Iqm, one));
    }
    // Surf is not on hopper, so neither are the pairs.
    let (x, y) = (matrix("sac"), matrix("pebble"));
    let [sac, pebble] = ["sac", "pebble · oracle"].map(|name| method(&c, name));
    let found = c.improvements[sac][pebble].expect("two common tasks");
    assert_eq!(Some(found.value), improvement(&x, &y));
    let other = c.improvements[pebble][sac].expect("two common tasks");
    assert_eq!(other.value, 1.0 - found.value);
    // The pair was resampled as pebble against sac, in order of their names.
    assert_eq!(other.interval, QUICK.improvement_interval(&y, &x));
    assert!(page.contains(&format!(">{:.2}<", found.value)));
    Ok(())
}

#[test]
fn metrics_are_chosen_by_task_and_tasks_by_metric() -> Result<(), Error> {
    let c = compare(&runs(), &options())?;
    let metrics = c.tasks.iter().map(|task| (&*task.task, task.metric));
    let expected = [
        ("hopper", Metric::Return),
        ("reach", Metric::Success),
        ("walker-walk", Metric::Normalised),
    ];
    assert_eq!(Vec::from_iter(metrics), expected);
    assert_eq!((&c.common[..], &c.scaled[..]), (&[1, 2][..], &[1, 2][..]));
    assert!(cell(&c, "hopper", "surf · oracle").is_none());
    let said = |c: &Comparison, what: &str| c.notes.iter().any(|note| note.contains(what));
    assert!(said(&c, "surf · oracle is missing on 1 task: hopper."));

    let mut two = runs();
    two.retain(|run| run.info.algorithm != "surf");
    let c = compare(&two, &options())?;
    assert_eq!(
        (&c.common[..], &c.scaled[..]),
        (&[0, 1, 2][..], &[1, 2][..])
    );
    assert!(said(&c, "on no scale of 0 to 100: hopper."));

    let forced = CompareOptions {
        metric: Some(Metric::Return),
        ..options()
    };
    let c = compare(&two, &forced)?;
    assert!(c.tasks.iter().all(|task| task.metric == Metric::Return));
    assert!(
        c.aggregates.is_empty() && c.verdict.contains("no common scale"),
        "{}",
        c.verdict
    );
    let forced = CompareOptions {
        metric: Some(Metric::Normalised),
        ..options()
    };
    let c = compare(&two, &forced)?;
    assert_eq!(c.tasks.len(), 1);
    assert!(said(&c, "hopper: no run has a score (normalised)."));
    Ok(())
}

/// What stands against comparing these runs.
fn refusal(runs: &[FinishedRun], options: &CompareOptions) -> String {
    match compare(runs, options) {
        Err(refused @ Error::Incomparable { .. }) => refused.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_does_not_belong_together_is_refused() -> Result<(), Error> {
    assert!(refusal(&[], &options()).contains("no finished run"));

    let mut tiers = runs();
    tiers[0].info.tier = "full".into();
    let refused = refusal(&tiers, &options());
    assert!(
        refused.contains("the tiers full, smoke; choose one"),
        "{refused}"
    );
    let smoke = CompareOptions {
        tier: Some("smoke".into()),
        unequal_seeds: true,
        ..options()
    };
    assert_eq!(compare(&tiers, &smoke)?.left_out.len(), 1);
    let short = CompareOptions {
        tier: Some("short".into()),
        ..options()
    };
    assert!(refusal(&tiers, &short).contains("no finished run of the tier short"));

    let mut versions = runs();
    for run in versions
        .iter_mut()
        .filter(|run| run.info.algorithm == "sac")
    {
        run.info.config["task_version"] = json!(2);
    }
    let refused = refusal(&versions, &options());
    assert!(
        refused.contains("on hopper they differ in `task_version` (1, 2)"),
        "{refused}"
    );

    let unknown = CompareOptions {
        baseline: Some("dreamer".into()),
        ..options()
    };
    let refused = refusal(&runs(), &unknown);
    assert!(
        refused.contains("`dreamer`") && refused.contains("one of: pebble · oracle, sac"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn unequal_seeds_are_refused_unless_asked_for() -> Result<(), Error> {
    let mut fewer = runs();
    let third = |run: &FinishedRun| run.info.algorithm == "sac" && run.info.seed == 3;
    fewer.retain(|run| !(third(run) && run.info.task == "reach"));
    let refused = refusal(&fewer, &options());
    let named = "Unequal seeds on reach (smoke): seeds 0–2 for sac; seeds 0–3 for pebble · oracle, surf · oracle";
    assert!(refused.contains(named), "{refused}");
    let allowed = CompareOptions {
        unequal_seeds: true,
        ..options()
    };
    let c = compare(&fewer, &allowed)?;
    assert!(c.notes.iter().any(|note| note.contains(named)));
    assert!(c.terminal().contains("3, 4, 4"), "{}", c.terminal());
    Ok(())
}

#[test]
fn failed_runs_are_the_worst_if_they_count() -> Result<(), Error> {
    let (runs, left_out) = with_failures();
    let refused = match Comparison::new(&runs, &left_out, &options()) {
        Err(refused) => refused.to_string(),
        Ok(_) => panic!("unequal seeds"),
    };
    assert!(
        refused.ends_with("or count the failed runs (1) as the worst score"),
        "{refused}"
    );

    let counting = CompareOptions {
        count_failed: true,
        ..options()
    };
    let c = Comparison::new(&runs, &left_out, &counting)?;
    let reach = cell(&c, "reach", "surf · oracle").expect("a cell");
    let last = reach.runs.last().expect("five runs");
    assert_eq!(
        (last.seed, last.score, last.failed, last.steps),
        (4, 0.0, true, 70_000)
    );
    assert_eq!(c.left_out.len(), 1);
    assert!(c.notes.iter().any(|note| note.starts_with("1 run failed")));

    // Training ends where the aggregates are, the failed run included.
    let efficiency = c
        .figures
        .iter()
        .find(|shown| shown.section == Section::Efficiency);
    let Some(Picture::Lines(chart)) = efficiency.map(|shown| &shown.picture) else {
        panic!("no sample efficiency");
    };
    for (line, estimate) in chart.lines.iter().zip(&c.aggregates[0].estimates) {
        assert_eq!(line.x.last(), Some(&100.0));
        assert_eq!(line.centre.last(), Some(&estimate.value), "{}", line.label);
        assert_eq!(
            line.band.as_ref().and_then(|band| band.last()),
            estimate.interval.as_ref()
        );
    }

    // Where returns are as they are, the worst is the lowest of the task.
    let plain = [failed(run("hopper", "sac", 7, 1.0))];
    let unequal = CompareOptions {
        unequal_seeds: true,
        ..counting
    };
    let c = Comparison::new(&runs, &plain, &unequal)?;
    let worst = |name| cell(&c, "hopper", name).into_iter().flat_map(Cell::scores);
    let lowest = worst("pebble · oracle")
        .chain(worst("sac"))
        .fold(f64::INFINITY, f64::min);
    assert_eq!(worst("sac").last(), Some(lowest));

    // Below a random policy is worse than 0, above it no worst score.
    let worst = |scores: [f64; 2]| Metric::Normalised.worst(scores.into_iter());
    assert_eq!(
        (worst([5.0, -3.0]), worst([5.0, 7.0])),
        (Some(-3.0), Some(0.0))
    );
    Ok(())
}

#[test]
fn the_best_and_what_overlaps_it_are_marked() -> Result<(), Error> {
    // Two evaluations' worth of scores by method; the intervals of few runs reach from least to most.
    let scores = [("a", [10.0, 20.0]), ("b", [18.0, 30.0]), ("c", [1.0, 17.0])];
    let runs = scores.iter().flat_map(|(algorithm, scores)| {
        let run = |(seed, &score): (u64, &f64)| {
            finished(
                config("reach", algorithm, None, seed),
                vec![eval(5, &[score])],
            )
        };
        (0..).zip(scores).map(run)
    });
    let c = compare(&Vec::from_iter(runs), &options())?;
    let marked = ["a", "b", "c"].map(|name| cell(&c, "reach", name).is_some_and(|c| c.marked));
    assert_eq!(marked, [true, true, false]);

    // Of single seeds only the best, without an interval.
    let runs = scores.map(|(algorithm, [score, _])| {
        finished(config("reach", algorithm, None, 0), vec![eval(5, &[score])])
    });
    let c = compare(&runs, &options())?;
    let cells = ["a", "b", "c"].map(|name| cell(&c, "reach", name).expect("a cell"));
    assert_eq!(cells.map(|cell| cell.marked), [false, true, false]);
    assert_eq!(cells.map(|cell| cell.estimate.interval), [None; 3]);
    assert!(
        c.verdict.contains("too few seeds to settle"),
        "{}",
        c.verdict
    );
    assert!(c.terminal().contains("18.0†*"), "{}", c.terminal());
    Ok(())
}

#[test]
fn equal_methods_share_the_highest() -> Result<(), Error> {
    let runs = [("a", 40.0), ("b", 500.0), ("c", 500.0)].into_iter();
    let runs = runs.flat_map(|(algorithm, score)| {
        (0..3).map(move |seed| {
            let mut config = config("walker-walk", algorithm, None, seed);
            config["task_version"] = json!(1);
            finished(config, vec![eval(5, &[score])])
        })
    });
    let c = compare(&Vec::from_iter(runs), &options())?;
    let said = "b and c share the highest IQM over 1 task, 50.0 [50.0, 50.0]. A run of b scores higher than one of c";
    assert!(c.verdict.starts_with(said), "{}", c.verdict);
    Ok(())
}

#[test]
fn a_baseline_is_what_all_are_compared_with() -> Result<(), Error> {
    let baseline = CompareOptions {
        baseline: Some("pebble".into()),
        ..options()
    };
    let c = compare(&runs(), &baseline)?;
    let text = c.terminal();
    assert!(
        text.contains("over pebble · oracle") && !text.contains("over sac"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_variant_has_one_name_on_all_tasks() -> Result<(), Error> {
    let mut runs = runs();
    runs.retain(|run| run.info.algorithm == "sac");
    let mut larger: Vec<_> = runs
        .iter()
        .filter(|run| run.info.task == "reach")
        .cloned()
        .collect();
    for run in &mut larger {
        run.info.config["sac"]["batch"] = json!(1024);
        run.key = RunKey::of(&run.info.config);
    }
    runs.extend(larger);
    let c = compare(&runs, &options())?;
    let names: Vec<&str> = c.methods.iter().map(|method| &*method.name).collect();
    assert_eq!(names, ["sac · sac.batch=1024", "sac · sac.batch=256"]);
    assert_eq!(c.common, [1]);
    assert_eq!(
        c.settings,
        [(
            "sac.batch".to_owned(),
            vec!["1024".to_owned(), "256".to_owned()]
        )]
    );
    Ok(())
}

#[test]
fn the_order_of_runs_does_not_matter() -> Result<(), Error> {
    let mut reversed = runs();
    reversed.reverse();
    assert_eq!(
        compare(&reversed, &options())?,
        compare(&runs(), &options())?
    );
    Ok(())
}

/// A dataset is a task of its own, whatever answers about it its runs learn from: their `hash` knows the answers too.
#[test]
fn methods_are_compared_by_dataset_whichever_answers_they_have() -> Result<(), Error> {
    let offline = |algorithm, dataset: &str, answers: &str, seed| {
        let mut config = config("hopper", algorithm, None, seed);
        let hash = format!("{dataset}{answers}");
        config["dataset"] = json!({ "name": dataset, "hash": hash });
        config["labels"] = json!({ "answers": answers });
        finished(config, vec![eval(1, &[10.0 + seed as f64])])
    };
    let seeds =
        |algorithm, dataset, answers| [0, 1, 2].map(|s| offline(algorithm, dataset, answers, s));
    let runs = [
        seeds("bc", "medium", ""),
        seeds("bc", "expert", ""),
        seeds("cpl", "medium", "human"),
        seeds("cpl", "expert", "human"),
    ];
    let c = compare(&runs.concat(), &options())?;
    let tasks: Vec<&str> = c.tasks.iter().map(|task| &*task.task).collect();
    assert_eq!(tasks, ["hopper expert", "hopper medium"]);
    // Episodes of another hash are another dataset, whatever it is called.
    let other = [0, 1, 2].map(|seed| {
        let mut run = offline("sft", "medium", "", seed);
        run.info.config["dataset"]["hash"] = json!("other");
        run
    });
    let told = refusal(&[&runs.concat()[..], &other].concat(), &options());
    assert!(
        told.contains("hopper medium") && told.contains("dataset.hash"),
        "{told}"
    );
    let methods: Vec<&str> = c.methods.iter().map(|method| &*method.name).collect();
    assert_eq!(methods, ["bc", "cpl · human"]);
    assert!(
        c.tasks
            .iter()
            .all(|task| task.cells.iter().all(Option::is_some))
    );
    Ok(())
}
