//! Tabletop tasks after Meta-World (Yu et al. 2019, "Meta-World: A Benchmark and Evaluation for
//! Multi-Task and Meta Reinforcement Learning", arXiv:1910.10897; Farama-Foundation/Metaworld 3.0.0).
//!
//! Scenes, draws, observations, rewards (its version 2) and success are the original's: of each task
//! `tests/metaworld/<task>.json` holds episodes of Meta-World itself, arranged and judged here again.
//! Deviations: the [`hand`] is a gantry, which grips with 4 N and does not sag; solids are boxes,
//! balls, capsules and cylinders where the original has meshes; an episode starts with the hand at
//! rest, not with 50 steps towards it. Where rewards speak of the middle between the fingertips, ours
//! is below the middle of the hand: the original's moves along y with fingers that close unequally,
//! by up to 16 mm. Margins that the original measures from where the tip is at the start are from where it
//! is told to be, 5 mm higher; the records are made so (`tests/metaworld/record.py`). Each file names its own.

pub(crate) mod assembly;
pub(crate) mod bin_picking;
pub(crate) mod button_press;
pub(crate) mod door;
pub(crate) mod door_unlock;
pub(crate) mod drawer;
pub(crate) mod faucet_close;
mod grasp;
pub(crate) mod hammer;
mod hand;
pub(crate) mod pick_place;
pub(crate) mod plate_slide;
pub(crate) mod push;
pub(crate) mod reach;
mod reward;
pub(crate) mod sweep_into;
mod tabletop;
#[cfg(test)]
mod tests;
pub(crate) mod window;

use crate::episode::Episode;
use crate::{Expert, Field, Spec, Task};
use std::array::from_fn;
pub(crate) use tabletop::Tabletop;
use tabletop::{ACTIONS, OBSERVATION, PERIOD, Scene};

/// A task of the family, of the first version: its id, its reward and success in words, what it
/// observes and who can do it.
const fn task<S: Scene>(
    id: &'static str,
    reward: &'static str,
    success: &'static str,
    fields: &'static [Field],
    expert: Expert,
) -> Task {
    Task {
        id,
        family: "metaworld",
        tags: &["dense-reward", "goal"],
        version: 1,
        reward,
        success,
        spec: Spec {
            fields,
            actions: ACTIONS,
            control_period: PERIOD,
            // Meta-World's own; the data of CPL (Hejna et al. 2024) have 250.
            horizon: 500,
            reward_bounds: Some((0.0, 10.0)),
        },
        expert: Some(expert),
        make: Episode::<Tabletop<S>>::make,
    }
}

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
