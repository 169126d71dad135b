//! Figures of made-up runs: the SVG against committed files, the PNG for being the same picture.

mod synthetic;

use prefbench_results::Error;
use prefbench_results::plot::{Figure, PlotOptions, X, learning_curves};
use prefbench_results::stats::{Bootstrap, Statistic};
use prefbench_results::table::Metric;
use synthetic::{assert_expected, config, eval, finished, learning, sweep};

fn options() -> PlotOptions {
    PlotOptions {
        bootstrap: Bootstrap {
            resamples: 200,
            ..Bootstrap::default()
        },
        ..PlotOptions::default()
    }
}

fn walker(options: &PlotOptions) -> Result<Figure, Error> {
    Ok(learning_curves(&sweep(), options)?.remove(1))
}

#[test]
fn figures_are_as_committed() -> Result<(), Error> {
    let steps = walker(&PlotOptions {
        seeds: true,
        ..options()
    })?;
    assert_eq!(steps.name, "walker-walk-smoke-return-by-steps");
    assert_expected("steps.svg", &steps.svg);

    let feedback = walker(&PlotOptions {
        x: X::Feedback,
        statistic: Statistic::Iqm,
        ..options()
    })?;
    assert_eq!(feedback.name, "walker-walk-smoke-return-by-feedback");
    assert_expected("feedback.svg", &feedback.svg);

    let reach = learning_curves(
        &sweep(),
        &PlotOptions {
            metric: Metric::Success,
            ..options()
        },
    )?
    .remove(0);
    assert_eq!(reach.name, "reach-smoke-success-by-steps");
    assert_expected("success.svg", &reach.svg);
    Ok(())
}

/// What files cannot be called is left out of their names, and what is alike then is told apart.
#[test]
fn no_figure_replaces_another() -> Result<(), Error> {
    let task = |name: &str| finished(config(name, "bc", None, 0), vec![eval(0, &[1.0])]);
    let runs = ["mix a", "mix-a", "é", "ü"].map(task);
    let figures = learning_curves(&runs, &options())?;
    let names: Vec<&str> = figures.iter().map(|figure| &*figure.name).collect();
    let expected = ["mix-a", "mix-a", "é", "ü"].map(|task| format!("{task}-smoke-return-by-steps"));
    assert_eq!(names[0], expected[0]);
    assert_eq!(names[1], format!("{}-2", expected[1]));
    assert_eq!(names[2..], expected[2..]);
    Ok(())
}

/// Width and height in the file's header, and the colours drawn.
fn decoded(png: &[u8]) -> tiny_skia::Pixmap {
    tiny_skia::Pixmap::decode_png(png).expect("a readable PNG")
}

fn dark_pixels(
    image: &tiny_skia::Pixmap,
    x: std::ops::Range<u32>,
    y: std::ops::Range<u32>,
) -> usize {
    let dark = |x, y| {
        image
            .pixel(x, y)
            .is_some_and(|p| p.red() < 80 && p.green() < 80 && p.blue() < 80)
    };
    x.flat_map(|x| y.clone().map(move |y| (x, y)))
        .filter(|&(x, y)| dark(x, y))
        .count()
}

#[test]
fn the_png_shows_what_the_svg_says() -> Result<(), Error> {
    let figure = walker(&options())?;
    let image = decoded(&figure.png);
    let size = format!(
        "width=\"{}\" height=\"{}\"",
        image.width() / 2,
        image.height() / 2
    );
    assert!(figure.svg.contains(&size), "{size}");
    // Every colour of a line in the SVG is there, unmixed, in the PNG.
    let strokes: Vec<&str> = figure
        .svg
        .split("stroke=\"#")
        .skip(1)
        .map(|rest| &rest[..6])
        .collect();
    assert!(strokes.len() > 10);
    for stroke in strokes {
        let rgb = u32::from_str_radix(stroke, 16)
            .expect("a colour")
            .to_be_bytes();
        let drawn = image
            .pixels()
            .iter()
            .filter(|p| [p.red(), p.green(), p.blue()] == rgb[1..])
            .count();
        assert!(drawn > 20, "#{stroke} on {drawn} pixels");
    }
    // Text without system fonts: ink where the title, the labels of both axes and the legend are.
    for (what, x, y) in [
        ("title", 148..360, 30..60),
        ("y ticks", 80..136, 120..800),
        ("y label", 20..50, 300..600),
        ("x label", 600..960, 848..880),
        ("legend", 200..1400, 900..930),
    ] {
        let ink = dark_pixels(&image, x, y);
        assert!(ink > 150, "{what}: {ink}");
    }
    Ok(())
}

