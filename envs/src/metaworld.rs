//! Tabletop tasks after Meta-World (Yu et al. 2019, "Meta-World: A Benchmark and Evaluation for
//! Multi-Task and Meta Reinforcement Learning", arXiv:1910.10897; Farama-Foundation/Metaworld 3.0.0).
//!
//! Scenes, draws, observations, rewards (its version 2) and success are the original's: of each task
//! `tests/metaworld/<task>.json` holds episodes of Meta-World itself, arranged and judged here again.
//! Deviations: the [`hand`] is a gantry, which grips with 4 N and does not sag; solids are boxes,
//! balls, capsules and cylinders where the original has meshes; an episode starts with the hand at
//! rest, not with 50 steps towards it. Each file names its own.

pub(crate) mod bin_picking;
pub(crate) mod button_press;
pub(crate) mod door;
pub(crate) mod drawer;
mod grasp;
mod hand;
pub(crate) mod pick_place;
pub(crate) mod plate_slide;
mod prop;
pub(crate) mod push;
pub(crate) mod reach;
mod reward;
pub(crate) mod sweep_into;
mod tabletop;
#[cfg(test)]
mod tests;
pub(crate) mod window;

pub(crate) use prop::put;
use std::array::from_fn;
use tabletop::OBSERVATION;
#[cfg(test)]
pub(crate) use tabletop::Tabletop;

const FAMILY: &str = "metaworld";
const TAGS: &[&str] = &["dense-reward", "goal"];
/// Meta-World's own; the data of CPL (Hejna et al. 2024) have 250.
const HORIZON: u32 = 500;
const REWARD_BOUNDS: Option<(f32, f32)> = Some((0.0, 10.0));

/// The tip of a hand that is there.
fn tcp(hand: [f32; 3]) -> [f64; 3] {
    let [x, y, z] = hand.map(f64::from);
    [x, y, z - f64::from(hand::TIP)]
}

/// What an expert reads of an observation.
struct View {
    hand: [f32; 3],
    opening: f32,
    object: [f32; 3],
    rotation: [f32; 4],
    object2: [f32; 3],
    goal: [f32; 3],
}

impl View {
    fn of(obs: &[f32]) -> Self {
        let at = |start: usize| from_fn(|i| obs[start + i]);
        Self {
            hand: at(0),
            opening: obs[3],
            object: at(4),
            rotation: from_fn(|i| obs[7 + i]),
            object2: at(11),
            goal: at(36),
        }
    }
}

/// Of an expert: full speed towards a place, slower within 5 cm, with this grip.
fn approach(action: &mut [f32], hand: [f32; 3], to: [f32; 3], grip: f32) {
    for i in 0..3 {
        action[i] = (20.0 * (to[i] - hand[i])).clamp(-1.0, 1.0);
    }
    action[3] = grip;
}
