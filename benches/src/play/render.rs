//! Pictures without a graphics card: one ray a pixel, one shadow ray where it lands, and more of
//! both where neighbouring pixels differ.

use nalgebra::Matrix3;
use prefbench_envs::Role;

use super::grid::Grid;
use super::paint::{self, Colour};
use super::recording::Recording;
use super::solid::{Ray, Solid, Vec3};
use super::view::{Camera, FIELD, View};

/// Neighbours that differ by more, in one channel of 256 levels, are an edge.
const EDGE: u8 = 10;

/// Draws the frames of an episode.
pub struct Renderer<'a> {
    pub recording: &'a Recording,
    pub view: &'a View,
    pub width: usize,
    pub height: usize,
    /// An edge's pixel is the mean of this many rays, squared.
    pub samples: usize,
}

impl Renderer<'_> {
    /// The pixels of a frame, row by row from the top.
    pub fn render(&self, frame: usize) -> Vec<[u8; 3]> {
        let stage = Stage::new(self, frame);
        let (w, h) = (self.width, self.height);
        let at = |x: f32, y: f32| stage.trace(x, y);
        let coarse: Vec<[u8; 3]> = (0..w * h)
            .map(|i| paint::bytes(at((i % w) as f32 + 0.5, (i / w) as f32 + 0.5)))
            .collect();
        let mut fine = coarse.clone();
        let differ = |a: [u8; 3], b: [u8; 3]| (0..3).any(|c| a[c].abs_diff(b[c]) > EDGE);
        let n = self.samples;
        for (i, pixel) in fine.iter_mut().enumerate() {
            let (x, y) = (i % w, i / w);
            let neighbours = [
                (x > 0).then(|| i - 1),
                (x + 1 < w).then_some(i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then_some(i + w),
            ];
            let edge = |&j: &usize| differ(coarse[i], coarse[j]);
            if !neighbours.iter().flatten().any(edge) {
                continue;
            }
            let sub = |k: usize| (k as f32 + 0.5) / n as f32;
            let rays = (0..n * n).map(|k| at(x as f32 + sub(k % n), y as f32 + sub(k / n)));
            // The mean of what is shown, not of the light: bright edges would eat dark ones.
            let sum: Colour = rays.map(|c| c.map(f32::sqrt)).sum();
            *pixel = paint::bytes((sum / (n * n) as f32).map(|c| c * c));
        }
        fine
    }
}

/// A frame, sorted for its rays.
struct Stage<'a> {
    view: &'a View,
    target: Vec3,
    camera: Camera,
    solids: Vec<Solid>,
    /// By where solids are in the picture, and by where they are as the light sees them.
    seen: Grid,
    lit: Grid,
    light: Matrix3<f32>,
    centre: [f32; 2],
    /// Tangent of a pixel's angle.
    pixel: f32,
}

impl<'a> Stage<'a> {
    fn new(renderer: &Renderer<'a>, frame: usize) -> Self {
        let view = renderer.view;
        let camera = view.camera(frame);
        let solids = Solid::all(renderer.recording, frame);
        let (w, h) = (renderer.width as f32, renderer.height as f32);
        // The ball of the view fits the shorter side.
        let half = (0.5 * FIELD).tan() / h.min(w) * h;
        let pixel = 2.0 * half / h;

        let corner = [half * w / h, half];
        let mut seen = Grid::new(corner.map(|c| -c), corner);
        for (i, solid) in (0..).zip(&solids) {
            let centre = camera.axes * (solid.centre - camera.eye);
            let extent = solid.extent(&camera.axes);
            let (near, far) = (centre.z - extent.z, centre.z + extent.z);
            if far <= 0.0 {
                continue;
            }
            if near <= 1e-3 * far {
                seen.add(i, corner.map(|c| -c), corner);
                continue;
            }
            let low = |k: usize| {
                f32::min(
                    (centre[k] - extent[k]) / near,
                    (centre[k] - extent[k]) / far,
                )
            };
            let high = |k: usize| {
                f32::max(
                    (centre[k] + extent[k]) / near,
                    (centre[k] + extent[k]) / far,
                )
            };
            seen.add(i, [low(0), low(1)], [high(0), high(1)]);
        }

        let light = paint::light_axes();
        let casters = (0..).zip(&solids).filter(|(_, s)| s.role != Role::Mark);
        let lit = Grid::around(casters.map(|(i, s)| {
            let (c, e) = (light * s.centre, s.extent(&light));
            (i, [c.x - e.x, c.y - e.y], [c.x + e.x, c.y + e.y])
        }));
        Self {
            view,
            target: view.targets[frame],
            camera,
            solids,
            seen,
            lit,
            light,
            centre: [0.5 * w, 0.5 * h],
            pixel,
        }
    }

