//! `humanoid`: Gymnasium's Humanoid-v5, a person of 17 hinges that is paid for walking forward.
//!
//! Body, observation, reward, termination and reset follow Gymnasium 1.x (`humanoid.xml`,
//! `humanoid_v5.py`; the robot is of Tassa, Erez and Todorov 2012, "Synthesis and stabilization of
//! complex behaviors through online trajectory optimization"). Deviations: rapier integrates to
//! first order where MuJoCo uses RK4, its contacts are tuned to MuJoCo's rather than identical,
//! and it steps four times where MuJoCo steps five; limbs pass through each other (rapier's contacts within one multibody are unstable), so
//! that contact forces are the floor's alone, and observed of the feet alone, as no other link gets
//! down to it before the episode ends; actions are in [-1, 1], which stand for the
//! original's controls of -0.4 to 0.4, and are clipped before the reward sees them; the root's
//! quaternion keeps unit length when it is reset; and observation and reward are of the state after
//! the step, where MuJoCo leaves inertias, body velocities and the centre of mass as they were in
//! RK4's last stage.

use crate::compliance::IMPEDANCE;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, FREE, GEOM, Geom, HINGE, Joint, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Spec, Task};
use nalgebra::SVector;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

mod fields;
mod links;

use fields::FIELDS;
use links::{Links, QFRC_ACTUATOR};

// Time: the control period of humanoid_v5.py, in which humanoid.xml has 5 steps of 3 ms. Their number
// is the price of a step, and 4 follow MuJoCo as well: with 3 a knee that starts beyond its limit
// parts by 0.11 rad in 0.2 s instead of 0.09.
const PERIOD: f32 = 0.015;
const STEPS: usize = 4;

/// Natural frequency in Hz and damping ratio of ground contact. Landings hardly tell 9 Hz and ratio 1
/// from 20 and 2; this one is stiff enough for a floor.
const CONTACT_SOFTNESS: (f32, f32) = (14.0, 2.0);
/// Half the gap at which two solids touch, as in humanoid.xml, m.
const MARGIN: f32 = 0.001;

/// The robot, as in humanoid.xml. Its feet have no joints and are part of the shins.
const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        joints: FREE,
        geoms: &[
            capsule([0.0, -0.07, 0.0], [0.0, 0.07, 0.0], 0.07),
            ball([0.0, 0.0, 0.19], 0.09),
            capsule([-0.01, -0.06, -0.12], [-0.01, 0.06, -0.12], 0.06),
        ],
        ..BODY
    },
    Body {
        name: "lwaist",
        parent: "torso",
        position: [-0.01, 0.0, -0.26],
        rotation: [1.0, 0.0, -0.002, 0.0],
        joints: &[
            waist("abdomen_z", [0.0, 0.0, 1.0], 0.065, (-45.0, 45.0), 20.0),
            waist("abdomen_y", [0.0, 1.0, 0.0], 0.065, (-75.0, 30.0), 10.0),
        ],
        geoms: &[capsule([0.0, -0.06, 0.0], [0.0, 0.06, 0.0], 0.06)],
    },
    Body {
        name: "pelvis",
        parent: "lwaist",
        position: [0.0, 0.0, -0.165],
        rotation: [1.0, 0.0, -0.002, 0.0],
        joints: &[waist(
            "abdomen_x",
            [1.0, 0.0, 0.0],
            0.1,
            (-35.0, 35.0),
            10.0,
        )],
        geoms: &[capsule([-0.02, -0.07, 0.0], [-0.02, 0.07, 0.0], 0.09)],
    },
    Body {
        name: "right_thigh",
        parent: "pelvis",
        position: [0.0, -0.1, -0.04],
        joints: &[
            hip("right_hip_x", [1.0, 0.0, 0.0], (-25.0, 5.0), 10.0, 0.01),
            hip("right_hip_z", [0.0, 0.0, 1.0], (-60.0, 35.0), 10.0, 0.01),
            hip("right_hip_y", [0.0, 1.0, 0.0], (-110.0, 20.0), 20.0, 0.008),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, 0.01, -0.34], 0.06)],
        ..BODY
    },
    Body {
        name: "right_shin",
        parent: "right_thigh",
        position: [0.0, 0.01, -0.403],
        joints: &[knee("right_knee", 0.0)],
        geoms: SHIN,
        ..BODY
    },
    Body {
        name: "left_thigh",
        parent: "pelvis",
        position: [0.0, 0.1, -0.04],
        joints: &[
            hip("left_hip_x", [-1.0, 0.0, 0.0], (-25.0, 5.0), 10.0, 0.01),
            hip("left_hip_z", [0.0, 0.0, -1.0], (-60.0, 35.0), 10.0, 0.01),
            hip("left_hip_y", [0.0, 1.0, 0.0], (-110.0, 20.0), 20.0, 0.01),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, -0.01, -0.34], 0.06)],
        ..BODY
    },
    Body {
        name: "left_shin",
        parent: "left_thigh",
        position: [0.0, -0.01, -0.403],
        joints: &[knee("left_knee", 1.0)],
        geoms: SHIN,
        ..BODY
    },
    Body {
        name: "right_upper_arm",
        parent: "torso",
        position: [0.0, -0.17, 0.06],
        joints: &[
            shoulder("right_shoulder1", [2.0, 1.0, 1.0], (-85.0, 60.0), 0.0068),
            shoulder("right_shoulder2", [0.0, -1.0, 1.0], (-85.0, 60.0), 0.0051),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.16, -0.16, -0.16], 0.04)],
        ..BODY
    },
    Body {
        name: "right_lower_arm",
        parent: "right_upper_arm",
        position: [0.18, -0.18, -0.18],
        joints: &[elbow("right_elbow", [0.0, -1.0, 1.0])],
        geoms: &[
            capsule([0.01, 0.01, 0.01], [0.17, 0.17, 0.17], 0.031),
            ball([0.18, 0.18, 0.18], 0.04),
        ],
        ..BODY
    },
    Body {
        name: "left_upper_arm",
        parent: "torso",
        position: [0.0, 0.17, 0.06],
        joints: &[
            shoulder("left_shoulder1", [2.0, -1.0, 1.0], (-60.0, 85.0), 0.0068),
            shoulder("left_shoulder2", [0.0, 1.0, 1.0], (-60.0, 85.0), 0.0051),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.16, 0.16, -0.16], 0.04)],
        ..BODY
    },
    Body {
        name: "left_lower_arm",
        parent: "left_upper_arm",
        position: [0.18, 0.18, -0.18],
        joints: &[elbow("left_elbow", [0.0, -1.0, -1.0])],
        geoms: &[
            capsule([0.01, -0.01, 0.01], [0.17, -0.17, 0.17], 0.031),
            ball([0.18, -0.18, 0.18], 0.04),
        ],
        ..BODY
    },
];
const SHIN: &[Geom] = &[
    capsule([0.0, 0.0, 0.0], [0.0, 0.0, -0.3], 0.049),
    ball([0.0, 0.0, -0.35], 0.075),
];
const TORSO_HEIGHT: f32 = 1.4;
const FLOOR_FRICTION: f32 = 1.0;

