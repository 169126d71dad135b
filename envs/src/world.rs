//! A rapier world that can be copied, stored and trusted.

use crate::compliance::Compliance;
use crate::scene::{Geom, Role, Shape};
use rapier3d::parry::shape::TypedShape;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// m/s or rad/s: far above any robot's, far below what could overflow within a step.
const MAX_SPEED: f32 = 1e4;

/// User data of a body that a robot moves though a joint holds it.
pub(crate) const OBJECT: u128 = 1;

/// [`PhysicsWorld`] with what a benchmark needs of it: copies, health, joint coordinates.
#[derive(Serialize, Deserialize)]
pub(crate) struct World(pub PhysicsWorld, pub Compliance);

impl World {
    /// An empty world with z up, stepping `dt` seconds at a time.
    pub fn new(dt: f32) -> Self {
        let mut world = PhysicsWorld {
            gravity: Vector::new(0.0, 0.0, -9.81),
            ..Default::default()
        };
        let p = &mut world.integration_parameters;
        p.dt = dt;
        // Control steps are short: continuous collision detection is cost without benefit, and
        // recycled contacts would make the bits depend on the past beyond the state.
        p.max_ccd_substeps = 0;
        p.contact_recycling = false;
        p.friction_model = FrictionModel::Coulomb;
        Self(world, Compliance::default())
    }

    /// A world of compliant contacts (natural frequency in Hz, damping ratio), as MuJoCo's are,
    /// with a floor of this friction at z = 0. rapier's stabilization passes, which would make
    /// contacts rigid after the soft pass, are off.
    pub fn compliant(dt: f32, contact: (f32, f32), friction: f32) -> Self {
        let mut world = Self::new(dt);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = 1;
        p.num_internal_stabilization_iterations = 0;
        // rapier's default brakes what comes within 20 mm; MuJoCo's contacts begin at the surface.
        p.normalized_prediction_distance = 0.0;
        p.contact_softness = SpringCoefficients::new(contact.0, contact.1);
        p.static_contact_softness = p.contact_softness;
        let floor = ColliderBuilder::new(SharedShape::halfspace(Vector::Z))
            .friction(friction)
            .friction_combine_rule(CoefficientCombineRule::Max);
        world.0.insert(RigidBodyBuilder::fixed(), floor);
        world
    }

    /// Becomes a copy of `other`, bit for bit, without building anything anew. The pipelines are
    /// workspaces that carry no state from step to step, so each world keeps its own.
    pub fn copy_from(&mut self, other: &Self) {
        let (to, from) = (&mut self.0, &other.0);
        self.1.clone_from(&other.1);
        to.gravity = from.gravity;
        to.integration_parameters = from.integration_parameters;
        to.islands.clone_from(&from.islands);
        to.broad_phase.clone_from(&from.broad_phase);
        to.narrow_phase.clone_from(&from.narrow_phase);
        to.bodies.clone_from(&from.bodies);
        to.colliders.clone_from(&from.colliders);
        to.impulse_joints.clone_from(&from.impulse_joints);
        to.multibody_joints.clone_from(&from.multibody_joints);
    }

    /// A dynamic body whose mass comes from its colliders.
    pub fn add_body(&mut self) -> RigidBodyHandle {
        self.0
            .insert_body(RigidBodyBuilder::dynamic().can_sleep(false))
    }

