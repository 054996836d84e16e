//! Images and dumps that others made, beside C `mkcomposefs`, `composefs-info` and `fsck.erofs`. Runs as root.
//!
//! `MODULE_BUILDER_CASES` multiplies the number of random cases, `MODULE_BUILDER_SEED` repeats a run.

#![allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

#[allow(dead_code, reason = "another test reads contents, too")]
#[path = "support/disk.rs"]
mod disk;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/random.rs"]
mod random;

use std::fs;
use std::path::Path;

use image::composefs::{self, Entry, Foreign, without_digest};
use image::diff;
use image::tree::{Kind, NodeId, Stat, Tree};
use peers::{assert_same, c_dump, c_image, cases, fsck};
use random::{Shape, random_tree};
use testkit::{Random, peer, run};

/// The versions that C tools are asked for, and which they are to give where that is the same for every tree.
const VERSIONS: [(&[&str], Option<u32>); 3] = [
    (&[], None),
    (&["--min-version=0", "--max-version=0"], Some(0)),
    (&["--min-version=1", "--max-version=1"], Some(1)),
];

/// What must hold for a dump: C tools and we make the same images of it, read them, and print them alike.
fn check(dump: &[u8], folder: &Path, case: &str) {
    let ours = Foreign::of_dump(dump).unwrap_or_else(|error| panic!("{case}: {error}"));
    for (arguments, version) in VERSIONS {
        let case = format!("{case} {arguments:?}");
        let theirs = c_image(dump, arguments, folder).unwrap_or_else(|error| panic!("{case}: {error}"));
        let version = version.unwrap_or(ours.version());
        // Of a dump with whiteouts C tools write version 1, if they are let: so do we.
        if ours.version() <= version {
            assert_same(&ours.write(version).unwrap(), &theirs, &format!("{case}: image"));
        }
        check_image(&theirs, version, folder, &case);
        if ours.version() <= version {
            check_round(&theirs, &case);
        }
        if ours.version() == version {
            let read = Foreign::read(&theirs).unwrap();
            assert!(diff::compare(read.tree(), ours.tree()).is_empty(), "{case}: another tree");
            assert_same(&ours.dump().unwrap(), &read.dump().unwrap(), &format!("{case}: dump of the dump"));
        }
    }
}

/// What must hold for an image of C tools.
fn check_image(image: &[u8], version: u32, folder: &Path, case: &str) {
    let read = Foreign::read(image).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(read.version(), version, "{case}");
    let dump = read.dump().unwrap();
    if !is_misread(&dump) {
        assert_same(&dump, &c_dump(image, folder), &format!("{case}: dump"));
    }
    assert_eq!(read.is_built(), composefs::read_canonical(image).is_ok(), "{case}");
}

/// The dump of an image is the same tree.
fn check_round(image: &[u8], case: &str) {
    let read = Foreign::read(image).unwrap();
    let again = Foreign::of_dump(&read.dump().unwrap()).unwrap_or_else(|error| panic!("{case}: {error}"));
    let differences = diff::compare(read.tree(), again.tree());
    assert!(differences.is_empty(), "{case}: {differences:?}");
}

/// Whether `composefs-info` 1.0.8 prints something else than what is there: it reads two bytes more than the
/// path of a backing file has, which shows where no zeros follow.
fn is_misread(dump: &[u8]) -> bool {
    dump.split(|byte| *byte == b'\n').any(|line| {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let is_file = fields.len() > 10 && is_regular(fields[2]) && fields[8] != b"-";
        is_file
            && Foreign::of_dump(&[&b"/ 0 40755 2 0 0 0 0.0 - - -\n"[..], &flat(line)].concat()).is_ok_and(|one| {
                one.tree().walk().any(|(_, _, node)| match &node.kind {
                    Kind::Regular(Entry::Backing(backing)) => {
                        backing.path.as_ref().is_some_and(|path| path.len() % 4 == 3)
                    }
                    _ => false,
                })
            })
    })
}

/// Whether a mode is that of a regular file.
fn is_regular(mode: &[u8]) -> bool {
    mode.starts_with(b"10") && mode.len() == 6
}

/// The line with a path that is in the root.
fn flat(line: &[u8]) -> Vec<u8> {
    let rest = line.iter().position(|byte| *byte == b' ').unwrap();
    [b"/x", &line[rest..]].concat()
}

