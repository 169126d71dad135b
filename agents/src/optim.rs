//! Adam and Polyak averaging over the parameters of [`crate::nets`].
//!
//! burn's own optimiser keys its state by random parameter ids and walks each parameter in a
//! dozen tensor operations. Here the state is plain tensors in layer order (so a checkpoint is
//! the same bytes every time), and on CPU backends one pass over host memory does the whole step
//! in place. Both paths compute Kingma & Ba (2015), algorithm 1, with PyTorch's epsilon 1e-8.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::dense::Dense;
use crate::nets::{Linear, Mlp};
use crate::state::{State, StateError};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// First and second moment of a stack of parameters.
#[derive(Clone, Debug)]
struct Moments<B: Backend> {
    m: Tensor<B, 3>,
    v: Tensor<B, 3>,
}

impl<B: Dense> Moments<B> {
    /// One step on a stack of parameters.
    fn step(&mut self, p: &mut Tensor<B, 3>, g: Tensor<B, 3>, rates: &Rates) {
        if B::HOST {
            let one = g.dims()[1] * g.dims()[2];
            let g = g.into_data();
            let g = g.as_slice::<f32>().expect(F32);
            on_host([p, &mut self.m, &mut self.v], |[p, m, v]| {
                let each = p.chunks_exact_mut(one).zip(m.chunks_exact_mut(one));
                let each = each.zip(v.chunks_exact_mut(one)).zip(g.chunks_exact(one));
                for ((((p, m), v), g), &(rate, root)) in each.zip(&rates.0) {
                    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        *m = BETA1 * *m + (1.0 - BETA1) * g;
                        *v = BETA2 * *v + (1.0 - BETA2) * (g * g);
                        *p -= rate * *m / (v.sqrt() / root + EPSILON);
                    }
                }
            });
        } else {
            self.m = self.m.clone() * BETA1 + g.clone() * (1.0 - BETA1);
            self.v = self.v.clone() * BETA2 + g.square() * (1.0 - BETA2);
            let [rate, root] = rates.tensors::<B>(&p.device());
            *p = p.clone() - self.m.clone() * rate / (self.v.clone().sqrt() / root + EPSILON);
        }
    }
}

/// The bias-corrected learning rate and the square root of the second bias correction, by slot.
struct Rates(Vec<(f32, f32)>);

impl Rates {
    fn new(lr: f32, steps: &[u32]) -> Self {
        let one = |&steps: &u32| {
            let t = f64::from(steps);
            let rate = f64::from(lr) / (1.0 - f64::from(BETA1).powf(t));
            let root = (1.0 - f64::from(BETA2).powf(t)).sqrt();
            (rate as f32, root as f32)
        };
        Self(steps.iter().map(one).collect())
    }

    fn tensors<B: Backend>(&self, device: &B::Device) -> [Tensor<B, 3>; 2] {
        let (rate, root) = self.0.iter().copied().unzip();
        [rate, root].map(|values| per_slot(values, device))
    }
}

/// A number for each slot, `[S, 1, 1]`.
fn per_slot<B: Backend>(values: Vec<f32>, device: &B::Device) -> Tensor<B, 3> {
    let slots = values.len();
    Tensor::from_data(TensorData::new(values, [slots, 1, 1]), device)
}

/// Runs `f` over the host memory of `N` tensors of one shape, without copying where the backend
/// gives its buffer away (flex), and puts the results back.
pub(crate) fn on_host<B: Backend, const D: usize, const N: usize>(
    tensors: [&mut Tensor<B, D>; N],
    f: impl FnOnce([&mut [f32]; N]),
) {
    let device = tensors[0].device();
    // Taking the tensors out leaves their buffers uniquely owned, hence writable in place.
    let mut data = tensors.map(|t| {
        let taken = std::mem::replace(t, Tensor::empty([0; D], &device));
        (t, taken.into_data())
    });
    f(data
        .each_mut()
        .map(|(_, d)| d.as_mut_slice::<f32>().expect(F32)));
    for (slot, d) in data {
        *slot = Tensor::from_data(d, &device);
    }
}

/// Every parameter is created as `f32`, and the backends keep it so.
pub(crate) const F32: &str = "parameters are f32";

/// Adam over parameters with a leading stack dimension, each slot with a count of steps of its own.
#[derive(Clone, Debug)]
pub struct Adam<B: Backend> {
    lr: f32,
    steps: Vec<u32>,
    moments: Vec<Moments<B>>,
}

