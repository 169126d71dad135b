//! `halfcheetah`: Gymnasium's HalfCheetah-v5, a planar two-legged runner that is paid for moving forward.
//!
//! Body, observation, reward and reset follow Gymnasium 1.x (`half_cheetah.xml`, `half_cheetah_v5.py`; the robot is of
//! Wawrzyński 2009, "A Cat-Like Robot Real-Time Learning to Run").
//! Deviations: rapier's contacts are tuned to MuJoCo's rather than identical (links pass
//! through each other in both),
//! and an action outside [-1, 1] is clipped before the reward sees it.

use crate::compliance::Impedance;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, PLANAR, Robot, Solid};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use serde::{Deserialize, Serialize};

// Time, as in half_cheetah.xml and half_cheetah_v5.py.
const SUBSTEP: f32 = 0.01;
const FRAME_SKIP: usize = 5;
const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

/// How limits yield, as in half_cheetah.xml.
const LIMITS: Impedance = Impedance {
    solref: (0.02, 1.0),
    solimp: (0.0, 0.8, 0.03),
};

/// Natural frequency in Hz and damping ratio of ground contact: at rest it sinks in as far as
/// MuJoCo's. Landings ask for no other between 8 and 30 Hz, 0.7 and 2: root mean square hinge errors
/// stay within 0.041 to 0.044 rad, where MuJoCo's Euler and its RK4 differ by 0.022.
const CONTACT_SOFTNESS: (f32, f32) = (12.0, 0.7);

/// The robot, as in half_cheetah.xml.
const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        position: [0.0, 0.0, 0.7],
        joints: PLANAR,
        geoms: &[
            geom(Solid::Capsule([-0.5, 0.0, 0.0], [0.5, 0.0, 0.0], RADIUS)),
            capsule([0.6, 0.0, 0.1], 0.87, 0.15),
        ],
        ..BODY
    },
    Body {
        name: "bthigh",
        parent: "torso",
        position: [-0.5, 0.0, 0.0],
        joints: &[hinge("bthigh", [-0.52, 1.05], 6.0, 240.0)],
        geoms: &[capsule([0.1, 0.0, -0.13], -3.8, 0.145)],
        ..BODY
    },
    Body {
        name: "bshin",
        parent: "bthigh",
        position: [0.16, 0.0, -0.25],
        joints: &[hinge("bshin", [-0.785, 0.785], 4.5, 180.0)],
        geoms: &[capsule([-0.14, 0.0, -0.07], -2.03, 0.15)],
        ..BODY
    },
    Body {
        name: "bfoot",
        parent: "bshin",
        position: [-0.28, 0.0, -0.14],
        joints: &[hinge("bfoot", [-0.4, 0.785], 3.0, 120.0)],
        geoms: &[capsule([0.03, 0.0, -0.097], -0.27, 0.094)],
        ..BODY
    },
    Body {
        name: "fthigh",
        parent: "torso",
        position: [0.5, 0.0, 0.0],
        joints: &[hinge("fthigh", [-1.0, 0.7], 4.5, 180.0)],
        geoms: &[capsule([-0.07, 0.0, -0.12], 0.52, 0.133)],
        ..BODY
    },
    Body {
        name: "fshin",
        parent: "fthigh",
        position: [-0.14, 0.0, -0.24],
        joints: &[hinge("fshin", [-1.2, 0.87], 3.0, 120.0)],
        geoms: &[capsule([0.065, 0.0, -0.09], -0.6, 0.106)],
        ..BODY
    },
    Body {
        name: "ffoot",
        parent: "fshin",
        position: [0.13, 0.0, -0.18],
        joints: &[hinge("ffoot", [-0.5, 0.5], 1.5, 60.0)],
        geoms: &[capsule([0.045, 0.0, -0.07], -0.6, 0.07)],
        ..BODY
    },
];
const RADIUS: f32 = 0.046;
/// What brings the total to the model's 14 kg.
const DENSITY: f32 = 660.884_95;
const FRICTION: f32 = 0.4;
const MOTORS: &[(&str, f32)] = &[
    ("bthigh", 120.0),
    ("bshin", 90.0),
    ("bfoot", 60.0),
    ("fthigh", 120.0),
    ("fshin", 60.0),
    ("ffoot", 30.0),
];

/// Centre, angle from z about y, half length.
const fn capsule(centre: [f32; 3], angle: f32, half: f32) -> Geom {
    geom(Solid::Pitched(centre, angle, half, RADIUS))
}

const fn geom(solid: Solid) -> Geom {
    Geom {
        solid,
        density: DENSITY,
        friction: FRICTION,
        ..GEOM
    }
}

const fn hinge(name: &'static str, range: [f32; 2], damping: f32, stiffness: f32) -> Joint {
    Joint {
        name,
        range: Some(range),
        damping,
        armature: 0.1,
        stiffness,
        ..HINGE
    }
}

// The task, as in half_cheetah_v5.py.
const CONTROL_COST: f32 = 0.1;
const RESET_NOISE: f32 = 0.1;

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("bthigh_angle", "rad"),
    Field::unbounded("bshin_angle", "rad"),
    Field::unbounded("bfoot_angle", "rad"),
    Field::unbounded("fthigh_angle", "rad"),
    Field::unbounded("fshin_angle", "rad"),
    Field::unbounded("ffoot_angle", "rad"),
    Field::unbounded("torso_vx", "m/s"),
    Field::unbounded("torso_vz", "m/s"),
    Field::unbounded("torso_pitch_rate", "rad/s"),
    Field::unbounded("bthigh_rate", "rad/s"),
    Field::unbounded("bshin_rate", "rad/s"),
    Field::unbounded("bfoot_rate", "rad/s"),
    Field::unbounded("fthigh_rate", "rad/s"),
    Field::unbounded("fshin_rate", "rad/s"),
    Field::unbounded("ffoot_rate", "rad/s"),
];

pub(crate) const TASK: Task = Task {
    id: "halfcheetah",
    family: "gymnasium",
    tags: &["dense-reward"],
    version: 1,
    reward: "forward velocity of the torso (m/s), minus 0.1 |action|²",
    success: "none is defined, as in Gymnasium: always false",
    spec: Spec {
        fields: FIELDS,
        actions: &[
            "bthigh_torque",
            "bshin_torque",
            "bfoot_torque",
            "fthigh_torque",
            "fshin_torque",
            "ffoot_torque",
        ],
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: None,
    },
    expert: None,
    make: Episode::<HalfCheetah>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct HalfCheetah {
    robot: Robot,
    /// Torso x when the step began.
    x_before: f32,
}

impl Domain for HalfCheetah {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(SUBSTEP, CONTACT_SOFTNESS, FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMITS)?;
        let x_before = 0.0;
        Ok((world, Self { robot, x_before }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let positions = [(); 9].map(|()| random.uniform(-RESET_NOISE, RESET_NOISE));
        let velocities = [(); 9].map(|()| RESET_NOISE * random.normal());
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
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let forward = (self.robot.coordinate(world, 0) - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| a * a).sum();
        Judgement {
            reward: forward - CONTROL_COST * effort,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
