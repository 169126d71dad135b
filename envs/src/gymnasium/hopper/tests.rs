//! Hopper against MuJoCo and Gymnasium; `tests/mujoco/fixtures.py` wrote the fixture.

use super::*;
use crate::fidelity::{Bars, Twin};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    mass: [f32; 4],
    pitch_inertia: [f32; 4],
    flight: Trajectory,
    landings: Vec<Trajectory>,
    transitions: Vec<Transition>,
}

type State = (Coordinates, Coordinates);

#[derive(Deserialize)]
struct Trajectory {
    start: State,
    actions: Vec<[f32; 3]>,
    states: Vec<State>,
}

/// Before, action, after, observation, reward, terminated.
type Transition = (State, [f32; 3], State, [f32; 11], f32, bool);

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/mujoco/hopper.json")).expect("fixture")
}

fn hopper() -> (World, Hopper) {
    Hopper::build(&TASK).expect("hopper builds")
}

fn step(world: &mut World, hopper: &mut Hopper, action: &[f32]) {
    hopper.act(world, action);
    for _ in 0..FRAME_SKIP {
        world.step().expect("sound");
    }
}

#[test]
fn links_weigh_what_mujoco_says() {
    let (world, _) = hopper();
    let fixture = fixture();
    let bodies: Vec<_> = world
        .0
        .bodies
        .iter()
        .map(|(_, b)| b)
        .filter(|b| b.is_dynamic())
        .collect();
    assert_eq!(bodies.len(), 4);
    for (i, body) in bodies.iter().enumerate() {
        let inertia = 1.0
            / body
                .mass_properties()
                .local_mprops
                .reconstruct_inverse_inertia_matrix()
                .y_axis
                .y;
        assert!(
            (body.mass() / fixture.mass[i] - 1.0).abs() < 1e-5,
            "link {i} weighs {} kg",
            body.mass()
        );
        assert!(
            (inertia / fixture.pitch_inertia[i] - 1.0).abs() < 1e-5,
            "link {i} inertia {inertia} kg m²"
        );
    }
}

/// Same start, same torques: after 0.8 s the hinges are where MuJoCo has them.
#[test]
fn flies_as_in_mujoco() {
    let (mut world, mut hopper) = hopper();
    let Trajectory {
        start,
        actions,
        states,
    } = fixture().flight;
    hopper
        .robot
        .set_state(&mut world, start.0.as_slice(), start.1.as_slice());
    let (mut angle, mut distance, mut speed) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (action, (positions, velocities)) in actions.iter().zip(&states) {
        step(&mut world, &mut hopper, action);
        let (q, v) = (hopper.positions(&world), hopper.velocities(&world));
        (2..6).for_each(|i| angle = angle.max((q[i] - positions[i]).abs()));
        (0..2).for_each(|i| distance = distance.max((q[i] - positions[i]).abs()));
        (0..6).for_each(|i| speed = speed.max((v[i] - velocities[i]).abs()));
    }
    let hinge = |k: usize| states.iter().map(move |s| s.0[k]);
    let swing = (3..6)
        .map(|k| hinge(k).fold(f32::MIN, f32::max) - hinge(k).fold(f32::MAX, f32::min))
        .fold(f32::MAX, f32::min);
    println!(
        "angle {angle} rad, torso {distance} m, speed {speed}, while each hinge swings {swing} rad or more"
    );
    assert!(swing > 0.2, "the fixture must move: {swing} rad");
    assert!(
        angle <= 0.005,
        "hinges and pitch part from MuJoCo by {angle} rad"
    );
    assert!(
        distance <= 0.02,
        "the torso parts from MuJoCo by {distance} m"
    );
    assert!(speed <= 0.1, "velocities part from MuJoCo by {speed}");
}

