//! `docs/cli.md` is what `--help` says.

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
