//! `humanoid-stand`, `humanoid-walk`: dm_control's Humanoid, a person of 21 hinges that is paid for
//! standing up from wherever it was thrown, and for walking.
//!
//! Body, observation, reward and reset follow `humanoid.xml` and `humanoid.py` of dm_control 1.0
//! (Tassa et al. 2018, arXiv:1801.00690). Deviations: rapier's contacts and limits are tuned to
//! MuJoCo's rather than identical; limbs pass through each other once the episode has begun
//! (rapier's contacts within one multibody are unstable); and the search for a start without
//! penetration gives up after 1,000 draws, which by the quarter of draws that penetrate never
//! happens.

use crate::compliance::Impedance;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{
    Sigmoid::{Gaussian, Linear, Quadratic},
    tolerance, tolerance_to,
};
use crate::robot::{BODY, Body, FREE, GEOM, Geom, HINGE, Joint, Robot, Solid, degrees};
use crate::world::World;
use crate::{EnvError, Spec, Task};
use nalgebra::SVector;
use rapier3d::parry::query;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

mod fields;

/// Time: humanoid.py's control period, in which humanoid.xml has 5 steps of 5 ms. rapier's are as exact
/// when they are shorter: in flight 8 of 3.1 ms part from the exact motion by 0.051 rad, 5 by 0.080;
/// MuJoCo's Euler by 0.045.
const PERIOD: f32 = 0.025;
const STEPS: usize = 8;

/// Natural frequency in Hz and damping ratio of ground contact. Of 9 to 30 Hz landings hardly prefer
/// any; these sink in about as MuJoCo does.
const CONTACT_SOFTNESS: (f32, f32) = (20.0, 1.5);
/// How limits yield, as in humanoid.xml.
const LIMITS: Impedance = Impedance {
    solref: (0.02, 1.0),
    solimp: (0.0, 0.99, 0.01),
};

