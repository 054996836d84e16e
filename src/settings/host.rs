//! Values that no one named: what the environment and the host give.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use model::{Arch, Epoch};

use super::origin::{Origin, Value};
use crate::environment::Environment;
use crate::error::Error;

/// The time in `SOURCE_DATE_EPOCH`.
pub(super) fn epoch(text: &OsStr) -> Result<Epoch, Error> {
    Epoch::parse(&text.to_string_lossy()).map_err(|error| {
        Error::input("the environment variable SOURCE_DATE_EPOCH is wrong")
            .because(&error)
            .hint("unset it, or set it to the seconds that `date +%s` prints")
    })
}

/// Rust's names differ from `uname -m`'s for some machines.
pub(super) fn named_arch(machine: &str) -> Option<Arch> {
    match machine {
        "x86" => Some(Arch::I386),
        "arm" => Some(Arch::Armhf),
        // Rust does not distinguish the two byte orders by this name; the compiler does.
        "powerpc64" if cfg!(target_endian = "little") => Some(Arch::Ppc64el),
        other => other.parse().ok(),
    }
}

pub(super) fn cache_dir(environment: &Environment) -> Value<Option<PathBuf>> {
    let path = directory(environment, "XDG_CACHE_HOME", ".cache").map(|path| path.join("module-builder"));
    let origin = match environment.variable("XDG_CACHE_HOME") {
        Some(value) if Path::new(value).is_absolute() => Origin::Environment("XDG_CACHE_HOME".to_owned()),
        _ => Origin::Default,
    };
    Value::new(path, origin)
}

/// What the host's apt would ask, so that a machine inside a closed network works as it is.
pub(super) fn mirrors(environment: &Environment) -> Value<Vec<String>> {
    let files: Vec<(String, String)> =
        (environment.apt_sources)().into_iter().map(|(path, text)| (path.display().to_string(), text)).collect();
    let texts = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    match builder::apt::host_mirrors(texts).archive {
        Some(archive) => Value::new(vec![archive.uri], Origin::Host("the host's apt".to_owned())),
        None => Value::new(Vec::new(), Origin::Default),
    }
}

/// `$variable`, or `$HOME/below`. A relative path in the variable is void by the XDG specification.
pub(super) fn directory(environment: &Environment, variable: &str, below: &str) -> Option<PathBuf> {
    let absolute = |name| environment.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below)))
}
