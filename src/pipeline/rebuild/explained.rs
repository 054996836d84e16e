//! The inputs of a build that is explained: the recorded ones.

use std::path::{Path, PathBuf};

use host::{Dir, Scratch};

use super::{Target, Wanted, inputs};
use crate::environment::Environment;
use crate::error::Error;
use crate::pipeline::record::{self, Record};
use crate::pipeline::request::{Request, RootOrigin};
use crate::settings::Settings;
use crate::ui::Ui;

/// A build that is to be explained, as the user named it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The module's repository.
    pub(crate) module: PathBuf,
    /// What the build left.
    pub(crate) dist: PathBuf,
    /// The root file system, where the build took a given one.
    pub(crate) rootfs: Option<PathBuf>,
    /// The neighbours, where others than the build's shall count.
    pub(crate) neighbours: Vec<PathBuf>,
    /// Whether the network is off limits.
    pub(crate) offline: bool,
}

/// What a build was asked to do, and the place where the neighbours' manifests lie meanwhile.
#[derive(Debug)]
pub(crate) struct AsBuilt {
    /// The request.
    pub(crate) request: Request,
    _scratch: Scratch,
}

/// The request of the build that `asked` names, with its packages, its root file system, its neighbours and
/// its time. What changed in the module since is told, as the answers come from its files.
///
/// # Errors
/// When the build took a root file system that is not named, or another one is; when the record is damaged.
pub(crate) fn as_built(
    asked: Asked,
    settings: &Settings,
    environment: &Environment,
    ui: &Ui,
) -> Result<AsBuilt, Error> {
    let Asked { module, dist, rootfs, neighbours, offline } = asked;
    let record_path = dist.join(record::FILE);
    let record = Record::read(&record_path)?;
    let record = record.ok_or_else(|| Error::input(format!("{} has no record of its build", dist.display())))?;
    let scratch = Scratch::new(&Dir::open(&environment.scratch())?, ".module-builder-explain-")?;
    let wanted =
        Wanted { path: dist.clone(), directory: Some(module.clone()), record: None, rootfs, keep: None, offline };
    let target = Target { path: dist.clone(), is_layout: false, record, record_path, module };
    let repeat = inputs::Repeat { target: &target, wanted: &wanted, output: &dist, scratch: scratch.dir() };
    let mut request = repeat.request(settings, environment)?;
    if let RootOrigin::Packages(packages) = &mut request.origin {
        // The root file system that the build made explains as well as a new one.
        packages.no_cache = false;
    }
    let recorded = &target.record.inputs;
    if let Some(other) = inputs::other_root(recorded, &request)? {
        return Err(inputs::not_the_same(&[other]));
    }
    let (_, changed) = inputs::changes(recorded, &request, ui)?;
    if !changed.is_empty() {
        ui.warning(&since(&dist, &changed), "build anew, or explain what was built from the sources of then");
    }
    if !neighbours.is_empty() {
        request.neighbours = neighbours;
    }
    Ok(AsBuilt { request, _scratch: scratch })
}

fn since(dist: &Path, changed: &[String]) -> String {
    format!("{} was made from other inputs than there are now: {}", dist.display(), changed.join("; "))
}
