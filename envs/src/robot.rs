//! Robots as tables: bodies, joints and geometry in, one rapier multibody out.
//!
//! A table reads like the MJCF it takes its figures from, with jointless bodies merged into their
//! parents, and a [`Robot`] speaks MuJoCo's coordinates: positions and velocities in the table's
//! order of joints; for a free root its frame's origin and unit quaternion (w, x, y, z), and its
//! linear velocity in the world and angular velocity in its own frame.

use crate::EnvError;
use crate::compliance::{Impedance, SoftJoint};
use crate::world::World;
#[cfg(test)]
use nalgebra::DVector;
use nalgebra::SVector;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// A rigid body, its joints to its parent and its geometry.
pub(crate) struct Body {
    pub name: &'static str,
    /// Empty for the first body, which hangs on the world.
    pub parent: &'static str,
    /// In the parent's frame; the quaternion is (w, x, y, z) and need not be normalised.
    pub position: [f32; 3],
    pub rotation: [f32; 4],
    /// In MuJoCo's order. Slides along the frame's axes with a hinge after them become one joint
    /// of rapier; further hinges need a massless body each. [`FREE`] stands alone.
    pub joints: &'static [Joint],
    pub geoms: &'static [Geom],
}

pub(crate) const BODY: Body = Body {
    name: "",
    parent: "",
    position: [0.0; 3],
    rotation: [1.0, 0.0, 0.0, 0.0],
    joints: &[],
    geoms: &[],
};

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Free,
    Slide,
    Hinge,
}

#[derive(Clone, Copy)]
pub(crate) struct Joint {
    pub name: &'static str,
    pub kind: Kind,
    pub axis: [f32; 3],
    /// Where the axis passes, in the body's frame.
    pub position: [f32; 3],
    /// rad or m.
    pub range: Option<[f32; 2]>,
    /// N m s/rad or N s/m.
    pub damping: f32,
    /// kg m² or kg.
    pub armature: f32,
    /// N m/rad or N/m, about zero.
    pub stiffness: f32,
}

/// A hinge without passive forces.
pub(crate) const HINGE: Joint = Joint {
    name: "",
    kind: Kind::Hinge,
    axis: [0.0, 1.0, 0.0],
    position: [0.0; 3],
    range: None,
    damping: 0.0,
    armature: 0.0,
    stiffness: 0.0,
};

/// The joint of a body that floats freely.
pub(crate) const FREE: &[Joint] = &[Joint {
    name: "root",
    kind: Kind::Free,
    ..HINGE
}];

/// The joints of a body that moves in the x-z plane.
pub(crate) const PLANAR: &[Joint] = &[
    SLIDE_X,
    SLIDE_Z,
    Joint {
        name: "rooty",
        ..HINGE
    },
];
pub(crate) const SLIDE_X: Joint = Joint {
    name: "rootx",
    kind: Kind::Slide,
    axis: [1.0, 0.0, 0.0],
    ..HINGE
};
pub(crate) const SLIDE_Z: Joint = Joint {
    name: "rootz",
    kind: Kind::Slide,
    axis: [0.0, 0.0, 1.0],
    ..HINGE
};

/// `[low, high]` in degrees as a joint's range.
pub(crate) const fn degrees(low: f32, high: f32) -> Option<[f32; 2]> {
    Some([low.to_radians(), high.to_radians()])
}

#[derive(Clone, Copy)]
pub(crate) struct Geom {
    pub solid: Solid,
    /// kg/m³.
    pub density: f32,
    /// Of two frictions in contact the larger counts, as in MuJoCo.
    pub friction: f32,
    /// Whether it touches the ground.
    pub touches: bool,
    /// It touches from this far off, m: MuJoCo's margin.
    pub margin: f32,
}

