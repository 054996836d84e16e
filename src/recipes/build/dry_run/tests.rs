#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::fs;
use std::path::Path;

use builder::rootfs::deb::Control;
use model::Arch;
use model::record::Compression;

use model::package::PackageFields;

use super::*;
use crate::recipes::build::downloads::Downloads;
use crate::recipes::build::lower::LowerSource;
use crate::recipes::build::request::{Checks, ModuleSource, RootSource};
use crate::recipes::build::sinks::Sink;
use crate::recipes::build::sinks::{ArtifactOptions, Outputs};
use crate::settings::ModuleSettings;

const MANIFEST: &str = "\
schema_version: 1
name: web
license: MIT
package_spec: [web]
file_spec: [/usr/bin/web, /usr/bin/alias, /usr/bin/shell, /usr/bin/made, /etc/***]
services:
  - name: web
    start_command: /usr/sbin/daemon
  - name: other
    start_command: /usr/bin/made-by-a-script
";

fn deb(name: &str, control: &str, files: &[(&str, DebKind)]) -> Unpacked {
    let control = Control::parse(&format!("Package: {name}\n{control}")).unwrap();
    let entry = |(path, kind): &(&str, DebKind)| DebEntry {
        path: ImagePath::new(path).unwrap(),
        kind: kind.clone(),
        size: 0,
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: 0,
    };
    Unpacked {
        package: Package::new(PackageFields {
            name: name.to_owned(),
            version: "1".to_owned(),
            arch: "amd64".to_owned(),
            source: name.to_owned(),
            source_version: "1".to_owned(),
        })
        .unwrap(),
        is_base: name == "base",
        is_of_base: false,
        is_brought: false,
        metadata: Metadata { control, ..Metadata::default() },
        entries: files.iter().map(entry).collect(),
    }
}

fn link(target: &str) -> DebKind {
    DebKind::Symlink(Box::from(target.as_bytes()))
}

/// What a dry run of the module says of it: the result and the findings.
fn listed(module: &Path, strict: bool) -> (Result<String, Error>, String) {
    let request = BuildRequest {
        module: ModuleSource {
            neighbours: Vec::new(),
            fleet: Default::default(),
            lower: LowerSource::default(),
            settings: ModuleSettings::read(module).unwrap().into(),
        },
        arch: Arch::Amd64,
        epoch: None,
        root: RootSource::Given("/nowhere".into()),
        outputs: Outputs {
            directory: module.join("dist"),
            sinks: vec![Sink::Tar, Sink::Layout],
            artifact: ArtifactOptions {
                compression: Compression::Zstd,
                tag: "latest".parse().unwrap(),
                module_id: None,
                version: None,
            },
        },
        checks: Checks { strict, allowed: ["unit-not-enabled".parse().unwrap()].into() },
        reuse: None,
        downloads: Downloads::nowhere(),
    };
    let debs = vec![
        deb("base", "Essential: yes", &[("/usr/bin/sh", DebKind::Regular)]),
        deb(
            "web",
            "Priority: optional",
            &[
                ("/usr/bin/web", DebKind::Regular),
                ("/usr/bin/alias", link("tool")),
                ("/usr/bin/tool", DebKind::Regular),
                ("/usr/bin/shell", link("sh")),
                ("/usr/bin/made", link("/etc/alternatives/made")),
                ("/usr/sbin/daemon", DebKind::Regular),
            ],
        ),
    ];
    let mut found = Findings::default();
    let inputs = Inputs::read(&request.module, &request.checks, &mut found).unwrap();
    let listed = (debs, Some(Epoch::from_seconds(1).unwrap()), &[][..]);
    let selected = select(listed, &request, &inputs, &mut found, &model::observe::Silent);
    found.extend(selected.as_ref().err().map(|error| error.findings.clone()).unwrap_or_default());
    let line = |d: &model::Diagnostic| format!("{:?}[{}]: {}", d.severity, d.code, d.message);
    let findings: Vec<String> = found.diagnostics.iter().map(line).collect();
    (
        selected.map(|selected| {
            String::from_utf8(file_lists::files(&file_lists::listed(&selected.selection.tree))).unwrap()
        }),
        findings.join("\n"),
    )
}

#[test]
fn names_alone_show_what_is_left_out_and_no_more_than_they_can() {
    let module = tempfile::tempdir().unwrap();
    fs::write(module.path().join("manifest.yaml"), MANIFEST).unwrap();
    fs::create_dir_all(module.path().join("rootfs/etc")).unwrap();
    // What the overlay holds is known: a script, and a program whose libraries are known by name only.
    fs::write(module.path().join("rootfs/etc/script"), "#!/usr/bin/tool\n").unwrap();
    let program = testkit::elf::build(true, false, "", &["libc.so.6"], "");
    fs::write(module.path().join("rootfs/etc/program"), program).unwrap();
    let executable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(module.path().join("rootfs/etc/script"), executable).unwrap();

    let (files, findings) = listed(module.path(), false);
    let shipped = "/etc/program\n/etc/script\n/usr/bin/alias\n/usr/bin/made\n/usr/bin/shell\n/usr/bin/web\n";
    assert_eq!(files.unwrap(), shipped);
    let expected = "\
Warning[dangling-link]: tool is not shipped, and /usr/bin/alias leads to it
Warning[needs-command]: /usr/sbin/daemon is not shipped, and services[0].start_command needs it
Warning[needs-interpreter]: /usr/bin/tool is not shipped, and /etc/script needs it
Note[dangling-link]: /etc/alternatives/made is nowhere in the root file system, and /usr/bin/made leads to it
Note[needs-command]: /usr/bin/made-by-a-script is nowhere in the root file system, and services[1].start_command needs it";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&findings), sorted(expected));

    let (files, _) = listed(module.path(), true);
    assert_eq!(files.unwrap_err().kind, crate::error::Kind::Input, "strict is strict here too");
}
