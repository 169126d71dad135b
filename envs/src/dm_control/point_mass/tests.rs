use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_point_mass.json");
    let twin = Twin::<PointMass>::new(&[EASY], "dm_point_mass", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.002,
        swing: 0.002,
        limits: 0.006,
        landings: [0.0; 3],
        rest: 0.0,
    });
}
