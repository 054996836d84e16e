//! What was resolved: an exact closure of packages, and the archives that it came from.
//!
//! A resolution ends in argument lists of apt and mmdebstrap, in URLs, in sources and indices of archives, in
//! file names and in messages. It comes from a lock, from a build's record or from apt's answer about an
//! archive, and each of these may be someone else's. So a [`Resolution`] is checked where it gets its type,
//! by one rule, wherever it came from; what is not checked has no such type, and nothing takes it.

mod error;
mod reason;
mod variant;

use serde::{Deserialize, Serialize};

use crate::archive;
use crate::checked::{Checked, Rules};
use crate::manifest::is_module_name;
use crate::package::{Package, PackageFault, PackageFields, PackageRequest};
use crate::words::{beginning, is_showable};
use crate::{Arch, Digest, Epoch};

pub use error::Fault;
pub use reason::{ParseReasonError, Reason};
pub use variant::{ParseVariantError, Variant};

/// The largest .deb, in bytes: its format writes the size of each of its three parts in ten digits.
pub const DEB_LIMIT: u64 = 32 << 30;

/// The most bytes that all packages of a closure have together. Debian's whole archive for one architecture
/// has about 100 GiB.
pub const TOTAL_LIMIT: u64 = 1 << 40;

/// The most packages of a closure. Debian has about 70,000 for one architecture.
pub const PACKAGE_LIMIT: usize = 200_000;

/// The most archives of a closure.
pub const ARCHIVE_LIMIT: usize = 64;

/// The most requests, of which a manifest of 1 MiB cannot hold more.
pub const REQUEST_LIMIT: usize = 400_000;

/// The exact closure of a list of requests for one architecture. It is also the body of `module.lock` for that
/// architecture, and a part of a build's record.
pub type Resolution = Checked<ResolutionFields>;

/// What a signed Release file says about its archive. The signature was checked by apt.
pub type ReleaseInfo = Checked<ReleaseFields>;

/// One package of the closure and its file.
pub type Resolved = Checked<ResolvedFields>;

/// What a [`Resolution`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolutionFields {
    /// The architecture.
    pub arch: Arch,
    /// The suite that was asked for; it may be an alias such as `stable`.
    pub suite: String,
    /// Which packages are there without being asked for.
    pub variant: Variant,
    /// What was requested, sorted, without repetitions.
    pub requests: Vec<PackageRequest>,
    /// The archive of the suite itself; none where nothing is asked for and no archive was looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseInfo>,
    /// Further archives, in the order of the settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_releases: Vec<ReleaseInfo>,
    /// Every package, sorted by name; no package twice.
    pub packages: Vec<Resolved>,
}

/// What a [`ReleaseInfo`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFields {
    /// The archive's base URI, in the form that [`archive::uri`] gives.
    pub uri: String,
    /// The suite that was asked for below it, or the path of a flat archive.
    pub path: String,
    /// The sha256 of the `InRelease` file (of `Release`, where the archive has no `InRelease`).
    pub inrelease: Digest,
    /// The field `Date`.
    pub date: Epoch,
    /// The field `Valid-Until`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Epoch>,
    /// The field `Suite`; empty where there is none that is a suite's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suite: String,
    /// The field `Codename`; empty where there is none that is a suite's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codename: String,
    /// The field `Origin`; empty where there is none that can be shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// The field `Label`; empty where there is none that can be shown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// What a [`Resolved`] is made of; only the check makes one of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line")]
pub struct ResolvedFields {
    /// Name, architecture, version and source.
    #[serde(flatten)]
    pub package: Package,
    /// The whole URL of the .deb: that of its archive, and the path.
    pub url: String,
    /// The path of the .deb below its archive's URI; relative, without `..`.
    pub path: String,
    /// The size of the .deb in bytes.
    pub size: u64,
    /// The sha256 of the .deb.
    pub sha256: Digest,
    /// Why it is there.
    pub reason: Reason,
    /// The number of its archive among [`ResolutionFields::archives`], from 0. Where it is not written, the first one with
    /// the URI is meant.
    #[serde(skip_serializing_if = "is_zero")]
    pub archive: usize,
    /// Whether the base has it, over which the module is laid: then it is there while the module is built, and none of
    /// its files is the module's.
    #[serde(skip_serializing_if = "is_false")]
    pub base: bool,
    /// The module that brings it, where the base is not all of what this one is laid over; then [`ResolvedFields::base`] is set, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The form of [`ResolvedFields`]: what is flattened cannot refuse keys that it does not know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    arch: String,
    version: String,
    source: String,
    source_version: String,
    url: String,
    path: String,
    size: u64,
    sha256: Digest,
    reason: Reason,
    #[serde(default)]
    archive: usize,
    #[serde(default)]
    base: bool,
    #[serde(default)]
    module: Option<String>,
}

