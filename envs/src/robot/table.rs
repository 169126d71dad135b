//! Bodies, joints and geometry, as their MJCF has them.

use rapier3d::prelude::*;

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
    /// Centres of the ends, radius.
    Cylinder([f32; 3], [f32; 3], f32),
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
const GROUND: Group = Group::GROUP_1;
const ROBOT: Group = Group::GROUP_2;

impl Solid {
    /// Its collider, in a frame whose origin is at `offset`.
    pub(crate) fn collider(self, offset: Vector) -> ColliderBuilder {
        let at = |p: [f32; 3]| Vector::from(p) - offset;
        match self {
            Self::Capsule(a, b, radius) => {
                ColliderBuilder::new(SharedShape::capsule(at(a), at(b), radius))
            }
            Self::Pitched(centre, angle, half, radius) => {
                let reach = Vector::new(libm::sinf(angle), 0.0, libm::cosf(angle)) * half;
                let centre = at(centre);
                ColliderBuilder::new(SharedShape::capsule(centre - reach, centre + reach, radius))
            }
            Self::Ball(centre, radius) => ColliderBuilder::ball(radius).translation(at(centre)),
            Self::Cuboid(centre, half) => {
                ColliderBuilder::cuboid(half[0], half[1], half[2]).translation(at(centre))
            }
            Self::Cylinder(a, b, radius) => {
                let (a, b) = (at(a), at(b));
                let turn = Rotation::from_rotation_arc(Vector::Y, (b - a).normalize_or(Vector::Y));
                ColliderBuilder::cylinder(0.5 * (b - a).length(), radius)
                    .position(Pose::from_parts((a + b) * 0.5, turn))
            }
            Self::Ellipsoid(centre, half) => ellipsoid(half).translation(at(centre)),
        }
    }
}

impl Geom {
    pub(super) fn collider(&self, offset: Vector) -> ColliderBuilder {
        let builder = self.solid.collider(offset);
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

pub(super) fn centre_of_mass(geoms: &[Geom]) -> Vector {
    let mass = geoms.iter().fold(MassProperties::default(), |sum, geom| {
        let collider = geom.collider(Vector::ZERO).build();
        sum + collider.mass_properties().transform_by(collider.position())
    });
    mass.local_com
}
