//! Minari datasets (Farama Foundation; checked against 0.5.4) stored as HDF5: the dataset's folder
//! holds `data/main_data.hdf5` and `data/metadata.json`. The path may name either folder.
//!
//! A group `episode_i` holds `observations` (T + 1 rows), `actions`, `rewards`, `terminations` and
//! `truncations` (T rows each). `infos` are left aside. Spaces are Boxes, or Dicts of Boxes: those
//! are sub-groups, and are flattened in the sorted order of their keys, which is the order that
//! Minari gives a Dict when it reads it back and in which gymnasium flattens it. Discrete and
//! other spaces, images, and datasets stored as Arrow are refused.
//!
//! An episode is [`Ending::Terminated`] if the last of `terminations` is true, and otherwise
//! [`Ending::Truncated`]: the last observation is always known. Earlier terminations (tasks that go
//! on after success) split nothing.
//!
//! What [`crate::export::minari`] adds is read back: the attribute `prefbench_cut` of an episode
//! ([`Ending::Cut`]), `prefbench_policy` and `prefbench_success`, and the entry `prefbench` of the
//! metadata, an [`About`].

mod spaces;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::hdf5::{self, Array, Folder, Hdf5};
use crate::dataset::{About, Dataset, DatasetError, Origin};
use crate::trajectory::{Columns, Ending, Episode, Trajectories};
use spaces::Space;

/// The metadata of large spaces has hundreds of kilobytes.
const LONGEST_METADATA: u64 = 16 << 20;

/// What is read of `metadata.json`.
#[derive(Deserialize)]
struct Metadata {
    total_episodes: u64,
    total_steps: u64,
    #[serde(default)]
    data_format: Option<String>,
    #[serde(default)]
    dataset_id: Option<String>,
    #[serde(default)]
    algorithm_name: Option<String>,
    #[serde(default)]
    observation_space: Option<String>,
    #[serde(default)]
    action_space: Option<String>,
    #[serde(default)]
    prefbench: Option<About>,
}

/// Reads a Minari dataset.
///
/// # Errors
/// [`DatasetError`] naming the file and the array or space, if something is missing, of an
/// unsupported kind, not of the size that the rest implies, or holds a number that is not finite.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    let inner = path.join("data");
    let folder = if inner.is_dir() {
        inner
    } else {
        path.to_path_buf()
    };
    let (file, metadata) = (folder.join("main_data.hdf5"), folder.join("metadata.json"));
    let about = read_metadata(&metadata)?;
    if let Some(format) = about.data_format.as_deref().filter(|f| *f != "hdf5") {
        let reason =
            format!("{format:?} is not supported: convert the dataset to hdf5 with Minari");
        return Err(DatasetError::new(&metadata, "data_format", reason));
    }
    let space = |field, text: &Option<String>| {
        let parse =
            |text: &String| spaces::parse(text).map_err(|e| DatasetError::new(&metadata, field, e));
        text.as_ref().map(parse).transpose()
    };
    let spaces = [
        space("observation_space", &about.observation_space)?,
        space("action_space", &about.action_space)?,
    ];
    hdf5::open(&file, |file| take(file, &metadata, about, spaces))
}

fn read_metadata(path: &PathBuf) -> Result<Metadata, DatasetError> {
    let wrong = |reason: String| DatasetError::new(path, "", reason);
    let mut text = String::new();
    let file = File::open(path).map_err(|e| {
        wrong(format!(
            "{e}; a Minari dataset is a folder with data/metadata.json"
        ))
    })?;
    let mut file = file.take(LONGEST_METADATA + 1);
    file.read_to_string(&mut text)
        .map_err(|e| wrong(e.to_string()))?;
    if text.len() as u64 > LONGEST_METADATA {
        return Err(wrong(format!("more than {LONGEST_METADATA} bytes")));
    }
    // Python writes infinities, which are not JSON, in places that are of no interest here.
    serde_json::from_str(&spaces::without_infinities(&text)).map_err(|e| wrong(e.to_string()))
}

