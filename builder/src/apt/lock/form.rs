//! The TOML form of a lock.

use std::collections::BTreeSet;

use model::closure::Accounts;
use model::package::{Package, PackageFault, PackageFields, PackageRequest};
use model::resolution::{Fault, Reason, ReleaseInfo, Resolution, ResolutionFields, Resolved, ResolvedFields};
use model::words::shortened;
use model::{Arch, Digest, Position, archive};
use serde::{Deserialize, Serialize};

use super::{Error, Inputs, Lock, LockedFile, LockedModule, VERSION};
use crate::apt::{Fingerprint, Source};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File1 {
    /// Was looked at before the rest.
    #[serde(rename = "version")]
    _version: u32,
    manifest: Digest,
    settings: Digest,
    inputs: Inputs,
    #[serde(default)]
    accounts: Accounts,
    #[serde(default)]
    requires: Vec<LockedModule>,
    #[serde(default)]
    architecture: Vec<Architecture>,
}

/// What is written before the architectures. It ends with the keyring's fingerprints.
#[derive(Serialize)]
struct Preamble<'a> {
    version: u32,
    manifest: Digest,
    settings: Digest,
    inputs: &'a Inputs,
}

#[derive(Serialize)]
struct Rest<'a> {
    #[serde(skip_serializing_if = "Accounts::is_empty")]
    accounts: &'a Accounts,
    #[serde(skip_serializing_if = "<[LockedModule]>::is_empty")]
    requires: &'a [LockedModule],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    architecture: Vec<Architecture>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Architecture {
    arch: Arch,
    requests: Vec<PackageRequest>,
    /// None where nothing is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    archive: Vec<ReleaseInfo>,
    #[serde(default)]
    package: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    version: String,
    arch: String,
    source: String,
    source_version: String,
    /// The number of the archive, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    archive: usize,
    path: String,
    size: u64,
    sha256: Digest,
    reason: Reason,
    #[serde(default, skip_serializing_if = "is_false")]
    base: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    module: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Reads the text of a lock file.
///
/// # Errors
/// As [`super::read`].
pub fn parse(text: &str) -> Result<Lock, Error> {
    #[derive(Deserialize)]
    struct Head {
        version: i64,
    }
    let syntax = |error: toml::de::Error| match conflict(text) {
        Some(line) => Error::Conflict { line },
        None => Error::Syntax {
            position: error.span().map(|span| position(text, span.start)),
            message: shortened(error.message()),
        },
    };
    // The version comes first: a later format may not fit the rest at all.
    let head: Head = toml::from_str(text).map_err(syntax)?;
    if head.version != i64::from(VERSION) {
        return Err(Error::Version { found: head.version });
    }
    let file: File1 = toml::from_str(text).map_err(syntax)?;
    let wrong = |message: String| Error::Syntax { position: None, message };
    check_repositories(&file.inputs).map_err(wrong)?;
    file.inputs.file.iter().try_for_each(LockedFile::check).map_err(wrong)?;
    if let Some(snapshot) = file.inputs.snapshot.as_ref().filter(|snapshot| !archive::is_snapshot(snapshot)) {
        return Err(wrong(format!("the snapshot {:?} is no moment YYYYMMDDTHHMMSSZ", shown(snapshot))));
    }
    if !file.inputs.keyring_fingerprints.is_sorted_by(|a, b| a < b) {
        return Err(wrong("the keyring's fingerprints are not sorted, or one is there twice".to_owned()));
    }
    let place = |locked: &LockedModule| (locked.module.name.clone(), locked.arch.debian());
    if !file.requires.is_sorted_by(|one, other| place(one) < place(other)) {
        return Err(wrong("the required modules are not sorted, or one is there twice".to_owned()));
    }
    if let Some((one, other, id)) = file.accounts.clash() {
        return Err(wrong(format!("the accounts {one} and {other} have one number, {id}")));
    }
    let mut resolutions = Vec::new();
    let mut seen = BTreeSet::new();
    for architecture in file.architecture {
        if !seen.insert(architecture.arch) {
            return Err(wrong(format!("the architecture {} is there twice", architecture.arch)));
        }
        let named =
            |(archive, source): (&ReleaseInfo, &Source)| (&archive.uri, &archive.path) == (&source.uri, &source.suite);
        let sources = file.inputs.sources(architecture.arch).map_err(|error| wrong(error.to_string()))?;
        // What asks for something and names none is refused as a resolution.
        let is_none = architecture.archive.is_empty();
        if !is_none && architecture.archive.len() != sources.len()
            || !architecture.archive.iter().zip(&sources).all(named)
        {
            return Err(wrong(format!(
                "the archives of {} are not those of its mirrors and repositories",
                architecture.arch
            )));
        }
        resolutions.push(resolution(architecture, &file.inputs).map_err(wrong)?);
    }
    resolutions.sort_by_key(|resolution| resolution.arch.debian());
    Ok(Lock {
        manifest: file.manifest,
        settings: file.settings,
        inputs: file.inputs,
        resolutions,
        accounts: file.accounts,
        requires: file.requires,
    })
}

