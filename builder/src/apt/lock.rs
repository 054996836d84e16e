//! `module.lock`: a resolution written down. `docs/lock.md` describes the file.

mod change;
mod fit;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use model::package::{Package, PackageRequest, is_package_name, is_version};
use model::{Arch, Digest, Position};
use serde::{Deserialize, Serialize};

use super::keyring::Keyring;
use super::resolution::{Reason, ReleaseInfo, Resolution, Resolved};
use super::{Fingerprint, Settings, Source, Variant, index, solve};

pub use change::{Change, diff};
pub use fit::{Drift, Keys, Wanted, check};

/// The only format version that is read and written.
pub const VERSION: u32 = 1;

/// The largest lock file that is read, in bytes. A closure of a thousand packages has 0.4 MiB.
pub const SIZE_LIMIT: u64 = 64 << 20;

/// A whole `module.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// [`Wanted::manifest_digest`].
    pub manifest: Digest,
    /// [`Wanted::settings_digest`].
    pub settings: Digest,
    /// What the settings said that the packages depend on.
    pub inputs: Inputs,
    /// One resolution for each architecture, sorted by its Debian name.
    pub resolutions: Vec<Resolution>,
}

/// The settings that packages depend on, as they were when the lock was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The suite.
    pub suite: String,
    /// The variant.
    pub variant: Variant,
    /// The components.
    pub components: Vec<String>,
    /// The mirrors; with a snapshot, the snapshot archive alone.
    pub mirrors: Vec<String>,
    /// The pinned moment of the snapshot archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The sha256 of the keyring file that apt checked the archives with.
    pub keyring: Digest,
    /// The primary keys in it, sorted; empty in a lock that was written before they were recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keyring_fingerprints: Vec<Fingerprint>,
}

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than [`SIZE_LIMIT`].
    #[error("{} is over {SIZE_LIMIT} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text breaks the format.
    #[error("the lock is not usable{}: {message}", position.map(|p| format!(" at {p}")).unwrap_or_default())]
    Syntax {
        /// Where, if it can be said.
        position: Option<Position>,
        /// What is wrong.
        message: String,
    },
    /// The lock was written by a version of the program that this one does not know.
    #[error("the lock has format version {found}, and only {VERSION} is known: update the program, or lock again")]
    Version {
        /// The version in the file.
        found: i64,
    },
    /// The settings are wrong, or the keyring that they name cannot be read.
    #[error(transparent)]
    Settings(#[from] Box<super::Error>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File1 {
    version: u32,
    manifest: Digest,
    settings: Digest,
    inputs: Inputs,
    #[serde(default)]
    architecture: Vec<Architecture>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Architecture {
    arch: Arch,
    requests: Vec<PackageRequest>,
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
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Inputs {
    /// The inputs that `settings` stand for now.
    ///
    /// # Errors
    /// When the settings are wrong or the keyring cannot be read.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let keyring = Keyring::open(settings).map_err(boxed)?;
        Ok(Self {
            suite: settings.suite.clone(),
            variant: settings.variant,
            components: settings.components.clone(),
            mirrors: mirrors(settings)?,
            snapshot: settings.snapshot.clone(),
            keyring: keyring.sha256(),
            keyring_fingerprints: keyring.fingerprints().map_err(boxed)?,
        })
    }
}

fn boxed(error: super::Error) -> Error {
    Error::Settings(Box::new(error))
}

/// The archives as the lock writes them: the suite and the components only where they are not those
/// of the settings.
fn mirrors(settings: &Settings) -> Result<Vec<String>, Error> {
    let line = |source: Source| {
        let own = source.suite == settings.suite && source.components == settings.components;
        if own { source.uri } else { format!("{} {} {}", source.uri, source.suite, source.components.join(" ")) }
    };
    Ok(settings.sources().map_err(boxed)?.into_iter().map(line).collect())
}

impl Lock {
    /// A lock of `resolutions`, which were made for `wanted` with `inputs`.
    #[must_use]
    pub fn new(wanted: &Wanted, inputs: Inputs, mut resolutions: Vec<Resolution>) -> Self {
        resolutions.sort_by_key(|resolution| resolution.arch.debian());
        Self {
            manifest: wanted.manifest_digest(),
            settings: wanted.settings_digest(&inputs.mirrors),
            inputs,
            resolutions,
        }
    }

    /// The resolution for `arch`.
    #[must_use]
    pub fn resolution(&self, arch: Arch) -> Option<&Resolution> {
        self.resolutions.iter().find(|resolution| resolution.arch == arch)
    }
}

/// Reads a lock file.
///
/// # Errors
/// When it cannot be read, is too large, has another format version, or breaks the format: unknown
/// or repeated keys, a package twice, a path that leaves the archive.
pub fn read(path: &Path) -> Result<Lock, Error> {
    let failed = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(Error::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes);
    parse(&text.map_err(|_| Error::Syntax { position: None, message: "it is not UTF-8".to_owned() })?)
}

/// Reads the text of a lock file.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str) -> Result<Lock, Error> {
    #[derive(Deserialize)]
    struct Head {
        version: i64,
    }
    let syntax = |error: toml::de::Error| Error::Syntax {
        position: error.span().map(|span| position(text, span.start)),
        message: error.message().to_owned(),
    };
    // The version comes first: a later format may not fit the rest at all.
    let head: Head = toml::from_str(text).map_err(syntax)?;
    if head.version != i64::from(VERSION) {
        return Err(Error::Version { found: head.version });
    }
    let file: File1 = toml::from_str(text).map_err(syntax)?;
    let wrong = |message: String| Error::Syntax { position: None, message };
    if !file.inputs.keyring_fingerprints.is_sorted_by(|a, b| a < b) {
        return Err(wrong("the keyring's fingerprints are not sorted, or one is there twice".to_owned()));
    }
    let mut resolutions = Vec::new();
    let mut seen = BTreeSet::new();
    for architecture in file.architecture {
        if !seen.insert(architecture.arch) {
            return Err(wrong(format!("the architecture {} is there twice", architecture.arch)));
        }
        resolutions.push(resolution(architecture, &file.inputs).map_err(wrong)?);
    }
    resolutions.sort_by_key(|resolution| resolution.arch.debian());
    Ok(Lock { manifest: file.manifest, settings: file.settings, inputs: file.inputs, resolutions })
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position { line: number(before.matches('\n').count() + 1), column: number(line.chars().count() + 1) }
}

