//! What `bodies.py` writes, and statistics over it.

use crate::Task;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
pub(super) struct Fixture {
    pub model: String,
    pub timestep: f32,
    pub frame_skip: usize,
    pub integrator: String,
    pub total_mass: f32,
    pub bodies: Vec<Body>,
    pub coordinates: Vec<Coordinate>,
    pub actuators: Vec<Actuator>,
    pub action_range: Vec<[f32; 2]>,
    pub flight: Flight,
    pub swing: Flight,
    pub limits: Vec<Track>,
    pub landings: Option<Vec<Track>>,
    pub rest: Option<Rest>,
    pub random: Random,
    pub obs_parts: BTreeMap<String, [usize; 2]>,
    #[serde(default)]
    pub obs_dynamic: Vec<String>,
    pub judged: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
pub(super) struct Body {
    pub name: String,
    pub mass: f32,
    pub inertia: [f32; 3],
}

#[derive(Deserialize)]
pub(super) struct Coordinate {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub qpos: usize,
    pub range: Option<[f32; 2]>,
    pub armature: f32,
    pub damping: f32,
    pub stiffness: f32,
}

#[derive(Deserialize)]
pub(super) struct Actuator {
    pub joint: Option<String>,
    pub gear: f32,
}

/// MuJoCo's `qpos` and `qvel`.
pub(super) type State = (Vec<f32>, Vec<f32>);

#[derive(Deserialize)]
pub(super) struct Flight {
    pub start: State,
    #[serde(default)]
    pub actions: Vec<Vec<f32>>,
    pub every: usize,
    pub states: Vec<State>,
    pub euler_error: f32,
}

#[derive(Deserialize)]
pub(super) struct Track {
    pub start: State,
    pub actions: Vec<Vec<f32>>,
    pub states: Vec<State>,
    #[serde(default)]
    pub penetration: f32,
}

#[derive(Deserialize)]
pub(super) struct Rest {
    pub start: Vec<f32>,
    pub qpos: Vec<f32>,
    pub penetration: f32,
}

#[derive(Deserialize)]
pub(super) struct Random {
    pub episodes: u32,
    pub length: Spreads,
    #[serde(rename = "return")]
    pub returns: Spreads,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Spreads {
    One(Spread),
    /// By the last part of the task's id.
    PerTask(BTreeMap<String, Spread>),
}

impl Spreads {
    pub fn of(&self, task: &Task) -> Spread {
        match self {
            Self::One(spread) => *spread,
            Self::PerTask(all) => all[task.id.rsplit('-').next().unwrap_or_default()],
        }
    }
}

#[derive(Deserialize, Clone, Copy)]
pub(super) struct Spread {
    pub mean: f32,
    pub p10: f32,
    pub p50: f32,
    pub p90: f32,
}

#[derive(Default)]
pub(super) struct Rms {
    sum: f32,
    count: f32,
}

impl Rms {
    pub fn add(&mut self, x: f32) {
        self.sum += x * x;
        self.count += 1.0;
    }

    /// 0 of nothing.
    pub fn value(&self) -> f32 {
        (self.sum / self.count.max(1.0)).sqrt()
    }
}

impl Spread {
    pub fn of(mut values: Vec<f32>) -> Self {
        values.sort_by(f32::total_cmp);
        let at = |p: f32| values[((values.len() - 1) as f32 * p).round() as usize];
        Self {
            mean: values.iter().sum::<f32>() / values.len() as f32,
            p10: at(0.1),
            p50: at(0.5),
            p90: at(0.9),
        }
    }
}
