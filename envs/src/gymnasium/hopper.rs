//! `hopper`: Gymnasium's Hopper-v5, a planar one-legged robot that is paid for moving forward.
//!
//! Body, observation, reward, termination and reset follow Gymnasium 1.x (`hopper.xml`,
//! `hopper_v5.py`; the robot is of Erez, Tassa and Todorov 2011, "Infinite-Horizon Model Predictive
//! Control for Periodic Tasks with Contacts"). `tests/mujoco/` holds MuJoCo's own trajectories, and
//! the tests below hold this file to them. Deviations: rapier integrates to first order where
//! MuJoCo uses RK4, its contacts are tuned to MuJoCo's rather than identical, links
//! pass through each other (MuJoCo's meet only when the thigh is folded beyond -0.5 rad and the leg
//! beyond -1.6, far from any gait; rapier's contacts within one multibody are unstable), and an
//! action outside [-1, 1] is clipped before the reward sees it.

use crate::compliance::IMPEDANCE;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use nalgebra::SVector;
use serde::{Deserialize, Serialize};

// Time, as in hopper.xml and hopper_v5.py.
const SUBSTEP: f32 = 0.002;
const FRAME_SKIP: usize = 4;
const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

/// Natural frequency in Hz and damping ratio of ground contact: near MuJoCo's own of 8 Hz (solref 0.02 s,
/// critically damped), with landings that follow MuJoCo's (`lands_as_in_mujoco` in the tests). Softer
/// ones follow it a little closer still, but sink deeper.
const CONTACT_SOFTNESS: (f32, f32) = (9.0, 0.7);

/// The robot, as in hopper.xml, but hinges at their bodies' own height and floor friction 1.
const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        joints: PLANAR,
        geoms: &[capsule([0.0, 0.0, -0.2], [0.0, 0.0, 0.2], 0.05, 0.9)],
        ..BODY
    },
    Body {
        name: "thigh",
        parent: "torso",
        position: [0.0, 0.0, -0.2],
        joints: &[hinge("thigh_joint", [0.0, 0.0, 0.0], -150.0, 0.0)],
        geoms: &[capsule([0.0, 0.0, -0.45], [0.0, 0.0, 0.0], 0.05, 0.9)],
        ..BODY
    },
    Body {
        name: "leg",
        parent: "thigh",
        position: [0.0, 0.0, -0.7],
        joints: &[hinge("leg_joint", [0.0, 0.0, 0.25], -150.0, 0.0)],
        geoms: &[capsule([0.0, 0.0, -0.25], [0.0, 0.0, 0.25], 0.04, 0.9)],
        ..BODY
    },
    Body {
        name: "foot",
        parent: "leg",
        position: [0.13, 0.0, -0.35],
        joints: &[hinge("foot_joint", [-0.13, 0.0, 0.1], -45.0, 45.0)],
        geoms: &[capsule([-0.26, 0.0, 0.1], [0.13, 0.0, 0.1], 0.06, 2.0)],
        ..BODY
    },
];
const TORSO_HEIGHT: f32 = 1.25;
const FLOOR_FRICTION: f32 = 1.0;
const MOTORS: &[(&str, f32)] = &[
    ("thigh_joint", 200.0),
    ("leg_joint", 200.0),
    ("foot_joint", 200.0),
];

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32, friction: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        friction,
        ..GEOM
    }
}

const fn hinge(name: &'static str, position: [f32; 3], low: f32, high: f32) -> Joint {
    Joint {
        name,
        axis: [0.0, -1.0, 0.0],
        position,
        range: degrees(low, high),
        damping: 1.0,
        armature: 1.0,
        ..HINGE
    }
}

// The task, as in hopper_v5.py.
const HEALTHY_REWARD: f32 = 1.0;
const CONTROL_COST: f32 = 1e-3;
const MIN_HEIGHT: f32 = 0.7;
const MAX_PITCH: f32 = 0.2;
/// Every coordinate but x and z, and every velocity, is below this in size.
const MAX_STATE: f32 = 100.0;
const RESET_NOISE: f32 = 5e-3;
/// Observed velocities are clipped to this size.
const MAX_SPEED: f32 = 10.0;

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("thigh_angle", "rad"),
    Field::unbounded("leg_angle", "rad"),
    Field::unbounded("foot_angle", "rad"),
    Field::new("torso_vx", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("torso_vz", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("torso_pitch_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("thigh_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("leg_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("foot_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
];

pub(crate) const TASK: Task = Task {
    id: "hopper",
    family: "gymnasium",
    tags: &["dense-reward", "terminates"],
    version: 2,
    reward: "1 while healthy, plus forward velocity of the torso (m/s), minus 0.001 |action|²",
    success: "none is defined, as in Gymnasium: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &["thigh_torque", "leg_torque", "foot_torque"],
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: None,
    },
    expert: None,
    make: Episode::<Hopper>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hopper {
    pub(crate) robot: Robot,
    /// Torso x when the step began.
    x_before: f32,
}

/// x, z, pitch, thigh, leg, foot: MuJoCo's `qpos` and `qvel`, in its order and signs.
type Coordinates = SVector<f32, 6>;

impl Hopper {
    fn positions(&self, world: &World) -> Coordinates {
        let mut q = Coordinates::zeros();
        self.robot.positions(world, q.as_mut_slice());
        q
    }

    fn velocities(&self, world: &World) -> Coordinates {
        let mut v = Coordinates::zeros();
        self.robot.velocities(world, v.as_mut_slice());
        v
    }

    fn is_healthy(&self, world: &World) -> bool {
        let [_, z, pitch, hinges @ ..]: [f32; 6] = self.positions(world).into();
        let within = |v: &f32| v.abs() < MAX_STATE;
        z > MIN_HEIGHT
            && pitch.abs() < MAX_PITCH
            && hinges.iter().all(within)
            && self.velocities(world).iter().all(within)
    }
}

impl Domain for Hopper {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(SUBSTEP, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, IMPEDANCE)?;
        let standing = [0.0, TORSO_HEIGHT, 0.0, 0.0, 0.0, 0.0];
        robot.set_state(&mut world, &standing, &[0.0; 6]);
        Ok((
            world,
            Self {
                robot,
                x_before: 0.0,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut noise = || random.uniform(-RESET_NOISE, RESET_NOISE);
        let positions = self.positions(world).map(|q| q + noise());
        let velocities = Coordinates::from_fn(|_, _| noise());
        self.robot
            .set_state(world, positions.as_slice(), velocities.as_slice());
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.x_before = self.robot.coordinate(world, 0);
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (positions, velocities) = obs.split_at_mut(5);
        positions.copy_from_slice(&self.positions(world).as_slice()[1..]);
        velocities.copy_from_slice(
            self.velocities(world)
                .map(|v| v.clamp(-MAX_SPEED, MAX_SPEED))
                .as_slice(),
        );
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let healthy = self.is_healthy(world);
        let forward = (self.robot.coordinate(world, 0) - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| a * a).sum();
        Judgement {
            reward: HEALTHY_REWARD * f32::from(healthy) + forward - CONTROL_COST * effort,
            success: false,
            terminated: !healthy,
        }
    }
}

#[cfg(test)]
mod tests;
