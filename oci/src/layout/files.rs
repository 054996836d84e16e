//! The files of a layout: their names, and how they are opened and read, each as something hostile.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use host::{Dir, Fault, Links};
use model::Digest;
use serde::Deserialize;

use crate::content::DOCUMENT_LIMIT;
use crate::error::Error;

/// The list of what the layout holds.
pub(super) const INDEX: &str = "index.json";
/// The file that says that a directory is a layout.
pub(super) const LAYOUT: &str = "oci-layout";
/// Where blobs lie.
pub(super) const BLOBS: &str = "blobs/sha256";
/// The version of the layout's format that is written and read: `imageLayoutVersion`.
pub(super) const VERSION: &str = "1.0.0";

/// The most bytes of indexes and manifests that are read of one layout, each counted as often as it is listed: few
/// documents that list each other many times would come out far larger than the layout.
pub(super) const DOCUMENTS_LIMIT: u64 = 64 << 20;

/// Refuses a layout whose version is not known.
pub(super) fn version(directory: &Dir) -> Result<(), Error> {
    /// The whole file: what else stands in it no reader looks at.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct OciLayout {
        image_layout_version: String,
    }
    let path = directory.join(LAYOUT);
    let bytes = document(directory, LAYOUT)?;
    let OciLayout { image_layout_version: found } = serde_json::from_slice(&bytes).map_err(|source| Error::Json {
        what: "oci-layout file",
        place: (&path).into(),
        source,
    })?;
    if found != VERSION {
        return Err(Error::UnknownVersion { place: path.into(), field: "imageLayoutVersion", found, known: VERSION });
    }
    Ok(())
}

/// Opens a regular file of the expected size, following no symbolic link.
pub(super) fn open(directory: &Dir, name: &str, expected: Option<u64>) -> Result<File, Error> {
    let file = directory.file(name, Links::Refuse).map_err(misplaced)?;
    let path = directory.join(name);
    let found = file.metadata().map_err(Error::io("read", &path))?.len();
    match expected {
        Some(expected) if expected != found => Err(Error::SizeMismatch { place: path.into(), expected, found }),
        _ => Ok(file),
    }
}

/// A whole JSON document.
pub(super) fn document(directory: &Dir, name: &str) -> Result<Vec<u8>, Error> {
    let file = open(directory, name, None)?;
    let path = directory.join(name);
    let size = file.metadata().map_err(Error::io("read", &path))?.len();
    let mut bytes = Vec::new();
    file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    let size = size.max(bytes.len() as u64);
    if size > DOCUMENT_LIMIT {
        return Err(Error::TooLarge { place: path.into(), size, limit: DOCUMENT_LIMIT });
    }
    Ok(bytes)
}

/// A file or directory that a layout must have is missing, or something else is there: that is damage of the
/// layout. What the system refuses is none.
pub(super) fn misplaced(error: host::Error) -> Error {
    match error {
        host::Error::Place { path, fault: Fault::NotAFile(_) } => Error::NotAFile { path },
        host::Error::Place { .. } => Error::Misplaced(error),
        error if error.is_not_found() => Error::Missing { path: error.path().to_owned() },
        error => Error::Host(error),
    }
}

/// The sha256 and the length in bytes of the regular file at `path`, which may be of any size.
///
/// # Errors
/// When it cannot be read, or is no regular file.
pub fn digest(path: &Path) -> Result<(Digest, u64), Error> {
    let (directory, name) = Dir::parent_of(path)?;
    let file = directory.file(&name, Links::Refuse).map_err(misplaced)?;
    host::hash::sha256(file).map_err(Error::io("read", path))
}
