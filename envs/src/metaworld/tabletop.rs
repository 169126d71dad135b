//! What every task of the family shares: table, hand, action, observation, episode.

use super::hand::{Hand, TIP};
use crate::episode::{Domain, Judgement, Random};
use crate::world::World;
use crate::{EnvError, Field, Geom, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::array::from_fn;

// Time: Meta-World's 2.5 ms and frame skip 5, 80 Hz.
const SUBSTEP: f32 = 0.0025;
const FRAME_SKIP: usize = 5;
pub(super) const PERIOD: f64 = SUBSTEP as f64 * FRAME_SKIP as f64;

/// How far the target moves per step under a full action, m.
const ACTION_SCALE: f32 = 0.01;
/// Where the hand's target may be at most, m.
const HAND_HIGH: [f32; 3] = [0.5, 1.0, 0.5];
/// Meta-World's bounds of the hand as it is observed, m: what lies beyond is clipped.
const SEEN_LOW: [f32; 3] = [-0.525, 0.348, -0.0525];
const SEEN_HIGH: [f32; 3] = [0.525, 1.025, 0.7];
/// Half sizes and centres, m: the table, whose top is at z = 0, and the walls around it.
const TABLE: &[([f32; 3], [f32; 3])] = &[
    ([0.7, 0.4, 0.1], [0.0, 0.6, -0.1]),
    ([0.7, 0.01, 0.06], [0.0, 0.21, 0.06]),
    ([0.7, 0.01, 0.06], [0.0, 0.99, 0.06]),
    ([0.01, 0.38, 0.06], [-0.69, 0.6, 0.06]),
    ([0.01, 0.38, 0.06], [0.69, 0.6, 0.06]),
];
/// Where what falls off the table stays, m.
const FLOOR: f32 = -0.913;

pub(super) const ACTIONS: &[&str] = &["target_dx", "target_dy", "target_dz", "grip"];

pub(crate) use crate::prop::Pose7;

/// What a task's file writes: the things on the table, how an episode arranges them and what is
/// rewarded. The value is what it remembers of the episode.
pub(crate) trait Scene: Clone + Send + Serialize + DeserializeOwned + 'static {
    /// Solver iterations in a rapier step: 1 where nothing is held, 4 where friction must hold.
    const ITERATIONS: usize = 1;
    /// Natural frequency of contacts between things that move, Hz: firmer where the hand, with all its
    /// force, presses a light thing against the end of its joint.
    const CONTACT: f32 = 30.0;
    /// Where the hand starts, m.
    const HAND: [f32; 3] = [0.0, 0.6, 0.2];
    /// Where its target may be at least, m.
    const HAND_LOW: [f32; 3] = [-0.5, 0.4, 0.05];
    /// Half sizes and centres of what the things stand on, m.
    const TABLE: &'static [([f32; 3], [f32; 3])] = TABLE;
    /// The draw of an episode, number by number from low to high.
    const DRAW: &'static [[f32; 2]];

    /// Adds the things to the world; `None` if rapier refuses one.
    fn build(world: &mut World) -> Option<Self>;
    /// Whether a draw may stand, or another is taken.
    fn allows(_draw: &[f32]) -> bool {
        true
    }
    /// Arranges the things and the goal for an episode, as `draw` has it. Its world is as built.
    fn arrange(&mut self, world: &mut World, draw: &[f32]);
    /// The objects that are observed, both zero where there are none.
    fn objects(&self, world: &World) -> [Pose7; 2];
    /// The goal, m.
    fn goal(&self) -> [f32; 3];
    /// Reward, from 0 to 10, and success.
    fn judge(&self, seen: &Seen) -> (f64, bool);
}

/// What a reward sees: Meta-World's, and only that, so that its own records can be judged.
pub(crate) struct Seen {
    /// The hand's position, m.
    pub hand: [f64; 3],
    /// The middle between the tips of the fingers, m; below the hand's middle, whatever the fingers do.
    pub tcp: [f64; 3],
    /// How far the fingers are apart: 1 fully.
    pub opening: f64,
    /// Where the right and the left pad are along y, m.
    pub pads: [f64; 2],
    /// Positions and quaternions of the objects, as observed.
    pub objects: [[f64; 7]; 2],
    /// Within [-1, 1].
    pub action: [f64; 4],
}

impl Seen {
    /// Of the first object, m.
    pub fn object(&self) -> [f64; 3] {
        from_fn(|i| self.objects[0][i])
    }
}

/// Hand and objects as the observation has them: hand, opening, objects.
const FRAME: usize = 18;
pub(super) const OBSERVATION: usize = 2 * FRAME + 3;

/// An element of an observation.
#[derive(Clone, Copy)]
pub(super) enum Slot {
    /// It varies; no bounds.
    Free,
    /// It varies between these.
    Within(f32, f32),
    /// It is always this.
    Fixed(f32),
}
use Slot::{Fixed, Free, Within};

/// Of an object whose orientation is not observed.
pub(super) const NO_ROTATION: [Slot; 4] = [Fixed(0.0); 4];
/// Of a second object where there is one only.
pub(super) const NOTHING: [Slot; 7] = [Fixed(0.0); 7];

/// An object of these elements of position and quaternion.
pub(super) const fn object(position: [Slot; 3], rotation: [Slot; 4]) -> [Slot; 7] {
    let ([x, y, z], [a, b, c, d]) = (position, rotation);
    [x, y, z, a, b, c, d]
}

