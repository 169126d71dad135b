//! Tasks of an arm on a table after robosuite (Zhu et al. 2020, "robosuite: A Modular Simulation
//! Framework and Benchmark for Robot Learning", arXiv:2009.12293; ARISE-Initiative/robosuite 1.5.2), as
//! robomimic (Mandlekar et al. 2021, arXiv:2108.03298) has them: `lift`, `can` and `square`.
//!
//! The [`arm`] is robosuite's Panda with the figures of its MJCF, its [`control`] `OSC_POSE` at 20 Hz
//! over a simulation at 500 Hz; `tests` holds both to a record of robosuite's: in two seconds of random
//! actions no joint is ever off by more than 0.03 rad, nor the hand by 4 mm. Rewards are the shaped ones
//! with a scale of 10. The observation is that of robomimic's `low_dim` with the arm's joints.
//! Deviations: quaternions have one sign, that of the hand and of the object as it sees it a positive x
//! (the hand points down, which is half a turn), that of the object a positive w; the object is seen
//! from the hand in every task; the arm's pedestal is left out. Each file names its own.

mod arm;
pub(crate) mod can;
mod control;
pub(crate) mod lift;
pub(crate) mod square;
#[cfg(test)]
mod tests;

use crate::episode::{Domain, Episode, Judgement, Random};
use crate::prop::{self, Thing};
use crate::world::World;
use crate::{EnvError, Expert, Field, Geom, Spec, Task};
use arm::{Arm, NOMINAL};
use control::{Control, REACH};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::array::from_fn;

/// A task of the family, of the first version: its id, its reward and success in words, and who can
/// do it.
const fn task<S: Scene>(
    id: &'static str,
    reward: &'static str,
    success: &'static str,
    expert: Expert,
) -> Task {
    Task {
        id,
        family: "robosuite",
        tags: &["dense-reward", "goal"],
        version: 1,
        reward,
        success,
        spec: Spec {
            fields: FIELDS,
            actions: ACTIONS,
            control_period: PERIOD,
            horizon: 500,
            reward_bounds: Some((0.0, REWARD_SCALE as f32)),
        },
        expert: Some(expert),
        make: Episode::<Workcell<S>>::make,
    }
}

const REWARD_SCALE: f64 = 10.0;

// Time: 500 Hz of simulation, 20 Hz of control; s.
const SUBSTEP: f32 = 0.002;
const FRAME_SKIP: usize = 25;
const PERIOD: f64 = SUBSTEP as f64 * FRAME_SKIP as f64;
/// Of the arm's joints at the start, rad.
const START_DEVIATION: f32 = 0.02;

const ACTIONS: &[&str] = &["dx", "dy", "dz", "turn_x", "turn_y", "turn_z", "grip"];

const FIELDS: &[Field] = &[
    Field::unbounded("hand_x", "m"),
    Field::unbounded("hand_y", "m"),
    Field::unbounded("hand_z", "m"),
    Field::unbounded("hand_qx", "1"),
    Field::unbounded("hand_qy", "1"),
    Field::unbounded("hand_qz", "1"),
    Field::unbounded("hand_qw", "1"),
    Field::unbounded("finger_right", "m"),
    Field::unbounded("finger_left", "m"),
    Field::unbounded("object_x", "m"),
    Field::unbounded("object_y", "m"),
    Field::unbounded("object_z", "m"),
    Field::unbounded("object_qx", "1"),
    Field::unbounded("object_qy", "1"),
    Field::unbounded("object_qz", "1"),
    Field::unbounded("object_qw", "1"),
    Field::unbounded("object_in_hand_x", "m"),
    Field::unbounded("object_in_hand_y", "m"),
    Field::unbounded("object_in_hand_z", "m"),
    Field::unbounded("object_in_hand_qx", "1"),
    Field::unbounded("object_in_hand_qy", "1"),
    Field::unbounded("object_in_hand_qz", "1"),
    Field::unbounded("object_in_hand_qw", "1"),
    Field::unbounded("joint1_angle", "rad"),
    Field::unbounded("joint2_angle", "rad"),
    Field::unbounded("joint3_angle", "rad"),
    Field::unbounded("joint4_angle", "rad"),
    Field::unbounded("joint5_angle", "rad"),
    Field::unbounded("joint6_angle", "rad"),
    Field::unbounded("joint7_angle", "rad"),
    Field::unbounded("joint1_rate", "rad/s"),
    Field::unbounded("joint2_rate", "rad/s"),
    Field::unbounded("joint3_rate", "rad/s"),
    Field::unbounded("joint4_rate", "rad/s"),
    Field::unbounded("joint5_rate", "rad/s"),
    Field::unbounded("joint6_rate", "rad/s"),
    Field::unbounded("joint7_rate", "rad/s"),
];

