//! HDF5 files of other people, read with hdf5-pure under limits that hold for hostile files too.
//!
//! What hdf5-pure 0.47 does on hostile input, from its source and our tests, and what is done here:
//!
//! - Reads beyond the end of the file are refused before anything is allocated.
//! - The shape and the chunks that an array declares are believed: a few bytes can declare
//!   gigabytes, and deflate expands a thousandfold. So each array's declared size, its chunks and
//!   what is kept of it are held to [`EXPANSION`] times the file's length before it is read.
//! - B-trees are limited in depth but not in visits, and a group of links to one object costs what
//!   as many objects cost: [`source::Metered`] limits what is read in a step and in all.
//! - A datatype is parsed by recursion without limit, and its claimed number of members is believed:
//!   [`headers`] refuses types that contain types before the library sees them.
//! - Names are copied for every link of a group of the old kind: [`source::Metered`] refuses long
//!   ones.
//! - We know of no input on which it panics; should it, that becomes an error.
//!
//! Contiguous arrays, the usual layout, are read straight from the file; the library only says
//! where they are.

mod array;
mod headers;
mod source;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use hdf5_pure::{AttrValue, ChunkCacheConfig, File, FileAccessProperties, Group};

use crate::dataset::DatasetError;
pub(super) use array::{Array, total};
use headers::Types;
use source::Metered;

/// How many times the file's length may be kept or needed to read it.
const EXPANSION: u64 = 10;

/// Added to [`EXPANSION`], for small files.
const SMALL: u64 = 256 << 10;

/// An open file.
pub(super) struct Hdf5<'p> {
    path: &'p Path,
    file: File,
    source: Metered,
    /// Bytes that may still be kept.
    room: Cell<u64>,
}

/// A group, with its members by name.
pub(super) struct Folder<'f> {
    file: &'f Hdf5<'f>,
    /// Its path in the file, empty for the root.
    pub name: String,
    group: Group,
    groups: BTreeMap<String, Group>,
    arrays: BTreeSet<String>,
}

/// Opens the file and lets `read` take from it what it needs.
pub(super) fn open<T>(
    path: &Path,
    read: impl FnOnce(&Hdf5<'_>) -> Result<T, DatasetError>,
) -> Result<T, DatasetError> {
    open_within(u64::MAX, path, read)
}

/// [`open`] with room for `room` bytes at most, as [`Hdf5::halve`] gives it: for a second thread.
pub(super) fn open_within<T>(
    room: u64,
    path: &Path,
    read: impl FnOnce(&Hdf5<'_>) -> Result<T, DatasetError>,
) -> Result<T, DatasetError> {
    let wrong = |reason: &dyn Display| DatasetError::new(path, "", reason);
    let whole = || {
        let source = Metered::open(path).map_err(|e| wrong(&e))?;
        let access = FileAccessProperties::new()
            // Windows are whole rows of chunks, so that none is needed twice.
            .with_chunk_cache(ChunkCacheConfig::new().with_max_bytes(0));
        let file = File::from_source_with_options(source.clone(), access)
            .map_err(|e| wrong(&format!("not a readable HDF5 file: {e}")))?;
        let superblock = file.superblock();
        if (superblock.offset_size, superblock.length_size) != (8, 8)
            || superblock.base_address.get() != 0
        {
            return Err(wrong(
                &"an HDF5 file with a user block or addresses that are not of 8 bytes; copy it with h5py",
            ));
        }
        if superblock.eof_address > file.file_size() {
            let (is, was) = (file.file_size(), superblock.eof_address);
            return Err(wrong(&format!(
                "the file is cut off: {is} of {was} bytes are there"
            )));
        }
        let most = file
            .file_size()
            .saturating_mul(EXPANSION)
            .saturating_add(SMALL);
        let room = Cell::new(most.min(room));
        read(&Hdf5 {
            path,
            file,
            source,
            room,
        })
    };
    // Nothing that a panic could leave half done is used after it.
    catch_unwind(AssertUnwindSafe(whole))
        .unwrap_or_else(|_| Err(wrong(&"the file is damaged: the HDF5 library panicked")))
}

impl Hdf5<'_> {
    /// The root group.
    pub fn root(&self) -> Result<Folder<'_>, DatasetError> {
        Folder::of(self, String::new(), self.file.root())
    }

    /// Claims room for `bytes` of what is kept: call it before allocating.
    pub fn keep(&self, field: &str, bytes: u64) -> Result<(), DatasetError> {
        self.needs(field, bytes)?;
        self.room.set(self.room.get() - bytes);
        Ok(())
    }

    /// Gives half of the room away.
    pub fn halve(&self) -> u64 {
        let half = self.room.get() / 2;
        self.room.set(half);
        half
    }

    /// Checks that there is room for `bytes`, without taking it.
    fn needs(&self, field: &str, bytes: u64) -> Result<(), DatasetError> {
        if bytes <= self.room.get() {
            return Ok(());
        }
        let reason = format!(
            "reading it takes {bytes} bytes, which with what else is read is over {EXPANSION} times the file's \
             {}: if it is sound, save it again without compression, for example with h5repack -f NONE",
            self.file.file_size()
        );
        Err(self.wrong(field, reason))
    }

    /// Names for the numbers of a row of `width`.
    pub fn names(&self, name: &str, width: usize) -> Result<Vec<String>, DatasetError> {
        // The text, its number, and what a String and its allocation take.
        let each = (name.len() + 64) as u64;
        self.keep(name, each.saturating_mul(width as u64))?;
        Ok((0..width).map(|i| format!("{name}.{i}")).collect())
    }

    pub fn wrong(&self, field: &str, reason: impl Display) -> DatasetError {
        DatasetError::new(self.path, field, reason)
    }
}

