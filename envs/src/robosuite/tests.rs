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
        assert!(
            off < 2e-6 && turned < 2e-3,
            "pose {number}: off by {off} m, {turned} rad"
        );
    }
}

/// Two seconds each of nothing, of a straight way, of a turn and of random actions. Measured: 0.022 rad,
/// 2.5 mm, and of the fingers 1.5 mm.
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
        let [joint, place, finger] = worst;
        assert!(
            joint < 0.03 && place < 4e-3 && finger < 2e-3,
            "move {number}: {worst:?}"
        );
    }
}

/// One command, and two seconds. The joints' friction keeps the hand 2.6 mm from the first pose.
#[test]
fn reaches_a_pose() {
    let (mut world, mut cell) = Workcell::<Lift>::build(&lift::TASK).expect("build");
    for action in [
        [1.0, -1.0, 1.0, 0.3, -0.3, 1.0, 0.0],
        [-1.0, 0.5, 0.5, -0.5, 0.2, -1.0, 0.0],
    ] {
        let before = cell.arm.end(&world);
        cell.act(&mut world, &action);
        let reach = |i: usize| super::REACH[i] * action[i];
        let place = before.translation + Vector::new(reach(0), reach(1), reach(2));
        let turn = Vector::new(reach(3), reach(4), reach(5));
        let turn = Rotation::from_axis_angle(turn.normalize(), turn.length()) * before.rotation;
        for _ in 0..1000 {
            cell.substep(&mut world);
            world.step().expect("step");
        }
        let end = cell.arm.end(&world);
        let (off, turned) = (end.translation - place, end.rotation * turn.inverse());
        let turned = 2.0 * Vector::new(turned.x, turned.y, turned.z).length();
        assert!(
            off.length() < 4e-3 && turned < 1e-2,
            "off by {off} m, {turned} rad"
        );
    }
}

/// Lifts a cube and holds it still for 10 s.
#[test]
fn grasp_holds() {
    let task = lift::TASK;
    let mut env = task.make().expect("make");
    let (mut obs, mut action) = (vec![0.0; task.spec.obs_dim()], [0.0; 7]);
    env.reset(1, &mut obs).expect("reset");
    for _ in 0..80 {
        task.expert.expect("an expert")(&obs, &mut action);
        env.step(&action, &mut obs).expect("step");
    }
    let place = |obs: &[f32]| Vector::new(obs[16], obs[17], obs[18]);
    let before = place(&obs);
    let mut success = false;
    for _ in 0..200 {
        success = env
            .step(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], &mut obs)
            .expect("step")
            .success;
    }
    let creep = (place(&obs) - before).length();
    assert!(creep < 1e-3 && success, "{creep} m");
}