fn take(
    file: &Hdf5<'_>,
    metadata: &Path,
    said: Metadata,
    [observation, action]: [Option<Space>; 2],
) -> Result<Dataset, DatasetError> {
    let root = file.root()?;
    let episodes = root
        .groups()
        .filter(|name| name.starts_with("episode_"))
        .count() as u64;
    if episodes != said.total_episodes || episodes == 0 {
        let reason = format!(
            "{} are announced, but {episodes} are there: the dataset is incomplete",
            said.total_episodes
        );
        return Err(DatasetError::new(metadata, "total_episodes", reason));
    }
    let first = episode(&root, 0)?;
    let obs = leaves(&first, "observations", observation.as_ref())?;
    let act = leaves(&first, "actions", action.as_ref())?;
    let width = |leaves: &[Array<'_>]| hdf5::total(leaves.iter().map(|leaf| leaf.width));
    let (obs_dim, act_dim) = (width(&obs), width(&act));

    let steps = said.total_steps;
    let numbers = |rows: u64, width: usize| rows.saturating_mul(width as u64).saturating_mul(4);
    let entries = episodes.saturating_mul((size_of::<Episode>() + size_of::<Origin>()) as u64);
    let kept = numbers(steps.saturating_add(episodes), obs_dim);
    let kept = kept
        .saturating_add(numbers(steps, act_dim.saturating_add(1)))
        .saturating_add(entries);
    file.keep("", kept)?;
    let names = names(file, &first, "observations", &obs)?;
    let action_names = self::names(file, &first, "actions", &act)?;
    let mut columns = Columns {
        obs_dim,
        act_dim,
        observations: Vec::with_capacity((steps + episodes) as usize * obs_dim),
        actions: Vec::with_capacity(steps as usize * act_dim),
        rewards: Vec::with_capacity(steps as usize),
        episodes: Vec::with_capacity(episodes as usize),
    };
    let mut origins = Vec::with_capacity(episodes as usize);
    let policy: Arc<str> = said.algorithm_name.as_deref().unwrap_or("unknown").into();
    for e in 0..episodes {
        let group = episode(&root, e)?;
        let rows = group.array("rewards")?.rows();
        if rows > steps - columns.rewards.len() as u64 {
            let reason = format!("{steps} are announced, but there are more");
            return Err(DatasetError::new(metadata, "total_steps", reason));
        }
        append(&group, [&observation, &action], &mut columns)?;
        let attributes = group.attributes()?;
        if attributes.number("prefbench_cut") == Some(1)
            && let Some(episode) = columns.episodes.last_mut()
        {
            episode.ending = Some(Ending::Cut);
        }
        origins.push(Origin {
            seed: attributes.number("seed"),
            policy: (attributes.text("prefbench_policy"))
                .map_or_else(|| Arc::clone(&policy), Arc::from),
            success: attributes.number("prefbench_success").map(|s| s != 0),
        });
    }
    if columns.rewards.len() as u64 != steps {
        let reason = format!(
            "{steps} are announced, but {} are there: the dataset is incomplete",
            columns.rewards.len()
        );
        return Err(DatasetError::new(metadata, "total_steps", reason));
    }
    let about = said
        .prefbench
        .filter(|a| a.observation.len() == obs_dim && a.action.len() == act_dim);
    let about = about.unwrap_or_else(|| About {
        observation: names,
        action: action_names,
        true_rewards: true,
        source: format!("Minari dataset {}", said.dataset_id.unwrap_or_default()),
        ..About::default()
    });
    Ok(Dataset {
        about,
        trajectories: Trajectories::try_from(columns).map_err(|e| file.wrong("", e))?,
        origins,
        answers: Vec::new(),
    })
}

fn episode<'f>(root: &Folder<'f>, e: u64) -> Result<Folder<'f>, DatasetError> {
    let name = format!("episode_{e}");
    root.folder(&name)?.ok_or_else(|| root.missing(&name))
}

