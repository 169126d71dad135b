//! How good a learned reward is, on pairs of segments that it never learnt from.
//!
//! The true returns that it is held against are privileged: they are measured here for the log, and no learner
//! reads the result.

use prefbench_oracles::{Pair, Pool, Preference, Segment, Stream};

use crate::device::Compute;
use crate::replay::Replay;
use crate::reward_model::RewardModel;

/// Pairs drawn, two segments each.
const PAIRS: usize = 200;

/// Named figures of the ensemble's mean on pairs drawn uniformly from all complete episodes, less those in
/// `labels`; what is undefined is left out.
///
/// `reward.accuracy_held_out`: the share of pairs with unequal true returns whose better segment is predicted.
/// `reward.rank_correlation_held_out`: Spearman's ρ between predicted and true returns of all segments.
pub fn quality<A: Compute>(
    reward: &RewardModel<A>,
    replay: &Replay,
    labels: &[Preference],
    segment: usize,
    mut rng: Stream,
) -> Vec<(&'static str, f64)> {
    let pool = Pool::recent(replay.trajectories(), usize::MAX, &[]);
    let Ok(mut pairs) = pool.pairs(segment, PAIRS, &mut rng) else {
        return Vec::new();
    };
    pairs.retain(|pair| labels.iter().all(|l| l.pair != *pair));
    let members = reward.config().members;
    let mut predicted = vec![0.0; 2 * pairs.len()];
    for returns in reward.returns(replay, &pairs, 0..members) {
        let sums = predicted.iter_mut().zip(returns);
        sums.for_each(|(sum, r)| *sum += f64::from(r));
    }
    let view = |s: Segment| replay.trajectories().view(s).map(|v| v.true_return());
    let both = |p: &Pair| [view(p.left), view(p.right)];
    let Ok(known) = pairs.iter().flat_map(both).collect::<Result<Vec<_>, _>>() else {
        return Vec::new();
    };
    if !predicted.iter().all(|r| r.is_finite()) {
        return Vec::new();
    }
    let sides = |returns: &[f64]| returns.as_chunks::<2>().0.to_vec();
    let judged = sides(&predicted).into_iter().zip(sides(&known));
    let strict: Vec<bool> = judged
        .filter(|(_, [left, right])| left != right)
        .map(|([a, b], [left, right])| a != b && (a < b) == (left < right))
        .collect();
    let right = strict.iter().filter(|&&right| right).count();
    let share = right as f64 / strict.len() as f64;
    let all = [
        ("reward.accuracy_held_out", share),
        (
            "reward.rank_correlation_held_out",
            spearman(&predicted, &known),
        ),
    ];
    all.into_iter().filter(|(_, v)| v.is_finite()).collect()
}

/// Spearman's rank correlation; NaN where either side is constant.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| -> f64 {
        let terms = a.iter().zip(b).map(|(a, b)| (a - middle) * (b - middle));
        terms.sum()
    };
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
}

/// The rank of each value, from 0; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|&i, &j| values[i] == values[j]) {
        for &i in group {
            ranks[i] = first as f64 + (group.len() - 1) as f64 / 2.0;
        }
        first += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against values of the definition, equal ranks shared.
    #[test]
    fn rank_correlation() {
        let close = |a: &[f64], b: &[f64], rho: f64| {
            let ours = spearman(a, b);
            assert!((ours - rho).abs() < 1e-12, "{ours}, not {rho}");
        };
        let a = [1.0, 2.0, 3.0, 4.0, 5.0];
        close(&a, &[10.0, 20.0, 30.0, 40.0, 1e6], 1.0);
        close(&a, &[3.0, -1.0, 7.0, 0.5, 2.0], -0.1);
        close(
            &[1.0, 1.0, 2.0, 3.0],
            &[4.0, 2.0, 2.0, 1.0],
            -0.8333333333333334,
        );
        assert!(spearman(&a, &[1.0; 5]).is_nan());
    }
}
