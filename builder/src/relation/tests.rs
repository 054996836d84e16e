#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use super::*;

#[test]
fn relations_are_read_in_every_form() {
    use Operator::{Earlier, EarlierOrEqual, Equal, Later, LaterOrEqual};
    for (text, name, qualifier, version) in [
        ("a", "a", None, None),
        (" \n\ta\n", "a", None, None),
        ("a:any", "a", Some("any"), None),
        ("libstdc++6:amd64 (>= 12.2-14~rc1)", "libstdc++6", Some("amd64"), Some((LaterOrEqual, "12.2-14~rc1"))),
        ("a(<<1:2)", "a", None, Some((Earlier, "1:2"))),
        ("a ( <= 1 )", "a", None, Some((EarlierOrEqual, "1"))),
        ("a (< 1)", "a", None, Some((EarlierOrEqual, "1"))),
        ("a (> 1)", "a", None, Some((LaterOrEqual, "1"))),
        ("a (>> 1) [amd64 !i386] <!nocheck> <cross stage1>", "a", None, Some((Later, "1"))),
        ("a (=\n 1)", "a", None, Some((Equal, "1"))),
        ("a (1)", "a", None, Some((Equal, "1"))),
        ("a [linux-any]<x>", "a", None, None),
    ] {
        assert_eq!(Relation::parse(text), Some(Relation { name, qualifier, version }), "{text}");
    }
    for text in ["", " ", "(= 1)", ":any", "a (>= 1", "a (>=)", "a (=> 1)", "a ()", "a b", "a (= 1) b", "a [x", "a <x"]
    {
        assert_eq!(Relation::parse(text), None, "{text}");
    }
}

#[test]
fn a_field_has_groups_and_these_have_alternatives() {
    let names = |group| alternatives(group).map(|relation| relation.name).collect::<Vec<_>>();
    let field = "a (>= 1) | b:any,\n c,, d (= 1";
    assert_eq!(groups(field).map(names).collect::<Vec<_>>(), [vec!["a", "b"], vec!["c"], vec![], vec![]]);
    assert_eq!(provided("v (= 1), w, ").collect::<Vec<_>>(), [("v", Some("1")), ("w", None)]);
}

#[test]
fn a_version_is_accepted_where_it_stands_right() {
    for (relation, accepted) in [
        ("a", ["0.9", "1", "1.1"].as_slice()),
        ("a (<< 1)", &["0.9"]),
        ("a (<= 1)", &["0.9", "1"]),
        ("a (= 1)", &["1"]),
        ("a (>= 1)", &["1", "1.1"]),
        ("a (>> 1)", &["1.1"]),
    ] {
        let parsed = Relation::parse(relation).unwrap();
        let found: Vec<_> = ["0.9", "1", "1.1"].into_iter().filter(|version| parsed.accepts(Some(version))).collect();
        assert_eq!(found, accepted, "{relation}");
        assert_eq!(parsed.accepts(None), parsed.version.is_none(), "{relation}");
    }
}
