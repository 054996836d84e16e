//! Small trees, and what of them is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::sync::Arc;

use image::tree::{Entries, Mtime, NodeId, Stat, Tree};
use testkit::elf::build;

use super::*;

mod accounts;
mod units;

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
    // The node's cache knows no directory whose line stays behind.
    assert_eq!(check_with_cache(&whole, &["/etc/ld.so.conf.d/y.conf"]), ["/usr/bin/y needs Library libb.so: "]);
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
