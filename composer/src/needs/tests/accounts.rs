//! Accounts that units and owners of files name.

use model::unit::AccountKind;

use super::*;

#[test]
fn accounts_of_units_are_the_nodes_or_are_made_by_what_ships() {
    let whole = |sysusers: &'static str| {
        [
            ("/etc/passwd", file("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:\nredis:x:101:101::/:\n")),
            ("/etc/group", file("root:x:0:\nadm:x:4:\nnogroup:x:65534:\nredis:x:101:\n")),
            ("/usr/lib/sysusers.d/a.conf", file(sysusers)),
            (
                "/usr/lib/systemd/system/a.service",
                file("[Service]\nUser=redis\nGroup=redis\nSupplementaryGroups=adm x %i\n"),
            ),
            ("/usr/lib/systemd/system/b.service", file("[Service]\nUser=www-data\nGroup=nogroup\n")),
            ("/usr/lib/systemd/system/c.service", file("[Service]\nUser=c\nDynamicUser=yes\n")),
            ("/usr/lib/systemd/system/d.service", file("[Service]\nUser=777\nGroup=root\n")),
            ("/usr/lib/systemd/system/e.service.d/e.conf", file("[Service]\nUser=redis\n")),
        ]
    };
    let ask = |sysusers, dropped: &[&str], others: &Accounts| -> Vec<String> {
        with_world(&whole(sysusers), dropped, &[], |world| {
            let known = Accounts::of_node(world, others).unwrap();
            let show = |one: MissingAccount| format!("{:?} {} {}", one.kind, one.name, one.by.len());
            missing_accounts(world, &known).unwrap().into_iter().map(show).collect()
        })
    };
    let none = Accounts::default();
    // `/etc/passwd` is not shipped: what it gave out holds in the build alone.
    let open: [&str; 2] = ["/etc/passwd", "/etc/group"];
    assert_eq!(ask("# none\n", &open, &none), ["User redis 2", "Group redis 1", "Group x 1"]);
    assert_eq!(ask("u redis -\nm redis x\n", &open, &none), [""; 0]);
    assert_eq!(ask("u redis -:nogroup\n", &open, &none), ["Group redis 1", "Group x 1"]);
    assert_eq!(ask("# none\n", &[], &none), ["Group x 1"]);
    let unshipped: Vec<&str> = open.iter().copied().chain(["/usr/lib/sysusers.d/a.conf"]).collect();
    assert_eq!(ask("u redis -\n", &unshipped, &none).len(), 3);
    let mut others = Accounts::default();
    others.add(AccountKind::User, "redis", Some(300));
    others.add(AccountKind::Group, "redis", Some(300));
    assert_eq!(ask("# none\n", &open, &others), ["Group x 1"]);
}

#[test]
fn a_drop_in_for_every_unit_of_a_kind_names_accounts_too() {
    let files = [
        ("/usr/lib/systemd/system/service.d/a.conf", file("[Service]\nUser=a\nSupplementaryGroups=b\n")),
        ("/etc/systemd/system/socket.d/s.conf", file("[Socket]\nSocketUser=c\nSocketGroup=d\n")),
        ("/usr/lib/systemd/system/socket.d/s.conf", file("[Socket]\nSocketUser=hidden\n")),
        ("/usr/lib/systemd/system/service.d/note.txt", file("[Service]\nUser=none\n")),
    ];
    let missing = with_world(&files, &[], &[], |world| {
        let known = Accounts::of_node(world, &Accounts::default()).unwrap();
        let show = |one: MissingAccount| format!("{:?} {} {}", one.kind, one.name, one.by[0]);
        missing_accounts(world, &known).unwrap().into_iter().map(show).collect::<Vec<_>>()
    });
    let expected = [
        "User a /usr/lib/systemd/system/service.d/a.conf",
        "User c /etc/systemd/system/socket.d/s.conf",
        "Group b /usr/lib/systemd/system/service.d/a.conf",
        "Group d /etc/systemd/system/socket.d/s.conf",
    ];
    assert_eq!(missing, expected);
}

