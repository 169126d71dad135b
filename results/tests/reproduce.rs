//! Published tables beside made-up runs: which of ours stand where, what claims come to, the forms.

mod compared;
mod synthetic;

use std::path::Path;

use compared::{QUICK, options as compare_options, run};
use prefbench_results::paper::Paper;
use prefbench_results::reproduce::{Options, Reproduction, Verdict};
use prefbench_results::stats::Permutations;
use prefbench_results::{Error, Failure, FinishedRun, RunKey, Unfinished, Why};
use serde_json::json;
use synthetic::assert_expected;

const PAPER: &str = r#"
title = "Anon, Table 1: online"
paper = "Anon et al., A Paper, 2030"
url = "https://example.org/paper"
table = "Table 1"
metric = "return-of-1000"
spread = "standard deviation over 5 seeds"
verified = true
seen = "made up"
protocol = "A thousand queries."
deviations = ["fewer steps"]
missing = ["the appendix"]

[[methods]]
name = "Base"
algorithm = "pebble"

[[methods]]
name = "Best"
algorithm = "surf"
note = "semi-supervised"

[[methods]]
name = "True reward"
algorithm = "sac"
verified = false

[[methods]]
name = "Theirs"

[[tasks]]
name = "Walker"
task = "walker-walk"
fidelity = "ported"
why = "same body"
cells = { Base = [400.0, 50.5], Best = [700.0], "True reward" = [900.0], Theirs = [950.0] }

[[tasks]]
name = "Reach"
task = "reach"
fidelity = "analogue"
metric = "success"
cells = { Base = [40.0], Best = [60.0] }

[[tasks]]
name = "Fly"
cells = { Base = [1.0] }

[[claims]]
says = "the best is better than the base"
where = "Section 5"
better = ["Best"]
worse = ["Base"]
verified = true

[[claims]]
says = "the base is better than the best on walkers"
where = "Section 6"
better = ["Base"]
worse = ["Best"]
tasks = ["Walker"]
verified = false

[[claims]]
says = "the base is as good as it gets"
where = "Section 7"
better = ["Base"]
worse = ["True reward"]
tasks = ["Walker"]
verified = true

[[claims]]
says = "theirs is the best of all"
where = "abstract"
better = ["Theirs"]
worse = ["Base", "Best"]
verified = true
"#;

fn paper(text: &str) -> Result<Paper, Error> {
    Paper::parse(Path::new("papers/anon.toml"), text)
}

fn options() -> Options {
    Options {
        bootstrap: QUICK,
        permutations: Permutations {
            limit: 10_000,
            seed: 0,
        },
        references: compare_options().references,
        ..Options::of_tier("smoke")
    }
}

/// `surf` is better than `pebble` on both tasks; `sac` is only on one, and no better than `pebble`.
fn runs() -> Vec<FinishedRun> {
    let mut runs = Vec::new();
    for seed in 0..4 {
        for (task, algorithm, top) in [
            ("walker-walk", "pebble", 400.0),
            ("walker-walk", "surf", 800.0),
            ("walker-walk", "sac", 401.0),
            ("reach", "pebble", 300.0),
            ("reach", "surf", 900.0),
            ("hopper", "surf", 900.0),
        ] {
            runs.push(run(task, algorithm, seed, top));
        }
    }
    runs
}

#[test]
fn claims_come_out_as_the_runs_say() -> Result<(), Error> {
    let r = Reproduction::new(paper(PAPER)?, &runs(), &[], &options());
    let verdicts: Vec<Verdict> = r.claims.iter().map(|c| c.verdict).collect();
    use Verdict::{Contradicted, Holds, NotShown, Untested};
    assert_eq!(verdicts, [Holds, Contradicted, NotShown, Untested]);
    assert_eq!(r.coverage(), (5, 12));
    // On the walker 300 of 1000, on reach 20 %: 25 points on average.
    let first = &r.claims[0].pairs[0];
    assert_eq!((first.theirs, &first.tasks[..]), (Some(25.0), &[0, 1][..]));
    // Four runs each on two tasks: 70 arrangements squared.
    assert_eq!(first.p, Some(1.0 / 4900.0));
    // What was not read in the paper counts for nothing.
    assert_eq!(r.claims[2].pairs[0].theirs, None);
    assert!(r.agreement.pooled.is_none());
    Ok(())
}