/// What a task's file writes: what stands around the arm, the object and what is rewarded.
pub(crate) trait Scene: Clone + Send + Serialize + DeserializeOwned + 'static {
    /// Where the arm stands, m.
    const BASE: [f32; 3];

    /// Adds table and object.
    fn build(world: &mut World) -> Self;
    /// Draws where the object starts, and what it is like.
    fn arrange(&mut self, world: &mut World, random: &mut Random);
    fn object(&self) -> RigidBodyHandle;
    /// Reward, from 0 to [`REWARD_SCALE`], and success.
    fn judge(&self, seen: &Seen) -> (f64, bool);
    /// Marks the goal in a drawing.
    fn mark(&self, _scene: &mut Vec<Geom>) {}
}

/// What a reward sees.
pub(crate) struct Seen {
    /// Of the hand's point between the pads.
    hand: Pose,
    object: Pose,
    /// Whether both pads press on the object.
    grasped: bool,
}

impl Seen {
    /// From 0 to 1: how near the hand is to a point of the object's frame.
    fn nearness(&self, point: [f32; 3]) -> f64 {
        let apart = self.hand.translation - self.object * Vector::from(point);
        1.0 - libm::tanh(10.0 * f64::from(apart.length()))
    }
}

/// The domain of a [`Scene`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Workcell<S> {
    arm: Arm,
    control: Control,
    scene: S,
}

impl<S: Scene> Workcell<S> {
    fn seen(&self, world: &World) -> Seen {
        let body = self.scene.object();
        Seen {
            hand: self.arm.end(world),
            object: *world.0.bodies[body].position(),
            grasped: self.arm.grasps(world, body),
        }
    }
}

/// Position and quaternion (x, y, z, w), the quaternion's element `positive` not negative.
fn numbers(pose: Pose, positive: usize) -> [f32; 7] {
    let [x, y, z] = pose.translation.into();
    let q: [f32; 4] = pose.rotation.to_array();
    let sign = if q[positive] < 0.0 { -1.0 } else { 1.0 };
    let [a, b, c, d] = q.map(|q| sign * q);
    [x, y, z, a, b, c, d]
}

impl<S: Scene> Domain for Workcell<S> {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let mut world = World::new(SUBSTEP);
        let p = &mut world.0.integration_parameters;
        // At 500 Hz a grasped cube creeps 0.08 mm in 10 s; with 4 iterations 0.17 mm, at half the speed.
        p.num_solver_iterations = 1;
        p.friction_in_bias_pass = true;
        let floor = SharedShape::halfspace(Vector::Z);
        fix(&mut world, ColliderBuilder::new(floor));
        let arm = Arm::build(&mut world, task.id, S::BASE)?;
        let scene = S::build(&mut world);
        let control = Control::new(&world, &arm);
        Ok((
            world,
            Self {
                arm,
                control,
                scene,
            },
        ))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let joints = NOMINAL.map(|q| q + START_DEVIATION * random.normal());
        self.arm.place(world, &joints);
        self.control = Control::new(world, &self.arm);
        self.scene.arrange(world, random);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.control.aim(world, &self.arm, action);
    }

    fn substep(&mut self, world: &mut World) {
        self.control.drive(world, &self.arm);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (hand, body) = (self.arm.end(world), self.scene.object());
        let object = *world.0.bodies[body].position();
        let [.., fingers, joints, rates] = View::PLACES;
        obs[..7].copy_from_slice(&numbers(hand, 0));
        obs[fingers..fingers + 2].copy_from_slice(&self.arm.fingers(world));
        obs[9..16].copy_from_slice(&numbers(object, 3));
        obs[16..23].copy_from_slice(&numbers(hand.inverse() * object, 0));
        obs[joints..joints + 7].copy_from_slice(&self.arm.joints(world));
        obs[rates..rates + 7].copy_from_slice(&self.arm.rates(world));
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let (reward, success) = self.scene.judge(&self.seen(world));
        Judgement {
            reward: reward as f32,
            success,
            terminated: false,
        }
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        self.scene.mark(scene);
    }
}

/// Adds a solid that does not move, with MuJoCo's default friction.
fn fix(world: &mut World, solid: ColliderBuilder) {
    let solid = solid
        .friction(1.0)
        .friction_combine_rule(CoefficientCombineRule::Max);
    world.0.insert(RigidBodyBuilder::fixed(), solid);
}

/// A box that does not move: its centre and half edges, m.
fn fix_box(world: &mut World, centre: [f32; 3], [x, y, z]: [f32; 3]) {
    fix(
        world,
        ColliderBuilder::cuboid(x, y, z).translation(centre.into()),
    );
}