/// Landings keep to MuJoCo's: root mean square differences over 24 falls of 0.2 s under random
/// torques. With rapier's stock contacts and limits they are 0.045 rad, 0.46 m/s and 1.36 rad/s;
/// with hinge frames that rounding has touched 0.09 rad, 0.67 m/s and 1.5 rad/s.
#[test]
fn lands_as_in_mujoco() {
    let (mut world, mut hopper) = hopper();
    let (mut angle, mut speed, mut rate) = (Rms::default(), Rms::default(), Rms::default());
    for Trajectory {
        start,
        actions,
        states,
    } in fixture().landings
    {
        hopper
            .robot
            .set_state(&mut world, start.0.as_slice(), start.1.as_slice());
        for (action, (positions, velocities)) in actions.iter().zip(&states) {
            step(&mut world, &mut hopper, action);
            let (q, v) = (hopper.positions(&world), hopper.velocities(&world));
            (2..6).for_each(|i| angle.add(q[i] - positions[i]));
            (0..2).for_each(|i| speed.add(v[i] - velocities[i]));
            (2..6).for_each(|i| rate.add(v[i] - velocities[i]));
        }
    }
    let (angle, speed, rate) = (angle.value(), speed.value(), rate.value());
    println!("landing: {angle} rad, {speed} m/s, {rate} rad/s");
    assert!(
        angle < 0.035,
        "pitch and hinges part from MuJoCo by {angle} rad"
    );
    assert!(speed < 0.28, "the torso parts from MuJoCo by {speed} m/s");
    assert!(
        rate < 0.7,
        "pitch and hinges part from MuJoCo by {rate} rad/s"
    );
}

#[derive(Default)]
struct Rms {
    sum: f32,
    count: f32,
}

impl Rms {
    fn add(&mut self, x: f32) {
        self.sum += x * x;
        self.count += 1.0;
    }

    fn value(&self) -> f32 {
        (self.sum / self.count).sqrt()
    }
}

/// Given Gymnasium's states, observation, reward and termination are Gymnasium's.
#[test]
fn observes_and_judges_as_gymnasium() {
    let (mut world, mut hopper) = hopper();
    let transitions = fixture().transitions;
    assert!(transitions.iter().any(|t| t.5) && transitions.iter().any(|t| !t.5));
    for (i, (before, action, after, obs, reward, terminated)) in transitions.iter().enumerate() {
        hopper
            .robot
            .set_state(&mut world, before.0.as_slice(), before.1.as_slice());
        hopper.act(&mut world, action);
        hopper
            .robot
            .set_state(&mut world, after.0.as_slice(), after.1.as_slice());
        let mut got = [0.0; 11];
        hopper.observe(&world, &mut got);
        for (k, (got, expected)) in got.iter().zip(obs).enumerate() {
            assert!(
                (got - expected).abs() < 1e-5,
                "transition {i}, obs {k}: {got}, Gymnasium {expected}"
            );
        }
        let verdict = hopper.judge(&world, action);
        // Positions are f32 here: 1e-7 m over 8 ms.
        assert!(
            (verdict.reward - reward).abs() < 1e-4,
            "transition {i}: {}, Gymnasium {reward}",
            verdict.reward
        );
        assert_eq!(verdict.terminated, *terminated, "transition {i}");
    }
}

/// Fallen and thrashing at full torque for 40 s, the robot stays on the floor (into which it sinks by
/// 60 mm at most; MuJoCo's by 41 to 53 in three such runs) and exactly in its plane: any friction
/// across the plane, from rounding, would take away from friction along it.
#[test]
fn survives_thrashing() {
    let (mut world, mut hopper) = hopper();
    let (mut state, mut deepest, mut along, mut across) = (1_u64, 0.0_f32, 0.0_f32, 0.0_f32);
    for _ in 0..5000 {
        let action = [0; 3].map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if state >> 63 == 1 { 1.0 } else { -1.0 }
        });
        step(&mut world, &mut hopper, &action);
        let manifolds = world
            .0
            .narrow_phase
            .contact_pairs()
            .flat_map(|pair| pair.manifolds());
        for point in manifolds.flat_map(|m| &m.points) {
            deepest = deepest.min(point.dist);
            across = across.max(point.data.tangent_impulse[0].abs());
            along = along.max(point.data.tangent_impulse[1].abs());
        }
        assert!(
            world.0.bodies.iter().all(|(_, b)| b.translation().y == 0.0),
            "a body is out of its plane or off the floor"
        );
    }
    let z = hopper.positions(&world)[1];
    println!("deepest {deepest} m, torso at {z} m, friction {along} N s");
    assert!(
        deepest < 0.0 && deepest > -0.065,
        "penetration of {deepest} m"
    );
    assert!((0.0..1.5).contains(&z), "torso at {z} m");
    assert_eq!(across, 0.0, "friction across the plane");
    assert!(along > 0.1, "no friction along the plane");
}

#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/gym_hopper.json");
    let twin = Twin::<Hopper>::new(&[TASK], "gym_hopper", json, |d| &d.robot);
    twin.judges_as_gymnasium(1.0);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.005,
        swing: 0.005,
        limits: 0.1,
        landings: [0.1, 0.5, 1.0],
        rest: 0.02,
    });
}