#[derive(Clone, Copy)]
pub(crate) enum Solid {
    /// Ends of the axis, radius.
    Capsule([f32; 3], [f32; 3], f32),
    /// Centre, angle of the axis from z about y, half the axis, radius.
    Pitched([f32; 3], f32, f32, f32),
    /// Centre, radius.
    Ball([f32; 3], f32),
    /// Centre, half edges.
    Cuboid([f32; 3], [f32; 3]),
    /// Centre, half axes. Touches as a hull of a few dozen points.
    Ellipsoid([f32; 3], [f32; 3]),
}

/// MuJoCo's defaults.
pub(crate) const GEOM: Geom = Geom {
    solid: Solid::Ball([0.0; 3], 0.0),
    density: 1000.0,
    friction: 1.0,
    touches: true,
    margin: 0.0,
};

/// What robots touch, and robots themselves, which do not touch one another: rapier's contacts
/// within one multibody are unstable.
pub(crate) const GROUND: Group = Group::GROUP_1;
pub(crate) const ROBOT: Group = Group::GROUP_2;

impl Geom {
    fn collider(&self, offset: Vector) -> ColliderBuilder {
        let at = |p: [f32; 3]| Vector::from(p) - offset;
        let builder = match self.solid {
            Solid::Capsule(a, b, radius) => {
                ColliderBuilder::new(SharedShape::capsule(at(a), at(b), radius))
            }
            Solid::Pitched(centre, angle, half, radius) => {
                let reach = Vector::new(libm::sinf(angle), 0.0, libm::cosf(angle)) * half;
                let centre = at(centre);
                ColliderBuilder::new(SharedShape::capsule(centre - reach, centre + reach, radius))
            }
            Solid::Ball(centre, radius) => ColliderBuilder::ball(radius).translation(at(centre)),
            Solid::Cuboid(centre, half) => {
                ColliderBuilder::cuboid(half[0], half[1], half[2]).translation(at(centre))
            }
            Solid::Ellipsoid(centre, half) => ellipsoid(half).translation(at(centre)),
        };
        let builder = match self.solid {
            Solid::Ellipsoid(_, half) => {
                let [a, b, c] = half.map(|h| h * h);
                let mass =
                    self.density * 4.0 / 3.0 * std::f32::consts::PI * half.iter().product::<f32>();
                let inertia = Vector::new(b + c, a + c, a + b) * (mass / 5.0);
                builder.mass_properties(MassProperties::new(Vector::ZERO, mass, inertia))
            }
            _ => builder.density(self.density),
        };
        let filter = if self.touches { GROUND } else { Group::NONE };
        builder
            .friction(self.friction)
            .contact_skin(self.margin)
            .friction_combine_rule(CoefficientCombineRule::Max)
            .collision_groups(InteractionGroups::new(
                ROBOT,
                filter,
                InteractionTestMode::And,
            ))
    }
}

/// A hull of points on an ellipsoid's surface.
fn ellipsoid(half: [f32; 3]) -> ColliderBuilder {
    const RINGS: usize = 6;
    const SECTORS: usize = 10;
    let mut points = vec![];
    for ring in 0..=RINGS {
        let polar = ring as f32 / RINGS as f32 * std::f32::consts::PI;
        for sector in 0..SECTORS {
            let around = sector as f32 / SECTORS as f32 * std::f32::consts::TAU;
            let (s, c) = (libm::sinf(polar), libm::cosf(polar));
            points.push(Vector::new(
                half[0] * s * libm::cosf(around),
                half[1] * s * libm::sinf(around),
                half[2] * c,
            ));
        }
    }
    ColliderBuilder::convex_hull(&points).unwrap_or_else(|| ColliderBuilder::ball(half[2]))
}

/// How joint limits yield.
#[derive(Clone, Copy)]
pub(crate) enum Limits {
    /// As springs of this frequency (Hz) and damping ratio.
    Spring(f32, f32),
    /// As MuJoCo's.
    Soft(Impedance),
}

impl From<(f32, f32)> for Limits {
    fn from((frequency, ratio): (f32, f32)) -> Self {
        Self::Spring(frequency, ratio)
    }
}

