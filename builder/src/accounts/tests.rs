#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use model::closure::{Accounts as Table, Ids};

use super::*;

const BASE_PASSWD: &str =
    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const BASE_GROUP: &str = "root:x:0:\nssl-cert:x:42:\nnogroup:x:65534:\n";

fn name(text: &str) -> AccountName {
    AccountName::parse(text).unwrap()
}

fn base() -> Accounts {
    Accounts::parse(BASE_PASSWD, BASE_GROUP)
}

/// The base, with a user of its own group, one of a group of the base that is in another one, and a group alone.
fn full() -> Accounts {
    let passwd = "redis:x:100:101:redis server,,,:/var/lib/redis:/usr/sbin/nologin\ndnsmasq:x:101:65534::/var/lib/misc:/bin/sh\n";
    let group = "root:x:0:\nssl-cert:x:42:dnsmasq\nnogroup:x:65534:\nredis:x:101:\n_ssh:x:102:\n";
    Accounts::parse(&format!("{BASE_PASSWD}{passwd}"), group)
}

fn assigned(declared: &Table, locked: &Table) -> Result<Assigned, Vec<Fault>> {
    assign((&full(), &full().beyond(&base())), &base(), Tables { declared, locked })
}

#[test]
fn what_packages_add_is_told_from_what_the_base_has() {
    let added = full().beyond(&base());
    assert_eq!(added.names().into_iter().map(ToString::to_string).collect::<Vec<_>>(), ["_ssh", "dnsmasq", "redis"]);
    assert_eq!(
        added.members.iter().map(|(user, group)| format!("{user} in {group}")).collect::<Vec<_>>(),
        ["dnsmasq in ssl-cert"]
    );
    assert_eq!(base().beyond(&base()), Added::default());
    assert!(
        Accounts::parse("a:b\nx:x:1:2:::\n:x:1:1:::\nx:x:9:9:::\n", "g:x:y:\n").users.len() == 1,
        "the first line counts"
    );
}

#[test]
fn the_file_makes_groups_then_users_then_members() {
    let table: Table = [("redis", 312), ("dnsmasq", 313), ("_ssh", 314)]
        .map(|(text, id)| (name(text), Ids::both(id)))
        .into_iter()
        .collect();
    let Assigned { ids, proposed, mapping } = assigned(&table, &Table::default()).unwrap();
    assert!(proposed.is_empty());
    insta::assert_snapshot!(sysusers(&full().beyond(&base()), &base(), &ids));
    assert_eq!(mapping.uids, [(100, 312), (101, 313)].into());
    assert_eq!(mapping.gids, [(101, 312), (102, 314)].into());
}

#[test]
fn a_table_goes_before_the_lock_and_the_lock_before_a_proposal() {
    let declared: Table = [(name("redis"), Ids { uid: 312, gid: 313 })].into_iter().collect();
    let locked: Table = [(name("redis"), Ids::both(700)), (name("_ssh"), Ids::both(701))].into_iter().collect();
    let Assigned { ids, proposed, .. } = assigned(&declared, &locked).unwrap();
    assert_eq!(ids.get(&name("redis")), Some(Ids { uid: 312, gid: 313 }));
    assert_eq!(ids.get(&name("_ssh")), Some(Ids::both(701)));
    assert_eq!(proposed.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>(), ["dnsmasq"]);
}

#[test]
fn an_account_of_the_base_keeps_the_number_that_the_base_has() {
    // Installed together, the base's accounts get other numbers than by themselves.
    let base = Accounts::parse("bus:x:100:100::/:/bin/sh\n", "bus:x:100:\n");
    let full = Accounts::parse("app:x:100:100::/:/bin/sh\nbus:x:101:101::/:/bin/sh\n", "app:x:100:\nbus:x:101:\n");
    let table: Table = [(name("app"), Ids::both(312))].into_iter().collect();
    let tables = Tables { declared: &table, locked: &Table::default() };
    let assigned = assign((&full, &full.beyond(&base)), &base, tables).unwrap();
    assert_eq!(assigned.mapping.uids, [(100, 312), (101, 100)].into());
    assert_eq!(assigned.mapping.gids, [(100, 312), (101, 100)].into());
}

#[test]
fn a_number_of_the_base_is_no_ones_else() {
    let declared: Table =
        [(name("redis"), Ids { uid: 65534, gid: 313 }), (name("_ssh"), Ids::both(42))].into_iter().collect();
    let faults: Vec<String> =
        assigned(&declared, &Table::default()).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "_ssh cannot have the number 42: it is ssl-cert's in the base",
            "redis cannot have the number 65534: it is nobody's in the base"
        ]
    );
}

#[test]
fn what_a_field_holds_cannot_become_another_line_or_a_specifier() {
    let passwd = format!("{BASE_PASSWD}x:x:100:0:a \"b\" %u \\ \t:/home/%h:/bin/sh\n");
    let added = Accounts::parse(&passwd, BASE_GROUP).beyond(&base());
    let ids: Table = [(name("x"), Ids::both(300))].into_iter().collect();
    let text = sysusers(&added, &base(), &ids);
    assert!(text.ends_with("u x 300:root \"a \\\"b\\\" %%u \\\\ \" \"/home/%%h\" /bin/sh\n"), "{text}");
}