/// Meta-World's 39 numbers: hand, opening and objects now, the same a step earlier, the goal.
pub(super) const fn fields(objects: [[Slot; 7]; 2], goal: [Slot; 3]) -> [Field; OBSERVATION] {
    const NAMES: [&str; OBSERVATION] = [
        "hand_x",
        "hand_y",
        "hand_z",
        "finger_opening",
        "object_x",
        "object_y",
        "object_z",
        "object_qa",
        "object_qb",
        "object_qc",
        "object_qd",
        "object2_x",
        "object2_y",
        "object2_z",
        "object2_qa",
        "object2_qb",
        "object2_qc",
        "object2_qd",
        "previous_hand_x",
        "previous_hand_y",
        "previous_hand_z",
        "previous_finger_opening",
        "previous_object_x",
        "previous_object_y",
        "previous_object_z",
        "previous_object_qa",
        "previous_object_qb",
        "previous_object_qc",
        "previous_object_qd",
        "previous_object2_x",
        "previous_object2_y",
        "previous_object2_z",
        "previous_object2_qa",
        "previous_object2_qb",
        "previous_object2_qc",
        "previous_object2_qd",
        "goal_x",
        "goal_y",
        "goal_z",
    ];
    const HAND: [Slot; 4] = [
        Within(SEEN_LOW[0], SEEN_HIGH[0]),
        Within(SEEN_LOW[1], SEEN_HIGH[1]),
        Within(SEEN_LOW[2], SEEN_HIGH[2]),
        Within(0.0, 1.0),
    ];
    let mut fields = [Field::unbounded("", ""); OBSERVATION];
    let mut i = 0;
    while i < OBSERVATION {
        let at = i % FRAME;
        let slot = if i >= 2 * FRAME {
            goal[i - 2 * FRAME]
        } else if at < 4 {
            HAND[at]
        } else {
            objects[(at - 4) / 7][(at - 4) % 7]
        };
        let length = i >= 2 * FRAME || at < 3 || (at > 3 && (at - 4) % 7 < 3);
        let unit = if length { "m" } else { "1" };
        fields[i] = match slot {
            Free => Field::unbounded(NAMES[i], unit),
            Within(low, high) => Field::new(NAMES[i], unit, low, high),
            Fixed(value) => Field::constant(NAMES[i], unit, value),
        };
        i += 1;
    }
    fields
}

/// The domain of a [`Scene`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tabletop<S> {
    hand: Hand,
    /// Where the arm's motors pull the hand.
    target: [f32; 3],
    previous: [f32; FRAME],
    scene: S,
}

impl<S: Scene> Tabletop<S> {
    #[cfg(test)]
    pub(super) fn scene(&self) -> &S {
        &self.scene
    }

    fn frame(&self, world: &World) -> [f32; FRAME] {
        let mut frame = [0.0; FRAME];
        let hand = self.hand.position(world);
        for i in 0..3 {
            frame[i] = hand[i].clamp(SEEN_LOW[i], SEEN_HIGH[i]);
        }
        frame[3] = self.hand.opening(world);
        frame[4..].copy_from_slice(self.scene.objects(world).as_flattened());
        frame
    }

    fn seen(&self, world: &World, action: &[f32]) -> Seen {
        let hand = self.hand.position(world).map(f64::from);
        Seen {
            hand,
            tcp: [hand[0], hand[1], hand[2] - f64::from(TIP)],
            opening: f64::from(self.hand.opening(world)),
            pads: self.hand.pads(world).map(f64::from),
            objects: self.scene.objects(world).map(|o| o.map(f64::from)),
            action: from_fn(|i| f64::from(action[i])),
        }
    }
}

impl<S: Scene> Domain for Tabletop<S> {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(SUBSTEP);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = S::ITERATIONS;
        p.friction_in_bias_pass = S::ITERATIONS > 1;
        p.contact_softness.natural_frequency = S::CONTACT;
        let mut fix = |solid: ColliderBuilder, at: [f32; 3]| {
            let solid = solid
                .translation(at.into())
                .friction(1.0)
                .friction_combine_rule(CoefficientCombineRule::Max);
            world.0.insert(RigidBodyBuilder::fixed(), solid);
        };
        for &([x, y, z], centre) in S::TABLE {
            fix(ColliderBuilder::cuboid(x, y, z), centre);
        }
        let floor = SharedShape::halfspace(Vector::Z);
        fix(ColliderBuilder::new(floor), [0.0, 0.0, FLOOR]);
        let refused = |what| EnvError::Build {
            task: task.id,
            what,
        };
        let hand = Hand::build(&mut world, S::HAND).ok_or(refused("a joint of the hand"))?;
        let scene = S::build(&mut world).ok_or(refused("a thing on the table"))?;
        Ok((
            world,
            Self {
                hand,
                target: S::HAND,
                previous: [0.0; FRAME],
                scene,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut draw: Vec<f32>;
        loop {
            draw = S::DRAW
                .iter()
                .map(|&[low, high]| random.uniform(low, high))
                .collect();
            if S::allows(&draw) {
                break;
            }
        }
        self.scene.arrange(world, &draw);
        self.previous = self.frame(world);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.previous = self.frame(world);
        for (i, a) in action.iter().take(3).enumerate() {
            self.target[i] =
                (self.target[i] + ACTION_SCALE * a).clamp(S::HAND_LOW[i], HAND_HIGH[i]);
        }
        self.hand.aim(world, self.target);
        self.hand.grip(world, action[3]);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        obs[..FRAME].copy_from_slice(&self.frame(world));
        obs[FRAME..2 * FRAME].copy_from_slice(&self.previous);
        obs[2 * FRAME..].copy_from_slice(&self.scene.goal());
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let (reward, success) = self.scene.judge(&self.seen(world, action));
        Judgement {
            reward: reward as f32,
            success,
            terminated: false,
        }
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        scene.push(Geom::mark(self.scene.goal(), 0.02));
    }
}
