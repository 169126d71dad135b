//! A two-fingered hand on a three-axis gantry: the arm of the manipulation tasks.
//!
//! It stands in for Meta-World's Sawyer arm, whose hand is welded to a target that the action
//! moves: here three motors pull the hand to that target, so it carries momentum, meets resistance
//! and cannot tunnel. The fingers close along y, as the Sawyer's do. The hand's position is the
//! point between the fingertips. In a task that grasps, friction holds without creeping only with four
//! solver iterations or more and `friction_in_bias_pass`.

use crate::world::World;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

/// Fingers fully apart, metres between the pads.
pub(crate) const MAX_OPENING: f32 = 0.09;

// Motors, stiff enough to follow a target at 0.8 m/s within 2 cm, weak enough to stall on a table.
const ARM_STIFFNESS: f32 = 2e4; // N/m
const ARM_DAMPING: f32 = 400.0; // N s/m
const ARM_FORCE: f32 = 500.0; // N
const FINGER_STIFFNESS: f32 = 2e3; // N/m
const FINGER_DAMPING: f32 = 60.0; // N s/m
const FINGER_FORCE: f32 = 10.0; // N, holds 0.1 kg at friction 1 through shaking

// Masses (kg) and half sizes (m). The palm sits above the fingertips.
const PALM_MASS: f32 = 1.0;
const PALM: [f32; 3] = [0.03, 0.06, 0.02];
const PALM_HEIGHT: f32 = 0.06;
const FINGER_MASS: f32 = 0.1;
const FINGER: [f32; 3] = [0.015, 0.005, 0.03];
const FINGER_FRICTION: f32 = 1.0;

const ARM_AXES: [JointAxis; 3] = [JointAxis::LinX, JointAxis::LinY, JointAxis::LinZ];

const FINGER_AXIS: JointAxis = JointAxis::LinY;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Gantry {
    arm: MultibodyJointHandle,
    fingers: [MultibodyJointHandle; 2],
}

impl Gantry {
    /// Adds the hand at `position`, motors holding it there, fingers open. `None` if rapier
    /// refuses a joint.
    pub fn build(world: &mut World, position: [f32; 3]) -> Option<Self> {
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        let hand = world.0.insert_body(
            RigidBodyBuilder::dynamic()
                .can_sleep(false)
                .gravity_scale(0.0),
        );
        let palm = ColliderBuilder::new(SharedShape::cuboid(PALM[0], PALM[1], PALM[2]))
            .translation(Vector::new(0.0, 0.0, PALM_HEIGHT))
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
        for (finger, side) in fingers.iter_mut().zip([1.0_f32, -1.0]) {
            let body = world.0.insert_body(
                RigidBodyBuilder::dynamic()
                    .can_sleep(false)
                    .gravity_scale(0.0),
            );
            let pad = ColliderBuilder::new(SharedShape::cuboid(FINGER[0], FINGER[1], FINGER[2]))
                .mass(FINGER_MASS)
                .friction(FINGER_FRICTION)
                .friction_combine_rule(CoefficientCombineRule::Max);
            world.0.insert_collider(pad, Some(body));
            // The joint's coordinate is the pad face's distance from the middle, 0 when closed.
            let outward = if side > 0.0 {
                Rotation::IDENTITY
            } else {
                Rotation::from_xyzw(1.0, 0.0, 0.0, 0.0) // a half turn about x: exact, as is identity
            };
            let closed = Vector::new(0.0, side * FINGER[1], 0.0);
            let joint = GenericJointBuilder::new(
                JointAxesMask::ANG_AXES | JointAxesMask::LIN_X | JointAxesMask::LIN_Z,
            )
            .contacts_enabled(false)
            .local_frame1(Pose::from_parts(closed, outward))
            .local_frame2(Pose::from_rotation(outward))
            .limits(FINGER_AXIS, [0.0, MAX_OPENING / 2.0])
            .motor_model(FINGER_AXIS, MotorModel::ForceBased)
            .motor_max_force(FINGER_AXIS, FINGER_FORCE);
            *finger = world.0.insert_multibody_joint(hand, body, joint.build())?;
        }
        world.settle(arm);
        // The joint limits, not the pads, stop the closing hand.
        world.edit(arm, |mb, _| mb.set_self_contacts_enabled(false));
        let gantry = Self { arm, fingers };
        gantry.place(world, position, MAX_OPENING);
        gantry.aim(world, position);
        gantry.grip(world, -1.0);
        Some(gantry)
    }

    /// Puts the hand at rest at `position` with the fingers `opening` metres apart.
    pub fn place(&self, world: &mut World, position: [f32; 3], opening: f32) {
        let (now, half) = (self.position(world), self.opening(world) / 2.0);
        let [x, y, z] = std::array::from_fn(|i| position[i] - now[i]);
        let finger = opening / 2.0 - half;
        world.place(self.arm, |mb, _| {
            mb.apply_displacements(&[x, y, z, finger, finger]);
            mb.generalized_velocity_mut().fill(0.0);
        });
    }

