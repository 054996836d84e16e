use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::change::DEPTH;
use super::*;
use crate::error::Kind;
use crate::open::READ;

fn place() -> (tempfile::TempDir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("m")).unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let dir = Dir::open(&folder.path().join("m")).unwrap();
    (folder, dir)
}

fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> Fault {
    match result {
        Err(Error::Place { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn links_are_followed_below_where_that_is_allowed_and_never_out() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::create_dir(m.join("deep")).unwrap();
    fs::write(m.join("deep/file"), "file").unwrap();
    symlink("deep/file", m.join("inside")).unwrap();
    symlink("deep", m.join("way")).unwrap();
    symlink("../secret", m.join("out")).unwrap();
    symlink(folder.path().join("secret"), m.join("absolute")).unwrap();
    symlink("..", m.join("up")).unwrap();
    symlink("/proc/self/cwd", m.join("magic")).unwrap();
    for path in ["deep/file", "inside", "way/file"] {
        assert_eq!(dir.read(path, Links::Below, 9).unwrap(), b"file", "{path}");
    }
    for path in ["out", "absolute", "up/secret", "../secret", "/etc/passwd"] {
        assert_eq!(fault(dir.read(path, Links::Below, 9)), Fault::Outside, "{path}");
    }
    for path in ["inside", "way/file", "out", "up/secret"] {
        assert_eq!(fault(dir.read(path, Links::Refuse, 9)), Fault::Link, "{path}");
    }
    assert!(matches!(fault(dir.directory("magic", Links::Below)), Fault::Link | Fault::Outside));
    assert_eq!(fault(dir.directory("way", Links::Refuse)), Fault::Link);
    assert_eq!(fault(dir.directory("deep/file", Links::Refuse)), Fault::NotADirectory(Kind::File));
    assert!(dir.read("none", Links::Below, 9).unwrap_err().is_not_found());
}

#[test]
fn without_openat2_no_link_is_followed_and_nothing_leads_out() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::create_dir(m.join("deep")).unwrap();
    fs::write(m.join("deep/file"), "file").unwrap();
    symlink("deep", m.join("way")).unwrap();
    symlink("deep/file", m.join("inside")).unwrap();
    let open = |path: &str| dir.step_by_step(Path::new(path), READ | OFlags::CLOEXEC);
    assert!(open("deep/file").is_ok() && open("./deep/./file").is_ok() && open(".").is_ok());
    for (path, errno) in [("inside", Errno::LOOP), ("../secret", Errno::XDEV), ("/etc/passwd", Errno::XDEV)] {
        assert_eq!(open(path).unwrap_err(), errno, "{path}");
    }
    assert!(matches!(open("way/file").unwrap_err(), Errno::LOOP | Errno::NOTDIR));
    assert!(matches!(open("deep/../../secret").unwrap_err(), Errno::XDEV));
}

#[test]
fn a_pipe_is_never_opened() {
    let (folder, dir) = place();
    rustix::fs::mknodat(CWD, folder.path().join("m/pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert_eq!(fault(dir.read("pipe", Links::Below, 9)), Fault::NotAFile(Kind::Pipe));
    assert_eq!(fault(dir.file("pipe", Links::Refuse)), Fault::NotAFile(Kind::Pipe));
    assert_eq!(fault(dir.known_file("pipe", Links::Refuse)), Fault::NotAFile(Kind::Pipe));
}

#[test]
fn a_known_file_comes_with_what_it_is_now() {
    let (folder, dir) = place();
    fs::write(folder.path().join("m/file"), "12345").unwrap();
    symlink("file", folder.path().join("m/link")).unwrap();
    let (_, stat) = dir.known_file("file", Links::Refuse).unwrap();
    assert_eq!((stat.st_size, Some(stat.st_ino)), (5, dir.stat("file").unwrap().map(|stat| stat.st_ino)));
    assert_eq!(fault(dir.known_file("link", Links::Refuse)), Fault::Link);
    assert_eq!(fault(dir.known_file("", Links::Refuse)), Fault::NotAFile(Kind::Directory), "the directory itself");
}

#[test]
fn a_link_to_nothing_is_not_nothing() {
    let (folder, dir) = place();
    symlink("none", folder.path().join("m/dangling")).unwrap();
    assert_eq!(fault(dir.read_if_there("dangling", Links::Below, 9)), Fault::Dangling);
    assert!(dir.read_if_there("none", Links::Below, 9).unwrap().is_none());
}

#[test]
fn what_is_made_is_new_and_has_its_mode() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    dir.write("file", b"one", 0o644).unwrap();
    assert_eq!(fs::metadata(m.join("file")).unwrap().permissions().mode() & 0o7777, 0o644);
    assert!(dir.write("file", b"two", 0o644).is_err(), "nothing is overwritten");
    symlink("../secret", m.join("link")).unwrap();
    assert!(dir.write("link", b"two", 0o644).is_err());
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"secret");
    let made = dir.create_directory("made", 0o755).unwrap();
    assert_eq!(fs::metadata(m.join("made")).unwrap().permissions().mode() & 0o7777, 0o755);
    made.write("x", b"x", 0o600).unwrap();
    for name in ["", ".", "..", "a/b", "a\0b"] {
        assert_eq!(fault(dir.create(name, 0o644)), Fault::Name, "{name:?}");
        assert_eq!(fault(dir.remove_tree(name)), Fault::Name, "{name:?}");
    }
}

#[test]
fn a_file_is_replaced_whole_and_a_link_in_its_place_is_not_followed() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    symlink("../secret", m.join("file")).unwrap();
    dir.replace("file", b"new", 0o640).unwrap();
    assert_eq!(fs::read(m.join("file")).unwrap(), b"new");
    assert!(!fs::symlink_metadata(m.join("file")).unwrap().is_symlink());
    assert_eq!(fs::read(folder.path().join("secret")).unwrap(), b"secret");
    fs::create_dir(m.join("directory")).unwrap();
    fs::write(m.join("directory/x"), "x").unwrap();
    assert!(dir.replace("directory", b"new", 0o640).is_err());
    assert_eq!(dir.names().unwrap(), ["directory", "file"], "no temporary file is left");
}

#[test]
fn what_a_link_leads_to_is_replaced_and_never_what_lies_outside() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::create_dir(m.join("deep")).unwrap();
    fs::write(m.join("deep/file"), "old").unwrap();
    symlink("deep/link", m.join("first")).unwrap();
    symlink("../deep/file", m.join("deep/link")).unwrap();
    dir.replace_target("first", b"new", 0o644).unwrap();
    assert_eq!(fs::read(m.join("deep/file")).unwrap(), b"new");
    assert!(m.join("first").is_symlink() && m.join("deep/link").is_symlink());
    symlink("deep/none", m.join("dangling")).unwrap();
    dir.replace_target("dangling", b"made", 0o644).unwrap();
    assert_eq!(fs::read(m.join("deep/none")).unwrap(), b"made");
    dir.replace_target("plain", b"plain", 0o644).unwrap();
    assert_eq!(fs::read(m.join("plain")).unwrap(), b"plain");
    symlink("../secret", m.join("out")).unwrap();
    symlink(folder.path().join("secret"), m.join("absolute")).unwrap();
    symlink("loop", m.join("loop")).unwrap();
    for name in ["out", "absolute"] {
        assert_eq!(fault(dir.replace_target(name, b"lost", 0o644)), Fault::Outside, "{name}");
    }
    assert_eq!(fault(dir.replace_target("loop", b"lost", 0o644)), Fault::Link);
    assert_ne!(fs::read(folder.path().join("secret")).unwrap(), b"lost");
}

