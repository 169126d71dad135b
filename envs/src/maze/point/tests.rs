//! The ball against MuJoCo's; `tests/mujoco/maze.py` wrote the fixture.

use super::*;
use crate::End;
use crate::fidelity::{Bars, Twin};

#[test]
fn moves_as_in_mujoco() {
    let json = include_str!("../../../tests/mujoco/maze_point.json");
    let tasks = &[UMAZE, MEDIUM, LARGE];
    let twin = Twin::<Point>::new(tasks, "maze_point", json, |d| &d.robot);
    twin.judges_as_dm_control(|_, _, _| ());
    twin.moves_as_in_mujoco(&Bars {
        flight: 0.005,
        swing: 0.005,
        limits: 0.005,
        landings: [0.01, 0.05, 0.0],
        rest: 0.0,
    });
}

/// Pushed at full force in every direction, or anyhow, the ball's centre stays out of the walls, and
/// the ball reaches every free cell or nearly so.
#[test]
fn walls_hold() {
    for task in [UMAZE, MEDIUM, LARGE] {
        let maze = Maze::of(&task).expect("a maze");
        let mut env = (task.make)(task).expect("make");
        let (mut obs, mut random, mut seen) = ([0.0; 4], 1_u64, std::collections::BTreeSet::new());
        for episode in 0..100 {
            env.reset(episode, &mut obs).expect("reset");
            let angle = episode as f32 * std::f32::consts::TAU / 32.0;
            let mut action = [angle.cos(), angle.sin()].map(|a| 1.5 * a);
            for step in 0.. {
                if episode >= 32 && step % 20 == 0 {
                    action = action.map(|_| {
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        if random >> 63 == 1 { 1.0 } else { -1.0 }
                    });
                }
                let end = env.step(&action, &mut obs).expect("step").end;
                let cell = [obs[0], obs[1]].map(|x| (x - ORIGIN + 0.5) as usize);
                let (row, column) = (cell[0], cell[1]);
                assert!(
                    !maze.is_wall(row, column),
                    "{}: in the wall {row}, {column} at {obs:?}",
                    task.id
                );
                seen.insert(cell);
                if end != End::No {
                    break;
                }
            }
        }
        let free = maze.free().count();
        println!("{}: saw {} of {free} cells", task.id, seen.len());
        assert!(5 * seen.len() >= 4 * free, "{} of {free} cells", seen.len());
    }
}

/// An episode starts somewhere in the maze and goes on at the goal, which pays each step.
#[test]
fn the_goal_pays_and_does_not_end() {
    for task in [UMAZE, MEDIUM, LARGE] {
        let mut env = Episode::<Point>::make(task).expect("make");
        let maze = Maze::of(&task).expect("a maze");
        let (mut obs, mut starts) = ([0.0; 4], std::collections::BTreeSet::new());
        let mut paid = 0;
        for seed in 0..1000 {
            env.reset(seed, &mut obs).expect("reset");
            let cell = (obs[0].round() as usize, obs[1].round() as usize);
            assert!((obs[0] - cell.0 as f32).abs() <= START_NOISE);
            starts.insert(cell);
            let step = env.step(&[0.0, 0.0], &mut obs).expect("step");
            assert_eq!(step.success, cell == maze.point_goal, "{obs:?}");
            assert_eq!(step.reward, f32::from(step.success));
            assert_eq!(step.end, End::No);
            paid += usize::from(step.success);
        }
        assert!(paid > 0);
        assert!(
            starts.iter().copied().eq(maze.free()),
            "{}: {starts:?}",
            task.id
        );
    }
}
