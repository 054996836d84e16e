//! Tests that need no peer.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod advice;
mod edges;

use std::collections::BTreeSet;

use image::tree::{Entries, Kind, Mtime, Node, NodeId, Stat};
use model::rules::{Field, Origin, Rule, Rules};
use model::{Explain as _, ImagePath, Pattern};
use proptest::prelude::*;
use testkit::Random;

use super::*;

fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// A tree from a list: `/dir/`, `/link -> target`, `/file`. A file's size is the length of its path.
fn tree(list: &[&str]) -> Tree<u64> {
    let stat = Stat::root_owned(0o755, Mtime::default());
    let mut tree = Tree::new(stat.clone());
    for entry in list {
        let (name, kind) = match entry.split_once(" -> ") {
            Some((name, target)) => (name, Kind::Symlink(target.as_bytes().into())),
            None if entry.ends_with('/') => (*entry, Kind::Directory(Entries::new())),
            None => (*entry, Kind::Regular(entry.len() as u64)),
        };
        let name = path(name);
        let mut at = NodeId::ROOT;
        for parent in name.parent().unwrap().components() {
            at = match tree.node(at).entries().unwrap().get(parent) {
                Some(id) => *id,
                None => {
                    let made = tree.add(Node { stat: stat.clone(), kind: Kind::Directory(Entries::new()) }).unwrap();
                    tree.link(at, parent, made).unwrap();
                    made
                }
            };
        }
        let id = tree.add(Node { stat: stat.clone(), kind }).unwrap();
        tree.link(at, name.file_name().unwrap(), id).unwrap();
    }
    tree
}

fn rule(text: &str, field: Field) -> Rule {
    let origin = Origin { module: "m".into(), file: "manifest.yaml".into(), field, position: None };
    Rule { pattern: Pattern::parse(text).unwrap(), origin }
}

fn rules(excludes: &[&str], includes: &[&str]) -> Rules {
    Rules {
        excludes: excludes.iter().map(|text| rule(text, Field::Mask)).collect(),
        includes: includes.iter().map(|text| rule(text, Field::FileSpec)).collect(),
    }
}

fn select(tree: &Tree<u64>, excludes: &[&str], includes: &[&str]) -> Selection<u64> {
    Filter::new(&rules(excludes, includes), tree).unwrap().apply(tree).unwrap()
}

fn names<C>(tree: &Tree<C>) -> Vec<String> {
    let slash = |node: &Node<C>| if node.is_directory() { "/" } else { "" };
    tree.walk().skip(1).map(|(path, _, node)| format!("{path}{}", slash(node))).collect()
}

#[test]
fn an_exclude_of_a_directory_takes_all_below_and_is_charged_for_what_an_include_names() {
    let tree = tree(&["/a/b/c", "/a/b/d", "/a/e", "/f"]);
    let selection = select(&tree, &["/a/b"], &["/a/**"]);
    assert_eq!(names(&selection.tree), ["/a/", "/a/e"]);
    assert_eq!(selection.report.excludes[0].amount, Amount { files: 2, directories: 0, bytes: 12 });
    assert_eq!(selection.report.includes[0].amount, Amount { files: 1, directories: 0, bytes: 4 });
    assert_eq!(selection.report.total, Amount { files: 1, directories: 1, bytes: 4 });
}

#[test]
fn parents_keep_their_stat() {
    let mut tree = tree(&["/a/b/c"]);
    let a = tree.lookup(&path("/a/b")).unwrap();
    tree.node_mut(a).stat = Stat::root_owned(0o1700, Mtime { seconds: 7, nanoseconds: 8 });
    let shipped = select(&tree, &[], &["/a/b/c"]).tree;
    assert_eq!(shipped.node(shipped.lookup(&path("/a/b")).unwrap()).stat, tree.node(a).stat);
}

