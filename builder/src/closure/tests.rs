#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use image::tree::{Entries, Mtime, Node, NodeId, Stat};
use model::Epoch;

use super::*;

pub(super) fn path(text: &str) -> ImagePath {
    ImagePath::new(text).unwrap()
}

/// A tree of lines `PATH MODE UID:GID CONTENT`; a path that ends in a slash is a directory, a content that begins with `->`
/// a link's target.
pub(super) fn tree(lines: &[&str]) -> Tree<Vec<u8>> {
    let mut tree = Tree::new(Stat::root_owned(0o755, Mtime::default()));
    for line in lines {
        let mut words = line.splitn(4, ' ');
        let (name, mode) = (words.next().unwrap(), words.next().unwrap_or("755"));
        let (uid, gid) = words.next().unwrap_or("0:0").split_once(':').unwrap();
        let content = words.next().unwrap_or_default();
        let kind = match (name.ends_with('/'), content.strip_prefix("->")) {
            (true, _) => Kind::Directory(Entries::new()),
            (false, Some(target)) => Kind::Symlink(target.as_bytes().into()),
            (false, None) => Kind::Regular(content.as_bytes().to_vec()),
        };
        let stat = Stat {
            uid: uid.parse().unwrap(),
            gid: gid.parse().unwrap(),
            ..Stat::root_owned(u16::from_str_radix(mode, 8).unwrap(), Mtime::default())
        };
        let mut at = NodeId::ROOT;
        let name = path(name);
        for component in name.parent().unwrap().components() {
            let there = tree.node(at).entries().unwrap().get(component).copied();
            at = there.unwrap_or_else(|| {
                let stat = Stat::root_owned(0o755, Mtime::default());
                let new = tree.add(Node { stat, kind: Kind::Directory(Entries::new()) }).unwrap();
                tree.link(at, component, new).unwrap();
                new
            });
        }
        let id = tree.add(Node { stat, kind }).unwrap();
        tree.link(at, name.file_name().unwrap(), id).unwrap();
    }
    tree
}

const BASE: [&str; 4] = [
    "/etc/passwd 644 0:0 root",
    "/etc/shells 644 0:0 sh",
    "/usr/bin/sh 755 0:0 #!",
    "/etc/alternatives/awk 777 0:0 ->/usr/bin/mawk",
];

/// The base with a package `app`, whose script made a configuration, a key, an alternative and a data base.
const FULL: [&str; 24] = [
    "/etc/passwd 644 0:0 root,app",
    "/etc/shells 644 0:0 sh",
    "/usr/bin/sh 755 0:0 #!",
    "/etc/alternatives/awk 777 0:0 ->/usr/bin/mawk",
    "/usr/bin/app 755 0:0 ELF",
    "/usr/share/doc/app/copyright 644 0:0 text",
    "/etc/app/app.conf 640 0:100 listen",
    "/etc/app/key 600 0:0 -----BEGIN OPENSSH PRIVATE KEY-----",
    "/etc/app/key.pub 644 0:0 ssh-ed25519 AAAA",
    "/var/lib/app/ 750 100:100",
    "/var/lib/app/main/ 700 100:100",
    "/var/lib/app/main/PG_VERSION 600 100:100 17",
    "/var/lib/app/main/base/ 700 100:100",
    "/var/lib/app/main/base/1/ 700 100:100",
    "/var/lib/app/main/base/1/PG_VERSION 600 100:100 17",
    "/var/www/index.html 644 0:0 hello",
    "/var/log/app/ 750 100:100",
    "/var/log/app/install.log 640 0:0 done",
    "/etc/rc2.d/S01app 777 0:0 ->../init.d/app",
    "/etc/systemd/system/multi-user.target.wants/app.service 777 0:0 ->/usr/lib/systemd/system/app.service",
    "/etc/systemd/system/other-name.service 777 0:0 ->/usr/lib/systemd/system/app.service",
    "/var/lib/dpkg/info/app.postinst 755 0:0 #!/bin/sh\\ncp x /etc/app/app.conf",
    "/var/lib/dpkg/info/app.list 644 0:0 LIST",
    "/var/lib/dpkg/status 644 0:0 STATUS",
];

