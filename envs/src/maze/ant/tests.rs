//! D4RL's ant against MuJoCo's; `tests/mujoco/maze.py` wrote the fixture.

use super::*;
use crate::End;
use crate::fidelity::{Bars, Twin};

const TASKS: [Task; 3] = [UMAZE, MEDIUM, LARGE];

#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/maze_ant.json");
    let twin = Twin::<AntMaze>::new(&TASKS[..1], "maze_ant", json, |d| &d.robot);
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.06,
        swing: 0.01,
        limits: 0.1,
        landings: [0.02, 0.2, 0.16],
        // Legs that swing out of their limits while the ant falls stand where friction catches them:
        // 0.17 rad steeper than MuJoCo's.
        rest: 0.07,
    });
}

/// Reaching the goal pays once and ends the episode; it is where D4RL has it.
#[test]
fn the_goal_pays_and_ends() {
    for (task, low) in TASKS
        .into_iter()
        .zip([[0.0, 8.0], [20.0, 20.0], [32.0, 24.0]])
    {
        let (mut world, mut ant) = AntMaze::build(&task).expect("an ant");
        assert_eq!(ant.goal_cell, low);
        ant.goal = [low[0] + 1.5, low[1]];
        let mut at = |x: f32| {
            let mut q = standing();
            (q[0], q[1]) = (x, low[1]);
            ant.robot.set_state(&mut world, q.as_slice(), &[0.0; 14]);
            let Judgement {
                reward,
                success,
                terminated,
            } = ant.judge(&world, &[0.0; 8]);
            assert!(success == terminated && reward == f32::from(success));
            success
        };
        assert!(!at(low[0]) && !at(low[0] + 0.9) && at(low[0] + 1.1) && at(low[0] + 1.9));
    }
}

/// Thrown at walls at 5 m/s in every direction, thrashing, the torso never gets into one.
#[test]
fn walls_hold() {
    let maze = Maze::of(&UMAZE).expect("a maze");
    let (mut world, mut ant) = AntMaze::build(&UMAZE).expect("an ant");
    let (mut random, mut nearest) = (1_u64, f32::INFINITY);
    for throw in 0..32 {
        let mut q = standing();
        (q[0], q[1]) = ((throw % 3) as f32 * CELL, 0.0);
        let (mut v, angle) = ([0.0; 14], throw as f32 * std::f32::consts::TAU / 32.0);
        (v[0], v[1]) = (5.0 * angle.cos(), 5.0 * angle.sin());
        ant.robot.set_state(&mut world, q.as_slice(), &v);
        for _ in 0..30 {
            let action = [0; 8].map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                if random >> 63 == 1 { 1.0 } else { -1.0 }
            });
            ant.act(&mut world, &action);
            for _ in 0..SUBSTEPS {
                world.step().expect("sound");
            }
            let torso = ant.robot.origin(&world);
            let cell = |x: f32| (x / CELL + 1.5) as usize;
            let (row, column) = (cell(torso.y), cell(torso.x));
            assert!(
                !maze.is_wall(row, column),
                "throw {throw}: the torso is in the wall, at {torso:?}"
            );
            nearest = nearest.min((torso.y + 0.5 * CELL).abs());
        }
    }
    println!("torso within {nearest} m of the wall");
    assert!(nearest < 0.5, "no throw reached a wall");
}

/// An episode starts in the corner, and neither falls nor thrashing end it.
#[test]
fn episodes_start_in_the_corner_and_last() {
    for task in TASKS {
        let mut env = Episode::<AntMaze>::make(task).expect("make");
        let mut obs = [0.0; 29];
        env.reset(1, &mut obs).expect("reset");
        assert!(obs[..2].iter().all(|x| x.abs() <= 0.1));
        for step in 0..100 {
            let turn = if step % 7 < 3 { 1.0 } else { -1.0 };
            let action = [turn, -turn, turn, turn, -turn, turn, turn, -1.0];
            assert_eq!(env.step(&action, &mut obs).expect("step").end, End::No);
        }
    }
}