#[test]
fn hard_links_stay_one_node_and_count_their_bytes_once() {
    let mut tree = tree(&["/a/x", "/b/"]);
    let (x, b) = (tree.lookup(&path("/a/x")).unwrap(), tree.lookup(&path("/b")).unwrap());
    tree.link(b, b"y", x).unwrap();
    let selection = select(&tree, &[], &["/**"]);
    let shipped = &selection.tree;
    assert_eq!(shipped.lookup(&path("/a/x")), shipped.lookup(&path("/b/y")));
    assert_eq!(selection.report.total, Amount { files: 2, directories: 2, bytes: 4 });
    let one = select(&tree, &["/a"], &["/**"]);
    assert_eq!(names(&one.tree), ["/b/", "/b/y"]);
    assert_eq!(one.report.total.bytes, 4);
}

#[test]
fn empty_directories_ship_only_where_a_trailing_slash_names_them() {
    let tree = tree(&["/a/empty/", "/a/other/", "/a/full/x"]);
    assert_eq!(names(&select(&tree, &[], &["/a/***"]).tree), ["/a/", "/a/full/", "/a/full/x"]);
    assert_eq!(names(&select(&tree, &[], &["/a/empty/"]).tree), ["/a/", "/a/empty/"]);
    let full = select(&tree, &[], &["/a/full/"]);
    assert_eq!(names(&full.tree), ["/a/", "/a/full/"]);
    let alone = Note::DirectoryAlone { rule: RuleRef::include(0), directory: path("/a/full") };
    assert_eq!(full.report.notes, [alone]);
}

#[test]
fn a_bare_directory_is_all_below_it_and_a_link_is_itself() {
    let tree = tree(&["/opt/app/bin/x", "/usr/lib/y", "/lib -> usr/lib"]);
    let selection = select(&tree, &[], &["/opt/app", "/lib"]);
    assert_eq!(names(&selection.tree), ["/lib", "/opt/", "/opt/app/", "/opt/app/bin/", "/opt/app/bin/x"]);
    let note = Note::BareDirectory { rule: RuleRef::include(0), directory: path("/opt/app") };
    assert_eq!(selection.report.notes, [note]);
}

#[test]
fn leading_links_are_followed_in_both_lists() {
    let tree = tree(&["/usr/lib/systemd/a.service", "/usr/lib/systemd/b.service", "/lib -> usr/lib"]);
    let selection = select(&tree, &["/lib/systemd/b*"], &["/lib/systemd"]);
    let wanted = ["/usr/", "/usr/lib/", "/usr/lib/systemd/", "/usr/lib/systemd/a.service"];
    assert_eq!(names(&selection.tree), wanted);
    assert_eq!(selection.report.excludes[0].amount.files, 1);
    assert!(selection.report.notes.contains(&Note::ThroughLink {
        rule: RuleRef::exclude(0),
        written: path("/lib/systemd"),
        resolved: path("/usr/lib/systemd"),
    }));
}

#[test]
fn unnormal_paths_match_nothing_even_beside_links() {
    let tree = tree(&["/usr/lib/x", "/lib -> usr/lib"]);
    for text in ["/lib//x", "/./lib/x", "/usr/./lib/x", "/usr//lib/***"] {
        assert_eq!(names(&select(&tree, &[], &[text]).tree), [""; 0], "{text}");
    }
}

#[test]
fn shadowed_and_unmatched_rules_are_told_apart() {
    let tree = tree(&["/a/x", "/a/y", "/b/z"]);
    let report = select(&tree, &["/a/y", "/a/[y]", "/b/z", "/none"], &["/a/*", "/a/x", "/b/z", "/q"]).report;
    assert_eq!(report.includes[1].shadowed_by, [RuleRef::include(0)]);
    assert_eq!(report.includes[2].shadowed_by, [RuleRef::exclude(2)]);
    assert_eq!(report.excludes[1].shadowed_by, [RuleRef::exclude(0)]);
    assert_eq!(report.unmatched().collect::<Vec<_>>(), [RuleRef::exclude(3), RuleRef::include(3)]);
    assert_eq!(report.shadowed().count(), 3);
}

#[test]
fn an_exclude_that_matches_only_beside_the_includes_is_not_unmatched() {
    let tree = tree(&["/a/x", "/deep/down/y"]);
    let report = select(&tree, &["/deep/**/y", "/deep/***"], &["/a/x"]).report;
    assert!(report.excludes.iter().all(|rule| rule.matched && rule.amount.is_nothing()));
    assert!(report.excludes[1].shadowed_by.is_empty());
}

