use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_cheetah.json");
    let twin = Twin::<Cheetah>::new(&[RUN], "dm_cheetah", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.02,
        swing: 0.04,
        limits: 0.05,
        landings: [0.03, 0.15, 0.8],
        rest: 0.01,
    });
}
