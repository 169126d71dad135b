//! Franka's Panda with its parallel gripper, as robosuite 1.5.2 simulates it (`robots/panda/robot.xml`
//! and `grippers/panda_gripper.xml`): kinematics, masses, inertias, armatures, damping, friction and
//! ranges of the joints are its.
//!
//! Flange, hand and gripper are one body, in the frame of robosuite's `right_hand`, which turns with
//! the last joint. Deviations: meshes are capsules and boxes; links do not touch each other, the
//! fingers included, whose ranges end where they would meet; nor do the two links nearest to the base
//! touch anything.

use crate::EnvError;
use crate::robot::{BODY, Body, GEOM, Geom, HINGE, Joint, Kind, Robot, Solid};
use crate::world::World;
use rapier3d::prelude::*;
use serde::{Deserialize, Serialize};
use std::array::from_fn;

pub(super) const JOINTS: usize = 7;
const LINKS: usize = JOINTS + 2;
/// The body at the end: flange, hand, gripper.
const HAND: usize = 6;
/// Indices of the fingers' bodies and joints.
const FINGERS: [usize; 2] = [7, 8];
/// From the hand's frame to the point between the pads, which is controlled, m.
const GRIP: f32 = 0.097;
/// From the flange to the hand's frame, m.
const FLANGE: f32 = 0.1065;

/// rad.
pub(super) const NOMINAL: [f32; JOINTS] = {
    use std::f32::consts::PI;
    [
        0.0,
        PI / 16.0,
        0.0,
        -PI / 2.0 - PI / 3.0,
        0.0,
        PI - 0.2,
        PI / 4.0,
    ]
};
/// Of the right and left finger at the start of an episode, m.
const FINGERS_START: [f32; 2] = [0.020_833, -0.020_833];
/// Largest opening of one finger, m.
pub(super) const FINGER_RANGE: f32 = 0.04;

/// N m.
const TORQUE_LIMITS: [f32; JOINTS] = [80.0, 80.0, 80.0, 80.0, 80.0, 12.0, 12.0];
/// Against any motion: of the arm's joints (N m) above a rate (rad/s), of the fingers (N) above a speed
/// (m/s); slower, in proportion. rapier's own friction of joints takes half of all time.
const FRICTION: (f32, f32) = (0.1, 0.01);
const FINGER_FRICTION: (f32, f32) = (1.0, 0.005);
/// N per m, and N.
const FINGER_STIFFNESS: f32 = 1000.0;
const FINGER_FORCE: f32 = 20.0;

/// Natural frequency (Hz) and damping ratio of the joints' limits.
const LIMIT_SOFTNESS: (f32, f32) = (30.0, 1.0);

/// Mass (kg), its centre along the body's axes (m) and inertia about it (kg m²).
pub(super) struct Inertia {
    pub mass: f32,
    pub centre: [f32; 3],
    pub diagonal: [f32; 3],
}

const fn inertia(mass: f32, centre: [f32; 3], diagonal: [f32; 3]) -> Inertia {
    Inertia {
        mass,
        centre,
        diagonal,
    }
}

/// Link 7 with the hand and the gripper, in the hand's frame.
const WRIST: Inertia = {
    const PARTS: [(f32, f32, [f32; 3]); 3] = [
        (0.5, 0.08 - FLANGE, [0.05, 0.05, 0.05]),
        (0.5, 0.0, [0.05, 0.05, 0.05]),
        (0.3, 0.17, [0.05, 0.09, 0.07]),
    ];
    along_z(PARTS)
};
/// A finger with its tip, whose 8.5 mm from the finger's axis are left out.
const FINGER: Inertia = along_z([
    (0.1, 0.05, [0.01, 0.01, 0.005]),
    (0.01, 0.056, [0.01, 0.01, 0.01]),
    (0.0, 0.0, [0.0; 3]),
]);

/// Masses, heights and inertias of parts in a row.
const fn along_z(parts: [(f32, f32, [f32; 3]); 3]) -> Inertia {
    let (mut mass, mut moment) = (0.0, 0.0);
    let mut i = 0;
    while i < 3 {
        mass += parts[i].0;
        moment += parts[i].0 * parts[i].1;
        i += 1;
    }
    let z = moment / mass;
    let mut sum = [0.0; 3];
    i = 0;
    while i < 3 {
        let (m, height, [a, b, c]) = parts[i];
        let apart = m * (height - z) * (height - z);
        sum = [sum[0] + a + apart, sum[1] + b + apart, sum[2] + c];
        i += 1;
    }
    inertia(mass, [0.0, 0.0, z], sum)
}

pub(super) const INERTIAS: [Inertia; LINKS] = [
    inertia(3.0, [0.0, 0.0, -0.07], [0.3; 3]),
    inertia(3.0, [0.0, -0.1, 0.0], [0.3; 3]),
    inertia(2.0, [0.04, 0.0, -0.05], [0.2; 3]),
    inertia(2.0, [-0.04, 0.05, 0.0], [0.2; 3]),
    inertia(2.0, [0.0, 0.0, -0.15], [0.2; 3]),
    inertia(1.5, [0.06, 0.0, 0.0], [0.1; 3]),
    WRIST,
    FINGER,
    FINGER,
];

