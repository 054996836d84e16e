//! The effective settings of a run, each with the place it came from.
//!
//! Order: default, `/etc/module-builder/config.toml`, the user's configuration, `builder.toml` in
//! the module, `MODULE_BUILDER_*`, flag. What changes bytes is taken from `builder.toml` and from
//! flags alone: a module must not come out differently because of the machine or the user that
//! builds it.

mod file;
mod flags;
mod keys;

use std::fmt;
use std::path::{Path, PathBuf};

use model::{Arch, Epoch, Position};

use crate::environment::Environment;
use crate::error::{Error, Findings};
use crate::ui::{Color, Progress};
use keys::{Key, Raw};

pub(crate) use flags::{Flags, Global};

/// The name of the module's own settings file.
pub(crate) const BUILDER_TOML: &str = "builder.toml";
const SYSTEM_CONFIG: &str = "/etc/module-builder/config.toml";
/// A settings file is a handful of lines.
const FILE_LIMIT: u64 = 1 << 20;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is built in.
    Default,
    /// It was found out about the host.
    Host(String),
    /// A settings file.
    File {
        /// The file as it was opened.
        file: String,
        /// Where the value begins.
        position: Position,
    },
    /// An environment variable.
    Environment(&'static str),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Host(what) => f.write_str(what),
            Self::File { file, position } => write!(f, "{file}:{position}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl<T> Value<T> {
    fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// Whether somebody said so, and it was not built in or found out about the host.
    pub(crate) fn is_named(&self) -> bool {
        !matches!(self.origin, Origin::Default | Origin::Host(_))
    }
}

/// A variable that looks like a setting and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) message: String,
    pub(crate) cure: String,
}

/// What the files and the environment say, not yet merged.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    values: Vec<(&'static Key, Raw, Origin)>,
    warnings: Vec<Warning>,
    findings: Findings,
    failure: Option<Error>,
}

impl Layers {
    /// Reads every layer below the flags, the weakest first. What is wrong is kept, and told by
    /// [`Settings::new`].
    pub(crate) fn read(module: Option<&Path>, environment: &Environment) -> Self {
        let mut layers = Self::default();
        layers.read_file(Path::new(SYSTEM_CONFIG), false);
        if let Some(directory) = directory(environment, "XDG_CONFIG_HOME", ".config") {
            layers.read_file(&directory.join("module-builder/config.toml"), false);
        }
        if let Some(module) = module {
            layers.read_file(&join(module, BUILDER_TOML), true);
        }
        keys::environment(environment, &mut layers);
        layers
    }

    fn read_file(&mut self, path: &Path, is_module: bool) {
        match read(path) {
            Ok(None) => {}
            Ok(Some(bytes)) => file::parse(path, bytes, is_module, self),
            Err(error) => self.failure = self.failure.take().or(Some(Error::io("read", path, &error))),
        }
    }
}

/// Checks the `builder.toml` in `module`, if there is one, and adds what is wrong with it to `findings`.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn check_module(module: &Path, findings: &mut Findings) -> Result<(), Error> {
    let mut layers = Layers::default();
    layers.read_file(&join(module, BUILDER_TOML), true);
    findings.diagnostics.append(&mut layers.findings.diagnostics);
    findings.sources.append(&mut layers.findings.sources);
    layers.failure.map_or(Ok(()), Err)
}

/// `directory/name`, without a `./` in front that would only be noise in messages.
pub(crate) fn join(directory: &Path, name: impl AsRef<Path>) -> PathBuf {
    if directory == Path::new(".") { name.as_ref().to_owned() } else { directory.join(name) }
}

/// The file's bytes, one more than the limit at most; none when there is no such file.
fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let is_missing = |error: &std::io::Error| {
        matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
    };
    match std::fs::metadata(path) {
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.is_file() => return Err(std::io::Error::other("it is not a regular file")),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// `$variable`, or `$HOME/below`. A relative path in the variable is void by the XDG specification.
fn directory(environment: &Environment, variable: &str, below: &str) -> Option<PathBuf> {
    let absolute = |name| environment.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below)))
}

/// Checks that there is a mirror to resolve packages from.
///
/// # Errors
/// When neither the settings nor the host name one.
pub(crate) fn require_mirrors(mirrors: &[String]) -> Result<(), Error> {
    if mirrors.is_empty() {
        return Err(Error::input("no Debian mirror is known")
            .hint("name one by `--mirror URL`, or by `mirrors = [\"URL\"]` in builder.toml"));
    }
    Ok(())
}

