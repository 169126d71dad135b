//! Pairs of segments in an `.npz`: IPL's files (Hejna and Sadigh 2023, Inverse Preference Learning),
//! and CPL's of the older kind.
//!
//! Arrays: `obs_1`, `obs_2` (N, S, d), `action_1`, `action_2` (N, S, a), `label` (N,) with 1 where the
//! SECOND segment is preferred, 0 where the first is and 0.5 where neither is; in some files
//! `reward_1`, `reward_2` (N, S). Without them the rewards are zeros, and not true ones.
//!
//! Every segment becomes an episode of its own that ends [`crate::Ending::Cut`], first all first
//! ones and then all second ones.

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use super::cpl;
use super::npz::Npz;
use crate::dataset::{Dataset, DatasetError};
use crate::preference::Label;

/// Reads the file at `path`.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn read(path: &Path) -> Result<Dataset, DatasetError> {
    read_from(Npz::open(path)?)
}

/// Reads the bytes of a file; `file` is its name in errors.
///
/// # Errors
/// If it is not such a file; names the array.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Dataset, DatasetError> {
    read_from(Npz::new(Cursor::new(bytes), file)?)
}

fn read_from<R: Read + Seek>(mut npz: Npz<R>) -> Result<Dataset, DatasetError> {
    if !npz.has("obs_1") && npz.has("obs") {
        let reason = "the file holds scored segments, not pairs: read it as the format cpl";
        return Err(npz.error("obs", reason));
    }
    let read = cpl::segments(&mut npz, &["_1", "_2"])?;
    let labels = cpl::one_each(&mut npz, "label", read.count / 2)?;
    let label = |(i, value): (usize, f64)| match value {
        0.0 => Ok(Label::Left),
        1.0 => Ok(Label::Right),
        0.5 => Ok(Label::Equal),
        _ => Err(npz.error(
            "label",
            format!("value {i} is {value}, and 0 (the first is preferred), 1 or 0.5 is expected"),
        )),
    };
    let labels = labels.into_iter().enumerate().map(label);
    let labels = labels.collect::<Result<_, _>>()?;
    let name = npz.file().file_name().unwrap_or_default();
    let teacher = match name.to_string_lossy() {
        name if name.contains("human") => "human",
        name if name.contains("script") => "scripted",
        _ => "unknown",
    };
    let source = format!("IPL, {}{}", npz.file().display(), read.note());
    Ok(read.into_dataset(source, labels, teacher))
}
