//! The ant against MuJoCo and Gymnasium; `tests/mujoco/bodies.py` wrote the fixture.

use super::*;
use crate::fidelity::{Bars, Twin};

/// Standing, the contacts carry the robot and do not turn it.
#[test]
fn contact_forces_carry_the_robot() {
    let (mut world, mut ant) = Ant::build(&TASK).expect("an ant");
    ant.act(&mut world, &[0.0; 8]);
    for _ in 0..400 {
        world.step().expect("sound");
    }
    let forces = ant.contact_forces(&world);
    let total = |k: usize| forces.iter().map(|f| f[k]).sum::<f32>();
    let weight = 9.81 * 0.910_880_1;
    println!("{:?} of {weight} N", [0, 1, 2, 3, 4, 5].map(total));
    assert!((total(5) / weight - 1.0).abs() < 0.02);
    assert!([0, 1, 2, 3, 4].map(total).iter().all(|t| t.abs() < 0.05));
    let loaded = |body: &usize| forces[*body] != [0.0; 6];
    let loaded: Vec<_> = (0..BODIES).filter(loaded).collect();
    assert!(
        loaded.len() >= 2 && loaded.iter().all(|b| [3, 6, 9, 12].contains(b)),
        "it stands on bodies {loaded:?}"
    );
}

#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/gym_ant.json");
    let twin = Twin::<Ant>::new(&[TASK], "gym_ant", json, |d| &d.robot);
    twin.judges_as_gymnasium(1.0);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.01,
        limits: 0.1,
        landings: [0.03, 0.35, 0.5],
        rest: 0.02,
    });
}
