//! Readers for the files that people already have.
//!
//! Every reader is one file here and one line in [`FORMATS`]. None trusts its input: sizes are
//! checked against the file before anything is allocated, nothing is ever executed, and an error
//! names the file, the field and the reason.

pub mod cpl;
pub mod d4rl;
mod hdf5;
pub mod ipl;
pub mod lire;
pub mod minari;
pub mod npy;
pub mod npz;
pub mod oppo;
pub mod pickle;
pub mod preference_transformer;
pub mod qlearning;
pub mod robomimic;
pub mod uni_rlhf;

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
    /// What it holds, and its reader.
    pub read: Read,
}

/// What a format holds.
#[derive(Copy, Clone, Debug)]
pub enum Read {
    /// A dataset of its own, from a file or a folder.
    Dataset(fn(&Path) -> Result<Dataset, DatasetError>),
    /// Labels for segments of `segment_len` steps of an already imported dataset, to whose answers
    /// they are appended. Returns how many of them had to be left out.
    Labels(fn(&Path, &mut Dataset, segment_len: u32) -> Result<usize, DatasetError>),
}

/// Every format.
pub static FORMATS: &[Format] = &[
    Format {
        id: "d4rl",
        summary: "a D4RL file: flat HDF5 arrays",
        read: Read::Dataset(d4rl::read),
    },
    Format {
        id: "minari",
        summary: "a Minari dataset's folder, stored as HDF5",
        read: Read::Dataset(minari::read),
    },
    Format {
        id: "robomimic",
        summary: "a robomimic HDF5 file with low-dimensional observations",
        read: Read::Dataset(robomimic::read),
    },
    Format {
        id: "cpl",
        summary: "CPL's npz of scored segments",
        read: Read::Dataset(cpl::read),
    },
    Format {
        id: "ipl",
        summary: "IPL's npz of labelled pairs, and CPL's older one",
        read: Read::Dataset(ipl::read),
    },
    Format {
        id: "lire",
        summary: "LiRE's pickled replay buffers",
        read: Read::Dataset(lire::read),
    },
    Format {
        id: "oppo",
        summary: "pickled lists of trajectories, as OPPO and Decision Transformer have them",
        read: Read::Dataset(oppo::read),
    },
    Format {
        id: "preference-transformer",
        summary: "Preference Transformer's human labels of a D4RL dataset",
        read: Read::Labels(preference_transformer::read),
    },
    Format {
        id: "uni-rlhf",
        summary: "Uni-RLHF's human and scripted labels of a D4RL dataset",
        read: Read::Labels(uni_rlhf::read),
    },
];

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
