//! The labels of Uni-RLHF (Yuan et al. 2024): folders of `crowdsource_human_labels` and
//! `generated_fake_labels`, with pickles
//! `{human_label|fake_label, indices_1, indices_2}_domain_<d>_env_<e>_num_<N>_len_<L>_<id>.pkl`.
//!
//! Indices count in D4RL's q-learning view, as Preference Transformer's do, and human labels are its
//! codes 0, 1 and −1. Scripted ("fake") labels are rows [1, 0] where the FIRST segment is preferred,
//! [0, 1] where the second is and [½, ½] where neither is. The path is the folder, or one of its
//! files where it has several sets. Labels for Atari and SMARTS are refused: there is no importer
//! for their datasets.

use std::fs;
use std::path::{Path, PathBuf};

use super::pickle::Pickle;
use super::preference_transformer::{bytes, coded_labels, indices};
use super::qlearning::{Labels, same_env};
use crate::dataset::{Dataset, DatasetError};
use crate::preference::Label;

const HUMAN: &str = "human_label_";
const SCRIPTED: &str = "fake_label_";

/// Appends the labels of the folder, or of the set that the file belongs to. Returns how many were
/// left out because a segment crosses the end of an episode.
///
/// # Errors
/// If it is not such a folder or file, or its labels are another dataset's or of another length.
pub fn read(path: &Path, dataset: &mut Dataset, segment_len: u32) -> Result<usize, DatasetError> {
    let labels = find(path)?;
    let name = labels.file_name().unwrap_or_default().to_string_lossy();
    let human = name.starts_with(HUMAN);
    let set = name.trim_start_matches(HUMAN).trim_start_matches(SCRIPTED);
    let set = set.to_owned();
    for other in ["atari", "smarts"] {
        if set.starts_with(&format!("domain_{other}_")) {
            let reason = format!("labels of {other} are not read: only of D4RL datasets");
            return Err(DatasetError::new(&labels, "", reason));
        }
    }
    let env = set
        .split_once("_env_")
        .and_then(|(_, env)| env.split_once("_num_"));
    same_env(env.map_or("", |(env, _)| env), &labels, dataset)?;
    let len = set
        .rsplit_once("_len_")
        .and_then(|(_, rest)| rest.split('_').next());
    if len.and_then(|len| len.parse().ok()) != Some(segment_len) {
        let len = len.unwrap_or("an unknown number of");
        let reason = format!("labels segments of {len} steps, not of {segment_len}");
        return Err(DatasetError::new(&labels, "", reason));
    }
    let index = |side: &str| labels.with_file_name(format!("indices_{side}_{set}"));
    let (left, right) = (index("1"), index("2"));
    let data = bytes(&labels)?;
    let coded = if human {
        coded_labels(&data, &labels)?
    } else {
        one_hot(&data, &labels)?
    };
    let sides = (
        indices(&bytes(&left)?, &left)?,
        indices(&bytes(&right)?, &right)?,
    );
    if sides.0.len() != coded.len() || sides.1.len() != coded.len() {
        let reason = format!(
            "{} labels, but {} and {} indices in the files beside it",
            coded.len(),
            sides.0.len(),
            sides.1.len()
        );
        return Err(DatasetError::new(&labels, "", reason));
    }
    let labels = Labels {
        left: (&left, sides.0),
        right: (&right, sides.1),
        labels: coded,
        teacher: if human { "human" } else { "scripted" },
        robomimic: false,
    };
    labels.append(dataset, segment_len)
}

/// The file with the labels of the set meant.
fn find(path: &Path) -> Result<PathBuf, DatasetError> {
    if path.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(HUMAN) || name.starts_with(SCRIPTED) {
            return Ok(path.to_path_buf());
        }
        let set = ["indices_1_", "indices_2_"]
            .iter()
            .find_map(|p| name.strip_prefix(p));
        let candidates =
            set.map(|s| [HUMAN, SCRIPTED].map(|p| path.with_file_name(format!("{p}{s}"))));
        let found = candidates.and_then(|c| c.into_iter().find(|p| p.is_file()));
        return found.ok_or_else(|| {
            let reason = "not one of Uni-RLHF's files: human_label_…, fake_label_… or indices_…";
            DatasetError::new(path, "", reason)
        });
    }
    let listed = fs::read_dir(path).map_err(|e| DatasetError::new(path, "", e))?;
    let mut found: Vec<String> = listed
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(HUMAN) || name.starts_with(SCRIPTED))
        .collect();
    found.sort();
    match found.as_slice() {
        [one] => Ok(path.join(one)),
        [] => {
            let reason = "there is no file whose name begins with human_label_ or fake_label_";
            Err(DatasetError::new(path, "", reason))
        }
        several => {
            let reason = format!(
                "there are several sets of labels, give one of the files: {}",
                several.join(", ")
            );
            Err(DatasetError::new(path, "", reason))
        }
    }
}

/// The labels in a pickle of rows such as [1, 0].
///
/// # Errors
/// If it holds something else.
pub fn one_hot(bytes: &[u8], file: &Path) -> Result<Vec<Label>, DatasetError> {
    let wrong = |reason: String| DatasetError::new(file, "", reason);
    let pickle = Pickle::parse(bytes, file)?;
    let (values, shape) = pickle.numbers::<f32>(pickle.root()).map_err(wrong)?;
    if shape != [values.len() / 2, 2] {
        return Err(wrong(format!(
            "labels of shape {shape:?} instead of (N, 2)"
        )));
    }
    let (rows, _) = values.as_chunks::<2>();
    let label = |(i, row): (usize, &[f32; 2])| match row {
        [1.0, 0.0] => Ok(Label::Left),
        [0.0, 1.0] => Ok(Label::Right),
        [0.5, 0.5] => Ok(Label::Equal),
        _ => Err(wrong(format!(
            "label {i} is {row:?}, and [1, 0] (the first is preferred), [0, 1] or [0.5, 0.5] is \
             expected"
        ))),
    };
    rows.iter().enumerate().map(label).collect()
}
