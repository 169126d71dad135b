//! Multi-layer perceptrons whose parameters we own as plain tensors.
//!
//! Parameters live on the inner (gradient-free) backend; [`Mlp::tracked`] lifts them into the
//! autodiff graph for one loss, [`Mlp::frozen`] lifts them as constants. Initial values come from
//! a caller's [`Stream`], never from burn's process-wide generator, so runs in parallel threads
//! cannot disturb each other.

use burn::tensor::{Tensor, TensorData, activation, backend::AutodiffBackend, backend::Backend};
use prefbench_oracles::Stream;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::state::{State, StateError};

/// The gradient-free backend below an autodiff backend.
pub type Inner<A> = <A as AutodiffBackend>::InnerBackend;

/// Non-linearity between layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(0, x): the actor and critics.
    Relu,
    /// x if x > 0 else 0.01 x (PyTorch's default slope): the reward model of PEBBLE.
    LeakyRelu,
}

/// How weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// Orthogonal weights, zero biases: the SAC of B-Pref.
    Orthogonal,
    /// Weights and biases uniform in ±1/sqrt(inputs): PyTorch's default for a linear layer.
    Uniform,
}

/// One affine layer; `weight` is `[inputs, outputs]`, `bias` is `[outputs]`.
#[derive(Clone, Debug)]
pub struct Linear<B: Backend> {
    pub(crate) weight: Tensor<B, 2>,
    pub(crate) bias: Tensor<B, 1>,
}

/// The gradient of a network, layer by layer.
pub(crate) type Gradient<B> = Vec<Linear<B>>;

/// A stack of affine layers with an activation between them (none after the last).
#[derive(Clone, Debug)]
pub struct Mlp<B: Backend> {
    pub(crate) layers: Vec<Linear<B>>,
    activation: Activation,
}

impl<B: Backend> Mlp<B> {
    /// A network with layer widths `sizes` = `[inputs, hidden.., outputs]`.
    pub fn new(
        sizes: &[usize],
        activation: Activation,
        init: Init,
        rng: &mut Stream,
        device: &B::Device,
    ) -> Self {
        let layers = sizes
            .windows(2)
            .map(|w| {
                let (inputs, outputs) = (w[0], w[1]);
                let (weight, bias) = match init {
                    Init::Orthogonal => (orthogonal(inputs, outputs, rng), vec![0.0; outputs]),
                    Init::Uniform => {
                        let bound = 1.0 / (inputs as f32).sqrt();
                        let mut draw = |n: usize| {
                            let mut values = vec![0.0; n];
                            rng.fill_uniform(&mut values, -bound, bound);
                            values
                        };
                        (draw(inputs * outputs), draw(outputs))
                    }
                };
                Linear {
                    weight: Tensor::from_data(TensorData::new(weight, [inputs, outputs]), device),
                    bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
                }
            })
            .collect();
        Self { layers, activation }
    }

    /// Outputs `[rows, outputs]` for inputs `[rows, inputs]`.
    pub fn forward(&self, mut x: Tensor<B, 2>) -> Tensor<B, 2> {
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            x = burn::tensor::module::linear(x, layer.weight.clone(), Some(layer.bias.clone()));
            if i < last {
                x = match self.activation {
                    Activation::Relu => activation::relu(x),
                    Activation::LeakyRelu => activation::leaky_relu(x, 0.01),
                };
            }
        }
        x
    }

    /// The derivative of [`Mlp::forward`] in a direction of the parameters, at this input.
    pub(crate) fn derivative(&self, mut x: Tensor<B, 2>, direction: &[Linear<B>]) -> Tensor<B, 2> {
        let affine = |x, l: &Linear<B>, bias: bool| {
            let bias = bias.then(|| l.bias.clone());
            burn::tensor::module::linear(x, l.weight.clone(), bias)
        };
        let mut dx = x.zeros_like();
        let last = self.layers.len() - 1;
        for (i, (layer, along)) in self.layers.iter().zip(direction).enumerate() {
            dx = affine(dx, layer, false) + affine(x.clone(), along, true);
            x = affine(x, layer, true);
            if i < last {
                let slope = match self.activation {
                    Activation::Relu => 0.0,
                    Activation::LeakyRelu => 0.01,
                };
                let below = x.clone().lower_equal_elem(0.0);
                dx = dx.clone().mask_where(below.clone(), dx * slope);
                x = x.clone().mask_where(below, x * slope);
            }
        }
        dx
    }

    /// This network with `step` times `direction` added to its parameters.
    pub(crate) fn moved(&self, direction: &[Linear<B>], step: f64) -> Self {
        let layers = self.layers.iter().zip(direction).map(|(l, d)| Linear {
            weight: l.weight.clone() + d.weight.clone() * step,
            bias: l.bias.clone() + d.bias.clone() * step,
        });
        Self {
            layers: layers.collect(),
            activation: self.activation,
        }
    }

    /// Writes every parameter under `name.<layer>.weight` and `name.<layer>.bias`.
    pub fn save(&self, name: &str, state: &mut State) {
        for (i, layer) in self.layers.iter().enumerate() {
            state.put_tensor(&format!("{name}.{i}.weight"), layer.weight.clone());
            state.put_tensor(&format!("{name}.{i}.bias"), layer.bias.clone());
        }
    }

    /// Reads what [`Mlp::save`] wrote; shapes must agree with this network's.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            state.get_tensor(&format!("{name}.{i}.weight"), &mut layer.weight)?;
            state.get_tensor(&format!("{name}.{i}.bias"), &mut layer.bias)?;
        }
        Ok(())
    }
}

