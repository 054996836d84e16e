//! Where a build's root file system comes from: packages, or a path that the user names.

use builder::ownership::Ownership;
use std::path::{Path, PathBuf};

use builder::apt::{self, Resolution, Variant};
use builder::cache::LockGuard;
use builder::dpkg::Database;
use builder::rootfs::deb::DebContents;
use builder::rootfs::{self, Explanation, IsolationMode, Options, Record, merged};
use composer::scan::{self, Source};
use image::tree::Tree;
use model::observe::Observer;
use model::path::json::keys;
use model::words::count;
use model::{Diagnostic, Digest, Epoch, Severity};
use serde::Serialize;

use crate::error::Error;
use crate::recipes::build::closure::BaseRoot;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::unresolved::unresolved;
use crate::recipes::packages::deb_contents;
use crate::recipes::packages::download;
use crate::recipes::packages::host;
use crate::recipes::packages::lock;
use crate::recipes::packages::request::Packages;
use crate::settings;

/// A root file system to compose from.
#[derive(Debug)]
pub(crate) struct Root {
    /// The tar or directory.
    pub(crate) path: PathBuf,
    /// The epoch of its inputs; `None` for one that the user gave.
    pub(crate) epoch: Option<Epoch>,
    /// Whether it was in the cache.
    pub(crate) reused: bool,
    /// Why it was made anew, where that was asked for.
    pub(crate) explanation: Option<Explanation>,
    /// What it was made from, where it was made from packages.
    pub(crate) made: Option<Made>,
    /// The packages' own file lists, where no dpkg ran that would have written a database.
    unpacked: Option<Database>,
    /// The tar of the base, and its packages, where the closure is shipped.
    base: Option<(PathBuf, Resolution)>,
    /// Keeps `cache gc` from taking the tar away before it was read.
    _in_use: Option<LockGuard>,
}

/// What a root file system was made from.
#[derive(Debug)]
pub(crate) struct Made {
    /// The packages.
    pub(crate) resolution: Resolution,
    /// The components that were searched for them.
    pub(crate) components: Vec<String>,
    /// Its key in the cache.
    pub(crate) key: Digest,
    /// Its other inputs, its size and its sha256.
    pub(crate) record: Record,
}

/// Where the root file system of a build came from.
#[derive(Debug, Serialize)]
pub(crate) struct RootSummary {
    /// The tar or directory that was read.
    #[serde(flatten, serialize_with = "keys::archive")]
    pub(crate) archive: PathBuf,
    /// Whether it was in the cache.
    pub(crate) reused: bool,
    /// Which inputs changed since the cached one was made; with `--explain-cache` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explanation: Option<Explanation>,
}

impl Root {
    /// Whether packages were unpacked for it and nothing was installed.
    pub(crate) fn is_unpacked(&self) -> bool {
        self.unpacked.is_some()
    }

    /// Which package installed which path of `tree`, which was read from this root file system. Where it was made
    /// from packages, these are the ones, from a cache, too.
    pub(crate) fn ownership(&self, tree: &Tree<Source>) -> Result<Ownership, Error> {
        match &self.unpacked {
            Some(database) => Ok(Ownership::new(tree, database.clone())),
            None => {
                let ownership = Ownership::read(tree)?;
                if let Some(made) = &self.made {
                    rootfs::check_packages(&ownership.packages(), &made.resolution)?;
                }
                Ok(ownership)
            }
        }
    }

    /// What it was made over.
    pub(crate) fn base(&self) -> Result<Option<BaseRoot>, Error> {
        let Some((path, resolution)) = &self.base else { return Ok(None) };
        let mut tree = scan::rootfs(path, &scan::Options::default())?;
        if self.is_unpacked() {
            merged::merge(&mut tree).map_err(image::Error::from)?;
        }
        let name = |resolved: &apt::Resolved| resolved.package.name.clone();
        let packages = resolution.packages.iter().map(name).collect();
        let brought = resolution.packages.iter().filter(|resolved| resolved.module.is_some()).map(name).collect();
        Ok(Some(BaseRoot { tree, packages, brought, arch: resolution.arch }))
    }

    /// The sha256 of its tar, where it was made from packages.
    pub(crate) fn sha256(&self) -> Option<Digest> {
        self.made.as_ref().map(|made| made.record.sha256)
    }

    /// What a build's result says of it.
    pub(crate) fn summary(self) -> RootSummary {
        RootSummary { archive: self.path, reused: self.reused, explanation: self.explanation }
    }
}

/// The root file system that the user names.
///
/// # Errors
/// When nothing of one is there.
pub(crate) fn given(path: &Path) -> Result<Root, Error> {
    let path = there(path)?;
    let (reused, explanation, made, unpacked, base) = (false, None, None, None, None);
    Ok(Root { path, epoch: None, reused, explanation, made, unpacked, base, _in_use: None })
}

