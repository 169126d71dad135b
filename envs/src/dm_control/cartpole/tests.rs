use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_cartpole.json");
    let twin = Twin::<Cartpole>::new(&[SWINGUP], "dm_cartpole", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.002,
        swing: 0.04,
        limits: 0.02,
        landings: [0.0; 3],
        rest: 0.0,
    });
}
