//! Where everything goes: axes, ticks, curves, legend.

use super::raster::Fonts;
use super::scene::{Anchor, Colour, Mark, Scene, Text};
use super::{Chart, Line};
use crate::Error;

/// The palette of Okabe and Ito, "Color Universal Design" (2008), told apart under all common
/// forms of colour blindness; its yellow is left out because it vanishes on white.
const PALETTE: [Colour; 7] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x00, 0x00],
];
/// Line patterns, taken in turn when the palette is used up.
const DASHES: [&[f64]; 3] = [&[], &[7.0, 3.0], &[2.0, 2.5]];
/// Pattern of groups that do not move along the axis.
const LEVEL: &[f64] = &[4.0, 4.0];

const INK: Colour = [0x22, 0x22, 0x22];
const FAINT: Colour = [0x66, 0x66, 0x66];
const GRID: Colour = [0xe4, 0xe4, 0xe4];

const WIDTH: f64 = 720.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 26.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = TOP + 330.0;
const LEGEND: f64 = BOTTOM + 70.0;
const LEGEND_LINE: f64 = 21.0;
const SWATCH: f64 = 30.0;

/// Lays the figure out.
pub(super) fn draw(chart: &Chart) -> Result<Scene, Error> {
    let curves = &chart.lines;
    let fonts = Fonts::new()?;
    let axes = Axes::around(chart);
    let mut marks = Vec::new();
    header(&mut marks, &fonts, chart);
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
    let lines = legend(&mut marks, &fonts, curves);
    let height = LEGEND + LEGEND_LINE * (lines as f64 - 1.0) + 18.0;
    Ok(Scene {
        width: WIDTH,
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

fn header(marks: &mut Vec<Mark>, fonts: &Fonts, chart: &Chart) {
    let title = Text {
        bold: true,
        ..text(
            LEFT,
            28.0,
            17.0,
            Anchor::Start,
            INK,
            fitted(fonts, &chart.title, 17.0, 400.0),
        )
    };
    let after = LEFT + fonts.width(&title.text, 17.0, true) + 12.0;
    marks.push(Mark::Text(title));
    marks.push(Mark::Text(text(
        after,
        28.0,
        13.0,
        Anchor::Start,
        FAINT,
        chart.tag.clone(),
    )));
    marks.push(Mark::Text(text(
        LEFT,
        47.0,
        12.0,
        Anchor::Start,
        FAINT,
        chart.how.clone(),
    )));
}

/// The data ranges shown.
struct Axes {
    x: [f64; 2],
    y: [f64; 2],
}

impl Axes {
    fn around(chart: &Chart) -> Self {
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
        }
    }

    fn at(&self, x: f64, y: f64) -> [f64; 2] {
        let across = (x - self.x[0]) / (self.x[1] - self.x[0]);
        let up = (y - self.y[0]) / (self.y[1] - self.y[0]);
        [LEFT + across * (RIGHT - LEFT), BOTTOM - up * (BOTTOM - TOP)]
    }

    /// A curve in the scene. A level one spans the figure at its last value.
    fn points(&self, xs: &[f64], ys: &[f64], level: bool) -> Vec<[f64; 2]> {
        match ys.last() {
            Some(&y) if level => self.x.map(|x| self.at(x, y)).to_vec(),
            _ => xs.iter().zip(ys).map(|(&x, &y)| self.at(x, y)).collect(),
        }
    }

    fn draw(&self, marks: &mut Vec<Mark>, chart: &Chart) {
        for (y, label) in ticks(self.y) {
            let [_, at] = self.at(self.x[0], y);
            marks.push(line(vec![[LEFT, at], [RIGHT, at]], GRID, 1.0, 1.0, &[]));
            marks.push(Mark::Text(text(
                LEFT - 8.0,
                at + 4.2,
                12.0,
                Anchor::End,
                INK,
                label,
            )));
        }
        for (x, label) in ticks(self.x) {
            let [at, _] = self.at(x, self.y[0]);
            marks.push(line(
                vec![[at, BOTTOM], [at, BOTTOM + 5.0]],
                INK,
                1.0,
                1.0,
                &[],
            ));
            marks.push(Mark::Text(text(
                at,
                BOTTOM + 19.0,
                12.0,
                Anchor::Middle,
                INK,
                label,
            )));
        }
        marks.push(line(
            vec![[LEFT, BOTTOM], [RIGHT, BOTTOM]],
            INK,
            1.0,
            1.0,
            &[],
        ));
        let centre = [(LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0];
        marks.push(Mark::Text(text(
            centre[0],
            BOTTOM + 41.0,
            13.0,
            Anchor::Middle,
            INK,
            chart.x.clone(),
        )));
        let y_label = text(20.0, centre[1], 13.0, Anchor::Middle, INK, chart.y.clone());
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
fn legend(marks: &mut Vec<Mark>, fonts: &Fonts, curves: &[Line]) -> usize {
    let (mut x, mut row) = (LEFT, 0);
    for (curve, style) in curves.iter().map(|curve| (curve, style(curve))) {
        let count = &curve.note;
        let room = RIGHT - LEFT - SWATCH - fonts.width(count, 12.5, false);
        let label = fitted(fonts, &curve.label, 12.5, room) + count;
        let width = SWATCH + fonts.width(&label, 12.5, false);
        if x > LEFT && x + width > RIGHT {
            (x, row) = (LEFT, row + 1);
        }
        let y = LEGEND + LEGEND_LINE * f64::from(row);
        marks.push(line(
            vec![[x, y - 4.3], [x + SWATCH - 8.0, y - 4.3]],
            style.colour,
            2.5,
            1.0,
            style.dash,
        ));
        marks.push(Mark::Text(text(
            x + SWATCH,
            y,
            12.5,
            Anchor::Start,
            INK,
            label,
        )));
        x += width + 24.0;
    }
    row as usize + 1
}

fn text(x: f64, y: f64, size: f64, anchor: Anchor, colour: Colour, text: String) -> Text {
    Text {
        at: [x, y],
        size,
        anchor,
        bold: false,
        upwards: false,
        colour,
        text,
    }
}

fn line(
    points: Vec<[f64; 2]>,
    colour: Colour,
    width: f64,
    opacity: f64,
    dash: &'static [f64],
) -> Mark {
    Mark::Line {
        points,
        colour,
        width,
        opacity,
        dash,
    }
}

/// `label`, shortened at its end where it would be wider than `room`.
fn fitted(fonts: &Fonts, label: &str, size: f64, room: f64) -> String {
    let mut label = label.to_owned();
    if fonts.width(&label, size, false) > room {
        while !label.is_empty() && fonts.width(&label, size, false) + size > room {
            label.pop();
        }
        label.push('…');
    }
    label
}

/// Least and greatest value, made an interval of positive length; [0, 1] for no values.
fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let ends = values.fold(None, |ends: Option<[f64; 2]>, x| {
        Some(ends.map_or([x, x], |[a, b]| [a.min(x), b.max(x)]))
    });
    match ends {
        None => [0.0, 1.0],
        Some([a, b]) if a == b => [a - 0.5 * a.abs().max(1.0), b + 0.5 * b.abs().max(1.0)],
        Some(ends) => ends,
    }
}

/// Round numbers in the interval, four to eight of them, with their labels.
fn ticks([low, high]: [f64; 2]) -> Vec<(f64, String)> {
    let rough = (high - low) / 5.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|&s| s >= 0.999 * rough)
        .unwrap_or(rough);
    let slack = 1e-9 * (high - low);
    let (first, last) = (
        ((low - slack) / step).ceil() as i64,
        ((high + slack) / step).floor() as i64,
    );
    (first..=last)
        .map(|i| i as f64 * step)
        .map(|at| (at, short(at, step, low.abs().max(high.abs()))))
        .collect()
}

/// A tick's label with the digits that its step needs; thousands and millions as k and M, the
/// same along an axis whose greatest value is `greatest`.
fn short(at: f64, step: f64, greatest: f64) -> String {
    if at == 0.0 {
        return "0".into();
    }
    let (unit, suffix) = match greatest {
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let decimals = (0..6).find(|&d| {
        let scaled = step / unit * 10.0_f64.powi(d);
        (scaled - scaled.round()).abs() < 1e-6 * scaled
    });
    let decimals = decimals.unwrap_or(6) as usize;
    format!("{:.decimals$}{suffix}", at / unit).replace('-', "−")
}
