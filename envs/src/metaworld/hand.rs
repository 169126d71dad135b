//! Meta-World's hand: two fingers below a palm that follows a target, without turning.
//!
//! In Meta-World a Sawyer's hand is welded to a target that the action moves, and the weld yields as a
//! critically damped spring does. Here the hand is a gantry: three motors with that spring's constants
//! and the inertia of an arm. So it lags behind its target as Meta-World's does, carries momentum, meets
//! resistance and cannot tunnel.
//!
//! Meta-World's fingers are position servos of 400 N on joints with an armature of 100 kg. Ours obey the
//! same equation, when they close divided by a hundred: they move alike where nothing is in the way, and
//! what they hold is held with 4 N at most, not 400. Told to open, they do not yield. Geometry, ranges and constants are those of its
//! `xyz_base.xml`; `tests` holds the motion to a record of Meta-World's.
//!
//! The hand's position is the middle between its pads as they are apart, and its tip, `tcp` in
//! Meta-World, the middle between their lower ends; neither follows fingers that close unequally.

use crate::world::World;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// From the hand's position down to its tip, m.
pub(crate) const TIP: f32 = 0.045;
/// Distance of the claws, fully apart, which is an opening of 1, m.
const APART: f32 = 0.1;

// The weld is a critically damped spring: x'' = -x / T² - 2 x' / T.
const WELD_TIME: f32 = 0.024; // s; 0.019 by its figures, but the Sawyer's arm behind it adds some lag
const ARM_STIFFNESS: f32 = ARM_INERTIA / (WELD_TIME * WELD_TIME); // N/m
const ARM_DAMPING: f32 = 2.0 * ARM_INERTIA / WELD_TIME; // N s/m
/// What an arm adds to each axis, kg.
const ARM_INERTIA: f32 = 5.0;
/// N: presses on a table, does not dent it.
const ARM_FORCE: f32 = 300.0;

// Fingers that close; they open with all of it times `OPENING`, as Meta-World's do both.
const FINGER_FORCE: f32 = 4.0; // N/m of position error, whose target is 1 m away
const FINGER_DAMPING: f32 = 10.0; // N s/m
const FINGER_ARMATURE: f32 = 1.0; // kg
const OPENING: f32 = 100.0;
/// How far the right and the left finger close, m. They never meet.
const CLOSING: [f32; 2] = [0.04, 0.03];

// Half sizes and centres, m: pads with the claws behind them, and the palm above.
const PAD: [f32; 3] = [0.015, 0.0045, 0.045];
/// Of the boxes' middle planes, fingers apart: the pads' faces are 44 mm from the middle.
const PAD_SIDE: f32 = 0.0485;
/// Of the pads proper, which lie on the claws.
const PAD_MIDDLE: f32 = 0.0471;
const PAD_FRICTION: f32 = 2.0;
const FINGER_MASS: f32 = 0.0162;
/// Around the mesh `right_hand`, which tapers; nothing of the wrist above it touches things.
const PALM: [f32; 3] = [0.032, 0.052, 0.0267];
const PALM_CENTRE: [f32; 3] = [-0.006, 0.0, 0.0659];
const PALM_MASS: f32 = 0.5;

const ARM_AXES: [JointAxis; 3] = [JointAxis::LinX, JointAxis::LinY, JointAxis::LinZ];
const FINGER_AXIS: usize = JointAxis::LinY as usize;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hand {
    arm: MultibodyJointHandle,
    /// Right and left, towards -y and +y.
    fingers: [MultibodyJointHandle; 2],
    pads: [ColliderHandle; 2],
}

