//! The corpus of manifests, through the parser and through the JSON Schema.
#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use model::manifest::{Kind, Parsed};
use model::{Diagnostic, Manifest, Severity};
use proptest::prelude::*;

fn corpus(kind: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(kind);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    let read = |path: PathBuf| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap());
    paths.into_iter().map(read).collect()
}

fn render(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for found in diagnostics {
        writeln!(out, "{} {} [{}] {}", found.place(), found.severity, found.code, found.field).unwrap();
        writeln!(out, "    text: {}\n    what: {}\n    hint: {}", found.text, found.message, found.hint).unwrap();
    }
    out
}

/// What holds for whatever bytes are read.
fn check(bytes: &[u8]) -> Parsed {
    let parsed = Manifest::parse(bytes);
    let errors = parsed.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    assert_eq!(parsed.manifest.is_some(), errors == 0);
    for found in &parsed.diagnostics {
        assert!(!found.message.is_empty() && !found.hint.is_empty(), "{found:?}");
        assert!(!found.message.contains('\n') && !found.message.ends_with('.'), "{found:?}");
        assert!(found.text.chars().count() <= 80 && !found.text.contains(char::is_control), "{found:?}");
        if let Some((start, end)) = found.span {
            assert!(start <= end && end <= bytes.len(), "{found:?}");
        }
    }
    let places: Vec<_> = parsed.diagnostics.iter().map(|found| (found.position.is_none(), found.position)).collect();
    assert!(places.is_sorted());
    if let Some(manifest) = &parsed.manifest {
        let json = manifest.canonical_json();
        let again = Manifest::parse(&json);
        let again = again.manifest.unwrap_or_else(|| panic!("{}", render(&again.diagnostics)));
        assert_eq!(&again, manifest);
        assert_eq!(again.canonical_json(), json);
    }
    parsed
}

#[test]
fn every_finding_of_every_invalid_manifest_is_as_it_was() {
    for (name, bytes) in corpus("invalid") {
        let parsed = check(&bytes);
        assert!(parsed.manifest.is_none(), "{name} passes");
        insta::assert_snapshot!(format!("invalid-{name}"), render(&parsed.diagnostics));
    }
}

#[test]
fn valid_manifests_pass_without_a_word() {
    for (name, bytes) in corpus("valid") {
        let parsed = check(&bytes);
        assert_eq!(render(&parsed.diagnostics), "", "{name}");
        let json = parsed.manifest.unwrap().canonical_json();
        insta::assert_snapshot!(format!("valid-{name}"), String::from_utf8(json).unwrap());
    }
}

