//! The quadruped of DeepMind's Control Suite: its body, its servos and what it senses.
//!
//! Hinges are driven by generalised forces, set anew for each rapier step: position servos, as in the
//! original, and the coupling that keeps a foot's pitch that of its hip (pitch, knee and ankle add up
//! to nothing). rapier couples no more than two hinges, and a spring explicit in time that is stiff
//! enough is unstable, so the coupling is MuJoCo's own law of a soft constraint: the force that
//! replaces most (the impedance) of the acceleration that the sum would have without it by that of a
//! damped spring, divided by the robot's inverse inertia along the sum. What the acceleration would
//! be is taken from the last step; legs are treated one by one.
//!
//! Measured against MuJoCo in flight under random torques (largest error of a hinge, at the model's
//! timestep and at a quarter): this, 0.0041 and 0.0012 rad, where MuJoCo's own Euler is 0.0061 off;
//! without the last step's acceleration 0.0077 and 0.0108; with MuJoCo's time constant of 0.01 s in
//! place of 0.02 s, which leaves no margin for a late acceleration, it diverges.

use crate::robot::{BODY, Body, FREE, GEOM, Geom, HINGE, Joint, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Field};
use rapier3d::prelude::{Rotation, Vector};
use serde::{Deserialize, Serialize};

/// m; with 0 feet sink in by 10 mm (99th percentile) instead of 4 under saturated actions.
const LOOK_AHEAD: f32 = 0.02;

// Contact and limits: natural frequency in Hz and damping ratio. MuJoCo's own are 16 Hz and 8 Hz,
// critically damped. Landings hardly tell contacts of 16 to 60 Hz apart (0.041 to 0.042 rad, 0.15 to
// 0.16 m/s, 1.18 rad/s), but thrashing sinks them in (99th percentile and deepest of 3000 control
// steps): 24 Hz by 18 and 40 mm, 40 Hz by 8 and 24, this by 4 and 14. At rest it is 0.3 mm, MuJoCo's
// 1.7. Limits of 16 Hz are a little further from MuJoCo's landings (0.165 m/s) than 8 Hz.
const CONTACT_SOFTNESS: (f32, f32) = (60.0, 2.0);
const LIMIT_SOFTNESS: (f32, f32) = (8.0, 1.0);
const FLOOR_FRICTION: f32 = 1.0;

const TORSO: Body = Body {
    name: "torso",
    joints: FREE,
    geoms: &[Geom {
        solid: Solid::Ellipsoid([0.0; 3], [0.3, 0.27, 0.2]),
        ..GEOM
    }],
    ..BODY
};
const HIP: Body = Body {
    parent: "torso",
    geoms: &[capsule([0.0; 3], [0.3, 0.0, 0.11], 0.08)],
    ..BODY
};
const KNEE: Body = Body {
    position: [0.3, 0.0, 0.11],
    geoms: &[capsule([0.0; 3], [0.25, 0.0, -0.25], 0.065)],
    ..BODY
};
const ANKLE: Body = Body {
    position: [0.25, 0.0, -0.25],
    geoms: &[
        capsule([0.0; 3], [0.0, 0.0, -0.25], 0.055),
        Geom {
            solid: Solid::Ball(TOE, TOE_RADIUS),
            density: LEG_DENSITY,
            friction: 1.5,
            ..GEOM
        },
    ],
    ..BODY
};
const LEG_DENSITY: f32 = 500.0;
/// Centre of a toe in its ankle's frame, m.
const TOE: [f32; 3] = [0.0, 0.0, -0.3];
pub(crate) const TOE_RADIUS: f32 = 0.08;
const TOE_MASS: f32 =
    LEG_DENSITY * 4.0 / 3.0 * std::f32::consts::PI * TOE_RADIUS * TOE_RADIUS * TOE_RADIUS;
const TOE_INERTIA: f32 = 0.4 * TOE_MASS * TOE_RADIUS * TOE_RADIUS;

/// Quaternions of turns by 45 and 135 degrees about z, and back.
const COS: f32 = 0.923_879_5;
const SIN: f32 = 0.382_683_43;

