//! `cheetah-run`: dm_control's Cheetah, a planar robot on two legs that is paid for running.
//!
//! Body, observation, reward and reset follow `cheetah.xml` and `cheetah.py`: an episode begins with
//! any joint angles, 2 s after the robot was let go of. Deviations: rapier's contacts and limits are
//! tuned to MuJoCo's rather than identical, and links pass through each other (MuJoCo's collide where
//! they are neither of one body nor of parent and child; rapier's contacts within one multibody are
//! unstable).

use super::{HORIZON, REWARD_BOUNDS, randomise};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Linear, tolerance_to};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use serde::{Deserialize, Serialize};

/// s: control and physics alike.
const PERIOD: f32 = 0.01;
/// Each integrates. MuJoCo makes one step, but with one landings are 0.027 rad, 0.157 m/s and 0.75 rad/s
/// from MuJoCo's and 30 mm deep, with two 0.021 rad, 0.12 m/s, 0.68 rad/s and 22 mm (MuJoCo's: 28 mm).
const ITERATIONS: usize = 2;
/// Steps from being let go of to the beginning of the episode.
const SETTLING: usize = 200;
/// m: how far ahead a step looks for contacts.
const PREDICTION: f32 = 0.05;

// Chosen of 6 to 30 Hz by how closely landings follow MuJoCo's without sinking deeper than there: at 12
// Hz and 1.3 the ground gives 32 mm, at 24 Hz landings are 0.13 m/s and 0.74 rad/s off. Limits matter
// little, friction of 0.8 instead of 1 as little; skin and a stabilisation iteration make it worse.
/// Natural frequency in Hz and damping ratio of ground contact.
const CONTACT_SOFTNESS: (f32, f32) = (16.0, 1.5);
/// The same of joint limits.
const LIMIT_SOFTNESS: (f32, f32) = (8.0, 1.5);

const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        position: [0.0, 0.0, 0.7],
        joints: PLANAR,
        geoms: &[
            capsule([-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]),
            capsule([0.4850933, 0.0, 0.003581859], [0.7149067, 0.0, 0.1964181]),
        ],
        ..BODY
    },
    Body {
        name: "bthigh",
        parent: "torso",
        position: [-0.5, 0.0, 0.0],
        joints: &[hinge("bthigh", [-30.0, 60.0], 240.0, 6.0)],
        geoms: &[capsule(
            [0.01072909, 0.0, -0.01573844],
            [0.1892709, 0.0, -0.2442616],
        )],
        ..BODY
    },
    Body {
        name: "bshin",
        parent: "bthigh",
        position: [0.16, 0.0, -0.25],
        joints: &[hinge("bshin", [-50.0, 50.0], 180.0, 4.5)],
        geoms: &[capsule(
            [-0.005180893, 0.0, -0.004244328],
            [-0.2748191, 0.0, -0.1357557],
        )],
        ..BODY
    },
    Body {
        name: "bfoot",
        parent: "bshin",
        position: [-0.28, 0.0, -0.14],
        joints: &[hinge("bfoot", [-230.0, 50.0], 120.0, 3.0)],
        geoms: &[capsule(
            [0.05432899, 0.0, -0.187797],
            [0.00567101, 0.0, -0.006202972],
        )],
        ..BODY
    },
    Body {
        name: "fthigh",
        parent: "torso",
        position: [0.5, 0.0, 0.0],
        joints: &[hinge("fthigh", [-57.0, 0.4], 180.0, 4.5)],
        geoms: &[capsule(
            [-0.1365, 0.0, -0.2351814],
            [-0.0035, 0.0, -0.004818621],
        )],
        ..BODY
    },
    Body {
        name: "fshin",
        parent: "fthigh",
        position: [-0.14, 0.0, -0.24],
        joints: &[hinge("fshin", [-70.0, 50.0], 120.0, 3.0)],
        geoms: &[capsule(
            [0.1242744, 0.0, -0.177878],
            [0.005725552, 0.0, -0.002122017],
        )],
        ..BODY
    },
    Body {
        name: "ffoot",
        parent: "fshin",
        position: [0.13, 0.0, -0.18],
        joints: &[hinge("ffoot", [-28.0, 28.0], 60.0, 1.5)],
        geoms: &[capsule(
            [0.0841435, 0.0, -0.1280326],
            [0.005856497, 0.0, -0.01196737],
        )],
        ..BODY
    },
];
const FRICTION: f32 = 0.4;
/// kg/m³: what makes the robot weigh 14 kg.
const DENSITY: f32 = 660.885;
/// The floor's, MuJoCo's default.
const FLOOR_FRICTION: f32 = 1.0;
const MOTORS: &[(&str, f32)] = &[
    ("bthigh", 120.0),
    ("bshin", 90.0),
    ("bfoot", 60.0),
    ("fthigh", 90.0),
    ("fshin", 60.0),
    ("ffoot", 30.0),
];

