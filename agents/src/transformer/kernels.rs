//! The loops that the host path of [`super`] consists of: products of matrices, normalisation, softmax,
//! activations, dropout.
//!
//! Sums go through sixteen lanes in a fixed order and no operation is fused, so the same input gives the
//! same bits on every machine with the same gemm kernels.

use pulp::Arch;

/// Added to the variance under the root (PyTorch's and GPT-2's default).
pub const EPSILON: f32 = 1e-5;
const LANES: usize = 16;

/// A matrix inside a slice: element (i, j) is `data[offset + i · row + j · column]`.
#[derive(Clone, Copy)]
pub struct Matrix {
    pub offset: usize,
    pub row: usize,
    pub column: usize,
}

impl Matrix {
    /// Row-major from the slice's start, `width` numbers a row.
    pub fn rows(width: usize) -> Self {
        Self::at(0, width)
    }

    /// Row-major from `offset`, rows `row` numbers apart.
    pub fn at(offset: usize, row: usize) -> Self {
        Self {
            offset,
            row,
            column: 1,
        }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            row: self.column,
            column: self.row,
            ..self
        }
    }

    fn check(self, rows: usize, columns: usize, len: usize) {
        assert!(rows > 0 && columns > 0, "an empty matrix");
        let last = self.offset + (rows - 1) * self.row + (columns - 1) * self.column;
        assert!(last < len, "a matrix of {rows}x{columns} ends beyond {len}");
    }
}

/// dst ← scale · a b, or dst + scale · a b if `add`; a is `[m, k]`, b `[k, n]`, dst `[m, n]`.
#[allow(unsafe_code)] // gemm takes pointers
pub fn matmul(
    (m, k, n): (usize, usize, usize),
    (dst, d): (&mut [f32], Matrix),
    (a, at): (&[f32], Matrix),
    (b, bt): (&[f32], Matrix),
    scale: f32,
    add: bool,
) {
    d.check(m, n, dst.len());
    at.check(m, k, a.len());
    bt.check(k, n, b.len());
    let (d_row, d_column) = (d.row as isize, d.column as isize);
    // SAFETY: every element read or written lies in its slice, as just checked; `dst` is borrowed for
    // writing alone, and its elements are distinct since it is a row-major part of a larger matrix.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr().add(d.offset),
            d_column,
            d_row,
            add,
            a.as_ptr().add(at.offset),
            at.column as isize,
            at.row as isize,
            b.as_ptr().add(bt.offset),
            bt.column as isize,
            bt.row as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Σ f(i) over `0..n`, lane by lane.
#[inline(always)]
fn sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = n / LANES * LANES;
    for i in (0..whole).step_by(LANES) {
        for (k, lane) in lanes.iter_mut().enumerate() {
            *lane += f(i + k);
        }
    }
    let rest: f32 = (whole..n).map(f).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Mean and reciprocal deviation of each row.
pub type Stats = Vec<(f32, f32)>;

/// y = (x − mean) / deviation · gain + bias of each row.
pub fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32], y: &mut [f32]) -> Stats {
    let width = gain.len();
    let mut stats = Vec::with_capacity(x.len() / width);
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
                let mean = sum(width, |i| x[i]) / width as f32;
                let variance = sum(width, |i| (x[i] - mean) * (x[i] - mean)) / width as f32;
                let inverse = 1.0 / (variance + EPSILON).sqrt();
                stats.push((mean, inverse));
                for (((y, x), g), b) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                    *y = (x - mean) * inverse * g + b;
                }
            }
        },
    );
    stats
}