impl<'f> Folder<'f> {
    fn of(file: &'f Hdf5<'f>, name: String, group: Group) -> Result<Self, DatasetError> {
        let wrong = |e| file.wrong(&name, e);
        file.source.step(u64::MAX, Types::Unused);
        let groups = group.iter_groups().map_err(wrong)?.collect();
        file.source.step(u64::MAX, Types::Unused);
        let arrays = group.datasets().map_err(wrong)?.into_iter().collect();
        Ok(Folder {
            file,
            name,
            group,
            groups,
            arrays,
        })
    }

    /// The path of a member.
    pub fn path(&self, name: &str) -> String {
        if self.name.is_empty() {
            name.to_string()
        } else {
            format!("{}/{name}", self.name)
        }
    }

    /// Names of the groups in it, sorted.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// Names of the arrays in it, sorted.
    pub fn arrays(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(String::as_str)
    }

    /// A group in it, if there is one of this name.
    pub fn folder(&self, name: &str) -> Result<Option<Folder<'f>>, DatasetError> {
        let open = |group: &Group| Folder::of(self.file, self.path(name), group.clone());
        self.groups.get(name).map(open).transpose()
    }

    /// An array in it, if there is one of this name.
    pub fn find(&self, name: &str) -> Result<Option<Array<'f>>, DatasetError> {
        if !self.arrays.contains(name) {
            return Ok(None);
        }
        let path = self.path(name);
        self.file.source.step(u64::MAX, Types::Arrays);
        let data = self.group.dataset(name);
        let data = data.map_err(|e| self.file.wrong(&path, e))?;
        Array::of(self.file, path, data).map(Some)
    }

    /// An array in it.
    pub fn array(&self, name: &str) -> Result<Array<'f>, DatasetError> {
        self.find(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error that something is not there.
    pub fn missing(&self, name: &str) -> DatasetError {
        let mut have: Vec<&str> = self.arrays().chain(self.groups()).take(12).collect();
        have.sort_unstable();
        let reason = format!(
            "missing; its group has {}",
            if have.is_empty() {
                "no member".into()
            } else {
                have.join(", ")
            }
        );
        self.file.wrong(&self.path(name), reason)
    }

    /// An error about a member.
    pub fn wrong(&self, name: &str, reason: impl Display) -> DatasetError {
        self.file.wrong(&self.path(name), reason)
    }

    /// Its attributes.
    pub fn attributes(&self) -> Result<Attributes, DatasetError> {
        self.file.source.step(u64::MAX, Types::Attributes);
        let attributes = self
            .group
            .attrs()
            .map_err(|e| self.file.wrong(&self.name, e))?;
        Ok(Attributes(attributes.into_iter().collect()))
    }
}

/// The attributes of a group.
pub(super) struct Attributes(BTreeMap<String, AttrValue>);

impl Attributes {
    /// A text, if there is one of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A whole number that is not negative, if there is one of this name.
    pub fn number(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_i64()?.try_into().ok())
    }
}

/// The file's name without its folders, for texts about it.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    name.display().to_string()
}
