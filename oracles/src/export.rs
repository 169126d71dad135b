//! Writers for the formats that other people's tools read.
//!
//! Every writer is one file here and one line in [`FORMATS`]. What a format has no place for is
//! said in its module.

pub mod minari;

use std::path::Path;

use crate::dataset::{Dataset, DatasetError};
use crate::nearest::UnknownName;

/// A format in the registry.
#[derive(Copy, Clone, Debug)]
pub struct Format {
    /// The name used on the command line.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// Writes the dataset to a file or folder of this path, which must not exist yet.
    pub write: fn(&Dataset, &Path) -> Result<(), DatasetError>,
}

/// Every format.
pub static FORMATS: &[Format] = &[Format {
    id: "minari",
    summary: "a Minari dataset's folder, stored as HDF5; without answers",
    write: minari::write,
}];

/// The format with this id.
///
/// # Errors
/// [`UnknownName`] with the nearest valid id.
pub fn find(id: &str) -> Result<&'static Format, UnknownName> {
    FORMATS
        .iter()
        .find(|format| format.id == id)
        .ok_or_else(|| UnknownName::new("format", id, FORMATS.iter().map(|f| f.id)))
}
