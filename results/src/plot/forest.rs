//! Estimates as dots on their intervals, a row each, one panel or several side by side: rliable's
//! `plot_interval_estimates`, and forest plots.

use super::parts::{FAINT, GRID, INK, PALETTE, fitted, header, line, range, text, ticks};
use super::raster::Fonts;
use super::scene::{Anchor, Mark, Scene, Text};
use super::{Figure, WIDTH, raster};
use crate::Error;
use crate::stats::{Estimate, Interval};

/// What a chart of estimates shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forest {
    /// The heading.
    pub title: String,
    /// Beside the heading, fainter.
    pub tag: String,
    /// Under the heading: what dots and bars are.
    pub how: String,
    /// What is shown, for those who cannot see it; the panels' axes are added.
    pub alt: String,
    /// From top to bottom.
    pub rows: Vec<Row>,
    /// From left to right. One alone has its figures written beside the dots.
    pub panels: Vec<Panel>,
}

/// What stands at the left of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// Its name.
    pub label: String,
    /// Under the name, fainter; may be empty.
    pub note: String,
    /// Position in the order of colours.
    pub style: usize,
}

/// One axis of a [`Forest`], and its dots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    /// What its dots are; may be empty.
    pub title: String,
    /// The axis, with its unit.
    pub x: String,
    /// The range of the axis, if it is not the data's.
    pub range: Option<[f64; 2]>,
    /// A value that a dashed line marks.
    pub mark: Option<f64>,
    /// Decimals of the figures beside the dots.
    pub decimals: usize,
    /// A dot for each row; `None` leaves the row empty.
    pub dots: Vec<Option<Estimate>>,
}

impl Forest {
    /// Draws the chart; `name` is for the file.
    ///
    /// # Errors
    /// [`Error::Drawing`] if the PNG cannot be made.
    pub fn draw(&self, name: &str) -> Result<Figure, Error> {
        Figure::of(name, &self.scene(WIDTH)?)
    }

    /// The chart as an SVG document, `width` units wide (some 400 at least); the letters keep
    /// their size.
    ///
    /// # Errors
    /// [`Error::Drawing`] if the font cannot be read.
    pub fn svg(&self, width: f64) -> Result<String, Error> {
        Ok(self.scene(width)?.svg())
    }

    fn scene(&self, width: f64) -> Result<Scene, Error> {
        let fonts = raster::Fonts::new()?;
        let mut marks = Vec::new();
        let (left, right) = (20.0, width - 20.0);
        let heading = [&*self.title, &*self.tag, &*self.how];
        header(&mut marks, &fonts, heading, [left, right]);

        let two_lines = self.rows.iter().any(|row| !row.note.is_empty());
        let frame = Frame {
            top: if self.panels.iter().all(|p| p.title.is_empty()) {
                66.0
            } else {
                88.0
            },
            row: if two_lines { 40.0 } else { 28.0 },
            rows: self.rows.len(),
        };
        let room = 0.4 * (right - left);
        let widest = |width: f64, row: &Row| {
            let label = fonts.width(&row.label, LABEL, false);
            width.max(label).max(fonts.width(&row.note, NOTE, false))
        };
        let labels = self.rows.iter().fold(0.0, widest).min(room);
        for (i, row) in self.rows.iter().enumerate() {
            let y = frame.middle(i) + if row.note.is_empty() { 4.3 } else { -2.5 };
            let lines = [
                (&row.label, y, LABEL, INK),
                (&row.note, y + 15.0, NOTE, FAINT),
            ];
            for (words, y, size, colour) in lines {
                let words = fitted(&fonts, words, size, room);
                marks.push(Mark::Text(text(
                    [left, y],
                    size,
                    Anchor::Start,
                    colour,
                    words,
                )));
            }
        }

        let begin = left + labels + GAP;
        let each = (right - begin + GAP) / self.panels.len().max(1) as f64;
        let alone = self.panels.len() == 1;
        for (i, panel) in self.panels.iter().enumerate() {
            let begin = begin + i as f64 * each;
            let figures = if alone { panel.written(&fonts) } else { 0.0 };
            let ends = [begin, begin + each - GAP - figures];
            panel.draw(&mut marks, &fonts, &frame, ends, &self.rows);
            if alone {
                panel.write(&mut marks, &frame, right);
            }
        }
        let axes: Vec<&str> = self.panels.iter().map(|p| &*p.x).collect();
        Ok(Scene {
            width,
            height: frame.bottom() + 58.0,
            title: format!("{}: {}", self.alt, axes.join("; ")),
            marks,
        })
    }
}

