//! References and tags: what the grammars say, and what hostile texts try.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use oci::{Reference, Tag};
use proptest::prelude::*;

fn digest() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

#[test]
fn a_reference_is_its_text() {
    let digest = digest();
    for (registry, repository, tag, with_digest) in [
        ("localhost", "x", None, false),
        ("localhost:5000", "os/nginx", Some("v1"), false),
        ("127.0.0.1:5000", "a.b/c_d/e__f/g---h", Some("_"), true),
        ("[::1]:5000", "x", None, true),
        ("[2001:db8::1]", "x", Some("1.0-amd64"), true),
        ("Registry.Example.com", "0/1", None, false),
        ("registry:80", "x", None, false),
    ] {
        let tagged = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let pinned = if with_digest { format!("@{digest}") } else { String::new() };
        let text = format!("{registry}/{repository}{tagged}{pinned}");
        let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(reference.registry(), registry);
        assert_eq!(reference.repository(), repository);
        assert_eq!(reference.tag().map(Tag::as_str), tag);
        assert_eq!(reference.digest().is_some(), with_digest);
        assert_eq!(reference.to_string(), text);
    }
}

#[test]
fn what_is_no_reference_is_refused() {
    let long = format!("localhost/{}", "a".repeat(246));
    for text in [
        "",
        "/",
        "nginx",
        "nginx:v1",
        "library/nginx",
        "localhost/",
        "localhost/X",
        "localhost//x",
        "localhost/x/",
        "localhost/.x",
        "localhost/x.",
        "localhost/a..b",
        "localhost/a___b",
        "localhost/a._b",
        "localhost/../x",
        "localhost/x:",
        "localhost/x:.v",
        "localhost/x:a:b",
        "localhost/x:v/y",
        "localhost/x@",
        "localhost/x@sha256:ab",
        "localhost/x@md5:00",
        "localhost/x y",
        "localhost/x\n",
        "localhost/\u{e4}",
        "http://localhost/x",
        "user:word@localhost/x",
        "user@localhost/x",
        "localhost:/x",
        "localhost:65536/x",
        "localhost:+80/x",
        "localhost:80:80/x",
        "-a.b/x",
        "a-.b/x",
        "a..b/x",
        ".a/x",
        "[::1/x",
        "::1/x",
        "[]/x",
        "[::g]/x",
        "[127.0.0.1]/x",
        "a_b.c/x",
        "localhost/x?y",
        "localhost/x#y",
        "localhost/x%2fy",
        "localhost\\x/y",
        "\u{131}.b/x",
        &long,
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text:?}");
    }
    assert!(long[..long.len() - 1].parse::<Reference>().is_ok());
    let twice = format!("localhost/x@{0}@{0}", digest());
    assert!(twice.parse::<Reference>().is_err());
}

#[test]
fn a_tag_has_128_characters_at_most() {
    assert!("a".repeat(Tag::LIMIT).parse::<Tag>().is_ok());
    for text in [&*"a".repeat(Tag::LIMIT + 1), "", ".a", "-a", "a/b", "a:b", "a b", "\u{e4}", "a\n", "a@b"] {
        assert!(text.parse::<Tag>().is_err(), "{text:?}");
    }
}

/// The grammars as regular expressions, by which the parser is judged.
fn written_by_the_grammar() -> impl Strategy<Value = String> {
    let registry = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,4}[a-zA-Z0-9])?\\.[a-z0-9]{1,4}(:[1-9][0-9]{0,3})?";
    let repository = "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}){0,2}";
    let rest = "(:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,9})?(@sha256:[0-9a-f]{64})?";
    proptest::string::string_regex(&format!("{registry}/{repository}{rest}")).unwrap()
}

proptest! {
    #[test]
    fn what_the_grammar_writes_is_read_and_written_again(text in written_by_the_grammar()) {
        let reference: Reference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn whatever_is_read_is_its_own_text(text in "[a-z0-9.:/@_A-Z\\[\\]-]{0,40}|\\PC{0,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(reference.to_string(), text);
            prop_assert!(!reference.repository().split('/').any(|part| part.is_empty() || part.starts_with('.')));
        }
    }
}
