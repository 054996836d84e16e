//! What packages list, kept in the cache.
//!
//! What a .deb holds depends on its bytes alone, and they are compressed so well that reading the names
//! takes nearly all the time of a run that needs nothing else. So the names are kept under the .deb's
//! sha256, and a .deb whose names are kept is not read, nor need it be there. What is kept is written
//! only if the bytes that were read had that sha256, and it is a cache: whatever is wrong with a file of
//! it only means that the .deb is read again.

mod form;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use host::Dir;
use model::observe::{Observer, Task, Unit};
use rayon::prelude::*;

use super::deb;
use super::repository::same;
use super::{Error, io_error};
use crate::apt::{Resolution, Resolved};
use crate::cache::{self, Cache};

pub use deb::DebContents;
pub use form::{decode, encode};

/// The largest file that is read or written, in bytes: some 300,000 names. What a package lists beyond
/// that is not kept.
const LIMIT: u64 = 32 << 20;

/// What each package of `resolution` lists, in its order, where the cache has it whole.
///
/// # Errors
/// When the cache cannot be used.
pub fn read_cached(
    resolution: &Resolution,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Vec<Option<DebContents>>, cache::Error> {
    let _in_use = cache.in_use(observer)?;
    let cache_dir = match cache.own_directory(&cache.root().join("listings")) {
        Ok(cache_dir) => cache_dir,
        Err(error) if error.is_not_found() => return Ok(vec![None; resolution.packages.len()]),
        Err(error) => return Err(error.into()),
    };
    let found: Vec<_> = resolution.packages.par_iter().map(|resolved| find(&cache_dir, resolved)).collect();
    let mut refused = found.iter().filter_map(|found| found.as_ref().err());
    if let Some(first) = refused.next() {
        let message = format!("{} of the cache's file lists of packages are not used: {first}", refused.count() + 1);
        let hint = "nothing needs to be done: the packages are read again";
        observer.warning(&message, hint);
    }
    let found: Vec<_> = found.into_iter().map(|found| found.ok().flatten()).collect();
    tracing::debug!("the cache has the file lists of {} of {} packages", found.iter().flatten().count(), found.len());
    Ok(found)
}

/// What the cache has of a package; an error where there is something that is not ours.
fn find(cache_dir: &Dir, resolved: &Resolved) -> Result<Option<DebContents>, host::Error> {
    let path = cache_dir.join(resolved.sha256.hex());
    let bytes = match bytes(cache_dir, resolved) {
        Err(error) if cache::is_not_ours(&error) => return Err(error),
        // Whatever else is wrong only means that the package is read again.
        bytes => bytes.ok(),
    };
    let Some(listing) = bytes.and_then(|bytes| decode(&bytes, &resolved.sha256)) else { return Ok(None) };
    // Of another package than the resolution names, it is read again, which says so.
    if same(resolved, &listing.metadata, &path).is_err() {
        return Ok(None);
    }
    // The mark only delays eviction.
    let _ = cache::touch(&path);
    Ok(Some(listing))
}

fn bytes(cache_dir: &Dir, resolved: &Resolved) -> Result<Vec<u8>, host::Error> {
    cache_dir.read_own(resolved.sha256.hex(), LIMIT)
}

/// Reads what each package of `resolution` lists from `debs`, one for each and in the same order, and keeps
/// it in the cache. A cache that cannot be written to costs time and nothing else.
///
/// # Errors
/// [`Error::Package`] for the first package that cannot be read or is not the one that the resolution names,
/// and [`Error::Cache`] when the cache cannot be used.
pub fn read(
    resolution: &Resolution,
    debs: &[PathBuf],
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Vec<DebContents>, Error> {
    let packages = &resolution.packages;
    if debs.len() != packages.len() {
        return Err(Error::Count { packages: packages.len(), debs: debs.len() });
    }
    let _in_use = cache.in_use(observer)?;
    let total = Some(packages.len() as u64);
    let task = Task::start(observer, "read packages", total, Unit::Items);
    let read = |(resolved, path): (&Resolved, &PathBuf)| {
        let name = &resolved.package.name;
        task.item(name.clone());
        let listing = deb::listing(path, &resolved.sha256);
        let listing = listing.map_err(|source| Error::Package { package: name.clone(), source })?;
        same(resolved, &listing.metadata, path)?;
        let kept = keep(&listing, resolved, cache, observer);
        task.advance(1);
        Ok((listing, kept.err()))
    };
    let outcomes: Vec<Result<_, Error>> = packages.par_iter().zip(debs).map(read).collect();
    drop(task);
    let mut listings = Vec::with_capacity(outcomes.len());
    let mut failure = None;
    for outcome in outcomes {
        let (listing, failed) = outcome?;
        listings.push(listing);
        failure = failure.or(failed);
    }
    if let Some(error) = failure {
        let why = std::error::Error::source(&error).map_or_else(String::new, |source| format!(": {source}"));
        observer.note(&format!("the next run will read the packages again: {error}{why}"));
    }
    Ok(listings)
}

/// Writes what `resolved` lists into the cache, whole or not at all.
#[allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]
fn keep(listing: &DebContents, resolved: &Resolved, cache: &Cache, observer: &dyn Observer) -> Result<(), Error> {
    let Some(new) = encode(listing, &resolved.sha256).filter(|bytes| bytes.len() as u64 <= LIMIT) else {
        return Ok(());
    };
    let path = cache.listing_path(&resolved.sha256);
    let failed = || io_error("write", &path);
    let cache_dir = Dir::open(&cache.listings()?)?;
    let before = bytes(&cache_dir, resolved).ok();
    if before.as_ref() == Some(&new) {
        return cache::touch(&path).or(Ok(()));
    }
    if before.is_some_and(|bytes| decode(&bytes, &resolved.sha256).is_some()) {
        let name = &resolved.package.name;
        let message = format!("what the cache had of the files of {name} was whole and not what its package holds");
        let hint = "it was replaced; build again with `--no-cache` what was made with this cache before";
        observer.warning(&message, hint);
    }
    let directory = cache.temporary()?;
    let mut file = tempfile::NamedTempFile::new_in(&directory).map_err(failed())?;
    file.write_all(&new).map_err(failed())?;
    // Whoever may read the .deb may read what it lists.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(failed())?;
    file.persist(&path).map_err(|error| failed()(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests;