/// What a paper says on average is not tested by those of its tasks where its own figures say otherwise.
#[test]
fn a_part_of_a_claim_counts_if_the_paper_shows_it_there() -> Result<(), Error> {
    let walkers = |run: &FinishedRun| run.info.task == "walker-walk";
    let part: Vec<FinishedRun> = runs().into_iter().filter(walkers).collect();
    let verdict = |text: &str| -> Result<Verdict, Error> {
        let r = Reproduction::new(paper(text)?, &part, &[], &options());
        assert_eq!(
            (r.claims[0].pairs[0].tasks.len(), r.claims[0].pairs[0].about),
            (1, 3)
        );
        Ok(r.claims[0].verdict)
    };
    assert_eq!(verdict(PAPER)?, Verdict::Holds);
    let otherwise = PAPER.replace("Best = [700.0]", "Best = [390.0]");
    assert_eq!(verdict(&otherwise)?, Verdict::Untested);
    // Nor where it has none: what it says on average need not be so on one task.
    let silent = PAPER.replace("Best = [700.0], ", "");
    assert_eq!(verdict(&silent)?, Verdict::Untested);
    // Figures that nobody read in the paper count for nothing, but not for the opposite of what they say.
    let unread =
        |paper: &str| paper.replace("semi-supervised\"", "semi-supervised\"\nverified = false");
    assert_eq!(verdict(&unread(PAPER))?, Verdict::Holds);
    assert_eq!(verdict(&unread(&otherwise))?, Verdict::Untested);
    Ok(())
}

#[test]
fn of_datasets_of_one_name_one_stands() -> Result<(), Error> {
    let on = |hash: &str, algorithm: &str, seed| {
        let mut run = run("reach", algorithm, seed, 500.0);
        run.info.config["dataset"] = json!({ "name": "mixed", "hash": hash });
        run.key = RunKey::of(&run.info.config);
        run
    };
    let mut runs: Vec<FinishedRun> = (0..3).map(|seed| on("a", "pebble", seed)).collect();
    runs.extend((0..2).map(|seed| on("b", "surf", seed)));
    let r = Reproduction::new(paper(PAPER)?, &runs, &[], &options());
    assert!(r.cells[1][0].ours.is_some() && r.cells[1][1].ours.is_none());
    assert!(
        r.notes[0].contains("reach mixed") && r.notes[0].ends_with("hash is a."),
        "{:?}",
        r.notes
    );
    Ok(())
}

#[test]
fn runs_of_another_horizon_are_not_of_the_task() -> Result<(), Error> {
    let mut runs = runs();
    let shorter = |run: &&mut FinishedRun| run.info.task == "reach" && run.info.algorithm == "surf";
    for run in runs.iter_mut().filter(shorter).skip(1) {
        run.info.config["horizon"] = json!(50);
        run.key = RunKey::of(&run.info.config);
    }
    let r = Reproduction::new(paper(PAPER)?, &runs, &[], &options());
    let surf = r.cells[1][1]
        .ours
        .as_ref()
        .expect("the run of the task as it is");
    assert_eq!(surf.scores.len(), 1);
    assert!(
        r.notes[0].contains("reach: of runs that differ in `horizon`"),
        "{:?}",
        r.notes
    );
    Ok(())
}

#[test]
fn settings_of_a_task_are_for_the_methods_that_have_them() -> Result<(), Error> {
    let mut runs = runs();
    for run in &mut runs {
        let budget = match &*run.info.algorithm {
            "pebble" => 100,
            "surf" => 200,
            _ => continue,
        };
        run.info.config["feedback"] = json!({ "budget": budget });
        run.key = RunKey::of(&run.info.config);
    }
    let mut paper = paper(PAPER)?;
    paper.tasks[0]
        .set
        .insert("feedback.budget".into(), json!(100));
    let r = Reproduction::new(paper, &runs, &[], &options());
    let there: Vec<bool> = r.cells[0].iter().map(|cell| cell.ours.is_some()).collect();
    assert_eq!(there, [true, false, true, false]);
    Ok(())
}

/// Three runs, two of which failed, are three scores. Fewer are shown, and say nothing of a claim.
#[test]
fn failed_runs_are_the_worst_and_fewer_than_three_are_not_counted() -> Result<(), Error> {
    let failed = |seed| {
        let run = run("walker-walk", "pebble", seed, 1.0);
        let failure = Failure {
            step: 10,
            reason: "the critic's loss is NaN".into(),
        };
        Unfinished {
            dir: run.dir,
            info: Some(run.info),
            why: Why::Failed(failure),
        }
    };
    let unfinished = [failed(1), failed(2)];
    let of = |seeds: u64| -> Result<Reproduction, Error> {
        let few = |run: &FinishedRun| {
            let of_base = run.info.algorithm == "pebble";
            run.info.task == "walker-walk" && run.info.seed < if of_base { 1 } else { seeds }
        };
        let finished: Vec<FinishedRun> = runs().into_iter().filter(few).collect();
        let paper = paper(PAPER)?;
        Ok(Reproduction::new(paper, &finished, &unfinished, &options()))
    };
    let r = of(3)?;
    let ours = r.cells[0][0].ours.as_ref().expect("a cell");
    assert_eq!((&ours.scores[1..], ours.failed), (&[0.0, 0.0][..], 2));
    assert_eq!(r.claims[0].pairs[0].p, Some(1.0 / 20.0));
    assert_eq!(r.claims[0].verdict, Verdict::Holds);
    let r = of(2)?;
    let ours = r.cells[0][1].ours.as_ref().expect("a cell");
    assert_eq!(ours.scores.len(), 2);
    assert!(r.claims[0].pairs[0].tasks.is_empty());
    assert_eq!(r.claims[0].verdict, Verdict::Untested);
    Ok(())
}

