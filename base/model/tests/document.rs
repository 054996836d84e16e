//! A made-up kind of document, read by what all kinds share: there is no word of modules in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use model::document::{
    Bounds, Check, Choice, Cursor, Entry, Field, Format, MAX_BYTES, MAX_DEPTH, Read, Retired, Seen, Shape, Table, read,
    words,
};
use model::{Diagnostic, Severity};
use proptest::prelude::*;
use serde::Serialize;

const GARDEN: Format = Format {
    noun: "garden",
    begins: "`schema_version: 1` and `trees: ...`",
    smaller: "write a file for each field",
    fewer: "count trees instead of naming them",
    retired,
};

fn retired(field: &str, key: &str) -> Option<Retired> {
    let hint = "write it as `kind`".to_owned();
    (field.starts_with("trees[") && key == "sort")
        .then(|| Retired { message: "`sort` is called `kind`".to_owned(), hint })
}

static KEYS: Table = Table {
    description: "A garden",
    fields: &[
        Field::new("schema_version", "The version of this format", Shape::Version).required("add `schema_version: 1`"),
        Field::new("owner", "Who picks", Shape::LINE),
        Field::new("open", "Whether others may pick", Shape::Boolean),
        Field::new("trees", "What grows", Shape::List(&Shape::Mapping(&TREE))).required("say what grows"),
        Field::new("notes", "Whatever else", Shape::OpaqueMap),
    ],
};
static TREE: Table = Table {
    description: "A tree",
    fields: &[
        Field::new("kind", "Its fruit", Shape::Words(words::<Fruit>)).required("name its fruit"),
        Field::new("age", "In years", Shape::Integer(AGE)),
    ],
};
const AGE: Bounds = Bounds { least: 1, most: 300 };

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
enum Fruit {
    Apple,
    Quince,
}

impl Choice for Fruit {
    const WORDS: &'static [(&'static str, Self)] = &[("apple", Self::Apple), ("quince", Self::Quince)];
}

