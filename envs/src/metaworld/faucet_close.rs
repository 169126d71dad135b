//! `faucet-close`: turn a faucet's handle by a quarter, clockwise from above, after Meta-World's
//! `faucet-close-v3` (`sawyer_faucet_close_v3.py`, `faucet.xml`).
//!
//! The object is a point beside the handle's end and 1 cm below its middle, as in the original.

use super::reward::distance;
use super::tabletop::{
    NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{View, approach, task, tcp};
use crate::prop::{Mechanism, Part, collider};
use crate::reward::{
    Sigmoid::{Gaussian, LongTail},
    tolerance,
};
use crate::robot::{HINGE, Joint, Solid};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// Where the faucet is.
const DRAW: [[f32; 2]; 3] = [[-0.1, 0.1], [0.8, 0.85], [0.0, 0.0]];
// From the faucet's foot, m.
const OBJECT: [f32; 3] = [0.015, -0.175, 0.114];
const GOAL: [f32; 3] = [-0.175, 0.0, 0.125];
const HAND: [f32; 3] = [0.0, 0.4, 0.2];

const FIELDS: [Field; super::OBSERVATION] = fields(
    [
        object(
            [Free, Free, Fixed(OBJECT[2])],
            [Fixed(1.0), Fixed(0.0), Fixed(0.0), Fixed(0.0)],
        ),
        NOTHING,
    ],
    [
        Within(DRAW[0][0] + GOAL[0], DRAW[0][1] + GOAL[0]),
        Within(DRAW[1][0], DRAW[1][1]),
        Fixed(GOAL[2]),
    ],
);

pub(crate) const TASK: Task = task::<FaucetClose>(
    "faucet-close",
    "10 on success; else up to 6 for the handle's end near the goal and up to 4 for the tip at it",
    "the handle's end is within 7 cm of the goal",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct FaucetClose {
    handle: Mechanism,
    foot: [f32; 3],
}

impl Scene for FaucetClose {
    const HAND: [f32; 3] = HAND;
    const HAND_LOW: [f32; 3] = [-0.5, 0.4, -0.15];
    const DRAW: &'static [[f32; 2]] = &DRAW;

    fn build(world: &mut World) -> Option<Self> {
        let upright =
            |from, to, radius| collider(Solid::Cylinder([0.0, 0.0, from], [0.0, 0.0, to], radius));
        let along = |from| [0.0, from, 0.125];
        let handle = Mechanism::build(
            world,
            &[upright(0.0, 0.018, 0.046), upright(0.017, 0.105, 0.017)],
            &[
                upright(0.105, 0.145, 0.032),
                collider(Solid::Cylinder(along(-0.029), along(-0.071), 0.012)),
                collider(Solid::Capsule(along(-0.065), along(-0.175), 0.017)),
            ],
            &Part {
                joint: Joint {
                    axis: [0.0, 0.0, 1.0],
                    range: Some([-1.57, 1.57]),
                    armature: 0.001,
                    damping: 2.0,
                    ..HINGE
                },
                spring_rest: 0.0,
                mass: 0.268,
                centre: [0.0, -0.0575, 0.125],
                inertia: [0.00115, 0.00007, 0.00114],
            },
        )?;
        Some(Self {
            handle,
            foot: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        self.foot = [draw[0], draw[1], draw[2]];
        let at = Pose::from_translation(self.foot.into());
        self.handle.put(world, at, 0.0);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.handle.point(world, OBJECT);
        [[x, y, OBJECT[2], 1.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        std::array::from_fn(|i| self.foot[i] + GOAL[i])
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (end, goal) = (seen.object(), self.goal().map(f64::from));
        let left = distance(end, goal);
        if left <= 0.07 {
            return (10.0, true);
        }
        let foot = self.foot.map(f64::from);
        let margin = (distance(foot, goal) - 0.07).abs();
        let closed = tolerance(left, (0.0, 0.07), margin, LongTail);
        let margin = (distance(foot, tcp(HAND)) - 0.01).abs();
        let reach = tolerance(distance(end, seen.tcp), (0.0, 0.01), margin, Gaussian);
        (4.0 * reach + 6.0 * closed, false)
    }
}

/// Down beside the handle, on the side it must leave, then against it around its axle.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let foot = [view.goal[0] - GOAL[0], view.goal[1] - GOAL[1]];
    // Cosine and sine of the handle's angle.
    let (ex, ey) = (view.object[0] - foot[0], view.object[1] - foot[1]);
    let length = OBJECT[0] * OBJECT[0] + OBJECT[1] * OBJECT[1];
    let cos = (OBJECT[0] * ex + OBJECT[1] * ey) / length;
    let sin = (OBJECT[0] * ey - OBJECT[1] * ex) / length;
    // The hand in the handle's frame: how far beside it, how far along it.
    let (hx, hy) = (view.hand[0] - foot[0], view.hand[1] - foot[1]);
    let (beside, along) = (cos * hx + sin * hy, cos * hy - sin * hx);
    let (gap, reach, low, high) = (0.065, -0.13, 0.13, 0.21);
    let placed = (0.0..0.09).contains(&beside) && (along - reach).abs() < 0.04;
    let down = view.hand[2] < low + 0.03;
    let x = if placed && down && sin > -0.97 {
        -0.1
    } else {
        gap
    };
    let z = if placed { low } else { high };
    let to = [
        foot[0] + cos * x - sin * reach,
        foot[1] + sin * x + cos * reach,
        z,
    ];
    approach(action, view.hand, to, 1.0);
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/faucet-close.json");
    super::tests::agrees::<FaucetClose>(record, 1e-5, 1e-4);
}
