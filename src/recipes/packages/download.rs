//! The packages' files, from the mirrors into the cache.

use std::path::PathBuf;

use builder::apt::{self, FetchOptions, Resolution};
use model::observe::Observer;

use crate::recipes::packages::request::Packages;

/// The closure's files, in its order.
pub(crate) fn fetch(
    resolution: &Resolution,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<Vec<PathBuf>, apt::Error> {
    let defaults = FetchOptions::default();
    // Downloads wait for the network, not for a processor.
    let jobs = packages.jobs.max(defaults.jobs);
    let apt::Access { proxy, certificates, .. } = packages.settings.access.clone();
    let options = FetchOptions { offline: packages.offline, jobs, proxy, certificates, ..defaults };
    apt::fetch(resolution, &packages.cache, &options, observer)
}