/// The size of the original's controls.
const CONTROL: f32 = 0.4;
/// In the order of actions.
const MOTORS: &[(&str, f32)] = &[
    ("abdomen_y", 100.0 * CONTROL),
    ("abdomen_z", 100.0 * CONTROL),
    ("abdomen_x", 100.0 * CONTROL),
    ("right_hip_x", 100.0 * CONTROL),
    ("right_hip_z", 100.0 * CONTROL),
    ("right_hip_y", 300.0 * CONTROL),
    ("right_knee", 200.0 * CONTROL),
    ("left_hip_x", 100.0 * CONTROL),
    ("left_hip_z", 100.0 * CONTROL),
    ("left_hip_y", 300.0 * CONTROL),
    ("left_knee", 200.0 * CONTROL),
    ("right_shoulder1", 25.0 * CONTROL),
    ("right_shoulder2", 25.0 * CONTROL),
    ("right_elbow", 25.0 * CONTROL),
    ("left_shoulder1", 25.0 * CONTROL),
    ("left_shoulder2", 25.0 * CONTROL),
    ("left_elbow", 25.0 * CONTROL),
];
/// The motor of each hinge: they differ in order only in the first two.
const MOTOR_OF: [usize; HINGES] = [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const HINGES: usize = 17;

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        ..GEOM
    }
}

const fn ball(centre: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Ball(centre, radius),
        ..GEOM
    }
}

const fn waist(
    name: &'static str,
    axis: [f32; 3],
    height: f32,
    range: (f32, f32),
    stiffness: f32,
) -> Joint {
    Joint {
        position: [0.0, 0.0, height],
        ..hip(name, axis, range, stiffness, 0.02)
    }
}

const fn hip(
    name: &'static str,
    axis: [f32; 3],
    range: (f32, f32),
    stiffness: f32,
    armature: f32,
) -> Joint {
    Joint {
        name,
        axis,
        range: degrees(range.0, range.1),
        damping: 5.0,
        armature,
        stiffness,
        ..HINGE
    }
}

const fn knee(name: &'static str, stiffness: f32) -> Joint {
    Joint {
        name,
        axis: [0.0, -1.0, 0.0],
        position: [0.0, 0.0, 0.02],
        range: degrees(-160.0, -2.0),
        damping: 1.0,
        armature: 0.006,
        stiffness,
        ..HINGE
    }
}

