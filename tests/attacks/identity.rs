//! 6. What changes while a build runs ends the build: what is recorded and what is shipped are one thing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::small::Small;

/// A module whose overlay begins with a file that takes long to seal: it has all threads for itself, and
/// comes before all others. It is sparse, so that it takes no room.
fn world() -> Small {
    let small = Small::new();
    small.write("m/rootfs/etc/huge", "");
    fs::File::options().write(true).open(small.path("m/rootfs/etc/huge")).unwrap().set_len(200 << 20).unwrap();
    small.write("m/rootfs/etc/z/page", "GOOD");
    small.write("outside/page", "EVIL");
    small.write("root/etc/z/conf", "GOOD");
    small
}

/// Builds, and does `change` when the sealing has begun, which is after the fingerprint was made. Gives the
/// exit code and standard error.
fn build_while(small: &Small, rootfs: &str, change: impl FnOnce()) -> (i32, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("module-builder"));
    command.env_clear().env("HOME", small.path("home")).env("SOURCE_DATE_EPOCH", "1700000000");
    command.args(["build", "-C", "m", "--rootfs", rootfs, "--arch", "amd64"]).current_dir(small.path("."));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut text: Vec<String> = Vec::new();
    for line in lines.by_ref() {
        let is_there = line.contains("seal files");
        text.push(line);
        if is_there {
            break;
        }
    }
    change();
    text.extend(lines);
    (child.wait().unwrap().code().unwrap(), text.join("\n"))
}

/// The build ends with 4, names the file, and leaves no results.
fn refused(small: &Small, rootfs: &str, file: &str, change: impl FnOnce()) {
    let (code, text) = build_while(small, rootfs, change);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("a file changed during the build") && text.contains(file), "{text}");
    let left: Vec<_> = fs::read_dir(small.path("m")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "manifest.yaml" || name == "rootfs"), "{left:?}");
}

/// Writes in place: the same file, the same size.
fn write_in_place(path: &Path) {
    fs::File::options().write(true).open(path).unwrap().write_all_at(b"EVIL", 0).unwrap();
}

#[test]
fn a_file_of_the_overlay_that_is_written_to_after_the_fingerprint_ends_the_build() {
    let small = world();
    let page = small.path("m/rootfs/etc/z/page");
    refused(&small, "root", "m/rootfs/etc/z/page", || write_in_place(&page));
    fs::write(&page, "GOOD").unwrap();
    let time = page.metadata().unwrap().modified().unwrap();
    refused(&small, "root", "m/rootfs/etc/z/page", || {
        write_in_place(&page);
        // The time of writing can be set back, the time of the change cannot.
        fs::File::options().write(true).open(&page).unwrap().set_modified(time).unwrap();
    });
}

#[test]
fn a_file_of_the_overlay_that_another_takes_the_place_of_ends_the_build() {
    let small = world();
    let page = small.path("m/rootfs/etc/z/page");
    refused(&small, "root", "m/rootfs/etc/z/page", || fs::rename(small.path("outside/page"), &page).unwrap());
    small.write("outside/page", "EVIL");
    refused(&small, "root", "m/rootfs/etc/z/page", || {
        fs::remove_file(&page).unwrap();
        symlink(small.path("outside/page"), &page).unwrap();
    });
    fs::remove_file(&page).unwrap();
    fs::write(&page, "GOOD").unwrap();
    refused(&small, "root", "m/rootfs/etc/z/page", || fs::remove_file(&page).unwrap());
}

#[test]
fn a_directory_of_the_overlay_that_becomes_a_link_leads_nowhere() {
    let small = world();
    let folder = small.path("m/rootfs/etc/z");
    refused(&small, "root", "m/rootfs/etc/z/page", || {
        fs::rename(&folder, small.path("away")).unwrap();
        symlink(small.path("outside"), &folder).unwrap();
    });
}

#[test]
fn a_file_of_the_given_root_file_system_that_changes_ends_the_build() {
    let small = world();
    let conf = small.path("root/etc/z/conf");
    refused(&small, "root", "root/etc/z/conf", || write_in_place(&conf));
    refused(&small, "root", "root/etc/z/conf", || {
        fs::remove_file(&conf).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &conf,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
    });
}

#[test]
fn a_given_tar_that_is_written_to_ends_the_build() {
    let small = world();
    let mut builder = tar::Builder::new(fs::File::create(small.path("root.tar")).unwrap());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", small.path("root")).unwrap();
    builder.into_inner().unwrap();
    refused(&small, "root.tar", "root.tar", || {
        let tar = fs::read(small.path("root.tar")).unwrap();
        let at = tar.windows(4).position(|part| part == b"GOOD").unwrap();
        let file = fs::File::options().write(true).open(small.path("root.tar")).unwrap();
        file.write_all_at(b"EVIL", at as u64).unwrap();
    });
}

#[test]
fn a_build_during_which_nothing_changes_is_not_disturbed() {
    let small = world();
    let (code, text) = build_while(&small, "root", || drop(fs::read(small.path("m/rootfs/etc/z/page")).unwrap()));
    assert_eq!(code, 0, "{text}");
    let tree = |name: &str| fs::read(small.path(name)).unwrap();
    let first = (tree("m/dist/module.cfs"), tree("m/dist/build.json"));
    assert_eq!(build_while(&small, "root", || ()).0, 0);
    assert!(first == (tree("m/dist/module.cfs"), tree("m/dist/build.json")));
}
