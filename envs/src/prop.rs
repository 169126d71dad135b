//! Things that robots handle: free bodies, and bodies with one joint.

use crate::robot::{AXES, Joint, Kind, Solid, frame};
use crate::world::{OBJECT, World};
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// Position and quaternion.
pub(crate) type Pose7 = [f32; 7];

/// A solid without mass, as MuJoCo has it by default: friction 1, and of two the larger counts.
pub(crate) fn collider(solid: Solid) -> ColliderBuilder {
    solid
        .collider(Vector::ZERO)
        .density(0.0)
        .friction_combine_rule(CoefficientCombineRule::Max)
        .friction(1.0)
}

/// Puts a body, with its solids, at rest there.
pub(crate) fn put(world: &mut World, body: RigidBodyHandle, pose: Pose) {
    let solids = match world.0.bodies.get_mut(body) {
        Some(body) => {
            body.set_position(pose, true);
            body.set_linvel(Vector::ZERO, true);
            body.set_angvel(Vector::ZERO, true);
            body.colliders().to_vec()
        }
        None => return,
    };
    for solid in solids {
        if let Some(solid) = world.0.colliders.get_mut(solid) {
            let local = solid.position_wrt_parent().copied().unwrap_or_default();
            solid.set_position(pose * local);
        }
    }
}

/// Where a point of a body's frame is in the world, m.
pub(crate) fn point(world: &World, body: RigidBodyHandle, local: [f32; 3]) -> [f32; 3] {
    let pose = world.0.bodies.get(body).map(|b| *b.position());
    pose.map_or([f32::NAN; 3], |pose| (pose * Vector::from(local)).into())
}

/// Of turning, 1/s: for MuJoCo's torsional friction, and because contacts with its curved side are
/// off by 0.1 mm in rapier, which alone would make a puck on its side roll off.
const PUCK_DAMPING: f32 = 2.0;

/// A body that moves freely.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Thing(pub RigidBodyHandle);

impl Thing {
    /// A body of these solids, which share its mass (kg) by volume.
    pub fn build(world: &mut World, mass: f32, solids: &[ColliderBuilder]) -> Self {
        let volume = |s: &ColliderBuilder| s.shape.mass_properties(1.0).mass();
        let density = mass / solids.iter().map(volume).sum::<f32>();
        let solids = solids.iter().map(|s| s.clone().density(density));
        Self::of(world, solids)
    }

    /// A body of this mass (kg) and inertia (about its axes, kg m²), centred in its frame.
    pub fn heavy(world: &mut World, mass: f32, inertia: [f32; 3], solid: ColliderBuilder) -> Self {
        let thing = Self::of(world, [solid]);
        let mass = MassProperties::new(Vector::ZERO, mass, inertia.into());
        if let Some(body) = world.0.bodies.get_mut(thing.0) {
            body.set_additional_mass_properties(mass, true);
            body.recompute_mass_properties_from_colliders(&world.0.colliders);
        }
        thing
    }

    /// A body of these solids, each with a mass of its own.
    pub fn of(world: &mut World, solids: impl IntoIterator<Item = ColliderBuilder>) -> Self {
        let body = world.add_body();
        for solid in solids {
            world.0.insert_collider(solid, Some(body));
        }
        if let Some(b) = world.0.bodies.get_mut(body) {
            b.recompute_mass_properties_from_colliders(&world.0.colliders);
        }
        Self(body)
    }

    /// Meta-World's puck: radius and half height 2 cm, an inertia six times a cylinder's.
    pub fn puck(world: &mut World) -> Self {
        let solid = Solid::Cylinder([0.0, 0.0, -0.02], [0.0, 0.0, 0.02], 0.02);
        let puck = Self::heavy(world, 0.75, [8.80012e-4; 3], collider(solid));
        if let Some(body) = world.0.bodies.get_mut(puck.0) {
            body.set_angular_damping(PUCK_DAMPING);
        }
        puck
    }

    pub fn put(self, world: &mut World, pose: Pose) {
        put(world, self.0, pose);
    }

