//! Named parameters of a model that is more than a perceptron, and Adam over them with weight decay.
//!
//! Each parameter is a flat vector on the inner (gradient-free) backend with a shape beside it, so that a
//! loss, an optimiser and a moving average go over one list whatever the ranks.

use burn::tensor::{Tensor, TensorData, backend::AutodiffBackend, backend::Backend};
use prefbench_oracles::Stream;

use crate::device::Compute;
use crate::nets::Inner;
use crate::optim::on_host;
use crate::state::{State, StateError};
use crate::transformer::Weights;

/// One parameter.
#[derive(Clone, Debug)]
struct Parameter<B: Backend> {
    name: String,
    shape: Vec<usize>,
    value: Tensor<B, 1>,
}

/// A model's parameters, in the order they were added.
#[derive(Clone, Debug)]
pub struct Parameters<B: Backend> {
    list: Vec<Parameter<B>>,
    device: B::Device,
}

impl<B: Backend> Parameters<B> {
    /// None yet.
    pub fn new(device: &B::Device) -> Self {
        Self {
            list: Vec::new(),
            device: device.clone(),
        }
    }

    /// Where they live.
    pub fn device(&self) -> &B::Device {
        &self.device
    }

    /// Adds one. `values` has as many numbers as `shape` says.
    pub fn add(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        let value = TensorData::new(values, [shape.iter().product::<usize>()]);
        self.list.push(Parameter {
            name: name.to_owned(),
            shape: shape.to_vec(),
            value: Tensor::from_data(value, &self.device),
        });
    }

    /// Adds an affine layer: `name.weight` `[inputs, outputs]` and `name.bias` `[outputs]`. Without
    /// `weights`, both are uniform in ±1/√inputs, as PyTorch's; else the bias is 0.
    pub fn add_linear(
        &mut self,
        name: &str,
        (inputs, outputs): (usize, usize),
        weights: Option<Weights>,
        rng: &mut Stream,
    ) {
        let (mut weight, mut bias) = (vec![0.0; inputs * outputs], vec![0.0; outputs]);
        match weights {
            Some(weights) => weights.draw(inputs, &mut weight, rng),
            None => {
                let bound = 1.0 / (inputs as f32).sqrt();
                rng.fill_uniform(&mut weight, -bound, bound);
                rng.fill_uniform(&mut bias, -bound, bound);
            }
        }
        self.add(&format!("{name}.weight"), &[inputs, outputs], weight);
        self.add(&format!("{name}.bias"), &[outputs], bias);
    }

    /// The parameter of this name, with its shape.
    ///
    /// # Panics
    /// If it was never added: a mistake in a model's code.
    pub fn get<const D: usize>(&self, name: &str) -> Tensor<B, D> {
        let found = self.list.iter().find(|p| p.name == name);
        let found = found.unwrap_or_else(|| panic!("no parameter `{name}`"));
        let shape: [usize; D] = found.shape[..]
            .try_into()
            .expect("the rank it was added with");
        found.value.clone().reshape(shape)
    }

    /// x·w + b of the layer `name` for `[rows, inputs]`.
    pub fn linear(&self, name: &str, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        burn::tensor::module::linear(x, self.get(&weight), Some(self.get(&bias)))
    }

    /// Writes each under `prefix.name`.
    pub fn save(&self, prefix: &str, state: &mut State) {
        for p in &self.list {
            let values: Vec<f32> = p.value.to_data().iter().collect();
            state.put_column(&format!("{prefix}.{}", p.name), &p.shape, &values);
        }
    }

    /// Reads what [`Parameters::save`] wrote; shapes must agree.
    pub fn load(&mut self, prefix: &str, state: &State) -> Result<(), StateError> {
        for p in &mut self.list {
            let values = state.get_column(&format!("{prefix}.{}", p.name), &p.shape)?;
            let size = [values.len()];
            p.value = Tensor::from_data(TensorData::new(values, size), &self.device);
        }
        Ok(())
    }
}

impl<A: AutodiffBackend> Parameters<A> {
    /// The same values as leaves of a new autodiff graph.
    pub fn tracked(inner: &Parameters<Inner<A>>) -> Self {
        Self::lifted(inner, true)
    }

    /// The same values as constants of the graph.
    pub fn frozen(inner: &Parameters<Inner<A>>) -> Self {
        Self::lifted(inner, false)
    }

    fn lifted(inner: &Parameters<Inner<A>>, track: bool) -> Self {
        let lift = |p: &Parameter<Inner<A>>| Parameter {
            name: p.name.clone(),
            shape: p.shape.clone(),
            value: Tensor::from_inner(p.value.clone()).set_require_grad(track),
        };
        Self {
            list: inner.list.iter().map(lift).collect(),
            device: inner.device.clone(),
        }
    }

