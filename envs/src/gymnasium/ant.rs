//! `ant`: Gymnasium's Ant-v5, a four-legged robot that is paid for moving along x.
//!
//! Body, observation, reward, termination and reset follow Gymnasium 1.x (`ant.xml`, `ant_v5.py`;
//! the robot is of Schulman et al. 2015, arXiv:1506.02438). `tests/mujoco/` holds MuJoCo's own
//! trajectories, and the tests hold this file to them. Deviations: rapier integrates to first order
//! where MuJoCo uses RK4, its contacts and limits are tuned to MuJoCo's rather than identical, and
//! the quaternion of a reset is normalised, where Gymnasium's first observation is of the raw draw.

use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, FREE, GEOM, Geom, HINGE, Joint, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use nalgebra::SVector;
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};

// Time, as in ant.xml and ant_v5.py.
const SUBSTEP: f32 = 0.01;
const FRAME_SKIP: usize = 5;
const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

// Contact and limits, chosen over MuJoCo's landings, its random episodes and soaks under full
// torques. MuJoCo's are springs of 8.4 Hz (solref 0.02 s, critically damped). Contacts of 15 to 20 Hz
// follow its landings closest: the torso within 0.30 m/s (root mean square), against 0.34 at 10 Hz and
// 0.47 at 30 Hz, where MuJoCo's own Euler parts from its RK4 by 0.43. Under full torques feet sink in
// deeper than MuJoCo's: by 74 mm at worst over 200,000 steps (99th percentile of steps that do 53)
// against 37 (31) over 30,000. Two passes of the solver instead of one made that 19 mm over 40,000
// steps with LOOK_AHEAD 0.1, but bounce less: random episodes, which end when the ant is thrown above
// 1 m, then last 452 steps in the mean, here 217, in MuJoCo 148. Limits decide where legs that
// start 0.5 rad beyond theirs come to stand.
/// Natural frequency in Hz and damping ratio of ground contact.
const CONTACT_SOFTNESS: (f32, f32) = (20.0, 1.0);
/// The same of joint limits.
const LIMIT_SOFTNESS: (f32, f32) = (8.8, 0.8);
/// How far ahead of the floor contacts brake, m.
pub(crate) const LOOK_AHEAD: f32 = 0.05;

/// The robot, as in ant.xml, where the inner legs, part of the torso here, are bodies without joints.
pub(crate) const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        joints: FREE,
        geoms: &[
            Geom {
                solid: Solid::Ball([0.0; 3], 0.25),
                ..MATERIAL
            },
            inner_leg(0.2, 0.2),
            inner_leg(-0.2, 0.2),
            inner_leg(-0.2, -0.2),
            inner_leg(0.2, -0.2),
        ],
        ..BODY
    },
    hip([0.2, 0.2, 0.0], "aux_1", &[HIP_1], &[leg(0.2, 0.2)]),
    ankle([0.2, 0.2, 0.0], "aux_1", &[ANKLE_1], &[leg(0.4, 0.4)]),
    hip([-0.2, 0.2, 0.0], "aux_2", &[HIP_2], &[leg(-0.2, 0.2)]),
    ankle([-0.2, 0.2, 0.0], "aux_2", &[ANKLE_2], &[leg(-0.4, 0.4)]),
    hip([-0.2, -0.2, 0.0], "aux_3", &[HIP_3], &[leg(-0.2, -0.2)]),
    ankle([-0.2, -0.2, 0.0], "aux_3", &[ANKLE_3], &[leg(-0.4, -0.4)]),
    hip([0.2, -0.2, 0.0], "aux_4", &[HIP_4], &[leg(0.2, -0.2)]),
    ankle([0.2, -0.2, 0.0], "aux_4", &[ANKLE_4], &[leg(0.4, -0.4)]),
];
/// Of the torso's centre, m.
const TORSO_HEIGHT: f32 = 0.75;
/// Of geoms and of the floor alike, m; both count.
const MARGIN: f32 = 0.01;
const FLOOR_FRICTION: f32 = 1.0;

