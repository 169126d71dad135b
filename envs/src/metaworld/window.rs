//! `window-open` and `window-close`: push a window aside by its handle, and back, after Meta-World's
//! `window-open-v3` and `window-close-v3` (`sawyer_window_open_v3.py`, `sawyer_window_close_v3.py`,
//! `window_horiz.xml`).
//!
//! The object is a point beside the handle, where a hand would push. Panes are as thick
//! as their frames, and the discs at the roots of the handle are missing.

use super::reward::{and, distance};
use super::tabletop::{
    NO_ROTATION, NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{OBSERVATION, View, approach, hand::TIP, task};
use crate::prop::{Mechanism, Part, collider};
use crate::reward::{Sigmoid, tolerance};
use crate::robot::{HINGE, Joint, Kind, Solid};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

// m.
const TRAVEL: f32 = 0.2;
const HAND: [f32; 3] = [0.0, 0.4, 0.2];
/// Of the window's middle.
const OPEN_HEIGHT: f32 = 0.16;
const CLOSE_HEIGHT: f32 = 0.2;
/// From the window's frame to the point that is observed.
const OPEN_POINT: [f32; 3] = [-0.04, -0.095, 0.0];
const CLOSE_POINT: [f32; 3] = [0.01, -0.095, 0.0];
/// Within this of its goal along x the point has arrived.
const ARRIVED: f64 = 0.05;
/// Within this of the point the tip has.
const REACHED: f64 = 0.02;

fn build(world: &mut World) -> Option<Mechanism> {
    let plank = |centre, half| collider(Solid::Cuboid(centre, half));
    let bar = |from, to| collider(Solid::Capsule(from, to, 0.008));
    Mechanism::build(
        world,
        &[
            // The frame.
            plank([-0.216, 0.0, 0.0], [0.015, 0.03, 0.181]),
            plank([0.0, 0.0, -0.192], [0.25, 0.06, 0.01]),
            plank([0.216, 0.0, 0.0], [0.015, 0.03, 0.181]),
            plank([0.0, 0.0, -0.166], [0.201, 0.03, 0.015]),
            plank([0.0, 0.0, 0.166], [0.201, 0.03, 0.015]),
            // The pane that stays.
            plank([0.1, 0.013, 0.0], [0.1, 0.012, 0.15]),
        ],
        &[
            bar([-0.014, -0.025, 0.045], [-0.014, -0.095, 0.045]),
            bar([-0.014, -0.025, -0.045], [-0.014, -0.095, -0.045]),
            bar([-0.014, -0.095, -0.045], [-0.014, -0.095, 0.045]),
            plank([-0.1, -0.013, 0.0], [0.1, 0.012, 0.15]),
        ],
        &Part {
            joint: Joint {
                kind: Kind::Slide,
                axis: [1.0, 0.0, 0.0],
                range: Some([0.0, TRAVEL]),
                armature: 0.001,
                damping: 2.0,
                ..HINGE
            },
            spring_rest: 0.0,
            mass: 0.638,
            centre: [-0.0868, -0.0189, 0.0],
            inertia: [0.0062, 0.0094, 0.0037],
        },
    )
}

fn put(window: &Mechanism, world: &mut World, draw: &[f32], coordinate: f32) {
    let at = Vector::new(draw[0], draw[1], draw[2]);
    window.put(world, Pose::from_translation(at), coordinate);
}

/// 10 for a tip and a point (which began at `start`) that have both arrived; success is the point's.
/// `margin`: along x, from where the point's reward ends.
fn judge(seen: &Seen, goal: f32, start: [f64; 3], margin: f64, reach: Sigmoid) -> (f64, bool) {
    let point = seen.object();
    let left = (point[0] - f64::from(goal)).abs();
    let arrived = tolerance(left, (0.0, ARRIVED), margin, Sigmoid::LongTail);
    let away = distance(point, seen.tcp);
    let margin = (distance(start, super::tcp(HAND)) - REACHED).abs();
    let reached = tolerance(away, (0.0, REACHED), margin, reach);
    (10.0 * and(reached, arrived), left <= ARRIVED)
}

/// Beside the handle, on the side where `direction` points away, then pushes along x as far as `end`.
fn push(view: &View, action: &mut [f32], direction: f32, end: f32) {
    let [x, y, _] = view.object;
    let height = view.object[2] + TIP;
    let level = (view.hand[1] - y).abs() < 0.02 && (view.hand[2] - height).abs() < 0.02;
    let behind = direction * (x - view.hand[0]);
    let beside = x - 0.02 * direction;
    let to = if level && behind > -0.01 {
        [end, y, height]
    } else if behind > 0.005 {
        [beside, y, height]
    } else if view.hand[1] > y - 0.09 {
        [view.hand[0], y - 0.15, height] // back, out of the handle's way
    } else {
        [beside, y - 0.11, height]
    };
    approach(action, view.hand, to, 1.0);
}

const OPEN_FIELDS: [Field; OBSERVATION] = fields(
    [
        object([Free, Free, Fixed(OPEN_HEIGHT)], NO_ROTATION),
        NOTHING,
    ],
    [Within(0.1, 0.3), Within(0.7, 0.9), Fixed(OPEN_HEIGHT)],
);

pub(crate) const OPEN: Task = task::<Open>(
    "window-open",
    "10 for the tip within 2 cm of the point left of the handle and that point within 5 cm of the goal along x, as a product with long tails",
    "the point left of the handle is within 5 cm of the goal along x",
    &OPEN_FIELDS,
    |obs, action| {
        let view = View::of(obs);
        push(&view, action, 1.0, view.goal[0] - 0.038);
    },
);

#[derive(Clone, Serialize, Deserialize)]
struct Open {
    window: Mechanism,
    goal: [f32; 3],
    start: [f64; 3],
}

impl Scene for Open {
    const CONTACT: f32 = 60.0;
    const HAND: [f32; 3] = HAND;
    const DRAW: &'static [[f32; 2]] = &[[-0.1, 0.1], [0.7, 0.9], [OPEN_HEIGHT, OPEN_HEIGHT]];

    fn build(world: &mut World) -> Option<Self> {
        Some(Self {
            window: build(world)?,
            goal: [0.0; 3],
            start: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        put(&self.window, world, draw, 0.0);
        self.goal = [draw[0] + TRAVEL, draw[1], OPEN_HEIGHT];
        self.start = std::array::from_fn(|i| f64::from(draw[i] + OPEN_POINT[i]));
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.window.point(world, OPEN_POINT);
        [[x, y, OPEN_HEIGHT, 0.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let margin = f64::from(TRAVEL) - ARRIVED;
        judge(seen, self.goal[0], self.start, margin, Sigmoid::LongTail)
    }
}

const CLOSE_FIELDS: [Field; OBSERVATION] = fields(
    [
        object([Free, Free, Fixed(CLOSE_HEIGHT)], NO_ROTATION),
        NOTHING,
    ],
    [Fixed(0.0), Within(0.75, 0.9), Fixed(CLOSE_HEIGHT)],
);

pub(crate) const CLOSE: Task = task::<Close>(
    "window-close",
    "10 for the tip within 2 cm of the point right of the handle, with a Gaussian tail, and that point within 5 cm of the goal along x, with a long tail, as a product",
    "the point right of the handle is within 5 cm of the goal along x",
    &CLOSE_FIELDS,
    |obs, action| {
        let view = View::of(obs);
        push(&view, action, -1.0, view.goal[0] + 0.015);
    },
);

#[derive(Clone, Serialize, Deserialize)]
struct Close {
    window: Mechanism,
    goal: [f32; 3],
    start: [f64; 3],
}

impl Scene for Close {
    const CONTACT: f32 = 60.0;
    const HAND: [f32; 3] = HAND;
    const DRAW: &'static [[f32; 2]] = &[[0.0, 0.0], [0.75, 0.9], [CLOSE_HEIGHT, CLOSE_HEIGHT]];

    fn build(world: &mut World) -> Option<Self> {
        Some(Self {
            window: build(world)?,
            goal: [0.0; 3],
            start: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        put(&self.window, world, draw, TRAVEL);
        self.goal = [draw[0], draw[1], CLOSE_HEIGHT];
        let [x, y, z] = CLOSE_POINT;
        self.start = [draw[0] + x + TRAVEL, draw[1] + y, draw[2] + z].map(f64::from);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.window.point(world, CLOSE_POINT);
        [[x, y, CLOSE_HEIGHT, 0.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        self.goal
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let margin = f64::from(TRAVEL + CLOSE_POINT[0]) - ARRIVED;
        judge(seen, self.goal[0], self.start, margin, Sigmoid::Gaussian)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;

    #[test]
    fn open_agrees_with_meta_world() {
        let record = include_str!("../../tests/metaworld/window-open.json");
        agrees::<super::Open>(record, 1e-3, 1e-3);
    }

    #[test]
    fn close_agrees_with_meta_world() {
        let record = include_str!("../../tests/metaworld/window-close.json");
        agrees::<super::Close>(record, 1e-3, 1e-3);
    }
}
