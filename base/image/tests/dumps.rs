//! Dumps without peers: what is read, and where an error is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a panic is a failed test"
)]

#[path = "support/random.rs"]
mod random;

use image::composefs::{self, Entry, Foreign, without_digest};
use image::tree::{Kind, Tree};
use image::{diff, verity};
use model::ImagePath;
use random::{Shape, random_tree};
use testkit::Random;

const ROOT: &str = "/ 4096 40755 2 0 0 0 0.0 - - -\n";
const DIGEST: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn read(lines: &str) -> Foreign {
    Foreign::of_dump(format!("{ROOT}{lines}").as_bytes()).unwrap_or_else(|error| panic!("{lines}: {error}"))
}

fn entry(tree: &Tree<Entry>, path: &str) -> Entry {
    match &tree.node(tree.lookup(&ImagePath::new(path).unwrap()).unwrap()).kind {
        Kind::Regular(entry) => entry.clone(),
        other => panic!("{other:?}"),
    }
}

/// What is wrong with a dump whose second line is `line`.
fn said(line: &str) -> String {
    match Foreign::of_dump(format!("{ROOT}{line}").as_bytes()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string().strip_prefix("not a composefs dump: ").unwrap().to_owned(),
    }
}

#[test]
fn our_own_dumps_are_the_trees_that_they_are_of() {
    let mut random = Random::from_environment();
    for case in 0..100 {
        let tree = random_tree(&mut random, Shape { links: true, pathological: false, dump: true });
        let image = composefs::write(&tree).unwrap();
        let dump = composefs::dump(&tree).unwrap();
        let read = Foreign::of_dump(&dump).unwrap_or_else(|error| panic!("{case}: {error}"));
        let differences = diff::compare(&composefs::read(&image).unwrap(), read.tree());
        assert!(differences.is_empty(), "{case}: {differences:?}");
        assert!(read.write(1).unwrap() == image, "{case}");
        let same = Foreign::read(&image).unwrap();
        assert!(same.dump().unwrap() == dump, "{case}");
        assert_eq!(same.is_built(), composefs::read_canonical(&image).is_ok(), "{case}");
    }
}

#[test]
fn what_no_build_writes_is_read_and_said() {
    let dump = read(&format!(
        "/a 100 100644 1 0 0 0 0.0 some/file - -\n/b 9 100644 1 0 0 0 0.0 - - {DIGEST}\n\
         /c 9000000000000000 100644 1 0 0 0 0.0 - - -\n/d 4 100644 1 0 0 0 0.0 - a\\x00\\\\\\n -\n\
         /e 70 100644 1 0 0 0 0.0 00/{} - {}",
        &DIGEST[2..],
        DIGEST.to_uppercase()
    ));
    let tree = dump.tree();
    let Entry::Backing(a) = entry(tree, "/a") else { panic!() };
    assert_eq!((a.size, a.digest, a.path.as_deref()), (100, None, Some(&b"some/file"[..])));
    let Entry::Backing(b) = entry(tree, "/b") else { panic!() };
    assert_eq!((b.size, b.digest.unwrap().hex(), b.path), (9, DIGEST.to_owned(), None));
    let Entry::Backing(c) = entry(tree, "/c") else { panic!() };
    assert_eq!((c.size, c.digest, c.path), (9_000_000_000_000_000, None, None));
    assert_eq!(entry(tree, "/d"), Entry::Inline(Box::from(&b"a\0\\\n"[..])));
    assert!(matches!(entry(tree, "/e"), Entry::Object { size: 70, .. }));
    assert_eq!((without_digest(tree), dump.version(), dump.is_built()), (2, 0, false));
    // A build's own reader and writer know nothing of it.
    assert!(composefs::write(tree).is_err());
    for version in [0, 1] {
        let image = dump.write(version).unwrap();
        assert!(composefs::read(&image).is_err() && composefs::read_canonical(&image).is_err());
        let again = Foreign::read(&image).unwrap();
        assert_eq!((again.tree(), again.version()), (tree, version));
    }
}

