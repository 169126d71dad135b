//! Comparisons of made-up runs: every form against committed files, the numbers against the
//! statistics themselves, and what is refused, left out and escaped.

mod synthetic;

use std::path::PathBuf;

use prefbench_results::compare::{Cell, CompareOptions, Comparison, Picture, Section};
use prefbench_results::reference::{Reference, Score};
use prefbench_results::stats::{Bootstrap, Statistic, improvement};
use prefbench_results::table::Metric;
use prefbench_results::{Error, Failure, FinishedRun, RunInfo, RunKey, Unfinished, Why};
use serde_json::json;
use synthetic::{assert_expected, config, eval, finished, learning};

const QUICK: Bootstrap = Bootstrap {
    resamples: 500,
    level: 0.95,
    seed: 0,
};

fn options() -> CompareOptions {
    let end = |algorithm: &str, mean| Score {
        algorithm: algorithm.into(),
        steps: 1_000_000,
        seeds: 5,
        episodes: 50,
        mean,
        interval: None,
        commits: Vec::new(),
        runs: Vec::new(),
    };
    let walker = Reference {
        task: "walker-walk".into(),
        version: 1,
        tier: "full".into(),
        random: end("random", 40.0),
        expert: end("sac", 960.0),
    };
    CompareOptions {
        bootstrap: QUICK,
        bands: QUICK,
        references: vec![walker],
        ..CompareOptions::default()
    }
}

/// A run of version 1 of its task, made by a commit.
fn run(task: &str, algorithm: &str, seed: u64, top: f64) -> FinishedRun {
    let teacher = (algorithm != "sac").then_some("oracle");
    let mut run = learning(task, algorithm, teacher, seed, top);
    run.info.config["task_version"] = json!(1);
    run.key = RunKey::of(&run.info.config);
    run.summary = json!({ "commit": "0123456789ab", "version": "0.1.0" });
    run
}

/// Success on `reach`, a normalised return on `walker-walk`, a return as it is on `hopper`, where
/// `surf` is missing.
fn runs() -> Vec<FinishedRun> {
    let mut runs = Vec::new();
    for seed in 0..4 {
        for (task, tops) in [
            ("reach", [930.0, 800.0, 760.0]),
            ("walker-walk", [930.0, 640.0, 655.0]),
            ("hopper", [300.0, 280.0, 0.0]),
        ] {
            for (algorithm, top) in ["sac", "pebble", "surf"].into_iter().zip(tops) {
                if top > 0.0 {
                    runs.push(run(task, algorithm, seed, top));
                }
            }
        }
    }
    runs
}

fn unfinished(run: FinishedRun, why: Why) -> Unfinished {
    Unfinished {
        dir: run.dir,
        info: Some(run.info),
        why,
    }
}

fn failed(run: FinishedRun) -> Unfinished {
    let failure = Failure {
        step: 70_000,
        reason: "the critic's loss is NaN".into(),
    };
    unfinished(run, Why::Failed(failure))
}

/// Five seeds of `surf` on `reach`, the last of which failed, and one folder that is damaged.
fn with_failures() -> (Vec<FinishedRun>, Vec<Unfinished>) {
    let mut runs = runs();
    let rest = [("sac", 930.0), ("pebble", 800.0)];
    runs.extend(rest.map(|(algorithm, top)| run("reach", algorithm, 4, top)));
    let damaged = Why::Damaged("eval.jsonl, line 3, is damaged".into());
    let left_out = vec![
        failed(run("reach", "surf", 4, 760.0)),
        unfinished(run("walker-walk", "surf", 9, 1.0), damaged),
    ];
    (runs, left_out)
}

fn compare(runs: &[FinishedRun], options: &CompareOptions) -> Result<Comparison, Error> {
    Comparison::new(runs, &[], options)
}

fn method(c: &Comparison, name: &str) -> usize {
    let at = c.methods.iter().position(|method| method.name == name);
    at.expect("a method of this name")
}

fn cell<'a>(c: &'a Comparison, task: &str, name: &str) -> Option<&'a Cell> {
    let task = c.tasks.iter().find(|scores| scores.task == task);
    task.expect("a task of this name").cells[method(c, name)].as_ref()
}