impl<A: AutodiffBackend> Mlp<A> {
    /// The same values as leaves of a new autodiff graph.
    pub fn tracked(inner: &Mlp<Inner<A>>) -> Self {
        Self::lifted(inner, true)
    }

    /// The same values as constants of the graph: gradients flow through to the input only.
    pub fn frozen(inner: &Mlp<Inner<A>>) -> Self {
        Self::lifted(inner, false)
    }

    fn lifted(inner: &Mlp<Inner<A>>, track: bool) -> Self {
        let layers = inner
            .layers
            .iter()
            .map(|l| Linear {
                weight: Tensor::from_inner(l.weight.clone()).set_require_grad(track),
                bias: Tensor::from_inner(l.bias.clone()).set_require_grad(track),
            })
            .collect();
        Self {
            layers,
            activation: inner.activation,
        }
    }

    /// Takes this tracked network's gradients out of a backward pass, layer by layer.
    ///
    /// A parameter that the loss did not touch gets a zero gradient.
    pub fn take_grads(self, grads: &mut A::Gradients) -> Vec<Linear<Inner<A>>> {
        self.layers
            .into_iter()
            .map(|l| Linear {
                weight: l
                    .weight
                    .grad_remove(grads)
                    .unwrap_or_else(|| l.weight.inner().zeros_like()),
                bias: l
                    .bias
                    .grad_remove(grads)
                    .unwrap_or_else(|| l.bias.inner().zeros_like()),
            })
            .collect()
    }
}

/// log sigmoid(x), with the gradient sigmoid(−x) written out.
///
/// burn's own gradient takes a reciprocal, which burn-ndarray's SIMD code approximates to 12 bits,
/// and only where the memory happens to be aligned: not the same bits twice.
pub(crate) fn log_sigmoid<B: Backend>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    let value = x.clone().detach();
    let slope = (value.clone() * -0.5).tanh() * 0.5 + 0.5;
    activation::log_sigmoid(value.clone()) + slope * (x - value)
}

/// A random `[inputs, outputs]` matrix, row-major, with orthonormal columns if `inputs >=
/// outputs`, else orthonormal rows: modified Gram-Schmidt on normal draws, in double precision.
fn orthogonal(inputs: usize, outputs: usize, rng: &mut Stream) -> Vec<f32> {
    let (count, len) = (inputs.min(outputs), inputs.max(outputs));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    while basis.len() < count {
        let mut v: Vec<f64> = (0..len).map(|_| StandardNormal.sample(rng)).collect();
        for b in &basis {
            let dot: f64 = v.iter().zip(b).map(|(x, y)| x * y).sum();
            v.iter_mut().zip(b).for_each(|(x, y)| *x -= dot * y);
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        // A draw inside the span of the others (probability zero) would only leave rounding noise.
        if norm > 1e-6 {
            v.iter_mut().for_each(|x| *x /= norm);
            basis.push(v);
        }
    }
    let at = |i: usize, o: usize| {
        if inputs >= outputs {
            basis[o][i]
        } else {
            basis[i][o]
        }
    };
    (0..inputs * outputs)
        .map(|k| at(k / outputs, k % outputs) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_matrices_are_orthonormal_either_way_round() {
        for (i, o) in [(7, 3), (3, 7), (5, 5)] {
            let w = orthogonal(i, o, &mut Stream::new(1, "init"));
            let at = |r: usize, c: usize| f64::from(w[r * o + c]);
            let n = i.min(o);
            for a in 0..n {
                for b in 0..n {
                    let dot: f64 = if i >= o {
                        (0..i).map(|r| at(r, a) * at(r, b)).sum()
                    } else {
                        (0..o).map(|c| at(a, c) * at(b, c)).sum()
                    };
                    let want = if a == b { 1.0 } else { 0.0 };
                    assert!((dot - want).abs() < 1e-5, "{i}x{o}: {a}.{b} = {dot}");
                }
            }
        }
    }
}
