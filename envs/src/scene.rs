//! What a camera would see: the shapes of an environment and where they are.

/// A solid, centred at the origin of its frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// The half space below z = 0.
    Floor,
    /// A ball of this radius (m).
    Ball {
        /// m.
        radius: f32,
    },
    /// A cylinder along z with round ends.
    Capsule {
        /// m.
        radius: f32,
        /// Half the length of the cylinder, without its ends, m.
        half_length: f32,
    },
    /// A cylinder along z.
    Cylinder {
        /// m.
        radius: f32,
        /// Half the length, m.
        half_length: f32,
    },
    /// An ellipsoid.
    Ellipsoid {
        /// Half axes, m.
        half: [f32; 3],
    },
    /// A cuboid.
    Cuboid {
        /// Half the lengths of its edges, m.
        half: [f32; 3],
    },
}

/// What a shape is, which tells a renderer how to paint it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Floor, walls, tables.
    Ground,
    /// A link of a robot.
    Robot,
    /// A thing that the robot may move.
    Object,
    /// A goal or another mark without substance.
    Mark,
}

/// A shape and where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geom {
    /// The solid.
    pub shape: Shape,
    /// What it is.
    pub role: Role,
    /// Centre, m, in the world (z up).
    pub position: [f32; 3],
    /// Unit quaternion x, y, z, w.
    pub rotation: [f32; 4],
}

impl Geom {
    /// A ball that marks a place.
    pub(crate) fn mark(position: [f32; 3], radius: f32) -> Self {
        Self {
            shape: Shape::Ball { radius },
            role: Role::Mark,
            position,
            rotation: [0.0, 0.0, 0.0, 1.0],
        }
    }
}