    /// Advances by one time step.
    ///
    /// # Errors
    /// What is wrong, if the world is not sound before or after. It looks before it steps because
    /// rapier's motors panic on a NaN.
    pub fn step(&mut self) -> Result<(), &'static str> {
        self.check()?;
        let dt = self.0.integration_parameters.dt;
        self.1.push(&mut self.0.multibody_joints, dt);
        self.0.step();
        self.check()
    }

    /// rapier disables a body that leaves the finite numbers and forgets that it did (its
    /// quarantine is cleared each step), so ask the bodies, and their joints.
    fn check(&self) -> Result<(), &'static str> {
        let sound = |b: &RigidBody| b.is_enabled() && b.position().is_finite();
        if !self.0.bodies.iter().all(|(_, b)| sound(b)) {
            return Err("a body is disabled or has no finite position");
        }
        let slow = |v: &f32| v.abs() < MAX_SPEED; // false for NaN
        let mut robots = self.0.multibody_joints.multibodies();
        if !robots.all(|mb| mb.generalized_velocity().iter().all(slow)) {
            return Err("a joint is faster than 10,000 m/s or rad/s");
        }
        Ok(())
    }

    /// Fixes a new multibody's degrees of freedom and clears rapier's silent default damping.
    /// Must come before anything that indexes them.
    pub fn settle(&mut self, joint: MultibodyJointHandle) {
        for (_, body) in self.0.bodies.iter_mut() {
            body.recompute_mass_properties_from_colliders(&self.0.colliders);
        }
        self.place(joint, |mb, _| mb.damping_mut().fill(0.0));
    }

    /// Takes a step in which nothing moves: limits ask for the mass matrix before the first one.
    pub fn prime(&mut self) {
        let gravity = std::mem::replace(&mut self.0.gravity, Vector::ZERO);
        let parameters = self.0.integration_parameters;
        self.0
            .integration_parameters
            .normalized_max_corrective_velocity = 0.0;
        self.0.step();
        self.0.integration_parameters = parameters;
        self.0.gravity = gravity;
    }

    /// Edits the multibody that `joint` belongs to, given the joint's link id.
    pub fn edit(&mut self, joint: MultibodyJointHandle, edit: impl FnOnce(&mut Multibody, usize)) {
        if let Some((mb, link)) = self.0.multibody_joints.get_mut(joint) {
            edit(mb, link);
        }
    }

    /// Edits coordinates or velocities of a multibody and moves its bodies and geoms accordingly.
    pub fn place(&mut self, joint: MultibodyJointHandle, edit: impl FnOnce(&mut Multibody, usize)) {
        self.1.forget();
        let bodies = &mut self.0.bodies;
        if let Some((mb, link)) = self.0.multibody_joints.get_mut(joint) {
            mb.forward_kinematics(bodies, true);
            edit(mb, link);
            mb.forward_kinematics(bodies, false);
            mb.update_rigid_bodies(bodies, true);
            // Where contacts will look for the geoms in the coming step.
            for link in mb.links() {
                let Some(body) = bodies.get(link.rigid_body_handle()) else {
                    continue;
                };
                for &geom in body.colliders() {
                    if let Some(geom) = self.0.colliders.get_mut(geom) {
                        let local = geom.position_wrt_parent().copied().unwrap_or_default();
                        geom.set_position(*body.position() * local);
                    }
                }
            }
        }
    }

    /// Coordinate of one axis (0-2 along, 3-5 about x, y, z of the joint frame) of a joint.
    pub fn coord(&self, joint: MultibodyJointHandle, axis: usize) -> f32 {
        let link = self
            .0
            .multibody_joints
            .get(joint)
            .and_then(|(mb, link)| mb.link(link));
        link.map_or(f32::NAN, |l| l.joint().coords()[axis]) // NaN ends the episode as diverged
    }

    /// Adds every collider's shape to `scene`. Links of multibodies are robots, unless marked as
    /// [`OBJECT`], fixed bodies are ground, other bodies objects.
    pub fn draw(&self, scene: &mut Vec<Geom>) {
        for (_, collider) in self.0.colliders.iter() {
            let body = collider.parent();
            let role = match body.and_then(|b| self.0.bodies.get(b)) {
                Some(b) if b.is_fixed() => Role::Ground,
                None => Role::Ground,
                Some(b) if b.user_data == OBJECT => Role::Object,
                Some(_)
                    if body
                        .and_then(|b| self.0.multibody_joints.rigid_body_link(b))
                        .is_some() =>
                {
                    Role::Robot
                }
                Some(_) => Role::Object,
            };
            let mut pose = *collider.position();
            let shape = match collider.shape().as_typed_shape() {
                TypedShape::HalfSpace(_) => Shape::Floor,
                TypedShape::Ball(b) => Shape::Ball { radius: b.radius },
                TypedShape::Cuboid(c) => Shape::Cuboid {
                    half: c.half_extents.into(),
                },
                TypedShape::ConvexPolyhedron(hull) if hull.points().len() > FEW => {
                    Shape::Ellipsoid {
                        half: half_axes(hull.points()),
                    }
                }
                TypedShape::ConvexPolyhedron(hull) => {
                    let around = hull.local_aabb();
                    pose *= Pose::from_translation(around.center());
                    Shape::Cuboid {
                        half: around.half_extents().into(),
                    }
                }
                TypedShape::Capsule(c) => {
                    let turn = Rotation::from_rotation_arc(
                        Vector::Z,
                        (c.segment.b - c.segment.a).normalize_or(Vector::Z),
                    );
                    pose *= Pose::from_parts((c.segment.a + c.segment.b) * 0.5, turn);
                    Shape::Capsule {
                        radius: c.radius,
                        half_length: c.half_height(),
                    }
                }
                TypedShape::Cylinder(c) => {
                    pose *= Pose::from_rotation(Rotation::from_rotation_arc(Vector::Z, Vector::Y));
                    Shape::Cylinder {
                        radius: c.radius,
                        half_length: c.half_height,
                    }
                }
                _ => continue,
            };
            scene.push(Geom {
                shape,
                role,
                position: pose.translation.into(),
                rotation: pose.rotation.into(),
            });
        }
    }

    /// The forces of every contact in the last solver iteration of the last rapier step, on each
    /// of the two colliders.
    pub fn contacts(&self) -> impl Iterator<Item = Contact> {
        let p = &self.0.integration_parameters;
        let per_second = p.num_solver_iterations as f32 / p.dt;
        self.0.narrow_phase.contact_pairs().flat_map(move |pair| {
            let place = self.0.colliders.get(pair.collider1).map(|c| *c.position());
            pair.manifolds().iter().flat_map(move |manifold| {
                let place = place.unwrap_or_default()
                    * manifold.subshape_pos1().copied().unwrap_or_default();
                let touching = manifold
                    .points
                    .iter()
                    .filter(|p| p.data.warmstart_impulse > 0.0);
                touching.flat_map(move |p| {
                    let along = p.data.warmstart_impulse * -manifold.data.normal;
                    let force = (along + p.data.warmstart_tangent_world) * per_second;
                    let point = place * p.local_p1;
                    let on = |collider, force| Contact {
                        collider,
                        point,
                        force,
                    };
                    [on(pair.collider1, force), on(pair.collider2, -force)]
                })
            })
        })
    }

    /// Takes away contacts and joint limits, for comparisons in free motion.
    #[cfg(test)]
    pub fn unbind(&mut self) {
        for (_, collider) in self.0.colliders.iter_mut() {
            collider.set_collision_groups(InteractionGroups::none());
        }
        let joints: Vec<_> = self
            .0
            .multibody_joints
            .iter()
            .map(|(handle, ..)| handle)
            .collect();
        for joint in joints {
            self.edit(joint, |mb, link| {
                if let Some(link) = mb.link_mut(link) {
                    link.joint.data.limit_axes = JointAxesMask::empty();
                }
            });
        }
        self.1.free();
    }

    /// Measures the world against what rigid bodies can do.
    pub fn health(&self) -> Health {
        let speeds = self.0.bodies.iter().map(|(_, b)| b.linvel().length());
        let contacts = self.0.narrow_phase.contact_pairs(); // of solids: sensors have a graph of their own
        let depths = contacts.flat_map(|pair| {
            let points = pair.manifolds().iter().flat_map(|m| &m.points);
            points.map(|point| -point.dist)
        });
        let robots = self.0.multibody_joints.multibodies();
        let drifts = robots.flat_map(|mb| {
            mb.links().filter_map(|link| {
                let parent = mb.link(link.parent_id()?)?;
                let joint = &link.joint().data;
                let anchor = |body, frame| Some(self.0.bodies.get(body)?.position() * frame);
                let from: Pose = anchor(parent.rigid_body_handle(), joint.local_frame1)?;
                let to: Pose = anchor(link.rigid_body_handle(), joint.local_frame2)?;
                let apart = from.rotation.inverse() * (to.translation - from.translation);
                let locked = |axis: &usize| joint.locked_axes.bits() >> axis & 1 == 1;
                let squares = (0..3).filter(locked).map(|axis| apart[axis] * apart[axis]);
                Some(squares.sum::<f32>().sqrt())
            })
        });
        Health {
            max_speed: largest(speeds),
            penetration: largest(depths),
            anchor_drift: largest(drifts),
        }
    }
}

