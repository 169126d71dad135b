//! `hopper-hop`: dm_control's Hopper, a planar robot on one leg that is paid for hopping forward.
//!
//! Body, observation, reward and reset follow `hopper.xml` and `hopper.py`. Deviations: rapier's
//! contacts and limits are tuned to MuJoCo's rather than identical, and links pass through each other
//! (MuJoCo's collide where they are neither of one body nor of parent and child; rapier's contacts
//! within one multibody are unstable).

use super::{HORIZON, REWARD_BOUNDS, randomise};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Linear, tolerance_to};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};

// Time: hopper.py's control period, in two steps of 2 iterations, each of which integrates as MuJoCo's
// 4 steps of 5 ms do.
const STEP: f32 = 0.01;
const STEPS: usize = 2;
const ITERATIONS: usize = 2;
const PERIOD: f64 = 0.02;
/// m: how far ahead a step looks for contacts, more than what a foot falls in it.
const PREDICTION: f32 = 0.05;

// Chosen of 6 to 30 Hz by how closely landings follow MuJoCo's (0.014 rad, 0.09 m/s, 0.4 rad/s) without
// sinking deeper than there (17 mm): contacts of 9 Hz sink by 19 mm, of 24 Hz are 0.018 rad and
// 0.5 rad/s off; limits of 12 Hz and more part from MuJoCo's in their own test (damping ratio 1: by
// 0.15 rad and more, instead of 0.04).
/// Natural frequency in Hz and damping ratio of ground contact.
const CONTACT_SOFTNESS: (f32, f32) = (11.0, 1.0);
/// The same of joint limits.
const LIMIT_SOFTNESS: (f32, f32) = (10.0, 1.5);

const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        position: [0.0, 0.0, 1.0],
        joints: PLANAR,
        geoms: &[
            capsule([0.0, 0.0, -0.05], [0.0, 0.0, 0.2], 0.0653),
            capsule([0.08, 0.0, 0.13], [0.15, 0.0, 0.14], 0.03),
        ],
        ..BODY
    },
    Body {
        name: "pelvis",
        parent: "torso",
        position: [0.0, 0.0, -0.05],
        joints: &[hinge("waist", -30.0, 30.0)],
        geoms: &[capsule([0.0; 3], [0.0, 0.0, -0.15], 0.065)],
        ..BODY
    },
    Body {
        name: "thigh",
        parent: "pelvis",
        position: [0.0, 0.0, -0.2],
        joints: &[hinge("hip", -170.0, 10.0)],
        geoms: &[capsule([0.0; 3], [0.0, 0.0, -0.33], 0.04)],
        ..BODY
    },
    Body {
        name: "calf",
        parent: "thigh",
        position: [0.0, 0.0, -0.33],
        joints: &[hinge("knee", 5.0, 150.0)],
        geoms: &[capsule([0.0; 3], [0.0, 0.0, -0.32], 0.03)],
        ..BODY
    },
    Body {
        name: "foot",
        parent: "calf",
        position: [0.0, 0.0, -0.32],
        joints: &[hinge("ankle", -45.0, 45.0)],
        geoms: &[capsule(HEEL, TOE, 0.04)],
        ..BODY
    },
];
/// Ends of the foot, in its frame, m.
const HEEL: [f32; 3] = [-0.08, 0.0, 0.0];
const TOE: [f32; 3] = [0.17, 0.0, 0.0];
const TORSO: usize = 0;
const FOOT: usize = 4;
/// Index among all geoms.
const FOOT_GEOM: usize = 5;
const FRICTION: f32 = 1.0;
const MOTORS: &[(&str, f32)] = &[
    ("waist", 30.0),
    ("hip", 40.0),
    ("knee", 30.0),
    ("ankle", 10.0),
];

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        friction: FRICTION,
        ..GEOM
    }
}

const fn hinge(name: &'static str, low: f32, high: f32) -> Joint {
    Joint {
        name,
        range: degrees(low, high),
        damping: 0.05,
        armature: 0.2,
        ..HINGE
    }
}

// The task, as in hopper.py.
/// m: how far the torso's centre of mass must be above the foot's.
const STAND_HEIGHT: (f32, f32) = (0.6, 2.0);
/// m/s: the speed that is worth 1.
const HOP_SPEED: f64 = 2.0;
/// m: a touch sensor feels contacts this close to its end of the foot.
const SENSOR_RADIUS: f32 = 0.05;

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("waist_angle", "rad"),
    Field::unbounded("hip_angle", "rad"),
    Field::unbounded("knee_angle", "rad"),
    Field::unbounded("ankle_angle", "rad"),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_vz", "m/s"),
    Field::unbounded("torso_pitch_rate", "rad/s"),
    Field::unbounded("waist_rate", "rad/s"),
    Field::unbounded("hip_rate", "rad/s"),
    Field::unbounded("knee_rate", "rad/s"),
    Field::unbounded("ankle_rate", "rad/s"),
    // ln(1 + N).
    Field::new("toe_touch", "ln(N)", 0.0, f32::INFINITY),
    Field::new("heel_touch", "ln(N)", 0.0, f32::INFINITY),
];

pub(crate) const HOP: Task = Task {
    id: "hopper-hop",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "while the torso is 0.6 m above the foot, the forward speed of the centre of mass over 2 m/s, from 0 to 1",
    success: "none is defined, as in dm_control: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &["waist_torque", "hip_torque", "knee_torque", "ankle_torque"],
        control_period: PERIOD,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<Hopper>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hopper {
    robot: Robot,
}

impl Hopper {
    /// Of a body's centre of mass, m.
    fn height(&self, world: &World, body: usize) -> f32 {
        let body = self.robot.body(world, body);
        (body.position() * body.local_center_of_mass()).z
    }

    /// The floor's push on toe and heel in the last step, N.
    fn touch(&self, world: &World) -> [f32; 2] {
        let foot = self.robot.body(world, FOOT).position();
        let ends = [TOE, HEEL].map(|end| foot * Vector::from(end));
        let mut push = [0.0; 2];
        for (geom, point, force) in self.robot.contacts(world) {
            if geom == FOOT_GEOM {
                for (push, end) in push.iter_mut().zip(ends) {
                    if (point - end).length() <= SENSOR_RADIUS {
                        *push += force.z;
                    }
                }
            }
        }
        push
    }
}

impl Domain for Hopper {
    const SUBSTEPS: usize = STEPS;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(STEP, CONTACT_SOFTNESS, FRICTION);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = ITERATIONS;
        p.normalized_prediction_distance = PREDICTION;
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMIT_SOFTNESS)?;
        Ok((world, Self { robot }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; 7];
        randomise(ROBOT, random, &mut positions);
        self.robot.set_state(world, &positions, &[0.0; 7]);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let mut positions = [0.0; 7];
        self.robot.positions(world, &mut positions);
        obs[..6].copy_from_slice(&positions[1..]);
        self.robot.velocities(world, &mut obs[6..13]);
        obs[13..].copy_from_slice(&self.touch(world).map(libm::log1pf));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let height = self.height(world, TORSO) - self.height(world, FOOT);
        let stands = (STAND_HEIGHT.0..=STAND_HEIGHT.1).contains(&height);
        let speed = self.robot.centre_velocity(world).x.into();
        let fast = (HOP_SPEED, f64::INFINITY);
        let hopping = tolerance_to(0.5, speed, fast, HOP_SPEED / 2.0, Linear);
        Judgement {
            reward: f32::from(stands) * hopping as f32,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
