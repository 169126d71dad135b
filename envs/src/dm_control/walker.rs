//! `walker-stand`, `walker-walk`, `walker-run`: dm_control's Walker, a planar biped that is paid for
//! standing up and moving forward.
//!
//! Body, observation, reward and reset follow `walker.xml` and `walker.py`. Deviations: rapier's
//! contacts and limits are tuned to MuJoCo's rather than identical. Links pass through each other,
//! there as here.

use super::{HORIZON, REWARD_BOUNDS, randomise};
use crate::compliance::Impedance;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Gaussian, Sigmoid::Linear, tolerance, tolerance_to};
use crate::robot::{
    BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, SLIDE_X, SLIDE_Z, Solid, degrees,
};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};

// Time, as in walker.xml and walker.py.
const STEP: f32 = 0.0025;
const STEPS: usize = 10;
const PERIOD: f64 = 0.025;

/// Natural frequency in Hz and damping ratio of ground contact. Chosen of 5 to 30 Hz by how closely
/// landings follow MuJoCo's without sinking much deeper than there (26 mm): at 12 Hz and 0.7 the
/// ground gives 33 mm; from 24 Hz on the joints' rates part by 2 rad/s.
const CONTACT_SOFTNESS: (f32, f32) = (16.0, 1.5);
/// How limits yield, as in walker.xml.
const LIMITS: Impedance = Impedance {
    solref: (0.02, 1.0),
    solimp: (0.0, 0.99, 0.01),
};

const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        position: [0.0, 0.0, TORSO_HEIGHT],
        joints: ROOT,
        geoms: &[capsule([0.0, 0.0, -0.3], [0.0, 0.0, 0.3], 0.07)],
        ..BODY
    },
    Body {
        name: "right_thigh",
        parent: "torso",
        position: [0.0, -0.05, -0.3],
        joints: &[hinge("right_hip", [0.0; 3], -20.0, 100.0)],
        geoms: THIGH,
        ..BODY
    },
    Body {
        name: "right_leg",
        parent: "right_thigh",
        position: [0.0, 0.0, -0.7],
        joints: &[hinge("right_knee", [0.0, 0.0, 0.25], -150.0, 0.0)],
        geoms: LEG,
        ..BODY
    },
    Body {
        name: "right_foot",
        parent: "right_leg",
        position: [0.06, 0.0, -0.25],
        joints: &[hinge("right_ankle", [-0.06, 0.0, 0.0], -45.0, 45.0)],
        geoms: FOOT,
        ..BODY
    },
    Body {
        name: "left_thigh",
        parent: "torso",
        position: [0.0, 0.05, -0.3],
        joints: &[hinge("left_hip", [0.0; 3], -20.0, 100.0)],
        geoms: THIGH,
        ..BODY
    },
    Body {
        name: "left_leg",
        parent: "left_thigh",
        position: [0.0, 0.0, -0.7],
        joints: &[hinge("left_knee", [0.0, 0.0, 0.25], -150.0, 0.0)],
        geoms: LEG,
        ..BODY
    },
    Body {
        name: "left_foot",
        parent: "left_leg",
        position: [0.06, 0.0, -0.25],
        joints: &[hinge("left_ankle", [-0.06, 0.0, 0.0], -45.0, 45.0)],
        geoms: FOOT,
        ..BODY
    },
];
const THIGH: &[Geom] = &[capsule([0.0, 0.0, -0.45], [0.0; 3], 0.05)];
const LEG: &[Geom] = &[capsule([0.0, 0.0, -0.25], [0.0, 0.0, 0.25], 0.04)];
const FOOT: &[Geom] = &[capsule([-0.1, 0.0, 0.0], [0.1, 0.0, 0.0], 0.05)];
/// z before x, unlike other planar robots.
const ROOT: &[Joint] = &[SLIDE_Z, SLIDE_X, PLANAR[2]];
/// m, where the torso's height counts from.
const TORSO_HEIGHT: f32 = 1.3;
const FRICTION: f32 = 0.7;
const MOTORS: &[(&str, f32)] = &[
    ("right_hip", 100.0),
    ("right_knee", 50.0),
    ("right_ankle", 20.0),
    ("left_hip", 100.0),
    ("left_knee", 50.0),
    ("left_ankle", 20.0),
];

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        friction: FRICTION,
        ..GEOM
    }
}

const fn hinge(name: &'static str, position: [f32; 3], low: f32, high: f32) -> Joint {
    Joint {
        name,
        axis: [0.0, -1.0, 0.0],
        position,
        range: degrees(low, high),
        damping: 0.1,
        armature: 0.01,
        ..HINGE
    }
}

