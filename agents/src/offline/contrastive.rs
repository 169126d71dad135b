//! Contrastive losses of segments' advantages A(σ), biased towards the data (Hejna et al. 2024, arXiv
//! 2310.13639, eq. 6), and how often the advantages agree with the answers.
//!
//! Another contrastive loss is another function here.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::device::Compute;
use crate::nets::log_sigmoid;

/// ℓ_λ of pairs: the mean of −y log σ(A(right) − λ A(left)) − (1 − y) log σ(A(left) − λ A(right)).
/// All are `[pairs, 1]`; y is P\[right\].
pub fn comparison<A: Compute>(
    left: Tensor<A, 2>,
    right: Tensor<A, 2>,
    y: Tensor<A, 2>,
    lambda: f64,
) -> Tensor<A, 1> {
    let to_right = log_sigmoid(right.clone() - left.clone() * lambda);
    let to_left = log_sigmoid(left - right * lambda);
    let not_y = y.clone().neg() + 1.0;
    (y * to_right + not_y * to_left).mean().neg()
}

/// ℓ_λ over all pairs of segments that are sorted by their scores, the worst first: the mean over i < j of
/// −log σ(A_j − λ A_i), for A `[segments, 1]`.
pub fn ranking<A: Compute>(sorted: Tensor<A, 2>, lambda: f64) -> Tensor<A, 1> {
    let n = sorted.dims()[0];
    let logits = sorted.clone().transpose() - sorted.clone() * lambda;
    let above: Vec<f32> = (0..n * n)
        .map(|k| f32::from(u8::from(k % n > k / n)))
        .collect();
    let above = Tensor::from_data(TensorData::new(above, [n, n]), &sorted.device());
    let pairs = (n * (n - 1) / 2).max(1) as f64;
    (log_sigmoid(logits) * above).sum().neg() / pairs
}

/// Share of pairs whose margin A(right) − A(left) agrees with the answer; equal ones count half.
pub fn agreement<B: Backend>(margin: Tensor<B, 2>, y: Tensor<B, 2>) -> Tensor<B, 1> {
    let right = margin.greater_elem(0.0).float();
    let not_y = y.clone().neg() + 1.0;
    (right.clone() * y + (right.neg() + 1.0) * not_y).mean()
}

/// Share of the pairs of sorted segments whose A is in the same order.
pub fn sorted_share<B: Backend>(a: Tensor<B, 2>) -> Tensor<B, 1> {
    let values: Vec<f32> = a.to_data().iter().collect();
    let pairs = (0..values.len()).flat_map(|j| (0..j).map(move |i| (i, j)));
    let (mut right, mut all) = (0.0, 0.0);
    for (i, j) in pairs {
        right += f32::from(u8::from(values[j] > values[i]));
        all += 1.0;
    }
    Tensor::from_data([if all > 0.0 { right / all } else { 0.5 }], &a.device())
}
