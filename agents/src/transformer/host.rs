//! The transformer on host memory: one pass forward that keeps what the pass backward needs.
//!
//! Where burn's operations go over memory once for each product, bias, mask, norm and residual, here a
//! sublayer is its products with one pass between them, attention goes sequence by sequence and head by
//! head through the cache, and all gradients are added into one vector.

use std::ops::Range;

use pulp::Arch;

use super::buffer::Buffer;
use super::kernels::{self, Dropout, Matrix, Stats, matmul};
use super::{Act, Call, Shape};

/// Where a layer's parameters lie in the flat vector.
struct Places {
    norm: [Range<usize>; 4],
    qkv: [Range<usize>; 2],
    out: [Range<usize>; 2],
    expand: [Range<usize>; 2],
    shrink: [Range<usize>; 2],
}

impl Places {
    fn of(shape: &Shape, layer: usize) -> Self {
        let mut at = 2 * shape.width + layer * shape.layer_len();
        let (d, f) = (shape.width, shape.inner);
        let mut next = |len: usize| {
            at += len;
            at - len..at
        };
        let [n0, n1] = [next(d), next(d)];
        let qkv = [next(3 * d * d), next(3 * d)];
        let out = [next(d * d), next(d)];
        let [n2, n3] = [next(d), next(d)];
        Self {
            norm: [n0, n1, n2, n3],
            qkv,
            out,
            expand: [next(d * f), next(f)],
            shrink: [next(f * d), next(d)],
        }
    }
}

/// What the backward pass needs of a sublayer: its input, and the input of its norm.
#[derive(Clone, Debug, Default)]
struct Kept {
    h: Buffer,
    normed: Buffer,
    stats: Stats,
}

/// What the backward pass needs of a layer.
#[derive(Clone, Debug, Default)]
struct Layer {
    first: Kept,
    qkv: Buffer,
    /// Attention before dropout, `[batch, heads, tokens, tokens]`.
    p: Buffer,
    mixed: Buffer,
    second: Kept,
    /// Before the activation; empty if it is a ReLU.
    z: Buffer,
    a: Buffer,
}

/// What the backward pass needs.
#[derive(Clone, Debug)]
pub struct Seen {
    x: Buffer,
    stats: Stats,
    layers: Vec<Layer>,
    last: Buffer,
    last_stats: Stats,
}

/// One application of the network to `x` `[batch, tokens, width]`.
pub struct Host<'a> {
    pub shape: &'a Shape,
    pub batch: usize,
    pub tokens: usize,
    pub w: &'a [f32],
    pub call: &'a Call,
}

