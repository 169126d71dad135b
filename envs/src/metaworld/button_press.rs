//! `button-press`: push a button into its box, after Meta-World's `button-press-v3`
//! (`sawyer_button_press_v3.py`, `buttonbox.xml`).
//!
//! The object is a point 5 mm inside the button's face, as in the original, whose joint ends after 6 cm, but
//! so softly that its own policy presses the button in by 8.6 cm; success begins at 7.3. Here it ends after
//! 8.6 cm, firmly.

use super::reward::{and, distance};
use super::tabletop::{
    NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{OBSERVATION, View, approach, task, tcp};
use crate::prop::{Mechanism, Part, collider};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::robot::{HINGE, Joint, Kind, Solid};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

// Of the box's frame, m.
const HEIGHT: f32 = 0.115;
const OBJECT: [f32; 3] = [0.0, -0.193, 0.0];
const HOLE: f32 = -0.1;
const START: f32 = -0.1935;
const HAND: [f32; 3] = [0.0, 0.4, 0.2];
/// How far the button goes in.
const TRAVEL: f32 = 0.086;

const FIELDS: [Field; OBSERVATION] = fields(
    [
        object(
            [Free, Free, Fixed(HEIGHT)],
            [Fixed(1.0), Fixed(0.0), Fixed(0.0), Fixed(0.0)],
        ),
        NOTHING,
    ],
    [Within(-0.1, 0.1), Within(0.75, 0.8), Fixed(HEIGHT)],
);

pub(crate) const TASK: Task = task::<ButtonPress>(
    "button-press",
    "2 for the tip at the button with the fingers apart, and 8 for the button pressed while the tip is within 5 cm of it",
    "the button is within 2 cm of its end",
    &FIELDS,
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
struct ButtonPress {
    button: Mechanism,
    goal: [f32; 3],
    start: [f64; 3],
}

impl Scene for ButtonPress {
    const CONTACT: f32 = 120.0;
    const HAND: [f32; 3] = HAND;
    const DRAW: &'static [[f32; 2]] = &[[-0.1, 0.1], [0.85, 0.9]];

    fn build(world: &mut World) -> Option<Self> {
        let wall = |centre, half| collider(Solid::Cuboid(centre, half));
        let disc =
            |from, to, radius| collider(Solid::Cylinder([0.0, from, 0.0], [0.0, to, 0.0], radius));
        let button = Mechanism::build(
            world,
            &[
                wall([0.0, 0.012, 0.072], [0.12, 0.102, 0.048]),
                wall([0.0, 0.012, -0.072], [0.12, 0.102, 0.048]),
                wall([-0.073, 0.012, 0.0], [0.047, 0.102, 0.024]),
                wall([0.073, 0.012, 0.0], [0.047, 0.102, 0.024]),
            ],
            &[
                disc(-0.167, -0.089, 0.021),
                disc(-0.174, -0.158, 0.026),
                disc(-0.194, -0.172, 0.043),
            ],
            &Part {
                joint: Joint {
                    kind: Kind::Slide,
                    axis: [0.0, -1.0, 0.0],
                    range: Some([-TRAVEL, 0.0]),
                    armature: 0.001,
                    damping: 1.0,
                    stiffness: 0.5,
                    ..HINGE
                },
                spring_rest: 0.5,
                mass: 0.01,
                centre: [0.0, -0.1935, 0.0],
                inertia: [0.001; 3],
            },
        )?;
        Some(Self {
            button,
            goal: [0.0; 3],
            start: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        let [x, y] = [draw[0], draw[1]];
        self.button.put(
            world,
            Pose::from_translation(Vector::new(x, y, HEIGHT)),
            0.0,
        );
        self.goal = [x, y + HOLE, HEIGHT];
        self.start = [x, y + OBJECT[1], HEIGHT].map(f64::from);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.button.point(world, OBJECT);
        [[x, y, HEIGHT, 1.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let object = seen.object();
        let left = (f64::from(self.goal[1]) - object[1]).abs();
        let away = distance(object, seen.tcp);
        let near = tolerance(away, (0.0, 0.05), distance(object, tcp(HAND)), LongTail);
        let pressed = tolerance(left, (0.0, 0.005), f64::from(HOLE - START), LongTail);
        let mut reward = 2.0 * and(seen.opening, near);
        if away <= 0.05 {
            reward += 8.0 * pressed;
        }
        (reward, left <= 0.02)
    }
}

/// Lines up before the button, tips at its middle, then drives forward.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, z] = view.object;
    let before = [x, y - 0.06, z + 0.03];
    let aligned = (view.hand[0] - x).abs() < 0.01 && (view.hand[2] - before[2]).abs() < 0.02;
    let to = if aligned {
        [x, y + 0.1, before[2]]
    } else {
        [before[0], before[1].min(view.hand[1]), before[2]]
    };
    approach(action, view.hand, to, 0.0);
}

#[cfg(test)]
#[test]
fn agrees_with_meta_world() {
    let record = include_str!("../../tests/metaworld/button-press.json");
    super::tests::agrees::<ButtonPress>(record, 1e-3, 1e-3);
}
