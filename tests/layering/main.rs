//! The workspace has the arrows of ARCHITECTURE.md and no others, the binary's own modules know only
//! what is below them, and what only one place may do (print, exit, read the environment and the
//! clock, spawn) is done there alone.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

mod circles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// From and to, as ARCHITECTURE.md draws them.
const ARROWS: [(&str, &str); 26] = [
    ("module-builder", "module-builder-model"),
    ("module-builder", "module-builder-builder"),
    ("module-builder", "module-builder-composer"),
    ("module-builder", "module-builder-attest"),
    ("module-builder", "module-builder-oci"),
    ("module-builder", "module-builder-node"),
    ("module-builder", "module-builder-host"),
    ("module-builder", "module-builder-net"),
    ("module-builder", "module-builder-image"),
    ("module-builder-builder", "module-builder-image"),
    ("module-builder-composer", "module-builder-image"),
    ("module-builder-image", "module-builder-host"),
    ("module-builder-image", "module-builder-model"),
    ("module-builder-builder", "module-builder-host"),
    ("module-builder-builder", "module-builder-net"),
    ("module-builder-composer", "module-builder-host"),
    ("module-builder-oci", "module-builder-host"),
    ("module-builder-net", "module-builder-host"),
    ("module-builder-host", "module-builder-model"),
    ("module-builder-builder", "module-builder-model"),
    ("module-builder-composer", "module-builder-model"),
    ("module-builder-attest", "module-builder-model"),
    ("module-builder-oci", "module-builder-model"),
    ("module-builder-node", "module-builder-image"),
    ("module-builder-node", "module-builder-host"),
    ("module-builder-node", "module-builder-model"),
];
const TESTKIT: &str = "module-builder-testkit";

fn wrong_arrows(arrows: &[(String, String, DependencyKind)]) -> Vec<String> {
    let is_drawn = |from: &str, to: &str, kind: DependencyKind| match kind {
        DependencyKind::Development => to == TESTKIT || ARROWS.contains(&(from, to)),
        DependencyKind::Normal => ARROWS.contains(&(from, to)),
        _ => false,
    };
    let wrong = arrows.iter().filter(|(from, to, kind)| !is_drawn(from, to, *kind));
    wrong.map(|(from, to, kind)| format!("{from} -> {to} ({kind})")).collect()
}

#[test]
fn the_workspace_has_no_arrow_that_the_architecture_has_not() {
    let metadata = MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec().unwrap();
    let members: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    assert!(members.contains("module-builder-model") && members.contains(TESTKIT), "{members:?}");
    let arrows: Vec<_> = metadata
        .packages
        .iter()
        .flat_map(|from| from.dependencies.iter().map(move |to| (from.name.to_string(), to.name.clone(), to.kind)))
        .filter(|(_, to, _)| members.contains(to))
        .collect();
    assert!(arrows.len() >= 5, "too few arrows to be the whole picture: {arrows:?}");
    assert_eq!(wrong_arrows(&arrows), Vec::<String>::new());
}

#[test]
fn a_made_up_arrow_between_siblings_is_found() {
    let arrow = |from: &str, to: &str, kind| (from.to_owned(), to.to_owned(), kind);
    let arrows = [
        arrow("module-builder", "module-builder-oci", DependencyKind::Normal),
        arrow("module-builder-builder", "module-builder-composer", DependencyKind::Normal),
        arrow("module-builder-composer", TESTKIT, DependencyKind::Normal),
        arrow("module-builder-composer", TESTKIT, DependencyKind::Development),
        arrow("module-builder-oci", "module-builder-composer", DependencyKind::Development),
        arrow("module-builder-oci", "module-builder-model", DependencyKind::Build),
        arrow("module-builder-image", "module-builder-composer", DependencyKind::Normal),
    ];
    let wrong = [
        "module-builder-builder -> module-builder-composer (normal)",
        "module-builder-composer -> module-builder-testkit (normal)",
        "module-builder-oci -> module-builder-composer (dev)",
        "module-builder-oci -> module-builder-model (build)",
        "module-builder-image -> module-builder-composer (normal)",
    ];
    assert_eq!(wrong_arrows(&arrows), wrong);
}

