//! Mish(x) = x tanh(log(1 + eˣ)) (Misra 2019, arXiv 1908.08681), the activation of DTR's critics, as one
//! operation with its own gradient: made of burn's it would go over memory nine times each way.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::{Tensor, activation, backend::Backend};

use crate::optim::on_host;
use crate::transformer::Transform;
use crate::transformer::kernels;
use crate::transformer::{primitive, tensor};

/// A backend that computes Mish.
pub trait Mish: Transform {
    /// Mish of each number.
    fn mish(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if !Self::FUSED {
            return x.clone() * activation::softplus(x, 1.0).tanh();
        }
        let mut x = x;
        on_host([&mut x], |[x]| kernels::mish(x));
        x
    }
}

impl Mish for burn_flex::Flex {}

impl Mish for burn_ndarray::NdArray {}

#[cfg(feature = "cuda")]
impl Mish for burn_cuda::Cuda {}

/// Marks the operation in the graph.
#[derive(Debug)]
struct Activation;

impl<B: Backend> Backward<B, 1> for Activation {
    type State = B::FloatTensorPrimitive;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let mut dy = tensor::<B, 2>(grads.consume::<B>(&ops.node));
        let x = tensor::<B, 2>(ops.state).into_data();
        let x = x.as_slice::<f32>().expect("tensors are f32");
        on_host([&mut dy], |[dy]| kernels::mish_backward(x, dy));
        let [for_x] = ops.parents;
        if let Some(node) = for_x {
            grads.register::<B>(node.id, primitive(dy));
        }
    }
}

impl<B: Mish, C: CheckpointStrategy> Mish for Autodiff<B, C> {
    fn mish(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
        if !Self::FUSED {
            return x.clone() * activation::softplus(x, 1.0).tanh();
        }
        let x = primitive(x);
        let y = primitive(B::mish(tensor::<B, 2>(x.primitive.clone())));
        let y = match Activation
            .prepare::<C>([x.node.clone()])
            .compute_bound()
            .stateful()
        {
            OpsKind::UnTracked(plain) => plain.finish(y),
            OpsKind::Tracked(tracked) => tracked.finish(x.primitive, y),
        };
        tensor(y)
    }
}
