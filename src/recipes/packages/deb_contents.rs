//! What packages list, for runs that do not install them: from the cache, or from the packages themselves.

use std::path::PathBuf;

use builder::apt::Resolution;
use builder::rootfs::deb_contents::{self, DebContents};
use model::observe::Observer;

use crate::error::Error;
use crate::recipes::packages::download;
use crate::recipes::packages::request::Packages;

/// What each package of `resolution` lists, in its order. Packages whose listing the cache has are not read,
/// unless nothing is to be taken from what is remembered (`bypass_cache`). What is read and not among `fetched`, a .deb for each package, is fetched.
pub(crate) fn obtain(
    resolution: &Resolution,
    fetched: Option<&[PathBuf]>,
    bypass_cache: bool,
    packages: &Packages,
    observer: &dyn Observer,
) -> Result<Vec<DebContents>, Error> {
    let known = match bypass_cache {
        true => vec![None; resolution.packages.len()],
        false => deb_contents::read_cached(resolution, &packages.cache, observer)?,
    };
    let is_missing = |index: &usize| known.get(*index).is_some_and(Option::is_none);
    let missing: Vec<usize> = (0..known.len()).filter(is_missing).collect();
    let mut read = Vec::new().into_iter();
    if !missing.is_empty() {
        let chosen = resolution.narrowed(&missing).map_err(|fault| Error::bug(fault.to_string()))?;
        let debs = match fetched {
            Some(debs) => missing.iter().filter_map(|index| debs.get(*index)).cloned().collect(),
            None => download::fetch(&chosen, packages, observer)?,
        };
        let listed = deb_contents::read(&chosen, &debs, &packages.cache, observer);
        read = listed.map_err(|error| packages.failed(error))?.into_iter();
    }
    Ok(known.into_iter().filter_map(|known| known.or_else(|| read.next())).collect())
}
