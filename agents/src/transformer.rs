//! A transformer over sequences of vectors: GPT-2's blocks, norms first, or BERT's, norms last.
//!
//! Vaswani et al. 2017 (arXiv 1706.03762) as the Decision Transformer (Chen et al. 2021) and what follows
//! from it use it: no positions of its own, a norm and dropout on the input, then blocks of attention
//! (queries, keys and values in one product) and of a perceptron of one hidden layer, each with a residual
//! and dropout; with norms first, a norm on the output.
//!
//! All parameters are one flat vector ([`Shape::parts`] says what lies where), so that an optimiser makes
//! one pass over it, and the whole network is one operation of the autodiff graph. On CPU backends that
//! operation is [`host`]'s; on others the same is done with burn's operations. Dropout's masks are a
//! function of a seed that the caller draws: never burn's process-wide generator.

mod buffer;
mod host;
pub(crate) mod kernels;
pub mod regression;

use std::sync::Arc;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::{Tensor, TensorData, TensorPrimitive, activation, backend::Backend};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use host::{Host, Seen};
use kernels::Dropout;

use crate::config::Checks;

/// What stands between a block's two affine layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// max(0, x): Preference Transformer, OPPO and the Decision Transformer.
    Relu,
    /// x Φ(x), exactly.
    Gelu,
}

/// How weights are drawn; biases are 0 and gains 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// From N(0, 0.02²): GPT-2 and BERT.
    Gpt,
    /// From N(0, 1/inputs): Flax.
    Lecun,
}

impl Weights {
    /// Draws a matrix with this many inputs a column.
    pub fn draw(self, inputs: usize, out: &mut [f32], rng: &mut Stream) {
        let std = match self {
            Weights::Gpt => 0.02,
            Weights::Lecun => 1.0 / (inputs as f32).sqrt(),
        };
        rng.fill_normal(out);
        out.iter_mut().for_each(|x| *x *= std);
    }
}

/// Sizes and kind of a transformer.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Numbers in a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads of a block; they divide the width.
    pub heads: usize,
    /// Hidden units of a block's perceptron.
    pub inner: usize,
    /// Its activation.
    pub activation: Act,
    /// Whether a token attends to none after it.
    pub causal: bool,
    /// Whether norms come before attention and perceptron (GPT-2) or after their residuals (BERT).
    pub norm_first: bool,
    /// Share that is dropped in training: of the input, of attention, and of each branch.
    pub dropout: f64,
}

/// Sizes as a user sets them; the rest of a [`Shape`] belongs to the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Numbers in a token.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Attention heads of a block; they divide the width.
    pub heads: usize,
    /// Share that is dropped in training.
    pub dropout: f64,
}

impl TransformerConfig {
    /// With a perceptron of four times the width and ReLU.
    pub fn shape(&self, causal: bool, norm_first: bool) -> Shape {
        Shape {
            width: self.width,
            layers: self.layers,
            heads: self.heads,
            inner: 4 * self.width,
            activation: Act::Relu,
            causal,
            norm_first,
            dropout: self.dropout,
        }
    }

    pub(crate) fn check(&self, key: &str, c: &mut Checks) {
        c.at_least(&format!("{key}.width"), self.width, 1);
        c.at_least(&format!("{key}.layers"), self.layers, 1);
        c.at_least(&format!("{key}.heads"), self.heads, 1);
        let divides = self.heads > 0 && self.width.is_multiple_of(self.heads);
        let must = format!("a divisor of the width {}", self.width);
        c.that(&format!("{key}.heads"), self.heads, divides, &must);
        c.within(&format!("{key}.dropout"), self.dropout, 0.0, 0.99);
    }
}

impl Shape {
    /// Names and sizes `[inputs, outputs]` or `[outputs]` of the parameters, in the flat vector's order.
    pub fn parts(&self) -> Vec<(String, Vec<usize>)> {
        let (d, f) = (self.width, self.inner);
        let mut parts = vec![
            ("in.gain".to_owned(), vec![d]),
            ("in.bias".to_owned(), vec![d]),
        ];
        for l in 0..self.layers {
            let of_layer: [(&str, &[usize]); 12] = [
                ("norm1.gain", &[d]),
                ("norm1.bias", &[d]),
                ("qkv.weight", &[d, 3 * d]),
                ("qkv.bias", &[3 * d]),
                ("out.weight", &[d, d]),
                ("out.bias", &[d]),
                ("norm2.gain", &[d]),
                ("norm2.bias", &[d]),
                ("expand.weight", &[d, f]),
                ("expand.bias", &[f]),
                ("shrink.weight", &[f, d]),
                ("shrink.bias", &[d]),
            ];
            let named = of_layer.map(|(name, size)| (format!("{l}.{name}"), size.to_vec()));
            parts.extend(named);
        }
        if self.norm_first {
            parts.extend(["gain", "bias"].map(|name| (format!("last.{name}"), vec![d])));
        }
        parts
    }

    fn layer_len(&self) -> usize {
        let (d, f) = (self.width, self.inner);
        4 * d * d + 2 * d * f + 9 * d + f
    }

