//! `build.json` as it is read: the record of a build, or that of a build for several architectures.

mod several;

use std::path::Path;

use model::record::{FORMAT, ReadError};
use model::words::shortened;

use super::damage::misplaced;
use crate::error::Error;

pub(crate) use model::record::{
    BuildRecord, FILE, Inputs, LIMIT, OUTPUTS, Options, Output, Packages, RootInput, Stages,
};
pub(crate) use several::{COMMON, Several};

/// From how many bytes on a record takes memory that is asked for first.
const LARGE: usize = 1 << 20;
/// How many bytes of memory one byte of a record can take, at the worst.
const MEMORY: usize = 40;

/// Reads the record at `path`; none when there is no such file.
///
/// # Errors
/// When it is damaged, or of a version that this program does not know.
pub(crate) fn read(path: &Path) -> Result<Option<BuildRecord>, Error> {
    let bytes = host::open::read_if_there(path, LIMIT).map_err(misplaced)?;
    bytes.map(|bytes| parse(&bytes, path)).transpose()
}

/// The record in `bytes`, which were read from `path`.
///
/// # Errors
/// As [`read`].
pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<BuildRecord, Error> {
    if bytes.len() > LARGE {
        host::memory::ask(bytes.len().saturating_mul(MEMORY)).map_err(|error| Error::io("read", path, &error))?;
    }
    BuildRecord::parse(bytes).map_err(|error| match error {
        ReadError::Format { found } => unknown_format(found, path),
        ReadError::Damaged(error) => damaged(&error.to_string(), path),
    })
}

/// The refusal of a record that is none.
fn damaged(cause: &str, path: &Path) -> Error {
    let mut refused = Error::refused(format!("{} is no record of a build", path.display()));
    refused.causes.push(shortened(cause));
    refused.hint("name the build.json that `build` left in its dist directory, unchanged")
}

/// The refusal of a record of another version.
fn unknown_format(format: u32, path: &Path) -> Error {
    Error::refused(format!("{} has the format {format}, and {FORMAT} is known", path.display()))
        .hint("use the version of module-builder that wrote it")
}

/// This program's name and version.
pub(crate) fn tool() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}
