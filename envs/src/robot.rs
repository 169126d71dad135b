//! Robots as tables: bodies, joints and geometry in, one rapier multibody out.
//!
//! A table reads like the MJCF it takes its figures from, with jointless bodies merged into their
//! parents, and a [`Robot`] speaks MuJoCo's coordinates: positions and velocities in the table's
//! order of joints; for a free root its frame's origin and unit quaternion (w, x, y, z), and its
//! linear velocity in the world and angular velocity in its own frame.

mod build;
mod table;

pub(crate) use build::{AXES, frame};
pub(crate) use table::{
    BODY, Body, FREE, GEOM, Geom, HINGE, Joint, Kind, PLANAR, SLIDE_X, SLIDE_Z, Solid, degrees,
};

use crate::world::World;
#[cfg(test)]
use nalgebra::DVector;
use nalgebra::SVector;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// A degree of freedom: where rapier keeps it.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Dof {
    link: usize,
    /// 0-2 along, 3-5 about x, y, z of the joint's frame.
    axis: usize,
    /// Index of its velocity.
    velocity: usize,
    stiffness: f32,
}

/// A robot in a world: handles, and MuJoCo's view of its state.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Robot {
    /// Any joint of the multibody.
    handle: MultibodyJointHandle,
    /// Bodies of the table, in its order.
    bodies: Vec<RigidBodyHandle>,
    /// Geoms of the table, body by body.
    geoms: Vec<ColliderHandle>,
    /// Hinges and slides, in the table's order.
    dofs: Vec<Dof>,
    /// Of a free root: the centre of mass in the table's frame. rapier wants it at the origin.
    free: Option<Vector>,
    motors: Vec<Motor>,
}

/// What one action element drives.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Motor {
    dof: usize,
    /// N m or N per unit of action.
    gear: f32,
}

/// Torques enter as the rest position of a spring this weak (N m/rad), rapier's only input of
/// generalised force: force = -k (q - torque / k), in which k q is lost to rounding.
const TORQUE_SPRING: f32 = 1e-6;

impl Robot {
    /// Length of `positions`.
    #[cfg(test)]
    pub fn position_count(&self) -> usize {
        self.dofs.len() + if self.free.is_some() { 7 } else { 0 }
    }

    /// Length of `velocities`.
    #[cfg(test)]
    pub fn velocity_count(&self) -> usize {
        self.dofs.len() + if self.free.is_some() { 6 } else { 0 }
    }

