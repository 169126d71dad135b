//! The figures of a comparison, with what has to be said of each.

use std::collections::{BTreeMap, BTreeSet};

use super::words::count;
use super::{CompareOptions, Comparison, Estimate, curves, matrix, side_by_side};
use crate::group::Group;
use crate::plot::{
    Chart, FEEDBACK, Figure, Forest, Line, Panel, PlotOptions, Row, X, learning_chart, unlike,
};
use crate::stats::{Statistic, profile};
use crate::table::text::clean;
use crate::{Error, FinishedRun};

/// Of more pairs than this a figure shows a choice.
const MOST_PAIRS: usize = 15;

/// A figure not yet drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// A file name without extension that tells this figure from the others.
    pub name: String,
    /// Where it belongs.
    pub section: Section,
    /// What it shows and how it was made.
    pub caption: String,
    /// The chart.
    pub picture: Picture,
}

/// What figures are about, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Statistics over tasks.
    Aggregates,
    /// Probabilities of improvement.
    Improvement,
    /// How scores are distributed.
    Profiles,
    /// Scores over tasks as training proceeds.
    Efficiency,
    /// Learning curves of single tasks.
    Tasks,
}

/// A chart of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture {
    /// Lines with bands.
    Lines(Chart),
    /// Dots with intervals.
    Dots(Forest),
}

impl Picture {
    /// As [`Chart::draw`] and [`Forest::draw`].
    ///
    /// # Errors
    /// [`Error::Drawing`].
    pub fn draw(&self, name: &str) -> Result<Figure, Error> {
        match self {
            Self::Lines(chart) => chart.draw(name),
            Self::Dots(forest) => forest.draw(name),
        }
    }

    /// As [`Chart::svg`] and [`Forest::svg`].
    ///
    /// # Errors
    /// [`Error::Drawing`].
    pub fn svg(&self, width: f64) -> Result<String, Error> {
        match self {
            Self::Lines(chart) => chart.svg(width),
            Self::Dots(forest) => forest.svg(width),
        }
    }
}

