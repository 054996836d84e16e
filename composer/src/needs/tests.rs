//! Small trees, and what of them is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::sync::Arc;

use image::tree::{Entries, Mtime, NodeId, Stat, Tree};
use testkit::elf::build;

use super::*;
use model::unit::AccountKind;

/// A tree of directories (`path/`), links and files; parents are made.
fn tree(files: &[(&str, Kind<Source>)]) -> Tree<Source> {
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for (path, kind) in files {
        let path = ImagePath::new(path).unwrap();
        let parent = directory(&mut tree, &path.parent().unwrap());
        let id = tree.add(Node { stat: Stat::root_owned(0o755, Mtime::default()), kind: kind.clone() }).unwrap();
        tree.link(parent, path.file_name().unwrap(), id).unwrap();
    }
    tree
}

fn directory(tree: &mut Tree<Source>, path: &ImagePath) -> NodeId {
    if let Some(id) = tree.lookup(path) {
        return id;
    }
    let parent = directory(tree, &path.parent().unwrap());
    let kind = Kind::Directory(Entries::new());
    let id = tree.add(Node { stat: Stat::root_owned(0o755, Mtime::default()), kind }).unwrap();
    tree.link(parent, path.file_name().unwrap(), id).unwrap();
    id
}

fn file(content: impl AsRef<[u8]>) -> Kind<Source> {
    Kind::Regular(Source::Bytes(Arc::from(content.as_ref())))
}

fn link(target: &str) -> Kind<Source> {
    Kind::Symlink(Box::from(target.as_bytes()))
}

fn program(needed: &[&str], run_path: &str) -> Kind<Source> {
    file(build(true, false, "/lib64/ld.so", needed, run_path))
}

fn library() -> Kind<Source> {
    file(build(true, false, "", &[], ""))
}

/// `whole`, and of it what is not below a path of `dropped`.
fn check(whole: &[(&str, Kind<Source>)], dropped: &[&str], provided: &[&str]) -> Vec<String> {
    with_world(whole, dropped, provided, |world| unmet(world).unwrap().iter().map(show).collect())
}

/// As [`check`] for a node that makes its linker's cache.
fn check_with_cache(whole: &[(&str, Kind<Source>)], dropped: &[&str]) -> Vec<String> {
    let ask = |world: World<'_>| unmet(World { makes_cache: true, ..world }).unwrap().iter().map(show).collect();
    with_world(whole, dropped, &[], ask)
}

