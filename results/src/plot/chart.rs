//! Where everything goes: axes, ticks, curves, legend.

use super::parts::{DASHES, GRID, INK, PALETTE, fitted, header, line, range, text, ticks};
use super::raster::Fonts;
use super::scene::{Anchor, Colour, Mark, Scene, Text};
use super::{Chart, Line};
use crate::Error;

/// Pattern of groups that do not move along the axis.
const LEVEL: &[f64] = &[4.0, 4.0];

const LEFT: f64 = 74.0;
const TOP: f64 = 62.0;
/// From the bottom of the axes to the first line of the legend.
const LEGEND: f64 = 70.0;
const LEGEND_LINE: f64 = 21.0;
const SWATCH: f64 = 30.0;

/// Lays the figure out, `width` units wide.
pub(super) fn draw(chart: &Chart, width: f64) -> Result<Scene, Error> {
    let curves = &chart.lines;
    let fonts = Fonts::new()?;
    let axes = Axes::around(chart, width);
    let mut marks = Vec::new();
    let heading = [&*chart.title, &*chart.tag, &*chart.how];
    header(&mut marks, &fonts, heading, [LEFT, axes.right]);
    axes.draw(&mut marks, chart);
    // All bands below all lines, so that no line is veiled.
    for (curve, style) in curves.iter().map(|curve| (curve, style(curve))) {
        band(&mut marks, curve, &style, &axes);
    }
    for (curve, style) in curves.iter().map(|curve| (curve, style(curve))) {
        for thin in &curve.thin {
            marks.push(line(
                axes.points(&curve.x, thin, curve.level),
                style.colour,
                0.7,
                0.45,
                style.dash,
            ));
        }
    }
    for (curve, style) in curves.iter().map(|curve| (curve, style(curve))) {
        let points = axes.points(&curve.x, &curve.centre, curve.level);
        marks.push(match *points {
            [at] => Mark::Dot {
                at,
                radius: 3.0,
                colour: style.colour,
            },
            _ => line(points, style.colour, 2.0, 1.0, style.dash),
        });
    }
    let lines = legend(&mut marks, &fonts, curves, &axes);
    let height = axes.bottom + LEGEND + LEGEND_LINE * (lines as f64 - 1.0) + 18.0;
    Ok(Scene {
        width,
        height,
        title: format!("{}: {}", chart.alt, chart.y),
        marks,
    })
}

struct Style {
    colour: Colour,
    dash: &'static [f64],
}

fn style(curve: &Line) -> Style {
    let pattern = DASHES[curve.style / PALETTE.len() % DASHES.len()];
    Style {
        colour: PALETTE[curve.style % PALETTE.len()],
        dash: if curve.level { LEVEL } else { pattern },
    }
}

/// The data ranges shown, and where they end in the scene.
struct Axes {
    x: [f64; 2],
    y: [f64; 2],
    right: f64,
    bottom: f64,
}

