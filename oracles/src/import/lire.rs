//! LiRE's pickled replay buffers (Choi et al. 2024, Listwise Reward Estimation): one dict of flat
//! arrays, `observations` (N, d), `actions` (N, a), `next_observations` (N, d), `rewards` and `dones`
//! (N,) or (N, 1).
//!
//! An episode goes on as long as each next observation is the observation of the row after it. None
//! of LiRE's tasks, of Meta-World and DeepMind Control, can terminate: whatever `dones` says, an episode
//! ends [`Ending::Truncated`]. The official code takes the first so many steps of each of three
//! buffers; we read the whole of one. Human feedback, which is in text files beside it, is not read.

use std::fs;
use std::path::Path;

use super::oppo::{afford, arrays, dataset, size};
use super::pickle::Pickle;
use crate::dataset::{Dataset, DatasetError};
use crate::trajectory::{Ending, Trajectories, TrajectoryError};

/// Reads the file at `path`.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    let bytes = fs::read(path).map_err(|error| DatasetError::new(path, "", error))?;
    parse(&bytes, path)
}

/// Reads the bytes of a file; `file` is its name in errors.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Dataset, DatasetError> {
    let pickle = Pickle::parse(bytes, file)?;
    let (steps, obs_dim, act_dim) = size(&pickle, pickle.root(), file, "")?;
    afford(&pickle, file, 0, steps, (obs_dim, act_dim))?;
    let read = arrays(&pickle, pickle.root(), file, "", "dones")?;
    let missing = |key: &str| DatasetError::new(file, key, "there is no such array");
    let dones = read.dones.as_ref().ok_or_else(|| missing("dones"))?;
    let next = read.next.as_ref();
    let next = next.ok_or_else(|| missing("next_observations"))?;
    let goes_on = |i: usize| {
        i + 1 < steps && {
            let after = &read.observations[(i + 1) * obs_dim..(i + 2) * obs_dim];
            next[i * obs_dim..(i + 1) * obs_dim] == *after && dones[i] == 0.0
        }
    };
    let episodes = (0..steps).filter(|&i| !goes_on(i)).count();
    afford(&pickle, file, episodes, steps, (obs_dim, act_dim))?;
    let mut trajectories = Trajectories::new(obs_dim, act_dim);
    trajectories.reserve(steps, episodes);
    let mut begins = true;
    for i in 0..steps {
        let refused =
            |error: TrajectoryError| DatasetError::new(file, "", format!("row {i}: {error}"));
        if begins {
            let first = &read.observations[i * obs_dim..(i + 1) * obs_dim];
            trajectories.begin(first).map_err(refused)?;
        }
        let action = &read.actions[i * act_dim..(i + 1) * act_dim];
        let after = &next[i * obs_dim..(i + 1) * obs_dim];
        let pushed = trajectories.push(action, read.rewards[i], after);
        pushed.map_err(refused)?;
        begins = !goes_on(i);
        if begins {
            trajectories.finish(Ending::Truncated).map_err(refused)?;
        }
    }
    Ok(dataset(trajectories, format!("LiRE, {}", file.display())))
}