/// The effective settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The Debian suite. Changes bytes.
    pub(crate) suite: Value<String>,
    /// The mirrors; empty when none is known. Changes bytes: see [`require_mirrors`].
    pub(crate) mirrors: Value<Vec<String>>,
    /// The archive's components. Changes bytes.
    pub(crate) components: Value<Vec<String>>,
    /// The keyring that the archive is checked with; apt's own when absent. Changes bytes.
    pub(crate) keyring: Value<Option<PathBuf>>,
    /// What mmdebstrap installs besides the requested packages. Changes bytes.
    pub(crate) variant: Value<String>,
    /// The archive of old states that `build.apt_snapshot` selects from. Changes bytes.
    pub(crate) snapshot_mirror: Value<Option<String>>,
    /// The architecture to build for. Changes bytes; a flag or the machine's own.
    pub(crate) arch: Value<Option<Arch>>,
    /// The one time of the build, where it is given.
    pub(crate) epoch: Value<Option<Epoch>>,
    /// Where downloads and root file systems are kept; none when there is no home either.
    pub(crate) cache_dir: Value<Option<PathBuf>>,
    /// How many things to do at once.
    pub(crate) jobs: Value<usize>,
    /// The proxy for downloads.
    pub(crate) proxy: Value<Option<String>>,
    /// When to use colours.
    pub(crate) color: Value<Color>,
    /// How to show progress.
    pub(crate) progress: Value<Progress>,
    /// What looks like a setting and is none.
    pub(crate) warnings: Vec<Warning>,
}

impl Settings {
    /// Merges `layers`, the flags and the defaults.
    ///
    /// # Errors
    /// Everything that is wrong in any layer.
    pub(crate) fn new(
        mut layers: Layers,
        flags: &Flags,
        global: &Global,
        environment: &Environment,
    ) -> Result<Self, Error> {
        if let Some(failure) = layers.failure {
            return Err(failure.hint("mend or remove this settings file"));
        }
        if !layers.findings.diagnostics.is_empty() {
            return Err(Error::input("the settings are wrong")
                .findings(layers.findings)
                .hint("`module-builder env --help` lists every setting"));
        }
        keys::flags(flags, &mut layers.values)?;
        let mut merged = keys::Merged::new(layers.values);
        let epoch = epoch(environment)?;
        Ok(Self {
            suite: merged.text("suite").unwrap_or_else(|| Value::new("trixie".to_owned(), Origin::Default)),
            mirrors: merged.list("mirrors").unwrap_or_else(|| host_mirrors(environment)),
            components: merged
                .list("components")
                .unwrap_or_else(|| Value::new(vec!["main".to_owned()], Origin::Default)),
            keyring: optional(merged.path("keyring")),
            variant: merged.text("variant").unwrap_or_else(|| Value::new("minbase".to_owned(), Origin::Default)),
            snapshot_mirror: optional(merged.text("snapshot_mirror")),
            arch: arch(flags, environment),
            epoch,
            cache_dir: merged.path("cache_dir").map_or_else(|| cache_dir(environment), some),
            jobs: merged
                .number("jobs")
                .unwrap_or(Value::new(environment.processors, Origin::Host("processors".to_owned()))),
            proxy: optional(merged.text("proxy")),
            color: choice(global.color, "--color", merged.text("color")),
            progress: choice(global.progress, "--progress", merged.text("progress")),
            warnings: layers.warnings,
        })
    }

    /// Where to keep what can be used again.
    ///
    /// # Errors
    /// When neither the settings nor the environment name a place.
    pub(crate) fn require_cache_dir(&self) -> Result<&Path, Error> {
        self.cache_dir.value.as_deref().ok_or_else(|| {
            Error::input("there is no place for the cache: neither XDG_CACHE_HOME nor HOME is set")
                .hint("name one by `--cache-dir DIR`")
        })
    }

    /// The architecture to build for.
    ///
    /// # Errors
    /// When no flag names one and this machine's is not one that Debian releases.
    pub(crate) fn require_arch(&self) -> Result<Arch, Error> {
        self.arch.value.ok_or_else(|| {
            Error::usage("this machine's architecture is not one that can be built").hint("name one by `--arch ARCH`")
        })
    }
}