/// The gradient by x of a loss whose gradient by [`layer_norm`]'s y is `dy`, added to `dx`; those by gain
/// and bias are added to `dgain` and `dbias`.
pub fn layer_norm_backward(
    (x, stats): (&[f32], &Stats),
    gain: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    (dgain, dbias): (&mut [f32], &mut [f32]),
) {
    let width = gain.len();
    let n = width as f32;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
            let rows = rows.zip(dx.chunks_exact_mut(width)).zip(stats);
            for (((x, dy), dx), &(mean, inverse)) in rows {
                let (x, dy, gain) = (&x[..width], &dy[..width], &gain[..width]);
                let a = sum(width, |i| dy[i] * gain[i]) / n;
                let b = sum(width, |i| dy[i] * gain[i] * ((x[i] - mean) * inverse)) / n;
                let (dx, dgain, dbias) =
                    (&mut dx[..width], &mut dgain[..width], &mut dbias[..width]);
                for i in 0..width {
                    let unit = (x[i] - mean) * inverse;
                    dx[i] += inverse * (dy[i] * gain[i] - a - unit * b);
                    dgain[i] += dy[i] * unit;
                    dbias[i] += dy[i];
                }
            }
        },
    );
}

/// eˣ to two units in the last place, for x ≤ 88; 0 below −87.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let clamped = x.max(-87.0);
    let shifted = clamped * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5.0e-1;
    let p = p * r * r + r + 1.0;
    let power = (shifted.to_bits() as i32).wrapping_sub(0x4B40_0000);
    let scale = f32::from_bits(((power + 127) << 23) as u32);
    if x < -87.0 { 0.0 } else { p * scale }
}

/// Softmax over the first `keys` numbers of a row where `allowed` (if given); all others become 0. A row
/// with nothing allowed becomes 0.
#[inline(always)]
pub fn softmax(row: &mut [f32], keys: usize, allowed: Option<&[bool]>) {
    let (row, rest) = row.split_at_mut(keys);
    rest.fill(0.0);
    if let Some(allowed) = allowed {
        for (x, ok) in row.iter_mut().zip(allowed) {
            *x = if *ok { *x } else { f32::NEG_INFINITY };
        }
    }
    let mut most = [f32::NEG_INFINITY; LANES];
    let (lanes, rest) = row.as_chunks::<LANES>();
    for lane in lanes {
        for (m, x) in most.iter_mut().zip(lane) {
            *m = if *x > *m { *x } else { *m };
        }
    }
    let most = most
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    if most == f32::NEG_INFINITY {
        return row.fill(0.0);
    }
    for x in row.iter_mut() {
        *x = exp(*x - most);
    }
    let total = sum(keys, |i| row[i]);
    let inverse = 1.0 / total;
    row.iter_mut().for_each(|x| *x *= inverse);
}

/// dp ← p (dp − Σ p dp): the gradient by the numbers of which p is the softmax.
#[inline(always)]
pub fn softmax_backward(p: &[f32], dp: &mut [f32]) {
    let n = p.len();
    let dp = &mut dp[..n];
    let dot = sum(n, |i| p[i] * dp[i]);
    for (dp, p) in dp.iter_mut().zip(p) {
        *dp = p * (*dp - dot);
    }
}

/// Φ(x), to 10⁻⁷ (Abramowitz & Stegun 7.1.26), and the density φ(x) without 1/√(2π).
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let p = 1.061_405_4_f32;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_7;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let density = exp(-z * z);
    let tail = 0.5 * p * t * density;
    (if x > 0.0 { 1.0 - tail } else { tail }, density)
}

/// y = x Φ(x) after a bias is added to x.
pub fn gelu(x: &mut [f32], bias: &[f32], y: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let width = bias.len();
            for (x, y) in x.chunks_exact_mut(width).zip(y.chunks_exact_mut(width)) {
                for ((x, y), b) in x.iter_mut().zip(y).zip(bias) {
                    *x += b;
                    *y = *x * normal(*x).0;
                }
            }
        },
    );
}

/// dy ← dy d(x Φ(x))/dx.
pub fn gelu_backward(x: &[f32], dy: &mut [f32]) {
    const INVERSE_ROOT_TWO_PI: f32 = 0.398_942_3;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (x, dy) in x.iter().zip(dy) {
                let (below, density) = normal(*x);
                *dy *= below + x * density * INVERSE_ROOT_TWO_PI;
            }
        },
    );
}

