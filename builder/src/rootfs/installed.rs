//! Whether what was installed is what was locked.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

use model::Digest;
use model::package::Package;

use super::error::{Error, Named};
use super::hashing::Hashing;
use crate::apt::{Resolution, Variant};
use crate::dpkg::{self, State};

/// The largest `/var/lib/dpkg/status` that is read. Debian with every package has about 80 MiB.
pub(super) const STATUS_LIMIT: u64 = 256 << 20;

/// What the root file system in `archive` says is installed must be `resolution`. The same read
/// gives the archive's size and sha256.
///
/// # Errors
/// [`Error::NotAsLocked`] with both sides' differences; otherwise when the archive cannot be read.
pub(super) fn check(archive: &Path, resolution: &Resolution) -> Result<(u64, Digest), Error> {
    let failed = |source| super::io_error("read", archive)(source);
    let mut reader = Hashing::new(host::open::file(archive)?);
    let status = status(&mut reader).map_err(failed)?;
    // The tar reader stops at the end mark; the padding after it counts too.
    io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
    if resolution.variant != Variant::Extract {
        compare(&status, resolution)?;
    }
    Ok(reader.finish())
}

/// The packages of a root file system, as dpkg's database in it has them, must be those of `resolution`. It
/// costs nothing where the database was read anyway, and distinguishes a root file system of other packages however it
/// came into the cache.
///
/// # Errors
/// [`Error::NotAsLocked`].
pub fn check_packages(packages: &[Package], resolution: &Resolution) -> Result<(), Error> {
    differences(&packages.iter().map(named).collect(), Vec::new(), resolution)
}

/// dpkg's status file; empty where there is none.
fn status(archive: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut status = Vec::new();
    let mut archive = tar::Archive::new(io::BufReader::with_capacity(1 << 20, archive));
    for entry in archive.entries()? {
        let entry = entry?;
        if &*entry.path_bytes() == b"./var/lib/dpkg/status" {
            let mut bounded = entry.take(STATUS_LIMIT);
            bounded.read_to_end(&mut status)?;
        }
    }
    // What the buffer holds was hashed when it was read.
    Ok(status)
}

fn compare(status: &[u8], resolution: &Resolution) -> Result<(), Error> {
    let found = dpkg::parse_status(status)?;
    let unfinished: Vec<String> = found
        .iter()
        .filter(|package| !matches!(package.state, State::Installed | State::NotInstalled))
        .map(|package| package.package.name.clone())
        .collect();
    let installed = found.iter().filter(|p| p.state == State::Installed).map(|p| named(&p.package)).collect();
    differences(&installed, unfinished, resolution)
}

fn named(package: &Package) -> Named {
    (package.name.clone(), package.arch.clone(), package.version.clone())
}

fn differences(installed: &BTreeSet<Named>, unfinished: Vec<String>, resolution: &Resolution) -> Result<(), Error> {
    let locked: BTreeSet<Named> = resolution.packages.iter().map(|resolved| named(&resolved.package)).collect();
    if *installed == locked && unfinished.is_empty() {
        return Ok(());
    }
    Err(Error::NotAsLocked {
        missing: locked.difference(installed).cloned().collect(),
        unexpected: installed.difference(&locked).cloned().collect(),
        unfinished,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::tests::{changed, resolution};
    use super::*;

    fn archive(status: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut builder = tar::Builder::new(file.reopen().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(status.len() as u64);
        header.set_path("x").unwrap();
        header.as_old_mut().name[..22].copy_from_slice(b"./var/lib/dpkg/status\0");
        header.set_cksum();
        builder.append(&header, status.as_bytes()).unwrap();
        builder.into_inner().unwrap();
        file
    }

    const STATUS: &str = "Package: a1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\nPackage: b2\nStatus: install ok installed\nArchitecture: all\nVersion: 2\n\n";

    #[test]
    fn what_is_installed_must_be_what_is_locked() {
        let file = archive(STATUS);
        let same = resolution(&[("a1", "1", "amd64"), ("b2", "2", "all")]);
        let (size, digest) = check(file.path(), &same).unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        assert_eq!((size, digest), (bytes.len() as u64, Digest::of(&bytes)));
        let other = resolution(&[("a1", "1", "amd64"), ("b2", "3", "all")]);
        let Err(Error::NotAsLocked { missing, unexpected, unfinished }) = check(file.path(), &other) else { panic!() };
        assert_eq!(missing, [("b2".to_owned(), "all".to_owned(), "3".to_owned())]);
        assert_eq!(unexpected, [("b2".to_owned(), "all".to_owned(), "2".to_owned())]);
        assert!(unfinished.is_empty());
        let file = archive(&STATUS.replacen("ok installed", "ok half-configured", 1));
        let Err(Error::NotAsLocked { unfinished, .. }) = check(file.path(), &same) else { panic!() };
        assert_eq!(unfinished, ["a1"]);
    }

    #[test]
    fn an_unpacked_tree_has_no_database_to_compare() {
        let one = [("a1", "1", "amd64")];
        assert!(matches!(check(archive("").path(), &resolution(&one)), Err(Error::NotAsLocked { .. })));
        let extracted = changed(&one, |fields| fields.variant = Variant::Extract);
        check(archive("").path(), &extracted).unwrap();
    }
}
