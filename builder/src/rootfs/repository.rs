//! A local apt repository made from exactly the locked .debs.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::{Digest, Epoch};
use rayon::prelude::*;

use super::deb::{self, Metadata};
use super::{Error, io_error};
use crate::apt::{Resolution, Resolved};

/// Makes the repository in `directory`, which must exist and be empty: one file per package and the
/// indices `Packages` and `Release`. Gives back what each package says about itself, in order.
///
/// Each is hashed by the same reading that finds what it says about itself. The files are hard links to those
/// in the cache where that is possible, else copies; apt checks each against the sha256 of the lock once more
/// when it takes it, in every variant.
///
/// # Errors
/// When a .deb cannot be read or is another package than the resolution says, or a file cannot be
/// written.
pub(super) fn make(
    directory: &Path,
    resolution: &Resolution,
    debs: &[PathBuf],
    epoch: Epoch,
) -> Result<Vec<Metadata>, Error> {
    if debs.len() != resolution.packages.len() {
        return Err(Error::Count { packages: resolution.packages.len(), debs: debs.len() });
    }
    let metadata: Vec<Metadata> = resolution
        .packages
        .par_iter()
        .zip(debs)
        .map(|(resolved, path)| check(resolved, path))
        .collect::<Result<_, Error>>()?;
    let mut packages = String::new();
    let pool = directory.join("pool");
    fs::DirBuilder::new().mode(0o755).create(&pool).map_err(io_error("make", &pool))?;
    for ((resolved, path), metadata) in resolution.packages.iter().zip(debs).zip(&metadata) {
        let name = format!("pool/{}.deb", resolved.sha256.hex());
        let target = directory.join(&name);
        link(path, &target).map_err(io_error("write", &target))?;
        packages.push_str(&stanza(resolved, metadata, &name));
    }
    let release = release(resolution, epoch, &packages);
    for (name, text) in [("Packages", packages), ("Release", release)] {
        let path = directory.join(name);
        fs::write(&path, text).map_err(io_error("write", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(io_error("write", &path))?;
    }
    Ok(metadata)
}

fn check(resolved: &Resolved, path: &Path) -> Result<Metadata, Error> {
    let metadata = deb::checked(path, &resolved.sha256)?;
    same(resolved, &metadata, path)?;
    Ok(metadata)
}

/// Fails when the .deb at `path`, which says `metadata` of itself, is another package than `resolved`:
/// a lock may name one package and the sha256 of another.
pub(super) fn same(resolved: &Resolved, metadata: &Metadata, path: &Path) -> Result<(), Error> {
    let package = &resolved.package;
    for (field, wanted) in [("Package", &package.name), ("Version", &package.version), ("Architecture", &package.arch)]
    {
        let found = metadata.control.get(field).unwrap_or_default();
        if found != wanted {
            let (wanted, found) = (wanted.clone(), model::words::shortened(found));
            return Err(Error::OtherPackage { path: path.to_owned(), field, wanted, found });
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    // Across file systems, and for another user's file, a link is not possible.
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

/// A stanza of `Packages`: the control file, and where the package is and what it must hash to.
fn stanza(resolved: &Resolved, metadata: &Metadata, name: &str) -> String {
    let mut out = String::new();
    for (field, value) in metadata.control.fields() {
        // These three are ours to say.
        if !["Filename", "Size", "SHA256"].iter().any(|own| own.eq_ignore_ascii_case(field)) {
            let blank = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            out.push_str(&format!("{field}:{blank}{value}\n"));
        }
    }
    out.push_str(&format!("Filename: {name}\nSize: {}\nSHA256: {}\n\n", resolved.size, resolved.sha256.hex()));
    out
}

/// Without Suite and Codename mmdebstrap's search for essential packages finds none.
fn release(resolution: &Resolution, epoch: Epoch, packages: &str) -> String {
    let name = resolution.codename();
    format!(
        "Suite: {name}\nCodename: {name}\nDate: {}\nArchitectures: {}\nComponents: main\nSHA256:\n {} {} Packages\n",
        date(epoch),
        resolution.arch,
        Digest::of(packages.as_bytes()).hex(),
        packages.len(),
    )
}

/// RFC 5322 in UTC, as Release files write it; the day of the week may be left out.
fn date(epoch: Epoch) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let text = epoch.rfc3339();
    let month = text[5..7].parse::<usize>().unwrap_or(1);
    // 1970-01-01 was a Thursday.
    let day = usize::try_from(epoch.seconds() / 86_400 % 7).unwrap_or(0);
    format!("{}, {} {} {} {} UTC", DAYS[day], &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::deb::tests::Deb;
    use super::super::tests::{changed, resolution, resolved};
    use super::*;

    #[test]
    fn the_indices_name_every_package_with_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = Deb::new("demo", "1:2-3").bytes();
        let deb = folder.path().join("demo.deb");
        fs::write(&deb, &bytes).unwrap();
        let resolution = changed(&[], |fields| fields.packages = vec![resolved("demo", "1:2-3", "all", &bytes)]);
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        let target = folder.path().join("repository");
        fs::create_dir(&target).unwrap();
        let metadata = make(&target, &resolution, std::slice::from_ref(&deb), epoch).unwrap();
        assert_eq!(metadata.len(), 1);
        let packages = fs::read_to_string(target.join("Packages")).unwrap();
        let pool = format!("pool/{}.deb", Digest::of(&bytes).hex());
        assert!(packages.starts_with("Package: demo\nVersion: 1:2-3\nArchitecture: all\n"), "{packages}");
        assert!(packages.contains(&format!("\nFilename: {pool}\nSize: {}\nSHA256: ", bytes.len())));
        assert_eq!(fs::read(target.join(pool)).unwrap(), bytes);
        let release = fs::read_to_string(target.join("Release")).unwrap();
        assert!(
            release.contains("Suite: trixie\nCodename: trixie\nDate: Tue, 14 Nov 2023 22:13:20 UTC\n"),
            "{release}"
        );
        assert!(release.contains(&Digest::of(packages.as_bytes()).hex()));
    }

    #[test]
    fn a_file_that_is_another_package_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deb = folder.path().join("demo.deb");
        let bytes = Deb::new("demo", "2").bytes();
        fs::write(&deb, &bytes).unwrap();
        let other = resolution(&[("demo", "1", "all")]);
        let epoch = Epoch::from_seconds(0).unwrap();
        // What was put there after the check of the download is another file than the lock names.
        let error = make(folder.path(), &other, std::slice::from_ref(&deb), epoch).unwrap_err();
        assert!(matches!(&error, Error::Deb(deb::Error { reason: deb::Reason::Changed { .. }, .. })), "{error}");
        let resolution = changed(&[], |fields| fields.packages = vec![resolved("demo", "1", "all", &bytes)]);
        let error = make(folder.path(), &resolution, &[deb], epoch).unwrap_err();
        assert!(matches!(error, Error::OtherPackage { field: "Version", .. }), "{error}");
        assert!(matches!(make(folder.path(), &resolution, &[], epoch), Err(Error::Count { packages: 1, debs: 0 })));
    }
}
