//! What packages that are made up become.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::collections::BTreeMap;

use builder::rootfs::deb::{Control, DebTexts};
use model::{ImagePath, Manifest};

use super::choice::Read;
use super::*;

/// A package with these files; `DEBIAN/postinst` is its script.
fn package(name: &str, files: &[(&str, &str)]) -> Read {
    let script = files.iter().find(|(path, _)| *path == "DEBIAN/postinst");
    let scripts: BTreeMap<String, Vec<u8>> =
        script.map(|(_, text)| ("postinst".to_owned(), text.as_bytes().to_vec())).into_iter().collect();
    let files = files.iter().filter(|(path, _)| path.starts_with('/'));
    let files = files.map(|(path, text)| (ImagePath::new(path).unwrap(), text.as_bytes().to_vec())).collect();
    let control = Control::parse(&format!("Package: {name}\nDescription: a: \"b\" # c\n")).unwrap();
    Read { name: name.to_owned(), texts: DebTexts { control, scripts, entries: Vec::new(), files } }
}

fn known(package: Read) -> Known {
    let found = services::of(&package);
    Known {
        requests: vec![PackageRequest::parse("tool").unwrap()],
        snapshot: Some("20250520T000000Z".to_owned()),
        licence: licence::of(&package),
        choices: vec![Choice {
            asked: package.clone(),
            real: package.clone(),
            packages: vec![package],
            beside: Vec::new(),
        }],
        services: found.services,
        replaced: alternatives::replaced(&[]),
        notes: found.notes,
    }
}