const MATERIAL: Geom = Geom {
    density: 5.0,
    margin: MARGIN,
    ..GEOM
};

const fn leg(x: f32, y: f32) -> Geom {
    Geom {
        solid: Solid::Capsule([0.0; 3], [x, y, 0.0], 0.08),
        ..MATERIAL
    }
}

/// Within reach of the floor it would be no sooner than the ball of the torso or the inner end of the
/// hip, which is its own outer end.
const fn inner_leg(x: f32, y: f32) -> Geom {
    Geom {
        touches: false,
        ..leg(x, y)
    }
}

const fn hip(
    position: [f32; 3],
    name: &'static str,
    joints: &'static [Joint],
    geoms: &'static [Geom],
) -> Body {
    Body {
        name,
        parent: "torso",
        position,
        joints,
        geoms,
        ..BODY
    }
}

const fn ankle(
    position: [f32; 3],
    parent: &'static str,
    joints: &'static [Joint],
    geoms: &'static [Geom],
) -> Body {
    Body {
        name: "ankle",
        parent,
        position,
        joints,
        geoms,
        ..BODY
    }
}

const fn hinge(name: &'static str, axis: [f32; 3], low: f32, high: f32) -> Joint {
    Joint {
        name,
        axis,
        range: degrees(low, high),
        damping: 1.0,
        armature: 1.0,
        ..HINGE
    }
}

const UP: [f32; 3] = [0.0, 0.0, 1.0];
const HIP_1: Joint = hinge("hip_1", UP, -30.0, 30.0);
const HIP_2: Joint = hinge("hip_2", UP, -30.0, 30.0);
const HIP_3: Joint = hinge("hip_3", UP, -30.0, 30.0);
const HIP_4: Joint = hinge("hip_4", UP, -30.0, 30.0);
const ANKLE_1: Joint = hinge("ankle_1", [-1.0, 1.0, 0.0], 30.0, 70.0);
const ANKLE_2: Joint = hinge("ankle_2", [1.0, 1.0, 0.0], -70.0, -30.0);
const ANKLE_3: Joint = hinge("ankle_3", [-1.0, 1.0, 0.0], -70.0, -30.0);
const ANKLE_4: Joint = hinge("ankle_4", [1.0, 1.0, 0.0], 30.0, 70.0);