/// Images that C `mkcomposefs` 1.0.8 wrote of these dumps, by their fs-verity digests: the forms may not drift.
#[test]
fn the_forms_are_pinned() {
    for (lines, version, digest) in [
        (
            "/bigfile 9000000000000000 100777 1 0 0 0 0.0 - - -\n",
            0,
            "160c71227628d810604ad305e5d4a912e01a5964866b9bec9f8fddc55e352bfb",
        ),
        (
            "/a 100 100644 3 0 0 0 0.0 foo - -\n/b 8 10644 1 0 0 0 1.5 - - -\n",
            1,
            "c0385d42efa6d8b499e69b8b0bc6f5226760bf267353fbe27c2693be404a114b",
        ),
    ] {
        assert_eq!(verity::digest(&read(lines).write(version).unwrap()).hex(), digest, "{lines}");
    }
}

/// A changed bit of an image that others made is refused, or makes another image.
#[test]
fn nothing_hides_in_an_image_that_others_made() {
    let dump = read(
        "/a 100 100644 3 0 0 0 0.0 foo - -\n/b 9000000000000000 100644 1 0 0 0 1.0 - - -\n/c 0 @100644 1 0 0 0 0.0 /a - -\n",
    );
    let image = dump.write(0).unwrap();
    for at in (0..1400).chain(9600..image.len()) {
        let mut other = image.clone();
        other[at] ^= 1 << (at % 8);
        let Ok(read) = Foreign::read(&other) else { continue };
        assert!(read != Foreign::read(&image).unwrap() && read.write(read.version()).unwrap() == other, "{at}");
    }
    for length in [4096, image.len() - 4096] {
        assert!(Foreign::read(&image[..length]).is_err() || length == image.len());
    }
    assert!(Foreign::read(&[&image[..], &[0; 4096]].concat()).is_err());
}

