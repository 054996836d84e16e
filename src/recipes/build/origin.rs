//! Where the files of a module came from, and which rule took each.

use std::borrow::Cow;

use builder::ownership::Ownership;
use composer::filter::{By, Filter, Verdict};
use composer::hashing::Hashed;
use composer::overlay::OverlayReport;
use image::tree::{Kind, Node};
use model::ImagePath;
use model::file_input::FileInput;
use model::package::Package;
use model::rules::Rules;
use net::url::redact;

use crate::recipes::build::closure::Closed;
use crate::recipes::build::files::LaidFile;
use crate::recipes::build::generators::Fed;
use crate::recipes::results::file_lists::{From, RuleName, Tail};

/// What is known of the files of a module besides the files.
pub(crate) struct Origins<'a> {
    /// Which package installed what.
    pub(crate) ownership: Ownership,
    /// What the overlay added and replaced.
    pub(crate) laid: OverlayReport,
    /// What the files from addresses added and replaced.
    pub(crate) files: Vec<LaidFile>,
    /// What programs computed from these.
    pub(crate) fed: Fed,
    /// The rules, for this tree.
    pub(crate) filter: Filter,
    /// The rules as the manifests have them.
    pub(crate) rules: &'a Rules,
    /// What became of the closure, where one is shipped.
    pub(crate) closed: Option<Closed>,
}

/// Who brought what is at `path`, and the package, where it was one.
pub(crate) fn of<'o>(
    ownership: &'o Ownership,
    (laid, fed): (&OverlayReport, &Fed),
    files: &'o [LaidFile],
    path: &ImagePath,
) -> (From, Option<&'o Package>, Option<&'o FileInput>) {
    if fed.has(path) {
        return (From::Generated, None, None);
    }
    if has(laid, path) {
        return (From::Overlay, None, None);
    }
    // Of two the later one lies over the other.
    if let Some(file) = files.iter().rev().find(|file| has(&file.laid, path)) {
        return (From::File, None, Some(&file.input));
    }
    match ownership.owner(path) {
        Some(package) => (From::Package, Some(package), None),
        None => (From::MaintainerScript, None, None),
    }
}

/// The same of what is shipped at `path`, which may be somewhere else on the node, or made by the build.
pub(crate) fn of_shipped<'o>(
    closed: Option<&'o Closed>,
    ownership: &'o Ownership,
    (laid, fed): (&OverlayReport, &Fed),
    files: &'o [LaidFile],
    path: &ImagePath,
) -> (From, Option<&'o Package>, Option<&'o FileInput>) {
    let Some(closed) = closed else { return of(ownership, (laid, fed), files, path) };
    if closed.is_generated(path) {
        return (From::Generated, None, None);
    }
    let place = closed.place(path);
    let (from, package, file) = of(ownership, (laid, fed), files, place);
    let maker = closed.maker(place).filter(|_| from == From::MaintainerScript);
    (from, package.or_else(|| ownership.named(maker?)), file)
}

fn has(laid: &OverlayReport, path: &ImagePath) -> bool {
    [&laid.added, &laid.replaced].iter().any(|paths| paths.binary_search(path).is_ok())
}

impl Origins<'_> {
    /// What `file-list.json` says of a path and the image does not.
    pub(crate) fn tail(&self, path: &ImagePath, node: &Node<Hashed>) -> Tail<'_> {
        let place = self.closed.as_ref().map_or(path, |closed| closed.place(path));
        let (from, package, file) =
            of_shipped(self.closed.as_ref(), &self.ownership, (&self.laid, &self.fed), &self.files, path);
        let rule = match self.filter.verdict(place, node.is_directory()) {
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
        let url = file.map(|file| Cow::Owned(redact(&file.url)));
        Tail { sha256, from, package: package.map(Cow::Borrowed), url, rule }
    }
}
