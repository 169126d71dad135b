//! Adam and Polyak averaging over the parameters of [`crate::nets`].
//!
//! burn's own optimiser keys its state by random parameter ids and walks each parameter in a
//! dozen tensor operations. Here the state is plain tensors in layer order (so a checkpoint is
//! the same bytes every time), and on CPU backends one pass over host memory does the whole step
//! in place. Both paths compute Kingma & Ba (2015), algorithm 1, with PyTorch's epsilon 1e-8.

use burn::tensor::{Tensor, backend::Backend};

use crate::device::Compute;
use crate::nets::{Inner, Linear, Mlp};
use crate::state::{State, StateError};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// First and second moment of one parameter.
#[derive(Clone, Debug)]
struct Moments<B: Backend, const D: usize> {
    m: Tensor<B, D>,
    v: Tensor<B, D>,
}

impl<B: Backend, const D: usize> Moments<B, D> {
    fn zeros(like: &Tensor<B, D>) -> Self {
        Self {
            m: like.zeros_like(),
            v: like.zeros_like(),
        }
    }

    /// One step on one parameter; `rate` and `root` are the bias-corrected learning rate and
    /// the square root of the second bias correction.
    fn step(&mut self, p: &mut Tensor<B, D>, g: Tensor<B, D>, rate: f32, root: f32, host: bool) {
        if host {
            let g = g.into_data();
            on_host([p, &mut self.m, &mut self.v], |[p, m, v]| {
                let g = g.as_slice::<f32>().expect(F32);
                for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                    *m = BETA1 * *m + (1.0 - BETA1) * g;
                    *v = BETA2 * *v + (1.0 - BETA2) * (g * g);
                    *p -= rate * *m / (v.sqrt() / root + EPSILON);
                }
            });
        } else {
            self.m = self.m.clone() * BETA1 + g.clone() * (1.0 - BETA1);
            self.v = self.v.clone() * BETA2 + g.square() * (1.0 - BETA2);
            *p = p.clone() - self.m.clone() * rate / (self.v.clone().sqrt() / root + EPSILON);
        }
    }
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
const F32: &str = "parameters are f32";

/// Adam over the layers of one or several networks.
#[derive(Clone, Debug)]
pub struct Adam<B: Backend> {
    lr: f32,
    steps: u32,
    moments: Vec<(Moments<B, 2>, Moments<B, 1>)>,
}

impl<B: Backend> Adam<B> {
    /// Fresh state for `networks`, to be stepped in the same order.
    pub fn new<'a>(lr: f64, networks: impl IntoIterator<Item = &'a Mlp<B>>) -> Self {
        let moments = networks
            .into_iter()
            .flat_map(|n| &n.layers)
            .map(|l| (Moments::zeros(&l.weight), Moments::zeros(&l.bias)))
            .collect();
        Self {
            lr: lr as f32,
            steps: 0,
            moments,
        }
    }

    /// Changes the learning rate, for schedules; it is no part of the saved state.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr as f32;
    }

    /// One step; `grads` holds one entry a layer, networks in the order given to [`Adam::new`].
    pub fn step<'a, A: Compute<InnerBackend = B>>(
        &mut self,
        networks: impl IntoIterator<Item = &'a mut Mlp<B>>,
        grads: impl IntoIterator<Item = Linear<B>>,
    ) {
        self.steps += 1;
        let (rate, root) = corrections(self.lr, self.steps);
        let layers = networks.into_iter().flat_map(|n| n.layers.iter_mut());
        for ((layer, grad), (w, b)) in layers.zip(grads).zip(&mut self.moments) {
            w.step(&mut layer.weight, grad.weight, rate, root, A::HOST);
            b.step(&mut layer.bias, grad.bias, rate, root, A::HOST);
        }
    }

    /// Writes moments and step count under `name`.
    pub fn save(&self, name: &str, state: &mut State) {
        state.put_json(&format!("{name}.steps"), &self.steps);
        for (i, (w, b)) in self.moments.iter().enumerate() {
            state.put_tensor(&format!("{name}.{i}.weight.m"), w.m.clone());
            state.put_tensor(&format!("{name}.{i}.weight.v"), w.v.clone());
            state.put_tensor(&format!("{name}.{i}.bias.m"), b.m.clone());
            state.put_tensor(&format!("{name}.{i}.bias.v"), b.v.clone());
        }
    }

    /// Reads what [`Adam::save`] wrote.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        self.steps = state.get_json(&format!("{name}.steps"))?;
        for (i, (w, b)) in self.moments.iter_mut().enumerate() {
            state.get_tensor(&format!("{name}.{i}.weight.m"), &mut w.m)?;
            state.get_tensor(&format!("{name}.{i}.weight.v"), &mut w.v)?;
            state.get_tensor(&format!("{name}.{i}.bias.m"), &mut b.m)?;
            state.get_tensor(&format!("{name}.{i}.bias.v"), &mut b.v)?;
        }
        Ok(())
    }
}