/// The robot, as in quadruped.xml; each toe is part of its ankle.
const ROBOT: &[Body] = &[
    TORSO,
    Body {
        name: "hip_front_left",
        position: [0.2, 0.2, 0.0],
        rotation: [COS, 0.0, 0.0, SIN],
        joints: &[yaw("yaw_front_left"), pitch("pitch_front_left")],
        ..HIP
    },
    Body {
        name: "knee_front_left",
        parent: "hip_front_left",
        joints: &[knee("knee_front_left")],
        ..KNEE
    },
    Body {
        name: "ankle_front_left",
        parent: "knee_front_left",
        joints: &[ankle("ankle_front_left")],
        ..ANKLE
    },
    Body {
        name: "hip_front_right",
        position: [0.2, -0.2, 0.0],
        rotation: [COS, 0.0, 0.0, -SIN],
        joints: &[yaw("yaw_front_right"), pitch("pitch_front_right")],
        ..HIP
    },
    Body {
        name: "knee_front_right",
        parent: "hip_front_right",
        joints: &[knee("knee_front_right")],
        ..KNEE
    },
    Body {
        name: "ankle_front_right",
        parent: "knee_front_right",
        joints: &[ankle("ankle_front_right")],
        ..ANKLE
    },
    Body {
        name: "hip_back_right",
        position: [-0.2, -0.2, 0.0],
        rotation: [SIN, 0.0, 0.0, -COS],
        joints: &[yaw("yaw_back_right"), pitch("pitch_back_right")],
        ..HIP
    },
    Body {
        name: "knee_back_right",
        parent: "hip_back_right",
        joints: &[knee("knee_back_right")],
        ..KNEE
    },
    Body {
        name: "ankle_back_right",
        parent: "knee_back_right",
        joints: &[ankle("ankle_back_right")],
        ..ANKLE
    },
    Body {
        name: "hip_back_left",
        position: [-0.2, 0.2, 0.0],
        rotation: [SIN, 0.0, 0.0, COS],
        joints: &[yaw("yaw_back_left"), pitch("pitch_back_left")],
        ..HIP
    },
    Body {
        name: "knee_back_left",
        parent: "hip_back_left",
        joints: &[knee("knee_back_left")],
        ..KNEE
    },
    Body {
        name: "ankle_back_left",
        parent: "knee_back_left",
        joints: &[ankle("ankle_back_left")],
        ..ANKLE
    },
];

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        density: LEG_DENSITY,
        ..GEOM
    }
}

const fn hinge(name: &'static str, axis: [f32; 3], low: f32, high: f32) -> Joint {
    Joint {
        name,
        axis,
        range: degrees(low, high),
        damping: 30.0,
        armature: 0.01,
        ..HINGE
    }
}

const fn yaw(name: &'static str) -> Joint {
    hinge(name, [0.0, 0.0, 1.0], -50.0, 50.0)
}

const fn pitch(name: &'static str) -> Joint {
    hinge(name, [0.0, 1.0, 0.0], -20.0, 60.0)
}

const fn knee(name: &'static str) -> Joint {
    hinge(name, [0.0, 1.0, 0.0], -60.0, 50.0)
}

const fn ankle(name: &'static str) -> Joint {
    hinge(name, [0.0, 1.0, 0.0], -45.0, 55.0)
}

const LEGS: usize = 4;
/// Of the whole robot.
pub(crate) const POSITIONS: usize = 7 + 4 * LEGS;
const VELOCITIES: usize = 6 + 4 * LEGS;

