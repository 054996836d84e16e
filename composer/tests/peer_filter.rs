//! The filter beside the real rsync.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a panic is a failed test"
)]

#[path = "filter-corpus/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use composer::filter::{Filter, Note, RuleRef};
use model::ImagePath;
use model::rules::Field;
use support::{Case, Entry, Names, names, pruned};
use tempfile::TempDir;
use testkit::Random;

/// In memory where the machine has such a place: a run makes many small trees.
fn scratch() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { TempDir::new_in(shm).unwrap() } else { TempDir::new().unwrap() }
}

/// What rsync would copy out of `source`, with these arguments.
fn rsync(source: &Path, arguments: &[String]) -> Names {
    let mut command = testkit::peer("rsync");
    command.args(["--dry-run", "--archive", "--out-format=%n", "--prune-empty-dirs"]).args(arguments);
    command.arg(format!("{}/", source.display())).arg(format!("{}.nowhere/", source.display()));
    let output = testkit::run(&mut command);
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && *line != b"./");
    lines.map(decode).collect()
}

/// rsync prints an unusual byte as `\#ooo`.
fn decode(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        if rest.starts_with(b"\\#") && rest.len() >= 5 && rest[2..5].iter().all(u8::is_ascii_digit) {
            out.push(u8::from_str_radix(std::str::from_utf8(&rest[2..5]).unwrap(), 8).unwrap());
            rest = &rest[5..];
        } else {
            out.push(*first);
            rest = after;
        }
    }
    out
}

/// What rsync ships from the case's tree by these lines of filter rules.
fn rsync_by(case: &Case, lines: &[&str]) -> Names {
    let scratch = scratch();
    let source = scratch.path().join("tree");
    case.write(&source);
    let file = scratch.path().join("rules");
    fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    rsync(&source, &[format!("--filter=merge {}", file.display())])
}

/// The rules in the one order that works, as lines.
fn lines(case: &Case) -> Vec<String> {
    let excludes = case.excludes.iter().map(|text| format!("- {text}"));
    let includes = case.includes.iter().map(|text| format!("+ {}", extended(case, text)));
    excludes.chain(["+ */".to_owned()]).chain(includes).chain(["- *".to_owned()]).collect()
}

fn rsync_ships(case: &Case) -> Names {
    let lines = lines(case);
    rsync_by(case, &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn strings(names: &Names) -> Vec<String> {
    names.iter().map(|name| model::path::escape(name)).collect()
}

// ---- The decided deviations, read a second time and independently of the filter ----

fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The bytes before the first wildcard, unescaped, and whether that is the whole pattern.
fn literal_part(text: &str) -> (Vec<u8>, bool) {
    let wild = is_wild(text);
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'*' | b'?' | b'[' => return (out, false),
            b'\\' if wild => match bytes.next() {
                Some(escaped) => out.push(escaped),
                None => return (out, false),
            },
            byte => out.push(byte),
        }
    }
    (out, true)
}

/// Whether the directories before the first wildcard pass through a link of the tree.
fn passes_a_link(case: &Case, text: &str) -> bool {
    let (literal, _) = literal_part(text);
    let slashes = literal.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    slashes.map(|(end, _)| &literal[1..end]).any(|above| {
        case.entries.iter().any(|entry| matches!(entry, Entry::Symlink(path, _) if path.as_slice() == above))
    })
}

/// An include of a bare directory as rsync needs it.
fn extended(case: &Case, text: &str) -> String {
    let (literal, whole) = literal_part(text);
    let directory = |entry: &Entry| matches!(entry, Entry::Directory(path) if path.as_slice() == &literal[1..]);
    if !whole || text.ends_with('/') || !case.entries.iter().any(directory) {
        return text.to_owned();
    }
    let text = if is_wild(text) { text.to_owned() } else { text.replace('\\', "\\\\") };
    format!("{text}/***")
}

// ---- What older pipelines emitted, and what rsync makes of it ----

const NGINX: &[&str] = &["etc/nginx/nginx.conf", "etc/nginx/conf.d/a.conf", "etc/passwd", "var/empty/"];

#[test]
fn fact_1_an_include_without_its_parents_ships_nothing_in_rsync() {
    let case = Case::new(NGINX, &[], &["/etc/nginx/**"]);
    assert!(rsync_by(&case, &["+ /etc/nginx/**", "- *"]).is_empty());
    assert!(rsync_by(&case, &["+ /etc/nginx/**", "- *", "+ */"]).is_empty());
    let wanted = ["etc/", "etc/nginx/", "etc/nginx/conf.d/", "etc/nginx/conf.d/a.conf", "etc/nginx/nginx.conf"];
    assert_eq!(strings(&case.ours()), wanted);
}