impl From<Impedance> for Limits {
    fn from(impedance: Impedance) -> Self {
        Self::Soft(impedance)
    }
}

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

/// The frame about or along whose axis (0-2: x, y, z) a joint moves. Frames of axes along x, y or
/// z must be exact, free of rounding: rapier caps friction along its two tangents together, so a
/// planar robot's least mobility across its plane would claim all friction and leave its feet
/// sliding.
fn frame(axis: [f32; 3]) -> (usize, Rotation) {
    let turned_over = [
        [0.0, 1.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
        [1.0, 0.0, 0.0, 0.0],
    ];
    for (i, [x, y, z, w]) in turned_over.into_iter().enumerate() {
        if (0..3).all(|k| k == i || axis[k] == 0.0) {
            let upright = axis[i] > 0.0;
            let turned = Rotation::from_xyzw(x, y, z, w);
            return (i, if upright { Rotation::IDENTITY } else { turned });
        }
    }
    (
        0,
        Rotation::from_rotation_arc(Vector::X, Vector::from(axis).normalize()),
    )
}

impl Robot {
    /// Adds the robot to `world` in its nominal pose, with joint limits of this softness (Hz and
    /// damping ratio) and motors on the named joints, of so many N m or N per unit of action.
    ///
    /// # Errors
    /// [`EnvError::Build`] where a table names what it lacks or rapier refuses a joint.
    pub fn build(
        world: &mut World,
        task: &'static str,
        table: &[Body],
        motors: &[(&str, f32)],
        limits: impl Into<Limits>,
    ) -> Result<Self, EnvError> {
        let refused = |what| EnvError::Build { task, what };
        let limits = limits.into();
        let mut bodies: Vec<RigidBodyHandle> = vec![];
        let mut geoms = vec![];
        let mut free = None;
        // Joints to look up once all links exist: handle, axis in rapier, index in the joint, spec.
        let mut joints: Vec<(MultibodyJointHandle, usize, usize, &Joint)> = vec![];
        for body in table {
            let handle = world.add_body();
            let is_free = body.joints.iter().any(|j| j.kind == Kind::Free);
            let offset = if is_free {
                centre_of_mass(body.geoms)
            } else {
                Vector::ZERO
            };
            for geom in body.geoms {
                geoms.push(world.0.insert_collider(geom.collider(offset), Some(handle)));
            }
            let [w, x, y, z] = body.rotation;
            let rotation = match Rotation::from_xyzw(x, y, z, w) {
                r if r == Rotation::IDENTITY => r,
                r => r.normalize(),
            };
            let pose = Pose::from_parts(body.position.into(), rotation);
            bodies.push(handle);
            if is_free {
                free = Some(offset);
                let moved = pose * Pose::from_translation(offset);
                world.0.bodies[handle].set_position(moved, true);
                continue;
            }
            let (mut parent, mut pose) = match table.iter().position(|b| b.name == body.parent) {
                None if body.parent.is_empty() => {
                    (world.0.insert_body(RigidBodyBuilder::fixed()), pose)
                }
                None => return Err(refused("a body's parent is unknown")),
                Some(p) => {
                    let shift = if table[p].joints.iter().any(|j| j.kind == Kind::Free) {
                        free
                    } else {
                        None
                    };
                    (
                        bodies[p],
                        Pose::from_translation(-shift.unwrap_or_default()) * pose,
                    )
                }
            };
            let mut rest = body.joints;
            while let Some(first) = rest.first() {
                // Slides and the hinge after them, or one hinge.
                let slides = rest.iter().take_while(|j| j.kind == Kind::Slide).count();
                let merged = if rest.get(slides).is_some() && slides > 0 {
                    slides + 1
                } else {
                    slides.max(1)
                };
                let (group, others) = rest.split_at(merged);
                rest = others;
                let child = if rest.is_empty() {
                    handle
                } else {
                    world.add_body()
                };
                // Merged joints share the frame of the body, in which their axes must lie.
                let (_, turn) = if merged == 1 {
                    frame(first.axis)
                } else {
                    (0, Rotation::IDENTITY)
                };
                let anchor = Vector::from(first.position);
                let mut free_axes = JointAxesMask::empty();
                let mut axes = vec![];
                for joint in group {
                    let (axis, own) = frame(joint.axis);
                    if merged > 1 && (own != Rotation::IDENTITY || joint.position != first.position)
                    {
                        return Err(refused("joints of one body do not merge"));
                    }
                    let axis = if joint.kind == Kind::Hinge {
                        axis + 3
                    } else {
                        axis
                    };
                    free_axes |= JointAxesMask::from_bits_truncate(1 << axis);
                    axes.push(axis);
                }
                let mut joint = GenericJointBuilder::new(!free_axes & JointAxesMask::all())
                    .contacts_enabled(false)
                    .local_frame1(pose * Pose::from_parts(anchor, turn))
                    .local_frame2(Pose::from_parts(anchor, turn));
                if let Limits::Spring(frequency, ratio) = limits {
                    joint = joint.softness(SpringCoefficients::new(frequency, ratio));
                    for (spec, &axis) in group.iter().zip(&axes) {
                        if let Some(range) = spec.range {
                            joint = joint.limits(AXES[axis], range);
                        }
                    }
                }
                let joint = world
                    .0
                    .insert_multibody_joint(parent, child, joint.build())
                    .ok_or(refused("a joint"))?;
                for (spec, &axis) in group.iter().zip(&axes) {
                    let before = axes.iter().filter(|&&a| a < axis).count();
                    joints.push((joint, axis, before, spec));
                }
                (parent, pose) = (child, Pose::IDENTITY);
            }
        }
        let handle = joints.first().ok_or(refused("a robot without joints"))?.0;
        world.settle(handle);
        world.edit(handle, |mb, _| mb.set_self_contacts_enabled(false));
        let motor = |&(name, gear): &(&str, f32)| {
            let dof = joints.iter().position(|(.., spec)| spec.name == name);
            dof.map(|dof| Motor { dof, gear })
                .ok_or(refused("a motor's joint is unknown"))
        };
        let motors = motors.iter().map(motor).collect::<Result<_, _>>()?;
        let (mut dofs, mut soft) = (vec![], vec![]);
        for (handle, axis, before, spec) in joints {
            world.edit(handle, |mb, link| {
                let Some(first) = mb.link(link).map(|l| l.assembly_id()) else {
                    return;
                };
                let velocity = first + before;
                mb.armature_mut()[velocity] = spec.armature;
                mb.damping_mut()[velocity] = spec.damping;
                if let Some(link) = mb.link_mut(link) {
                    link.joint.set_spring(axis, spec.stiffness, 0.0);
                }
                dofs.push(Dof {
                    link,
                    axis,
                    velocity,
                    stiffness: spec.stiffness,
                });
                if let Limits::Soft(impedance) = limits {
                    let limit = spec.range.map(|range| (range, impedance));
                    soft.push(SoftJoint::new(link, axis, velocity, limit));
                }
            });
        }
        if !soft.is_empty() {
            world.1.add(handle, soft);
            // Limits of one robot pull at each other, and at contacts.
            world.0.integration_parameters.num_internal_pgs_iterations = 4;
            world.prime();
        }
        let robot = Self {
            handle,
            bodies,
            geoms,
            dofs,
            free,
            motors,
        };
        Ok(robot)
    }

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

const AXES: [JointAxis; 6] = [
    JointAxis::LinX,
    JointAxis::LinY,
    JointAxis::LinZ,
    JointAxis::AngX,
    JointAxis::AngY,
    JointAxis::AngZ,
];

fn centre_of_mass(geoms: &[Geom]) -> Vector {
    let mass = geoms.iter().fold(MassProperties::default(), |sum, geom| {
        let collider = geom.collider(Vector::ZERO).build();
        sum + collider.mass_properties().transform_by(collider.position())
    });
    mass.local_com
}
