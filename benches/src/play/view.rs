//! Where the camera stands: what fits the picture, what it follows, from which side it looks.

use nalgebra::Matrix3;
use prefbench_envs::{Role, Shape};

use super::recording::{Pose, Recording};
use super::solid::{Ray, Solid, Vec3, half_lengths};

/// The vertical field of view, radians.
pub const FIELD: f32 = 0.56;
/// Width over height of what must fit; pictures are wider.
const ASPECT: f32 = 1.2;
/// Air around it.
const MARGIN: f32 = 1.2;
/// The camera stands at -y, from where planar robots show their side, and a little ahead.
const AZIMUTH: f32 = 0.35;
/// Radians; the first from which no wall hides the robot is taken.
const ELEVATIONS: [f32; 6] = [0.24, 0.42, 0.62, 0.85, 1.1, 1.35];
/// From so high up, a map should have its north at the top.
const STEEP: f32 = 0.7;
/// A hand is smaller than this, metres.
const HAND: f32 = 0.2;
/// Seconds over which the followed target is smoothed, along and up. (A hop must not shake it.)
const SMOOTH: [f32; 3] = [0.25, 0.25, 0.8];

/// How an episode is looked at.
pub struct View {
    /// What is in the middle of the picture, per frame.
    pub targets: Vec<Vec3>,
    /// A ball this large around it holds what is shown.
    pub radius: f32,
    /// From the target to the eye.
    pub distance: f32,
    pub azimuth: f32,
    pub elevation: f32,
    /// Height of the floor, whether the task has one or stands in the air.
    pub floor: f32,
    /// Edge of the floor's checkers.
    pub tile: f32,
}

impl View {
    /// Frames an episode.
    pub fn of(recording: &Recording) -> Self {
        let frames = 0..recording.frames.len();
        let is = |roles: &'static [Role]| move |role: Role| roles.contains(&role);
        let moving = is(&[Role::Robot, Role::Object, Role::Mark]);
        let all = |role: &dyn Fn(Role) -> bool| {
            let boxes = frames.clone().filter_map(|t| Box3::of(recording, t, role));
            boxes.reduce(Box3::with)
        };
        let robot_at = |t| Box3::of(recording, t, &is(&[Role::Robot]));
        let robots: Vec<Option<Box3>> = frames.clone().map(robot_at).collect();

        let scene = all(&moving).unwrap_or(Box3::UNIT);
        let robot = robots.iter().flatten().map(Box3::radius).reduce(f32::max);
        let robot = robot.unwrap_or(scene.radius());
        let walls = Box3::of(recording, 0, &is(&[Role::Ground]));
        let count = |role| recording.shapes.iter().filter(|s| s.1 == role).count();
        let alone = count(Role::Object) + count(Role::Mark) == 0;
        // Beyond how many times its size a robot is followed instead of shown with all there is:
        // the more its limbs matter, the sooner.
        let room = match (alone, count(Role::Robot)) {
            (true, _) => 1.7,
            // A goal belongs in the picture, even if the robot gets small.
            (false, _) if count(Role::Mark) > 0 => 150.0,
            (false, ..=2) => 30.0,
            (false, _) if robot < HAND => 8.0,
            (false, _) => 3.0,
        };
        let follows = scene.radius() > room * robot;
        let (targets, shown, radius) = if follows {
            let centres = robots.iter().map(|b| b.unwrap_or(scene).centre());
            let whole = walls.map_or(scene, |w| w.with(scene)).radius();
            let context = if alone && walls.is_none() {
                0.0
            } else {
                (robot * whole).sqrt()
            };
            let path = smooth(centres.collect(), recording.period);
            (path, None, context.max(1.15 * robot))
        } else {
            // Show the table or the walls too, if that does not make the rest small.
            let whole = walls.map_or(scene, |w| w.with(scene));
            let fits = whole.radius() < 1.8 * scene.radius();
            let shown = if fits { whole } else { scene };
            let path = vec![shown.centre(); recording.frames.len()];
            (path, Some(shown), shown.radius())
        };
        let lowest = all(&|_| true).map_or(0.0, |b| b.low.z);
        let mut view = Self {
            targets,
            radius: radius.max(1e-3),
            distance: 0.0,
            azimuth: AZIMUTH,
            elevation: ELEVATIONS[0],
            floor: floor_of(recording).unwrap_or(lowest),
            tile: nice(0.7 * radius),
        };
        let [width, depth, height]: [f32; 3] = (scene.high - scene.low).into();
        let flat = height < 0.15 * width.max(depth) && !follows;
        let first = match flat {
            true => 3,
            false => usize::from(!alone || walls.is_some()),
        };
        for &elevation in &ELEVATIONS[first..] {
            view.elevation = elevation;
            view.azimuth = if elevation > STEEP { 0.0 } else { AZIMUTH };
            view.distance = match shown {
                Some(shown) => MARGIN * view.distance_to(shown),
                None => MARGIN * view.radius / (0.5 * FIELD).sin(),
            };
            if !view.hidden(recording) {
                break;
            }
        }
        view
    }

