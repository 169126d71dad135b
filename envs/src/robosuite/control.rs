//! Operational-space control of the hand's pose, robosuite's `OSC_POSE` with its default figures.
//!
//! torque = Jᵀ (Λp f ⊕ Λr t) + Nᵀ M n, where f and t are accelerations towards the goal, n those
//! towards the arm's posture at the start, and N the nullspace of J (Khatib 1987), plus what
//! compensates gravity and the forces of Coriolis.

use super::arm::{Arm, FINGER_RANGE, INERTIAS, JOINTS, armature};
use crate::world::World;
use nalgebra::{Matrix3, SMatrix, SVector, Vector3};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// Full action: m and rad from where the hand is.
pub(super) const REACH: [f32; 6] = [0.05, 0.05, 0.05, 0.5, 0.5, 0.5];
/// 1/s², of position and orientation; damping is critical.
const STIFFNESS: f64 = 150.0;
/// 1/s², of the posture.
const POSTURE: f64 = 10.0;
/// How far the fingers' target moves per control step, of a range of 2.
const GRIP_SPEED: f32 = 0.2;

type Square = SMatrix<f64, JOINTS, JOINTS>;
type Jacobian = SMatrix<f64, 3, JOINTS>;

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Control {
    position: Vector,
    rotation: Rotation,
    posture: [f32; JOINTS],
    /// From -1, closed, to 1.
    grip: f32,
}

impl Control {
    /// Holds the arm where it is.
    pub fn new(world: &World, arm: &Arm) -> Self {
        let end = arm.end(world);
        Self {
            position: end.translation,
            rotation: end.rotation,
            posture: arm.joints(world),
            grip: 0.0,
        }
    }

    /// Sets the goal from where the hand is: an action of shift, turn (axis times angle, in the
    /// world) and grip, of which the sign counts: positive closes.
    pub fn aim(&mut self, world: &World, arm: &Arm, action: &[f32]) {
        let end = arm.end(world);
        let by = |i: usize| REACH[i] * action[i];
        self.position = end.translation + Vector::new(by(0), by(1), by(2));
        let turn = Vector::new(by(3), by(4), by(5));
        let angle = turn.length();
        let (s, c) = (libm::sinf(0.5 * angle), libm::cosf(0.5 * angle));
        let axis = turn.normalize_or_zero() * s;
        let turn = Rotation::from_xyzw(axis.x, axis.y, axis.z, c);
        self.rotation = (turn * end.rotation).normalize();
        let sign = if action[6] == 0.0 {
            0.0
        } else {
            action[6].signum()
        };
        self.grip = (self.grip - GRIP_SPEED * sign).clamp(-1.0, 1.0);
    }

    /// Sets the motors for the coming rapier step.
    pub fn drive(&self, world: &mut World, arm: &Arm) {
        let (torques, drag) = self.torques(world, arm);
        let opening = 0.5 * (1.0 + self.grip) * FINGER_RANGE;
        arm.drive(world, torques, drag, opening);
    }

    /// Of the motors, and of the air; N m.
    fn torques(&self, world: &World, arm: &Arm) -> ([f32; JOINTS], [f32; JOINTS]) {
        let end = arm.end(world);
        let wide = |x: [f32; JOINTS]| SVector::<f64, JOINTS>::from(x.map(f64::from));
        let (q, rates) = (wide(arm.joints(world)), wide(arm.rates(world)));
        let Dynamics {
            mass,
            along,
            about,
            bias,
        } = dynamics(world, arm, end.translation, &rates);
        // A robot that is no longer sound gets no torques, and its episode ends as diverged.
        let Some(mobility) = mass.cholesky().map(|c| c.inverse()) else {
            return ([0.0; JOINTS], [0.0; JOINTS]);
        };
        let wanted = |error: Vector3<f64>, jacobian: &Jacobian| {
            STIFFNESS * error - 2.0 * STIFFNESS.sqrt() * (jacobian * rates)
        };
        let inertia = |jacobian: &Jacobian| {
            let inverse = jacobian * mobility * jacobian.transpose();
            inverse.try_inverse().unwrap_or_else(Matrix3::zeros)
        };
        let force = inertia(&along) * wanted(vector(self.position - end.translation), &along);
        let off = self.rotation * end.rotation.inverse();
        // sin(angle) times axis, as robosuite has it.
        let turn = vector(Vector::new(off.x, off.y, off.z) * (2.0 * off.w));
        let moment = inertia(&about) * wanted(turn, &about);

        let mut full = SMatrix::<f64, 6, JOINTS>::zeros();
        full.fixed_rows_mut::<3>(0).copy_from(&along);
        full.fixed_rows_mut::<3>(3).copy_from(&about);
        let pull = mass * (POSTURE * (wide(self.posture) - q) - 2.0 * POSTURE.sqrt() * rates);
        // Nᵀ = 1 - Jᵀ Λ J M⁻¹
        let inverse = full * mobility * full.transpose();
        let lambda = inverse.try_inverse().unwrap_or_else(SMatrix::zeros);
        let posture = pull - full.transpose() * (lambda * (full * (mobility * pull)));
        let torques = along.transpose() * force + about.transpose() * moment + posture + bias;
        let drag = drag(end.rotation, &along, &about, &rates);
        (torques.map(|t| t as f32).into(), drag)
    }
}

