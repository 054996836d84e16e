//! One digest over every input of a build.
//!
//! The platform compares fingerprints to see whether a module has to be built again. The inputs are
//! named, so that a difference can be explained: manifest, neighbours, overlay content and modes,
//! the packages or the given root file system, settings, tool version (docs/formats/artifact.md).

use std::collections::BTreeMap;
use std::fmt;

use composer::overlay::Overlay;
use composer::seal;
use image::composefs;
use image::tree::{Mtime, Stat, Tree};
use model::observe::Observer;
use model::rules::Rules;
use model::{Digest, Epoch, Manifest, VerityDigest};

use crate::error::Error;
use crate::recipes::build::contents::{self, Contents};
use crate::recipes::build::room::{self, Reading};

/// Named inputs, and one digest over all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    inputs: BTreeMap<&'static str, String>,
    /// What the overlay's files held; it counts by its digest.
    contents: Contents,
}

impl Fingerprint {
    /// Starts with the version of this program.
    pub(crate) fn new() -> Self {
        let version = format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self { inputs: BTreeMap::from([("tool", version)]), contents: Contents::default() }
    }

    /// Adds the input `name`. Each name counts once; the names are part of the digest.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.inputs.insert(name, value.to_string());
        self
    }

    /// Adds the manifest as it was understood, not its bytes: a comment changes nothing.
    #[must_use]
    pub(crate) fn with_manifest(self, manifest: &Manifest) -> Self {
        self.with("manifest", Digest::of(&manifest.canonical_json()))
    }

    /// Adds what the neighbours exclude.
    #[must_use]
    pub(crate) fn with_neighbours(self, own: &Manifest, rules: &Rules) -> Self {
        let theirs = rules.excludes.iter().filter(|rule| rule.origin.module != own.name);
        let mut patterns: Vec<&str> = theirs.map(|rule| rule.pattern.as_str()).collect();
        patterns.sort_unstable();
        patterns.dedup();
        self.with("neighbours", Digest::of(patterns.join("\n").as_bytes()))
    }

    /// Adds the overlay: names, content and execute bits as they would be shipped. Its files are those
    /// that the build lays over its tree: one that is another by the time it is sealed ends the build.
    ///
    /// # Errors
    /// When the overlay cannot be read, changed since it was scanned, or holds more than any module.
    pub(crate) fn with_overlay(self, files: &Overlay, epoch: Epoch, observer: &dyn Observer) -> Result<Self, Error> {
        let root = Stat::root_owned(0o755, Mtime { seconds: epoch.seconds(), nanoseconds: 0 });
        let mut tree = Tree::new(root);
        files.lay_over(&mut tree, epoch)?;
        room::overlay(&tree)?;
        let reading = Reading::new(&tree, observer);
        let host = contents::files(&tree);
        let sealed = seal::seal(tree, &[], None, &reading)?;
        let contents = Contents::of(host, &sealed);
        Ok(Self { contents, ..self }.with("overlay", Digest::of(&composefs::dump(&sealed)?)))
    }

    /// What the overlay's files held when it was added.
    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The digest of the overlay as it was added.
    ///
    /// # Errors
    /// When none was.
    pub(crate) fn overlay(&self) -> Result<Digest, Error> {
        let digest = self.inputs.get("overlay").and_then(|digest| digest.parse().ok());
        digest.ok_or_else(|| Error::bug("the overlay has no digest"))
    }

    /// The digest over all inputs. A root file system that the user gave has no name of its own: what
    /// was shipped from it, which `composefs` measures, stands in for it.
    pub(crate) fn digest_with(mut self, composefs: &VerityDigest) -> Digest {
        self.inputs.entry("rootfs").or_insert_with(|| format!("given, shipped as {composefs}"));
        self.digest()
    }

    fn digest(&self) -> Digest {
        // A name holds no `=` and a value no line break, so two lists never give one text.
        let text = self.inputs.iter().fold(String::new(), |text, (name, value)| text + name + "=" + value + "\n");
        Digest::of(text.as_bytes())
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
        Fingerprint::new().with_overlay(&files, epoch, &model::observe::Silent).unwrap().digest()
    }

    #[test]
    fn an_overlays_content_names_and_execute_bits_count_and_its_times_and_umask_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("page");
        fs::write(&file, "one").unwrap();
        let first = overlay(folder.path());

        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o600);
        fs::File::open(&file).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(overlay(folder.path()), first, "neither umask nor time count");
        mode(0o755);
        assert_ne!(overlay(folder.path()), first, "the execute bit counts");
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
        let print = Fingerprint::new().with_overlay(&files, epoch, &model::observe::Silent).unwrap();
        assert_eq!(
            print.overlay().unwrap(),
            Fingerprint::new().with_overlay(&files, epoch, &model::observe::Silent).unwrap().overlay().unwrap()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(&file, "evil").unwrap();
        assert_eq!(
            Fingerprint::new().with_overlay(&files, epoch, &model::observe::Silent).unwrap_err().kind,
            crate::error::Kind::Outside
        );
        assert!(Fingerprint::new().overlay().is_err(), "what was not added is no digest");
    }

    #[test]
    fn every_named_input_counts() {
        let base = Fingerprint::new().with("rootfs", "a");
        assert_ne!(base.digest(), Fingerprint::new().with("rootfs", "b").digest());
        assert_ne!(base.digest(), Fingerprint::new().with("suite", "a").digest());
        assert_eq!(base.digest(), Fingerprint::new().with("rootfs", "a").digest());
    }
}
