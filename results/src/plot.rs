//! Learning curves: one figure per task and budget tier, as SVG and as PNG.
//!
//! Both files are drawn from the same list of marks with the same compiled-in font, so they show
//! the same picture on every machine, and the same runs give the same bytes.

mod chart;
mod curve;
mod raster;
mod scene;

use std::collections::{BTreeMap, BTreeSet};

use self::curve::Curve;
use crate::group::{Group, group};
use crate::reference::{self, Reference};
use crate::stats::{Bootstrap, Statistic};
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

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// A file name without extension that tells this figure from the others: task, tier, axes.
    pub name: String,
    /// The task shown.
    pub task: String,
    /// The budget tier shown.
    pub tier: String,
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
    let mut figures = BTreeMap::<_, Vec<Curve>>::new();
    for group in &groups {
        let curve = Curve::of(group, options);
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
        .map(|((task, tier), curves)| figure(task, tier, &curves, options))
        .collect()
}

fn figure(
    task: &str,
    tier: &str,
    curves: &[Curve],
    options: &PlotOptions,
) -> Result<Figure, Error> {
    let scene = chart::draw(task, tier, curves, options)?;
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let metric = match options.metric {
        Metric::Return => "return",
        Metric::Success => "success",
        Metric::Normalised => "normalised",
    };
    let x = match options.x {
        X::Steps => "steps",
        X::Feedback => "feedback",
    };
    Ok(Figure {
        name: format!("{}-{}-{metric}-by-{x}", plain(task), plain(tier)),
        task: task.into(),
        tier: tier.into(),
        svg: scene.svg(),
        png: raster::png(&scene)?,
    })
}
