//! Multi-layer perceptrons whose parameters we own as plain tensors.
//!
//! Every parameter has a leading stack dimension S: networks of one shape, such as those of S seeds, in
//! one batched operation a layer. A network alone is a stack of one.
//!
//! Parameters live on the inner (gradient-free) backend; [`Mlp::tracked`] lifts them into the
//! autodiff graph for one loss, [`Mlp::frozen`] lifts them as constants. Initial values come from
//! a caller's [`Stream`], never from burn's process-wide generator, so runs in parallel threads
//! cannot disturb each other.

use burn::tensor::{Tensor, TensorData, activation, backend::AutodiffBackend, backend::Backend};
use prefbench_oracles::Stream;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::dense::Dense;
use crate::state::{State, StateError};

/// The gradient-free backend below an autodiff backend.
pub type Inner<A> = <A as AutodiffBackend>::InnerBackend;

/// Non-linearity after a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x: the last layer.
    None,
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

/// A stack of affine layers; `weight` is `[S, inputs, outputs]`, `bias` is `[S, 1, outputs]`.
#[derive(Clone, Debug)]
pub struct Linear<B: Backend> {
    pub(crate) weight: Tensor<B, 3>,
    pub(crate) bias: Tensor<B, 3>,
}

/// The gradient of a network, layer by layer.
pub(crate) type Gradient<B> = Vec<Linear<B>>;

/// Affine layers one after another with an activation between them (none after the last).
#[derive(Clone, Debug)]
pub struct Mlp<B: Backend> {
    pub(crate) layers: Vec<Linear<B>>,
    activation: Activation,
}

impl<B: Backend> Mlp<B> {
    /// One network (S = 1) with layer widths `sizes` = `[inputs, hidden.., outputs]`.
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
                let tensor = |values, rows| {
                    Tensor::from_data(TensorData::new(values, [1, rows, outputs]), device)
                };
                Linear {
                    weight: tensor(weight, inputs),
                    bias: tensor(bias, 1),
                }
            })
            .collect();
        Self { layers, activation }
    }

    /// One stack of these, which have one shape.
    pub fn join(parts: &[&Self]) -> Self {
        let cat = |of: &dyn Fn(&Self) -> Tensor<B, 3>| {
            Tensor::cat(parts.iter().map(|p| of(p)).collect(), 0)
        };
        let layers = (0..parts[0].layers.len()).map(|i| Linear {
            weight: cat(&|p| p.layers[i].weight.clone()),
            bias: cat(&|p| p.layers[i].bias.clone()),
        });
        Self {
            layers: layers.collect(),
            activation: parts[0].activation,
        }
    }

    /// The network in one place of the stack.
    pub fn slot(&self, slot: usize) -> Self {
        let layers = self.layers.iter().map(|l| Linear {
            weight: l.weight.clone().narrow(0, slot, 1),
            bias: l.bias.clone().narrow(0, slot, 1),
        });
        Self {
            layers: layers.collect(),
            activation: self.activation,
        }
    }

    /// The derivative of [`Mlp::forward_stack`] in a direction of the parameters, at this input.
    pub(crate) fn derivative(&self, mut x: Tensor<B, 3>, direction: &[Linear<B>]) -> Tensor<B, 3> {
        let mut dx = x.zeros_like();
        let last = self.layers.len() - 1;
        for (i, (layer, along)) in self.layers.iter().zip(direction).enumerate() {
            dx = dx.matmul(layer.weight.clone())
                + x.clone().matmul(along.weight.clone())
                + along.bias.clone();
            x = x.matmul(layer.weight.clone()) + layer.bias.clone();
            if i < last {
                let slope = self.activation.slope();
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

    /// The same network on another backend.
    pub(crate) fn copied_to<C: Backend>(&self, device: &C::Device) -> Mlp<C> {
        let copied = |t: &Tensor<B, 3>| Tensor::from_data(t.to_data(), device);
        let layers = self.layers.iter().map(|l| Linear {
            weight: copied(&l.weight),
            bias: copied(&l.bias),
        });
        Mlp {
            layers: layers.collect(),
            activation: self.activation,
        }
    }

    /// Every parameter, weight and bias layer by layer.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor<B, 3>> {
        self.layers.iter().flat_map(|l| [&l.weight, &l.bias])
    }

    /// The same, to be changed.
    pub(crate) fn parameters_mut(&mut self) -> impl Iterator<Item = &mut Tensor<B, 3>> {
        self.layers
            .iter_mut()
            .flat_map(|Linear { weight, bias }| [weight, bias])
    }

    /// Writes every parameter of a network alone under `name.<layer>.weight` and `name.<layer>.bias`.
    pub fn save(&self, name: &str, state: &mut State) {
        for (i, l) in self.layers.iter().enumerate() {
            state.put_tensor(
                &format!("{name}.{i}.weight"),
                l.weight.clone().squeeze_dim::<2>(0),
            );
            let bias = l.bias.clone().flatten::<1>(0, 2);
            state.put_tensor(&format!("{name}.{i}.bias"), bias);
        }
    }

    /// Reads what [`Mlp::save`] wrote; shapes must agree with this network's.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        for (i, l) in self.layers.iter_mut().enumerate() {
            let mut weight = l.weight.clone().squeeze_dim::<2>(0);
            state.get_tensor(&format!("{name}.{i}.weight"), &mut weight)?;
            l.weight = weight.unsqueeze();
            let mut bias = l.bias.clone().flatten::<1>(0, 2);
            state.get_tensor(&format!("{name}.{i}.bias"), &mut bias)?;
            l.bias = bias.unsqueeze();
        }
        Ok(())
    }
}

impl<B: Dense> Mlp<B> {
    /// Outputs `[rows, outputs]` of a network alone for inputs `[rows, inputs]`.
    pub fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.forward_stack(x.unsqueeze()).squeeze_dim(0)
    }

    /// Outputs `[S, rows, outputs]` for inputs `[S, rows, inputs]`; or for `[1, rows, inputs]`, if no
    /// gradient is to flow into them.
    pub fn forward_stack(&self, mut x: Tensor<B, 3>) -> Tensor<B, 3> {
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let activation = if i < last {
                self.activation
            } else {
                Activation::None
            };
            x = B::dense(x, layer.weight.clone(), layer.bias.clone(), activation);
        }
        x
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
pub(crate) fn log_sigmoid<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
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
