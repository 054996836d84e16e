//! The libraries' errors as the binary's: kind, message, cause chain, hint, log.

use std::io;

use builder::{apt, cache, rootfs};
use image::composefs::ImageError;
use image::tree::TreeError;
use model::rules::Rule;
use model::{Diagnostic, Severity};

use super::{Error, Findings, Kind};

/// How much of an offending text is shown, in characters.
const SHOWN: usize = 80;

const DAMAGED_LAYOUT: &str = "the layout was damaged or changed after it was written: build or fetch it again";

const DAMAGED_ARCHIVE: &str = "the archive was damaged or changed after the build: fetch or build it again";

impl From<host::Error> for Error {
    fn from(error: host::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&host::Error> for Error {
    fn from(error: &host::Error) -> Self {
        use host::Fault;
        let fault = match error {
            host::Error::Io { action, path, source } => return Self::io(action, path, source),
            host::Error::Place { fault, .. } => fault,
        };
        let hint = match fault {
            Fault::Link | Fault::Outside => "put the file or directory itself there: a link could lead to anything",
            Fault::Around => "put a directory of its own there, or a link to one: all that lies here would be meant",
            Fault::Dangling => "mend the link, or remove it",
            Fault::NotAFile(_) => "put a regular file there, or name another one",
            Fault::NotADirectory(_) => "name a directory",
            Fault::TooLarge { .. } => "name another file: no file of this kind is as large",
            Fault::Replaced => "let nobody else write into this directory while a build runs",
            Fault::Foreign { .. } => "let it belong to the user who runs this, or remove it",
            Fault::Writable { .. } => "let nobody else write to it: `chmod go-w`",
            Fault::Name => "name a file or directory by its name",
        };
        Self::input(error.to_string()).hint(hint)
    }
}

impl From<image::Error> for Error {
    fn from(error: image::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&image::Error> for Error {
    fn from(error: &image::Error) -> Self {
        match error {
            image::Error::Host(error) => error.into(),
            image::Error::ChangedMeanwhile { .. } => changed(error),
            image::Error::Archive { .. } => Self::refused(error.to_string()).hint(DAMAGED_ARCHIVE),
            image::Error::Image(ImageError::Memory { .. }) => {
                Self::outside(error.to_string()).hint("give it more memory: images are read as a whole")
            }
            image::Error::Tree(TreeError::NoMemory { .. }) | image::Error::Image(ImageError::NoMemory { .. }) => {
                Self::outside(error.to_string()).hint(super::MEMORY)
            }
            other => Self::input(other.to_string()).because(error),
        }
    }
}

fn changed(error: &dyn std::error::Error) -> Error {
    Error::outside("a file changed during the build")
        .because(error)
        .hint("let nothing write to the root file system or the overlay while a build runs")
}

impl From<composer::Error> for Error {
    fn from(error: composer::Error) -> Self {
        match &error {
            composer::Error::Host(error) => error.into(),
            composer::Error::Image(error) => error.into(),
            composer::Error::ChangedWhileRead { .. } | composer::Error::SourceChanged { .. } => changed(&error),
            composer::Error::FilterTooCostly { rule, path, patterns } => too_costly(rule, path, *patterns),
            composer::Error::FilterTooLarge { .. } => {
                Self::input(error.to_string()).hint("put fewer patterns into the lists, or shorter ones")
            }
            composer::Error::NotARootfs { .. } => Self::input(error.to_string())
                .hint("--rootfs takes the directory of an unpacked root file system, or a tar of one"),
            other => Self::input(other.to_string()).because(&error),
        }
    }
}

/// The error about patterns that take too much work, which shows the worst of them at its place.
fn too_costly(rule: &Rule, path: &str, patterns: usize) -> Error {
    let diagnostic = Diagnostic {
        severity: Severity::Error,
        code: "pattern-too-costly",
        file: Some(rule.origin.file.clone()),
        position: rule.origin.position,
        span: None,
        field: rule.origin.field.key().to_owned(),
        text: rule.pattern.as_str().chars().take(SHOWN).collect(),
        message: format!("of the {patterns} patterns of its list this one takes the most work, seen at {path}"),
        cure: "write names out where a pattern has many `*`: each further one multiplies what is compared".to_owned(),
    };
    Error::input("the patterns take too much work to be compared with the root file system")
        .hint("simplify the patterns that the findings name, or put fewer like them into the manifest")
        .findings(Findings { diagnostics: vec![diagnostic], ..Findings::default() })
}

impl From<oci::Error> for Error {
    fn from(error: oci::Error) -> Self {
        match &error {
            oci::Error::Host(error) if error.is_not_found() => Self::from(error).hint(DAMAGED_LAYOUT),
            oci::Error::Host(error) => error.into(),
            oci::Error::Io { action, path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                Self::io(action, path, source).hint(DAMAGED_LAYOUT)
            }
            oci::Error::Io { action, path, source } => Self::io(action, path, source),
            oci::Error::Transfer { .. } => Self::outside(error.to_string()).because(&error),
            oci::Error::Tag { .. } | oci::Error::Reference { .. } => Self::usage(error.to_string()),
            oci::Error::NoArtifact
            | oci::Error::DuplicateArch { .. }
            | oci::Error::Serialize { .. }
            | oci::Error::Spec { .. } => Self::bug(error.to_string()).because(&error),
            // What remains is a layout that contradicts itself.
            _ => Self::refused(error.to_string()).because(&error).hint(DAMAGED_LAYOUT),
        }
    }
}

impl From<apt::lock::Error> for Error {
    fn from(error: apt::lock::Error) -> Self {
        match error {
            apt::lock::Error::Host(error) => error.into(),
            apt::lock::Error::Settings(error) => Self::from(*error),
            other => Self::input("module.lock cannot be used").because(&other),
        }
    }
}

impl From<cache::Error> for Error {
    fn from(error: cache::Error) -> Self {
        if let cache::Error::Busy { .. } = error {
            return Self::outside(error.to_string()).hint("run the command again when no build runs");
        }
        let hint = match &error {
            cache::Error::Io { source, .. } if is_full(source) => "free some space, for example by `cache gc`",
            cache::Error::NotOurs(host::Error::Place { fault: host::Fault::NotADirectory(_), .. }) => {
                "name a directory by --cache-dir"
            }
            cache::Error::NotOurs(_) => OWN_CACHE,
            cache::Error::NotACache { .. } => {
                "name another directory by --cache-dir, one that is not there yet or the cache's own: what is in it may be \
                 removed at any time"
            }
            cache::Error::Io { source, .. } if let Some(hint) = super::limit(source) => hint,
            _ => "make the directory writable, or name another one with --cache-dir",
        };
        Self::outside("the cache cannot be used").because(&error).hint(hint)
    }
}

const OWN_CACHE: &str = "a cache is its owner's alone: remove what others own there and `chmod go-w` the rest, or \
                         name another directory by --cache-dir";

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether a mirror served other bytes than were promised.
fn is_forged(failure: &apt::FetchFailure) -> bool {
    use apt::FetchFault as F;
    matches!(failure.fault, F::WrongDigest { .. } | F::WrongSize { .. } | F::OtherFile | F::NoFile { .. })
}

impl From<apt::Error> for Error {
    fn from(error: apt::Error) -> Self {
        use apt::Error as E;
        let error = match error {
            E::Cache(error) => return error.into(),
            E::Host(error) => return error.into(),
            other => other,
        };
        let kind = match &error {
            E::Setting { .. }
            | E::Keyring { .. }
            | E::KeyringNamed { .. }
            | E::SnapshotMirrorMissing { .. }
            | E::SuiteMissing { .. }
            | E::Missing { .. }
            | E::Gone { .. }
            | E::NotLocked { .. }
            | E::Disagree { .. }
            | E::Unsatisfiable { .. } => Kind::Input,
            E::Signature { .. } | E::IndexMismatch { .. } | E::Expired { .. } | E::Odd(_) => Kind::Refused,
            E::Process(host::process::Error::Argument { .. }) => Kind::Refused,
            E::Fetch { failures } if failures.iter().any(is_forged) => Kind::Refused,
            E::Plan { .. } => Kind::Bug,
            _ => Kind::Outside,
        };
        let text = error.to_string();
        // The first line says what happened; what follows it is the program's own account.
        let (message, log) = text.split_once('\n').unwrap_or((&text, ""));
        let cause: &dyn std::error::Error = &error;
        let converted = Self::new(kind, message.trim_end_matches(':')).hint(error.cure()).log(log);
        match cause.source() {
            Some(source) => converted.because(source),
            None => converted,
        }
    }
}

impl From<rootfs::Error> for Error {
    fn from(error: rootfs::Error) -> Self {
        use rootfs::Error as E;
        let error = match error {
            E::Cache(error) => return error.into(),
            E::Host(error) => return cache::Error::from(error).into(),
            other => other,
        };
        let converted = match &error {
            E::Io { action, path, source } => return Self::io(action, path, source).hint(error.cure()),
            E::Failed { failure, log } => {
                Self::outside("the root file system cannot be built").because(failure).log(log.join("\n"))
            }
            E::NotAsLocked { missing, unexpected, unfinished } => {
                let list = |what: &str, names: Vec<String>| match names.is_empty() {
                    true => String::new(),
                    false => format!("{what}: {}\n", names.join(", ")),
                };
                let named = |all: &[rootfs::Named]| {
                    all.iter().map(|(name, arch, version)| format!("{name} {version} ({arch})")).collect()
                };
                let lists = list("missing", named(missing))
                    + &list("unexpected", named(unexpected))
                    + &list("unfinished", unfinished.clone());
                Self::outside(error.to_string()).log(lists.trim_end())
            }
            E::Argument(_) | E::NoName { .. } => Self::refused(error.to_string()),
            E::OtherPackage { .. } => Self::input("a package is not the one that the lock names").because(&error),
            E::Count { .. } => Self::bug(error.to_string()),
            E::Package { source, .. } => Self::outside(error.to_string()).because(source),
            _ => Self::outside("the root file system cannot be built").because(&error),
        };
        converted.hint(error.cure())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_locked_is_listed_by_name_version_and_architecture() {
        let named = |name: &str| (name.to_owned(), "amd64".to_owned(), "1.2-3".to_owned());
        let error = |unfinished| rootfs::Error::NotAsLocked {
            missing: vec![named("zlib1g")],
            unexpected: vec![named("nano")],
            unfinished,
        };
        let told = Error::from(error(vec!["exim4".to_owned()]));
        assert_eq!(
            told.log.as_deref(),
            Some("missing: zlib1g 1.2-3 (amd64)\nunexpected: nano 1.2-3 (amd64)\nunfinished: exim4")
        );
        assert!(told.hint.is_some_and(|hint| hint.contains("did not come to its end")));
        assert!(
            Error::from(error(Vec::new()))
                .hint
                .is_some_and(|hint| hint.contains("lock --update") && hint.contains("the record of a build"))
        );
    }
}
