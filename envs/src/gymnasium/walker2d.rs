//! `walker2d`: Gymnasium's Walker2d-v5, a planar biped that is paid for moving forward.
//!
//! Body, observation, reward, termination and reset follow Gymnasium 1.x (`walker2d_v5.xml`, `walker2d_v5.py`; the robot is of Erez, Tassa and
//! Todorov 2011).
//! Deviations: rapier integrates to first order where MuJoCo uses RK4, its contacts are
//! tuned to MuJoCo's rather than identical (links pass through each other in both),
//! and an action outside [-1, 1] is clipped before the reward sees it.

use crate::compliance::IMPEDANCE;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use serde::{Deserialize, Serialize};

// Time, as in walker2d_v5.xml and walker2d_v5.py.
const SUBSTEP: f32 = 0.002;
const FRAME_SKIP: usize = 4;
const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

/// Natural frequency in Hz and damping ratio of ground contact. Of 8 to 30 Hz and 0.7 to 2, landings
/// follow MuJoCo's best with the softest: 0.065 rad, at 30 Hz 0.10. Softer still it sinks too deep.
const CONTACT_SOFTNESS: (f32, f32) = (9.0, 0.7);

/// The robot, as in walker2d_v5.xml.
const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        joints: PLANAR,
        geoms: &[capsule([0.0, 0.0, -0.2], [0.0, 0.0, 0.2], 0.05, 0.9)],
        ..BODY
    },
    thigh("thigh", &[hinge("thigh_joint", [0.0; 3], -150.0, 0.0)]),
    leg("leg", "thigh", &[hinge("leg_joint", KNEE, -150.0, 0.0)]),
    foot("foot", "leg", &[hinge("foot_joint", ANKLE, -45.0, 45.0)]),
    thigh(
        "thigh_left",
        &[hinge("thigh_left_joint", [0.0; 3], -150.0, 0.0)],
    ),
    leg(
        "leg_left",
        "thigh_left",
        &[hinge("leg_left_joint", KNEE, -150.0, 0.0)],
    ),
    foot(
        "foot_left",
        "leg_left",
        &[hinge("foot_left_joint", ANKLE, -45.0, 45.0)],
    ),
];
const KNEE: [f32; 3] = [0.0, 0.0, 0.25];
const ANKLE: [f32; 3] = [-0.2, 0.0, 0.1];
const THIGH: &[Geom] = &[capsule([0.0, 0.0, -0.45], [0.0, 0.0, 0.0], 0.05, 0.9)];
const LEG: &[Geom] = &[capsule([0.0, 0.0, -0.25], [0.0, 0.0, 0.25], 0.04, 0.9)];
const FOOT: &[Geom] = &[capsule([-0.2, 0.0, 0.1], [0.0, 0.0, 0.1], 0.06, 1.9)];
const TORSO_HEIGHT: f32 = 1.25;
const FLOOR_FRICTION: f32 = 0.7;
const MOTORS: &[(&str, f32)] = &[
    ("thigh_joint", 100.0),
    ("leg_joint", 100.0),
    ("foot_joint", 100.0),
    ("thigh_left_joint", 100.0),
    ("leg_left_joint", 100.0),
    ("foot_left_joint", 100.0),
];

const fn thigh(name: &'static str, joints: &'static [Joint]) -> Body {
    Body {
        name,
        parent: "torso",
        position: [0.0, 0.0, -0.2],
        joints,
        geoms: THIGH,
        ..BODY
    }
}

const fn leg(name: &'static str, parent: &'static str, joints: &'static [Joint]) -> Body {
    Body {
        name,
        parent,
        position: [0.0, 0.0, -0.7],
        joints,
        geoms: LEG,
        ..BODY
    }
}

const fn foot(name: &'static str, parent: &'static str, joints: &'static [Joint]) -> Body {
    Body {
        name,
        parent,
        position: [0.2, 0.0, -0.35],
        joints,
        geoms: FOOT,
        ..BODY
    }
}

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
        damping: 0.1,
        armature: 0.01,
        ..HINGE
    }
}

