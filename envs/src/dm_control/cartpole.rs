//! `cartpole-swingup`: dm_control's Cartpole, whose pole hangs down and is to be swung up and
//! balanced by a motor on the cart.
//!
//! Body, observation, reward and reset follow `cartpole.xml` and `cartpole.py`. Nothing touches
//! anything, there as here, so the rail is only drawn. Deviation: rapier integrates to first order
//! where MuJoCo uses RK4, and so takes steps of half of its size.

use super::{HORIZON, REWARD_BOUNDS};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Gaussian, Sigmoid::Quadratic, tolerance, tolerance_to};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, Kind, Robot, Solid};
use crate::scene::{Role, Shape};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task, scene};
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_1_SQRT_2, PI};

// Time: MuJoCo's 10 ms, in a step of 2 iterations, each of which integrates.
const PERIOD: f32 = 0.01;
const ITERATIONS: usize = 2;

const POLE: usize = 1;
/// m.
const HEIGHT: f32 = 1.0;
const ROBOT: &[Body] = &[
    Body {
        name: "cart",
        position: [0.0, 0.0, HEIGHT],
        joints: &[Joint {
            name: "slider",
            kind: Kind::Slide,
            axis: [1.0, 0.0, 0.0],
            range: Some([-1.8, 1.8]),
            damping: 5e-4,
            ..HINGE
        }],
        // 1 kg.
        geoms: &[Geom {
            solid: Solid::Cuboid([0.0; 3], [0.2, 0.15, 0.1]),
            density: 1.0 / 0.024,
            touches: false,
            ..GEOM
        }],
        ..BODY
    },
    Body {
        name: "pole_1",
        parent: "cart",
        joints: &[Joint {
            name: "hinge_1",
            damping: 2e-6,
            ..HINGE
        }],
        geoms: &[Geom {
            solid: Solid::Capsule([0.0; 3], [0.0, 0.0, 1.0], POLE_RADIUS),
            density: POLE_MASS / POLE_VOLUME,
            touches: false,
            ..GEOM
        }],
        ..BODY
    },
];
const POLE_MASS: f32 = 0.1;
const POLE_RADIUS: f32 = 0.045;
const POLE_VOLUME: f32 = PI * POLE_RADIUS * POLE_RADIUS * (1.0 + 4.0 / 3.0 * POLE_RADIUS);
const MOTORS: &[(&str, f32)] = &[("slider", 10.0)];
/// Natural frequency in Hz and damping ratio of the ends of the rail.
const LIMIT_SOFTNESS: (f32, f32) = (4.0, 1.0);

// How episodes begin and what they pay, as in cartpole.py.
const POSITION_NOISE: f32 = 0.01;
const VELOCITY_NOISE: f32 = 0.01;
/// m.
const CENTRE_MARGIN: f64 = 2.0;
/// rad/s.
const RATE_MARGIN: f64 = 5.0;
/// Ours: the pole is up when its cosine is at least that of dm_control's sparse variant.
const UPRIGHT: f32 = 0.995;

const FIELDS: &[Field] = &[
    Field::unbounded("cart_x", "m"),
    // Beyond 1 by rounding only.
    Field::new("pole_angle_cosine", "1", -1.0001, 1.0001),
    Field::new("pole_angle_sine", "1", -1.0001, 1.0001),
    Field::unbounded("cart_vx", "m/s"),
    Field::unbounded("pole_rate", "rad/s"),
];

pub(crate) const SWINGUP: Task = Task {
    id: "cartpole-swingup",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "the pole's uprightness, times factors that fall with the action, the distance from the centre and the pole's rate",
    success: "the pole is within 6 degrees of upright",
    spec: Spec {
        fields: FIELDS,
        actions: &["cart_force"],
        control_period: PERIOD as f64,
        horizon: HORIZON,
        reward_bounds: REWARD_BOUNDS,
    },
    expert: None,
    make: Episode::<Cartpole>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cartpole {
    robot: Robot,
}

impl Cartpole {
    /// World's z and x of the pole's axis: cosine and sine of its angle.
    fn pole(&self, world: &World) -> [f32; 2] {
        let axis = self.robot.body(world, POLE).rotation() * Vector::Z;
        [axis.z, axis.x]
    }
}

impl Domain for Cartpole {
    const SUBSTEPS: usize = 1;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(PERIOD);
        world.0.integration_parameters.num_solver_iterations = ITERATIONS;
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMIT_SOFTNESS)?;
        robot.set_state(&mut world, &[0.0, PI], &[0.0; 2]);
        Ok((world, Self { robot }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut noise = |size| size * random.normal();
        let positions = [noise(POSITION_NOISE), PI + noise(POSITION_NOISE)];
        let velocities = [noise(VELOCITY_NOISE), noise(VELOCITY_NOISE)];
        self.robot.set_state(world, &positions, &velocities);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        obs[0] = self.robot.coordinate(world, 0);
        obs[1..3].copy_from_slice(&self.pole(world));
        self.robot.velocities(world, &mut obs[3..]);
    }

    fn mark(&self, scene: &mut Vec<scene::Geom>) {
        scene.push(scene::Geom {
            shape: Shape::Floor,
            role: Role::Ground,
            position: [0.0, 0.0, -0.05],
            rotation: [0.0, 0.0, 0.0, 1.0],
        });
        for y in [-0.07, 0.07] {
            scene.push(scene::Geom {
                shape: Shape::Capsule {
                    radius: 0.02,
                    half_length: 2.0,
                },
                role: Role::Ground,
                position: [0.0, y, HEIGHT],
                rotation: [0.0, FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2],
            });
        }
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let [x, rate] = {
            let mut velocities = [0.0; 2];
            self.robot.velocities(world, &mut velocities);
            [self.robot.coordinate(world, 0), velocities[1]].map(f64::from)
        };
        let cosine = self.pole(world)[0].clamp(-1.0, 1.0);
        let upright = (f64::from(cosine) + 1.0) / 2.0;
        let centred = (1.0 + tolerance(x, (0.0, 0.0), CENTRE_MARGIN, Gaussian)) / 2.0;
        let effort = tolerance_to(0.0, action[0].into(), (0.0, 0.0), 1.0, Quadratic);
        let slow = (1.0 + tolerance(rate, (0.0, 0.0), RATE_MARGIN, Gaussian)) / 2.0;
        Judgement {
            reward: (upright * (4.0 + effort) / 5.0 * slow * centred) as f32,
            success: cosine >= UPRIGHT,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