const STATUS: &str = "Package: app\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\nPackage: sh\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n";
const LIST: &str = "/.\n/usr\n/usr/bin\n/usr/bin/app\n/usr/share/doc/app/copyright\n/var/lib/app\n";

fn full(more: &[&str]) -> Tree<Vec<u8>> {
    let mut tree = tree(&[&FULL[..], more].concat());
    tree.replace_content(&path("/var/lib/dpkg/status"), STATUS.into());
    tree.replace_content(&path("/var/lib/dpkg/info/app.list"), LIST.into());
    tree
}

fn found(more: &[&str]) -> (Tree<Vec<u8>>, Ownership, Closure) {
    found_by(&ClosureRules::default(), more)
}

pub(super) fn found_by(rules: &ClosureRules, more: &[&str]) -> (Tree<Vec<u8>>, Ownership, Closure) {
    let (base, full) = (tree(&BASE), full(more));
    let ownership = Ownership::read(&full).unwrap().over(&base, ["sh".to_owned()].into());
    let closure = Closure::find(&base, &full, &ownership, rules).unwrap();
    (full, ownership, closure)
}

fn changed(closure: &Closure) -> Vec<String> {
    closure.changed.iter().map(|one| format!("{} {:?} {:?}", one.path, one.difference, one.by)).collect()
}

#[test]
fn a_path_is_owned_made_or_state() {
    let (_, _, closure) = found(&[]);
    let part = |text: &str| closure.parts.get(&path(text));
    assert_eq!(part("/usr/bin/app"), Some(&Part::Owned));
    assert_eq!(part("/etc/app/app.conf"), Some(&Part::Made { by: Some("app".to_owned()) }), "the script names it");
    assert!(matches!(part("/var/www/index.html"), Some(Part::Made { by: None })));
    assert!(
        part("/var/log/app").is_some() && part("/var/log/app/install.log").is_none(),
        "a service wants its directory"
    );
    for state in ["/etc/rc2.d/S01app", "/var/lib/dpkg/status", "/etc/passwd", "/usr/bin/sh"] {
        assert_eq!(part(state), None, "{state}");
    }
    assert_eq!(closure.changed, [], "account files are state");
    let data: Vec<String> =
        closure.data.iter().map(|data| format!("{} {:?} {}", data.path, data.kind, data.size)).collect();
    assert_eq!(data, ["/var/lib/app/main PostgresCluster 4"], "each data base has a mark, and the cluster is meant");
}

#[test]
fn what_changes_the_base_is_named_with_whom_and_in_what() {
    let (_, _, closure) = found(&["/etc/shells 644 0:0 sh,app", "/etc/alternatives/awk 777 0:0 ->/usr/bin/gawk"]);
    assert_eq!(changed(&closure), ["/etc/alternatives/awk Some(Content) None", "/etc/shells Some(Content) None"]);
    let (_, _, closure) = found(&["/usr/bin/sh 4755 0:0 #!", "/etc/shells 644 7:0 sh"]);
    assert_eq!(changed(&closure), ["/etc/shells Some(Owner) None", "/usr/bin/sh Some(Mode) None"]);
    let mut gone = full(&[]);
    gone.remove(&path("/etc/shells"));
    let base = tree(&BASE);
    let ownership = Ownership::read(&gone).unwrap().over(&base, ["sh".to_owned()].into());
    let closure = Closure::find(&base, &gone, &ownership, &ClosureRules::default()).unwrap();
    assert_eq!(changed(&closure), ["/etc/shells None None"]);
}

