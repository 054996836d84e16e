use std::time::{Duration, Instant};

use super::overlap::{Automaton, Overlap, Role, What, overlap};
use super::*;
use crate::Manifest;
use crate::pattern::{Glob, Token};

fn manifest(name: &str, lists: &str) -> Manifest {
    let parsed = Manifest::parse(format!("{{schema_version: 1, name: {name}, {lists}}}").as_bytes());
    parsed.manifest.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

fn rules(manifest: &Manifest, file: &FileName, field: Field) -> Vec<Rule> {
    manifest.lists(file).rules(field)
}

fn between(own: &str, neighbour: &str) -> Vec<(Field, Field, String)> {
    let own = manifest("own", own);
    let other = manifest("other", neighbour);
    let found = conflicts(own.lists(&"manifest.yaml".into()), &[other.lists(&"other/manifest.yaml".into())]);
    let short = |one: Conflict| (one.own.origin.field, one.neighbour.origin.field, one.example.unwrap_or_default());
    found.into_iter().map(short).collect()
}

#[test]
fn the_rules_stand_in_the_order_of_the_contract() {
    let own = manifest("own", "mask: [/m], file_spec: [/f], protected_spec: [/p], dependency_spec: [/d]");
    let other = manifest("other", "mask: [/om], file_spec: [/of], protected_spec: [/op]");
    let rules = Rules::new(own.lists(&"a.yaml".into()), &[other.lists(&"b.yaml".into())]);
    let texts = |rules: &[Rule]| -> Vec<String> {
        rules.iter().map(|rule| format!("{} {} {}", rule.pattern, rule.origin.module, rule.origin.file)).collect()
    };
    assert_eq!(texts(&rules.excludes), ["/m own a.yaml", "/op other b.yaml"]);
    assert_eq!(texts(&rules.includes), ["/p own a.yaml", "/f own a.yaml"]);
    assert_eq!(rules.includes[0].origin.position, Some(Position { line: 1, column: 78 }));
}

#[test]
fn each_pair_of_lists_is_compared() {
    use Field::{FileSpec, ProtectedSpec};
    let cases = [
        ("protected_spec: [/a/**]", "protected_spec: [/a/x]", ProtectedSpec, ProtectedSpec),
        ("file_spec: [/a/**]", "protected_spec: [/a/x]", FileSpec, ProtectedSpec),
        ("protected_spec: [/a/**]", "file_spec: [/a/x]", ProtectedSpec, FileSpec),
        ("file_spec: [/a/**]", "file_spec: [/a/x]", FileSpec, FileSpec),
    ];
    for (own, neighbour, first, second) in cases {
        assert_eq!(between(own, neighbour), [(first, second, "/a/x".to_owned())], "{own} {neighbour}");
    }
}

#[test]
fn directories_are_what_rsync_makes_of_them() {
    // An exclude of a directory takes all below it, an include with a wildcard does not.
    assert_eq!(between("file_spec: [/a/b/c]", "protected_spec: ['/a/*']").len(), 1);
    assert_eq!(between("file_spec: ['/a/*']", "file_spec: [/a/b/c]").len(), 0);
    // A bare directory as an include may be all below it.
    assert_eq!(between("file_spec: [/a]", "file_spec: [/a/b/c]").len(), 1);
    assert_eq!(between("file_spec: [/a]", "file_spec: [/ab]").len(), 0);
    // A directory that both make is no conflict, one that the neighbour keeps from being made is.
    assert_eq!(between("file_spec: [/a/]", "file_spec: [/a/]").len(), 0);
    assert_eq!(between("file_spec: [/a/]", "protected_spec: [/a/***]").len(), 1);
    assert_eq!(between("file_spec: [/a/]", "protected_spec: [/a/**]").len(), 0);
}

#[test]
fn a_mask_that_takes_the_common_paths_settles_the_matter() {
    let neighbour = "protected_spec: [/etc/x/***]";
    assert_eq!(between("file_spec: [/etc/**]", neighbour).len(), 1);
    for mask in ["/etc/x/***", "/etc/x", "/etc/**", "/etc/x/", "/etc/*"] {
        assert_eq!(between(&format!("file_spec: [/etc/**], mask: ['{mask}']"), neighbour), [], "{mask}");
    }
    let two = "file_spec: ['/e/[ab]'], mask: [/e/a, /e/b]";
    assert_eq!(between(two, "file_spec: ['/e/*']"), []);
    let partly = between("file_spec: [/etc/**], mask: [/etc/x/a*]", neighbour);
    assert_eq!(partly, [(Field::FileSpec, Field::ProtectedSpec, "/etc/x/b".to_owned())]);
    // The neighbour's mask counts where the neighbour would ship.
    assert_eq!(between("file_spec: [/a/**]", "file_spec: [/a/x], mask: [/a/x]"), []);
    assert_eq!(between("file_spec: [/a/**]", "protected_spec: [/a/x], mask: [/a/x]").len(), 1);
}

#[test]
fn intricate_patterns_end_within_bounds() {
    let stars = format!("/{}", "*a".repeat(2000));
    let more = format!("/{}", "*b*?".repeat(1000));
    let start = std::time::Instant::now();
    let found = between(&format!("file_spec: ['{stars}']"), &format!("file_spec: ['{more}']"));
    assert!(found.len() <= 1 && start.elapsed().as_secs() < 30);
    let many: Vec<String> = (0..500).map(|n| format!("'/*{n}*'")).collect();
    let list = format!("file_spec: [{}]", many.join(", "));
    assert_eq!(between(&list, &list).len(), 1000);
}

/// All paths of at most two components of at most two letters, over the letters of the patterns.
fn paths() -> Vec<Vec<u8>> {
    let letters = b"abc-[";
    let mut names: Vec<Vec<u8>> = letters.iter().map(|byte| vec![*byte]).collect();
    names.extend(letters.iter().flat_map(|first| letters.iter().map(|second| vec![*first, *second])));
    let one: Vec<Vec<u8>> = names.iter().map(|name| [b"/", &name[..]].concat()).collect();
    let two = one.iter().flat_map(|head| names.iter().map(move |name| [head, &b"/"[..], &name[..]].concat()));
    one.iter().cloned().chain(two).collect()
}

/// Whether the tokens match `path`, by the book: the judge of the automaton.
fn matches(tokens: &[Token], path: &[u8]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return path.is_empty() };
    if token.repeats() {
        return matches(rest, path) || path.first().is_some_and(|b| token.accepts(*b) && matches(tokens, &path[1..]));
    }
    path.first().is_some_and(|byte| token.accepts(*byte)) && matches(rest, &path[1..])
}

