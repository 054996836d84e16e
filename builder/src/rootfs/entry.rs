//! A root file system in the cache: what it was made from, and whether it is still what was made.
//!
//! An entry is the directory `rootfs/<key>/` with three files: `rootfs.tar`, `record.json` (the
//! inputs whose hash is the key, and the tar's size and sha256) and `seal.json` (what the file system
//! said of the tar when its sha256 was last found right, and the record's sha256). While the seal
//! holds, a use costs one `stat` and the record's hash: no write, truncation or replacement of a file
//! leaves all of its inode, size and both times as they were. When it does not hold, for example after
//! a copy or a hard link, the whole file is hashed again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::Digest;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::{Error, io_error};

/// The version of the entry's form and of what this program does to make one. It is part of every key.
pub(super) const FORMAT: &str = "2";

/// The name of an entry's record.
const RECORD: &str = "record.json";

/// The largest `record.json` that is read, in bytes.
const RECORD_LIMIT: u64 = 64 << 20;

/// The named inputs of a root file system. The key is the sha256 of their canonical JSON.
pub type Inputs = BTreeMap<String, String>;

/// What is recorded with a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Everything that can reach the bytes, by name.
    pub inputs: Inputs,
    /// The size of the tar in bytes.
    pub size: u64,
    /// The sha256 of the tar.
    pub sha256: Digest,
    /// The packages that have maintainer scripts, and which.
    pub maintainer_scripts: BTreeMap<String, Vec<String>>,
}

/// What the file system said of the tar, and what the record was.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
    ctime: (i64, i64),
    record: Digest,
}

impl Seal {
    fn of(archive: &Path, record: &[u8]) -> io::Result<Self> {
        let stat = fs::symlink_metadata(archive)?;
        Ok(Self {
            device: stat.dev(),
            inode: stat.ino(),
            size: stat.size(),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            ctime: (stat.ctime(), stat.ctime_nsec()),
            record: Digest::of(record),
        })
    }
}

/// The key of some inputs.
#[must_use]
pub fn key(inputs: &Inputs) -> Digest {
    // A map of strings has one JSON form, since the map is sorted, and always has one.
    Digest::of(&serde_json::to_vec(inputs).unwrap_or_default())
}

/// Where an entry's tar lies.
pub(super) fn archive(entry: &Path) -> PathBuf {
    entry.join("rootfs.tar")
}

/// How an entry was found.
#[derive(Debug)]
pub(super) enum Found {
    /// It is whole.
    Whole(Box<Record>),
    /// It is not there.
    Absent,
    /// It is there and cannot be trusted.
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
}

/// Looks for the entry `key` at `entry` and verifies it.
pub(super) fn open(entry: &Path, wanted: &Digest) -> Result<Found, Error> {
    const UNREADABLE: Found = Found::Damaged { what: "its record cannot be read" };
    if !entry.exists() {
        return Ok(Found::Absent);
    }
    let Some(bytes) = read_small(&entry.join(RECORD), RECORD_LIMIT) else { return Ok(UNREADABLE) };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(UNREADABLE) };
    if key(&record.inputs) != *wanted {
        return Ok(Found::Damaged { what: "its record is of other inputs" });
    }
    let archive = archive(entry);
    let Ok(now) = Seal::of(&archive, &bytes) else { return Ok(Found::Damaged { what: "its archive is missing" }) };
    if now.size != record.size {
        return Ok(Found::Damaged { what: "its archive has another size" });
    }
    let sealed: Option<Seal> =
        read_small(&entry.join("seal.json"), 4096).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if sealed.as_ref().is_some_and(|sealed| sealed.record != now.record) {
        return Ok(Found::Damaged { what: "its record was changed" });
    }
    if sealed.as_ref() != Some(&now) {
        if sha256(&archive).map_err(io_error("read", &archive))? != record.sha256 {
            return Ok(Found::Damaged { what: "its archive has another sha256" });
        }
        seal(entry)?;
    }
    Ok(Found::Whole(Box::new(record)))
}

/// Records what the file system says of a tar whose sha256 was just found right.
pub(super) fn seal(entry: &Path) -> Result<(), Error> {
    let archive = archive(entry);
    let record = entry.join(RECORD);
    let bytes = fs::read(&record).map_err(io_error("read", &record))?;
    let seal = Seal::of(&archive, &bytes).map_err(io_error("look at", &archive))?;
    write(&entry.join("seal.json"), &serde_json::to_vec(&seal).unwrap_or_default())
}

/// Writes the record into an entry that is being made.
pub(super) fn write_record(entry: &Path, record: &Record) -> Result<(), Error> {
    write(&entry.join(RECORD), &serde_json::to_vec_pretty(record).unwrap_or_default())
}

/// Writes a small file whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = || io_error("write", path);
    let directory = path.parent().unwrap_or(path);
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed())?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(failed())?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    Ok(())
}