#[test]
fn every_form_is_as_committed() -> Result<(), Error> {
    let (runs, left_out) = with_failures();
    let options = CompareOptions {
        count_failed: true,
        ..options()
    };
    let c = Comparison::new(&runs, &left_out, &options)?;
    assert_expected("compare.txt", &c.terminal());
    assert_expected("compare.md", &c.markdown());
    assert_expected("compare.tex", &c.latex());
    assert_expected("compare.csv", &c.csv());
    assert_expected("compare-aggregates.csv", &c.aggregates_csv());
    for name in ["aggregates", "improvement"] {
        let shown = c.figures.iter().find(|shown| shown.name == name);
        let drawn = shown.map(|shown| shown.picture.draw(name));
        let drawn = drawn.expect("a figure of this name")?;
        assert_expected(&format!("compare-{name}.svg"), &drawn.svg);
        let image = tiny_skia::Pixmap::decode_png(&drawn.png).expect("a readable PNG");
        assert_eq!(image.width(), 1440);
    }
    Ok(())
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
        c.verdict.contains("too few seeds for an interval"),
        "{}",
        c.verdict
    );
    assert!(c.terminal().contains("18.0†*"), "{}", c.terminal());
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

/// Names are made by others: none may become mark-up, a command, or a move of the cursor.
#[test]
fn hostile_names_stay_names() -> Result<(), Error> {
    let nasty = "</style><script>alert('x')</script>|\"&\\input{/x}$%_*`a`\u{1b}[31m\u{202e}\n";
    let rename = |mut run: FinishedRun| {
        let set = |text: &mut String| *text = nasty.to_owned() + text;
        set(&mut run.info.task);
        set(&mut run.info.algorithm);
        set(&mut run.info.tier);
        run.info.teacher.as_mut().map(set);
        run.info.config["device"] = json!(nasty);
        run.info.config["notch"] = json!(nasty.to_owned() + &run.info.algorithm);
        run.key = RunKey::of(&run.info.config);
        run.summary = json!({ "commit": nasty, "version": nasty });
        run
    };
    let runs: Vec<_> = runs().into_iter().map(rename).collect();
    let left_out = [Unfinished {
        dir: PathBuf::from(format!("runs/{}", nasty.replace('/', ""))),
        info: RunInfo::of(&config("reach", "sac", None, 0)).ok(),
        why: Why::Damaged(nasty.into()),
    }];
    let c = Comparison::new(&runs, &left_out, &options())?;
    let page = c.html()?;
    assert!(!page.contains("<script") && page.matches("</style>").count() == 1);
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
    assert!(
        !["http://", "https://", "src=", "url("]
            .iter()
            .any(|outside| {
                page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "")
                    .contains(outside)
            })
    );
    for text in [
        &page,
        &c.terminal(),
        &c.markdown(),
        &c.latex(),
        &c.csv(),
        &c.aggregates_csv(),
    ] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']));
    }
    assert!(!c.markdown().contains("<script") && !c.markdown().contains(" `a`"));
    let body = c.latex();
    let body = body.lines().filter(|line| !line.starts_with('%'));
    assert!(body.into_iter().all(|line| !line.contains("\\input")));
    // Every row of a file has as many fields as its head, none spread over lines.
    let fields = |line: &str| {
        let mut quoted = false;
        1 + line
            .chars()
            .filter(|&c| {
                quoted ^= c == '"';
                c == ',' && !quoted
            })
            .count()
    };
    for csv in [c.csv(), c.aggregates_csv()] {
        let counts: Vec<usize> = csv.lines().map(fields).collect();
        assert!(
            counts.len() > 10 && counts.iter().all(|n| *n == counts[0]),
            "{csv}"
        );
    }
    Ok(())
}

#[test]
fn all_forms_are_written() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let few: Vec<_> = runs()
        .into_iter()
        .filter(|run| run.info.task == "reach")
        .collect();
    let files = compare(&few, &options())?.write(&dir.path().join("new/folder"))?;
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| file.file_name()?.to_str())
        .collect();
    for name in [
        "report.html",
        "report.md",
        "tables.tex",
        "scores.csv",
        "aggregates.csv",
        "profiles.svg",
        "efficiency-by-feedback.png",
        "reach-smoke-success-by-steps.svg",
    ] {
        assert!(names.contains(&name), "{name} among {names:?}");
    }
    for file in &files {
        assert!(file.metadata()?.len() > 100, "{}", file.display());
    }
    Ok(())
}
