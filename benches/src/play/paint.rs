//! Colours and light; `viewer.html` paints by the same rules.
//!
//! Colours are linear, the square of what is shown.

use nalgebra::{Matrix3, Vector3};
use prefbench_envs::Role;

use super::solid::{Solid, Vec3};

pub type Colour = Vector3<f32>;

/// Toward the light: from behind the camera, on its left.
pub const LIGHT: Vec3 = Vec3::new(-0.401_2, -0.467_2, 0.787_9);

/// What everything far away becomes, as #rrggbb.
const FOG: u32 = 0xeef2f6;
const TILES: [u32; 2] = [0xe4e9ef, 0xd0d8e2];
/// Neighbouring links take turns, so that limbs stand out from each other.
const ROBOT: [u32; 2] = [0x33455f, 0x4a6283];
const OBJECT: [u32; 2] = [0xe8793a, 0xf0a23c];
const MARK: u32 = 0x08a075;
const WALL: u32 = 0xd9cdbb;

/// Light from above, from below, from the lamp (which together leave a level floor its own colour).
const ABOVE: f32 = 0.45;
const BELOW: f32 = 0.22;
const LAMP: f32 = 0.698; // 0.55 / LIGHT.z
/// Gloss of the lamp, and sheen of the sky at grazing angles.
const GLOSS: f32 = 0.16;
const SHEEN: f32 = 0.22;
/// The ground begins and ends to fade at these many radii of the view.
const FADE: [f32; 2] = [1.6, 6.0];

/// A colour's light.
pub fn linear(rgb: u32) -> Colour {
    let channel = |shift: u32| (rgb >> shift & 0xff) as f32 / 255.0;
    Colour::new(channel(16), channel(8), channel(0)).map(|c| c * c)
}

/// As it is shown.
pub fn bytes(colour: Colour) -> [u8; 3] {
    colour.map(|c| (c.sqrt() * 255.0 + 0.5) as u8).into()
}

pub fn fog() -> Colour {
    linear(FOG)
}

/// A shape's own colour, as #rrggbb.
pub fn colour_of(role: Role, index: usize) -> u32 {
    match role {
        Role::Ground => WALL,
        Role::Robot => ROBOT[index % 2],
        Role::Object => OBJECT[index % 2],
        Role::Mark => MARK,
    }
}

pub fn albedo(solid: &Solid) -> Colour {
    linear(colour_of(solid.role, solid.index))
}

/// The floor's own colour, averaged over `width` tiles around `place`.
pub fn checker(place: [f32; 2], width: [f32; 2]) -> Colour {
    let side = |i: usize| {
        let w = width[i].max(1e-4);
        let triangle = |x: f32| ((0.5 * x).rem_euclid(1.0) - 0.5).abs();
        2.0 * (triangle(place[i] - 0.5 * w) - triangle(place[i] + 0.5 * w)) / w
    };
    let light = 0.5 - 0.5 * side(0) * side(1);
    linear(TILES[0]).lerp(&linear(TILES[1]), light)
}

/// What a surface sends along -`along`.
pub fn shade(normal: Vec3, along: Vec3, albedo: Colour, lit: bool) -> Colour {
    let up = 0.5 + 0.5 * normal.z;
    let mut light = BELOW + (ABOVE - BELOW) * up;
    let mut gloss = 0.0;
    if lit {
        light += LAMP * normal.dot(&LIGHT).max(0.0);
        let halfway = (LIGHT - along).normalize();
        gloss = GLOSS * normal.dot(&halfway).max(0.0).powi(40);
    }
    let graze = 1.0 + normal.dot(&along).min(0.0);
    let sheen = SHEEN * graze.powi(4) * up;
    // A floor without gloss: it would drown the shadows.
    let shine = if normal.z > 0.999 { 0.0 } else { gloss + sheen };
    (albedo * light).add_scalar(shine)
}

/// How much a mark hides of what is behind it: more at its rim, which gives it a form.
pub fn mark_alpha(facing: f32) -> f32 {
    0.65 + 0.3 * (1.0 - facing.abs()).powi(2)
}

/// The share of fog at this many radii of the view.
pub fn fade(radii: f32) -> f32 {
    let x = ((radii - FADE[0]) / (FADE[1] - FADE[0])).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// Across the light, up it and along it, as rows.
pub fn light_axes() -> Matrix3<f32> {
    let across = LIGHT.cross(&Vec3::z()).normalize();
    Matrix3::from_columns(&[across, LIGHT.cross(&across), LIGHT]).transpose()
}

/// What `viewer.html` must know of the above.
pub fn constants() -> serde_json::Value {
    serde_json::json!({
        "light": LIGHT.as_slice(),
        "fog": FOG,
        "tiles": TILES,
        "above": ABOVE,
        "below": BELOW,
        "lamp": LAMP,
        "gloss": GLOSS,
        "sheen": SHEEN,
        "fade": FADE,
    })
}
