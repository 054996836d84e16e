//! Which files of an output directory are a run's own, so that the next run may replace them.
//!
//! This is the one list. Ours are, as regular files (never as links, never as directories):
//!
//! - where `build.json` is a build's record: that file, what it lists of [`OUTPUTS`], the blobs that a listed
//!   `oci/index.json` leads to, [`LATER`], and `dry-run/` with a dry run's [`LISTS`];
//! - where there are [`LISTS`] and nothing else, and `manifest.json` is a module's manifest in the form that
//!   a dry run writes: these three;
//! - in the directories of the architectures that such a record lists, where they hold a record: the same;
//! - where there are such directories with [`LISTS`], a module's `manifest.json` and nothing else: these;
//! - where a replacing file by file did not come to its end (`host::staged::UNFINISHED`): all of these.
//!
//! A mounted file system's `lost+found` belongs to no one and stays where it is.
//!
//! A record can come with the module's sources and list anything, so it chooses from fixed names only.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use host::error::Kind;
use host::{Dir, Links, Listing, Whose, staged};
use model::record::{LIMIT as RECORD_LIMIT, OUTPUTS};
use model::{Arch, Digest, Manifest};
use rustix::fs::FileType;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::Error;

pub(crate) use model::record::FILE as RECORD;

/// What other verbs put beside a build.
const LATER: [&str; 5] =
    ["sbom.cdx.json", "provenance.json", "vex.cdx.json", "module.cfs.sigstore.json", "module.cfs.cosign-bundle"];

/// What a dry run writes.
pub(crate) const LISTS: [&str; 3] = ["file-list.txt", "manifest.json", "package-list.txt"];

/// Where the lists of a dry run go in a directory that holds a build.
pub(crate) const DRY_RUN: &str = "dry-run";

/// The name of a module's own files in its repository.
const OVERLAY: &str = "rootfs";

const MODULE_TAR: &str = "module.tar";
const LAYOUT: &str = "oci";
const LAYOUT_INDEX: &str = "oci/index.json";

/// The only directories that can be ours.
const DIRECTORIES: [&str; 4] = [LAYOUT, "oci/blobs", "oci/blobs/sha256", DRY_RUN];

/// The largest manifest that is read, in bytes.
const MANIFEST_LIMIT: u64 = 4 << 20;

/// How many foreign files an error names.
const NAMED: usize = 5;

/// What is in the output directory `directory`, all of it ours.
///
/// # Errors
/// When something is someone else's, or cannot be read.
pub(crate) fn list(directory: &Dir) -> Result<Listing, Error> {
    let ours = ours(directory)?;
    let whose = |path: &Path, kind| {
        let is_directory = is_directory(path);
        if ours.contains(path) && is_directory == (kind == Kind::Directory) { Whose::Ours } else { Whose::Foreign }
    };
    let listing = Listing::new(directory, &whose)?;
    match listing.foreign() {
        [] => Ok(listing),
        foreign => Err(holds_foreign(directory, foreign)),
    }
}

/// Whether what is ours at this path is a directory: one of [`DIRECTORIES`], that of an architecture, or one in the other.
fn is_directory(path: &Path) -> bool {
    let path: PathBuf = path.components().filter(|name| arch(name.as_os_str()).is_none()).collect();
    path.as_os_str().is_empty() || DIRECTORIES.iter().any(|name| Path::new(name) == path)
}

/// The name of the directory of an architecture, where it is one.
fn arch(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    Arch::all().any(|arch| arch.debian() == name).then_some(name)
}

fn holds_foreign(directory: &Dir, foreign: &[PathBuf]) -> Error {
    let mut error = Error::input(format!("{} holds files that no build wrote", directory.path().display()));
    error.causes = foreign.iter().take(NAMED).map(|path| directory.join(path).display().to_string()).collect();
    if foreign.len() > NAMED {
        error.causes.push(format!("and {} more", foreign.len() - NAMED));
    }
    error.hint("a build replaces its output directory: move them away, or name another directory with --output")
}

/// Whether a build was written to `directory`, whole or not.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn holds_build(directory: &Dir) -> Result<bool, Error> {
    Ok(staged::is_unfinished(directory) || recorded(directory)?.is_some())
}

/// Those results of a build that another build of the module may not make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Results {
    /// The architectures, where it is a build for several.
    pub(crate) architectures: Vec<Arch>,
    /// Whether `module.tar` is there.
    pub(crate) has_tar: bool,
    /// Whether the OCI layout is there.
    pub(crate) has_layout: bool,
}

/// What the build in `directory` left there; none where there is no record of one.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn results(directory: &Dir) -> Result<Option<Results>, Error> {
    let Some(recorded) = recorded(directory)? else { return Ok(None) };
    let is_there = |at: &str, name: &str| directory.kind(format!("{at}{name}")).is_ok_and(|kind| kind.is_some());
    let architectures: Vec<Arch> = Arch::all()
        .filter(|arch| recorded.architectures.contains(arch.debian()) && is_there("", arch.debian()))
        .collect();
    let has_tar = is_there("", MODULE_TAR)
        || architectures.iter().any(|arch| is_there(&format!("{}/", arch.debian()), MODULE_TAR));
    Ok(Some(Results { has_tar, has_layout: is_there("", LAYOUT_INDEX), architectures }))
}

