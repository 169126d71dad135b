//! A transformer that learns to regress: what is held to PyTorch, and what is timed.

use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};
use prefbench_oracles::Stream;

use super::{Call, Shape, Weights};
use crate::device::Compute;
use crate::nets::Inner;
use crate::parameters::{AdamW, Decay, Parameters};

/// Affine, transformer, affine; with its optimiser.
pub struct Regression<A: Compute> {
    shape: Arc<Shape>,
    inputs: usize,
    outputs: usize,
    pub(crate) parameters: Parameters<Inner<A>>,
    adam: AdamW<Inner<A>>,
    lr: f64,
}

impl<A: Compute> Regression<A> {
    /// From `inputs` to `outputs` numbers a token.
    pub fn new(
        shape: Shape,
        (inputs, outputs): (usize, usize),
        (lr, decay): (f64, f64),
        rng: &mut Stream,
        device: &A::Device,
    ) -> Self {
        let mut parameters = Parameters::new(device);
        parameters.add_linear("in", (inputs, shape.width), None, rng);
        parameters.add(
            "transformer",
            &[shape.numbers()],
            shape.draw(Weights::Gpt, rng),
        );
        parameters.add_linear("out", (shape.width, outputs), None, rng);
        Self {
            shape: Arc::new(shape),
            inputs,
            outputs,
            adam: AdamW::new(decay, Decay::Decoupled, &parameters),
            parameters,
            lr,
        }
    }

    /// Outputs for `batch` sequences of inputs, and the loss against `y`, the mean of squares.
    pub(crate) fn loss(
        &self,
        model: &Parameters<A>,
        (batch, x, y): (usize, &[f32], &[f32]),
        call: &Call,
    ) -> (Tensor<A, 2>, Tensor<A, 1>) {
        let rows = |values: &[f32], width: usize| {
            let size = [values.len() / width, width];
            Tensor::<A, 2>::from_data(TensorData::new(values.to_vec(), size), model.device())
        };
        let (x, y) = (rows(x, self.inputs), rows(y, self.outputs));
        let (count, width) = (x.dims()[0], self.shape.width);
        let h = model.linear("in", x).reshape([batch, count / batch, width]);
        let h = A::transform(&self.shape, h, model.get("transformer"), call);
        let out = model.linear("out", h.reshape([count, width]));
        let loss = (out.clone() - y).square().mean();
        (out, loss)
    }

    /// One step on `batch` sequences; gives the loss before it.
    pub fn step(&mut self, batch: usize, x: &[f32], y: &[f32], call: &Call) -> f64 {
        let model = Parameters::<A>::tracked(&self.parameters);
        let (_, loss) = self.loss(&model, (batch, x, y), call);
        let mut grads = loss.backward();
        let grads = model.take_grads(&mut grads);
        self.adam.step::<A>(&mut self.parameters, grads, self.lr);
        f64::from(loss.into_scalar())
    }
}
