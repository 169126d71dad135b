//! The quadruped against MuJoCo and dm_control.

use super::*;
use crate::fidelity::{Bars, Twin};

fn twin() -> Twin<Move> {
    let json = include_str!("../../../tests/mujoco/dm_quadruped.json");
    Twin::new(&[WALK, RUN], "dm_quadruped", json, |d| &d.quadruped.robot)
}

#[test]
fn moves_as_in_mujoco() {
    twin().moves_as_in_mujoco(&Bars {
        flight: 0.01,
        swing: 0.02,
        limits: 0.02,
        landings: [0.05, 0.18, 1.3],
        rest: 0.014,
    });
}

#[test]
fn observes_and_judges_as_dm_control() {
    twin().judges_as_dm_control(|_, domain, case| {
        let activation = case["act"].as_array().expect("activations");
        for (ours, theirs) in domain.quadruped.activation.iter_mut().zip(activation) {
            *ours = theirs.as_f64().expect("a number") as f32;
        }
    });
}
