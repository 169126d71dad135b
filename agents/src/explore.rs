//! Unsupervised exploration: an intrinsic reward from the particle entropy of visited states.
//!
//! PEBBLE (Lee et al. 2021, arXiv 2106.05091), section 4.1: the reward of a state is its distance
//! to its k-th nearest neighbour among all states in the replay memory. As in the reference code
//! the plain distance is used (no logarithm), divided by a running standard deviation. The
//! reference's running mean drifts (it adds δ + n/N instead of δ·n/N); this one is Chan's update.

use serde::{Deserialize, Serialize};

use crate::state::{State, StateError, exact};

/// Mean and variance of all values seen so far (Chan et al. 1983).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningMoments {
    #[serde(with = "exact")]
    mean: f64,
    #[serde(with = "exact")]
    variance: f64,
    #[serde(with = "exact")]
    count: f64,
}

impl Default for RunningMoments {
    fn default() -> Self {
        // A nearly weightless unit variance keeps the first division finite, as in the reference.
        Self {
            mean: 0.0,
            variance: 1.0,
            count: 1e-4,
        }
    }
}

impl RunningMoments {
    /// Takes a batch of values in.
    pub fn update(&mut self, values: &[f32]) {
        let n = values.len() as f64;
        if n == 0.0 {
            return;
        }
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let m2 = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>();
        let total = self.count + n;
        let delta = mean - self.mean;
        let joint = self.variance * self.count + m2 + delta * delta * self.count * n / total;
        self.mean += delta * n / total;
        self.variance = joint / total;
        self.count = total;
    }

    /// Population standard deviation.
    pub fn std(&self) -> f64 {
        self.variance.sqrt()
    }
}

/// The intrinsic reward and its running scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StateEntropy {
    scale: RunningMoments,
}

impl StateEntropy {
    /// Scaled distances of the rows of `batch` to their `k`-th nearest neighbours in `memory`;
    /// both are row-major with `dim` columns, and each batch row also stands in the memory (so
    /// the nearest of all is itself and does not count).
    pub fn reward(&mut self, batch: &[f32], memory: &[f32], dim: usize, k: usize) -> Vec<f32> {
        let mut rewards = neighbour_distances(batch, memory, dim, k);
        self.scale.update(&rewards);
        let std = self.scale.std() as f32;
        for r in &mut rewards {
            *r /= std;
        }
        rewards
    }

    /// Writes the running scale.
    pub fn save(&self, state: &mut State) {
        state.put_json("entropy.scale", &self.scale);
    }

    /// Reads what [`StateEntropy::save`] wrote.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        self.scale = state.get_json("entropy.scale")?;
        Ok(())
    }
}

/// Euclidean distance of each batch row to its `k`-th nearest other row of the memory: the
/// (k+1)-th smallest of all, or the largest where the memory has fewer rows.
fn neighbour_distances(batch: &[f32], memory: &[f32], dim: usize, k: usize) -> Vec<f32> {
    let rows = memory.len() / dim;
    // Column-major memory: the inner loop runs over neighbours and vectorises.
    let mut columns = vec![0.0; memory.len()];
    for (r, row) in memory.chunks_exact(dim).enumerate() {
        for (c, &v) in row.iter().enumerate() {
            columns[c * rows + r] = v;
        }
    }
    let mut squares = vec![0.0f32; rows];
    batch
        .chunks_exact(dim)
        .map(|row| {
            squares.fill(0.0);
            for (&x, column) in row.iter().zip(columns.chunks_exact(rows)) {
                for (s, &y) in squares.iter_mut().zip(column) {
                    let d = x - y;
                    *s += d * d;
                }
            }
            kth_smallest(&squares, k.min(rows - 1)).sqrt()
        })
        .collect()
}

/// The value at index `k` of the sorted `values`: for small k one scan, most of it one comparison.
fn kth_smallest(values: &[f32], k: usize) -> f32 {
    let mut nearest = vec![f32::INFINITY; k + 1];
    for &v in values {
        if v < nearest[k] {
            let at = nearest.partition_point(|&n| n <= v);
            nearest[at..].rotate_right(1);
            nearest[at] = v;
        }
    }
    nearest[k]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_moments_equal_the_moments_of_everything_seen() {
        let values: Vec<f32> = (0..1000).map(|i| ((i * 37) % 101) as f32 - 20.0).collect();
        let mut running = RunningMoments::default();
        for chunk in values.chunks(64) {
            running.update(chunk);
        }
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let var = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        assert!(
            (running.mean - mean).abs() < 1e-3,
            "{} {mean}",
            running.mean
        );
        assert!(
            (running.std() - var.sqrt()).abs() < 1e-3,
            "{} {}",
            running.std(),
            var.sqrt()
        );
    }

    #[test]
    fn neighbours_are_found_by_their_distance() {
        // Points 0, 1, 3, 7 on a line.
        let memory = [0.0, 0.0, 1.0, 0.0, 3.0, 0.0, 7.0, 0.0];
        assert_eq!(
            neighbour_distances(&memory, &memory, 2, 1),
            [1.0, 1.0, 2.0, 4.0]
        );
        assert_eq!(
            neighbour_distances(&memory, &memory, 2, 2),
            [3.0, 2.0, 3.0, 6.0]
        );
        assert_eq!(neighbour_distances(&memory[..2], &memory, 2, 9), [7.0]);
    }
}
