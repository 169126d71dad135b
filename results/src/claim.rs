//! A folder claimed by one process: no run is ever worked on twice at once.
//!
//! Two guards, because neither is enough. An advisory lock (`flock`) on the folder's `lock` file
//! vanishes with its process, however that ends; but some network file systems keep it to one
//! machine. So the file also names its holder, who writes it anew every [`BEAT`]: a holder on another
//! machine is believed alive until its file is older than [`STALE`], by the file system's own clock.
//! And a holder looks before every write whether the file still names it, so that a process that
//! was stopped for long and overtaken does no harm when it wakes.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::files::read_if_there;

/// The file in the claimed folder.
pub(crate) const LOCK: &str = "lock";
/// How often a holder says that it lives.
const BEAT: Duration = Duration::from_secs(15);
/// How long after its last word a holder on another machine is taken for dead.
const STALE: Duration = Duration::from_secs(90);

/// Who works in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    /// Name of the machine.
    pub host: String,
    /// Process number on that machine.
    pub pid: u32,
    /// When the folder was claimed, nanoseconds since 1970: tells apart two claims of one process.
    pub since: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)?;
        if self.host != host() {
            write!(f, " on {}", self.host)?;
        }
        Ok(())
    }
}

impl Holder {
    /// What to do about a folder that it holds.
    #[must_use]
    pub fn advice(&self) -> String {
        let advice = "wait for it to end, or stop it";
        match self.host == host() {
            true => advice.into(),
            false => format!(
                "{advice} (if that machine died, its claim lapses in {} s)",
                STALE.as_secs()
            ),
        }
    }
}

/// A folder held by this process until the value is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    holder: Holder,
    /// Held open for its advisory lock.
    file: File,
    /// Dropped to end the heart beat.
    _beat: Sender<()>,
}

impl Claim {
    /// Claims the folder `dir`.
    ///
    /// # Errors
    /// [`Error::Locked`] if a living process holds it; [`Error::Io`].
    pub fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(LOCK);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("open lock", &path))?;
        let locked = |holder| Error::Locked {
            dir: dir.to_path_buf(),
            holder,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(read(&path)?)),
            // Where there are no advisory locks the holder's word has to do.
            Err(TryLockError::Error(cause)) if cause.kind() == std::io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(cause)) => return Err(Error::io("lock", &path)(cause)),
        }
        if let Some(other) = read(&path)?.filter(|other| other.host != host())
            && age(dir, &path)? < STALE
        {
            return Err(locked(Some(other)));
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let holder = Holder {
            host: host(),
            pid: std::process::id(),
            since: since.map_or(0, |t| t.as_nanos() as u64),
        };
        file.set_len(0)
            .map_err(Error::io("write lock", &path))
            .and_then(|()| write(&mut file, &path, &holder))?;
        let beat = beat(&file, &path, &holder)?;
        Ok(Self {
            path,
            holder,
            file,
            _beat: beat,
        })
    }

    /// Who holds the folder `dir`, if a living process does. Claims nothing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn holder(dir: &Path) -> Result<Option<Holder>, Error> {
        let path = dir.join(LOCK);
        let Some(holder) = read(&path)? else {
            return Ok(None);
        };
        // Another process may have the number of one that died; only a holder touches its file. Where
        // nothing may be written, our clock stands in for the file system's.
        let by_own_clock = || {
            let then = fs::metadata(&path).and_then(|meta| meta.modified());
            let age = then.map_err(Error::io("read", &path))?.elapsed();
            Ok(age.unwrap_or_else(|ahead| ahead.duration()))
        };
        let fresh = age(dir, &path).or_else(|_| by_own_clock())? < STALE;
        let ended = holder.host == host()
            && Path::new("/proc/self").exists()
            && !Path::new("/proc").join(holder.pid.to_string()).exists();
        Ok((fresh && !ended).then_some(holder))
    }

    /// Fails if another process has taken the folder over.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match read(&self.path)? {
            Some(holder) if holder == self.holder => Ok(()),
            other => Err(Error::Overtaken {
                dir: self.path.parent().unwrap_or(&self.path).to_path_buf(),
                holder: other,
            }),
        }
    }
}

impl Drop for Claim {
    /// Leaves an empty file: nobody's.
    fn drop(&mut self) {
        if self.check().is_ok() {
            // If it fails, the next process on another machine waits until the claim is stale.
            let _ = self.file.set_len(0);
        }
        // Closing would not do: the beat holds the file open for a moment longer.
        let _ = self.file.unlock();
    }
}

