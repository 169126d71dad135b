//! Kendall's rank correlation.

use super::usable;

/// Kendall's tau-b of paired values, ties taken into account (`scipy.stats.kendalltau`), in
/// [-1, 1]. `None` unless `x` and `y` are of the same length and finite, and neither is all ties
/// (so at least two values). Quadratic in the length.
#[must_use]
pub fn kendall_tau_b(x: &[f64], y: &[f64]) -> Option<f64> {
    let scale = scale(x, y)?;
    Some(concordance(x, y) as f64 / scale)
}

/// What [`concordance`] is divided by in tau-b: the geometric mean of the numbers of pairs that do
/// not tie in `x` and in `y`. `None` where tau-b is.
pub(super) fn scale(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || !usable(x, 2) || !usable(y, 2) {
        return None;
    }
    let untied = |values: &[f64]| concordance(values, values) as f64;
    // One root of the product: exact for squares, so that perfect agreement is 1 and not more.
    let scale = (untied(x) * untied(y)).sqrt();
    (scale > 0.0).then_some(scale)
}

/// Number of pairs that `x` and `y` order alike, less those that they order contrarily.
pub(super) fn concordance(x: &[f64], y: &[f64]) -> i64 {
    let sign = |a: f64, b: f64| i64::from(a > b) - i64::from(a < b);
    let with = |i: usize| -> i64 {
        let earlier = x[..i].iter().zip(&y[..i]);
        earlier.map(|(a, b)| sign(x[i], *a) * sign(y[i], *b)).sum()
    };
    (0..x.len()).map(with).sum()
}