const LABEL: f64 = 12.5;
const NOTE: f64 = 11.5;
/// Between labels and panels, and between panels.
const GAP: f64 = 22.0;

/// Where the rows are.
struct Frame {
    top: f64,
    row: f64,
    rows: usize,
}

impl Frame {
    fn middle(&self, row: usize) -> f64 {
        self.top + self.row * (row as f64 + 0.5)
    }

    fn bottom(&self) -> f64 {
        self.top + self.row * self.rows as f64
    }
}

impl Panel {
    fn draw(
        &self,
        marks: &mut Vec<Mark>,
        fonts: &Fonts,
        frame: &Frame,
        [left, right]: [f64; 2],
        rows: &[Row],
    ) {
        let [low, high] = self.range();
        let at = |x: f64| left + (x - low) / (high - low) * (right - left);
        let (top, bottom) = (frame.top, frame.bottom());
        let title = fitted(fonts, &self.title, LABEL, right - left);
        marks.push(Mark::Text(Text {
            bold: true,
            ..text([left, top - 10.0], LABEL, Anchor::Start, INK, title)
        }));
        let count = ((right - left) / 45.0).clamp(2.0, 5.0);
        for (x, label) in ticks([low, high], count) {
            let x = at(x);
            marks.push(line(vec![[x, top], [x, bottom]], GRID, 1.0, 1.0, &[]));
            let under = [x, bottom + 17.0];
            marks.push(Mark::Text(text(under, 11.5, Anchor::Middle, INK, label)));
        }
        marks.push(line(
            vec![[left, bottom], [right, bottom]],
            INK,
            1.0,
            1.0,
            &[],
        ));
        if let Some(x) = self.mark.map(at) {
            let across = vec![[x, top], [x, bottom]];
            marks.push(line(across, INK, 1.2, 1.0, &[5.0, 3.0]));
        }
        let axis = fitted(fonts, &self.x, 12.0, right - left + GAP);
        let middle = [(left + right) / 2.0, bottom + 38.0];
        marks.push(Mark::Text(text(middle, 12.0, Anchor::Middle, INK, axis)));

        for (i, (dot, row)) in self.dots.iter().zip(rows).enumerate() {
            let Some(dot) = dot else { continue };
            let (y, colour) = (frame.middle(i), PALETTE[row.style % PALETTE.len()]);
            if let Some(Interval { low, high }) = dot.interval {
                let bar = vec![[at(low), y], [at(high), y]];
                marks.push(line(bar, colour, 9.0, 0.35, &[]));
            }
            marks.push(Mark::Dot {
                at: [at(dot.value), y],
                radius: 4.5,
                colour,
            });
        }
    }

    /// Writes the figures, ending at `right`.
    fn write(&self, marks: &mut Vec<Mark>, frame: &Frame, right: f64) {
        for (i, dot) in self.dots.iter().enumerate() {
            let figures = dot.map_or_else(|| "–".to_owned(), |dot| dot.text(self.decimals));
            let at = [right, frame.middle(i) + 4.3];
            marks.push(Mark::Text(text(at, NOTE, Anchor::End, INK, figures)));
        }
    }

    /// The room that [`Panel::write`] takes.
    fn written(&self, fonts: &Fonts) -> f64 {
        let each = self.dots.iter().flatten();
        let widths = each.map(|dot| fonts.width(&dot.text(self.decimals), NOTE, false));
        // Where the font is another its letters may be wider.
        1.1 * widths.fold(0.0, f64::max) + 18.0
    }

    fn range(&self) -> [f64; 2] {
        self.range.unwrap_or_else(|| {
            let dots = self.dots.iter().flatten();
            let ends = dots.flat_map(|dot| {
                let interval = dot.interval.map(|i| [i.low, i.high]);
                [dot.value]
                    .into_iter()
                    .chain(interval.into_iter().flatten())
            });
            let [low, high] = range(ends.chain(self.mark));
            let air = 0.06 * (high - low);
            [low - air, high + air]
        })
    }
}