#[test]
fn a_second_name_of_one_number_is_refused_whoever_has_it() {
    let passwd = "evil:x:0:0::/root:/bin/sh\none:x:702:702::/:/bin/sh\ntwo:x:702:703::/:/bin/sh\n";
    let full = Accounts::parse(
        &format!("{BASE_PASSWD}{passwd}"),
        &format!("{BASE_GROUP}cert:x:42:\none:x:702:\ntwo:x:703:\n"),
    );
    let declared = Table::default();
    let tables = Tables { declared: &declared, locked: &declared };
    let faults = assign((&full, &full.beyond(&base())), &base(), tables).unwrap_err();
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "evil has the number 0, which is that of the user root",
            "two has the number 702, which is that of the user one",
            "cert has the number 42, which is that of the group ssl-cert"
        ]
    );
    // What the base has twice is the base's.
    let base = Accounts::parse(&format!("{BASE_PASSWD}toor:x:0:0::/root:/bin/sh\n"), BASE_GROUP);
    assert!(assign((&base, &base.beyond(&base)), &base, tables).is_ok());
}

#[test]
fn a_name_that_no_node_makes_and_a_number_for_the_base_are_refused() {
    let long = "a".repeat(32);
    let passwd = format!("{BASE_PASSWD}h.dot:x:996:996::/:/bin/sh\n{long}:x:997:997::/:/bin/sh\n:x:1:1::/:\n");
    let full = Accounts::parse(&passwd, &format!("{BASE_GROUP}h.dot:x:996:\n"));
    let declared: Table = [(name("root"), Ids::both(500)), (name("nobody"), Ids::both(65534))].into_iter().collect();
    let tables = Tables { declared: &declared, locked: &Table::default() };
    let faults = assign((&full, &full.beyond(&base())), &base(), tables).unwrap_err();
    assert_eq!(
        faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            format!("{long:?} is no name of an account that systemd-sysusers makes"),
            "\"h.dot\" is no name of an account that systemd-sysusers makes".to_owned(),
            "root is an account of the base, which has the number 0".to_owned(),
        ]
    );
}

/// The lines of a file, over the accounts of `full`.
fn with_lines(text: &str, declared: &Table) -> Result<(Assigned, String), Vec<Fault>> {
    let (asked, pinned) = beside(&asked(&model::sysusers::lines(text.as_bytes())), &full());
    let added = Added { asked, ..full().beyond(&base()) };
    let merged = pinned.iter().chain(declared.iter()).map(|(name, ids)| (name.clone(), ids)).collect();
    let assigned = assign((&full(), &added), &base(), Tables { declared: &merged, locked: &Table::default() })?;
    let text = sysusers(&Added { asked: added.asked, ..Added::default() }, &base(), &assigned.ids);
    Ok((assigned, text))
}

#[test]
fn a_line_that_leaves_its_number_open_gets_it_from_the_table() {
    let table: Table =
        [(name("app"), Ids::both(400)), (name("data"), Ids { uid: 401, gid: 402 })].into_iter().collect();
    let text = "u app - \"My %% app\" /var/lib/app /bin/sh\nu! data -:nogroup\ng files -\nm data files\nu root 0\n";
    let (Assigned { ids, proposed, mapping }, generated) = with_lines(text, &table).unwrap();
    let files = proposed.get(&name("files")).unwrap();
    assert_eq!(
        generated.lines().skip(1).collect::<Vec<_>>(),
        [
            "g app 400",
            &format!("g files {}", files.gid),
            "u app 400:400 \"My %% app\" /var/lib/app /bin/sh",
            "u! data 401:nogroup"
        ]
    );
    assert_eq!(ids.get(&name("app")), Some(Ids::both(400)));
    assert!(mapping.uids.values().all(|id| *id != 400), "no file had another number");
    // What the lines say themselves is known, and made by them.
    let (Assigned { ids, proposed, .. }, generated) =
        with_lines("u app 410\ng other 411\nu mixed 412:other\n", &Table::default()).unwrap();
    assert_eq!((ids.get(&name("app")), ids.get(&name("other"))), (Some(Ids::both(410)), Some(Ids::both(411))));
    assert_eq!((generated.as_str(), proposed.get(&name("app"))), ("", None));
}

#[test]
fn a_number_of_a_line_is_one_of_a_table() {
    let (Assigned { ids, .. }, _) = with_lines("u redis 444\n", &Table::default()).unwrap();
    assert_eq!(ids.get(&name("redis")), Some(Ids::both(444)), "of an account of a package, too");
    let faults = with_lines("u app 65534\n", &Table::default()).unwrap_err();
    assert_eq!(faults[0].to_string(), "app cannot have the number 65534: it is nobody's in the base");
    let faults = with_lines("u app 42\n", &Table::default()).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let faults = with_lines("u app 444\nu other 444\n", &Table::default()).unwrap_err();
    assert_eq!(faults[0].to_string(), "app and other have one number, 444");
    // A group of its own with another number stands where a line has it.
    let (Assigned { ids, .. }, text) = with_lines("g app 402\nu app -\n", &Table::default()).unwrap();
    let app = ids.get(&name("app")).unwrap();
    assert_eq!(app.gid, 402);
    assert!(text.ends_with(&format!("g app 402\nu app {}:402\n", app.uid)), "{text}");
    // The owner of a path is known on the node alone.
    assert_eq!(with_lines("u app /etc/passwd\n", &Table::default()).unwrap().1, "");
}