#[test]
fn fact_2_directories_first_make_rsync_leak_an_excluded_directory() {
    let case = Case::new(&["etc/traefik/dynamic/secret", "etc/traefik/x"], &["/etc/traefik/dynamic"], &["/etc/**"]);
    let leaky = rsync_by(&case, &["+ */", "- /etc/traefik/dynamic", "+ /etc/**", "- *"]);
    assert!(leaky.contains(&b"etc/traefik/dynamic/secret"[..]));
    assert_eq!(strings(&case.ours()), ["etc/", "etc/traefik/", "etc/traefik/x"]);
}

#[test]
fn fact_3_the_one_order_that_works_is_ours() {
    let case = Case::new(NGINX, &["/etc/nginx/conf.d"], &["/etc/**"]);
    assert_eq!(rsync_ships(&case), case.ours());
    assert_eq!(strings(&case.ours()), ["etc/", "etc/nginx/", "etc/nginx/nginx.conf", "etc/passwd"]);
}

#[test]
fn fact_4_a_bare_directory_ships_no_file_in_rsync_and_all_below_here() {
    let case = Case::new(&["opt/app/bin/x", "opt/other"], &[], &["/opt/app"]);
    assert!(rsync_by(&case, &["+ */", "+ /opt/app", "- *"]).is_empty());
    assert_eq!(rsync_by(&case, &["+ */", "+ /opt/app/***", "- *"]), case.ours());
    assert_eq!(strings(&case.ours()), ["opt/", "opt/app/", "opt/app/bin/", "opt/app/bin/x"]);
    let directory = ImagePath::new("/opt/app").unwrap();
    assert_eq!(case.select().report.notes, [Note::BareDirectory { rule: RuleRef::include(0), directory }]);
}

const MERGED: &[&str] = &["usr/lib/systemd/system/nginx.service", "usr/lib/systemd/system/x.service", "lib -> usr/lib"];

#[test]
fn fact_5_a_path_through_a_link_matches_nothing_in_rsync_and_its_real_path_here() {
    let case = Case::new(MERGED, &[], &["/lib/systemd/system/nginx.service"]);
    assert!(rsync_ships(&case).is_empty());
    let real = Case::new(MERGED, &[], &["/usr/lib/systemd/system/nginx.service"]);
    assert_eq!(rsync_ships(&real), case.ours());
    assert!(case.ours().contains(&b"usr/lib/systemd/system/nginx.service"[..]));
    assert!(matches!(case.select().report.notes[..], [Note::ThroughLink { .. }]));
}

#[test]
fn fact_6_owned_paths_of_the_unmerged_tree_ship_at_their_real_place() {
    let case = Case::new(MERGED, &[], &[]);
    let tree = case.tree();
    let listed = ImagePath::new("/lib/systemd/system/nginx.service").unwrap();
    let owned = BTreeSet::from([tree.resolve_parent(&listed)]);
    let filter = Filter::new(&case.rules(), &tree).unwrap().with_owned(owned);
    let real = Case::new(MERGED, &[], &["/usr/lib/systemd/system/nginx.service"]);
    assert_eq!(names(&filter.apply(&tree).unwrap().tree), rsync_ships(&real));
}

#[test]
fn fact_7_a_bracket_in_a_name_is_escaped() {
    let tree = &["usr/bin/[", "usr/bin/a"];
    let plain = Case::new(tree, &[], &["/usr/bin/["]);
    assert!(rsync_ships(&plain).is_empty() && plain.ours().is_empty());
    assert_eq!(plain.select().report.suggestions(RuleRef::include(0)), ["/usr/bin/\\["]);
    let escaped = Case::new(tree, &[], &["/usr/bin/\\["]);
    assert_eq!(rsync_ships(&escaped), escaped.ours());
    assert_eq!(strings(&escaped.ours()), ["usr/", "usr/bin/", "usr/bin/["]);
}

#[test]
fn fact_8_empty_directories_stay_out_but_for_a_trailing_slash_here() {
    let case = Case::new(&["var/empty/", "var/lib/x", "var/cache/"], &[], &["/var/***"]);
    assert_eq!(rsync_ships(&case), case.ours());
    assert_eq!(strings(&case.ours()), ["var/", "var/lib/", "var/lib/x"]);
    let named = Case::new(&["var/empty/", "var/lib/x", "var/cache/"], &[], &["/var/empty/"]);
    assert!(rsync_ships(&named).is_empty());
    assert_eq!(strings(&named.ours()), ["var/", "var/empty/"]);
}

#[test]
fn fact_9_braces_are_not_special() {
    let case = Case::new(&["a/x", "a/y", "a/{x,y}"], &[], &["/a/{x,y}"]);
    assert_eq!(rsync_ships(&case), case.ours());
    assert_eq!(strings(&case.ours()), ["a/", "a/{x,y}"]);
}