/// x ← max(x + bias, 0), row by row.
pub fn relu(x: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for x in x.chunks_exact_mut(bias.len()) {
                x.iter_mut()
                    .zip(bias)
                    .for_each(|(x, b)| *x = (*x + b).max(0.0));
            }
        },
    );
}

/// dy ← dy where y > 0, else 0.
pub fn relu_backward(y: &[f32], dy: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (y, dy) in y.iter().zip(dy) {
                *dy = if *y > 0.0 { *dy } else { 0.0 };
            }
        },
    );
}

/// x ← x + bias, row by row.
pub fn add_bias(x: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for x in x.chunks_exact_mut(bias.len()) {
                x.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
            }
        },
    );
}

/// x ← x + y.
pub fn add(x: &mut [f32], y: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || x.iter_mut().zip(y).for_each(|(x, y)| *x += y),
    );
}

/// Adds each row of `dy` to `dbias`.
pub fn add_rows(dy: &[f32], dbias: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for dy in dy.chunks_exact(dbias.len()) {
                dbias.iter_mut().zip(dy).for_each(|(b, d)| *b += d);
            }
        },
    );
}

/// Dropout whose mask is a function of a seed, so that the backward pass need not remember it.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    seed: u64,
    /// Of 2³².
    dropped: u32,
    kept: f32,
}

impl Dropout {
    /// Drops with probability `p` in [0, 1).
    pub fn new(p: f64, seed: u64) -> Self {
        Self {
            seed,
            dropped: (p * f64::from(u32::MAX)) as u32,
            kept: (1.0 / (1.0 - p)) as f32,
        }
    }

    /// An independent mask for another place in the network.
    #[must_use]
    pub fn site(self, site: u64) -> Self {
        // SplitMix64 (Steele et al. 2014).
        let mut z = self
            .seed
            .wrapping_add(site.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Self {
            seed: z ^ (z >> 31),
            ..self
        }
    }

    /// The factor of number `i`: 0 or 1/(1 − p).
    #[inline(always)]
    pub fn factor(self, i: u32) -> f32 {
        // The mixing of triple32 (Wellons 2018), keyed on either side.
        let mut h = i ^ self.seed as u32;
        h = (h ^ (h >> 17)).wrapping_mul(0xED5A_D4BB);
        h = (h ^ (h >> 11)).wrapping_mul(0xAC4C_1B51);
        h ^= (self.seed >> 32) as u32;
        h = (h ^ (h >> 15)).wrapping_mul(0x3184_8BAB);
        h ^= h >> 14;
        if h < self.dropped { 0.0 } else { self.kept }
    }

    /// Multiplies numbers `first..` by their factors.
    pub fn apply(self, x: &mut [f32], first: usize) {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                for (i, x) in x.iter_mut().enumerate() {
                    *x *= self.factor((first + i) as u32);
                }
            },
        );
    }

    /// The factors of the first `n` numbers.
    pub fn factors(self, n: usize) -> Vec<f32> {
        (0..n).map(|i| self.factor(i as u32)).collect()
    }
}

/// tanh(log(1 + eˣ)) = n / (n + 2) with n = eˣ (eˣ + 2), and the sigmoid of x.
#[inline(always)]
fn mish_parts(x: f32) -> (f32, f32) {
    let e = exp(if x > 20.0 { 20.0 } else { x });
    let n = e * (e + 2.0);
    (n / (n + 2.0), e / (e + 1.0))
}

/// x ← x tanh(log(1 + eˣ)).
pub fn mish(x: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x *= mish_parts(*x).0),
    );
}

/// dy ← dy d mish(x)/dx.
pub fn mish_backward(x: &[f32], dy: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (x, dy) in x.iter().zip(dy) {
                let (t, s) = mish_parts(*x);
                *dy *= t + x * s * (1.0 - t * t);
            }
        },
    );
}
