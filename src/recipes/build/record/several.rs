//! The `build.json` of a build for several architectures: the records below it, and the files that all have in common.

use std::collections::BTreeMap;
use std::path::Path;

use model::{Arch, Digest};
use serde::{Deserialize, Serialize};

use super::{FORMAT, LIMIT, Output, damaged, tool, unknown_format};
use crate::error::Error;
use crate::recipes::results::artifact;

/// The files in common whose digests are recorded, where they are written.
pub(crate) const COMMON: [&str; 3] = ["manifest.json", "oci/index.json", "oci/oci-layout"];

/// The record of a build for several architectures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Several {
    format: u32,
    inputs: Inputs,
    /// The files in common.
    pub(crate) outputs: BTreeMap<String, Output>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    tool: String,
    /// The sha256 of the record in each architecture's directory.
    architectures: BTreeMap<Arch, Digest>,
}

impl Several {
    /// The record over those of `architectures`.
    pub(crate) fn of(architectures: BTreeMap<Arch, Digest>, outputs: BTreeMap<String, Output>) -> Self {
        Self { format: FORMAT, inputs: Inputs { tool: tool(), architectures }, outputs }
    }

    /// The sha256 of each architecture's record.
    pub(crate) fn architectures(&self) -> &BTreeMap<Arch, Digest> {
        &self.inputs.architectures
    }

    /// The bytes of the file.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>, Error> {
        let failed = |error| Error::bug("cannot write the record of the build").because(&error);
        let mut text = serde_json::to_vec_pretty(self).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Reads the record at `path`; none when there is no such file, or that of one architecture.
    ///
    /// # Errors
    /// As [`Several::parse`].
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = host::open::read_if_there(path, LIMIT).map_err(artifact::misplaced)?;
        bytes.map_or(Ok(None), |bytes| Self::parse(&bytes, path))
    }

    /// The record in `bytes`, which were read from `path`; none when it is that of one architecture, or no record at all.
    ///
    /// # Errors
    /// When it is damaged, or of a version that this program does not know.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Option<Self>, Error> {
        #[derive(Deserialize)]
        struct Outline {
            format: u32,
            inputs: OutlineInputs,
        }
        #[derive(Deserialize)]
        struct OutlineInputs {
            architectures: Option<serde::de::IgnoredAny>,
        }
        let Ok(Outline { format, inputs: OutlineInputs { architectures: Some(_) } }) = serde_json::from_slice(bytes)
        else {
            return Ok(None);
        };
        if format != FORMAT {
            return Err(unknown_format(format, path));
        }
        serde_json::from_slice(bytes).map(Some).map_err(|error| damaged(&error.to_string(), path))
    }
}
