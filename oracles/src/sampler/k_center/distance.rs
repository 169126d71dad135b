//! Distances between points that are two slices of states each.
//!
//! Sums run in [`LANES`] lanes and are joined in one order, so that a distance has the same bits on
//! every CPU, however wide its registers.

use pulp::Simd;

/// The states of the left and of the right side, row by row.
pub type Point<'a> = [&'a [f32]; 2];

/// Sums that run side by side; no CPU's registers hold more `f32`.
const LANES: usize = 16;
/// Numbers between two looks at the sum.
const BLOCK: usize = 512;

/// Squared Euclidean distance of two points of equal sizes; or, as soon as the sum is sure not to
/// end below `bound`, infinity.
///
/// Rounded addition of numbers ≥ 0 never makes a sum smaller, so that the early answer is exact.
#[inline(always)]
pub fn squared<S: Simd>(simd: S, a: &Point, b: &Point, bound: f32) -> f32 {
    let mut sum = 0.0;
    for (a, b) in a.iter().zip(b) {
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            sum += block(simd, a, b);
            if sum >= bound {
                return f32::INFINITY;
            }
        }
    }
    sum
}

/// The sum of squared differences, best for no more than a few hundred.
#[inline(always)]
pub fn block<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [simd.splat_f32s(0.0); LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        let ((a, _), (b, _)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
        for ((&a, &b), sum) in a.iter().zip(b).zip(&mut lanes) {
            // No fused multiplication: not every CPU has it.
            let d = simd.sub_f32s(a, b);
            *sum = simd.add_f32s(*sum, simd.mul_f32s(d, d));
        }
    }
    let mut rest = 0.0;
    for (a, b) in a_rest.iter().zip(b_rest) {
        let d = a - b;
        rest += d * d;
    }
    let mut sums = [0.0; LANES];
    for (out, &lane) in S::as_mut_simd_f32s(&mut sums).0.iter_mut().zip(&lanes) {
        *out = lane;
    }
    total(&sums) + rest
}

/// The sum of all lanes, by halves.
#[inline(always)]
fn total(lanes: &[f32; LANES]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}