/// A dump with what a random tree cannot have: the lines of `tree` changed here and there.
fn changed(tree: &Tree<Entry>, random: &mut Random) -> Vec<u8> {
    let dump = composefs::dump(tree).unwrap();
    let mut lines: Vec<Vec<Vec<u8>>> = Vec::new();
    for line in dump.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n') {
        lines.push(line.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect());
    }
    for line in &mut lines[1..] {
        change(line, random);
    }
    // The inode may stand under any of its names, and after the others.
    let links: Vec<usize> = (1..lines.len()).filter(|at| lines[*at][2].starts_with(b"@")).collect();
    if !links.is_empty() && random.one_in(2) {
        let at = *random.pick(&links);
        let (name, target) = (lines[at][0].clone(), lines[at][8].clone());
        let first = lines.iter().position(|line| line[0] == target).unwrap();
        lines[first][0].clone_from(&name);
        lines[at][0].clone_from(&target);
        for line in lines.iter_mut().filter(|line| line[2].starts_with(b"@") && line[8] == target) {
            line[8].clone_from(&name);
        }
        // Directories come before what is in them.
        lines.sort_by_key(|line| !line[2].starts_with(b"4"));
    }
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| line.join(&b' ')).collect();
    lines.join(&b'\n')
}

fn change(line: &mut [Vec<u8>], random: &mut Random) {
    let text = |number: u64| number.to_string().into_bytes();
    let is_directory = line[2].starts_with(b"4");
    if !is_directory && !line[2].starts_with(b"@") && random.one_in(5) {
        line[3] = text(*random.pick(&[0, 1, 2, 3, 65_535, 65_536, u64::from(u32::MAX)]));
    }
    if is_regular(&line[2]) && line[10] != b"-" {
        match random.below(6) {
            0 => line[10] = b"-".to_vec(),
            1 => line[8] = b"-".to_vec(),
            2 => (line[8], line[10]) = (b"-".to_vec(), b"-".to_vec()),
            3 => line[8] = [&b"a/"[..], &vec![b'b'; random.below(300) as usize]].concat(),
            _ => {}
        }
        if random.one_in(3) {
            let large = [(1 << 52) + 1, 5 << 50, 9_000_000_000_000_000, (1 << 53) - 1, 1 << 53, 1, 64];
            line[1] = text(*random.pick(&large));
        }
    } else if (line[2].starts_with(b"14") || line[2].len() == 5) && !is_directory && random.one_in(3) {
        line[1] = text(*random.pick(&[7, 1 << 32, 1 << 40]));
    }
}

#[test]
fn random_dumps_are_read_as_by_mkcomposefs() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::from_environment();
    let mut backings = 0;
    for case in 0..cases(150) {
        let tree = random_tree(&mut random, Shape { links: true, pathological: false, dump: true });
        let dump = changed(&tree, &mut random);
        check(&dump, folder.path(), &format!("dump {case}"));
        backings += u64::from(without_digest(Foreign::of_dump(&dump).unwrap().tree()) > 0);
    }
    assert!(backings > cases(150) / 10, "too few dumps had files without a digest: {backings}");
}

#[test]
fn images_of_random_directories_in_every_version_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::from_environment();
    let mut read = 0;
    for case in 0..cases(40) {
        let source = folder.path().join("source");
        // A dump cannot say all attributes.
        let pathological = case % 2 == 0;
        disk::make(&random_tree(&mut random, Shape { links: case % 3 == 1, pathological, dump: false }), &source);
        // C tools give each name an inode of its own.
        let tree = without_links(&disk::scan(&source));
        for (number, (arguments, version)) in VERSIONS.iter().enumerate() {
            let out = folder.path().join("theirs.cfs");
            let mut command = peer("mkcomposefs");
            if number == 1 {
                command.arg(format!("--digest-store={}", folder.path().join("store").display()));
            }
            if !command.args(*arguments).arg(&source).arg(&out).output().unwrap().status.success() {
                continue;
            }
            read += 1;
            let image = fs::read(&out).unwrap();
            let case = format!("directory {case} {arguments:?}");
            let found = Foreign::read(&image).unwrap_or_else(|error| panic!("{case}: {error}"));
            check_image(&image, version.unwrap_or(found.version()), folder.path(), &case);
            if composefs::write(&tree).is_ok_and(|ours| composefs::read(&ours).is_ok_and(|read| read == tree)) {
                let differences = diff::compare(found.tree(), &tree);
                assert!(differences.is_empty(), "{case}: {differences:?}");
            }
            if !pathological {
                check_round(&image, &case);
            }
            if number == 1 {
                fsck(&image, folder.path());
            }
        }
        disk::remove(&source);
    }
    assert!(read > cases(40), "too many trees were refused");
}

