//! Tasks of DeepMind's Control Suite (Tassa et al. 2018, arXiv:1801.00690), after the MJCF and the
//! Python of dm_control 1.0. Episodes have 1,000 steps and never end early, and every step is worth
//! between 0 and 1.

pub(crate) mod cartpole;
pub(crate) mod cheetah;
pub(crate) mod hopper;
pub(crate) mod humanoid;
pub(crate) mod point_mass;
pub(crate) mod quadruped;
pub(crate) mod reacher;
pub(crate) mod walker;

use crate::episode::Random;
use crate::robot::{Body, Kind};
use crate::scene::{Geom, Role, Shape};
use std::f32::consts::{FRAC_PI_2, PI};

const HORIZON: u32 = 1000;
const REWARD_BOUNDS: Option<(f32, f32)> = Some((0.0, 1.0));

/// Joints with limits anywhere within them, other hinges anywhere at all, other slides as they are:
/// how most episodes of the suite begin. `positions` is in the table's order.
fn randomise(table: &[Body], random: &mut Random, positions: &mut [f32]) {
    let joints = table.iter().flat_map(|body| body.joints);
    for (joint, position) in joints.zip(positions) {
        match (joint.range, joint.kind) {
            (Some([low, high]), _) => *position = random.uniform(low, high),
            (None, Kind::Hinge) => *position = random.uniform(-PI, PI),
            (None, _) => {}
        }
    }
}

/// Draws the floor and walls of the table-top tasks, which nothing can touch.
fn draw_arena(scene: &mut Vec<Geom>) {
    const HALF: f32 = 0.3;
    const WALL: [f32; 3] = [HALF, 0.002, 0.02];
    scene.push(Geom {
        shape: Shape::Floor,
        role: Role::Ground,
        position: [0.0; 3],
        rotation: [0.0, 0.0, 0.0, 1.0],
    });
    for side in 0..4 {
        let angle = side as f32 * FRAC_PI_2;
        let (s, c) = (libm::sinf(angle), libm::cosf(angle));
        let (s2, c2) = (libm::sinf(angle / 2.0), libm::cosf(angle / 2.0));
        scene.push(Geom {
            shape: Shape::Cuboid { half: WALL },
            role: Role::Ground,
            position: [-s * HALF, c * HALF, WALL[2]],
            rotation: [0.0, 0.0, s2, c2],
        });
    }
}