impl Host<'_> {
    fn rows(&self) -> usize {
        self.batch * self.tokens
    }

    fn dropout(&self, site: usize) -> Option<Dropout> {
        let seed = self.call.dropout.filter(|_| self.shape.dropout > 0.0)?;
        Some(Dropout::new(self.shape.dropout, seed).site(site as u64))
    }

    /// y = x·w + b is begun: the product alone.
    fn product(&self, x: &[f32], [weight, bias]: &[Range<usize>; 2]) -> Buffer {
        let (n, wide) = (self.rows(), bias.len());
        let deep = weight.len() / wide;
        let mut y = Buffer::space(n * wide);
        matmul(
            (n, deep, wide),
            (&mut y, Matrix::rows(wide)),
            (x, Matrix::rows(deep)),
            (&self.w[weight.clone()], Matrix::rows(wide)),
            1.0,
            false,
        );
        y
    }

    /// The gradient by x of y = x·w + b; those by w and b are added to `dw`.
    fn product_backward(
        &self,
        (x, dy): (&[f32], &[f32]),
        [weight, bias]: &[Range<usize>; 2],
        dw: &mut [f32],
    ) -> Buffer {
        let (n, wide) = (self.rows(), bias.len());
        let deep = weight.len() / wide;
        matmul(
            (deep, n, wide),
            (&mut dw[weight.clone()], Matrix::rows(wide)),
            (x, Matrix::rows(deep).t()),
            (dy, Matrix::rows(wide)),
            1.0,
            true,
        );
        kernels::add_rows(dy, &mut dw[bias.clone()]);
        let mut dx = Buffer::space(n * deep);
        matmul(
            (n, wide, deep),
            (&mut dx, Matrix::rows(deep)),
            (dy, Matrix::rows(wide)),
            (&self.w[weight.clone()], Matrix::rows(wide).t()),
            1.0,
            false,
        );
        dx
    }

    fn norm(&self, x: &[f32], gain: &Range<usize>, bias: &Range<usize>) -> (Buffer, Stats) {
        let mut y = Buffer::space(x.len());
        let [gain, bias] = [gain, bias].map(|place| &self.w[place.clone()]);
        let stats = kernels::layer_norm(x, gain, bias, &mut y);
        (y, stats)
    }

    /// Adds the gradient by a norm's input to `dx`.
    fn norm_backward(
        &self,
        seen: (&[f32], &Stats),
        [gain, bias]: [&Range<usize>; 2],
        (dy, dx): (&[f32], &mut [f32]),
        dw: &mut [f32],
    ) {
        // Gain and bias are neighbours.
        let (dgain, dbias) = dw[gain.start..bias.end].split_at_mut(gain.len());
        kernels::layer_norm_backward(seen, &self.w[gain.clone()], dy, dx, (dgain, dbias));
    }

    /// x + dropout(f(norm(x))), or norm(x + dropout(f(x))) where norms come last.
    fn sublayer(
        &self,
        x: Buffer,
        [gain, bias]: [&Range<usize>; 2],
        site: usize,
        f: impl FnOnce(&[f32]) -> Buffer,
    ) -> (Buffer, Kept) {
        let branch = |h: &[f32]| {
            let mut y = f(h);
            if let Some(dropout) = self.dropout(site) {
                dropout.apply(&mut y, 0);
            }
            y
        };
        if self.shape.norm_first {
            let (h, stats) = self.norm(&x, gain, bias);
            let mut y = branch(&h);
            kernels::add(&mut y, &x);
            let kept = Kept {
                h,
                normed: x,
                stats,
            };
            return (y, kept);
        }
        let mut normed = branch(&x);
        kernels::add(&mut normed, &x);
        let (y, stats) = self.norm(&normed, gain, bias);
        let kept = Kept {
            h: x,
            normed,
            stats,
        };
        (y, kept)
    }

    fn sublayer_backward(
        &self,
        dy: Buffer,
        kept: &Kept,
        norm: [&Range<usize>; 2],
        site: usize,
        dw: &mut [f32],
        f: impl FnOnce(&[f32], &mut [f32]) -> Buffer,
    ) -> Buffer {
        let seen = (&kept.normed[..], &kept.stats);
        let mut dx = dy;
        if !self.shape.norm_first {
            let mut ds = Buffer::zeros(dx.len());
            self.norm_backward(seen, norm, (&dx, &mut ds), dw);
            dx = ds;
        }
        let dh = match self.dropout(site) {
            None => f(&dx, dw),
            Some(dropout) => {
                let mut branch = dx.clone();
                dropout.apply(&mut branch, 0);
                f(&branch, dw)
            }
        };
        if self.shape.norm_first {
            self.norm_backward(seen, norm, (&dh, &mut dx), dw);
        } else {
            kernels::add(&mut dx, &dh);
        }
        dx
    }

    /// The output `[batch, tokens, width]`, and what the backward pass needs, if `keep`.
    pub fn forward(&self, x: &[f32], keep: bool) -> (Vec<f32>, Option<Seen>) {
        let width = self.shape.width;
        let (mut y, stats) = self.norm(x, &(0..width), &(width..2 * width));
        if let Some(dropout) = self.dropout(0) {
            dropout.apply(&mut y, 0);
        }
        let mut layers = Vec::new();
        for l in 0..self.shape.layers {
            let (out, layer) = self.layer(y, l);
            y = out;
            if keep {
                layers.push(layer);
            }
        }
        let (mut last, mut last_stats) = (Buffer::default(), Stats::new());
        if self.shape.norm_first {
            let end = self.w.len();
            last = y;
            let place = end - width..end;
            (y, last_stats) = self.norm(&last, &(end - 2 * width..end - width), &place);
        }
        let seen = keep.then(|| Seen {
            x: Buffer::of(x),
            stats,
            layers,
            last,
            last_stats,
        });
        (y.into_vec(), seen)
    }

    fn layer(&self, x: Buffer, l: usize) -> (Buffer, Layer) {
        let places = Places::of(self.shape, l);
        let [n0, n1, n2, n3] = &places.norm;
        let mut kept = Layer::default();
        let bias = |[_, bias]: &[Range<usize>; 2]| &self.w[bias.clone()];
        let (x, first) = self.sublayer(x, [n0, n1], 3 * l + 1, |h| {
            kept.qkv = self.product(h, &places.qkv);
            kernels::add_bias(&mut kept.qkv, bias(&places.qkv));
            self.attend(&mut kept, 3 * l + 2);
            let mut y = self.product(&kept.mixed, &places.out);
            kernels::add_bias(&mut y, bias(&places.out));
            y
        });
        let (y, second) = self.sublayer(x, [n2, n3], 3 * l + 3, |h| {
            let mut z = self.product(h, &places.expand);
            match self.shape.activation {
                Act::Relu => {
                    kernels::relu(&mut z, bias(&places.expand));
                    kept.a = z;
                }
                Act::Gelu => {
                    kept.a = Buffer::space(z.len());
                    kernels::gelu(&mut z, bias(&places.expand), &mut kept.a);
                    kept.z = z;
                }
            }
            let mut y = self.product(&kept.a, &places.shrink);
            kernels::add_bias(&mut y, bias(&places.shrink));
            y
        });
        (kept.first, kept.second) = (first, second);
        (y, kept)
    }

    /// Queries, keys and values of head `head` of sequence `b` in `[rows, 3 width]`.
    fn heads(&self, b: usize, head: usize) -> [Matrix; 3] {
        let (d, each) = (self.shape.width, self.shape.width / self.shape.heads);
        let corner = b * self.tokens * 3 * d + head * each;
        [0, d, 2 * d].map(|part| Matrix::at(corner + part, 3 * d))
    }

    /// Keys that token `i` may attend to come first.
    fn keys(&self, i: usize) -> usize {
        if self.shape.causal {
            i + 1
        } else {
            self.tokens
        }
    }

    fn attend(&self, kept: &mut Layer, site: usize) {
        let (d, t, heads) = (self.shape.width, self.tokens, self.shape.heads);
        let each = d / heads;
        let scale = 1.0 / (each as f32).sqrt();
        let dropout = self.dropout(site);
        kept.p = Buffer::space(self.batch * heads * t * t);
        kept.mixed = Buffer::space(self.rows() * d);
        let mut dropped = Buffer::space(if dropout.is_some() { t * t } else { 0 });
        for (at, p) in kept.p.chunks_exact_mut(t * t).enumerate() {
            let (b, head) = (at / heads, at % heads);
            let [q, k, v] = self.heads(b, head);
            let qkv = &kept.qkv[..];
            let square = Matrix::rows(t);
            matmul(
                (t, each, t),
                (p, square),
                (qkv, q),
                (qkv, k.t()),
                scale,
                false,
            );
            let allowed = self.call.valid.as_deref().map(|v| &v[b * t..][..t]);
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (i, row) in p.chunks_exact_mut(t).enumerate() {
                        kernels::softmax(row, self.keys(i), allowed);
                    }
                },
            );
            let p = match dropout {
                None => &*p,
                Some(dropout) => {
                    dropped.copy_from_slice(p);
                    dropout.apply(&mut dropped, at * t * t);
                    &dropped
                }
            };
            let to = Matrix::at(b * t * d + head * each, d);
            let mixed = &mut kept.mixed[..];
            matmul((t, t, each), (mixed, to), (p, square), (qkv, v), 1.0, false);
        }
    }

    /// The gradient by queries, keys and values of a loss whose gradient by the mixed values is `dy`.
    fn attend_backward(&self, kept: &Layer, dy: &[f32], site: usize) -> Buffer {
        let (d, t, heads) = (self.shape.width, self.tokens, self.shape.heads);
        let each = d / heads;
        let scale = 1.0 / (each as f32).sqrt();
        let dropout = self.dropout(site);
        let mut out = Buffer::space(self.rows() * 3 * d);
        let (mut dp, mut dropped) = (Buffer::space(t * t), Buffer::space(t * t));
        for (at, p) in kept.p.chunks_exact(t * t).enumerate() {
            let (b, head) = (at / heads, at % heads);
            let [q, k, v] = self.heads(b, head);
            let (qkv, square) = (&kept.qkv[..], Matrix::rows(t));
            let from = Matrix::at(b * t * d + head * each, d);
            matmul(
                (t, each, t),
                (&mut dp, square),
                (dy, from),
                (qkv, v.t()),
                1.0,
                false,
            );
            let mixing = match dropout {
                None => p,
                Some(dropout) => {
                    dropout.apply(&mut dp, at * t * t);
                    dropped.copy_from_slice(p);
                    dropout.apply(&mut dropped, at * t * t);
                    &dropped
                }
            };
            matmul(
                (t, t, each),
                (&mut out, v),
                (mixing, square.t()),
                (dy, from),
                1.0,
                false,
            );
            Arch::new().dispatch(
                #[inline(always)]
                || {
                    for (i, (p, dp)) in p.chunks_exact(t).zip(dp.chunks_exact_mut(t)).enumerate() {
                        let keys = self.keys(i);
                        kernels::softmax_backward(&p[..keys], dp);
                        dp[keys..].fill(0.0);
                    }
                },
            );
            matmul(
                (t, t, each),
                (&mut out, q),
                (&dp, square),
                (qkv, k),
                scale,
                false,
            );
            matmul(
                (t, t, each),
                (&mut out, k),
                (&dp, square.t()),
                (qkv, q),
                scale,
                false,
            );
        }
        out
    }

    /// The gradients by x and by all parameters of a loss whose gradient by the output is `dy`.
    pub fn backward(&self, seen: &Seen, dy: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (width, end) = (self.shape.width, self.w.len());
        let mut dw = vec![0.0; end];
        let mut dy = Buffer::of(dy);
        if self.shape.norm_first {
            let norm = [&(end - 2 * width..end - width), &(end - width..end)];
            let mut dx = Buffer::zeros(dy.len());
            let last = (&seen.last[..], &seen.last_stats);
            self.norm_backward(last, norm, (&dy, &mut dx), &mut dw);
            dy = dx;
        }
        for (l, layer) in seen.layers.iter().enumerate().rev() {
            dy = self.layer_backward(dy, layer, l, &mut dw);
        }
        if let Some(dropout) = self.dropout(0) {
            dropout.apply(&mut dy, 0);
        }
        let mut dx = vec![0.0; dy.len()];
        let norm = [&(0..width), &(width..2 * width)];
        self.norm_backward((&seen.x, &seen.stats), norm, (&dy, &mut dx), &mut dw);
        (dx, dw)
    }

    fn layer_backward(&self, dy: Buffer, kept: &Layer, l: usize, dw: &mut [f32]) -> Buffer {
        let places = Places::of(self.shape, l);
        let [n0, n1, n2, n3] = &places.norm;
        let second = |dy: &[f32], dw: &mut [f32]| {
            let mut da = self.product_backward((&kept.a, dy), &places.shrink, dw);
            match self.shape.activation {
                Act::Relu => kernels::relu_backward(&kept.a, &mut da),
                Act::Gelu => kernels::gelu_backward(&kept.z, &mut da),
            }
            self.product_backward((&kept.second.h, &da), &places.expand, dw)
        };
        let dy = self.sublayer_backward(dy, &kept.second, [n2, n3], 3 * l + 3, dw, second);
        let first = |dy: &[f32], dw: &mut [f32]| {
            let mixed = self.product_backward((&kept.mixed, dy), &places.out, dw);
            let dqkv = self.attend_backward(kept, &mixed, 3 * l + 2);
            self.product_backward((&kept.first.h, &dqkv), &places.qkv, dw)
        };
        self.sublayer_backward(dy, &kept.first, [n0, n1], 3 * l + 1, dw, first)
    }
}
