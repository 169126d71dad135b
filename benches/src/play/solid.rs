//! Solids and where rays meet them.

use nalgebra::{Matrix3, Vector3};
use prefbench_envs::{Role, Shape};

use super::recording::{Pose, Recording};

pub type Vec3 = Vector3<f32>;

/// Closer to its origin than this share of a solid's size, a ray does not meet the solid: it left it.
const NEAR: f32 = 1e-3;

/// A half line from `origin` along the unit vector `along`.
#[derive(Clone, Copy)]
pub struct Ray {
    pub origin: Vec3,
    pub along: Vec3,
}

impl Ray {
    pub fn at(&self, t: f32) -> Vec3 {
        self.origin + self.along * t
    }
}

/// A finite shape, posed.
pub struct Solid {
    shape: Shape,
    pub role: Role,
    /// Its place in the recording's list of shapes.
    pub index: usize,
    pub centre: Vec3,
    /// Half lengths of its box, along its own axes.
    half: Vec3,
    /// Its own axes, as columns.
    axes: Matrix3<f32>,
}

impl Solid {
    /// The finite shapes of a frame.
    pub fn all(recording: &Recording, frame: usize) -> Vec<Self> {
        let shapes = recording.shapes.iter().zip(&recording.frames[frame]);
        let solid = |(index, (&(shape, role), pose)): (usize, (&(Shape, Role), &Pose))| {
            let half = half_lengths(shape)?;
            Some(Self {
                shape,
                role,
                index,
                centre: pose.translation.vector,
                half,
                axes: pose.rotation.to_rotation_matrix().into_inner(),
            })
        };
        shapes.enumerate().filter_map(solid).collect()
    }

    /// Half the lengths of its box along the rows of `frame`.
    pub fn extent(&self, frame: &Matrix3<f32>) -> Vec3 {
        (frame * self.axes).abs() * self.half
    }

    /// Half the lengths of its box along the world's axes.
    pub fn extent_in_world(&self) -> Vec3 {
        self.axes.abs() * self.half
    }

    /// How far along `ray` it is, and its normal there.
    pub fn hit(&self, ray: &Ray) -> Option<(f32, Vec3)> {
        let o = self.axes.tr_mul(&(ray.origin - self.centre));
        let d = self.axes.tr_mul(&ray.along);
        let near = NEAR * self.half.min();
        let (t, normal) = match self.shape {
            Shape::Floor => None,
            Shape::Ball { radius } => ball(o, d, radius, near),
            Shape::Capsule {
                radius,
                half_length,
            } => capsule(o, d, radius, half_length, near),
            Shape::Cylinder {
                radius,
                half_length,
            } => cylinder(o, d, radius, half_length, near),
            Shape::Ellipsoid { .. } => ellipsoid(o, d, self.half, near),
            Shape::Cuboid { .. } => cuboid(o, d, self.half, near),
        }?;
        Some((t, self.axes * normal))
    }
}

/// Half lengths of a shape's box; none of the floor, which has no end.
pub fn half_lengths(shape: Shape) -> Option<Vec3> {
    Some(match shape {
        Shape::Floor => return None,
        Shape::Ball { radius } => Vec3::repeat(radius),
        Shape::Capsule {
            radius,
            half_length,
        } => Vec3::new(radius, radius, radius + half_length),
        Shape::Cylinder {
            radius,
            half_length,
        } => Vec3::new(radius, radius, half_length),
        Shape::Ellipsoid { half } | Shape::Cuboid { half } => half.into(),
    })
}

type Hit = Option<(f32, Vec3)>;

/// The smaller root of a t² + 2 b t + c.
fn root(a: f32, b: f32, c: f32) -> Option<f32> {
    let h = b * b - a * c;
    (h >= 0.0 && a > 1e-12).then(|| (-b - h.sqrt()) / a)
}

fn nearer(a: Hit, b: Hit) -> Hit {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
        _ => a.or(b),
    }
}

fn ball(o: Vec3, d: Vec3, radius: f32, near: f32) -> Hit {
    let t = root(1.0, o.dot(&d), o.dot(&o) - radius * radius)?;
    (t > near).then(|| (t, (o + d * t) / radius))
}

fn ellipsoid(o: Vec3, d: Vec3, half: Vec3, near: f32) -> Hit {
    // In a space where it is the unit ball.
    let (o, d) = (o.component_div(&half), d.component_div(&half));
    let t = root(d.dot(&d), o.dot(&d), o.dot(&o) - 1.0)?;
    (t > near).then(|| (t, (o + d * t).component_div(&half).normalize()))
}

/// The round side of a cylinder along z.
fn side(o: Vec3, d: Vec3, radius: f32, half_length: f32, near: f32) -> Hit {
    let (o2, d2) = (o.xy(), d.xy());
    let t = root(d2.dot(&d2), o2.dot(&d2), o2.dot(&o2) - radius * radius)?;
    let p = o + d * t;
    (t > near && p.z.abs() <= half_length).then(|| (t, Vec3::new(p.x, p.y, 0.0) / radius))
}