/// The robot, as in humanoid.xml. Head and hands have no joints and are part of torso and arms.
const ROBOT: &[Body] = &[
    Body {
        name: "torso",
        joints: FREE,
        geoms: &[
            capsule([0.0, -0.07, 0.0], [0.0, 0.07, 0.0], 0.07),
            capsule([-0.01, -0.06, -0.12], [-0.01, 0.06, -0.12], 0.06),
            ball(HEAD, 0.09),
        ],
        ..BODY
    },
    Body {
        name: "lower_waist",
        parent: "torso",
        position: [-0.01, 0.0, -0.26],
        rotation: [1.0, 0.0, -0.002, 0.0],
        joints: &[
            at(
                0.065,
                big("abdomen_z", [0.0, 0.0, 1.0], (-45.0, 45.0), 20.0),
            ),
            at(
                0.065,
                big("abdomen_y", [0.0, 1.0, 0.0], (-75.0, 30.0), 10.0),
            ),
        ],
        geoms: &[capsule([0.0, -0.06, 0.0], [0.0, 0.06, 0.0], 0.06)],
    },
    Body {
        name: "pelvis",
        parent: "lower_waist",
        position: [0.0, 0.0, -0.165],
        rotation: [1.0, 0.0, -0.002, 0.0],
        joints: &[at(
            0.1,
            big("abdomen_x", [1.0, 0.0, 0.0], (-35.0, 35.0), 10.0),
        )],
        geoms: &[capsule([-0.02, -0.07, 0.0], [-0.02, 0.07, 0.0], 0.09)],
    },
    Body {
        name: "right_thigh",
        parent: "pelvis",
        position: [0.0, -0.1, -0.04],
        joints: &[
            big("right_hip_x", [1.0, 0.0, 0.0], (-25.0, 5.0), 10.0),
            big("right_hip_z", [0.0, 0.0, 1.0], (-60.0, 35.0), 10.0),
            big("right_hip_y", [0.0, 1.0, 0.0], (-110.0, 20.0), 20.0),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, 0.01, -0.34], 0.06)],
        ..BODY
    },
    Body {
        name: "right_shin",
        parent: "right_thigh",
        position: [0.0, 0.01, -0.403],
        joints: &[at(
            0.02,
            small("right_knee", [0.0, -1.0, 0.0], (-160.0, 2.0), 1.0),
        )],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, 0.0, -0.3], 0.049)],
        ..BODY
    },
    Body {
        name: "right_foot",
        parent: "right_shin",
        position: [0.0, 0.0, -0.39],
        joints: &[
            at(
                0.08,
                small("right_ankle_y", [0.0, 1.0, 0.0], (-50.0, 50.0), 6.0),
            ),
            at(
                0.04,
                small("right_ankle_x", [1.0, 0.0, 0.5], (-50.0, 50.0), 3.0),
            ),
        ],
        geoms: &[
            capsule([-0.07, -0.02, 0.0], [0.14, -0.04, 0.0], 0.027),
            capsule([-0.07, 0.0, 0.0], [0.14, 0.02, 0.0], 0.027),
        ],
        ..BODY
    },
    Body {
        name: "left_thigh",
        parent: "pelvis",
        position: [0.0, 0.1, -0.04],
        joints: &[
            big("left_hip_x", [-1.0, 0.0, 0.0], (-25.0, 5.0), 10.0),
            big("left_hip_z", [0.0, 0.0, -1.0], (-60.0, 35.0), 10.0),
            big("left_hip_y", [0.0, 1.0, 0.0], (-120.0, 20.0), 20.0),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, -0.01, -0.34], 0.06)],
        ..BODY
    },
    Body {
        name: "left_shin",
        parent: "left_thigh",
        position: [0.0, -0.01, -0.403],
        joints: &[at(
            0.02,
            small("left_knee", [0.0, -1.0, 0.0], (-160.0, 2.0), 1.0),
        )],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.0, 0.0, -0.3], 0.049)],
        ..BODY
    },
    Body {
        name: "left_foot",
        parent: "left_shin",
        position: [0.0, 0.0, -0.39],
        joints: &[
            at(
                0.08,
                small("left_ankle_y", [0.0, 1.0, 0.0], (-50.0, 50.0), 6.0),
            ),
            at(
                0.04,
                small("left_ankle_x", [1.0, 0.0, 0.5], (-50.0, 50.0), 3.0),
            ),
        ],
        geoms: &[
            capsule([-0.07, 0.02, 0.0], [0.14, 0.04, 0.0], 0.027),
            capsule([-0.07, 0.0, 0.0], [0.14, -0.02, 0.0], 0.027),
        ],
        ..BODY
    },
    Body {
        name: "right_upper_arm",
        parent: "torso",
        position: [0.0, -0.17, 0.06],
        joints: &[
            small("right_shoulder1", [2.0, 1.0, 1.0], (-85.0, 60.0), 1.0),
            small("right_shoulder2", [0.0, -1.0, 1.0], (-85.0, 60.0), 1.0),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.16, -0.16, -0.16], 0.04)],
        ..BODY
    },
    Body {
        name: "right_lower_arm",
        parent: "right_upper_arm",
        position: [0.18, -0.18, -0.18],
        joints: &[small("right_elbow", [0.0, -1.0, 1.0], (-90.0, 50.0), 0.0)],
        geoms: &[
            capsule([0.01, 0.01, 0.01], [0.17, 0.17, 0.17], 0.031),
            ball(RIGHT_HAND, 0.04),
        ],
        ..BODY
    },
    Body {
        name: "left_upper_arm",
        parent: "torso",
        position: [0.0, 0.17, 0.06],
        joints: &[
            small("left_shoulder1", [2.0, -1.0, 1.0], (-60.0, 85.0), 1.0),
            small("left_shoulder2", [0.0, 1.0, 1.0], (-60.0, 85.0), 1.0),
        ],
        geoms: &[capsule([0.0, 0.0, 0.0], [0.16, 0.16, -0.16], 0.04)],
        ..BODY
    },
    Body {
        name: "left_lower_arm",
        parent: "left_upper_arm",
        position: [0.18, 0.18, -0.18],
        joints: &[small("left_elbow", [0.0, -1.0, -1.0], (-90.0, 50.0), 0.0)],
        geoms: &[
            capsule([0.01, -0.01, 0.01], [0.17, -0.17, 0.17], 0.031),
            ball(LEFT_HAND, 0.04),
        ],
        ..BODY
    },
];
const TORSO: usize = 0;
const HEAD: [f32; 3] = [0.0, 0.0, 0.19];
const RIGHT_HAND: [f32; 3] = [0.18, 0.18, 0.18];
const LEFT_HAND: [f32; 3] = [0.18, -0.18, 0.18];
/// Bodies whose points are observed, in the observation's order; feet at their frames' origins.
const EXTREMITIES: [(usize, [f32; 3]); 4] = [
    (12, LEFT_HAND),
    (8, [0.0; 3]),
    (10, RIGHT_HAND),
    (5, [0.0; 3]),
];
const TORSO_HEIGHT: f32 = 1.5;
const FLOOR_FRICTION: f32 = 1.0;

