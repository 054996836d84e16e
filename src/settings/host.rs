//! Values that nobody named: what the environment and the host give.

use std::path::{Path, PathBuf};

use model::{Arch, Epoch};

use super::Flags;
use super::layers::directory;
use super::origin::{Origin, Value};
use crate::environment::Environment;
use crate::error::Error;

pub(super) fn epoch(environment: &Environment) -> Result<Value<Option<Epoch>>, Error> {
    const NAME: &str = "SOURCE_DATE_EPOCH";
    let Some(text) = environment.variable(NAME) else { return Ok(Value::new(None, Origin::Default)) };
    match Epoch::parse(&text.to_string_lossy()) {
        Ok(epoch) => Ok(Value::new(Some(epoch), Origin::Environment(NAME))),
        Err(error) => Err(Error::input(format!("the environment variable {NAME} is wrong"))
            .because(&error)
            .hint("unset it, or set it to the seconds that `date +%s` prints")),
    }
}

/// OpenSSL's variable, which apt does not read and most other programs do.
pub(super) fn certificates(environment: &Environment) -> Value<Option<PathBuf>> {
    const NAME: &str = "SSL_CERT_FILE";
    match environment.variable(NAME) {
        Some(path) => Value::new(Some(environment.absolute(Path::new(path))), Origin::Environment(NAME)),
        None => Value::new(None, Origin::Default),
    }
}

pub(super) fn arch(flags: &Flags, environment: &Environment) -> Value<Option<Arch>> {
    match flags.arch {
        Some(arch) => Value::new(Some(arch), Origin::Flag("--arch")),
        None => Value::new(named_arch(environment.machine), Origin::Host("this machine".to_owned())),
    }
}

/// Rust's names differ from `uname -m`'s for some machines.
pub(super) fn named_arch(machine: &str) -> Option<Arch> {
    match machine {
        "x86" => Some(Arch::I386),
        "arm" => Some(Arch::Armhf),
        // Rust does not tell the two byte orders apart by this name; the compiler does.
        "powerpc64" if cfg!(target_endian = "little") => Some(Arch::Ppc64el),
        other => other.parse().ok(),
    }
}

pub(super) fn cache_dir(environment: &Environment) -> Value<Option<PathBuf>> {
    let path = directory(environment, "XDG_CACHE_HOME", ".cache").map(|path| path.join("module-builder"));
    let origin = match environment.variable("XDG_CACHE_HOME") {
        Some(value) if Path::new(value).is_absolute() => Origin::Environment("XDG_CACHE_HOME"),
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