#[test]
fn owned_paths_stand_in_for_a_file_spec_only() {
    let tree = tree(&["/etc/n/a", "/etc/n/b", "/var/lib/n/", "/etc/p", "/etc/q"]);
    let mut rules = rules(&["/etc/n/b"], &[]);
    rules.includes.push(rule("/etc/p", Field::ProtectedSpec));
    let owned: BTreeSet<_> = ["/etc", "/etc/n", "/etc/n/a", "/etc/n/b", "/var/lib/n"].map(path).into();
    let filter = Filter::new(&rules, &tree).unwrap().with_owned(owned.clone());
    let selection = filter.apply(&tree).unwrap();
    let wanted = ["/etc/", "/etc/n/", "/etc/n/a", "/etc/p", "/var/", "/var/lib/", "/var/lib/n/"];
    assert_eq!(names(&selection.tree), wanted);
    assert_eq!(selection.report.owned, Amount { files: 1, directories: 3, bytes: 8 });
    assert_eq!(selection.report.excludes[0].amount.files, 1);
    assert_eq!(filter.verdict(&path("/etc/n/a"), false), Verdict::Included(By::Owned));
    assert_eq!(filter.verdict(&path("/var"), true), Verdict::Included(By::Parent));
    assert_eq!(filter.verdict(&path("/etc/q"), false), Verdict::NotNamed);
    rules.includes.push(rule("/etc/q", Field::FileSpec));
    let filter = Filter::new(&rules, &tree).unwrap().with_owned(owned);
    assert_eq!(names(&filter.apply(&tree).unwrap().tree), ["/etc/", "/etc/p", "/etc/q"]);
}

#[test]
fn verdicts_name_the_rule_and_the_ancestor() {
    let tree = tree(&["/a/b/c", "/d/e"]);
    let filter = Filter::new(&rules(&["/x", "/a/b"], &["/q", "/a/**", "/d/"]), &tree).unwrap();
    assert_eq!(filter.verdict(&path("/a/b/c"), false), Verdict::Excluded { rule: 1, at: path("/a/b") });
    assert_eq!(filter.verdict(&path("/a/z"), false), Verdict::Included(By::Rule(1)));
    assert_eq!(filter.verdict(&path("/a"), true), Verdict::Included(By::Parent));
    assert_eq!(filter.verdict(&path("/d"), true), Verdict::Included(By::Rule(2)));
    assert_eq!(filter.verdict(&path("/d/e"), false), Verdict::NotNamed);
    assert_eq!(filter.verdict(&path("/"), true), Verdict::Included(By::Parent));
}

#[test]
fn suggestions_find_what_was_meant() {
    let list = ["/usr/bin/[", "/usr/lib/systemd/system/nginx.service", "/etc/nginx/nginx.conf", "/usr/share/README"];
    let tree = tree(&list);
    for (pattern, wanted) in [
        ("/usr/bin/[", "/usr/bin/\\["),
        ("/etc/nginx/nginx.cfg", "/etc/nginx/nginx.conf"),
        ("/etc/ngimx/**", "/etc/nginx/**"),
        ("/ETC/nginx/*", "/etc/nginx/*"),
        ("/usr/share/readme", "/usr/share/README"),
        ("/lib/systemd/system/nginx.service", "/usr/lib/systemd/system/nginx.service"),
        ("/usr/libs/systemd/***", "/usr/lib/systemd/***"),
        ("/srv/nginx/nginx.conf", "/etc/nginx/nginx.conf"),
        ("/etc/conf/nginx.conf", "/etc/nginx/nginx.conf"),
        ("/usr/share/doc/web/README", "/usr/share/README"),
        ("/etc/nginx/nginx.conf/", "/etc/nginx/nginx.conf"),
    ] {
        let report = select(&tree, &[], &[pattern]).report;
        let found = report.suggestions(RuleRef::include(0));
        assert!(found.contains(&wanted.to_owned()), "{pattern}: {found:?}");
        assert!(found.len() <= 3);
    }
    // A file of the same name somewhere else is another file.
    for unrelated in ["/quite/another*", "/srv/conf/nginx.conf", "/usr/lib/other/README", "/opt/nginx.service"] {
        assert!(select(&tree, &[], &[unrelated]).report.includes[0].suggestions.is_empty(), "{unrelated}");
    }
}

