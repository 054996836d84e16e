//! Building again from the recorded inputs, and comparing byte for byte.

mod attribution;
mod bytes;
mod explained;
mod files;
mod inputs;

use std::fs;
use std::path::{Path, PathBuf};

use model::observe::{Observer, Task, Unit};
use model::path::json::keys;
use serde::Serialize;

use crate::environment::Environment;
use crate::error::{Error, Findings, Reported};
use crate::recipes::build;
use crate::recipes::build::inputs::MANIFEST;
use crate::recipes::build::outputs::Destination;
use crate::recipes::build::places::{self, Place};
use crate::recipes::build::record::{self, BuildRecord, Several};
use crate::recipes::build::staging::Output;
use crate::recipes::results::artifact;
use crate::settings::Settings;
use host::{Dir, Scratch, owner, staged};

use attribution::{Attribution, Evidence};

pub(crate) use attribution::Layer;
pub(crate) use bytes::Bytes;
pub(crate) use explained::{AsBuilt, Asked, as_built};

/// What is to be built again, as the user named it.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// A dist directory, or an OCI layout.
    pub(crate) path: PathBuf,
    /// The module's repository, where it does not hold the dist directory.
    pub(crate) directory: Option<PathBuf>,
    /// The record, where it is not in the dist directory.
    pub(crate) record: Option<PathBuf>,
    /// The root file system, where the build took a given one.
    pub(crate) rootfs: Option<PathBuf>,
    /// Directories with the modules over which it was laid.
    pub(crate) modules: Vec<PathBuf>,
    /// Where to leave the second build.
    pub(crate) keep: Option<PathBuf>,
    /// Whether the network is off limits.
    pub(crate) offline: bool,
}

/// What came out of building again.
#[derive(Debug, Serialize)]
pub(crate) struct Rebuilt {
    /// Whether every file is the same, byte for byte.
    pub(crate) same: bool,
    /// What was compared with.
    #[serde(flatten, serialize_with = "keys::path")]
    pub(crate) path: PathBuf,
    /// Whether the second build was left where the user asked for it.
    #[serde(skip)]
    pub(crate) kept: bool,
    /// How many files were compared.
    pub(crate) files: usize,
    /// The files that are not the same.
    pub(crate) differences: Vec<Difference>,
}

/// A file that is not the same.
#[derive(Debug, Serialize)]
pub(crate) struct Difference {
    /// The file below the dist directory; a blob of the layout by its name.
    #[serde(flatten, serialize_with = "keys::file")]
    pub(crate) file: PathBuf,
    /// Where the difference comes from.
    pub(crate) layer: Layer,
    /// The size before, in bytes; none when only the second build has the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_before: Option<u64>,
    /// The size after, in bytes; none when the second build has no such file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size_after: Option<u64>,
    /// Where they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<Bytes>,
}

/// What is built again: a dist directory, or its layout alone.
struct Target {
    /// The directory to compare.
    path: PathBuf,
    /// What of a build it is.
    part: Part,
    /// The record beside it.
    record: BuildRecord,
    /// Where the record is.
    record_path: PathBuf,
    /// The module's repository.
    module: PathBuf,
}

/// What of a build's results is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The whole dist directory.
    Dist,
    /// The layout alone.
    Layout,
    /// The files of the artifact in one directory, as `oras pull` writes them.
    Pulled,
}

