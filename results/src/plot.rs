//! Line charts, as SVG and as PNG; learning curves above all: one figure per task and budget tier.
//!
//! Both files are drawn from the same list of marks with the same compiled-in font, so they show
//! the same picture on every machine, and the same runs give the same bytes.

mod chart;
mod curve;
mod raster;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use crate::group::{Group, group};
use crate::reference::{self, Reference};
use crate::stats::{Bootstrap, Interval, Statistic};
use crate::table::Metric;
use crate::{Error, FinishedRun};

/// The horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum X {
    /// [`Eval::step`](crate::Eval::step).
    Steps,
    /// [`Eval::feedback_asked`](crate::Eval::feedback_asked). Groups that never ask appear as a
    /// dashed line at their last score, for reference.
    Feedback,
}

/// What a figure shows, and how.
#[derive(Clone, Debug)]
pub struct PlotOptions {
    /// The horizontal axis.
    pub x: X,
    /// What the steps are, for the axis; "environment steps" unless told otherwise.
    pub steps_are: String,
    /// The vertical axis.
    pub metric: Metric,
    /// The line drawn, over seeds.
    pub statistic: Statistic,
    /// The band around the line, from two seeds on.
    pub bootstrap: Bootstrap,
    /// Whether each seed's own curve is drawn as a thin line too.
    pub seeds: bool,
    /// What returns are normalised by; the committed references unless told otherwise.
    pub references: Vec<Reference>,
}

impl Default for PlotOptions {
    fn default() -> Self {
        Self {
            x: X::Steps,
            steps_are: "environment steps".into(),
            metric: Metric::Return,
            statistic: Statistic::Mean,
            bootstrap: Bootstrap {
                resamples: 2_000,
                ..Bootstrap::default()
            },
            seeds: false,
            references: reference::committed().to_vec(),
        }
    }
}

/// What a line chart shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// Beside the heading, fainter.
    pub tag: String,
    /// Under the heading: what lines and bands are.
    pub how: String,
    /// What is shown, for those who cannot see it; the vertical axis is added.
    pub alt: String,
    /// The horizontal axis, with its unit.
    pub x: String,
    /// The vertical axis, with its unit.
    pub y: String,
    /// The range of the vertical axis, if it is not the data's.
    pub y_range: Option<[f64; 2]>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// A line of a chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Its name in the legend.
    pub label: String,
    /// What the legend adds to the name.
    pub note: String,
    /// Position in the order of colours and line patterns.
    pub style: usize,
    /// Increasing.
    pub x: Vec<f64>,
    /// The value at each `x`.
    pub centre: Vec<f64>,
    /// The band at each `x`.
    pub band: Option<Vec<Interval>>,
    /// Thin lines beside it: values at each `x`.
    pub thin: Vec<Vec<f64>>,
    /// It does not move along the axis: its last value is drawn across the figure.
    pub level: bool,
}

impl Chart {
    /// Draws the chart; `name` is for the file.
    ///
    /// # Errors
    /// [`Error::Drawing`] if the PNG cannot be made.
    pub fn draw(&self, name: &str) -> Result<Figure, Error> {
        let scene = chart::draw(self)?;
        Ok(Figure {
            name: name.to_owned(),
            svg: scene.svg(),
            png: raster::png(&scene)?,
        })
    }
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// A file name without extension that tells this figure from the others.
    pub name: String,
    /// The figure as an SVG document.
    pub svg: String,
    /// The figure as a PNG file, at two pixels per SVG unit.
    pub png: Vec<u8>,
}

/// Draws the learning curves of `finished`, one figure per task and tier in this order.
///
/// # Errors
/// [`Error::Drawing`] if the PNG cannot be made.
pub fn learning_curves(
    finished: &[FinishedRun],
    options: &PlotOptions,
) -> Result<Vec<Figure>, Error> {
    let groups = group(finished);
    // The same group has the same colour in all figures.
    let labels: BTreeSet<String> = groups.iter().map(Group::label).collect();
    let mut figures = BTreeMap::<_, Vec<Line>>::new();
    for group in &groups {
        let curve = curve::line(group, options);
        figures
            .entry((group.task, group.tier))
            .or_default()
            .push(curve);
    }
    for curve in figures.values_mut().flatten() {
        curve.style = labels
            .iter()
            .position(|label| *label == curve.label)
            .unwrap_or_default();
    }
    figures
        .into_iter()
        .map(|((task, tier), lines)| figure(task, tier, lines, options))
        .collect()
}

fn figure(
    task: &str,
    tier: &str,
    lines: Vec<Line>,
    options: &PlotOptions,
) -> Result<Figure, Error> {
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let (metric, y) = match options.metric {
        Metric::Return => ("return", "return (true rewards per episode)"),
        Metric::Success => ("success", "success rate (%)"),
        Metric::Normalised => ("normalised", "normalised return (random 0, expert 100)"),
    };
    let (by, x) = match options.x {
        X::Steps => ("steps", &*options.steps_are),
        X::Feedback => ("feedback", "feedback (preference queries asked)"),
    };
    let chart = Chart {
        title: task.to_owned(),
        tag: format!("tier: {tier}"),
        how: format!(
            "{} over seeds, with {} % bootstrap interval",
            options.statistic.name(),
            100.0 * options.bootstrap.level
        ),
        alt: format!("{task}, {tier}"),
        x: x.to_owned(),
        y: y.to_owned(),
        y_range: (options.metric == Metric::Success).then_some([0.0, 100.0]),
        lines,
    };
    chart.draw(&format!("{}-{}-{metric}-by-{by}", plain(task), plain(tier)))
}
