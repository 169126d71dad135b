//! `jump`: the quadruped of DeepMind's Control Suite leaps over a hurdle and lands where it is told.
//!
//! A command gives the landing place and the yaw there, in the frame of the start; a hurdle stands
//! across the way, halfway. A jump is done when nothing of the robot touches anything as its torso
//! passes the hurdle's plane; who has jumped succeeds by standing for half a second at the landing
//! place, all feet behind the hurdle. Any number of hops may lead there, and steps may correct it.
//! Whether the jump has been done is not observed.
//!
//! The curriculum first stretches distance, offset and turn (up to difficulty 0.5), then raises the
//! hurdle. Body, servos and senses are those of `quadruped-walk`, and so are its deviations.
//!
//! The ranges are what the robot can do: a script without feedback leaps over 15 cm, the highest
//! hurdle, and stands at 1.6 and 1.7 m (`jump/tests.rs`), its torso up to 0.96 m high and 3.5 m/s
//! fast. That steps after the landing can make up for offset and turn is our assumption.

use crate::dm_control::quadruped::body::{self, ACTIONS, POSITIONS, Quadruped, TOE_RADIUS};
use crate::dm_control::quadruped::{FRAME_SKIP, PERIOD, SUBSTEP};
use crate::episode::{Domain, Episode, Judgement, Random};
use crate::reward::{
    Sigmoid::{Linear, LongTail},
    tolerance,
};
use crate::world::World;
use crate::{EnvError, Field, Geom, Spec, Task};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::f32::consts::PI;

// The command, at full difficulty: m, m, rad, m.
const AHEAD: [f32; 2] = [1.5, 1.7];
const LEFT: [f32; 2] = [-0.3, 0.3];
const TURN: [f32; 2] = [-0.4, 0.4];
const HEIGHT: [f32; 2] = [0.05, 0.15];
/// The distance at difficulty 0, where there is neither hurdle nor offset nor turn.
const NEAREST: f32 = 0.3;
/// Half thickness and half width of the hurdle.
const HURDLE: [f32; 2] = [0.025, 2.0];

// Success.
const LANDING_RADIUS: f32 = 0.25;
const LANDING_TURN: f32 = 0.3;
/// Cosine of the largest tilt.
const UPRIGHT: f32 = 0.9;
/// rapier steps at the landing place: 0.5 s.
const HOLD: u32 = 100;

/// Where the robot stands at rest: height of the torso; yaw, pitch, knee and ankle of each leg.
const STANDING: (f32, [f32; 4]) = (0.467, [0.0, -0.126, 0.063, 0.063]);
const RESET_NOISE: f32 = 0.01;
/// The toes of a good jump pass this high above the hurdle, m.
const CLEARANCE: f32 = 0.05;

const ROBOT_FIELDS: usize = body::FIELDS.len();
const FIELDS: [Field; ROBOT_FIELDS + 7] = {
    let mut fields = [Field::new("obstacle_height", "m", 0.0, HEIGHT[1]); ROBOT_FIELDS + 7];
    let mut i = 0;
    while i < ROBOT_FIELDS {
        fields[i] = body::FIELDS[i];
        i += 1;
    }
    fields[i] = Field::unbounded("landing_ahead", "m");
    fields[i + 1] = Field::unbounded("landing_left", "m");
    fields[i + 2] = Field::new("landing_turn", "rad", -PI, PI);
    fields[i + 3] = Field::unbounded("obstacle_ahead", "m");
    fields[i + 4] = Field::new("heading", "rad", -PI, PI);
    fields[i + 5] = Field::unbounded("torso_z", "m");
    fields
};

pub(crate) const TASK: Task = Task {
    id: "jump",
    family: "quadruped",
    tags: &["dense-reward", "goal", "curriculum"],
    version: 1,
    reward: "(1 + cosine of tilt) / 2, times: until the jump a quarter each for nearing the \
             landing place and for toes above the hurdle; then 1/2, plus 1/2 for being there and facing as told",
    success: "after a jump, 0.5 s within 0.25 m and 0.3 rad of the commanded landing, upright; a \
              jump: nothing of the robot touches anything as its torso passes the hurdle's plane",
    spec: Spec {
        fields: &FIELDS,
        actions: ACTIONS,
        control_period: PERIOD as f64,
        horizon: 200,
        reward_bounds: Some((0.0, 1.0)),
    },
    expert: None,
    make: Episode::<Jump>::make,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Jump {
    quadruped: Quadruped,
    hurdle: ColliderHandle,
    difficulty: f32,
    command: Command,
    /// The torso's place along the way one rapier step ago.
    x_before: f32,
    jumped: bool,
    /// rapier steps since the robot is where it should be, after a jump.
    held: u32,
}

/// What to do, in the frame of the start.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Command {
    /// m.
    ahead: f32,
    left: f32,
    /// rad.
    turn: f32,
    /// m.
    height: f32,
}

impl Command {
    /// The hurdle stands halfway.
    fn plane(&self) -> f32 {
        0.5 * self.ahead
    }
}

impl Jump {
    /// Yaw of the torso's forward axis, rad.
    fn heading(&self, world: &World) -> f32 {
        let forward = self.quadruped.pose(world).1 * Vector::X;
        libm::atan2f(forward.y, forward.x)
    }

    /// From the torso to the landing place in the world (m), and the turn that is missing (rad).
    fn missing(&self, world: &World) -> ([f32; 2], f32) {
        let at = self.quadruped.pose(world).0;
        let turn = self.command.turn - self.heading(world);
        let turn = libm::atan2f(libm::sinf(turn), libm::cosf(turn));
        ([self.command.ahead - at.x, self.command.left - at.y], turn)
    }

