//! `door-unlock`: turn the lock of a safe's door from upright to level, after Meta-World's
//! `door-unlock-v3` (`sawyer_door_unlock_v3.py`, `doorlockA.xml`). The door itself is fixed.

use super::door::WALLS;
use super::reward::distance;
use super::tabletop::{
    NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{View, approach, task, tcp};
use crate::prop::{Mechanism, Part, collider};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::robot::{HINGE, Joint, Solid};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::FRAC_PI_2;

/// Of the safe's middle, m.
const HEIGHT: f32 = 0.15;
/// The lock's axle, from the safe's middle, m.
const LOCK: [f32; 3] = [0.0, -0.118, 0.061];
/// Half sizes and centres of the door and what is fixed to it, from the safe's middle, m.
const DOOR: [([f32; 3], [f32; 3]); 6] = [
    ([0.184, 0.01, 0.124], [0.0, -0.1, 0.0]),
    ([0.047, 0.013, 0.047], [0.0, -0.109, 0.061]),
    ([0.028, 0.012, 0.028], [0.14, -0.106, -0.05]),
    ([0.013, 0.047, 0.013], [0.14, -0.165, -0.05]),
    ([0.075, 0.019, 0.019], [0.196, -0.22, -0.05]),
    ([0.054, 0.023, 0.023], [0.21, -0.22, -0.05]),
];
/// What is observed: a point at the lock's end, in its frame, m.
const OBJECT: [f32; 3] = [0.09, -0.04, -0.01];
/// From the axle to the goal, m.
const GOAL: [f32; 3] = [0.1, -0.04, 0.0];
/// From the hand's position to its shoulder, m, and the weights of its distance to the lock.
const SHOULDER: [f64; 3] = [0.0, 0.055, 0.07];
const SCALE: [f64; 3] = [0.25, 1.0, 0.5];

const FIELDS: [Field; super::OBSERVATION] = fields(
    [
        object([Free; 3], [Fixed(1.0), Fixed(0.0), Fixed(0.0), Fixed(0.0)]),
        NOTHING,
    ],
    [
        Within(0.0, 0.2),
        Within(0.641, 0.693),
        Fixed(HEIGHT + LOCK[2] + GOAL[2]),
    ],
);

pub(crate) const TASK: Task = task::<DoorUnlock>(
    "door-unlock",
    "2 for the hand before the lock's end, 7 cm below it, and 8 for the lock's end close to the goal along x",
    "the lock's end is within 2 cm of the goal along x",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct DoorUnlock {
    lock: Mechanism,
    axle: [f32; 3],
}

impl Scene for DoorUnlock {
    const HAND_LOW: [f32; 3] = [-0.5, 0.4, -0.15];
    const DRAW: &'static [[f32; 2]] = &[[-0.1, 0.1], [0.8, 0.85], [HEIGHT, HEIGHT]];

    fn build(world: &mut World) -> Option<Self> {
        let fixed: Vec<_> = WALLS
            .iter()
            .chain(&DOOR)
            .map(|&(half, at)| {
                let centre = std::array::from_fn(|i| at[i] - LOCK[i]);
                collider(Solid::Cuboid(centre, half))
            })
            .collect();
        let lock = Mechanism::build(
            world,
            &fixed,
            &[collider(Solid::Cuboid(
                [0.042, -0.024, 0.0],
                [0.05, 0.019, 0.01],
            ))],
            &Part {
                joint: Joint {
                    range: Some([0.0, FRAC_PI_2]),
                    armature: 0.001,
                    damping: 2.0,
                    ..HINGE
                },
                spring_rest: 0.0,
                mass: 0.001,
                centre: [0.042, -0.024, 0.0],
                inertia: [1.5e-7, 8.7e-7, 9.5e-7],
            },
        )?;
        Some(Self {
            lock,
            axle: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.axle = std::array::from_fn(|i| draw[i] + LOCK[i]);
        let at = Pose::from_translation(self.axle.into());
        self.lock.put(world, at, FRAC_PI_2);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, z] = self.lock.point(world, OBJECT);
        [[x, y, z, 1.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        std::array::from_fn(|i| self.axle[i] + GOAL[i])
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let end = seen.object();
        let apart = |hand: [f64; 3], to: [f64; 3]| {
            let scaled = |i: usize| (hand[i] + SHOULDER[i] - to[i]) * SCALE[i];
            distance(std::array::from_fn(scaled), [0.0; 3])
        };
        let margin = apart(tcp(Self::HAND), self.axle.map(f64::from));
        let ready = tolerance(apart(seen.hand, end), (0.0, 0.02), margin, LongTail);
        let left = (f64::from(self.goal()[0]) - end[0]).abs();
        let turned = tolerance(left, (0.0, 0.005), 0.1, LongTail);
        (2.0 * ready + 8.0 * turned, left <= 0.02)
    }
}

/// Down on the left of the lock, then to the right and up with the palm under it; then back, before
/// it.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let axle: [f32; 3] = std::array::from_fn(|i| view.goal[i] - GOAL[i]);
    let [x, y] = [view.hand[0] - axle[0], view.hand[1] - axle[1]];
    let (left, before, against) = (-0.06, -0.106, -0.065);
    // The palm's upper edge follows the lock up until that is level.
    let low = 0.06 + 0.6 * (view.object[2] - 0.121);
    let down = view.hand[2] < low + 0.015;
    let [x, y, z] = if view.goal[0] - view.object[0] < 0.013 {
        if y < before + 0.015 {
            [0.07, before, view.object[2] - 0.07]
        } else {
            [x, before, view.hand[2]]
        }
    } else if down && y > -0.08 {
        [0.05, against, low]
    } else if x < left + 0.02 {
        [left, if down { against } else { before }, low]
    } else {
        // Clear of the lock first.
        let clear = y < before + 0.015;
        [if clear { left } else { x }, before, view.hand[2]]
    };
    approach(action, view.hand, [axle[0] + x, axle[1] + y, z], 1.0);
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/door-unlock.json");
    super::tests::agrees::<DoorUnlock>(record, 1e-5, 1e-4);
}
