//! What MuJoCo tells of each body, about the centre of mass of the whole robot and along the axes
//! of the world: inertia (`cinert`), velocity (`cvel`) and force of contacts (`cfrc_ext`).

use crate::robot::Robot;
use crate::world::World;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Where the rows are in the observation.
const CINERT: Range<usize> = 45..175;
const CVEL: Range<usize> = 175..253;
pub(super) const QFRC_ACTUATOR: Range<usize> = 253..270;
pub(super) const CFRC_EXT: Range<usize> = 270..348;

pub(super) const LINKS: usize = 13;
/// MuJoCo's bodies, of which the feet are parts of our shins: the body in our table, how many of
/// its geoms they are (in the table's order), and the mass in kg, which the observation repeats.
pub(super) const PARTS: [(usize, usize, f32); LINKS] = [
    (0, 3, 8.907_462),
    (1, 1, 2.261_946_7),
    (2, 1, 6.616_194),
    (3, 1, 4.751_751),
    (4, 1, 2.755_696_2),
    (4, 1, 1.767_145_9),
    (5, 1, 4.751_751),
    (6, 1, 2.755_696_2),
    (6, 1, 1.767_145_9),
    (7, 1, 1.661_080_5),
    (8, 2, 1.229_540_2),
    (9, 1, 1.661_080_5),
    (10, 2, 1.229_540_2),
];

/// All that touches the floor while the torso is a metre above it: a robot on its knees is lower.
pub(super) const FEET: [usize; 2] = [5, 8];

/// A rigid part of a body: its centre of mass and its inertia about it, in the body's frame.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Link {
    centre: Vector,
    inertia: Matrix,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Links(Vec<Link>);

/// Torque about the centre of mass (N m) and force (N) of contacts on each link.
struct Forces([(Vector, Vector); LINKS]);

impl Links {
    pub fn new(world: &World, robot: &Robot) -> Self {
        let mut next = 0;
        let link = |&(_, geoms, _): &(usize, usize, f32)| {
            let mass = (next..next + geoms).fold(MassProperties::default(), |sum, geom| {
                let collider = robot.geom(world, geom);
                let place = collider.position_wrt_parent().copied().unwrap_or_default();
                sum + collider.mass_properties().transform_by(&place)
            });
            next += geoms;
            Link {
                centre: mass.local_com,
                inertia: mass.reconstruct_inertia_matrix(),
            }
        };
        Self(PARTS.iter().map(link).collect())
    }

    /// The robot's centre of mass, in the world.
    pub fn centre_of_mass(&self, world: &World, robot: &Robot) -> Vector {
        let (mut moment, mut total) = (Vector::ZERO, 0.0);
        for (link, &(body, _, mass)) in self.0.iter().zip(&PARTS) {
            moment += *robot.body(world, body).position() * link.centre * mass;
            total += mass;
        }
        moment / total
    }

    /// Writes inertias, velocities and contact forces.
    pub fn observe(&self, world: &World, robot: &Robot, obs: &mut [f32]) {
        let centre = self.centre_of_mass(world, robot);
        let (inertias, _) = obs[CINERT].as_chunks_mut::<10>();
        for ((row, link), &(body, _, mass)) in inertias.iter_mut().zip(&self.0).zip(&PARTS) {
            let pose = robot.body(world, body).position();
            let turn = Matrix::from_quat(pose.rotation);
            let inertia = turn * link.inertia * turn.transpose();
            let r = *pose * link.centre - centre;
            let (x, y, z) = (inertia.x_axis, inertia.y_axis, inertia.z_axis);
            *row = [
                x.x + mass * (r.y * r.y + r.z * r.z),
                y.y + mass * (r.x * r.x + r.z * r.z),
                z.z + mass * (r.x * r.x + r.y * r.y),
                y.x - mass * r.x * r.y,
                z.x - mass * r.x * r.z,
                z.y - mass * r.y * r.z,
                mass * r.x,
                mass * r.y,
                mass * r.z,
                mass,
            ];
        }
        let (velocities, _) = obs[CVEL].as_chunks_mut::<6>();
        for (row, &(body, ..)) in velocities.iter_mut().zip(&PARTS) {
            let (linear, angular) = robot.velocity(world, body, centre);
            *row = [
                angular.x, angular.y, angular.z, linear.x, linear.y, linear.z,
            ];
        }
        let (forces, _) = obs[CFRC_EXT].as_chunks_mut::<6>();
        let contacts = Forces::of(world, robot, centre);
        forces.fill([0.0; 6]);
        for foot in FEET {
            let (torque, force) = contacts.0[foot];
            forces[foot] = [torque.x, torque.y, torque.z, force.x, force.y, force.z];
        }
    }

    /// The squares of all numbers of the contact forces on its links.
    pub fn contact_forces_squared(&self, world: &World, robot: &Robot) -> f32 {
        let forces = Forces::of(world, robot, self.centre_of_mass(world, robot)).0;
        let square =
            |(torque, force): (Vector, Vector)| torque.length_squared() + force.length_squared();
        forces.into_iter().map(square).sum()
    }
}

impl Forces {
    fn of(world: &World, robot: &Robot, centre: Vector) -> Self {
        let mut forces = [(Vector::ZERO, Vector::ZERO); LINKS];
        for (geom, point, force) in robot.contacts(world) {
            let link = LINK_OF[geom];
            forces[link].0 += (point - centre).cross(force);
            forces[link].1 += force;
        }
        Self(forces)
    }
}

/// The link of each geom.
pub(super) const LINK_OF: [usize; 17] = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12, 12];
