use super::*;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_and_judges_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/dm_walker.json");
    let twin = Twin::<Walker>::new(&[STAND, WALK, RUN], "dm_walker", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    // Ankles of 0.02 kg m² under 20 N m reach their limits at 30 rad/s: 0.24 rad are 8 ms.
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.03,
        swing: 0.001,
        limits: 0.1,
        landings: [0.07, 0.15, 1.9],
        rest: 0.02,
    });
}

/// The speed that is paid for is that of the centre of mass at the end of the step; nothing pushes
/// the walker along x here.
#[test]
fn centre_velocity_is_the_centres() {
    let (mut world, mut walker) = Walker::build(&WALK).expect("walker builds");
    let velocities = [0.3, 2.0, 1.0, -2.0, 3.0, 1.0, 2.0, -3.0, 4.0];
    walker.robot.set_state(&mut world, &[0.3; 9], &velocities);
    world.unbind();
    world.0.integration_parameters.dt = 1e-4;
    world.0.integration_parameters.num_solver_iterations = 1;
    walker.act(&mut world, &[0.0; 6]);
    let centre = |world: &World| {
        let bodies = (0..7).map(|i| walker.robot.body(world, i));
        bodies.fold((0.0, 0.0), |(x, mass), b| {
            let at = b.position() * b.local_center_of_mass();
            (x + f64::from(at.x * b.mass()), mass + f64::from(b.mass()))
        })
    };
    for _ in 0..3 {
        let (before, mass) = centre(&world);
        (0..50).for_each(|_| world.step().expect("sound"));
        let measured = (centre(&world).0 - before) / mass / (50.0 * 1e-4);
        let told = f64::from(walker.robot.centre_velocity(&world).x);
        let apart = measured - told;
        assert!(apart.abs() < 2e-3, "{measured} m/s, told {told}");
    }
}