#[test]
fn fact_10_no_real_directory_is_shipped_where_the_tree_has_a_link() {
    let case = Case::new(MERGED, &[], &["/lib", "/lib/systemd/***"]);
    let shipped = case.select().tree;
    let lib = shipped.lookup(&ImagePath::new("/lib").unwrap()).unwrap();
    assert!(!shipped.node(lib).is_directory());
    let real = Case::new(MERGED, &[], &["/lib", "/usr/lib/systemd/***"]);
    assert_eq!(rsync_ships(&real), case.ours());
}

#[test]
fn the_corpus_says_what_rsync_says() {
    for (path, case, shipped) in support::corpus() {
        assert_eq!(rsync_ships(&case), shipped, "{}", path.display());
    }
}

// ---- Random cases ----

const NAMES: &[&[u8]] = &[
    b"a",
    b"b",
    b"ab",
    b"ba",
    b"aa",
    b"abc",
    b"A",
    b"a b",
    b" a",
    b"[",
    b"]",
    b"[a]",
    b"a]",
    b"\\",
    b"a\\b",
    b"\\*",
    b"*",
    b"**",
    b"?",
    b"a*b",
    "\u{e9}".as_bytes(),
    b"\xff",
    b"a\xffb",
    b"a\nb",
    b"\n",
    b"-",
    b"!",
    b"^",
    b"a-b",
    b"c.d",
    b".h",
    b"...",
    b"#1",
    b"{a,b}",
    b"1",
    b"9z",
    b"_",
    b"\t",
    b"\\#123",
    b":",
    b"[:a:]",
];

fn random_tree(random: &mut Random) -> Vec<Entry> {
    let mut entries: BTreeMap<Vec<u8>, Entry> = BTreeMap::new();
    let mut directories: Vec<Vec<u8>> = vec![Vec::new()];
    // A few names only, so that patterns hit and names repeat on several levels.
    let pool: Vec<&[u8]> = (0..8).map(|_| *random.pick(NAMES)).collect();
    for _ in 0..random.below(28) + 4 {
        let parent = random.pick(&directories).clone();
        let name = *random.pick(&pool);
        let path = if parent.is_empty() { name.to_vec() } else { [&parent, &b"/"[..], name].concat() };
        if entries.contains_key(&path) {
            continue;
        }
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        let entry = match random.below(10) {
            0..=3 if depth < 4 => {
                directories.push(path.clone());
                Entry::Directory(path.clone())
            }
            4 => Entry::Symlink(path.clone(), random.pick(&pool).to_vec()),
            _ => Entry::File(path.clone()),
        };
        entries.insert(path, entry);
    }
    // Shorter paths first: parents before children.
    entries.into_values().collect()
}

fn quote(name: &str) -> String {
    name.chars().map(|c| if "\\*?[".contains(c) { format!("\\{c}") } else { c.to_string() }).collect()
}

/// A pattern's component that is likely to match `name`.
fn component(random: &mut Random, name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).into_owned();
    let first = text.chars().next().filter(char::is_ascii).unwrap_or('a');
    let tail = quote(&text.chars().skip(1).collect::<String>());
    match random.below(20) {
        0..=4 => text,
        5..=6 => quote(&text),
        7 => "*".into(),
        8 => "?".repeat(name.len()),
        9 => format!("{}*", quote(&first.to_string())),
        10 => format!("[{first}]{tail}"),
        11 => format!("[!x]{tail}"),
        12 => format!("[^{first}-]*"),
        13 => format!("[a-{first}0-9]*"),
        14 => {
            format!("[[:{}:]]*", random.pick(&["alpha", "upper", "digit", "punct", "space", "print", "foo", "cntrl"]))
        }
        15 => "**".into(),
        16 => format!("*{tail}"),
        17 => format!("[]\\{first}!-]{tail}"),
        18 => format!("?{tail}"),
        _ => soup(random),
    }
}

/// Pattern syntax in no order.
fn soup(random: &mut Random) -> String {
    let parts = [
        "a",
        "b",
        "*",
        "**",
        "?",
        "[",
        "]",
        "!",
        "^",
        "-",
        "\\",
        "/",
        "[:",
        ":]",
        "[:alpha:]",
        "[a-c]",
        "\\[",
        "\u{e9}",
    ];
    (0..random.below(6) + 1).map(|_| *random.pick(&parts)).collect()
}

fn random_pattern(random: &mut Random, entries: &[Entry]) -> String {
    if random.one_in(12) {
        return format!("/{}", soup(random));
    }
    let path = random.pick(entries).path().to_vec();
    let mut parts: Vec<String> = path.split(|byte| *byte == b'/').map(|name| component(random, name)).collect();
    if random.one_in(6) {
        parts.truncate(usize::try_from(random.below(parts.len() as u64) + 1).unwrap());
    }
    if random.one_in(8) {
        let at = usize::try_from(random.below(parts.len() as u64)).unwrap();
        parts[at] = "**".into();
    }
    let ending = match random.below(10) {
        0 => "/",
        1 | 2 => "/***",
        3 => "/**",
        4 => "/*",
        5 => "***",
        _ => "",
    };
    format!("/{}{ending}", parts.join("/"))
}

