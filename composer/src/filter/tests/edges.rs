//! Notes, shadows, amounts and verdicts, each with what is just not so.

use super::*;

#[test]
fn a_directory_is_alone_only_where_nothing_below_it_could_be_shipped() {
    let tree = tree(&["/a/x", "/a/b/y", "/empty/", "/z"]);
    let alone = |includes: &[&str]| {
        let report = select(&tree, &[], includes).report;
        report.notes.iter().filter(|note| matches!(note, Note::DirectoryAlone { .. })).count()
    };
    for includes in [&["/a/"][..], &["/a/", "/z"], &["/a/b/"], &["/a/", "/ab"]] {
        assert_eq!(alone(includes), 1, "{includes:?}");
    }
    for includes in [
        &["/a/", "/a/x"][..],
        &["/a/", "/a/*/y"],
        &["/a/", "/**/q"],
        &["/a/", "/a/none"],
        &["/a/", "/a"],
        &["/empty/"],
        &["/*/"],
    ] {
        assert_eq!(alone(includes), 0, "{includes:?}");
    }
    // What the author keeps out is no surprise.
    let alone = |excludes: &[&str]| select(&tree, excludes, &["/a/"]).report.notes.len();
    for excludes in [&["/a/*"][..], &["/a/x", "/a/b/"], &["/**/x", "/**/b"], &["/a/b", "/a/x"]] {
        assert_eq!(alone(excludes), 0, "{excludes:?}");
    }
    for excludes in [&["/a/x"][..], &["/a/b/*"], &["/a/x", "/a/b/y"], &["/z"], &["/a/x/"], &[]] {
        assert_eq!(alone(excludes), 1, "{excludes:?}");
    }
    let mut rules = rules(&[], &[]);
    rules.includes.push(rule("/a/", Field::ProtectedSpec));
    for (owned, notes) in [(&["/a/x"][..], 0), (&["/a"], 1), (&["/z"], 1), (&["/a/b/none"], 0)] {
        let owned: BTreeSet<_> = owned.iter().copied().map(path).collect();
        let report = Filter::new(&rules, &tree).unwrap().with_owned(owned.clone()).apply(&tree).unwrap().report;
        assert_eq!(report.notes.len(), notes, "{owned:?}");
    }
}

#[test]
fn links_and_unnormal_directories_are_noted_where_they_change_the_meaning() {
    let tree = tree(&["/usr/lib/x", "/lib -> usr/lib", "/usr/file"]);
    let notes = |excludes: &[&str], includes: &[&str]| select(&tree, excludes, includes).report.notes;
    assert_eq!(notes(&[], &["/usr/lib/x", "/usr/lib/*", "/usr/file", "/none"]), []);
    assert_eq!(notes(&["/usr/lib"], &["/usr/lib/"]), []);
    assert_eq!(notes(&[], &["/usr//lib", "/usr/li[b]"]), []);
    let bare = Note::BareDirectory { rule: RuleRef::include(1), directory: path("/usr/lib") };
    assert_eq!(notes(&[], &["/usr/file", "/usr/lib"]), [bare]);
    let through = |rule| Note::ThroughLink { rule, written: path("/lib"), resolved: path("/usr/lib") };
    assert_eq!(notes(&["/lib/y"], &["/lib/x"]), [through(RuleRef::exclude(0)), through(RuleRef::include(0))]);
}

#[test]
fn a_rule_names_at_most_eight_that_went_before_it() {
    let list: Vec<String> = (0..12).map(|n| format!("/d/f{n:02}")).collect();
    let tree = tree(&list.iter().map(String::as_str).collect::<Vec<_>>());
    let shadows = |count: usize| {
        let mut includes: Vec<&str> = list[..count].iter().map(String::as_str).collect();
        includes.push("/d/f0[0-9]");
        let keep: Vec<&str> = list[count..10].iter().map(String::as_str).collect();
        let report = select(&tree, &keep, &includes).report;
        (report.includes[count].shadowed_by.len(), report.includes[count].matched)
    };
    // Three files go to excludes, which stand before the includes.
    assert_eq!(shadows(7), (8, true));
    let report = select(&tree, &[], &["/d/f00", "/d/f01", "/d/f0[01]", "/d/f0[012]"]).report;
    assert_eq!(report.includes[2].shadowed_by, [RuleRef::include(0), RuleRef::include(1)]);
    assert_eq!(report.includes[3].shadowed_by, []);
    assert_eq!(report.includes[3].amount.files, 1);
    assert_eq!(report.shadowed().collect::<Vec<_>>(), [RuleRef::include(2)]);
    assert_eq!(report.rule(RuleRef::include(3)), Some(&report.includes[3]));
    assert_eq!((report.rule(RuleRef::include(4)), report.rule(RuleRef::exclude(0))), (None, None));
    assert_eq!(report.suggestions(RuleRef::exclude(7)), [""; 0]);
}