/// In the order of actions.
const MOTORS: &[(&str, f32)] = &[
    ("abdomen_y", 40.0),
    ("abdomen_z", 40.0),
    ("abdomen_x", 40.0),
    ("right_hip_x", 40.0),
    ("right_hip_z", 40.0),
    ("right_hip_y", 120.0),
    ("right_knee", 80.0),
    ("right_ankle_x", 20.0),
    ("right_ankle_y", 20.0),
    ("left_hip_x", 40.0),
    ("left_hip_z", 40.0),
    ("left_hip_y", 120.0),
    ("left_knee", 80.0),
    ("left_ankle_x", 20.0),
    ("left_ankle_y", 20.0),
    ("right_shoulder1", 20.0),
    ("right_shoulder2", 20.0),
    ("right_elbow", 40.0),
    ("left_shoulder1", 20.0),
    ("left_shoulder2", 20.0),
    ("left_elbow", 40.0),
];
const HINGES: usize = 21;

const fn capsule(a: [f32; 3], b: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Capsule(a, b, radius),
        friction: 0.7,
        ..GEOM
    }
}

const fn ball(centre: [f32; 3], radius: f32) -> Geom {
    Geom {
        solid: Solid::Ball(centre, radius),
        ..capsule(centre, centre, radius)
    }
}

const fn small(name: &'static str, axis: [f32; 3], range: (f32, f32), stiffness: f32) -> Joint {
    Joint {
        name,
        axis,
        range: degrees(range.0, range.1),
        damping: 0.2,
        armature: 0.01,
        stiffness,
        ..HINGE
    }
}

const fn big(name: &'static str, axis: [f32; 3], range: (f32, f32), stiffness: f32) -> Joint {
    Joint {
        damping: 5.0,
        ..small(name, axis, range, stiffness)
    }
}

/// The hinge at this height in its body.
const fn at(height: f32, hinge: Joint) -> Joint {
    Joint {
        position: [0.0, 0.0, height],
        ..hinge
    }
}

// The tasks, as in humanoid.py.
const STAND_HEIGHT: f64 = 1.4;
const WALK_SPEED: f64 = 1.0;
/// Draws of a start before one that penetrates is taken.
const MOST_DRAWS: usize = 1000;

pub(crate) const STAND: Task = Task {
    id: "humanoid-stand",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "how high the head is (full at 1.4 m) times how upright the torso, times how still it \
        stands, times 4/5 and 1/5 for small actions",
    success: "none is defined, as in dm_control: always false",
    spec: Spec {
        fields: fields::FIELDS,
        actions: &[
            "abdomen_y_torque",
            "abdomen_z_torque",
            "abdomen_x_torque",
            "right_hip_x_torque",
            "right_hip_z_torque",
            "right_hip_y_torque",
            "right_knee_torque",
            "right_ankle_x_torque",
            "right_ankle_y_torque",
            "left_hip_x_torque",
            "left_hip_z_torque",
            "left_hip_y_torque",
            "left_knee_torque",
            "left_ankle_x_torque",
            "left_ankle_y_torque",
            "right_shoulder1_torque",
            "right_shoulder2_torque",
            "right_elbow_torque",
            "left_shoulder1_torque",
            "left_shoulder2_torque",
            "left_elbow_torque",
        ],
        control_period: PERIOD as f64,
        horizon: 1000,
        reward_bounds: Some((0.0, 1.0)),
    },
    expert: None,
    make: Episode::<Humanoid>::make,
};

