//! The policies of the offline methods: tanh of a perceptron, with dropout, as the mean of a density.

use burn::tensor::{Tensor, TensorData, activation, backend::Backend};
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use crate::config::Checks;
use crate::device::Compute;
use crate::nets::{Activation, Init, Inner, Linear, Mlp};
use crate::optim::{Adam, VectorAdam};
use crate::replay::Dims;
use crate::state::{State, StateError};

const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Settings of a policy's network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Initial weights: `orthogonal` or `uniform` (PyTorch's default).
    pub init: Init,
    /// Share of the hidden activations that are dropped in training.
    pub dropout: f64,
    /// Adam's learning rate.
    pub lr: f64,
}

impl ActorConfig {
    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("actor.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("actor.hidden", width, 1);
        }
        c.within("actor.dropout", self.dropout, 0.0, 0.99);
        c.positive("actor.lr", self.lr);
    }
}

/// What a policy's log π(a|s) is. The mean is μ(s) = tanh(MLP(s)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Density {
    /// −‖a − μ(s)‖², without the ½ of a Gaussian (CPL).
    Squared,
    /// A Gaussian whose log σ, one number for each action, does not depend on the state and is kept
    /// within these bounds (IQL).
    Gaussian(f64, f64),
}

/// A perceptron that can drop hidden activations: of one part without dropout, else a part for each
/// layer.
#[derive(Clone, Debug)]
struct Net<B: Backend> {
    parts: Vec<Mlp<B>>,
    dropout: f64,
}

impl<B: Backend> Net<B> {
    fn new(config: &ActorConfig, dims: Dims, rng: &mut Stream, device: &B::Device) -> Self {
        let mut sizes = vec![dims.obs];
        sizes.extend(&config.hidden);
        sizes.push(dims.act);
        let part = |sizes: &[usize], rng: &mut Stream| {
            Mlp::new(sizes, Activation::Relu, config.init, rng, device)
        };
        let parts = match config.dropout > 0.0 {
            true => sizes.windows(2).map(|sizes| part(sizes, rng)).collect(),
            false => vec![part(&sizes, rng)],
        };
        Self {
            parts,
            dropout: config.dropout,
        }
    }

    /// μ(s) for states `[rows, obs]`; activations are dropped as `rng` says, if given.
    fn forward(&self, mut x: Tensor<B, 2>, mut rng: Option<&mut Stream>) -> Tensor<B, 2> {
        let last = self.parts.len() - 1;
        for (i, part) in self.parts.iter().enumerate() {
            x = part.forward(x);
            if i < last {
                x = activation::relu(x);
                if let Some(rng) = rng.as_deref_mut() {
                    let mut mask = vec![0.0; x.dims().iter().product()];
                    rng.fill_dropout(&mut mask, self.dropout);
                    let mask = TensorData::new(mask, x.dims());
                    x = x.clone() * Tensor::from_data(mask, &x.device());
                }
            }
        }
        x.tanh()
    }
}

/// A policy and its optimiser.
pub struct Actor<A: Compute> {
    net: Net<Inner<A>>,
    density: Density,
    log_std: Tensor<Inner<A>, 1>,
    device: A::Device,
    lr: f64,
    adam: Adam<Inner<A>>,
    std_adam: VectorAdam<Inner<A>>,
}