/// Adds a free body of these solids.
fn add_object(
    world: &mut World,
    solids: impl IntoIterator<Item = ColliderBuilder>,
) -> RigidBodyHandle {
    let solids = solids.into_iter();
    let solids = solids.map(|s| s.friction_combine_rule(CoefficientCombineRule::Max));
    Thing::of(world, solids).0
}

/// Puts an object at rest at `position` (m), turned about z by `angle` (rad).
fn put(world: &mut World, object: RigidBodyHandle, position: [f32; 3], angle: f32) {
    let (s, c) = (libm::sinf(0.5 * angle), libm::cosf(0.5 * angle));
    let pose = Pose::from_parts(position.into(), Rotation::from_xyzw(0.0, 0.0, s, c));
    prop::put(world, object, pose);
}

/// What an expert reads of an observation.
struct View {
    hand: [f32; 3],
    /// How far the hand is turned about the vertical from its nominal direction, from
    /// -[`BRANCH`] to 2 pi - [`BRANCH`].
    hand_yaw: f32,
    /// How far the hand leans along x and y: a turn by the opposite sets it upright; rad.
    lean: [f32; 2],
    /// Distance of the fingers, m.
    opening: f32,
    object: [f32; 3],
    /// About the vertical, rad.
    object_yaw: f32,
}

/// The last joint ends at about -2.1 and 3.7 rad of the hand's yaw.
const BRANCH: f32 = 2.35;

impl View {
    /// Where fingers, joints and rates begin.
    const PLACES: [usize; 3] = [7, 23, 30];

    fn of(obs: &[f32]) -> Self {
        use std::f32::consts::PI;
        let at = |start: usize| -> [f32; 3] { from_fn(|i| obs[start + i]) };
        let turn = |start: usize| {
            Rotation::from_xyzw(obs[start], obs[start + 1], obs[start + 2], obs[start + 3])
        };
        let hand = turn(3);
        let (ahead, down) = (hand * Vector::X, hand * Vector::Z);
        let object = turn(12) * Vector::X;
        Self {
            hand: at(0),
            hand_yaw: wrap(libm::atan2f(ahead.y, ahead.x), PI - BRANCH),
            lean: [-down.y, down.x],
            opening: obs[7] - obs[8],
            object: at(9),
            object_yaw: libm::atan2f(object.y, object.x),
        }
    }

    /// Towards a place and a yaw, upright, with this grip and this share of the full speed.
    fn go(&self, action: &mut [f32], to: [f32; 3], yaw: f32, grip: f32, speed: f32) {
        const GAIN: f32 = 1.8;
        for i in 0..3 {
            action[i] = (GAIN / REACH[i] * (to[i] - self.hand[i])).clamp(-speed, speed);
        }
        let [x, y] = self.lean;
        for (i, off) in [x, y, yaw - self.hand_yaw].into_iter().enumerate() {
            action[3 + i] = (GAIN / REACH[3 + i] * off).clamp(-speed, speed);
        }
        action[6] = grip;
    }
}

/// The angle within half a turn of `middle`.
fn wrap(angle: f32, middle: f32) -> f32 {
    use std::f32::consts::TAU;
    angle - TAU * libm::roundf((angle - middle) / TAU)
}

/// The shaped reward of `can` and `square`, of 1: the most of what is earned by reaching, grasping,
/// lifting and hovering.
struct Stages {
    /// Of the hand to where it should grasp, see [`Seen::nearness`].
    nearness: f64,
    grasped: bool,
    /// m below the height to which the object should be lifted.
    below: f64,
    /// m from the target, across.
    away: f64,
    /// Over the target, where it may be let go.
    over: bool,
}

impl Stages {
    const REACH: f64 = 0.1;
    const GRASP: f64 = 0.35;
    const LIFT: f64 = 0.5;
    const HOVER: f64 = 0.7;

    fn reward(&self) -> f64 {
        let near = |scale: f64, distance: f64| 1.0 - libm::tanh(scale * distance);
        let reach = Self::REACH * self.nearness;
        let (mut grasp, mut lift) = (0.0, 0.0);
        if self.grasped {
            grasp = Self::GRASP;
            lift = grasp + near(15.0, self.below.max(0.0)) * (Self::LIFT - Self::GRASP);
        }
        let from = if self.over { Self::LIFT } else { lift };
        let hover = from + near(10.0, self.away) * (Self::HOVER - Self::LIFT);
        reach.max(grasp).max(lift).max(hover)
    }
}

/// Beyond this distance the hand has left an object, m: robosuite's 1 - tanh(10 d) < 0.6.
const LEFT_ALONE: f64 = 0.6;
