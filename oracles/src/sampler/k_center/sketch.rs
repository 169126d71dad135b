//! Sketches of points: a few numbers from which a lower bound of a distance is read.
//!
//! Each column of each side is expanded in the first Haar functions of time: its mean over the
//! segment, the difference of its halves, of its quarters, of its eighths. An orthonormal expansion
//! cut short never lengthens a difference (Bessel), and states change slowly enough for a few
//! coefficients to hold most of it.

use pulp::Simd;

use super::distance::{Point, block};

/// Most rows of a sketch, a power of two.
const ROWS: usize = 8;

/// The sketches of many points.
pub struct Sketches {
    values: Vec<f32>,
    /// Numbers of one row: a coefficient of every column of both sides.
    width: usize,
    rows: usize,
    /// Rows of a side.
    steps: usize,
    /// The largest Euclidean norm of a point.
    norm: f64,
}

impl Sketches {
    /// No sketches yet, of points whose sides have rows of `obs_dim` numbers.
    pub fn new(obs_dim: usize) -> Self {
        Sketches {
            values: Vec::new(),
            width: 2 * obs_dim,
            rows: 1,
            steps: 0,
            norm: 0.0,
        }
    }

    /// Appends the sketch of a point; all must have the same size.
    pub fn push(&mut self, point: &Point) {
        let dim = self.width / 2;
        let steps = point[0].len() / dim.max(1);
        self.steps = steps;
        self.rows = ROWS.min(1 << steps.max(1).ilog2());
        let rows = self.rows;
        let from = self.values.len();
        self.values.resize(from + rows * self.width, 0.0);
        let sketch = &mut self.values[from..];

        let edge = |k: usize| k * steps / rows;
        let mut sums = vec![0.0f32; rows * dim];
        let mut square = 0.0;
        for (side, states) in point.iter().enumerate() {
            square += states.iter().map(|x| x * x).sum::<f32>();
            sums.fill(0.0);
            for (k, sums) in sums.chunks_exact_mut(dim.max(1)).enumerate() {
                for state in states[edge(k) * dim..edge(k + 1) * dim].chunks_exact(dim) {
                    for (sum, x) in sums.iter_mut().zip(state) {
                        *sum += x;
                    }
                }
            }
            let mut put = |row: usize, column: usize, value: f32| {
                sketch[row * self.width + side * dim + column] = value;
            };
            // From the eighths up: the difference of two neighbours is a coefficient, their sum
            // belongs to the level above.
            let mut parts = rows;
            while parts > 1 {
                parts /= 2;
                let span = rows / parts;
                for k in 0..parts {
                    let middle = edge(k * span + span / 2);
                    let n = (middle - edge(k * span)) as f32;
                    let m = (edge((k + 1) * span) - middle) as f32;
                    let (a_scale, b_scale) =
                        ((m / (n * (n + m))).sqrt(), (n / (m * (n + m))).sqrt());
                    for column in 0..dim {
                        let a = sums[2 * k * dim + column];
                        let b = sums[(2 * k + 1) * dim + column];
                        put(parts + k, column, a_scale * a - b_scale * b);
                        sums[k * dim + column] = a + b;
                    }
                }
            }
            let scale = 1.0 / (steps as f32).sqrt();
            for (column, sum) in sums.iter().take(dim).enumerate() {
                put(0, column, scale * sum);
            }
        }
        self.norm = self.norm.max(f64::from(square).sqrt());
    }

    /// From this sum of squared differences of sketches on, the distance that
    /// [`squared`](super::distance::squared) computes is sure to be no less than `squared`, whatever
    /// was rounded.
    pub fn limit(&self, squared: f32) -> f32 {
        let unit = f64::from(f32::EPSILON);
        // Sums over an eighth of the steps and a few roundings put a sketch off by no more than this
        // part of its point's norm, and a difference of two by twice that.
        let off = 2.0 * unit * (16.0 + self.steps as f64 / self.rows as f64) * self.norm;
        // What both distances may lose in their own sums.
        let slack = 1.0 + unit * (128.0 + (self.steps * self.width) as f64 / 8.0);
        ((f64::from(squared).sqrt() + off).powi(2) * slack) as f32
    }

    /// Whether the sketches of points `i` and `j` differ by `limit` or more.
    #[inline(always)]
    pub fn apart<S: Simd>(&self, simd: S, i: usize, j: usize, limit: f32) -> bool {
        let size = self.rows * self.width;
        let (a, b) = (
            &self.values[i * size..][..size],
            &self.values[j * size..][..size],
        );
        let (mut sum, mut done, mut rows) = (0.0, 0, 1);
        while done < self.rows {
            let part = done * self.width..rows * self.width;
            sum += block(simd, &a[part.clone()], &b[part]);
            if sum >= limit {
                return true;
            }
            // Half of the sketch holds so little that the rest will not help either.
            if 2 * rows == self.rows && sum < limit / 8.0 {
                return false;
            }
            (done, rows) = (rows, 2 * rows);
        }
        false
    }
}
