//! A table becomes a multibody.

use super::table::centre_of_mass;
use super::{Body, Dof, Joint, Kind, Motor, Robot};
use crate::EnvError;
use crate::compliance::{Impedance, SoftJoint};
use crate::world::World;
use rapier3d::prelude::*;

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

/// The frame about or along whose axis (0-2: x, y, z) a joint moves. Frames of axes along x, y or
/// z must be exact, free of rounding: rapier caps friction along its two tangents together, so a
/// planar robot's least mobility across its plane would claim all friction and leave its feet
/// sliding.
pub(crate) fn frame(axis: [f32; 3]) -> (usize, Rotation) {
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
        Ok(Self {
            handle,
            bodies,
            geoms,
            dofs,
            free,
            motors,
        })
    }
}

pub(crate) const AXES: [JointAxis; 6] = [
    JointAxis::LinX,
    JointAxis::LinY,
    JointAxis::LinZ,
    JointAxis::AngX,
    JointAxis::AngY,
    JointAxis::AngZ,
];
