//! `pointmaze-umaze`, `pointmaze-medium`, `pointmaze-large`: a ball that is pushed to a goal through
//! a maze, after D4RL's `maze2d-umaze-v1`, `maze2d-medium-v1`, `maze2d-large-v1`.
//!
//! Figures are those of D4RL's `d4rl/pointmaze/maze_model.py` and `__init__.py`; its conventions are
//! kept. The goal is fixed, the middle of one cell, and not observed; an episode starts in a cell drawn
//! at random, may start at the goal, and goes on when it is reached, so that its return counts the
//! steps spent there. Coordinates are D4RL's: cell (i, j) is around (i - 0.2, j - 0.2), and starts and
//! goals, at (i, j), are off its centre. Gymnasium-Robotics' PointMaze is the same ball, but goals
//! are drawn and observed there. `tests/mujoco/maze.py` rebuilds the ball and the walls in MuJoCo, and
//! the tests hold this file to them. Deviations: contacts are tuned to MuJoCo's rather than
//! identical, and where the ball touches two walls' blocks at their seam here is one block.

use super::{Cell, LARGE as LARGE_MAZE, MEDIUM as MEDIUM_MAZE, Maze, UMAZE as U_MAZE};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, Kind, Robot, Solid};
use crate::world::World;
use crate::{EnvError, Expert, Field, Spec, Task};
use rapier3d::prelude::Vector;
use serde::{Deserialize, Serialize};

/// s.
const PERIOD: f32 = 0.01;

/// Natural frequency in Hz and damping ratio of contacts with walls. MuJoCo's (solref 0.02 s, solimp
/// 0.95), stepped by 10 ms, turn a speed v into a wall, r deep in it, into -26.3 r per second: all of
/// v goes. In rapier that is a damping ratio that is high, which lets nothing of v pass, and the
/// frequency that gives 26.3 Hz of error reduction. Runs against walls then part from MuJoCo's by
/// 0.03 m/s (root mean square), where springs of 8.4 Hz and damping ratio 1 part by 0.34 and sink in
/// deeper, and where contacts that brake ahead of the wall (rapier's default, a prediction distance
/// of 20 mm) part by 0.34 to 0.53 (5 to 30 Hz, damping ratio 0.5 to 5).
const CONTACT_SOFTNESS: (f32, f32) = (90.9, 8.0);

// The ball rolls on nothing: it slides along x and y, without gravity or friction.
const RADIUS: f32 = 0.1;
/// Ours, so that the ball does not touch the floor that is drawn.
const HEIGHT: f32 = RADIUS + 0.02;
const SLIDE: Joint = Joint {
    kind: Kind::Slide,
    damping: 1.0,
    ..HINGE
};
const ROBOT: &[Body] = &[Body {
    name: "ball",
    position: [0.0, 0.0, HEIGHT],
    joints: &[
        Joint {
            name: "ball_x",
            axis: [1.0, 0.0, 0.0],
            ..SLIDE
        },
        Joint {
            name: "ball_y",
            axis: [0.0, 1.0, 0.0],
            ..SLIDE
        },
    ],
    geoms: &[Geom {
        solid: Solid::Ball([0.0; 3], RADIUS),
        friction: 0.0,
        margin: 0.002,
        ..GEOM
    }],
    ..BODY
}];
const MOTORS: &[(&str, f32)] = &[("ball_x", 100.0), ("ball_y", 100.0)];
/// Of each component, m/s, at the start of a step.
const MAX_SPEED: f32 = 5.0;

// The maze: edge of a cell, height of walls, and the centre of cell (0, 0) along either axis.
const CELL: f32 = 1.0;
const WALL_HEIGHT: f32 = 0.4;
const ORIGIN: f32 = -0.2;

// The task.
const GOAL_RADIUS: f32 = 0.5;
/// Per axis, m.
const START_NOISE: f32 = 0.1;
/// Standard deviation per axis, m/s.
const START_SPEED: f32 = 0.1;

const fn task(id: &'static str, fields: &'static [Field], horizon: u32, expert: Expert) -> Task {
    Task {
        id,
        family: "maze",
        tags: &["sparse-reward", "goal"],
        version: 1,
        reward: "1 within 0.5 m of the goal, else 0",
        success: "the ball is within 0.5 m of the goal",
        spec: Spec {
            fields,
            actions: &["push_x", "push_y"],
            control_period: PERIOD as f64,
            horizon,
            reward_bounds: Some((0.0, 1.0)),
        },
        expert: Some(expert),
        make: Episode::<Point>::make,
    }
}

