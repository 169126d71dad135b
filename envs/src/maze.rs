//! Navigation in D4RL's mazes (Fu et al. 2020, arXiv:2004.07219).
//!
//! The layouts are those of `d4rl/pointmaze/maze_model.py` and, but for the goal of the U maze, of
//! `d4rl/locomotion/maze_env.py` (Farama-Foundation/D4RL), whose `maze2d-*-v1` and `antmaze-*-v2` are
//! the mazes of the offline literature. Walls are one block per cell there; here neighbours merge
//! into the same solid of fewer blocks.

use crate::world::World;
use crate::{EnvError, Task};
use rapier3d::prelude::*;

pub(crate) mod ant;
pub(crate) mod point;

/// Row and column.
pub(crate) type Cell = (usize, usize);

pub(crate) struct Maze {
    /// Rows of cells: `#` is wall.
    rows: &'static [&'static str],
    /// Where the ball's goal is.
    pub point_goal: Cell,
    /// Where the ant's goal is. It starts in cell (1, 1).
    pub ant_goal: Cell,
}

const UMAZE: Maze = Maze {
    rows: &["#####", "#...#", "###.#", "#...#", "#####"],
    point_goal: (1, 1),
    ant_goal: (3, 1),
};

const MEDIUM: Maze = Maze {
    rows: &[
        "########", //
        "#..##..#", "#..#...#", "##...###", "#..#...#", "#.#..#.#", "#...#..#", "########",
    ],
    point_goal: (6, 6),
    ant_goal: (6, 6),
};

const LARGE: Maze = Maze {
    rows: &[
        "############",
        "#....#.....#",
        "#.##.#.#.#.#",
        "#......#...#",
        "#.####.###.#",
        "#..#.#.....#",
        "##.#.#.#.###",
        "#..#...#...#",
        "############",
    ],
    point_goal: (7, 9),
    ant_goal: (7, 9),
};

/// Ways for the ball of `pointmaze-*`, by which data are made after D4RL's planner, with its gains. It
/// turns at the next cell's edge and has come to a place within 0.5 m of it, where D4RL's goes on until
/// 0.1 m from points that it moves at random: ours cuts corners and seldom stops.
pub struct Navigator(&'static Maze);

impl Navigator {
    /// Of a task; `None` unless a ball is pushed through a maze.
    #[must_use]
    pub fn of(task: &Task) -> Option<Self> {
        let maze = Maze::of(task).ok()?;
        task.id.starts_with("pointmaze-").then_some(Self(maze))
    }

    /// Number of cells that are free.
    #[must_use]
    pub fn places(&self) -> usize {
        self.0.free().count()
    }

    /// Writes the action that leads the ball, as observed, towards the free cell of this number, and says whether it is
    /// there, within the task's 0.5 m.
    ///
    /// # Panics
    /// If there is no such cell.
    pub fn towards(&self, place: usize, obs: &[f32], action: &mut [f32]) -> bool {
        let goal = self.0.free().nth(place).expect("place < places()");
        point::towards(self.0, goal, obs, action)
    }
}

impl Maze {
    /// The maze that the task's id ends in.
    pub fn of(task: &Task) -> Result<&'static Self, EnvError> {
        match task.id.rsplit('-').next() {
            Some("umaze") => Ok(&UMAZE),
            Some("medium") => Ok(&MEDIUM),
            Some("large") => Ok(&LARGE),
            _ => Err(EnvError::Build {
                task: task.id,
                what: "its id names no maze",
            }),
        }
    }

    fn is_wall(&self, row: usize, column: usize) -> bool {
        self.rows[row].as_bytes()[column] == b'#'
    }

    fn all(&self) -> impl Iterator<Item = Cell> {
        let columns = self.rows[0].len();
        (0..self.rows.len()).flat_map(move |row| (0..columns).map(move |column| (row, column)))
    }

    /// Every cell that is not wall, row by row.
    pub fn free(&self) -> impl Iterator<Item = Cell> {
        self.all()
            .filter(|&(row, column)| !self.is_wall(row, column))
    }

    /// By row and column, steps from a cell to `goal` through free cells; `usize::MAX` in walls.
    fn steps_to(&self, goal: Cell) -> Vec<Vec<usize>> {
        let mut steps = vec![vec![usize::MAX; self.rows[0].len()]; self.rows.len()];
        steps[goal.0][goal.1] = 0;
        let mut reached = vec![goal];
        let mut next = 0;
        while let Some(&cell) = reached.get(next) {
            for (row, column) in Self::around(cell) {
                if !self.is_wall(row, column) && steps[row][column] == usize::MAX {
                    steps[row][column] = steps[cell.0][cell.1] + 1;
                    reached.push((row, column));
                }
            }
            next += 1;
        }
        steps
    }

    /// A cell's four neighbours; of a free one they lie in the maze, which is walled all around.
    fn around((row, column): Cell) -> [Cell; 4] {
        [
            (row - 1, column),
            (row + 1, column),
            (row, column - 1),
            (row, column + 1),
        ]
    }

    /// Blocks of wall, by their first and last cells, which together are all wall, each once.
    fn blocks(&self) -> Vec<(Cell, Cell)> {
        let mut blocks: Vec<(Cell, Cell)> = vec![];
        for (row, column) in self.all() {
            let covered = |r: usize, c: usize, blocks: &[(Cell, Cell)]| {
                let within =
                    |(a, b): &(Cell, Cell)| (a.0..=b.0).contains(&r) && (a.1..=b.1).contains(&c);
                blocks.iter().any(within)
            };
            let open = |r: usize, c: usize| self.is_wall(r, c) && !covered(r, c, &blocks);
            if !open(row, column) {
                continue;
            }
            let (mut last, mut bottom) = (column, row);
            while last + 1 < self.rows[0].len() && open(row, last + 1) {
                last += 1;
            }
            while bottom + 1 < self.rows.len() && (column..=last).all(|c| open(bottom + 1, c)) {
                bottom += 1;
            }
            blocks.push(((row, column), (bottom, last)));
        }
        blocks
    }

    /// Adds walls of this height and friction to `world`. `place` says where a cell's centre is (x
    /// and y, m), along the axes and evenly; cells are `size` m wide.
    pub fn build(
        &self,
        world: &mut World,
        size: f32,
        place: impl Fn(Cell) -> [f32; 2],
        height: f32,
        friction: f32,
    ) {
        for (first, last) in self.blocks() {
            let ([ax, ay], [bx, by]) = (place(first), place(last));
            let half = |a: f32, b: f32| 0.5 * ((a - b).abs() + size);
            let wall = ColliderBuilder::cuboid(half(ax, bx), half(ay, by), 0.5 * height)
                .translation(Vector::new(0.5 * (ax + bx), 0.5 * (ay + by), 0.5 * height))
                .friction(friction)
                .friction_combine_rule(CoefficientCombineRule::Max);
            world.0.insert(RigidBodyBuilder::fixed(), wall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_walls() {
        for maze in [UMAZE, MEDIUM, LARGE] {
            let blocks = maze.blocks();
            for (row, column) in maze.all() {
                let covering = blocks
                    .iter()
                    .filter(|(a, b)| (a.0..=b.0).contains(&row) && (a.1..=b.1).contains(&column));
                let expected = usize::from(maze.is_wall(row, column));
                assert_eq!(covering.count(), expected, "cell {row}, {column}");
            }
            for (row, column) in [maze.point_goal, maze.ant_goal, (1, 1)] {
                assert!(!maze.is_wall(row, column));
            }
            assert!(blocks.len() * 2 < maze.all().count() - maze.free().count());
        }
    }
}