pub(super) fn all(
    comparison: &Comparison,
    groups: &[Group<'_>],
    options: &CompareOptions,
) -> Vec<Shown> {
    let mut figures = Vec::from_iter(aggregates(comparison));
    figures.extend(improvement(comparison));
    figures.extend(profiles(comparison, options));
    figures.extend(efficiency(comparison, groups, options));
    figures.extend(by_task(comparison, groups, options));
    figures
}

fn tag(c: &Comparison) -> String {
    format!("tier: {}", c.tier)
}

fn bars(c: &Comparison) -> String {
    format!("{} % stratified bootstrap intervals", 100.0 * c.level)
}

fn aggregates(c: &Comparison) -> Option<Shown> {
    c.aggregates.first()?;
    let row = |&method: &usize| Row {
        label: c.methods[method].name.clone(),
        style: method,
        ..Row::default()
    };
    let panel = |aggregate: &super::Aggregate| {
        let name = aggregate.statistic.name();
        let gap = matches!(aggregate.statistic, Statistic::OptimalityGap { .. });
        // Four panels leave no room for its name.
        let name = if gap { "gap" } else { name };
        let title = name[..1].to_uppercase() + &name[1..];
        let dot = |&method: &usize| Some(aggregate.estimates[method]);
        Panel {
            title,
            x: if gap {
                "short of 100"
            } else {
                "score (0–100)"
            }
            .into(),
            decimals: 1,
            dots: c.ranking.iter().map(dot).collect(),
            ..Panel::default()
        }
    };
    let runs = "all runs of all tasks pooled";
    Some(Shown {
        name: "aggregates".into(),
        section: Section::Aggregates,
        caption: format!(
            "Scores over {}. Dots: the statistic; bars: {}, resampling runs within each task. \
             IQM and (optimality) gap, of which less is better, are of {runs}, mean and median of the tasks' means{}.",
            count(c.scaled.len(), "task"),
            bars(c),
            if c.scaled.len() == 1 {
                " (the median of the runs)"
            } else {
                ""
            }
        ),
        picture: Picture::Dots(Forest {
            title: format!("Scores over {}", count(c.scaled.len(), "task")),
            tag: tag(c),
            how: format!("dots: statistic; bars: {}", bars(c)),
            alt: "Aggregate scores by method".into(),
            rows: c.ranking.iter().map(row).collect(),
            panels: c.aggregates.iter().map(panel).collect(),
        }),
    })
}

fn improvement(c: &Comparison) -> Option<Shown> {
    let mut pairs = c.pairs();
    if pairs.is_empty() {
        return None;
    }
    let all = pairs.len();
    if all > MOST_PAIRS {
        let next = |x, y| c.ranking.windows(2).any(|pair| pair == [x, y]);
        pairs.retain(|&(x, y, _)| x == c.ranking[0] || next(x, y));
    }
    let chosen = match all - pairs.len() {
        0 => "",
        _ => {
            " Shown are the best over every other and each over the next; the table has all pairs."
        }
    };
    let row = |&(x, y, _): &(usize, usize, Estimate)| Row {
        label: c.methods[x].name.clone(),
        note: format!("over {}", c.methods[y].name),
        style: x,
    };
    Some(Shown {
        name: "improvement".into(),
        section: Section::Improvement,
        caption: format!(
            "Probability that a run of the upper method, X, scores higher than a run of the lower, Y, \
             on the same task, averaged over {}, ties counting one half. Bars: {}. Dashed: 0.5, no \
             difference.{chosen}",
            count(c.common.len(), "task"),
            bars(c)
        ),
        picture: Picture::Dots(Forest {
            title: "Probability of improvement".into(),
            tag: tag(c),
            how: format!(
                "dots: over {}; bars: {}",
                count(c.common.len(), "task"),
                bars(c)
            ),
            alt: "Probability of improvement by pair of methods".into(),
            rows: pairs.iter().map(row).collect(),
            panels: vec![Panel {
                x: "P(X > Y)".into(),
                range: Some([0.0, 1.0]),
                mark: Some(0.5),
                decimals: 2,
                dots: pairs.iter().map(|pair| Some(pair.2)).collect(),
                ..Panel::default()
            }],
        }),
    })
}

fn profiles(c: &Comparison, options: &CompareOptions) -> Option<Shown> {
    c.aggregates.first()?;
    let taus: Vec<f64> = (0..=100).map(f64::from).collect();
    let methods: Vec<usize> = (0..c.methods.len()).collect();
    let lines = side_by_side(&methods, |&method| {
        let scores = matrix(&c.tasks, &c.scaled, method);
        Line {
            label: c.methods[method].name.clone(),
            style: method,
            x: taus.clone(),
            centre: profile(&scores, &taus).unwrap_or_default(),
            band: options.bands.profile_band(&scores, &taus),
            ..Line::default()
        }
    });
    Some(Shown {
        name: "profiles".into(),
        section: Section::Profiles,
        caption: format!(
            "Performance profiles: the share of runs, of {} pooled, that score more than τ. The \
             higher the better; where one line is above another throughout, its method is better \
             at every level. Bands: pointwise {}.",
            count(c.scaled.len(), "task"),
            bars(c)
        ),
        picture: Picture::Lines(Chart {
            title: "Performance profiles".into(),
            tag: tag(c),
            how: format!("share of runs above τ, with {}", bars(c)),
            alt: "Performance profiles".into(),
            x: "score τ (0–100)".into(),
            y: "share of runs with score > τ".into(),
            y_range: Some([0.0, 1.0]),
            lines,
        }),
    })
}

fn efficiency(c: &Comparison, groups: &[Group<'_>], options: &CompareOptions) -> Vec<Shown> {
    if c.aggregates.is_empty() {
        return Vec::new();
    }
    let asked = |task: &usize| asks(c, *task, groups);
    let axes = [X::Steps, X::Feedback].into_iter();
    let axes = axes.filter(|&x| x == X::Steps || c.scaled.iter().any(asked));
    let shown = |x: X| {
        let (name, x_axis, means) = match x {
            X::Steps => (
                "efficiency-by-steps",
                "training done (% of the longest run's steps)",
                "100 % is the most steps that any run made on the task; a line ends with its \
                 method's shortest runs.",
            ),
            X::Feedback => (
                "efficiency-by-feedback",
                FEEDBACK,
                "A run that asks no more keeps its last score; dashed level lines are methods that \
                 never ask, at theirs.",
            ),
        };
        Shown {
            name: name.into(),
            section: Section::Efficiency,
            caption: format!(
                "IQM over {} as training proceeds. {means} Bands: pointwise {}.",
                count(c.scaled.len(), "task"),
                bars(c)
            ),
            picture: Picture::Lines(Chart {
                title: "Sample efficiency".into(),
                tag: tag(c),
                how: format!(
                    "IQM over {}, with {}",
                    count(c.scaled.len(), "task"),
                    bars(c)
                ),
                alt: "Sample efficiency".into(),
                x: x_axis.into(),
                y: "IQM of scores (0–100)".into(),
                y_range: None,
                lines: curves::pooled(c, groups, x, options),
            }),
        }
    };
    axes.map(shown).collect()
}

fn by_task(c: &Comparison, groups: &[Group<'_>], options: &CompareOptions) -> Vec<Shown> {
    let labels: BTreeSet<String> = groups.iter().map(Group::label).collect();
    let axes = [X::Steps, X::Feedback].into_iter();
    let figures: Vec<(usize, X)> = axes
        .flat_map(|x| (0..c.tasks.len()).map(move |task| (task, x)))
        .filter(|&(task, x)| x == X::Steps || asks(c, task, groups))
        .collect();
    let mut shown = side_by_side(&figures, |&(task, x)| {
        let task = &c.tasks[task];
        let of_task: Vec<_> = groups
            .iter()
            .filter(|group| clean(&group.task) == task.task)
            .collect();
        let plot = PlotOptions {
            x,
            metric: task.metric,
            statistic: options.statistic,
            bootstrap: options.curves.clone(),
            seeds: false,
            references: options.references.clone(),
        };
        let (name, chart) = learning_chart(&of_task, &labels, &plot);
        Shown {
            name,
            section: Section::Tasks,
            caption: format!("{}: {}.", chart.title, chart.how),
            picture: Picture::Lines(chart),
        }
    });
    let mut names = BTreeMap::new();
    for one in &mut shown {
        one.name = unlike(std::mem::take(&mut one.name), &mut names);
    }
    shown
}

/// Whether any run on the task asked for feedback as it went on. Offline ones have it all from the first.
fn asks(c: &Comparison, task: usize, groups: &[Group<'_>]) -> bool {
    let name = &c.tasks[task].task;
    let of_task = groups.iter().filter(|group| clean(&group.task) == *name);
    let asked = |run: &&FinishedRun| {
        run.evals
            .iter()
            .map(|e| e.feedback_asked)
            .collect::<BTreeSet<_>>()
    };
    of_task
        .flat_map(|group| &group.runs)
        .any(|run| asked(run).len() > 1)
}
