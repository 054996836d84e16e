//! Manifests at the edges of what is taken: one step further is a finding, or another one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/lines.rs"]
mod lines;

use lines::{NOTHING, codes, findings, json, taken};
use model::{Manifest, Severity};

#[test]
fn a_display_name_is_no_path_and_one_line() {
    let codes = |name: &str| {
        let text = format!("schema_version: 1\nname: x\nfile_spec: [/a]\ndisplay_name: {name}\n");
        Manifest::parse(text.as_bytes()).diagnostics.into_iter().map(|found| found.code).collect::<Vec<_>>()
    };
    for name in ["'a/b'", "'a\\b'", "'.'", "'..'", "\"a\\nb\"", "\"a\\u202eb\"", "\"a\\u2028b\"", "' '"] {
        assert_eq!(codes(name), ["invalid-name"], "{name}");
    }
    for name in ["'a.b'", "'...'", "'Web, of all'"] {
        assert!(!codes(name).contains(&"invalid-name"), "{name}");
    }
}

#[test]
fn a_requirement_in_another_form_is_shown_as_it_is_written() {
    let hint = |entry: &str| {
        let text = format!("schema_version: 1\nname: x\nfile_spec: [/a]\ndependencies:\n  requires:\n    - {entry}\n");
        let found = Manifest::parse(text.as_bytes()).diagnostics;
        found.into_iter().map(|found| found.hint).collect::<Vec<_>>()
    };
    assert_eq!(hint("plat: \"^1.0\""), ["write `OWNER/plat@^1.0`"]);
    assert_eq!(hint("plat: 1.5"), ["write `OWNER/plat@1.5`"]);
    assert_eq!(hint("plat@^1.0"), ["write `OWNER/plat@^1.0`: who publishes the module stands before its name"]);
    assert_eq!(hint("{a: 1, b: 2}"), ["write a single value"]);
}

#[test]
fn lengths_end_where_they_are_said_to_end() {
    let long = |length: usize| "a".repeat(length);
    let license = |length: usize| format!("license: LicenseRef-{}", "a".repeat(length - 11));
    let key = |length: usize| format!("skills: [{{{}: 1}}]", long(length));
    for (fits, over, code) in [
        (format!("display_name: {}", "ä".repeat(200)), format!("display_name: {}", "ä".repeat(201)), "too-long"),
        (license(1024), license(1025), "license-not-spdx"),
        (key(128), key(129), "complex-key"),
        (format!("mask: [/{}]", long(4095)), format!("mask: [/{}]", long(4096)), "invalid-pattern"),
        (
            format!("dependencies: {{provides: [{}]}}", long(128)),
            format!("dependencies: {{provides: [{}]}}", long(129)),
            "invalid-capability",
        ),
        (
            format!("dependencies: {{requires: ['{}/a@*']}}", long(64)),
            format!("dependencies: {{requires: ['{}/a@*']}}", long(65)),
            "invalid-requirement",
        ),
        (
            format!("dependencies: {{requires: ['a/{}@*']}}", long(64)),
            format!("dependencies: {{requires: ['a/{}@*']}}", long(65)),
            "invalid-requirement",
        ),
        (
            format!("dependencies: {{requires: ['a/a@=1{}']}}", " ".repeat(254)),
            format!("dependencies: {{requires: ['a/a@=1{}']}}", " ".repeat(255)),
            "invalid-requirement",
        ),
    ] {
        assert_eq!(codes(&fits), NOTHING, "{fits}");
        assert_eq!(codes(&over), [code], "{over}");
    }
}

#[test]
fn numbers_end_where_they_are_said_to_end() {
    for (value, wanted) in [
        ("18446744073709551615", Ok("18446744073709551615")),
        ("-9223372036854775808", Ok("-9223372036854775808")),
        ("0xffffffffffffffff", Ok("18446744073709551615")),
        ("0o1777777777777777777777", Ok("18446744073709551615")),
        ("18446744073709551616", Err("out-of-range")),
        ("-9223372036854775809", Err("out-of-range")),
        ("0x10000000000000000", Err("out-of-range")),
        (".inf", Err("out-of-range")),
        ("-.INF", Err("out-of-range")),
        (".nan", Err("out-of-range")),
        ("1e400", Err("out-of-range")),
        ("-1.5e-3", Ok("-0.0015")),
        ("1e3", Ok("1000.0")),
        ("0x", Ok("\"0x\"")),
        ("0o", Ok("\"0o\"")),
        ("+", Ok("\"+\"")),
        ("-.nan", Ok("\"-.nan\"")),
        ("1e+", Ok("\"1e+\"")),
        ("Null", Ok("null")),
        ("TRUE", Ok("true")),
        ("False", Ok("false")),
        ("no", Ok("\"no\"")),
    ] {
        let lines = format!("skills: [{value}]");
        match wanted {
            Ok(text) => assert_eq!(json(&lines)["skills"][0].to_string(), text, "{value}"),
            Err(code) => assert_eq!(codes(&lines), [code], "{value}"),
        }
    }
}

