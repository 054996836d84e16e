//! The errors of `oci`.

use std::path::PathBuf;

use model::{Arch, Digest};
use oci::Error as E;
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn file() -> PathBuf {
    PathBuf::from("x")
}

fn text() -> String {
    "x".to_owned()
}

fn json() -> serde_json::Error {
    serde_json::from_str::<u8>("x").unwrap_err()
}

pub(crate) fn rows() -> Vec<String> {
    let missing = crate::shown("oci::Host NOENT", &E::Host(system(Errno::NOENT)));
    let rows = rows!("oci", E:
        E::Host(_) => E::Host(system(Errno::IO)),
        E::Io { .. } => E::Io { action: "read", path: file(), source: Errno::NOENT.into() },
        E::Tag { .. } => E::Tag { tag: text() },
        E::NoArtifact => E::NoArtifact,
        E::DuplicateArch { .. } => E::DuplicateArch { arch: Arch::Amd64 },
        E::NotALayout { .. } => E::NotALayout { path: file() },
        E::Json { .. } => E::Json { what: "image index", path: file(), source: json() },
        E::Serialize { .. } => E::Serialize { what: "image index", source: json() },
        E::Spec { .. } => E::Spec { what: "image index", source: json().into() },
        E::UnknownVersion { .. } => E::UnknownVersion { path: file(), field: "x", found: text(), known: "1" },
        E::MediaType { .. } => E::MediaType { path: file(), found: text(), expected: "x" },
        E::DigestText { .. } => E::DigestText { path: file(), found: text() },
        E::NotAFile { .. } => E::NotAFile { path: file() },
        E::Misplaced(_) => E::Misplaced(system(Errno::IO)),
        E::Missing { .. } => E::Missing { path: file() },
        E::Broken { .. } => E::Broken { path: file(), broken: oci::layout::Broken::ArtifactType { found: text() } },
        E::Changed { .. } => E::Changed { path: file(), expected: 1, found: 2 },
        E::TooLarge { .. } => E::TooLarge { path: file(), size: 2, limit: 1 },
        E::TooManyDocuments { .. } => E::TooManyDocuments { path: file(), limit: 1 },
        E::SizeMismatch { .. } => E::SizeMismatch { path: file(), expected: 1, found: 2 },
        E::DigestMismatch { .. } => {
            E::DigestMismatch { path: file(), expected: Digest::of(b"x"), found: Digest::of(b"y") }
        },
        E::DuplicateTag { .. } => E::DuplicateTag { path: file(), tag: text() },
    );
    [vec![missing], rows].concat()
}
