//! `hopper`: Gymnasium's Hopper-v5, a planar one-legged robot that is paid for moving forward.
//!
//! Body, observation, reward, termination and reset follow Gymnasium 1.x (`hopper.xml`,
//! `hopper_v5.py`; the robot is of Erez, Tassa and Todorov 2011, "Infinite-Horizon Model Predictive
//! Control for Periodic Tasks with Contacts"). `tests/mujoco/` holds MuJoCo's own trajectories, and
//! the tests below hold this file to them. Deviations: rapier integrates to first order where
//! MuJoCo uses RK4, its contacts and limits are tuned to MuJoCo's rather than identical, links
//! pass through each other (MuJoCo's meet only when the thigh is folded beyond -0.5 rad and the leg
//! beyond -1.6, far from any gait; rapier's contacts within one multibody are unstable), and an
//! action outside [-1, 1] is clipped before the reward sees it.

use crate::episode::{Domain, Episode, Judgement, Random};
use crate::world::World;
use crate::{EnvError, Field, Spec, Task};
use nalgebra::SVector;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};

// Time, as in hopper.xml and hopper_v5.py.
const SUBSTEP: f32 = 0.002;
const FRAME_SKIP: usize = 4;
const PERIOD: f32 = SUBSTEP * FRAME_SKIP as f32;

// Contact and limits: near MuJoCo's own springs of 8 Hz (solref 0.02 s, critically damped), with
// landings that follow MuJoCo's (`lands_as_in_mujoco` in the tests). Softer contacts follow it a
// little closer still, but sink deeper.
/// rapier's stabilization passes make contacts rigid after the soft pass; MuJoCo has none.
const STABILIZATION_ITERATIONS: usize = 0;
/// Natural frequency in Hz and damping ratio of ground contact.
const CONTACT_SOFTNESS: (f32, f32) = (9.0, 0.7);
/// The same of joint limits.
const LIMIT_SOFTNESS: (f32, f32) = (12.0, 0.7);

// The robot, as in hopper.xml; lengths in metres.
const TORSO_HEIGHT: f32 = 1.25;
const DENSITY: f32 = 1000.0;
const FLOOR_FRICTION: f32 = 1.0;
/// N m per unit of action.
const GEAR: f32 = 200.0;
/// Rotor inertia of each hinge, kg m².
const ARMATURE: f32 = 1.0;
/// N m s/rad of each hinge.
const DAMPING: f32 = 1.0;
/// A link and the hinge that carries it: where it sits on its parent, where its hinge is on it,
/// the hinge's range, and its capsule's ends, radius and friction.
struct Link {
    offset: [f32; 3],
    hinge: [f32; 3],
    range_degrees: [f32; 2],
    capsule: ([f32; 3], [f32; 3], f32),
    friction: f32,
}
const TORSO: ([f32; 3], [f32; 3], f32) = ([0.0, 0.0, -0.2], [0.0, 0.0, 0.2], 0.05);
const TORSO_FRICTION: f32 = 0.9;
const LEG: [Link; 3] = [
    Link {
        offset: [0.0, 0.0, -0.2],
        hinge: [0.0, 0.0, 0.0],
        range_degrees: [-150.0, 0.0],
        capsule: ([0.0, 0.0, -0.45], [0.0, 0.0, 0.0], 0.05),
        friction: 0.9,
    },
    Link {
        offset: [0.0, 0.0, -0.7],
        hinge: [0.0, 0.0, 0.25],
        range_degrees: [-150.0, 0.0],
        capsule: ([0.0, 0.0, -0.25], [0.0, 0.0, 0.25], 0.04),
        friction: 0.9,
    },
    Link {
        offset: [0.13, 0.0, -0.35],
        hinge: [-0.13, 0.0, 0.1],
        range_degrees: [-45.0, 45.0],
        capsule: ([-0.26, 0.0, 0.1], [0.13, 0.0, 0.1], 0.06),
        friction: 2.0,
    },
];
/// Torques enter as the rest position of a spring this weak (N m/rad), rapier's only input of
/// generalised force: force = -k (q - torque / k), in which k q is lost to rounding.
const TORQUE_SPRING: f32 = 1e-6;

