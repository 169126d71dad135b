//! Humanoid against MuJoCo and dm_control.

use super::*;
use crate::fidelity::{Bars, Twin};

/// Landings last 0.2 s, in which feet and forearms reach 10 to 30 rad/s. Both robots come to rest
/// on the floor, but MuJoCo's props itself up on its own limbs, through which ours fall.
#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_humanoid.json");
    let twin = Twin::<Humanoid>::new(&[STAND, WALK], "dm_humanoid", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| {});
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.02,
        limits: 0.1,
        landings: [0.13, 0.22, 3.3],
        rest: 0.2,
    });
}

/// Of 3,000 draws MuJoCo finds 74.7 % free of penetration, with heads at 1.497 m on average.
#[test]
fn draws_starts_as_dm_control() {
    const DRAWS: u64 = 1000;
    let (mut world, humanoid) = Humanoid::build(&STAND).expect("humanoid builds");
    let (mut free, mut height) = (0.0, 0.0);
    for seed in 0..DRAWS {
        humanoid.draw_start(&mut world, &mut Random::seeded(seed));
        if !humanoid.penetrates(&world) {
            free += 1.0;
            height += humanoid.head(&world).z;
        }
    }
    let (share, height) = (free / DRAWS as f32, height / free);
    println!("{share} of draws are free, heads at {height} m");
    assert!((share - 0.747).abs() < 0.05);
    assert!((height - 1.497).abs() < 0.02);
}
