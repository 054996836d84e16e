//! Where the files of a module came from, and which rule took each.

use std::borrow::Cow;

use builder::ownership::Ownership;
use composer::filter::{By, Filter, Verdict};
use composer::hashing::Hashed;
use composer::overlay::OverlayReport;
use image::tree::{Kind, Node};
use model::ImagePath;
use model::package::Package;
use model::rules::Rules;

use crate::recipes::results::file_lists::{From, RuleName, Tail};

/// What is known of the files of a module besides the files.
pub(crate) struct Origins<'a> {
    /// Which package installed what.
    pub(crate) ownership: Ownership,
    /// What the overlay added and replaced.
    pub(crate) laid: OverlayReport,
    /// The rules, for this tree.
    pub(crate) filter: Filter,
    /// The rules as the manifests have them.
    pub(crate) rules: &'a Rules,
}

/// Who brought what is at `path`, and the package, where it was one.
pub(crate) fn of<'o>(ownership: &'o Ownership, laid: &OverlayReport, path: &ImagePath) -> (From, Option<&'o Package>) {
    let is_laid = [&laid.added, &laid.replaced].iter().any(|paths| paths.binary_search(path).is_ok());
    match ownership.owner(path).filter(|_| !is_laid) {
        Some(package) => (From::Package, Some(package)),
        None if is_laid => (From::Overlay, None),
        None => (From::MaintainerScript, None),
    }
}

impl Origins<'_> {
    /// What `file-list.json` says of a path and the image does not.
    pub(crate) fn tail(&self, path: &ImagePath, node: &Node<Hashed>) -> Tail<'_> {
        let (from, package) = of(&self.ownership, &self.laid, path);
        let rule = match self.filter.verdict(path, node.is_directory()) {
            Verdict::Included(By::Rule(index)) => self.rules.includes.get(index),
            Verdict::Included(By::Owned | By::Parent) | Verdict::Excluded { .. } | Verdict::NotNamed => None,
        };
        let sha256 = match &node.kind {
            Kind::Regular(hashed) => Some(hashed.sha256),
            _ => None,
        };
        let rule = rule.map(|rule| RuleName {
            module: Cow::Borrowed(&rule.origin.module),
            field: Cow::Borrowed(rule.origin.field.key()),
            pattern: Cow::Borrowed(rule.pattern.as_str()),
        });
        Tail { sha256, from, package: package.map(Cow::Borrowed), rule }
    }
}
