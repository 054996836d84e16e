//! `docs/cli.md` is what `--help` says, and `docs/findings.md` what `explain CODE` does.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fmt::Write;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;

fn help(arguments: &[&str]) -> String {
    let output = cargo_bin_cmd!("module-builder").env_clear().env("COLUMNS", "100").args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The verbs that `--help` lists.
fn verbs() -> Vec<String> {
    let top = help(&["--help"]);
    let commands = top.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = commands.lines().filter_map(|line| line.split_whitespace().next());
    let verbs: Vec<String> = words.filter(|verb| *verb != "help").map(str::to_owned).collect();
    assert!(verbs.first().is_some_and(|verb| verb == "init") && verbs.len() > 10, "{verbs:?}");
    verbs
}

fn reference() -> String {
    let mut out = String::from(
        "# Command line\n\nThis page is made from `--help`. After a change, run\n\
         `MODULE_BUILDER_BLESS=1 cargo test --test docs` and read the difference.\n",
    );
    write!(out, "\n## module-builder\n\n```text\n{}\n```\n", help(&["--help"])).unwrap();
    for verb in verbs() {
        write!(out, "\n## module-builder {verb}\n\n```text\n{}\n```\n", help(&[&verb, "--help"])).unwrap();
    }
    out
}

#[test]
fn the_reference_is_what_help_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let reference = reference();
    if std::env::var_os("MODULE_BUILDER_BLESS").is_some() {
        std::fs::write(&path, &reference).unwrap();
    }
    let written = std::fs::read_to_string(&path).expect("docs/cli.md is there");
    let differs = written.lines().zip(reference.lines()).position(|(old, new)| old != new);
    assert_eq!(written, reference, "docs/cli.md is out of date from line {:?}", differs.map(|line| line + 1));
}

/// The sources of the product, without their tests.
fn sources() -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !["tests", "target", "long_form"].contains(&name.as_str()) {
                walk(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next().unwrap();
                let code = |line: &&str| !line.trim_start().starts_with("//");
                let text: Vec<&str> = text.lines().filter(code).collect();
                found.push((path.display().to_string(), text.join("\n")));
            }
        }
    }
    let mut found = Vec::new();
    for place in ["base", "builder", "composer", "oci", "node", "attest", "src"] {
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut found);
    }
    found
}

/// Words between quotes that may be codes: with a dash in them, or where only codes stand.
fn codes(text: &str) -> Vec<&str> {
    let quoted: Vec<&str> = text.split('"').collect();
    let is_word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !word.ends_with('-')
    };
    let is_code = |before: &str| {
        let calls = [
            "error(at, ",
            "error(&item, ",
            "warn(at, ",
            "warn(&at, ",
            "code: ",
            "Severity::Error, ",
            "Severity::Warning, ",
        ];
        calls.iter().any(|call| before.ends_with(call))
    };
    let found = quoted.windows(2).filter(|pair| is_word(pair[1]) && (pair[1].contains('-') || is_code(pair[0])));
    found.map(|pair| pair[1]).collect()
}

/// Words with a dash in files that make findings, which are no codes.
const OTHER_WORDS: [&str; 4] = ["apt-snapshot", "module-builder", "systemd-sysusers", "systemd-tmpfiles"];

#[test]
fn every_code_of_the_source_has_a_long_form_and_every_long_form_a_code() {
    let sources = sources();
    assert!(sources.len() > 200);
    let makes_findings =
        |text: &str| ["Diagnostic", "Check<", "check.", "code: "].iter().any(|word| text.contains(word));
    let mut seen = std::collections::BTreeSet::new();
    for (file, text) in sources.iter().filter(|(_, text)| makes_findings(text)) {
        for code in codes(text).into_iter().filter(|code| !OTHER_WORDS.contains(code)) {
            assert!(model::long_form::of(code).is_some(), "{code} of {file} has no entry in base/model/src/long_form");
            seen.insert(code);
        }
    }
    assert!(seen.len() > 100, "{seen:?}");
    for form in model::long_form::all().filter(|form| !seen.contains(form.code)) {
        let quoted = format!("\"{}\"", form.code);
        assert!(sources.iter().any(|(_, text)| text.contains(&quoted)), "nothing makes findings of {}", form.code);
    }
}

fn list_of_findings() -> String {
    let mut out = String::from(
        "# Findings\n\nEvery finding has a code, which is the same in text, in JSON and for `--allow`. `module-builder explain CODE` says of \
         one what it\nmeans, why it matters on a node, and how to fix it.\n\nThis page is made from the same table. After a change, run \
         `MODULE_BUILDER_BLESS=1 cargo test --test docs`.\n",
    );
    for group in model::long_form::GROUPS {
        write!(out, "\n## {}\n\n| code | what it says | what to do |\n|---|---|---|\n", group.title).unwrap();
        for form in group.codes {
            let cell = |text: &str| text.replace('|', "\\|");
            writeln!(out, "| `{}` | {} | {} |", form.code, cell(form.means), cell(form.fix)).unwrap();
        }
    }
    out
}

#[test]
fn the_list_of_findings_is_what_explain_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.md");
    let list = list_of_findings();
    if std::env::var_os("MODULE_BUILDER_BLESS").is_some() {
        std::fs::write(&path, &list).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).expect("docs/findings.md is there"), list);
    for form in model::long_form::all() {
        let said = cargo_bin_cmd!("module-builder").env_clear().args(["explain", form.code]).output().unwrap();
        assert!(said.status.success() && said.stderr.is_empty(), "{}", form.code);
        assert!(String::from_utf8(said.stdout).unwrap().starts_with(&format!("{}\n", form.code)));
    }
}

#[test]
fn every_lint_is_in_a_table_for_people() {
    let read = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name))
            .expect("the page is there")
    };
    let pages = read("lints.md") + &read("closure.md");
    let missing: Vec<_> = model::record::LINTS.iter().filter(|code| !pages.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "neither in docs/lints.md nor in docs/closure.md: {missing:?}");
}
