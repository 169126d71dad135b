use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_hopper.json");
    let twin = Twin::<Hopper>::new(&[HOP], "dm_hopper", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.02,
        swing: 0.001,
        limits: 0.1,
        landings: [0.02, 0.12, 0.5],
        rest: 0.002,
    });
}

/// Standing still on its foot, the hopper feels its weight; in the air, nothing.
#[test]
fn touch_is_the_floors_push() {
    let (mut world, mut hopper) = Hopper::build(&HOP).expect("hopper builds");
    hopper.robot.set_state(&mut world, &[0.0; 7], &[0.0; 7]);
    let step = |world: &mut World, hopper: &mut Hopper| {
        hopper.act(world, &[0.0; 4]);
        (0..STEPS).for_each(|_| world.step().expect("sound"));
        hopper.touch(world)
    };
    // The knee's range begins at 5 degrees, the foot 1 cm above the floor.
    assert_eq!(step(&mut world, &mut hopper), [0.0, 0.0]);
    let mut pushed = [false; 2];
    for _ in 0..50 {
        let push = step(&mut world, &mut hopper);
        let all: f32 = hopper
            .robot
            .contacts(&world)
            .filter(|(geom, ..)| *geom == FOOT_GEOM)
            .map(|(.., force)| force.z)
            .sum();
        assert!(
            (push[0] + push[1] - all).abs() <= 1e-3 * all,
            "{push:?} of {all}"
        );
        (0..2).for_each(|i| pushed[i] |= push[i] > 10.0);
    }
    assert_eq!(pushed, [true; 2], "toe and heel touch down");
}
