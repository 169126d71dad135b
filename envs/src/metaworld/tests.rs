//! Scenes and rewards against episodes of Meta-World itself.

use super::tabletop::{Scene, Seen};
use crate::world::World;
use serde::Deserialize;
use std::array::from_fn;

#[derive(Deserialize)]
struct Record {
    episodes: Vec<Recorded>,
}

#[derive(Deserialize)]
struct Recorded {
    draw: Vec<f32>,
    goal: [f64; 3],
    objects: [f64; 14],
    /// See `tests/metaworld/record.py`.
    steps: Vec<Vec<f64>>,
}

fn seen(row: &[f64]) -> Seen {
    Seen {
        hand: from_fn(|i| row[i]),
        tcp: from_fn(|i| row[3 + i]),
        opening: row[6],
        pads: from_fn(|i| row[7 + i]),
        objects: from_fn(|o| from_fn(|i| row[9 + 7 * o + i])),
        action: from_fn(|i| row[23 + i]),
    }
}

/// Arranges each recorded episode, and judges each of its steps: objects and goal within
/// `place` (m, and quaternion elements) of the original's, rewards within `share` of them (and 1e-4).
pub(super) fn agrees<S: Scene>(record: &str, place: f64, share: f64) {
    let record: Record = serde_json::from_str(record).expect("record");
    let mut successes = 0;
    for (number, episode) in record.episodes.iter().enumerate() {
        let mut world = World::new(0.0025);
        let mut scene = S::build(&mut world).expect("build");
        scene.arrange(&mut world, &episode.draw);
        let objects = scene.objects(&world);
        for (i, (ours, theirs)) in objects
            .as_flattened()
            .iter()
            .zip(episode.objects)
            .enumerate()
        {
            let error = (f64::from(*ours) - theirs).abs();
            assert!(
                error <= place,
                "episode {number}, object element {i}: {ours}, Meta-World {theirs}"
            );
        }
        for (i, (ours, theirs)) in scene.goal().into_iter().zip(episode.goal).enumerate() {
            let error = (f64::from(ours) - theirs).abs();
            assert!(
                error <= 1e-6,
                "episode {number}, goal {i}: {ours}, Meta-World {theirs}"
            );
        }
        for (i, row) in episode.steps.iter().enumerate() {
            let (reward, success) = scene.judge(&seen(row));
            let (expected, succeeded) = (row[27], row[28] > 0.0);
            assert!(
                (reward - expected).abs() <= share * expected + 1e-4,
                "episode {number}, row {i}: reward {reward}, Meta-World {expected}"
            );
            assert_eq!(success, succeeded, "episode {number}, row {i}");
            successes += usize::from(success);
        }
    }
    assert!(successes > 0, "the record has no success");
}
