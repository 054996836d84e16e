//! The overlay as it is read for its digest, whether all of it ships or not.

use composer::hashing;
use composer::overlay::Overlay;
use image::composefs;
use image::tree::{Mtime, Stat, Tree};
use model::observe::Observer;
use model::{Digest, Epoch};

use crate::error::Error;
use crate::recipes::build::contents::{self, Contents};
use crate::recipes::build::room::{self, Reading};

/// What an overlay was when it was read.
#[derive(Debug)]
pub(crate) struct OverlayRead {
    /// The digest over names, contents, link targets, modes, and what the module says of these.
    pub(crate) digest: Digest,
    /// What its files held: those that ship hold the same, or the build ends.
    pub(crate) contents: Contents,
}

impl OverlayRead {
    /// Reads `files` as they would be shipped. They are those that the build lays over its tree: one that is another
    /// by the time it is hashed ends the build.
    ///
    /// # Errors
    /// When the overlay cannot be read, changed since it was scanned, or holds more than any module.
    pub(crate) fn of(files: &Overlay, epoch: Epoch, observer: &dyn Observer) -> Result<Self, Error> {
        let root = Stat::root_owned(0o755, Mtime { seconds: epoch.seconds(), nanoseconds: 0 });
        let mut tree = Tree::new(root);
        files.apply(&mut tree, epoch)?;
        room::overlay(&tree)?;
        let reading = Reading::new(&tree, observer);
        let host = contents::files(&tree);
        let hashed = hashing::hash_files(tree, &[], None, &reading)?;
        let mut described = composefs::dump(&hashed)?;
        // An owner's name has a number in the whole tree only.
        for rule in files.rules() {
            described.extend_from_slice(format!("rule {rule}\n").as_bytes());
        }
        Ok(Self { digest: Digest::of(&described), contents: Contents::of(host, &hashed) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    fn overlay(folder: &Path) -> Digest {
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        let (module, name) = host::Dir::parent_of(folder).unwrap();
        let files = Overlay::scan(&module, name.to_str().unwrap()).unwrap();
        OverlayRead::of(&files, epoch, &model::observe::Silent).unwrap().digest
    }

    #[test]
    fn an_overlays_content_names_and_modes_count_and_its_times_and_umask_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page");
        fs::write(&file, "one").unwrap();
        let first = overlay(folder.path());

        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o664);
        fs::File::open(&file).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(overlay(folder.path()), first, "neither umask nor time count");
        mode(0o755);
        assert_ne!(overlay(folder.path()), first, "the execute bit counts");
        mode(0o600);
        assert_ne!(overlay(folder.path()), first, "who may read it counts");
        mode(0o644);
        fs::write(&file, "two").unwrap();
        assert_ne!(overlay(folder.path()), first, "the content counts");
        fs::write(&file, "one").unwrap();
        fs::rename(&file, folder.path().join("other")).unwrap();
        assert_ne!(overlay(folder.path()), first, "the name counts");
    }

    #[test]
    fn a_file_that_changes_after_the_scan_has_no_fingerprint_whether_it_is_shipped_or_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("rootfs")).unwrap();
        let file = folder.path().join("rootfs/page");
        fs::write(&file, "good").unwrap();
        let files = Overlay::scan(&host::Dir::open(folder.path()).unwrap(), "rootfs").unwrap();
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        let read = || OverlayRead::of(&files, epoch, &model::observe::Silent);
        assert_eq!(read().unwrap().digest, read().unwrap().digest);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "evil").unwrap();
        assert_eq!(read().unwrap_err().kind, crate::error::Kind::Outside);
    }
}