    /// Numbers in the flat vector.
    pub fn numbers(&self) -> usize {
        let norms = if self.norm_first { 4 } else { 2 };
        norms * self.width + self.layers * self.layer_len()
    }

    /// Fresh parameters.
    pub fn draw(&self, weights: Weights, rng: &mut Stream) -> Vec<f32> {
        let mut all = Vec::with_capacity(self.numbers());
        for (name, size) in self.parts() {
            let fill = if name.ends_with("gain") { 1.0 } else { 0.0 };
            let from = all.len();
            all.resize(from + size.iter().product::<usize>(), fill);
            if let [inputs, _] = size[..] {
                weights.draw(inputs, &mut all[from..], rng);
            }
        }
        all
    }
}

/// What differs from one application to the next.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// Which tokens `[batch, tokens]` may be attended to; all, if none is given. What comes out at a token
    /// that may attend to nothing means nothing.
    pub valid: Option<Arc<[bool]>>,
    /// The seed of what is dropped; nothing is, if none is given.
    pub dropout: Option<u64>,
}

/// A backend that applies transformers.
pub trait Transform: Backend {
    /// Whether this backend has the operation as one; else it is made of burn's.
    const FUSED: bool;

    /// The output `[batch, tokens, width]` for tokens of that shape and flat parameters.
    fn transform(
        shape: &Arc<Shape>,
        x: Tensor<Self, 3>,
        w: Tensor<Self, 1>,
        call: &Call,
    ) -> Tensor<Self, 3> {
        if !Self::FUSED {
            return plain(shape, x, w, call);
        }
        fused(shape, x, w, call, false).0
    }
}

impl Transform for Flex {
    const FUSED: bool = true;
}

impl Transform for NdArray {
    const FUSED: bool = true;
}

#[cfg(feature = "cuda")]
impl Transform for burn_cuda::Cuda {
    const FUSED: bool = false;
}

const F32: &str = "tensors are f32";

/// [`host`]'s operation on a CPU backend's tensors.
fn fused<B: Backend>(
    shape: &Shape,
    x: Tensor<B, 3>,
    w: Tensor<B, 1>,
    call: &Call,
    keep: bool,
) -> (Tensor<B, 3>, Option<Seen>) {
    let ([batch, tokens, _], device) = (x.dims(), x.device());
    let (x, w) = (x.into_data(), w.into_data());
    let host = Host {
        shape,
        batch,
        tokens,
        w: w.as_slice::<f32>().expect(F32),
        call,
    };
    let (y, seen) = host.forward(x.as_slice::<f32>().expect(F32), keep);
    let y = TensorData::new(y, [batch, tokens, shape.width]);
    (Tensor::from_data(y, &device), seen)
}

/// Marks the operation in the graph.
#[derive(Debug)]
struct Network;

/// What the backward pass needs.
#[derive(Clone, Debug)]
struct Remembered<P> {
    shape: Arc<Shape>,
    call: Call,
    w: P,
    seen: Arc<Seen>,
}

impl<B: Backend> Backward<B, 2> for Network {
    type State = Remembered<B::FloatTensorPrimitive>;

    fn backward(
        self,
        ops: Ops<Self::State, 2>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = tensor::<B, 3>(grads.consume::<B>(&ops.node));
        let Remembered {
            shape,
            call,
            w,
            seen,
        } = ops.state;
        let (w, device, dims) = (tensor::<B, 1>(w).into_data(), dy.device(), dy.dims());
        let host = Host {
            shape: &shape,
            batch: dims[0],
            tokens: dims[1],
            w: w.as_slice::<f32>().expect(F32),
            call: &call,
        };
        let dy = dy.into_data();
        let (dx, dw) = host.backward(&seen, dy.as_slice::<f32>().expect(F32));
        let [for_x, for_w] = ops.parents;
        if let Some(node) = for_x {
            let dx = Tensor::<B, 3>::from_data(TensorData::new(dx, dims), &device);
            grads.register::<B>(node.id, primitive(dx));
        }
        if let Some(node) = for_w {
            let size = [dw.len()];
            let dw = Tensor::<B, 1>::from_data(TensorData::new(dw, size), &device);
            grads.register::<B>(node.id, primitive(dw));
        }
    }
}

impl<B: Transform, C: CheckpointStrategy> Transform for Autodiff<B, C> {
    const FUSED: bool = B::FUSED;

    fn transform(
        shape: &Arc<Shape>,
        x: Tensor<Self, 3>,
        w: Tensor<Self, 1>,
        call: &Call,
    ) -> Tensor<Self, 3> {
        if !Self::FUSED {
            return plain(shape, x, w, call);
        }
        let (x, w) = (primitive(x), primitive(w));
        let nodes = [x.node.clone(), w.node.clone()];
        let run = |keep| {
            let (x, w) = (x.primitive.clone(), w.primitive.clone());
            fused::<B>(shape, tensor(x), tensor(w), call, keep)
        };
        let y = match Network.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::UnTracked(plain) => plain.finish(primitive(run(false).0)),
            OpsKind::Tracked(tracked) => {
                let (y, seen) = run(true);
                let remembered = Remembered {
                    shape: Arc::clone(shape),
                    call: call.clone(),
                    w: w.primitive.clone(),
                    seen: Arc::new(seen.expect("it was to be kept")),
                };
                tracked.finish(remembered, primitive(y))
            }
        };
        tensor(y)
    }
}

