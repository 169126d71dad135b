//! `sweep-into`: bring a cube into a hole in the table, after Meta-World's `sweep-into-v3`
//! (`sawyer_sweep_into_goal_v3.py`, `sawyer_table_with_hole.xml`).
//!
//! The cube does not turn, as with the original's inertia of 100,000 kg m². The table's top is at 5 cm,
//! and no walls are around it: what is pushed off lies on the floor.
//!
//! Deviation: the cube weighs 200 g, not 10. A hand can press it down with 300 N, and would go through
//! so light a thing in rapier; the original's sinks into the table by 15 mm.

use super::reward::{across, and, distance, flanked};
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
const MASS: f32 = 0.2; // kg
/// Of the cube that lies on the table as the original begins, m.
const HEIGHT: f32 = 0.06993546;
const GOAL: [f32; 3] = [0.0, 0.84, 0.02];
/// m.
const NEAR: f64 = 0.05;
/// The middle of a pad from that of a cube it touches, m.
const TOUCHING: (f64, f64) = (0.02, 0.025);

const FIELDS: [Field; OBSERVATION] = fields(
    [
        object([Free; 3], [Fixed(0.0), Fixed(0.0), Fixed(0.0), Fixed(1.0)]),
        NOTHING,
    ],
    [Fixed(GOAL[0]), Fixed(GOAL[1]), Fixed(GOAL[2])],
);

pub(crate) const TASK: Task = task::<SweepInto>(
    "sweep-into",
    "up to 2 for a grasp of the cube, up to 6 more the nearer it is to the hole, and 10 for the cube within 5 cm of the hole's middle as seen from above",
    "the cube is within 5 cm of the hole's middle as seen from above",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct SweepInto {
    cube: Thing,
    start: [f32; 3],
}

impl Scene for SweepInto {
    const ITERATIONS: usize = 4;
    const CONTACT: f32 = 60.0;
    const TABLE: &'static [([f32; 3], [f32; 3])] = &[
        // The hole's bottom, then what is around it.
        ([0.7, 0.4, 0.46], [0.0, 0.6, -0.46]),
        ([0.08, 0.28, 0.05], [0.0, 0.48, 0.0]),
        ([0.08, 0.04, 0.05], [0.0, 0.96, 0.0]),
        ([0.31, 0.4, 0.05], [-0.39, 0.6, 0.0]),
        ([0.31, 0.4, 0.05], [0.39, 0.6, 0.0]),
    ];
    const DRAW: &'static [[f32; 2]] = &[
        [-0.1, 0.1],
        [0.6, 0.7],
        [0.02, 0.02],
        [-0.001, 0.001],
        [0.8399, 0.8401],
        [0.0199, 0.0201],
    ];

    fn build(world: &mut World) -> Option<Self> {
        let cube = collider(Solid::Cuboid([0.0; 3], [HALF; 3]));
        let cube = Thing::build(world, MASS, &[cube]);
        world.0.bodies.get_mut(cube.0)?.lock_rotations(true, true);
        Some(Self {
            cube,
            start: [0.0; 3],
        })
    }

    fn allows(draw: &[f32]) -> bool {
        (draw[0] - GOAL[0]).hypot(draw[1] - GOAL[1]) >= 0.15
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.start = [draw[0], draw[1], HEIGHT];
        let at = Pose::from_translation(self.start.into());
        self.cube.put(world, at);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        [self.cube.pose(world), [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        GOAL
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let object = seen.object();
        let start = self.start.map(f64::from);
        let caging = and(
            flanked(seen, object, (f64::from(HALF), 0.05)),
            across(seen, object, start, super::tcp(Self::HAND), 0.01),
        );
        let gripping = if caging > 0.95 {
            flanked(seen, object, TOUCHING)
        } else {
            0.0
        };
        let grasped = (caging + gripping) / 2.0;

        let [x, y, _] = GOAL.map(f64::from);
        let goal = [x, y, object[2]];
        let away = distance(object, goal);
        let in_place = tolerance(away, (0.0, NEAR), distance(start, goal), LongTail);
        let mut reward = 2.0 * grasped + 6.0 * and(grasped, in_place);
        if away < NEAR {
            reward = 10.0;
        }
        (reward, away <= NEAR)
    }
}

/// Grasps the cube, carries it over the hole and lets go.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, _] = view.object;
    if (x - GOAL[0]).hypot(y - GOAL[1]) < 0.02 {
        grasp::release(&view, action);
    } else if grasp::take(&view, action, [x, y]) {
        grasp::carry(&view, action, [GOAL[0], GOAL[1], HEIGHT + 0.02], 1.0);
    }
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/sweep-into.json");
    super::tests::agrees::<SweepInto>(record, 4e-4, 1e-6);
}