    /// From how far away a box around the first target fits the picture.
    fn distance_to(&self, shown: Box3) -> f32 {
        let camera = self.camera(0);
        let tan = (0.5 * FIELD).tan();
        let needed = (0..8).map(|corner| {
            let pick = |i: usize| [shown.low, shown.high][corner >> i & 1][i];
            let at = camera.axes * (Vec3::from_fn(|i, _| pick(i)) - self.targets[0]);
            (at.x / ASPECT).abs().max(at.y.abs()) / tan - at.z
        });
        needed.fold(0.0, f32::max)
    }

    /// The camera of a frame.
    pub fn camera(&self, frame: usize) -> Camera {
        let ((sa, ca), (se, ce)) = (self.azimuth.sin_cos(), self.elevation.sin_cos());
        let back = Vec3::new(sa * ce, -ca * ce, se);
        let right = Vec3::new(ca, sa, 0.0);
        let up = back.cross(&right);
        Camera {
            eye: self.targets[frame] + back * self.distance,
            axes: Matrix3::from_columns(&[right, up, -back]).transpose(),
        }
    }

    /// Whether walls hide the robot's limbs for a fifth of the time or more.
    fn hidden(&self, recording: &Recording) -> bool {
        let frames = (0..recording.frames.len()).step_by(recording.frames.len().div_ceil(20));
        let (mut blocked, mut asked) = (0, 0);
        for t in frames {
            let eye = self.camera(t).eye;
            let solids = Solid::all(recording, t);
            for robot in solids.iter().filter(|s| s.role == Role::Robot) {
                let way = robot.centre - eye;
                let ray = Ray {
                    origin: eye,
                    along: way.normalize(),
                };
                let mut walls = solids.iter().filter(|s| s.role == Role::Ground);
                asked += 1;
                blocked +=
                    usize::from(walls.any(|w| w.hit(&ray).is_some_and(|(at, _)| at < way.norm())));
            }
        }
        5 * blocked > asked
    }
}

/// An eye and the directions right, up and ahead of it, as rows.
pub struct Camera {
    pub eye: Vec3,
    pub axes: Matrix3<f32>,
}

/// A box along the world's axes.
#[derive(Clone, Copy)]
struct Box3 {
    low: Vec3,
    high: Vec3,
}

impl Box3 {
    const UNIT: Self = Self {
        low: Vec3::new(-0.5, -0.5, 0.0),
        high: Vec3::new(0.5, 0.5, 1.0),
    };

    /// Around the finite shapes of these roles in a frame.
    fn of(recording: &Recording, frame: usize, wanted: &dyn Fn(Role) -> bool) -> Option<Self> {
        let solids = Solid::all(recording, frame);
        let boxes = solids.iter().filter(|s| wanted(s.role)).map(|s| {
            let half = s.extent_in_world();
            Self {
                low: s.centre - half,
                high: s.centre + half,
            }
        });
        boxes.reduce(Self::with)
    }

    fn with(self, other: Self) -> Self {
        Self {
            low: self.low.inf(&other.low),
            high: self.high.sup(&other.high),
        }
    }

    fn centre(&self) -> Vec3 {
        0.5 * (self.low + self.high)
    }

    fn radius(&self) -> f32 {
        0.5 * (self.high - self.low).norm()
    }
}

fn floor_of(recording: &Recording) -> Option<f32> {
    let mut shapes = recording.shapes.iter().zip(&recording.frames[0]);
    let floor = |(&(shape, _), pose): (&(Shape, Role), &Pose)| {
        half_lengths(shape).is_none().then_some(pose.translation.z)
    };
    shapes.find_map(floor)
}

