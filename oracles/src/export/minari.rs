//! Writes a dataset's episodes as a Minari dataset stored as HDF5, which `minari.load_dataset` and
//! `minari.MinariDataset` (0.5.0 or newer) open.
//!
//! Observations and actions are float32 Boxes without bounds, rewards float32. A Minari dataset has
//! no place for preferences: the [answers](Dataset::answers) are left out, and the description says
//! how many they were. An episode that is [`Ending::Cut`] is written as truncated, with its last
//! observation repeated as it is here; the description says how many there are, and the attribute
//! `prefbench_cut` which. That, `prefbench_policy`, `prefbench_success` and the metadata's entry
//! `prefbench` (the dataset's [`About`](crate::About)) let [`crate::import`] read back all but the
//! answers.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use hdf5_pure::{
    AttrValue, DatasetBuilder, Datatype, EnumTypeBuilder, FileBuilder, GroupBuilder, make_i8_type,
};
use serde_json::json;

use crate::dataset::{Dataset, DatasetError};
use crate::trajectory::Ending;

/// The oldest version of Minari whose layout this is. Minari refuses data of versions newer than
/// itself.
const MINARI_VERSION: &str = "0.5.0";

/// Writes `dataset` to the folder `folder`, which must not exist or be empty.
///
/// The dataset's id is the folder's name, by which Minari finds it: letters, digits, `-` and `_`, and
/// a version, as `hopper-v0`. For `minari.load_dataset` the folder must lie under Minari's root, by
/// default `~/.minari/datasets`. Everything is written to a hidden folder beside it first, so what is there
/// under the right name is complete. Takes memory for about two copies of the data.
///
/// # Errors
/// [`DatasetError`] if there is no complete episode, if the last one is still running, if the
/// folder's name is no id or the folder exists, or if it cannot be written.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<(), DatasetError> {
    let wrong = |reason: &dyn std::fmt::Display| DatasetError::new(folder, "", reason);
    let trajectories = &dataset.trajectories;
    if trajectories.is_empty() || trajectories.complete() < trajectories.episodes().len() {
        return Err(wrong(
            &"the dataset needs at least one episode, and all must have ended",
        ));
    }
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else {
        return Err(wrong(
            &"the folder needs a name, which becomes the dataset's id",
        ));
    };
    if name != id(name) {
        return Err(wrong(&format!(
            "Minari finds a dataset by its folder's name, which needs a version, as {}",
            id(name)
        )));
    }
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.is_file() {
        return Err(wrong(&"exists already: remove it, or choose another name"));
    }
    let partial = folder.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = fill(dataset, name, &partial).and_then(|()| {
        if folder.is_dir() {
            fs::remove_dir(folder).map_err(|e| wrong(&e))?;
        }
        fs::rename(&partial, folder).map_err(|e| wrong(&e))
    });
    if written.is_err() {
        // What could not be written is of no use; if it cannot be removed, its name tells.
        let _ = fs::remove_dir_all(&partial);
    }
    written
}

/// The name nearest to `name` that Minari takes for an id.
fn id(name: &str) -> String {
    let keep = |c: char| {
        if c.is_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(keep).collect();
    let version = name.rsplit_once("-v").map(|(_, version)| version);
    let versioned = version.is_some_and(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()));
    if versioned {
        name
    } else {
        format!("{name}-v0")
    }
}

