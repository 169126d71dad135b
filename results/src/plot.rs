//! Charts, as SVG and as PNG: learning curves, one per task and budget tier, and other lines
//! ([`Chart`]); estimates as dots with their intervals ([`Forest`]).
//!
//! Both files are drawn from the same list of marks with the same compiled-in font, so they show
//! the same picture on every machine, and the same runs give the same bytes.

mod chart;
pub(crate) mod curve;
mod forest;
mod parts;
mod raster;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use scene::escaped;

pub use forest::{Forest, Panel, Row};

use crate::group::{Group, group};
use crate::reference::{self, Reference};
use crate::stats::{Bootstrap, Interval, Statistic};
use crate::table::Metric;
use crate::{Error, FinishedRun};

/// Width of a figure that stands alone, in SVG units.
const WIDTH: f64 = 720.0;

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
        Figure::of(name, &chart::draw(self, WIDTH)?)
    }

    /// The chart as an SVG document, `width` units wide (some 400 at least); the letters keep
    /// their size.
    ///
    /// # Errors
    /// [`Error::Drawing`] if the font cannot be read.
    pub fn svg(&self, width: f64) -> Result<String, Error> {
        Ok(chart::draw(self, width)?.svg())
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

impl Figure {
    fn of(name: &str, scene: &scene::Scene) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            svg: scene.svg(),
            png: raster::png(scene)?,
        })
    }
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
    let mut figures = BTreeMap::<_, Vec<&Group<'_>>>::new();
    for group in &groups {
        let figure = figures.entry((&*group.task, group.tier)).or_default();
        figure.push(group);
    }
    let mut names = BTreeMap::new();
    let draw = |groups: Vec<&Group<'_>>| {
        let (name, chart) = learning_chart(&groups, &labels, options);
        chart.draw(&unlike(name, &mut names))
    };
    figures.into_values().map(draw).collect()
}

/// The name of a file, or, if one was called so before, another: `a b` and `a-b` are alike without what files
/// cannot be called.
pub(crate) fn unlike(name: String, before: &mut BTreeMap<String, usize>) -> String {
    let times = before.entry(name.clone()).or_default();
    *times += 1;
    match times {
        1 => name,
        n => format!("{name}-{n}"),
    }
}

/// The learning curves of groups of one task and tier, and a name for the file. `labels` are those
/// of all groups in all figures: a group's place among them is its style.
pub(crate) fn learning_chart(
    groups: &[&Group<'_>],
    labels: &BTreeSet<String>,
    options: &PlotOptions,
) -> (String, Chart) {
    let (task, tier) = groups.first().map_or(("", ""), |g| (&*g.task, g.tier));
    let plain = |text: &str| text.replace(|c: char| !c.is_alphanumeric(), "-");
    let mut runs = groups.iter().flat_map(|group| &group.runs);
    let offline = runs.all(|run| run.info.config.get("dataset").is_some());
    let (by, x) = match options.x {
        X::Steps if offline => ("steps", "gradient steps"),
        X::Steps => ("steps", "environment steps"),
        X::Feedback => ("feedback", FEEDBACK),
    };
    let lines = groups.iter().map(|group| {
        let line = curve::line(group, options);
        let place = labels.iter().position(|label| *label == line.label);
        Line {
            style: place.unwrap_or_default(),
            ..line
        }
    });
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
        y: axis(options.metric).to_owned(),
        y_range: (options.metric == Metric::Success).then_some([0.0, 100.0]),
        lines: lines.collect(),
    };
    let metric = match options.metric {
        Metric::Return => "return",
        Metric::Success => "success",
        Metric::Normalised => "normalised",
    };
    let name = format!("{}-{}-{metric}-by-{by}", plain(task), plain(tier));
    (name, chart)
}

/// The colour of a style, as in `#0072b2`.
pub(crate) fn colour(style: usize) -> String {
    scene::hex(parts::PALETTE[style % parts::PALETTE.len()])
}

/// The axis of feedback.
pub(crate) const FEEDBACK: &str = "feedback (preference queries asked; at the last, the run's end)";

/// The axis of a metric, with its unit.
pub(crate) fn axis(metric: Metric) -> &'static str {
    match metric {
        Metric::Return => "return (true rewards per episode)",
        Metric::Success => "success rate (%)",
        Metric::Normalised => "normalised return (random 0, expert 100)",
    }
}
