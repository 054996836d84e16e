//! Units, and what they lack.

use super::*;

#[test]
fn a_unit_is_enabled_by_a_link_that_will_be_there() {
    let unit = || file("[Install]\nWantedBy=multi-user.target\n");
    let wants = "/etc/systemd/system/multi-user.target.wants/x.service";
    let whole = [
        ("/usr/lib/systemd/system/x.service", unit()),
        ("/usr/lib/systemd/system/y@.service", unit()),
        ("/usr/lib/systemd/system/z.service", unit()),
        (wants, link("/usr/lib/systemd/system/x.service")),
    ];
    let idle = |dropped: &[&str], provided: &[&str]| -> Vec<(String, Option<String>)> {
        let show = |idle: &Idle| (idle.unit.to_string(), idle.link.as_ref().map(ToString::to_string));
        with_world(&whole, dropped, provided, |world| idle_units(world).unwrap().iter().map(show).collect())
    };
    let z = || ("/usr/lib/systemd/system/z.service".to_owned(), None);
    let x = || ("/usr/lib/systemd/system/x.service".to_owned(), Some(wants.to_owned()));
    assert_eq!(idle(&[], &[]), [z()]);
    assert_eq!(idle(&[wants], &[]), [x(), z()]);
    assert_eq!(idle(&[wants], &[wants]), [z()]);
}

#[test]
fn only_units_and_their_drop_ins_are_read_and_none_that_is_too_large() {
    let text = "[Service]\nExecStart=/gone\n";
    let reads = |path: &str, text: &str| !check(&[(path, file(text))], &[], &[]).is_empty();
    for (path, read) in [
        ("/etc/systemd/system/x.service", true),
        ("/usr/lib/systemd/system/x.service", true),
        ("/usr/local/lib/systemd/system/x.service", true),
        ("/etc/systemd/system/x.service.d/a.conf", true),
        ("/etc/systemd/system/x.service.d/a.txt", false),
        ("/etc/systemd/system/x.service.wants/a.conf", false),
        ("/etc/systemd/system/a/x.service.d/a.conf", false),
        ("/etc/systemd/x.service", false),
        ("/etc/systemd/system.conf", false),
        ("/x.service", false),
    ] {
        assert_eq!(reads(path, text), read, "{path}");
    }
    let sized = |size: usize| format!("{text}{}", "#".repeat(size - text.len()));
    let unit = "/etc/systemd/system/x.service";
    assert!(reads(unit, &sized(256 << 10)) && !reads(unit, &sized((256 << 10) + 1)));
}

#[test]
fn a_unit_is_enabled_from_any_of_three_kinds_of_directories() {
    let idle = |link: &str, wish: &str| {
        let whole = [
            ("/etc/systemd/system/x.service", file(format!("[Install]\n{wish}\n"))),
            (link, self::link("../x.service")),
        ];
        with_world(&whole, &[], &[], |world| idle_units(world).unwrap().len())
    };
    for (directory, count) in [("a.wants", 0), ("a.requires", 0), ("a.upholds", 0), ("a.d", 1), ("wants", 1)] {
        assert_eq!(idle(&format!("/etc/systemd/system/{directory}/x.service"), "WantedBy=a"), count, "{directory}");
    }
    assert_eq!(idle("/etc/systemd/system/a.wants/y.service", "WantedBy=a"), 1);
    assert_eq!(idle("/usr/lib/systemd/system/a.wants/x.service", "RequiredBy=a"), 0);
    assert_eq!(idle("/opt/a.wants/x.service", "Alias=y.service"), 0);
}

const SYSTEM: &str = "/usr/lib/systemd/system";