/// Writes the holder's name over and over, so that the file system stamps it with its own clock.
fn beat(file: &File, path: &Path, holder: &Holder) -> Result<Sender<()>, Error> {
    let (end, ended) = channel();
    let mut file = file.try_clone().map_err(Error::io("open lock", path))?;
    let (path, holder) = (path.to_path_buf(), holder.clone());
    std::thread::spawn(move || {
        while ended.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
            // A beat that fails is made up for by the next; one overtaken must not be made.
            match read(&path) {
                Ok(Some(now)) if now == holder => drop(write(&mut file, &path, &holder)),
                Ok(_) => break,
                Err(_) => {}
            }
        }
    });
    Ok(end)
}

fn write(file: &mut File, path: &Path, holder: &Holder) -> Result<(), Error> {
    let mut line =
        serde_json::to_string(holder).map_err(|e| Error::corrupt(path, None, e.to_string()))?;
    line.push('\n');
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.write_all(line.as_bytes()))
        .and_then(|()| file.sync_data())
        .map_err(Error::io("write lock", path))
}

/// The holder named in the file: nobody where it is empty, cut off or of another kind.
fn read(path: &Path) -> Result<Option<Holder>, Error> {
    Ok(read_if_there(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// How long ago the file was written, by the clock of the file system that it is on.
fn age(dir: &Path, path: &Path) -> Result<Duration, Error> {
    let probe = dir.join(format!(".clock-{}-{}", host(), std::process::id()));
    let now = fs::write(&probe, b"now").and_then(|()| fs::metadata(&probe)?.modified());
    let now = now.map_err(Error::io("write to folder", dir))?;
    fs::remove_file(&probe).map_err(Error::io("write to folder", dir))?;
    let then = fs::metadata(path).and_then(|meta| meta.modified());
    let then = then.map_err(Error::io("read", path))?;
    Ok(now.duration_since(then).unwrap_or_default())
}

fn host() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn foreign(dir: &Path, age: Duration) {
        foreign_at(dir, SystemTime::now() - age);
    }

    fn foreign_at(dir: &Path, when: SystemTime) {
        let path = dir.join(LOCK);
        let mut file = File::create(&path).unwrap();
        let holder = Holder {
            host: "elsewhere".into(),
            pid: 1,
            since: 0,
        };
        write(&mut file, &path, &holder).unwrap();
        file.set_modified(when).unwrap();
    }

    #[test]
    fn a_clock_that_is_ahead_is_no_sign_of_death() {
        let dir = tempfile::tempdir().unwrap();
        foreign_at(dir.path(), SystemTime::now() + STALE / 3);
        assert!(Claim::holder(dir.path()).unwrap().is_some());
        assert!(Claim::take(dir.path()).is_err());
    }

    #[test]
    fn a_holder_on_another_machine_is_believed_until_it_is_silent() {
        let dir = tempfile::tempdir().unwrap();
        foreign(dir.path(), STALE / 2);
        let refused = Claim::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("process 1 on elsewhere"), "{refused}");
        assert!(refused.contains("lapses in 90 s"), "{refused}");
        assert!(Claim::holder(dir.path()).unwrap().is_some());
        foreign(dir.path(), STALE * 2);
        assert_eq!(Claim::holder(dir.path()).unwrap(), None);
        let claim = Claim::take(dir.path()).unwrap();
        claim.check().unwrap();
        assert_eq!(Claim::holder(dir.path()).unwrap().unwrap(), claim.holder);
    }

    #[test]
    fn a_number_that_another_process_has_by_now_is_no_sign_of_life() {
        let dir = tempfile::tempdir().unwrap();
        drop(Claim::take(dir.path()).unwrap());
        let path = dir.path().join(LOCK);
        let mut file = File::create(&path).unwrap();
        let (host, pid) = (host(), std::process::id());
        write(
            &mut file,
            &path,
            &Holder {
                host,
                pid,
                since: 0,
            },
        )
        .unwrap();
        assert!(Claim::holder(dir.path()).unwrap().is_some());
        file.set_modified(SystemTime::now() - STALE * 2).unwrap();
        assert_eq!(Claim::holder(dir.path()).unwrap(), None);
    }

    #[test]
    fn who_was_overtaken_notices_and_leaves_the_other_alone() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path()).unwrap();
        foreign(dir.path(), Duration::ZERO);
        let told = claim.check().unwrap_err().to_string();
        assert!(told.contains("process 1 on elsewhere"), "{told}");
        drop(claim);
        let now = read(&dir.path().join(LOCK)).unwrap().unwrap();
        assert_eq!(now.host, "elsewhere");
    }

    #[test]
    fn what_is_let_go_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path()).unwrap();
        assert!(Claim::take(dir.path()).is_err());
        drop(claim);
        assert_eq!(Claim::holder(dir.path()).unwrap(), None);
        Claim::take(dir.path()).unwrap();
        // What was written by an older version, or by hand, names nobody.
        fs::write(dir.path().join(LOCK), b"4711\n").unwrap();
        Claim::take(dir.path()).unwrap();
    }
}
