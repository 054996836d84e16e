//! One solve that fits several architectures, and that keeps of an older lock what it can.

use std::collections::{BTreeMap, BTreeSet};

use model::Arch;
use model::observe::Observer;
use model::package::PackageRequest;

use super::error::{Disagreement, Missing, NotLocked};
use super::lock::Lock;
use super::pins::{Pin, PinTo};
use super::{Error, Resolution, Settings, index, solve};
use crate::cache::Cache;

/// What a new solve keeps of an older lock.
#[derive(Debug, Clone, Copy)]
pub enum Keep<'a> {
    /// Nothing: the newest of everything.
    Nothing,
    /// The versions of all packages but those that have these names, and but what these force to
    /// change. A package that the lock does not have comes as the newest one that fits.
    AllBut(&'a Lock, &'a [String]),
}

/// How often the older of two versions is tried before the architectures are said to disagree.
const ROUNDS: usize = 4;

/// Resolves `requests` for each of `archs`, so that a package that several of them have comes from
/// the same source version in all. `settings.arch` does not count.
///
/// Where the archive has a newer version for one architecture only, the older one is taken for all,
/// if it can still be had.
///
/// # Errors
/// As [`super::resolve`], and what is missing is that of all architectures; [`Error::NotLocked`] for names to update that the lock does not have,
/// [`Error::Gone`] for versions to keep that the archive does not have any more, and
/// [`Error::Disagree`] when no versions fit all architectures.
pub fn resolve_together(
    requests: &[PackageRequest],
    settings: &Settings,
    archs: &[Arch],
    keep: Keep<'_>,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Vec<Resolution>, Error> {
    let archs: BTreeSet<Arch> = archs.iter().copied().collect();
    let mut pins = archs.iter().map(|arch| Ok((*arch, kept(keep, *arch)?))).collect::<Result<_, Error>>()?;
    let mut offline = settings.access.offline;
    let mut moved = false;
    let mut levelled = BTreeSet::new();
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let found = each(requests, settings, &archs, offline, &pins, cache, observer);
        let resolutions = match found {
            Err(Error::Gone { gone }) if gone.iter().any(|gone| levelled.contains(&gone.name)) => {
                return Err(Error::Disagree { packages: before });
            }
            other => other?,
        };
        if let Some(uri) = differing_archive(&resolutions) {
            if moved || offline {
                return Err(Error::Moved { uri });
            }
            moved = true;
            continue;
        }
        let differing = disagreements(&resolutions);
        if differing.is_empty() {
            return Ok(resolutions);
        }
        level(&differing, &mut pins, &mut levelled);
        before = differing;
        // What follows must see the same lists.
        offline = true;
    }
    Err(Error::Disagree { packages: before })
}