// The task, as in hopper_v5.py.
const HEALTHY_REWARD: f32 = 1.0;
const CONTROL_COST: f32 = 1e-3;
const MIN_HEIGHT: f32 = 0.7;
const MAX_PITCH: f32 = 0.2;
/// Every coordinate but x and z, and every velocity, is below this in size.
const MAX_STATE: f32 = 100.0;
const RESET_NOISE: f32 = 5e-3;
/// Observed velocities are clipped to this size.
const MAX_SPEED: f32 = 10.0;

const FIELDS: &[Field] = &[
    Field::unbounded("torso_z", "m"),
    Field::unbounded("torso_pitch", "rad"),
    Field::unbounded("thigh_angle", "rad"),
    Field::unbounded("leg_angle", "rad"),
    Field::unbounded("foot_angle", "rad"),
    Field::new("torso_vx", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("torso_vz", "m/s", -MAX_SPEED, MAX_SPEED),
    Field::new("torso_pitch_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("thigh_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("leg_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
    Field::new("foot_rate", "rad/s", -MAX_SPEED, MAX_SPEED),
];

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hopper {
    root: MultibodyJointHandle,
    hinges: [MultibodyJointHandle; 3],
    /// Torso x when the step began.
    x_before: f32,
}

/// x, z, pitch, thigh, leg, foot: MuJoCo's `qpos` and `qvel`, in its order and signs.
type Coordinates = SVector<f32, 6>;

impl Hopper {
    fn positions(&self, world: &World) -> Coordinates {
        let root = |axis| world.coord(self.root, axis);
        let [thigh, leg, foot] = self
            .hinges
            .map(|h| world.coord(h, JointAxis::AngY as usize));
        Coordinates::from([root(0), root(2), root(4), thigh, leg, foot])
    }

    fn velocities(&self, world: &World) -> Coordinates {
        Coordinates::from_fn(|i, _| world.velocity(self.root, i))
    }

    fn set_state(&self, world: &mut World, positions: Coordinates, velocities: Coordinates) {
        let change = positions - self.positions(world);
        world.place(self.root, |mb, _| {
            mb.apply_displacements(change.as_slice());
            mb.generalized_velocity_mut().copy_from(&velocities);
        });
    }

    fn is_healthy(&self, world: &World) -> bool {
        let [_, z, pitch, hinges @ ..]: [f32; 6] = self.positions(world).into();
        let within = |v: &f32| v.abs() < MAX_STATE;
        z > MIN_HEIGHT
            && pitch.abs() < MAX_PITCH
            && hinges.iter().all(within)
            && self.velocities(world).iter().all(within)
    }
}

impl Domain for Hopper {
    const TASK: Task = Task {
        id: "hopper",
        family: "gymnasium",
        tags: &["dense-reward", "terminates"],
        version: 1,
        reward: "1 while healthy, plus forward velocity of the torso (m/s), minus 0.001 |action|²",
        success: "none is defined, as in Gymnasium: always false",
        spec: Spec {
            fields: FIELDS,
            actions: &["thigh_torque", "leg_torque", "foot_torque"],
            control_period: PERIOD as f64,
            horizon: 1000,
            reward_bounds: None,
        },
        make: Episode::<Self>::make,
    };
    const SUBSTEPS: usize = FRAME_SKIP;

    fn build() -> Result<(World, Self), EnvError> {
        let refused = |what| EnvError::Build {
            task: Self::TASK.id,
            what,
        };
        let softness = |(hz, damping)| SpringCoefficients::new(hz, damping);
        let mut world = World::new(SUBSTEP);
        let p = &mut world.0.integration_parameters;
        p.num_solver_iterations = 1;
        p.num_internal_stabilization_iterations = STABILIZATION_ITERATIONS;
        p.contact_softness = softness(CONTACT_SOFTNESS);
        p.static_contact_softness = softness(CONTACT_SOFTNESS);

        // The floor is a body of its own: contacts are off between jointed bodies, and the
        // torso's parent is `base`. Of two frictions MuJoCo takes the larger.
        let floor = ColliderBuilder::new(SharedShape::halfspace(Vector::Z))
            .friction(FLOOR_FRICTION)
            .friction_combine_rule(CoefficientCombineRule::Max);
        world.0.insert(RigidBodyBuilder::fixed(), floor);
        let capsule = |(a, b, radius): ([f32; 3], [f32; 3], f32), friction: f32| {
            ColliderBuilder::new(SharedShape::capsule(a.into(), b.into(), radius))
                .density(DENSITY)
                .friction(friction)
                .friction_combine_rule(CoefficientCombineRule::Max)
        };

        // The torso slides along x and z and turns about y: one joint, whose coordinates are the
        // torso's pose in the world.
        let base = world.0.insert_body(RigidBodyBuilder::fixed());
        let torso = world.add_body();
        world
            .0
            .insert_collider(capsule(TORSO, TORSO_FRICTION), Some(torso));
        let planar = JointAxesMask::LIN_Y | JointAxesMask::ANG_X | JointAxesMask::ANG_Z;
        let joint = GenericJointBuilder::new(planar)
            .contacts_enabled(false)
            .build();
        let root = world
            .0
            .insert_multibody_joint(base, torso, joint)
            .ok_or(refused("the torso's joint"))?;

        // The hinges turn about -y: the frame's y axis, upside down. Frames must be exact, free of
        // rounding. rapier caps friction along x and y together, so the least mobility along y, in
        // which this robot has none, would claim all friction and leave the foot sliding.
        let upside_down = Rotation::from_xyzw(1.0, 0.0, 0.0, 0.0);
        let all_but_y = JointAxesMask::LIN_AXES | JointAxesMask::ANG_X | JointAxesMask::ANG_Z;
        let mut hinges = [root; 3];
        let mut parent = torso;
        for (link, handle) in LEG.iter().zip(&mut hinges) {
            let body = world.add_body();
            world
                .0
                .insert_collider(capsule(link.capsule, link.friction), Some(body));
            let (offset, hinge) = (Vector::from(link.offset), Vector::from(link.hinge));
            let mut joint = GenericJointBuilder::new(all_but_y)
                .contacts_enabled(false)
                .local_frame1(Pose::from_parts(offset + hinge, upside_down))
                .local_frame2(Pose::from_parts(hinge, upside_down))
                .limits(JointAxis::AngY, link.range_degrees.map(f32::to_radians))
                .build();
            joint.softness = softness(LIMIT_SOFTNESS);
            *handle = world
                .0
                .insert_multibody_joint(parent, body, joint)
                .ok_or(refused("a hinge"))?;
            parent = body;
        }

        world.settle(root);
        world.edit(root, |mb, _| mb.set_self_contacts_enabled(false));
        for hinge in hinges {
            world.edit(hinge, |mb, link| {
                let Some(dof) = mb.link(link).map(|l| l.assembly_id()) else {
                    return;
                };
                mb.armature_mut()[dof] = ARMATURE;
                mb.damping_mut()[dof] = DAMPING;
            });
        }
        let hopper = Self {
            root,
            hinges,
            x_before: 0.0,
        };
        let standing = [0.0, TORSO_HEIGHT, 0.0, 0.0, 0.0, 0.0];
        hopper.set_state(&mut world, standing.into(), Coordinates::zeros());
        Ok((world, hopper))
    }

    fn begin(&mut self, world: &mut World, random: &mut Random) {
        let mut noise = || random.uniform(-RESET_NOISE, RESET_NOISE);
        let positions = self.positions(world).map(|q| q + noise());
        let velocities = Coordinates::from_fn(|_, _| noise());
        self.set_state(world, positions, velocities);
    }

    fn act(&mut self, world: &mut World, action: &[f32]) {
        self.x_before = world.coord(self.root, 0);
        for (&hinge, torque) in self.hinges.iter().zip(action.iter().map(|a| GEAR * a)) {
            world.edit(hinge, |mb, link| {
                if let Some(link) = mb.link_mut(link) {
                    link.joint.set_spring(
                        JointAxis::AngY as usize,
                        TORQUE_SPRING,
                        torque / TORQUE_SPRING,
                    );
                }
            });
        }
    }

    fn observe(&self, world: &World, obs: &mut [f32]) {
        let (positions, velocities) = obs.split_at_mut(5);
        positions.copy_from_slice(&self.positions(world).as_slice()[1..]);
        velocities.copy_from_slice(
            self.velocities(world)
                .map(|v| v.clamp(-MAX_SPEED, MAX_SPEED))
                .as_slice(),
        );
    }

    fn judge(&self, world: &World, action: &[f32]) -> Judgement {
        let healthy = self.is_healthy(world);
        let forward = (world.coord(self.root, 0) - self.x_before) / PERIOD;
        let effort: f32 = action.iter().map(|a| a * a).sum();
        Judgement {
            reward: HEALTHY_REWARD * f32::from(healthy) + forward - CONTROL_COST * effort,
            success: false,
            terminated: !healthy,
        }
    }
}

#[cfg(test)]
mod tests;