/// kg m².
pub(super) const fn armature(joint: usize) -> f32 {
    5.0 / (joint as f32 + 1.0)
}

const fn hinge(index: usize, name: &'static str, range: [f32; 2]) -> Joint {
    Joint {
        name,
        axis: [0.0, 0.0, 1.0],
        range: Some(range),
        damping: if index < 5 { 0.1 } else { 0.01 },
        armature: armature(index),
        ..HINGE
    }
}

const fn finger(name: &'static str, range: [f32; 2]) -> Joint {
    Joint {
        name,
        kind: Kind::Slide,
        axis: [0.0, 1.0, 0.0],
        range: Some(range),
        damping: 100.0,
        armature: 1.0,
        ..HINGE
    }
}

const HINGES: [Joint; JOINTS] = [
    hinge(0, "joint1", [-2.8973, 2.8973]),
    hinge(1, "joint2", [-1.7628, 1.7628]),
    hinge(2, "joint3", [-2.8973, 2.8973]),
    hinge(3, "joint4", [-3.0718, -0.0698]),
    hinge(4, "joint5", [-2.8973, 2.8973]),
    hinge(5, "joint6", [-0.0175, 3.7525]),
    hinge(6, "joint7", [-2.8973, 2.8973]),
];
const SLIDES: [Joint; 2] = [
    finger("finger1", [0.0, FINGER_RANGE]),
    finger("finger2", [-FINGER_RANGE, 0.0]),
];

const fn solid(solid: Solid) -> Geom {
    Geom {
        solid,
        density: 0.0,
        ..GEOM
    }
}

const fn cuboid(centre: [f32; 3], half: [f32; 3]) -> Geom {
    solid(Solid::Cuboid(centre, half))
}

/// In front of the finger by half a millimetre.
const fn pad(centre: [f32; 3]) -> Geom {
    Geom {
        friction: 2.0,
        ..cuboid(centre, [0.008, 0.004, 0.008])
    }
}

// Around the meshes, m.
const LINK3: &[Geom] = &[solid(Solid::Capsule(
    [0.0, 0.0, -0.09],
    [0.0825, 0.055, 0.0],
    0.055,
))];
const LINK4: &[Geom] = &[solid(Solid::Capsule([0.0; 3], [-0.0825, 0.08, 0.0], 0.055))];
const LINK5: &[Geom] = &[solid(Solid::Capsule(
    [0.0, 0.0, -0.21],
    [0.0, 0.07, 0.0],
    0.055,
))];
const LINK6: &[Geom] = &[solid(Solid::Capsule([0.0; 3], [0.088, 0.02, 0.0], 0.05))];
const HAND_SOLIDS: &[Geom] = &[
    solid(Solid::Capsule([0.0, 0.0, -0.04], [0.0, 0.0, -0.02], 0.045)),
    cuboid([0.0, 0.0, 0.02], [0.0316, 0.102, 0.046]),
];
const RIGHT: &[Geom] = &[
    pad([0.0, 0.0035, 0.041]),
    cuboid([0.0, 0.01445, 0.0185], [0.0105, 0.01195, 0.0185]),
    cuboid([0.0, 0.0071, 0.0449], [0.0087, 0.0071, 0.009]),
];
const LEFT: &[Geom] = &[
    pad([0.0, -0.0035, 0.041]),
    cuboid([0.0, -0.01445, 0.0185], [0.0105, 0.01195, 0.0185]),
    cuboid([0.0, -0.0071, 0.0449], [0.0087, 0.0071, 0.009]),
];
/// Indices of the pads among all geoms.
const PADS: [usize; 2] = [6, 9];

/// Quarter turns about x.
const OVER: [f32; 4] = [1.0, -1.0, 0.0, 0.0];
const BACK: [f32; 4] = [1.0, 1.0, 0.0, 0.0];
/// After `BACK`, the hand's eighth of a turn about its axis, with robosuite's rounding.
const HAND_TURN: [f32; 4] = [0.924, 0.924, 0.383, -0.383];

