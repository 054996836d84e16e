//! What it means that a root file system cannot be made.

use std::io;

use model::explain::{Explain, Explanation, Kind};

use super::error::Error;
use super::error::Named;
use super::failure::Failure;
use super::script::unpack_only;

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        const CANNOT: &str = "the root file system cannot be built";
        let explained = match self {
            Self::Cache(error) => return error.explain(),
            Self::File(error) => error.explain(),
            Self::Failed { failure, log } => {
                Explanation { log: log.join("\n"), ..Explanation::under(CANNOT, Kind::Outside, failure) }
            }
            Self::NotAsLocked { missing, unexpected, unfinished } => Explanation {
                log: differences(missing, unexpected, unfinished),
                ..Explanation::new(Kind::Outside, self)
            },
            Self::Argument(_) | Self::NoName { .. } => Explanation::new(Kind::Refused, self),
            Self::OtherPackage { .. } => {
                Explanation::under("a package is not the one that the lock names", Kind::Input, self)
            }
            Self::Count { .. } => Explanation::new(Kind::Bug, self),
            Self::Package { .. } => Explanation::new(Kind::Outside, self),
            Self::ToolMissing { .. }
            | Self::ToolTooOld { .. }
            | Self::ToolVersion { .. }
            | Self::Start { .. }
            | Self::NoPrivilege { .. }
            | Self::Deb(_)
            | Self::Dpkg(_) => Explanation::under(CANNOT, Kind::Outside, self),
        };
        explained.hint(self.hint())
    }
}

/// The packages in which an installation is not what is locked, a line for each way.
fn differences(missing: &[Named], unexpected: &[Named], unfinished: &[String]) -> String {
    let named = |all: &[Named]| all.iter().map(|(name, arch, version)| format!("{name} {version} ({arch})")).collect();
    let all: [(&str, Vec<String>); 3] =
        [("missing", named(missing)), ("unexpected", named(unexpected)), ("unfinished", unfinished.to_owned())];
    let lines = all.iter().filter(|(_, names)| !names.is_empty());
    lines.map(|(what, names)| format!("{what}: {}", names.join(", "))).collect::<Vec<_>>().join("\n")
}

impl Error {
    /// What to do about it; empty where nothing general can be said.
    fn hint(&self) -> &'static str {
        match self {
            Self::ToolMissing { .. } => "apt install mmdebstrap",
            Self::ToolTooOld { .. } => "use Debian 12 or later, or install a newer mmdebstrap from backports",
            Self::ToolVersion { .. } => "run it by hand to see what is wrong with it, or install it anew",
            Self::NoPrivilege { .. } => {
                "run as root (in a container: with the capabilities SYS_ADMIN and NET_ADMIN), or give the user subordinate ids: `apt install uidmap` and `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`"
            }
            Self::Failed { failure, .. } => failure.hint(),
            Self::NotAsLocked { unfinished, .. } if !unfinished.is_empty() => {
                unpack_only!("a script or trigger of these packages did not come to its end: ")
            }
            Self::NotAsLocked { .. } => {
                "a maintainer script installed or removed packages, or what names them, module.lock or the record of a build, is not whole: take it from where it was made, or make it anew by `module-builder lock --update` or a build"
            }
            Self::Argument(_) | Self::NoName { .. } => host::explain::FORGED,
            Self::OtherPackage { .. } => {
                "take module.lock from version control, or make it anew by `module-builder lock --update`"
            }
            Self::File(host::Error::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                Failure::NoSpace.hint()
            }
            Self::Start { .. }
            | Self::Count { .. }
            | Self::File(_)
            | Self::Package { .. }
            | Self::Deb(_)
            | Self::Dpkg(_)
            | Self::Cache(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_locked_is_listed_by_name_version_and_architecture() {
        let named = |name: &str| (name.to_owned(), "amd64".to_owned(), "1.2-3".to_owned());
        let error = |unfinished| Error::NotAsLocked {
            missing: vec![named("zlib1g")],
            unexpected: vec![named("nano")],
            unfinished,
        };
        let stuck = error(vec!["exim4".to_owned()]);
        assert_eq!(
            stuck.explain().log,
            "missing: zlib1g 1.2-3 (amd64)\nunexpected: nano 1.2-3 (amd64)\nunfinished: exim4"
        );
        assert!(stuck.explain().hint.is_some_and(|hint| hint.contains("did not come to its end")));
        let other = error(Vec::new());
        let hint = other.explain().hint.unwrap_or_default();
        assert!(hint.contains("lock --update") && hint.contains("the record of a build"), "{hint}");
    }
}