/// The same tree with an inode for each name.
fn without_links(tree: &Tree<Entry>) -> Tree<Entry> {
    fn copy(from: &Tree<Entry>, id: NodeId, to: &mut Tree<Entry>, directory: NodeId) {
        for (name, child) in from.node(id).entries().into_iter().flatten() {
            let mut node = from.node(*child).clone();
            let is_directory = node.is_directory();
            if is_directory {
                node.kind = Kind::Directory(Default::default());
            }
            let new = to.add(node).unwrap();
            to.link(directory, name, new).unwrap();
            if is_directory {
                copy(from, *child, to, new);
            }
        }
    }
    let stat: Stat = tree.node(NodeId::ROOT).stat.clone();
    let mut new = Tree::new(stat);
    copy(tree, NodeId::ROOT, &mut new, NodeId::ROOT);
    new
}

const ROOT: &str = "/ 4096 40755 2 0 0 0 0.0 - - -\n";
const DIGEST: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

#[test]
fn what_only_others_write_is_read_as_they_write_it() {
    let folder = tempfile::tempdir().unwrap();
    let long = "t".repeat(4095);
    let deep: String = (1..=40).map(|depth| format!("{} 0 40755 2 0 0 0 0.0 - - -\n", "/d".repeat(depth))).collect();
    for (name, text) in [
        ("nothing but a root", String::new()),
        ("no line break at the end", "/a 0 100644 1 0 0 0 0.0 - - -".to_owned()),
        ("no digest", "/a 100 100644 1 0 0 0 0.0 foo1 - -\n/b 200 100644 1 0 0 0 0.0 - - -\n".to_owned()),
        ("a name that is no digest", format!("/a 100 100644 1 0 0 0 0.0 ab/cd.file - {DIGEST}\n")),
        ("a digest without a name", format!("/a 100 100644 1 0 0 0 0.0 - - {DIGEST}\n")),
        ("a name that begins with a slash", format!("/a 100 100644 1 0 0 0 0.0 /abcd - {DIGEST}\n")),
        ("nine petabytes", "/a 9000000000000000 100777 1 0 0 0 0.0 - - -\n".to_owned()),
        ("nine petabytes and an attribute", "/a 9001899274941000 100777 1 0 0 0 0.0 - - - user.foo=\n".to_owned()),
        ("the largest file", format!("/a {} 100777 1 0 0 0 9.0 - - -\n/b 0 10644 1 0 0 0 8.0 - - -\n", 1_u64 << 53)),
        ("a small object", format!("/a 3 100644 1 0 0 0 0.0 - - {DIGEST}\n")),
        ("a long content", format!("/a 5000 100644 1 0 0 0 0.0 - {} -\n", "c".repeat(5000))),
        ("a long target", format!("/a 4095 120777 1 0 0 0 0.0 {long} - -\n")),
        ("a target of another size", "/a 99 120777 1 0 0 0 0.0 x - -\n".to_owned()),
        ("a whiteout", "/a 1 20644 7 0 0 0 0.0 - - -\n/d 0 40755 2 0 0 0 0.0 - - -\n".to_owned()),
        ("a pipe with a size", format!("/a {} 10644 1 0 0 0 0.0 - - -\n", 1_u64 << 33)),
        ("a link before its file", format!("/a 1 @100644 1 0 0 0 0.0 /b - -\n/b 70 100644 2 0 0 0 1.0 x/y - {DIGEST}\n")),
        ("a link of a link", "/a 1 @100644 1 0 0 0 0.0 b - -\n/b 1 @100644 1 0 0 0 0.0 //c - -\n/c 0 100644 9 0 0 0 1.0 - - -\n".to_owned()),
        ("times before 1970", "/a 0 100644 1 0 0 0 -1.999999999 - - -\n".to_owned()),
        ("a time of more than a second", "/a 0 100644 1 0 0 0 0.4000000000 - - -\n".to_owned()),
        ("attributes", "/a 0 100644 1 0 0 0 0.0 - - - user.a=b=c user.a=d trusted.overlay.metacopy=x user.\\x3d\\x20=\\\\\\n\\xff\n".to_owned()),
        ("a line that ends early", "/a 0 100644 1 0 0 0 0.0\n/b 0 120777 1 0 0 0 0.0 x\n/c 0 10644 1 0 0 0 0.0 - - ".to_owned()),
        ("deep directories", deep),
    ] {
        check(format!("{ROOT}{text}").as_bytes(), folder.path(), name);
    }
}

/// The marks of a whiteout with several names are those of the version that C tools choose.
#[test]
fn a_whiteout_with_several_names_is_a_marked_file() {
    let folder = tempfile::tempdir().unwrap();
    let dump = format!(
        "{ROOT}/a 0 40755 2 0 0 0 0.0 - - -\n/a/w 0 20644 2 0 0 0 0.0 - - -\n/b 0 @20644 1 0 0 0 0.0 /a/w - -\n"
    );
    let theirs = c_image(dump.as_bytes(), &[], folder.path()).unwrap();
    let ours = Foreign::of_dump(dump.as_bytes()).unwrap();
    assert_same(&ours.write(ours.version()).unwrap(), &theirs, "image");
    check_image(&theirs, 1, folder.path(), "whiteout");
}

