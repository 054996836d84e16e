//! Archives that are directories of this machine: what apt would read there must be files.
//!
//! apt opens whatever stands at a name, and copies it to its end, which a device does not have and a pipe does
//! not reach. Servers answer with bytes; a directory can hold anything, and a module's settings can name it.

use std::ffi::OsStr;
use std::path::Path;

use host::Dir;
use model::archive;

use super::settings::Source;
use super::{Error, bounded_read};

/// The largest index that is read, as in [`super::index`].
const INDEX_LIMIT: u64 = 1 << 30;

/// The directories of an index in which copies lie by their digests.
const BY_HASH: &str = "by-hash";

/// Fails when something else than a regular file, or one that is too large, stands where apt reads the Release
/// file or an index of one of `sources`. What is not there is left to apt.
pub(super) fn check(sources: &[Source], arch: model::Arch) -> Result<(), Error> {
    for source in sources {
        let Some(base) = archive::local_path(&source.uri) else { continue };
        let suite = base.join("dists").join(&source.suite);
        for name in ["InRelease", "Release", "Release.gpg"] {
            check_file(&suite.join(name), bounded_read::LIMIT)?;
        }
        for component in &source.components {
            for arch in [arch.debian(), "all"] {
                check_index(&suite.join(component).join(format!("binary-{arch}")))?;
            }
        }
    }
    Ok(())
}

/// Everything in the directory of an index, since the Release file says which of it is read.
fn check_index(directory: &Path) -> Result<(), Error> {
    for name in names(directory)? {
        let path = directory.join(&name);
        if name != OsStr::new(BY_HASH) {
            check_file(&path, INDEX_LIMIT)?;
            continue;
        }
        for kind in names(&path)? {
            let of_kind = path.join(kind);
            for name in names(&of_kind)? {
                check_file(&of_kind.join(name), INDEX_LIMIT)?;
            }
        }
    }
    Ok(())
}

/// What is in the directory; nothing where there is none.
fn names(directory: &Path) -> Result<Vec<std::ffi::OsString>, Error> {
    match Dir::open(directory) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        opened => Ok(opened?.names()?),
    }
}

/// Links are followed, as apt does: the path to an archive is the user's, or the module's, which names it.
fn check_file(path: &Path, limit: u64) -> Result<(), Error> {
    match host::open::check(path, limit) {
        Err(error) if error.is_not_found() => Ok(()),
        checked => Ok(checked?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fs;
    use std::os::unix::fs::symlink;

    use model::Arch;

    use super::*;

    #[test]
    fn whatever_apt_would_read_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("a b");
        let suite = base.join("dists/trixie");
        let index = suite.join("main/binary-amd64");
        fs::create_dir_all(index.join("by-hash/SHA256")).unwrap();
        let uri = format!("copy:{}", base.display().to_string().replace(' ', "%20"));
        let sources = [Source { uri, suite: "trixie".to_owned(), components: vec!["main".to_owned()] }];
        check(&sources, Arch::Amd64).unwrap();
        for name in ["InRelease", "Release", "Release.gpg"] {
            fs::write(suite.join(name), "text").unwrap();
        }
        fs::write(index.join("Packages"), "").unwrap();
        check(&sources, Arch::Amd64).unwrap();
        for path in [
            "InRelease",
            "Release",
            "Release.gpg",
            "main/binary-amd64/Packages",
            "main/binary-amd64/Packages.xz",
            "main/binary-amd64/by-hash/SHA256/ab",
        ] {
            let path = suite.join(path);
            let _ = fs::remove_file(&path);
            symlink("/dev/zero", &path).unwrap();
            let said = check(&sources, Arch::Amd64).unwrap_err().to_string();
            assert!(said.contains("is a device, not a regular file"), "{said}");
            fs::remove_file(&path).unwrap();
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
            let said = check(&sources, Arch::Amd64).unwrap_err().to_string();
            assert!(said.contains("is a named pipe, not a regular file"), "{said}");
            fs::remove_file(&path).unwrap();
            fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
            let said = check(&sources, Arch::Amd64).unwrap_err().to_string();
            assert!(said.contains("is larger than"), "{said}");
            fs::remove_file(&path).unwrap();
        }
    }
}
