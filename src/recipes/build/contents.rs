//! That a file which is read for the fingerprint and again for what ships held the same both times.
//!
//! Its identity does not say that by itself: who has a file mapped into memory changes it without a trace in
//! its times, until the system writes the page back.

use std::collections::BTreeMap;

use composer::hashing::Hashed;
use composer::scan::{FileKey, Source};
use image::tree::{Kind, NodeId, Tree};
use model::VerityDigest;

use crate::error::Error;

/// The regular files of the host in a tree, each with its node.
pub(crate) type Files = Vec<(NodeId, FileKey)>;

/// What files of the host held when they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents(BTreeMap<FileKey, Option<VerityDigest>>);

/// The files of the host in `tree`.
pub(crate) fn files(tree: &Tree<Source>) -> Files {
    tree.walk().filter_map(|(_, id, node)| Some((id, key(&node.kind)?))).collect()
}

fn key(kind: &Kind<Source>) -> Option<FileKey> {
    match kind {
        Kind::Regular(source) => source.file_key(),
        _ => None,
    }
}

fn digest(tree: &Tree<Hashed>, id: NodeId) -> Option<VerityDigest> {
    match &tree.node(id).kind {
        Kind::Regular(hashed) => Some(hashed.verity),
        _ => None,
    }
}

impl Contents {
    /// What `files` held when they became `hashed`.
    pub(crate) fn of(files: Files, hashed: &Tree<Hashed>) -> Self {
        Self(files.into_iter().map(|(id, key)| (key, digest(hashed, id))).collect())
    }

    /// Those of `tree`'s files that were read before.
    pub(crate) fn again(&self, tree: &Tree<Source>) -> Files {
        let known = |kind| key(kind).filter(|key| self.0.contains_key(key));
        tree.walk().filter_map(|(_, id, node)| Some((id, known(&node.kind)?))).collect()
    }

    /// Fails when one of `files`, which became `hashed` now, held something else before.
    pub(crate) fn check(&self, files: &Files, hashed: &Tree<Hashed>) -> Result<(), Error> {
        // What has no digest is nothing that was read, and so not the same.
        let read = |key: &FileKey| self.0.get(key).copied().flatten();
        let other = |(id, key): &&(NodeId, FileKey)| read(key).is_none_or(|before| digest(hashed, *id) != Some(before));
        let Some((other, _)) = files.iter().find(other) else { return Ok(()) };
        let path = hashed.walk().find(|(_, id, _)| id == other).map(|(path, ..)| path.to_string());
        Err(composer::Error::from(image::Error::ChangedMeanwhile { path: path.unwrap_or_default().into() }).into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]
    #![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]

    use composer::hashing;
    use composer::scan::{self, Options};
    use model::observe::Silent;

    use super::*;

    #[test]
    fn one_file_with_two_contents_is_found_whatever_its_times_say() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["changes", "stays"] {
            std::fs::write(folder.path().join(name), "GOOD".repeat(99)).unwrap();
        }
        let scan = || scan::rootfs(folder.path(), &Options::default()).unwrap();
        let read = |tree| hashing::hash_files(tree, &[], None, &Silent).unwrap();
        let tree = scan();
        let host = files(&tree);
        let contents = Contents::of(host, &read(tree));
        let check = |tree: Tree<Source>| {
            let again = contents.again(&tree);
            assert_eq!(again.len(), 2);
            contents.check(&again, &read(tree))
        };
        check(scan()).unwrap();
        // A scan of its own, as if the identity had stayed the same.
        std::fs::write(folder.path().join("changes"), "EVIL".repeat(99)).unwrap();
        let error = check(scan()).unwrap_err();
        assert!(error.causes.iter().any(|cause| cause.contains("/changes")), "{error:?}");
        assert_eq!(error.kind, crate::error::Kind::Outside);
    }

    #[test]
    fn a_file_without_a_digest_is_not_the_one_that_was_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("page"), "GOOD".repeat(99)).unwrap();
        let tree = scan::rootfs(folder.path(), &Options::default()).unwrap();
        let host = files(&tree);
        let hashed = hashing::hash_files(tree, &[], None, &Silent).unwrap();
        Contents::of(host.clone(), &hashed).check(&host, &hashed).unwrap();
        // The node of another tree: a directory, where the file was.
        let lost = vec![(NodeId::ROOT, host[0].1)];
        assert!(Contents::of(lost.clone(), &hashed).check(&host, &hashed).is_err(), "not known before");
        assert!(Contents::of(host.clone(), &hashed).check(&lost, &hashed).is_err(), "not known now");
        assert!(Contents::default().check(&host, &hashed).is_err(), "never read");
    }
}