/// C tools cut what does not fit: the image is read, the dump that it came from is not.
#[test]
fn what_c_tools_cut_is_read_as_they_write_it() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "/a 0 100644 4294967297 4294967299 7 0 0.0 - - -".to_owned(),
        "/a 0 20644 1 0 0 4294967299 0.0 - - -".to_owned(),
        "/a 0 20644 1 0 0 4294967296 0.0 - - -".to_owned(),
        "/a 0 63340777 1 0 0 0 0.0 - - -".to_owned(),
        "a 0 100644 1 0 0 0 18446744073709551615.0 - - -".to_owned(),
        format!("/a 0 100644 1 0 0 0 0.0 - - {DIGEST}00"),
        "/a 4 120777 1 0 0 0 0.0 cut\\x00off - -".to_owned(),
    ] {
        let image = c_image(format!("{ROOT}{line}\n").as_bytes(), &[], folder.path()).unwrap();
        let version = Foreign::read(&image).unwrap_or_else(|error| panic!("{line}: {error}")).version();
        check_image(&image, version, folder.path(), &line);
    }
    // A directory with two names is no tree.
    let twice = format!("{ROOT}/d 0 40755 2 0 0 0 0.0 - - -\n/e 0 @100644 2 0 0 0 0.0 /d - -\n");
    if let Ok(image) = c_image(twice.as_bytes(), &[], folder.path()) {
        let error = Foreign::read(&image).unwrap_err().to_string();
        assert!(error.contains("a directory has "), "{error}");
    }
}

#[test]
fn what_mkcomposefs_refuses_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "/. 0 40555 2 0 0 0 0.0 - - -".to_owned(),
        "/.. 0 40555 2 0 0 0 0.0 - - -".to_owned(),
        "// 0 40555 2 0 0 0 0.0 - - -".to_owned(),
        "/ 0 40555 2 0 0 0 0.0 - - -".to_owned(),
        String::new(),
        "/a 0 @40555 2 0 0 0 0.0 / - -".to_owned(),
        "/a 0 @100644 2 0 0 0 0.0 /a - -".to_owned(),
        "/a 0 @100644 2 0 0 0 0.0 /b - -".to_owned(),
        "/a 0 @100644 2 0 0 0 0.0 - - -".to_owned(),
        "/a/b 0 100644 2 0 0 0 0.0 - - -".to_owned(),
        "/a 0 100644 1 0 0 0 0.0 - - - =x".to_owned(),
        "/a 0 100644 1 0 0 0 0.0 - - - x".to_owned(),
        "/a 0 120777 1 0 0 0 0.0 - - -".to_owned(),
        format!("/a 0 120777 1 0 0 0 0.0 {} - -", "x".repeat(4096)),
        "/a 3 0 1 0 0 0 0.0 foo - -".to_owned(),
        format!("/a {} 100644 1 0 0 0 0.0 - - -", (1_u64 << 53) + 1),
        format!("/a 5001 100644 1 0 0 0 0.0 - {} -", "x".repeat(5001)),
        "/a 3 100644 1 0 0 0 0.0 - xx -".to_owned(),
        "/a x 100644 1 0 0 0 0.0 - - -".to_owned(),
        "/a 0 100649 1 0 0 0 0.0 - - -".to_owned(),
        "/a 0 100644 1 0 0 0 0 - - -".to_owned(),
        "/a\\y 0 100644 1 0 0 0 0.0 - - -".to_owned(),
        "/a\\x4 0 100644 1 0 0 0 0.0 - - -".to_owned(),
        format!("/{} 0 100644 1 0 0 0 0.0 - - -", "n".repeat(256)),
        format!("/a 0 100644 1 0 0 0 0.0 - - - user.x={}", "v".repeat(32_768)),
    ] {
        let dump = format!("{ROOT}{line}\n");
        assert!(c_image(dump.as_bytes(), &[], folder.path()).is_err(), "C tools take {line}");
        assert!(Foreign::of_dump(dump.as_bytes()).is_err(), "{line}");
    }
    assert!(run(peer("composefs-info").arg("ls").arg(image(folder.path()))).status.success());
}

fn image(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("root.cfs");
    fs::write(&path, c_image(ROOT.as_bytes(), &[], folder).unwrap()).unwrap();
    path
}