/// Appends an episode.
fn append(
    group: &Folder<'_>,
    spaces: [&Option<Space>; 2],
    columns: &mut Columns,
) -> Result<(), DatasetError> {
    let rewards = group.array("rewards")?;
    let steps = rewards.rows();
    rewards.expect_column()?;
    if steps == 0 {
        return Err(rewards.wrong("no steps: remove this episode"));
    }
    rewards.append(0, steps, &mut columns.rewards)?;
    let mut ends = [false; 2];
    for (name, end) in ["terminations", "truncations"].into_iter().zip(&mut ends) {
        let flags = group.array(name)?;
        flags.expect_column()?;
        flags.expect_rows(steps, &rewards.name)?;
        flags.read(steps - 1, 1, &mut |_, row| {
            *end = row.first().is_some_and(|&x| x != 0.0)
        })?;
    }
    let [observation, action] = spaces;
    let (obs_dim, act_dim) = (columns.obs_dim, columns.act_dim);
    side_by_side(
        group,
        "observations",
        observation.as_ref(),
        steps + 1,
        obs_dim,
        &mut columns.observations,
    )?;
    side_by_side(
        group,
        "actions",
        action.as_ref(),
        steps,
        act_dim,
        &mut columns.actions,
    )?;
    let (len, ending) = (
        steps as usize,
        if ends[0] {
            Ending::Terminated
        } else {
            Ending::Truncated
        },
    );
    let start = columns.rewards.len() - len;
    columns.episodes.push(Episode {
        start,
        len,
        ending: Some(ending),
    });
    Ok(())
}

/// Appends `rows` rows, in which the arrays that make up `member` lie side by side.
fn side_by_side(
    group: &Folder<'_>,
    member: &str,
    space: Option<&Space>,
    rows: u64,
    width: usize,
    out: &mut Vec<f32>,
) -> Result<(), DatasetError> {
    let leaves = leaves(group, member, space)?;
    let have = hdf5::total(leaves.iter().map(|leaf| leaf.width));
    if have != width {
        let reason = format!("{have} numbers a row, where the first episode has {width}");
        return Err(group.wrong(member, reason));
    }
    for leaf in &leaves {
        leaf.expect_rows(rows, "rewards")?;
    }
    let start = out.len();
    out.resize(start + rows as usize * width, 0.0);
    let out = &mut out[start..];
    let mut offset = 0;
    for leaf in &leaves {
        leaf.read(0, rows, &mut |row, block| {
            let out = out[row as usize * width..].chunks_exact_mut(width);
            for (out, numbers) in out.zip(block.chunks_exact(leaf.width)) {
                out[offset..offset + leaf.width].copy_from_slice(numbers);
            }
        })?;
        offset += leaf.width;
    }
    Ok(())
}

/// The arrays that make up `member` of `group`, sorted by their paths.
fn leaves<'f>(
    group: &Folder<'f>,
    member: &str,
    space: Option<&Space>,
) -> Result<Vec<Array<'f>>, DatasetError> {
    let mut out = Vec::new();
    walk(group, member, space, &mut out)?;
    Ok(out)
}

/// A name for each number of a row: the path below `member`, or its singular if it is an array.
fn names(
    file: &Hdf5<'_>,
    group: &Folder<'_>,
    member: &str,
    leaves: &[Array<'_>],
) -> Result<Vec<String>, DatasetError> {
    let root = group.path(member);
    let mut names = Vec::new();
    for leaf in leaves {
        let below = leaf.name.strip_prefix(&root).unwrap_or(&leaf.name);
        let name = match below.strip_prefix('/') {
            Some(path) => path.replace('/', "."),
            None => member.trim_end_matches('s').to_string(),
        };
        names.extend(file.names(&name, leaf.width)?);
    }
    Ok(names)
}

/// How deep Dicts of Dicts may go.
const DEEPEST: usize = 16;

fn walk<'f>(
    group: &Folder<'f>,
    member: &str,
    space: Option<&Space>,
    out: &mut Vec<Array<'f>>,
) -> Result<(), DatasetError> {
    if let Some(array) = group.find(member)? {
        if let Some(space) = space {
            space.fits(&array)?;
        }
        if array.width == 0 {
            return Err(array.wrong("no numbers in a row"));
        }
        out.push(array);
        return Ok(());
    }
    let inner = group.folder(member)?.ok_or_else(|| group.missing(member))?;
    if inner.name.matches('/').count() > DEEPEST {
        return Err(group.missing(member));
    }
    let mut members: Vec<&str> = inner.arrays().chain(inner.groups()).collect();
    members.sort_unstable();
    if members.is_empty() {
        return Err(inner.missing("an array"));
    }
    for name in members {
        let space = space.map(|space| {
            space
                .of(name)
                .ok_or_else(|| inner.wrong(name, "its space is not in the metadata"))
        });
        walk(&inner, name, space.transpose()?, out)?;
    }
    Ok(())
}
