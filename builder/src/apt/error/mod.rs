//! What can go wrong between a request and its .deb.

mod explain;
mod fetch;
mod missing;

use std::fmt;
use std::path::PathBuf;

pub use fetch::{FetchFailure, FetchFault};
pub use missing::{Missing, NotLocked};

/// A suite or component that an archive does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSuite {
    /// The archive's URI.
    pub uri: String,
    /// The suite, or the path of a flat archive.
    pub suite: String,
    /// The component, where the archive has the suite.
    pub component: Option<String>,
}

/// Why packages could not be resolved or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be given to apt safely, or makes no sense.
    #[error("the setting `{field}` is wrong{}{value}: {message}", if value.is_empty() { "" } else { " at " })]
    Setting {
        /// The setting's name.
        field: &'static str,
        /// The offending text; empty where it is missing or secret.
        value: String,
        /// What is wrong with it.
        message: &'static str,
    },
    /// A snapshot is pinned, and no snapshot archive is set.
    #[error("the snapshot {snapshot} is pinned, but no snapshot archive is set")]
    SnapshotMirrorMissing {
        /// The pinned moment.
        snapshot: String,
    },
    /// No keyring was named, and the host has none of Debian's.
    #[error("there is no keyring to check the archive's signature with (looked for {})", paths(tried))]
    KeyringMissing {
        /// Where it was looked for.
        tried: Vec<PathBuf>,
    },
    /// The keyring that was named is not there.
    #[error("there is no keyring {}", path.display())]
    KeyringNamed {
        /// The file.
        path: PathBuf,
    },
    /// The keyring is there, and no file that can be read.
    #[error("{fault}")]
    KeyringUnread {
        /// The file.
        path: PathBuf,
        /// What the system said, or what lies there.
        fault: host::Error,
    },
    /// The keyring cannot be read as OpenPGP.
    #[error("the keyring {} cannot be used: {fault}", path.display())]
    Keyring {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: super::KeyringFault,
    },
    /// apt is not installed.
    #[error("apt-get cannot be started: it is not installed")]
    AptMissing,
    /// A program could not be started or watched.
    #[error(transparent)]
    Process(host::process::Error),
    /// A file of the isolated state could not be read or written.
    #[error(transparent)]
    State(host::Error),
    /// A file cannot be opened, or is nothing that this program reads.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The cache could not be used.
    #[error(transparent)]
    Cache(#[from] crate::cache::Error),
    /// The archive's host cannot be reached or its name is not known.
    #[error("the package archive cannot be reached\n{log}")]
    Network {
        /// The tail of apt's own message.
        log: String,
        /// Whether the cache has the package lists of an earlier run.
        has_lists: bool,
    },
    /// The archive's certificate is not one to trust: unknown authority, other name, out of date.
    #[error("the archive's certificate is refused\n{log}")]
    Certificate {
        /// The tail of apt's own message. apt 3 does not say what is wrong with the certificate.
        log: String,
    },
    /// The file of certificate authorities cannot be used.
    #[error(transparent)]
    CaBundle(#[from] net::ca_bundle::Unusable),
    /// The archive or the proxy wants a name and a password, or other ones.
    #[error("the package archive or the proxy refuses access\n{log}")]
    Denied {
        /// The tail of apt's own message.
        log: String,
    },
    /// The archive has no such suite, component or file.
    #[error("the archive has no such suite, component or architecture\n{log}")]
    SuiteMissing {
        /// What is missing of which archive, where apt says it.
        missing: Option<MissingSuite>,
        /// The tail of apt's own message.
        log: String,
    },
    /// A list of the archive is longer than any is taken.
    #[error("a list of the archive has more than 1 GiB\n{log}")]
    ListTooLarge {
        /// The tail of apt's own message.
        log: String,
    },
    /// The archive has a Release file that apt does not take: it is too long, or ends too early.
    #[error("apt takes no Release file of {archive}: it has more than the 10 MB that apt reads, or is none\n{log}")]
    ReleaseNotTaken {
        /// The archive and its suite, as apt names them.
        archive: String,
        /// The tail of apt's own message.
        log: String,
    },
    /// The archive's signature is not good.
    #[error("the archive's signature is refused: {fault}\n{log}")]
    Signature {
        /// In which way.
        fault: SignatureFault,
        /// The tail of apt's own message.
        log: String,
    },
    /// The archive's Release file is past its `Valid-Until`, or not valid yet.
    #[error("the archive's Release file is not valid at this time\n{log}")]
    Expired {
        /// The tail of apt's own message.
        log: String,
    },
    /// The disk is full.
    #[error("no space is left on the disk that holds the cache\n{log}")]
    DiskFull {
        /// The tail of apt's own message.
        log: String,
    },
    /// apt may not read or write something.
    #[error("apt may not read or write a file that it needs\n{log}")]
    Permission {
        /// The tail of apt's own message.
        log: String,
    },
    /// An index's bytes are not those that the signed Release file promises.
    #[error("the archive serves index files that its Release file does not promise\n{log}")]
    IndexMismatch {
        /// The tail of apt's own message.
        log: String,
    },
    /// apt failed in a way that has no name here.
    #[error("apt-get {verb} failed\n{log}")]
    Apt {
        /// apt-get's verb, such as `update`.
        verb: &'static str,
        /// The tail of apt's own message.
        log: String,
    },
    /// Offline, and the isolated state was never filled for these settings.
    #[error("offline, and the package lists of {suite} ({arch}) were never fetched with these settings")]
    OfflineState {
        /// The suite.
        suite: String,
        /// The architecture.
        arch: model::Arch,
    },
    /// A Release file does not hold what it must.
    #[error("the Release file {} is not usable: {message}", path.display())]
    Release {
        /// The file in the isolated state.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A Packages index does not hold what it must.
    #[error("the package index {} is not usable: {message}", path.display())]
    Index {
        /// The file in the isolated state.
        path: PathBuf,
        /// What is wrong, and for which package.
        message: String,
    },
    /// Requests that the archive cannot serve: all of them.
    #[error("{} of the requested packages cannot be obtained:{}", missing.len(), lines(missing))]
    Missing {
        /// One for each request that fails.
        missing: Vec<Missing>,
    },
    /// Every name exists, but no set of packages satisfies all dependencies.
    #[error("the requested packages cannot be installed together for {arch}\n{explanation}")]
    Unsatisfiable {
        /// The architecture.
        arch: model::Arch,
        /// apt's explanation.
        explanation: String,
    },
    /// A package needs another version of one that the base has.
    #[error("{name} {needed} is needed, and the base has {has}")]
    BaseMoved {
        /// The package of the base.
        name: String,
        /// The version that is needed.
        needed: String,
        /// The version of the base.
        has: String,
    },
    /// The packages cannot be installed beside one that the base has.
    #[error("installing {by} removes {name} from the base")]
    BaseLost {
        /// The package of the base.
        name: String,
        /// The packages that are asked for.
        by: String,
    },
    /// Modules that are laid over each other were built with different versions of a package.
    #[error("the modules have different versions of {name}: {message}")]
    LowerDiffer {
        /// The package.
        name: String,
        /// Which module has which version.
        message: String,
    },
    /// Packages of a module over which this one is laid, in versions that the archives no longer have: all of them.
    #[error("the archives no longer have what {modules} was built with: {}", gone.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    LowerGone {
        /// The names of the modules.
        modules: String,
        /// The packages.
        gone: Vec<Gone>,
    },
    /// Locked versions that must stay, and that the archives no longer have: all of them.
    #[error("{} of the locked versions left the archive:{}", gone.len(), lines(gone))]
    Gone {
        /// One for each package.
        gone: Vec<Gone>,
    },
    /// Names to update that the lock does not have: all of them.
    #[error("the lock does not have what is to be updated:{}", lines(packages))]
    NotLocked {
        /// One for each name.
        packages: Vec<NotLocked>,
    },
    /// The architectures cannot have the same source versions.
    #[error("the architectures cannot be locked together:{}", lines(packages))]
    Disagree {
        /// The packages that differ.
        packages: Vec<Disagreement>,
    },
    /// The archive was published anew between the architectures' turns, twice.
    #[error("the archive {uri} changed while its architectures were read")]
    Moved {
        /// The archive.
        uri: String,
    },
    /// apt's plan names something that the signed index does not have.
    #[error("apt plans to install {what}, which the package index does not hold")]
    Plan {
        /// The URL or line of apt's plan.
        what: String,
    },
    /// What the archive offers is signed and all the same nothing that can be named to a program.
    #[error("the archive offers what cannot be used")]
    Odd(#[source] model::resolution::Fault),
    /// Packages could not be put into the cache: all of those that were tried.
    #[error("{}", fetch::unfetched(failures))]
    Fetch {
        /// One for each package.
        failures: Vec<FetchFailure>,
    },
}

/// How a signature fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureFault {
    /// There is none.
    Missing,
    /// It does not fit the signed bytes.
    Bad,
    /// It was made by a key that is not in the keyring.
    UnknownKey,
    /// Its key, or the signature itself, has expired or was revoked, or its algorithm is too weak.
    Unfit,
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is none",
            Self::Bad => "it does not fit the bytes",
            Self::UnknownKey => "it was made by a key that is not in the keyring",
            Self::Unfit => "its key is expired, revoked or too weak",
        })
    }
}