impl TryFrom<Line> for ResolvedFields {
    type Error = PackageFault;

    fn try_from(line: Line) -> Result<Self, PackageFault> {
        let Line { name, arch, version, source, source_version, .. } = line;
        let package = Package::new(PackageFields { name, arch, version, source, source_version })?;
        let Line { url, path, size, sha256, reason, archive, base, module, .. } = line;
        Ok(Self { package, url, path, size, sha256, reason, archive, base, module })
    }
}

impl Rules for ReleaseFields {
    type Fault = Fault;

    fn check(&self) -> Result<(), Fault> {
        match archive::uri(&self.uri) {
            Err(fault) => return Err(Fault::Uri { what: fault.message() }),
            Ok(uri) if uri != self.uri => return Err(Fault::Uri { what: "it is not in its shortest form" }),
            Ok(_) => {}
        }
        let optional = |text: &str, is: fn(&str) -> bool| text.is_empty() || is(text);
        let wrong = [
            ("path", &self.path, archive::is_place(&self.path)),
            ("suite", &self.suite, optional(&self.suite, archive::is_suite)),
            ("codename", &self.codename, optional(&self.codename, archive::is_suite)),
            ("origin", &self.origin, is_showable(&self.origin)),
            ("label", &self.label, is_showable(&self.label)),
        ];
        let wrong = wrong.into_iter().find(|(_, _, fine)| !fine);
        wrong.map_or(Ok(()), |(field, text, _)| Err(Fault::Archive { field, text: beginning(text) }))
    }
}

impl ReleaseFields {
    /// The same without what the Release file says of its archive and no one can use: then the archive has no
    /// such name, as if the field were not there.
    #[must_use]
    pub fn without_odd_names(mut self) -> Self {
        for (text, is) in [
            (&mut self.suite, archive::is_suite as fn(&str) -> bool),
            (&mut self.codename, archive::is_suite),
            (&mut self.origin, is_showable),
            (&mut self.label, is_showable),
        ] {
            if !is(text) {
                text.clear();
            }
        }
        self
    }
}

impl Rules for ResolvedFields {
    type Fault = Fault;

    fn check(&self) -> Result<(), Fault> {
        let name = || beginning(&self.package.name);
        if let Some((field, text)) = self.package.odd_part() {
            return Err(Fault::Package { name: name(), field, text: beginning(text) });
        }
        if !archive::is_relative(&self.path) {
            return Err(Fault::Outside { name: name() });
        }
        if !archive::is_deb_path(&self.path) {
            return Err(Fault::Path { name: name(), path: beginning(&self.path) });
        }
        if self.size > DEB_LIMIT {
            return Err(Fault::Size { name: name() });
        }
        if self.module.as_ref().is_some_and(|module| !self.base || !is_module_name(module)) {
            return Err(Fault::Module { name: name() });
        }
        if self.reason.is_plain() { Ok(()) } else { Err(Fault::Reason { name: name() }) }
    }
}

impl Rules for ResolutionFields {
    type Fault = Fault;

    fn check(&self) -> Result<(), Fault> {
        if !archive::is_suite(&self.suite) {
            return Err(Fault::Suite { text: beginning(&self.suite) });
        }
        for (what, count, limit) in [
            ("archives", self.archives().count(), ARCHIVE_LIMIT),
            ("requests", self.requests.len(), REQUEST_LIMIT),
            ("packages", self.packages.len(), PACKAGE_LIMIT),
        ] {
            if count > limit {
                return Err(Fault::Many { what, limit: limit as u64 });
            }
        }
        let needs_archive = !(self.requests.is_empty() && self.packages.is_empty() && self.more_releases.is_empty());
        if self.release.is_none() && needs_archive {
            return Err(Fault::NoArchive { arch: self.arch });
        }
        for request in &self.requests {
            let text = request.to_string();
            if PackageRequest::parse(&text).as_ref() != Ok(request) {
                return Err(Fault::Request { text: beginning(&text) });
            }
        }
        self.check_packages()
    }
}

