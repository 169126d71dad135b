//! Several p-values at once, and what difference so many runs can show.

use std::f64::consts::FRAC_1_SQRT_2;

use libm::erfc;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{all_usable, std};

/// Holm's step-down adjustment of p-values for their number, in their order; compare each with the
/// level of the whole family (R's `p.adjust(p, "holm")`). As there, a p-value that is NaN stays so
/// and does not count.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut adjusted = p.to_vec();
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut least = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        least = least.max(((order.len() - rank) as f64 * p[i]).min(1.0));
        adjusted[i] = least;
    }
    adjusted
}

/// How sure a difference of two methods' means is that is averaged over tasks, by Welch's t with
/// Satterthwaite's degrees of freedom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Welch {
    /// Standard error of the difference.
    pub error: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

impl Welch {
    /// Of two methods, each a list of its runs' scores by task. `None` unless both have the same,
    /// positive number of tasks, each with two runs at least and finite scores, and any scores vary.
    #[must_use]
    pub fn of(x: &[Vec<f64>], y: &[Vec<f64>]) -> Option<Self> {
        if x.len() != y.len() || !all_usable(x, 2) || !all_usable(y, 2) {
            return None;
        }
        let (mut squares, mut fourth) = (0.0, 0.0);
        for runs in x.iter().chain(y) {
            let square = std(runs)?.powi(2) / runs.len() as f64;
            squares += square;
            fourth += square * square / (runs.len() - 1) as f64;
        }
        (squares > 0.0).then(|| Self {
            error: squares.sqrt() / x.len() as f64,
            freedom: squares * squares / fourth,
        })
    }

    /// The probability that a one-sided t test at `level` finds a true difference of this size. `None`
    /// unless `level` is in (0, 0.5).
    #[must_use]
    pub fn power(&self, difference: f64, level: f64) -> Option<f64> {
        Some(beyond(
            self.critical(level)?,
            difference / self.error,
            self.freedom,
        ))
    }

    /// The true difference that such a test finds with probability 0.8.
    #[must_use]
    pub fn detectable(&self, level: f64) -> Option<f64> {
        let critical = self.critical(level)?;
        let shift = crossing(|shift| beyond(critical, shift, self.freedom) - 0.8);
        Some(self.error * shift)
    }

    fn critical(&self, level: f64) -> Option<f64> {
        let t = StudentsT::new(0.0, 1.0, self.freedom).ok()?;
        (level > 0.0 && level < 0.5).then(|| crossing(|x| level - t.sf(x)))
    }
}

/// Probability that a noncentral t with this shift exceeds `critical`: that of a normal with unit
/// variance, averaged over the distribution of the sample standard deviation. In its logarithm `u`
/// the integrand is smooth and falls off exponentially, so that the trapezoidal rule converges to
/// rounding.
fn beyond(critical: f64, shift: f64, freedom: f64) -> f64 {
    let upper = |x: f64| 0.5 * erfc(x * FRAC_1_SQRT_2);
    let step = 1.0 / (16.0 * freedom.sqrt());
    let (mut beyond, mut all) = (0.0, 0.0);
    for k in -500..=250 {
        let u = f64::from(k) * step;
        let density = (freedom * (u - 0.5 * (2.0 * u).exp_m1())).exp();
        beyond += density * upper(critical * u.exp() - shift);
        all += density;
    }
    beyond / all
}

/// Where an increasing function changes sign between 0 and 1000.
fn crossing(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1000.0);
    for _ in 0..70 {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