    fn multibody<'w>(&self, world: &'w World) -> Option<&'w Multibody> {
        world.0.multibody_joints.get(self.handle).map(|(mb, _)| mb)
    }

    /// The table's `index`-th body.
    pub fn body<'w>(&self, world: &'w World, index: usize) -> &'w RigidBody {
        &world.0.bodies[self.bodies[index]]
    }

    /// The same, to change it.
    pub fn body_mut<'w>(&self, world: &'w mut World, index: usize) -> &'w mut RigidBody {
        &mut world.0.bodies[self.bodies[index]]
    }

    /// Where a free root's frame is, m.
    pub fn origin(&self, world: &World) -> Vector {
        let pose = self.body(world, 0).position();
        pose.translation - pose.rotation * self.free.unwrap_or_default()
    }

    /// Of the whole robot, m.
    pub fn centre_of_mass(&self, world: &World) -> Vector {
        let bodies = (0..self.bodies.len()).map(|i| self.body(world, i));
        let (moment, mass) = bodies.fold((Vector::ZERO, 0.0), |(moment, mass), b| {
            (moment + b.center_of_mass() * b.mass(), mass + b.mass())
        });
        moment / mass
    }

    /// Height of the lowest point of the geoms, m.
    pub fn lowest(&self, world: &World) -> f32 {
        // Colliders follow their bodies only in a step.
        let lows = self.geoms.iter().filter_map(|&geom| {
            let collider = world.0.colliders.get(geom)?;
            let body = world.0.bodies.get(collider.parent()?)?;
            let place = body.position() * collider.position_wrt_parent()?;
            Some(collider.shape().compute_aabb(&place).mins.z)
        });
        lows.fold(f32::INFINITY, f32::min)
    }

    /// The table's `index`-th geom, counted body by body.
    pub fn geom<'w>(&self, world: &'w World, index: usize) -> &'w Collider {
        &world.0.colliders[self.geoms[index]]
    }

    /// Its handle.
    pub fn geom_handle(&self, index: usize) -> ColliderHandle {
        self.geoms[index]
    }

    /// Linear velocity (m/s) of the point of the `index`-th body that is at `point` in the world,
    /// and the body's angular velocity (rad/s), in the world.
    pub fn velocity(&self, world: &World, index: usize, point: Vector) -> (Vector, Vector) {
        let nothing = (Vector::NAN, Vector::NAN); // ends the episode as diverged
        let body = self.bodies[index];
        let Some(link) = world.0.multibody_joints.rigid_body_link(body) else {
            return nothing;
        };
        let Some(mb) = world.0.multibody_joints.get_multibody(link.multibody) else {
            return nothing;
        };
        let mut v = [0.0; 6];
        let jacobian = mb.body_jacobian(link.id);
        for (column, speed) in jacobian.column_iter().zip(&mb.generalized_velocity()) {
            v.iter_mut().zip(&column).for_each(|(v, j)| *v += j * speed);
        }
        let (linear, angular) = (Vector::new(v[0], v[1], v[2]), Vector::new(v[3], v[4], v[5]));
        let body = &world.0.bodies[body];
        let centre = *body.position() * body.local_center_of_mass();
        (linear + angular.cross(point - centre), angular)
    }

    /// What touches the robot: index of the geom, point (m) and force on it (N), in the world.
    pub fn contacts(&self, world: &World) -> impl Iterator<Item = (usize, Vector, Vector)> {
        world.contacts().filter_map(|c| {
            let geom = self.geoms.iter().position(|&g| g == c.collider)?;
            Some((geom, c.point, c.force))
        })
    }

    /// Velocity of the centre of mass (m/s), of the joints' velocities as they are now: rapier
    /// updates those of bodies only when its next step begins.
    pub fn centre_velocity(&self, world: &World) -> Vector {
        let Some(mb) = self.multibody(world) else {
            return Vector::splat(f32::NAN);
        };
        let (joints, mut momentum, mut mass) = (mb.generalized_velocity(), Vector::ZERO, 0.0);
        for (id, link) in mb.links().enumerate() {
            let m = world.0.bodies[link.rigid_body_handle()].mass();
            let v = mb.body_jacobian(id).fixed_rows::<3>(0) * joints;
            momentum += m * Vector::new(v[0], v[1], v[2]);
            mass += m;
        }
        momentum / mass
    }

    /// Coordinate of the `index`-th hinge or slide (rad or m).
    pub fn coordinate(&self, world: &World, index: usize) -> f32 {
        let dof = self.dofs[index];
        let link = self.multibody(world).and_then(|mb| mb.link(dof.link));
        link.map_or(f32::NAN, |l| l.joint().coords()[dof.axis]) // NaN ends the episode as diverged
    }

    /// Writes MuJoCo's `qpos`.
    pub fn positions(&self, world: &World, out: &mut [f32]) {
        let mut out = out;
        if let Some(centre) = self.free {
            let (root, rest) = out.split_at_mut(7);
            let pose = self.body(world, 0).position();
            let origin = pose.translation - pose.rotation * centre;
            let q = pose.rotation;
            root.copy_from_slice(&[origin.x, origin.y, origin.z, q.w, q.x, q.y, q.z]);
            out = rest;
        }
        for (i, out) in out.iter_mut().enumerate().take(self.dofs.len()) {
            *out = self.coordinate(world, i);
        }
    }

    /// Writes MuJoCo's `qvel`.
    pub fn velocities(&self, world: &World, out: &mut [f32]) {
        let Some(mb) = self.multibody(world) else {
            return out.fill(f32::NAN);
        };
        let velocity = mb.generalized_velocity();
        let mut out = out;
        if let Some(centre) = self.free {
            let (root, rest) = out.split_at_mut(6);
            let turn = self.body(world, 0).position().rotation;
            let v: [f32; 6] = std::array::from_fn(|i| velocity[i]);
            let (linear, angular) = (Vector::new(v[0], v[1], v[2]), Vector::new(v[3], v[4], v[5]));
            let linear: [f32; 3] = (linear - angular.cross(turn * centre)).into();
            let angular: [f32; 3] = (turn.inverse() * angular).into();
            root[..3].copy_from_slice(&linear);
            root[3..].copy_from_slice(&angular);
            out = rest;
        }
        for (out, dof) in out.iter_mut().zip(&self.dofs) {
            *out = velocity[dof.velocity];
        }
    }

    /// Sets MuJoCo's `qpos` and `qvel`.
    pub fn set_state(&self, world: &mut World, positions: &[f32], velocities: &[f32]) {
        let (mut q, mut v) = (positions, velocities);
        let mut root_velocity = [0.0; 6];
        if let Some(centre) = self.free {
            let (pose, rest) = q.split_at(7);
            let turn = Rotation::from_xyzw(pose[4], pose[5], pose[6], pose[3]).normalize();
            let origin = Vector::new(pose[0], pose[1], pose[2]);
            let pose = Pose::from_parts(origin + turn * centre, turn);
            world.0.bodies[self.bodies[0]].set_position(pose, true);
            q = rest;
            let (root, rest) = v.split_at(6);
            let angular = turn * Vector::new(root[3], root[4], root[5]);
            let linear = Vector::new(root[0], root[1], root[2]) + angular.cross(turn * centre);
            root_velocity = [
                linear.x, linear.y, linear.z, angular.x, angular.y, angular.z,
            ];
            v = rest;
        }
        world.place(self.handle, |mb, _| {
            let mut change = vec![0.0; mb.ndofs()];
            for (dof, q) in self.dofs.iter().zip(q) {
                let now = mb
                    .link(dof.link)
                    .map_or(0.0, |l| l.joint().coords()[dof.axis]);
                change[dof.velocity] = q - now;
            }
            mb.apply_displacements(&change);
            let mut velocity = mb.generalized_velocity_mut();
            if self.free.is_some() {
                velocity.rows_mut(0, 6).copy_from_slice(&root_velocity);
            }
            for (dof, &v) in self.dofs.iter().zip(v) {
                velocity[dof.velocity] = v;
            }
        });
    }

    /// Clamps the velocity of every hinge and slide to this size (rad/s or m/s).
    pub fn clamp_velocities(&self, world: &mut World, size: f32) {
        world.edit(self.handle, |mb, _| {
            let mut velocity = mb.generalized_velocity_mut();
            for dof in &self.dofs {
                let v = &mut velocity[dof.velocity];
                *v = v.clamp(-size, size);
            }
        });
    }

    /// Armature, damping, stiffness and range of the `index`-th hinge or slide.
    #[cfg(test)]
    pub fn passive(&self, world: &World, index: usize) -> (f32, f32, f32, Option<[f32; 2]>) {
        let (dof, mb) = (self.dofs[index], self.multibody(world).expect("a robot"));
        let joint = &mb.link(dof.link).expect("a link").joint().data;
        let limited = joint.limit_axes.bits() >> dof.axis & 1 == 1;
        let hard = limited.then(|| [joint.limits[dof.axis].min, joint.limits[dof.axis].max]);
        let range = hard.or(world.1.range(dof.velocity));
        let of = |all: &DVector<f32>| all[dof.velocity];
        (of(mb.armature()), of(mb.damping()), dof.stiffness, range)
    }

    /// Joint and gear of the `index`-th motor.
    #[cfg(test)]
    pub fn motor(&self, index: usize) -> Option<(usize, f32)> {
        self.motors.get(index).map(|m| (m.dof, m.gear))
    }

    /// Runs the motors at `action` until it is called again.
    pub fn actuate(&self, world: &mut World, action: &[f32]) {
        world.edit(self.handle, |mb, _| {
            for (motor, action) in self.motors.iter().zip(action) {
                self.dofs[motor.dof].push(mb, motor.gear * action);
            }
        });
    }

    /// The rate that the sum of these hinges gains from a unit of impulse on each of them, as of the
    /// last rapier step; 0 before the first. `N` is the number of velocities.
    pub fn mobility<const N: usize>(&self, world: &World, hinges: &[usize]) -> f32 {
        let Some(mb) = self.multibody(world) else {
            return f32::NAN;
        };
        let inverse = mb.inv_augmented_mass();
        let mut rates = SVector::<f32, N>::zeros();
        if inverse.lu_internal().nrows() != N {
            return 0.0;
        }
        let of = |&hinge: &usize| self.dofs[hinge].velocity;
        hinges.iter().for_each(|hinge| rates[of(hinge)] = 1.0);
        inverse.solve_mut(&mut rates);
        hinges.iter().map(|hinge| rates[of(hinge)]).sum()
    }

    /// Sets the force (N m or N) on hinges and slides by index, until it is set again.
    pub fn drive(&self, world: &mut World, forces: impl IntoIterator<Item = (usize, f32)>) {
        world.edit(self.handle, |mb, _| {
            for (index, force) in forces {
                self.dofs[index].push(mb, force);
            }
        });
    }
}

impl Dof {
    fn push(&self, mb: &mut Multibody, force: f32) {
        let spring = if self.stiffness > 0.0 {
            self.stiffness
        } else {
            TORQUE_SPRING
        };
        if let Some(link) = mb.link_mut(self.link) {
            link.joint.set_spring(self.axis, spring, force / spring);
        }
    }
}

#[cfg(test)]
mod tests;
