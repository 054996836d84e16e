//! Where files from addresses are fetched to, and how.

use std::fs::File;

use builder::apt::FetchOptions;
use builder::cache::Cache;
use builder::files::{self, Ask};
use model::file_input::FileInput;
use model::observe::{Observer, Silent};

use crate::environment::Environment;
use crate::error::{Error, Findings};
use crate::settings::{self, ModuleSettings, Settings};

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
        let jobs = settings.connections();
        let options = FetchOptions { offline, jobs, proxy, certificates, ..FetchOptions::default() };
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
        module: &ModuleSettings,
        inputs: &[FileInput],
        observer: &dyn Observer,
    ) -> Result<Vec<File>, Error> {
        let asked = inputs.iter().map(|input| (input.clone(), Ask::Missing)).collect::<Vec<_>>();
        self.fetch_asking(module, &asked, observer)
    }

    /// The same, with more asked of the addresses.
    ///
    /// # Errors
    /// As [`Downloads::fetch`].
    pub(crate) fn fetch_asking(
        &self,
        module: &ModuleSettings,
        inputs: &[(FileInput, Ask)],
        observer: &dyn Observer,
    ) -> Result<Vec<File>, Error> {
        if inputs.is_empty() {
            return Ok(Vec::new());
        }
        files::fetch(inputs, self.cache()?, &self.options, observer).map_err(|error| failed(module, error))
    }

    /// Whether the cache has something under the name of each of `inputs`.
    pub(crate) fn has_all(&self, inputs: &[FileInput]) -> bool {
        self.cache.as_ref().is_some_and(|cache| inputs.iter().all(|input| cache.has_file(&input.sha256)))
    }

    /// The file of `input`, where the cache has it whole. Nothing is made and nothing is asked for.
    pub(crate) fn cached(&self, input: &FileInput) -> Option<File> {
        let cache = self.cache.as_ref().filter(|cache| cache.has_file(&input.sha256))?;
        let options = FetchOptions { offline: true, ..self.options.clone() };
        files::fetch(&[(input.clone(), Ask::Missing)], cache, &options, &Silent).ok()?.pop()
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
pub(crate) fn failed(module: &ModuleSettings, error: files::Error) -> Error {
    let mut named = Findings::default();
    error.inputs().into_iter().for_each(|(input, key)| named.extend(settings::naming::file(module, input, key)));
    Error::from(error).findings(named)
}
