//! A root file system in the cache: what it was made from, and whether it is still what was made.
//!
//! An entry is the directory `rootfs/<key>/` with three files: `rootfs.tar`, `record.json` (the
//! inputs whose hash is the key, and the tar's size and sha256) and `seal.json` (what the file system
//! said of the tar when it was made, and the record's sha256). A use costs one `stat` and the record's
//! hash: no write, truncation or replacement of a file leaves all of its inode, size and both times as
//! they were. When the seal does not hold, for example after a copy, the entry is made again: the record
//! beside the tar has the tar's sha256, but who wrote the one may have written the other, and no lock says
//! what a root file system's bytes are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use host::Dir;
use model::Digest;
use model::record::{Closure, RootfsInputs};
use serde::{Deserialize, Serialize};

use super::{Error, io_error};
use crate::cache::Cache;

/// The version of the entry's form and of what this program does to make one. It is part of every key.
pub(super) const FORMAT: u32 = 5;

/// The name of an entry's record.
const RECORD: &str = "record.json";

/// The name of an entry's tar.
const ARCHIVE: &str = "rootfs.tar";

/// The name of an entry's seal.
const SEAL: &str = "seal.json";

/// The largest `record.json` that is read, in bytes.
const RECORD_LIMIT: u64 = 64 << 20;

/// The inputs by name, as people read them.
fn named(inputs: &RootfsInputs) -> BTreeMap<String, String> {
    let RootfsInputs { format, epoch, tools, closure, over } = inputs;
    let Closure { suite, variant, arch, packages } = closure;
    let mut named = BTreeMap::from([
        ("format".to_owned(), format.to_string()),
        ("suite".to_owned(), suite.clone()),
        ("variant".to_owned(), variant.to_string()),
        ("arch".to_owned(), arch.to_string()),
        ("epoch".to_owned(), epoch.to_string()),
    ]);
    named.extend(tools.iter().map(|(name, version)| (format!("tool {name}"), version.clone())));
    named.extend(over.iter().map(|base| ("base".to_owned(), base.hex())));
    named.extend(packages.iter().map(|(name, file)| (format!("package {name}"), file.clone())));
    named
}

/// What is recorded with a root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Everything that can reach the bytes, by name.
    pub inputs: RootfsInputs,
    /// The size of the tar in bytes.
    pub size: u64,
    /// The sha256 of the tar.
    pub sha256: Digest,
    /// The packages that have maintainer scripts, and which.
    pub maintainer_scripts: BTreeMap<String, Vec<String>>,
}

/// What the file system said of the tar, and what the record was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    fn of(archive: &File, record: &[u8]) -> io::Result<Self> {
        let stat = archive.metadata()?;
        Ok(Self {
            device: stat.dev(),
            inode: stat.ino(),
            size: stat.size(),
            mtime: (stat.mtime(), stat.mtime_nsec()),
            ctime: (stat.ctime(), stat.ctime_nsec()),
            record: Digest::of(record),
        })
    }

    /// Whether the archive is the same. Some file systems have another device number each time they are
    /// mounted; the rest says enough.
    fn holds(&self, now: &Self) -> bool {
        Self { device: now.device, ..self.clone() } == *now
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec_pretty(value).map_err(|error| {
        let source = io::Error::other(error);
        Error::File(host::Error::Io { action: "write down", path: PathBuf::from(RECORD), source })
    })
}

/// Where an entry is.
pub(super) fn place(cache: &Cache, key: &Digest) -> PathBuf {
    cache.root().join("rootfs").join(key.hex())
}

/// Where an entry's tar is.
pub(super) fn archive(entry: &Path) -> PathBuf {
    entry.join(ARCHIVE)
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
        what: String,
    },
}

/// Looks for the entry `wanted` in the cache and verifies it. Whatever is wrong with it means that it is
/// damaged, and never that the run ends.
pub(super) fn open(cache: &Cache, wanted: &Digest) -> Found {
    let place = place(cache, wanted);
    let entry = match cache.own_directory(&place) {
        Ok(entry) => entry,
        Err(error) if error.is_not_found() => return Found::Absent,
        Err(error) => return Found::Damaged { what: error.to_string() },
    };
    verify(&entry, wanted).map_or_else(|what| Found::Damaged { what }, |record| Found::Whole(Box::new(record)))
}

