//! The one operation that networks are made of: an affine layer with its activation, for a stack of
//! layers at once, with a backward pass of its own.
//!
//! A stack is a leading dimension S: twins, ensembles or seeds, each with its own parameters, none
//! touching another. Where burn's own operations go over memory once each for the product, the bias, the
//! activation and their gradients, CPU backends here do all but the product in place in one pass; other
//! backends keep to burn's operations, which they fuse.

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorPrimitive, activation};
use burn_flex::Flex;
use burn_ndarray::NdArray;

use crate::nets::Activation;
use crate::optim::on_host;

/// Tensors `[S, rows, columns]`.
type Stack<B> = Tensor<B, 3>;

/// A backend that computes layers.
pub trait Dense: Backend {
    /// Tensors live in host memory, so hot loops may work on them in place.
    const HOST: bool;

    /// `[S, rows, out]`: f(x·w + b) for x `[S, rows, in]` (S may be 1 here: shared), w `[S, in, out]`,
    /// b `[S, 1, out]`.
    fn dense(x: Stack<Self>, w: Stack<Self>, b: Stack<Self>, f: Activation) -> Stack<Self> {
        let z = x.matmul(w);
        if !Self::HOST {
            return f.apply(z + b);
        }
        let [_, rows, columns] = z.dims();
        let mut z = z;
        let b = b.into_data();
        let b = b.as_slice::<f32>().expect(crate::optim::F32);
        on_host([&mut z], |[z]| {
            for (z, b) in z
                .chunks_exact_mut(rows * columns)
                .zip(b.chunks_exact(columns))
            {
                for z in z.chunks_exact_mut(columns) {
                    f.add_in_place(z, b);
                }
            }
        });
        z
    }
}

impl Dense for Flex {
    const HOST: bool = true;
}

impl Dense for NdArray {
    const HOST: bool = true;
}

#[cfg(feature = "cuda")]
impl Dense for burn_cuda::Cuda {
    const HOST: bool = false;
}

/// The gradient by z = x·w + b of what has the gradient `dy` by y = f(z), and its sum over rows.
fn through<B: Dense>(y: Stack<B>, mut dy: Stack<B>, f: Activation) -> (Stack<B>, Stack<B>) {
    if !B::HOST {
        let dz = match f {
            Activation::None => dy,
            _ => dy * (y.greater_elem(0.0).float() * (1.0 - f.slope()) + f.slope()),
        };
        return (dz.clone(), dz.sum_dim(1));
    }
    let [stack, rows, columns] = y.dims();
    let device = y.device();
    let mut sum = vec![0.0; stack * columns];
    let y = y.into_data();
    let y = y.as_slice::<f32>().expect(crate::optim::F32);
    on_host([&mut dy], |[dy]| {
        let each = dy
            .chunks_exact_mut(rows * columns)
            .zip(y.chunks_exact(rows * columns));
        for ((dy, y), sum) in each.zip(sum.chunks_exact_mut(columns)) {
            for (dy, y) in dy.chunks_exact_mut(columns).zip(y.chunks_exact(columns)) {
                f.backward_in_place(dy, y, sum);
            }
        }
    });
    let sum = burn::tensor::TensorData::new(sum, [stack, 1, columns]);
    (dy, Tensor::from_data(sum, &device))
}

/// Marks the operation in the graph.
#[derive(Debug)]
struct Layer;

/// x, w and y of a layer, and its activation.
#[derive(Clone, Debug)]
struct Seen<P> {
    x: P,
    w: P,
    y: P,
    f: Activation,
}

impl<B: Dense> Backward<B, 3> for Layer {
    type State = Seen<B::FloatTensorPrimitive>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let dy = tensor::<B>(grads.consume::<B>(&ops.node));
        let Seen { x, w, y, f } = ops.state;
        let (dz, db) = through(tensor::<B>(y), dy, f);
        let [for_x, for_w, for_b] = ops.parents;
        if let Some(node) = for_b {
            grads.register::<B>(node.id, primitive(db));
        }
        if let Some(node) = for_w {
            let dw = tensor::<B>(x).swap_dims(1, 2).matmul(dz.clone());
            grads.register::<B>(node.id, primitive(dw));
        }
        if let Some(node) = for_x {
            let dx = dz.matmul(tensor::<B>(w).swap_dims(1, 2));
            grads.register::<B>(node.id, primitive(dx));
        }
    }
}

impl<B: Dense, C: CheckpointStrategy> Dense for Autodiff<B, C> {
    const HOST: bool = B::HOST;

    /// Here x has as many in its stack as w, unless it needs no gradient.
    fn dense(x: Stack<Self>, w: Stack<Self>, b: Stack<Self>, f: Activation) -> Stack<Self> {
        let [x, w, b] = [x, w, b].map(primitive);
        let [inner_x, inner_w, inner_b] = [&x, &w, &b].map(|t| tensor::<B>(t.primitive.clone()));
        let y = primitive(B::dense(inner_x, inner_w, inner_b, f));
        let nodes = [x.node.clone(), w.node.clone(), b.node.clone()];
        let y = match Layer.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::UnTracked(plain) => plain.finish(y),
            OpsKind::Tracked(tracked) => {
                let (x, w) = (x.primitive, w.primitive);
                let seen = Seen {
                    x,
                    w,
                    y: y.clone(),
                    f,
                };
                tracked.finish(seen, y)
            }
        };
        tensor::<Self>(y)
    }
}

fn tensor<B: Backend>(t: B::FloatTensorPrimitive) -> Stack<B> {
    Tensor::from_primitive(TensorPrimitive::Float(t))
}

fn primitive<B: Backend>(t: Stack<B>) -> B::FloatTensorPrimitive {
    t.into_primitive().tensor()
}

impl Activation {
    /// PyTorch's default slope.
    const LEAK: f64 = 0.01;

    fn apply<B: Backend>(self, x: Stack<B>) -> Stack<B> {
        match self {
            Activation::None => x,
            Activation::Relu => activation::relu(x),
            Activation::LeakyRelu => activation::leaky_relu(x, Self::LEAK),
        }
    }

    /// f'(x) for x ≤ 0; it is 1 above.
    pub(crate) fn slope(self) -> f64 {
        match self {
            Activation::None => 1.0,
            Activation::Relu => 0.0,
            Activation::LeakyRelu => Self::LEAK,
        }
    }

    /// z = f(z + b), one row.
    fn add_in_place(self, z: &mut [f32], b: &[f32]) {
        let each = z.iter_mut().zip(b);
        match self {
            Activation::None => each.for_each(|(z, b)| *z += b),
            Activation::Relu => each.for_each(|(z, b)| *z = (*z + b).max(0.0)),
            Activation::LeakyRelu => each.for_each(|(z, b)| {
                let x = *z + b;
                *z = if x > 0.0 { x } else { Self::LEAK as f32 * x };
            }),
        }
    }

    /// dy = f'(z) dy where y = f(z), one row; adds it to `sum`.
    fn backward_in_place(self, dy: &mut [f32], y: &[f32], sum: &mut [f32]) {
        let slope = self.slope() as f32;
        for ((dy, y), sum) in dy.iter_mut().zip(y).zip(sum) {
            *dy = if *y > 0.0 { *dy } else { slope * *dy };
            *sum += *dy;
        }
    }
}
