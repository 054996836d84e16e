//! The digests of files that an earlier build read.

use std::path::{Path, PathBuf};

use builder::cache::Cache;
use composer::seal::DigestCache;
use model::Digest;

use crate::error::Error;
use crate::ui::Ui;

/// Where digests are remembered, and whether to rely on them.
#[derive(Debug)]
pub(crate) struct Remembered {
    /// The cache that has them.
    pub(crate) cache: Cache,
    /// Whether to read every file all the same.
    pub(crate) paranoid: bool,
}

impl Remembered {
    /// What is known for builds that write to `output`. A cache that cannot be used costs time and
    /// nothing else, so the build goes on without.
    pub(crate) fn open(&self, output: &Path, ui: &Ui) -> Option<DigestCache> {
        match self.try_open(output) {
            Ok(digests) => Some(digests),
            Err(error) => {
                ui.note(&format!("every file is read, since no digests can be remembered: {error}"));
                None
            }
        }
    }

    fn try_open(&self, output: &Path) -> Result<DigestCache, Error> {
        let path = self.cache.digests()?.join(name(output)?);
        let open = if self.paranoid { DigestCache::forgetful } else { DigestCache::open };
        Ok(open(&path)?)
    }
}

/// The name of the file for builds that write to `output`, which need not exist.
fn name(output: &Path) -> Result<String, Error> {
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent: PathBuf = parent.canonicalize().map_err(|error| Error::io("read", parent, &error))?;
    let path = parent.join(output.file_name().unwrap_or_default());
    Ok(Digest::of(path.as_os_str().as_encoded_bytes()).hex())
}

/// Keeps `digests` for the next build.
pub(crate) fn save(digests: Option<DigestCache>, ui: &Ui) {
    if let Some(Err(error)) = digests.map(DigestCache::save) {
        ui.note(&format!("the next build will read every file again: {}", Error::from(error)));
    }
}
