//! Packages that others recommend and that a root file system does not have.

use std::collections::BTreeSet;

use image::Readable;
use image::tree::{Kind, Tree};
use model::ImagePath;

use crate::deb822::{Dialect, Reader};
use crate::relation::{alternatives, groups};

/// Where dpkg notes what is installed, and the largest such file that is read, in bytes.
const STATUS: (&str, u64) = ("/var/lib/dpkg/status", 64 << 20);

/// The names of packages that one of `names` recommends and that are not installed in `tree`; none where dpkg's database
/// cannot be read: this is a hint.
#[must_use]
pub fn not_installed<C: Readable>(tree: &Tree<C>, names: &BTreeSet<&str>) -> Vec<String> {
    let status = ImagePath::new(STATUS.0).ok().and_then(|path| tree.lookup(&path));
    let Some(Kind::Regular(source)) = status.map(|id| &tree.node(id).kind) else { return Vec::new() };
    source.read(STATUS.1).map(|text| of_status(&text, names)).unwrap_or_default()
}

fn of_status(text: &[u8], names: &BTreeSet<&str>) -> Vec<String> {
    let (mut present, mut recommended) = (BTreeSet::new(), BTreeSet::new());
    let mut reader = Reader::new(text, Dialect::Index);
    while let Some(Ok(paragraph)) = reader.paragraph() {
        let field = |name: &str| paragraph.text(name).unwrap_or_default().into_owned();
        let name = field("Package");
        for provided in groups(&field("Provides")).flat_map(alternatives) {
            present.insert(provided.name.to_owned());
        }
        if names.contains(name.as_str()) {
            recommended.extend(groups(&field("Recommends")).map(|group| group.trim().to_owned()));
        }
        present.insert(name);
    }
    let is_met = |group: &String| alternatives(group).any(|relation| present.contains(relation.name));
    let first = |group: String| alternatives(&group).next().map(|relation| relation.name.to_owned());
    recommended.into_iter().filter(|group| !is_met(group)).filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recommended_and_not_there_is_named() {
        let text = b"Package: web\nRecommends: a, b (>= 1) | c, d | e, ssl\n\nPackage: c\n\nPackage: libs\nProvides: ssl (= 1)\n\n\
                     Package: other\nRecommends: f\n";
        assert_eq!(of_status(text, &BTreeSet::from(["web"])), ["a", "d"]);
        assert_eq!(of_status(b"nonsense", &BTreeSet::from(["web"])), [""; 0]);
    }
}
