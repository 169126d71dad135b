//! `square`: a square nut is to be put over a square peg.
//!
//! robosuite's `NutAssemblySquare`. Deviation: the round nut, which robosuite takes out of the way at
//! the start, does not exist, so that it does not count in the reward (there, it makes anything
//! grasped count as lifted until it has fallen to the ground, and adds a bit to 10).

use super::{
    LEFT_ALONE, REWARD_SCALE, Scene, Seen, Stages, View, add_object, fix, fix_box, put, task, wrap,
};
use crate::episode::Random;
use crate::world::World;
use crate::{Geom, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_PI_2, PI, TAU};

/// Height of the table's top, m.
const TABLE: f32 = 0.82;
/// Half sizes, m.
const TABLE_HALF: [f32; 3] = [0.4, 0.4, 0.025];
/// Middles of the square peg and the round one, m.
const PEG: [f32; 3] = [0.23, 0.1, 0.85];
const ROUND_PEG: [f32; 3] = [0.23, -0.1, 0.85];
/// Half the edge of the square peg, radius of the round one, half their height, m.
const PEG_HALF: f32 = 0.016;
const ROUND_RADIUS: f32 = 0.02;
const PEG_HEIGHT: f32 = 0.1;

/// Centres and half sizes of the nut's bars and its handle, m.
const NUT: [([f32; 3], [f32; 3]); 5] = [
    ([-0.033_25, 0.0, 0.0], [0.0105, 0.043_75, 0.01]),
    ([0.0, 0.033_25, 0.0], [0.031_25, 0.0105, 0.01]),
    ([0.0, -0.033_25, 0.0], [0.031_25, 0.0105, 0.01]),
    ([0.033_25, 0.0, 0.0], [0.0105, 0.043_75, 0.01]),
    (HANDLE, [0.025_25, 0.015_875, 0.01]),
];
const HANDLE: [f32; 3] = [0.054, 0.0, 0.0];
/// kg/m³.
const DENSITY: f32 = 100.0;
const FRICTION: f32 = 0.95;
/// Where it starts, x and y, m.
const START: [[f32; 2]; 2] = [[-0.115, -0.11], [0.11, 0.225]];
/// Above the table at the start, m.
const DROP: f32 = 0.07;

/// How near the nut's middle must be to the peg's along x and y, and below what height above the table; m.
const ACROSS: f32 = 0.03;
const DOWN: f32 = 0.05;
/// Above the table's middle, m: high enough.
const HIGH: f32 = 0.2;

