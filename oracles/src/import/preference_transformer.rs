//! The human labels of Preference Transformer (Kim et al. 2023): a folder for each dataset with three
//! pickles, `indices_num<N>`, `indices_2_num<N>` and `label_human`, some with `_q<length>` in their
//! names.
//!
//! Indices are of the first transitions of segments in the q-learning view of the dataset
//! ([`QLearning`](super::qlearning::QLearning)). Labels are 0 where the FIRST segment is preferred, 1
//! where the second is, and −1 where neither is. Label i belongs to index i; there may be more indices
//! than labels, as in `hopper-medium-expert-v2` with 500 and 100, and the rest was never asked. The
//! official code trains on the last so many labels; we take all of them.
//!
//! Folders of robosuite tasks, whose names end in `_ph` or `_mh` (`Can_mh`, `Lift_ph`), go with a robomimic
//! file that has all of its demonstrations, those of D4RL's (`hopper-medium-replay-v2`) with a D4RL file. A
//! folder of another name goes with what the dataset is.

use std::fs;
use std::path::{Path, PathBuf};

use super::pickle::Pickle;
use super::qlearning::{Labels, same_env};
use crate::dataset::{Counting, Dataset, DatasetError};
use crate::preference::Label;

/// Appends the labels of the folder `path`. Returns how many were left out because a segment crosses
/// the end of an episode.
///
/// # Errors
/// If it is not such a folder, or its labels are another dataset's: by the folder's name, or indices that the
/// dataset has not.
pub fn read(path: &Path, dataset: &mut Dataset, segment_len: u32) -> Result<usize, DatasetError> {
    // What is typed may be `.`, or a link.
    let folder = fs::canonicalize(path).map_err(|e| DatasetError::new(path, "", e))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    same_env(&name, path, dataset)?;
    let versioned = name
        .rsplit_once("-v")
        .is_some_and(|(_, v)| v.parse::<u32>().is_ok());
    let robomimic = match name.ends_with("_ph") || name.ends_with("_mh") {
        true => true,
        false => !versioned && dataset.about.counting == Counting::Robomimic,
    };
    let (left, right) = (find(path, "indices_num")?, find(path, "indices_2_num")?);
    let labels = find(path, "label_human")?;
    for file in [&left, &right] {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if let Some((_, len)) = name.rsplit_once("_q")
            && len.parse() != Ok(segment_len)
        {
            let reason = format!("labels segments of {len} steps, not of {segment_len}");
            return Err(DatasetError::new(file, "", reason));
        }
    }
    let labels = Labels {
        labels: coded_labels(&bytes(&labels)?, &labels)?,
        left: (&left, indices(&bytes(&left)?, &left)?),
        right: (&right, indices(&bytes(&right)?, &right)?),
        teacher: "human",
        robomimic,
    };
    labels.append(dataset, segment_len)
}

/// The one file of the folder whose name begins like this.
fn find(folder: &Path, prefix: &str) -> Result<PathBuf, DatasetError> {
    let listed = fs::read_dir(folder).map_err(|e| DatasetError::new(folder, "", e))?;
    let mut found: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix)
    });
    found.sort();
    match (found.pop(), found.len()) {
        (Some(path), 0) => Ok(path),
        (found, _) => {
            let many = if found.is_some() {
                "more than one"
            } else {
                "no"
            };
            let reason = format!(
                "there is {many} file whose name begins with {prefix}: a folder of Preference \
                 Transformer's human_label has one, with indices_num, indices_2_num and label_human"
            );
            Err(DatasetError::new(folder, "", reason))
        }
    }
}

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, DatasetError> {
    fs::read(path).map_err(|error| DatasetError::new(path, "", error))
}

/// The indices in a pickle.
///
/// # Errors
/// If it holds something else.
pub fn indices(bytes: &[u8], file: &Path) -> Result<Vec<i64>, DatasetError> {
    let wrong = |reason: String| DatasetError::new(file, "", reason);
    let pickle = Pickle::parse(bytes, file)?;
    let (values, _) = pickle.numbers::<f64>(pickle.root()).map_err(wrong)?;
    super::npy::whole(values).map_err(wrong)
}

/// The labels in a pickle of Preference Transformer's codes.
///
/// # Errors
/// If it holds something else.
pub fn coded_labels(bytes: &[u8], file: &Path) -> Result<Vec<Label>, DatasetError> {
    let wrong = |reason: String| DatasetError::new(file, "", reason);
    let pickle = Pickle::parse(bytes, file)?;
    let (codes, shape) = pickle.numbers::<f32>(pickle.root()).map_err(wrong)?;
    if shape != [codes.len()] && shape != [codes.len(), 1] {
        return Err(wrong(format!(
            "labels of shape {shape:?} instead of one a pair"
        )));
    }
    let label = |(i, code): (usize, f32)| match code {
        0.0 => Ok(Label::Left),
        1.0 => Ok(Label::Right),
        -1.0 => Ok(Label::Equal),
        _ => Err(wrong(format!(
            "label {i} is {code}, and 0 (the first is preferred), 1 or -1 (equal) is expected"
        ))),
    };
    codes.into_iter().enumerate().map(label).collect()
}
