//! Which request brought a package.

use std::collections::BTreeSet;

use model::package::PackageRequest;

use super::{Ownership, is_requested};
use crate::dpkg::Installed;

impl Ownership {
    /// The first of `requested` that is for `package`, else the first one of which the package is a dependency, at last.
    #[must_use]
    pub fn requester<'r>(&self, package: &str, requested: &'r [PackageRequest]) -> Option<&'r PackageRequest> {
        let named = requested.iter().find(|request| request.name == package);
        named.or_else(|| requested.iter().find(|request| self.brings(request, package)))
    }

    /// Whether what `request` names depends on `package`, at last.
    fn brings(&self, request: &PackageRequest, package: &str) -> bool {
        let requested = std::slice::from_ref(request);
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&Installed> =
            self.database.present().filter(|installed| is_requested(installed, requested)).collect();
        while let Some(installed) = open.pop() {
            if !seen.insert(&installed.package.name) {
                continue;
            }
            if installed.package.name == package {
                return true;
            }
            let names: BTreeSet<&String> = installed.depends.iter().flatten().collect();
            let is_named = |other: &&Installed| {
                names.contains(&other.package.name) || other.provides.iter().any(|name| names.contains(name))
            };
            open.extend(self.database.present().filter(is_named));
        }
        false
    }
}