#[test]
fn the_directory_stays_the_same_whatever_is_renamed_around_it() {
    let (folder, dir) = place();
    fs::rename(folder.path().join("m"), folder.path().join("aside")).unwrap();
    symlink(folder.path(), folder.path().join("m")).unwrap();
    dir.write("file", b"x", 0o644).unwrap();
    assert!(folder.path().join("aside/file").is_file() && !folder.path().join("file").exists());
}

#[test]
fn a_directory_that_somebody_put_in_the_place_of_ours_is_not_used() {
    let (folder, dir) = place();
    // As if it had been swapped between mkdir and open: what is there is not private.
    fs::create_dir(folder.path().join("m/theirs")).unwrap();
    fs::set_permissions(folder.path().join("m/theirs"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(dir.create_directory("theirs", 0o755).is_err());
    assert_eq!(fs::metadata(folder.path().join("m/theirs")).unwrap().mode() & 0o777, 0o777, "its mode is left alone");
}

#[test]
fn a_tree_is_removed_with_its_links_and_without_what_they_lead_to() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::create_dir_all(m.join("tree/a/b/c")).unwrap();
    fs::write(m.join("tree/a/file"), "x").unwrap();
    symlink("../../..", m.join("tree/a/up")).unwrap();
    symlink(folder.path(), m.join("link")).unwrap();
    dir.remove_tree("tree").unwrap();
    dir.remove_tree("link").unwrap();
    assert!(dir.names().unwrap().is_empty());
    assert!(folder.path().join("secret").is_file());
    assert!(dir.remove_tree("none").unwrap_err().is_not_found());
}

#[test]
fn names_are_exchanged_and_renamed_only_to_new_ones() {
    let (_folder, dir) = place();
    dir.write("a", b"a", 0o644).unwrap();
    dir.write("b", b"b", 0o644).unwrap();
    assert!(dir.rename_to_new("a", &dir, "b").is_err());
    if dir.exchange("a", &dir, "b").unwrap() {
        assert_eq!(dir.read("a", Links::Refuse, 9).unwrap(), b"b");
    }
    dir.rename_to_new("a", &dir, "c").unwrap();
    assert_eq!(dir.names().unwrap(), ["b", "c"]);
}

#[test]
fn a_tree_that_is_deeper_than_any_run_makes_one_is_not_walked_to_its_end() {
    let (folder, dir) = place();
    let mut at = dir.create_directory("deep", 0o755).unwrap();
    for _ in 0..DEPTH {
        at = at.create_directory("d", 0o755).unwrap();
    }
    assert!(dir.remove_tree("deep").is_err());
    assert!(folder.path().join("m/deep").is_dir());
}

#[test]
fn whether_files_can_be_made_is_found_out_and_leaves_nothing() {
    let (folder, dir) = place();
    assert!(dir.is_writable().unwrap());
    assert_eq!(fs::read_dir(folder.path().join("m")).unwrap().count(), 0);
    // Root may do everything there, and nothing can be made.
    for kernels in ["/proc", "/sys", "/proc/self"] {
        let found = Dir::open(Path::new(kernels)).unwrap().is_writable();
        assert!(matches!(found, Ok(false) | Err(Error::Io { .. })), "{kernels}: {found:?}");
        assert!(!found.is_err_and(|error| error.is_not_found()), "{kernels}");
    }
}

/// Whether the attribute could be given: not every file system has it, nor may every user.
fn chattr(change: &str, path: &Path) -> bool {
    std::process::Command::new("chattr").arg(change).arg(path).status().is_ok_and(|status| status.success())
}

#[test]
fn what_an_attribute_keeps_from_being_replaced_is_found_out() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::write(m.join("lock"), "x").unwrap();
    assert!(dir.is_target_writable("lock").unwrap());
    for (on, off, word) in [("+i", "-i", "immutable"), ("+a", "-a", "append-only")] {
        for path in [&m, &m.join("lock")] {
            if !chattr(on, path) {
                return;
            }
            let found = dir.is_target_writable("lock");
            let around = dir.is_writable();
            assert!(chattr(off, path));
            let text = format!("{:?}", found.unwrap_err());
            assert!(text.contains(word), "{path:?} {on}: {text}");
            assert_eq!(around.is_err(), *path == m, "{path:?} {on}");
        }
    }
    assert!(dir.is_target_writable("lock").unwrap());
}

#[test]
fn whether_a_target_can_be_replaced_is_found_out_where_its_link_leads() {
    let (folder, dir) = place();
    let m = folder.path().join("m");
    fs::create_dir(m.join("deep")).unwrap();
    symlink("deep/lock", m.join("link")).unwrap();
    symlink("../secret", m.join("out")).unwrap();
    assert!(dir.is_target_writable("lock").unwrap() && dir.is_target_writable("link").unwrap());
    assert!(!m.join("lock").exists() && fs::read_dir(m.join("deep")).unwrap().count() == 0);
    assert_eq!(fault(dir.is_target_writable("out")), Fault::Outside);
    assert_eq!(fault(dir.is_target_writable("deep")), Fault::NotAFile(Kind::Directory));
}