impl Hand {
    /// Adds the hand at `position`, motors holding it there, fingers apart. `None` if rapier refuses
    /// a joint.
    pub fn build(world: &mut World, position: [f32; 3]) -> Option<Self> {
        let weightless = || {
            RigidBodyBuilder::dynamic()
                .can_sleep(false)
                .gravity_scale(0.0)
        };
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        let hand = world.0.insert_body(weightless());
        let palm = ColliderBuilder::cuboid(PALM[0], PALM[1], PALM[2])
            .translation(PALM_CENTRE.into())
            .friction_combine_rule(CoefficientCombineRule::Max)
            .mass(PALM_MASS);
        world.0.insert_collider(palm, Some(hand));
        let joint = ARM_AXES.into_iter().fold(
            GenericJointBuilder::new(JointAxesMask::ANG_AXES).contacts_enabled(false),
            |joint, axis| {
                joint
                    .motor_model(axis, MotorModel::ForceBased)
                    .motor_max_force(axis, ARM_FORCE)
            },
        );
        let arm = world.0.insert_multibody_joint(base, hand, joint.build())?;

        let mut fingers = [arm; 2];
        let mut pads = [ColliderHandle::invalid(); 2];
        for (i, side) in [-1.0_f32, 1.0].into_iter().enumerate() {
            let body = world.0.insert_body(weightless());
            let pad = ColliderBuilder::cuboid(PAD[0], PAD[1], PAD[2])
                .mass(FINGER_MASS)
                .friction(PAD_FRICTION)
                .friction_combine_rule(CoefficientCombineRule::Max);
            pads[i] = world.0.insert_collider(pad, Some(body));
            // The joint's coordinate is how far the finger has closed.
            let inward = if side < 0.0 {
                Rotation::IDENTITY
            } else {
                Rotation::from_xyzw(1.0, 0.0, 0.0, 0.0) // a half turn about x: exact, as is identity
            };
            let apart = Vector::Y * (side * PAD_SIDE);
            let free = JointAxesMask::LIN_Y;
            let joint = GenericJointBuilder::new(!free & JointAxesMask::all())
                .contacts_enabled(false)
                .local_frame1(Pose::from_parts(apart, inward))
                .local_frame2(Pose::from_rotation(inward))
                .limits(JointAxis::LinY, [0.0, CLOSING[i]]);
            fingers[i] = world.0.insert_multibody_joint(hand, body, joint.build())?;
        }
        world.settle(arm);
        world.edit(arm, |mb, _| {
            mb.set_self_contacts_enabled(false); // joint limits stop the fingers
            mb.armature_mut().rows_mut(0, 3).fill(ARM_INERTIA);
        });
        let hand = Self { arm, fingers, pads };
        hand.place(world, position);
        hand.grip(world, -1.0);
        Some(hand)
    }

    /// Puts the hand at rest at `position`, m, with the fingers apart, and keeps it there.
    pub fn place(&self, world: &mut World, position: [f32; 3]) {
        let now = self.position(world);
        let closed = self.fingers.map(|f| world.coord(f, FINGER_AXIS));
        let [x, y, z] = std::array::from_fn(|i| position[i] - now[i]);
        world.place(self.arm, |mb, _| {
            mb.apply_displacements(&[x, y, z, -closed[0], -closed[1]]);
            mb.generalized_velocity_mut().fill(0.0);
        });
        self.aim(world, position);
    }

    /// Sets the target that the hand follows, m.
    pub fn aim(&self, world: &mut World, target: [f32; 3]) {
        world.edit(self.arm, |mb, link| {
            let Some(link) = mb.link_mut(link) else {
                return;
            };
            for (axis, target) in ARM_AXES.into_iter().zip(target) {
                link.joint
                    .data
                    .set_motor(axis, target, 0.0, ARM_STIFFNESS, ARM_DAMPING);
            }
        });
    }

    /// Drives the fingers: -1 opens with all force, 1 closes.
    pub fn grip(&self, world: &mut World, grip: f32) {
        let scale = if grip < 0.0 { OPENING } else { 1.0 };
        world.edit(self.arm, |mb, _| {
            mb.armature_mut()
                .rows_mut(3, 2)
                .fill(scale * FINGER_ARMATURE);
            mb.damping_mut().rows_mut(3, 2).fill(scale * FINGER_DAMPING);
        });
        for finger in self.fingers {
            world.edit(finger, |mb, link| {
                if let Some(link) = mb.link_mut(link) {
                    link.joint
                        .set_spring(FINGER_AXIS, scale * FINGER_FORCE, grip);
                }
            });
        }
    }

    /// The middle between the pads, m.
    pub fn position(&self, world: &World) -> [f32; 3] {
        std::array::from_fn(|axis| world.coord(self.arm, axis))
    }

    /// How far the fingers are apart: 1 fully, about 0.3 when closed.
    pub fn opening(&self, world: &World) -> f32 {
        let closed: f32 = self
            .fingers
            .iter()
            .map(|&f| world.coord(f, FINGER_AXIS))
            .sum();
        ((APART - closed) / APART).clamp(0.0, 1.0)
    }

    /// Where the right and the left pad are along y, m.
    pub fn pads(&self, world: &World) -> [f32; 2] {
        let y = world.coord(self.arm, 1);
        let [right, left] = self.fingers.map(|f| world.coord(f, FINGER_AXIS));
        [y - PAD_MIDDLE + right, y + PAD_MIDDLE - left]
    }

    /// The pads' friction is one of two, of which the larger counts.
    #[cfg(test)]
    pub fn set_friction(&self, world: &mut World, friction: f32) {
        for pad in self.pads {
            world.0.colliders[pad].set_friction(friction);
        }
    }
}

#[cfg(test)]
mod tests;