#[test]
fn units_are_enabled_where_the_module_means_them() {
    let (_, _, closure) = found(&["/etc/systemd/system/x.service 777 0:0 ->/dev/null"]);
    let all: Vec<String> = closure.enablement.iter().map(|one| format!("{} {}", one.path, one.unit)).collect();
    assert_eq!(
        all,
        [
            "/etc/systemd/system/multi-user.target.wants/app.service app.service",
            "/etc/systemd/system/other-name.service app.service"
        ],
        "what is masked is the administrator's"
    );
    let wanted = |is_named: bool, services: &[String]| {
        let is_named = move |_: &str| is_named;
        let wanted = Wanted { is_named: &is_named, services };
        closure.enablement.iter().filter(|one| one.is_wanted(&wanted)).count()
    };
    assert_eq!((wanted(true, &[]), wanted(false, &[]), wanted(false, &["app".to_owned()])), (2, 0, 2));
    let shipped: Vec<_> = closure.enablement.iter().filter_map(Enablement::shipped).collect();
    assert_eq!(
        shipped,
        [
            (path("/usr/lib/systemd/system/multi-user.target.wants/app.service"), "../app.service".to_owned()),
            (path("/usr/lib/systemd/system/other-name.service"), "app.service".to_owned()),
        ]
    );
}

fn names(stat: &Stat) -> (String, String) {
    let name = |id: u32| if id == 100 { "app".to_owned() } else { "root".to_owned() };
    (name(stat.uid), name(stat.gid))
}

pub(super) fn started(rules: &model::closure::ClosureRules, more: &[&str]) -> FirstStarts {
    let (full, ownership, closure) = found_by(rules, more);
    let secrets = secrets(&full, &ownership, &closure.parts, &closure.data, rules).unwrap();
    let services = ["app.service".to_owned()];
    let nothing = Tree::new(Stat::root_owned(0o755, Default::default()));
    let context = Context {
        name: "app",
        whole: &full,
        shipped: &nothing,
        rules,
        names: &names,
        services: &services,
        ids: &|_| None,
        base: &nothing,
    };
    first_starts(&secrets, &closure.data, &context)
}

#[test]
fn secrets_and_data_are_made_by_units_that_are_known_by_content() {
    let more = ["/usr/bin/ssh-keygen 755 0:0 ELF", "/usr/lib/app/bin/initdb 755 0:0 ELF"];
    let first = started(&model::closure::ClosureRules::default(), &more);
    assert_eq!(first.unmade, []);
    let mut text = String::new();
    for (path, unit) in &first.files {
        text += &format!("== {path}\n{unit}");
    }
    first.links.iter().for_each(|(path, target)| text += &format!("{path} -> {target}\n"));
    first.directories.iter().for_each(|(path, stat)| text += &format!("{path} {:o}\n", stat.mode));
    insta::assert_snapshot!(text);
}

#[test]
fn what_no_one_makes_is_named_and_the_author_can_say_who_does() {
    assert_eq!(
        started(&model::closure::ClosureRules::default(), &[]).unmade,
        [path("/etc/app/key"), path("/var/lib/app/main")]
    );
    let start = |words: &[&str]| model::closure::FirstStart {
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        user: None,
    };
    let at = |text: &str| model::closure::TextPath::parse(text).unwrap();
    let rules = model::closure::ClosureRules {
        secrets: [(at("/etc/app/key"), start(&["/usr/bin/make-key", "--out=/etc/app/key", "100%", "$HOME"]))].into(),
        data: [(at("/var/lib/app/main"), start(&["/usr/bin/make-data"]))].into(),
        ..Default::default()
    };
    let first = started(&rules, &[]);
    assert_eq!(first.unmade, []);
    let texts: String = first.files.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        texts.contains(
            "ExecStart=/usr/bin/make-key --out=/var/lib/module-app/etc/app/.key.new/work/etc/app/key 100%% $$HOME\n"
        ),
        "{texts}"
    );
    assert!(texts.contains("ExecStart=/usr/bin/make-data\n"), "{texts}");
}