    /// The light that reaches the eye at this place of the picture, in pixels.
    fn trace(&self, x: f32, y: f32) -> Colour {
        let (x, y) = (
            (x - self.centre[0]) * self.pixel,
            (self.centre[1] - y) * self.pixel,
        );
        let ray = Ray {
            origin: self.camera.eye,
            along: self.camera.axes.tr_mul(&Vec3::new(x, y, 1.0)).normalize(),
        };
        let (mut opaque, mut mark) = (None, None);
        for solid in self
            .seen
            .at(x, y)
            .iter()
            .map(|&i| &self.solids[usize::from(i)])
        {
            let Some((t, normal)) = solid.hit(&ray) else {
                continue;
            };
            let best = if solid.role == Role::Mark {
                &mut mark
            } else {
                &mut opaque
            };
            if best.as_ref().is_none_or(|&(other, _, _)| t < other) {
                *best = Some((t, normal, solid));
            }
        }
        let floor = (self.view.floor - ray.origin.z) / ray.along.z;
        let floor = if floor > 0.0 { floor } else { f32::INFINITY };
        let end = opaque.map_or(floor, |(t, _, _)| f32::min(t, floor));
        let behind = match opaque {
            Some((t, normal, solid)) if t < floor => self.surface(&ray, t, normal, solid),
            _ if floor.is_finite() => self.floor(&ray, floor),
            _ => paint::fog(),
        };
        match mark {
            Some((t, normal, solid)) if t < end => {
                let lit = paint::shade(normal, ray.along, paint::albedo(solid), true);
                let alpha = paint::mark_alpha(normal.dot(&ray.along));
                behind.lerp(&lit, alpha)
            }
            _ => behind,
        }
    }

    fn surface(&self, ray: &Ray, t: f32, normal: Vec3, solid: &Solid) -> Colour {
        let at = ray.at(t);
        let lit = normal.dot(&paint::LIGHT) > 0.0
            && !self.in_shadow(at + normal * (1e-3 * self.view.radius));
        let colour = paint::shade(normal, ray.along, paint::albedo(solid), lit);
        if solid.role == Role::Ground {
            return colour.lerp(&paint::fog(), self.fade(at));
        }
        colour
    }

    fn floor(&self, ray: &Ray, t: f32) -> Colour {
        let at = ray.at(t);
        let fade = self.fade(at);
        if fade >= 1.0 {
            return paint::fog();
        }
        // How much floor a pixel covers, along each axis: checkers smaller than that turn grey.
        let ahead = ray.along.xy().abs() / ray.along.xy().norm().max(1e-6);
        let stretch = 1.0 / ray.along.z.abs() - 1.0;
        let width = ahead.map(|a| self.pixel * t * (1.0 + stretch * a) / self.view.tile);
        let place = at.xy() / self.view.tile;
        let albedo = paint::checker([place.x, place.y], [width.x, width.y]);
        let colour = paint::shade(Vec3::z(), ray.along, albedo, !self.in_shadow(at));
        colour.lerp(&paint::fog(), fade)
    }

    /// How far a place of the ground has gone into the fog.
    fn fade(&self, at: Vec3) -> f32 {
        paint::fade((at - self.target).xy().norm() / self.view.radius)
    }

    fn in_shadow(&self, at: Vec3) -> bool {
        let place = self.light * at;
        let ray = Ray {
            origin: at,
            along: paint::LIGHT,
        };
        let solids = self.lit.at(place.x, place.y);
        solids
            .iter()
            .any(|&i| self.solids[usize::from(i)].hit(&ray).is_some())
    }
}
