//! HalfCheetah against MuJoCo: its own moves, and how fast open-loop gaits run.

use super::*;
use crate::fidelity::{Bars, Twin};

fn twin() -> Twin<HalfCheetah> {
    let json = include_str!("../../../tests/mujoco/gym_half_cheetah.json");
    Twin::new(&[TASK], "gym_half_cheetah", json, |d| &d.robot)
}

#[test]
fn moves_as_in_mujoco() {
    let twin = twin();
    twin.judges_as_gymnasium(1.0);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.06,
        limits: 0.1,
        landings: [0.1, 0.5, 2.0],
        rest: 0.02,
    });
}