// The tasks, as in walker.py.
/// m: the torso stands at this height or above.
const STAND_HEIGHT: f64 = 1.2;
/// m/s: the target speed, or above, of tasks that move.
const WALK_SPEED: f64 = 1.0;
const RUN_SPEED: f64 = 8.0;

const FIELDS: &[Field] = &[
    direction("torso_x_x"),
    direction("torso_z_x"),
    direction("right_thigh_x_x"),
    direction("right_thigh_z_x"),
    direction("right_leg_x_x"),
    direction("right_leg_z_x"),
    direction("right_foot_x_x"),
    direction("right_foot_z_x"),
    direction("left_thigh_x_x"),
    direction("left_thigh_z_x"),
    direction("left_leg_x_x"),
    direction("left_leg_z_x"),
    direction("left_foot_x_x"),
    direction("left_foot_z_x"),
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_vz", "m/s"),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_pitch_rate", "rad/s"),
    Field::unbounded("right_hip_rate", "rad/s"),
    Field::unbounded("right_knee_rate", "rad/s"),
    Field::unbounded("right_ankle_rate", "rad/s"),
    Field::unbounded("left_hip_rate", "rad/s"),
    Field::unbounded("left_knee_rate", "rad/s"),
    Field::unbounded("left_ankle_rate", "rad/s"),
];
const ORIENTATIONS: usize = 14;

/// World's x of a body's x or z axis; above 1 by rounding only.
const fn direction(name: &'static str) -> Field {
    Field::new(name, "1", -1.0001, 1.0001)
}

pub(crate) const STAND: Task = Task {
    id: "walker-stand",
    reward: "3/4 for a torso at 1.2 m or above, falling off below, and 1/4 for its being upright",
    ..WALK
};
pub(crate) const WALK: Task = Task {
    id: "walker-walk",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "that of walker-stand, of which 5/6 in proportion to speed, full at 1 m/s",
    success: "none is defined, as in dm_control: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &[
            "right_hip_torque",
            "right_knee_torque",
            "right_ankle_torque",
            "left_hip_torque",
            "left_knee_torque",
            "left_ankle_torque",
        ],
        control_period: PERIOD,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<Walker>::make,
};
pub(crate) const RUN: Task = Task {
    id: "walker-run",
    reward: "that of walker-stand, of which 5/6 in proportion to speed, full at 8 m/s",
    ..WALK
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Walker {
    robot: Robot,
    /// m/s; none for a task that only stands.
    speed: Option<f64>,
}

impl Domain for Walker {
    const SUBSTEPS: usize = STEPS;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(STEP, CONTACT_SOFTNESS, FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMITS)?;
        let speed = match task.id {
            "walker-stand" => None,
            "walker-walk" => Some(WALK_SPEED),
            "walker-run" => Some(RUN_SPEED),
            _ => {
                return Err(EnvError::Build {
                    task: task.id,
                    what: "a task that Walker does not know",
                });
            }
        };
        Ok((world, Self { robot, speed }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; 9];
        randomise(ROBOT, random, &mut positions);
        self.robot.set_state(world, &positions, &[0.0; 9]);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (orientations, rest) = obs.split_at_mut(ORIENTATIONS);
        for (i, axes) in orientations.chunks_exact_mut(2).enumerate() {
            let turn = self.robot.body(world, i).rotation();
            axes.copy_from_slice(&[(turn * Vector::X).x, (turn * Vector::Z).x]);
        }
        let (height, velocities) = rest.split_at_mut(1);
        height[0] = self.robot.body(world, 0).translation().z;
        self.robot.velocities(world, velocities);
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let torso = self.robot.body(world, 0);
        let up = (f64::from((torso.rotation() * Vector::Z).z) + 1.0) / 2.0;
        let above = (STAND_HEIGHT, f64::INFINITY);
        let height = f64::from(torso.translation().z);
        let standing = tolerance(height, above, STAND_HEIGHT / 2.0, Gaussian);
        let stand = (3.0 * standing + up.clamp(0.0, 1.0)) / 4.0;
        let moving = self.speed.map_or(1.0, |speed| {
            let forward = self.robot.centre_velocity(world).x.into();
            tolerance_to(0.5, forward, (speed, f64::INFINITY), speed / 2.0, Linear)
        });
        Judgement {
            reward: (stand * (5.0 * moving + 1.0) / 6.0) as f32,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