/// Builds again what is at the path, and compares.
///
/// # Errors
/// When there is no record, an input is no longer available as it was recorded, or the build fails.
pub(crate) fn rebuild(
    wanted: &Wanted,
    settings: &Settings,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Reported<Rebuilt>, Error> {
    Reported::collect(|found| build_and_compare(wanted, settings, environment, found, observer))
}

fn build_and_compare(
    wanted: &Wanted,
    settings: &Settings,
    environment: &Environment,
    found: &mut Findings,
    observer: &dyn Observer,
) -> Result<Rebuilt, Error> {
    let target = find(wanted)?;
    // Beside the first build: what is as large as a build should be where builds are.
    let scratch = scratch(&parent(&target.path)?, environment)?;
    let built = match &wanted.keep {
        Some(directory) => {
            if let Some(cache) = &settings.cache_dir.value {
                places::check_kept(directory, &environment.absolute(cache))?;
            }
            kept(directory, &target)?
        }
        None => scratch.path().join("dist"),
    };
    let request = inputs::RebuildRequest { target: &target, wanted, output: &built, scratch: scratch.dir() };
    let request = request.request(settings, environment)?;
    let destination = match &wanted.keep {
        Some(_) => Destination::of(&request)?,
        None => Output::within(scratch.dir(), "dist")?.into(),
    };
    let inputs = inputs::check(&target.record.inputs, &request, found, observer)?;
    build::produce_from(&inputs, &destination, &request, found, observer)?;
    let _task = Task::start(observer, "compare", None, Unit::Items);
    let again = record::read(&built.join(record::FILE))?;
    let again = again.ok_or_else(|| Error::bug("the second build has no record"))?;
    let programs = inputs::same(&target.record.inputs, &again.inputs)?;
    if !programs.is_empty() {
        observer.warning(&format!("the root file system was made by other programs: {}", programs.join("; ")), OTHERS);
    }
    let rebuilt = compare(&target, &built, &again)?;
    Ok(Rebuilt { kept: wanted.keep.is_some(), ..rebuilt })
}

const OTHERS: &str =
    "should a difference follow, build again where the same versions are installed, to see whether it is theirs";

/// A directory for the second build, or elsewhere where nothing may be written beside the first, or someone
/// else could put another result in its place before it is compared.
fn scratch(beside: &Path, environment: &Environment) -> Result<Scratch, Error> {
    const PREFIX: &str = ".rebuild-";
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    if owner::check_way(beside).is_err() {
        return Ok(Scratch::new(&Dir::open(&environment.scratch())?, PREFIX)?);
    }
    match Scratch::new(&Dir::open(beside)?, PREFIX) {
        Err(host::Error::Io { source, .. }) if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) => {
            Ok(Scratch::new(&Dir::open(&environment.scratch())?, PREFIX)?)
        }
        made => Ok(made?),
    }
}

fn find(wanted: &Wanted) -> Result<Target, Error> {
    let path = wanted.path.clone();
    if !artifact::stat(&path)?.is_dir() {
        return Err(Error::input(format!("{} is no directory", path.display()))
            .hint("name a dist directory, or the OCI layout of one"));
    }
    if staged::is_unfinished(&Dir::open(&path)?) {
        return Err(not_whole(&path));
    }
    let part = if path.join("oci-layout").is_file() {
        Part::Layout
    } else if artifact::pulled_archive(&Dir::open(&path)?)?.is_some() {
        Part::Pulled
    } else {
        Part::Dist
    };
    let beside = if part == Part::Layout { parent(&path)? } else { path.clone() };
    let places = match &wanted.record {
        Some(path) => vec![path.clone()],
        // What was carried elsewhere is built again from the record of the module's own output.
        None => {
            let dist = wanted.directory.as_ref().filter(|_| part != Part::Dist).map(|module| module.join("dist"));
            [Some(beside.clone()), dist].into_iter().flatten().map(|place| place.join(record::FILE)).collect()
        }
    };
    for place in &places {
        if let Some(several) = Several::read(place)? {
            return Err(not_one(&several, &beside));
        }
        let Some(record) = record::read(place)? else { continue };
        let module = match &wanted.directory {
            Some(module) => module.clone(),
            None => around(&beside)?,
        };
        if !module.join(MANIFEST).is_file() {
            return Err(Error::input(format!("{} holds no {MANIFEST} to build again from", module.display()))
                .hint("name the module's repository by -C DIR"));
        }
        return Ok(Target { path, part, record, record_path: place.clone(), module });
    }
    Err(no_record(wanted, &places, part))
}

/// The module around a dist directory. That of one architecture of several is in the dist directory of all.
fn around(dist: &Path) -> Result<PathBuf, Error> {
    let around = parent(dist)?;
    if Several::read(&around.join(record::FILE))?.is_some() { parent(&around) } else { Ok(around) }
}

/// Builds for several architectures are built again one by one.
fn not_one(several: &Several, dist: &Path) -> Error {
    let names: Vec<&str> = several.architectures().keys().map(|arch| arch.debian()).collect();
    let first = dist.join(names.first().copied().unwrap_or_default());
    Error::input(format!("{} holds the builds of several architectures: {}", dist.display(), names.join(", ")))
        .hint(format!("build each again by itself, as in `module-builder rebuild {}`", model::shell::word(&first)))
}

/// A build that was replacing the files of `dist` was killed.
fn not_whole(dist: &Path) -> Error {
    let mut error = Error::refused(format!("{} is not whole", dist.display()));
    error.causes.push("a build that was replacing its files did not come to its end".to_owned());
    error.hint("run the build again")
}