fn with_world<T>(
    whole: &[(&str, Kind<Source>)],
    dropped: &[&str],
    provided: &[&str],
    then: impl FnOnce(World<'_>) -> T,
) -> T {
    let shipped: Vec<_> = whole.iter().filter(|(path, _)| !dropped.contains(path)).cloned().collect();
    let provided = |path: &ImagePath| provided.iter().any(|other| path.as_bytes() == other.as_bytes());
    then(World { whole: &tree(whole), shipped: &tree(&shipped), provided: &provided, makes_cache: false })
}

fn show(unmet: &Unmet) -> String {
    let missing: Vec<String> = unmet.missing.iter().map(ToString::to_string).collect();
    let soft = if unmet.soft { " (soft)" } else { "" };
    format!("{} needs {:?} {}{soft}: {}", unmet.by, unmet.need, unmet.name, missing.join(" "))
}

const LOADER: (&str, &str) = ("/lib64", "/usr/lib64/ld.so");

fn base() -> Vec<(&'static str, Kind<Source>)> {
    vec![
        ("/lib64", link("usr/lib64")),
        ("/lib", link("usr/lib")),
        ("/usr/lib64/ld.so", library()),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", library()),
    ]
}

fn base_with(more: &[(&'static str, Kind<Source>)]) -> Vec<(&'static str, Kind<Source>)> {
    base().into_iter().chain(more.iter().cloned()).collect()
}

#[test]
fn a_dropped_library_is_named_with_its_links() {
    let whole = base_with(&[
        ("/usr/bin/x", program(&["libc.so.6", "libz.so.1", "libgone.so.2"], "")),
        ("/usr/lib/x86_64-linux-gnu/libz.so.1", link("libz.so.1.3")),
        ("/usr/lib/x86_64-linux-gnu/libz.so.1.3", library()),
    ]);
    assert_eq!(check(&whole, &[], &[]), ["/usr/bin/x needs Library libgone.so.2: "]);
    let (name, real) = ("/usr/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/x86_64-linux-gnu/libz.so.1.3");
    let both = format!("/usr/bin/x needs Library libz.so.1: {name} {real}");
    assert_eq!(check(&whole, &[name, real], &[])[0], both);
    assert_eq!(
        check(&whole, &[real], &[]),
        [
            "/usr/bin/x needs Library libz.so.1: /usr/lib/x86_64-linux-gnu/libz.so.1.3",
            "/usr/bin/x needs Library libgone.so.2: ",
            "/usr/lib/x86_64-linux-gnu/libz.so.1 needs Target libz.so.1.3: /usr/lib/x86_64-linux-gnu/libz.so.1.3",
        ]
    );
    assert_eq!(check(&whole, &[name, real], &[name, real]), ["/usr/bin/x needs Library libgone.so.2: "]);
}

#[test]
fn the_loader_is_found_through_links_and_each_step_counts() {
    let whole = base_with(&[("/usr/bin/x", program(&[], ""))]);
    assert_eq!(check(&whole, &[], &[]), [""; 0]);
    let dropped = check(&whole, &[LOADER.0, LOADER.1], &[]);
    assert_eq!(dropped, ["/usr/bin/x needs Interpreter /lib64/ld.so: /lib64 /usr/lib64/ld.so"]);
    assert_eq!(check(&whole, &[LOADER.0, LOADER.1], &[LOADER.0, LOADER.1]), [""; 0]);
}

#[test]
fn libraries_are_looked_for_where_the_loader_looks() {
    let whole = base_with(&[
        ("/opt/app/bin/x", program(&["liba.so"], "$ORIGIN/../lib:$LIB/never")),
        ("/opt/app/lib/liba.so", library()),
        ("/etc/ld.so.conf.d/y.conf", file("# x\n/opt/y\n")),
        ("/opt/y/libb.so", library()),
        ("/usr/bin/y", program(&["libb.so", "/opt/y/libb.so"], "")),
        // Someone loads it from its own place: the name is all there is.
        ("/usr/lib/z/libprivate.so", library()),
        ("/usr/lib/z/plugin", file(build(true, false, "", &["libprivate.so"], ""))),
        // Of another machine than the one for which the usual places are known.
        ("/usr/lib/riscv64-linux-gnux/libc2.so", library()),
        ("/usr/bin/c", program(&["libc2.so"], "")),
    ]);
    assert_eq!(check_with_cache(&whole, &[]), [""; 0]);
    for (gone, who, name) in [
        ("/opt/app/lib/liba.so", "/opt/app/bin/x", "liba.so"),
        ("/usr/lib/z/libprivate.so", "/usr/lib/z/plugin", "libprivate.so"),
        ("/usr/lib/riscv64-linux-gnux/libc2.so", "/usr/bin/c", "libc2.so"),
    ] {
        assert_eq!(check_with_cache(&whole, &[gone]), [format!("{who} needs Library {name}: {gone}")]);
    }
    assert_eq!(check_with_cache(&whole, &["/opt/y/libb.so"]).len(), 2);
}

#[test]
fn a_library_of_another_machine_does_not_count() {
    let foreign = file(build(false, false, "/lib/ld.so", &[], ""));
    let whole = base_with(&[
        ("/usr/bin/x", program(&["libz.so.1"], "")),
        ("/usr/lib/i386-linux-gnu/libz.so.1", foreign),
        ("/usr/lib/x86_64-linux-gnu/libz.so.1", library()),
    ]);
    let name = "/usr/lib/x86_64-linux-gnu/libz.so.1";
    let found = check(&whole, &[name], &[]);
    assert!(found.contains(&format!("/usr/bin/x needs Library libz.so.1: {name}")), "{found:?}");
}

#[test]
fn scripts_and_units_need_their_programs() {
    let whole = [
        ("/usr/bin/sh", library()),
        ("/bin", link("usr/bin")),
        ("/lib64", link("usr/lib64")),
        ("/usr/lib64/ld.so", library()),
        ("/usr/sbin/tool", file("#!/bin/sh\n")),
        ("/usr/sbin/other", file("#!/usr/bin/env python3\n")),
        ("/usr/share/doc/x/example", file("#!/usr/bin/ruby\n")),
        ("/usr/lib/systemd/system/x.service", file("[Service]\nExecStart=tool\nExecStop=-/bin/kill\n")),
        ("/etc/systemd/system/x.service.d/more.conf", file("[Service]\nExecStartPre=/opt/pre\n")),
    ];
    assert_eq!(
        check(&whole, &["/usr/bin/sh", "/bin"], &["/bin"]),
        [
            "/etc/systemd/system/x.service.d/more.conf needs Command /opt/pre: ",
            "/usr/lib/systemd/system/x.service needs Command /bin/kill (soft): ",
            "/usr/sbin/other needs Interpreter /usr/bin/env: ",
            "/usr/sbin/other needs Interpreter python3: ",
            "/usr/sbin/tool needs Interpreter /bin/sh: /usr/bin/sh",
        ]
    );
    let dropped = check(&whole, &["/usr/sbin/tool"], &[]);
    assert!(dropped.contains(&"/usr/lib/systemd/system/x.service needs Command tool: /usr/sbin/tool".to_owned()));
}

#[test]
fn a_script_that_nobody_may_run_needs_no_interpreter() {
    let mut whole = tree(&[("/usr/lib/x.py", file("#!/usr/bin/python3\n"))]);
    let id = whole.lookup(&ImagePath::new("/usr/lib/x.py").unwrap()).unwrap();
    whole.node_mut(id).stat.mode = 0o644;
    assert_eq!(unmet(World { whole: &whole, shipped: &whole, provided: &|_| false, makes_cache: false }).unwrap(), []);
}

#[test]
fn links_lead_somewhere_or_into_what_runs() {
    let whole = [
        ("/etc/a", link("../opt/real")),
        ("/opt/real", file("x")),
        ("/etc/b", link("/nowhere/x")),
        ("/etc/c", link("/run/x")),
        ("/etc/mtab", link("../proc/self/mounts")),
        ("/etc/loop", link("loop")),
        ("/var/run", link("/run")),
        ("/etc/d", link("../var/run/x/y")),
        ("/etc/e", link("../../../opt/real")),
    ];
    let loops = "/etc/loop needs Target loop: ";
    assert_eq!(check(&whole, &[], &[]), ["/etc/b needs Target /nowhere/x: ", loops]);
    assert_eq!(
        check(&whole, &["/opt/real", "/etc/e", "/var/run"], &["/nowhere/x", "/var/run"]),
        ["/etc/a needs Target ../opt/real: /opt/real", loops]
    );
}

#[test]
fn commands_of_the_manifest_are_found_by_path_or_name() {
    let whole = [("/usr/sbin/nginx", file("x"))];
    let ask = |dropped: &[&str], line: &str| with_world(&whole, dropped, &[], |world| command(world, line));
    let name = |name: &str, reach| Some((name.to_owned(), reach));
    assert_eq!(ask(&[], "/usr/sbin/nginx -s quit"), name("/usr/sbin/nginx", Reach::Met));
    assert_eq!(ask(&[], "A=1 nginx"), name("nginx", Reach::Met));
    let path = ImagePath::new("/usr/sbin/nginx").unwrap();
    assert_eq!(ask(&["/usr/sbin/nginx"], "nginx"), name("nginx", Reach::Dropped(vec![path])));
    assert_eq!(ask(&[], "nginy"), name("nginy", Reach::Absent));
    assert_eq!(ask(&[], "$X"), None);
}

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
fn the_shortest_script_has_four_bytes_and_documentation_is_never_run() {
    let needs = |path: &str, text: &str| check(&[(path, file(text))], &[], &[]).len();
    assert_eq!((needs("/x", "#!/a"), needs("/x", "#!/"), needs("/x", "#!a/")), (1, 0, 0));
    for (path, count) in [
        ("/usr/share/doc/x", 0),
        ("/usr/share/doc-base/x", 0),
        ("/usr/lib/debug/x", 0),
        ("/usr/share/docs/x", 1),
        ("/usr/lib/debug", 1),
    ] {
        assert_eq!(needs(path, "#!/gone\n"), count, "{path}");
    }
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

#[test]
fn the_directories_of_the_linkers_configuration_go_before_every_other() {
    let whole = base_with(&[
        ("/aaa/libb.so", library()),
        ("/etc/ld.so.conf", file("include /etc/ld.so.conf.d/*.conf\n/opt/first\n  /opt/z  \n")),
        ("/etc/ld.so.conf.d/y.conf", file("/opt/y\n")),
        ("/etc/ld.so.conf.d/y.txt", file("/opt/x\n")),
        ("/opt/x/libb.so", library()),
        ("/opt/y/libb.so", library()),
        ("/opt/z/libb.so", library()),
        ("/usr/bin/b", program(&["libb.so"], "")),
        ("/usr/lib/libb.so", library()),
    ]);
    let mut gone: Vec<&str> = whole.iter().map(|(path, _)| *path).filter(|path| path.ends_with("libb.so")).collect();
    for next in ["/opt/z", "/opt/y", "/usr/lib", "/aaa", "/opt/x"] {
        // The library that is named is the one that the loader would have taken.
        let rest = whole.iter().filter(|(path, _)| !path.ends_with("libb.so") || gone.contains(path)).cloned();
        let found = check_with_cache(&rest.collect::<Vec<_>>(), &gone);
        assert_eq!(found, [format!("/usr/bin/b needs Library libb.so: {next}/libb.so")]);
        gone.retain(|path| *path != format!("{next}/libb.so"));
    }
}

#[test]
fn a_directory_of_the_configuration_counts_only_by_a_cache_that_will_be_there() {
    let conf = [
        ("/etc/ld.so.conf.d/x.conf", file("/opt/x\n")),
        ("/opt/x/libx.so.1", library()),
        ("/opt/x/prog", program(&["libx.so.1"], "")),
    ];
    let whole = base_with(&conf);
    let elsewhere = |whole: &[(&str, Kind<Source>)], provided: &[&str]| -> Vec<String> {
        let place = |unmet: &Unmet| unmet.elsewhere.as_ref().map(ToString::to_string).unwrap_or_default();
        with_world(whole, &[], provided, |world| unmet(world).unwrap().iter().map(place).collect())
    };
    assert_eq!(elsewhere(&whole, &[]), ["/opt/x/libx.so.1"]);
    assert_eq!(check(&whole, &[], &[]), ["/opt/x/prog needs Library libx.so.1: "]);
    assert_eq!(check_with_cache(&whole, &[]), [""; 0]);
    // What the base has, its cache has.
    assert_eq!(elsewhere(&whole, &["/opt/x/libx.so.1"]), [""; 0]);
    let with_cache = |text: &str| {
        let cache = ("/etc/ld.so.cache", file([b"glibc-ld.so.cache1.1\0\x01", text.as_bytes(), b"\0x"].concat()));
        let whole: Vec<_> = whole.iter().cloned().chain([cache]).collect();
        (check(&whole, &[], &[]).len(), check(&whole, &["/etc/ld.so.cache"], &[]).len())
    };
    assert_eq!(with_cache("\0libx.so.1\0/opt/x/libx.so.1"), (0, 1));
    assert_eq!((with_cache("\0/opt/x/libx.so"), with_cache("\0z/opt/x/libx.so.1")), ((1, 1), (1, 1)));
    // A library that is loaded later may be found by what loads it, and a run path needs no cache.
    let later =
        base_with(&[("/opt/x/libx.so.1", library()), ("/opt/y.so", file(build(true, false, "", &["libx.so.1"], "")))]);
    assert_eq!(check(&later, &[], &[]), [""; 0]);
    let run_path = base_with(&[("/opt/x/libx.so.1", library()), ("/opt/x/prog", program(&["libx.so.1"], "$ORIGIN"))]);
    assert_eq!(check(&run_path, &[], &[]), [""; 0]);
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