impl Axes {
    fn around(chart: &Chart, width: f64) -> Self {
        let xs = chart
            .lines
            .iter()
            .filter(|line| !line.level)
            .flat_map(|line| line.x.iter().copied());
        let [x0, x1] = range(xs);
        let y = chart.y_range.unwrap_or_else(|| {
            let mut ys: Vec<f64> = Vec::new();
            for line in &chart.lines {
                ys.extend(line.centre.iter().chain(line.thin.iter().flatten()));
                let band = line.band.iter().flatten();
                ys.extend(band.flat_map(|interval| [interval.low, interval.high]));
            }
            let [low, high] = range(ys.into_iter());
            let span = high - low;
            // Zero is shown where it is near, for it is where learning starts.
            let low = if low > 0.0 && low < 0.5 * span {
                0.0
            } else {
                low
            };
            [
                if low == 0.0 { 0.0 } else { low - 0.04 * span },
                high + 0.04 * span,
            ]
        });
        Self {
            x: [if x0 < 0.2 * x1 { x0.min(0.0) } else { x0 }, x1],
            y,
            right: width - 26.0,
            bottom: TOP + (330.0 * width / super::WIDTH).round(),
        }
    }

    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let across = (x - self.x[0]) / (self.x[1] - self.x[0]);
        let up = (y - self.y[0]) / (self.y[1] - self.y[0]);
        [
            LEFT + across * (self.right - LEFT),
            self.bottom - up * (self.bottom - TOP),
        ]
    }

    /// A curve in the scene. A level one spans the figure at its last value.
    fn points(&self, xs: &[f64], ys: &[f64], level: bool) -> Vec<[f64; 2]> {
        match ys.last() {
            Some(&y) if level => self.x.map(|x| self.at(x, y)).to_vec(),
            _ => xs.iter().zip(ys).map(|(&x, &y)| self.at(x, y)).collect(),
        }
    }

    fn draw(&self, marks: &mut Vec<Mark>, chart: &Chart) {
        for (y, label) in ticks(self.y, 5.0) {
            let [_, at] = self.at(self.x[0], y);
            marks.push(line(
                vec![[LEFT, at], [self.right, at]],
                GRID,
                1.0,
                1.0,
                &[],
            ));
            marks.push(Mark::Text(text(
                [LEFT - 8.0, at + 4.2],
                12.0,
                Anchor::End,
                INK,
                label,
            )));
        }
        for (x, label) in ticks(self.x, 5.0) {
            let [at, _] = self.at(x, self.y[0]);
            marks.push(line(
                vec![[at, self.bottom], [at, self.bottom + 5.0]],
                INK,
                1.0,
                1.0,
                &[],
            ));
            marks.push(Mark::Text(text(
                [at, self.bottom + 19.0],
                12.0,
                Anchor::Middle,
                INK,
                label,
            )));
        }
        marks.push(line(
            vec![[LEFT, self.bottom], [self.right, self.bottom]],
            INK,
            1.0,
            1.0,
            &[],
        ));
        let centre = [(LEFT + self.right) / 2.0, (TOP + self.bottom) / 2.0];
        marks.push(Mark::Text(text(
            [centre[0], self.bottom + 41.0],
            13.0,
            Anchor::Middle,
            INK,
            chart.x.clone(),
        )));
        let y_label = text(
            [20.0, centre[1]],
            13.0,
            Anchor::Middle,
            INK,
            chart.y.clone(),
        );
        marks.push(Mark::Text(Text {
            upwards: true,
            ..y_label
        }));
    }
}

fn band(marks: &mut Vec<Mark>, curve: &Line, style: &Style, axes: &Axes) {
    let Some(band) = &curve.band else { return };
    let ends = |f: fn(&crate::stats::Interval) -> f64| -> Vec<[f64; 2]> {
        axes.points(
            &curve.x,
            &band.iter().map(f).collect::<Vec<_>>(),
            curve.level,
        )
    };
    let mut points = ends(|interval| interval.high);
    points.extend(ends(|interval| interval.low).into_iter().rev());
    marks.push(Mark::Area {
        points,
        colour: style.colour,
        opacity: 0.16,
    });
}

/// Writes the legend under the figure, in as many lines as it takes; returns how many.
fn legend(marks: &mut Vec<Mark>, fonts: &Fonts, curves: &[Line], axes: &Axes) -> usize {
    let (mut x, mut row) = (LEFT, 0);
    for (curve, style) in curves.iter().map(|curve| (curve, style(curve))) {
        let count = &curve.note;
        let room = axes.right - LEFT - SWATCH - fonts.width(count, 12.5, false);
        let label = fitted(fonts, &curve.label, 12.5, room) + count;
        let width = SWATCH + fonts.width(&label, 12.5, false);
        if x > LEFT && x + width > axes.right {
            (x, row) = (LEFT, row + 1);
        }
        let y = axes.bottom + LEGEND + LEGEND_LINE * f64::from(row);
        marks.push(line(
            vec![[x, y - 4.3], [x + SWATCH - 8.0, y - 4.3]],
            style.colour,
            2.5,
            1.0,
            style.dash,
        ));
        marks.push(Mark::Text(text(
            [x + SWATCH, y],
            12.5,
            Anchor::Start,
            INK,
            label,
        )));
        x += width + 24.0;
    }
    row as usize + 1
}
