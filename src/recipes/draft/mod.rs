//! A first manifest, from what packages say of themselves: `init --package`.
//!
//! Everything is recognised by what is in the packages (units, control fields, copyright files), never by their
//! names. What cannot be said is left out, with a note.

mod alternatives;
mod choice;
mod licence;
mod services;
mod text;

use builder::apt;
use model::closure::BaseRequest;
use model::manifest::is_module_name;
use model::observe::Observer;
use model::package::PackageRequest;
use model::words::count;
use model::{Diagnostic, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::root;
use crate::recipes::packages::host;
use crate::recipes::packages::request::Packages;
use crate::settings;
use choice::Choice;

/// What the files of a module are written from.
#[derive(Debug)]
pub(crate) struct Draft {
    /// The module's name.
    pub(crate) name: String,
    /// The content of `manifest.yaml`.
    pub(crate) manifest: String,
    /// The content of `builder.toml`.
    pub(crate) settings: String,
    /// What the author should know.
    pub(crate) notes: Vec<String>,
}

/// What is written into `builder.toml` besides what the packages say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archives<'a> {
    /// The suite.
    pub(crate) suite: &'a str,
    /// Its components.
    pub(crate) components: &'a [String],
    /// The mirrors that the user named for this run.
    pub(crate) mirrors: &'a [String],
}

/// Everything that is known of the packages.
struct Known {
    requests: Vec<PackageRequest>,
    snapshot: Option<String>,
    choices: Vec<Choice>,
    services: Vec<services::Service>,
    licence: Option<String>,
    /// What the packages change of others.
    replaced: Vec<String>,
    notes: Vec<String>,
}

/// Finds out what to write for the packages of `requests`.
///
/// # Errors
/// When they cannot be resolved or fetched, or no module can have the first one's name.
pub(crate) fn draft(
    requests: Vec<PackageRequest>,
    name: Option<String>,
    packages: &Packages,
    archives: Archives<'_>,
    observer: &dyn Observer,
) -> Result<Draft, Error> {
    let name = match (name, requests.first()) {
        (Some(name), _) => name,
        (None, Some(first)) => module_name(&first.name)?,
        (None, None) => return Err(Error::usage("no package is named")),
    };
    let settings = pinned(packages)?;
    if settings.snapshot.is_none() {
        host::report(&packages.host_apt, observer);
    }
    root::require_archive(&settings)?;
    let resolution = apt::resolve(&requests, &settings, &packages.cache, observer).map_err(unresolved)?;
    let mut notes = Vec::new();
    let choices = choice::of(&requests, &resolution, packages, observer)?;
    let replaced = alternatives::replaced(&choice::beyond_base(&resolution, packages, observer)?);
    notes.extend(choices.iter().filter_map(Choice::note));
    let mut services = Vec::new();
    for package in choices.iter().flat_map(|choice| &choice.packages) {
        let found = services::of(package);
        notes.extend(found.notes);
        services.extend(found.services);
    }
    services.sort_by(|a, b| a.name.cmp(&b.name));
    services.dedup_by(|a, b| a.name == b.name);
    let licence = licence_of(&choices, &mut notes);
    let known = Known { requests, snapshot: settings.snapshot, choices, services, licence, replaced, notes };
    let (manifest, settings) = (text::manifest(&name, &known), text::settings(&known, archives));
    Ok(Draft { name, manifest, settings, notes: known.notes })
}

/// The licence of the first package that has files, else of those with its units.
fn licence_of(choices: &[Choice], notes: &mut Vec<String>) -> Option<String> {
    let choice = choices.first()?;
    let mut all = std::iter::once(&choice.real).chain(&choice.packages);
    let found = all.find_map(licence::of);
    if found.is_none() {
        let name = &choice.real.name;
        notes.push(format!(
            "{name} names no licence that has an SPDX identifier: read its copyright file for `license`"
        ));
    }
    found
}

/// The name of a package, as a module can have it.
fn module_name(package: &str) -> Result<String, Error> {
    let name: String = package.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name: String = name.chars().take(64).collect();
    let name = name.trim_matches('-').to_owned();
    if is_module_name(&name) {
        return Ok(name);
    }
    Err(Error::input(format!("no module can have the name of the package {package}"))
        .hint("name the module by `--name NAME`"))
}

/// The settings with the snapshot that the user wants: there is no manifest yet that would name one.
fn pinned(packages: &Packages) -> Result<apt::Settings, Error> {
    let snapshot = packages.snapshot.clone().filter(|moment| moment != settings::NO_SNAPSHOT);
    if let Some(moment) = &snapshot
        && packages.settings.snapshot_mirror.is_none()
    {
        let message = format!("the state {moment} of the archive is wanted, and no archive of past states is set");
        return Err(Error::input(message).hint(
            "name one by `snapshot_mirror` in a builder.toml of the directory, or take the archives as they are by `--snapshot \
             none`",
        ));
    }
    // What is written says that the module lies over a base.
    let base = packages.settings.base.clone().or_else(|| Some(BaseRequest::default()));
    let mut settings = apt::Settings { snapshot, base, ..packages.settings.clone() };
    // In place of the host's archives, none of which has past states.
    settings.repositories.retain(|repository| !repository.is_hosts || settings.snapshot.is_none());
    Ok(settings)
}

/// Why resolving failed; every package that is missing is named, with what may be meant.
fn unresolved(error: apt::Error) -> Error {
    let apt::Error::Missing { missing } = error else { return error.into() };
    let finding = |missing: &apt::Missing| {
        Diagnostic::new(Severity::Error, "package-missing", missing.fault(), missing.hint())
            .in_field("--package")
            .quoting(missing.request.to_string())
    };
    let is = if missing.len() == 1 { "is" } else { "are" };
    Error::input(format!("{} {is} not available", count(missing.len(), "package")))
        .hint("correct the names after --package; a directory is named before it")
        .findings(Findings { diagnostics: missing.iter().map(finding).collect(), ..Findings::default() })
}

#[cfg(test)]
mod tests;
