//! Several p-values at once, equivalence, and what difference so many seeds can show.

use std::f64::consts::FRAC_1_SQRT_2;

use libm::erfc;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, std};

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
    let shift = crossing(|shift| power(critical, shift, freedom) - 0.8);
    Some(sd * shift * (2.0 / runs as f64).sqrt())
}

/// Probability that a noncentral t with this shift is beyond plus or minus `critical`: that of a
/// normal with unit variance, averaged over the distribution of the sample standard deviation. In
/// its logarithm `u` the integrand is smooth and falls off exponentially, so that the trapezoidal
/// rule converges to rounding.
fn power(critical: f64, shift: f64, freedom: f64) -> f64 {
    let upper = |x: f64| 0.5 * erfc(x * FRAC_1_SQRT_2);
    let step = 1.0 / (16.0 * freedom.sqrt());
    let (mut beyond, mut all) = (0.0, 0.0);
    for k in -500..=250 {
        let u = f64::from(k) * step;
        let density = (freedom * (u - 0.5 * (2.0 * u).exp_m1())).exp();
        let limit = critical * u.exp();
        beyond += density * (upper(limit - shift) + upper(limit + shift));
        all += density;
    }
    beyond / all
}

/// Where an increasing function of a t statistic changes sign; from two degrees of freedom on, all
/// that is looked for here is below ten.
fn crossing(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 16.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
