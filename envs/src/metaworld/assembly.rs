//! `assembly`: put a ring, which has a handle, over a peg, after Meta-World's `assembly-v3`
//! (`sawyer_assembly_peg_v3.py`, `assembly_peg.xml`).
//!
//! The ring weighs half of the original's 0.22 kg: so fingers of 4 N hold it by its handle, 10 cm from
//! its centre of mass, without its turning, as those of 400 N do there.
//!
//! The original's begins 1 mm above the table; here it lies on it. The reward counts from the draw in
//! both.

use super::reward::{Caging, Density};
use super::tabletop::{
    NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{OBSERVATION, View, grasp, task};
use crate::prop::{Thing, collider, put};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::robot::Solid;
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::array::from_fn;
use std::f32::consts::FRAC_PI_2;

/// The ring: eight capsules around its middle, these places from it, m, half of them across.
const RING: [[f32; 2]; 8] = [
    [0.048, 0.0],
    [0.036, 0.036],
    [0.0, 0.048],
    [-0.036, 0.036],
    [-0.048, 0.0],
    [-0.036, -0.036],
    [0.0, -0.048],
    [0.036, -0.036],
];
const CAPSULE: f32 = 0.015; // half length, m
const THICKNESS: f32 = 0.019; // m
const CAPSULE_MASS: f32 = 0.5 * 0.02; // kg
/// From the ring's middle to the handle's, along -y, m.
const HANDLE: f32 = 0.13;
const HANDLE_HALF: [f32; 3] = [0.019, 0.038, 0.016]; // m
const HANDLE_MASS: f32 = 0.5 * 0.04; // kg
/// The rod between them: from, to, radius, m.
const ROD: [f32; 3] = [-0.15, -0.05, 0.012];
const ROD_MASS: f32 = 0.5 * 0.02; // kg
/// Radius and half height, m. It stands on the table.
const PEG: [f32; 2] = [0.02, 0.05];
const PEG_TOP: f32 = 0.1; // m
/// Of the handle, seen from its middle, where a hand counts as at it, m.
const HANDLE_REACH: f64 = 0.01;

const CAGING: Caging = Caging {
    obj_radius: 0.015,
    pad_success_thresh: 0.02,
    object_reach_radius: 0.01,
    xz_thresh: 0.01,
    desired_gripper_effort: 1.0,
    density: Density::Medium,
};

const FIELDS: [Field; OBSERVATION] = fields(
    [object([Free; 3], [Free; 4]), NOTHING],
    [Within(-0.1, 0.1), Within(0.75, 0.85), Fixed(PEG_TOP)],
);

pub(crate) const TASK: Task = task::<Assembly>(
    "assembly",
    "up to 2 for a grasp of the handle and up to 6 for the ring in a funnel that leads over the peg, both the less the more the ring is turned, and 10 for success",
    "the ring's middle is below the peg's top and, seen from above, within 2 cm of its axis",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct Assembly {
    ring: Thing,
    peg: RigidBodyHandle,
    start: [f32; 3],
    goal: [f32; 3],
}

/// The ring's middle, m, for a handle there that is turned like that (w, x, y, z).
fn middle(handle: [f64; 3], [w, x, y, z]: [f64; 4]) -> [f64; 3] {
    let towards = [
        2.0 * (x * y - w * z),
        1.0 - 2.0 * (x * x + z * z),
        2.0 * (y * z + w * x),
    ];
    from_fn(|i| handle[i] + f64::from(HANDLE) * towards[i])
}

impl Scene for Assembly {
    const CONTACT: f32 = 60.0;
    const ITERATIONS: usize = 4;
    const DRAW: &'static [[f32; 2]] = &[
        [0.0, 0.0],
        [0.6, 0.6],
        [0.02, 0.02],
        [-0.1, 0.1],
        [0.75, 0.85],
        [PEG_TOP, PEG_TOP],
    ];

    fn build(world: &mut World) -> Option<Self> {
        let mut solids: Vec<_> = RING
            .into_iter()
            .map(|[x, y]| {
                // Half its length, along the ring.
                let half = CAPSULE / x.hypot(y);
                let end = |s: f32| [x - s * half * y, y + s * half * x, 0.0];
                collider(Solid::Capsule(end(-1.0), end(1.0), THICKNESS)).mass(CAPSULE_MASS)
            })
            .collect();
        let handle = Solid::Cuboid([0.0, -HANDLE, 0.0], HANDLE_HALF);
        solids.push(collider(handle).mass(HANDLE_MASS));
        let rod = Solid::Cylinder([0.0, ROD[0], 0.0], [0.0, ROD[1], 0.0], ROD[2]);
        solids.push(collider(rod).mass(ROD_MASS));
        let peg = Solid::Cylinder([0.0, 0.0, -PEG[1]], [0.0, 0.0, PEG[1]], PEG[0]);
        let fixed = world.0.insert_body(RigidBodyBuilder::fixed());
        world.0.insert_collider(collider(peg), Some(fixed));
        Some(Self {
            ring: Thing::of(world, solids),
            peg: fixed,
            start: [0.0; 3],
            goal: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.start = [draw[0], draw[1], draw[2]];
        self.goal = [draw[3], draw[4], draw[5]];
        let at = Pose::from_parts(
            Vector::new(draw[0], draw[1], THICKNESS),
            Rotation::from_rotation_z(FRAC_PI_2),
        );
        self.ring.put(world, at);
        let [x, y, top] = self.goal;
        let at = Pose::from_translation(Vector::new(x, y, top - PEG[1]));
        put(world, self.peg, at);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, z] = crate::prop::point(world, self.ring.0, [0.0, -HANDLE, 0.0]);
        let [.., a, b, c, w] = self.ring.pose(world);
        [[x, y, z, w, a, b, c], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let ([x, y, z], goal) = (seen.object(), self.goal.map(f64::from));
        let turn = from_fn(|i| seen.objects[0][3 + i]);
        let ring = middle([x, y, z], turn);
        let off = [goal[0] - ring[0], goal[1] - ring[1]];
        let radius = off[0].hypot(off[1]);
        let success = radius < 0.02 && ring[2] < goal[2];
        if success {
            return (10.0, true);
        }

        // Along the handle, places near its middle are as good.
        let along = if (x - seen.hand[0]).abs() < HANDLE_REACH {
            seen.hand[0]
        } else {
            x
        };
        let start = self.start.map(f64::from);
        let grasped = CAGING.rate(seen, [along, y, z], start, super::tcp(Self::HAND));

        let height = if radius > 0.01 {
            0.02 * libm::log(radius - 0.01) + 0.2
        } else {
            0.0
        };
        let away = radius.hypot(3.0 * (height - ring[2]));
        let near = tolerance(away, (0.0, 0.02), 0.4, LongTail);
        let lifted = if ring[2] > 0.02 || radius < 0.01 {
            0.1
        } else {
            0.0
        };

        let flat = [0.707, 0.0, 0.0, 0.707];
        let turned = (0..4).map(|i| (turn[i] - flat[i]).powi(2)).sum::<f64>();
        let level = (1.0 - turned.sqrt() / 0.4).max(0.0);
        ((2.0 * grasped + 6.0 * (lifted + 0.9 * near)) * level, false)
    }
}

/// Grasps the handle, brings the ring above the peg, lowers it and lets go.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, z] = view.object;
    let ring = middle(view.object.map(f64::from), view.rotation.map(f64::from)).map(|v| v as f32);
    let [dx, dy] = [view.goal[0] - ring[0], view.goal[1] - ring[1]];
    let radius = dx.hypot(dy);
    if radius < 0.02 && ring[2] < 0.04 {
        grasp::release(&view, action);
    } else if grasp::take(&view, action, [x, y]) {
        // Heights of the ring, which may hang lower than the handle.
        let to = if ring[2] < 0.13 && radius > 0.02 {
            let ahead = if ring[2] > 0.125 { 1.0 } else { 0.0 };
            [x + ahead * dx, y + ahead * dy, z + 0.15 - ring[2]]
        } else if radius > 0.006 && ring[2] > 0.12 {
            [x + dx, y + dy, z + 0.14 - ring[2]]
        } else {
            [x + dx, y + dy, z + 0.02 - ring[2]]
        };
        grasp::carry(&view, action, to, 0.5);
    }
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/assembly.json");
    super::tests::agrees::<Assembly>(record, 1e-3, 1e-6);
}