impl<B: Dense> Adam<B> {
    /// Fresh state for `networks`, to be stepped in the same order.
    pub fn new<'a>(lr: f64, networks: impl IntoIterator<Item = &'a Mlp<B>>) -> Self {
        Self::of(lr, networks.into_iter().flat_map(Mlp::parameters))
    }

    /// Fresh state for `parameters`, to be stepped in the same order.
    pub fn of<'a>(lr: f64, parameters: impl IntoIterator<Item = &'a Tensor<B, 3>>) -> Self {
        let mut slots = 1;
        let moments = parameters.into_iter().map(|p| {
            slots = p.dims()[0];
            Moments {
                m: p.zeros_like(),
                v: p.zeros_like(),
            }
        });
        Self {
            lr: lr as f32,
            moments: moments.collect(),
            steps: vec![0; slots],
        }
    }

    /// From now on the learning rate; a saved state does not hold it.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr as f32;
    }

    /// One step; `grads` holds one entry a layer, networks in the order given to [`Adam::new`].
    pub fn step<'a>(
        &mut self,
        networks: impl IntoIterator<Item = &'a mut Mlp<B>>,
        grads: impl IntoIterator<Item = Linear<B>>,
    ) {
        let parameters = networks.into_iter().flat_map(Mlp::parameters_mut);
        let grads = grads.into_iter().flat_map(|g| [g.weight, g.bias]);
        self.step_on(parameters, grads);
    }

    /// One step on parameters in the order given to [`Adam::of`].
    pub fn step_on<'a>(
        &mut self,
        parameters: impl IntoIterator<Item = &'a mut Tensor<B, 3>>,
        grads: impl IntoIterator<Item = Tensor<B, 3>>,
    ) {
        self.steps.iter_mut().for_each(|steps| *steps += 1);
        let rates = Rates::new(self.lr, &self.steps);
        for ((p, g), moments) in parameters.into_iter().zip(grads).zip(&mut self.moments) {
            moments.step(p, g, &rates);
        }
    }

    /// One state of these, for parameters stacked alike.
    pub fn join(parts: &[&Self]) -> Self {
        let cat = |of: &dyn Fn(&Self) -> Tensor<B, 3>| {
            Tensor::cat(parts.iter().map(|p| of(p)).collect(), 0)
        };
        let moments = (0..parts[0].moments.len()).map(|i| Moments {
            m: cat(&|p| p.moments[i].m.clone()),
            v: cat(&|p| p.moments[i].v.clone()),
        });
        Self {
            lr: parts[0].lr,
            steps: parts.iter().flat_map(|p| p.steps.clone()).collect(),
            moments: moments.collect(),
        }
    }

    /// The state of one place of the stack.
    pub fn slot(&self, slot: usize) -> Self {
        let moments = self.moments.iter().map(|one| Moments {
            m: one.m.clone().narrow(0, slot, 1),
            v: one.v.clone().narrow(0, slot, 1),
        });
        Self {
            lr: self.lr,
            steps: vec![self.steps[slot]],
            moments: moments.collect(),
        }
    }

    /// Writes moments and step count of a slot alone under `name`.
    pub fn save(&self, name: &str, state: &mut State) {
        state.put_json(&format!("{name}.steps"), &self.steps[0]);
        for (i, one) in self.moments.iter().enumerate() {
            state.put_tensor(&format!("{name}.{i}.m"), one.m.clone());
            state.put_tensor(&format!("{name}.{i}.v"), one.v.clone());
        }
    }

    /// Reads what [`Adam::save`] wrote.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        self.steps = vec![state.get_json(&format!("{name}.steps"))?];
        for (i, one) in self.moments.iter_mut().enumerate() {
            state.get_tensor(&format!("{name}.{i}.m"), &mut one.m)?;
            state.get_tensor(&format!("{name}.{i}.v"), &mut one.v)?;
        }
        Ok(())
    }
}

/// target <- (1 - tau) target + tau online for one network or a stack, in place on CPU backends.
pub fn polyak<B: Dense>(target: &mut Mlp<B>, online: &Mlp<B>, tau: f64) {
    let slots = target.layers[0].weight.dims()[0];
    polyak_by(target, online, &vec![tau as f32; slots]);
}

/// The same with a tau for each slot.
pub(crate) fn polyak_by<B: Dense>(target: &mut Mlp<B>, online: &Mlp<B>, taus: &[f32]) {
    for (t, o) in target.parameters_mut().zip(online.parameters()) {
        if B::HOST {
            let one = o.dims()[1] * o.dims()[2];
            let o = o.to_data();
            let o = o.as_slice::<f32>().expect(F32);
            on_host([t], |[t]| {
                let each = t.chunks_exact_mut(one).zip(o.chunks_exact(one));
                for ((t, o), tau) in each.zip(taus) {
                    t.iter_mut().zip(o).for_each(|(t, &o)| *t += tau * (o - *t));
                }
            });
        } else {
            let tau = per_slot::<B>(taus.to_vec(), &t.device());
            *t = t.clone() + (o.clone() - t.clone()) * tau;
        }
    }
}
