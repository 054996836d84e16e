//! Maintainer scripts that fail in real builds, each for another reason, and what the errors' hints lead to. Needs root,
//! mmdebstrap and the host's Debian mirror.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::path::{Path, PathBuf};
use std::thread;

use builder::apt::{Resolution, Variant};
use builder::cache::Cache;
use builder::rootfs::{self, Error, Failure, IsolationMode, Lack, Reason, Rootfs, Script};
use model::Arch;
use model::observe::Silent;
use support::{Made, add, cache_at, locked, options};

fn build(resolution: &Resolution, debs: &[PathBuf], cache: &Cache) -> Result<Rootfs, Error> {
    rootfs::build(resolution, debs, &options(IsolationMode::Root), cache, &Silent)
}

/// The base with the packages beside it, built.
fn built(folder: &Path, made: &[Made<'_>], variant: Variant) -> Result<Rootfs, Error> {
    let (resolution, mut debs) = locked(&[], Variant::Essential, Arch::Amd64);
    let mut resolution = resolution.changed(|fields| fields.variant = variant).unwrap();
    made.iter().for_each(|made| add(&mut resolution, &mut debs, folder, made));
    build(&resolution, &debs, &cache_at(folder.join("cache")))
}

/// A package whose script ends by its first error.
struct Case {
    script: Script,
    text: &'static str,
    lack: Lack,
    /// What the line of the log holds.
    line: &'static str,
}

fn case(lack: Lack, line: &'static str, text: &'static str) -> Case {
    Case { script: Script::Postinst, text, lack, line }
}

const QUESTION: &str = "Template: mb-probe/q\nType: string\nDescription: a question\n Is this one?\n";

fn cases() -> Vec<Case> {
    let missing = |what: &str| Lack::Missing { what: what.to_owned() };
    vec![
        case(Lack::Interface, "/sys/class/net/eth0/address: No such file", "cat /sys/class/net/eth0/address"),
        case(Lack::Network, "Temporary failure in name resolution", "bash -c 'exec 3<>/dev/tcp/example.org/80'"),
        case(Lack::Service, "Connection refused", "bash -c 'exec 3<>/dev/tcp/127.0.0.1/5432'"),
        case(
            Lack::Systemd,
            "system_bus_socket: No such file",
            "exec perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); $path = \"/run/dbus/system_bus_socket\"; \
             connect(S, sockaddr_un($path)) or die \"Failed to connect to socket $path: $!\\n\"'",
        ),
        case(missing("the program `mb-tool`"), "mb-tool: not found", "mb-tool --make"),
        Case {
            script: Script::Preinst,
            ..case(missing("the program `mb-tool`"), "mb-tool", "exec env mb-tool --make")
        },
        case(Lack::Space, "No space left on device", "cp /etc/hostname /dev/full"),
        case(Lack::Device, "/dev/kvm: No such file", "cat /dev/kvm"),
        case(Lack::Right, "of '/proc/1': ", "chmod 0 /proc/1"),
        case(Lack::Answer, "exit status 30", ". /usr/share/debconf/confmodule\ndb_input critical mb-probe/q"),
    ]
}

fn fails(case: &Case) {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("#!/bin/sh\nset -e\n{}\n", case.text);
    let control = [(case.script.name(), text.as_str()), ("templates", QUESTION)];
    let error =
        built(folder.path(), &[Made { name: "mb-probe", control: &control, programs: &[] }], Variant::Essential);
    let error = error.unwrap_err();
    let Error::Failed { failure, log } = &error else { panic!("{error:?}") };
    let Failure::MaintainerScript { package, script, reason: Some(Reason { lack, line }), .. } = failure else {
        panic!("{}: {failure:?}\n{}", case.text, log.join("\n"))
    };
    assert_eq!((package.as_str(), *script, lack), ("mb-probe", case.script, &case.lack), "{line}");
    assert!(line.contains(case.line), "{line}");
    assert!(log.iter().any(|logged| logged.contains(line)), "{line} is a line of the log:\n{}", log.join("\n"));
    assert!(failure.to_string().contains(line), "{failure}");
}

#[test]
fn the_reason_of_a_failing_script_is_in_its_own_words() {
    let cases = cases();
    // Two at once: a build waits for the disk as much as it works.
    for pair in cases.chunks(2) {
        thread::scope(|scope| pair.iter().for_each(|case| drop(scope.spawn(move || fails(case)))));
    }
}

#[test]
fn a_script_without_its_interpreter_is_named_too() {
    let folder = tempfile::tempdir().unwrap();
    let made = Made { name: "mb-probe", control: &[("postinst", "#!/usr/bin/no-such\n")], programs: &[] };
    let error = built(folder.path(), &[made], Variant::Essential).unwrap_err();
    let Error::Failed { failure, .. } = &error else { panic!("{error:?}") };
    assert!(failure.to_string().contains("the script's interpreter is not installed"), "{failure}");
}

/// What the hints say: the package that brings the program, and no scripts at all.
#[test]
fn a_build_succeeds_by_what_the_hint_says() {
    let folder = tempfile::tempdir().unwrap();
    let failing = Made { name: "mb-probe", control: &[("postinst", "#!/bin/sh\nmb-tool\n")], programs: &[] };
    let tool = Made { name: "mb-tool", control: &[], programs: &[("usr/bin/mb-tool", "#!/bin/sh\n")] };
    built(folder.path(), &[failing, tool], Variant::Essential).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let failing = Made { name: "mb-probe", control: &[("postinst", "#!/bin/sh\nexit 1\n")], programs: &[] };
    built(folder.path(), &[failing], Variant::Extract).unwrap();
}