fn each(
    requests: &[PackageRequest],
    settings: &Settings,
    archs: &BTreeSet<Arch>,
    offline: bool,
    pins: &BTreeMap<Arch, Vec<Pin>>,
    cache: &Cache,
    observer: &dyn Observer,
) -> Result<Vec<Resolution>, Error> {
    let (mut resolutions, mut missing, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    for arch in archs {
        let mut settings = Settings { arch: *arch, ..settings.clone() };
        settings.access.offline = offline;
        match solve::resolve_keeping(requests, &settings, &pins[arch], cache, observer) {
            Ok(resolution) => resolutions.push(resolution),
            Err(Error::Missing { missing: more }) => merge(&mut missing, more),
            Err(error) if missing.is_empty() => return Err(error),
            // What is missing is reported first.
            Err(_) => continue,
        }
        asked.push(*arch);
    }
    for entry in &mut missing {
        entry.elsewhere = asked.iter().copied().filter(|arch| !entry.archs.contains(arch)).collect();
    }
    if missing.is_empty() { Ok(resolutions) } else { Err(Error::Missing { missing }) }
}

/// Adds what is missing for one more architecture; the same request stands there once.
fn merge(missing: &mut Vec<Missing>, more: Vec<Missing>) {
    for new in more {
        match missing.iter_mut().find(|known| known.request == new.request) {
            None => missing.push(new),
            Some(known) => {
                known.archs.extend(new.archs);
                for (known, new) in [
                    (&mut known.near, new.near),
                    (&mut known.components, new.components),
                    (&mut known.providers, new.providers),
                    (&mut known.versions, new.versions),
                ] {
                    known.extend(new);
                    let mut seen = BTreeSet::new();
                    known.retain(|name| seen.insert(name.clone()));
                }
            }
        }
    }
    missing.sort_by(|a, b| a.request.cmp(&b.request));
}

fn kept(keep: Keep<'_>, arch: Arch) -> Result<Vec<Pin>, Error> {
    let Keep::AllBut(lock, names) = keep else { return Ok(Vec::new()) };
    let all = || lock.resolutions.iter().flat_map(|resolution| &resolution.packages);
    let unknown = names.iter().filter(|name| !all().any(|resolved| resolved.package.name == **name));
    let near = |name: &str| index::near(name, all().map(|resolved| resolved.package.name.as_str()));
    let unknown: Vec<_> = unknown.map(|name| NotLocked { name: name.clone(), near: near(name) }).collect();
    if !unknown.is_empty() {
        return Err(Error::NotLocked { packages: unknown });
    }
    let own = lock.resolutions.iter().filter(|resolution| resolution.arch == arch);
    let stays = own.flat_map(|resolution| &resolution.packages).map(|resolved| &resolved.package);
    Ok(stays.filter(|package| !names.contains(&package.name)).map(Pin::version).collect())
}

/// An archive whose Release file is not the same for all architectures.
fn differing_archive(resolutions: &[Resolution]) -> Option<String> {
    let mut digests = BTreeMap::new();
    let releases = resolutions.iter().flat_map(|one| one.archives());
    for release in releases {
        let known = digests.entry((&release.uri, &release.path)).or_insert(release.inrelease);
        if *known != release.inrelease {
            return Some(release.uri.clone());
        }
    }
    None
}

/// The packages that several architectures have from different source versions, sorted by name.
fn disagreements(resolutions: &[Resolution]) -> Vec<Disagreement> {
    let mut versions: BTreeMap<&str, Vec<(Arch, String)>> = BTreeMap::new();
    for resolution in resolutions {
        for resolved in &resolution.packages {
            let version = resolved.package.source_version.clone();
            versions.entry(&resolved.package.name).or_default().push((resolution.arch, version));
        }
    }
    let differ = |versions: &[(Arch, String)]| versions.iter().any(|(_, version)| *version != versions[0].1);
    let differing = versions.into_iter().filter(|(_, versions)| differ(versions));
    differing.map(|(name, versions)| Disagreement { name: name.to_owned(), versions }).collect()
}

/// Pins what differs to the oldest of its source versions.
fn level(differing: &[Disagreement], pins: &mut BTreeMap<Arch, Vec<Pin>>, levelled: &mut BTreeSet<String>) {
    for Disagreement { name, versions } in differing {
        let oldest = versions.iter().map(|(_, version)| version).min_by(|a, b| model::version::compare(a, b));
        let Some(oldest) = oldest else { continue };
        levelled.insert(name.clone());
        for (arch, _) in versions {
            let pins = pins.entry(*arch).or_default();
            pins.retain(|pin| pin.name != *name);
            pins.push(Pin { name: name.clone(), to: PinTo::Source(oldest.clone()) });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use model::Digest;

    use super::super::fixtures;
    use super::*;

    fn pair() -> Vec<Resolution> {
        let amd64 = fixtures::resolution(&["app", "lib"]);
        let arm64 = amd64.changed(|fields| fields.arch = Arch::Arm64).unwrap();
        vec![amd64, arm64]
    }

    #[test]
    fn a_rebuild_for_one_architecture_is_no_disagreement_and_another_source_is() {
        let mut both = pair();
        both[0] = fixtures::with(&both[0], 1, |_, lib| lib.version = "1+b2".to_owned());
        assert_eq!(disagreements(&both), []);
        both[0] = fixtures::with(&both[0], 1, |_, lib| lib.source_version = "2".to_owned());
        let differing = disagreements(&both);
        assert_eq!(differing.len(), 1);
        assert_eq!(differing[0].to_string(), "lib: 2 for amd64, 1 for arm64");
        let (mut pins, mut levelled) = (BTreeMap::new(), BTreeSet::new());
        level(&differing, &mut pins, &mut levelled);
        let oldest = Pin { name: "lib".to_owned(), to: PinTo::Source("1".to_owned()) };
        assert_eq!(pins[&Arch::Amd64], pins[&Arch::Arm64]);
        assert_eq!(pins[&Arch::Amd64], [oldest]);
    }

    #[test]
    fn what_is_missing_for_several_architectures_is_one_list() {
        let entry = |request: &str, arch, near: &[&str]| Missing {
            request: PackageRequest::parse(request).unwrap(),
            near: near.iter().map(|name| (*name).to_owned()).collect(),
            components: Vec::new(),
            providers: Vec::new(),
            versions: Vec::new(),
            foreign: None,
            archs: vec![arch],
            elsewhere: Vec::new(),
        };
        let mut all = Vec::new();
        merge(&mut all, vec![entry("ngix", Arch::Amd64, &["nginx"]), entry("only", Arch::Amd64, &[])]);
        merge(&mut all, vec![entry("app=2", Arch::Arm64, &[]), entry("ngix", Arch::Arm64, &["nginx", "nix"])]);
        all[0].elsewhere = vec![Arch::Amd64];
        all[2].elsewhere = vec![Arch::Arm64];
        let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(lines.join("\n"));
        assert_eq!(all[1].archs, [Arch::Amd64, Arch::Arm64]);
    }

    #[test]
    fn an_archive_that_moved_between_two_architectures_is_seen() {
        let mut both = pair();
        assert_eq!(differing_archive(&both), None);
        let newer = both[1].release.clone().unwrap().changed(|fields| fields.inrelease = Digest::of(b"newer")).unwrap();
        both[1] = both[1].changed(|fields| fields.release = Some(newer)).unwrap();
        assert_eq!(differing_archive(&both).as_deref(), Some(fixtures::ARCHIVE));
    }

    #[test]
    fn what_is_to_be_updated_is_not_kept_and_must_be_locked() {
        let lock = super::super::lock::tests::lock();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let nginx = names(&["nginx"]);
        let pins = kept(Keep::AllBut(&lock, &nginx), Arch::Amd64).unwrap();
        assert_eq!(pins.iter().map(|pin| pin.name.as_str()).collect::<Vec<_>>(), ["base", "libfoo"]);
        assert_eq!(kept(Keep::AllBut(&lock, &nginx), Arch::Arm64).unwrap(), [], "the lock has nothing for it");
        let wrong = names(&["nginx", "apache2", "ngixn"]);
        let error = kept(Keep::AllBut(&lock, &wrong), Arch::Amd64).unwrap_err();
        assert_eq!(
            error.to_string().lines().collect::<Vec<_>>()[1..],
            ["  \"apache2\"", "  \"ngixn\"; did you mean nginx?"]
        );
        assert_eq!(kept(Keep::Nothing, Arch::Amd64).unwrap(), []);
    }
}