/// Nothing that is half made is at its place, whatever ends the unit.
#[test]
fn what_is_made_at_first_start_comes_to_its_place_whole() {
    let at = |text: &str| model::closure::TextPath::parse(text).unwrap();
    let start = |words: &[&str]| model::closure::FirstStart {
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        user: model::closure::AccountName::parse("app").ok(),
    };
    let rules = model::closure::ClosureRules {
        secrets: [(at("/etc/app/key"), start(&["/usr/bin/make-keys"]))].into(),
        data: [(at("/var/lib/app/odd:name [1]"), start(&["/usr/bin/make-data"]))].into(),
        ..Default::default()
    };
    let (full, ownership, closure) = found(&[]);
    let mut secrets = secrets(&full, &ownership, &closure.parts, &closure.data, &rules).unwrap();
    secrets.retain(|secret| secret.path == path("/etc/app/key"));
    let data = DataDirectory { path: path("/var/lib/app/odd:name [1]"), kind: DataKind::Unknown, uid: 100, size: 1 };
    let nothing = Tree::new(Stat::root_owned(0o755, Default::default()));
    let context = Context {
        name: "app",
        whole: &full,
        shipped: &nothing,
        rules: &rules,
        names: &names,
        services: &[],
        ids: &|_| None,
        base: &nothing,
    };
    let first = first_starts(&secrets, &[data], &context);
    let text = |number: usize| first.files[number].1.as_str();
    // A command that does not say where it makes a secret finds its place by the link.
    assert!(
        text(0).contains(
            "ExecStart=/usr/bin/make-keys\nExecStart=+/usr/bin/test \"!\" -L /var/lib/module-app/etc/app/key\n\
             ExecStart=+/usr/bin/test -f /var/lib/module-app/etc/app/key\nExecStart=/usr/bin/chmod 0600 /var/lib/module-app/etc/app/key\n\
             ExecStart=+/usr/bin/chown -h root:root /var/lib/module-app/etc/app/key\n"
        ),
        "{}",
        text(0)
    );
    for line in [
        "User=app\nBindPaths=\"-/var/lib/app/.odd:name [1].new\":\"/var/lib/app/odd:name [1]\"\n",
        "ExecStartPre=+/usr/bin/nsenter --mount=/proc/1/ns/mnt -- /usr/bin/setpriv --reuid app --regid root --init-groups -- /usr/bin/install -d -o app -g root -m 0700 \"/var/lib/app/.odd:name [1].new\"\n",
        "/usr/bin/find /var/lib/app -maxdepth 0 -exec test -e \"/var/lib/app/.odd:name [1].new\" \";\" -exec mv -T \"/var/lib/app/.odd:name [1].new\" \"/var/lib/app/odd:name [1]\" \";\"\n",
        "ConditionDirectoryNotEmpty=!/var/lib/app/odd:name [1]\n",
    ] {
        assert!(text(1).contains(line), "{line}\n{}", text(1));
    }
}

#[test]
fn a_tree_in_the_form_of_a_node_has_nothing_in_var() {
    let mut shipped = tree(&[
        "/usr/bin/app 755 0:0 ELF",
        "/var/lib/app/ 750 100:100",
        "/var/lib/old/ 755 0:0",
        "/var/www/index.html 644 0:0 hello",
        "/var/link 777 0:0 ->../srv",
    ]);
    let base = tree(&["/var/lib/old/ 755 0:0"]);
    let mut whole = shipped.clone();
    let named = Named {
        users: [(0, "root".to_owned()), (100, "app".to_owned())].into(),
        groups: [(0, "root".to_owned())].into(),
    };
    let form = Form {
        name: "app",
        base: &base,
        named: &named,
        sysusers: "u app 100\n",
        links: &[(path("/usr/lib/systemd/system/multi-user.target.wants/app.service"), "../app.service".to_owned())],
        files: &[],
        directories: &[],
        may_ship: &|path| !path.as_bytes().ends_with(b".wants/app.service"),
        epoch: Epoch::from_seconds(1).unwrap(),
    };
    let done = node_form(&mut shipped, &mut whole, &form).unwrap();
    let names: Vec<String> =
        shipped.walk().filter(|(_, _, node)| !node.is_directory()).map(|(path, ..)| path.to_string()).collect();
    assert_eq!(
        names,
        [
            "/usr/bin/app",
            "/usr/lib/sysusers.d/00-module-app.conf",
            "/usr/lib/tmpfiles.d/zz-module-app.conf",
            "/usr/share/factory/var/www/index.html"
        ],
        "a mask holds for what is generated, too"
    );
    assert!(
        shipped.lookup(&path("/var")).is_none()
            && whole.lookup(&path("/usr/lib/sysusers.d/00-module-app.conf")).is_some()
    );
    assert_eq!(done.moved.get(&path("/var/www/index.html")), Some(&path("/usr/share/factory/var/www/index.html")));
    let lines = shipped.lookup(&path("/usr/lib/tmpfiles.d/zz-module-app.conf")).map(|id| &shipped.node(id).kind);
    let Some(Kind::Regular(lines)) = lines else { panic!("a file") };
    assert_eq!(
        String::from_utf8_lossy(lines).lines().skip(1).collect::<Vec<_>>(),
        [
            "C /var/www/index.html 0644 root root - /usr/share/factory/var/www/index.html",
            "L /var/link - - - - ../srv",
            "d /var/lib/app 0750 app 100 - -",
            "d /var/www 0755 root root - -",
        ]
    );
}

