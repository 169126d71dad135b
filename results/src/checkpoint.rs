//! Checkpoints: two generations, each a folder of parts under a manifest of their hashes.
//!
//! A generation is written into a temporary folder, synced, and committed by one rename, so a
//! crash leaves the previous ones untouched. Loading verifies every part's size and BLAKE3 hash
//! and falls back to the older generation if the newest does not verify. The bytes depend on
//! nothing but the state: no time stamps, no host names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{check_name, read_if_there, sync_dir, write_synced};
use crate::{Error, RunKey};

const FOLDER: &str = "checkpoint-";
const TEMPORARY: &str = ".checkpoint.tmp";
const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// A verified checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The step that it was saved at.
    pub step: u64,
    /// The saved parts by name.
    pub parts: BTreeMap<String, Vec<u8>>,
    /// Why newer generations were passed over, if any were: a sentence worth a warning each.
    pub passed_over: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    key: String,
    step: u64,
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    name: String,
    size: u64,
    blake3: String,
}

/// The manifest guards the parts; this guards the manifest.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    manifest: Manifest,
    blake3: String,
}

/// Numbers of the generations in the folder `dir`, newest first.
pub(crate) fn present(dir: &Path) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let name = entry.map_err(Error::io("list", dir))?.file_name();
        let number = name
            .to_str()
            .and_then(|n| n.strip_prefix(FOLDER))
            .and_then(|n| n.parse::<u64>().ok());
        found.extend(number);
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// The generations in a run's folder.
#[derive(Debug)]
pub(crate) struct Generations {
    dir: PathBuf,
    key: RunKey,
    /// The generation known to be good because it was saved or loaded by us.
    good: Option<u64>,
}

impl Generations {
    pub(crate) fn new(dir: &Path, key: RunKey) -> Self {
        Self {
            dir: dir.to_path_buf(),
            key,
            good: None,
        }
    }

    fn folder(&self, generation: u64) -> PathBuf {
        self.dir.join(format!("{FOLDER}{generation:012}"))
    }

    pub(crate) fn save(&mut self, step: u64, parts: &[(&str, &[u8])]) -> Result<(), Error> {
        let present = present(&self.dir)?;
        let manifest = self.manifest(step, parts)?;

        let temporary = self.dir.join(TEMPORARY);
        remove(&temporary)?;
        fs::create_dir(&temporary).map_err(Error::io("create folder", &temporary))?;
        for (name, bytes) in parts {
            write_synced(&temporary.join(name), bytes)?;
        }
        write_synced(&temporary.join(MANIFEST), &manifest)?;
        sync_dir(&temporary)?;

        // Named by its step, so that an interrupted run leaves the same folders as a straight one.
        let generation = step;
        let folder = self.folder(generation);
        remove(&folder)?;
        fs::rename(&temporary, &folder).map_err(Error::io("rename checkpoint to", &folder))?;
        sync_dir(&self.dir)?;

        // The generation before: the one known to be good, else the newest other there is.
        let other = |&old: &u64| old != generation;
        let keep = (self.good.filter(other)).or_else(|| present.iter().copied().find(other));
        let spent = |old: &u64| other(old) && Some(*old) != keep;
        for old in present.into_iter().filter(spent) {
            remove(&self.folder(old))?;
        }
        self.good = Some(generation);
        Ok(())
    }

    /// Removes every generation but the newest.
    pub(crate) fn keep_newest(&self) -> Result<(), Error> {
        for old in present(&self.dir)?.into_iter().skip(1) {
            remove(&self.folder(old))?;
        }
        Ok(())
    }

