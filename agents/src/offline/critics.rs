//! The values of the offline methods: critics Q_k(s, a) with slowly following targets Q̄_k, and V(s).

use burn::tensor::Tensor;
use prefbench_oracles::Stream;
use serde::{Deserialize, Serialize};

use crate::config::Checks;
use crate::device::Compute;
use crate::nets::{Activation, Init, Inner, Mlp};
use crate::optim::{Adam, polyak};
use crate::replay::Dims;
use crate::state::{State, StateError};

/// Settings of critics and V.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CriticConfig {
    /// Widths of the hidden layers of each network.
    pub hidden: Vec<usize>,
    /// Initial weights.
    pub init: Init,
    /// Adam's learning rate.
    pub lr: f64,
    /// Step of the targets' moving average.
    pub target_rate: f64,
}

impl CriticConfig {
    pub(crate) fn check(&self, c: &mut Checks) {
        c.at_least("critic.hidden (number of layers)", self.hidden.len(), 1);
        for &width in &self.hidden {
            c.at_least("critic.hidden", width, 1);
        }
        c.positive("critic.lr", self.lr);
        c.within("critic.target_rate", self.target_rate, 0.0, 1.0);
    }
}

/// Networks and optimisers.
pub struct Critics<A: Compute> {
    target_rate: f64,
    critics: Vec<Mlp<Inner<A>>>,
    targets: Vec<Mlp<Inner<A>>>,
    value: Mlp<Inner<A>>,
    critic_adam: Adam<Inner<A>>,
    value_adam: Adam<Inner<A>>,
}

impl<A: Compute> Critics<A> {
    /// `count` critics and V, drawn from `rng`.
    pub fn new(
        config: &CriticConfig,
        count: usize,
        dims: Dims,
        rng: &mut Stream,
        device: &A::Device,
    ) -> Self {
        let mut network = |inputs: usize| {
            let sizes = [&[inputs], config.hidden.as_slice(), &[1]].concat();
            Mlp::new(&sizes, Activation::Relu, config.init, rng, device)
        };
        let critics: Vec<_> = (0..count).map(|_| network(dims.obs + dims.act)).collect();
        let value = network(dims.obs);
        Self {
            target_rate: config.target_rate,
            critic_adam: Adam::new(config.lr, &critics),
            value_adam: Adam::new(config.lr, [&value]),
            targets: critics.clone(),
            critics,
            value,
        }
    }

    /// V(s) `[rows, 1]`.
    pub fn value(&self, state: Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        self.value.forward(state)
    }

    /// min_k Q̄_k(s, a) `[rows, 1]`.
    pub fn lowest_target(&self, state_action: &Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        each(&self.targets, state_action).min_dim(1)
    }

    /// mean_k Q̄_k(s, a) `[rows, 1]`.
    pub fn mean_target(&self, state_action: &Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        each(&self.targets, state_action).mean_dim(1)
    }

    /// mean_k Q_k(s, a) `[rows, 1]`.
    pub fn mean(&self, state_action: &Tensor<Inner<A>, 2>) -> Tensor<Inner<A>, 2> {
        each(&self.critics, state_action).mean_dim(1)
    }

    /// A step of V on a loss of V(s) `[rows, 1]`; gives the loss.
    pub fn step_value(
        &mut self,
        state: Tensor<Inner<A>, 2>,
        loss: impl FnOnce(Tensor<A, 2>) -> Tensor<A, 1>,
    ) -> Tensor<Inner<A>, 1> {
        let value = Mlp::<A>::tracked(&self.value);
        let loss = loss(value.forward(Tensor::from_inner(state)));
        let mut grads = loss.backward();
        let grads = value.take_grads(&mut grads);
        self.value_adam.step::<A>([&mut self.value], grads);
        loss.inner()
    }

    /// A step of the critics on a loss of Q_k(s, a) `[rows, critics]`; gives the loss.
    pub fn step(
        &mut self,
        state_action: Tensor<Inner<A>, 2>,
        loss: impl FnOnce(Tensor<A, 2>) -> Tensor<A, 1>,
    ) -> Tensor<Inner<A>, 1> {
        let critics: Vec<Mlp<A>> = self.critics.iter().map(Mlp::tracked).collect();
        let loss = loss(each(&critics, &Tensor::from_inner(state_action)));
        let mut grads = loss.backward();
        let take = |q: Mlp<A>| q.take_grads(&mut grads);
        let grads: Vec<_> = critics.into_iter().flat_map(take).collect();
        self.critic_adam.step::<A>(&mut self.critics, grads);
        loss.inner()
    }

    /// Q̄ ← Q̄ + target_rate (Q − Q̄).
    pub fn follow(&mut self) {
        for (target, critic) in self.targets.iter_mut().zip(&self.critics) {
            polyak::<A>(target, critic, self.target_rate);
        }
    }

    /// Writes networks and optimisers.
    pub fn save(&self, state: &mut State) {
        for (k, (critic, target)) in self.critics.iter().zip(&self.targets).enumerate() {
            critic.save(&format!("critic.{k}"), state);
            target.save(&format!("target.{k}"), state);
        }
        self.value.save("value", state);
        self.critic_adam.save("critic.adam", state);
        self.value_adam.save("value.adam", state);
    }

    /// Reads what [`Critics::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        for (k, (critic, target)) in self.critics.iter_mut().zip(&mut self.targets).enumerate() {
            critic.load(&format!("critic.{k}"), state)?;
            target.load(&format!("target.{k}"), state)?;
        }
        self.value.load("value", state)?;
        self.critic_adam.load("critic.adam", state)?;
        self.value_adam.load("value.adam", state)
    }
}

/// The output of each network, `[rows, networks]`.
fn each<B: burn::tensor::backend::Backend>(
    networks: &[Mlp<B>],
    state_action: &Tensor<B, 2>,
) -> Tensor<B, 2> {
    let of = |q: &Mlp<B>| q.forward(state_action.clone());
    Tensor::cat(networks.iter().map(of).collect(), 1)
}