/// Adam for one vector parameter (SAC's log temperature).
#[derive(Clone, Debug)]
pub struct VectorAdam<B: Backend> {
    lr: f32,
    steps: u32,
    moments: Moments<B, 1>,
}

impl<B: Backend> VectorAdam<B> {
    /// Fresh state for a parameter shaped like `like`.
    pub fn new(lr: f64, like: &Tensor<B, 1>) -> Self {
        Self {
            lr: lr as f32,
            steps: 0,
            moments: Moments::zeros(like),
        }
    }

    /// Changes the learning rate, for schedules; it is no part of the saved state.
    pub fn set_lr(&mut self, lr: f64) {
        self.lr = lr as f32;
    }

    /// One step.
    pub fn step(&mut self, parameter: &mut Tensor<B, 1>, grad: Tensor<B, 1>) {
        self.steps += 1;
        let (rate, root) = corrections(self.lr, self.steps);
        self.moments.step(parameter, grad, rate, root, false);
    }

    /// Writes moments and step count under `name`.
    pub fn save(&self, name: &str, state: &mut State) {
        state.put_json(&format!("{name}.steps"), &self.steps);
        state.put_tensor(&format!("{name}.m"), self.moments.m.clone());
        state.put_tensor(&format!("{name}.v"), self.moments.v.clone());
    }

    /// Reads what [`VectorAdam::save`] wrote.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        self.steps = state.get_json(&format!("{name}.steps"))?;
        state.get_tensor(&format!("{name}.m"), &mut self.moments.m)?;
        state.get_tensor(&format!("{name}.v"), &mut self.moments.v)
    }
}

fn corrections(lr: f32, steps: u32) -> (f32, f32) {
    let t = f64::from(steps);
    let rate = f64::from(lr) / (1.0 - f64::from(BETA1).powf(t));
    let root = (1.0 - f64::from(BETA2).powf(t)).sqrt();
    (rate as f32, root as f32)
}

/// target <- (1 - tau) target + tau online, in place on CPU backends.
pub fn polyak<A: Compute>(target: &mut Mlp<Inner<A>>, online: &Mlp<Inner<A>>, tau: f64) {
    let tau = tau as f32;
    for (t, o) in target.layers.iter_mut().zip(&online.layers) {
        mix::<Inner<A>, 2>(&mut t.weight, &o.weight, tau, A::HOST);
        mix::<Inner<A>, 1>(&mut t.bias, &o.bias, tau, A::HOST);
    }
}

fn mix<B: Backend, const D: usize>(t: &mut Tensor<B, D>, o: &Tensor<B, D>, tau: f32, host: bool) {
    if host {
        let o = o.to_data();
        on_host([t], |[t]| {
            for (t, &o) in t.iter_mut().zip(o.as_slice::<f32>().expect(F32)) {
                *t += tau * (o - *t);
            }
        });
    } else {
        *t = t.clone() * (1.0 - tau) + o.clone() * tau;
    }
}