/// Tokens that may stand in these files only (paths from the root of the workspace).
struct Rule {
    tokens: &'static str,
    allowed: &'static [&'static str],
}

const MAIN: &[&str] = &["src/main.rs"];
const PRINTER: &[&str] = &["src/main.rs", "src/ui/mod.rs"];
/// The one leaf: sha256 by the processor's own instructions.
const UNSAFE: &[&str] = &["base/image/src/verity/multi_buffer/mod.rs"];
/// Two start programs, the other is this program started again ahead of one, in the child.
const SPAWNER: &[&str] =
    &["base/host/src/process/invocation.rs", "base/host/src/process/mod.rs", "base/host/src/process/reexec.rs"];

const LISTENER: &[&str] = &["src/ui/log.rs"];

const RULES: &[Rule] = &[
    Rule { tokens: "unsafe", allowed: UNSAFE },
    Rule { tokens: "println !", allowed: &[] },
    Rule { tokens: "print !", allowed: &[] },
    Rule { tokens: "eprintln !", allowed: &[] },
    Rule { tokens: "eprint !", allowed: &[] },
    Rule { tokens: "dbg !", allowed: &[] },
    Rule { tokens: "io :: stdout", allowed: PRINTER },
    Rule { tokens: "io :: stderr", allowed: PRINTER },
    Rule { tokens: "process :: exit", allowed: MAIN },
    Rule { tokens: "process :: abort", allowed: MAIN },
    Rule { tokens: "ExitCode", allowed: MAIN },
    Rule { tokens: "env :: var", allowed: MAIN },
    Rule { tokens: "env :: var_os", allowed: MAIN },
    Rule { tokens: "env :: vars", allowed: MAIN },
    Rule { tokens: "env :: vars_os", allowed: MAIN },
    Rule { tokens: "env :: args", allowed: MAIN },
    Rule { tokens: "env :: args_os", allowed: MAIN },
    Rule { tokens: "env :: temp_dir", allowed: MAIN },
    Rule { tokens: "env :: current_dir", allowed: MAIN },
    Rule { tokens: "env :: home_dir", allowed: MAIN },
    // Without a directory named, tempfile asks the environment for one.
    Rule { tokens: "tempfile :: tempfile (", allowed: &[] },
    Rule { tokens: "tempfile :: tempdir (", allowed: &[] },
    Rule { tokens: "NamedTempFile :: new (", allowed: &[] },
    Rule { tokens: "TempDir :: new (", allowed: &[] },
    Rule { tokens: "Instant :: now", allowed: MAIN },
    Rule { tokens: "SystemTime :: now", allowed: MAIN },
    Rule { tokens: "UNIX_EPOCH . elapsed", allowed: MAIN },
    Rule { tokens: "process :: Command :: new", allowed: SPAWNER },
    Rule { tokens: "Command :: new", allowed: SPAWNER },
    Rule { tokens: ". spawn ( )", allowed: SPAWNER },
    Rule { tokens: "command . output ( )", allowed: SPAWNER },
    Rule { tokens: "command . status ( )", allowed: SPAWNER },
    Rule { tokens: "CommandExt", allowed: SPAWNER },
    // Libraries report; one place listens.
    Rule { tokens: "tracing_subscriber", allowed: LISTENER },
    Rule { tokens: "set_global_default", allowed: LISTENER },
];

/// The tokens with one blank between any two. Literals are left out: what a message says is not what the code does.
fn flat(tokens: TokenStream) -> String {
    let mut text = " ".to_owned();
    flatten(tokens, &mut text);
    text
}

/// The text of a file that [`flat`] makes.
fn scan(source: &str) -> String {
    flat(without_tests(source).0)
}

