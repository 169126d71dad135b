//! The page with the 3-D view: `viewer.html` with an episode in it.

use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prefbench_envs::{Role, Shape};
use serde_json::{Value, json};

use super::paint;
use super::recording::Recording;
use super::solid::Vec3;
use super::view::{FIELD, View};

const TEMPLATE: &str = include_str!("viewer.html");
/// Where the template wants its title and its data.
const TITLE: &str = "{{title}}";
const DATA: &str = "{{data}}";

/// A page that shows the episode in any browser, by itself.
pub fn html(recording: &Recording, view: &View, title: &str, subtitle: &str) -> Result<String> {
    let data = json!({
        "title": title,
        "subtitle": subtitle,
        "period": recording.period,
        "frames": recording.frames.len(),
        "solids": solids(recording),
        "targets": track(&view.targets),
        "rewards": base64(recording.steps.iter().flat_map(|s| s.0.to_le_bytes())),
        "success": base64(recording.steps.iter().map(|s| u8::from(s.1))),
        "view": {
            "radius": view.radius,
            "distance": view.distance,
            "azimuth": view.azimuth,
            "elevation": view.elevation,
            "field": FIELD,
            "floor": view.floor,
            "tile": view.tile,
        },
        "paint": paint::constants(),
    });
    // Within a script element, only `<` could end it.
    let data = serde_json::to_string(&data)?.replace('<', "\\u003c");
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    Ok(TEMPLATE.replace(TITLE, &title).replace(DATA, &data))
}

/// The finite shapes: what they are, and where, once if they never move.
fn solids(recording: &Recording) -> Vec<Value> {
    let solid = |(index, &(shape, role)): (usize, &(Shape, Role))| {
        let (kind, size) = match shape {
            Shape::Floor => return None,
            Shape::Ball { radius } => ("capsule", [radius, radius, 0.0]),
            Shape::Capsule {
                radius,
                half_length,
            } => ("capsule", [radius, radius, half_length]),
            Shape::Cylinder {
                radius,
                half_length,
            } => ("cylinder", [radius, radius, half_length]),
            Shape::Ellipsoid { half } => ("ellipsoid", half),
            Shape::Cuboid { half } => ("cuboid", half),
        };
        let poses = || recording.frames.iter().map(move |f| &f[index]);
        let start = &recording.frames[0][index];
        let still = poses().all(|p| p == start);
        let count = if still { 1 } else { recording.frames.len() };
        let places: Vec<Vec3> = poses().take(count).map(|p| p.translation.vector).collect();
        let turns = poses().take(count).flat_map(|p| {
            // Parts of a unit quaternion, x y z w, in 32767ths.
            let part = |x: f32| (x * 32767.0).round() as i16;
            p.rotation.coords.map(part).data.0[0]
        });
        Some(json!({
            "kind": kind,
            "size": size,
            "ghost": role == Role::Mark,
            "ground": role == Role::Ground,
            "colour": paint::colour_of(role, index),
            "places": track(&places),
            "turns": base64(turns.flat_map(i16::to_le_bytes)),
        }))
    };
    recording
        .shapes
        .iter()
        .enumerate()
        .filter_map(solid)
        .collect()
}

/// Points, as 65535ths of the box around them: as fine as anyone can see, in six bytes each.
fn track(points: &[Vec3]) -> Value {
    let start = points.first().copied().unwrap_or_default();
    let low = points.iter().fold(start, |l, p| l.inf(p));
    let high = points.iter().fold(start, |h, p| h.sup(p));
    let size = high - low;
    let part = |p: &Vec3| {
        let share = (p - low).component_div(&size.map(|s| s.max(1e-9)));
        share.map(|x| (x * 65535.0).round() as u16).data.0[0]
    };
    json!({
        "low": low.as_slice(),
        "size": size.as_slice(),
        "data": base64(points.iter().flat_map(part).flat_map(u16::to_le_bytes)),
    })
}

fn base64(bytes: impl Iterator<Item = u8>) -> String {
    STANDARD.encode(bytes.collect::<Vec<_>>())
}
