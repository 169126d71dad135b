//! `reacher-easy`: dm_control's Reacher, an arm of two links on a table whose finger is to stay in
//! a large target.
//!
//! Body, observation, reward and reset follow `reacher.xml` and `reacher.py`. Nothing touches
//! anything, there as here, so floor, walls and target are only drawn.

use super::{HORIZON, REWARD_BOUNDS, draw_arena, randomise};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task, scene};
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};
use std::f32::consts::TAU;

/// s: control and physics alike.
const PERIOD: f32 = 0.02;

/// m: of links, of the finger.
const RADIUS: f32 = 0.01;
const HAND: usize = 1;
/// m, in the hand's frame.
const FINGER: [f32; 3] = [0.12, 0.0, 0.0];
const ROBOT: &[Body] = &[
    Body {
        name: "arm",
        position: [0.0, 0.0, RADIUS],
        joints: &[hinge("shoulder", None)],
        geoms: &[link(0.12)],
        ..BODY
    },
    Body {
        name: "hand",
        parent: "arm",
        position: [0.12, 0.0, 0.0],
        joints: &[hinge("wrist", degrees(-160.0, 160.0))],
        geoms: &[
            link(0.1),
            Geom {
                solid: Solid::Ball(FINGER, RADIUS),
                touches: false,
                ..GEOM
            },
        ],
        ..BODY
    },
];
const MOTORS: &[(&str, f32)] = &[("shoulder", 0.05), ("wrist", 0.05)];
/// Natural frequency in Hz and damping ratio of the wrist's limits: after 0.2 s of full torque against
/// them 0.016 rad from MuJoCo, the least of 4 to 16 Hz and 0.5 to 1.5 (MuJoCo slows its springs down
/// to twice the timestep).
const LIMIT_SOFTNESS: (f32, f32) = (6.0, 1.0);

const fn hinge(name: &'static str, range: Option<[f32; 2]>) -> Joint {
    Joint {
        name,
        axis: [0.0, 0.0, 1.0],
        range,
        damping: 0.01,
        ..HINGE
    }
}

const fn link(length: f32) -> Geom {
    Geom {
        solid: Solid::Capsule([0.0; 3], [length, 0.0, 0.0], RADIUS),
        touches: false,
        ..GEOM
    }
}

// The task, as in reacher.py; m.
const TARGET_RADIUS: f32 = 0.05;
const TARGET_DISTANCE: (f32, f32) = (0.05, 0.2);
/// No finger is further than this from any target, along x or y.
const REACH: f32 = 0.45;

const FIELDS: &[Field] = &[
    Field::unbounded("shoulder_angle", "rad"),
    Field::unbounded("wrist_angle", "rad"),
    Field::new("to_target_x", "m", -REACH, REACH),
    Field::new("to_target_y", "m", -REACH, REACH),
    Field::unbounded("shoulder_rate", "rad/s"),
    Field::unbounded("wrist_rate", "rad/s"),
];

pub(crate) const EASY: Task = Task {
    id: "reacher-easy",
    family: "dm_control",
    tags: &["sparse-reward", "goal"],
    version: 1,
    reward: "1 while the finger touches the target, else 0",
    success: "the finger touches the target",
    spec: Spec {
        fields: FIELDS,
        actions: &["shoulder_torque", "wrist_torque"],
        control_period: PERIOD as f64,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<Reacher>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reacher {
    robot: Robot,
    /// x, y; m.
    target: [f32; 2],
}

impl Reacher {
    fn finger_to_target(&self, world: &World) -> [f32; 2] {
        let finger = self.robot.body(world, HAND).position() * Vector::from(FINGER);
        [self.target[0] - finger.x, self.target[1] - finger.y]
    }
}

impl Domain for Reacher {
    const SUBSTEPS: usize = 1;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(PERIOD);
        world.0.integration_parameters.num_solver_iterations = 1;
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMIT_SOFTNESS)?;
        let target = [TARGET_DISTANCE.1, 0.0];
        Ok((world, Self { robot, target }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; 2];
        randomise(ROBOT, random, &mut positions);
        self.robot.set_state(world, &positions, &[0.0; 2]);
        let angle = random.uniform(0.0, TAU);
        let distance = random.uniform(TARGET_DISTANCE.0, TARGET_DISTANCE.1);
        self.target = [distance * libm::sinf(angle), distance * libm::cosf(angle)];
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        self.robot.positions(world, &mut obs[..2]);
        obs[2..4].copy_from_slice(&self.finger_to_target(world));
        self.robot.velocities(world, &mut obs[4..]);
    }

    fn mark(&self, scene: &mut Vec<scene::Geom>) {
        draw_arena(scene);
        let [x, y] = self.target;
        scene.push(scene::Geom::mark([x, y, RADIUS], TARGET_RADIUS));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let [x, y] = self.finger_to_target(world);
        let touches = libm::hypotf(x, y) <= TARGET_RADIUS + RADIUS;
        Judgement {
            reward: f32::from(touches),
            success: touches,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