/// The file's tokens without items under `#[cfg(test)]`, and the modules that it declares for tests.
fn without_tests(source: &str) -> (TokenStream, Vec<String>) {
    let mut test_modules = Vec::new();
    let tokens = source.parse().expect("the file is Rust");
    (cut_tests(tokens, &mut test_modules), test_modules)
}

fn cut_tests(tokens: TokenStream, test_modules: &mut Vec<String>) -> TokenStream {
    let mut tokens = tokens.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(token) = tokens.next() {
        if is_punct(&token, '#') && tokens.peek().is_some_and(is_cfg_test) {
            tokens.next();
            skip_item(&mut tokens, test_modules);
            continue;
        }
        kept.push(match token {
            TokenTree::Group(group) => Group::new(group.delimiter(), cut_tests(group.stream(), test_modules)).into(),
            other => other,
        });
    }
    kept.into_iter().collect()
}

fn flatten(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("( ", ") "),
                    Delimiter::Brace => ("{ ", "} "),
                    Delimiter::Bracket => ("[ ", "] "),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                flatten(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                if punct.spacing() == proc_macro2::Spacing::Alone {
                    text.push(' ');
                }
            }
            TokenTree::Ident(ident) => {
                text.push_str(&ident.to_string());
                text.push(' ');
            }
            TokenTree::Literal(_) => {}
        }
    }
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_cfg_test(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.stream().to_string().replace(' ', "") == "cfg(test)")
}

/// Skips to the end of the item: its `;` or its braces. Of `mod name;` the name is kept.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>, test_modules: &mut Vec<String>) {
    let mut words: Vec<String> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => words.push(ident.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                if let [.., keyword, name] = words.as_slice()
                    && keyword == "mod"
                {
                    test_modules.push(name.clone());
                }
                return;
            }
            _ => {}
        }
    }
}

fn wrong_tokens(file: &str, text: &str) -> Vec<String> {
    let broken = RULES.iter().filter(|rule| !rule.allowed.contains(&file));
    let broken = broken.filter(|rule| text.contains(&format!(" {} ", rule.tokens)));
    broken.map(|rule| format!("{file}: `{}`", rule.tokens)).collect()
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source folders of the product's crates.
const CRATES: [&str; 10] = [
    "base/model/src",
    "base/host/src",
    "base/net/src",
    "base/image/src",
    "builder/src",
    "composer/src",
    "attest/src",
    "oci/src",
    "node/src",
    "src",
];

/// The files of a crate without those of its tests, by their paths below `folder`.
fn product_files(folder: &Path) -> Vec<(String, TokenStream)> {
    let mut files = Vec::new();
    rust_files(folder, &mut files);
    let read = |file| (without_tests(&std::fs::read_to_string(&file).unwrap()), file);
    let read: Vec<_> = files.into_iter().map(read).collect();
    // A module for tests, and everything below it.
    let (mut test_files, mut test_folders) = (BTreeSet::new(), Vec::new());
    for ((_, test_modules), file) in &read {
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let parent = file.parent().unwrap();
        let folder = if ["mod", "lib", "main"].contains(&stem) { parent.to_owned() } else { parent.join(stem) };
        for name in test_modules {
            test_files.insert(folder.join(format!("{name}.rs")));
            test_folders.push(folder.join(name));
        }
    }
    let is_test = |file: &Path| test_files.contains(file) || test_folders.iter().any(|test| file.starts_with(test));
    let product = read.into_iter().filter(|(_, file)| !is_test(file));
    let below = |file: &Path| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    product.map(|((tokens, _), file)| (below(&file), tokens)).collect()
}

#[test]
fn what_one_place_may_do_is_done_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut count) = (Vec::new(), 0);
    for folder in CRATES {
        for (file, tokens) in product_files(&root.join(folder)) {
            wrong.extend(wrong_tokens(&format!("{folder}/{file}"), &flat(tokens)));
            count += 1;
        }
    }
    assert!(count > 30, "too few files to be the whole product: {count}");
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether the code names what `model` knows of manifests: by its path, or among others of `model`.
fn names_manifests(text: &str) -> bool {
    // That there are kinds is no knowledge of any of them.
    let text = text.replace(" model :: manifest :: Kind ", " ");
    let among = |group: &str| group.split('}').next().is_some_and(|names| names.contains(" Manifest "));
    text.contains(" model :: Manifest ")
        || text.contains(" model :: manifest ")
        || text.split(" model :: {").skip(1).any(among)
}