impl<A: Compute> Actor<A> {
    /// A fresh policy drawn from `rng`; σ = 1.
    pub fn new(
        config: &ActorConfig,
        density: Density,
        dims: Dims,
        rng: &mut Stream,
        device: &A::Device,
    ) -> Self {
        let net = Net::new(config, dims, rng, device);
        let log_std = Tensor::zeros([dims.act], device);
        Self {
            adam: Adam::new(config.lr, &net.parts),
            std_adam: VectorAdam::new(config.lr, &log_std),
            lr: config.lr,
            net,
            density,
            log_std,
            device: device.clone(),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &A::Device {
        &self.device
    }

    /// μ(s) `[rows, act]` for states `[rows, obs]`, each in (−1, 1).
    pub fn mean(&self, state: Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        self.net.forward(state, None)
    }

    /// Actions `[rows, act]` drawn from π(s) with standard normal `noise`, unbounded; the mean, of a policy
    /// without σ.
    pub fn sample(
        &self,
        state: Tensor<Inner<A>, 2>,
        noise: Tensor<Inner<A>, 2>,
    ) -> Tensor<Inner<A>, 2> {
        let mean = self.mean(state);
        match self.density {
            Density::Squared => mean,
            Density::Gaussian(low, high) => {
                let std = self.log_std.clone().clamp(low, high).exp();
                mean + noise * std.unsqueeze::<2>()
            }
        }
    }

    /// log π(a|s) `[rows, 1]`, with nothing dropped.
    pub fn log_prob(
        &self,
        state: Tensor<Inner<A>, 2>,
        action: Tensor<Inner<A>, 2>,
    ) -> Tensor<Inner<A>, 2> {
        log_prob(self.density, self.mean(state), self.log_std.clone(), action)
    }

    /// One step of Adam on a loss of log π(a|s) `[rows, 1]`; gives the loss. `rng` drops activations.
    pub fn step(
        &mut self,
        state: Tensor<Inner<A>, 2>,
        action: Tensor<Inner<A>, 2>,
        rng: &mut Stream,
        loss: impl FnOnce(Tensor<A, 2>) -> Tensor<A, 1>,
    ) -> Tensor<Inner<A>, 1> {
        let net = Net::<A> {
            parts: self.net.parts.iter().map(Mlp::tracked).collect(),
            dropout: self.net.dropout,
        };
        let log_std = Tensor::<A, 1>::from_inner(self.log_std.clone()).require_grad();
        let mean = net.forward(Tensor::from_inner(state), Some(rng));
        let log_prob = log_prob(
            self.density,
            mean,
            log_std.clone(),
            Tensor::from_inner(action),
        );
        let loss = loss(log_prob);
        let mut grads = loss.backward();
        let loss = loss.inner();
        let take = |part: Mlp<A>| part.take_grads(&mut grads);
        let of_net: Vec<Linear<_>> = net.parts.into_iter().flat_map(take).collect();
        self.adam.step::<A>(&mut self.net.parts, of_net);
        if let Some(grad) = log_std.grad_remove(&mut grads) {
            self.std_adam.step(&mut self.log_std, grad);
        }
        loss
    }

    /// Multiplies the configured learning rate, for schedules.
    pub fn scale_lr(&mut self, factor: f64) {
        self.adam.set_lr(self.lr * factor);
        self.std_adam.set_lr(self.lr * factor);
    }

    /// Forgets the moments of the optimiser.
    pub fn fresh_optimiser(&mut self) {
        self.adam = Adam::new(self.lr, &self.net.parts);
        self.std_adam = VectorAdam::new(self.lr, &self.log_std);
    }

    /// Copies the parameters of a policy built alike.
    pub fn copy_from(&mut self, other: &Self) {
        self.net = other.net.clone();
        self.log_std = other.log_std.clone();
    }

    /// Writes parameters and optimiser.
    pub fn save(&self, name: &str, state: &mut State) {
        for (i, part) in self.net.parts.iter().enumerate() {
            part.save(&format!("{name}.{i}"), state);
        }
        state.put_tensor(&format!("{name}.log_std"), self.log_std.clone());
        self.adam.save(&format!("{name}.adam"), state);
        self.std_adam.save(&format!("{name}.std_adam"), state);
    }

    /// Reads what [`Actor::save`] wrote.
    pub fn load(&mut self, name: &str, state: &State) -> Result<(), StateError> {
        for (i, part) in self.net.parts.iter_mut().enumerate() {
            part.load(&format!("{name}.{i}"), state)?;
        }
        state.get_tensor(&format!("{name}.log_std"), &mut self.log_std)?;
        self.adam.load(&format!("{name}.adam"), state)?;
        self.std_adam.load(&format!("{name}.std_adam"), state)
    }
}

/// log π(a|s) `[rows, 1]` of a density with this mean.
fn log_prob<B: Backend>(
    density: Density,
    mean: Tensor<B, 2>,
    log_std: Tensor<B, 1>,
    action: Tensor<B, 2>,
) -> Tensor<B, 2> {
    let error = action - mean;
    match density {
        Density::Squared => error.square().sum_dim(1).neg(),
        Density::Gaussian(low, high) => {
            let log_std = log_std.clamp(low, high).unsqueeze::<2>();
            let scaled = error * log_std.clone().neg().exp();
            (scaled.square() * -0.5 - log_std - HALF_LOG_TWO_PI).sum_dim(1)
        }
    }
}
