//! Unsupervised exploration: an intrinsic reward from the particle entropy of visited states.
//!
//! PEBBLE (Lee et al. 2021, arXiv 2106.05091), section 4.1: the reward of a state is its distance
//! to its k-th nearest neighbour among all states in the replay memory. As in the reference code
//! the plain distance is used (no logarithm), divided by a running standard deviation. The
//! reference's running mean drifts (it adds δ + n/N instead of δ·n/N); this one is Chan's update.
//!
//! The reference measures every batch against the whole memory. Here each state in the memory keeps
//! its nearest distances, and a new one is compared once with all others, which is exact: a step costs
//! N·dim operations instead of batch·N·dim, and a batch's distances are look-ups.

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

    /// Mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Population standard deviation.
    pub fn std(&self) -> f64 {
        self.variance.sqrt()
    }
}

/// The intrinsic reward and its running scale.
#[derive(Clone, Debug)]
pub struct StateEntropy {
    scale: RunningMoments,
    neighbours: Neighbours,
}

impl StateEntropy {
    /// For states of `dim` numbers; the reward is the distance to the `k`-th nearest other state.
    pub fn new(dim: usize, k: usize) -> Self {
        Self {
            scale: RunningMoments::default(),
            neighbours: Neighbours::new(dim, k),
        }
    }

    /// Scaled distances of these rows of `memory` to their `k`-th nearest neighbours in it.
    ///
    /// `memory` is row-major and only ever grows from call to call; its new rows are taken in first.
    /// Where it has no `k` other rows, the farthest counts.
    pub fn reward(&mut self, rows: &[usize], memory: &[f32]) -> Vec<f32> {
        let mut rewards = self.distances(rows, memory);
        let std = self.scale(&rewards).std() as f32;
        for r in &mut rewards {
            *r /= std;
        }
        rewards
    }

    /// The distances of [`StateEntropy::reward`] as they are.
    pub fn distances(&mut self, rows: &[usize], memory: &[f32]) -> Vec<f32> {
        self.neighbours.extend(memory);
        let distance = |&row| self.neighbours.distance(row);
        rows.iter().map(distance).collect()
    }

    /// Mean and deviation of all distances so far, these included.
    pub fn scale(&mut self, distances: &[f32]) -> RunningMoments {
        self.scale.update(distances);
        self.scale
    }

    /// Frees what is kept of the memory, when exploration is over. A further
    /// [`StateEntropy::reward`] would build it anew.
    pub fn forget(&mut self) {
        self.neighbours = Neighbours::new(self.neighbours.dim, self.neighbours.k);
    }

    /// Writes the running scale and the nearest distances.
    pub fn save(&self, state: &mut State) {
        state.put_json("entropy.scale", &self.scale);
        let n = &self.neighbours;
        let shape = [n.nearest.len() / (n.k + 1), n.k + 1];
        state.put_column("entropy.nearest", &shape, &n.nearest);
    }

    /// Reads what [`StateEntropy::save`] wrote, for a memory that has `rows` rows by now.
    pub fn load(&mut self, state: &State, rows: usize) -> Result<(), StateError> {
        self.scale = state.get_json("entropy.scale")?;
        let nearest = state.get_flat("entropy.nearest")?;
        let width = self.neighbours.k + 1;
        if nearest.len() % width != 0 || nearest.len() / width > rows {
            return Err(StateError::Shape {
                name: "entropy.nearest".to_owned(),
                found: vec![nearest.len()],
                needed: vec![rows, width],
            });
        }
        self.forget();
        self.neighbours.nearest = nearest;
        Ok(())
    }
}

/// Rows that are compared side by side.
const LANES: usize = 32;

/// The distances of every row to its nearest rows.
#[derive(Clone, Debug)]
struct Neighbours {
    dim: usize,
    k: usize,
    rows: usize,
    /// The rows in blocks of [`LANES`], each column by column; infinite where there is no row yet.
    columns: Vec<[f32; LANES]>,
    /// The last number of each row's list, in the same blocks; −∞ where there is none.
    reach: Vec<[f32; LANES]>,
    /// For every row its k + 1 smallest squared distances, itself included, in ascending order;
    /// infinite where there are fewer. After loading a state, ahead of the other columns.
    nearest: Vec<f32>,
}

impl Neighbours {
    fn new(dim: usize, k: usize) -> Self {
        Self {
            dim,
            k,
            rows: 0,
            columns: Vec::new(),
            reach: Vec::new(),
            nearest: Vec::new(),
        }
    }

    /// Takes in the rows of `memory` that are new.
    fn extend(&mut self, memory: &[f32]) {
        for row in memory.chunks_exact(self.dim).skip(self.rows) {
            let (block, lane) = (self.rows / LANES, self.rows % LANES);
            if lane == 0 {
                let columns = self.columns.len() + self.dim;
                self.columns.resize(columns, [f32::INFINITY; LANES]);
                self.reach.push([f32::NEG_INFINITY; LANES]);
            }
            for (column, &x) in self.columns[block * self.dim..].iter_mut().zip(row) {
                column[lane] = x;
            }
            let width = self.k + 1;
            if self.rows * width == self.nearest.len() {
                let list = self.meet(row);
                self.nearest.extend(list);
            }
            self.reach[block][lane] = self.nearest[self.rows * width + self.k];
            self.rows += 1;
        }
    }

