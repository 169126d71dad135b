//! `reach`: move a hand to a point in the air, after Meta-World's `reach-v2`.
//!
//! Positions, goal box, workspace, action scale, success radius and reward are those of
//! Meta-World (Yu et al. 2019, arXiv:1910.10897; `sawyer_reach_v2.py` and `sawyer_xyz_env.py` of
//! Farama-Foundation/Metaworld). Deviations: the arm is the [`Gantry`]; the hand starts within 2 cm
//! of Meta-World's start; the observation has velocities, and neither the puck that the task
//! ignores nor the previous frame; the horizon is 250 steps, as in the Meta-World data of CPL
//! (Hejna et al. 2024), where Meta-World itself allows 500.

use crate::episode::{Domain, Episode, Judgement, Random};
use crate::gantry::{Gantry, MAX_OPENING};
use crate::reward::{Sigmoid::LongTail, tolerance};
use crate::world::World;
use crate::{EnvError, Field, Geom, Spec, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

// Time: Meta-World's 2.5 ms and frame skip 5, 80 Hz.
const SUBSTEP: f32 = 0.0025;
const FRAME_SKIP: usize = 5;

// Meta-World's figures; metres.
const HAND_START: [f32; 3] = [0.0, 0.6, 0.2];
const HAND_LOW: [f32; 3] = [-0.5, 0.4, 0.05];
const HAND_HIGH: [f32; 3] = [0.5, 1.0, 0.5];
const GOAL_LOW: [f32; 3] = [-0.1, 0.8, 0.05];
const GOAL_HIGH: [f32; 3] = [0.1, 0.9, 0.3];
/// How far the target moves per step under a full action.
const ACTION_SCALE: f32 = 0.01;
const SUCCESS_RADIUS: f64 = 0.05;
const MAX_REWARD: f64 = 10.0;

/// Ours: the hand starts this far from `HAND_START` at most, per axis, so that nothing is constant.
const START_NOISE: f32 = 0.02;
/// Half sizes and centre of the table, whose top is at z = 0.
const TABLE: ([f32; 3], [f32; 3]) = ([0.7, 0.4, 0.05], [0.0, 0.6, -0.05]);

// The hand may overshoot its workspace by less than this; the target never does.
const OVERSHOOT: f32 = 0.025;
const MAX_SPEED: f32 = 2.0;
const FIELDS: &[Field] = &[
    Field::new(
        "hand_x",
        "m",
        HAND_LOW[0] - OVERSHOOT,
        HAND_HIGH[0] + OVERSHOOT,
    ),
    Field::new(
        "hand_y",
        "m",
        HAND_LOW[1] - OVERSHOOT,
        HAND_HIGH[1] + OVERSHOOT,
    ),
    Field::new(
        "hand_z",
        "m",
        HAND_LOW[2] - OVERSHOOT,
        HAND_HIGH[2] + OVERSHOOT,
    ),
    Field::new("hand_vx", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("hand_vy", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("hand_vz", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("finger_opening", "m", -0.005, MAX_OPENING + 0.005),
    Field::new("goal_x", "m", GOAL_LOW[0], GOAL_HIGH[0]),
    Field::new("goal_y", "m", GOAL_LOW[1], GOAL_HIGH[1]),
    Field::new("goal_z", "m", GOAL_LOW[2], GOAL_HIGH[2]),
];

pub(crate) const TASK: Task = Task {
    id: "reach",
    family: "metaworld",
    tags: &["dense-reward", "goal"],
    version: 1,
    reward: "10 within 5 cm of the goal, with a long tail that falls to 1 at 5 cm plus the initial distance",
    success: "the hand is within 5 cm of the goal",
    spec: Spec {
        fields: FIELDS,
        actions: &["target_dx", "target_dy", "target_dz", "grip"],
        control_period: SUBSTEP as f64 * FRAME_SKIP as f64,
        horizon: 250,
        reward_bounds: Some((0.0, MAX_REWARD as f32)),
    },
    make: Episode::<Reach>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Reach {
    hand: Gantry,
    /// Where the arm's motors pull the hand.
    target: [f32; 3],
    goal: [f32; 3],
    initial_distance: f64,
}

impl Reach {
    fn distance_to_goal(&self, world: &World) -> f64 {
        let hand = self.hand.position(world);
        (0..3)
            .map(|i| f64::from(hand[i] - self.goal[i]))
            .map(|d| d * d)
            .sum::<f64>()
            .sqrt()
    }
}

impl Domain for Reach {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(SUBSTEP);
        // Nothing is grasped and nothing collides: one solver iteration is exact.
        world.0.integration_parameters.num_solver_iterations = 1;
        let ([x, y, z], centre) = TABLE;
        let table = ColliderBuilder::new(SharedShape::cuboid(x, y, z)).translation(centre.into());
        world.0.insert(RigidBodyBuilder::fixed(), table);
        let refused = EnvError::Build {
            task: task.id,
            what: "a joint of the hand",
        };
        let hand = Gantry::build(&mut world, HAND_START).ok_or(refused)?;
        Ok((
            world,
            Self {
                hand,
                target: HAND_START,
                goal: GOAL_LOW,
                initial_distance: 0.0,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        self.goal = std::array::from_fn(|i| random.uniform(GOAL_LOW[i], GOAL_HIGH[i]));
        self.target = HAND_START.map(|p| p + random.uniform(-START_NOISE, START_NOISE));
        self.hand.place(world, self.target, MAX_OPENING);
        self.hand.aim(world, self.target);
        self.initial_distance = self.distance_to_goal(world);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        for (i, a) in action.iter().take(3).enumerate() {
            self.target[i] = (self.target[i] + ACTION_SCALE * a).clamp(HAND_LOW[i], HAND_HIGH[i]);
        }
        self.hand.aim(world, self.target);
        self.hand.grip(world, action[3]);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        obs[0..3].copy_from_slice(&self.hand.position(world));
        obs[3..6].copy_from_slice(&self.hand.velocity(world));
        obs[6] = self.hand.opening(world);
        obs[7..10].copy_from_slice(&self.goal);
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        scene.push(Geom::mark(self.goal, SUCCESS_RADIUS as f32));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let distance = self.distance_to_goal(world);
        let near = tolerance(
            distance,
            (0.0, SUCCESS_RADIUS),
            self.initial_distance,
            LongTail,
        );
        Judgement {
            reward: (MAX_REWARD * near) as f32,
            success: distance <= SUCCESS_RADIUS,
            terminated: false,
        }
    }
}