fn verify(entry: &Dir, wanted: &Digest) -> Result<Record, String> {
    let text = |error: host::Error| error.to_string();
    let bytes = entry.read_own(RECORD, RECORD_LIMIT).map_err(text)?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|_| "its record cannot be read".to_owned())?;
    if record.inputs.key() != *wanted {
        return Err("its record is of other inputs".to_owned());
    }
    let archive = entry.own_file(ARCHIVE).map_err(text)?;
    let now = Seal::of(&archive, &bytes).map_err(|error| error.to_string())?;
    if now.size != record.size {
        return Err("its archive has another size".to_owned());
    }
    let sealed = entry.read_own(SEAL, 4096).map_err(text)?;
    let sealed: Seal = serde_json::from_slice(&sealed).map_err(|_| "its seal cannot be read".to_owned())?;
    match sealed.holds(&now) {
        true => Ok(record),
        false if sealed.record != now.record => Err("its record was changed".to_owned()),
        false => Err("its archive is not the file that was made, or was changed since".to_owned()),
    }
}

/// Records what the file system says of a tar that was just made.
pub(super) fn write_seal(entry: &Path) -> Result<(), Error> {
    let directory = Dir::open(entry)?;
    let bytes = directory.read_own(RECORD, RECORD_LIMIT)?;
    let archive = archive(entry);
    let seal = directory.own_file(ARCHIVE)?;
    let seal = Seal::of(&seal, &bytes).map_err(io_error("look at", &archive))?;
    Ok(directory.replace(SEAL, &json(&seal)?, 0o600)?)
}

/// Writes the record into an entry that is being made.
pub(super) fn write_record(entry: &Path, record: &Record) -> Result<(), Error> {
    let bytes = json(record)?;
    Ok(Dir::open(entry)?.replace(RECORD, &bytes, 0o644)?)
}