    /// Enters the distances between `row`, already in the columns, and all rows before it into their
    /// lists, and returns its own.
    fn meet(&mut self, row: &[f32]) -> Vec<f32> {
        let width = self.k + 1;
        let mut own = vec![f32::INFINITY; width];
        let blocks = self.columns.chunks_exact(self.dim).zip(&mut self.reach);
        for (b, (columns, reach)) in blocks.enumerate() {
            // Each sum runs in the order of the columns, so that both rows of a pair, and a
            // comparison one by one, find the same bits.
            let mut squares = [0.0f32; LANES];
            for (&x, column) in row.iter().zip(columns) {
                for (s, y) in squares.iter_mut().zip(column) {
                    let d = x - y;
                    *s += d * d;
                }
            }
            let farthest = own[self.k];
            let near = |(s, reach): (&f32, &f32)| (s < reach) | (s < &farthest);
            let any = |any, pair| any | near(pair);
            if !squares.iter().zip(&*reach).fold(false, any) {
                continue;
            }
            for (lane, (&s, reach)) in squares.iter().zip(reach).enumerate() {
                insert(&mut own, s);
                if s < *reach {
                    let at = (b * LANES + lane) * width;
                    let list = &mut self.nearest[at..at + width];
                    insert(list, s);
                    *reach = list[self.k];
                }
            }
        }
        own
    }

    /// Euclidean distance of a row to its k-th nearest other, or the farthest if there are fewer.
    fn distance(&self, row: usize) -> f32 {
        self.nearest[row * (self.k + 1) + self.k.min(self.rows - 1)].sqrt()
    }
}

/// Puts a value into an ascending list of the smallest, if it is one of them.
fn insert(list: &mut [f32], value: f32) {
    if list.last().is_some_and(|&last| value < last) {
        let at = list.partition_point(|&n| n <= value);
        list[at..].rotate_right(1);
        list[at] = value;
    }
}

#[cfg(test)]
mod tests {
    use prefbench_oracles::Stream;

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

    /// Each distance anew from all rows.
    fn brute_force(row: usize, memory: &[f32], dim: usize, k: usize) -> f32 {
        let squares = |other: &[f32]| {
            let own = memory[row * dim..].iter().zip(other);
            own.fold(0.0f32, |s, (x, y)| s + (x - y) * (x - y))
        };
        let mut all: Vec<f32> = memory.chunks_exact(dim).map(squares).collect();
        all.sort_by(f32::total_cmp);
        all[k.min(all.len() - 1)].sqrt()
    }

    #[test]
    fn neighbours_are_found_by_their_distance() {
        // Points 0, 1, 3, 7 on a line.
        let memory = [0.0, 0.0, 1.0, 0.0, 3.0, 0.0, 7.0, 0.0];
        let distances = |memory: &[f32], k| {
            let mut n = Neighbours::new(2, k);
            n.extend(memory);
            (0..n.rows).map(|r| n.distance(r)).collect::<Vec<_>>()
        };
        assert_eq!(distances(&memory, 1), [1.0, 1.0, 2.0, 4.0]);
        assert_eq!(distances(&memory, 2), [3.0, 2.0, 3.0, 6.0]);
        assert_eq!(distances(&memory, 9), [7.0, 6.0, 4.0, 7.0]);
        assert_eq!(distances(&memory[..2], 9), [0.0]);
    }

    /// Rows come in stretches, some repeat and some are far away; on the way the lists go through a
    /// saved state, and at the end they are forgotten. Equal to the last bit.
    #[test]
    fn growing_lists_equal_brute_force() {
        let (dim, k, mut rng) = (5, 3, Stream::new(1, "data"));
        let (mut memory, mut n) = (Vec::<f32>::new(), StateEntropy::new(dim, k));
        for stretch in [1, 2, 30, 31, 1, 64, 70] {
            for _ in 0..stretch {
                let repeated = rng.chance(0.2) && !memory.is_empty();
                let from = rng.below(memory.len() / dim) * dim;
                let mut row = [0.0; 5];
                rng.fill_normal(&mut row);
                if repeated {
                    row.copy_from_slice(&memory[from..from + dim]);
                } else if rng.chance(0.1) {
                    row.iter_mut().for_each(|x| *x *= 1e20);
                }
                memory.extend(row);
            }
            let rows = memory.len() / dim;
            n.reward(&[rows - 1], &memory);
            if stretch == 31 {
                let mut state = State::default();
                n.save(&mut state);
                n = StateEntropy::new(dim, k);
                assert!(n.load(&state, rows - 1).is_err());
                n.load(&state, rows).unwrap();
            }
            if stretch == 70 {
                n.forget();
                n.reward(&[0], &memory);
            }
            for row in (0..rows).filter(|_| stretch != 31) {
                let ours = n.neighbours.distance(row);
                assert_eq!(ours, brute_force(row, &memory, dim, k), "{row} of {rows}");
            }
        }
    }
}
