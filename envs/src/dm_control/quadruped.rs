//! `quadruped-walk` and `quadruped-run`: DeepMind Control Suite's four-legged robot is paid for moving
//! forward, upright, at 0.5 or 5 m/s.
//!
//! Body, servos, observation, reward and reset follow dm_control 1.0 (`quadruped.xml`,
//! `quadruped.py`; Tassa et al. 2018, arXiv:1801.00690). `tests/mujoco/dm_quadruped.json` holds
//! MuJoCo's own trajectories, and the tests hold this file to them.
//!
//! Of the observation, the accelerometer is the torso's change of velocity over the last rapier step
//! (5 ms) less gravity, in the torso's frame, which is what MuJoCo's sensor shows after a step. Force
//! and torque at a toe are what it takes to move the toe as it moved in that step, less what its
//! contacts did to it. After a reset both read free fall.
//!
//! Deviations: integration is to first order, as MuJoCo's is here, but in 32-bit floats; contacts,
//! limits and the coupling of each leg's hinges are tuned to MuJoCo's rather than identical
//! (`quadruped/body.rs`); rapier's friction holds where MuJoCo's creeps, so that the robot rests on
//! the spread that it landed with, 13 mm higher, its feet pressing outwards; links pass through each
//! other (MuJoCo's thighs and shins meet when folded far); the torso touches as a hull of points on
//! its ellipsoid, without the two eyes, which only a robot on its back could notice.

use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{Sigmoid::Linear, tolerance};
use crate::world::World;
use crate::{EnvError, Spec, Task};
use body::{ACTIONS, FIELDS, POSITIONS, Quadruped};
use serde::{Deserialize, Serialize};

pub(crate) mod body;

// Time, as in quadruped.xml and quadruped.py.
pub(crate) const SUBSTEP: f32 = 0.005;
pub(crate) const FRAME_SKIP: usize = 4;
pub(crate) const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

/// m/s.
const WALK_SPEED: f64 = 0.5;
const RUN_SPEED: f64 = 5.0;
/// The original's linear tolerance falls to its value at the margin (0 of upright, 0.5 of speed)
/// where ours falls to 0.1.
const TO_ZERO: f64 = 0.9;
const TO_HALF: f64 = 1.8;

const SPEC: Spec = Spec {
    fields: &FIELDS,
    actions: ACTIONS,
    control_period: PERIOD as f64,
    horizon: 1000,
    reward_bounds: Some((0.0, 1.0)),
};

pub(crate) const WALK: Task = Task {
    id: "quadruped-walk",
    family: "dm_control",
    tags: &["dense-reward"],
    version: 1,
    reward: "(1 + cosine of tilt) / 2, times forward speed, from 0.5 at rest to 1 at 0.5 m/s",
    success: "none is defined, as in dm_control: always false",
    spec: SPEC,
    expert: None,
    make: Episode::<Move>::make,
};

pub(crate) const RUN: Task = Task {
    id: "quadruped-run",
    reward: "(1 + cosine of tilt) / 2, times forward speed, from 0.5 at rest to 1 at 5 m/s",
    ..WALK
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) quadruped: Quadruped,
    desired_speed: f64,
}

impl Domain for Move {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let (world, quadruped) = Quadruped::build(task.id, SUBSTEP)?;
        let desired_speed = if task.id == WALK.id {
            WALK_SPEED
        } else {
            RUN_SPEED
        };
        Ok((
            world,
            Self {
                quadruped,
                desired_speed,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut positions = [0.0; POSITIONS];
        positions[3..7].copy_from_slice(&random.rotation());
        self.quadruped.place(world, &positions);
        // The original tries heights from 0 upwards, 1 cm apart, until nothing touches.
        let lowest = self.quadruped.robot.lowest(world);
        positions[2] = 0.01 * libm::floorf(-lowest / 0.01 + 1.0);
        self.quadruped.place(world, &positions);
    }

    fn act(&mut self, _world: &mut World, action: &[f32]) {
        self.quadruped.act(action);
    }

    fn substep(&mut self, world: &mut World) {
        self.quadruped.substep(world);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        self.quadruped.observe(world, obs);
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let (upright, speed) = (
            f64::from(self.quadruped.upright(world)),
            f64::from(self.quadruped.velocity(world).x),
        );
        let upright = tolerance(upright, (1.0, f64::INFINITY), 2.0 * TO_ZERO, Linear);
        let goal = self.desired_speed;
        let fast = tolerance(speed, (goal, f64::INFINITY), goal * TO_HALF, Linear);
        Judgement {
            reward: (upright * fast) as f32,
            success: false,
            terminated: false,
        }
    }
}

#[cfg(test)]
mod tests;
