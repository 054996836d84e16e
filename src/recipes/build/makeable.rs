//! Whether a root file system can be made here, and whether the module needs one.

use builder::apt::{Resolution, Variant};
use builder::rootfs;
use model::Diagnostic;
use model::observe::{Observer, Silent};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::root;
use crate::recipes::packages::request::Packages;

/// Fails where no root file system could be made of `resolution` and the cache has none: before anything is fetched for it.
///
/// # Errors
/// When none could.
pub(crate) fn check(request: &BuildRequest, packages: &Packages, resolution: &Resolution) -> Result<(), Error> {
    let options = root::options(request, packages, resolution);
    // Whoever takes it from the cache says so.
    match rootfs::find(resolution, &options, &packages.cache, &Silent)? {
        Some(_) => Ok(()),
        None => Ok(rootfs::check(resolution, options.mode)?),
    }
}

/// Says what the user may want to know of the packages before they are there: that nothing holds their versions, or that the
/// module has none and could do without those of a system.
pub(crate) fn note(request: &BuildRequest, inputs: &Inputs, observer: &dyn Observer) -> Option<Diagnostic> {
    let packages = request.packages()?;
    if !inputs.manifest.requests().is_empty() || packages.settings.base.is_some() {
        return root::floating(request, inputs);
    }
    match packages.settings.variant {
        Variant::Extract | Variant::Custom => {}
        Variant::Essential | Variant::Apt | Variant::Minbase | Variant::Important | Variant::Standard => observer.note(
            "the module names no package: with variant = \"extract\" in builder.toml it is built without those of a whole system",
        ),
    }
    None
}