#[test]
fn only_recipes_and_commands_know_what_stands_in_a_manifest() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scans = |folder: &str| {
        let mut files = Vec::new();
        rust_files(&root.join(folder), &mut files);
        assert!(!files.is_empty(), "{folder}");
        files.into_iter().map(|file| (scan(&std::fs::read_to_string(&file).unwrap()), file)).collect::<Vec<_>>()
    };
    for folder in ["base/host", "base/net", "base/image", "builder", "composer", "attest", "oci", "node"] {
        for (text, file) in scans(&format!("{folder}/src")) {
            assert!(!names_manifests(&text), "{}", file.display());
        }
    }
    // The reader of documents knows no kind of them.
    for (text, file) in scans("base/model/src/document") {
        for word in ["manifest", "rules", "pattern", "package", "recipes"] {
            assert!(!text.contains(&format!(" crate :: {word} ")), "{}: {word}", file.display());
        }
    }
    for offender in ["use model::Manifest;", "use model::{Digest, Manifest};", "fn f(m: &model::manifest::Init) {}"] {
        assert!(names_manifests(&scan(offender)), "{offender}");
    }
    for other in ["use model::{Digest}; use super::{Index, Manifest};", "use model::manifest::Kind;"] {
        assert!(!names_manifests(&scan(other)), "{other}");
    }
}

#[test]
fn a_made_up_offender_is_found_and_tests_comments_and_strings_are_not() {
    let offender = r#"
        fn f() {
            std::println!("x");
            std::process::exit(1);
            let a = std::env::var("A");
            let t = Instant::now();
            let c = std::process::Command::new("sh").spawn();
            unsafe { g() }
        }
    "#;
    let found = wrong_tokens("base/model/src/lib.rs", &scan(offender));
    for tokens in
        ["println !", "process :: exit", "env :: var", "Instant :: now", "Command :: new", ". spawn ( )", "unsafe"]
    {
        assert!(found.contains(&format!("base/model/src/lib.rs: `{tokens}`")), "{tokens}: {found:?}");
    }
    assert!(wrong_tokens("src/main.rs", &scan("fn main() { std::env::vars_os(); }")).is_empty());

    let innocent = r#"
        //! println!("in a comment")
        #![deny(unsafe_code)]
        fn f() -> &'static str { "println!(unsafe)" }
        #[cfg(test)]
        #[allow(dead_code)]
        fn helper() { println!("x") }
        #[cfg(test)]
        mod tests { fn f() { std::process::exit(1) } }
        #[cfg(test)]
        pub(crate) mod more;
        fn after() {}
    "#;
    let text = scan(innocent);
    assert_eq!(wrong_tokens("base/model/src/lib.rs", &text), Vec::<String>::new());
    assert_eq!(without_tests(innocent).1, ["more"]);
    assert!(text.contains(" fn after "), "{text}");
}

/// The floors of `src/`, the lowest first; `use` goes down or stays. What stands in `src/` itself by
/// another name is unknown, and is a failure.
const FLOORS: [&[&str]; 7] =
    [&["environment"], &["error"], &["ui"], &["settings"], &["recipes"], &["commands"], &["cli"]];

/// Lower floors that a module may not know all the same: recipes return what they find, and only commands print.
const CLOSED: [(&str, &str); 1] = [("recipes", "ui")];

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&module))
}