/// What a unit named `x` lacks, with or without paths of the whole tree.
fn of_unit(text: &str, others: &[&'static str], dropped: &[&str]) -> Vec<String> {
    let mut whole = vec![("/usr/lib/systemd/system/x.service", file(text))];
    whole.extend(others.iter().map(|path| (*path, file("x"))));
    let found = check(&whole, dropped, &[]);
    found.iter().map(|line| line.replace("/usr/lib/systemd/system/x.service needs ", "")).collect()
}

#[test]
fn a_unit_needs_the_files_that_it_asks_for() {
    let (conf, run) = ("/etc/x.conf", "/usr/sbin/run");
    for (text, dropped, absent) in [
        ("[Unit]\nConditionPathExists=/etc/x.conf\n", Some(""), None),
        ("[Unit]\nConditionFileNotEmpty=/etc/x.conf\n", Some(""), None),
        ("[Unit]\nAssertPathExists=/etc/x.conf\n", Some(""), Some("")),
        ("[Service]\nEnvironmentFile=/etc/x.conf\n", Some(""), Some("")),
        ("[Service]\nEnvironmentFile=-/etc/x.conf\n", None, None),
        ("[Service]\nEnvironmentFile=/etc/x.*\n", None, None),
        ("[Unit]\nConditionPathExists=!/etc/x.conf\nAssertPathExists=|/etc/x.conf\n", None, None),
        ("[Unit]\nConditionPathExists=/run/x\nAssertPathExists=/var/lib/x\nConditionHost=/etc/x.conf\n", None, None),
    ] {
        let line = |soft: &str, missing: &str| format!("File /etc/x.conf{soft}: {missing}");
        let wanted = |soft: Option<&str>, missing| soft.map(|soft| line(soft, missing)).into_iter().collect::<Vec<_>>();
        assert_eq!(of_unit(text, &[conf], &[conf]), wanted(dropped, conf), "{text}");
        assert_eq!(of_unit(text, &[], &[]), wanted(absent, ""), "{text}");
        assert_eq!(of_unit(text, &[conf], &[]), [""; 0], "{text}");
    }
    // A unit that asks whether its own program is there is passed over without it.
    let asked = "[Unit]\nConditionFileIsExecutable=/usr/sbin/run\n[Service]\nExecStart=/usr/sbin/run\n";
    assert_eq!(of_unit(asked, &[run], &[run]), [format!("Command {run} (soft): {run}")]);
    assert_eq!(of_unit(&asked.replace("Condition", "Assert"), &[run], &[run]), [format!("Command {run}: {run}")]);
    assert_eq!(of_unit("[Service]\nExecCondition=/usr/sbin/run\n", &[], &[]), [format!("Command {run} (soft): ")]);
    assert_eq!(of_unit("[Service]\nRootDirectory=/srv/x\nExecStart=/usr/sbin/run\n", &[], &[]), [""; 0]);
}

#[test]
fn each_command_counts_whatever_stands_before_it_and_each_condition_that_asks_for_it() {
    let keys = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"];
    for (key, prefix) in keys
        .iter()
        .flat_map(|key| ["", "@", "+", "!", "!!", ":", "-", "-@", "@-", "+-", ":-"].map(|prefix| (key, prefix)))
    {
        let soft = if prefix.contains('-') { " (soft)" } else { "" };
        let text = format!("[Service]\n{key}={prefix}/usr/sbin/gone word\n");
        assert_eq!(of_unit(&text, &[], &[]), [format!("Command /usr/sbin/gone{soft}: ")], "{text}");
    }
    let kinds = [
        "PathExists",
        "PathIsDirectory",
        "PathIsSymbolicLink",
        "PathIsReadWrite",
        "FileNotEmpty",
        "FileIsExecutable",
        "DirectoryNotEmpty",
    ];
    let run = "/usr/sbin/run";
    for kind in kinds {
        let own = format!("[Unit]\nCondition{kind}={run}\n[Service]\nExecStart={run}\n");
        assert_eq!(of_unit(&own, &[run], &[run]), [format!("Command {run} (soft): {run}")], "{own}");
        assert_eq!(of_unit(&own, &[], &[]), [format!("Command {run} (soft): ")], "{own}");
        let other = format!("[Unit]\nCondition{kind}=/etc/x\n");
        assert_eq!(of_unit(&other, &["/etc/x"], &["/etc/x"]), ["File /etc/x: /etc/x"], "{other}");
    }
}

#[test]
fn units_need_the_units_that_they_start_and_are_started_by() {
    let unit = |name: &str| -> &'static str { Box::leak(format!("{SYSTEM}/{name}").into_boxed_str()) };
    let lacks = |name: &str, text: &str, others: &[(&str, Kind<Source>)], dropped: &[&str]| -> Vec<String> {
        let mut whole = vec![(unit(name), file(text))];
        whole.extend(others.iter().map(|(other, kind)| (unit(other), kind.clone())));
        let dropped: Vec<&str> = dropped.iter().map(|name| unit(name)).collect();
        let found = check(&whole, &dropped, &[]);
        let show = |line: &String| line.replace(&format!("{SYSTEM}/"), "").replace(&format!("{name} needs "), "");
        found.iter().map(show).collect()
    };
    let none: [&str; 0] = [];
    let service = || file("[Service]\nType=x\n");
    assert_eq!(lacks("x.socket", "[Socket]\nListenStream=80\n", &[], &[]), ["Unit x.service: "]);
    assert_eq!(lacks("x.socket", "[Socket]\nListenStream=80\n", &[("x.service", service())], &[]), none);
    let accepting = "[Socket]\nAccept=yes\n";
    assert_eq!(lacks("x.socket", accepting, &[("x.service", service())], &[]), ["Unit x@.service: "]);
    assert_eq!(
        lacks("x.socket", accepting, &[("x@.service", service())], &["x@.service"]),
        ["Unit x@.service: x@.service"]
    );
    assert_eq!(lacks("x.timer", "[Timer]\nUnit=y@a.service\n", &[("y@.service", service())], &[]), none);
    let requires = "[Unit]\nRequires=y.socket -.mount system.slice\nWants=z.service\n";
    assert_eq!(lacks("x.service", requires, &[], &[]), ["Unit y.socket (soft): "]);
    assert_eq!(
        lacks("x.service", requires, &[("y.socket", file("[Socket]\nService=x.service\n"))], &["y.socket"]),
        ["Unit y.socket: y.socket"]
    );
    let install = "[Install]\nWantedBy=a.target\nRequiredBy=b.target\nAlso=c.socket\nAlias=d.service\n";
    let targets = [("a.target", service()), ("b.target", service())];
    assert_eq!(lacks("x.service", install, &[], &[]), ["Unit c.socket (soft): "]);
    assert_eq!(lacks("x.service", install, &targets, &["a.target"]), ["Unit c.socket (soft): "]);
    assert_eq!(
        lacks("x.service", install, &targets, &["a.target", "b.target"]),
        ["Unit c.socket (soft): ", "Unit a.target: a.target"]
    );
}

#[test]
fn drop_ins_and_masks_count_as_systemd_reads_them() {
    let whole = [
        ("/etc/systemd/system/x.service.d/b.conf", file("[Service]\nExecStart=\nExecStart=/gone\n")),
        ("/usr/lib/systemd/system/x.service.d/b.conf", file("[Service]\nExecStart=/hidden\n")),
        ("/usr/lib/systemd/system/x.service.d/c.conf", file("[Service]\nExecStop=/%N\n")),
        ("/usr/lib/systemd/system/x.service", file("[Service]\nExecStart=/old\n")),
        ("/etc/systemd/system/y.service", link("/dev/null")),
        ("/usr/lib/systemd/system/y.service", file("[Service]\nExecStart=/masked\n")),
        ("/etc/systemd/system/z.service", file("[Service]\nExecStart=/z\n")),
        ("/usr/lib/systemd/system/z.service", file("[Service]\nExecStart=/below\n")),
        ("/usr/lib/systemd/system/t@.service", file("[Service]\nExecStart=/%i\nExecStop=/t\n")),
        ("/etc/systemd/system/a.target.wants/t@one.service", link("/usr/lib/systemd/system/t@.service")),
    ];
    assert_eq!(
        check(&whole, &[], &[]),
        [
            "/etc/systemd/system/x.service.d/b.conf needs Command /gone: ",
            "/etc/systemd/system/z.service needs Command /z: ",
            "/usr/lib/systemd/system/t@.service needs Command /one: ",
            "/usr/lib/systemd/system/t@.service needs Command /t: ",
            "/usr/lib/systemd/system/x.service.d/c.conf needs Command /x: ",
        ]
    );
}

#[test]
fn a_template_is_enabled_by_a_link_to_an_instance() {
    let wants = "/etc/systemd/system/multi-user.target.wants/x@main.service";
    let template = ("/usr/lib/systemd/system/x@.service", file("[Install]\nWantedBy=multi-user.target\n"));
    let whole = [template.clone(), (wants, link("/usr/lib/systemd/system/x@.service"))];
    let idle = |whole: &[(&str, Kind<Source>)], dropped: &[&str]| {
        let links = |idle: Vec<Idle>| idle.into_iter().map(|one| one.link.unwrap().to_string()).collect::<Vec<_>>();
        with_world(whole, dropped, &[], |world| links(idle_units(world).unwrap()))
    };
    assert_eq!(
        (idle(&whole, &[]), idle(&whole, &[wants]), idle(&[template], &[])),
        (vec![], vec![wants.to_owned()], vec![])
    );
}