/// Every joint has a motor of this torque, N m.
pub(crate) const fn motors(torque: f32) -> [(&'static str, f32); 8] {
    [
        ("hip_4", torque),
        ("ankle_4", torque),
        ("hip_1", torque),
        ("ankle_1", torque),
        ("hip_2", torque),
        ("ankle_2", torque),
        ("hip_3", torque),
        ("ankle_3", torque),
    ]
}
pub(crate) const ACTIONS: &[&str] = &[
    "hip_4_torque",
    "ankle_4_torque",
    "hip_1_torque",
    "ankle_1_torque",
    "hip_2_torque",
    "ankle_2_torque",
    "hip_3_torque",
    "ankle_3_torque",
];
const TORQUE: f32 = 150.0;

// The task, as in ant_v5.py.
const HEALTHY_REWARD: f32 = 1.0;
const CONTROL_COST: f32 = 0.5;
const CONTACT_COST: f32 = 5e-4;
/// Contact forces count up to this size, N and N m.
const MAX_FORCE: f32 = 1.0;
const HEALTHY_HEIGHT: std::ops::RangeInclusive<f32> = 0.2..=1.0;
const RESET_NOISE: f32 = 0.1;

/// MuJoCo's `qpos` from z on and `qvel`.
pub(crate) const STATE_FIELDS: [Field; 27] = [
    Field::unbounded("torso_z", "m"),
    Field::new("torso_qw", "", -1.001, 1.001),
    Field::new("torso_qx", "", -1.001, 1.001),
    Field::new("torso_qy", "", -1.001, 1.001),
    Field::new("torso_qz", "", -1.001, 1.001),
    Field::unbounded("hip_1_angle", "rad"),
    Field::unbounded("ankle_1_angle", "rad"),
    Field::unbounded("hip_2_angle", "rad"),
    Field::unbounded("ankle_2_angle", "rad"),
    Field::unbounded("hip_3_angle", "rad"),
    Field::unbounded("ankle_3_angle", "rad"),
    Field::unbounded("hip_4_angle", "rad"),
    Field::unbounded("ankle_4_angle", "rad"),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_vy", "m/s"),
    Field::unbounded("torso_vz", "m/s"),
    Field::unbounded("torso_wx", "rad/s"),
    Field::unbounded("torso_wy", "rad/s"),
    Field::unbounded("torso_wz", "rad/s"),
    Field::unbounded("hip_1_rate", "rad/s"),
    Field::unbounded("ankle_1_rate", "rad/s"),
    Field::unbounded("hip_2_rate", "rad/s"),
    Field::unbounded("ankle_2_rate", "rad/s"),
    Field::unbounded("hip_3_rate", "rad/s"),
    Field::unbounded("ankle_3_rate", "rad/s"),
    Field::unbounded("hip_4_rate", "rad/s"),
    Field::unbounded("ankle_4_rate", "rad/s"),
];

/// Torque and force of the contacts of one body of ant.xml, up to this size.
macro_rules! contact_fields {
    ($body:literal, $size:expr) => {
        [
            Field::new(concat!($body, "_contact_torque_x"), "N m", -$size, $size),
            Field::new(concat!($body, "_contact_torque_y"), "N m", -$size, $size),
            Field::new(concat!($body, "_contact_torque_z"), "N m", -$size, $size),
            Field::new(concat!($body, "_contact_force_x"), "N", -$size, $size),
            Field::new(concat!($body, "_contact_force_y"), "N", -$size, $size),
            Field::new(concat!($body, "_contact_force_z"), "N", -$size, $size),
        ]
    };
}
/// The legs' innermost parts, bodies of ant.xml, touch nothing that torso and hips do not.
const CONTACT_FIELDS: [[Field; 6]; BODIES] = [
    contact_fields!("torso", MAX_FORCE),
    contact_fields!("leg_1", 0.0),
    contact_fields!("hip_1", MAX_FORCE),
    contact_fields!("ankle_1", MAX_FORCE),
    contact_fields!("leg_2", 0.0),
    contact_fields!("hip_2", MAX_FORCE),
    contact_fields!("ankle_2", MAX_FORCE),
    contact_fields!("leg_3", 0.0),
    contact_fields!("hip_3", MAX_FORCE),
    contact_fields!("ankle_3", MAX_FORCE),
    contact_fields!("leg_4", 0.0),
    contact_fields!("hip_4", MAX_FORCE),
    contact_fields!("ankle_4", MAX_FORCE),
];
const BODIES: usize = 13;
/// The body of ant.xml that each geom of `ROBOT` belongs to.
const BODY_OF: [usize; BODIES] = [0, 1, 4, 7, 10, 2, 3, 5, 6, 8, 9, 11, 12];

const FIELDS: [Field; STATE_FIELDS.len() + 6 * BODIES] = {
    let mut all = [Field::unbounded("", ""); STATE_FIELDS.len() + 6 * BODIES];
    let mut i = 0;
    while i < all.len() {
        all[i] = match i.checked_sub(STATE_FIELDS.len()) {
            None => STATE_FIELDS[i],
            Some(k) => CONTACT_FIELDS[k / 6][k % 6],
        };
        i += 1;
    }
    all
};

pub(crate) const TASK: Task = Task {
    id: "ant",
    family: "gymnasium",
    tags: &["dense-reward", "terminates"],
    version: 1,
    reward: "1 while the torso is 0.2 to 1 m high, plus its velocity along x (m/s), minus 0.5 |action|² \
             and 0.0005 |contact forces|²",
    success: "none is defined, as in Gymnasium: always false",
    spec: Spec {
        fields: &FIELDS,
        actions: ACTIONS,
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: None,
    },
    expert: None,
    make: Episode::<Ant>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Ant {
    pub(crate) robot: Robot,
    /// Torso x when the step began.
    x_before: f32,
}

pub(crate) type Positions = SVector<f32, 15>;
type Velocities = SVector<f32, 14>;

/// The pose that an episode starts around.
pub(crate) fn standing() -> Positions {
    let mut pose = Positions::zeros();
    (pose[2], pose[3]) = (TORSO_HEIGHT, 1.0);
    pose
}

/// Moves the robot off a state by Gymnasium's noise of a reset, which D4RL has too.
pub(crate) fn perturb(robot: &Robot, world: &mut World, random: &mut Random) {
    let mut positions = Positions::zeros();
    robot.positions(world, positions.as_mut_slice());
    positions.apply(|q| *q += random.uniform(-RESET_NOISE, RESET_NOISE));
    let velocities = Velocities::from_fn(|_, _| RESET_NOISE * random.normal());
    robot.set_state(world, positions.as_slice(), velocities.as_slice());
}

impl Ant {
    fn torso_x(&self, world: &World) -> f32 {
        self.robot.origin(world).x
    }

    /// Of every body in ant.xml's order, the torque about the robot's centre of mass and the force of
    /// its contacts, in the world: MuJoCo's `cfrc_ext`.
    fn contact_forces(&self, world: &World) -> [[f32; 6]; BODIES] {
        let mut forces = [[0.0; 6]; BODIES];
        let mut centre = None;
        for (geom, point, force) in self.robot.contacts(world) {
            let centre = *centre.get_or_insert_with(|| self.robot.centre_of_mass(world));
            let torque = (point - centre).cross(force);
            let of_body = &mut forces[BODY_OF[geom]];
            add(&mut of_body[..3], torque);
            add(&mut of_body[3..], force);
        }
        forces
    }
}

fn add(to: &mut [f32], vector: Vector) {
    to.iter_mut()
        .zip(<[f32; 3]>::from(vector))
        .for_each(|(to, v)| *to += v);
}

fn clipped(forces: &[[f32; 6]; BODIES]) -> impl Iterator<Item = f32> {
    forces
        .iter()
        .flatten()
        .map(|f| f.clamp(-MAX_FORCE, MAX_FORCE))
}

impl Domain for Ant {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(SUBSTEP, CONTACT_SOFTNESS, FLOOR_FRICTION);
        world
            .0
            .integration_parameters
            .normalized_prediction_distance = LOOK_AHEAD;
        for (_, floor) in world.0.colliders.iter_mut() {
            floor.set_contact_skin(MARGIN);
        }
        let robot = Robot::build(&mut world, task.id, ROBOT, &motors(TORQUE), LIMIT_SOFTNESS)?;
        robot.set_state(&mut world, standing().as_slice(), &[0.0; 14]);
        Ok((
            world,
            Self {
                robot,
                x_before: 0.0,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        perturb(&self.robot, world, random);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.x_before = self.torso_x(world);
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (state, contacts) = obs.split_at_mut(STATE_FIELDS.len());
        let mut positions = Positions::zeros();
        self.robot.positions(world, positions.as_mut_slice());
        state[..13].copy_from_slice(&positions.as_slice()[2..]);
        self.robot.velocities(world, &mut state[13..]);
        let forces = self.contact_forces(world);
        contacts
            .iter_mut()
            .zip(clipped(&forces))
            .for_each(|(o, f)| *o = f);
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let torso = self.robot.origin(world);
        let healthy = HEALTHY_HEIGHT.contains(&torso.z);
        let forward = (torso.x - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| a * a).sum();
        let pressure: f32 = clipped(&self.contact_forces(world)).map(|f| f * f).sum();
        Judgement {
            reward: HEALTHY_REWARD * f32::from(healthy) + forward
                - CONTROL_COST * effort
                - CONTACT_COST * pressure,
            success: false,
            terminated: !healthy,
        }
    }
}

#[cfg(test)]
mod tests;
