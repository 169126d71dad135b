//! A scene as PNG: paths by tiny-skia, text as the outlines of the compiled-in Noto Sans.

use tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Stroke, StrokeDash, Transform,
};
use ttf_parser::{Face, OutlineBuilder};

use super::scene::{Anchor, Colour, Mark, Scene, Text};
use crate::Error;

/// Pixels per unit.
const SCALE: f32 = 2.0;

/// The two weights of the font.
pub(super) struct Fonts {
    regular: Face<'static>,
    bold: Face<'static>,
}

impl Fonts {
    pub(super) fn new() -> Result<Self, Error> {
        let parse = |bytes| {
            Face::parse(bytes, 0).map_err(|e| Error::Drawing {
                reason: e.to_string(),
            })
        };
        Ok(Self {
            regular: parse(notosans::REGULAR_TTF)?,
            bold: parse(notosans::BOLD_TTF)?,
        })
    }

    fn face(&self, bold: bool) -> &Face<'static> {
        if bold { &self.bold } else { &self.regular }
    }

    /// Width of `text` in units, without kerning.
    pub(super) fn width(&self, text: &str, size: f64, bold: bool) -> f64 {
        let face = self.face(bold);
        let advances = text.chars().map(|c| f64::from(advance(face, c)));
        advances.sum::<f64>() * size / f64::from(face.units_per_em())
    }

    /// The outlines of `text`, or nothing if it is blank.
    fn outline(&self, text: &Text) -> Option<Path> {
        let face = self.face(text.bold);
        let offset = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => self.width(&text.text, text.size, text.bold) / 2.0,
            Anchor::End => self.width(&text.text, text.size, text.bold),
        };
        let scale = text.size as f32 / f32::from(face.units_per_em());
        let mut pen = Pen {
            path: PathBuilder::new(),
            origin: text.at.map(|x| x as f32),
            scale,
            along: -offset as f32,
            upwards: text.upwards,
        };
        for c in text.text.chars() {
            if let Some(glyph) = face.glyph_index(c) {
                face.outline_glyph(glyph, &mut pen);
            }
            pen.along += f32::from(advance(face, c)) * scale;
        }
        pen.path.finish()
    }
}

fn advance(face: &Face<'_>, c: char) -> u16 {
    face.glyph_index(c)
        .and_then(|glyph| face.glyph_hor_advance(glyph))
        .unwrap_or(0)
}

/// Carries glyph outlines, in font units with y pointing up, to their place in the scene.
struct Pen {
    path: PathBuilder,
    origin: [f32; 2],
    scale: f32,
    along: f32,
    upwards: bool,
}

impl Pen {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        let (along, above) = (self.along + x * self.scale, y * self.scale);
        let [x, y] = self.origin;
        if self.upwards {
            (x - above, y - along)
        } else {
            (x + along, y - above)
        }
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) =
            (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }
    fn close(&mut self) {
        self.path.close();
    }
}

/// Draws the scene and encodes it.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>, Error> {
    let fonts = Fonts::new()?;
    let pixels = |length: f64| (length as f32 * SCALE).ceil() as u32;
    let mut image =
        Pixmap::new(pixels(scene.width), pixels(scene.height)).ok_or_else(|| Error::Drawing {
            reason: "the picture has no area or is too large".into(),
        })?;
    image.fill(Color::WHITE);
    let view = Transform::from_scale(SCALE, SCALE);
    for mark in &scene.marks {
        match mark {
            Mark::Line {
                points,
                colour,
                width,
                opacity,
                dash,
            } => {
                let Some(path) = joined(points, false) else {
                    continue;
                };
                let dash = dash.iter().map(|&length| length as f32).collect();
                let stroke = Stroke {
                    width: *width as f32,
                    line_join: LineJoin::Round,
                    dash: StrokeDash::new(dash, 0.0),
                    ..Stroke::default()
                };
                image.stroke_path(&path, &paint(*colour, *opacity), &stroke, view, None);
            }
            Mark::Area {
                points,
                colour,
                opacity,
            } => {
                let Some(path) = joined(points, true) else {
                    continue;
                };
                image.fill_path(
                    &path,
                    &paint(*colour, *opacity),
                    FillRule::Winding,
                    view,
                    None,
                );
            }
            Mark::Dot {
                at: [x, y],
                radius,
                colour,
            } => {
                let Some(path) = PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32)
                else {
                    continue;
                };
                image.fill_path(&path, &paint(*colour, 1.0), FillRule::Winding, view, None);
            }
            Mark::Text(text) => {
                let Some(path) = fonts.outline(text) else {
                    continue;
                };
                image.fill_path(
                    &path,
                    &paint(text.colour, 1.0),
                    FillRule::Winding,
                    view,
                    None,
                );
            }
        }
    }
    image.encode_png().map_err(|e| Error::Drawing {
        reason: e.to_string(),
    })
}

fn joined(points: &[[f64; 2]], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, &[x, y]) in points.iter().enumerate() {
        let (x, y) = (x as f32, y as f32);
        if i == 0 {
            path.move_to(x, y)
        } else {
            path.line_to(x, y)
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn paint(colour: Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    let [r, g, b] = colour;
    paint.set_color_rgba8(r, g, b, (opacity * 255.0).round() as u8);
    paint.anti_alias = true;
    paint
}