/// Of a maze with so many rows and columns of cells. A corner may turn one component of the velocity
/// into the other.
const fn fields(rows: f32, columns: f32) -> [Field; 4] {
    [
        Field::new("ball_x", "m", 0.0, rows),
        Field::new("ball_y", "m", 0.0, columns),
        Field::new("ball_vx", "m/s", -1.5 * MAX_SPEED, 1.5 * MAX_SPEED),
        Field::new("ball_vy", "m/s", -1.5 * MAX_SPEED, 1.5 * MAX_SPEED),
    ]
}

pub(crate) const UMAZE: Task = task("pointmaze-umaze", &fields(5.0, 5.0), 300, |obs, action| {
    towards(&U_MAZE, U_MAZE.point_goal, obs, action);
});
pub(crate) const MEDIUM: Task = task("pointmaze-medium", &fields(8.0, 8.0), 600, |obs, action| {
    towards(&MEDIUM_MAZE, MEDIUM_MAZE.point_goal, obs, action);
});
pub(crate) const LARGE: Task = task("pointmaze-large", &fields(9.0, 12.0), 800, |obs, action| {
    towards(&LARGE_MAZE, LARGE_MAZE.point_goal, obs, action);
});

/// Writes the push from what is observed towards a cell by the shortest way, and says whether the ball is there. A spring
/// to the middle of the next cell and a damper, with the gains of D4RL's `waypoint_controller.py`.
pub(super) fn towards(maze: &Maze, goal: Cell, obs: &[f32], action: &mut [f32]) -> bool {
    let (position, velocity) = ([obs[0], obs[1]], [obs[2], obs[3]]);
    let steps = maze.steps_to(goal);
    let away = |(row, column): Cell| {
        let (x, y) = (row as f32 + ORIGIN, column as f32 + ORIGIN);
        (position[0] - x).hypot(position[1] - y)
    };
    let by_distance = |a: &Cell, b: &Cell| away(*a).total_cmp(&away(*b));
    let here = maze.free().min_by(by_distance).unwrap_or(goal);
    let next = Maze::around(here)
        .into_iter()
        .min_by_key(|&(row, column)| steps[row][column])
        .filter(|_| here != goal);
    let target = match next {
        Some((row, column)) => [row as f32 + ORIGIN, column as f32 + ORIGIN],
        None => [goal.0 as f32, goal.1 as f32],
    };
    for axis in 0..2 {
        action[axis] = (10.0 * (target[axis] - position[axis]) - velocity[axis]).clamp(-1.0, 1.0);
    }
    let (dx, dy) = (position[0] - goal.0 as f32, position[1] - goal.1 as f32);
    dx * dx + dy * dy <= GOAL_RADIUS * GOAL_RADIUS
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Point {
    robot: Robot,
    goal: [f32; 2],
    /// Where an episode may start.
    starts: Vec<[f32; 2]>,
}

impl Point {
    fn position(&self, world: &World) -> [f32; 2] {
        [0, 1].map(|axis| self.robot.coordinate(world, axis))
    }
}

impl Domain for Point {
    const SUBSTEPS: usize = 1;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let maze = Maze::of(task)?;
        let mut world = World::compliant(PERIOD, CONTACT_SOFTNESS, 0.0);
        world.0.gravity = Vector::ZERO;
        world
            .0
            .integration_parameters
            .normalized_prediction_distance = 0.0;
        let centre = |(row, column)| [row as f32 + ORIGIN, column as f32 + ORIGIN];
        maze.build(&mut world, CELL, centre, WALL_HEIGHT, 0.0);
        let robot = Robot::build(&mut world, task.id, ROBOT, MOTORS, CONTACT_SOFTNESS)?;
        let at = |(row, column)| [row as f32, column as f32];
        let goal = at(maze.point_goal);
        let starts = maze.free().map(at).collect();
        Ok((
            world,
            Self {
                robot,
                goal,
                starts,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let cell = random.uniform(0.0, self.starts.len() as f32) as usize;
        let position = self.starts[cell].map(|p| p + random.uniform(-START_NOISE, START_NOISE));
        let velocity = [0, 1].map(|_| START_SPEED * random.normal());
        self.robot.set_state(world, &position, &velocity);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.clamp_velocities(world, MAX_SPEED);
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (position, velocity) = obs.split_at_mut(2);
        self.robot.positions(world, position);
        self.robot.velocities(world, velocity);
    }

    fn mark(&self, scene: &mut Vec<crate::Geom>) {
        let [x, y] = self.goal;
        scene.push(crate::Geom::mark([x, y, HEIGHT], GOAL_RADIUS));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let [x, y] = self.position(world);
        let (dx, dy) = (x - self.goal[0], y - self.goal[1]);
        let there = dx * dx + dy * dy <= GOAL_RADIUS * GOAL_RADIUS;
        Judgement {
            reward: f32::from(there),
            success: there,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