/// A hull of so many points at most is drawn as the box around it, others are ellipsoids.
const FEW: usize = 16;

/// Of the ellipsoid through these points, which are on its axes along x and z.
fn half_axes(points: &[Vector]) -> [f32; 3] {
    let x = largest(points.iter().map(|p| p.x.abs()));
    let z = largest(points.iter().map(|p| p.z.abs()));
    let y = points.iter().map(|p| {
        let rest = 1.0 - (p.x / x) * (p.x / x) - (p.z / z) * (p.z / z);
        if rest > 0.1 {
            p.y.abs() / rest.sqrt()
        } else {
            0.0
        }
    });
    [x, largest(y), z]
}

/// What a contact does to one of its colliders.
pub(crate) struct Contact {
    pub collider: ColliderHandle,
    /// m, in the world.
    pub point: Vector,
    /// N, in the world.
    pub force: Vector,
}

/// The largest of the values and 0; NaN if there is one.
fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |a, b| if b <= a || a.is_nan() { a } else { b })
}

/// How sound a simulation is. Anything not finite is a defect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// Speed of the fastest body's centre of mass, m/s.
    pub max_speed: f32,
    /// How deep two solids are in each other, at the deepest contact when the last rapier step
    /// began, m; 0 if nothing touches. Contacts that the task disables do not count.
    pub penetration: f32,
    /// How far a joint of a robot has come apart: the distance between its two anchors along the
    /// axes on which it must not move, of the joint where this is largest, m. Rounding alone
    /// causes any.
    pub anchor_drift: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ball on a rail along x, its joint forced apart, in the floor and moving: every figure is known.
    #[test]
    fn health_measures() {
        let mut world = World::new(1e-3);
        world.0.gravity = Vector::ZERO;
        let floor = ColliderBuilder::new(SharedShape::halfspace(Vector::Z));
        world.0.insert(RigidBodyBuilder::fixed(), floor);
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        let body = world.add_body();
        let ball = ColliderBuilder::ball(0.1);
        world.0.insert_collider(ball, Some(body));
        let rail = GenericJointBuilder::new(JointAxesMask::LOCKED_PRISMATIC_AXES)
            .local_frame1(Pose::from_translation(Vector::Z * 0.2))
            .build();
        let joint = world.0.insert_multibody_joint(base, body, rail);
        let joint = joint.expect("a joint");
        world.settle(joint);
        world.place(joint, |mb, _| mb.generalized_velocity_mut().fill(3.0));
        world.0.step();
        let now = world.health();
        assert!((now.max_speed - 3.0).abs() < 1e-5, "{now:?}");
        assert_eq!((now.penetration, now.anchor_drift), (0.0, 0.0), "{now:?}");

        let apart = Vector::new(7.0, 0.03, -0.14);
        let from = world.0.bodies[body].translation();
        world.0.bodies[body].set_translation(from + apart, true);
        let drift = world.health().anchor_drift;
        assert!((drift - 0.03_f32.hypot(0.14)).abs() < 1e-5, "{drift}");

        let sunk = RigidBodyBuilder::dynamic().translation(Vector::new(9.0, 0.0, 0.06));
        world.0.insert(sunk, ColliderBuilder::ball(0.1));
        world.0.step();
        let depth = world.health().penetration;
        assert!((depth - 0.04).abs() < 1e-5, "{depth}");
    }
}
