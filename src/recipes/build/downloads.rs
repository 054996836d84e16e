//! Where files from addresses are fetched to, and how.

use std::fs::File;
use std::path::Path;

use builder::apt::FetchOptions;
use builder::cache::Cache;
use builder::files;
use model::file_input::FileInput;
use model::observe::Observer;

use crate::environment::Environment;
use crate::error::Error;
use crate::settings::{self, Settings};

/// Where files are fetched to, and how.
#[derive(Debug, Clone)]
pub(crate) struct Downloads {
    /// The cache; none where the user has no place for one.
    cache: Option<Cache>,
    options: FetchOptions,
}

impl Downloads {
    /// Those of the settings.
    pub(crate) fn new(settings: &Settings, environment: &Environment, offline: bool) -> Self {
        let builder::apt::Access { offline, proxy, certificates } = settings.access(offline);
        let options = FetchOptions { offline, proxy, certificates, ..FetchOptions::default() };
        let cache = settings.cache_dir.value.as_deref().map(|cache| Cache::new(environment.absolute(cache)));
        Self { cache, options }
    }

    /// Those of a test that has no files.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { cache: None, options: FetchOptions { offline: true, ..FetchOptions::default() } }
    }

    /// Opens each of `inputs`, which the settings of `module` ask for, and which the cache holds then.
    ///
    /// # Errors
    /// When one cannot be had, or there is no place for it.
    pub(crate) fn fetch(
        &self,
        module: &Path,
        inputs: &[FileInput],
        observer: &dyn Observer,
    ) -> Result<Vec<File>, Error> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        files::fetch(inputs, self.cache()?, &self.options, observer).map_err(|error| failed(module, error))
    }

    /// The cache.
    ///
    /// # Errors
    /// When the user has no place for one.
    pub(crate) fn cache(&self) -> Result<&Cache, Error> {
        let missing = || Error::usage("there is no place for a cache").hint("name one by --cache-dir");
        self.cache.as_ref().ok_or_else(missing)
    }
}

/// What is wrong with a file, with its place in the settings of `module`.
pub(crate) fn failed(module: &Path, error: files::Error) -> Error {
    let named = error.input().map(|(input, key)| settings::naming::file(module, input, key));
    Error::from(error).findings(named.unwrap_or_default())
}