    /// Sets the arm motors' target position, metres.
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

    /// Sets the fingers' target from -1, open, to 1, closed; the force is limited to 10 N.
    pub fn grip(&self, world: &mut World, grip: f32) {
        let target = 0.25 * MAX_OPENING * (1.0 - grip);
        for finger in self.fingers {
            world.edit(finger, |mb, link| {
                let Some(link) = mb.link_mut(link) else {
                    return;
                };
                link.joint.data.set_motor(
                    FINGER_AXIS,
                    target,
                    0.0,
                    FINGER_STIFFNESS,
                    FINGER_DAMPING,
                );
            });
        }
    }

    /// The point between the fingertips, metres.
    pub fn position(&self, world: &World) -> [f32; 3] {
        std::array::from_fn(|axis| world.coord(self.arm, axis))
    }

    /// Its velocity, m/s.
    pub fn velocity(&self, world: &World) -> [f32; 3] {
        std::array::from_fn(|axis| world.velocity(self.arm, axis))
    }

    /// Distance between the pads, metres.
    pub fn opening(&self, world: &World) -> f32 {
        self.fingers
            .iter()
            .map(|&finger| world.coord(finger, FINGER_AXIS as usize))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f32 = 0.0025;

    /// Grasps a 4 cm cube of this friction and mass, lifts it by 25 cm and shakes it ten times.
    /// Returns the hand's error and the cube's position in the hand after that and 10 s later.
    fn grasp(friction: f32, mass: f32) -> (f32, [Vector; 2]) {
        let mut world = World::new(DT);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = 4;
        p.friction_in_bias_pass = true;
        let table = ColliderBuilder::cuboid(0.5, 0.5, 0.05).translation(Vector::Z * -0.05);
        world.0.insert(RigidBodyBuilder::fixed(), table);
        let body = RigidBodyBuilder::dynamic()
            .translation(Vector::Z * 0.02)
            .can_sleep(false);
        let collider = ColliderBuilder::cuboid(0.02, 0.02, 0.02)
            .mass(mass)
            .friction(friction)
            .friction_combine_rule(CoefficientCombineRule::Min);
        let (cube, _) = world.0.insert(body, collider);
        let hand = Gantry::build(&mut world, [0.0, 0.0, 0.2]).expect("build");
        // The pads' friction must not win: the pair takes the cube's.
        for (_, c) in world.0.colliders.iter_mut() {
            c.set_friction_combine_rule(CoefficientCombineRule::Min);
            c.set_friction(c.friction().min(friction));
        }
        let mut target = [0.0, 0.0, 0.2];
        let mut go = |world: &mut World, to: [f32; 3], seconds: f32| {
            let (from, n) = (target, (seconds / DT) as usize);
            for i in 1..=n {
                target = std::array::from_fn(|k| from[k] + (to[k] - from[k]) * i as f32 / n as f32);
                hand.aim(world, target);
                world.step().expect("sound");
            }
        };
        go(&mut world, [0.0, 0.0, 0.03], 0.5);
        hand.grip(&mut world, 1.0);
        go(&mut world, [0.0, 0.0, 0.03], 0.3);
        go(&mut world, [0.0, 0.0, 0.28], 0.6);
        for i in 0..10 {
            go(
                &mut world,
                [if i % 2 == 0 { 0.1 } else { 0.0 }, 0.0, 0.28],
                0.25,
            );
        }
        let in_hand =
            |world: &World| world.0.bodies[cube].translation() - Vector::from(hand.position(world));
        let lifted = in_hand(&world);
        go(&mut world, [0.0, 0.0, 0.28], 10.0);
        let [x, y, z] = hand.position(&world);
        let error = (Vector::new(x, y, z) - Vector::new(0.0, 0.0, 0.28)).length();
        (error, [lifted, in_hand(&world)])
    }

    #[test]
    fn grasps_by_friction_and_only_by_friction() {
        let (error, [lifted, held]) = grasp(1.0, 0.1);
        println!(
            "hand error {error} m, cube in hand {lifted}, creep {} m",
            (held - lifted).length()
        );
        assert!(error < 0.002, "the hand misses its target by {error} m");
        assert!(lifted.length() < 0.02, "the cube is {lifted} from the hand");
        assert!(
            (held - lifted).length() < 0.001,
            "the cube creeps from {lifted} to {held}"
        );
        // 2 fingers x 10 N x 0.1 cannot carry 4.9 N.
        let (error, [_, dropped]) = grasp(0.1, 0.5);
        assert!(
            error < 0.002 && dropped.z < -0.2,
            "held without friction, at {dropped}"
        );
    }
}
