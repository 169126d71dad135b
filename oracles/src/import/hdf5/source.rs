//! The file under hdf5-pure, with a limit on how much of it may be read.
//!
//! Everything the library learns it reads through here, and what it allocates for metadata grows
//! with what it reads. So the limits on reading bound its memory and its time, also where a file
//! sends it in circles: it limits the depth of its B-trees, but not how often a node is visited.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hdf5_pure::{FormatError, Source};

use super::headers::{self, Kind, Stretch, Types};

/// Bytes that any one step of the library may read beyond the file's length: it reads headers in
/// overlapping windows, which matters in small files.
const SLACK: u64 = 32 << 10;

/// Bytes read at a time where little is asked for.
const NEAR: u64 = 16 << 10;

/// The longest name in a group of the old kind. The library copies a name for every link, and a
/// link of 40 bytes may point into the middle of any text; no name in our formats comes near this.
const LONGEST_NAME: usize = 255;

/// A file that can be read only so much. Clones share it.
#[derive(Clone)]
pub(super) struct Metered(Arc<Mutex<Meter>>, u64);

struct Meter {
    file: File,
    /// A stretch of the file around the last small read, which is where the next is likely to be,
    /// and its offset.
    near: (u64, Vec<u8>),
    /// What the current step may still read.
    step: u64,
    /// What all steps may still read.
    all: u64,
    /// Which types the current step parses.
    types: Types,
    /// What is about to be read, as far as what it is does not show.
    next: BTreeSet<Stretch>,
}

impl Metered {
    pub(super) fn open(path: &Path) -> std::io::Result<Metered> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let meter = Meter {
            file,
            near: (0, Vec::new()),
            step: len.saturating_add(SLACK),
            // Every group is listed twice and every array read once: this is ample.
            all: len.saturating_mul(16).saturating_add(1 << 20),
            types: Types::Unused,
            next: BTreeSet::new(),
        };
        Ok(Metered(Arc::new(Mutex::new(meter)), len))
    }

    /// Begins a step of the library, which may read `bytes` but no more than the file's length, and
    /// parse `types`.
    pub(super) fn step(&self, bytes: u64, types: Types) {
        self.lock(|meter| {
            meter.step = bytes.min(self.1).saturating_add(SLACK);
            meter.types = types;
            meter.next.clear();
        });
    }

    /// Reads payload whose place has been checked, at no charge.
    pub(super) fn payload(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.lock(|meter| meter.read(offset, buf))
    }

    fn lock<T>(&self, act: impl FnOnce(&mut Meter) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Meter {
    fn read(&mut self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(buf)
    }

    fn read_near(&mut self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        if buf.len() as u64 > NEAR / 2 {
            return self.read(offset, buf);
        }
        let (at, near) = &mut self.near;
        let have = *at..*at + near.len() as u64;
        let end = offset.checked_add(buf.len() as u64);
        let end = end.ok_or(ErrorKind::UnexpectedEof)?;
        if offset < have.start || end > have.end {
            *at = offset - offset % (NEAR / 4);
            near.clear();
            self.file.seek(SeekFrom::Start(*at))?;
            (&self.file).take(NEAR).read_to_end(near)?;
        }
        let from = (offset - *at) as usize;
        let found = near.get(from..from + buf.len());
        buf.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Source for Metered {
    fn len(&self) -> u64 {
        self.1
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), FormatError> {
        let refuse = |why: &str| Err(FormatError::Source(why.to_string()));
        let bytes = buf.len() as u64;
        let allowed = self.lock(|meter| {
            let allowed = bytes <= meter.step.min(meter.all);
            if allowed {
                meter.step -= bytes;
                meter.all -= bytes;
            }
            allowed
        });
        if !allowed {
            return refuse("its structures refer to one another more often than it has bytes for");
        }
        self.lock(|meter| meter.read_near(offset, buf))
            .map_err(|e| FormatError::Source(e.to_string()))?;
        // A table of shared messages is the one place for a datatype of more than 64 KiB, whose
        // nesting could exceed any stack; h5py makes none.
        if buf.starts_with(b"SMTB") {
            return refuse("it uses shared object header messages; copy it with h5py");
        }
        let inspected = self.lock(|meter| {
            let whole = |offset, len| Stretch {
                offset,
                len,
                kind: Kind::Names,
            };
            let here = whole(offset, bytes)..whole(offset, bytes.saturating_add(1));
            let known: Vec<Stretch> = meter.next.range(here).copied().collect();
            let mut inspect =
                |kind| headers::inspect(offset, buf, kind, meter.types, &mut meter.next);
            inspect(None)?;
            known.iter().try_for_each(|s| inspect(Some(s.kind)))?;
            for stretch in &known {
                meter.next.remove(stretch);
            }
            Ok(known.iter().any(|s| s.kind == Kind::Names))
        });
        match inspected {
            Err(why) => refuse(why),
            Ok(true) if longest(buf) > LONGEST_NAME => {
                refuse("a group has names of more than 255 bytes")
            }
            Ok(_) => Ok(()),
        }
    }
}

/// The longest text between zeros.
fn longest(names: &[u8]) -> usize {
    names.split(|&b| b == 0).map(<[u8]>::len).max().unwrap_or(0)
}
