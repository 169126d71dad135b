//! Pickled lists of trajectories, as Decision Transformer's scripts make them from D4RL and as OPPO
//! (Kang et al. 2023) and FTB read them.
//!
//! Each trajectory is a dict of arrays: `observations` (T, d), `actions` (T, a), `rewards` (T,), and in
//! most files `terminals` (T,) and `next_observations` (T, d); OPPO's of robosuite have neither. An
//! episode whose last terminal is set ends [`Ending::Terminated`]; any other ends
//! [`Ending::Truncated`] where the next observation is known and [`Ending::Cut`] where it is not. There are no labels in such a file.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::pickle::{Pickle, Value, View};
use crate::dataset::{About, Dataset, DatasetError, Origin};
use crate::trajectory::{Ending, Trajectories, TrajectoryError};

/// Reads the file at `path`.
///
/// # Errors
/// If it is not such a file; names the trajectory and the array.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    let bytes = fs::read(path).map_err(|error| DatasetError::new(path, "", error))?;
    parse(&bytes, path)
}

/// Reads the bytes of a file; `file` is its name in errors.
///
/// # Errors
/// If it is not such a file; names the trajectory and the array.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Dataset, DatasetError> {
    let pickle = Pickle::parse(bytes, file)?;
    let list = match pickle.view(pickle.root()) {
        View::List(list) if !list.is_empty() => list,
        _ => {
            let found = pickle.kind(pickle.root());
            let reason = format!("{found} where a list of trajectories is expected");
            return Err(DatasetError::new(file, "", reason));
        }
    };
    let mut sizes = Vec::with_capacity(list.len());
    for (i, &trajectory) in list.iter().enumerate() {
        sizes.push(size(
            &pickle,
            trajectory,
            file,
            &format!("trajectory {i}, "),
        )?);
    }
    let (_, obs_dim, act_dim) = sizes[0];
    let steps = sizes.iter().map(|s| s.0).sum();
    afford(&pickle, file, list.len(), steps, (obs_dim, act_dim))?;
    let mut trajectories = Trajectories::new(obs_dim, act_dim);
    trajectories.reserve(steps, list.len());
    for (i, &trajectory) in list.iter().enumerate() {
        let place = format!("trajectory {i}, ");
        let t = arrays(&pickle, trajectory, file, &place, "terminals")?;
        let refused =
            |error: TrajectoryError| DatasetError::new(file, format!("trajectory {i}"), error);
        let row = |i: usize| &t.observations[i * t.obs_dim..(i + 1) * t.obs_dim];
        trajectories.begin(row(0)).map_err(refused)?;
        for step in 0..t.rewards.len() {
            let last = step + 1 == t.rewards.len();
            let next = match (&t.next, last) {
                (_, false) => row(step + 1),
                (Some(next), true) => &next[step * t.obs_dim..],
                (None, true) => row(step),
            };
            let action = &t.actions[step * t.act_dim..(step + 1) * t.act_dim];
            let pushed = trajectories.push(action, t.rewards[step], next);
            pushed.map_err(refused)?;
        }
        let done = t.dones.as_ref().and_then(|dones| dones.last());
        let ending = match (done, &t.next) {
            (Some(&done), _) if done != 0.0 => Ending::Terminated,
            (_, Some(_)) => Ending::Truncated,
            (_, None) => Ending::Cut,
        };
        trajectories.finish(ending).map_err(refused)?;
    }
    Ok(dataset(trajectories, format!("OPPO, {}", file.display())))
}

/// A dict of arrays, in numbers.
pub(super) struct Arrays {
    pub observations: Vec<f32>,
    pub actions: Vec<f32>,
    pub rewards: Vec<f32>,
    pub dones: Option<Vec<f32>>,
    pub next: Option<Vec<f32>>,
    pub obs_dim: usize,
    pub act_dim: usize,
}