/// MuJoCo's air, 1.2 kg/m³, brakes a body as the box that has its inertia. Here that matters for the
/// two fingertips, which are given the inertia of cubes of 2.45 m: they halve the speed of turns.
fn drag(
    rotation: Rotation,
    along: &Jacobian,
    about: &Jacobian,
    rates: &SVector<f64, JOINTS>,
) -> [f32; JOINTS] {
    const AIR: f64 = 1.2;
    const SQUARE: f64 = 6.0;
    const LINEAR: f64 = 2.0 * 0.5 * AIR * SQUARE; // N s²/m²
    let turning = 2.0 * AIR * SQUARE.sqrt() * 2.0 * SQUARE * SQUARE / 64.0; // N m s²
    let mut torques = SVector::<f64, JOINTS>::zeros();
    for axis in [Vector::X, Vector::Y, Vector::Z].map(|a| vector(rotation * a)) {
        for (jacobian, size) in [(along, LINEAR), (about, turning)] {
            let per_rate = jacobian.transpose() * axis;
            let speed = per_rate.dot(rates);
            torques -= per_rate * (size * speed.abs() * speed);
        }
    }
    torques.map(|t| t as f32).into()
}

fn vector(v: Vector) -> Vector3<f64> {
    Vector3::new(v.x.into(), v.y.into(), v.z.into())
}

/// An arm as its controller sees it.
struct Dynamics {
    mass: Square,
    /// What the joints do to a point of the hand: along and about x, y, z.
    along: Jacobian,
    about: Jacobian,
    /// The joints' torques at these rates without acceleration.
    bias: SVector<f64, JOINTS>,
}

/// Link by link from the hand, of what hangs on each joint, with spatial vectors at `point`
/// (Featherstone 2008, "Rigid Body Dynamics Algorithms").
fn dynamics(world: &World, arm: &Arm, point: Vector, rates: &SVector<f64, JOINTS>) -> Dynamics {
    let (mut along, mut about) = (Jacobian::zeros(), Jacobian::zeros());
    // Of links: angular and linear.
    let mut velocities = [[Vector3::<f64>::zeros(); 2]; JOINTS];
    let mut accelerations = velocities;
    let [mut w, mut v, mut dw, mut dv] = [Vector3::zeros(); 4];
    dv -= vector(world.0.gravity);
    for i in 0..JOINTS {
        let pose = arm.pose(world, i);
        let turn = vector(pose.rotation * Vector::Z);
        let shift = vector(pose.translation - point).cross(&turn);
        along.set_column(i, &shift);
        about.set_column(i, &turn);
        let (turn, shift) = (turn * rates[i], shift * rates[i]);
        dw += w.cross(&turn);
        dv += w.cross(&shift) + v.cross(&turn);
        w += turn;
        v += shift;
        (velocities[i], accelerations[i]) = ([w, v], [dw, dv]);
    }
    let (mut mass_matrix, mut bias) = (Square::zeros(), SVector::zeros());
    // About `point`, of the links so far: mass, mass times centre, inertia; moment and force.
    let (mut mass, mut moment, mut spin) = (0.0, Vector3::zeros(), Matrix3::zeros());
    let (mut torque, mut force) = (Vector3::zeros(), Vector3::zeros());
    for i in (0..INERTIAS.len()).rev() {
        let (pose, own) = (arm.pose(world, i), &INERTIAS[i]);
        let centre = vector(pose * Vector::from(own.centre) - point);
        let m = f64::from(own.mass);
        let mut inertia =
            (Matrix3::identity() * centre.norm_squared() - centre * centre.transpose()) * m;
        let axes = [Vector::X, Vector::Y, Vector::Z].map(|a| vector(pose.rotation * a));
        for (axis, &along) in axes.iter().zip(&own.diagonal) {
            inertia += axis * axis.transpose() * f64::from(along);
        }
        // Fingers go with the hand.
        let joint = i.min(JOINTS - 1);
        let times = |w: Vector3<f64>, v: Vector3<f64>| {
            (
                inertia * w + centre.cross(&v) * m,
                (v + w.cross(&centre)) * m,
            )
        };
        let ([w, v], [dw, dv]) = (velocities[joint], accelerations[joint]);
        let (angular, linear) = times(w, v);
        let (pull_angular, pull_linear) = times(dw, dv);
        torque += pull_angular + w.cross(&angular) + v.cross(&linear);
        force += pull_linear + w.cross(&linear);
        mass += m;
        moment += centre * m;
        spin += inertia;
        if i >= JOINTS {
            continue;
        }
        let (v, w) = (along.column(i).into_owned(), about.column(i).into_owned());
        bias[i] = w.dot(&torque) + v.dot(&force);
        let linear = v * mass + w.cross(&moment);
        let angular = spin * w + moment.cross(&v);
        for j in 0..=i {
            let shared = about.column(j).dot(&angular) + along.column(j).dot(&linear);
            mass_matrix[(i, j)] = shared;
            mass_matrix[(j, i)] = shared;
        }
        mass_matrix[(i, i)] += f64::from(armature(i));
    }
    Dynamics {
        mass: mass_matrix,
        along,
        about,
        bias,
    }
}
