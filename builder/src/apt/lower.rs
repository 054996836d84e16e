//! The packages of the modules over which another one is laid: the node has them, in the versions that they were built with.

use std::collections::BTreeMap;

use model::Arch;
use model::closure::ModuleRef;
use model::package::PackageRequest;
use model::requirements::PackageVersion;

use super::Error;
use super::error::Gone;
use super::index::{Index, Record};

/// The packages that come with a built module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowerModule {
    /// Its name, version and digest.
    pub module: ModuleRef,
    /// The architecture that it was built for.
    pub arch: Arch,
    /// The packages of its base.
    pub base: Vec<PackageVersion>,
    /// Those that it brings itself.
    pub packages: Vec<PackageVersion>,
}

/// A package that has to be there in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held<'a> {
    version: &'a str,
    /// The module that said so first.
    by: &'a str,
    /// The module that brings it; none where it is a part of a base.
    pub(super) module: Option<&'a str>,
}

/// What `modules` hold for `arch`, by the package's name. What one of them brings, it brings also where another one has it
/// in its base.
///
/// # Errors
/// [`Error::LowerDiffer`] where two of them have other versions of a package.
pub(super) fn held(modules: &[LowerModule], arch: Arch) -> Result<BTreeMap<&str, Held<'_>>, Error> {
    let mut held: BTreeMap<&str, Held<'_>> = BTreeMap::new();
    for module in modules.iter().filter(|module| module.arch == arch) {
        let of_base = module.base.iter().map(|package| (package, None));
        let own = module.packages.iter().map(|package| (package, Some(module.module.name.as_str())));
        for (package, brought) in of_base.chain(own) {
            let one = Held { version: &package.version, by: &module.module.name, module: brought };
            let known = held.entry(&package.name).or_insert(one);
            if known.version != package.version {
                let (one, other) = (format!("{} has {}", known.by, known.version), &package.version);
                let message = format!("{one}, and {} has {other}", module.module.name);
                return Err(Error::LowerDiffer { name: package.name.clone(), message });
            }
            known.module = known.module.or(brought);
        }
    }
    Ok(held)
}

/// The requests for what is held.
pub(super) fn requests(held: &BTreeMap<&str, Held<'_>>) -> Vec<PackageRequest> {
    let request = |(name, held): (&&str, &Held<'_>)| PackageRequest {
        name: (*name).to_owned(),
        arch: None,
        version: Some(held.version.to_owned()),
        suite: None,
    };
    held.iter().map(request).collect()
}

/// The records of what is held, in the order of the names.
///
/// # Errors
/// [`Error::LowerGone`] with what the archives do not have in its version.
pub(super) fn records<'a>(held: &BTreeMap<&str, Held<'_>>, index: &'a Index) -> Result<Vec<&'a Record>, Error> {
    let (mut found, mut gone, mut modules) = (Vec::new(), Vec::new(), Vec::new());
    for (name, held) in held {
        match index.named(name).find(|record| record.package.version == held.version) {
            Some(record) => found.push(record),
            None => {
                let mut versions: Vec<String> = index.named(name).map(|other| other.package.version.clone()).collect();
                versions.dedup();
                gone.push(Gone { name: (*name).to_owned(), version: held.version.to_owned(), versions });
                modules.push(held.by.to_owned());
            }
        }
    }
    modules.sort();
    modules.dedup();
    if gone.is_empty() { Ok(found) } else { Err(Error::LowerGone { modules: modules.join(", "), gone }) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use model::closure::ModuleRefFields;

    use super::*;

    fn module(name: &str, base: &[(&str, &str)], packages: &[(&str, &str)]) -> LowerModule {
        let all = |list: &[(&str, &str)]| {
            let one = |(name, version): &(&str, &str)| PackageVersion {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                arch: "all".to_owned(),
            };
            list.iter().map(one).collect()
        };
        let fields = ModuleRefFields { name: name.to_owned(), version: None, digest: model::Digest::of(b"") };
        let module = ModuleRef::new(fields).unwrap();
        LowerModule { module, arch: Arch::Amd64, base: all(base), packages: all(packages) }
    }

    #[test]
    fn modules_agree_in_the_packages_that_they_share_or_are_refused() {
        let one = module("one", &[("libc", "1")], &[("tool", "2")]);
        let two = module("two", &[("libc", "1"), ("tool", "2")], &[("web", "1")]);
        let both = [one.clone(), two];
        let held = held(&both, Arch::Amd64).unwrap();
        let whose: Vec<_> = held.iter().map(|(name, held)| (*name, held.module)).collect();
        assert_eq!(whose, [("libc", None), ("tool", Some("one")), ("web", Some("two"))]);
        let texts: Vec<String> = requests(&held).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["libc=1", "tool=2", "web=1"]);
        assert!(super::held(&both, Arch::Arm64).unwrap().is_empty(), "those of another architecture do not count");
        let other = module("other", &[("libc", "2")], &[]);
        let error = super::held(&[one, other], Arch::Amd64).unwrap_err();
        assert_eq!(error.to_string(), "the modules have different versions of libc: one has 1, and other has 2");
    }
}
