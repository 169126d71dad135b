//! Chains and hinges against MuJoCo and the textbook; `tests/mujoco/chain.py` wrote the fixture.

use super::*;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Fixture {
    mass: f32,
    inertia: [f32; 3],
    gravity: f32,
    drift: BTreeMap<String, Drift>,
    states: Vec<(Vec<f32>, Vec<f32>)>,
    hinge: Vec<Hinge>,
}

/// Of the energy, over (total mass) g (total length).
#[derive(Deserialize)]
struct Drift {
    end: f32,
    worst: f32,
}

#[derive(Deserialize)]
struct Hinge {
    armature: f32,
    torque: f32,
    seconds: f32,
    speed: f32,
    angle: f32,
}

const LENGTH: f32 = 0.5;
const LINKS: usize = 5;

const fn link(name: &'static str, parent: &'static str, joints: &'static [Joint]) -> Body {
    Body {
        name,
        parent,
        position: [if parent.is_empty() { 0.0 } else { LENGTH }, 0.0, 0.0],
        joints,
        geoms: &[Geom {
            solid: Solid::Capsule([0.0; 3], [LENGTH, 0.0, 0.0], 0.05),
            touches: false,
            ..GEOM
        }],
        ..BODY
    }
}

const FREELY: &[Joint] = &[HINGE];
const CHAIN: &[Body] = &[
    link("1", "", FREELY),
    link("2", "1", FREELY),
    link("3", "2", FREELY),
    link("4", "3", FREELY),
    link("5", "4", FREELY),
];

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../tests/mujoco/chain.json")).expect("fixture")
}

fn world(dt: f32) -> World {
    let mut world = World::new(dt);
    world.0.integration_parameters.num_solver_iterations = 1;
    world
}

/// A chain let go horizontally: it follows MuJoCo for a second, and in 10 s its energy drifts no more
/// than MuJoCo's at the same timestep with the integrator of the same order.
#[test]
fn a_chain_swings_as_in_mujoco() {
    let fixture = fixture();
    let scale = fixture.mass * fixture.gravity * LENGTH * (LINKS * LINKS) as f32;
    for (dt, peer, bar) in [
        (0.002, "euler 2 ms", 0.05),
        (0.0005, "euler 0.5 ms", 0.0125),
    ] {
        let mut world = world(dt);
        let robot = Robot::build(&mut world, "chain", CHAIN, &[], (8.0, 1.0)).expect("a chain");
        let energy = |world: &World| {
            let of = |i| {
                let com = robot.body(world, i).center_of_mass();
                let (v, w) = robot.velocity(world, i, com);
                let moving =
                    fixture.mass * v.length_squared() + fixture.inertia[2] * w.length_squared();
                0.5 * moving + fixture.mass * fixture.gravity * com.z
            };
            (0..LINKS).map(of).sum::<f32>() / scale
        };
        let (start, mut worst, mut apart) = (energy(&world), 0.0_f32, 0.0_f32);
        let tenth = (0.1 / dt).round() as usize;
        for step in 1..=100 * tenth {
            world.step().expect("sound");
            worst = worst.max((energy(&world) - start).abs());
            if step % tenth == 0
                && let Some((angles, _)) = fixture.states.get(step / tenth)
            {
                for (i, angle) in angles.iter().enumerate() {
                    apart = apart.max((robot.coordinate(&world, i) - angle).abs());
                }
            }
        }
        let (end, theirs) = (energy(&world) - start, &fixture.drift[peer]);
        println!(
            "{dt} s: drift {end}, worst {worst}; MuJoCo {}, {}; {apart} rad in 1 s",
            theirs.end, theirs.worst
        );
        assert!(
            worst < 1.2 * theirs.worst,
            "energy drifts by {worst}, MuJoCo's by {}",
            theirs.worst
        );
        assert!(apart < bar, "{apart} rad from MuJoCo within a second");
    }
}

/// A hinge under a constant torque turns as its inertia and armature say.
#[test]
fn a_motor_turns_a_hinge_as_newton_says() {
    const ARMATURE: [&[Body]; 2] = [
        &[link(
            "1",
            "",
            &[Joint {
                name: "hinge",
                ..HINGE
            }],
        )],
        &[link(
            "1",
            "",
            &[Joint {
                name: "hinge",
                armature: 1.0,
                ..HINGE
            }],
        )],
    ];
    for (case, table) in fixture().hinge.iter().zip(ARMATURE) {
        assert_eq!(table[0].joints[0].armature, case.armature);
        let mut world = world(0.002);
        world.0.gravity = Vector::ZERO;
        let motors = [("hinge", case.torque)];
        let robot = Robot::build(&mut world, "hinge", table, &motors, (8.0, 1.0)).expect("a hinge");
        robot.actuate(&mut world, &[1.0]);
        for _ in 0..(case.seconds / 0.002).round() as usize {
            world.step().expect("sound");
        }
        let mut speed = [0.0];
        robot.velocities(&world, &mut speed);
        let angle = robot.coordinate(&world, 0);
        println!(
            "{} of {} rad/s, {angle} of {} rad",
            speed[0], case.speed, case.angle
        );
        assert!(
            (speed[0] / case.speed - 1.0).abs() < 0.005,
            "{} rad/s",
            speed[0]
        );
        assert!((angle / case.angle - 1.0).abs() < 0.005, "{angle} rad");
    }
}
