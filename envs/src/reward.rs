//! Reward shaping after dm_control's `rewards.tolerance` (Tassa et al. 2018, "DeepMind Control
//! Suite", arXiv:1801.00690; `dm_control/utils/rewards.py`), so that rewards read as sentences.

/// How [`tolerance`] falls off outside its bounds. With d = distance / margin and v the value at
/// the margin, each is 1 at d = 0 and v at d = 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sigmoid {
    /// exp(-d² s² / 2).
    Gaussian,
    /// 1 / cosh(d s).
    Hyperbolic,
    /// 1 / (1 + d² s²): never quite flat, so far-away states still have a slope.
    LongTail,
    /// 1 / (1 + d s).
    Reciprocal,
    /// A half cosine wave, then 0.
    Cosine,
    /// A straight line, then 0.
    Linear,
    /// A parabola, then 0.
    Quadratic,
    /// 1 - tanh²(d s).
    TanhSquared,
}

/// dm_control's default for the value at the margin.
const VALUE_AT_MARGIN: f64 = 0.1;

impl Sigmoid {
    fn at(self, d: f64, v: f64) -> f64 {
        let inside = |d: f64, value: f64| if d < 1.0 { value } else { 0.0 };
        match self {
            Self::Gaussian => libm::exp(libm::log(v) * d * d),
            Self::Hyperbolic => 1.0 / libm::cosh(d * libm::acosh(1.0 / v)),
            Self::LongTail => 1.0 / (1.0 + d * d * (1.0 / v - 1.0)),
            Self::Reciprocal => 1.0 / (1.0 + d * (1.0 / v - 1.0)),
            Self::Cosine => {
                let angle = d * libm::acos(2.0 * v - 1.0);
                inside(angle / std::f64::consts::PI, 0.5 * (1.0 + libm::cos(angle)))
            }
            Self::Linear => (1.0 - d * (1.0 - v)).max(0.0),
            Self::Quadratic => (1.0 - d * d * (1.0 - v)).max(0.0),
            Self::TanhSquared => {
                let t = libm::tanh(d * libm::atanh((1.0 - v).sqrt()));
                1.0 - t * t
            }
        }
    }
}

/// 1 where `x` lies within `bounds` (inclusive, may be infinite), falling to 0.1 at `margin`
/// beyond the nearer bound. A margin of 0 (or less) is a sharp edge; NaN yields 0.
pub fn tolerance(x: f64, bounds: (f64, f64), margin: f64, sigmoid: Sigmoid) -> f64 {
    tolerance_to(VALUE_AT_MARGIN, x, bounds, margin, sigmoid)
}

/// [`tolerance`] that falls to `value_at_margin` at `margin`: within (0, 1), or 0 for the sigmoids
/// that end there ([`Sigmoid::Cosine`], [`Sigmoid::Linear`], [`Sigmoid::Quadratic`]).
pub fn tolerance_to(
    value_at_margin: f64,
    x: f64,
    bounds: (f64, f64),
    margin: f64,
    sigmoid: Sigmoid,
) -> f64 {
    let (low, high) = bounds;
    if (low..=high).contains(&x) {
        1.0
    } else if margin > 0.0 && !x.is_nan() {
        sigmoid.at((low - x).max(x - high) / margin, value_at_margin)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Sigmoid::{self, *},
        tolerance, tolerance_to,
    };
    use std::collections::BTreeMap;

    const SIGMOIDS: [(&str, Sigmoid); 8] = [
        ("gaussian", Gaussian),
        ("hyperbolic", Hyperbolic),
        ("long_tail", LongTail),
        ("reciprocal", Reciprocal),
        ("cosine", Cosine),
        ("linear", Linear),
        ("quadratic", Quadratic),
        ("tanh_squared", TanhSquared),
    ];

    /// Values printed by dm_control itself; see `tests/mujoco/fixtures.py`.
    #[test]
    fn matches_dm_control() {
        let cases: BTreeMap<String, Vec<(f64, f64)>> =
            serde_json::from_str(include_str!("../tests/mujoco/tolerance.json")).expect("fixture");
        assert_eq!(cases.len(), SIGMOIDS.len());
        for (name, sigmoid) in SIGMOIDS {
            for &(x, expected) in &cases[name] {
                let got = tolerance(x, (-1.0, 2.0), 4.0, sigmoid);
                assert!(
                    (got - expected).abs() < 1e-12,
                    "{name} at {x}: {got}, dm_control {expected}"
                );
            }
        }
    }

    #[test]
    fn edges() {
        assert_eq!(tolerance(2.0, (-1.0, 2.0), 0.0, Gaussian), 1.0);
        assert_eq!(tolerance(2.1, (-1.0, 2.0), 0.0, Gaussian), 0.0);
        assert_eq!(tolerance(1e30, (0.0, f64::INFINITY), 1.0, Linear), 1.0);
        assert_eq!(tolerance(f64::NAN, (0.0, 1.0), 1.0, LongTail), 0.0);
    }

    #[test]
    fn reaches_the_value_at_the_margin() {
        for (name, sigmoid) in SIGMOIDS {
            for value in [0.25, 0.5] {
                let got = tolerance_to(value, -3.0, (0.0, 1.0), 3.0 + 1e-12, sigmoid);
                assert!((got - value).abs() < 1e-9, "{name}: {got}, not {value}");
            }
        }
        for sigmoid in [Cosine, Linear, Quadratic] {
            let at = |x| tolerance_to(0.0, x, (0.0, 1.0), 2.0, sigmoid);
            assert_eq!((at(3.0), at(9.0)), (0.0, 0.0), "{sigmoid:?}");
        }
        assert_eq!(tolerance_to(0.0, 2.0, (0.0, 1.0), 2.0, Linear), 0.5);
        assert_eq!(tolerance_to(0.5, 2.0, (0.0, 1.0), 2.0, Linear), 0.75);
        assert_eq!(tolerance_to(0.0, 2.0, (0.0, 1.0), 2.0, Quadratic), 0.75);
    }
}
