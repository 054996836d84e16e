//! Services, security and lists of manifests: what of them is taken, and what is found in them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/lines.rs"]
mod lines;

use lines::{codes, findings, json};

#[test]
fn names_and_numbers_of_services_end_where_they_are_said_to_end() {
    let service = |lines: &str| format!("services: [{{name: a, start_command: /a, {lines}}}]");
    let named = |name: &str| codes(&format!("services: [{{name: {name}, start_command: /a}}]"));
    let long = |length: usize| "a".repeat(length);
    assert_eq!((named(&long(63)), named(&long(64))), (vec![], vec!["invalid-name"]));
    assert_eq!((named("0a-"), named("-a"), named("aB")), (vec![], vec!["invalid-name"], vec!["invalid-name"]));
    for (lines, found) in [
        ("exposed_ports: [{port: 1}, {port: 65535}]", vec![]),
        ("exposed_ports: [{port: 0}]", vec!["out-of-range"]),
        ("exposed_ports: [{port: 65536}]", vec!["out-of-range"]),
        ("exposed_ports: [{port: 1}, {port: 1, protocol: udp}]", vec![]),
        ("exposed_ports: [{port: 1}, {port: 1, protocol: tcp}]", vec!["duplicate-port"]),
        ("exposed_ports: [80]", vec!["wrong-type"]),
        ("health: {endpoint: x, interval_seconds: 1, timeout_seconds: 1, initial_delay_seconds: 0}", vec![]),
        ("health: {endpoint: x, interval_seconds: 4294967295}", vec![]),
        ("health: {endpoint: x, interval_seconds: 4294967296}", vec!["out-of-range"]),
        ("health: {endpoint: x, interval_seconds: 0}", vec!["out-of-range"]),
        ("health: {endpoint: x, timeout_seconds: 0}", vec!["out-of-range"]),
        ("health: {endpoint: x, initial_delay_seconds: -1}", vec!["out-of-range"]),
        ("health: {}", vec!["no-endpoint"]),
        ("env: {'': 1}", vec!["invalid-name"]),
        ("env: {'A=': 1}", vec!["invalid-name"]),
        ("env: {\"A\\t\": 1}", vec!["invalid-name"]),
        ("env: {A: 1.50}", vec!["number-loses-digits"]),
        ("env: [1]", vec!["wrong-type"]),
        ("capabilities: [CAP_NEW]", vec!["unknown-capability"]),
        ("dependencies: [a]", vec!["wrong-type"]),
        ("restart_policy: sometimes", vec!["unknown-value"]),
        ("stop_command: ' '", vec!["empty-string"]),
        ("user: \"a\\nb\"", vec!["several-lines"]),
        ("user: \"a\\tb\"", vec!["several-lines"]),
        ("user: \"a\\x01b\"", vec!["control-character"]),
    ] {
        assert_eq!(codes(&service(lines)), found, "{lines}");
    }
    let json = json(
        "services: [{name: a, start_command: /a, health: {endpoint: x, interval_seconds: 7, timeout_seconds: 8, initial_delay_seconds: 0}}]",
    );
    let health = r#"{"endpoint":"x","initial_delay_seconds":0,"interval_seconds":7,"timeout_seconds":8}"#;
    assert_eq!(json["services"][0]["health"].to_string(), health);
}

#[test]
fn an_empty_command_of_init_is_as_good_as_none() {
    for (key, others) in [("start", "stop: /b"), ("stop", "restart: /b"), ("restart", "start: /b")] {
        let without = json(&format!("init: {{{others}}}"));
        for empty in ["\"\"", "' '", "\"\\n\""] {
            assert_eq!(codes(&format!("init: {{{key}: {empty}, {others}}}")), Vec::<&str>::new(), "{key} {empty}");
            assert_eq!(json(&format!("init: {{{key}: {empty}, {others}}}")), without, "{key} {empty}");
        }
    }
    assert_eq!(json("init: {start: ''}"), json("init: {}"));
    assert_eq!(codes("init: {start: 1}"), vec!["wrong-type"]);
    let schema = model::manifest::Kind::default().json_schema();
    assert_eq!(schema["properties"]["init"]["properties"]["start"]["pattern"], serde_json::Value::Null);
}