    fn manifest(&self, step: u64, parts: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
        let mut listed: Vec<Part> = Vec::with_capacity(parts.len());
        for (name, bytes) in parts {
            check_name(name)?;
            if *name == MANIFEST || listed.iter().any(|part| part.name == *name) {
                return Err(Error::BadName {
                    name: (*name).into(),
                    reason: "it is taken in this checkpoint",
                });
            }
            let blake3 = blake3::hash(bytes).to_hex().to_string();
            listed.push(Part {
                name: (*name).into(),
                size: bytes.len() as u64,
                blake3,
            });
        }
        let manifest = Manifest {
            format: FORMAT,
            key: self.key.full(),
            step,
            parts: listed,
        };
        let blake3 = manifest.hash();
        let json = serde_json::to_vec_pretty(&Sealed { manifest, blake3 });
        json.map_err(|e| Error::corrupt(Path::new(MANIFEST), None, e.to_string()))
    }

    pub(crate) fn load(&mut self) -> Result<Option<Checkpoint>, Error> {
        let mut passed_over = Vec::new();
        for generation in present(&self.dir)? {
            match self.load_generation(generation) {
                Ok((step, parts)) => {
                    self.good = Some(generation);
                    return Ok(Some(Checkpoint {
                        step,
                        parts,
                        passed_over,
                    }));
                }
                Err(foreign @ Error::ForeignCheckpoint { .. }) => return Err(foreign),
                Err(Error::Corrupt { file, reason, .. }) => {
                    passed_over.push(format!("{} is damaged: {reason}", file.display()));
                }
                Err(unreadable) => passed_over.push(unreadable.to_string()),
            }
        }
        if passed_over.is_empty() {
            return Ok(None);
        }
        Err(Error::NoGoodCheckpoint {
            dir: self.dir.clone(),
            reasons: passed_over,
        })
    }

    fn load_generation(&self, generation: u64) -> Result<(u64, BTreeMap<String, Vec<u8>>), Error> {
        let folder = self.folder(generation);
        let file = folder.join(MANIFEST);
        let json =
            read_if_there(&file)?.ok_or_else(|| Error::corrupt(&file, None, "it is missing"))?;
        let Sealed { manifest, blake3 } = serde_json::from_slice(&json)
            .map_err(|e| Error::corrupt(&file, None, e.to_string()))?;
        if manifest.hash() != blake3 {
            return Err(Error::corrupt(
                &file,
                None,
                "it does not match its own hash",
            ));
        }
        if manifest.format != FORMAT {
            let reason = format!(
                "format {} is not known to this version (it reads {FORMAT})",
                manifest.format
            );
            return Err(Error::corrupt(&file, None, reason));
        }
        if manifest.key != self.key.full() {
            return Err(Error::ForeignCheckpoint {
                file,
                found: manifest.key,
                expected: self.key.full(),
            });
        }
        let parts = manifest
            .parts
            .iter()
            .map(|part| Ok((part.name.clone(), part.read(&folder)?)));
        Ok((manifest.step, parts.collect::<Result<_, Error>>()?))
    }
}

impl Manifest {
    fn hash(&self) -> String {
        // A struct of strings and integers always serialises; the empty fallback matches nothing.
        let json = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&json).to_hex().to_string()
    }
}

impl Part {
    /// Reads the part after comparing its size with the file's, so a wrong size allocates nothing.
    fn read(&self, folder: &Path) -> Result<Vec<u8>, Error> {
        check_name(&self.name)?;
        let file = folder.join(&self.name);
        let size = match fs::metadata(&file) {
            Ok(meta) => meta.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::corrupt(&file, None, "it is missing"));
            }
            Err(e) => return Err(Error::io("read", &file)(e)),
        };
        if size != self.size {
            let reason = format!("it has {size} bytes where {} were saved", self.size);
            return Err(Error::corrupt(&file, None, reason));
        }
        let bytes = fs::read(&file).map_err(Error::io("read", &file))?;
        if blake3::hash(&bytes).to_hex().as_str() != self.blake3 {
            return Err(Error::corrupt(
                &file,
                None,
                "its contents do not match their hash",
            ));
        }
        Ok(bytes)
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", folder)(e)),
        _ => Ok(()),
    }
}