/// The modules of the crate's root that the file names by `crate::` or by enough `super::`. `depth`
/// is how many modules the file's own is below the root.
fn named_modules(text: &str, depth: usize) -> BTreeSet<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut named = BTreeSet::new();
    for (at, word) in words.iter().enumerate() {
        let mut rest = at + 1;
        match *word {
            "crate" => {}
            "super" if words.get(at.wrapping_sub(2)) != Some(&"super") => {
                let mut ups = 1;
                while words.get(rest..rest + 2) == Some(&["::", "super"]) {
                    (ups, rest) = (ups + 1, rest + 2);
                }
                if ups < depth {
                    continue;
                }
            }
            _ => continue,
        }
        match words.get(rest..rest + 2) {
            Some(["::", "{"]) => named.extend(group_heads(&words[rest + 2..])),
            Some(["::", name]) => drop(named.insert((*name).to_owned())),
            _ => {}
        }
    }
    named
}

/// The first name of each path of a braced group, from just behind its opening brace.
fn group_heads(words: &[&str]) -> Vec<String> {
    let (mut depth, mut is_head, mut heads) = (0_usize, true, Vec::new());
    for word in words {
        match *word {
            "{" => depth += 1,
            "}" if depth == 0 => break,
            "}" => depth -= 1,
            "," if depth == 0 => is_head = true,
            name if is_head => {
                heads.push(name.to_owned());
                is_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// Every name of a higher floor, or of a closed one, in the file at `path`, which starts from `src/`.
fn upward(path: &str, text: &str) -> Vec<String> {
    let modules: Vec<&str> = path.trim_end_matches(".rs").split('/').filter(|name| *name != "mod").collect();
    let Some(own) = floor(modules[0]) else { return vec![format!("src/{path} stands on no floor")] };
    let named = named_modules(text, modules.len());
    let is_closed = |name: &str| CLOSED.contains(&(modules[0], name));
    let wrong = named.iter().filter(|name| is_closed(name) || floor(name).is_none_or(|floor| floor > own));
    wrong.map(|name| format!("src/{path} -> {name}")).collect()
}

#[test]
fn no_module_of_the_binary_knows_the_one_that_calls_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let (mut wrong, mut arrows) = (Vec::new(), 0);
    for file in files {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        // `main.rs` is above every floor, and tests may look wherever they like.
        if path == "main.rs" || path.ends_with("/tests.rs") {
            continue;
        }
        let text = scan(&std::fs::read_to_string(&file).unwrap());
        arrows += named_modules(&text, usize::MAX).len();
        wrong.extend(upward(&path, &text));
    }
    assert!(arrows > 100, "too few arrows to be the whole picture: {arrows}");
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_made_up_arrow_upwards_is_found_in_every_spelling() {
    let found = |path: &str, source: &str| upward(path, &scan(source));
    for source in [
        "use crate::commands::build::BuildArgs;",
        "use crate::{error::Error, commands::{build, lock}};",
        "use super::super::commands::build;",
        "fn f() { let x = crate::commands::build::defaults(); }",
        "pub(in crate::commands) fn f() {}",
    ] {
        assert_eq!(found("recipes/root.rs", source), ["src/recipes/root.rs -> commands"], "{source}");
    }
    assert_eq!(found("commands/mod.rs", "use super::cli;"), ["src/commands/mod.rs -> cli"]);
    assert_eq!(found("settings/mod.rs", "use crate::recipes;"), ["src/settings/mod.rs -> recipes"]);
    assert_eq!(found("recipes/a.rs", "use crate::utils;"), ["src/recipes/a.rs -> utils"]);
    assert_eq!(found("recipes/build/a.rs", "use crate::{error::Error, ui::size};"), ["src/recipes/build/a.rs -> ui"]);
    assert_eq!(found("utils.rs", ""), ["src/utils.rs stands on no floor"]);
    for source in [
        "use crate::recipes::{root, request}; use crate::{error::{Error, Kind}, settings}; use super::commands;",
        "#[cfg(test)] mod tests { use crate::commands::build; }",
        "//! crate::commands in a comment\nfn f() -> &'static str { \"crate::commands\" }",
        "pub(crate) fn f(commands: u8) {}",
    ] {
        assert_eq!(found("recipes/root.rs", source), Vec::<String>::new(), "{source}");
    }
}
