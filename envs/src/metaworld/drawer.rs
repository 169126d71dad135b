//! `drawer-open` and `drawer-close`: pull a drawer out by its handle, and push it in, after Meta-World's
//! `drawer-open-v3` and `drawer-close-v3` (`sawyer_drawer_open_v3.py`, `sawyer_drawer_close_v3.py`,
//! `drawer.xml`).
//!
//! A drawer is opened with a finger behind its handle. In the original its joint ends after 16 cm, but
//! softly, and the goal of `drawer-open` lies 3 cm beyond: the drawer must be pulled there and held
//! against the end of its joint. Here it ends after 20 cm, firmly, as far as the original's own policy
//! pulls it, and stays where it is left.

use super::reward::{and, distance};
use super::tabletop::{
    NO_ROTATION, NOTHING, Pose7, Scene, Seen, Slot::Fixed, Slot::Free, Slot::Within, fields, object,
};
use super::{OBSERVATION, View, approach, task};
use crate::prop::{Mechanism, Part, collider};
use crate::reward::{Sigmoid::Gaussian, Sigmoid::LongTail, tolerance};
use crate::robot::{HINGE, Joint, Kind, Solid};
use crate::world::World;
use crate::{Field, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

// m.
/// Of the drawer's frame, which is where its joint begins, in the draw's.
const FRAME: [f32; 3] = [0.0, -0.01, 0.09];
const OUT: f32 = -0.2;
/// Where the drawer begins that is to be closed.
const AJAR: f32 = -0.15;
const DRAW: &[[f32; 2]] = &[[-0.1, 0.1], [0.9, 0.9], [0.0, 0.0]];
/// From the drawer's frame to what is observed: beside the middle of the handle, and above it.
const HANDLE: f32 = -0.16;
const ABOVE: f32 = 0.05;
/// Of both goals and of the handle.
const HEIGHT: f32 = 0.09;
const OPEN_GOAL: f32 = 0.54; // y
const CLOSE_GOAL: f32 = 0.74; // y
/// `drawer-open`'s goal from the handle at the start, by its reward.
const FAR: f64 = 0.2;
/// Where the rewards of `drawer-close` end, and how much further its success reaches.
const CLOSE_RADIUS: f64 = 0.05;
const CLOSE_SLACK: f64 = 0.015;

fn build(world: &mut World) -> Option<Mechanism> {
    let wall = |centre, half| collider(Solid::Cuboid(centre, half));
    let bar = |from, to| collider(Solid::Capsule(from, to, 0.009));
    Mechanism::build(
        world,
        &[
            wall([-0.11, 0.01, -0.006], [0.008, 0.1, 0.084]),
            wall([0.11, 0.01, -0.006], [0.008, 0.1, 0.084]),
            wall([0.0, 0.102, -0.014], [0.102, 0.008, 0.076]),
            wall([0.0, 0.002, -0.076], [0.102, 0.092, 0.014]),
            wall([0.0, 0.01, 0.07], [0.102, 0.1, 0.008]),
        ],
        &[
            wall([0.0, -0.082, 0.008], [0.1, 0.008, 0.052]),
            wall([0.0, 0.082, 0.008], [0.1, 0.008, 0.052]),
            wall([-0.092, 0.0, 0.008], [0.008, 0.074, 0.052]),
            wall([0.092, 0.0, 0.008], [0.008, 0.074, 0.052]),
            wall([0.0, 0.0, -0.052], [0.1, 0.09, 0.008]),
            bar([-0.05, -0.09, 0.0], [-0.05, -0.15, 0.0]),
            bar([-0.05, -0.15, 0.0], [0.05, -0.15, 0.0]),
            bar([0.05, -0.09, 0.0], [0.05, -0.15, 0.0]),
        ],
        &Part {
            joint: Joint {
                kind: Kind::Slide,
                axis: [0.0, 1.0, 0.0],
                range: Some([OUT, 0.0]),
                armature: 0.001,
                damping: 2.0,
                ..HINGE
            },
            spring_rest: 0.0,
            mass: 0.38,
            centre: [0.0, -0.0616, -0.0021],
            inertia: [0.0039, 0.0017, 0.0028],
        },
    )
}

fn put(drawer: &Mechanism, world: &mut World, draw: &[f32], coordinate: f32) {
    let at = Vector::from([draw[0], draw[1], draw[2]]) + Vector::from(FRAME);
    drawer.put(world, Pose::from_translation(at), coordinate);
}

const OPEN_FIELDS: [Field; OBSERVATION] = fields(
    [
        object(
            [Free, Free, Fixed(HEIGHT)],
            [Fixed(1.0), Fixed(0.0), Fixed(0.0), Fixed(0.0)],
        ),
        NOTHING,
    ],
    [Within(-0.1, 0.1), Fixed(OPEN_GOAL), Fixed(HEIGHT)],
);

pub(crate) const OPEN: Task = task::<Open>(
    "drawer-open",
    "5 for the handle within 2 cm of its goal and 5 for the hand at the handle, where sideways and forward errors count three times; both with long tails",
    "the handle is within 3 cm of its goal",
    &OPEN_FIELDS,
    open,
);

#[derive(Clone, Serialize, Deserialize)]
struct Open {
    drawer: Mechanism,
    x: f32,
}

impl Scene for Open {
    const CONTACT: f32 = 60.0;
    const DRAW: &'static [[f32; 2]] = DRAW;

    fn build(world: &mut World) -> Option<Self> {
        let drawer = build(world)?;
        Some(Self { drawer, x: 0.0 })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        put(&self.drawer, world, draw, 0.0);
        self.x = draw[0];
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.drawer.point(world, [0.0, HANDLE, 0.0]);
        [[x, y, HEIGHT, 1.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        [self.x, OPEN_GOAL, HEIGHT]
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (handle, goal) = (seen.object(), self.goal().map(f64::from));
        let left = distance(handle, goal);
        let opened = tolerance(left, (0.0, 0.02), FAR, LongTail);
        let error = |from: [f64; 3], to: [f64; 3]| {
            let scaled = |[x, y, z]: [f64; 3]| [3.0 * x, 3.0 * y, z];
            distance(scaled(from), scaled(to))
        };
        let [x, y, z] = goal;
        let margin = error([x, y + FAR, z], super::tcp(Self::HAND));
        let caged = tolerance(error(handle, seen.hand), (0.0, 0.01), margin, LongTail);
        (5.0 * (caged + opened), left <= 0.03)
    }
}

/// From above, a finger behind the handle, then closes and pulls.
fn open(obs: &[f32], action: &mut [f32]) {
    let View {
        hand, object, goal, ..
    } = View::of(obs);
    let [x, y, z] = object;
    let (aside, beyond) = ((hand[0] - x).abs(), hand[1] - y);
    let above = hand[2] - z;
    if aside < 0.03 && (-0.04..0.02).contains(&beyond) && above < 0.03 {
        approach(action, hand, [x, goal[1], z], 1.0);
    } else if aside < 0.02 && beyond.abs() < 0.012 {
        approach(action, hand, object, -1.0);
    } else if above < 0.08 {
        approach(action, hand, [hand[0], hand[1], z + 0.12], -1.0);
    } else {
        approach(action, hand, [x, y, z + 0.1], -1.0);
    }
}

const CLOSE_FIELDS: [Field; OBSERVATION] = fields(
    [
        object([Free, Free, Fixed(HEIGHT + ABOVE)], NO_ROTATION),
        NOTHING,
    ],
    [Within(-0.1, 0.1), Fixed(CLOSE_GOAL), Fixed(HEIGHT)],
);

pub(crate) const CLOSE: Task = task::<Close>(
    "drawer-close",
    "10 once the point above the handle is within 6.5 cm of the goal, else up to 10 for the tip at that point while the fingers are told to close, times how near the goal it is",
    "the point 5 cm above the handle is within 6.5 cm of the goal",
    &CLOSE_FIELDS,
    close,
);

#[derive(Clone, Serialize, Deserialize)]
struct Close {
    drawer: Mechanism,
    x: f32,
    start: [f64; 3],
}

impl Scene for Close {
    const CONTACT: f32 = 60.0;
    const DRAW: &'static [[f32; 2]] = DRAW;

    fn build(world: &mut World) -> Option<Self> {
        Some(Self {
            drawer: build(world)?,
            x: 0.0,
            start: [0.0; 3],
        })
    }

    fn arrange(&mut self, world: &mut World, draw: &[f32]) {
        put(&self.drawer, world, draw, AJAR);
        self.x = draw[0];
        let y = draw[1] + FRAME[1] + HANDLE + AJAR;
        self.start = [self.x, y, HEIGHT + ABOVE].map(f64::from);
    }

    fn objects(&self, world: &World) -> [Pose7; 2] {
        let [x, y, _] = self.drawer.point(world, [0.0, HANDLE, 0.0]);
        [[x, y, HEIGHT + ABOVE, 0.0, 0.0, 0.0, 0.0], [0.0; 7]]
    }

    fn goal(&self) -> [f32; 3] {
        [self.x, CLOSE_GOAL, HEIGHT]
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let (handle, goal) = (seen.object(), self.goal().map(f64::from));
        let left = distance(handle, goal);
        if left <= CLOSE_RADIUS + CLOSE_SLACK {
            return (10.0, true);
        }
        let margin = (distance(self.start, goal) - CLOSE_RADIUS).abs();
        let closed = tolerance(left, (0.0, CLOSE_RADIUS), margin, LongTail);
        let radius = 0.005;
        let margin = (distance(self.start, super::tcp(Self::HAND)) - radius).abs();
        let away = distance(handle, seen.tcp);
        let there = tolerance(away, (0.0, radius), margin, Gaussian);
        let reached = and(there, seen.action[3].clamp(0.0, 1.0));
        (10.0 * and(reached, closed), false)
    }
}

/// In front of the handle, fingers closing, then drives forward.
fn close(obs: &[f32], action: &mut [f32]) {
    let View { hand, object, .. } = View::of(obs);
    let [x, y, _] = object;
    let (before, low) = (y - 0.1, HEIGHT + 0.035);
    if (hand[0] - x).abs() < 0.03 && hand[1] < y - 0.01 && hand[2] < low + 0.02 {
        approach(action, hand, [x, CLOSE_GOAL - 0.03, low], 1.0);
    } else if hand[1] < y - 0.07 {
        approach(action, hand, [x, before, low], 1.0);
    } else if hand[2] < HEIGHT + 0.07 {
        approach(action, hand, [hand[0], hand[1], HEIGHT + 0.15], 1.0);
    } else {
        approach(action, hand, [x, before, HEIGHT + 0.1], 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::agrees;

    #[test]
    fn open_agrees_with_meta_world() {
        let record = include_str!("../../tests/metaworld/drawer-open.json");
        agrees::<super::Open>(record, 1e-3, 1e-3);
    }

    #[test]
    fn close_agrees_with_meta_world() {
        let record = include_str!("../../tests/metaworld/drawer-close.json");
        agrees::<super::Close>(record, 1e-3, 1e-3);
    }
}