/// The record of an entry; `None` when it cannot be read.
pub(super) fn read_record(entry: &Path) -> Option<Record> {
    serde_json::from_slice(&read_small(&entry.join(RECORD), RECORD_LIMIT)?).ok()
}

fn read_small(path: &Path, limit: u64) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn sha256(path: &Path) -> io::Result<Digest> {
    struct Hasher(sha2::Sha256);
    impl Write for Hasher {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hasher = Hasher(sha2::Sha256::new());
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(Digest::new(hasher.0.finalize().into()))
}

/// An input that differs between two root file systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The input's name, such as `package nginx:amd64` or `epoch`.
    pub name: String,
    /// What it was in the newest entry; `None` where that had no such input.
    pub before: Option<String>,
    /// What it is now; `None` where it is gone.
    pub now: Option<String>,
}

/// The inputs that differ, by name.
#[must_use]
pub fn changes(before: &Inputs, now: &Inputs) -> Vec<Change> {
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != now.get(*name))
        .map(|name| Change { name: name.clone(), before: before.get(name).cloned(), now: now.get(name).cloned() })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    fn entry() -> (tempfile::TempDir, Digest) {
        let folder = tempfile::tempdir().unwrap();
        let inputs = Inputs::from([("epoch".to_owned(), "1".to_owned())]);
        let bytes = b"a tar";
        fs::write(archive(folder.path()), bytes).unwrap();
        let key = key(&inputs);
        let record = Record { inputs, size: 5, sha256: Digest::of(bytes), maintainer_scripts: BTreeMap::new() };
        write_record(folder.path(), &record).unwrap();
        seal(folder.path()).unwrap();
        (folder, key)
    }

    fn damage(folder: &Path, key: &Digest) -> Option<&'static str> {
        match open(folder, key).unwrap() {
            Found::Whole(_) => None,
            Found::Absent => Some("absent"),
            Found::Damaged { what } => Some(what),
        }
    }

    #[test]
    fn a_changed_archive_is_never_used() {
        let (folder, key) = entry();
        assert_eq!(damage(folder.path(), &key), None);
        // The same size and the same modification time: the change time still tells.
        let path = archive(folder.path());
        let mtime = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, b"b tar").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(mtime).unwrap();
        assert_eq!(damage(folder.path(), &key), Some("its archive has another sha256"));
        fs::write(&path, b"a ta").unwrap();
        assert_eq!(damage(folder.path(), &key), Some("its archive has another size"));
        fs::remove_file(&path).unwrap();
        assert_eq!(damage(folder.path(), &key), Some("its archive is missing"));
    }

    #[test]
    fn a_copied_entry_is_hashed_once_and_sealed_again() {
        let (folder, key) = entry();
        let path = archive(folder.path());
        fs::copy(&path, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &path).unwrap();
        let before = fs::read(folder.path().join("seal.json")).unwrap();
        assert_eq!(damage(folder.path(), &key), None);
        assert_ne!(fs::read(folder.path().join("seal.json")).unwrap(), before);
        fs::remove_file(folder.path().join("seal.json")).unwrap();
        assert_eq!(damage(folder.path(), &key), None);
    }

    #[test]
    fn a_record_that_is_damaged_or_of_other_inputs_is_refused() {
        let (folder, key) = entry();
        assert_eq!(damage(folder.path(), &Digest::of(b"x")), Some("its record is of other inputs"));
        fs::write(folder.path().join("record.json"), b"{\"inputs\":{}").unwrap();
        assert_eq!(damage(folder.path(), &key), Some("its record cannot be read"));
        assert_eq!(damage(&folder.path().join("none"), &key), Some("absent"));
        let (folder, key) = entry();
        let record = fs::read_to_string(folder.path().join("record.json")).unwrap();
        let other = record.replace("\"maintainer_scripts\": {", "\"maintainer_scripts\": {\"x\": []");
        assert_ne!(other, record);
        fs::write(folder.path().join("record.json"), other).unwrap();
        assert_eq!(damage(folder.path(), &key), Some("its record was changed"), "although inputs and tar are right");
    }

    #[test]
    fn changes_name_what_differs() {
        let inputs = |pairs: &[(&str, &str)]| -> Inputs {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let (before, now) =
            (inputs(&[("a", "1"), ("b", "1"), ("c", "1")]), inputs(&[("a", "1"), ("b", "2"), ("d", "1")]));
        let seen: Vec<_> = changes(&before, &now).into_iter().map(|c| (c.name, c.before, c.now)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                ("b".to_owned(), some("1"), some("2")),
                ("c".to_owned(), some("1"), None),
                ("d".to_owned(), None, some("1"))
            ]
        );
        assert_ne!(key(&before), key(&now));
    }
}