/// Pattern text that comes near the syntax's corners often.
fn pattern_text() -> impl Strategy<Value = String> {
    let parts = ["/", "/", "a", "b", "\\", "*", "**", "***", "?", "[", "]", "!", "^", "-", "[:", ":]", "[:alpha:]"];
    let part = prop_oneof![8 => proptest::sample::select(parts.to_vec()).prop_map(str::to_owned), 1 => any::<char>().prop_map(String::from)];
    proptest::collection::vec(part, 0..40).prop_map(|parts| format!("/{}", parts.concat()))
}

proptest! {
    #[test]
    fn the_automaton_agrees_with_the_simple_matcher(texts in proptest::collection::vec(pattern_text(), 1..8), seed: u64) {
        let mut random = Random::new(seed);
        let globs: Vec<Glob> = texts.iter().map(|text| Glob::parse(text.as_bytes())).collect();
        let automaton = Automaton::new(globs.clone()).unwrap();
        let mut runner = automaton.runner(u64::MAX);
        for _ in 0..20 {
            let length = usize::try_from(random.below(8)).unwrap() + 1;
            let path: Vec<u8> = (0..length).map(|_| *random.pick(b"ab/\\[]-!:z\n\xff")).collect();
            let start = runner.start().unwrap();
            let split = length / 2;
            let half = runner.run(start, &path[..split], 0).unwrap();
            let mark = runner.run(half, &path, split).unwrap();
            let mut found = Vec::new();
            runner.matches(mark, &path, automaton::Text::File, &mut found).unwrap();
            let wanted: Vec<usize> = (0..globs.len()).filter(|at| globs[*at].test(&path, false).taken).collect();
            found.sort_unstable();
            prop_assert_eq!(&found, &wanted, "{:?} {:?}", texts, path);
            let mut found = Vec::new();
            runner.matches(mark, &path, automaton::Text::Directory, &mut found).unwrap();
            let slashed = [&path[..], b"/"].concat();
            let mark = runner.run(mark, &slashed, length).unwrap();
            runner.matches(mark, &slashed, automaton::Text::DirectoryWithSlash, &mut found).unwrap();
            found.sort_unstable();
            let wanted: Vec<usize> = (0..globs.len()).filter(|at| globs[*at].test(&path, true).taken).collect();
            prop_assert_eq!(&found, &wanted);
            let below = globs.iter().any(|glob| glob.test(&path, true).below);
            prop_assert!(!(below && mark.is_dead()), "a live pattern was pruned: {:?} {:?}", texts, path);
        }
    }

    #[test]
    fn no_pattern_text_panics_or_explodes(text in pattern_text(), other in "/\\PC{0,200}") {
        let tree = tree(&["/a/b/c", "/a/[b", "/ab/\\", "/l -> a"]);
        for text in [text, other] {
            if let Ok(pattern) = Pattern::parse(&text) {
                let mut rules = rules(&[], &[]);
                rules.includes.push(Rule { pattern, ..rule("/x", Field::FileSpec) });
                let filter = Filter::new(&rules, &tree).unwrap();
                let selection = filter.apply(&tree).unwrap();
                for (path, _, node) in tree.walk().filter(|(_, _, node)| !node.is_directory()) {
                    let shipped = selection.tree.lookup(&path).is_some();
                    prop_assert_eq!(shipped, filter.verdict(&path, node.is_directory()) == Verdict::Included(By::Rule(0)));
                }
            }
        }
    }
}

