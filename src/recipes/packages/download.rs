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
    let apt::Access { offline, proxy, certificates } = packages.settings.access.clone();
    let options = FetchOptions { offline, jobs: packages.connections, proxy, certificates, ..FetchOptions::default() };
    apt::fetch(resolution, &packages.cache, &options, observer)
}