    /// Position and quaternion (x, y, z, w), with w not negative.
    pub fn pose(self, world: &World) -> Pose7 {
        let Some(body) = world.0.bodies.get(self.0) else {
            return [f32::NAN; 7];
        };
        let [x, y, z] = body.translation().into();
        let [a, b, c, w]: [f32; 4] = body.rotation().to_array();
        let sign = if w < 0.0 { -1.0 } else { 1.0 };
        [x, y, z, sign * a, sign * b, sign * c, sign * w]
    }
}

/// A fixed base and a part that slides or turns on it.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Mechanism {
    pub base: RigidBodyHandle,
    pub part: RigidBodyHandle,
    joint: MultibodyJointHandle,
    axis: usize,
}

/// What its part weighs and what holds it back.
pub(crate) struct Part {
    /// Its joint to the base; the spring pulls towards `spring_rest`.
    pub joint: Joint,
    /// m or rad.
    pub spring_rest: f32,
    /// kg.
    pub mass: f32,
    /// In the part's frame, m.
    pub centre: [f32; 3],
    /// About the axes through the centre, kg m².
    pub inertia: [f32; 3],
}

impl Mechanism {
    /// Base and part share a frame where the joint's coordinate is 0. The joint's axis must be along
    /// x, y or z. The part does not touch the base. `None` if rapier refuses the joint.
    pub fn build(
        world: &mut World,
        base_solids: &[ColliderBuilder],
        part_solids: &[ColliderBuilder],
        part: &Part,
    ) -> Option<Self> {
        // rapier would let no geometry of a multibody's root touch its links, which is right here:
        // what keeps the part in its base is its joint.
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        for solid in base_solids {
            world.0.insert_collider(solid.clone(), Some(base));
        }
        let mass = MassProperties::new(part.centre.into(), part.mass, part.inertia.into());
        let moving = RigidBodyBuilder::dynamic()
            .can_sleep(false)
            .user_data(OBJECT)
            .additional_mass_properties(mass);
        let moving = world.0.insert_body(moving);
        for solid in part_solids {
            world.0.insert_collider(solid.clone(), Some(moving));
        }
        let spec = &part.joint;
        let (along, turn) = frame(spec.axis);
        let axis = match spec.kind {
            Kind::Slide => along,
            Kind::Hinge => along + 3,
            Kind::Free => return None,
        };
        let free = JointAxesMask::from_bits_truncate(1 << axis);
        let at = Pose::from_parts(spec.position.into(), turn);
        let mut builder = GenericJointBuilder::new(!free & JointAxesMask::all())
            .contacts_enabled(false)
            .local_frame1(at)
            .local_frame2(at);
        if let Some(range) = spec.range {
            builder = builder.limits(AXES[axis], range);
        }
        let joint = world
            .0
            .insert_multibody_joint(base, moving, builder.build())?;
        world.settle(joint);
        world.edit(joint, |mb, link| {
            mb.set_self_contacts_enabled(false);
            mb.armature_mut()[0] = spec.armature;
            mb.damping_mut()[0] = spec.damping;
            if let Some(link) = mb.link_mut(link) {
                link.joint
                    .set_spring(axis, spec.stiffness, part.spring_rest);
            }
        });
        Some(Self {
            base,
            part: moving,
            joint,
            axis,
        })
    }

    /// Puts the base there and the part at this coordinate (m or rad), at rest.
    pub fn put(&self, world: &mut World, pose: Pose, coordinate: f32) {
        put(world, self.base, pose);
        let now = self.coordinate(world);
        world.place(self.joint, |mb, _| {
            mb.apply_displacements(&[coordinate - now]);
            mb.generalized_velocity_mut().fill(0.0);
        });
    }

    /// Of the joint, m or rad.
    pub fn coordinate(&self, world: &World) -> f32 {
        world.coord(self.joint, self.axis)
    }

    /// Where a point of the part's frame is, m.
    pub fn point(&self, world: &World, local: [f32; 3]) -> [f32; 3] {
        point(world, self.part, local)
    }
}