/// Steps, numbers an observation and numbers an action; none of them 0.
pub(super) fn size(
    pickle: &Pickle<'_>,
    dict: Value,
    file: &Path,
    place: &str,
) -> Result<(usize, usize, usize), DatasetError> {
    let rows = |key: &str| match pickle.get(dict, key).map(|v| pickle.view(v)) {
        Some(View::Array(array)) => match *array.shape() {
            [rows, width] if rows > 0 && width > 0 => Ok((rows, width)),
            [0, _] => Err("it has no step".to_owned()),
            ref shape => Err(format!("of shape {shape:?} instead of (steps, numbers)")),
        },
        Some(_) => Err("it holds something else where an array is expected".to_owned()),
        None => Err("there is no such array".to_owned()),
    };
    let rows =
        |key: &str| rows(key).map_err(|r| DatasetError::new(file, format!("{place}{key}"), r));
    let ((steps, obs_dim), (_, act_dim)) = (rows("observations")?, rows("actions")?);
    Ok((steps, obs_dim, act_dim))
}

/// Reads a dict of arrays of finite numbers. Each has to have as many rows; `dones` and the next observations may be
/// missing.
pub(super) fn arrays(
    pickle: &Pickle<'_>,
    dict: Value,
    file: &Path,
    place: &str,
    dones: &str,
) -> Result<Arrays, DatasetError> {
    let (steps, obs_dim, act_dim) = size(pickle, dict, file, place)?;
    let numbers = |key: &str, width: usize| {
        let wrong = |reason: String| DatasetError::new(file, format!("{place}{key}"), reason);
        let value = pickle.get(dict, key);
        let value = value.ok_or_else(|| wrong("there is no such array".into()))?;
        let View::Array(array) = pickle.view(value) else {
            return Err(wrong(format!(
                "{} where an array is expected",
                pickle.kind(value)
            )));
        };
        let shape = array.shape();
        if shape != [steps, width] && !(width == 1 && shape == [steps]) {
            return Err(wrong(format!(
                "of shape {shape:?}, where {steps} rows of {width} fit the others"
            )));
        }
        let numbers = array.to_vec::<f32>();
        match numbers.iter().position(|v| !v.is_finite()) {
            Some(i) => Err(wrong(format!("step {}: not finite", i / width))),
            None => Ok(numbers),
        }
    };
    let optional = |key: &str, width: usize| {
        let there = pickle.get(dict, key).is_some();
        there.then(|| numbers(key, width)).transpose()
    };
    Ok(Arrays {
        observations: numbers("observations", obs_dim)?,
        actions: numbers("actions", act_dim)?,
        rewards: numbers("rewards", 1)?,
        dones: optional(dones, 1)?,
        next: optional("next_observations", obs_dim)?,
        obs_dim,
        act_dim,
    })
}

/// Checks that what is to be kept and what is needed on the way is in proportion to the file.
pub(super) fn afford(
    pickle: &Pickle<'_>,
    file: &Path,
    episodes: usize,
    steps: usize,
    (obs_dim, act_dim): (usize, usize),
) -> Result<(), DatasetError> {
    let numbers = (3 * obs_dim as u128 + 2 * act_dim as u128 + 4) * steps as u128;
    let apart = 128 * episodes as u128 + 64 * (obs_dim as u128 + act_dim as u128);
    let kept = 4 * (numbers + (episodes * obs_dim) as u128) + apart;
    let refused = |reason| DatasetError::new(file, "observations", reason);
    pickle.afford(kept).map_err(refused)
}

/// A dataset of true rewards without labels.
pub(super) fn dataset(trajectories: Trajectories, source: String) -> Dataset {
    let numbered = |what: &str, n: usize| (0..n).map(|i| format!("{what}{i}")).collect();
    let policy: Arc<str> = "unknown".into();
    let origin = |_: &_| Origin {
        policy: Arc::clone(&policy),
        ..Origin::default()
    };
    Dataset {
        about: About {
            observation: numbered("observation", trajectories.obs_dim()),
            action: numbered("action", trajectories.act_dim()),
            true_rewards: true,
            source,
            ..About::default()
        },
        origins: trajectories.episodes().iter().map(origin).collect(),
        answers: Vec::new(),
        trajectories,
    }
}
