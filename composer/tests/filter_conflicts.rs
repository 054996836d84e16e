//! The search for conflicts between modules beside the filter: both say of a path whether a pattern
//! takes it, and must say the same. rsync is the judge of the filter, so of both.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[path = "filter-corpus/support.rs"]
mod support;

use std::sync::LazyLock;

use composer::filter::{By, Filter, Verdict};
use image::Tree;
use model::diagnostic::Position;
use model::manifest::{Entry, Manifest};
use model::rules::{Field, conflicts};
use model::{ImagePath, Pattern};
use proptest::prelude::*;
use support::Case;

/// A path, and whether it is a directory.
type Place = (ImagePath, bool);

/// A tree with the names that the patterns are made of, up to three levels deep.
static TREE: LazyLock<Tree<()>> = LazyLock::new(|| {
    let names = ["a", "b", "ab", "[", "]", "\\", "a\\", "-", "!", "\u{e9}"];
    let mut paths: Vec<String> = names.iter().map(|name| format!("f{name}")).collect();
    paths.extend(["c", "ba", "a]", "\\b"].map(str::to_owned));
    for directory in names {
        paths.extend(names.iter().map(|name| format!("{directory}/{name}")));
        paths.push(format!("{directory}/d/a"));
        paths.push(format!("{directory}/d/b/a"));
        paths.push(format!("{directory}/e/"));
    }
    Case::new(&paths.iter().map(String::as_str).collect::<Vec<_>>(), &[], &[]).tree()
});

/// What the patterns of one list may be to a path of the other module's list.
#[derive(Debug, Clone)]
struct Modules {
    fields: [Field; 2],
    patterns: [String; 2],
    masks: [String; 2],
}

impl Modules {
    fn manifest(&self, at: usize) -> Manifest {
        let name = ["own", "other"][at];
        let text = format!("{{schema_version: 1, name: {name}, reboot_required: false}}");
        let mut manifest = Manifest::parse(text.as_bytes()).manifest.unwrap();
        let position = Position { line: 1, column: 1 };
        let entries = |text: &str| vec![Entry { value: Pattern::parse(text).unwrap(), position }];
        manifest.mask = entries(&self.masks[at]);
        let list =
            if self.fields[at] == Field::FileSpec { &mut manifest.file_spec } else { &mut manifest.protected_spec };
        *list = entries(&self.patterns[at]);
        manifest
    }

    /// Who excludes with its pattern, by index, and which masks count.
    fn quarrels(&self) -> (Vec<[bool; 2]>, &[String]) {
        match self.fields {
            [Field::FileSpec, Field::FileSpec] => (vec![[false, false]], &self.masks),
            [Field::FileSpec, _] => (vec![[false, true]], &self.masks[..1]),
            [_, Field::FileSpec] => (vec![[true, false]], &self.masks),
            _ => (vec![[false, true], [true, false]], &self.masks[..1]),
        }
    }

    /// Whether the filter says that both take one of `places`, which are in `tree`.
    fn meet(&self, tree: &Tree<()>, places: &[Place]) -> Option<Place> {
        let (quarrels, masks) = self.quarrels();
        let filter = |excludes: &[&String], includes: &[&String]| {
            let strings = |list: &[&String]| list.iter().map(|text| (*text).clone()).collect();
            let case = Case { entries: Vec::new(), excludes: strings(excludes), includes: strings(includes) };
            Filter::new(&case.rules(), tree).unwrap()
        };
        let masked = filter(&masks.iter().collect::<Vec<_>>(), &[]);
        let includes = self.patterns.each_ref().map(|text| filter(&[], &[text]));
        let excludes = self.patterns.each_ref().map(|text| filter(&[text], &[]));
        let takes = |at: usize, by_exclude: bool, (path, is_directory): &Place| {
            if by_exclude {
                matches!(excludes[at].verdict(path, *is_directory), Verdict::Excluded { .. })
            } else {
                matches!(includes[at].verdict(path, *is_directory), Verdict::Included(By::Rule(_)))
            }
        };
        let meets = |place: &&Place| {
            let both = |quarrel: &[bool; 2]| {
                // A directory that both modules make is no matter of dispute.
                let counts = !place.1 || quarrel.contains(&true);
                counts && takes(0, quarrel[0], place) && takes(1, quarrel[1], place)
            };
            quarrels.iter().any(both) && !matches!(masked.verdict(&place.0, place.1), Verdict::Excluded { .. })
        };
        places.iter().find(meets).cloned()
    }
}