/// The record of an entry; `None` when it cannot be read.
pub(super) fn read_record(cache: &Cache, entry: &Path) -> Option<Record> {
    let bytes = cache.own_directory(entry).ok()?.read_own(RECORD, RECORD_LIMIT).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Takes away what is at an entry's place, be it a directory, a file or a link.
pub(super) fn remove(cache: &Cache, key: &Digest) -> Result<(), Error> {
    let rootfs_dir = cache.rootfs()?;
    Ok(Dir::open(&rootfs_dir)?.remove_tree(key.hex())?)
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
pub fn changes(before: &RootfsInputs, now: &RootfsInputs) -> Vec<Change> {
    let (before, now) = (named(before), named(now));
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

    use std::fs;

    use super::*;

    fn inputs() -> RootfsInputs {
        RootfsInputs {
            format: FORMAT,
            epoch: model::Epoch::from_seconds(1).unwrap(),
            tools: BTreeMap::from([("tar".to_owned(), "1".to_owned()), ("apt".to_owned(), "1".to_owned())]),
            closure: Closure::of(&super::super::tests::resolution(&[])),
            over: None,
        }
    }

    /// The entry of one set of inputs in a cache.
    struct World {
        _folder: tempfile::TempDir,
        cache: Cache,
        key: Digest,
        place: PathBuf,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let cache = Cache::new(folder.path().join("cache"));
            let inputs = inputs();
            let key = inputs.key();
            let place = place(&cache, &key);
            cache.directory(&place, 0o755).unwrap();
            let bytes = b"a tar";
            fs::write(archive(&place), bytes).unwrap();
            let record = Record { inputs, size: 5, sha256: Digest::of(bytes), maintainer_scripts: BTreeMap::new() };
            write_record(&place, &record).unwrap();
            write_seal(&place).unwrap();
            Self { _folder: folder, cache, key, place }
        }

        fn damage(&self) -> Option<String> {
            match open(&self.cache, &self.key) {
                Found::Whole(_) => None,
                Found::Absent => Some("absent".to_owned()),
                Found::Damaged { what } => Some(what),
            }
        }
    }

    const CHANGED: &str = "its archive is not the file that was made, or was changed since";

    #[test]
    fn a_changed_archive_is_never_used() {
        let world = World::new();
        assert_eq!(world.damage(), None);
        // The same size and the same modification time: the change time still shows it.
        let path = archive(&world.place);
        let mtime = fs::metadata(&path).unwrap().modified().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&path, b"b tar").unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(mtime).unwrap();
        assert_eq!(world.damage().as_deref(), Some(CHANGED));
        fs::write(&path, b"a ta").unwrap();
        assert_eq!(world.damage().as_deref(), Some("its archive has another size"));
        fs::remove_file(&path).unwrap();
        assert!(world.damage().unwrap().ends_with("rootfs.tar"));
    }

    #[test]
    fn an_archive_that_only_its_neighbour_vouches_for_is_not_believed() {
        for way in ["another file with the right sha256", "no seal", "a seal that is none"] {
            let world = World::new();
            let (path, seal) = (archive(&world.place), world.place.join(SEAL));
            match way {
                "no seal" => fs::remove_file(&seal).unwrap(),
                "a seal that is none" => fs::write(&seal, "{}").unwrap(),
                _ => {
                    fs::copy(&path, world.place.join("copy")).unwrap();
                    fs::rename(world.place.join("copy"), &path).unwrap();
                }
            }
            assert!(world.damage().is_some(), "{way}");
            remove(&world.cache, &world.key).unwrap();
            assert_eq!(world.damage().as_deref(), Some("absent"));
        }
    }

    #[test]
    fn what_others_may_have_written_is_not_believed_and_nothing_hangs() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        use rustix::fs::{CWD, FileType, Mode};
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for name in ["", RECORD, SEAL, ARCHIVE] {
            let world = World::new();
            mode(&world.place.join(name), 0o777);
            assert!(world.damage().unwrap().contains("may be written to by others"), "{name:?}");
            let world = World::new();
            let (place, aside) = (world.place.join(name), world.cache.root().join("aside"));
            fs::rename(world.place.join(name), &aside).unwrap();
            symlink(&aside, place.as_os_str().to_str().unwrap().trim_end_matches('/')).unwrap();
            assert!(world.damage().unwrap().contains("symbolic link"), "{name:?}");
            if !name.is_empty() {
                let world = World::new();
                fs::remove_file(world.place.join(name)).unwrap();
                let owner = Mode::RUSR | Mode::WUSR;
                rustix::fs::mknodat(CWD, world.place.join(name), FileType::Fifo, owner, 0).unwrap();
                assert!(world.damage().unwrap().contains("named pipe"), "{name:?}");
            }
        }
    }

    #[test]
    fn a_record_that_is_damaged_or_of_other_inputs_is_refused() {
        let world = World::new();
        let record = world.place.join(RECORD);
        let text = fs::read_to_string(&record).unwrap();
        fs::write(&record, text.replace("trixie", "forky")).unwrap();
        assert_eq!(world.damage().as_deref(), Some("its record is of other inputs"));
        fs::write(&record, b"{\"inputs\":{}").unwrap();
        assert_eq!(world.damage().as_deref(), Some("its record cannot be read"));
        let other = text.replace("\"maintainer_scripts\": {", "\"maintainer_scripts\": {\"x\": []");
        assert_ne!(other, text);
        fs::write(&record, other).unwrap();
        assert_eq!(world.damage().as_deref(), Some("its record was changed"), "although inputs and tar are right");
    }

    #[test]
    fn changes_name_what_differs() {
        let before = inputs();
        let tools = BTreeMap::from([("tar".to_owned(), "2".to_owned()), ("dpkg".to_owned(), "1".to_owned())]);
        let now = RootfsInputs { tools, ..inputs() };
        let seen: Vec<_> = changes(&before, &now).into_iter().map(|c| (c.name, c.before, c.now)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                ("tool apt".to_owned(), some("1"), None),
                ("tool dpkg".to_owned(), None, some("1")),
                ("tool tar".to_owned(), some("1"), some("2"))
            ]
        );
        assert_ne!(before.key(), now.key());
    }
}
