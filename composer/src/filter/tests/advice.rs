//! What may have been meant by a path or pattern that is not there.

use super::*;

#[test]
fn nearest_names_come_first_and_far_ones_not_at_all() {
    let tree = tree(&["/srv/nginx.conf", "/srv/nginx.com", "/srv/NGINX.conf", "/srv/abc", "/srv/q", "/other/unique"]);
    let near = |text: &str| near(&tree, &path(text));
    assert_eq!(near("/srv/nginx.cong"), ["/srv/NGINX.conf", "/srv/nginx.conf", "/srv/nginx.com"]);
    assert_eq!(near("/srv/ABC"), ["/srv/abc"]);
    // One of three letters, but not two; and no name that shares no letter.
    assert_eq!((near("/srv/abd"), near("/srv/axy")), (vec!["/srv/abc".to_owned()], vec![]));
    assert_eq!(near("/srv/r"), [""; 0]);
    assert_eq!((near("/srv/unique"), near("/srv/other/unique")), (vec![], vec!["/other/unique".to_owned()]));
    assert_eq!(near("/srx/nginx.conf"), ["/srv/nginx.conf"]);
    // Two components are fixed, three are not.
    let tree = self::tree(&["/aaa/bbb/ccc/ddd"]);
    assert_eq!(crate::filter::near(&tree, &path("/aax/bbx/ccc/ddd")), ["/aaa/bbb/ccc/ddd"]);
    assert_eq!(crate::filter::near(&tree, &path("/aax/bbx/ccx/ddq")), [""; 0]);
}

#[test]
fn masks_of_the_module_get_advice_and_those_of_neighbours_do_not() {
    let tree = tree(&["/etc/nginx/nginx.conf", "/opt/[x]/y*"]);
    let mut rules = rules(&["/etc/nginx/nginx.cfg"], &["/etc/**"]);
    rules.excludes.push(rule("/etc/nginx/nginx.cfg", Field::ProtectedSpec));
    let report = Filter::new(&rules, &tree).unwrap().apply(&tree).unwrap().report;
    assert_eq!(report.suggestions(RuleRef::exclude(0)), ["/etc/nginx/nginx.conf"]);
    assert_eq!(report.suggestions(RuleRef::exclude(1)), [""; 0]);
    let of = |pattern: &str| select(&tree, &[], &[pattern]).report.suggestions(RuleRef::include(0)).to_vec();
    assert_eq!(of("/opt/[x]/z/***"), ["/opt/\\[x]/y\\*/***"; 0]);
    assert_eq!(of("/srv/y"), [""; 0]);
    assert_eq!(of("/local/nginx/nginx.conf"), ["/etc/nginx/nginx.conf"]);
}

#[test]
fn includes_get_advice_before_masks_where_there_are_many() {
    let tree = tree(&["/etc/nginx.conf", "/etc/mask.conf"]);
    let masks: Vec<String> = (0..60).map(|n| format!("/none/{n}*")).collect();
    let masks: Vec<&str> = masks.iter().map(String::as_str).chain(["/etc/mask.cong"]).collect();
    let report = select(&tree, &masks, &["/etc/nginx.cong"]).report;
    assert_eq!(report.suggestions(RuleRef::include(0)), ["/etc/nginx.conf"]);
    // Fifty rules get any, of the masks the first ones.
    assert_eq!(report.suggestions(RuleRef::exclude(60)), [""; 0]);
    let report = select(&tree, &masks[12..], &["/etc/nginx.cong"]).report;
    assert_eq!(report.suggestions(RuleRef::exclude(48)), ["/etc/mask.conf"]);
}

#[test]
fn a_name_is_quoted_only_where_the_pattern_has_a_wildcard() {
    let tree = tree(&["/srv/a\\b", "/srv/x*y", "/opt/far\\away"]);
    let of = |pattern: &str| select(&tree, &[], &[pattern]).report.suggestions(RuleRef::include(0)).to_vec();
    assert_eq!(of("/srv/a\\c"), ["/srv/a\\b"]);
    assert_eq!(of("/srx/a\\\\b*"), ["/srv/a\\\\b*"]);
    assert_eq!(of("/srv/xy"), ["/srv/x\\*y"]);
    assert_eq!(of("/opt/bin/far\\away"), ["/opt/far\\away"]);
}
