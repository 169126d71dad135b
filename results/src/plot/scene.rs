//! A picture as a list of marks, and its SVG form. Units are SVG user units, y pointing down.

use std::fmt::Write as _;

use crate::table::text::clean;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) struct Text {
    /// Where the anchor lies on the base line.
    pub at: [f64; 2],
    pub size: f64,
    pub anchor: Anchor,
    pub bold: bool,
    /// Reading from bottom to top.
    pub upwards: bool,
    pub colour: Colour,
    pub text: String,
}

pub(super) enum Mark {
    Line {
        points: Vec<[f64; 2]>,
        colour: Colour,
        width: f64,
        opacity: f64,
        dash: &'static [f64],
    },
    Area {
        points: Vec<[f64; 2]>,
        colour: Colour,
        opacity: f64,
    },
    Dot {
        at: [f64; 2],
        radius: f64,
        colour: Colour,
    },
    Text(Text),
}

pub(super) struct Scene {
    pub width: f64,
    pub height: f64,
    /// Read out by screen readers.
    pub title: String,
    pub marks: Vec<Mark>,
}

impl Scene {
    pub(super) fn svg(&self) -> String {
        let (w, h) = (self.width, self.height);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" font-family=\"'Noto Sans', 'DejaVu Sans', Arial, sans-serif\">\n\
             <title>{}</title>\n<rect width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>\n",
            escaped(&self.title)
        );
        for mark in &self.marks {
            // Writing to a String cannot fail.
            let _ = match mark {
                Mark::Line {
                    points,
                    colour,
                    width,
                    opacity,
                    dash,
                } => {
                    let dash: Vec<String> = dash.iter().map(f64::to_string).collect();
                    let dash = match dash.is_empty() {
                        true => String::new(),
                        false => format!(" stroke-dasharray=\"{}\"", dash.join(" ")),
                    };
                    writeln!(
                        out,
                        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{}{dash} \
                         stroke-linecap=\"butt\" stroke-linejoin=\"round\"/>",
                        listed(points),
                        hex(*colour),
                        translucent("stroke", *opacity)
                    )
                }
                Mark::Area {
                    points,
                    colour,
                    opacity,
                } => writeln!(
                    out,
                    "<polygon points=\"{}\" fill=\"{}\"{}/>",
                    listed(points),
                    hex(*colour),
                    translucent("fill", *opacity)
                ),
                Mark::Dot {
                    at: [x, y],
                    radius,
                    colour,
                } => writeln!(
                    out,
                    "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\" fill=\"{}\"/>",
                    rounded(*x),
                    rounded(*y),
                    hex(*colour)
                ),
                Mark::Text(text) => writeln!(out, "{}", text.svg()),
            };
        }
        out += "</svg>\n";
        out
    }
}

impl Text {
    fn svg(&self) -> String {
        let [x, y] = self.at.map(rounded);
        let anchor = match self.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let turn = if self.upwards {
            format!(" transform=\"rotate(-90 {x} {y})\"")
        } else {
            String::new()
        };
        let weight = if self.bold {
            " font-weight=\"bold\""
        } else {
            ""
        };
        format!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{weight}{anchor} fill=\"{}\"{turn}>{}</text>",
            self.size,
            hex(self.colour),
            escaped(&self.text)
        )
    }
}

fn listed(points: &[[f64; 2]]) -> String {
    let each = points
        .iter()
        .map(|&[x, y]| format!("{},{}", rounded(x), rounded(y)));
    each.collect::<Vec<_>>().join(" ")
}

/// To a hundredth of a unit, which no eye can see.
fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

pub(super) fn hex([r, g, b]: Colour) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn translucent(what: &str, opacity: f64) -> String {
    if opacity < 1.0 {
        format!(" {what}-opacity=\"{opacity}\"")
    } else {
        String::new()
    }
}

/// Text as XML or HTML, without control characters, which XML 1.0 cannot hold.
pub(crate) fn escaped(text: &str) -> String {
    clean(text)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