/// A locked version that the archives no longer have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// The package.
    pub name: String,
    /// The version that was locked.
    pub version: String,
    /// The versions that are there.
    pub versions: Vec<String>,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = match self.versions.is_empty() {
            true => "no package of this name".to_owned(),
            false => self.versions.join(", "),
        };
        write!(f, "{} {} (the archive has {there})", self.name, self.version)
    }
}

/// A package that comes from different source versions on different architectures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    /// The package.
    pub name: String,
    /// The newest source version that is available, by architecture.
    pub versions: Vec<(model::Arch, String)>,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions.iter().map(|(arch, version)| format!("{version} for {arch}")).collect();
        write!(f, "{}: {}", self.name, versions.join(", "))
    }
}

fn lines<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  {item}")).collect()
}

/// The first of many, each in a line, and how many there are beside them.
fn first<T: fmt::Display>(items: &[T]) -> String {
    const MOST: usize = 10;
    let more = items.len().saturating_sub(MOST);
    let rest = if more > 0 { format!("\n  and {more} more") } else { String::new() };
    lines(&items[..items.len() - more]) + &rest
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn packages(count: usize) -> String {
    model::words::count(count, "package")
}

#[cfg(test)]
mod tests {
    use model::Explain;

    use super::*;

    fn failed(count: usize, fault: &FetchFault) -> Error {
        let failure =
            |number| FetchFailure { package: format!("p{number}"), url: "http://m/a".to_owned(), fault: fault.clone() };
        Error::Fetch { failures: (1..=count).map(failure).collect() }
    }

    #[test]
    fn one_package_is_one() {
        let said = |count| failed(count, &FetchFault::Status(404)).to_string();
        assert!(said(1).starts_with("1 package could not be fetched:\n  p1 "), "{}", said(1));
        assert!(said(2).starts_with("2 packages could not be fetched:\n"), "{}", said(2));
        assert_eq!(said(10).lines().count(), 11);
        assert_eq!(said(400).lines().count(), 12, "a line for each of hundreds hides what is above");
        assert!(said(400).ends_with("\n  and 390 more"), "{}", said(400));
    }

    #[test]
    fn what_the_cache_does_not_hold_is_said_once() {
        for (count, named) in [
            (1, "p1"),
            (2, "p1 and p2"),
            (3, "p1, p2 and p3"),
            (8, "p1, p2, p3, p4, p5, p6, p7 and p8"),
            (400, "p1, p2, p3, p4, p5, p6, p7 and 393 more"),
        ] {
            let error = failed(count, &FetchFault::Offline);
            assert_eq!(error.to_string(), format!("offline, and the cache does not hold {named}"));
            let explained = error.explain();
            assert_eq!(explained.message, format!("{} could not be fetched", packages(count)));
            assert!(explained.log.is_empty() && explained.cause.is_some(), "{explained:?}");
        }
        let mut mixed = failed(2, &FetchFault::Offline);
        if let Error::Fetch { failures } = &mut mixed {
            failures[1].fault = FetchFault::Scheme;
        }
        assert_eq!(mixed.explain().log.lines().count(), 2, "{mixed}");
    }
}
