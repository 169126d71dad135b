//! NumPy's `.npz`: a zip archive with one `.npy` in it for each array.
//!
//! Big arrays are read as streams, a few numbers at a time, straight to where they stay. What an
//! archive may unpack to is bounded by its size, so that a zip bomb is an error and no more.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::npy::{self, Array, Header, Number};
use crate::dataset::DatasetError;

/// What may be unpacked from every byte, and from a file however small.
const EXPANSION: u64 = 8;
const FREE: u64 = 512 << 10;
const CHUNK: usize = 64 << 10;

/// An open archive.
pub struct Npz<R> {
    archive: ZipArchive<R>,
    len: u64,
    file: PathBuf,
}

impl Npz<BufReader<File>> {
    /// Opens the archive at `path`.
    ///
    /// # Errors
    /// If there is no such file, or it is not an archive.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let source = File::open(path).map_err(|error| DatasetError::new(path, "", error))?;
        Npz::new(BufReader::new(source), path)
    }
}

impl<R: Read + Seek> Npz<R> {
    /// Takes over an archive; `file` is its name in errors.
    ///
    /// # Errors
    /// If it is not an archive.
    pub fn new(mut source: R, file: &Path) -> Result<Self, DatasetError> {
        let wrong = |error: &dyn Display| {
            let reason = format!("not a NumPy .npz archive: {error}");
            DatasetError::new(file, "", reason)
        };
        let len = source.seek(SeekFrom::End(0)).map_err(|e| wrong(&e))?;
        let archive = ZipArchive::new(source).map_err(|e| wrong(&e))?;
        Ok(Npz {
            archive,
            len,
            file: file.to_path_buf(),
        })
    }

    /// The file's name in errors.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// An error about array `name`.
    pub fn error(&self, name: &str, reason: impl Display) -> DatasetError {
        DatasetError::new(&self.file, name, reason)
    }

    /// The names of the arrays, in the archive's order.
    pub fn names(&self) -> Vec<String> {
        let names = self.archive.file_names().flatten();
        names
            .map(|name| name.strip_suffix(".npy").unwrap_or(&name).to_owned())
            .collect()
    }

    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.archive
            .index_for_name(&format!("{name}.npy"))
            .is_some()
    }

    /// Checks that `bytes` unpacked are in proportion to the file. Readers call it with all that they
    /// are about to keep, before they allocate it.
    ///
    /// # Errors
    /// If they are not, with advice.
    pub fn afford(&self, name: &str, bytes: u128) -> Result<(), DatasetError> {
        let most = self.len.saturating_mul(EXPANSION).saturating_add(FREE);
        if bytes <= most.into() {
            return Ok(());
        }
        let reason = format!(
            "would need {bytes} bytes of memory, out of all proportion to the file's {}: if it is \
             meant so, save it again with np.savez, which does not compress",
            self.len
        );
        Err(self.error(name, reason))
    }

    /// The header of array `name`.
    ///
    /// # Errors
    /// See [`Npz::array`].
    pub fn header(&mut self, name: &str) -> Result<Header, DatasetError> {
        Ok(self.array(name)?.header)
    }

    /// Opens array `name`.
    ///
    /// # Errors
    /// If there is none, or it is not one of numbers, or its sizes contradict one another, or it is
    /// compressed so much that it may be a zip bomb.
    pub fn array(&mut self, name: &str) -> Result<Stream<'_, R>, DatasetError> {
        if !self.has(name) {
            let names = self.names();
            let some = names.iter().take(20).map(|n| npy::shown(n));
            let some = some.collect::<Vec<_>>().join(", ");
            return Err(self.error(name, format!("there is no such array; there are {some}")));
        }
        let file = &self.file;
        let wrong = |reason: String| DatasetError::new(file, name, reason);
        let unreadable = |e: &dyn Display| wrong(format!("cannot be read from the archive: {e}"));
        let opened = self.archive.by_name(&format!("{name}.npy"));
        let mut source = opened.map_err(|e| unreadable(&e))?;
        let (packed, size) = (source.compressed_size(), source.size());
        if packed > self.len {
            return Err(wrong(format!(
                "claims {packed} bytes of a file of {}",
                self.len
            )));
        }
        if size > packed.saturating_mul(10).saturating_add(1 << 20) {
            return Err(wrong(format!(
                "expands from {packed} bytes to {size}, more than ten times plus 1 MiB: if it is \
                 meant so, save it again with np.savez, which does not compress"
            )));
        }
        let (header, start) = Header::read(&mut source).map_err(wrong)?;
        if header
            .bytes()
            .and_then(|b| (b as u64).checked_add(start as u64))
            != Some(size)
        {
            return Err(wrong(format!(
                "an array of shape {:?} of {}-byte values does not fit the {size} bytes of the \
                 archive",
                header.shape, header.dtype.size
            )));
        }
        Ok(Stream {
            file,
            name: name.to_owned(),
            left: header.count().unwrap_or(0),
            whole: None,
            buffer: Vec::new(),
            header,
            source,
        })
    }
}

