//! robomimic's HDF5 files (Mandlekar et al. 2021, arXiv:2108.03298): a group `data` of
//! demonstrations `demo_0`, `demo_1`, ..., each with `actions` (T, act), `rewards` (T), `dones` (T),
//! a group `obs` of arrays (T, k) and mostly a group `next_obs` of the same arrays. `states` and
//! `mask` are left aside.
//!
//! Demonstrations are read in the order of their numbers. Row t of a demonstration is step t of its
//! episode; implementations of IQL for these files drop the last step of each.
//!
//! An observation is the concatenation of the low-dimensional arrays of `obs` that the Preference
//! Transformer takes, in its order: `object`, then of each robot `joint_pos`, `joint_pos_cos`,
//! `joint_pos_sin`, `joint_vel`, `eef_pos`, `eef_quat`, `gripper_qpos` and `gripper_qvel`, as far as
//! the first demonstration has them. If it has none of them it is all arrays of one or two
//! dimensions, sorted by name. What is left out, images among it, is listed in `about.source`, as is
//! the beginning of the attribute `env_args`.
//!
//! The last observation is the last row of `next_obs`, else the last of `obs` again. The ending is
//! [`Ending::Terminated`] if the last of `dones` is true; else [`Ending::Truncated`] with
//! `next_obs` and [`Ending::Cut`] without. Earlier `dones` (the task is solved, the recording goes
//! on) split nothing. Where all rewards of the file are 0 or 1, an episode succeeded if it has a 1.

use std::path::Path;
use std::sync::Arc;

use super::hdf5::{self, Array, Folder, Hdf5};
use crate::dataset::{About, Counting, Dataset, DatasetError, Origin};
use crate::trajectory::{Columns, Ending, Episode, Trajectories};

/// Each robot's arrays in an observation.
const KEYS: [&str; 8] = [
    "joint_pos",
    "joint_pos_cos",
    "joint_pos_sin",
    "joint_vel",
    "eef_pos",
    "eef_quat",
    "gripper_qpos",
    "gripper_qvel",
];

/// Characters of `env_args` and of the list of what is left out that are kept.
const SHORT: usize = 500;

/// Reads a robomimic file.
///
/// # Errors
/// [`DatasetError`] naming the array, if one is missing, has not the shape of the others, holds
/// anything but finite numbers, or is not all there.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    hdf5::open(path, |file| take(path, file))
}

fn take(path: &Path, file: &Hdf5<'_>) -> Result<Dataset, DatasetError> {
    let root = file.root()?;
    let data = root.folder("data")?.ok_or_else(|| root.missing("data"))?;
    let number = |name: &str| name.strip_prefix("demo_")?.parse::<u64>().ok();
    let mut demos: Vec<(u64, &str)> = data
        .groups()
        .filter_map(|n| Some((number(n)?, n)))
        .collect();
    demos.sort_unstable();
    let Some(&(_, first)) = demos.first() else {
        return Err(data.missing("demo_0"));
    };
    let first = member(&data, first)?;
    let (keys, left_out) = keys(&member(&first, "obs")?)?;

    // How much there is, so that nothing is ever moved.
    let mut columns = Columns {
        obs_dim: hdf5::total(keys.iter().map(|key| key.width)),
        act_dim: table(&first, "actions")?.width,
        observations: Vec::new(),
        actions: Vec::new(),
        rewards: Vec::new(),
        episodes: Vec::new(),
    };
    let mut steps = 0u64;
    for (_, name) in &demos {
        steps = steps.saturating_add(member(&data, name)?.array("actions")?.rows());
    }
    let (rows, act_dim) = (
        steps.saturating_add(demos.len() as u64),
        columns.act_dim as u64,
    );
    let entries = demos.len() as u64 * (size_of::<Episode>() + size_of::<Origin>()) as u64;
    let numbers = |rows: u64, width: u64| rows.saturating_mul(width).saturating_mul(4);
    let kept = numbers(rows, columns.obs_dim as u64)
        .saturating_add(numbers(steps, act_dim.saturating_add(1)));
    file.keep("data", kept.saturating_add(entries))?;
    let mut names = Vec::new();
    for key in &keys {
        names.extend(file.names(&key.name, key.width)?);
    }
    let action_names = file.names("action", columns.act_dim)?;
    columns
        .observations
        .reserve_exact(rows as usize * columns.obs_dim);
    columns
        .actions
        .reserve_exact(steps as usize * columns.act_dim);
    columns.rewards.reserve_exact(steps as usize);
    columns.episodes.reserve_exact(demos.len());

    for (_, name) in &demos {
        append(&member(&data, name)?, &keys, &mut columns)?;
    }

    let sparse = columns.rewards.iter().all(|&r| r == 0.0 || r == 1.0);
    let policy: Arc<str> = "demonstration".into();
    let origin = |e: &Episode| Origin {
        policy: Arc::clone(&policy),
        success: sparse.then(|| columns.rewards[e.start..e.start + e.len].contains(&1.0)),
        ..Origin::default()
    };
    let mut source = format!("robomimic file {}", hdf5::file_name(path));
    if let Some(args) = data.attributes()?.text("env_args") {
        source += &format!("; env_args {}", short(args));
    }
    if !left_out.is_empty() {
        source += &format!("; observations left out: {}", short(&left_out.join(", ")));
    }
    Ok(Dataset {
        about: About {
            observation: names,
            action: action_names,
            true_rewards: true,
            source,
            // Labels count by the demonstrations' names, which only here follow from their places.
            counting: match (0..).zip(&demos).all(|(i, (number, _))| i == *number) {
                true => Counting::Robomimic,
                false => Counting::None,
            },
            ..About::default()
        },
        origins: columns.episodes.iter().map(origin).collect(),
        trajectories: Trajectories::try_from(columns).map_err(|e| file.wrong("data", e))?,
        answers: Vec::new(),
    })
}