/// A tree of one path.
fn tree_of(path: &ImagePath, is_directory: bool) -> Tree<()> {
    let relative = path.relative().to_vec();
    let slashes = (0..relative.len()).filter(|at| relative[*at] == b'/');
    let mut entries: Vec<support::Entry> =
        slashes.map(|end| support::Entry::Directory(relative[..end].to_vec())).collect();
    entries.push(if is_directory { support::Entry::Directory(relative) } else { support::Entry::File(relative) });
    Case { entries, excludes: Vec::new(), includes: Vec::new() }.tree()
}

/// Pattern text that hits the tree often and comes near the syntax's corners.
fn pattern() -> impl Strategy<Value = String> {
    let usual = ["a", "b", "ab", "d", "e", "f", "*", "**", "?", "[ab]", "[!a]", "[^]a]"];
    let odd = ["\\", "\\\\", "\\[", "[", "]", "***", "[[:alpha:]]", "[[:foo:]]", "[]-[]", "-", "\u{e9}", "/", "\\/"];
    let piece = prop_oneof![6 => proptest::sample::select(usual.to_vec()), 1 => proptest::sample::select(odd.to_vec())];
    let component = proptest::collection::vec(piece, 1..3).prop_map(|pieces| pieces.concat());
    let ending = proptest::sample::select(vec!["", "", "", "", "/", "/***", "/**", "***", "/****", "/***/", "\\/***"]);
    (proptest::collection::vec(component, 1..4), ending)
        .prop_map(|(components, ending)| format!("/{}{ending}", components.join("/")))
        .prop_filter("no pattern", |text| Pattern::parse(text).is_ok())
}

fn modules() -> impl Strategy<Value = Modules> {
    let field = || proptest::sample::select(vec![Field::FileSpec, Field::ProtectedSpec]);
    // Most masks take nothing.
    let mask = || prop_oneof![2 => Just("/z".to_owned()), 1 => pattern()];
    ([field(), field()], [pattern(), pattern()], [mask(), mask()]).prop_map(|(fields, patterns, masks)| Modules {
        fields,
        patterns,
        masks,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn conflicts_are_where_the_filter_says_that_both_take_a_path(modules in modules()) {
        let (own, other) = (modules.manifest(0), modules.manifest(1));
        let found = conflicts(own.lists(&"own.yaml".into()), &[other.lists(&"other.yaml".into())]);
        let places: Vec<Place> = TREE.walk().skip(1).map(|(path, _, node)| (path, node.is_directory())).collect();
        let wanted = modules.meet(&TREE, &places);
        prop_assert!(wanted.is_none() || !found.is_empty(), "missed {:?} {:?}", wanted, modules);
        prop_assert!(found.len() <= 1);
        for conflict in &found {
            let example = conflict.example.as_ref().expect("small patterns are decided");
            let path = ImagePath::new(support::unescape(example)).unwrap();
            let is_real = [false, true].into_iter().any(|is_directory| {
                modules.meet(&tree_of(&path, is_directory), &[(path.clone(), is_directory)]).is_some()
            });
            prop_assert!(is_real, "{} is no conflict of {:?}", example, modules);
        }
    }
}

#[test]
fn the_random_modules_are_worth_their_time() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut found = 0;
    for _ in 0..300 {
        let modules = modules().new_tree(&mut runner).unwrap().current();
        let (own, other) = (modules.manifest(0), modules.manifest(1));
        found += conflicts(own.lists(&"own.yaml".into()), &[other.lists(&"other.yaml".into())]).len();
    }
    assert!((30..270).contains(&found), "{found} conflicts in 300 pairs of modules");
}
