//! MuJoCo's soft joint limits, solved by rapier.
//!
//! In MuJoCo a limit that is violated by r > 0 and opens with speed v is pulled towards a reference
//! acceleration: a = (1 - d) a0 + d aref with aref = k d r - b v, where a0 is the acceleration
//! without it, d(r) its impedance (`solimp`), and k and b come from `solref` (MuJoCo's documentation,
//! "Computation", section "Constraint model"); it may only push. rapier's own soft limit is a spring,
//! which yields to forces as it does to speed: a motor that presses a joint into its limit bends it
//! twenty times as far as in MuJoCo, and a stiffer spring is rigid to blows. Of Walker2d's hinges,
//! under random torques from the reset pose, the best spring leaves one wrong by 0.36 rad after
//! 0.2 s; this leaves 0.07, where MuJoCo's own Euler at the same timestep is wrong by 0.15.
//!
//! Here a limit is rapier's joint motor, a velocity constraint, with a target velocity and with a
//! compliance of (1 - d) / d, which together are MuJoCo's equation. It wants one solver iteration per
//! rapier step. (Contacts in the same manner, by way of rapier's contact hooks, did not follow MuJoCo
//! better than rapier's springs: friction came out wrong.)

use nalgebra::DVector;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// MuJoCo's `solref` and `solimp`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Impedance {
    /// Time constant (s) and damping ratio.
    pub solref: (f32, f32),
    /// Impedance at the surface, in the depth, and the depth (m or rad) from which it is that.
    pub solimp: (f32, f32, f32),
}

/// MuJoCo's defaults.
pub(crate) const IMPEDANCE: Impedance = Impedance {
    solref: (0.02, 1.0),
    solimp: (0.9, 0.95, 0.001),
};

impl Impedance {
    /// d at this depth.
    fn at(&self, depth: f32) -> f32 {
        let (low, high, width) = self.solimp;
        let x = (depth / width).min(1.0);
        let rise = if x < 0.5 {
            2.0 * x * x
        } else {
            1.0 - 2.0 * (1.0 - x) * (1.0 - x)
        };
        (low + rise * (high - low)).clamp(1e-4, 0.9999)
    }

    /// How the constraint answers within a time step, alone: what becomes of a gap (negative: a
    /// violation) that opens with this speed and would be accelerated so much without it. Nothing,
    /// if it stays open. MuJoCo's equation is solved exactly, from the moment at which the gap is
    /// closed, so that time steps as long as MuJoCo's, or longer, follow its limit of short ones.
    fn answer(&self, gap: f32, speed: f32, free: f32, dt: f32) -> Option<Answer> {
        let until = if gap > 0.0 {
            -gap / (speed + 0.5 * dt * free).min(-1e-9)
        } else {
            0.0
        };
        let left = dt - until;
        if left <= 0.0 {
            return None;
        }
        let start = gap.min(0.0);
        let closing = speed + until * free;
        let d = self.at(-(start + 0.5 * closing * left));
        let ((time, ratio), high) = (self.solref, self.solimp.1);
        // x'' = -2 b x' - k x
        let b = d / (high * time);
        let k = d * d / (high * high * time * time * ratio * ratio);
        let under = b * b - k;
        let w = under.abs().sqrt();
        let (c, s) = if w * left < 1e-3 {
            (1.0, left)
        } else if under > 0.0 {
            (libm::coshf(w * left), libm::sinhf(w * left) / w)
        } else {
            (libm::cosf(w * left), libm::sinf(w * left) / w)
        };
        let after = libm::expf(-b * left) * (closing * c - (b * closing + k * start) * s);
        Some(Answer {
            speed: after + (1.0 - d) * left * free,
            share: d * left / dt,
        })
    }
}

struct Answer {
    /// Of the gap, after the time step.
    speed: f32,
    /// How much of the time step's free motion the constraint takes away.
    share: f32,
}

impl Answer {
    /// The target of a velocity constraint that takes away this share of the free speed.
    fn target(&self, free: f32) -> f32 {
        (self.speed - (1.0 - self.share) * free) / self.share
    }
}

/// What in a world yields in MuJoCo's way.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Compliance {
    robot: Option<MultibodyJointHandle>,
    joints: Vec<SoftJoint>,
    /// What changed since the last step: generalised forces, then the accelerations that they cause.
    kick: DVector<f32>,
}

impl Compliance {
    /// Sets the robot's degrees of freedom.
    pub fn add(&mut self, robot: MultibodyJointHandle, joints: Vec<SoftJoint>) {
        (self.robot, self.joints) = (Some(robot), joints);
    }

