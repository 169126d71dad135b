//! What Meta-World's rewards are made of (Yu et al. 2019, arXiv:1910.10897; version 2 of the rewards;
//! `metaworld/utils/reward_utils.py`, `sawyer_xyz_env.py`).

use super::tabletop::Seen;
use crate::reward::{Sigmoid::LongTail, tolerance};

/// Hamacher's product of two numbers from 0 to 1: an "and" that falls below both.
pub(super) fn and(a: f64, b: f64) -> f64 {
    let sum = a + b - a * b;
    if sum > 0.0 { a * b / sum } else { 0.0 }
}

pub(super) fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let square = |i: usize| (a[i] - b[i]) * (a[i] - b[i]);
    (square(0) + square(1) + square(2)).sqrt()
}

/// The fingers on both sides of an object, the middles of their pads as far from it as `bounds` say, m.
/// Where a task has a grasp of its own, the margins follow the pads.
pub(super) fn flanked(seen: &Seen, object: [f64; 3], bounds: (f64, f64)) -> f64 {
    let [right, left] = [object[1] - seen.pads[0], seen.pads[1] - object[1]];
    let [right, left] =
        [right, left].map(|gap| tolerance(gap, bounds, (gap.abs() - 0.05).abs(), LongTail));
    and(right, left)
}

/// The tip beside an object or at it, seen along y, within `bound` m, for an object that began at
/// `start` when the tip was at `tcp_start`.
pub(super) fn across(
    seen: &Seen,
    object: [f64; 3],
    start: [f64; 3],
    tcp_start: [f64; 3],
    bound: f64,
) -> f64 {
    let flat = |a: [f64; 3], b: [f64; 3]| (a[0] - b[0]).hypot(a[2] - b[2]);
    let margin = flat(start, tcp_start) - bound;
    tolerance(flat(seen.tcp, object), (0.0, bound), margin, LongTail)
}

/// How close to grasping an object the hand is, from 0 to 1: the fingers on both sides of it, then
/// closing. Meta-World's `_gripper_caging_reward`, with its names.
#[derive(Clone, Copy)]
pub(super) struct Caging {
    pub obj_radius: f64,
    pub pad_success_thresh: f64,
    pub object_reach_radius: f64,
    pub xz_thresh: f64,
    pub desired_gripper_effort: f64,
    pub density: Density,
}

/// What counts besides the grasp itself.
#[derive(Clone, Copy)]
pub(super) enum Density {
    /// Half for the distance of the tip to the object.
    Medium,
    /// Half for the fingers' places.
    High,
}

impl Caging {
    /// For an object that began at `start` when the tip was at `tcp_start`.
    pub fn rate(&self, seen: &Seen, object: [f64; 3], start: [f64; 3], tcp_start: [f64; 3]) -> f64 {
        let sides = seen.pads.map(|pad| {
            let margin = ((pad - start[1]).abs() - self.pad_success_thresh).abs();
            let bounds = (self.obj_radius, self.pad_success_thresh);
            tolerance((pad - object[1]).abs(), bounds, margin, LongTail)
        });
        let across = across(seen, object, start, tcp_start, self.xz_thresh);
        let caging = and(and(sides[0], sides[1]), across);
        let effort = self.desired_gripper_effort;
        let closing = seen.action[3].max(0.0).min(effort) / effort;
        let grasping = and(caging, if caging > 0.97 { closing } else { 0.0 });
        match self.density {
            Density::High => (grasping + caging) / 2.0,
            Density::Medium => {
                let margin = (distance(start, tcp_start) - self.object_reach_radius).abs();
                let bounds = (0.0, self.object_reach_radius);
                let reach = tolerance(distance(object, seen.tcp), bounds, margin, LongTail);
                (grasping + reach) / 2.0
            }
        }
    }
}