/// Patterns that the model allows and whose meaning here is rsync's.
fn random_rules(random: &mut Random, case: &Case, most: u64) -> Vec<String> {
    let mut rules = Vec::new();
    for _ in 0..random.below(most + 1) {
        let text = random_pattern(random, &case.entries);
        if model::Pattern::parse(&text).is_ok() && !passes_a_link(case, &text) {
            rules.push(text);
        }
    }
    rules
}

fn random_case(random: &mut Random) -> Case {
    let mut case = Case { entries: random_tree(random), excludes: Vec::new(), includes: Vec::new() };
    case.excludes = random_rules(random, &case, 3);
    case.includes = random_rules(random, &case, 5);
    if random.one_in(8) {
        case.includes.push("/***".into());
    }
    case
}

/// Compares, and keeps a case that differs as a file of the corpus.
fn compare(case: &Case, theirs: &Names) -> bool {
    let ours = case.ours();
    let comparable = if case.includes.iter().any(|text| text.ends_with('/')) { pruned(&ours) } else { ours };
    if comparable == *theirs {
        return true;
    }
    let name = format!(
        "found-{:016x}.json",
        case.to_json(theirs).bytes().fold(0u64, |sum, byte| { sum.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte) })
    );
    fs::write(support::corpus_directory().join(&name), case.to_json(theirs)).unwrap();
    println!("{name}: ours {:?}\ntheirs {:?}", strings(&comparable), strings(theirs));
    false
}

/// How many random cases a run compares.
fn case_count() -> u64 {
    std::env::var("MODULE_BUILDER_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(6000)
}

/// Many cases in one rsync: each case's directory has a file with rules of its own.
#[test]
fn random_cases_ship_what_rsync_ships() {
    const BATCH: u64 = 100;
    let mut random = Random::from_environment();
    let (mut done, mut shipped, mut bad) = (0, 0, 0);
    while done < case_count() {
        let scratch = scratch();
        let base = scratch.path().join("cases");
        let cases: Vec<Case> = (0..BATCH).map(|_| random_case(&mut random)).collect();
        for (index, case) in cases.iter().enumerate() {
            let directory = base.join(format!("case{index}"));
            case.write(&directory);
            let rules: String = lines(case).iter().map(|line| format!("{line}\n")).collect();
            fs::write(directory.join(".module-builder-rules"), rules).unwrap();
        }
        let all = rsync(&base, &["--filter=dir-merge,e .module-builder-rules".to_owned()]);
        for (index, case) in cases.iter().enumerate() {
            let prefix = format!("case{index}/").into_bytes();
            let of = |name: &Vec<u8>| {
                name.strip_prefix(prefix.as_slice()).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec)
            };
            let theirs: Names = all.iter().filter_map(of).collect();
            shipped += u64::from(!theirs.is_empty());
            bad += u64::from(!compare(case, &theirs));
        }
        done += BATCH;
    }
    println!("{done} cases, {shipped} of them ship something");
    assert!(shipped > done / 4, "too few of the cases ship anything: {shipped} of {done}");
    assert_eq!(bad, 0, "cases that differ were kept in tests/filter-corpus");
}

/// The same with one rsync for each case, as a user would call it.
#[test]
fn random_cases_ship_what_rsync_ships_by_a_merge_file() {
    let mut random = Random::from_environment();
    let bad = (0..case_count() / 20).filter(|_| {
        let case = random_case(&mut random);
        !compare(&case, &rsync_ships(&case))
    });
    assert_eq!(bad.count(), 0, "cases that differ were kept in tests/filter-corpus");
}

#[test]
fn verdicts_agree_with_what_is_shipped() {
    let mut random = Random::from_environment();
    for _ in 0..500 {
        let case = random_case(&mut random);
        let tree = case.tree();
        let filter = Filter::new(&case.rules(), &tree).unwrap();
        let shipped = filter.apply(&tree).unwrap().tree;
        for (path, _, node) in tree.walk().filter(|(_, _, node)| !node.is_directory()) {
            let verdict = filter.verdict(&path, node.is_directory());
            let included = matches!(verdict, composer::filter::Verdict::Included(_));
            assert_eq!(included, shipped.lookup(&path).is_some(), "{path} {verdict:?} {case:?}");
        }
        assert!(case.rules().includes.iter().all(|rule| rule.origin.field == Field::FileSpec));
    }
}
