//! One digest over every input of a build.
//!
//! The platform compares fingerprints to see whether a module has to be built again. The inputs are
//! named, so that a difference can be explained: manifest, neighbours, overlay content and modes,
//! the packages or the given root file system, settings, tool version (CONTRACT, section 3).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use composer::tree::{Mtime, Stat, Tree};
use composer::{image, overlay, seal};
use model::observe::Observer;
use model::rules::Rules;
use model::{Digest, Epoch, Manifest, VerityDigest};

use crate::error::Error;
use crate::pipeline::room::{self, Reading};

/// Named inputs, and one digest over all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    inputs: BTreeMap<&'static str, String>,
}

impl Fingerprint {
    /// Starts with the version of this program.
    pub(crate) fn new() -> Self {
        let version = format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        Self { inputs: BTreeMap::from([("tool", version)]) }
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

    /// Adds the overlay: names, content and execute bits as they would be shipped.
    ///
    /// # Errors
    /// When the overlay cannot be read, or holds more than any module.
    pub(crate) fn with_overlay(self, directory: &Path, epoch: Epoch, observer: &dyn Observer) -> Result<Self, Error> {
        let root = Stat::root_owned(0o755, Mtime { seconds: epoch.seconds(), nanoseconds: 0 });
        let mut tree = Tree::new(root);
        overlay::overlay(&mut tree, directory, epoch)?;
        room::limits(&tree)?;
        let reading = Reading::new(&tree, observer);
        let sealed = seal::seal(tree, &[], None, &reading)?;
        Ok(self.with("overlay", Digest::of(&image::dump(&sealed)?)))
    }

    /// The input `name` as it was added.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.inputs.get(name).map(String::as_str)
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

    use super::*;

    fn overlay(folder: &Path) -> Digest {
        let epoch = Epoch::from_seconds(1_700_000_000).unwrap();
        Fingerprint::new().with_overlay(folder, epoch, &model::observe::Silent).unwrap().digest()
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
    fn every_named_input_counts() {
        let base = Fingerprint::new().with("rootfs", "a");
        assert_ne!(base.digest(), Fingerprint::new().with("rootfs", "b").digest());
        assert_ne!(base.digest(), Fingerprint::new().with("suite", "a").digest());
        assert_eq!(base.digest(), Fingerprint::new().with("rootfs", "a").digest());
    }
}