    /// Takes the gradients of tracked parameters out of a backward pass, in order; zero where the loss
    /// does not depend on one.
    pub fn take_grads(self, grads: &mut A::Gradients) -> Vec<Tensor<Inner<A>, 1>> {
        let take = |p: Parameter<A>| {
            let grad = p.value.grad_remove(grads);
            grad.unwrap_or_else(|| p.value.inner().zeros_like())
        };
        self.list.into_iter().map(take).collect()
    }
}

/// Scales gradients so that their common norm is at most `most`, as PyTorch's `clip_grad_norm_`.
pub fn clip<B: Backend>(grads: &mut [Tensor<B, 1>], most: f64) {
    let square = |g: &Tensor<B, 1>| -> f64 {
        let data = g.to_data();
        data.iter::<f64>().map(|x| x * x).sum()
    };
    let norm = grads.iter().map(square).sum::<f64>().sqrt();
    let factor = most / (norm + 1e-6);
    if factor < 1.0 {
        for g in grads {
            *g = g.clone() * factor;
        }
    }
}

/// Where weight decay enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// Into the parameter, past the moments (AdamW: Loshchilov & Hutter 2019).
    Decoupled,
    /// Into the gradient (PyTorch's Adam).
    Gradient,
}

/// Adam with weight decay over [`Parameters`].
#[derive(Clone, Debug)]
pub struct AdamW<B: Backend> {
    decay: f32,
    kind: Decay,
    steps: u32,
    moments: Vec<[Tensor<B, 1>; 2]>,
}

impl<B: Backend> AdamW<B> {
    const BETA1: f32 = 0.9;
    const BETA2: f32 = 0.999;
    const EPSILON: f32 = 1e-8;

    /// Fresh state for these parameters.
    pub fn new(decay: f64, kind: Decay, parameters: &Parameters<B>) -> Self {
        let zeros = |p: &Parameter<B>| [p.value.zeros_like(), p.value.zeros_like()];
        Self {
            decay: decay as f32,
            kind,
            steps: 0,
            moments: parameters.list.iter().map(zeros).collect(),
        }
    }

    /// One step at this learning rate; `grads` are in the parameters' order.
    pub fn step<A: Compute<InnerBackend = B>>(
        &mut self,
        parameters: &mut Parameters<B>,
        grads: Vec<Tensor<B, 1>>,
        lr: f64,
    ) {
        self.steps += 1;
        let t = f64::from(self.steps);
        let rate = (lr / (1.0 - f64::from(Self::BETA1).powf(t))) as f32;
        let root = (1.0 - f64::from(Self::BETA2).powf(t)).sqrt() as f32;
        let (into_grad, kept) = match self.kind {
            Decay::Gradient => (self.decay, 1.0),
            Decay::Decoupled => (0.0, 1.0 - lr as f32 * self.decay),
        };
        let each = parameters.list.iter_mut().zip(grads).zip(&mut self.moments);
        for ((Parameter { value: p, .. }, g), [m, v]) in each {
            if A::HOST {
                let g = g.into_data();
                on_host([p, m, v], |[p, m, v]| {
                    let g = g.as_slice::<f32>().expect("gradients are f32");
                    for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        let g = g + into_grad * *p;
                        *m = Self::BETA1 * *m + (1.0 - Self::BETA1) * g;
                        *v = Self::BETA2 * *v + (1.0 - Self::BETA2) * (g * g);
                        *p = kept * *p - rate * *m / (v.sqrt() / root + Self::EPSILON);
                    }
                });
            } else {
                let g = g + p.clone() * into_grad;
                *m = m.clone() * Self::BETA1 + g.clone() * (1.0 - Self::BETA1);
                *v = v.clone() * Self::BETA2 + g.square() * (1.0 - Self::BETA2);
                *p =
                    p.clone() * kept - m.clone() * rate / (v.clone().sqrt() / root + Self::EPSILON);
            }
        }
    }

    /// Writes moments and step count under `name`.
    pub fn save(&self, name: &str, state: &mut State) {
        state.put_json(&format!("{name}.steps"), &self.steps);
        for (i, moments) in self.moments.iter().enumerate() {
            for (which, moment) in ["m", "v"].iter().zip(moments) {
                state.put_tensor(&format!("{name}.{i}.{which}"), moment.clone());
            }
        }
    }

    /// Reads what [`AdamW::save`] wrote.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        self.steps = state.get_json(&format!("{name}.steps"))?;
        for (i, moments) in self.moments.iter_mut().enumerate() {
            for (which, moment) in ["m", "v"].iter().zip(moments) {
                state.get_tensor(&format!("{name}.{i}.{which}"), moment)?;
            }
        }
        Ok(())
    }
}

/// average ← keep · average + (1 − keep) · current.
pub fn average<B: Backend>(average: &mut Parameters<B>, current: &Parameters<B>, keep: f64) {
    for (a, c) in average.list.iter_mut().zip(&current.list) {
        a.value = a.value.clone() * keep + c.value.clone() * (1.0 - keep);
    }
}