/// The directory that holds a build or the lists of a dry run, where `directory` is one or is in one.
///
/// # Errors
/// When the path to it is not known.
pub(crate) fn build_around(directory: &Dir) -> Result<Option<PathBuf>, Error> {
    let path = directory.path();
    let full = std::fs::canonicalize(path).map_err(|error| Error::io("find", path, &error))?;
    // What cannot be read on the way is no build of this user's.
    let is_build = |path: &&Path| Dir::open(path).is_ok_and(|at| holds_build(&at).unwrap_or(false) || holds_lists(&at));
    Ok(full.ancestors().find(is_build).map(Path::to_owned))
}

/// The `rootfs/` of a module in which `directory` is, or that it is: what is put there ships with that module.
///
/// # Errors
/// When the path to it is not known.
pub(crate) fn overlay_around(directory: &Dir) -> Result<Option<PathBuf>, Error> {
    let path = directory.path();
    let full = std::fs::canonicalize(path).map_err(|error| Error::io("find", path, &error))?;
    let is_overlay = |path: &&Path| {
        let is_named = path.file_name().is_some_and(|name| name == OVERLAY);
        is_named && path.parent().is_some_and(|module| module.join("manifest.yaml").is_file())
    };
    Ok(full.ancestors().find(is_overlay).map(Path::to_owned))
}

/// Whether the lists of a dry run are in `directory`, whatever else is there.
fn holds_lists(directory: &Dir) -> bool {
    let is_there = |name: &str| matches!(directory.kind(name), Ok(Some(FileType::RegularFile)));
    let has = |at: &str| LISTS.iter().all(|name| is_there(&format!("{at}{name}")));
    let of_several = || Arch::all().any(|arch| has(&format!("{}/", arch.debian())));
    is_there("manifest.json") && (has("") || of_several()) && is_manifest(directory).unwrap_or(false)
}

/// The name of the module whose build or lists are in `directory`, where its `manifest.json` says it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn module(directory: &Dir) -> Result<Option<String>, Error> {
    if !holds_build(directory)? && !holds_lists(directory) {
        return Ok(None);
    }
    let Some(bytes) = read(directory, "manifest.json", MANIFEST_LIMIT)? else { return Ok(None) };
    Ok(Manifest::parse(&bytes).manifest.map(|manifest| manifest.name))
}

fn ours(directory: &Dir) -> Result<BTreeSet<PathBuf>, Error> {
    let recorded = recorded(directory)?;
    let is_unfinished = staged::is_unfinished(directory);
    if recorded.is_none() && !is_unfinished {
        return lists(directory);
    }
    let mut ours = of_build(directory, recorded.as_ref(), is_unfinished)?;
    for arch in Arch::all().map(|arch| arch.debian()) {
        let is_listed = recorded.as_ref().is_some_and(|recorded| recorded.architectures.contains(arch));
        let Some(below) = below(directory, arch)?.filter(|_| is_listed || is_unfinished) else { continue };
        // Directories are exchanged whole: one that a killed run left has its record or its lists, or is empty.
        let recorded = self::recorded(&below)?;
        let paths = match &recorded {
            Some(_) => of_build(&below, recorded.as_ref(), false)?,
            None => lists(&below)?,
        };
        if !paths.is_empty() || is_unfinished && below.names()?.is_empty() {
            ours.insert(PathBuf::from(arch));
            ours.extend(paths.into_iter().map(|path| Path::new(arch).join(path)));
        }
    }
    Ok(ours)
}

/// What a build wrote to the directory, but for the directories of architectures: what its record lists, or all that it can
/// have written where it did not come to its end.
fn of_build(directory: &Dir, recorded: Option<&Recorded>, is_unfinished: bool) -> Result<BTreeSet<PathBuf>, Error> {
    let is_listed = |name: &str| is_unfinished || recorded.is_some_and(|recorded| recorded.outputs.contains_key(name));
    let is_file_here = |name: &&str| !name.starts_with("oci/") && is_listed(name);
    let mut ours: BTreeSet<PathBuf> = OUTPUTS.into_iter().filter(is_file_here).map(PathBuf::from).collect();
    ours.extend(LATER.into_iter().chain([RECORD]).map(PathBuf::from));
    if is_listed(LAYOUT_INDEX)
        && let Some(layout) = below(directory, LAYOUT)?
    {
        let artifact = ["manifest.json", "module.cfs"].map(|name| recorded?.outputs.get(name).copied().flatten());
        let known = artifact.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default();
        let paths = oci::layout::paths(&layout, &known)?;
        // Another directory of this name leads to nothing, but for one that a killed run had just emptied.
        let is_emptied = is_unfinished && layout.names()?.is_empty();
        ours.extend((is_emptied || !paths.is_empty()).then(|| PathBuf::from(LAYOUT)));
        ours.extend(paths.into_iter().map(|path| Path::new(LAYOUT).join(path)));
    }
    if let Some(below) = below(directory, DRY_RUN)? {
        let lists = lists(&below)?;
        let is_emptied = is_unfinished && below.names()?.is_empty();
        ours.extend((is_emptied || !lists.is_empty()).then(|| PathBuf::from(DRY_RUN)));
        ours.extend(lists.into_iter().map(|path| Path::new(DRY_RUN).join(path)));
    }
    Ok(ours)
}