/// Checks that there is something where the user says that a root file system is.
fn there(path: &Path) -> Result<PathBuf, Error> {
    const HINT: &str = "--rootfs takes the directory of an unpacked root file system, or a tar of one";
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() || found.is_file() => Ok(path.to_owned()),
        Ok(_) => Err(Error::input(format!("{} is neither a directory nor a file", path.display())).hint(HINT)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::input(format!("there is no root file system at {}", path.display())).hint(HINT))
        }
        Err(error) => Err(Error::io("read", path, &error)),
    }
}

/// How the root file system of `resolution` is made for `request`.
pub(crate) fn options(request: &BuildRequest, packages: &Packages, resolution: &Resolution) -> Options {
    // Where no package is, nothing has a time. The build's own may be that of its files then, which this does not know, and which
    // a rebuild has from the record.
    let epoch = request.epoch.or_else(|| resolution.newest()).filter(|_| !resolution.packages.is_empty());
    let epoch = epoch.unwrap_or_default();
    Options { epoch, mode: IsolationMode::Auto, fresh: packages.no_cache, from_nothing: false }
}

/// The root file system of `resolution`: from the cache, or made now.
///
/// # Errors
/// When its packages cannot be had, or it cannot be made.
pub(crate) fn from_packages(
    request: &BuildRequest,
    packages: &Packages,
    resolution: Resolution,
    observer: &dyn Observer,
) -> Result<Root, Error> {
    let in_use = Some(packages.cache.in_use(observer)?);
    let epoch = request.epoch.or_else(|| resolution.newest());
    let options = options(request, packages, &resolution);
    let explanation =
        packages.explain_cache.then(|| rootfs::explain(&resolution, &options, &packages.cache)).transpose()?;
    if let Some(explanation) = &explanation {
        explain(explanation, observer);
    }
    // A cached root file system needs no package: the .debs may be gone, and are not read.
    let found = rootfs::find(&resolution, &options, &packages.cache, observer)?;
    let debs = match found {
        Some(_) => None,
        None => {
            rootfs::check(&resolution, options.mode)?;
            // Those of the base are among them.
            Some(download::fetch(&resolution, packages, observer)?)
        }
    };
    let base = base(&resolution, debs.as_deref(), packages, options, observer)?;
    let is_extract = resolution.variant == Variant::Extract;
    let built = match (found, &debs) {
        (Some(built), _) => built,
        (None, debs) => {
            let debs = debs.as_deref().unwrap_or_default();
            let built = rootfs::build(&resolution, debs, &options, &packages.cache, observer);
            built.map_err(|error| packages.failed(error))?
        }
    };
    let listings = is_extract
        .then(|| deb_contents::obtain(&resolution, debs.as_deref(), request.is_wary_of(packages), packages, observer));
    let unpacked = listings.transpose()?.map(|listings| unpacked(&resolution, listings));
    if is_extract {
        warn_of_scripts(&built.record, observer);
    }
    let (path, key) = (built.archive, built.key);
    let components = packages.settings.components.clone();
    let made = Some(Made { resolution, components, key, record: built.record });
    Ok(Root { path, epoch, reused: built.reused, explanation, made, unpacked, base, _in_use: in_use })
}

/// The root file system of the base of `resolution`, where it has one: from the cache, or made now, of those of `debs` that are
/// its own where the packages of `resolution` were fetched.
fn base(
    resolution: &Resolution,
    debs: Option<&[PathBuf]>,
    packages: &Packages,
    options: Options,
    observer: &dyn Observer,
) -> Result<Option<(PathBuf, Resolution)>, Error> {
    let Some(of_base) = resolution.of_base() else { return Ok(None) };
    // It is the same for all modules, and making it anew says nothing of this one.
    let options = Options { fresh: false, ..options };
    let own = debs.map(|debs| {
        let all = resolution.packages.iter().zip(debs).filter(|(resolved, _)| resolved.base);
        all.map(|(_, deb)| deb.clone()).collect()
    });
    let archive = found_or_made(&of_base, own, options, packages, observer)?;
    Ok(Some((archive, of_base)))
}