fn no_record(wanted: &Wanted, places: &[PathBuf], part: Part) -> Error {
    let mut error = Error::input(format!("{} has no record of its build", wanted.path.display()));
    error.causes = places.iter().map(|place| format!("there is no file {}", place.display())).collect();
    let dist = wanted.path.join("dist");
    let hint = match (&wanted.record, part) {
        (None, Part::Dist) if dist.join(record::FILE).is_file() => {
            return error.hint(format!("the module's results are in {}", dist.display()));
        }
        (Some(_), _) => "name the build.json that `build` left in its dist directory",
        (None, Part::Layout | Part::Pulled) => {
            "for a layout or a pulled artifact away from where it was built, name the module by -C DIR to take its \
             dist/build.json, or name the record itself by --record FILE"
        }
        (None, Part::Dist) => "`build` leaves it in the dist directory; name it by --record FILE if it is elsewhere",
    };
    error.hint(hint)
}

/// The directory to keep the second build in, which must be apart from the first, also where it is not
/// there yet.
fn kept(directory: &Path, target: &Target) -> Result<PathBuf, Error> {
    let place = |path: &Path| Place::new("", path);
    let keep = place(directory)?;
    // A layout is a part of the build around it.
    let mut compared = vec![place(&target.path)?];
    let around = parent(&target.path)?;
    if target.part == Part::Layout && around.join(record::FILE).is_file() {
        compared.push(place(&around)?);
    }
    if compared.iter().any(|build| keep.is_within(build) || build.is_within(&keep)) {
        return Err(Error::usage(format!(
            "--keep {} would overwrite the build that is compared, {}",
            directory.display(),
            target.path.display()
        ))
        .hint("name a directory that is not there yet"));
    }
    if place(&target.record_path)?.is_within(&keep) {
        return Err(Error::usage(format!(
            "--keep {} would overwrite the record that is built from, {}",
            directory.display(),
            target.record_path.display()
        ))
        .hint("name a directory that is not there yet"));
    }
    Ok(directory.to_owned())
}

fn parent(path: &Path) -> Result<PathBuf, Error> {
    let full = fs::canonicalize(path).map_err(|error| Error::io("find", path, &error))?;
    Ok(full.parent().map_or_else(|| full.clone(), Path::to_owned))
}

fn compare(target: &Target, built: &Path, again: &BuildRecord) -> Result<Rebuilt, Error> {
    let mut pairs = match target.part {
        Part::Dist => files::pairs(&target.path, built)?,
        Part::Layout => files::pairs(&target.path, &built.join("oci"))?,
        Part::Pulled => files::pulled_pairs(&target.path, built)?,
    };
    if target.record != *again && target.record == record::with_tools_of(again, &target.record)? {
        // The records name the programs; nothing else in them differs.
        pairs.retain(|pair| pair.name != record::FILE);
    }
    let is_layout = target.part == Part::Layout;
    let attribution = Attribution::new(Evidence { old: &target.record, new: again, is_layout, pairs: &pairs })?;
    let mut differences = Vec::new();
    for pair in &pairs {
        let size = |path: &Path| fs::metadata(path).map(|stat| stat.len()).map_err(|e| Error::io("read", path, &e));
        let bytes = match (&pair.before, &pair.after) {
            (Some(before), Some(after)) => match bytes::compare(before, after)? {
                None => continue,
                Some(_) if pair.name == record::FILE && only_root_differs((before, after), &target.record, again)? => {
                    continue;
                }
                bytes => bytes,
            },
            _ => None,
        };
        differences.push(Difference {
            layer: attribution.layer(pair)?,
            file: pair.file.clone(),
            size_before: pair.before.as_deref().map(size).transpose()?,
            size_after: pair.after.as_deref().map(size).transpose()?,
            bytes,
        });
    }
    let path = target.path.clone();
    Ok(Rebuilt { same: differences.is_empty(), path, kept: false, files: pairs.len(), differences })
}

/// Whether two records differ in the root file system's digest alone: it had random keys or times, as
/// those of an SSH server, and scrubbing took them, so that every step after it came out the same.
fn only_root_differs((before, after): (&Path, &Path), old: &BuildRecord, new: &BuildRecord) -> Result<bool, Error> {
    let read = |path: &Path| {
        let failed = |_| Error::io("read", path, &std::io::ErrorKind::InvalidData.into());
        String::from_utf8(host::open::read(path, record::LIMIT)?).map_err(failed)
    };
    let (was, is) = (old.stages.rootfs.to_string(), new.stages.rootfs.to_string());
    Ok(read(before)?.replacen(&was, &is, 1) == read(after)?)
}