/// What a dry run wrote to the directory: the lists of one architecture or, with `manifest.json`, a directory of such for
/// each of several. Nothing where something else is there, too.
fn lists(directory: &Dir) -> Result<BTreeSet<PathBuf>, Error> {
    if is_dry_run(directory)? {
        return Ok(LISTS.map(PathBuf::from).into());
    }
    let mut ours = BTreeSet::new();
    for name in directory.names()? {
        let lists = match arch(&name) {
            Some(arch) => below(directory, arch)?.filter(|below| is_dry_run(below).unwrap_or(false)),
            None if name == "manifest.json" && is_manifest(directory)? => {
                ours.insert(PathBuf::from(name));
                continue;
            }
            None => None,
        };
        if lists.is_none() {
            return Ok(BTreeSet::new());
        }
        ours.extend(LISTS.map(|list| Path::new(&name).join(list)));
        ours.insert(name.into());
    }
    // One without the other is no dry run's: each can be somebody's own.
    let is_whole = ours.contains(Path::new("manifest.json")) && ours.len() > 1;
    Ok(if is_whole { ours } else { BTreeSet::new() })
}

/// The directory `name`; none when there is none, or something else.
fn below(directory: &Dir, name: &str) -> Result<Option<Dir>, Error> {
    match directory.directory(name, Links::Refuse) {
        Ok(below) => Ok(Some(below)),
        Err(host::Error::Place { .. }) => Ok(None),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The content of the regular file `name`; none when there is nothing, or something that is none of ours.
fn read(directory: &Dir, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    match directory.read_if_there(name, Links::Refuse, limit) {
        Err(host::Error::Place { .. }) => Ok(None),
        read => Ok(read?),
    }
}

/// What a record lists.
struct Recorded {
    /// The outputs, with their sha256 where it says it.
    outputs: BTreeMap<String, Option<Digest>>,
    /// The names of the directories with the builds of several architectures.
    architectures: BTreeSet<&'static str>,
}

/// What the record in `directory` lists; none when there is no record.
fn recorded(directory: &Dir) -> Result<Option<Recorded>, Error> {
    // As little of the form as distinguishes a record from another `build.json`: a record of another version is
    // a build's, too.
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "format")]
        _format: u32,
        inputs: Inputs,
        outputs: Outputs,
    }
    #[derive(Deserialize)]
    struct Inputs {
        tool: String,
        #[serde(default)]
        architectures: BTreeMap<Arch, IgnoredAny>,
    }
    let Some(bytes) = read(directory, RECORD, RECORD_LIMIT)? else { return Ok(None) };
    let Ok(record) = serde_json::from_slice::<Record>(&bytes) else { return Ok(None) };
    let is_ours = record.inputs.tool.starts_with(concat!(env!("CARGO_PKG_NAME"), " "));
    let architectures = record.inputs.architectures.keys().map(|arch| arch.debian()).collect();
    Ok(is_ours.then_some(Recorded { outputs: record.outputs.0, architectures }))
}

/// The outputs of a record whose names are those of a build's. Other names, however many, are not kept.
struct Outputs(BTreeMap<String, Option<Digest>>);

impl<'de> Deserialize<'de> for Outputs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self(BTreeMap::new()))
    }
}

impl<'de> Visitor<'de> for Outputs {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the outputs of a build")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        #[derive(Deserialize)]
        struct Output {
            #[serde(default)]
            sha256: Option<String>,
        }
        while let Some(name) = map.next_key::<String>()? {
            if OUTPUTS.contains(&&*name) {
                let output: Output = map.next_value()?;
                self.0.insert(name, output.sha256.and_then(|text| text.parse().ok()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self)
    }
}

fn is_dry_run(directory: &Dir) -> Result<bool, Error> {
    let whose = |path: &Path, kind| match LISTS.iter().any(|name| Path::new(name) == path) {
        true if kind == Kind::File => Whose::Ours,
        _ => Whose::Foreign,
    };
    let is_alone = Listing::new(directory, &whose)?.foreign().is_empty();
    let mut there = LISTS.into_iter().map(|name| directory.kind(name));
    if !is_alone || !there.all(|kind| matches!(kind, Ok(Some(_)))) {
        return Ok(false);
    }
    is_manifest(directory)
}

/// Whether `manifest.json` is a module's manifest in the form that a run writes.
fn is_manifest(directory: &Dir) -> Result<bool, Error> {
    let Some(bytes) = read(directory, "manifest.json", MANIFEST_LIMIT)? else { return Ok(false) };
    Ok(Manifest::parse(&bytes).manifest.is_some_and(|manifest| manifest.canonical_json() == bytes))
}

#[cfg(test)]
mod tests;