fn resolution(architecture: Architecture, inputs: &Inputs) -> Result<Resolution, String> {
    let arch = architecture.arch;
    let mut packages = Vec::new();
    let mut seen = BTreeSet::new();
    for line in architecture.package {
        let Line { name, version, source, source_version, .. } = &line;
        if !is_package_name(name) || !is_package_name(source) || !is_version(version) || !is_version(source_version) {
            return Err(format!("the package {name:?} has a name or version that Debian does not allow"));
        }
        if line.arch != "all" && line.arch != arch.debian() {
            return Err(format!("the package {name} is for {:?}, not for {arch}", line.arch));
        }
        if !index::is_relative(&line.path) {
            return Err(format!("the path of {name} leaves its archive"));
        }
        if !seen.insert(line.name.clone()) {
            return Err(format!("the package {name} is there twice for {arch}"));
        }
        let archive = architecture.archive.get(line.archive);
        let archive = archive.ok_or_else(|| format!("the package {name} is from an archive that is not listed"))?;
        packages.push(Resolved {
            url: solve::url(&archive.uri, &line.path),
            package: Package {
                name: line.name,
                arch: line.arch,
                version: line.version,
                source: line.source,
                source_version: line.source_version,
            },
            path: line.path,
            size: line.size,
            sha256: line.sha256,
            reason: line.reason,
        });
    }
    packages.sort_by(|a, b| a.package.cmp(&b.package));
    let (suite, variant) = (inputs.suite.clone(), inputs.variant);
    let mut archives = architecture.archive.into_iter();
    let release = archives.next().ok_or_else(|| format!("no archive is listed for {arch}"))?;
    let (requests, more_releases) = (architecture.requests, archives.collect());
    Ok(Resolution { arch, suite, variant, requests, release, more_releases, packages })
}

/// The canonical text of a lock: the same lock gives the same bytes.
///
/// # Errors
/// When a package's URL is not below one of its resolution's archives.
pub fn text(lock: &Lock) -> Result<String, Error> {
    let wrong = |message: String| Error::Syntax { position: None, message };
    let mut architecture = Vec::new();
    for resolution in &lock.resolutions {
        let mut archive = vec![resolution.release.clone()];
        archive.extend(resolution.more_releases.iter().cloned());
        let package = resolution.packages.iter().map(|resolved| {
            let place = archive.iter().position(|archive| solve::url(&archive.uri, &resolved.path) == resolved.url);
            let place = place.ok_or_else(|| wrong(format!("{} is not below an archive", resolved.url)))?;
            let Package { name, arch, version, source, source_version } = resolved.package.clone();
            let (path, size, sha256) = (resolved.path.clone(), resolved.size, resolved.sha256);
            let reason = resolved.reason.clone();
            Ok(Line { name, version, arch, source, source_version, archive: place, path, size, sha256, reason })
        });
        let mut package = package.collect::<Result<Vec<_>, Error>>()?;
        package.sort_by(|a, b| (&a.name, &a.arch).cmp(&(&b.name, &b.arch)));
        let requests = resolution.requests.clone();
        architecture.push(Architecture { arch: resolution.arch, requests, archive, package });
    }
    architecture.sort_by_key(|architecture| architecture.arch.debian());
    let (manifest, settings, inputs) = (lock.manifest, lock.settings, lock.inputs.clone());
    let file = File1 { version: VERSION, manifest, settings, inputs, architecture };
    let body = toml::to_string(&file).map_err(|error| wrong(error.to_string()))?;
    Ok(format!("# Written by `module-builder lock`. Keep it in version control; do not edit it.\n{body}"))
}

