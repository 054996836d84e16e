//! The errors of `oci`.

use std::path::PathBuf;

use model::{Arch, Digest};
use oci::{Error as E, Malformed, Place};
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn file() -> PathBuf {
    PathBuf::from("x")
}

fn place() -> Place {
    Place::Path(file())
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
        E::Malformed(_) => E::Malformed(Malformed::Tag { tag: text() }),
        E::TooLong { .. } => E::TooLong { place: place(), expected: 1 },
        E::Ambiguous { .. } => E::Ambiguous { place: place(), what: "image index" },
        E::Graph { .. } => E::Graph { place: place(), what: "bytes", limit: 1 },
        E::Transfer { .. } => E::Transfer { place: place(), source: Errno::IO.into() },
        E::NoArtifact => E::NoArtifact,
        E::DuplicateArch { .. } => E::DuplicateArch { arch: Arch::Amd64 },
        E::NotALayout { .. } => E::NotALayout { path: file() },
        E::Json { .. } => E::Json { what: "image index", place: place(), source: json() },
        E::Serialize { .. } => E::Serialize { what: "image index", source: json() },
        E::UnknownVersion { .. } => E::UnknownVersion { place: place(), field: "x", found: text(), known: "1" },
        E::MediaType { .. } => E::MediaType { place: place(), found: text(), expected: "x" },
        E::NotAFile { .. } => E::NotAFile { path: file() },
        E::Misplaced(_) => E::Misplaced(system(Errno::IO)),
        E::Missing { .. } => E::Missing { path: file() },
        E::Broken { .. } => E::Broken { place: place(), broken: oci::layout::Broken::ArtifactType { found: text() } },
        E::Changed { .. } => E::Changed { path: file(), expected: 1, found: 2 },
        E::TooLarge { .. } => E::TooLarge { place: place(), size: 2, limit: 1 },
        E::TooManyDocuments { .. } => E::TooManyDocuments { place: place(), limit: 1 },
        E::SizeMismatch { .. } => E::SizeMismatch { place: place(), expected: 1, found: 2 },
        E::DigestMismatch { .. } => {
            E::DigestMismatch { place: place(), expected: Digest::of(b"x"), found: Digest::of(b"y") }
        },
        E::DuplicateTag { .. } => E::DuplicateTag { place: place(), tag: text() },
    );
    [vec![missing], rows].concat()
}