pub(crate) const TASK: Task = task::<Square>(
    "square",
    "10 on success; else the most of: up to 1 for the hand's nearness to the handle; 3.5 while both pads press on the nut; from there to 5 as it nears a height of 0.995 m; plus up to 2 as it nears the peg's axis",
    "the nut is around the square peg, less than 5 cm above the table, and its middle 4.2 cm from the point between the pads",
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Square {
    nut: RigidBodyHandle,
}

impl Scene for Square {
    const BASE: [f32; 3] = [-0.56, 0.0, 0.912];

    fn build(world: &mut World) -> Self {
        fix_box(world, [0.0, 0.0, TABLE - TABLE_HALF[2]], TABLE_HALF);
        fix_box(world, PEG, [PEG_HALF, PEG_HALF, PEG_HEIGHT]);
        let round = ColliderBuilder::cylinder(PEG_HEIGHT, ROUND_RADIUS)
            .rotation(Vector::X * FRAC_PI_2)
            .translation(ROUND_PEG.into());
        fix(world, round);
        let solids = NUT.map(|(centre, [x, y, z])| {
            ColliderBuilder::cuboid(x, y, z)
                .translation(centre.into())
                .density(DENSITY)
                .friction(FRICTION)
        });
        let nut = add_object(world, solids);
        let [x, y] = START.map(|range| range[0]);
        put(world, nut, [x, y, TABLE + DROP], 0.0);
        Self { nut }
    }

    fn arrange(&mut self, world: &mut World, random: &mut Random) {
        let [x, y] = START.map(|[low, high]| random.uniform(low, high));
        put(
            world,
            self.nut,
            [x, y, TABLE + DROP],
            random.uniform(0.0, TAU),
        );
    }

    fn object(&self) -> RigidBodyHandle {
        self.nut
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let [x, y, z]: [f32; 3] = seen.object.translation.into();
        let [off_x, off_y] = [x - PEG[0], y - PEG[1]];
        let placed = off_x.abs() < ACROSS
            && off_y.abs() < ACROSS
            && z < TABLE + DOWN
            && seen.nearness([0.0; 3]) < LEFT_ALONE;
        if placed {
            return (REWARD_SCALE, true);
        }
        let stages = Stages {
            nearness: seen.nearness(HANDLE),
            grasped: seen.grasped,
            below: f64::from(TABLE - TABLE_HALF[2] + HIGH - z),
            away: f64::from(off_x.hypot(off_y)),
            over: false,
        };
        (REWARD_SCALE * stages.reward(), false)
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        scene.push(Geom::mark([PEG[0], PEG[1], TABLE], 0.02));
    }
}

/// Above the handle, down, close, up, turned so that the handle points to the arm, over the peg,
/// down, let go.
fn expert(obs: &[f32], action: &mut [f32]) {
    /// Of the nut where it clears the peg, m.
    const CLEAR: f32 = PEG[2] + PEG_HEIGHT + 0.035;
    /// How far the hand turns at most, rad.
    const TURNS: (f32, f32) = (-1.9, 3.5);
    let view = View::of(obs);
    let ([x, y, z], hand, nut) = (view.object, view.hand, view.object_yaw);
    let (s, c) = (libm::sinf(nut), libm::cosf(nut));
    let grip = HANDLE[0] + 0.004;
    let handle = [x + grip * c, y + grip * s];
    let (dx, dy) = (x - PEG[0], y - PEG[1]);
    let across = dx.abs().max(dy.abs());
    // To the arm, the shorter way that the last joint allows from this yaw of the hand.
    let ending = wrap(PI - nut, 0.0);
    let fits = |yaw: f32| (TURNS.0..TURNS.1).contains(&yaw);
    let turn = |from: f32| {
        let other = ending - TAU.copysign(ending);
        [ending, other].into_iter().find(|turn| fits(from + turn))
    };
    // Of the hand for the grasp: alike after half a turn; the one with the least turns.
    let starts = [nut, nut - PI, nut + PI].into_iter();
    let turns = starts.filter_map(|yaw| Some((yaw, yaw.abs() + turn(yaw)?.abs())));
    let best = turns.filter(|(yaw, _)| fits(*yaw));
    let best = best.min_by(|a, b| a.1.total_cmp(&b.1));
    let yaw = best.map_or(nut, |(yaw, _)| yaw);
    let off = (hand[0] - handle[0]).hypot(hand[1] - handle[1]);
    let above = hand[2] - z;
    let turned = (yaw - view.hand_yaw).abs() < 0.1;
    let held = off < 0.025 && above.abs() < 0.02 && view.opening < 0.0335;
    if across < 0.012 && z < TABLE + 0.045 {
        // Let go, then away.
        let height = if view.opening > 0.06 { 1.0 } else { hand[2] };
        let to = [hand[0], hand[1], height];
        view.go(action, to, view.hand_yaw, -1.0, 1.0);
    } else if held {
        let aligned = ending.abs() < 0.05 && across < 0.004;
        let around = across < 0.006 && z < PEG[2] + PEG_HEIGHT + 0.005;
        let to = |x: f32, y: f32, z: f32| [hand[0] + x, hand[1] + y, z + above];
        let turned = view.hand_yaw + turn(view.hand_yaw).unwrap_or(ending);
        if z < CLEAR - 0.03 && !around && across > 0.01 {
            view.go(action, to(0.0, 0.0, CLEAR + 0.02), view.hand_yaw, 1.0, 0.7);
        } else if ending.abs() > 0.4 && across > 0.05 {
            // In its place, not with a stretched arm, which could not bend again.
            view.go(action, to(0.0, 0.0, CLEAR + 0.01), turned, 1.0, 1.0);
        } else {
            let down = if aligned || around { TABLE } else { CLEAR };
            view.go(action, to(-dx, -dy, down), turned, 1.0, 0.7);
        }
    } else if off > 0.012 || (above > 0.04 && !turned) {
        view.go(action, [handle[0], handle[1], z + 0.1], yaw, -1.0, 1.0);
    } else if above > 0.008 {
        view.go(action, [handle[0], handle[1], z], yaw, -1.0, 1.0);
    } else {
        view.go(action, [handle[0], handle[1], z], yaw, 1.0, 1.0);
    }
}