    /// Lets joint limits act in the coming step.
    pub fn push(&mut self, joints: &mut MultibodyJointSet, dt: f32) {
        let Some((robot, _)) = self.robot.and_then(|r| joints.get_mut(r)) else {
            return;
        };
        let n = robot.ndofs();
        if self.kick.len() != n {
            self.kick = DVector::zeros(n);
        }
        self.kick.fill(0.0);
        let mut kicked = false;
        for joint in &mut self.joints {
            let change = joint.change_of_force(robot);
            self.kick[joint.velocity] = change;
            kicked |= change != 0.0;
        }
        if kicked {
            let mass = robot.inv_augmented_mass();
            // rapier has no mass matrix before its first step.
            if mass.lu_internal().nrows() != n || !mass.solve_mut(&mut self.kick) {
                self.kick.fill(0.0);
            }
        }
        for joint in &mut self.joints {
            joint.push(robot, self.kick[joint.velocity], dt);
        }
    }

    /// The robot was put elsewhere, not moved.
    pub fn forget(&mut self) {
        for joint in &mut self.joints {
            (joint.speed, joint.last) = (None, None);
        }
    }

    #[cfg(test)]
    pub fn range(&self, velocity: usize) -> Option<[f32; 2]> {
        let joint = self.joints.iter().find(|j| j.velocity == velocity)?;
        joint.limit.map(|(range, _)| range)
    }

    #[cfg(test)]
    pub fn free(&mut self) {
        self.joints.iter_mut().for_each(|j| j.limit = None);
    }
}

/// A degree of freedom of a robot.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct SoftJoint {
    link: usize,
    /// 0-2 along, 3-5 about x, y, z of the joint's frame.
    axis: usize,
    /// Index of its velocity.
    velocity: usize,
    limit: Option<([f32; 2], Impedance)>,
    /// Of its motor, in the last step.
    force: f32,
    /// Before the last step; nothing after a leap of the robot.
    speed: Option<f32>,
    /// Of the limit in the last step, if it acted: target velocity and share.
    last: Option<(f32, f32)>,
}

impl SoftJoint {
    pub fn new(
        link: usize,
        axis: usize,
        velocity: usize,
        limit: Option<([f32; 2], Impedance)>,
    ) -> Self {
        Self {
            link,
            axis,
            velocity,
            limit,
            force: 0.0,
            speed: None,
            last: None,
        }
    }

    fn change_of_force(&mut self, robot: &Multibody) -> f32 {
        let spring = robot.link(self.link).map(|l| l.joint.spring(self.axis));
        let force = spring.map_or(0.0, |(stiffness, rest)| stiffness * rest);
        force - std::mem::replace(&mut self.force, force)
    }

    /// Pushes the joint back through rapier's motor where it leaves its range.
    fn push(&mut self, robot: &mut Multibody, kick: f32, dt: f32) {
        let Some(([low, high], impedance)) = self.limit else {
            return;
        };
        let speed = robot.generalized_velocity()[self.velocity];
        let free = robot.generalized_acceleration()[self.velocity] + kick;
        let Some(link) = robot.link_mut(self.link) else {
            return;
        };
        let at = link.joint.coords()[self.axis];
        // Inwards is positive.
        let (gap, sign) = if at - low < high - at {
            (at - low, 1.0)
        } else {
            (high - at, -1.0)
        };
        let joint = &mut link.joint.data;
        let axis = JointAxesMask::from_bits_truncate(1 << self.axis);
        joint.motor_axes.remove(axis);
        let before = self.speed.replace(speed);
        let last = self.last.take();
        let (now, free) = (sign * speed, sign * free);
        if let Some(answer) = impedance.answer(gap, now, free, dt) {
            let target = answer.target(now + dt * free);
            // A limit pushes, never pulls. What the last step did tells how all constraints
            // together move the joint: where it stays behind the limit's target, the limit pushed.
            let change = dt * sign * kick;
            let pushes = match (last, before) {
                (Some((target, share)), _) => {
                    let pushed = (sign * target - now) * share / (1.0 - share);
                    pushed > change
                }
                (None, Some(before)) => 2.0 * now - sign * before + change < target,
                (None, None) => now + dt * free < target,
            };
            if pushes {
                let motor = &mut joint.motors[self.axis];
                motor.model = MotorModel::AccelerationBased;
                motor.stiffness = 0.0;
                motor.damping = answer.share / (1.0 - answer.share) / dt;
                motor.target_vel = sign * target;
                motor.max_force = f32::MAX;
                joint.motor_axes.insert(axis);
                self.last = Some((motor.target_vel, answer.share));
            }
        }
    }
}
