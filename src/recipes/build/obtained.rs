//! What a build starts from: its root file system and the files from addresses.

use model::observe::Observer;

use crate::error::Error;
use crate::recipes::build::files::{self, FetchedFile};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::makeable;
use crate::recipes::build::request::{BuildRequest, RootSource};
use crate::recipes::build::root::{self, Root};

/// Gets the files and the root file system that `request` asks for.
///
/// The packages are resolved before anything is fetched: a lock that does not fit says so first, and so does a machine
/// that could build nothing of them. Then come the files, before the root file system, which takes long.
///
/// # Errors
/// When one of them cannot be had or made.
pub(crate) fn obtain(
    request: &BuildRequest,
    inputs: &Inputs,
    observer: &dyn Observer,
) -> Result<(Vec<FetchedFile>, Root), Error> {
    let packages = match &request.root {
        RootSource::Given(path) => return Ok((files::obtain(request, observer)?, root::given(path)?)),
        RootSource::Packages(packages) => packages,
    };
    let resolution = root::closure(packages, inputs, observer)?;
    if packages.recorded.is_none() && files::are_missing(request) {
        makeable::check(request, packages, &resolution)?;
    }
    let files = files::obtain(request, observer)?;
    let root = root::from_packages(request, packages, resolution, observer)?;
    Ok((files, root))
}
