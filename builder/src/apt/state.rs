//! The isolated state that apt works in: no configuration, list or keyring of the host counts.
//!
//! apt reads `APT_CONFIG` before `Dir::Etc::main` and `Dir::Etc::parts`, so that a file which points
//! both at nothing keeps the host's configuration out (apt.conf(5)). What is written here is all
//! that apt knows, beside its own defaults.

#![allow(clippy::disallowed_methods, reason = "the cache is this user's own directory")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::observe::Observer;
use model::resolution::ReleaseFields;
use model::{Arch, Digest, archive};

use super::bounded_read::read_small;
use super::configuration::{configuration, sources_text};
use super::index::Index;
use super::keyring::Keyring;
use super::settings::Access;
use super::source::Source;
use super::{Error, MissingSuite, ReleaseInfo, Settings, failure, local, release};

/// The most bytes of any file that apt writes. The largest list of Debian has a tenth of it, and an archive says itself how long its
/// lists are.
const LIST_LIMIT: u64 = 1 << 30;
use crate::cache::{self, Cache, LockGuard};
use host::patience::{self, Moments};
use host::process::{self, Captured, Invocation};

/// When it is reported that apt still waits.
const MOMENTS: Moments = Moments { first: Duration::from_secs(10), again: Duration::from_secs(20) };

/// An isolated apt state, locked for this process while the value lives.
#[derive(Debug)]
pub(super) struct State {
    directory: PathBuf,
    sources: Vec<Source>,
    arch: Arch,
    access: Access,
    _lock: LockGuard,
}

/// A Packages index in the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) file: PathBuf,
    /// The number of the archive in the settings.
    pub(super) source: usize,
    component: String,
}

/// What the signed Release file of an archive says, and its components.
pub(super) type Release = (ReleaseInfo, Vec<String>);

/// The packages of all of `targets`.
pub(super) fn index(targets: &[Target]) -> Result<Index, Error> {
    let mut index = Index::default();
    for target in targets {
        index.read(&target.file, target.source)?;
    }
    Ok(index)
}

