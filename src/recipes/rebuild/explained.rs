//! The inputs of a build that is explained: the recorded ones.

use std::path::{Path, PathBuf};

use builder::apt::Variant;
use builder::rootfs::{self, IsolationMode, Options};
use host::{Dir, Scratch, staged};
use model::observe::Observer;
use model::{Digest, Epoch};

use super::{Part, Target, Wanted, inputs, not_whole};
use crate::environment::Environment;
use crate::error::{Error, Reported};
use crate::recipes::build::record;
use crate::recipes::build::remembered::DigestCacheHandle;
use crate::recipes::build::request::{BuildRequest, RootSource};
use crate::recipes::packages::request::Packages;
use crate::recipes::results::artifact;
use crate::settings::Settings;

/// A build that is to be explained, as the user named it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The module's repository.
    pub(crate) module: PathBuf,
    /// What the build left.
    pub(crate) dist: PathBuf,
    /// The root file system, where the build took a given one.
    pub(crate) rootfs: Option<PathBuf>,
    /// The neighbours, where others than the build's must count.
    pub(crate) neighbours: Vec<PathBuf>,
    /// Directories with the modules over which it was laid.
    pub(crate) modules: Vec<PathBuf>,
    /// Whether the network is off limits.
    pub(crate) offline: bool,
}

/// What a build was asked to do, and the place where the neighbours' manifests are meanwhile.
#[derive(Debug)]
pub(crate) struct AsBuilt {
    /// The request.
    pub(crate) request: BuildRequest,
    _scratch: Scratch,
}

/// The request of the build that `asked` names, with its packages, its root file system, its neighbours and
/// its time.
///
/// # Errors
/// When the build took a root file system that is not named, or another one is; when the module changed since,
/// from whose files the answers come; when the record is damaged.
pub(crate) fn as_built(
    asked: Asked,
    settings: &Settings,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<AsBuilt, Error> {
    let Asked { module, dist, rootfs, neighbours, modules, offline } = asked;
    let record_path = dist.join(record::FILE);
    let text = artifact::read_text(&record_path)?;
    let text = text.ok_or_else(|| Error::input(format!("{} has no record of its build", dist.display())))?;
    let record = record::parse(&text, &record_path)?;
    if staged::is_unfinished(&Dir::open(&dist)?) {
        return Err(not_whole(&dist));
    }
    let scratch = Scratch::new(&Dir::open(&environment.scratch())?, ".module-builder-explain-")?;
    let wanted = Wanted {
        path: dist.clone(),
        directory: Some(module.clone()),
        record: None,
        rootfs,
        modules,
        keep: None,
        offline,
    };
    let target = Target { path: dist.clone(), part: Part::Dist, record, record_path, module };
    let request = inputs::RebuildRequest { target: &target, wanted: &wanted, output: &dist, scratch: scratch.dir() };
    let mut request = request.request(settings, environment)?;
    if let RootSource::Packages(packages) = &mut request.root {
        // The root file system that the build made explains as well as a new one.
        packages.no_cache = false;
        unless_known(packages, (&dist, &text), target.record.inputs.epoch, observer)?;
    }
    let recorded = &target.record.inputs;
    if let Some(other) = inputs::other_root(recorded, &request)? {
        return Err(inputs::not_the_same(&[other]));
    }
    if let Some(tool) = inputs::other_tool(recorded) {
        observer.warning(&since(&dist, &[tool]), "build anew, if the answers are to be those of this version");
    }
    // Where nothing changed, what was found is found again by what explains.
    Reported::collect(|found| match inputs::changes(recorded, &request, found, observer)?.1.as_slice() {
        [] => Ok(()),
        changed => Err(Error::input(since(&dist, changed))
            .hint("name the module itself to ask what its files ship now, or bring those of then back")),
    })?;
    if !neighbours.is_empty() {
        request.module.neighbours = neighbours;
    }
    Ok(AsBuilt { request, _scratch: scratch })
}

/// Lets no script of a package run because of a record that anyone may have written: where neither this
/// user's cache knows the record nor has the root file system, the packages are unpacked and no more.
fn unless_known(
    packages: &mut Packages,
    (dist, record): (&Path, &[u8]),
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let Some(resolution) = &packages.recorded else { return Ok(()) };
    let remembered = DigestCacheHandle { cache: packages.cache.clone(), paranoid: false };
    if resolution.variant == Variant::Extract || remembered.knows(dist, &Digest::of(record), observer) {
        return Ok(());
    }
    let options = Options { epoch, mode: IsolationMode::Auto, fresh: false, from_nothing: false };
    if rootfs::find(resolution, &options, &packages.cache, observer)?.is_some() {
        return Ok(());
    }
    let unpacked = resolution.changed(|fields| fields.variant = Variant::Extract);
    let unpacked = unpacked.map_err(|fault| Error::bug("a resolution cannot be unpacked").because(&fault))?;
    packages.settings.variant = Variant::Extract;
    packages.recorded = Some(unpacked);
    observer.warning(
        &format!(
            "no build of this user left the record of {}: its packages are unpacked, and no script runs",
            dist.display()
        ),
        "what scripts make is not known; to have it explained, build the module here, or `rebuild` what you trust",
    );
    Ok(())
}

fn since(dist: &Path, changed: &[String]) -> String {
    format!("{} was made from other inputs than there are now: {}", dist.display(), changed.join("; "))
}
