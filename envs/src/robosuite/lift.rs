//! `lift`: a cube on a table is to be lifted.
//!
//! The cube's edges, place and orientation are drawn as in robosuite's `Lift`; it starts 1 cm above
//! the table, as there.

use super::{REWARD_SCALE, Scene, Seen, View, add_object, fix_box, put, task, wrap};
use crate::Task;
use crate::episode::Random;
use crate::world::World;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::{FRAC_PI_2, TAU};

/// Height of the table's top, m.
const TABLE: f32 = 0.8;
/// Half sizes, m.
const TABLE_HALF: [f32; 3] = [0.4, 0.4, 0.025];
/// Half edges of the cube: least and most, m.
const EDGE: (f32, f32) = (0.02, 0.022);
/// Along x and y, from the middle of the table, m.
const SPREAD: f32 = 0.03;
/// From the table at the start, m.
const DROP: f32 = 0.01;
/// Of the cube's middle above the table, m.
const LIFTED: f32 = 0.04;
/// Reaching 1, grasping 0.25, lifting 1.
const FULL: f64 = 2.25;

pub(crate) const TASK: Task = task::<Lift>(
    "lift",
    "10 once the cube is lifted; else 4.44 for the hand's nearness to the cube, falling off with a scale of 10 cm, and 1.11 while both pads press on it",
    "the middle of the cube is more than 4 cm above the table",
    expert,
);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Lift {
    cube: RigidBodyHandle,
}

impl Scene for Lift {
    const BASE: [f32; 3] = [-0.56, 0.0, 0.912];

    fn build(world: &mut World) -> Self {
        fix_box(world, [0.0, 0.0, TABLE - TABLE_HALF[2]], TABLE_HALF);
        let [x, y, z] = [EDGE.1; 3];
        let solid = ColliderBuilder::cuboid(x, y, z)
            .density(1000.0)
            .friction(1.0);
        let cube = add_object(world, [solid]);
        put(world, cube, [0.0, 0.0, TABLE + DROP + EDGE.1], 0.0);
        Self { cube }
    }

    fn arrange(&mut self, world: &mut World, random: &mut Random) {
        let [x, y, z] = [EDGE; 3].map(|(low, high)| random.uniform(low, high));
        let solids = &mut world.0.colliders;
        if let Some(body) = world.0.bodies.get_mut(self.cube) {
            for &solid in body.colliders() {
                if let Some(solid) = solids.get_mut(solid) {
                    solid.set_shape(SharedShape::cuboid(x, y, z));
                }
            }
            body.recompute_mass_properties_from_colliders(solids);
        }
        let [a, b] = [0; 2].map(|_| random.uniform(-SPREAD, SPREAD));
        let place = [a, b, TABLE + DROP + z];
        put(world, self.cube, place, random.uniform(0.0, TAU));
    }

    fn object(&self) -> RigidBodyHandle {
        self.cube
    }

    fn judge(&self, seen: &Seen) -> (f64, bool) {
        let lifted = seen.object.translation.z > TABLE + LIFTED;
        let grasp = if seen.grasped { 0.25 } else { 0.0 };
        let sum = if lifted {
            FULL
        } else {
            seen.nearness([0.0; 3]) + grasp
        };
        (sum * REWARD_SCALE / FULL, lifted)
    }
}

/// Above the cube, down, close, up.
fn expert(obs: &[f32], action: &mut [f32]) {
    let view = View::of(obs);
    let [x, y, z] = view.object;
    // Faces are alike, the nearest will do.
    let yaw = view.hand_yaw + {
        let off = view.object_yaw - view.hand_yaw;
        off - FRAC_PI_2 * libm::roundf(off / FRAC_PI_2)
    };
    let off = (view.hand[0] - x).hypot(view.hand[1] - y);
    let above = view.hand[2] - z;
    let turned = wrap(yaw - view.hand_yaw, 0.0).abs() < 0.1;
    if off > 0.015 || (above > 0.03 && !turned) {
        view.go(action, [x, y, z + 0.08], yaw, -1.0, 1.0);
    } else if above > 0.008 {
        view.go(action, [x, y, z], yaw, -1.0, 1.0);
    } else if view.opening > 0.0455 {
        view.go(action, [x, y, z], yaw, 1.0, 1.0);
    } else {
        let height = TABLE + 0.12;
        let (to, yaw) = ([view.hand[0], view.hand[1], height], view.hand_yaw);
        view.go(action, to, yaw, 1.0, 0.5);
    }
}