#[test]
fn hard_patterns_take_bounded_time_and_memory() {
    let deep: String = (0..60).map(|at| format!("/{}", "ab".repeat(at % 7 + 1))).collect();
    let list: Vec<String> = (0..300).map(|at| format!("{deep}/file{at}")).collect();
    let tree = tree(&list.iter().map(String::as_str).collect::<Vec<_>>());
    let mut includes: Vec<String> = (0..500).map(|at| format!("/**a*b**{at}?**[!x]*")).collect();
    includes.push(format!("/{}", "**a".repeat(1300)));
    includes.push(format!("/{}", "[[:punct:]]".repeat(370)));
    let selection = select(&tree, &[], &includes.iter().map(String::as_str).collect::<Vec<_>>());
    let filter = Filter::new(&rules(&[], &includes.iter().map(String::as_str).collect::<Vec<_>>()), &tree).unwrap();
    for (path, _, node) in tree.walk().skip(1).filter(|(_, _, node)| !node.is_directory()).take(20) {
        let wanted = matches!(filter.verdict(&path, node.is_directory()), Verdict::Included(_));
        assert_eq!(selection.tree.lookup(&path).is_some(), wanted);
    }
}

/// Whether a walk of `paths` with `patterns` takes at most a tenth of the work that may be done.
fn is_far_from_the_bound(patterns: &[String], paths: &[String]) -> bool {
    let globs = patterns.iter().map(|text| Glob::parse(text.as_bytes())).collect();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let found = walk::probe(&Automaton::new(globs).unwrap(), &tree(&names), automaton::WORK / 10);
    found.is_ok_and(|found| found.iter().filter(|matched| **matched).count() == paths.len())
}

#[test]
fn long_lists_of_ordinary_patterns_are_far_from_the_bound() {
    let list = |pattern: fn(usize) -> String, count: usize| (0..count).map(pattern).collect::<Vec<String>>();
    let literal = list(|n| format!("/usr/share/doc/package-{}/some/deep/file-{n}.txt", n % 500), 10_000);
    assert!(is_far_from_the_bound(&literal, &literal[..9_000]));
    let patterns = list(|n| format!("/usr/share/locale/*/LC_MESSAGES/program-{n}.mo"), 3_000);
    let paths = list(|n| format!("/usr/share/locale/l{}/LC_MESSAGES/program-{n}.mo", n % 90), 2_900);
    assert!(is_far_from_the_bound(&patterns, &paths));
    let patterns = list(|n| format!("/srv/\u{540d}\u{524d}-{}/\u{30d5}\u{30a1}\u{30a4}\u{30eb}-{n}*", n % 50), 5_000);
    let paths = list(|n| format!("/srv/\u{540d}\u{524d}-{}/\u{30d5}\u{30a1}\u{30a4}\u{30eb}-{n}.x", n % 50), 4_900);
    assert!(is_far_from_the_bound(&patterns, &paths));
    let patterns = list(|n| format!("/**/library-{n}.so.*"), 1_000);
    let paths = list(|n| format!("/usr/lib/x86_64-linux-gnu/part-{}/library-{n}.so.1.2", n % 60), 900);
    assert!(is_far_from_the_bound(&patterns, &paths));
}

#[test]
fn patterns_that_take_too_much_work_are_an_error_that_names_the_worst() {
    // Patterns that begin alike are one; these begin each in its own way.
    let stars = |n: u32, count: usize| {
        format!(
            "/**/[a{}{}]*{}",
            char::from_u32(48 + n % 40).unwrap(),
            char::from_u32(65 + n / 40).unwrap(),
            "a*".repeat(count)
        )
    };
    let mut patterns: Vec<String> = (0..1600).map(|n| format!("{}b", stars(n, 60))).collect();
    patterns.insert(500, format!("{}c", stars(500, 90)));
    let paths: Vec<String> = (0..100).map(|n| format!("/srv/{}{n}", "a".repeat(200))).collect();
    let (patterns, paths): (Vec<&str>, Vec<&str>) =
        (patterns.iter().map(String::as_str).collect(), paths.iter().map(String::as_str).collect());
    let tree = tree(&paths);
    let filter = Filter::new(&rules(&[], &patterns), &tree).unwrap();
    let error = filter.apply(&tree).unwrap_err();
    let found = error.explain().findings;
    let [found] = &found[..] else { panic!("{found:?}") };
    let told = "of the 1601 patterns of its list this one takes the most work, seen at /srv/aaaa";
    assert!(found.message.starts_with(told), "{}", found.message);
    assert_eq!((found.code, found.field.as_str()), ("pattern-too-costly", "file_spec"));
    assert_eq!(found.text, patterns[500][..80]);
}
