use super::glob::Glob;
use super::overlap::{Automaton, Overlap, Role, What, overlap};
use super::*;

fn manifest(name: &str, lists: &str) -> Manifest {
    let parsed = Manifest::parse(format!("{{schema_version: 1, name: {name}, {lists}}}").as_bytes());
    parsed.manifest.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

fn between(own: &str, neighbour: &str) -> Vec<(Field, Field, String)> {
    let own = manifest("own", own);
    let neighbours = [(manifest("other", neighbour), "other/manifest.yaml".to_owned())];
    let found = conflicts((&own, "manifest.yaml"), &neighbours);
    let short = |one: Conflict| (one.own.origin.field, one.neighbour.origin.field, one.example.unwrap_or_default());
    found.into_iter().map(short).collect()
}

#[test]
fn the_rules_stand_in_the_order_of_the_contract() {
    let own = manifest("own", "mask: [/m], file_spec: [/f], protected_spec: [/p], dependency_spec: [/d]");
    let other = manifest("other", "mask: [/om], file_spec: [/of], protected_spec: [/op]");
    let rules = Rules::new((&own, "a.yaml"), &[(other, "b.yaml".to_owned())]);
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
fn matches(tokens: &[super::glob::Token], path: &[u8]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return path.is_empty() };
    if token.repeats() {
        return matches(rest, path) || path.first().is_some_and(|b| token.accepts(*b) && matches(tokens, &path[1..]));
    }
    path.first().is_some_and(|byte| token.accepts(*byte)) && matches(rest, &path[1..])
}

fn takes(glob: &Glob, role: Role, path: &[u8]) -> bool {
    let Some(tokens) = &glob.tokens else { return false };
    let ends = (0..path.len()).filter(|end| path[*end] == b'/').chain([path.len()]);
    ends.into_iter().any(|end| {
        let below = end < path.len();
        let reaches = match role {
            _ if glob.and_below => below,
            Role::Exclude => below || !glob.directory_only,
            Role::Include if glob.directory_only => false,
            Role::Include => !below || glob.is_literal(),
        };
        reaches && matches(tokens, &path[..end])
    })
}

proptest::proptest! {
    #[test]
    fn an_overlap_is_found_exactly_where_there_is_one(
        texts in proptest::collection::vec("/(a|b|\\*|\\?|\\[ab\\]|\\[!a\\]|\\[\\]-\\[\\]|\\\\\\[|\\*\\*|-){1,3}(/(a|b|c|\\*|\\?|\\*\\*|\\*\\*\\*){1,2})?/?", 3),
        roles in proptest::bool::ANY,
    ) {
        let globs: Vec<Glob> = texts.iter().map(|text| Glob::parse(text)).collect();
        let role = if roles { Role::Exclude } else { Role::Include };
        let all = [(0, Role::Include), (1, role), (2, Role::Exclude)];
        let automata: Vec<Option<Automaton>> =
            all.iter().map(|(at, role)| Automaton::new(&globs[*at], *role, What::File)).collect();
        let holds = |path: &[u8]| {
            takes(&globs[0], all[0].1, path) && takes(&globs[1], all[1].1, path) && !takes(&globs[2], all[2].1, path)
        };
        let (Some(first), Some(second)) = (&automata[0], &automata[1]) else {
            assert!(!paths().iter().any(|path| takes(&globs[0], all[0].1, path) && takes(&globs[1], all[1].1, path)));
            return Ok(());
        };
        let masks: Vec<&Automaton> = automata[2].iter().collect();
        match overlap(first, second, &masks, &mut 50_000_000) {
            Overlap::At(path) => assert!(holds(&path), "{texts:?} {:?}", String::from_utf8_lossy(&path)),
            Overlap::None => {
                let missed = paths().into_iter().find(|path| holds(path));
                assert!(missed.is_none(), "{texts:?} {:?}", missed.map(String::from_utf8));
            }
            Overlap::Unknown => panic!("{texts:?}"),
        }
    }
}
