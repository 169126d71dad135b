//! `pick-place`: bring a puck to a point in the air, after Meta-World's `pick-place-v3`
//! (`sawyer_pick_place_v3.py`). The puck is `push`'s.

use super::reward::{across, and, distance, flanked};
use super::tabletop::{NOTHING, Pose7, Scene, Seen, Slot::Free, Slot::Within, fields, object};
use super::{OBSERVATION, View, grasp, task};
use crate::prop::Thing;
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// m.
const NEAR: f64 = 0.05;

const FIELDS: [Field; OBSERVATION] = fields(
    [object([Free; 3], [Free; 4]), NOTHING],
    [Within(-0.1, 0.1), Within(0.8, 0.9), Within(0.05, 0.3)],
);

pub(crate) const TASK: Task = task::<PickPlace>(
    "pick-place",
    "up to 1 for a grasp of the puck near the goal, 1 to 6 more for the puck lifted by 1 cm with the tip within 2 cm of it, the more the nearer it is to the goal, and 10 for the puck within 5 cm of the goal",
    "the puck is within 7 cm of the goal",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct PickPlace {
    puck: Thing,
    start: [f32; 3],
    goal: [f32; 3],
}

impl Scene for PickPlace {
    const ITERATIONS: usize = 4;
    const DRAW: &'static [[f32; 2]] = &[
        [-0.1, 0.1],
        [0.6, 0.7],
        [0.02, 0.02],
        [-0.1, 0.1],
        [0.8, 0.9],
        [0.05, 0.3],
    ];

    fn build(world: &mut World) -> Option<Self> {
        Some(Self {
            puck: Thing::puck(world),
            start: [0.0; 3],
            goal: [0.0; 3],
        })
    }

    fn allows(draw: &[f32]) -> bool {
        (draw[0] - draw[3]).hypot(draw[1] - draw[4]) >= 0.15
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.start = [draw[0], draw[1], draw[2]];
        self.goal = [draw[3], draw[4], draw[5]];
        let at = Pose::from_translation(self.start.into());
        self.puck.put(world, at);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        [self.puck.pose(world), [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (object, goal) = (seen.object(), self.goal.map(f64::from));
        let start = self.start.map(f64::from);
        let caging = and(
            flanked(seen, object, (0.015, 0.05)),
            across(seen, object, start, super::tcp(Self::HAND), 0.005),
        );
        let closing = if caging > 0.97 {
            seen.action[3].max(0.0)
        } else {
            0.0
        };
        let grasped = (and(caging, closing) + caging) / 2.0;

        let away = distance(object, goal);
        let in_place = tolerance(away, (0.0, NEAR), distance(start, goal), LongTail);
        let mut reward = and(grasped, in_place);
        let lifted = object[2] - 0.01 > start[2];
        if distance(object, seen.tcp) < 0.02 && seen.opening > 0.0 && lifted {
            reward += 1.0 + 5.0 * in_place;
        }
        if away < NEAR {
            reward = 10.0;
        }
        (reward, away <= 0.07)
    }
}

/// Grasps the puck and carries it there.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, _] = view.object;
    if grasp::take(&view, action, [x, y + grasp::HEAVY]) {
        grasp::carry(&view, action, view.goal, 0.5);
    }
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/pick-place.json");
    super::tests::agrees::<PickPlace>(record, 4e-4, 1e-6);
}