#[test]
fn a_line_of_tmpfiles_names_accounts_too() {
    let files = [
        ("/usr/lib/tmpfiles.d/a.conf", file("d /run/a 0750 a adm -\nd /run/b 0750 b b -\n")),
        ("/usr/lib/tmpfiles.d/hidden.conf", file("d /run/h 0750 hidden - -\n")),
        ("/etc/tmpfiles.d/hidden.conf", file("# nothing\n")),
        ("/usr/lib/tmpfiles.d/note.txt", file("d /run/n 0750 none - -\n")),
        ("/usr/lib/systemd/system/b.service", file("[Service]\nUser=b\n")),
        ("/etc/group", file("adm:x:4:\n")),
    ];
    let missing = with_world(&files, &[], &[], |world| {
        let known = Accounts::of_node(world, &Accounts::default()).unwrap();
        let show = |one: MissingAccount| format!("{:?} {} {} {}", one.kind, one.name, one.by.len(), one.owner_by.len());
        missing_accounts(world, &known).unwrap().into_iter().map(show).collect::<Vec<_>>()
    });
    assert_eq!(missing, ["User a 0 1", "User b 1 1", "Group b 0 1"]);
}

#[test]
fn an_owner_that_was_given_out_while_building_floats() {
    let passwd = ("/etc/passwd", file("root:x:0:0::/:\n_chrony:x:100:101::/:\nb:x:200:200::/:\n"));
    let group = ("/etc/group", file("_chrony:x:101:\n"));
    let mut whole =
        tree(&[passwd, group, ("/etc/chrony.conf", file("x")), ("/usr/x/y", file("x")), ("/usr/z", file("x"))]);
    let mut own = |path: &str, uid, gid| {
        let id = whole.lookup(&ImagePath::new(path).unwrap()).unwrap();
        (whole.node_mut(id).stat.uid, whole.node_mut(id).stat.gid) = (uid, gid);
    };
    own("/etc/chrony.conf", 0, 101);
    own("/usr/x", 100, 101);
    own("/usr/x/y", 99, 65534);
    own("/usr/z", 1234, 0);
    let ask = |sysusers: &str| -> Vec<String> {
        let mut shipped = whole.clone();
        let etc = shipped.lookup(&ImagePath::new("/etc").unwrap()).unwrap();
        shipped.unlink(etc, b"passwd");
        shipped.unlink(etc, b"group");
        let world = World { whole: &whole, shipped: &shipped, provided: &|_| false, makes_cache: false };
        let mut known = Accounts::of_node(world, &Accounts::default()).unwrap();
        known.add_sysusers(sysusers.as_bytes());
        let show =
            |one: FloatingOwner| format!("{} {:?} {}", one.name.unwrap_or_default(), one.numbers, one.paths.len());
        floating_owners(world, &known).into_iter().map(show).collect()
    };
    let nameless = " {User: 1234} 1";
    assert_eq!(ask(""), [nameless, "_chrony {User: 100, Group: 101} 2"]);
    assert_eq!(ask("g _chrony 101\nu _chrony 100:101\n"), [nameless]);
    // The same name with a number that only the node knows, and the number of another name.
    assert_eq!(ask("u _chrony -\nu other 100\ng other2 101\n"), [nameless, "_chrony {User: 100, Group: 101} 2"]);
    assert_eq!(ask("u _chrony 100\n"), [nameless, "_chrony {Group: 101} 2"]);
    assert_eq!(ask("u other 1234\n"), ["_chrony {User: 100, Group: 101} 2"]);
}

#[test]
fn what_was_generated_is_there_though_the_whole_tree_lacks_it() {
    let unit =
        ("/usr/lib/systemd/system/x.service", file("[Service]\nExecStart=/usr/bin/x\nUser=x\n[Install]\nWantedBy=a\n"));
    let whole = tree(&[unit.clone(), ("/usr/bin/x", link("../lib/generated"))]);
    let shipped = tree(&[
        unit,
        ("/usr/bin/x", link("../lib/generated")),
        ("/usr/lib/generated", library()),
        ("/usr/lib/sysusers.d/00-module-x.conf", file("g x 300\nu x 300:x\n")),
        ("/usr/lib/systemd/system/a.wants/x.service", link("../x.service")),
    ]);
    let world = World { whole: &whole, shipped: &shipped, provided: &|_| false, makes_cache: true };
    assert_eq!((unmet(world).unwrap(), idle_units(world).unwrap()), (vec![], vec![]));
    let known = Accounts::of_node(world, &Accounts::default()).unwrap();
    assert_eq!((missing_accounts(world, &known).unwrap(), floating_owners(world, &known)), (vec![], vec![]));
}
