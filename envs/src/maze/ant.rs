//! `antmaze-umaze`, `antmaze-medium`, `antmaze-large`: an ant that walks to a goal through a maze, after
//! D4RL's `antmaze-*-v2`.
//!
//! Figures are those of D4RL (`d4rl/locomotion/ant.py`, `maze_env.py`, `goal_reaching_env.py`,
//! `__init__.py`, `assets/ant.xml`), and so are the conventions. An episode starts in one fixed corner;
//! the goal is drawn anew, near one fixed cell, and not observed; reaching it ends the episode, and
//! falling over does not. That holds for evaluations in every variant of the task: `play` and
//! `diverse` name two ways of collecting data. The ant is Gymnasium's, but for weaker motors and a
//! control period of 0.1 s; contact forces are not observed. Gymnasium-Robotics' AntMaze instead has
//! Gymnasium's motors and observes the goal. `tests/mujoco/maze.py` rebuilds the ant in MuJoCo.
//! Deviations: those of [`ant`](crate::gymnasium::ant), and D4RL integrates by RK4 with steps of
//! 20 ms, which is too coarse here.

use super::Maze;
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::gymnasium::ant::{
    ACTIONS, LOOK_AHEAD, Positions, ROBOT, STATE_FIELDS, motors, perturb, standing,
};
use crate::robot::Robot;
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use serde::{Deserialize, Serialize};

// Time: D4RL's control period, in half its steps.
const SUBSTEP: f32 = 0.01;
const SUBSTEPS: usize = 10;

// Contact and limits are softer than the `ant` task's: MuJoCo makes no spring faster than two of its
// steps, here 40 ms, which is 4 Hz. Of contacts of 6 to 20 Hz, those of 8 to 10 Hz follow MuJoCo's
// landings closest (torso within 0.18 m/s, root mean square, against 0.25 at 20 Hz); of limits of 3.6
// to 8.8 Hz these follow its torques against limits within 0.08 rad.
/// Natural frequency in Hz and damping ratio of contacts.
const CONTACT_SOFTNESS: (f32, f32) = (10.0, 1.0);
/// The same of joint limits.
const LIMIT_SOFTNESS: (f32, f32) = (4.0, 0.9);

/// N m.
const TORQUE: f32 = 30.0;

// The maze: edge of a cell, height of walls, and the friction of walls and floor.
const CELL: f32 = 4.0;
const WALL_HEIGHT: f32 = 2.0;
const FRICTION: f32 = 1.0;

// The task.
const GOAL_RADIUS: f32 = 0.5;
/// A goal is off its cell's centre, along either axis, by the sum of two draws from 0 to these, m.
const GOAL_NOISE: [f32; 2] = [0.25 * CELL, 0.125 * CELL];

const fn task(id: &'static str, horizon: u32) -> Task {
    Task {
        id,
        family: "maze",
        tags: &["sparse-reward", "goal", "terminates"],
        version: 1,
        reward: "1 within 0.5 m of the goal, which ends the episode, else 0",
        success: "the torso is within 0.5 m of the goal",
        spec: Spec {
            fields: &FIELDS,
            actions: ACTIONS,
            control_period: SUBSTEP as f64 * SUBSTEPS as f64,
            horizon,
            reward_bounds: Some((0.0, 1.0)),
        },
        expert: None,
        make: Episode::<AntMaze>::make,
    }
}

/// MuJoCo's `qpos` and `qvel`.
const FIELDS: [Field; STATE_FIELDS.len() + 2] = {
    let mut all = [Field::unbounded("torso_x", "m"); STATE_FIELDS.len() + 2];
    all[1] = Field::unbounded("torso_y", "m");
    let mut i = 0;
    while i < STATE_FIELDS.len() {
        all[i + 2] = STATE_FIELDS[i];
        i += 1;
    }
    all
};

pub(crate) const UMAZE: Task = task("antmaze-umaze", 700);
pub(crate) const MEDIUM: Task = task("antmaze-medium", 1000);
pub(crate) const LARGE: Task = task("antmaze-large", 1000);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AntMaze {
    robot: Robot,
    /// Centre of the goal's cell.
    goal_cell: [f32; 2],
    goal: [f32; 2],
}

impl Domain for AntMaze {
    const SUBSTEPS: usize = SUBSTEPS;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let maze = Maze::of(task)?;
        let mut world = World::compliant(SUBSTEP, CONTACT_SOFTNESS, FRICTION);
        world
            .0
            .integration_parameters
            .normalized_prediction_distance = LOOK_AHEAD;
        // The ant starts at the origin, in cell (1, 1).
        let centre = |(row, column)| [column, row].map(|i: usize| (i as f32 - 1.0) * CELL);
        maze.build(&mut world, CELL, centre, WALL_HEIGHT, FRICTION);
        let robot = Robot::build(&mut world, task.id, ROBOT, &motors(TORQUE), LIMIT_SOFTNESS)?;
        robot.set_state(&mut world, standing().as_slice(), &[0.0; 14]);
        let goal_cell = centre(maze.ant_goal);
        Ok((
            world,
            Self {
                robot,
                goal_cell,
                goal: goal_cell,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        perturb(&self.robot, world, random);
        self.goal = self.goal_cell.map(|centre| {
            let noise: f32 = GOAL_NOISE.iter().map(|&n| random.uniform(0.0, n)).sum();
            centre + noise
        });
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.robot.actuate(world, action);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (positions, velocities) = obs.split_at_mut(Positions::zeros().len());
        self.robot.positions(world, positions);
        self.robot.velocities(world, velocities);
    }

    fn mark(&self, scene: &mut Vec<crate::Geom>) {
        let [x, y] = self.goal;
        scene.push(crate::Geom::mark([x, y, GOAL_RADIUS], GOAL_RADIUS));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let torso = self.robot.origin(world);
        let (dx, dy) = (torso.x - self.goal[0], torso.y - self.goal[1]);
        let there = dx * dx + dy * dy <= GOAL_RADIUS * GOAL_RADIUS;
        Judgement {
            reward: f32::from(there),
            success: there,
            terminated: there,
        }
    }
}

#[cfg(test)]
mod tests;