const fn table(base: [f32; 3]) -> [Body; LINKS] {
    const fn link(i: usize, position: [f32; 3], rotation: [f32; 4]) -> Body {
        const NAMES: [&str; LINKS + 1] = [
            "", "link1", "link2", "link3", "link4", "link5", "link6", "hand", "right", "left",
        ];
        const SOLIDS: [&[Geom]; JOINTS] = [&[], &[], LINK3, LINK4, LINK5, LINK6, HAND_SOLIDS];
        Body {
            name: NAMES[i + 1],
            parent: NAMES[i],
            position,
            rotation,
            joints: HINGES.split_at(i).1.split_at(1).0,
            geoms: SOLIDS[i],
        }
    }
    const fn finger(i: usize, name: &'static str, geoms: &'static [Geom]) -> Body {
        Body {
            name,
            parent: "hand",
            position: [0.0, 0.0, 0.0524],
            joints: SLIDES.split_at(i).1.split_at(1).0,
            geoms,
            ..BODY
        }
    }
    let [x, y, z] = base;
    [
        link(0, [x, y, z + 0.333], BODY.rotation),
        link(1, [0.0; 3], OVER),
        link(2, [0.0, -0.316, 0.0], BACK),
        link(3, [0.0825, 0.0, 0.0], BACK),
        link(4, [-0.0825, 0.384, 0.0], OVER),
        link(5, [0.0; 3], BACK),
        link(6, [0.088, -FLANGE, 0.0], HAND_TURN),
        finger(0, "right", RIGHT),
        finger(1, "left", LEFT),
    ]
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Arm {
    robot: Robot,
    pads: [ColliderHandle; 2],
}

impl Arm {
    /// Adds the arm, which stands at `base`, in its nominal pose.
    pub fn build(world: &mut World, task: &'static str, base: [f32; 3]) -> Result<Self, EnvError> {
        let robot = Robot::build(world, task, &table(base), &[], LIMIT_SOFTNESS)?;
        for (i, inertia) in INERTIAS.iter().enumerate() {
            let [mass, centre, diagonal] = [
                Vector::splat(inertia.mass),
                inertia.centre.into(),
                inertia.diagonal.into(),
            ];
            let properties = MassProperties::new(centre, mass.x, diagonal);
            let body = robot.body_mut(world, i);
            body.set_additional_mass_properties(properties, true);
        }
        let pads = PADS.map(|i| robot.geom_handle(i));
        let arm = Self { robot, pads };
        arm.place(world, &NOMINAL);
        Ok(arm)
    }

    /// Puts the arm's joints there, at rest.
    pub fn place(&self, world: &mut World, joints: &[f32; JOINTS]) {
        let mut positions = [0.0; LINKS];
        positions[..JOINTS].copy_from_slice(joints);
        positions[JOINTS..].copy_from_slice(&FINGERS_START);
        self.robot.set_state(world, &positions, &[0.0; LINKS]);
    }

    /// Angles of the arm's joints (rad).
    pub fn joints(&self, world: &World) -> [f32; JOINTS] {
        from_fn(|i| self.robot.coordinate(world, i))
    }

    /// Rates of the arm's joints (rad/s).
    pub fn rates(&self, world: &World) -> [f32; JOINTS] {
        let mut all = [0.0; LINKS];
        self.robot.velocities(world, &mut all);
        from_fn(|i| all[i])
    }

    /// Coordinates of the right and the left finger, m: 0 where they meet.
    pub fn fingers(&self, world: &World) -> [f32; 2] {
        FINGERS.map(|i| self.robot.coordinate(world, i))
    }

    /// The point between the pads, in the hand's orientation.
    pub fn end(&self, world: &World) -> Pose {
        *self.robot.body(world, HAND).position() * Pose::from_translation(Vector::Z * GRIP)
    }

    /// Of the `index`-th link or finger.
    pub fn pose(&self, world: &World, index: usize) -> Pose {
        *self.robot.body(world, index).position()
    }

    /// Whether both pads press on one of this body's solids.
    pub fn grasps(&self, world: &World, body: RigidBodyHandle) -> bool {
        let of = |solid: ColliderHandle| world.0.colliders.get(solid).and_then(|c| c.parent());
        self.pads.iter().all(|&pad| {
            world.0.narrow_phase.contact_pairs_with(pad).any(|pair| {
                let other = if pair.collider1 == pad {
                    pair.collider2
                } else {
                    pair.collider1
                };
                let mut points = pair.manifolds().iter().flat_map(|m| &m.points);
                of(other) == Some(body) && points.any(|p| p.data.warmstart_impulse > 0.0)
            })
        })
    }

    /// Sets the motors' torques (N m), cut to what they can, adds others, and pulls the fingers
    /// towards `opening` (m).
    pub fn drive(
        &self,
        world: &mut World,
        torques: [f32; JOINTS],
        others: [f32; JOINTS],
        opening: f32,
    ) {
        let mut rates = [0.0; LINKS];
        self.robot.velocities(world, &mut rates);
        let fingers = self.fingers(world);
        let goals = [opening, -opening];
        let friction =
            |i: usize, (force, rate): (f32, f32)| -force * (rates[i] / rate).clamp(-1.0, 1.0);
        self.robot.drive(
            world,
            (0..LINKS).map(|i| {
                let force = if i < JOINTS {
                    let limit = TORQUE_LIMITS[i];
                    others[i] + torques[i].clamp(-limit, limit) + friction(i, FRICTION)
                } else {
                    let off = goals[i - JOINTS] - fingers[i - JOINTS];
                    (FINGER_STIFFNESS * off).clamp(-FINGER_FORCE, FINGER_FORCE)
                        + friction(i, FINGER_FRICTION)
                };
                (i, force)
            }),
        );
    }
}
