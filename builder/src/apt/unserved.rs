//! Requests that the archives cannot serve, and what there is instead of what they ask for.

use model::observe::Observer;
use model::package::PackageRequest;

use super::Settings;
use super::error::Missing;
use super::index::{Index, Record};
use super::source::Source;
use super::state::{self, Release, State};
use crate::cache::Cache;

/// Why `request` cannot be served by the index; `None` when it can.
pub(super) fn check(
    request: &PackageRequest,
    index: &Index,
    releases: &[Release],
    settings: &Settings,
) -> Option<Missing> {
    let mut missing = Missing {
        request: request.clone(),
        near: Vec::new(),
        components: Vec::new(),
        providers: Vec::new(),
        versions: Vec::new(),
        foreign: None,
        archs: vec![settings.arch],
        elsewhere: Vec::new(),
    };
    let native = settings.arch.debian();
    if let Some(arch) = request.arch.as_deref().filter(|arch| ![native, "any", "native", "all"].contains(arch)) {
        missing.foreign = Some(arch.to_owned());
        return Some(missing);
    }
    let named: Vec<&Record> = index.named(&request.name).collect();
    if named.is_empty() {
        missing.providers = index.providers(&request.name);
        missing.near = index.near(&request.name);
        return Some(missing);
    }
    let fits = |record: &&Record| {
        let release = &releases[record.source].0;
        let names = [&release.suite, &release.codename, &release.path];
        request.version.as_ref().is_none_or(|version| *version == record.package.version)
            && request.suite.as_ref().is_none_or(|suite| names.contains(&suite))
    };
    if named.iter().any(fits) {
        return None;
    }
    let describe = |record: &Record| {
        let Record { package, source, .. } = record;
        format!("{} in {}", package.version, releases[*source].0.path)
    };
    missing.versions = named.into_iter().map(describe).collect();
    missing.versions.sort();
    missing.versions.dedup();
    Some(missing)
}

/// How many components of an archive are looked through that the settings do not name. Debian has four.
const ELSEWHERE: usize = 8;

/// Looks for names that do not exist in the components that the archive has but the settings do not
/// name. It only makes the message better, so that a failure here is not one of its own.
pub(super) fn look_elsewhere(
    missing: &mut [Missing],
    source: &Source,
    components: &[String],
    settings: &Settings,
    (cache, observer): (&Cache, &dyn Observer),
) {
    let unknown = |entry: &Missing| entry.foreign.is_none() && entry.versions.is_empty() && entry.providers.is_empty();
    if settings.access.offline || !missing.iter().any(unknown) {
        return;
    }
    for component in components.iter().filter(|component| !source.components.contains(component)).take(ELSEWHERE) {
        let mut wider = settings.clone();
        wider.components = vec![component.clone()];
        wider.repositories.clear();
        wider.mirrors = vec![format!("{} {} {component}", source.uri, source.suite)];
        let index = State::open(&wider, cache, observer).and_then(|state| {
            state.update(observer)?;
            state::index(&state.targets()?)
        });
        let Ok(index) = index else { continue };
        for entry in missing.iter_mut().filter(|entry| unknown(entry)) {
            if index.named(&entry.request.name).next().is_some() {
                entry.components.push(component.clone());
            }
        }
    }
}
