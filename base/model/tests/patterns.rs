//! What patterns mean, through the public interface.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use model::pattern::{ByteSet, Glob, Token};

#[test]
fn a_token_goes_over_the_bytes_that_it_stands_for() {
    for (token, most, least) in [
        (Token::Byte(b'a'), &b"a"[..], &b"b/"[..]),
        (Token::One, b"ab.", b"/"),
        (Token::Star, b"ab.", b"/"),
        (Token::DoubleStar, b"ab./", b""),
        (Token::Set(ByteSet::range(b'a', b'c')), b"abc", b"d/"),
    ] {
        assert!(most.iter().all(|byte| token.accepts(*byte) && token.bytes().contains(*byte)), "{token:?}");
        assert!(!least.iter().any(|byte| token.accepts(*byte) || token.bytes().contains(*byte)), "{token:?}");
    }
    assert!(Token::Star.repeats() && Token::DoubleStar.repeats() && !Token::One.repeats());
}

#[test]
fn work_is_every_place_that_is_looked_at() {
    let work = |pattern: &str, path: &str| Glob::parse(pattern.as_bytes()).work(path.as_bytes());
    // One place before the first byte and one behind each that fits.
    assert_eq!(work("/abc", "abc"), 4);
    assert_eq!(work("/abc", "abx"), 3);
    // A star is a place before it and one behind it.
    assert_eq!(work("/*", "xyz"), 8);
    assert_eq!(work("/a*b", "axb"), 1 + 2 + 2 + 3);
    assert_eq!(work("/[", "abc"), 0);
}

#[test]
fn only_a_directory_can_have_something_below_it() {
    let below = |pattern: &str, path: &str| {
        let glob = Glob::parse(pattern.as_bytes());
        assert!(!glob.test(path.as_bytes(), false).below);
        glob.test(path.as_bytes(), true).below
    };
    assert!(below("/a/b", "a") && below("/a/**", "a/b/c") && below("/*/x", "a"));
    assert!(!below("/a/b", "a/b") && !below("/a/b", "b") && !below("/a", "a") && !below("/[", "a"));
}

#[test]
fn a_pattern_is_literal_where_it_takes_one_path() {
    let glob = |text: &str| Glob::parse(text.as_bytes());
    assert_eq!(glob("/a/b").literal().unwrap(), b"a/b");
    assert_eq!(glob("/a/b/").literal().unwrap(), b"a/b");
    assert_eq!((glob("/a/b*").literal(), glob("/").literal(), glob("/[").literal()), (None, None, None));
    assert_eq!((glob("/a/b*c").prefix(), glob("/*").prefix()), (b"a/b".to_vec(), Vec::new()));
    assert_eq!(Glob::parse_component(b"a\\*b").unwrap(), b"a*b");
    assert_eq!((Glob::parse_component(b"a*"), Glob::parse_component(b"a\\")), (None, None));
    assert_eq!(glob("/a").tokens().unwrap(), [Token::Byte(b'a')]);
    assert!(glob("/a/").directory_only && !glob("/a").directory_only && !glob("/").directory_only);
    assert!(glob("/a/***").slash_for_directory && !glob("/a/**").slash_for_directory);
    let mut extended = glob("/a");
    extended.extend_below();
    assert!(extended.test(b"a", true).taken && extended.test(b"a/b/c", false).taken);
    assert!(!extended.test(b"a", false).taken && !extended.test(b"ab", true).taken);
    let mut moved = glob("/lib/x");
    moved.replace_leading_directory(3, b"");
    assert_eq!(moved.literal().unwrap(), b"x");
}