/// Writes a lock file: whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, lock: &Lock) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let text = text(lock)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let store = || {
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        File::open(parent)?.sync_all()
    };
    store().map_err(|source| Error::Io { action: "write", path: path.to_owned(), source })
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::fixtures;
    use super::*;

    pub(in crate::apt) fn lock() -> Lock {
        let mut resolution = fixtures::resolution(&["base", "libfoo", "nginx"]);
        resolution.packages[1].reason = Reason::RequiredBy("nginx".to_owned());
        let inputs = Inputs {
            suite: "trixie".to_owned(),
            variant: Variant::Minbase,
            components: vec!["main".to_owned()],
            mirrors: vec!["http://mirror.example.org/debian".to_owned()],
            snapshot: None,
            keyring: Digest::of(b"keyring"),
            keyring_fingerprints: fingerprints(["A", "B"]).to_vec(),
        };
        Lock::new(&wanted(), inputs, vec![resolution])
    }

    /// Fingerprints of one digit, repeated.
    fn fingerprints<const N: usize>(digits: [&str; N]) -> [Fingerprint; N] {
        digits.map(|digit| Fingerprint::parse(&digit.repeat(40)).unwrap())
    }

    fn keyring(text: &str, digits: [&str; 2]) -> Option<Keys> {
        Some(Keys { sha256: Digest::of(text.as_bytes()), fingerprints: fingerprints(digits).to_vec() })
    }

    fn settings() -> Settings {
        Settings::new("trixie", vec!["http://mirror.example.org/debian".to_owned()], Arch::Amd64)
    }

    fn requests(names: &[&str]) -> Vec<PackageRequest> {
        names.iter().map(|name| PackageRequest::parse(name).unwrap()).collect()
    }

    fn wanted() -> Wanted {
        Wanted::of(&requests(&["nginx", "libfoo", "base", "base"]), &settings(), true).unwrap()
    }

    #[test]
    fn a_lock_leads_back_to_itself_whatever_the_order() {
        let lock = lock();
        let text = text(&lock).unwrap();
        insta::assert_snapshot!(text);
        assert_eq!(parse(&text).unwrap(), lock);
        let mut shuffled = lock.clone();
        shuffled.resolutions[0].packages.reverse();
        assert_eq!(super::text(&shuffled).unwrap(), text);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("module.lock");
        write(&path, &lock).unwrap();
        assert_eq!(read(&path).unwrap(), lock);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_that_breaks_the_format_is_refused() {
        let good = text(&lock()).unwrap();
        assert!(matches!(
            parse(&good.replace("version = 1\n", "version = 2\nnew = 1\n")),
            Err(Error::Version { found: 2 })
        ));
        for (from, to) in [
            ("name = \"nginx\"", "name = \"base\""),
            ("name = \"nginx\"", "name = \"nginx\"\nname = \"nginx\""),
            ("name = \"nginx\"", "name = \"nginx\"\nnew = 1"),
            ("path = \"pool/nginx", "path = \"../nginx"),
            ("reason = \"requested\"", "reason = \"because\""),
            ("arch = \"all\"", "arch = \"arm64\""),
            ("size = 5", "size = -5"),
            ("sha256 = \"sha256:", "sha256 = \"md5:"),
            ("sha256 = ", "# sha256 = "),
            ("[\"AAAA", "[\"aAAA"),
            ("[\"AAAA", "[\"AAA"),
            ("[\"AAAA", "[\"DAAA"),
            ("[\"AAAA", "[\"BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\", \"AAAA"),
            ("[[architecture]]", "[[architecture"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            assert!(matches!(parse(&text), Err(Error::Syntax { .. })), "{to}");
        }
        let Err(Error::Syntax { position, .. }) = parse("version = 1\nmanifest = 5\n") else { panic!() };
        assert_eq!(position.unwrap().line, 2);
    }

    #[test]
    fn the_digests_see_what_packages_depend_on_and_nothing_else() {
        let base = wanted();
        let mut same = Wanted::of(&requests(&["libfoo", "base", "nginx"]), &settings(), true).unwrap();
        assert_eq!(same, base);
        assert_eq!(same.manifest_digest(), base.manifest_digest());
        same.mirrors = None;
        let locked = settings().mirrors;
        assert_eq!(same.settings_digest(&locked), base.settings_digest(&locked), "the lock's own mirrors count");
        let manifest = |change: fn(&mut Wanted)| {
            let mut other = wanted();
            change(&mut other);
            other.manifest_digest() != base.manifest_digest()
        };
        assert!(manifest(|wanted| wanted.requests.truncate(1)));
        assert!(manifest(|wanted| wanted.snapshot = Some("20250520T000000Z".to_owned())));
        assert!(!manifest(|wanted| wanted.suite = "forky".to_owned()));
        let settings = |change: fn(&mut Wanted)| {
            let mut other = wanted();
            change(&mut other);
            other.settings_digest(&locked) != base.settings_digest(&locked)
        };
        assert!(settings(|wanted| wanted.suite = "forky".to_owned()));
        assert!(settings(|wanted| wanted.variant = Variant::Extract));
        assert!(settings(|wanted| wanted.components.push("contrib".to_owned())));
        assert!(settings(|wanted| wanted.mirrors = Some(Vec::new())));
        assert!(settings(|wanted| wanted.keyring = keyring("k", ["A", "B"])));
        assert!(!settings(|wanted| wanted.requests.truncate(1)));
    }

    fn drifts(lock: &Lock, wanted: &Wanted, archs: &[Arch]) -> Vec<String> {
        check(lock, wanted, archs).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn drift_is_named() {
        let lock = lock();
        assert_eq!(drifts(&lock, &wanted(), &[Arch::Amd64]), [""; 0]);
        let mut now = wanted();
        now.suite = "forky".to_owned();
        now.requests = requests(&["base", "curl", "libfoo"]);
        now.keyring = keyring("newer", ["B", "C"]);
        now.mirrors = Some(vec!["http://other.example.org/debian".to_owned()]);
        insta::assert_snapshot!(drifts(&lock, &now, &[Arch::Amd64, Arch::Arm64]).join("\n"));
        let mut edited = lock;
        edited.manifest = Digest::of(b"x");
        edited.settings = Digest::of(b"y");
        assert_eq!(check(&edited, &wanted(), &[]), [Drift::Manifest, Drift::Settings]);
    }

    #[test]
    fn the_machines_mirrors_and_keyring_are_no_drift_and_the_modules_are() {
        let lock = lock();
        let mut now = wanted();
        now.mirrors = None;
        assert_eq!(check(&lock, &now, &[Arch::Amd64]), [], "the machine has other mirrors");
        now.keyring = keyring("keyring", ["A", "B"]);
        assert_eq!(check(&lock, &now, &[Arch::Amd64]), [Drift::Settings], "the module names the same keyring now");
    }

    #[test]
    fn the_keys_of_the_modules_keyring_are_compared_where_the_lock_has_them() {
        let mut now = wanted();
        now.keyring = keyring("keyring", ["A", "B"]);
        let mut lock = Lock::new(&now, lock().inputs, lock().resolutions);
        assert_eq!(check(&lock, &now, &[]), []);
        lock.inputs.keyring_fingerprints = fingerprints(["B", "C"]).to_vec();
        let [a, c] = fingerprints(["A", "C"]).map(|key| key.to_string());
        assert_eq!(check(&lock, &now, &[]), [Drift::Keys { added: vec![a], removed: vec![c] }]);
        assert!(!check(&lock, &now, &[])[0].keeps_versions());
        // The form of a lock that was written before keys were recorded.
        lock.inputs.keyring_fingerprints.clear();
        let text = text(&lock).unwrap();
        assert!(!text.contains("fingerprints"), "{text}");
        assert_eq!(check(&parse(&text).unwrap(), &now, &[]), []);
    }

    #[test]
    fn a_diff_says_what_came_and_went() {
        let old = lock();
        let mut new = old.clone();
        let packages = &mut new.resolutions[0].packages;
        packages[0].sha256 = Digest::of(b"other");
        packages[1].package.version = "2".to_owned();
        packages[2].package.name = "zlib".to_owned();
        let lines: Vec<_> = diff(&old, &new).iter().map(|change| change.to_string()).collect();
        assert!(lines[0].starts_with("! base 1 has other bytes"), "{lines:?}");
        assert_eq!(lines[1..], ["~ libfoo 1 -> 2 (amd64)", "- nginx 1 (amd64)", "+ zlib 1 (amd64, requested)"]);
        assert_eq!(diff(&old, &old), []);
    }
}