pub(crate) const WALK: Task = Task {
    id: "humanoid-walk",
    reward: "how high the head is (full at 1.4 m) times how upright the torso, times 1/6 and 5/6 for \
        horizontal speed (full at 1 m/s), times 4/5 and 1/5 for small actions",
    ..STAND
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Humanoid {
    pub(crate) robot: Robot,
    walks: bool,
}

type Positions = SVector<f32, { 7 + HINGES }>;
type Velocities = SVector<f32, { 6 + HINGES }>;

impl Humanoid {
    /// Where the head's centre is.
    fn head(&self, world: &World) -> Vector {
        let (origin, turn) = self.torso(world);
        origin + turn * Vector::from(HEAD)
    }

    /// Origin and rotation of the torso's frame.
    fn torso(&self, world: &World) -> (Vector, Rotation) {
        let mut q = Positions::zeros();
        self.robot.positions(world, q.as_mut_slice());
        let turn = self.robot.body(world, TORSO).position().rotation;
        (Vector::new(q[0], q[1], q[2]), turn)
    }

    /// Whether a solid is in the floor, or in one of another body that it isn't hinged to.
    fn penetrates(&self, world: &World) -> bool {
        let owners = ROBOT
            .iter()
            .enumerate()
            .flat_map(|(i, body)| body.geoms.iter().map(move |_| i));
        let place = |index: usize, body: usize| {
            let collider = self.robot.geom(world, index);
            let local = collider.position_wrt_parent().copied().unwrap_or_default();
            (
                *self.robot.body(world, body).position() * local,
                collider.shape(),
            )
        };
        let hinged = |a: usize, b: usize| ROBOT[a].parent == ROBOT[b].name;
        owners.clone().enumerate().any(|(i, a)| {
            let (at, solid) = place(i, a);
            let others = owners.clone().enumerate().take(i);
            solid.compute_aabb(&at).mins.z < 0.0
                || others
                    .filter(|&(_, b)| a != b && !hinged(a, b) && !hinged(b, a))
                    .any(|(j, b)| {
                        let (there, other) = place(j, b);
                        query::intersection_test(&at, solid, &there, other)
                            .is_ok_and(|found| found.intersecting)
                    })
        })
    }

    /// Joints anywhere within their limits, and the torso turned as dm_control turns it.
    fn draw_start(&self, world: &mut World, random: &mut Random) {
        let mut q = Positions::zeros();
        q[2] = TORSO_HEIGHT;
        // dm_control's own quirk: of a quaternion's four numbers none is negative.
        q.as_mut_slice()[3..7].fill_with(|| random.uniform(0.0, 1.0).max(1e-6));
        let joints = ROBOT.iter().flat_map(|body| body.joints);
        let ranges = joints.filter_map(|joint| joint.range);
        for (q, [low, high]) in q.as_mut_slice()[7..].iter_mut().zip(ranges) {
            *q = random.uniform(low, high);
        }
        let still = Velocities::zeros();
        self.robot.set_state(world, q.as_slice(), still.as_slice());
    }
}

impl Domain for Humanoid {
    const SUBSTEPS: usize = STEPS;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::compliant(PERIOD / STEPS as f32, CONTACT_SOFTNESS, FLOOR_FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, LIMITS)?;
        let walks = task.id == WALK.id;
        Ok((world, Self { robot, walks }))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        for _ in 0..MOST_DRAWS {
            self.draw_start(world, random);
            if !self.penetrates(world) {
                return;
            }
        }
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let mut q = Positions::zeros();
        self.robot.positions(world, q.as_mut_slice());
        obs[..HINGES].copy_from_slice(&q.as_slice()[7..]);
        obs[HINGES] = self.head(world).z;
        let (origin, turn) = self.torso(world);
        let (points, _) = obs[HINGES + 1..][..12].as_chunks_mut::<3>();
        for (out, (body, point)) in points.iter_mut().zip(EXTREMITIES) {
            let point = *self.robot.body(world, body).position() * Vector::from(point);
            *out = (turn.inverse() * (point - origin)).into();
        }
        let vertical: [f32; 3] = (turn.inverse() * Vector::Z).into();
        obs[HINGES + 13..][..3].copy_from_slice(&vertical);
        let velocity: [f32; 3] = self.robot.centre_velocity(world).into();
        obs[HINGES + 16..][..3].copy_from_slice(&velocity);
        self.robot.velocities(world, &mut obs[HINGES + 19..]);
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let infinity = f64::INFINITY;
        let (_, turn) = self.torso(world);
        let height = f64::from(self.head(world).z);
        let standing = tolerance(
            height,
            (STAND_HEIGHT, infinity),
            STAND_HEIGHT / 4.0,
            Gaussian,
        );
        let up = f64::from((turn * Vector::Z).z);
        let upright = tolerance_to(0.0, up, (0.9, infinity), 1.9, Linear);
        let small = |a: &f32| tolerance_to(0.0, f64::from(*a), (0.0, 0.0), 1.0, Quadratic);
        let small_control = action.iter().map(small).sum::<f64>() / action.len() as f64;
        let velocity = self.robot.centre_velocity(world);
        let (vx, vy) = (f64::from(velocity.x), f64::from(velocity.y));
        let moving = if self.walks {
            let speed = libm::hypot(vx, vy);
            (1.0 + 5.0 * tolerance_to(0.0, speed, (WALK_SPEED, infinity), WALK_SPEED, Linear)) / 6.0
        } else {
            let still = |v| tolerance(v, (0.0, 0.0), 2.0, Gaussian);
            (still(vx) + still(vy)) / 2.0
        };
        Judgement {
            reward: (standing * upright * moving * (4.0 + small_control) / 5.0) as f32,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
