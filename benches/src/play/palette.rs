//! One palette for a whole film, so that nothing flickers from frame to frame.

/// Colours of a palette: few, which keeps films small. The next index is left for "as before".
pub const COLOURS: usize = 127;
/// Colours are told apart to this many bits a channel.
const BITS: u32 = 6;

/// The palette, and for every colour its nearest entry.
pub struct Palette {
    pub colours: Vec<[u8; 3]>,
    nearest: Vec<Option<u8>>,
}

/// A colour and how much it counts.
type Weighted = ([f32; 3], f32);

impl Palette {
    /// For pixels like these: cuts the box of colours that varies most at its mean, again and
    /// again (Heckbert 1982, "Color image quantization for frame buffer display").
    pub fn of<'a>(pixels: impl Iterator<Item = &'a [u8; 3]>) -> Self {
        let mut counts = vec![(0u32, [0u32; 3]); 1 << (3 * BITS)];
        for pixel in pixels {
            let (count, sum) = &mut counts[key(*pixel)];
            *count += 1;
            for (s, p) in sum.iter_mut().zip(pixel) {
                *s += u32::from(*p);
            }
        }
        let seen = counts.iter().filter(|c| c.0 > 0);
        let colours: Vec<Weighted> = seen
            // The square root keeps a small robot's colours on a large floor.
            .map(|(n, sum)| (sum.map(|s| s as f32 / *n as f32), (*n as f32).sqrt()))
            .collect();
        let mut boxes = vec![Cut::of(colours)];
        while boxes.len() < COLOURS {
            let widest =
                (0..boxes.len()).max_by(|&a, &b| boxes[a].spread.total_cmp(&boxes[b].spread));
            let Some(i) = widest.filter(|&i| boxes[i].spread > 0.0) else {
                break;
            };
            let Cut {
                colours,
                mean,
                axis,
                ..
            } = boxes.swap_remove(i);
            let (low, high) = colours.into_iter().partition(|c| c.0[axis] <= mean[axis]);
            boxes.extend([Cut::of(low), Cut::of(high)]);
        }
        Self {
            colours: boxes
                .iter()
                .map(|b| b.mean.map(|m| (m + 0.5) as u8))
                .collect(),
            nearest: vec![None; counts.len()],
        }
    }

    /// The index of the colour nearest to this one.
    pub fn index(&mut self, pixel: [u8; 3]) -> u8 {
        let colours = &self.colours;
        *self.nearest[key(pixel)].get_or_insert_with(|| {
            let far = |c: &[u8; 3]| -> u32 {
                let channel = |i: usize| u32::from(c[i].abs_diff(pixel[i])).pow(2);
                (0..3).map(channel).sum()
            };
            let best = (0u8..).zip(colours).min_by_key(|(_, c)| far(c));
            best.map_or(0, |(i, _)| i)
        })
    }
}

fn key(pixel: [u8; 3]) -> usize {
    let channel = |p: u8| usize::from(p >> (8 - BITS));
    pixel.iter().fold(0, |key, &p| key << BITS | channel(p))
}

/// A box of colours, and where it would be cut.
struct Cut {
    colours: Vec<Weighted>,
    mean: [f32; 3],
    axis: usize,
    /// Its weighted squared distances along that axis from the mean.
    spread: f32,
}

impl Cut {
    fn of(colours: Vec<Weighted>) -> Self {
        let sum =
            |f: &dyn Fn(&[f32; 3]) -> f32| -> f32 { colours.iter().map(|(c, w)| w * f(c)).sum() };
        let total = sum(&|_| 1.0).max(1e-6);
        let mean = [0, 1, 2].map(|i| sum(&|c| c[i]) / total);
        let spreads = [0, 1, 2].map(|i| sum(&|c| (c[i] - mean[i]).powi(2)));
        let widest = (0..3).max_by(|&a, &b| spreads[a].total_cmp(&spreads[b]));
        let axis = widest.unwrap_or(0);
        let spread = if colours.len() > 1 {
            spreads[axis]
        } else {
            0.0
        };
        Self {
            colours,
            mean,
            axis,
            spread,
        }
    }
}
