//! `can`: a can is to be taken from one bin and put into a compartment of another.
//!
//! robosuite's `PickPlaceCan`. Deviations: the can is a cylinder; the three other objects, which
//! robosuite takes out of the way at the start, do not exist, so that they neither bound where the can
//! starts nor count in the reward (there, they make anything grasped count as lifted until they have
//! fallen to the ground, and add a bit to 10).

use super::{LEFT_ALONE, REWARD_SCALE, Scene, Seen, Stages, View, add_object, fix_box, put, task};
use crate::episode::Random;
use crate::world::World;
use crate::{Geom, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::TAU;

/// Where the bins are, m.
const FROM: [f32; 3] = [0.1, -0.25, 0.8];
const INTO: [f32; 3] = [0.1, 0.28, 0.8];
/// Of a bin along x and y, as rewards see it, m.
const SIZE: [f32; 2] = [0.39, 0.49];
/// Centres from the bin's and half sizes of its solids, m.
const BIN: [([f32; 3], [f32; 3]); 5] = [
    ([0.0, 0.0, 0.0], [0.2, 0.25, 0.02]),
    ([0.0, 0.25, 0.05], [0.21, 0.01, 0.05]),
    ([0.0, -0.25, 0.05], [0.21, 0.01, 0.05]),
    ([0.2, 0.0, 0.05], [0.01, 0.25, 0.05]),
    ([-0.2, 0.0, 0.05], [0.01, 0.25, 0.05]),
];
/// What divides the second bin in four.
const DIVIDERS: [([f32; 3], [f32; 3]); 2] = [
    ([0.0, 0.0, 0.05], [0.2, 0.01, 0.05]),
    ([0.0, 0.0, 0.05], [0.01, 0.25, 0.05]),
];
/// The middle of the can's compartment: that towards +x and +y; m.
const TARGET: [f32; 2] = [INTO[0] + SIZE[0] / 4.0, INTO[1] + SIZE[1] / 4.0];
/// Above the second bin's middle, m: within the compartment.
const DEEP: f32 = 0.1;
/// Above the second bin's middle, m: high enough.
const HIGH: f32 = 0.25;

/// Radius, half height, m.
const CAN: (f32, f32) = (0.025, 0.04);
/// kg, kg/m³.
const CAN_MASS: f32 = 0.016;
const CAN_FRICTION: f32 = 0.95;
/// Half sizes of where the can starts, m: the bin less 5 cm and less the can's radius as its
/// `horizontal_radius` has it.
const SPREAD: [f32; 2] = [
    SIZE[0] / 2.0 - 0.05 - 0.035_355,
    SIZE[1] / 2.0 - 0.05 - 0.035_355,
];
/// Of its middle above the bin's at the start, m: 2 mm of it are a fall.
const START: f32 = 0.06;

pub(crate) const TASK: Task = task::<Can>(
    "can",
    "10 on success; else the most of: up to 1 for the hand's nearness to the can; 3.5 while both pads press on it; from there to 5 as it nears a height of 1.05 m; plus up to 2 as it nears the middle of its compartment, over which it need not be held",
    "the can is in its compartment of the second bin and 4.2 cm from the point between the pads",
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Can {
    can: RigidBodyHandle,
}

impl Scene for Can {
    const BASE: [f32; 3] = [-0.5, -0.1, 0.912];

    fn build(world: &mut World) -> Self {
        let dividers = DIVIDERS.map(|part| (INTO, part));
        let bins = [FROM, INTO].map(|bin| BIN.map(|part| (bin, part)));
        for &(bin, (centre, half)) in bins.as_flattened().iter().chain(&dividers) {
            fix_box(world, std::array::from_fn(|i| bin[i] + centre[i]), half);
        }
        let (radius, half) = CAN;
        let solid = ColliderBuilder::cylinder(half, radius)
            .rotation(Vector::X * std::f32::consts::FRAC_PI_2)
            .mass(CAN_MASS)
            .friction(CAN_FRICTION);
        let can = add_object(world, [solid]);
        put(world, can, [FROM[0], FROM[1], FROM[2] + START], 0.0);
        Self { can }
    }

    fn arrange(&mut self, world: &mut World, random: &mut Random) {
        let [x, y] = SPREAD.map(|half| random.uniform(-half, half));
        let place = [FROM[0] + x, FROM[1] + y, FROM[2] + START];
        put(world, self.can, place, random.uniform(0.0, TAU));
    }

    fn object(&self) -> RigidBodyHandle {
        self.can
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let [x, y, z]: [f32; 3] = seen.object.translation.into();
        let inside = |at: f32, from: f32, size: f32| from < at && at < from + size;
        let nearness = seen.nearness([0.0; 3]);
        let placed = inside(x, INTO[0], SIZE[0] / 2.0)
            && inside(y, INTO[1], SIZE[1] / 2.0)
            && inside(z, INTO[2], DEEP)
            && nearness < LEFT_ALONE;
        if placed {
            return (REWARD_SCALE, true);
        }
        let [off_x, off_y] = [(x - TARGET[0]).abs(), (y - TARGET[1]).abs()];
        let stages = Stages {
            nearness,
            grasped: seen.grasped,
            below: f64::from(INTO[2] + HIGH - z),
            away: f64::from(off_x.hypot(off_y)),
            over: off_x < SIZE[0] / 4.0 && off_y < SIZE[1] / 4.0,
        };
        (REWARD_SCALE * stages.reward(), false)
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        scene.push(Geom::mark([TARGET[0], TARGET[1], INTO[2] + 0.02], 0.03));
    }
}

/// Above the can, down, close, up, across, down, let go, up.
fn expert(obs: &[f32], action: &mut [f32]) {
    /// Of the hand above the can's middle: its palm clears the can by 1 cm.
    const GRASP: f32 = 0.02;
    /// Of the can's middle where it clears the walls, m.
    const CLEAR: f32 = 0.98;
    /// Within the compartment, nearer to the arm than its middle, at which the arm is stretched; m.
    const AIM: [f32; 2] = [0.155, 0.345];
    let view = View::of(obs);
    let ([x, y, z], hand) = (view.object, view.hand);
    let over = (x - AIM[0]).hypot(y - AIM[1]);
    let off = (hand[0] - x).hypot(hand[1] - y);
    let above = hand[2] - z;
    let held = off < 0.015 && above < GRASP + 0.015 && view.opening < 0.053;
    if over < 0.04 && z < INTO[2] + 0.07 {
        // Let go, then away.
        let rise = if view.opening > 0.06 { 0.15 } else { 0.0 };
        view.go(
            action,
            [hand[0], hand[1], INTO[2] + 0.08 + rise],
            0.0,
            -1.0,
            1.0,
        );
    } else if held {
        let across = over > 0.02 && z < CLEAR - 0.03;
        let to = if across {
            // Up, where it is.
            [hand[0], hand[1], CLEAR + 0.02 + above]
        } else if over > 0.02 {
            [AIM[0], AIM[1], CLEAR + 0.02 + above]
        } else {
            [AIM[0], AIM[1], INTO[2] + 0.06 + above]
        };
        view.go(action, to, 0.0, 1.0, 1.0);
    } else if off > 0.012 {
        view.go(action, [x, y, z + 0.12], 0.0, -1.0, 1.0);
    } else if above > GRASP + 0.01 {
        view.go(action, [x, y, z + GRASP], 0.0, -1.0, 1.0);
    } else {
        view.go(action, [x, y, z + GRASP], 0.0, 1.0, 1.0);
    }
}
