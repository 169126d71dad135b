//! Writing a file so that after a crash it is either the old one or the new one, never a mixture.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::Error;
use crate::eval::complete_lines;

/// Replaces `dir/name` by `bytes`: a temporary file beside it is written, synced and renamed, and
/// the folder is synced, so the file is durable once this returns.
pub(crate) fn write_atomic(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = dir.join(name);
    let beside = dir.join(format!(".{name}.tmp"));
    write_synced(&beside, bytes)?;
    fs::rename(&beside, &path).map_err(Error::io("write", &path))?;
    sync_dir(dir)
}

/// Replaces the file `name` in the folder `dir` by `bytes`: whole and durably, or not at all.
///
/// # Errors
/// [`Error::BadName`] for a name that is not a plain file name; I/O errors, after which the previous
/// file is still there.
pub fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    check_name(name)?;
    write_atomic(dir, name, bytes)
}

/// Writes `bytes` to `path` and waits until they are on the disk. Not atomic by itself.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.sync_all().map_err(Error::io("sync", path))
}

/// Makes renames inside `dir` durable. Windows offers no such call and needs none.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(dir)
            .and_then(|dir| dir.sync_all())
            .map_err(Error::io("sync folder", dir))?;
    }
    Ok(())
}

/// Appends `line`, after removing a last line that a crash cut off.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<File, Error> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    let mut complete = length;
    if length > 0 {
        let mut last = [0];
        file.seek(std::io::SeekFrom::End(-1))
            .and_then(|_| file.read_exact(&mut last))
            .map_err(Error::io("read", path))?;
        if last != *b"\n" {
            let bytes = fs::read(path).map_err(Error::io("read", path))?;
            complete = complete_lines(&bytes).len() as u64;
            file.set_len(complete).map_err(Error::io("repair", path))?;
        }
    }
    file.seek(std::io::SeekFrom::Start(complete))
        .and_then(|_| file.write_all(line.as_bytes()))
        .map_err(Error::io("append to", path))?;
    Ok(file)
}

/// Reads `path` if it exists.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io("read", path)(cause)),
    }
}

/// Refuses names that are not a single, plain, visible file name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+=,".contains(c);
    let reason = if name.is_empty() || name.starts_with('.') {
        "it must not be empty or begin with a dot"
    } else if !name.chars().all(plain) {
        "only ASCII letters, digits and the characters - _ . + = , are allowed"
    } else if name.len() > 200 {
        "it must not be longer than 200 characters"
    } else {
        return Ok(());
    };
    Err(Error::BadName {
        name: name.into(),
        reason,
    })
}
