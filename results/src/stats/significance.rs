//! Several p-values at once, equivalence, and what difference so many seeds can show.

use std::f64::consts::FRAC_1_SQRT_2;

use libm::erfc;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{all_usable, mean, std};

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

/// p-value of equivalence: that the means of `x` and `y` differ by less than `margin`, against
/// their differing by that much or more. The larger p of two one-sided Welch t tests
/// (statsmodels' `ttost_ind` with `usevar="unequal"`). `None` unless both have two values at least,
/// all numbers are finite, `margin` is positive and the values vary.
#[must_use]
pub fn equivalence(x: &[f64], y: &[f64], margin: f64) -> Option<f64> {
    if !(margin > 0.0 && margin.is_finite()) {
        return None;
    }
    let square = |values: &[f64]| std(values).map(|s| s * s / values.len() as f64);
    let (a, b) = (square(x)?, square(y)?);
    let freedom = |square: f64, n: usize| square * square / (n - 1) as f64;
    let freedom = (a + b) * (a + b) / (freedom(a, x.len()) + freedom(b, y.len()));
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let away = (margin - (mean(x)? - mean(y)?).abs()) / (a + b).sqrt();
    Some(t.sf(away))
}

/// The smallest difference of two means that a two-sided t test at level 0.05 finds with
/// probability 0.8, for `runs` runs of each method whose scores have standard deviation `sd`: exact,
/// from the noncentral t distribution (statsmodels' `TTestIndPower`). The rule of thumb
/// `sd * sqrt(15.7 / runs)` tends to it, but is 12 % too small for five runs. `None` for fewer
/// than two runs or an `sd` that is negative or not finite.
#[must_use]
pub fn detectable_difference(runs: usize, sd: f64) -> Option<f64> {
    if runs < 2 || !(sd >= 0.0 && sd.is_finite()) {
        return None;
    }
    let freedom = 2.0 * (runs - 1) as f64;
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?;
    let critical = crossing(|x| 0.025 - t.sf(x));
    let power = |shift| beyond(critical, shift, freedom) + beyond(critical, -shift, freedom);
    let shift = crossing(|shift| power(shift) - 0.8);
    Some(sd * shift * (2.0 / runs as f64).sqrt())
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