impl Settings {
    /// Every setting by name, in a fixed order.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        fn entry<T: serde::Serialize>(name: &'static str, value: &Value<T>) -> Entry {
            let json = serde_json::to_value(&value.value).unwrap_or(serde_json::Value::Null);
            Entry { name, value: json, origin: value.origin.clone() }
        }
        fn word<T: clap::ValueEnum>(value: &Value<T>) -> Value<String> {
            let name = value.value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
            Value::new(name, value.origin.clone())
        }
        vec![
            entry("arch", &self.arch),
            entry("cache_dir", &self.cache_dir),
            entry("color", &word(&self.color)),
            entry("components", &self.components),
            entry("epoch", &self.epoch),
            entry("jobs", &self.jobs),
            entry("keyring", &self.keyring),
            entry("mirrors", &self.mirrors),
            entry("progress", &word(&self.progress)),
            entry("proxy", &self.proxy),
            entry("snapshot_mirror", &self.snapshot_mirror),
            entry("suite", &self.suite),
            entry("variant", &self.variant),
        ]
    }
}

/// One setting, for showing it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its name in settings files.
    pub(crate) name: &'static str,
    /// Its value; null when there is none.
    pub(crate) value: serde_json::Value,
    /// Where it came from.
    pub(crate) origin: Origin,
}

impl Entry {
    /// The value as a line of TOML would have it; `-` when there is none.
    pub(crate) fn text(&self) -> String {
        if self.value.is_null() { "-".to_owned() } else { crate::ui::clean(&self.value.to_string()) }
    }
}

fn some<T>(value: Value<T>) -> Value<Option<T>> {
    Value::new(Some(value.value), value.origin)
}

fn optional<T>(value: Option<Value<T>>) -> Value<Option<T>> {
    value.map_or(Value::new(None, Origin::Default), some)
}

/// The names were checked when the value was read.
fn choice<T: clap::ValueEnum + Default>(
    flag: Option<T>,
    name: &'static str,
    merged: Option<Value<String>>,
) -> Value<T> {
    if let Some(value) = flag {
        return Value::new(value, Origin::Flag(name));
    }
    merged
        .and_then(|text| Some(Value::new(T::from_str(&text.value, false).ok()?, text.origin)))
        .unwrap_or(Value::new(T::default(), Origin::Default))
}

fn epoch(environment: &Environment) -> Result<Value<Option<Epoch>>, Error> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let Some(text) = environment.variable(NAME) else { return Ok(Value::new(None, Origin::Default)) };
    match Epoch::parse(&text.to_string_lossy()) {
        Ok(epoch) => Ok(Value::new(Some(epoch), Origin::Environment(NAME))),
        Err(error) => Err(Error::input(format!("the environment variable {NAME} is wrong"))
            .because(&error)
            .hint("unset it, or set it to the seconds that `date +%s` prints")),
    }
}

fn arch(flags: &Flags, environment: &Environment) -> Value<Option<Arch>> {
    match flags.arch {
        Some(arch) => Value::new(Some(arch), Origin::Flag("--arch")),
        None => Value::new(host_arch(environment.machine), Origin::Host("this machine".to_owned())),
    }
}

/// Rust's names differ from `uname -m`'s for some machines.
fn host_arch(machine: &str) -> Option<Arch> {
    match machine {
        "x86" => Some(Arch::I386),
        "arm" => Some(Arch::Armhf),
        // Rust does not tell the two byte orders apart by this name; the compiler does.
        "powerpc64" if cfg!(target_endian = "little") => Some(Arch::Ppc64el),
        other => other.parse().ok(),
    }
}

fn cache_dir(environment: &Environment) -> Value<Option<PathBuf>> {
    let path = directory(environment, "XDG_CACHE_HOME", ".cache").map(|path| path.join("module-builder"));
    let origin = match environment.variable("XDG_CACHE_HOME") {
        Some(value) if Path::new(value).is_absolute() => Origin::Environment("XDG_CACHE_HOME"),
        _ => Origin::Default,
    };
    Value::new(path, origin)
}

/// What the host's apt would ask, so that a machine inside a closed network works as it is.
fn host_mirrors(environment: &Environment) -> Value<Vec<String>> {
    let files: Vec<(String, String)> =
        (environment.apt_sources)().into_iter().map(|(path, text)| (path.display().to_string(), text)).collect();
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    match builder::apt::host_mirrors(texts).archive {
        Some(archive) => Value::new(vec![archive.uri], Origin::Host("the host's apt".to_owned())),
        None => Value::new(Vec::new(), Origin::Default),
    }
}

#[cfg(test)]
mod tests;