#[test]
fn amounts_are_what_was_taken_and_nothing_else() {
    let some = |files, directories, bytes| Amount { files, directories, bytes };
    assert!(some(0, 0, 0).is_nothing() && some(0, 0, 7).is_nothing());
    assert!(!some(1, 0, 0).is_nothing() && !some(0, 1, 0).is_nothing());
    let tree = tree(&["/a/x", "/a/e/", "/a/l -> x", "/b/y"]);
    let report = select(&tree, &["/a/x"], &["/a/***", "/a/e/"]).report;
    assert_eq!(report.excludes[0].amount, some(1, 0, 4));
    assert_eq!((report.includes[0].amount, report.includes[1].amount), (some(1, 0, 0), some(0, 1, 0)));
    assert_eq!(report.total, some(1, 2, 0));
    let source = Source::Bytes(b"five!"[..].into());
    assert_eq!((Content::size(&7_u64), Content::size(&()), Content::size(&source)), (7, 0, 5));
}

#[test]
fn a_verdict_is_what_a_walk_would_do() {
    let tree = tree(&["/a/b/c", "/d/e/", "/f"]);
    let filter = Filter::new(&rules(&["/a/b/"], &["/a/*", "/d/e/", "/f"]), &tree).unwrap();
    let verdict = |text: &str, directory| filter.verdict(&path(text), directory);
    // An exclude of directories takes no file of the name, but what is below the directory.
    assert_eq!(verdict("/a/b", true), Verdict::Excluded { rule: 0, at: path("/a/b") });
    assert_eq!(verdict("/a/b/c", false), Verdict::Excluded { rule: 0, at: path("/a/b") });
    assert_eq!(verdict("/a/b", false), Verdict::Included(By::Rule(0)));
    assert_eq!((verdict("/d/e", true), verdict("/d/e", false)), (Verdict::Included(By::Rule(1)), Verdict::NotNamed));
    assert_eq!((verdict("/d", true), verdict("/d", false)), (Verdict::Included(By::Parent), Verdict::NotNamed));
    assert_eq!((verdict("/g", true), verdict("/f", true)), (Verdict::NotNamed, Verdict::NotNamed));
    assert_eq!(verdict("/f", false), Verdict::Included(By::Rule(2)));
    let owned: BTreeSet<_> = ["/p/q", "/r"].map(path).into();
    let filter = Filter::new(&rules(&[], &[]), &tree).unwrap().with_owned(owned);
    let verdict = |text: &str, directory| filter.verdict(&path(text), directory);
    assert_eq!((verdict("/p", true), verdict("/p", false)), (Verdict::Included(By::Parent), Verdict::NotNamed));
    assert_eq!(
        (verdict("/p/q", false), verdict("/p/q", true)),
        (Verdict::Included(By::Owned), Verdict::Included(By::Owned))
    );
    assert_eq!((verdict("/p/q/x", false), verdict("/r/x", false)), (Verdict::NotNamed, Verdict::NotNamed));
}

#[test]
fn what_is_known_of_a_path_costs_nothing_more() {
    let automaton = Automaton::new(vec![Glob::parse(b"/a/*"), Glob::parse(b"/**/b")]).unwrap();
    // Each of the two matches counts one each time; to begin anew would count thirty times as much.
    let mut runner = automaton.runner(25_000);
    let start = runner.start().unwrap();
    let mark = runner.run(start, b"a/", 0).unwrap();
    for _ in 0..10_000 {
        let end = runner.run(mark, b"a/b", 2).unwrap();
        let mut found = Vec::new();
        runner.matches(end, b"a/b", automaton::Text::File, &mut found).unwrap();
        found.sort_unstable();
        assert_eq!(found, [0, 1]);
    }
}

#[test]
fn every_match_is_work() {
    let automaton = Automaton::new(vec![Glob::parse(b"/a"), Glob::parse(b"/*"), Glob::parse(b"/?")]).unwrap();
    let mut runner = automaton.runner(1_000);
    let start = runner.start().unwrap();
    let end = runner.run(start, b"a", 0).unwrap();
    // Nothing is walked any more: three matches each time are all that there is to pay.
    let times = (0..1_000).take_while(|_| runner.matches(end, b"a", automaton::Text::File, &mut Vec::new()).is_ok());
    let times = times.count();
    assert!((200..=333).contains(&times), "{times}");
}