/// The manifest that is written for a unit, which must be valid without a warning.
fn manifest(unit: &str) -> (String, Manifest) {
    let text = text::manifest("x", &known(package("x", &[("/lib/systemd/system/x.service", unit)])));
    let parsed = Manifest::parse(text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{:?}\n{text}", parsed.diagnostics);
    (text, parsed.manifest.unwrap())
}

/// The start command for an `ExecStart=`, as the manifest's reader has it.
fn start(command: &str) -> Option<String> {
    let (_, manifest) = manifest(&format!("[Service]\nExecStart={command}\n[Install]\nWantedBy=a.target\n"));
    manifest.services.first().map(|service| service.value.start_command.value.clone())
}

#[test]
fn whatever_a_unit_says_is_a_valid_manifest() {
    for (command, wanted) in [
        ("/usr/sbin/x -a --b=c", Some("/usr/sbin/x -a --b=c")),
        ("-/x 'a b' \"c\" $OPTS ${A}", Some("/x 'a b' c ''")),
        (":/x $OPTS", Some("/x $OPTS")),
        ("/x $HOME/x ${HOME}", Some("/x ${HOME}")),
        ("/x: #", Some("/x: '#'")),
        ("/x \"it's\"", Some("/x \"it's\"")),
        ("/x %n %%", Some("/x x.service %")),
        ("/x \u{e9}\u{1f600}", Some("/x '\u{e9}\u{1f600}'")),
        ("@/x name a", Some("/x a")),
        ("/x ''", Some("/x ''")),
        ("/x %H", None),
        ("/x a\\nb", None),
        ("$X", None),
        ("true", Some("true")),
    ] {
        assert_eq!(start(command).as_deref(), wanted, "{command}");
    }
}

#[test]
fn variables_of_a_command_have_the_values_that_the_package_says() {
    let unit = "[Service]\nEnvironment=\"A=1 2\" B=x\nEnvironmentFile=-/etc/default/x\nRuntimeDirectory=x\n\
                ExecStart=/x $DAEMON_OPTS --a=${A} $B $NOWHERE ${RUNTIME_DIRECTORY}/s\n[Install]\nWantedBy=a.target\n";
    let files = [("/lib/systemd/system/x.service", unit), ("/etc/default/x", "DAEMON_OPTS=\"-F 1\"\nB='y z'\n")];
    let text = text::manifest("x", &known(package("x", &files)));
    let manifest = Manifest::parse(text.as_bytes()).manifest.unwrap();
    let start = &manifest.services[0].value.start_command.value;
    assert_eq!(start, "/x -F 1 '--a=1 2' y z /run/x/s", "the file goes before the unit, as in systemd");
}

#[test]
fn the_account_of_a_command_with_more_rights_is_its_own_affair() {
    let user = |start: &str, user: &str| {
        let text = format!("[Service]\nUser={user}\nExecStart={start}\n[Install]\nWantedBy=a.target\n");
        manifest(&text).1.services.first().and_then(|service| service.value.user.clone())
    };
    assert_eq!(user("/x", "%p").as_deref(), Some("x"));
    assert_eq!((user("!/x", "x"), user("+/x", "x"), user("/x", "root"), user("/x", "%H")), (None, None, None, None));
}

#[test]
fn a_service_is_what_installing_the_package_starts() {
    let unit = "[Service]\nExecStart=/x\n[Install]\nWantedBy=a.target\n";
    let count = |postinst: &str| {
        let files = [("DEBIAN/postinst", postinst), ("/usr/lib/systemd/system/x.service", unit)];
        services::of(&package("x", &files)).services.len()
    };
    for (postinst, wanted) in [
        ("", 1),
        ("adduser x\n", 1),
        ("deb-systemd-helper --quiet was-enabled 'x.service'", 1),
        ("deb-systemd-helper enable x.service", 1),
        ("systemctl enable --now x || true", 1),
        ("deb-systemd-helper unmask 'x.service'", 0),
        ("deb-systemd-helper --quiet was-enabled 'y-x.service'", 0),
        ("if deb-systemd-helper debian-installed 'x.service'; then\ndeb-systemd-helper enable 'x.service'", 0),
    ] {
        assert_eq!(count(postinst), wanted, "{postinst}");
    }
    // What a path starts may be a service of its own; what a timer starts, or has done its work when its command ended, is none.
    let beside = |name: &str, more: &str| {
        let text = unit.replace("[Service]\n", &format!("[Service]\n{more}"));
        let files = [("/usr/lib/systemd/system/x.service", text.as_str()), (name, "[Unit]\nDescription=x\n")];
        services::of(&package("x", &files)).services.len()
    };
    assert_eq!(beside("/usr/lib/systemd/system/x.path", ""), 1);
    assert_eq!(beside("/usr/lib/systemd/system/x.timer", ""), 0);
    assert_eq!(beside("/usr/lib/systemd/system/x.path", "RemainAfterExit=yes\n"), 0);
    // None of a unit that no one enables, or that is elsewhere.
    let none = |path: &str, text: &str| services::of(&package("x", &[(path, text)])).services.len();
    assert_eq!(none("/usr/lib/systemd/system/x.service", "[Service]\nExecStart=/x\n"), 0);
    assert_eq!(none("/usr/lib/systemd/user/x.service", unit), 0);
}

#[test]
fn licences_of_copyright_files_are_expressions_or_nothing() {
    let licence = |text: &str| licence::of(&package("x", &[("/usr/share/doc/x/copyright", text)]));
    let format = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n";
    let files = |licence: &str| {
        format!("{format}Files: *\nCopyright: a\nLicense: {licence}\n text\n\nFiles: y\nLicense: Expat\n")
    };
    assert_eq!(licence(&files("GPL-2+")).as_deref(), Some("GPL-2.0-or-later"));
    assert_eq!(licence(&files("my own")), None);
    assert_eq!(licence("Copyright 2020 a\nLicense: Expat\nFiles: *\n"), None);
    assert_eq!(licence(&format!("{format}Files: x/*\nLicense: Expat\n")), None);
    assert_eq!(licence(&format!("{format}Files: debian/* *\nLicense: Expat\n")).as_deref(), Some("MIT"));
}

#[test]
fn the_settings_name_one_base_for_packages_with_units_and_without() {
    let archives = |mirrors| Archives { suite: "trixie", components: &[], mirrors };
    let unit = "[Service]\nExecStart=/x\n";
    let with = known(package("x", &[("/usr/lib/systemd/system/x.service", unit)]));
    let mirrors = ["http://m.example.org/\"x".to_owned()];
    insta::assert_snapshot!("settings", text::settings(&with, archives(&mirrors)));
    let without = text::settings(&known(package("x", &[])), archives(&[]));
    assert!(without.ends_with("[base]\nvariant = \"minbase\"\npackages = [\"systemd\", \"dbus\"]\n"), "{without}");
}

#[test]
fn a_modules_name_is_that_of_the_package_where_it_can_be() {
    assert_eq!(module_name("php8.4-fpm").unwrap(), "php8-4-fpm");
    assert_eq!(module_name("g++").unwrap(), "g");
    assert!(module_name("7zip").is_err());
}

#[test]
fn what_the_packages_take_over_from_others_is_declared() {
    let other = |provides: &str| {
        let mut other = package("tool", &[]);
        other.texts.control = Control::parse(&format!("Package: tool\n{provides}Description: a\n")).unwrap();
        let script = "update-alternatives --install /usr/bin/awk awk /usr/bin/tool 10 --slave /usr/bin/nawk nawk /usr/bin/tool\n";
        other.texts.scripts.insert("postinst".to_owned(), script.as_bytes().to_vec());
        other
    };
    let archives = Archives { suite: "trixie", components: &[], mirrors: &[] };
    let settings = |provides: &str| {
        let other = other(provides);
        let replaced = alternatives::replaced(std::slice::from_ref(&other));
        text::settings(&Known { replaced, ..known(other) }, archives)
    };
    let declared = "[closure]\nreplaces = [\"/etc/alternatives/awk\", \"/etc/alternatives/nawk\"]\n";
    assert!(settings("Provides: awk (= 1), x\n").ends_with(declared));
    // What no other package provides is new with this one.
    assert!(!settings("").contains("[closure]"));
}
