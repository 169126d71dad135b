//! `plate-slide`: push a plate into a goal of tubes and nets, after Meta-World's `plate-slide-v3`
//! (`sawyer_plate_slide_v3.py`, `puck.xml`, `puck_goal.xml`).
//!
//! The plate is a square box on two slides, as in the original: it does not turn, nor tilt. It lies 1 mm
//! above the table, which it would not touch either way. Tubes and nets of a side of the goal are one
//! slab as thick as the tubes.

use super::reward::{and, distance};
use super::tabletop::{
    NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{OBSERVATION, View, approach, task};
use crate::prop::{collider, put};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::robot::Solid;
use crate::world::{OBJECT, World};
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// Where the plate's slides begin, m.
const START: [f32; 3] = [0.0, 0.6, 0.015];
const SLIDES: [(JointAxis, [f32; 2]); 2] = [
    (JointAxis::LinX, [-0.2, 0.2]),
    (JointAxis::LinY, [0.0, 0.3]),
]; // m
const HALF: [f32; 3] = [0.05, 0.05, 0.0145]; // m
const MASS: f32 = 0.05; // kg
const INERTIA: [f32; 3] = [4.5e-5, 4.5e-5, 8.3e-5]; // kg m²
const ARMATURE: f32 = 0.001; // kg
const DAMPING: f32 = 1.0; // N s/m

/// Sides of the goal in its frame, m: profiles (y, z), and where each extends along x.
const SIDES: [(&[[f32; 2]], [f32; 2]); 4] = [
    (PROFILE, [-0.108, -0.092]),
    (PROFILE, [0.092, 0.108]),
    (TOP, [-0.108, 0.108]),
    (BACK, [-0.108, 0.108]),
];
/// Down into the table, so that what is pressed into a side comes out sideways, never below.
const UNDER: f32 = -0.15;
const PROFILE: &[[f32; 2]] = &[
    [-0.0765, UNDER],
    [-0.0765, 0.182],
    [0.0375, 0.182],
    [0.085, 0.017],
    [0.085, UNDER],
];
const TOP: &[[f32; 2]] = &[
    [-0.0765, 0.166],
    [-0.0765, 0.182],
    [0.0375, 0.182],
    [0.0375, 0.166],
];
const BACK: &[[f32; 2]] = &[
    [0.069, UNDER],
    [0.069, 0.017],
    [0.0359, 0.1742],
    [0.0375, 0.182],
    [0.055, 0.182],
    [0.085, 0.017],
    [0.085, UNDER],
];

/// Within this of the goal, and of the tip, rewards are full, m.
const RADIUS: f64 = 0.05;

const FIELDS: [Field; OBSERVATION] = fields(
    [
        object(
            [Free, Free, Fixed(START[2])],
            [Fixed(0.0), Fixed(0.0), Fixed(0.0), Fixed(1.0)],
        ),
        NOTHING,
    ],
    [Within(-0.1, 0.1), Within(0.85, 0.9), Fixed(0.0)],
);

pub(crate) const TASK: Task = task::<PlateSlide>(
    "plate-slide",
    "10 for the plate within 5 cm of the goal, else up to 8 for the tip within 5 cm of the plate and the plate near the goal, as a product with long tails",
    "the plate is within 7 cm of the goal",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct PlateSlide {
    plate: MultibodyJointHandle,
    net: RigidBodyHandle,
    goal: [f32; 3],
}

impl Scene for PlateSlide {
    const DRAW: &'static [[f32; 2]] = &[
        [0.0, 0.0],
        [0.6, 0.6],
        [0.0, 0.0],
        [-0.1, 0.1],
        [0.85, 0.9],
        [0.0, 0.0],
    ];

    fn build(world: &mut World) -> Option<Self> {
        let net = world.0.insert_body(RigidBodyBuilder::fixed());
        for (profile, ends) in SIDES {
            let at = |x: f32| profile.iter().map(move |&[y, z]| Vector::new(x, y, z));
            let points: Vec<_> = ends.into_iter().flat_map(at).collect();
            let side = ColliderBuilder::convex_hull(&points)?
                .friction_combine_rule(CoefficientCombineRule::Max)
                .friction(1.0);
            world.0.insert_collider(side, Some(net));
        }
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        let mass = MassProperties::new(Vector::ZERO, MASS, INERTIA.into());
        let body = RigidBodyBuilder::dynamic()
            .can_sleep(false)
            .user_data(OBJECT)
            .additional_mass_properties(mass);
        let body = world.0.insert_body(body);
        let solid = collider(Solid::Cuboid([0.0, 0.0, 0.0005], HALF));
        world.0.insert_collider(solid, Some(body));
        let free = JointAxesMask::LIN_X | JointAxesMask::LIN_Y;
        let joint = SLIDES.into_iter().fold(
            GenericJointBuilder::new(!free & JointAxesMask::all())
                .local_frame1(Pose::from_translation(START.into())),
            |joint, (axis, range)| joint.limits(axis, range),
        );
        let plate = world.0.insert_multibody_joint(base, body, joint.build())?;
        world.settle(plate);
        world.edit(plate, |mb, _| {
            mb.armature_mut().fill(ARMATURE);
            mb.damping_mut().fill(DAMPING);
        });
        Some(Self {
            plate,
            net,
            goal: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.goal = [draw[3], draw[4], draw[5]];
        put(world, self.net, Pose::from_translation(self.goal.into()));
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y] = [0, 1].map(|axis| START[axis] + world.coord(self.plate, axis));
        [[x, y, START[2], 0.0, 0.0, 0.0, 1.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (plate, goal) = (seen.object(), self.goal.map(f64::from));
        let left = distance(plate, goal);
        if left < RADIUS {
            return (10.0, true);
        }
        let start = [START[0], START[1], 0.0].map(f64::from);
        let placed = tolerance(left, (0.0, RADIUS), distance(start, goal), LongTail);
        let reached = tolerance(
            distance(seen.tcp, plate),
            (0.0, RADIUS),
            distance(super::tcp(Self::HAND), start),
            LongTail,
        );
        (8.0 * and(reached, placed), left <= 0.07)
    }
}

/// Behind the plate, fingers apart, then drives it before the goal and in.
fn expert(obs: &[f32], action: &mut [f32]) {
    let View {
        hand, object, goal, ..
    } = View::of(obs);
    let [x, y, _] = object;
    let low = 0.06;
    let (aside, behind) = ((hand[0] - x).abs(), y - hand[1]);
    if (x - goal[0]).hypot(y - goal[1]) < 0.03 {
        approach(action, hand, hand, -1.0);
    } else if aside < 0.05 && behind > 0.09 && behind < 0.2 && hand[2] < low + 0.02 {
        let to = [hand[0] + goal[0] - x, hand[1] + goal[1] - y, low];
        approach(action, hand, to, -1.0);
    } else if behind > 0.115 {
        approach(action, hand, [x, y - 0.13, low], -1.0);
    } else if hand[2] < 0.1 {
        approach(action, hand, [hand[0], hand[1], 0.14], -1.0);
    } else {
        approach(action, hand, [x, y - 0.14, 0.12], -1.0);
    }
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/plate-slide.json");
    super::tests::agrees::<PlateSlide>(record, 1e-3, 1e-3);
}
