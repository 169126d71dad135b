//! Humanoid against MuJoCo and Gymnasium.

use super::*;
use crate::fidelity::{Bars, Twin};
use serde_json::Value;

#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/gym_humanoid.json");
    let twin = Twin::<Humanoid>::new(&[TASK], "gym_humanoid", json, |d| &d.robot);
    twin.judges_as_gymnasium(FORWARD_WEIGHT);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.005,
        limits: 0.1,
        landings: [0.06, 0.12, 1.1],
        rest: 0.02,
    });
}

/// The contact forces on the feet and gravity change the robot's momentum, nearly: they are of the
/// last of a step's solver iterations.
#[test]
fn contact_forces_carry_the_weight() {
    const STEPS: usize = 30;
    let (mut world, humanoid) = Humanoid::build(&TASK).expect("humanoid builds");
    let mut state = Positions::zeros();
    humanoid.robot.positions(&world, state.as_mut_slice());
    state[2] = 1.29; // The soles touch the ground.
    let still = Velocities::zeros();
    humanoid
        .robot
        .set_state(&mut world, state.as_slice(), still.as_slice());
    let (mut impulse, mut sink, mut obs) = (0.0, 0.0, vec![0.0; TASK.spec.obs_dim()]);
    for _ in 0..STEPS {
        let before = humanoid.links.centre_of_mass(&world, &humanoid.robot).z;
        world.step().expect("sound");
        humanoid.observe(&world, &mut obs);
        let (forces, _) = obs[links::CFRC_EXT].as_chunks::<6>();
        let vertical: f32 = forces.iter().map(|f| f[5]).sum();
        assert_eq!(vertical, forces[5][5] + forces[8][5], "only feet touch");
        // As in MuJoCo, where the ground's own row stays zero.
        let squared: f32 = forces.iter().flatten().map(|f| f * f).sum();
        let cost = humanoid
            .links
            .contact_forces_squared(&world, &humanoid.robot);
        assert!(
            (cost - squared).abs() <= 1e-4 * squared,
            "{cost}, {squared}"
        );
        impulse += vertical * PERIOD;
        sink = (before - humanoid.links.centre_of_mass(&world, &humanoid.robot).z) / PERIOD;
    }
    let mass: f32 = links::PARTS.iter().map(|p| p.2).sum();
    let expected = mass * (9.81 * PERIOD * STEPS as f32 - sink);
    println!("{impulse} N s, momentum says {expected}");
    assert!((impulse / expected - 1.0).abs() < 0.1);
}

/// Gymnasium's cost of contacts is that of the rows it shows: MuJoCo's row of the ground stays zero.
#[test]
fn contacts_cost_what_the_links_feel() {
    let fixture: Value =
        serde_json::from_str(include_str!("../../../tests/mujoco/gym_humanoid.json"))
            .expect("fixture");
    for case in fixture["judged"].as_array().expect("cases") {
        let obs: Vec<f64> = serde_json::from_value(case["obs"].clone()).expect("numbers");
        let squared: f64 = obs[links::CFRC_EXT].iter().map(|f| f * f).sum();
        let cost = -case["reward_contact"].as_f64().expect("a number");
        let ours = f64::from(CONTACT_COST) * squared;
        assert!((ours - cost).abs() < 1e-6 + 1e-4 * cost, "{ours}, {cost}");
    }
}

/// What the observation takes for granted: with motors thrown this way and that, nothing but feet
/// touches the floor before an episode ends.
#[test]
fn only_feet_touch() {
    let (mut world, mut humanoid) = Humanoid::build(&TASK).expect("humanoid builds");
    let (pristine, mut touches) = (Humanoid::build(&TASK).expect("humanoid builds").0, 0);
    for episode in 0..300 {
        world.copy_from(&pristine);
        let mut random = Random::seeded(episode);
        humanoid.begin(&mut world, &mut random);
        let mut action = [0.0; HINGES];
        for step in 0..1000 {
            if step % (1 + episode % 8) == 0 {
                action.fill_with(|| random.uniform(-1.0, 1.0).signum());
            }
            humanoid.act(&mut world, &action);
            world.step().expect("sound");
            for (geom, ..) in humanoid.robot.contacts(&world) {
                assert!(links::FEET.contains(&links::LINK_OF[geom]), "geom {geom}");
                touches += 1;
            }
            if humanoid.judge(&world, &action).terminated {
                break;
            }
        }
    }
    assert!(touches > 100, "{touches}");
}