/// An array of an archive, its numbers still to be read.
pub struct Stream<'a, R: Read> {
    file: &'a Path,
    name: String,
    header: Header,
    source: ZipFile<'a, R>,
    left: usize,
    /// In Fortran order, all of it in C order: then there is no reading it piece by piece.
    whole: Option<std::vec::IntoIter<f32>>,
    buffer: Vec<u8>,
}

impl<R: Read> Stream<'_, R> {
    /// Reads the next `count` numbers in C order, the last index fastest, and appends them to `out`.
    ///
    /// # Errors
    /// If there are not as many, or the archive is damaged.
    pub fn next(&mut self, count: usize, out: &mut Vec<f32>) -> Result<(), DatasetError> {
        if count > self.left {
            return Err(self.error(format!("ends {} values too early", count - self.left)));
        }
        if self.header.fortran && self.header.shape.len() > 1 {
            if self.whole.is_none() {
                self.whole = Some(self.rest()?.into_iter());
            }
            self.left -= count;
            out.extend(self.whole.iter_mut().flatten().take(count));
        } else {
            self.numbers(count, out)?;
        }
        if self.left == 0 { self.end() } else { Ok(()) }
    }

    /// All its numbers in C order. Meant for short arrays.
    ///
    /// # Errors
    /// If the archive is damaged.
    pub fn all<T: Number>(mut self) -> Result<Vec<T>, DatasetError> {
        let values = if self.header.fortran && self.header.shape.len() > 1 {
            self.rest()?
        } else {
            let mut out = Vec::with_capacity(self.left);
            self.numbers(self.left, &mut out)?;
            out
        };
        self.end()?;
        Ok(values)
    }

    fn numbers<T: Number>(
        &mut self,
        mut count: usize,
        out: &mut Vec<T>,
    ) -> Result<(), DatasetError> {
        let size = self.header.dtype.size;
        self.left -= count;
        while count > 0 {
            let now = count.min(CHUNK / size);
            self.buffer.resize(now * size, 0);
            let read = self.source.read_exact(&mut self.buffer);
            read.map_err(|error| self.damaged(error))?;
            npy::decode(self.header.dtype, &self.buffer, out);
            count -= now;
        }
        Ok(())
    }

    fn rest<T: Number>(&mut self) -> Result<Vec<T>, DatasetError> {
        let mut data = vec![0; self.header.bytes().unwrap_or(0)];
        let read = self.source.read_exact(&mut data);
        read.map_err(|error| self.damaged(error))?;
        let array = Array::new(self.header.clone(), data.into());
        Ok(array.map_err(|reason| self.error(reason))?.to_vec())
    }

    /// Reads to the archive's end of the array, where its checksum is compared.
    fn end(&mut self) -> Result<(), DatasetError> {
        match self.source.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.error("is longer than its shape says")),
            Err(error) => Err(self.damaged(error)),
        }
    }

    fn damaged(&self, error: std::io::Error) -> DatasetError {
        self.error(format!("cannot be read from the archive: {error}"))
    }

    fn error(&self, reason: impl Display) -> DatasetError {
        DatasetError::new(self.file, self.name.as_str(), reason)
    }
}
