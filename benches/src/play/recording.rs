//! An episode as it looked: shapes once, where they were at every step.

use anyhow::Result;
use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use prefbench_envs::{Geom, Role, Shape};
use prefbench_results::EpisodeResult;

use crate::rollout::Episode;

/// Where a shape is: metres, z up.
pub type Pose = Isometry3<f32>;

/// A drawn episode.
pub struct Recording {
    /// Seconds from one frame to the next.
    pub period: f32,
    /// What there is, the same throughout.
    pub shapes: Vec<(Shape, Role)>,
    /// Per frame, the pose of every shape; frame 0 is the start, frame t follows step t.
    pub frames: Vec<Vec<Pose>>,
    /// Reward and success of every step; one fewer than frames.
    pub steps: Vec<(f32, bool)>,
    /// The outcome of what was recorded.
    pub result: EpisodeResult,
}

impl Recording {
    /// Plays `episode`, at most `limit` steps of it.
    pub fn of(episode: &Episode, limit: usize) -> Result<Self> {
        let mut replay = episode.replay()?;
        let mut scene = Vec::new();
        replay.env.draw(&mut scene);
        let shapes = scene.iter().map(|g| (g.shape, g.role)).collect();
        let mut frames = vec![poses(&scene)];
        let mut steps = Vec::new();
        while steps.len() < limit
            && let Some((_, step)) = replay.step()?
        {
            replay.env.draw(&mut scene);
            frames.push(poses(&scene));
            steps.push((step.reward, step.success));
        }
        Ok(Self {
            period: episode.task.spec.control_period as f32,
            shapes,
            frames,
            steps,
            result: replay.result,
        })
    }
}

fn poses(scene: &[Geom]) -> Vec<Pose> {
    scene.iter().map(pose).collect()
}

fn pose(geom: &Geom) -> Pose {
    let [x, y, z, w] = geom.rotation;
    // A rotation of rapier's is a unit but for rounding; zero would be a fault of the drawing.
    let rotation = UnitQuaternion::try_new(Quaternion::new(w, x, y, z), 1e-6);
    let at = Translation3::from(geom.position);
    Isometry3::from_parts(at, rotation.unwrap_or_default())
}
