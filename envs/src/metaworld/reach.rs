//! `reach`: move the tip of the hand to a point in the air, after Meta-World's `reach-v3`
//! (`sawyer_reach_v3.py`). A puck lies on the table, to no end.

use super::reward::distance;
use super::tabletop::{NOTHING, Pose7, Scene, Seen, Slot::Free, Slot::Within, fields, object};
use super::{OBSERVATION, View, approach, task};
use crate::prop::Thing;
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

const FIELDS: [Field; OBSERVATION] = fields(
    [object([Free; 3], [Free; 4]), NOTHING],
    [Within(-0.1, 0.1), Within(0.8, 0.9), Within(0.05, 0.3)],
);

pub(crate) const TASK: Task = Task {
    version: 2,
    ..task::<Reach>(
        "reach",
        "10 for the tip within 5 cm of the goal, with a long tail that falls to 1 at 5 cm plus the distance from the start",
        "the tip is within 5 cm of the goal",
        &FIELDS,
        expert,
    )
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reach {
    puck: Thing,
    goal: [f32; 3],
}

impl Scene for Reach {
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
            goal: [0.0; 3],
        })
    }

    fn allows(draw: &[f32]) -> bool {
        (draw[0] - draw[3]).hypot(draw[1] - draw[4]) >= 0.15
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        let at = Vector::new(draw[0], draw[1], draw[2]);
        self.puck.put(world, Pose::from_translation(at));
        self.goal = [draw[3], draw[4], draw[5]];
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        [self.puck.pose(world), [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let goal = self.goal.map(f64::from);
        let away = distance(seen.tcp, goal);
        let margin = distance(Self::HAND.map(f64::from), goal);
        let near = tolerance(away, (0.0, 0.05), margin, LongTail);
        (10.0 * near, away <= 0.05)
    }
}

/// Straight there.
fn expert(obs: &[f32], action: &mut [f32]) {
    let View { hand, goal, .. } = View::of(obs);
    approach(
        action,
        hand,
        [goal[0], goal[1], goal[2] + super::hand::TIP],
        0.0,
    );
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/reach.json");
    super::tests::agrees::<Reach>(record, 2e-3, 1e-4);
}