fn takes(glob: &Glob, role: Role, what: What, path: &[u8]) -> bool {
    let (Some(tokens), path) = (glob.tokens(), &path[1..]) else { return false };
    let ends = (0..path.len()).filter(|end| path[*end] == b'/').chain([path.len()]);
    ends.into_iter().any(|end| {
        let below = end < path.len();
        let is_directory = below || what == What::Directory;
        let reaches = match role {
            Role::Exclude => is_directory || !glob.directory_only,
            Role::Include if below => !glob.directory_only && what == What::File && glob.literal().is_some(),
            Role::Include => glob.directory_only == is_directory,
        };
        let slash: &[u8] = if is_directory && glob.slash_for_directory { b"/" } else { b"" };
        reaches && matches(tokens, &[&path[..end], slash].concat())
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(512))]
    #[test]
    fn an_overlap_is_found_exactly_where_there_is_one(
        texts in proptest::collection::vec("/(a|b|\\*|\\?|\\[ab\\]|\\[!a\\]|\\[\\]-\\[\\]|\\\\\\[|\\*\\*|-|\\\\){1,3}(/(a|b|c|\\*|\\?|\\*\\*|\\*\\*\\*){1,2})?/?", 4),
        role in proptest::sample::select(vec![Role::Exclude, Role::Include]),
        what in proptest::sample::select(vec![What::File, What::Directory]),
    ) {
        let globs: Vec<Glob> = texts.iter().map(|text| Glob::parse(text.as_bytes())).collect();
        let first = Automaton::new([&globs[0]], Role::Include, what);
        let second = Automaton::new([&globs[1]], role, what);
        let masks = Automaton::new(&globs[2..], Role::Exclude, what);
        let holds = |path: &[u8]| {
            let masked = || globs[2..].iter().any(|mask| takes(mask, Role::Exclude, what, path));
            takes(&globs[0], Role::Include, what, path) && takes(&globs[1], role, what, path) && !masked()
        };
        // What the search for conflicts knows of both patterns.
        let prefix = |glob: &Glob| if glob.slash_for_directory { Vec::new() } else { glob.prefix() };
        let stem = std::cmp::max_by_key(prefix(&globs[0]), prefix(&globs[1]), Vec::len);
        let goes = |at: usize| stem.starts_with(&prefix(&globs[at])) && globs[at].tokens().is_some();
        let stem = if goes(0) && goes(1) { &stem[..stem.len().saturating_sub(1)] } else { b"" };
        match overlap(&first, &second, &masks, stem, &mut 50_000_000) {
            Overlap::At(path) => assert!(holds(&path), "{texts:?} {:?}", String::from_utf8_lossy(&path)),
            Overlap::None => {
                let missed = paths().into_iter().find(|path| holds(path));
                assert!(missed.is_none(), "{texts:?} {:?}", missed.map(String::from_utf8));
            }
            Overlap::Unknown => panic!("{texts:?}"),
        }
    }
}

