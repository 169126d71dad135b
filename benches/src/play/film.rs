//! Frames into files: a GIF of many, a PNG of one.

use anyhow::Result;
use gif::{DisposalMethod, Encoder, Frame, Repeat};

use super::palette::{COLOURS, Palette};
use super::render::Renderer;

/// The index that leaves a pixel as it was.
const AS_BEFORE: u8 = COLOURS as u8;
/// Frames that the palette is made from.
const LOOKS: usize = 8;

/// A GIF that loops over these frames, `delay` hundredths of a second each; calls `done` after each.
pub fn gif(renderer: &Renderer, frames: &[usize], delay: u16, done: impl Fn()) -> Result<Vec<u8>> {
    let looks = frames.iter().step_by(frames.len().div_ceil(LOOKS).max(1));
    let looks: Vec<_> = looks.map(|&f| renderer.render(f)).collect();
    let mut palette = Palette::of(looks.iter().flatten());
    let (width, height) = (renderer.width as u16, renderer.height as u16);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, width, height, &palette.colours.concat())?;
    encoder.set_repeat(Repeat::Infinite)?;
    let mut shown: Option<Vec<u8>> = None;
    for batch in frames.chunks(workers()) {
        for pixels in side_by_side(renderer, batch) {
            let now: Vec<u8> = pixels.iter().map(|&p| palette.index(p)).collect();
            let whole = Frame {
                width,
                height,
                delay,
                dispose: DisposalMethod::Keep,
                buffer: now.clone().into(),
                ..Frame::default()
            };
            let mut candidates = vec![whole];
            candidates.extend(shown.map(|before| difference(&before, &now, width, delay)));
            // Under a moving camera the whole frame is often the smaller.
            candidates.iter_mut().for_each(Frame::make_lzw_pre_encoded);
            if let Some(frame) = candidates.iter().min_by_key(|f| f.buffer.len()) {
                encoder.write_lzw_pre_encoded_frame(frame)?;
            }
            shown = Some(now);
            done();
        }
    }
    drop(encoder);
    Ok(file)
}

/// The rows that changed, with the pixels that did not left out.
fn difference(before: &[u8], now: &[u8], width: u16, delay: u16) -> Frame<'static> {
    let w = usize::from(width);
    let changed = |&i: &usize| before[i] != now[i];
    let top = (0..now.len()).find(changed).map_or(0, |i| i / w);
    let bottom = (0..now.len()).rfind(changed).map_or(0, |i| i / w);
    let rows = top * w..(bottom + 1) * w;
    let pixel = |i: usize| if changed(&i) { now[i] } else { AS_BEFORE };
    Frame {
        top: top as u16,
        width,
        height: (bottom + 1 - top) as u16,
        delay,
        dispose: DisposalMethod::Keep,
        transparent: Some(AS_BEFORE),
        buffer: rows.map(pixel).collect::<Vec<_>>().into(),
        ..Frame::default()
    }
}

/// Renders frames on all cores.
fn side_by_side(renderer: &Renderer, frames: &[usize]) -> Vec<Vec<[u8; 3]>> {
    let mut pictures = vec![Vec::new(); frames.len()];
    std::thread::scope(|scope| {
        for (picture, &frame) in pictures.iter_mut().zip(frames) {
            scope.spawn(move || *picture = renderer.render(frame));
        }
    });
    pictures
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A PNG of one frame.
pub fn png(renderer: &Renderer, frame: usize) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, renderer.width as u32, renderer.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(renderer.render(frame).as_flattened())?;
    writer.finish()?;
    Ok(file)
}