#[test]
fn errors_have_line_and_column() {
    for (line, words) in [
        ("\n/a", "the line is empty (line 2, column 1)"),
        ("/a", "the line ends after the path; 8 fields are needed (line 2, column 3)"),
        ("/a 0 100644 1 0 0 0", "the line ends after the device; 8 fields are needed (line 2, column 20)"),
        ("a 0 100644 1 0 0 0 0.0 - - -", "the path must start with / and have no zero byte (line 2, column 1)"),
        ("/a\\x00 0 100644 1 0 0 0 0.0 - - -", "the path must start with / and have no zero byte (line 2, column 1)"),
        ("/a\0 0 100644 1 0 0 0 0.0 - - -", "the line holds a zero byte (line 2, column 3)"),
        ("/a\\q 0 100644 1 0 0 0 0.0 - - -", "\\q is no escape (line 2, column 3)"),
        ("/ab\\x4 0 100644 1 0 0 0 0.0 - - -", "two hexadecimal digits must follow \\x (line 2, column 4)"),
        ("/a\\ 0 100644 1 0 0 0 0.0 - - -", "nothing follows the backslash (line 2, column 3)"),
        ("/a -1 100644 1 0 0 0 0.0 - - -", "the size is \"-1\", not a decimal number (line 2, column 4)"),
        ("/a  100644 1 0 0 0 0.0 - - -", "the size is \"\", not a decimal number (line 2, column 4)"),
        (
            "/a 99999999999999999999 100644 1 0 0 0 0.0 - - -",
            "the size is \"99999999999999999999\"; at most 18446744073709551615 is possible (line 2, column 4)",
        ),
        (
            "/a 9007199254740993 100644 1 0 0 0 0.0 - - -",
            "a file has at most 9007199254740992 bytes (line 2, column 4)",
        ),
        ("/a 0 100648 1 0 0 0 0.0 - - -", "the mode is \"100648\", not an octal number (line 2, column 6)"),
        ("/a 0 200644 1 0 0 0 0.0 - - -", "the mode is \"200644\"; at most 177777 is possible (line 2, column 6)"),
        ("/a 0 644 1 0 0 0 0.0 - - -", "the mode has no file type (line 2, column 6)"),
        ("/a 0 100644 x 0 0 0 0.0 - - -", "the number of links is \"x\", not a decimal number (line 2, column 13)"),
        (
            "/a 0 100644 1 4294967296 0 0 0.0 - - -",
            "the owner is \"4294967296\"; at most 4294967295 is possible (line 2, column 15)",
        ),
        ("/a 0 100644 1 0 y 0 0.0 - - -", "the group is \"y\", not a decimal number (line 2, column 17)"),
        ("/a 0 20644 1 0 0 z 0.0 - - -", "the device is \"z\", not a decimal number (line 2, column 18)"),
        ("/a 0 100644 1 0 0 0 5 - - -", "the time has no point before the nanoseconds (line 2, column 21)"),
        (
            "/a 0 100644 1 0 0 0 5.x - - -",
            "the number of nanoseconds is \"x\", not a decimal number (line 2, column 23)",
        ),
        ("/a 0 100644 1 0 0 0 --5.0 - - -", "the time is \"-5\", not a decimal number (line 2, column 22)"),
        ("/a 3 100644 1 0 0 0 0.0 - ab -", "the content does not have the 3 bytes of the size (line 2, column 27)"),
        ("/a 3 100644 1 0 0 0 0.0 - - ", "the digest must have 64 hexadecimal digits (line 2, column 29)"),
        ("/a 3 100644 1 0 0 0 0.0 -", "the content does not have the 3 bytes of the size (line 2, column 26)"),
        ("/a 3 100644 1 0 0 0 0.0 - - 00", "the digest must have 64 hexadecimal digits (line 2, column 29)"),
        ("/a 0 120777 1 0 0 0 0.0 - - -", "the symbolic link has no target (line 2, column 25)"),
        ("/a 0 120777 1 0 0 0 0.0 x\\x00 - -", "the payload holds a zero byte (line 2, column 25)"),
        ("/a 0 100644 1 0 0 0 0.0 - - - x", "an extended attribute has no = (line 2, column 31)"),
        ("/a 0 100644 1 0 0 0 0.0 - - - a=b  c=d", "an extended attribute has no = (line 2, column 35)"),
        (
            "/a 0 100644 1 0 0 0 0.0 - - - =x",
            "the name of an extended attribute must have 1 to 255 bytes, none of them zero (line 2, column 31)",
        ),
        ("/b/a 0 100644 1 0 0 0 0.0 - - -", "the directory of /b/a is missing (line 2, column 1)"),
        ("/ 0 40755 2 0 0 0 0.0 - - -", "/ is no path of a file (line 2, column 1)"),
        ("/a/ 0 40755 2 0 0 0 0.0 - - -", "/a/ is no path of a file (line 2, column 1)"),
        ("/.. 0 40755 2 0 0 0 0.0 - - -", "/.. is no path of a file (line 2, column 1)"),
        ("/a 0 10644 1 0 0 0 0.0 - - -\n/a 0 10644 1 0 0 0 0.0 - - -", "/a is there a second time (line 3, column 1)"),
        (
            "/a 0 10644 1 0 0 0 0.0 - - -\n/a/b 0 10644 1 0 0 0 0.0 - - -",
            "/a/b lies in something that is no directory (line 3, column 1)",
        ),
        ("/a 0 @40755 2 0 0 0 0.0 / - -", "a directory cannot be a hard link (line 2, column 6)"),
        ("/a 0 @100644 2 0 0 0 0.0 - - -", "the hard link has no target (line 2, column 26)"),
        ("/a 0 @100644 2 0 0 0 0.0 / - -", "a hard link leads to a directory: / (line 2, column 26)"),
        ("/a 0 @100644 2 0 0 0 0.0 /b - -", "the target of the hard link is not there: /b (line 2, column 26)"),
        (
            "/a 0 @100644 2 0 0 0 0.0 /b - -\n/b 0 @100644 2 0 0 0 0.0 /a - -",
            "the hard link leads to itself, or over too many others: /b (line 2, column 26)",
        ),
    ] {
        assert_eq!(said(line), words, "{line}");
    }
    let first = |text: &str| Foreign::of_dump(text.as_bytes()).unwrap_err().to_string();
    let wrong = "the first line must be the directory / (line 1, column 1)";
    assert!(first("/a 0 40755 2 0 0 0 0.0 - - -\n").contains(wrong));
    assert!(first("/ 0 100644 2 0 0 0 0.0 - - -\n").contains(wrong));
    assert!(first("").contains("the line is empty (line 1, column 1)"));
}