pub(crate) fn tensor<B: Backend, const D: usize>(t: B::FloatTensorPrimitive) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(t))
}

pub(crate) fn primitive<B: Backend, const D: usize>(t: Tensor<B, D>) -> B::FloatTensorPrimitive {
    t.into_primitive().tensor()
}

/// The same with burn's operations, for backends that fuse them.
pub(crate) fn plain<B: Backend>(
    shape: &Shape,
    x: Tensor<B, 3>,
    w: Tensor<B, 1>,
    call: &Call,
) -> Tensor<B, 3> {
    let ([batch, tokens, d], device) = (x.dims(), x.device());
    let mut at = 0;
    let mut next = |rows: usize, columns: usize| {
        at += rows * columns;
        let part = w.clone().narrow(0, at - rows * columns, rows * columns);
        part.reshape([1, rows, columns])
    };
    let drop = |x: Tensor<B, 3>, site: usize| match call.dropout {
        Some(seed) if shape.dropout > 0.0 => {
            let dims = x.dims();
            let dropout = Dropout::new(shape.dropout, seed).site(site as u64);
            let factors = dropout.factors(dims.iter().product());
            x * Tensor::from_data(TensorData::new(factors, dims), &device)
        }
        _ => x,
    };
    let norm = |x: Tensor<B, 3>, gain: Tensor<B, 3>, bias: Tensor<B, 3>| {
        let centred = x.clone() - x.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        centred / (variance + kernels::EPSILON).sqrt() * gain + bias
    };
    // [batch * heads, tokens, tokens]: what may not be attended to is far below all else.
    let heads = shape.heads;
    let mut forbidden = vec![0.0; batch * heads * tokens * tokens];
    for (at, x) in forbidden.iter_mut().enumerate() {
        let (b, i, j) = (
            at / (heads * tokens * tokens),
            at / tokens % tokens,
            at % tokens,
        );
        let valid = call.valid.as_ref().is_none_or(|v| v[b * tokens + j]);
        *x = if valid && (j <= i || !shape.causal) {
            0.0
        } else {
            f32::MIN
        };
    }
    let forbidden = TensorData::new(forbidden, [batch * heads, tokens, tokens]);
    let forbidden = Tensor::<B, 3>::from_data(forbidden, &device);
    let per_head = |x: Tensor<B, 3>, part: usize| {
        let x = x
            .narrow(2, part * d, d)
            .reshape([batch, tokens, heads, d / heads]);
        x.swap_dims(1, 2)
            .reshape([batch * heads, tokens, d / heads])
    };

    let (gain, bias) = (next(1, d), next(1, d));
    let mut x = drop(norm(x, gain, bias), 0);
    for l in 0..shape.layers {
        let norm1 = [next(1, d), next(1, d)];
        let [qkv, qkv_bias] = [next(d, 3 * d), next(1, 3 * d)];
        let [out, out_bias] = [next(d, d), next(1, d)];
        let norm2 = [next(1, d), next(1, d)];
        let [expand, expand_bias] = [next(d, shape.inner), next(1, shape.inner)];
        let [shrink, shrink_bias] = [next(shape.inner, d), next(1, d)];
        let sublayer =
            |x: Tensor<B, 3>, [gain, bias]: [Tensor<B, 3>; 2], site, f: &dyn Fn(_) -> _| {
                if shape.norm_first {
                    x.clone() + drop(f(norm(x, gain, bias)), site)
                } else {
                    norm(x.clone() + drop(f(x), site), gain, bias)
                }
            };
        x = sublayer(x, norm1, 3 * l + 1, &|h: Tensor<B, 3>| {
            let h = h.matmul(qkv.clone()) + qkv_bias.clone();
            let [q, k, v] = [0, 1, 2].map(|part| per_head(h.clone(), part));
            let scores = q.matmul(k.swap_dims(1, 2)) / ((d / heads) as f64).sqrt();
            let p = drop(
                activation::softmax(scores + forbidden.clone(), 2),
                3 * l + 2,
            );
            let mixed = p.matmul(v).reshape([batch, heads, tokens, d / heads]);
            let mixed = mixed.swap_dims(1, 2).reshape([batch, tokens, d]);
            mixed.matmul(out.clone()) + out_bias.clone()
        });
        x = sublayer(x, norm2, 3 * l + 3, &|h: Tensor<B, 3>| {
            let z = h.matmul(expand.clone()) + expand_bias.clone();
            let a = match shape.activation {
                Act::Relu => activation::relu(z),
                Act::Gelu => activation::gelu(z),
            };
            a.matmul(shrink.clone()) + shrink_bias.clone()
        });
    }
    if shape.norm_first {
        let (gain, bias) = (next(1, d), next(1, d));
        x = norm(x, gain, bias);
    }
    x
}