/// The root file system of `resolution`, as a build at `epoch` has it: from the cache, or made now.
///
/// # Errors
/// When its packages cannot be had, or it cannot be made.
pub(crate) fn made_of(
    resolution: &Resolution,
    epoch: Epoch,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<PathBuf, Error> {
    found_or_made(
        resolution,
        None,
        Options { epoch, mode: IsolationMode::Auto, fresh: false, from_nothing: false },
        packages,
        observer,
    )
}

fn found_or_made(
    resolution: &Resolution,
    debs: Option<Vec<PathBuf>>,
    options: Options,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<PathBuf, Error> {
    if let Some(built) = rootfs::find(resolution, &options, &packages.cache, observer)? {
        return Ok(built.archive);
    }
    let debs = match debs {
        Some(debs) => debs,
        None => {
            rootfs::check(resolution, options.mode)?;
            download::fetch(resolution, packages, observer)?
        }
    };
    let built = rootfs::build(resolution, &debs, &options, &packages.cache, observer);
    Ok(built.map_err(|error| packages.failed(error))?.archive)
}

/// Says which inputs changed since the cached root file system was made.
fn explain(explanation: &Explanation, observer: &dyn Observer) {
    let note = |text: String| observer.note(&text);
    if explanation.cached {
        return note(format!("cache: the root file system {} is there: no input changed", explanation.key.hex()));
    }
    if explanation.unreadable > 0 {
        note(format!("cache: not compared, since it cannot be read: {}", count(explanation.unreadable, "entry")));
    }
    if !explanation.compared {
        return note("cache: there is no root file system to compare with".to_owned());
    }
    note("cache: the root file system is made anew; against the most similar one there is:".to_owned());
    for change in &explanation.changes {
        note(match (&change.before, &change.now) {
            (Some(before), Some(now)) => format!("  ~ {}: {before} -> {now}", change.name),
            (Some(before), None) => format!("  - {}: {before}", change.name),
            (None, now) => format!("  + {}: {}", change.name, now.as_deref().unwrap_or_default()),
        });
    }
}

/// Names the packages whose maintainer scripts the variant extract did not run.
fn warn_of_scripts(record: &Record, observer: &dyn Observer) {
    // What runs before unpacking or on removal makes no files that a module could miss.
    let runs = |scripts: &Vec<String>| scripts.iter().any(|script| script == "postinst" || script == "preinst");
    let names: Vec<&str> =
        record.maintainer_scripts.iter().filter(|(_, scripts)| runs(scripts)).map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        observer.warning(
            &format!(
                "unpacked only, so that the maintainer scripts of these packages did not run: {}",
                names.join(", ")
            ),
            "check that the module needs nothing that they make (users, links, generated files), or install the \
             packages by another variant",
        );
    }
}

/// The exact closure of the manifest's packages: the lock's where there is one, else resolved now.
pub(crate) fn closure(packages: &Packages, inputs: &Inputs, observer: &dyn Observer) -> Result<Resolution, Error> {
    if let Some(recorded) = &packages.recorded {
        return Ok(recorded.clone());
    }
    let settings = inputs.hold(&packages.settings);
    if let Some(locked) = lock::resolution(&inputs.settings, (packages, &settings), &inputs.manifest, &inputs.file)? {
        return Ok(locked);
    }
    let wants = packages.snapshot.as_deref();
    let settings = lock::pinned(&settings, wants, &inputs.manifest, &inputs.file)?;
    let requests = inputs.manifest.requests();
    if !settings.asks_for_nothing(&requests) {
        if settings.snapshot.is_none() {
            host::report(&packages.host_apt, observer);
        }
        require_archive(&settings)?;
    }
    apt::resolve(&requests, &settings, &packages.cache, observer)
        .map_err(|error| unresolved(error, &inputs.settings, &inputs.manifest, &inputs.file, &settings))
}

/// That nothing holds the versions of the module's packages, where it has some and nothing does.
pub(crate) fn floating(request: &BuildRequest, inputs: &Inputs) -> Option<Diagnostic> {
    let is_resolved = request.packages().is_some_and(|packages| packages.recorded.is_none() && !packages.locked);
    let first = inputs.manifest.package_spec.first()?;
    let path = lock::path(request.module.directory());
    // What a moment of the archive had does not move.
    let wants = request.packages().and_then(|packages| packages.snapshot.as_deref());
    let is_pinned = wants.map_or_else(|| inputs.manifest.snapshot().is_some(), |wants| wants != settings::NO_SNAPSHOT);
    if !is_resolved || is_pinned || path.exists() {
        return None;
    }
    let message =
        format!("there is no {}: the packages' versions are those of the archives now, and float", path.display());
    let hint = format!("`{}` holds them", lock::command("lock", request.module.directory()));
    let found = Diagnostic::new(Severity::Note, "floating-versions", message, hint).in_file(inputs.file.clone());
    Some(found.at(first.position).in_field("package_spec").quoting(first.value.to_string()))
}

/// Fails when there is nothing to resolve from.
pub(crate) fn require_archive(settings: &apt::Settings) -> Result<(), Error> {
    if settings.snapshot.is_none() { settings::require_mirrors(&settings.mirrors) } else { Ok(()) }
}

/// dpkg's database, as it would be after unpacking.
fn unpacked(resolution: &Resolution, listings: Vec<DebContents>) -> Database {
    let named = resolution.packages.iter().zip(listings);
    let unpacked = named.map(|(resolved, listing)| (resolved.package.clone(), listing.metadata, listing.entries));
    Database::from_packages(unpacked.collect())
}
