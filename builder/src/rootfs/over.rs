//! The root file system of a base, over which that of a module is made.
//!
//! A base has the packages that most modules have, and its root file system is in the cache. That of a module is
//! unpacked from it, and the module's own packages are installed there, which takes a fraction of the time. What comes
//! out differs from what is made from nothing in what the package manager remembers, so its key counts the base.

use std::path::PathBuf;

use model::Digest;
use model::observe::Observer;

use super::entry::{self, Found};
use super::{Error, Options, build};
use crate::apt::{Resolution, Variant};
use crate::cache::{self, Cache};

/// The base over which `resolution` is installed; none where it is made from nothing.
pub(super) fn base(resolution: &Resolution) -> Option<Resolution> {
    let is_installed = match resolution.variant {
        // Nothing runs in the one, and the other may lack what it takes to install a package.
        Variant::Extract | Variant::Custom => false,
        Variant::Essential | Variant::Apt | Variant::Minbase | Variant::Important | Variant::Standard => true,
    };
    resolution.of_base().filter(|base| is_installed && base.packages.len() < resolution.packages.len())
}

/// The tar of `base`, whose key is `key`: from the cache, or made now from those of `debs` that are its own. These are
/// the ones of `resolution`, in its order.
///
/// # Errors
/// As [`build`].
pub(super) fn archive(
    (base, key): (&Resolution, Digest),
    (resolution, debs): (&Resolution, &[PathBuf]),
    options: &Options,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<PathBuf, Error> {
    let place = entry::place(cache, &key);
    if let Found::Whole(_) = entry::open(cache, &key) {
        // Another user's cache may be read without being marked as used.
        let _ = cache::touch(&place);
        return Ok(entry::archive(&place));
    }
    let own = resolution.packages.iter().zip(debs).filter(|(resolved, _)| resolved.base);
    let own: Vec<PathBuf> = own.map(|(_, deb)| deb.clone()).collect();
    // It is the same for all modules, and making it anew says nothing of this one.
    let options = Options { fresh: false, ..*options };
    Ok(build(base, &own, &options, cache, observer)?.archive)
}
