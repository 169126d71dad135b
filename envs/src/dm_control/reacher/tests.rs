use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_reacher.json");
    let twin = Twin::<Reacher>::new(&[EASY], "dm_reacher", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, reacher, item| {
        reacher.target = [0, 1].map(|i| item["target"][i].as_f64().expect("a number") as f32);
    });
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.005,
        swing: 0.002,
        limits: 0.02,
        landings: [0.0; 3],
        rest: 0.0,
    });
}