// The task, as in walker2d_v5.py.
const HEALTHY_REWARD: f32 = 1.0;
const CONTROL_COST: f32 = 1e-3;
/// Lowest and highest.
const HEALTHY_HEIGHT: (f32, f32) = (0.8, 2.0);
const HEALTHY_PITCH: f32 = 1.0;
const RESET_NOISE: f32 = 5e-3;
/// Observed velocities are clipped to this size.
const MAX_SPEED: f32 = 10.0;

const fn speed(name: &'static str, unit: &'static str) -> Field {
    Field::new(name, unit, -MAX_SPEED, MAX_SPEED)
}

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("thigh_angle", "rad"),
    Field::unbounded("leg_angle", "rad"),
    Field::unbounded("foot_angle", "rad"),
    Field::unbounded("thigh_left_angle", "rad"),
    Field::unbounded("leg_left_angle", "rad"),
    Field::unbounded("foot_left_angle", "rad"),
    speed("torso_vx", "m/s"),
    speed("torso_vz", "m/s"),
    speed("torso_pitch_rate", "rad/s"),
    speed("thigh_rate", "rad/s"),
    speed("leg_rate", "rad/s"),
    speed("foot_rate", "rad/s"),
    speed("thigh_left_rate", "rad/s"),
    speed("leg_left_rate", "rad/s"),
    speed("foot_left_rate", "rad/s"),
];

pub(crate) const TASK: Task = Task {
    id: "walker2d",
    family: "gymnasium",
    tags: &["dense-reward", "terminates"],
    version: 1,
    reward: "1 while healthy, plus forward velocity of the torso (m/s), minus 0.001 |action|²",
    success: "none is defined, as in Gymnasium: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &[
            "thigh_torque",
            "leg_torque",
            "foot_torque",
            "thigh_left_torque",
            "leg_left_torque",
            "foot_left_torque",
        ],
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: None,
    },
    expert: None,
    make: Episode::<Walker2d>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Walker2d {
    robot: Robot,
    /// Torso x when the step began.
    x_before: f32,
}

impl Domain for Walker2d {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(SUBSTEP, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, IMPEDANCE)?;
        let mut standing = [0.0; 9];
        standing[1] = TORSO_HEIGHT;
        robot.set_state(&mut world, &standing, &[0.0; 9]);
        let x_before = 0.0;
        Ok((world, Self { robot, x_before }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut noise = || random.uniform(-RESET_NOISE, RESET_NOISE);
        let mut positions = [(); 9].map(|()| noise());
        positions[1] += TORSO_HEIGHT;
        let velocities = [(); 9].map(|()| noise());
        self.robot.set_state(world, &positions, &velocities);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.x_before = self.robot.coordinate(world, 0);
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (positions, velocities) = obs.split_at_mut(8);
        for (i, out) in positions.iter_mut().enumerate() {
            *out = self.robot.coordinate(world, i + 1);
        }
        self.robot.velocities(world, velocities);
        for v in velocities {
            *v = v.clamp(-MAX_SPEED, MAX_SPEED);
        }
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let [x, z, pitch] = [0, 1, 2].map(|i| self.robot.coordinate(world, i));
        // Exclusive at both ends, as the original.
        let upright = z > HEALTHY_HEIGHT.0 && z < HEALTHY_HEIGHT.1;
        let healthy = upright && pitch.abs() < HEALTHY_PITCH;
        let forward = (x - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| a * a).sum();
        Judgement {
            reward: HEALTHY_REWARD * f32::from(healthy) + forward - CONTROL_COST * effort,
            success: false,
            terminated: !healthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fidelity::{Bars, Twin};

    #[test]
    fn moves_as_in_mujoco() {
        let json = include_str!("../../tests/mujoco/gym_walker2d.json");
        let twin = Twin::<Walker2d>::new(&[TASK], "gym_walker2d", json, |d| &d.robot);
        twin.judges_as_gymnasium(1.0);
        twin.moves_as_in_mujoco(&Bars {
            flight: 0.06,
            swing: 0.06,
            limits: 0.1,
            landings: [0.1, 0.5, 2.0],
            rest: 0.06,
        });
    }
}