/// A capsule by its ends.
const fn capsule(a: [f32; 3], b: [f32; 3]) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, 0.046),
        density: DENSITY,
        friction: FRICTION,
        ..GEOM
    }
}

/// Limits in degrees, N m/rad, N m s/rad.
const fn hinge(name: &'static str, limits: [f32; 2], stiffness: f32, damping: f32) -> Joint {
    Joint {
        name,
        range: degrees(limits[0], limits[1]),
        stiffness,
        damping,
        armature: 0.1,
        ..HINGE
    }
}

/// m/s: the speed that is worth 1, as in cheetah.py.
const RUN_SPEED: f64 = 10.0;

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("bthigh_angle", "rad"),
    Field::unbounded("bshin_angle", "rad"),
    Field::unbounded("bfoot_angle", "rad"),
    Field::unbounded("fthigh_angle", "rad"),
    Field::unbounded("fshin_angle", "rad"),
    Field::unbounded("ffoot_angle", "rad"),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_vz", "m/s"),
    Field::unbounded("torso_pitch_rate", "rad/s"),
    Field::unbounded("bthigh_rate", "rad/s"),
    Field::unbounded("bshin_rate", "rad/s"),
    Field::unbounded("bfoot_rate", "rad/s"),
    Field::unbounded("fthigh_rate", "rad/s"),
    Field::unbounded("fshin_rate", "rad/s"),
    Field::unbounded("ffoot_rate", "rad/s"),
];

pub(crate) const RUN: Task = Task {
    id: "cheetah-run",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "the forward speed of the centre of mass over 10 m/s, from 0 to 1",
    success: "none is defined, as in dm_control: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &[
            "bthigh_torque",
            "bshin_torque",
            "bfoot_torque",
            "fthigh_torque",
            "fshin_torque",
            "ffoot_torque",
        ],
        control_period: PERIOD as f64,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<Cheetah>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cheetah {
    robot: Robot,
}

impl Domain for Cheetah {
    const SUBSTEPS: usize = 1;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(PERIOD, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = ITERATIONS;
        p.normalized_prediction_distance = PREDICTION;
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMIT_SOFTNESS)?;
        Ok((world, Self { robot }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; 9];
        self.robot.positions(world, &mut positions);
        let upright = positions[2];
        randomise(ROBOT, random, &mut positions);
        positions[2] = upright; // Only joints with limits vary here.
        self.robot.set_state(world, &positions, &[0.0; 9]);
        for _ in 0..SETTLING {
            if world.step().is_err() {
                return; // The first step of the episode will say so.
            }
        }
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let mut positions = [0.0; 9];
        self.robot.positions(world, &mut positions);
        obs[..8].copy_from_slice(&positions[1..]);
        self.robot.velocities(world, &mut obs[8..]);
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let speed = self.robot.centre_velocity(world).x.into();
        let running = tolerance_to(0.0, speed, (RUN_SPEED, f64::INFINITY), RUN_SPEED, Linear);
        Judgement {
            reward: running as f32,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