/// An array of an observation.
struct Key {
    name: String,
    width: usize,
}

/// The arrays to take, and the names of those to leave.
fn keys(obs: &Folder<'_>) -> Result<(Vec<Key>, Vec<String>), DatasetError> {
    let mut wanted = vec!["object".to_string()];
    let robot = |name: &str| {
        name.strip_prefix("robot")?
            .split_once('_')?
            .0
            .parse::<u32>()
            .ok()
    };
    let mut robots: Vec<u32> = obs.arrays().filter_map(robot).collect();
    robots.sort_unstable();
    robots.dedup();
    for robot in robots {
        wanted.extend(KEYS.iter().map(|key| format!("robot{robot}_{key}")));
    }
    wanted.retain(|name| obs.arrays().any(|have| have == name));
    if wanted.is_empty() {
        wanted = obs.arrays().map(str::to_string).collect();
    }
    let mut keys = Vec::new();
    for name in wanted {
        let Ok(array) = obs.array(&name) else {
            continue;
        };
        if array.expect_table().is_ok() {
            keys.push(Key {
                name,
                width: array.width,
            });
        }
    }
    if keys.is_empty() {
        return Err(obs.missing("object"));
    }
    let left = obs
        .arrays()
        .filter(|name| keys.iter().all(|key| key.name != *name));
    let left = left.map(str::to_string).collect();
    Ok((keys, left))
}

/// Appends a demonstration.
fn append(demo: &Folder<'_>, keys: &[Key], columns: &mut Columns) -> Result<(), DatasetError> {
    let actions = table(demo, "actions")?;
    let steps = actions.rows();
    if steps == 0 {
        return Err(actions.wrong("no steps: remove this demonstration"));
    }
    if actions.width != columns.act_dim {
        return Err(actions.wrong(format!(
            "{} numbers a row, where the first demonstration has {}",
            actions.width, columns.act_dim
        )));
    }
    let column = |name| {
        let array = demo.array(name)?;
        array.expect_column()?;
        array.expect_rows(steps, &actions.name)?;
        Ok(array)
    };
    let (rewards, dones) = (column("rewards")?, column("dones")?);
    let next = demo.groups().find(|name| *name == "next_obs");
    actions.append(0, steps, &mut columns.actions)?;
    rewards.append(0, steps, &mut columns.rewards)?;
    let mut done = false;
    dones.read(steps - 1, 1, &mut |_, row| done = row[0] != 0.0)?;

    let start = columns.observations.len();
    let end = start + (steps as usize + 1) * columns.obs_dim;
    columns.observations.resize(end, 0.0);
    let rows = &mut columns.observations[start..];
    scatter(&member(demo, "obs")?, keys, steps, (0, 0), rows)?;
    // The last row, from the last of `next_obs` where there is that.
    scatter(
        &member(demo, next.unwrap_or("obs"))?,
        keys,
        steps,
        (steps - 1, steps),
        rows,
    )?;

    let ending = match (done, next) {
        (true, _) => Ending::Terminated,
        (false, Some(_)) => Ending::Truncated,
        (false, None) => Ending::Cut,
    };
    let (len, ending) = (steps as usize, Some(ending));
    let start = columns.rewards.len() - len;
    columns.episodes.push(Episode { start, len, ending });
    Ok(())
}

/// Copies the rows `from..` of the arrays side by side into the rows `to..`.
fn scatter(
    obs: &Folder<'_>,
    keys: &[Key],
    steps: u64,
    (from, to): (u64, u64),
    rows: &mut [f32],
) -> Result<(), DatasetError> {
    let width = hdf5::total(keys.iter().map(|key| key.width));
    let mut offset = 0;
    for key in keys {
        let array = table(obs, &key.name)?;
        array.expect_rows(steps, "actions")?;
        if array.width != key.width {
            return Err(array.wrong(format!(
                "{} numbers a row, where the first demonstration has {}",
                array.width, key.width
            )));
        }
        array.read(from, steps - from, &mut |row, block| {
            let first = (row - from + to) as usize;
            let out = rows[first * width..].chunks_exact_mut(width);
            for (out, numbers) in out.zip(block.chunks_exact(key.width)) {
                out[offset..offset + key.width].copy_from_slice(numbers);
            }
        })?;
        offset += key.width;
    }
    Ok(())
}

fn member<'f>(folder: &Folder<'f>, name: &str) -> Result<Folder<'f>, DatasetError> {
    folder.folder(name)?.ok_or_else(|| folder.missing(name))
}

fn table<'f>(folder: &Folder<'f>, name: &str) -> Result<Array<'f>, DatasetError> {
    let array = folder.array(name)?;
    array.expect_table()?;
    Ok(array)
}

/// The beginning of a text.
fn short(text: &str) -> String {
    let mut out: String = text.chars().take(SHORT).collect();
    if out.len() < text.len() {
        out += "...";
    }
    out
}