#[test]
fn a_tag_says_what_a_value_is() {
    for (value, wanted) in [
        ("!!str 1", "\"1\""),
        ("! 1", "\"1\""),
        ("!!int 0x10", "16"),
        ("!!float 1.5", "1.5"),
        ("!!bool true", "true"),
        ("!!null ~", "null"),
        ("!!seq [1]", "[1]"),
        ("!!map {a: 1}", "{\"a\":1}"),
    ] {
        assert_eq!(json(&format!("skills: [{value}]"))["skills"][0].to_string(), wanted, "{value}");
    }
    for value in ["!!int a", "!!int 1.5", "!!bool 1", "!!null 0", "!!float x", "!!seq {a: 1}", "!!map [1]", "!own 1"] {
        assert_eq!(codes(&format!("skills: [{value}]")), ["unsupported-tag"], "{value}");
    }
}

#[test]
fn trees_are_as_deep_and_as_large_as_they_may_be() {
    // The manifest and `skills` are two levels.
    let deep = |depth: usize| format!("skills: {}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!((codes(&deep(63)), codes(&deep(64))), (vec![], vec!["too-deep"]));
    let block = |depth: usize| format!("skills:\n{} 1", "- ".repeat(depth).trim_end());
    assert_eq!((codes(&block(63)), codes(&block(64))), (vec![], vec!["too-deep"]));
    // 100,000 keys and values: seven of them are around the items.
    let written = |count: usize| format!("skills: [{}]", vec!["1"; count].join(","));
    assert_eq!((codes(&written(99_993)), codes(&written(99_994))), (vec![], vec!["too-many-values"]));
    let nodes = |count: usize| {
        let row = format!("[{}]", vec!["1"; 999].join(","));
        format!("skills: [&a {row}{}]", ",*a".repeat(count - 1))
    };
    assert_eq!((codes(&nodes(99)), codes(&nodes(100))), (vec![], vec!["alias-expansion"]));
    // What aliases lead to counts for the depth, too.
    let alias = |depth: usize| {
        let half = format!("{}1{}", "[".repeat(31), "]".repeat(31));
        format!("skills: [&a {half}, {}*a{}]", "[".repeat(depth), "]".repeat(depth))
    };
    assert_eq!((codes(&alias(31)), codes(&alias(32))), (vec![], vec!["too-deep"]));
}

#[test]
fn a_file_is_as_large_as_it_may_be() {
    let head = "schema_version: 1\nname: x\n#";
    let of = |size: usize| findings(format!("{head}{}", "a".repeat(size - head.len())).as_bytes());
    assert!(of(1 << 20).is_empty());
    assert_eq!(of((1 << 20) + 1)[0].code, "file-too-large");
}

#[test]
fn what_cannot_be_read_as_text_is_found_at_its_byte() {
    let place = |bytes: &[u8]| {
        let found = &findings(bytes)[0];
        (found.code, found.position.map(|at| (at.line, at.column)), found.span, found.text.clone())
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(place(b"a: \xff"), ("not-utf8", Some((1, 4)), Some((3, 4)), text("\\xff")));
    assert_eq!(place(b"a: 1\r\nb: \x07"), ("control-character", Some((2, 4)), Some((9, 10)), text("\\x07")));
    assert_eq!(place(b"a\rb\n\n\x01"), ("control-character", Some((4, 1)), Some((5, 6)), text("\\x01")));
    assert_eq!(place(b"\xef\xbb\xbf\x02"), ("control-character", Some((1, 1)), Some((3, 4)), text("\\x02")));
    assert_eq!(place(b"\xff\xfea\0"), ("not-utf8", None, None, String::new()));
    assert_eq!(place(b"\xfe\xff\0a"), ("not-utf8", None, None, String::new()));
    assert_eq!(codes("description: \"a\tb\""), NOTHING);
}

#[test]
fn a_mark_at_the_beginning_moves_the_bytes_and_not_the_columns() {
    let plain = &findings(b"schema_version: 1\nname: x\nnmae: 1\n")[0];
    let marked = &findings("\u{feff}schema_version: 1\nname: x\nnmae: 1\n".as_bytes())[0];
    assert_eq!((plain.code, plain.span), ("unknown-key", Some((26, 30))));
    assert_eq!((marked.position, marked.span), (plain.position, Some((29, 33))));
}

#[test]
fn a_thousand_findings_are_listed_and_one_that_there_are_more() {
    let of = |count: usize| {
        let items: Vec<String> = (0..count).map(|n| format!("x{n}")).collect();
        codes(&format!("mask: [{}]", items.join(",")))
    };
    assert_eq!(of(1000).len(), 1000);
    let more = of(1002);
    assert_eq!((more.len(), more.last()), (1001, Some(&"too-many-findings")));
    assert_eq!(more.iter().filter(|code| **code == "too-many-findings").count(), 1);
    // Warnings alone do not end in an error.
    let twice = codes(&format!("mask: [{}]", vec!["/a"; 1100].join(",")));
    assert_eq!((twice.len(), twice.contains(&"too-many-findings")), (1000, false));
}

#[test]
fn the_same_finding_at_two_places_is_two_and_at_one_place_is_one() {
    assert_eq!(codes("mask: [x, y]"), ["invalid-pattern", "invalid-pattern"]);
    assert_eq!(codes("mask: [&a x]\nfile_spec: [*a]"), ["invalid-pattern"]);
}

#[test]
fn dates_of_snapshots_are_those_that_exist() {
    for (text, exists) in [
        ("19700101T000000Z", true),
        ("19691231T235959Z", false),
        ("20240229T235959Z", true),
        ("20230229T000000Z", false),
        ("21000229T000000Z", false),
        ("20000229T000000Z", true),
        ("20230430T000000Z", true),
        ("20230431T000000Z", false),
        ("20230631T000000Z", false),
        ("20230931T000000Z", false),
        ("20231131T000000Z", false),
        ("20230131T000000Z", true),
        ("20231231T000000Z", true),
        ("20230100T000000Z", false),
        ("20230001T000000Z", false),
        ("20231301T000000Z", false),
        ("20230101T230000Z", true),
        ("20230101T240000Z", false),
        ("20230101T005900Z", true),
        ("20230101T006000Z", false),
        ("20230101T000060Z", false),
        ("20230101 000000Z", false),
        ("20230101T000000z", false),
        ("20230101T0000000", false),
        ("+0230101T000000Z", false),
    ] {
        let wanted: &[&str] = if exists { &[] } else { &["invalid-date"] };
        assert_eq!(codes(&format!("build: {{apt_snapshot: '{text}'}}")), wanted, "{text}");
    }
}

#[test]
fn environment_values_are_texts_and_plain_values() {
    let of = |value: &str| {
        let service = format!("services: [{{name: a, start_command: /a, env: {{A: {value}}}}}]");
        codes(&service)
    };
    for value in ["x", "1", "1.5", "true", "\"\"", "\"a\\nb\"", "\"a\\tb\""] {
        assert_eq!(of(value), NOTHING, "{value}");
    }
    for value in ["\"a\\0b\"", "[1]", "{a: 1}", ".inf"] {
        assert_eq!(of(value).len(), 1, "{value}");
    }
}

#[test]
fn opaque_values_keep_every_value_and_the_first_of_two_equal_keys_is_found() {
    let value = json("skills: [{a: [1, {b: null}], c: 'x', d: -1, e: 2.5, f: false}]");
    assert_eq!(value["skills"][0].to_string(), r#"{"a":[1,{"b":null}],"c":"x","d":-1,"e":2.5,"f":false}"#);
    assert_eq!(codes("skills: [{a: 1, a: 2}]"), ["duplicate-key"]);
    assert_eq!(codes("skills: [{a: {b: 1, b: 2}}, [{c: 1, c: 2}]]"), ["duplicate-key", "duplicate-key"]);
    assert_eq!(codes("skills: [{<<: 1}]"), ["merge-key"]);
    assert_eq!(codes("skills: [{'<<': 1}]"), NOTHING);
    assert_eq!(codes("skills: [[.inf], {a: .nan}]"), ["out-of-range", "out-of-range"]);
}

#[test]
fn severity_and_place_read_as_editors_read_them() {
    assert_eq!(
        [Severity::Error, Severity::Warning, Severity::Note].map(|one| one.to_string()),
        ["error", "warning", "note"]
    );
    let mut found = findings(b"schema_version: 1\nname: x\nmask: [/a, /a]\n").remove(0);
    assert_eq!((found.severity, found.place().as_str()), (Severity::Warning, "<input>:3:12"));
    found.file = Some("m.yaml".into());
    assert_eq!(found.place(), "m.yaml:3:12");
    found.position = None;
    assert_eq!(found.place(), "m.yaml");
}

#[test]
fn commands_stand_in_the_order_of_the_manifest() {
    let manifest = taken(
        "init: {start: /i, stop: /s, restart: /r}\nservices:\n- {name: a, start_command: /a}\n- {name: b, start_command: /b, stop_command: /c}",
    );
    let commands = manifest.commands();
    let commands: Vec<(&str, &str)> = commands.iter().map(|(field, command)| (&**field, &**command)).collect();
    assert_eq!(
        commands,
        [
            ("init.start", "/i"),
            ("init.stop", "/s"),
            ("init.restart", "/r"),
            ("services[0].start_command", "/a"),
            ("services[1].start_command", "/b"),
            ("services[1].stop_command", "/c"),
        ]
    );
    assert!(taken("").commands().is_empty());
}

#[test]
fn services_that_wait_for_each_other_are_found_once_and_those_that_do_not_are_not() {
    let of = |edges: &[(&str, &[&str])]| {
        let service = |(name, to): &(&str, &[&str])| {
            let to: Vec<String> = to.iter().map(|to| format!("{{service: {to}}}")).collect();
            format!("- {{name: {name}, start_command: /a, dependencies: [{}]}}\n", to.join(","))
        };
        let lines = format!("services:\n{}", edges.iter().map(service).collect::<String>());
        let found = findings(format!("schema_version: 1\nname: x\n{lines}").as_bytes());
        found.into_iter().map(|found| format!("{} {}", found.code, found.message)).collect::<Vec<_>>()
    };
    let cycle = |chain: &str| format!("service-cycle the services wait for each other: {chain}");
    assert_eq!(of(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]), NOTHING);
    assert_eq!(of(&[("a", &["b"]), ("b", &["a"])]), [cycle("a -> b -> a")]);
    assert_eq!(of(&[("a", &["a"])]), [cycle("a -> a")]);
    assert_eq!(of(&[("z", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])]), [cycle("a -> b -> c -> a")]);
    let names: Vec<String> = (0..21).map(|n| format!("s{n}")).collect();
    for (count, dots) in [(20, false), (21, true)] {
        let next = |n: usize| [names[(n + 1) % count].as_str()];
        let edges: Vec<[&str; 1]> = (0..count).map(next).collect();
        let edges: Vec<(&str, &[&str])> = (0..count).map(|n| (names[n].as_str(), &edges[n][..])).collect();
        let found = of(&edges);
        assert_eq!((found.len(), found[0].contains("...")), (1, dots), "{count}");
    }
}

#[test]
fn a_manifest_answers_what_recipes_ask() {
    let text = "{schema_version: 1, name: web, license: MIT, package_spec: [nginx, 'curl:amd64'], dependencies: {provides: [http-server]}}";
    let manifest = Manifest::parse(text.as_bytes()).manifest.unwrap();
    let requests = manifest.requests();
    assert_eq!(requests.iter().map(ToString::to_string).collect::<Vec<_>>(), ["nginx", "curl:amd64"]);
    assert_eq!(manifest.position_of(&requests[1]).map(|place| place.column), Some(68));
    assert_eq!(
        manifest.dependencies.provides.iter().map(|entry| entry.value.as_str()).collect::<Vec<_>>(),
        ["http-server"]
    );
    assert_eq!(
        (manifest.metadata().title, manifest.metadata().license, manifest.snapshot().is_some()),
        ("web", Some("MIT"), false)
    );
}