#[test]
fn a_dependency_that_waits_for_health_needs_a_health_check() {
    let of = |kind: &str, health: &str| {
        codes(&format!(
            "services: [{{name: a, start_command: /a, dependencies: [{{service: b, kind: {kind}}}]}}, {{name: b, start_command: /b{health}}}]"
        ))
    };
    let health = ", health: {endpoint: x}";
    assert_eq!((of("requires_health", health), of("requires_health", "")), (vec![], vec!["no-health"]));
    assert_eq!((of("start_before", ""), of("softdep", "")), (vec![], vec![]));
    assert_eq!(codes("services: [{name: a, start_command: /a, dependencies: [{service: b}]}]"), ["unknown-service"]);
    // A service without a name may be the one that is meant.
    assert_eq!(
        codes("services: [{name: a, start_command: /a, dependencies: [{service: b}]}, {name: B, start_command: /b}]"),
        ["invalid-name"]
    );
    assert_eq!(codes("services: [{name: a, start_command: /a}, {name: a, start_command: /b}]"), ["duplicate-service"]);
}

#[test]
fn profiles_are_files_of_the_repository_and_a_privileged_module_has_none() {
    let of = |lines: &str| codes(&format!("security: {{{lines}}}"));
    let long = |length: usize| format!("seccomp_profile: {}", "a".repeat(length));
    for (lines, found) in [
        ("seccomp_profile: a/b", vec![]),
        ("seccomp_profile: a/..b", vec![]),
        ("selinux_profile: null", vec![]),
        ("seccomp_profile: /a", vec!["invalid-path"]),
        ("apparmor_profile: a/../b", vec!["invalid-path"]),
        ("apparmor_profile: a/", vec!["invalid-path"]),
        ("apparmor_profile: 'a '", vec!["invalid-path"]),
        (&long(4096), vec![]),
        (&long(4097), vec!["invalid-path"]),
        ("privileged: true", vec![]),
        ("privileged: false, capabilities: [CAP_CHOWN]", vec![]),
        ("privileged: true, capabilities: [CAP_CHOWN]", vec!["privileged"]),
        ("privileged: true, selinux_profile: a", vec!["privileged"]),
        ("privileged: true, apparmor_profile: a", vec!["privileged"]),
        ("privileged: true, seccomp_profile: a", vec!["privileged"]),
        ("privileged: true, user_namespace: true", vec![]),
        ("capabilities: [CAP_CHOWN, CAP_CHOWN]", vec!["duplicate-capability"]),
        ("capabilities: [CAP_NEW]", vec!["unknown-capability"]),
    ] {
        assert_eq!(of(lines), found, "{lines}");
    }
    let hint = |name: &str| {
        let text = format!("schema_version: 1\nname: x\nsecurity: {{capabilities: [{name}]}}");
        findings(text.as_bytes()).remove(0).hint
    };
    for name in ["chown", "cap_chown", "CHOWN"] {
        assert_eq!(hint(name), "did you mean `CAP_CHOWN`?");
    }
}

#[test]
fn destinations_are_hosts_of_any_form_and_ports() {
    let label = |length: usize| "a".repeat(length);
    let name = |last: usize| format!("{0}.{0}.{0}.{1}", label(63), label(last));
    for (text, fits) in [
        (label(63), true),
        (label(64), false),
        (name(61), true),
        (name(62), false),
        ("a-b.c".to_owned(), true),
        ("a-.c".to_owned(), false),
        ("-a.c".to_owned(), false),
        ("a_b".to_owned(), false),
        ("1.2.3.4".to_owned(), true),
        ("1.2.3".to_owned(), false),
        ("1a.2".to_owned(), true),
        ("a:1".to_owned(), true),
        ("a:65535".to_owned(), true),
        ("a:0".to_owned(), false),
        ("a:65536".to_owned(), false),
        ("[::1]".to_owned(), true),
        ("[::1]:1".to_owned(), true),
        ("[::1]:0".to_owned(), false),
        ("[::1]x".to_owned(), false),
        ("[1.2.3.4]".to_owned(), false),
        ("::1".to_owned(), false),
        ("http://a".to_owned(), false),
    ] {
        let wanted: &[&str] = if fits { &[] } else { &["invalid-egress"] };
        assert_eq!(codes(&format!("security: {{egress_allow: ['{text}']}}")), wanted, "{text}");
    }
    assert_eq!(codes("security: {egress_allow: [a, a]}"), ["duplicate-egress"]);
}