    /// Whether all of the robot's feet are behind the hurdle.
    fn is_beyond(&self, world: &World) -> bool {
        let toes = self.quadruped.toes(world);
        toes.iter()
            .all(|toe| toe.x > self.command.plane() + HURDLE[0])
    }

    fn is_landed(&self, world: &World) -> bool {
        let ([x, y], turn) = self.missing(world);
        libm::hypotf(x, y) <= LANDING_RADIUS
            && turn.abs() <= LANDING_TURN
            && self.quadruped.upright(world) >= UPRIGHT
            && (self.command.height == 0.0 || self.is_beyond(world))
    }

    /// Stands the robot at the start, each hinge off by what `noise` makes of its largest.
    fn stand(&mut self, world: &mut World, mut noise: impl FnMut(f32) -> f32) {
        let mut positions = [0.0; POSITIONS];
        (positions[2], positions[3]) = (STANDING.0, 1.0);
        for (i, q) in positions[7..].iter_mut().enumerate() {
            *q = STANDING.1[i % 4] + noise(RESET_NOISE);
        }
        self.quadruped.place(world, &positions);
    }

    fn set_command(&mut self, world: &mut World, command: Command) {
        self.command = command;
        if let Some(hurdle) = world.0.colliders.get_mut(self.hurdle) {
            // All of it stays a finger's breadth below the floor where there is none.
            let top = if command.height > 0.0 {
                command.height
            } else {
                -0.05
            };
            let centre = Vector::new(command.plane(), 0.0, top - 0.5 * HEIGHT[1]);
            hurdle.set_translation(centre);
        }
    }
}

impl Domain for Jump {
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build(task: &Task) -> Result<(World, Self), EnvError> {
        let (mut world, quadruped) = Quadruped::build(task.id, SUBSTEP)?;
        let hurdle = ColliderBuilder::cuboid(HURDLE[0], HURDLE[1], 0.5 * HEIGHT[1]).friction(1.0);
        let (_, hurdle) = world.0.insert(RigidBodyBuilder::fixed(), hurdle);
        let jump = Self {
            quadruped,
            hurdle,
            difficulty: 1.0,
            command: Command::default(),
            x_before: 0.0,
            jumped: false,
            held: 0,
        };
        Ok((world, jump))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let [ahead, left, turn, height] =
            [AHEAD, LEFT, TURN, HEIGHT].map(|[low, high]| random.uniform(low, high));
        // First farther, then higher: a hurdle nearer than at full distance would be in the stance.
        let far = (2.0 * self.difficulty).min(1.0);
        let command = Command {
            ahead: NEAREST + far * (ahead - NEAREST),
            left: far * left,
            turn: far * turn,
            height: (2.0 * self.difficulty - 1.0).max(0.0) * height,
        };
        self.set_command(world, command);
        self.stand(world, |most| random.uniform(-most, most));
    }

    fn act(&mut self, _world: &mut World, action: &[f32]) {
        self.quadruped.act(action);
    }

    fn substep(&mut self, world: &mut World) {
        let at = self.quadruped.pose(world).0;
        let plane = self.command.plane();
        let passes = (self.x_before < plane) != (at.x < plane) && at.y.abs() < HURDLE[1];
        self.jumped |= passes && self.quadruped.robot.contacts(world).next().is_none();
        self.x_before = at.x;
        let there = self.jumped && self.is_landed(world);
        self.held = if there { self.held + 1 } else { 0 };
        self.quadruped.substep(world);
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (robot, task) = obs.split_at_mut(ROBOT_FIELDS);
        self.quadruped.observe(world, robot);
        let ([x, y], turn) = self.missing(world);
        let heading = self.heading(world);
        let (sin, cos) = (libm::sinf(heading), libm::cosf(heading));
        let at = self.quadruped.pose(world).0;
        task.copy_from_slice(&[
            cos * x + sin * y,
            cos * y - sin * x,
            turn,
            self.command.plane() - at.x,
            heading,
            at.z,
            self.command.height,
        ]);
    }

    fn judge(&self, world: &World, _action: &[f32]) -> Judgement {
        let ([x, y], turn) = self.missing(world);
        let distance = f64::from(libm::hypotf(x, y));
        let upright = 0.5 * (1.0 + f64::from(self.quadruped.upright(world)));
        let worth = if self.jumped {
            let there = (0.0, 0.5 * f64::from(LANDING_RADIUS));
            let landing = tolerance(distance, there, f64::from(LANDING_RADIUS), LongTail);
            let straight = (0.0, 0.5 * f64::from(LANDING_TURN));
            let facing = tolerance(turn.abs().into(), straight, LANDING_TURN.into(), LongTail);
            0.5 + 0.5 * landing * facing
        } else {
            let approach = tolerance(distance, (0.0, 0.0), self.command.ahead.into(), Linear);
            let toes = self.quadruped.toes(world);
            let lowest = toes.map(|t| t.z).into_iter().fold(f32::INFINITY, f32::min) - TOE_RADIUS;
            let high = f64::from(self.command.height + CLEARANCE);
            let flight = tolerance(lowest.into(), (high, f64::INFINITY), high, Linear);
            0.25 * approach + 0.25 * flight
        };
        Judgement {
            reward: (upright * worth).clamp(0.0, 1.0) as f32,
            success: self.held >= HOLD,
            terminated: false,
        }
    }

    fn difficulty(&self) -> Option<f32> {
        Some(self.difficulty)
    }

    fn set_difficulty(&mut self, difficulty: f32) {
        self.difficulty = difficulty;
    }

    fn mark(&self, scene: &mut Vec<Geom>) {
        scene.push(Geom::mark(
            [self.command.ahead, self.command.left, 0.0],
            0.05,
        ));
    }
}

#[cfg(test)]
mod tests;