const fn shoulder(name: &'static str, axis: [f32; 3], range: (f32, f32), armature: f32) -> Joint {
    Joint {
        name,
        axis,
        range: degrees(range.0, range.1),
        damping: 1.0,
        armature,
        stiffness: 1.0,
        ..HINGE
    }
}

const fn elbow(name: &'static str, axis: [f32; 3]) -> Joint {
    Joint {
        stiffness: 0.0,
        ..shoulder(name, axis, (-90.0, 50.0), 0.0028)
    }
}

// The task, as in humanoid_v5.py.
const HEALTHY_REWARD: f32 = 5.0;
const HEALTHY_HEIGHT: (f32, f32) = (1.0, 2.0);
const FORWARD_WEIGHT: f32 = 1.25;
const CONTROL_COST: f32 = 0.1;
const CONTACT_COST: f32 = 5e-7;
const MAX_CONTACT_COST: f32 = 10.0;
const RESET_NOISE: f32 = 1e-2;

pub(crate) const TASK: Task = Task {
    id: "humanoid",
    family: "gymnasium",
    tags: &["dense-reward", "terminates"],
    version: 2,
    reward: "5 while healthy, plus 1.25 times the forward velocity of the centre of mass (m/s), \
        minus 0.1 |control|² with controls of 0.4 at most, minus 5e-7 |contact forces|² (at most 10)",
    success: "none is defined, as in Gymnasium: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &[
            "abdomen_y_torque",
            "abdomen_z_torque",
            "abdomen_x_torque",
            "right_hip_x_torque",
            "right_hip_z_torque",
            "right_hip_y_torque",
            "right_knee_torque",
            "left_hip_x_torque",
            "left_hip_z_torque",
            "left_hip_y_torque",
            "left_knee_torque",
            "right_shoulder1_torque",
            "right_shoulder2_torque",
            "right_elbow_torque",
            "left_shoulder1_torque",
            "left_shoulder2_torque",
            "left_elbow_torque",
        ],
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: None,
    },
    expert: None,
    make: Episode::<Humanoid>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Humanoid {
    pub(crate) robot: Robot,
    links: Links,
    /// Of the centre of mass, when the step began.
    x_before: f32,
    /// Torques of the last action, in the order of hinges.
    torques: [f32; HINGES],
}

type Positions = SVector<f32, { 7 + HINGES }>;
type Velocities = SVector<f32, { 6 + HINGES }>;

impl Domain for Humanoid {
    const SUBSTEPS: usize = STEPS;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(PERIOD / STEPS as f32, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, IMPEDANCE)?;
        for (_, collider) in world.0.colliders.iter_mut() {
            collider.set_contact_skin(MARGIN);
        }
        let mut standing = Positions::zeros();
        (standing[2], standing[3]) = (TORSO_HEIGHT, 1.0);
        let still = Velocities::zeros();
        robot.set_state(&mut world, standing.as_slice(), still.as_slice());
        let humanoid = Self {
            links: Links::new(&world, &robot),
            robot,
            x_before: 0.0,
            torques: [0.0; HINGES],
        };
        Ok((world, humanoid))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut noise = |_| random.uniform(-RESET_NOISE, RESET_NOISE);
        let (mut positions, mut velocities) = (Positions::zeros(), Velocities::zeros());
        self.robot.positions(world, positions.as_mut_slice());
        positions.apply(|q| *q += noise(*q));
        velocities.apply(|v| *v = noise(*v));
        self.robot
            .set_state(world, positions.as_slice(), velocities.as_slice());
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.x_before = self.links.centre_of_mass(world, &self.robot).x;
        self.torques = MOTOR_OF.map(|motor| MOTORS[motor].1 * action[motor]);
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let mut positions = Positions::zeros();
        self.robot.positions(world, positions.as_mut_slice());
        obs[..5 + HINGES].copy_from_slice(&positions.as_slice()[2..]);
        self.robot
            .velocities(world, &mut obs[5 + HINGES..][..6 + HINGES]);
        self.links.observe(world, &self.robot, obs);
        obs[QFRC_ACTUATOR].copy_from_slice(&self.torques);
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let mut positions = Positions::zeros();
        self.robot.positions(world, positions.as_mut_slice());
        let height = positions[2];
        let healthy = HEALTHY_HEIGHT.0 < height && height < HEALTHY_HEIGHT.1;
        let forward = (self.links.centre_of_mass(world, &self.robot).x - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| (CONTROL * a) * (CONTROL * a)).sum();
        let contact = CONTACT_COST * self.links.contact_forces_squared(world, &self.robot);
        Judgement {
            reward: HEALTHY_REWARD * f32::from(healthy) + FORWARD_WEIGHT * forward
                - CONTROL_COST * effort
                - contact.min(MAX_CONTACT_COST),
            success: false,
            terminated: !healthy,
        }
    }
}

#[cfg(test)]
mod tests;
