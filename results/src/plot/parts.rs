//! What the kinds of charts share: colours, lettering, ranges and ticks.

use super::raster::Fonts;
use super::scene::{Anchor, Colour, Mark, Text};

/// The palette of Okabe and Ito, "Color Universal Design" (2008), told apart under all common
/// forms of colour blindness; its yellow is left out because it vanishes on white.
pub(super) const PALETTE: [Colour; 7] = [
    [0x00, 0x72, 0xb2],
    [0xd5, 0x5e, 0x00],
    [0x00, 0x9e, 0x73],
    [0xcc, 0x79, 0xa7],
    [0xe6, 0x9f, 0x00],
    [0x56, 0xb4, 0xe9],
    [0x00, 0x00, 0x00],
];
/// Line patterns, taken in turn when the palette is used up.
pub(super) const DASHES: [&[f64]; 3] = [&[], &[7.0, 3.0], &[2.0, 2.5]];
pub(super) const INK: Colour = [0x22, 0x22, 0x22];
pub(super) const FAINT: Colour = [0x66, 0x66, 0x66];
pub(super) const GRID: Colour = [0xe4, 0xe4, 0xe4];

/// Heading, tag and the line under them, in the room from `left` to `right`.
pub(super) fn header(
    marks: &mut Vec<Mark>,
    fonts: &Fonts,
    [title, tag, how]: [&str; 3],
    [left, right]: [f64; 2],
) {
    let room = right - left - fonts.width(tag, 13.0, false) - 12.0;
    let title = Text {
        bold: true,
        ..text(
            [left, 28.0],
            17.0,
            Anchor::Start,
            INK,
            fitted(fonts, title, 17.0, 0.93 * room),
        )
    };
    let after = left + fonts.width(&title.text, 17.0, true) + 12.0;
    let how = fitted(fonts, how, 12.0, right - left);
    marks.push(Mark::Text(title));
    marks.push(Mark::Text(text(
        [after, 28.0],
        13.0,
        Anchor::Start,
        FAINT,
        tag.to_owned(),
    )));
    marks.push(Mark::Text(text(
        [left, 47.0],
        12.0,
        Anchor::Start,
        FAINT,
        how,
    )));
}

pub(super) fn text(at: [f64; 2], size: f64, anchor: Anchor, colour: Colour, text: String) -> Text {
    Text {
        at,
        size,
        anchor,
        bold: false,
        upwards: false,
        colour,
        text,
    }
}

pub(super) fn line(
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

/// `label`, shortened in its middle where it would be wider than `room`: what tells labels apart often stands at
/// their end.
pub(super) fn fitted(fonts: &Fonts, label: &str, size: f64, room: f64) -> String {
    if fonts.width(label, size, false) <= room {
        return label.to_owned();
    }
    let mut kept: Vec<char> = label.chars().collect();
    while !kept.is_empty() && fonts.width(&String::from_iter(&kept), size, false) + size > room {
        kept.remove(kept.len() / 2);
    }
    kept.insert(kept.len().div_ceil(2), '…');
    kept.into_iter().collect()
}

/// Least and greatest value, made an interval of positive length; [0, 1] for no values.
pub(super) fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let ends = values.fold(None, |ends: Option<[f64; 2]>, x| {
        Some(ends.map_or([x, x], |[a, b]| [a.min(x), b.max(x)]))
    });
    match ends {
        None => [0.0, 1.0],
        Some([a, b]) if a == b => [a - 0.5 * a.abs().max(1.0), b + 0.5 * b.abs().max(1.0)],
        Some(ends) => ends,
    }
}

/// Round numbers in the interval, about `n` of them, with their labels.
pub(super) fn ticks([low, high]: [f64; 2], n: f64) -> Vec<(f64, String)> {
    let rough = (high - low) / n;
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