impl ResolutionFields {
    /// The newest date of the archives that it came from: the default epoch of a build. None where it came from none.
    #[must_use]
    pub fn newest(&self) -> Option<Epoch> {
        self.archives().map(|release| release.date).max()
    }

    /// The suite as mmdebstrap and the local repository call it: the release's code name where it has
    /// one that is a plain word (mmdebstrap puts it into a pattern for apt).
    #[must_use]
    pub fn codename(&self) -> &str {
        let plain = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let names = [self.release.as_ref().map(|release| release.codename.as_str()), Some(self.suite.as_str())];
        names.into_iter().flatten().find(|name| plain(name)).unwrap_or("locked")
    }

    /// All archives, that of the suite first.
    pub fn archives(&self) -> impl Iterator<Item = &ReleaseInfo> {
        self.release.iter().chain(&self.more_releases)
    }

    /// Those of its packages that have these numbers, all else as it is.
    ///
    /// # Errors
    /// When the numbers are not in order.
    pub fn narrowed(&self, numbers: &[usize]) -> Result<Resolution, Fault> {
        let packages = numbers.iter().filter_map(|number| self.packages.get(*number)).cloned().collect();
        let (release, more_releases) = (self.release.clone(), self.more_releases.clone());
        let (suite, requests) = (self.suite.clone(), self.requests.clone());
        Resolution::new(Self {
            arch: self.arch,
            suite,
            variant: self.variant,
            requests,
            release,
            more_releases,
            packages,
        })
    }

    /// Those of its packages that the module is laid over: those of the base, and of the modules that lie below it; none where
    /// no base was asked for.
    #[must_use]
    pub fn of_base(&self) -> Option<Resolution> {
        self.of_those(|resolved| resolved.base)
    }

    /// Those of its packages that the base has by itself, without the modules that lie between; none where no base was asked
    /// for.
    #[must_use]
    pub fn of_base_alone(&self) -> Option<Resolution> {
        self.of_those(|resolved| resolved.base && resolved.module.is_none())
    }

    fn of_those(&self, is_one: impl Fn(&Resolved) -> bool) -> Option<Resolution> {
        let numbers = (0..self.packages.len()).filter(|number| is_one(&self.packages[*number]));
        let numbers: Vec<usize> = numbers.collect();
        if numbers.is_empty() { None } else { self.narrowed(&numbers).ok() }
    }

    /// Each was checked by itself; here is what they are to each other, to the archives and to the architecture.
    fn check_packages(&self) -> Result<(), Fault> {
        let arch = self.arch;
        let mut total: u64 = 0;
        let mut before = "";
        for resolved in &self.packages {
            let name = &resolved.package.name;
            let found = &resolved.package.arch;
            if found != "all" && found != arch.debian() {
                return Err(Fault::Arch { name: name.clone(), found: found.clone(), arch });
            }
            match before.cmp(name) {
                std::cmp::Ordering::Less => before = name,
                std::cmp::Ordering::Equal => return Err(Fault::Twice { name: name.clone(), arch }),
                std::cmp::Ordering::Greater => return Err(Fault::Order { name: name.clone(), arch }),
            }
            let uri = resolved.url.strip_suffix(&archive::url("", &resolved.path));
            let is_there = |uri: &str| match resolved.archive {
                0 => self.archives().any(|release| release.uri == uri),
                number => self.archives().nth(number).is_some_and(|release| release.uri == uri),
            };
            if !uri.is_some_and(is_there) {
                return Err(Fault::Url { name: name.clone() });
            }
            total = total.saturating_add(resolved.size);
        }
        if total > TOTAL_LIMIT {
            return Err(Fault::Many { what: "bytes in all packages together", limit: TOTAL_LIMIT });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