#[test]
fn a_key_of_a_control_channel_is_known_by_its_statement() {
    let first = |text: &str| {
        let key = format!("/etc/bind/rndc.key 640 0:100 {text}");
        started(&model::closure::ClosureRules::default(), &[&key, "/usr/sbin/rndc-confgen 755 0:0 ELF"])
    };
    let made = first("key \"rndc-key\" {\n\talgorithm hmac-sha256;\n\tsecret \"c2VjcmV0\";\n};");
    let texts: String = made.files.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        texts.contains(
            "ExecStart=/usr/sbin/rndc-confgen -a -c /var/lib/module-app/etc/bind/.rndc.key.new/work/etc/bind/rndc.key\n"
        ),
        "{texts}"
    );
    assert!(texts.contains("chown root:app /var/lib/module-app/etc/bind/.rndc.key.new/0"), "{texts}");
    let other = first("secret bytes");
    assert!(!other.unmade.contains(&path("/etc/bind/rndc.key")), "a path makes no secret");
}

#[test]
fn what_a_generator_of_the_base_computed_anew_is_known_and_other_changes_are_not() {
    let base = tree(&[
        "/usr/share/glib-2.0/schemas/base.gschema.xml 644 0:0 x",
        "/usr/share/glib-2.0/schemas/gschemas.compiled 644 0:0 one",
        "/usr/share/mime/packages/base.xml 644 0:0 x",
        "/usr/share/mime/mime.cache 644 0:0 one",
        "/etc/ssl/certs/ca-certificates.crt 644 0:0 one",
        "/etc/shells 644 0:0 sh",
    ]);
    let all = tree(&[
        "/usr/share/glib-2.0/schemas/base.gschema.xml 644 0:0 x",
        "/usr/share/glib-2.0/schemas/own.gschema.xml 644 0:0 y",
        "/usr/share/glib-2.0/schemas/gschemas.compiled 644 0:0 two",
        "/usr/share/mime/packages/base.xml 644 0:0 x",
        "/usr/share/mime/mime.cache 644 0:0 two",
        "/usr/local/share/ca-certificates/own.crt 644 0:0 y",
        "/etc/ssl/certs/ca-certificates.crt 600 0:0 one",
        "/etc/shells 644 0:0 bash",
    ]);
    let ownership = Ownership::read(&all).unwrap();
    let found = Closure::find(&base, &all, &ownership, &ClosureRules::default()).unwrap();
    assert_eq!(found.changed.len(), 4, "{:?}", found.changed);
    let recomputed = Recomputed {
        path: path("/usr/share/glib-2.0/schemas/gschemas.compiled"),
        program: "glib-compile-schemas",
        from: path("/usr/share/glib-2.0/schemas/own.gschema.xml"),
        count: 1,
    };
    // No file of the second is new, and the mode of the third changed.
    assert_eq!(found.recomputed(), [recomputed]);
}