fn capsule(o: Vec3, d: Vec3, radius: f32, half_length: f32, near: f32) -> Hit {
    let end = |z: f32| {
        let (t, n) = ball(o - Vec3::z() * z, d, radius, near)?;
        (n.z * z >= 0.0).then_some((t, n))
    };
    let ends = nearer(end(half_length), end(-half_length));
    nearer(side(o, d, radius, half_length, near), ends)
}

fn cylinder(o: Vec3, d: Vec3, radius: f32, half_length: f32, near: f32) -> Hit {
    let end = -half_length * d.z.signum();
    let t = (end - o.z) / d.z;
    let p = (o + d * t).xy();
    let cap =
        (t > near && p.dot(&p) <= radius * radius).then(|| (t, Vec3::new(0.0, 0.0, -d.z.signum())));
    nearer(cap, side(o, d, radius, half_length, near))
}

fn cuboid(o: Vec3, d: Vec3, half: Vec3, near: f32) -> Hit {
    let inverse = d.map(|x| 1.0 / x);
    let middle = -o.component_mul(&inverse);
    let reach = half.component_mul(&inverse.abs());
    let (enter, leave) = (middle - reach, middle + reach);
    let axis = enter.imax();
    let t = enter[axis];
    (t > near && t <= leave.min()).then(|| {
        let mut normal = Vec3::zeros();
        normal[axis] = -d[axis].signum();
        (t, normal)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{Translation3, UnitQuaternion};
    use prefbench_oracles::Stream;
    use prefbench_results::EpisodeResult;

    /// How far a point is outside a shape (negative: inside), by another way than the rays'.
    fn distance(shape: Shape, p: Vec3) -> f32 {
        let outside = |d: Vec3| d.sup(&Vec3::zeros()).norm() + d.max().min(0.0);
        match shape {
            Shape::Floor => f32::INFINITY,
            Shape::Ball { radius } => p.norm() - radius,
            Shape::Capsule {
                radius,
                half_length: l,
            } => (p - Vec3::z() * p.z.clamp(-l, l)).norm() - radius,
            Shape::Cylinder {
                radius,
                half_length,
            } => outside(Vec3::new(
                p.xy().norm() - radius,
                p.z.abs() - half_length,
                -1e9,
            )),
            // To first order; of the right sign everywhere.
            Shape::Ellipsoid { half } => {
                let half = Vec3::from(half);
                let unit = p.component_div(&half);
                let steepness = unit.component_div(&half).norm();
                (unit.norm() - 1.0) * unit.norm() / steepness
            }
            Shape::Cuboid { half } => outside(p.abs() - Vec3::from(half)),
        }
    }

    #[test]
    fn rays_stop_where_the_solid_begins() {
        let (radius, half_length) = (0.3, 0.5);
        let half = [0.2, 0.4, 0.6];
        let shapes = [
            Shape::Ball { radius },
            Shape::Capsule {
                radius,
                half_length,
            },
            Shape::Cylinder {
                radius,
                half_length,
            },
            Shape::Ellipsoid { half },
            Shape::Cuboid { half },
        ];
        let mut random = Stream::new(0, "rays");
        let mut vector = |size: f32| {
            let mut v = [0.0; 3];
            random.fill_uniform(&mut v, -size, size);
            Vec3::from(v)
        };
        for shape in shapes {
            let pose = Pose::from_parts(
                Translation3::from(vector(1.0)),
                UnitQuaternion::new(vector(3.0)),
            );
            let recording = Recording {
                period: 1.0,
                shapes: vec![(Shape::Floor, Role::Ground), (shape, Role::Robot)],
                frames: vec![vec![Pose::identity(), pose]],
                steps: vec![],
                result: EpisodeResult {
                    seed: 0,
                    return_: 0.0,
                    length: 0,
                    success: false,
                },
            };
            let solids = Solid::all(&recording, 0);
            let [solid] = &solids[..] else {
                panic!("the floor has no end");
            };
            let outside = |p: Vec3| distance(shape, pose.inverse_transform_point(&p.into()).coords);
            let mut hits = 0;
            for _ in 0..2000 {
                let (origin, toward) = (solid.centre + vector(3.0), solid.centre + vector(0.8));
                if outside(origin) < 0.01 {
                    continue;
                }
                let ray = Ray {
                    origin,
                    along: (toward - origin).normalize(),
                };
                let hit = solid.hit(&ray);
                hits += usize::from(hit.is_some());
                if let Some((t, normal)) = hit {
                    let p = ray.at(t);
                    assert!(outside(p).abs() < 1e-4, "{shape:?}: {} off", outside(p));
                    assert!(
                        outside(p + normal * 0.01) > 0.009,
                        "{shape:?}: wrong normal"
                    );
                }
                let end = hit.map_or(10.0, |h| h.0);
                let before = (0..200).map(|k| outside(ray.at(end * k as f32 / 200.0)));
                assert!(
                    before.fold(1.0, f32::min) > -1e-4,
                    "{shape:?}: went through"
                );
            }
            assert!(hits > 200, "{shape:?}: {hits} hits");
        }
    }
}
