//! `init --package`: manifests from hand-made packages of an archive.

use std::fs;
use std::path::Path;
use std::process::Command;

use model::Digest;
use testkit::run;

use crate::archive::{Deb, World};

const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n\
     Files: *\nCopyright: someone\nLicense: BSD-3-clause\n text\n\nFiles: debian/*\nCopyright: another\nLicense: GPL-2+\n";

const SERVICE: &str = "[Unit]\nDescription=x\n[Service]\nType=notify\nUser=%p\nWorkingDirectory=/srv\nRestart=on-abort\n\
     Environment=\"CONFIG=/etc/cached/a b.conf\"\nEnvironmentFile=-/etc/default/cached\n\
     ExecStartPre=-/bin/mkdir /x\nExecStart=-/usr/sbin/cached \\\n  -c ${CONFIG} $OPTS 'two words' 100%%\nExecStop=/bin/kill $MAINPID\n\
     [Install]\nWantedBy=multi-user.target\n";

const POSTINST: &str = "#!/bin/sh\nset -e\nif deb-systemd-helper --quiet was-enabled 'cached.service'; then\n\
     deb-systemd-helper enable 'cached.service' >/dev/null || true\nfi\n\
     if deb-systemd-helper --quiet was-enabled 'cached-once.service'; then true; fi\n\
     if deb-systemd-helper --quiet was-enabled 'cached-rotate.service'; then true; fi\n\
     if deb-systemd-helper debian-installed 'cached-off.service'; then\n\
     if deb-systemd-helper --quiet was-enabled 'cached-off.service'; then true; fi\nfi\n";

/// A package: control fields, and files by path.
struct Made {
    name: &'static str,
    fields: &'static str,
    files: Vec<(&'static str, String)>,
}

fn made() -> Vec<Made> {
    let unit = |text: &str| format!("{text}[Install]\nWantedBy=multi-user.target\n");
    let server = vec![
        ("DEBIAN/postinst", POSTINST.to_owned()),
        ("usr/share/doc/cached/copyright", COPYRIGHT.to_owned()),
        ("etc/default/cached", "# x\nOPTS=\"-a 'b'\"\n".to_owned()),
        ("lib/systemd/system/cached.service", SERVICE.to_owned()),
        (
            "lib/systemd/system/cached.socket",
            "[Socket]\nListenStream=127.0.0.1:11211\nListenDatagram=11212\n".to_owned(),
        ),
        ("lib/systemd/system/cached@.service", unit("[Service]\nExecStart=/usr/sbin/cached %i\n")),
        ("lib/systemd/system/cached-once.service", unit("[Service]\nType=oneshot\nExecStart=/bin/true\n")),
        ("lib/systemd/system/cached-rotate.service", unit("[Service]\nExecStart=/bin/true\n")),
        ("lib/systemd/system/cached-rotate.timer", "[Timer]\nOnCalendar=daily\n".to_owned()),
        ("lib/systemd/system/cached-off.service", unit("[Service]\nExecStart=/usr/sbin/off\n")),
        ("usr/sbin/cached", "program".to_owned()),
    ];
    let store = vec![
        ("usr/share/doc/store-9/copyright", COPYRIGHT.replace("BSD-3-clause", "GPL-2+ or Expat")),
        ("usr/lib/store/9/bin/store", "program".to_owned()),
    ];
    let common = vec![
        ("usr/lib/systemd/system/store.service", unit("[Service]\nType=oneshot\nExecStart=/bin/true\n")),
        ("usr/lib/systemd/system/store@.service", "[Service]\nExecStart=/usr/bin/ctl %i\n".to_owned()),
    ];
    let package = |name, fields, files| Made { name, fields, files };
    vec![
        package("cached", "Description: an object: \"cache\" # fast\n long\n", server),
        package(
            "store",
            "Depends: none | store-9 (>= 1)\nDescription: the store\n",
            vec![("usr/share/doc/store/copyright", "x".to_owned())],
        ),
        package("store-9", "Depends: store-common, lib\nDescription: the store, version 9\n", store),
        package("store-common", "Description: what stores have in common\n", common),
        package(
            "imapd",
            "Source: mail\nDepends: mail-core, cached\nDescription: a part of a mail server\n",
            vec![("usr/lib/mail/imapd", "program".to_owned())],
        ),
        package(
            "mail-core",
            "Source: mail\nDescription: a mail server\n",
            vec![("lib/systemd/system/mail.service", unit("[Service]\nExecStart=/usr/sbin/mail\n"))],
        ),
        package(
            "quiet",
            "Description: off at first\n",
            vec![
                ("lib/systemd/system/quiet.service", unit("[Service]\nExecStart=/usr/sbin/quiet\n")),
                (
                    "DEBIAN/postinst",
                    "#!/bin/sh\nif deb-systemd-helper debian-installed 'quiet.service'; then true; fi\n".to_owned(),
                ),
            ],
        ),
        package("old", "Description: from old times\n", vec![("etc/init.d/old", "script".to_owned())]),
        package("4tool", "Description: a tool\n", vec![("usr/bin/tool", "program".to_owned())]),
    ]
}

/// The paragraph of the package, which is built into the archive's pool.
fn paragraph(world: &World, made: &Made) -> String {
    let root = world.path(&format!("made/{}", made.name));
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let control = format!(
        "Package: {}\nVersion: 1\nArchitecture: amd64\nMaintainer: Test <test@example.org>\n{}",
        made.name, made.fields
    );
    write(&root.join("DEBIAN/control"), &control);
    for (path, text) in &made.files {
        write(&root.join(path), text);
    }
    if root.join("DEBIAN/postinst").exists() {
        run(Command::new("chmod").arg("755").arg(root.join("DEBIAN/postinst")));
    }
    let filename = format!("pool/{}_1_amd64.deb", made.name);
    let file = world.path("archive").join(&filename);
    let mut build = Command::new("dpkg-deb");
    run(build
        .args(["--root-owner-group", "-Zgzip", "--build"])
        .arg(&root)
        .arg(&file)
        .env("SOURCE_DATE_EPOCH", "1600000000"));
    let bytes = fs::read(&file).unwrap();
    format!("{control}Filename: {filename}\nSize: {}\nSHA256: {}\n\n", bytes.len(), Digest::of(&bytes).hex())
}

fn world() -> World {
    let world = World::new(&[Deb::small("lib"), Deb::small("tool")]);
    let paragraphs: String = made().iter().map(|made| paragraph(&world, made)).collect();
    let change = |index: String| index + &paragraphs;
    world.publish_changed(&[Deb::small("lib"), Deb::small("tool")], "", &change);
    world
}

/// Runs `init DIR ...` where DIR has settings that name the archive and its keys.
fn init(world: &World, arguments: &[&str]) -> String {
    let module = world.path(arguments[0]);
    fs::create_dir_all(&module).unwrap();
    fs::copy(world.path("module/key.gpg"), module.join("key.gpg")).unwrap();
    let mirror = format!("file:{}", world.path("archive").display());
    let settings = format!("suite = \"test\"\nkeyring = \"key.gpg\"\nmirrors = [\"{mirror}\"]\nship = \"closure\"\n");
    fs::write(module.join("builder.toml"), &settings).unwrap();
    let mut command = world.command();
    command.arg("init").args(arguments).args(["--arch", "amd64", "--progress", "none"]);
    let output = command.output().unwrap();
    assert_eq!(fs::read_to_string(module.join("builder.toml")).unwrap(), settings);
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap().replace(world.path("").to_str().unwrap(), "[WORLD]/");
    format!("exit code: {}\n{text}", output.status.code().unwrap())
}

fn read(world: &World, path: &str) -> String {
    fs::read_to_string(world.path(path)).unwrap().replace(world.path("").to_str().unwrap(), "[WORLD]/")
}

fn validate(world: &World, module: &str) -> String {
    let output = world.command().args(["validate", "--strict", module]).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn a_manifest_is_written_from_what_a_package_says_of_itself() {
    let world = world();
    let said = init(&world, &["m", "--package", "cached"]);
    insta::assert_snapshot!("draft", format!("{said}---\n{}", read(&world, "m/manifest.yaml")));
    assert_eq!(validate(&world, "m"), "m/manifest.yaml is valid\n");
    // Files that are there are in the way, and nothing is fetched.
    assert!(init(&world, &["m", "--package", "nosuch"]).contains("files that exist are not overwritten"));
    // What was fetched is in the cache.
    fs::remove_dir_all(world.path("archive/pool")).unwrap();
    assert!(init(&world, &["again", "--package", "cached", "--offline"]).starts_with("exit code: 0"));
    assert_eq!(read(&world, "again/manifest.yaml"), read(&world, "m/manifest.yaml"));
}

#[test]
fn a_package_without_files_stands_for_what_it_depends_on() {
    let world = world();
    let said = init(&world, &["m", "--package", "store"]);
    insta::assert_snapshot!("draft_of_a_metapackage", format!("{said}---\n{}", read(&world, "m/manifest.yaml")));
    assert_eq!(validate(&world, "m"), "m/manifest.yaml is valid\n");
}

#[test]
fn a_part_of_a_server_has_the_units_of_its_source() {
    let world = world();
    let said = init(&world, &["m", "--package", "imapd"]);
    assert!(said.contains("imapd has no unit of its own: it has those of mail-core"), "{said}");
    let manifest = read(&world, "m/manifest.yaml");
    assert!(manifest.contains("  - imapd\n") && manifest.contains("  - mail-core\n"), "{manifest}");
    // A server of another source on which it depends is another's.
    assert!(manifest.contains("  - name: mail\n") && !manifest.contains("  - name: cached\n"), "{manifest}");
    assert_eq!(validate(&world, "m"), "m/manifest.yaml is valid\n");
}

#[test]
fn a_package_that_starts_nothing_says_why() {
    let world = world();
    let said = init(&world, &["q", "--package", "quiet"]);
    assert!(said.contains("quiet.service of quiet is off after its installation: a link to it in rootfs/"), "{said}");
    let said = init(&world, &["o", "--package", "old"]);
    assert!(said.contains("old has /etc/init.d/old and no unit: put one into rootfs/usr/lib/systemd/system"), "{said}");
    assert!(read(&world, "o/manifest.yaml").contains("# old has /etc/init.d/old and no unit"));
    assert!(!init(&world, &["t", "--package", "tool"]).contains("tool has"));
}

#[test]
fn several_packages_are_one_module() {
    let world = world();
    assert!(init(&world, &["m", "--package", "tool", "cached"]).starts_with("exit code: 0"));
    let manifest = read(&world, "m/manifest.yaml");
    assert!(manifest.contains("name: tool\n") && manifest.contains("  - tool\n  - cached\n"), "{manifest}");
    assert!(manifest.contains("  - name: cached\n"), "{manifest}");
    assert!(init(&world, &["t", "--package", "tool", "--name", "x"]).starts_with("exit code: 0"));
    assert!(read(&world, "t/manifest.yaml").contains("name: x\n"));
    assert_eq!(validate(&world, "t"), "t/manifest.yaml is valid\n");
}

#[test]
fn what_cannot_be_a_module_or_is_no_package_is_refused() {
    let world = world();
    let said = init(&world, &["m", "--package", "cachd,nosuchthing"]);
    assert!(said.starts_with("exit code: 1") && said.contains("did you mean cached?"), "{said}");
    assert!(said.contains("nosuchthing: no such package") && said.contains("2 packages are not available"), "{said}");
    let said = init(&world, &["m", "--package", "4tool"]);
    assert!(said.starts_with("exit code: 1") && said.contains("name the module by `--name NAME`"), "{said}");
    assert!(init(&world, &["m", "--package", "4tool", "--name", "tool"]).starts_with("exit code: 0"));
    let usage = |arguments: &[&str]| world.command().arg("init").args(arguments).output().unwrap().status.code();
    assert_eq!(usage(&["x", "--package", "UPPER"]), Some(2));
    assert_eq!(usage(&["x", "--offline"]), Some(2));
    assert!(!world.path("x").exists());
}
