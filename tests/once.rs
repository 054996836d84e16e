//! Each settings file of a module is read once: what a run makes of it is of one state.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

const MANIFEST: &str = "schema_version: 1\nname: NAME\nfile_spec: [/etc/NAME/***]\n";

/// A module and its neighbour, with settings of which much is asked, and a root file system.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["web", "other"] {
        put(&format!("{name}/manifest.yaml"), &MANIFEST.replace("NAME", name));
        put(&format!("{name}/rootfs/etc/{name}/own.conf"), "own = 1\n");
        // The second rule takes nothing, so that its place is asked for, too.
        let settings = "version = \"1.0.0\"\n[overlay]\n\"/etc/NAME/own.conf\" = { mode = \"0600\" }\n\"/x\" = { mode = \"0600\" }\n";
        put(&format!("{name}/builder.toml"), &settings.replace("NAME", name));
        put(&format!("root/etc/{name}/a.conf"), "a = 1\n");
    }
    put("root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    put("root/etc/group", "root:x:0:\n");
    folder
}

/// Sees each time that a file is opened.
struct Watch(OwnedFd);

impl Watch {
    fn new(path: &Path) -> Self {
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        // Two events of one kind in a row are told as one: between two that open stands one that closes.
        inotify::add_watch(&watch, path, WatchFlags::OPEN | WatchFlags::CLOSE).unwrap();
        Self(watch)
    }

    fn opened(&self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 1 << 14];
        let mut reader = inotify::Reader::new(&self.0, &mut buffer);
        let mut opened = 0;
        while let Ok(event) = reader.next() {
            opened += usize::from(event.events().contains(ReadFlags::OPEN));
        }
        opened
    }
}

/// How often a run opens the settings of `web`, and those of its neighbour.
fn opened(folder: &Path, arguments: &[&str]) -> (usize, usize) {
    let [web, other] = ["web", "other"].map(|name| Watch::new(&folder.join(name).join("builder.toml")));
    let mut command = Command::new(env!("CARGO_BIN_EXE_module-builder"));
    command.env_remove("SOURCE_DATE_EPOCH").env("XDG_CONFIG_HOME", folder.join("config"));
    command.env("MODULE_BUILDER_CACHE_DIR", folder.join("cache"));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    (web.opened(), other.opened())
}

#[test]
fn the_settings_of_a_module_and_of_each_neighbour_are_read_once() {
    let folder = world();
    let opened = |arguments: &[&str]| opened(folder.path(), arguments);
    assert_eq!(opened(&["validate", "web"]), (1, 0));
    assert_eq!(opened(&["validate", "web", "--with", "other"]), (1, 1));
    assert_eq!(opened(&["env", "web"]), (1, 0));
    let root = ["--rootfs", "root"];
    assert_eq!(opened(&[&["build", "web", "--dry-run", "--with", "other"], &root[..]].concat()), (1, 1));
    assert_eq!(opened(&[&["explain", "/etc/web/own.conf", "web"], &root[..]].concat()), (1, 0));
    // At its end a build looks whether the file is as it was.
    assert_eq!(opened(&[&["build", "web"], &root[..]].concat()), (2, 0));
    assert_eq!(opened(&[&["build", "web", "--output", "again", "--with", "other"], &root[..]].concat()), (2, 1));
    assert_eq!(opened(&[&["rebuild", "web/dist"], &root[..]].concat()), (2, 0));
}
