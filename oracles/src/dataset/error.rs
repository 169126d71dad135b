//! What is wrong with a file.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A dataset, or a file of somebody else's, that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{}: {reason}", file.display(), named(.field))]
pub struct DatasetError {
    /// The file.
    pub file: PathBuf,
    /// The column, array or attribute concerned; empty if the file as a whole is.
    pub field: String,
    /// What is wrong, and what to do where that is not plain.
    pub reason: String,
}

impl DatasetError {
    /// An error in `field` of `file`; an empty `field` means the file as a whole.
    pub fn new(file: &Path, field: impl Into<String>, reason: impl Display) -> Self {
        DatasetError {
            file: file.to_path_buf(),
            field: field.into(),
            reason: reason.to_string(),
        }
    }
}

fn named(field: &str) -> String {
    if field.is_empty() {
        String::new()
    } else {
        format!(", {field}")
    }
}