#[test]
fn the_schema_agrees_with_the_parser() {
    for kind in Kind::ALL {
        assert!(jsonschema::meta::is_valid(&kind.json_schema()), "{kind:?}");
    }
    let schema = Kind::default().json_schema();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (name, bytes) in corpus("valid") {
        let json = check(&bytes).manifest.unwrap().canonical_json();
        let value = serde_json::from_slice(&json).unwrap();
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// Single changes to a valid manifest: a pointer and a value. The parser and the schema both refuse
/// those of the first list and both take those of the second.
#[test]
fn the_schema_and_the_parser_refuse_and_take_the_same_changes() {
    let validator = jsonschema::draft202012::new(&Kind::Module.json_schema()).unwrap();
    let base = serde_json::json!({
        "schema_version": 1, "name": "x", "mask": ["/a"], "package_spec": ["nginx"],
        "dependencies": {"requires": ["a/b@*"], "provides": ["x"]},
        "services": [{"name": "a", "start_command": "/a", "health": {"endpoint": "x", "interval_seconds": 1},
                      "exposed_ports": [{"port": 1}], "env": {"A": 1}}],
        "security": {"capabilities": ["CAP_CHOWN"], "egress_allow": ["a:1"], "selinux_profile": null},
        "build": {"apt_snapshot": null, "ubuntu_digest": null}
    });
    let cases = [
        ("/schema_version", r#"[2, "1", null, true]"#, "[1]"),
        ("/name", r#"["", "X", "a-", "-a", 1, null, "a_b"]"#, r#"["a", "a-b1"]"#),
        ("/mask", r#"["/a", null, {"include": []}]"#, r#"[[], ["/a", "/b/***"]]"#),
        (
            "/mask/0",
            r#"["a", "", "/a/../b", "/..", "/a ", "/a\nb", "+ /a", 1, null]"#,
            r#"["/", "/a..b", "/a b", "/...", "/x/..y/z"]"#,
        ),
        (
            "/package_spec/0",
            r#"["A", "a", "-o", "a b", "ab=", "ab=1/x", "ab:", null]"#,
            r#"["ab", "ab:any", "ab=1:2-3", "ab/sid"]"#,
        ),
        (
            "/dependencies/requires/0",
            r#"["a", "a/b", "a/b@1", "a/B@*", "capability:", null]"#,
            r#"["a/b@>=1,<2", "capability:x.y:80"]"#,
        ),
        ("/dependencies/provides/0", r#"["A", "", "a:", "capability:x", 1]"#, r#"["a-b.c", "http.port:80"]"#),
        ("/services/0/name", r#"["", "A", "-a", null]"#, r#"["0", "a-"]"#),
        ("/services/0/start_command", r#"["", " ", null, []]"#, r#"["a\nb"]"#),
        ("/services/0/exposed_ports/0/port", r#"[0, 65536, "1", null, 1.5]"#, "[1, 65535]"),
        ("/services/0/health/interval_seconds", r#"[0, -1, "1", null]"#, "[1]"),
        ("/services/0/env/A", r#"[null, [], {}]"#, r#"[1, 1.5, true, "x"]"#),
        ("/security/capabilities/0", r#"["CAP_X", "CHOWN", "cap_chown", null]"#, r#"["CAP_BPF"]"#),
        ("/security/egress_allow/0", r#"["", "a:0", "a:x", "https://a", "*.a", "a b", null]"#, r#"["a", "[::1]:1"]"#),
        ("/security/selinux_profile", r#"["", "/a", "../a", "a/../b", "a/", 1]"#, r#"[null, "a/b"]"#),
        (
            "/build/apt_snapshot",
            r#"["", "2024", "20241301T000000Z", "20240101T240000Z", 1]"#,
            r#"[null, "20240101T000000Z"]"#,
        ),
        ("/build/ubuntu_digest", r#"["", "sha256:0", 1]"#, "[null]"),
    ];
    for (pointer, refused, taken) in cases {
        for (list, wanted) in [(refused, false), (taken, true)] {
            let values: Vec<serde_json::Value> = serde_json::from_str(list).unwrap();
            for value in values {
                let mut changed = base.clone();
                *changed.pointer_mut(pointer).unwrap() = value.clone();
                let parsed = check(&serde_json::to_vec(&changed).unwrap());
                assert_eq!(parsed.manifest.is_some(), wanted, "parser: {pointer} {value}");
                assert_eq!(validator.is_valid(&changed), wanted, "schema: {pointer} {value}");
            }
        }
    }
}

#[test]
fn what_is_too_big_is_refused_quickly() {
    let large = [b"schema_version: 1\nname: x\n# ".to_vec(), vec![b'x'; 1 << 20]].concat();
    assert_eq!(check(&large).diagnostics[0].code, "file-too-large");
    let many = format!("schema_version: 1\nname: x\nskills: [{}]\n", "1,".repeat(150_000));
    assert_eq!(check(many.as_bytes()).diagnostics[0].code, "too-many-values");
    let wrong = format!("schema_version: 1\nname: x\nmask: [{}]\n", "x,".repeat(50_000));
    let found = check(wrong.as_bytes()).diagnostics;
    assert_eq!((found.len(), found[1000].code), (1001, "too-many-findings"));
    for open in ["[", "{a: ", "- ", "? ", "!!seq [", "&a [", "\"", "|\n "] {
        check(open.repeat(10_000).as_bytes());
    }
}

#[test]
fn commands_are_listed_with_their_fields() {
    let (_, bytes) = corpus("valid").into_iter().find(|(name, _)| name == "full").unwrap();
    let commands = Manifest::parse(&bytes).manifest.unwrap().commands();
    let fields: Vec<&str> = commands.iter().map(|(field, _)| field.as_str()).collect();
    let wanted = ["init.start", "init.stop", "init.restart", "services[0].start_command", "services[0].stop_command"];
    assert_eq!(fields[..5], wanted);
    assert_eq!(commands[5], ("services[1].start_command".to_owned(), "/usr/bin/sidecar".to_owned()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes);
    }

    #[test]
    fn no_yaml_like_text_makes_the_parser_panic(text in "([a-z:\\-\\[\\]{}&*!|>'\"%@?, \n\t#~0-9.<]|name: |services:\n|- ){0,80}") {
        check(format!("schema_version: 1\n{text}").as_bytes());
        check(text.as_bytes());
    }

    #[test]
    fn any_opaque_value_survives(text in any::<String>(), number in any::<f64>(), integer in any::<i64>(), key in ".{1,20}") {
        let skills = serde_json::json!([text, integer, {key: [number, null]}]);
        let manifest = serde_json::json!({"schema_version": 1, "name": "x", "description": "x", "skills": skills});
        check(&serde_json::to_vec(&manifest).unwrap());
    }

    #[test]
    fn changed_bytes_of_valid_manifests_are_judged(which in 0usize..9, edits in proptest::collection::vec((any::<usize>(), any::<u8>(), 0u8..3), 1..6)) {
        let corpus = corpus("valid");
        let mut bytes = corpus[which % corpus.len()].1.clone();
        for (at, byte, kind) in edits {
            let at = at % bytes.len().max(1);
            match kind {
                0 if at < bytes.len() => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if at < bytes.len() => { bytes.remove(at); }
                _ => {}
            }
        }
        check(&bytes);
    }
}