impl State {
    /// Opens (and makes) the state for `settings`, and waits until no other process has it.
    pub(super) fn open(settings: &Settings, cache: &Cache, observer: &dyn Observer) -> Result<Self, Error> {
        let sources = settings.sources()?;
        let is_secure = sources.iter().any(|source| source.uri.starts_with("https:"));
        if let Some(path) = settings.access.certificates.as_deref().filter(|_| is_secure && !settings.access.offline) {
            net::ca_bundle::check(path)?;
        }
        let keyrings = Keyring::of_each(settings, &sources)?;
        let digests: Vec<Digest> = keyrings.iter().map(Keyring::sha256).collect();
        let key_of_state = settings.state_key(&sources, &digests);
        let lock = cache.lock(&format!("apt-{}", key_of_state.hex()), observer)?;
        let directory = absolute(&own_state(cache, &key_of_state, observer)?)?;
        cache::touch(&directory).map_err(|source| failed("touch", &directory, source))?;
        for name in ["etc", "lists/partial", "archives/partial", "tmp", "log"] {
            let path = directory.join(name);
            fs::create_dir_all(&path).map_err(|source| failed("make", &path, source))?;
        }
        let state = Self { directory, sources, arch: settings.arch, access: settings.access.clone(), _lock: lock };
        state.write("status", b"")?;
        state.write("etc/archive.sources", sources_text(&state.sources, &keyrings)?.as_bytes())?;
        let configuration = configuration(&state.directory, settings);
        state.write("apt.conf", &configuration.map_err(|path| unusable(&path))?)?;
        Ok(state)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.directory.join(name);
        if host::open::read(&path, bytes.len() as u64).is_ok_and(|old| old == bytes) {
            return Ok(());
        }
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(self.directory.join("tmp"))?;
            file.write_all(bytes)?;
            file.persist(&path).map_err(|error| error.error).map(|_| ())
        };
        write().map_err(|source| failed("write", &path, source))
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Runs `apt-get` with `arguments` in this state.
    ///
    /// It dies with this process: else it would go on writing into the state after the lock on it is
    /// gone, and spoil what the next run does there.
    pub(super) fn apt_get(&self, arguments: impl FnOnce(Invocation) -> Invocation) -> Result<Captured, Error> {
        let apt = Invocation::attached_with_files(LIST_LIMIT)
            .runs(arguments(Invocation::new("apt-get")))
            .within(&self.directory);
        let apt = apt
            .variable("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .variable("LC_ALL", "C.UTF-8")
            .variable("TZ", "UTC")
            .variable("DEBIAN_FRONTEND", "noninteractive")
            .variable("HOME", &self.directory)
            .variable("TMPDIR", self.directory.join("tmp"))
            .variable("APT_CONFIG", self.directory.join("apt.conf"));
        // It may hold a password, which must be in no file and in no argument list.
        let apt = match &self.access.proxy {
            Some(proxy) => apt.variable("http_proxy", proxy).variable("https_proxy", proxy),
            None => apt,
        };
        let outcome = process::capture(&apt).map_err(Error::Process)?;
        // apt-get itself never gives this code.
        if outcome.status.code() == Some(process::NO_SUCH_PROGRAM.into()) {
            Err(Error::AptMissing)
        } else {
            Ok(outcome)
        }
    }

    /// Writes preferences (apt_preferences(5)) into the file that is given back.
    pub(super) fn preferences(&self, text: &str) -> Result<PathBuf, Error> {
        self.write("preferences", text.as_bytes())?;
        Ok(self.directory.join("preferences"))
    }

    /// Fetches the lists anew and has apt check them.
    ///
    /// The mark `complete` says that the lists belong together: apt moves them into place one by one,
    /// and checks them only when they come. Without it they are dropped, and offline work refused.
    /// However slow the archives are, the run says what it waits for.
    pub(super) fn update(&self, observer: &dyn Observer) -> Result<(), Error> {
        local::check(&self.sources, self.arch)?;
        let mark = self.directory.join("complete");
        let was_complete = mark.exists();
        if was_complete {
            fs::remove_file(&mark).map_err(|source| failed("remove", &mark, source))?;
        } else {
            self.forget()?;
        }
        let report = |waited: Duration| {
            let hosts: BTreeSet<&str> = self.sources.iter().map(|source| host_of(&source.uri)).collect();
            let hosts = hosts.into_iter().collect::<Vec<_>>().join(", ");
            observer.note(&format!("still waiting for {hosts} after {} seconds", waited.as_secs()));
        };
        let outcome = patience::reporting(MOMENTS, &report, || self.apt_get(|apt| apt.option("-q").operand("update")))?;
        let log = [outcome.stdout.as_slice(), outcome.stderr.as_slice()].concat();
        let good = outcome.status.success();
        // apt that ends by itself, even in an error, leaves either all old lists or all new ones.
        if good || was_complete && outcome.status.code().is_some() {
            self.write("complete", b"")?;
        }
        if good {
            return self.targets_or(&log).map(|_| ());
        }
        let error = failure::error("update", &log);
        if matches!(error, Error::ListTooLarge { .. }) {
            // What came of it would be asked for from its end on.
            self.forget()?;
        }
        Err(match error {
            Error::Network { log, has_lists: _ } => Error::Network { log, has_lists: self.is_complete() },
            other => other,
        })
    }

    fn forget(&self) -> Result<(), Error> {
        let lists = self.directory.join("lists");
        fs::remove_dir_all(&lists).map_err(|source| failed("remove", &lists, source))?;
        let partial = lists.join("partial");
        fs::create_dir_all(&partial).map_err(|source| failed("make", &partial, source))?;
        for name in ["pkgcache.bin", "srcpkgcache.bin"] {
            let path = self.directory.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether an update ended well, or ended with the lists of an earlier good one.
    pub(super) fn is_complete(&self) -> bool {
        self.directory.join("complete").exists()
    }

    /// The indexes of all archives and components.
    pub(super) fn targets(&self) -> Result<Vec<Target>, Error> {
        self.targets_or(b"")
    }

    /// As [`State::targets`]; when one is missing, `log` is what apt said about it.
    fn targets_or(&self, log: &[u8]) -> Result<Vec<Target>, Error> {
        let format = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(FILENAME)";
        let outcome = self.apt_get(|apt| {
            apt.operand("indextargets").option("--format").operand(format).operand("Created-By: Packages")
        })?;
        if !outcome.status.success() {
            return Err(failure::error("indextargets", &outcome.stderr));
        }
        let mut targets = Vec::new();
        for line in outcome.stdout.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            targets.extend(self.target(line));
        }
        for (number, source) in self.sources.iter().enumerate() {
            // A flat archive has one index, of no component.
            let flat = archive::is_flat(&source.suite).then(String::new);
            for component in source.components.iter().chain(&flat) {
                let has = |target: &Target| target.source == number && target.component == *component;
                if !targets.iter().any(has) && !self.is_empty(number, component, &targets)? {
                    let what = if component.is_empty() { "index" } else { component };
                    let what = format!("{} {} has no {what} for {}", source.uri, source.suite, self.arch);
                    let said = failure::tail(log);
                    return Err(Error::SuiteMissing {
                        missing: Some(MissingSuite {
                            uri: source.uri.clone(),
                            suite: source.suite.clone(),
                            component: Some(component.clone()).filter(|component| !component.is_empty()),
                        }),
                        log: format!("{what}\n{said}").trim_end().to_owned(),
                    });
                }
            }
        }
        Ok(targets)
    }

    fn target(&self, line: &[u8]) -> Option<Target> {
        let mut fields = line.split(|b| *b == b'\t');
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (uri, suite, component) = (text()?.trim_end_matches('/'), text()?, text()?);
        let file = PathBuf::from(OsStr::from_bytes(fields.next()?));
        // apt has an empty name for the path `/`.
        let is =
            |source: &&Source| source.uri == uri && (source.suite == suite || source.suite == "/" && suite.is_empty());
        let source = self.sources.iter().position(|source| is(&source))?;
        let component = if archive::is_flat(&self.sources[source].suite) { "" } else { component };
        file.is_file().then(|| Target { file, source, component: component.to_owned() })
    }

    /// What the signed Release file of the archive `number` says, and its components.
    pub(super) fn release(&self, number: usize, targets: &[Target]) -> Result<Release, Error> {
        let source = &self.sources[number];
        let path = self.release_path(number, targets)?;
        let wrong = |message: &str| Error::Release { path: path.clone(), message: message.to_owned() };
        let bytes = read_small(&path)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let release = release::parse(text).map_err(|fault| wrong(&fault.to_string()))?;
        let fields = ReleaseFields {
            uri: source.uri.clone(),
            path: source.suite.clone(),
            inrelease: Digest::of(&bytes),
            date: release.date.ok_or_else(|| wrong("it has no readable Date"))?,
            valid_until: release.valid_until,
            suite: release.suite,
            codename: release.codename,
            origin: release.origin,
            label: release.label,
        };
        let info = ReleaseInfo::new(fields.without_odd_names()).map_err(Error::Odd)?;
        Ok((info, release.components))
    }

    /// Whether the archive says that the component has no packages. An update suite is empty after each release, and apt
    /// does not fetch an index of no bytes.
    fn is_empty(&self, number: usize, component: &str, targets: &[Target]) -> Result<bool, Error> {
        let index = match component {
            "" => "Packages".to_owned(),
            component => format!("{component}/binary-{}/Packages", self.arch.debian()),
        };
        let path = self.release_path(number, targets)?;
        if !path.is_file() {
            return Ok(false);
        }
        let bytes = read_small(&path)?;
        let release = std::str::from_utf8(&bytes).ok().and_then(|text| release::parse(text).ok());
        Ok(release.is_some_and(|release| release.empty_indexes.contains(&index)))
    }

    /// apt names its lists after the URI, in a way of its own; the Release file of an index has the
    /// index's name up to the suite.
    fn release_path(&self, number: usize, targets: &[Target]) -> Result<PathBuf, Error> {
        let base = targets.iter().filter(|target| target.source == number).find_map(|target| {
            let name = target.file.file_name()?.to_str()?;
            let end = match target.component.as_str() {
                "" => "_Packages".to_owned(),
                component => format!("_{}_binary-", component.replace('/', "_")),
            };
            Some(name[..name.rfind(&end)?].to_owned())
        });
        let lists = self.directory.join("lists");
        let base = match base {
            Some(base) => base,
            None => self.release_base(&self.sources[number])?,
        };
        let clear = lists.join(format!("{base}_InRelease"));
        Ok(if clear.is_file() { clear } else { lists.join(format!("{base}_Release")) })
    }

    /// The same where the archive has no index, by what apt would fetch; empty where it would fetch nothing.
    fn release_base(&self, source: &Source) -> Result<String, Error> {
        let dists = if archive::is_flat(&source.suite) { "" } else { "dists/" };
        let wanted = format!("'{}/{dists}{}/InRelease'", source.uri, source.suite.trim_end_matches('/'));
        let outcome = self.apt_get(|apt| apt.option("--print-uris").operand("update"))?;
        let text = String::from_utf8_lossy(&outcome.stdout);
        let mut words = text.lines().map(str::split_ascii_whitespace);
        let name = words.find_map(|mut line| (line.next()? == wanted).then(|| line.next()).flatten());
        Ok(name.and_then(|name| name.strip_suffix("_InRelease")).unwrap_or_default().to_owned())
    }
}

/// The directory of the state; one that others may have written to is made again.
fn own_state(cache: &Cache, key: &Digest, observer: &dyn Observer) -> Result<PathBuf, Error> {
    match cache.apt_state(key) {
        Err(cache::Error::Host(error @ host::Error::Place { .. })) if cache.discard_apt_state(key)? => {
            let message = format!("package lists in the cache are not used: {error}");
            let hint = "nothing needs to be done: they are fetched again";
            observer.warning(&message, hint);
            Ok(cache.apt_state(key)?)
        }
        state => Ok(state?),
    }
}

/// The host of an address, or the address of a place on this machine.
fn host_of(uri: &str) -> &str {
    let host = uri.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    if host.is_empty() { uri } else { host }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::State(host::Error::io(action, path)(source))
}

fn unusable(value: &str) -> Error {
    Error::Setting { field: "cache", value: value.to_owned(), message: "apt cannot use a path with such characters" }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    path.canonicalize().map_err(|source| failed("resolve", path, source))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;
    use crate::apt::KeyringFile;

    fn settings() -> Settings {
        Settings::new("trixie", vec!["http://mirror.example.org/debian".to_owned()], Arch::Arm64)
    }

    #[test]
    fn a_missing_keyring_is_named() {
        let settings =
            Settings { keyring: Some(KeyringFile::At(PathBuf::from("/nonexistent/keyring.gpg"))), ..settings() };
        let cache = Cache::new(std::env::temp_dir().join("never-made"));
        let error = State::open(&settings, &cache, &model::observe::Silent).unwrap_err();
        assert!(matches!(error, Error::KeyringNamed { .. }) && error.to_string().contains("/nonexistent/keyring.gpg"));
    }
}