/// Texts of every kind that are almost dumps: an error or a tree, soon, and never a panic.
#[test]
fn damaged_dumps_never_panic() {
    let mut random = Random::from_environment();
    let mut accepted = 0;
    for _ in 0..40 {
        let tree = random_tree(&mut random, Shape { links: true, pathological: true, dump: true });
        let Ok(dump) = composefs::dump(&tree) else { continue };
        for _ in 0..20 {
            let mut dump = dump.clone();
            for _ in 0..=random.below(3) {
                let at = random.place(&dump);
                match random.below(4) {
                    0 => dump[at] = *random.pick(b" \n\\-@=/.0x19"),
                    // A dump of one byte stays: the next change needs a place too.
                    1 if dump.len() == 1 => {}
                    1 => drop(dump.remove(at)),
                    2 => dump.insert(at, *random.pick(b" \n\\-@=/.0x19")),
                    _ => dump.truncate(at.max(1)),
                }
            }
            let Ok(read) = Foreign::of_dump(&dump) else { continue };
            accepted += 1;
            let Ok(image) = read.write(read.version()) else { continue };
            let again = Foreign::read(&image).expect("what is written is read");
            assert_eq!(again.dump().unwrap(), read.dump().unwrap());
        }
    }
    assert!(accepted > 0, "every change was found: the test changes too much");
}

/// A chain of directories, links and attributes that is as long as it may be, and one more.
#[test]
fn dumps_are_bounded() {
    let deep = |depth: usize| -> String {
        (1..=depth).map(|depth| format!("{} 0 40755 2 0 0 0 0.0 - - -\n", "/d".repeat(depth))).collect()
    };
    assert!(read(&deep(2047)).write(1).is_ok());
    assert!(said(&deep(2048)).contains("more than 2047 directories lie in one another (line 2049, column 1)"));
    let long = "/x".repeat(1 << 20);
    for line in [format!("{long} 0 10644 1 0 0 0 0.0 - - -"), format!("/a 0 @10644 1 0 0 0 0.0 {long} - -")] {
        let said = said(&line);
        assert!(said.len() < 500 && said.contains("/x/x..."), "{said}");
    }
    let chain = |length: usize| -> String {
        let links = (0..length).map(|at| format!("/l{at} 0 @100644 1 0 0 0 0.0 /l{} - -\n", at + 1));
        links.collect::<String>() + &format!("/l{length} 0 100644 1 0 0 0 0.0 - - -\n")
    };
    assert_eq!(read(&chain(16)).tree().walk().count(), 18);
    assert!(said(&chain(18)).contains("over too many others"));
    let value = |length: usize| format!("/a 0 100644 1 0 0 0 0.0 - - - user.a={}", "v".repeat(length));
    assert!(said(&value(32_767 - 12 - 7 - 6)).is_empty());
    assert_eq!(
        said(&value(32_767 - 12 - 7 - 5)),
        "the extended attributes take 32768 bytes; 32767 are possible (line 2, column 31)"
    );
    assert!(said(&value(1 << 18)).contains("the extended attributes have more than 262144 bytes (line 2, column 31)"));
    assert!(said(&format!("/{}", "a".repeat(4 << 20))).contains("the line has more than 4194304 bytes"));
    assert!(said(&format!("/a 5001 100644 1 0 0 0 0.0 - {} -", "c".repeat(5001))).contains("more than 5000 bytes"));
    assert!(said(&format!("/a 1 120777 1 0 0 0 0.0 {} - -", "t".repeat(4096))).contains("more than 4095 bytes"));
}
