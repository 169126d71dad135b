//! The arm against records of robosuite's.

use super::arm::{Arm, JOINTS};
use super::control::Control;
use super::lift::{self, Lift};
use super::{FRAME_SKIP, Scene, Workcell};
use crate::episode::Domain;
use crate::world::World;
use rapier3d::prelude::*;
use serde::Deserialize;
use std::array::from_fn;

/// See `tests/robosuite/record.py`.
#[derive(Deserialize)]
struct Record {
    poses: Vec<Vec<f32>>,
    moves: Vec<Move>,
}

#[derive(Deserialize)]
struct Move {
    start: [f32; JOINTS],
    rows: Vec<Vec<f32>>,
}

fn record() -> Record {
    serde_json::from_str(include_str!("../../tests/robosuite/arm.json")).expect("record")
}

#[test]
fn hand_is_where_it_is_in_mujoco() {
    let mut world = World::new(0.002);
    let arm = Arm::build(&mut world, "", [0.0; 3]).expect("build");
    for (number, row) in record().poses.iter().enumerate() {
        arm.place(&mut world, &from_fn(|i| row[i]));
        let end = arm.end(&world);
        let place = Vector::new(row[7], row[8], row[9]);
        let turn = Rotation::from_xyzw(row[10], row[11], row[12], row[13]);
        let off = (end.translation - place).length();
        let turned = 2.0 * (1.0 - end.rotation.dot(turn).abs()).max(0.0).sqrt();
        assert!(off < 2e-6 && turned < 2e-3, "pose {number}: off by {off} m, {turned} rad");
    }
}

/// Worst of joints (rad), position (m) and fingers (m).
#[test]
fn moves_as_in_robosuite() {
    for (number, episode) in record().moves.iter().enumerate() {
        let (mut world, mut cell) = Workcell::<Lift>::build(&lift::TASK).expect("build");
        super::put(&mut world, cell.scene.object(), [0.3, -0.3, 0.83], 0.0);
        cell.arm.place(&mut world, &episode.start);
        cell.control = Control::new(&world, &cell.arm);
        let mut worst = [0.0_f32; 3];
        for row in &episode.rows {
            cell.act(&mut world, &row[..7]);
            for _ in 0..FRAME_SKIP {
                cell.substep(&mut world);
                world.step().expect("step");
            }
            let joints = cell.arm.joints(&world);
            let place: [f32; 3] = cell.arm.end(&world).translation.into();
            let fingers = cell.arm.fingers(&world);
            let off = |ours: &[f32], theirs: &[f32]| {
                let both = ours.iter().zip(theirs);
                both.fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()))
            };
            worst[0] = worst[0].max(off(&joints, &row[7..14]));
            worst[1] = worst[1].max(off(&place, &row[14..17]));
            worst[2] = worst[2].max(off(&fingers, &row[17..19]));
        }
        println!("move {number}: {worst:?}");
    }
}

/// Expert episodes, printed.
#[test]
fn watch() {
    for task in [super::can::TASK, super::square::TASK] {
    for seed in 0..3 {
        let mut env = task.make().expect("make");
        let mut obs = vec![0.0; task.spec.obs_dim()];
        let mut action = vec![0.0; 7];
        env.reset(seed, &mut obs).expect("reset");
        for t in 0..200 {
            (task.expert.expect("expert"))(&obs, &mut action);
            let step = env.step(&action, &mut obs).expect("step");
            if t % 8 == 0 {
                println!("{seed} {t} hand {:.3?} fing {:.4?} obj {:.4?} q {:.2?} in {:.3?} a {action:.2?} r {:.3} {}", &obs[..7], &obs[7..9], &obs[9..12], &obs[12..16], &obs[16..19], step.reward, step.success);
            }
        }
    }}
}