/// Forward and back, so that the target neither lags nor leads.
fn smooth(mut path: Vec<Vec3>, period: f32) -> Vec<Vec3> {
    for (axis, seconds) in SMOOTH.into_iter().enumerate() {
        let share = 1.0 - (-period / seconds).exp();
        let pass = |path: &mut dyn Iterator<Item = &mut Vec3>| {
            let mut last: Option<f32> = None;
            for point in path {
                let now = last.map_or(point[axis], |l| l + share * (point[axis] - l));
                (point[axis], last) = (now, Some(now));
            }
        };
        pass(&mut path.iter_mut());
        pass(&mut path.iter_mut().rev());
    }
    path
}

/// The nearest of 1, 2, 5, 10, 20 ... below.
fn nice(length: f32) -> f32 {
    let power = 10f32.powf(length.log10().floor());
    let digit = length / power;
    power * [5.0, 2.0].into_iter().find(|d| digit >= *d).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prefbench_results::EpisodeResult;

    /// A robot of a body and eight legs, or of a body alone, that goes from corner to corner of a
    /// field of `size` to its goal, with walls of every other cell of this width in the way.
    fn journey(body: f32, legs: usize, size: [f32; 2], cell: f32) -> Recording {
        let at = |x: f32, y: f32, z: f32| Pose::translation(x, y, z);
        let ball = |radius| Shape::Ball { radius };
        let mut shapes = vec![(Shape::Floor, Role::Ground), (ball(body), Role::Robot)];
        shapes.extend(vec![(ball(0.3 * body), Role::Robot); legs]);
        shapes.push((ball(1.5 * body), Role::Mark));
        let [w, d] = size.map(|s| 0.5 * s);
        let mut walls = vec![];
        let count = |s: f32| (s / cell) as usize / 2;
        for i in 0..count(size[0]) {
            for j in 0..count(size[1]) {
                let middle = |k: usize, half: f32| (2 * k + 1) as f32 * cell - half + 0.5 * cell;
                walls.push(at(middle(i, w), middle(j, d), 0.25 * cell));
            }
        }
        let half = [0.5 * cell, 0.5 * cell, 0.25 * cell];
        shapes.extend(vec![(Shape::Cuboid { half }, Role::Ground); walls.len()]);
        let frame = |t: usize| {
            let s = t as f32 / 20.0;
            let (x, y) = ((2.0 * s - 1.0) * (w - body), 0.5 * cell - d);
            let mut poses = vec![Pose::identity(), at(x, y, body)];
            poses.extend((0..legs).map(|k| {
                let (sin, cos) = (k as f32).sin_cos();
                at(x + 2.0 * body * cos, y + 2.0 * body * sin, 0.3 * body)
            }));
            poses.push(at(w - body, d - body, body));
            poses.extend(&walls);
            poses
        };
        Recording {
            period: 0.02,
            shapes,
            frames: (0..=20).map(frame).collect(),
            steps: vec![(0.0, false); 20],
            result: EpisodeResult {
                seed: 0,
                return_: 0.0,
                length: 20,
                success: false,
            },
        }
    }

    #[test]
    fn robot_and_goal_are_in_the_picture() {
        let cases = [
            ("1 cm point mass", journey(0.01, 0, [0.6, 0.6], 1.0)),
            ("point in a maze", journey(0.1, 0, [12.0, 9.0], 1.0)),
            ("ant in a small maze", journey(0.25, 8, [20.0, 20.0], 4.0)),
            ("ant in a large maze", journey(0.25, 8, [48.0, 36.0], 4.0)),
        ];
        for (name, recording) in cases {
            let view = View::of(&recording);
            assert!(!view.hidden(&recording), "{name}: behind walls");
            let tan = (0.5 * FIELD).tan();
            for t in 0..recording.frames.len() {
                let camera = view.camera(t);
                for solid in Solid::all(&recording, t) {
                    if solid.role == Role::Ground {
                        continue;
                    }
                    let place = camera.axes * (solid.centre - camera.eye);
                    let [x, y] = [0, 1].map(|k| place[k] / place.z / tan);
                    let inside = x.abs() < ASPECT && y.abs() < 1.0;
                    assert!(inside, "{name}, frame {t}: {:?} at {x} {y}", solid.role);
                }
                let robot = Box3::of(&recording, t, &|r| r == Role::Robot);
                let away = (robot.map_or(Vec3::zeros(), |r| r.centre()) - camera.eye).norm();
                let share = robot.map_or(0.0, |r| r.radius()) / away / tan;
                assert!(share > 0.008, "{name}, frame {t}: {share} of the picture");
            }
        }
    }
}
