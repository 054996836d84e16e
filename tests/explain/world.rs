//! A small Debian root file system as a tar, and a module over it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use testkit::elf;

/// The time of everything.
const EPOCH: u64 = 1_700_000_000;

/// What a name of the tar is.
enum Kind {
    File(Vec<u8>, u32),
    Link(&'static str),
    Directory,
}

/// A root file system and a module's repository in an empty directory.
pub(crate) struct World {
    directory: tempfile::TempDir,
    names: BTreeMap<String, Kind>,
    owners: BTreeMap<String, (u64, u64)>,
}

pub(crate) const MANIFEST: &str = "\
schema_version: 1
name: web
license: MIT
package_spec: [httpd]
protected_spec:
  - /etc/httpd/***
file_spec:
  - /usr/sbin/httpd
  - /lib/systemd/system/httpd.service
  - /usr/lib/x86_64-linux-gnu/libz.so*
  - /usr/bin/editor
mask:
  - /etc/httpd/sites/***
services:
  - name: httpd
    start_command: /usr/sbin/httpd --foreground
";

/// Package, status fields, paths, configuration files.
const PACKAGES: [(&str, &str, &str, &str); 5] = [
    ("base-files", "Essential: yes\nPre-Depends: libc6", "/.\n/lib\n/lib64\n/bin\n/usr\n/usr/lib\n/etc", ""),
    ("dash", "Essential: yes", "/usr/bin/sh\n/usr/bin/dash", ""),
    ("libc6", "Priority: optional", "/usr/lib/x86_64-linux-gnu/libc.so.6\n/lib64/ld-linux-x86-64.so.2", ""),
    ("zlib1g", "Priority: optional", "/usr/lib/x86_64-linux-gnu/libz.so.1\n/usr/lib/x86_64-linux-gnu/libz.so.1.3", ""),
    (
        "httpd",
        "Priority: optional\nDepends: libc6, zlib1g",
        "/etc\n/etc/httpd\n/etc/httpd/httpd.conf\n/etc/httpd/mime.types\n/lib/systemd/system/httpd.service\n\
         /usr/sbin/httpd\n/usr/sbin/tool\n/usr/bin/vi",
        "/etc/httpd/httpd.conf",
    ),
];

impl World {
    pub(crate) fn new() -> Self {
        let mut world =
            Self { directory: tempfile::tempdir().unwrap(), names: BTreeMap::new(), owners: BTreeMap::new() };
        for (link, target) in [
            ("/lib", "usr/lib"),
            ("/lib64", "usr/lib64"),
            ("/bin", "usr/bin"),
            ("/usr/bin/sh", "dash"),
            ("/usr/lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.3"),
            ("/etc/httpd/sites/default", "../mime.types"),
            ("/etc/systemd/system/multi-user.target.wants/httpd.service", "/lib/systemd/system/httpd.service"),
            ("/usr/bin/editor", "/etc/alternatives/editor"),
            ("/etc/alternatives/editor", "/usr/bin/vi"),
        ] {
            world.link(link, target);
        }
        let library = || elf::build(true, false, "", &[], "");
        for path in ["libc.so.6", "libz.so.1.3"] {
            world.file(&format!("/usr/lib/x86_64-linux-gnu/{path}"), library(), 0o644);
        }
        world.file("/usr/lib64/ld-linux-x86-64.so.2", library(), 0o755);
        world.file("/usr/bin/dash", elf::build(true, false, "/lib64/ld-linux-x86-64.so.2", &["libc.so.6"], ""), 0o755);
        world.program("/usr/sbin/httpd", &["libz.so.1", "libc.so.6"]);
        world.program("/usr/bin/vi", &["libc.so.6"]);
        world.file("/usr/sbin/tool", "#!/bin/sh\n", 0o755);
        world.file("/etc/httpd/httpd.conf", "Listen 80\n", 0o644);
        world.file("/etc/httpd/mime.types", "text/plain txt\n", 0o644);
        world.file("/etc/httpd/generated.conf", "x\n", 0o644);
        let unit = "[Service]\nExecStart=/usr/sbin/httpd\n[Install]\nWantedBy=multi-user.target\n";
        world.file("/usr/lib/systemd/system/httpd.service", unit, 0o644);
        world.file("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444);
        world.file("/etc/httpd/mime.types.distrib", "text/plain text\n", 0o644);
        world.database();
        world.module("manifest.yaml", MANIFEST);
        world.module("rootfs/etc/httpd/mime.types", "text/html html\n");
        world.module("rootfs/etc/httpd/own.conf", "DocumentRoot /srv\n");
        world
    }

    fn database(&mut self) {
        let mut status = String::new();
        for (name, fields, files, conffiles) in PACKAGES {
            status += &format!(
                "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n{fields}\n\n"
            );
            self.file(&format!("/var/lib/dpkg/info/{name}.list"), format!("{files}\n"), 0o644);
            self.file(&format!("/var/lib/dpkg/info/{name}.conffiles"), format!("{conffiles}\n"), 0o644);
        }
        self.file("/var/lib/dpkg/status", status, 0o644);
        let diversions = "/etc/httpd/mime.types\n/etc/httpd/mime.types.distrib\nmedia-types\n";
        self.file("/var/lib/dpkg/diversions", diversions, 0o644);
        self.file("/var/lib/dpkg/alternatives/editor", "auto\n/usr/bin/editor\n\n/usr/bin/vi\n50\n\n", 0o644);
    }

    /// Adds a package that is installed, with the paths that it lists.
    pub(crate) fn package(&mut self, name: &str, fields: &str, files: &str) {
        let entry = format!(
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nPriority: optional\n{fields}\n\n"
        );
        let Some(Kind::File(status, _)) = self.names.get_mut("/var/lib/dpkg/status") else { panic!("no status") };
        status.extend(entry.as_bytes());
        self.file(&format!("/var/lib/dpkg/info/{name}.list"), format!("{files}\n"), 0o644);
    }

    /// Puts a file into the root file system.
    pub(crate) fn file(&mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) {
        self.names.insert(path.to_owned(), Kind::File(content.into(), mode));
    }

    /// Puts a file of an owner and a group into the root file system.
    pub(crate) fn owned_file(&mut self, path: &str, content: &str, owner: (u64, u64)) {
        self.file(path, content, 0o644);
        self.owners.insert(path.to_owned(), owner);
    }

    /// Puts a program that names libraries into the root file system.
    pub(crate) fn program(&mut self, path: &str, needed: &[&str]) {
        self.file(path, elf::build(true, false, "/lib64/ld-linux-x86-64.so.2", needed, ""), 0o755);
    }

    /// Puts a symbolic link into the root file system.
    pub(crate) fn link(&mut self, path: &str, target: &'static str) {
        self.names.insert(path.to_owned(), Kind::Link(target));
    }

    /// Puts an empty directory, written with a trailing slash, into the root file system.
    pub(crate) fn directory(&mut self, path: &str) {
        self.names.insert(path.to_owned(), Kind::Directory);
    }

    /// Writes a file of the module's repository.
    pub(crate) fn module(&self, name: &str, text: &str) {
        let path = self.path(&format!("m/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces text in the module's manifest.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("m/manifest.yaml")).unwrap();
        assert!(text.contains(from), "{from}");
        self.module("manifest.yaml", &text.replace(from, to));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the root file system, parents first.
    fn pack(&self) {
        let mut tar = tar::Builder::new(fs::File::create(self.path("root.tar")).unwrap());
        let mut made: Vec<String> = Vec::new();
        for (path, kind) in &self.names {
            let name = &path[1..];
            for (at, _) in name.match_indices('/') {
                let directory = format!("{}/", &name[..at]);
                if !made.contains(&directory) {
                    tar.append_data(&mut header(tar::EntryType::Directory, 0o755, 0), &directory, &[][..]).unwrap();
                    made.push(directory);
                }
            }
            match kind {
                Kind::File(content, mode) => {
                    let mut header = header(tar::EntryType::Regular, *mode, content.len() as u64);
                    let (uid, gid) = self.owners.get(path).copied().unwrap_or_default();
                    header.set_uid(uid);
                    header.set_gid(gid);
                    tar.append_data(&mut header, name, content.as_slice()).unwrap();
                }
                Kind::Directory => {}
                Kind::Link(target) => {
                    tar.append_link(&mut header(tar::EntryType::Symlink, 0o777, 0), name, target).unwrap();
                }
            }
        }
        tar.finish().unwrap();
    }

    /// The command with `arguments` and, for verbs that build, the root file system.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = cargo_bin_cmd!("module-builder");
        command.env_clear().env("HOME", self.path("home")).env("COLUMNS", "100").current_dir(self.directory.path());
        command.env("MODULE_BUILDER_ARCH", "amd64").args(arguments);
        command
    }

    /// Everything that came out of a run.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        self.pack();
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(self.directory.path().canonicalize().unwrap().to_str().unwrap(), "[WORLD]")
        };
        let code = output.status.code().expect("the program ends by itself");
        format!("exit code: {code}\n--- stdout\n{}--- stderr\n{}", text(output.stdout), text(output.stderr))
    }

    /// The exit code and the JSON result of a run.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, serde_json::Value) {
        self.pack();
        let output = self.command(arguments).args(["--format", "json"]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = if output.stdout.is_empty() { errors.into_bytes() } else { output.stdout };
        (output.status.code().unwrap(), serde_json::from_slice(&text).unwrap_or_default())
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(EPOCH);
    header.set_uid(0);
    header.set_gid(0);
    header
}