#[test]
fn of_several_configurations_one_stands_and_the_others_are_named() -> Result<(), Error> {
    let mut runs = runs();
    let other = |seed| {
        let mut run = run("reach", "surf", seed, 100.0);
        run.info.config["sac"]["batch"] = json!(64);
        run.key = RunKey::of(&run.info.config);
        run
    };
    runs.extend((0..2).map(other));
    let taken = |paper: &Paper| {
        let r = Reproduction::new(paper.clone(), &runs, &[], &options());
        let cell = r.cells[1][1].ours.clone().expect("a cell");
        (cell.scores.len(), r.notes.len())
    };
    let mut paper = paper(PAPER)?;
    assert_eq!(taken(&paper), (4, 1));
    paper.methods[1].set.insert("sac.batch".into(), json!(64));
    assert_eq!(taken(&paper), (2, 0));
    Ok(())
}

#[test]
fn every_form_is_as_committed() -> Result<(), Error> {
    let r = Reproduction::new(paper(PAPER)?, &runs(), &[], &options());
    assert_expected("reproduce.txt", &r.terminal());
    assert_expected("reproduce.md", &r.markdown());
    assert_expected("reproduce.tex", &r.latex());
    assert_expected("reproduce.csv", &r.csv());
    let folder = tempfile::tempdir().expect("a folder");
    let files = r.write(folder.path())?;
    let names = files.iter().filter_map(|f| f.file_name()?.to_str());
    let expected = ["html", "md", "tex", "csv"].map(|e| format!("anon.{e}"));
    let figures = ["anon-claims.svg", "anon-claims.png"].map(str::to_owned);
    assert!(names.eq(expected.iter().chain(&figures)));
    let svg = std::fs::read_to_string(folder.path().join("anon-claims.svg")).expect("a file");
    assert_expected("reproduce-claims.svg", &svg);
    Ok(())
}

#[test]
fn what_is_wrong_with_a_table_is_said() {
    let without =
        |from: &str, to: &str| paper(&PAPER.replacen(from, to, 1)).map_err(|e| e.to_string());
    for (from, to, said) in [
        (
            "name = \"Best\"",
            "name = \"Base\"",
            "the method `Base` is there twice",
        ),
        (
            "better = [\"Best\"]",
            "better = [\"Bset\"]",
            "names the method `Bset`",
        ),
        (
            "better = [\"Best\"]",
            "better = []",
            "needs a method in `better`",
        ),
        (
            "better = [\"Best\"]",
            "better = [\"Base\"]",
            "in `better` and in `worse`",
        ),
        (
            "tasks = [\"Walker\"]",
            "tasks = [\"Runner\"]",
            "names the task `Runner`",
        ),
        (
            "Base = [400.0, 50.5]",
            "Base = []",
            "a mean, or a mean and its spread",
        ),
        ("fidelity = \"ported\"", "", "both `task` and `fidelity`"),
        (
            "fidelity = \"ported\"",
            "fidelity = \"same\"",
            "unknown variant `same`",
        ),
        ("made up", "made\\u001b[31m up", "has control characters"),
        ("metric = ", "metrics = ", "unknown field `metrics`"),
    ] {
        let error = without(from, to).expect_err(said);
        assert!(error.contains(said), "{error}");
        assert!(error.contains("papers/anon.toml"), "{error}");
    }
    let unknown = Paper::find("nonesuch")
        .expect_err("no such table")
        .to_string();
    assert!(unknown.contains("cpl-dense, "), "{unknown}");
}

#[test]
fn the_committed_tables_are_all_there_and_whole() -> Result<(), Error> {
    let files = std::fs::read_dir("papers").expect("the folder of tables");
    let files = files.map(|f| f.expect("a file").path());
    let mut stems: Vec<String> = files
        .filter_map(|f| Some(f.file_stem()?.to_str()?.to_owned()))
        .collect();
    stems.sort();
    assert!(stems.iter().map(String::as_str).eq(Paper::ids()));
    for id in Paper::ids() {
        assert_eq!(Paper::find(id)?.id, id);
    }
    Ok(())
}
