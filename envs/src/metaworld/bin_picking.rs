//! `bin-picking`: take a cube from one bin into another, after Meta-World's `bin-picking-v3`
//! (`sawyer_bin_picking_v3.py`, `sawyer_bin_picking.xml`).
//!
//! Deviations: the original draws some cubes into a wall of their bin, which pushes them out within
//! 0.1 s, and here they begin where it does; the reward counts from the draw in both. The hand may go
//! 5 mm lower than the original's target: the original's hand sags below it by as much.

use super::reward::{Caging, Density, and, distance};
use super::tabletop::{NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, fields, object};
use super::{OBSERVATION, View, grasp, task};
use crate::prop::{Thing, collider};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::robot::Solid;
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

const HALF: f32 = 0.02; // of the cube's edge, m
const MASS: f32 = 0.1; // kg
/// Of the cube that lies in a bin as the original begins, m.
const HEIGHT: f32 = 0.029995095;
/// Where the bins are along x, the cube's first, m.
const BINS: [f32; 2] = [-0.12, 0.12];
const Y: f32 = 0.7;
/// Of a cube that touches a wall, from its bin's middle, m.
const ROOM: f32 = 0.07;
/// Half sizes, and centres in a bin's frame, m: walls and bottom.
const BIN: [([f32; 3], [f32; 3]); 5] = [
    ([0.1, 0.005, 0.03], [0.0, -0.095, 0.03]),
    ([0.1, 0.005, 0.03], [0.0, 0.095, 0.03]),
    ([0.005, 0.09, 0.03], [0.095, 0.0, 0.03]),
    ([0.005, 0.09, 0.03], [-0.095, 0.0, 0.03]),
    ([0.1, 0.1, 0.005], [0.0, 0.0, 0.005]),
];
const GOAL: [f32; 3] = [BINS[1], Y, 0.0];
/// m.
const NEAR: f64 = 0.05;

const CAGING: Caging = Caging {
    obj_radius: 0.015,
    pad_success_thresh: 0.05,
    object_reach_radius: 0.01,
    xz_thresh: 0.01,
    desired_gripper_effort: 0.7,
    density: Density::High,
};

const FIELDS: [Field; OBSERVATION] = fields(
    [object([Free; 3], [Free; 4]), NOTHING],
    [Fixed(GOAL[0]), Fixed(GOAL[1]), Fixed(GOAL[2])],
);

pub(crate) const TASK: Task = task::<BinPicking>(
    "bin-picking",
    "up to 1 for a grasp of the cube near the goal, 1 to 6 more for the cube lifted by 2 cm in the fingers, the more the nearer it is to the goal with the hand above the bins' edges, and 10 for the cube within 5 cm of the goal",
    "the cube is within 5 cm of the middle of the other bin's underside",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct BinPicking {
    cube: Thing,
    start: [f32; 3],
}

/// How high the hand should be at this distance from where it goes down, seen from above, m.
fn funnel(distance: f64) -> f64 {
    if distance > 0.03 {
        0.02 * libm::log(distance - 0.03) + 0.2
    } else {
        0.0
    }
}

impl Scene for BinPicking {
    const ITERATIONS: usize = 4;
    const HAND_LOW: [f32; 3] = [-0.5, 0.4, 0.065];
    const DRAW: &'static [[f32; 2]] = &[
        [-0.21, -0.03],
        [0.65, 0.75],
        [0.02, 0.02],
        [0.1199, 0.1201],
        [0.699, 0.701],
        [-0.001, 0.001],
    ];

    fn build(world: &mut World) -> Option<Self> {
        for x in BINS {
            for (half, [dx, dy, z]) in BIN {
                let wall = collider(Solid::Cuboid([x + dx, Y + dy, z], half));
                world.0.insert(RigidBodyBuilder::fixed(), wall);
            }
        }
        let cube = collider(Solid::Cuboid([0.0; 3], [HALF; 3]));
        Some(Self {
            cube: Thing::build(world, MASS, &[cube]),
            start: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.start = [draw[0], draw[1], HEIGHT];
        let x = draw[0].clamp(BINS[0] - ROOM, BINS[0] + ROOM);
        let at = Pose::from_translation(Vector::new(x, draw[1], HEIGHT));
        self.cube.put(world, at);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, z, a, b, c, w] = self.cube.pose(world);
        [[x, y, z, w, a, b, c], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        GOAL
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (object, goal, hand) = (seen.object(), GOAL.map(f64::from), seen.hand);
        let start = self.start.map(f64::from);
        let away = distance(object, goal);
        let in_place = tolerance(away, (0.0, NEAR), distance(start, goal), LongTail);
        let grasped = CAGING.rate(seen, object, start, super::tcp(Self::HAND));
        let mut reward = and(grasped, in_place);

        let lifted = object[2] - 0.02 > start[2];
        if distance(object, hand) < 0.04 && lifted && seen.opening >= 0.43 {
            let [low, other] =
                [start, goal].map(|p| funnel((hand[0] - p[0]).hypot(hand[1] - p[1])));
            let below = (low.min(other) - hand[2]).max(0.0);
            let clear = tolerance(below, (0.0, 0.01), 0.05, LongTail);
            reward += 1.0 + 5.0 * and(clear, in_place);
        }
        if away < NEAR {
            reward = 10.0;
        }
        (reward, away <= NEAR)
    }
}

/// Grasps the cube, carries it over the edges and lets go of it at the bottom of the other bin.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, z] = view.object;
    let away = (x - GOAL[0]).hypot(y - GOAL[1]);
    if away < 0.03 && z < 0.04 {
        grasp::release(&view, action);
        return;
    }
    // The fingers must come down on no wall, and on both sides of the cube; closing, they bring it along.
    let middle = if x < 0.0 { BINS[0] } else { BINS[1] };
    let at = if z < 0.06 {
        let from = |middle: f32, room| (middle - room, middle + room);
        let (x_room, y_room) = (from(middle, 0.065), from(Y, 0.03));
        [x.clamp(x_room.0, x_room.1), y.clamp(y_room.0, y_room.1)]
    } else {
        [x, y]
    };
    if grasp::take(&view, action, at) {
        let to = if away < 0.02 {
            [GOAL[0], GOAL[1], HEIGHT]
        } else if z > 0.1 {
            [GOAL[0], GOAL[1], 0.13]
        } else {
            [x, y, 0.13]
        };
        grasp::carry(&view, action, to, 1.0);
    }
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/bin-picking.json");
    super::tests::agrees::<BinPicking>(record, 4e-4, 1e-6);
}