// Servos: position servos on each leg's yaw and on two tendons, lift and extend, through a filter.
const STIFFNESS: f32 = 1000.0;
/// Time constant of the filter, s.
const FILTER: f32 = 0.1;
/// Servo by servo of a leg: its range at actions -1 and 1, and by how much yaw, pitch, knee and
/// ankle lengthen its tendon.
const SERVOS: [([f32; 2], [f32; 4]); 3] = [
    ([-1.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
    ([-1.0, 1.1], [0.0, 0.5, 0.0, -0.5]),
    ([-0.8, 0.8], [0.0, 0.25, -0.5, 0.25]),
];
pub(crate) const ACTIONS: &[&str] = &[
    "yaw_front_left",
    "lift_front_left",
    "extend_front_left",
    "yaw_front_right",
    "lift_front_right",
    "extend_front_right",
    "yaw_back_right",
    "lift_back_right",
    "extend_back_right",
    "yaw_back_left",
    "lift_back_left",
    "extend_back_left",
];

// The coupling of pitch, knee and ankle: solimp and solref, but twice the time constant (s) that
// MuJoCo makes of it at the model's timestep.
const COUPLING_TIME: f32 = 0.02;
const COUPLING_DAMPING: f32 = 0.5;
const COUPLING_IMPEDANCE: f32 = 0.95;
const COUPLING_MAX_IMPEDANCE: f32 = 0.99;

/// The robot with what it remembers from one rapier step to the next.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Quadruped {
    pub robot: Robot,
    /// What the servos aim at; follows `target` through the filter.
    pub activation: [f32; 3 * LEGS],
    target: [f32; 3 * LEGS],
    /// N m on each hinge of the leg's coupling, and the rate of their sum, in the last step.
    coupling: [(f32, f32); LEGS],
    /// As the last rapier step began.
    before: Motion,
}

/// Linear and angular velocity in the world of the torso's origin and of each toe's centre.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Motion([([f32; 3], [f32; 3]); 1 + LEGS]);

impl Quadruped {
    /// A floor and the robot on top of it, as the model has it.
    pub fn build(task: &'static str, dt: f32) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(dt, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let parameters = &mut world.0.integration_parameters;
        parameters.normalized_prediction_distance = LOOK_AHEAD;
        let robot = Robot::build(&mut world, task, ROBOT, &[], LIMIT_SOFTNESS)?;
        let this = Self {
            robot,
            activation: [0.0; 3 * LEGS],
            target: [0.0; 3 * LEGS],
            coupling: [(0.0, 0.0); LEGS],
            before: Motion::default(),
        };
        Ok((world, this))
    }

    /// Puts the robot at rest. What it senses is free fall, until it moves.
    pub fn place(&mut self, world: &mut World, positions: &[f32; POSITIONS]) {
        self.robot.set_state(world, positions, &[0.0; VELOCITIES]);
        self.before = self.motion(world);
        let fallen = world.0.gravity.z * world.0.integration_parameters.dt;
        self.before
            .0
            .iter_mut()
            .for_each(|part| part.0[2] -= fallen);
    }

    /// Aims the servos.
    pub fn act(&mut self, action: &[f32]) {
        for (i, (target, a)) in self.target.iter_mut().zip(action).enumerate() {
            let [low, high] = SERVOS[i % SERVOS.len()].0;
            *target = (0.5 * (low + high) + 0.5 * (high - low) * a).clamp(low, high);
        }
    }

    /// Sets the hinges' forces for the next rapier step.
    pub fn substep(&mut self, world: &mut World) {
        let dt = world.0.integration_parameters.dt;
        self.before = self.motion(world);
        let (mut positions, mut velocities) = ([0.0; POSITIONS], [0.0; VELOCITIES]);
        self.robot.positions(world, &mut positions);
        self.robot.velocities(world, &mut velocities);
        let mut forces = [0.0; 4 * LEGS];
        for leg in 0..LEGS {
            let q = &positions[7 + 4 * leg..][..4];
            let v = &velocities[6 + 4 * leg..][..4];
            let forces = &mut forces[4 * leg..][..4];
            for (servo, (_, arms)) in SERVOS.iter().enumerate() {
                let length: f32 = arms.iter().zip(q).map(|(arm, q)| arm * q).sum();
                let activation = &mut self.activation[SERVOS.len() * leg + servo];
                let pull = STIFFNESS * (*activation - length);
                forces
                    .iter_mut()
                    .zip(arms)
                    .for_each(|(f, arm)| *f += pull * arm);
                *activation +=
                    (self.target[SERVOS.len() * leg + servo] - *activation) * (dt / FILTER);
            }
            let hinges = [1, 2, 3].map(|j| 4 * leg + j);
            let mobility = self.robot.mobility::<VELOCITIES>(world, &hinges);
            let (excess, rate) = (q[1] + q[2] + q[3], v[1] + v[2] + v[3]);
            let (force, rate_before) = self.coupling[leg];
            let free = (rate - rate_before) / dt - mobility * force;
            let force = if mobility > 0.0 {
                coupling(excess, rate, free) / mobility
            } else {
                0.0
            };
            self.coupling[leg] = (force, rate);
            forces[1..].iter_mut().for_each(|f| *f += force);
        }
        self.robot.drive(world, forces.into_iter().enumerate());
    }

    fn motion(&self, world: &World) -> Motion {
        Motion(std::array::from_fn(|part| {
            let index = if part == 0 { 0 } else { 3 * part };
            let body = self.robot.body(world, index);
            let at = if part == 0 {
                self.pose(world).0
            } else {
                *body.position() * Vector::from(TOE)
            };
            (body.velocity_at_point(at).into(), body.angvel().into())
        }))
    }

    /// Origin (m, in the world) and orientation of the torso.
    pub fn pose(&self, world: &World) -> (Vector, Rotation) {
        // The torso's centre of mass is its origin.
        let pose = self.robot.body(world, 0).position();
        (pose.translation, pose.rotation)
    }

    /// Cosine of the torso's tilt.
    pub fn upright(&self, world: &World) -> f32 {
        (self.pose(world).1 * Vector::Z).z.clamp(-1.0, 1.0)
    }

    /// Velocity of the torso in its own frame, m/s.
    pub fn velocity(&self, world: &World) -> Vector {
        let mut velocities = [0.0; VELOCITIES];
        self.robot.velocities(world, &mut velocities);
        let linear = Vector::new(velocities[0], velocities[1], velocities[2]);
        self.pose(world).1.inverse() * linear
    }

    /// Centres of the toes, m, in the world.
    pub fn toes(&self, world: &World) -> [Vector; LEGS] {
        std::array::from_fn(|leg| {
            *self.robot.body(world, 3 * leg + 3).position() * Vector::from(TOE)
        })
    }

    /// Writes the observation of all of the quadruped's tasks: [`FIELDS`].
    pub fn observe(&self, world: &World, obs: &mut [f32]) {
        let (mut positions, mut velocities) = ([0.0; POSITIONS], [0.0; VELOCITIES]);
        self.robot.positions(world, &mut positions);
        self.robot.velocities(world, &mut velocities);
        obs[..16].copy_from_slice(&positions[7..]);
        obs[16..32].copy_from_slice(&velocities[6..]);
        obs[32..44].copy_from_slice(&self.activation);
        let velocity: [f32; 3] = self.velocity(world).into();
        obs[44..47].copy_from_slice(&velocity);
        obs[47] = self.upright(world);
        let (now, dt) = (self.motion(world), world.0.integration_parameters.dt);
        let gain =
            |now: [f32; 3], before: [f32; 3]| (Vector::from(now) - Vector::from(before)) / dt;
        let change = |part: usize| {
            let (now, before) = (now.0[part], self.before.0[part]);
            (
                gain(now.0, before.0) - world.0.gravity,
                gain(now.1, before.1),
            )
        };
        let acceleration: [f32; 3] = (self.pose(world).1.inverse() * change(0).0).into();
        obs[48..51].copy_from_slice(&acceleration);
        obs[51..54].copy_from_slice(&velocities[3..6]);
        let toes = self.toes(world);
        let (mut forces, mut torques) = ([Vector::ZERO; LEGS], [Vector::ZERO; LEGS]);
        for leg in 0..LEGS {
            let (linear, angular) = change(1 + leg);
            (forces[leg], torques[leg]) = (TOE_MASS * linear, TOE_INERTIA * angular);
        }
        for (geom, point, force) in self.robot.contacts(world) {
            if geom > 0 && geom % 4 == 0 {
                let leg = geom / 4 - 1;
                forces[leg] -= force;
                torques[leg] -= (point - toes[leg]).cross(force);
            }
        }
        for (i, load) in forces.into_iter().chain(torques).enumerate() {
            let ankle = self.robot.body(world, 3 * (i % LEGS) + 3);
            let load: [f32; 3] = (ankle.position().rotation.inverse() * load).into();
            obs[54 + 3 * i..][..3].copy_from_slice(&load.map(libm::asinhf));
        }
    }
}

/// Acceleration by which a leg's coupling answers, given its excess (rad), the excess's rate and
/// the acceleration that it would have without.
fn coupling(excess: f32, rate: f32, free: f32) -> f32 {
    let sharp = COUPLING_MAX_IMPEDANCE * COUPLING_TIME;
    let damping = 2.0 / sharp;
    let stiffness = 1.0 / (sharp * sharp * COUPLING_DAMPING * COUPLING_DAMPING);
    -COUPLING_IMPEDANCE * (damping * rate + stiffness * excess + free)
}

/// As in quadruped.py: hinges, their rates, the servos' activations; the torso's velocity in its own
/// frame, uprightness, accelerometer and gyroscope; inverse hyperbolic sines of force (N) and torque
/// (N m) between each ankle and its toe, in the toe's frame.
pub(crate) const FIELDS: [Field; 78] = [
    Field::unbounded("yaw_front_left", "rad"),
    Field::unbounded("pitch_front_left", "rad"),
    Field::unbounded("knee_front_left", "rad"),
    Field::unbounded("ankle_front_left", "rad"),
    Field::unbounded("yaw_front_right", "rad"),
    Field::unbounded("pitch_front_right", "rad"),
    Field::unbounded("knee_front_right", "rad"),
    Field::unbounded("ankle_front_right", "rad"),
    Field::unbounded("yaw_back_right", "rad"),
    Field::unbounded("pitch_back_right", "rad"),
    Field::unbounded("knee_back_right", "rad"),
    Field::unbounded("ankle_back_right", "rad"),
    Field::unbounded("yaw_back_left", "rad"),
    Field::unbounded("pitch_back_left", "rad"),
    Field::unbounded("knee_back_left", "rad"),
    Field::unbounded("ankle_back_left", "rad"),
    Field::unbounded("yaw_front_left_rate", "rad/s"),
    Field::unbounded("pitch_front_left_rate", "rad/s"),
    Field::unbounded("knee_front_left_rate", "rad/s"),
    Field::unbounded("ankle_front_left_rate", "rad/s"),
    Field::unbounded("yaw_front_right_rate", "rad/s"),
    Field::unbounded("pitch_front_right_rate", "rad/s"),
    Field::unbounded("knee_front_right_rate", "rad/s"),
    Field::unbounded("ankle_front_right_rate", "rad/s"),
    Field::unbounded("yaw_back_right_rate", "rad/s"),
    Field::unbounded("pitch_back_right_rate", "rad/s"),
    Field::unbounded("knee_back_right_rate", "rad/s"),
    Field::unbounded("ankle_back_right_rate", "rad/s"),
    Field::unbounded("yaw_back_left_rate", "rad/s"),
    Field::unbounded("pitch_back_left_rate", "rad/s"),
    Field::unbounded("knee_back_left_rate", "rad/s"),
    Field::unbounded("ankle_back_left_rate", "rad/s"),
    Field::new("yaw_front_left_activation", "rad", -1.0, 1.0),
    Field::new("lift_front_left_activation", "rad", -1.0, 1.1),
    Field::new("extend_front_left_activation", "rad", -0.8, 0.8),
    Field::new("yaw_front_right_activation", "rad", -1.0, 1.0),
    Field::new("lift_front_right_activation", "rad", -1.0, 1.1),
    Field::new("extend_front_right_activation", "rad", -0.8, 0.8),
    Field::new("yaw_back_right_activation", "rad", -1.0, 1.0),
    Field::new("lift_back_right_activation", "rad", -1.0, 1.1),
    Field::new("extend_back_right_activation", "rad", -0.8, 0.8),
    Field::new("yaw_back_left_activation", "rad", -1.0, 1.0),
    Field::new("lift_back_left_activation", "rad", -1.0, 1.1),
    Field::new("extend_back_left_activation", "rad", -0.8, 0.8),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_vy", "m/s"),
    Field::unbounded("torso_vz", "m/s"),
    Field::new("torso_upright", "", -1.0, 1.0),
    Field::unbounded("accelerometer_x", "m/s²"),
    Field::unbounded("accelerometer_y", "m/s²"),
    Field::unbounded("accelerometer_z", "m/s²"),
    Field::unbounded("gyro_x", "rad/s"),
    Field::unbounded("gyro_y", "rad/s"),
    Field::unbounded("gyro_z", "rad/s"),
    Field::unbounded("toe_front_left_force_x", "asinh N"),
    Field::unbounded("toe_front_left_force_y", "asinh N"),
    Field::unbounded("toe_front_left_force_z", "asinh N"),
    Field::unbounded("toe_front_right_force_x", "asinh N"),
    Field::unbounded("toe_front_right_force_y", "asinh N"),
    Field::unbounded("toe_front_right_force_z", "asinh N"),
    Field::unbounded("toe_back_right_force_x", "asinh N"),
    Field::unbounded("toe_back_right_force_y", "asinh N"),
    Field::unbounded("toe_back_right_force_z", "asinh N"),
    Field::unbounded("toe_back_left_force_x", "asinh N"),
    Field::unbounded("toe_back_left_force_y", "asinh N"),
    Field::unbounded("toe_back_left_force_z", "asinh N"),
    Field::unbounded("toe_front_left_torque_x", "asinh N m"),
    Field::unbounded("toe_front_left_torque_y", "asinh N m"),
    Field::unbounded("toe_front_left_torque_z", "asinh N m"),
    Field::unbounded("toe_front_right_torque_x", "asinh N m"),
    Field::unbounded("toe_front_right_torque_y", "asinh N m"),
    Field::unbounded("toe_front_right_torque_z", "asinh N m"),
    Field::unbounded("toe_back_right_torque_x", "asinh N m"),
    Field::unbounded("toe_back_right_torque_y", "asinh N m"),
    Field::unbounded("toe_back_right_torque_z", "asinh N m"),
    Field::unbounded("toe_back_left_torque_x", "asinh N m"),
    Field::unbounded("toe_back_left_torque_y", "asinh N m"),
    Field::unbounded("toe_back_left_torque_z", "asinh N m"),
];