#[test]
fn the_same_runs_give_the_same_bytes() -> Result<(), Error> {
    let mut reversed = sweep();
    reversed.reverse();
    assert_eq!(
        learning_curves(&reversed, &options())?,
        learning_curves(&sweep(), &options())?
    );
    Ok(())
}

#[test]
fn a_group_has_one_colour_in_all_figures() -> Result<(), Error> {
    let figures = learning_curves(&sweep(), &options())?;
    let colour = |figure: &Figure| {
        let before = figure
            .svg
            .split(">pebble · oracle (n = 5)<")
            .next()
            .unwrap_or_default();
        let line = before
            .rfind("stroke=\"#")
            .map(|at| before[at..at + 15].to_owned());
        line.expect("a swatch before the label")
    };
    assert_eq!(figures.len(), 2);
    assert_eq!(colour(&figures[0]), colour(&figures[1]));
    Ok(())
}

/// Odd inputs must draw something: no runs, no evaluations, one point, equal values, long names,
/// names that are mark-up, more groups than colours, runs of unequal length.
#[test]
fn odd_runs_are_drawn_or_said_not_to_be() -> Result<(), Error> {
    assert_eq!(learning_curves(&[], &options())?, []);

    let draw = |runs: &[_]| learning_curves(runs, &options()).map(|mut figures| figures.remove(0));
    let empty = draw(&[finished(config("reach", "sac", None, 0), vec![])])?;
    assert!(
        empty
            .svg
            .contains("sac (n = 0, not drawn: no common evaluations)"),
        "{}",
        empty.svg
    );

    let point = draw(&[finished(
        config("reach", "sac", None, 0),
        vec![eval(7, &[3.0])],
    )])?;
    assert!(
        point.svg.contains("<circle") && !point.svg.contains("NaN"),
        "{}",
        point.svg
    );

    let level = draw(&[finished(
        config("reach", "sac", None, 0),
        vec![eval(0, &[0.0]), eval(9, &[0.0])],
    )])?;
    assert!(
        !level.svg.contains("NaN") && !level.svg.contains("inf"),
        "{}",
        level.svg
    );

    let name = "<b>&\"".to_owned() + &"long".repeat(60);
    let long = draw(&[
        learning("reach", &name, None, 0, 5e6),
        learning("reach", &name, None, 1, -4e-3),
    ])?;
    assert!(
        long.svg.contains("&lt;b&gt;&amp;&quot;long") && long.svg.contains('…'),
        "{}",
        long.svg
    );

    let many: Vec<_> = (0..10)
        .map(|i| {
            learning(
                "reach",
                &format!("algorithm-{i}"),
                None,
                0,
                100.0 * f64::from(i),
            )
        })
        .collect();
    let many = draw(&many)?;
    for i in 0..10 {
        assert!(many.svg.contains(&format!(">algorithm-{i} (n = 1)<")));
    }
    assert!(many.svg.contains("stroke-dasharray"));

    let mut short = learning("reach", "sac", None, 1, 50.0);
    short.evals.truncate(10);
    let shared = draw(&[learning("reach", "sac", None, 0, 50.0), short])?;
    assert!(
        shared.svg.contains("sac (n = 2)")
            && shared.svg.contains(">80k<")
            && !shared.svg.contains(">120k<")
    );
    Ok(())
}