/// What holds of the added archives for whatever architecture.
fn check_repositories(inputs: &Inputs) -> Result<(), String> {
    inputs.sources(Arch::Amd64).map_err(|error| error.to_string())?;
    for repository in &inputs.repository {
        repository.unsigned().source().map_err(|error| error.to_string())?;
        let is_sorted = repository.keyring_fingerprints.is_sorted_by(|a, b| a < b);
        if !is_sorted || repository.keyring.is_none() && !repository.keyring_fingerprints.is_empty() {
            return Err(format!("the fingerprints of {} are not those of a keyring in order", shown(&repository.uri)));
        }
    }
    Ok(())
}

/// The number of the line that begins a conflict which a merge left.
fn conflict(text: &str) -> Option<u32> {
    let line = text.lines().position(|line| line.starts_with("<<<<<<< "))?;
    Some(u32::try_from(line + 1).unwrap_or(u32::MAX))
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position { line: number(before.matches('\n').count() + 1), column: number(line.chars().count() + 1) }
}

fn resolution(architecture: Architecture, inputs: &Inputs) -> Result<Resolution, String> {
    let arch = architecture.arch;
    let resolved = |line: Line| {
        let archive = architecture.archive.get(line.archive);
        let archive = archive
            .ok_or_else(|| format!("the package {} is from an archive that is not listed", shown(&line.name)))?;
        let Line {
            name,
            version,
            arch,
            source,
            source_version,
            archive: number,
            path,
            size,
            sha256,
            reason,
            base,
            module,
        } = line;
        let named = shown(&name);
        let package = Package::new(PackageFields { name, arch, version, source, source_version });
        let package = package.map_err(|fault| {
            let PackageFault { part, text } = fault;
            Fault::Package { name: named, field: part, text }.to_string()
        })?;
        let url = archive::url(&archive.uri, &path);
        let fields = ResolvedFields { package, url, path, size, sha256, reason, archive: number, base, module };
        Resolved::new(fields).map_err(|fault| fault.to_string())
    };
    let mut packages = architecture.package.into_iter().map(resolved).collect::<Result<Vec<_>, String>>()?;
    packages.sort_by(|a, b| a.package.cmp(&b.package));
    let variant = inputs.base.as_ref().map_or(inputs.variant, |base| base.made_by(inputs.variant));
    let suite = inputs.suite.clone();
    let mut archives = architecture.archive.iter().cloned();
    let release = archives.next();
    let (requests, more_releases) = (architecture.requests, archives.collect());
    let fields = ResolutionFields { arch, suite, variant, requests, release, more_releases, packages };
    Resolution::new(fields).map_err(|fault| fault.to_string())
}

/// As much of a name as a message has room for.
fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

/// The canonical text of a lock: the same lock gives the same bytes.
///
/// # Errors
/// When a package's URL is not below one of its resolution's archives.
pub fn text(lock: &Lock) -> Result<String, Error> {
    let wrong = |message: String| Error::Syntax { position: None, message };
    let mut architecture = Vec::new();
    for resolution in &lock.resolutions {
        let archive: Vec<ReleaseInfo> = resolution.archives().cloned().collect();
        let package = resolution.packages.iter().map(|resolved| {
            let is = |one: &ReleaseInfo| archive::url(&one.uri, &resolved.path) == resolved.url;
            // What was recorded without a number is from the first that fits.
            let named = archive.get(resolved.archive).filter(|one| is(one)).map(|_| resolved.archive);
            let place = named.or_else(|| archive.iter().position(is));
            let place = place.ok_or_else(|| wrong(format!("{} is not below an archive", resolved.url)))?;
            let PackageFields { name, arch, version, source, source_version } = resolved.package.clone().into_inner();
            let (path, size, sha256) = (resolved.path.clone(), resolved.size, resolved.sha256);
            let (reason, base, module) = (resolved.reason.clone(), resolved.base, resolved.module.clone());
            let archive = place;
            Ok(Line { name, version, arch, source, source_version, archive, path, size, sha256, reason, base, module })
        });
        let mut package = package.collect::<Result<Vec<_>, Error>>()?;
        package.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
        let requests = resolution.requests.clone();
        architecture.push(Architecture { arch: resolution.arch, requests, archive, package });
    }
    architecture.sort_by_key(|architecture| architecture.arch.debian());
    let Lock { manifest, settings, ref inputs, ref accounts, ref requires, .. } = *lock;
    let failed = |error: toml::ser::Error| wrong(error.to_string());
    let head = toml::to_string(&Preamble { version: VERSION, manifest, settings, inputs }).map_err(failed)?;
    let added = super::repositories::text(inputs).map_err(failed)?;
    let head = spread(head, &inputs.keyring_fingerprints) + &added;
    let rest = toml::to_string(&Rest { accounts, requires, architecture }).map_err(failed)?;
    Ok(format!(
        "# Written by `module-builder lock` and `build`. Keep it in version control; do not edit it.\n{head}\n{rest}"
    ))
}

/// Gives each key a line of its own, so that a diff shows which came or went. They are the last of
/// `head`; the same text elsewhere is a part of some other value.
fn spread(head: String, keys: &[Fingerprint]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("\"{key}\"")).collect();
    match head.strip_suffix(&format!("keyring_fingerprints = [{}]\n", quoted.join(", "))) {
        Some(before) => format!("{before}keyring_fingerprints = [\n    {},\n]\n", quoted.join(",\n    ")),
        None => head,
    }
}