#[test]
fn lists_warn_of_what_is_there_twice_or_can_match_nothing() {
    for (lines, found) in [
        ("mask: [/a, /b]", vec![]),
        ("mask: [/a, /a]", vec!["duplicate-pattern"]),
        ("mask: ['/a{b,c}']", vec!["braces-in-pattern"]),
        ("mask: ['/a{b']", vec![]),
        ("mask: ['/a}b']", vec![]),
        ("mask: [/./a]", vec!["dead-pattern"]),
        ("mask: [/a//b]", vec!["dead-pattern"]),
        ("mask: [/]", vec!["dead-pattern"]),
        ("mask: ['/[a']", vec!["dead-pattern"]),
        ("mask: [/a.b]", vec![]),
        ("mask: [/a]\nfile_spec: [/a]", vec!["contradiction"]),
        ("mask: [/a]\nprotected_spec: [/a]", vec!["contradiction"]),
        ("mask: [/a]\nfile_spec: [/b]\nprotected_spec: [/c]", vec![]),
        ("file_spec: [/a]\nprotected_spec: [/a]", vec!["redundant-pattern"]),
        ("package_spec: [ab, ab]", vec!["duplicate-package"]),
        ("package_spec: ['ab:amd64', 'ab:arm64', ab]", vec![]),
        ("package_spec: ['ab=1', 'ab=2']", vec!["duplicate-package"]),
        ("dependencies: {requires: ['a/b@*', 'a/b@^1.0']}", vec!["duplicate-requirement"]),
        ("dependencies: {requires: ['a/b@*', 'a/c@*', 'c/b@*']}", vec![]),
        ("dependencies: {provides: [a, a]}", vec!["duplicate-capability"]),
        ("dependencies: {provides: ['capability:a']}", vec!["invalid-capability"]),
    ] {
        assert_eq!(codes(lines), found, "{lines}");
    }
}

#[test]
fn keys_of_older_manifests_are_known_where_they_stood() {
    for (lines, found) in [
        ("category: a", "retired-key"),
        ("parent: a", "retired-key"),
        ("exclude: [/a]", "retired-key"),
        ("packages: [ab]", "retired-key"),
        ("requires: [a]", "retired-key"),
        ("file: [{url: a}]", "retired-key"),
        ("repository: []", "retired-key"),
        ("overlay: {}", "retired-key"),
        ("variant: extract", "retired-key"),
        ("build: {file: a}", "unknown-key"),
        ("cosign_key: a", "retired-key"),
        ("trust_root: a", "retired-key"),
        ("trusted_keys: a", "retired-key"),
        ("build: {cosign_key: a}", "retired-key"),
        ("security: {trust: a}", "retired-key"),
        ("security: {category: a}", "unknown-key"),
        ("dependencies: {trust: a}", "unknown-key"),
        ("dependencies: {requires: [], packages: [ab]}", "unknown-key"),
        ("colour: a", "unknown-key"),
        ("file_spec: {include: [/a]}", "retired-form"),
    ] {
        assert_eq!(codes(lines), [found], "{lines}");
    }
    assert_eq!(codes("file_spec: {include: [x], mask: [y], other: [z]}").len(), 3);
    let wrapped = findings(b"schema_version: 1\nidentity: {name: x, category: a}\n");
    assert_eq!(wrapped.iter().map(|found| found.code).collect::<Vec<_>>(), ["retired-key", "retired-key"]);
}