#[derive(Debug, PartialEq, Serialize)]
struct Garden {
    owner: Option<String>,
    open: Option<bool>,
    trees: Vec<Entry<(Fruit, Option<i64>)>>,
    notes: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

fn garden(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Garden> {
    let object = check.object(at, &KEYS)?;
    let version = object.required(check, "schema_version").and_then(|at| check.version(&at));
    let owner = object.get("owner").and_then(|at| check.line(&at)).map(|entry| entry.value);
    let open = object.get("open").and_then(|at| check.boolean(&at));
    let mut seen = Seen::new("duplicate-package", "the tree");
    let mut trees = Vec::new();
    for item in object.required(check, "trees").map(|at| check.list(&at, "trees")).unwrap_or_default() {
        let Some(tree) = check.object(&item, &TREE) else { continue };
        let age = tree.get("age").and_then(|at| check.integer(&at, AGE));
        let Some(kind) = tree.required(check, "kind").and_then(|at| check.choice(&at)) else { continue };
        seen.note(check, &item, format!("{kind:?} {age:?}"));
        trees.push(Entry { value: (kind, age), position: item.position() });
    }
    let notes = object.get("notes").and_then(|at| check.opaque_map(&at));
    version.map(|_| Garden { owner, open, trees, notes })
}

/// Reads, and checks what holds whatever the bytes are.
fn check(bytes: &[u8]) -> Read<Garden> {
    let found = read(bytes, &GARDEN, garden);
    let is_error = |found: &Diagnostic| found.severity == Severity::Error;
    assert_eq!(found.value.is_none(), found.diagnostics.iter().any(is_error), "{:?}", found.diagnostics);
    for found in &found.diagnostics {
        let words = format!("{} {}", found.message, found.hint).to_lowercase();
        for word in ["module ", "manifest", "pattern", "package", "service"] {
            assert!(!words.replace("module-builder", "").contains(word), "{found:?}");
        }
        assert!(!found.message.is_empty() && !found.hint.is_empty() && !found.message.contains('\n'), "{found:?}");
        assert!(found.text.chars().count() <= 80 && !found.text.contains(char::is_control), "{found:?}");
        assert!(found.span.is_none_or(|(start, end)| start <= end && end <= bytes.len()), "{found:?}");
    }
    found
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    check(bytes).diagnostics.iter().map(|found| found.code).collect()
}

#[test]
fn another_kind_of_document_is_read_without_a_word_of_modules() {
    let text = b"schema_version: 1\nowner: Ada\nopen: true\ntrees:\n- {kind: apple, age: 3}\n- kind: quince\nnotes: {a: [1, ~]}\n";
    let found = check(text);
    assert_eq!(found.diagnostics, []);
    let found = found.value.unwrap();
    assert_eq!((found.owner.as_deref(), found.open, found.trees.len()), (Some("Ada"), Some(true), 2));
    assert_eq!(found.trees[1].position.to_string(), "6:3");
    assert_eq!(found.notes.unwrap()["a"], serde_json::json!([1, null]));
}

#[test]
fn every_error_of_a_file_comes_out_of_one_run() {
    let text = "schema_version: 2\nower: Ada\nopen: yes\ntrees:\n- {kind: aple}\n- {sort: apple, age: 301}\n- {kind: apple}\n- {kind: apple}\n- 7\nowner: a\nowner: b\n";
    let mut out = String::new();
    for found in check(text.as_bytes()).diagnostics {
        writeln!(out, "{} {} [{}] {}", found.place(), found.severity, found.code, found.field).unwrap();
        writeln!(out, "    {} / {} / {}", found.text, found.message, found.hint).unwrap();
    }
    insta::assert_snapshot!(out);
}

#[test]
fn its_schema_comes_from_the_tables_of_its_parser() {
    let schema = KEYS.json_schema("Garden");
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for text in [
        r#"{"schema_version": 1, "trees": []}"#,
        r#"{"schema_version": 1, "owner": "x", "open": false, "trees": [{"kind": "apple", "age": 300}], "notes": {}}"#,
        r#"{"schema_version": 1}"#,
        r#"{"schema_version": 2, "trees": []}"#,
        r#"{"schema_version": 1, "trees": [{"kind": "pear"}]}"#,
        r#"{"schema_version": 1, "trees": [{"kind": "apple", "age": 0}]}"#,
        r#"{"schema_version": 1, "trees": [{"age": 1}]}"#,
        r#"{"schema_version": 1, "trees": [], "owner": " "}"#,
        r#"{"schema_version": 1, "trees": [], "pears": 1}"#,
        r#"{"schema_version": 1, "trees": [], "notes": []}"#,
    ] {
        let value = serde_json::from_str(text).unwrap();
        assert_eq!(validator.is_valid(&value), check(text.as_bytes()).value.is_some(), "{text}");
    }
}

#[test]
fn files_that_are_no_document_say_so_in_its_words() {
    let long = [b"# ".to_vec(), vec![b'x'; MAX_BYTES]].concat();
    let first = |bytes: &[u8]| {
        let found = check(bytes).diagnostics.remove(0);
        (found.code, found.message, found.hint)
    };
    let wanted = |code, message: &str, hint: &str| (code, message.to_owned(), hint.to_owned());
    let hint = "write a garden; it begins with `schema_version: 1` and `trees: ...`";
    assert_eq!(first(b"# nothing\n"), wanted("empty-file", "the file holds no garden", hint));
    let message = "the file has 1048578 bytes, more than the 1048576 of a garden";
    assert_eq!(first(&long), wanted("file-too-large", message, "write a file for each field"));
    let many = format!("notes: {{a: [{}]}}", "1,".repeat(100_001));
    let message = "the file has more than 100000 keys and values";
    assert_eq!(first(many.as_bytes()), wanted("too-many-values", message, "count trees instead of naming them"));
    // Each of these bytes is six in JSON.
    let escaped = format!("schema_version: 1\ntrees: []\nnotes: {{a: \"{}\"}}\n", "\\x1f".repeat(200_000));
    let message = "written out as JSON the garden has more than 1048576 bytes";
    assert_eq!(first(escaped.as_bytes()), wanted("file-too-large", message, "write a file for each field"));
}

#[test]
fn hostile_texts_are_refused_by_the_limit_that_they_break() {
    let notes = |text: &str| format!("schema_version: 1\ntrees: []\nnotes: {{a: {text}}}\n");
    let deep = |levels: usize| notes(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
    assert_eq!(codes(deep(MAX_DEPTH - 2).as_bytes()), [""; 0]);
    assert_eq!(codes(deep(MAX_DEPTH - 1).as_bytes()), ["too-deep"]);
    assert_eq!(codes("[".repeat(50_000).as_bytes()), ["too-deep"]);
    // Ten lists of ten aliases each, six times over: a million values in a few lines.
    let mut bomb = "schema_version: 1\ntrees: []\nnotes:\n  a: &a [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
    for (name, of) in ["ba", "cb", "dc", "ed", "fe"].iter().map(|pair| pair.split_at(1)) {
        writeln!(bomb, "  {name}: &{name} [{}]", vec![format!("*{of}"); 10].join(",")).unwrap();
    }
    assert_eq!(codes(bomb.as_bytes()), ["alias-expansion"]);
    assert_eq!(codes(notes("&x [*x]").as_bytes()), ["recursive-alias"]);
    assert_eq!(codes(notes("*y").as_bytes()), ["unknown-alias"]);
    assert_eq!(codes(notes("1, a: 2").as_bytes()), ["duplicate-key"]);
    assert_eq!(codes(format!("{}: 1\n", "k".repeat(129)).as_bytes())[0], "complex-key");
    assert_eq!(codes(b"schema_version: 1\ntrees: []\n---\na: 1\n"), ["several-documents"]);
}

#[test]
fn a_huge_scalar_is_taken_whole_and_shown_in_part() {
    let huge = "x".repeat(900_000);
    let text = format!("schema_version: 1\ntrees: []\nowner: {huge}\n");
    assert_eq!(check(text.as_bytes()).value.unwrap().owner, Some(huge.clone()));
    let text = format!("schema_version: 1\ntrees: [{{kind: {huge}}}]\n");
    let found = check(text.as_bytes()).diagnostics;
    assert_eq!((found[0].code, found[0].text.len()), ("unknown-value", 80));
    assert!(found[0].message.len() < 200 && found[0].hint.len() < 200);
}

#[test]
fn places_are_those_of_the_file_whatever_its_lines_and_marks() {
    for (text, place, span) in [
        ("schema_version: 1\ntrees: []\nowner: 1\n", "3:8", (35, 36)),
        ("schema_version: 1\r\ntrees: []\r\nowner: 1\r\n", "3:8", (37, 38)),
        ("\u{feff}schema_version: 1\ntrees: []\nowner: 1\n", "3:8", (38, 39)),
        ("schema_version: 1\ntrees: []\n# äöü\nowner: 1\n", "4:8", (44, 45)),
        ("schema_version: 1\ntrees: []\n{ä: 1}", "3:1", (28, 28)),
    ] {
        let found = check(text.as_bytes()).diagnostics;
        let position = found[0].position.unwrap().to_string();
        assert!(found.len() == 1 && position == place, "{text:?} {found:?}");
        let (start, end) = found[0].span.unwrap();
        assert_eq!(start, span.0, "{text:?}");
        assert!(end >= span.1);
    }
    for (bytes, code) in [
        (&b"owner: \xff\n"[..], "not-utf8"),
        (b"\xff\xfeo\0w\0", "not-utf8"),
        (b"owner: a\x07\n", "control-character"),
        (b"\xef\xbb\xbf", "empty-file"),
        (b"", "empty-file"),
    ] {
        assert_eq!(codes(bytes), [code], "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn no_text_of_yaml_makes_the_reader_panic(text in "(\u{feff}|)([a-z:\\-\\[\\]{}&*!|>'\"%@?, \r\n\t#~0-9.<é]|trees:\n|- kind: |&a |\\*a|<<: ){0,60}") {
        check(text.as_bytes());
        check(format!("schema_version: 1\ntrees: []\nnotes:\n  {}\n", text.replace('\n', "\n  ")).as_bytes());
    }

    #[test]
    fn places_lie_where_the_text_is(lines in 0usize..20, blanks in 0usize..5, mark in any::<bool>(), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let mark = if mark { "\u{feff}" } else { "" };
        let text = format!("{mark}{}schema_version: 1{end}trees: []{end}owner:{} 7{end}", "# ä".to_owned() + &end.repeat(lines + 1), " ".repeat(blanks));
        let found = check(text.as_bytes()).diagnostics;
        let (start, stop) = found[0].span.unwrap();
        prop_assert_eq!(text.get(start..stop), Some("7"));
        let position = found[0].position.unwrap();
        prop_assert_eq!((position.line as usize, position.column as usize), (lines + 4, blanks + 8));
    }
}
