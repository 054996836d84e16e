//! The root file systems that a module was built with: its base, and the full tree.

use std::path::{Path, PathBuf};

use model::observe::Observer;
use model::record::{Closure, RootInput};

use crate::environment::Environment;
use crate::error::Error;
use crate::recipes::build::root;
use crate::recipes::packages::request::Packages;
use crate::recipes::results::record;
use crate::settings::Settings;

/// What a module was built with.
pub(crate) struct Roots {
    /// The packages of its base.
    pub(crate) closure: Closure,
    /// These and the packages of the module.
    pub(crate) full_closure: Closure,
    /// The root file system of its base.
    pub(crate) base: PathBuf,
    /// That in which all of its packages are installed.
    pub(crate) full: PathBuf,
}

/// The root file systems of the build whose record is in `results`: from the cache, or made again. None where it has no
/// record, or was laid over no base.
///
/// # Errors
/// When the record is damaged, or a root file system cannot be made.
pub(crate) fn of_build(
    results: &Path,
    settings: &Settings,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Option<Roots>, Error> {
    let Some(record) = record::read(&results.join(record::FILE))? else { return Ok(None) };
    let RootInput::Packages(recorded) = &record.inputs.rootfs else { return Ok(None) };
    let Some(of_base) = recorded.resolution.of_base_alone() else { return Ok(None) };
    let packages = Packages::new(settings, recorded.resolution.arch, environment)?;
    let [base, full] = [&of_base, &recorded.resolution]
        .map(|resolution| root::made_of(resolution, record.inputs.epoch, &packages, observer));
    let (closure, full_closure) = (Closure::of(&of_base), Closure::of(&recorded.resolution));
    Ok(Some(Roots { closure, full_closure, base: base?, full: full? }))
}
