//! The base over which several modules are laid together: the largest of those over which they were built.
//!
//! A node has one base. Modules that were built over a smaller one work over a larger one, where that has all packages of the
//! smaller at the same versions, and no package that the modules ship in another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::record::Closure;

use crate::error::Error;
use crate::recipes::trial::roots::Roots;

/// The module whose base all others can be laid over, of those that were built over one.
///
/// # Errors
/// Where a module was built over another base: with the first package that is not the same.
pub(super) fn check(modules: &[PathBuf], roots: &[Option<Roots>]) -> Result<(), Error> {
    let known = || modules.iter().zip(roots).filter_map(|(path, roots)| Some((path, roots.as_ref()?)));
    let Some(largest) = largest(roots) else { return Ok(()) };
    let of_largest = known().find(|(_, roots)| std::ptr::eq(*roots, largest)).map(|(path, _)| path);
    for (path, roots) in known() {
        if let (Some(difference), Some(other)) = (difference(roots, &largest.closure), of_largest) {
            return Err(refused(path, other, &difference));
        }
    }
    Ok(())
}

/// What has the largest base, the first of several.
pub(super) fn largest(roots: &[Option<Roots>]) -> Option<&Roots> {
    let larger = |one, other| if size(other) > size(one) { other } else { one };
    roots.iter().flatten().reduce(larger)
}

fn size(roots: &Roots) -> usize {
    roots.closure.packages.len()
}

fn refused(path: &Path, other: &Path, difference: &str) -> Error {
    let message = format!("{} was built over another base than {}: {difference}", path.display(), other.display());
    Error::refused(message).hint("build them over one base: the same [base] in builder.toml, and locks of one day")
}

/// Why a module cannot be laid over `base`, which may be larger than its own.
fn difference(module: &Roots, base: &Closure) -> Option<String> {
    let own = &module.closure;
    if own.suite != base.suite {
        return Some(format!("its suite is {}, and the other's is {}", own.suite, base.suite));
    }
    if own.arch != base.arch {
        return Some(format!("its architecture is {}, and the other's is {}", own.arch, base.arch));
    }
    let lacking = own.packages.iter().find(|(name, _)| !base.packages.contains_key(*name));
    if let Some((name, said)) = lacking {
        return Some(format!("it has {name} {}, and the other has none", version(said)));
    }
    other_version(&own.packages, &base.packages)
        .or_else(|| other_version(&module.full_closure.packages, &base.packages))
}

/// The first package that both have, and not the same of it.
fn other_version(own: &BTreeMap<String, String>, base: &BTreeMap<String, String>) -> Option<String> {
    let both = own.iter().filter_map(|(name, said)| Some((name, said, base.get(name)?)));
    let (name, said, theirs) = both.into_iter().find(|(_, said, theirs)| said != theirs)?;
    let (ours, theirs) = (version(said), version(theirs));
    Some(match ours == theirs {
        true => format!("{name} {ours} is another build of the same version there"),
        false => format!("it has {name} {ours}, and the other has {theirs}"),
    })
}

/// The version in what is recorded of a package, before its digest.
fn version(said: &str) -> &str {
    said.split(' ').next().unwrap_or(said)
}

#[cfg(test)]
mod tests {
    use model::Arch;
    use model::resolution::Variant;

    use super::*;

    fn closure(packages: &[(&str, &str)]) -> Closure {
        let packages = packages.iter().map(|(name, said)| ((*name).to_owned(), (*said).to_owned())).collect();
        Closure { suite: "trixie".to_owned(), variant: Variant::default(), arch: Arch::Amd64, packages }
    }

    fn roots(base: &[(&str, &str)], more: &[(&str, &str)]) -> Option<Roots> {
        let full_closure = closure(&[base, more].concat());
        Some(Roots { closure: closure(base), full_closure, base: PathBuf::new(), full: PathBuf::new() })
    }

    fn said(roots: &[Option<Roots>]) -> Option<String> {
        let names: Vec<PathBuf> = ["a", "b", "c"].map(PathBuf::from).into();
        check(&names, roots).err().map(|error| error.to_string())
    }

    const SMALL: [(&str, &str); 2] = [("libc6:amd64", "2.41 x"), ("systemd:amd64", "257 x")];
    const LARGE: [(&str, &str); 3] = [SMALL[0], SMALL[1], ("perl:amd64", "5.40 x")];

    #[test]
    fn modules_are_laid_over_the_larger_base_whichever_is_named_first() {
        let modules = || [roots(&SMALL, &[LARGE[2]]), None, roots(&LARGE, &[("tool:amd64", "1 x")])];
        let mut turned = modules();
        turned.reverse();
        for all in [modules(), turned] {
            assert_eq!(said(&all), None);
            assert_eq!(largest(&all).unwrap().closure.packages.len(), LARGE.len());
        }
        assert_eq!(said(&[None, None]), None);
    }

    #[test]
    fn what_differs_is_named() {
        let other = [SMALL[0], ("systemd:amd64", "256 x"), LARGE[2]];
        let rebuilt = [("libc6:amd64", "2.41 y"), SMALL[1], LARGE[2]];
        let beside = [SMALL[0], SMALL[1], ("python3:amd64", "3 x")];
        for (first, wanted) in [
            (roots(&SMALL, &[]), "it has systemd:amd64 257, and the other has 256"),
            (roots(&SMALL[..1], &[("perl:amd64", "5.36 x")]), "it has perl:amd64 5.36, and the other has 5.40"),
        ] {
            let all = [first, roots(&other, &[])];
            assert_eq!(said(&all).unwrap(), format!("a was built over another base than b: {wanted}"));
        }
        assert!(
            said(&[roots(&SMALL, &[]), roots(&rebuilt, &[])]).unwrap().contains("libc6:amd64 2.41 is another build")
        );
        assert!(
            said(&[roots(&LARGE, &[]), roots(&beside, &[])]).unwrap().contains("b was built over another base than a")
        );
        assert!(
            said(&[roots(&LARGE, &[]), roots(&beside, &[])])
                .unwrap()
                .contains("python3:amd64 3, and the other has none")
        );
    }
}
