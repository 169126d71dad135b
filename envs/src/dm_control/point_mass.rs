//! `point-mass-easy`: dm_control's Point Mass, a ball on a table that two motors are to bring to the
//! centre and keep there.
//!
//! Body, observation, reward and reset follow `point_mass.xml` and `point_mass.py`. Nothing touches
//! anything, there as here, so floor, walls and target are only drawn; the slides' limits keep the
//! ball from the walls.

use super::{HORIZON, REWARD_BOUNDS, draw_arena, randomise};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Gaussian, Sigmoid::Quadratic, tolerance, tolerance_to};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, Kind, Robot, Solid};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task, scene};
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

/// s: control and physics alike.
const PERIOD: f32 = 0.02;

/// m.
const RADIUS: f32 = 0.01;
const ROBOT: &[Body] = &[Body {
    name: "pointmass",
    position: [0.0, 0.0, RADIUS],
    joints: &[
        slide("root_x", [1.0, 0.0, 0.0]),
        slide("root_y", [0.0, 1.0, 0.0]),
    ],
    // 0.3 kg.
    geoms: &[Geom {
        solid: Solid::Ball([0.0; 3], RADIUS),
        density: 0.3 / (4.0 / 3.0 * PI * RADIUS * RADIUS * RADIUS),
        touches: false,
        ..GEOM
    }],
    ..BODY
}];
const MOTORS: &[(&str, f32)] = &[("root_x", 0.1), ("root_y", 0.1)];
/// Natural frequency in Hz and damping ratio of the slides' limits: 0.005 m from MuJoCo after 0.2 s of
/// full force against them, with 4 Hz 0.013 m.
const LIMIT_SOFTNESS: (f32, f32) = (8.0, 1.0);

const fn slide(name: &'static str, axis: [f32; 3]) -> Joint {
    Joint {
        name,
        kind: Kind::Slide,
        axis,
        range: Some([-0.29, 0.29]),
        damping: 1.0,
        ..HINGE
    }
}

/// m, as in point_mass.xml.
const TARGET_RADIUS: f64 = 0.015;

const FIELDS: &[Field] = &[
    Field::unbounded("x", "m"),
    Field::unbounded("y", "m"),
    Field::unbounded("vx", "m/s"),
    Field::unbounded("vy", "m/s"),
];

pub(crate) const EASY: Task = Task {
    id: "point-mass-easy",
    family: "dm_control",
    tags: &["dense-reward", "goal"],
    version: 1,
    reward: "1 while the ball's centre is in the target, falling off within some 4 cm, less up to a fifth for large actions",
    success: "the ball's centre is in the target",
    spec: Spec {
        fields: FIELDS,
        actions: &["x_force", "y_force"],
        control_period: PERIOD as f64,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<PointMass>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PointMass {
    robot: Robot,
}

impl Domain for PointMass {
    const SUBSTEPS: usize = 1;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(PERIOD);
        world.0.integration_parameters.num_solver_iterations = 1;
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMIT_SOFTNESS)?;
        Ok((world, Self { robot }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; 2];
        randomise(ROBOT, random, &mut positions);
        self.robot.set_state(world, &positions, &[0.0; 2]);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        self.robot.positions(world, &mut obs[..2]);
        self.robot.velocities(world, &mut obs[2..]);
    }

    fn mark(&self, scene: &mut Vec<scene::Geom>) {
        draw_arena(scene);
        let target = [0.0, 0.0, RADIUS];
        scene.push(scene::Geom::mark(target, TARGET_RADIUS as f32));
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let [x, y] = [0, 1].map(|i| f64::from(self.robot.coordinate(world, i)));
        let distance = libm::hypot(x, y);
        let near = tolerance(distance, (0.0, TARGET_RADIUS), TARGET_RADIUS, Gaussian);
        let gentle = |a: &f32| tolerance_to(0.0, (*a).into(), (0.0, 0.0), 1.0, Quadratic);
        let effort = action.iter().map(gentle).sum::<f64>() / action.len() as f64;
        Judgement {
            reward: (near * (effort + 4.0) / 5.0) as f32,
            success: distance <= TARGET_RADIUS,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
