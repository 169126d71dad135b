//! The forms of a comparison: each against a committed file, hostile names, what is written.

mod compared;
mod synthetic;

use std::path::PathBuf;

use compared::{compare, options, runs, with_failures};
use prefbench_results::compare::{CompareOptions, Comparison};
use prefbench_results::{Error, FinishedRun, RunInfo, RunKey, Unfinished, Why};
use serde_json::json;
use synthetic::{assert_expected, config};

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