/// Writes the folder's contents.
fn fill(dataset: &Dataset, id: &str, folder: &Path) -> Result<(), DatasetError> {
    let data = folder.join("data");
    let at = |path: &Path| {
        let path: PathBuf = path.to_path_buf();
        move |e: &dyn std::fmt::Display| DatasetError::new(&path, "", e)
    };
    fs::create_dir_all(&data).map_err(|e| at(&data)(&e))?;

    let main = data.join("main_data.hdf5");
    let failed = at(&main);
    let mut builder = FileBuilder::new();
    for e in 0..dataset.trajectories.episodes().len() {
        let mut group = builder.create_group(&format!("episode_{e}"));
        episode(dataset, e, &mut group).map_err(|e| failed(&e))?;
        builder.add_group(group.finish());
    }
    builder.write(&main).map_err(|e| failed(&e))?;
    let bytes = File::open(&main).and_then(|file| {
        file.sync_all()?;
        Ok(file.metadata()?.len())
    });
    let bytes = bytes.map_err(|e| failed(&e))?;

    let path = data.join("metadata.json");
    let text = metadata(dataset, id, bytes).to_string();
    let put = || {
        let mut file = File::create(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    put().map_err(|e: std::io::Error| at(&path)(&e))
}

fn metadata(dataset: &Dataset, id: &str, bytes: u64) -> serde_json::Value {
    let trajectories = &dataset.trajectories;
    let cut = trajectories
        .episodes()
        .iter()
        .filter(|e| e.ending == Some(Ending::Cut))
        .count();
    let mut description = format!("Written by prefbench. {}", dataset.about.source);
    if cut > 0 {
        description += &format!(
            " In {cut} episodes the recording stops without the last observation: it repeats the one before, \
             and the episode is marked as truncated (attribute prefbench_cut)."
        );
    }
    if !dataset.about.true_rewards {
        description += " The rewards are unknown and written as given.";
    }
    if !dataset.answers.is_empty() {
        description += &format!(
            " {} answers about preferences are not included.",
            dataset.answers.len()
        );
    }
    json!({
        "dataset_id": id,
        "total_episodes": trajectories.episodes().len(),
        "total_steps": trajectories.len(),
        "data_format": "hdf5",
        "observation_space": unbounded(trajectories.obs_dim()),
        "action_space": unbounded(trajectories.act_dim()),
        "minari_version": MINARI_VERSION,
        // In megabytes, to one place.
        "dataset_size": (bytes as f64 / 1e5).round() / 10.0,
        "description": description,
        "prefbench": dataset.about,
    })
}

/// A Box without bounds, in Minari's JSON, to which Python adds infinities.
fn unbounded(width: usize) -> String {
    let bounds = |word: &str| vec![word; width].join(", ");
    let (low, high) = (bounds("-Infinity"), bounds("Infinity"));
    format!(
        r#"{{"type": "Box", "dtype": "float32", "shape": [{width}], "low": [{low}], "high": [{high}]}}"#
    )
}

/// Writes episode `e`.
fn episode(
    dataset: &Dataset,
    e: usize,
    group: &mut GroupBuilder,
) -> Result<(), hdf5_pure::FormatError> {
    let trajectories = &dataset.trajectories;
    let episode = trajectories.episodes()[e];
    let (start, len) = (episode.start, episode.len);
    // Each earlier episode holds one row more than it has transitions.
    let observations = rows(
        trajectories.all_observations(),
        start + e,
        len + 1,
        trajectories.obs_dim(),
    );
    let actions = rows(
        trajectories.all_actions(),
        start,
        len,
        trajectories.act_dim(),
    );
    table(group.create_dataset("observations"), observations, len + 1);
    table(group.create_dataset("actions"), actions, len);
    group
        .create_dataset("rewards")
        .with_f32_data(&trajectories.all_rewards()[start..start + len]);
    let terminated = episode.ending == Some(Ending::Terminated);
    let boolean = boolean()?;
    for (name, last) in [("terminations", terminated), ("truncations", !terminated)] {
        let mut flags = vec![0; len];
        if let Some(flag) = flags.last_mut() {
            *flag = u8::from(last);
        }
        group
            .create_dataset(name)
            .with_enum_u8_data(boolean.clone(), &flags);
    }

    let number = |n: u64| i64::try_from(n).map_or(AttrValue::U64(n), AttrValue::I64);
    group.set_attr("id", number(e as u64));
    group.set_attr("total_steps", number(len as u64));
    if episode.ending == Some(Ending::Cut) {
        group.set_attr("prefbench_cut", number(1));
    }
    if let Some(origin) = dataset.origins.get(e) {
        if let Some(seed) = origin.seed {
            group.set_attr("seed", number(seed));
        }
        if let Some(success) = origin.success {
            group.set_attr("prefbench_success", number(u64::from(success)));
        }
        group.set_attr(
            "prefbench_policy",
            AttrValue::String(origin.policy.to_string()),
        );
    }
    Ok(())
}

fn rows(column: &[f32], first: usize, count: usize, width: usize) -> &[f32] {
    &column[first * width..(first + count) * width]
}

fn table(array: &mut DatasetBuilder, numbers: &[f32], rows: usize) {
    let width = numbers.len() / rows;
    array
        .with_f32_data(numbers)
        .with_shape(&[rows as u64, width as u64]);
}

/// The type that h5py reads as booleans.
fn boolean() -> Result<Datatype, hdf5_pure::FormatError> {
    let byte = EnumTypeBuilder::with_base(make_i8_type());
    byte.u8_value("FALSE", 0).u8_value("TRUE", 1).build()
}