/// A module with these lists, without the limits of a manifest's text.
fn large(name: &str, field: Field, patterns: impl Iterator<Item = String>) -> Manifest {
    let mut made = manifest(name, "reboot_required: false");
    let position = Position { line: 1, column: 1 };
    let entries = patterns.map(|text| Entry { value: Pattern::parse(&text).unwrap(), position }).collect();
    match field {
        Field::Mask => made.mask = entries,
        Field::FileSpec => made.file_spec = entries,
        _ => made.protected_spec = entries,
    }
    made
}

const MANY: usize = 50_000;

/// A part of the whole budget, so that a build without optimisation is done quickly.
const SOME_WORK: usize = 1_000_000;

/// The conflicts of two long lists, and how long the search took.
fn between_many(ours: impl Fn(usize) -> String, theirs: impl Fn(usize) -> String) -> (Vec<Conflict>, Duration) {
    let own = large("own", Field::FileSpec, (0..MANY).map(ours));
    let other = large("other", Field::FileSpec, (0..MANY).map(theirs));
    let start = Instant::now();
    let found = conflict::search(own.lists(&"a.yaml".into()), &[other.lists(&"b.yaml".into())], SOME_WORK);
    (found, start.elapsed())
}

#[test]
fn long_lists_of_different_paths_are_compared_to_the_end() {
    let own = |n: usize| format!("/usr/lib/module/{}/f{n}*", n % 100);
    let other =
        |n: usize| if n == 40_000 { "/usr/lib/module/7/f4[0-9]7x".to_owned() } else { format!("/opt/other/{n}/*") };
    let (found, took) = between_many(own, other);
    let texts: Vec<&str> = found.iter().map(|one| one.own.pattern.as_str()).collect();
    assert_eq!(texts, ["/usr/lib/module/7/f407*"]);
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn long_lists_of_patterns_that_are_much_alike_end_with_a_word() {
    for (own, other) in [("/**a", "/**b"), ("/x*a", "/x*b"), ("/*[a-m]?", "/**[!b-y]x/")] {
        let (found, took) = between_many(|n| format!("{own}{n}a"), |n| format!("{other}{n}b"));
        let last = found.last().unwrap();
        assert_eq!((found.len(), &last.example), (1, &None), "{own} {other}");
        assert!(last.message.starts_with("the search for conflicts ended at `"), "{}", last.message);
        assert!(took.as_secs() < 60, "{own} {other}: {took:?}");
    }
}

#[test]
fn a_search_that_ends_early_says_where_and_keeps_what_it_found() {
    let own = large("own", Field::FileSpec, ["/a", "/b", "/*c"].map(str::to_owned).into_iter());
    let other = large("other", Field::FileSpec, ["/a", "/b", "/*d*c"].map(str::to_owned).into_iter());
    let (ours, theirs) = ("a.yaml".into(), "b.yaml".into());
    let (own, neighbours) = (own.lists(&ours), [other.lists(&theirs)]);
    let all = conflicts(own, &neighbours);
    assert_eq!(all.len(), 3);
    let mut lengths = Vec::new();
    for budget in (0..20_000).step_by(50) {
        let found = conflict::search(own, &neighbours, budget);
        let ended = found.last().is_some_and(|last| last.message.starts_with("the search for conflicts ended"));
        let real = found.len() - usize::from(ended);
        assert_eq!(found[..real], all[..real], "{budget}");
        assert!(ended || real == 3, "{budget}");
        lengths.push(real);
    }
    assert!(lengths.is_sorted());
    assert_eq!((lengths[0], lengths[399]), (0, 3));
}

#[test]
fn long_masks_beside_long_lists_are_bounded() {
    let mut own = large("own", Field::FileSpec, (0..MANY).map(|n| format!("/d/{n}")));
    own.mask = large("own", Field::Mask, (0..MANY).map(|n| format!("/*/{n}*[x]"))).mask;
    let other = large("other", Field::ProtectedSpec, (0..MANY).map(|n| format!("/d/{n}")));
    let start = Instant::now();
    let found = conflict::search(own.lists(&"a.yaml".into()), &[other.lists(&"b.yaml".into())], SOME_WORK);
    assert!(found.last().unwrap().message.starts_with("the search for conflicts ended"));
    assert!(found[..found.len() - 1].iter().all(|one| one.example.is_some()));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

proptest::proptest! {
    #[test]
    fn related_patterns_are_those_whose_prefixes_go_together(
        texts in proptest::collection::vec("/(a|b|a/|/b){0,4}(\\*|/\\*\\*\\*)?", 0..30),
        asked in "(a|b|/){0,4}",
    ) {
        let own = large("own", Field::FileSpec, texts.into_iter());
        let list = index::List::new(rules(&own, &"a.yaml".into(), Field::FileSpec));
        let goes = |read: &index::Read| read.prefix.starts_with(asked.as_bytes()) || asked.as_bytes().starts_with(&read.prefix);
        let text = |read: &index::Read| read.rule.pattern.to_string();
        let wanted: Vec<String> = list.reads().iter().filter(|read| goes(read)).map(text).collect();
        let found: Vec<String> = list.related(asked.as_bytes(), &mut 1000).into_iter().map(text).collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_list_is_named_by_its_key_in_the_manifest() {
    let fields = [Field::Mask, Field::FileSpec, Field::ProtectedSpec, Field::DependencySpec, Field::Default];
    assert_eq!(fields.map(Field::key), ["mask", "file_spec", "protected_spec", "dependency_spec", "(default)"]);
    let own = manifest("own", "mask: [/m], file_spec: [/f], protected_spec: [/p], dependency_spec: [/d]");
    let texts = |field| -> Vec<String> {
        rules(&own, &"a.yaml".into(), field).iter().map(|rule| rule.pattern.to_string()).collect()
    };
    assert_eq!(fields.map(texts), [vec!["/m"], vec!["/f"], vec!["/p"], vec!["/d"], Vec::<&str>::new()]);
}

#[test]
fn a_conflict_says_what_happens_to_the_path_and_whose_mask_settles_it() {
    let own = manifest("own", "file_spec: ['/a*']");
    let message = |lists: &str| {
        let found = conflicts(own.lists(&"a.yaml".into()), &[manifest("other", lists).lists(&"b.yaml".into())]);
        assert_eq!(found.len(), 1);
        (found[0].message.clone(), found[0].hint.clone())
    };
    let (message_of_both, hint) = message("file_spec: ['/*b']");
    assert_eq!(
        message_of_both,
        "`/ab` is taken by `/a*` and by `/*b` of other: both modules own it, and the one that is mounted higher hides the other's"
    );
    assert!(hint.ends_with("the `mask` of the module that does not own it"), "{hint}");
    let (message_of_one, hint) = message("protected_spec: ['/*b']");
    assert!(message_of_one.ends_with("so that this module does not ship it"), "{message_of_one}");
    assert!(hint.ends_with("the `mask` of this module if the neighbour owns it"), "{hint}");
}

#[test]
fn the_thousandth_conflict_is_the_last_and_says_so() {
    let lists = |name, count: usize| large(name, Field::FileSpec, (0..count).map(|n| format!("/{n}")));
    let between = |count: usize| {
        let (own, other) = (lists("own", count), lists("other", count));
        let found = conflicts(own.lists(&"a.yaml".into()), &[other.lists(&"b.yaml".into())]);
        let says = |one: &Conflict| one.message.ends_with("; this is the last of the conflicts that are listed");
        (found.len(), found.iter().filter(|one| says(one)).count(), found.last().is_some_and(says))
    };
    assert_eq!((between(999), between(1000), between(1001)), ((999, 0, false), (1000, 1, true), (1000, 1, true)));
}

#[test]
fn no_path_has_an_empty_component_a_dot_or_two() {
    // What both patterns take is no path where a component would be one of these.
    let taken = |pattern: &str| !between(&format!("file_spec: ['{pattern}']"), "file_spec: ['/**']").is_empty();
    for pattern in ["/a[.]", "/[.]a", "/[.][.]a", "/a/[.]x", "/[.][.][.]"] {
        assert!(taken(pattern), "{pattern}");
    }
    for pattern in ["/[.]", "/[.][.]", "/a/[.]", "/[.]/a", "/[.][.]/a", "/*//x*", "/x*/"] {
        assert!(!taken(pattern), "{pattern}");
    }
    let long = |length: usize| format!("/[a]{}", "a".repeat(length - 1));
    assert!(taken(&long(255)) && !taken(&long(256)));
    assert!(taken(&format!("{}/b", long(255))));
}

#[test]
fn only_a_directory_that_is_matched_with_its_slash_is_known_without_it() {
    let related = |pattern: &str, asked: &str| {
        let own = large("own", Field::FileSpec, std::iter::once(pattern.to_owned()));
        let list = index::List::new(rules(&own, &"a.yaml".into(), Field::FileSpec));
        assert_eq!(list.related(asked.as_bytes(), &mut 0).len(), 0);
        list.related(asked.as_bytes(), &mut 9).len() == 1
    };
    // `/a/***` takes `/a` itself, whose path has no slash at its end.
    assert!(related("/a/***", "a") && related("/a/***", "a/b") && related("/a/***", "ab"));
    assert!(related("/a/*", "a") && related("/a/*", "a/b") && !related("/a/*", "ab"));
    assert!(related("/ab***", "ab") && related("/ab***", "a") && !related("/ab***", "ac"));
    assert!(!related("/[", "a") && !related("/", "a"));
}

#[test]
fn a_question_costs_what_is_looked_at_from_the_beginning_on() {
    let text = format!("/{}", "a".repeat(250));
    let glob = Glob::parse(text.as_bytes());
    let automaton = Automaton::new([&glob], Role::Include, What::File);
    let none = Automaton::new([], Role::Exclude, What::File);
    let mut budget = 10_000;
    let found = overlap(&automaton, &automaton, &none, &text.as_bytes()[1..250], &mut budget);
    assert_eq!(found, Overlap::At(text.into_bytes()));
    // Each byte of the stem costs a place of each pattern.
    assert!(budget <= 10_000 - 2 * 249, "{budget}");
}

#[test]
fn what_a_mask_takes_whole_is_not_looked_through() {
    let globs = ["/[ab]/**", "/[ab]/**", "/[ab]"].map(|text| Glob::parse(text.as_bytes()));
    let [first, second] = [0, 1].map(|at| Automaton::new([&globs[at]], Role::Include, What::File));
    let mask = Automaton::new([&globs[2]], Role::Exclude, What::File);
    let mut budget = 2000;
    assert_eq!(overlap(&first, &second, &mask, b"", &mut budget), Overlap::None);
    let none = Automaton::new([], Role::Exclude, What::File);
    assert_eq!(overlap(&first, &second, &none, b"", &mut budget), Overlap::At(b"/a/a".to_vec()));
    // Nor is what only one of the two takes.
    let globs = ["/a**", "/b**"].map(|text| Glob::parse(text.as_bytes()));
    let [first, second] = [0, 1].map(|at| Automaton::new([&globs[at]], Role::Include, What::File));
    assert_eq!(overlap(&first, &second, &none, b"", &mut budget), Overlap::None);
}
