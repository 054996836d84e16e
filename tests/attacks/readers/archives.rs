//! Findings N and V: a `module.tar` that says more than a build writes, or unpacks to more.

use std::fs;
use std::ops::Range;

use super::{accepted, built, limited, refused, run};
use crate::small::Small;

fn size_of(header: &[u8]) -> usize {
    usize::from_str_radix(std::str::from_utf8(&header[124..135]).unwrap(), 8).unwrap()
}

/// Where the entries lie: the header and what follows.
fn entries(tar: &[u8]) -> Vec<Range<usize>> {
    let (mut at, mut entries) = (0, Vec::new());
    while tar[at] != 0 {
        let end = at + 512 + size_of(&tar[at..]).next_multiple_of(512);
        entries.push(at..end);
        at = end;
    }
    entries
}

/// Makes the sum of the header at `at` good again.
fn sum(tar: &mut [u8], at: usize) {
    tar[at + 148..at + 156].fill(b' ');
    let sum: u32 = tar[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
    tar[at + 148..at + 156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
}

/// Gives every entry another time, which is another archive and as good.
pub(super) fn at_another_time(tar: &mut [u8]) {
    for entry in entries(tar) {
        tar[entry.start + 146] ^= 1;
        sum(tar, entry.start);
    }
}

/// Changes the first object's entry in the archive of a fresh build.
fn smuggled(why: &str, change: impl Fn(&mut Vec<u8>, Range<usize>)) {
    let small = built();
    let mut tar = fs::read(small.path("m/dist/module.tar")).unwrap();
    let entry = entries(&tar).pop().unwrap();
    change(&mut tar, entry.clone());
    sum(&mut tar, entry.start);
    fs::write(small.path("s.tar"), &tar).unwrap();
    refused(&small, "s.tar", why);
    fs::copy(small.path("s.tar"), small.path("m/dist/module.tar")).unwrap();
    assert_eq!(run(&small, &["inspect", "m/dist"]).0, 3);
}

#[test]
fn fields_that_no_build_writes_are_refused() {
    let field = |at: usize, value: &'static [u8]| {
        move |tar: &mut Vec<u8>, entry: Range<usize>| {
            tar[entry.start + at..entry.start + at + value.len()].copy_from_slice(value);
        }
    };
    smuggled("the mode of its entry", field(100, b"0006777\0"));
    smuggled("the mode of its entry", field(100, b"   644 \0"));
    smuggled("the owner of its entry", field(108, b"0001750\0"));
    smuggled("the group of its entry", field(116, b"0001750\0"));
    smuggled("the size of its entry", |tar, entry| tar[entry.start + 135] = b' ');
    smuggled("the time of its entry", field(136, b"14524563401\0"));
    smuggled("has the wrong type", field(156, b"2"));
    smuggled("has the wrong type", field(156, b"\0"));
    smuggled("the link target of its entry", field(157, b"/etc/passwd"));
    smuggled("the format of its entry", field(257, b"ustar  \0"));
    smuggled("the name of the owner of its entry", field(265, b"alice"));
    smuggled("the name of the group of its entry", field(297, b"wheel"));
    smuggled("the device number of its entry", field(329, b"0000001\0"));
    smuggled("the name of its entry", field(345, b"prefix"));
    smuggled("the end of the header of its entry", field(500, b"HIDDEN"));
    smuggled("the name of its entry", field(90, b"HIDDEN"));
    smuggled("bytes are hidden behind its entry", |tar, entry| tar[entry.end - 1] = b'P');
}

#[test]
fn records_and_ends_that_no_build_writes_are_refused() {
    let extended = |kind: u8, name: &[u8], text: &[u8]| {
        let mut entry = vec![0; 512];
        entry[..name.len()].copy_from_slice(name);
        entry[100..108].copy_from_slice(b"0000644\0");
        entry[124..136].copy_from_slice(format!("{:011o}\0", text.len()).as_bytes());
        entry[136..148].copy_from_slice(b"14524561600\0");
        entry[156] = kind;
        entry[257..265].copy_from_slice(b"ustar\x0000");
        entry.extend(text);
        entry.resize(entry.len().next_multiple_of(512), 0);
        sum(&mut entry, 0);
        entry
    };
    let small = built();
    let good = fs::read(small.path("m/dist/module.tar")).unwrap();
    let parts = entries(&good);
    let (last, end) = (parts.len() - 1, good.len() - 1024);
    let mut seen = 0;
    let mut refuse = |bytes: Vec<u8>, why: &str| {
        fs::write(small.path("s.tar"), bytes).unwrap();
        refused(&small, "s.tar", why);
        seen += 1;
    };
    for kind in *b"xgLK" {
        for at in [0, parts[last].start] {
            let more = extended(kind, b"././@LongLink", b"20 path=/etc/passwd\n");
            refuse([&good[..at], &more, &good[at..]].concat(), "which no module has");
        }
    }
    let part = |index: usize| &good[parts[index].clone()];
    let swapped = [part(1), part(0), &good[parts[1].end..]].concat();
    refuse(swapped, "where \"manifest.json\" should come");
    refuse([&good[..parts[last].start], &good[end..]].concat(), "it ends where");
    refuse([&good[..end], part(last), &good[end..]].concat(), "twice, or the image does not use it");
    for tail in [&good[..end], &good[..end + 512], &good[..end + 1023]] {
        refuse(tail.to_vec(), "does not end");
    }
    for more in [vec![0], vec![0; 512], vec![0; 9216], b"text".to_vec(), good.clone()] {
        refuse([&good[..], &more].concat(), "does not end");
    }
    assert_eq!(seen, 19);
}

#[test]
fn what_differs_between_two_archives_is_told_as_it_is() {
    let small = built();
    let mut tar = fs::read(small.path("m/dist/module.tar")).unwrap();
    at_another_time(&mut tar);
    fs::write(small.path("s.tar"), &tar).unwrap();
    let (code, text) = run(&small, &["diff", "m/dist/module.tar", "s.tar"]);
    assert_eq!(code, 5, "{text}");
    assert!(text.contains("its members are the same: the time of its entries differs"), "{text}");
}

/// The compressed archive of the build.
fn packed(small: &Small) -> Vec<u8> {
    let mut layout = super::Forgery::new(small, "m/dist/oci");
    let layer = layout.layer("module.tar.zst").clone();
    layout.blob(&layer)
}

#[test]
fn a_place_for_temporary_files_that_is_none_is_named() {
    let small = built();
    small.edit("root/etc/conf", |text| text.to_uppercase());
    small.build("n");
    for place in ["none", "m/manifest.yaml"] {
        let mut command = small.command();
        command.env("TMPDIR", small.path(place)).args(["diff", "--content", "m/dist/oci", "n/module.tar"]);
        let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
        assert!(said.contains("help: ") && said.contains("TMPDIR") && said.contains(place), "{said}");
    }
}

#[test]
fn frames_that_no_build_writes_are_refused() {
    let small = built();
    let good = packed(&small);
    fs::write(small.path("s.tar.zst"), &good).unwrap();
    accepted(&small, "s.tar.zst");
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, b'e', b'v', b'i', b'l'];
    let dictionary = {
        let mut frame = good.clone();
        frame[4] |= 1;
        frame
    };
    let unused = {
        let mut frame = good.clone();
        frame[4] |= 1 << 4;
        frame
    };
    for (bytes, why) in [
        ([&good[..], &skipped].concat(), "something other than a zstd frame"),
        ([&good[..], b"\0\0\0\0"].concat(), "something other than a zstd frame"),
        ([&good[..], &good].concat(), "does not end"),
        ([&skipped[..], &good].concat(), "which no module has"),
        (dictionary, "needs a dictionary"),
        (unused, "needs a dictionary"),
        (good[..good.len() - 1].to_vec(), "damaged or cut off"),
        (good[..10].to_vec(), "damaged or cut off"),
    ] {
        fs::write(small.path("s.tar.zst"), bytes).unwrap();
        refused(&small, "s.tar.zst", why);
    }
}

/// A frame of 2 MiB of zeros in few bytes: a block that repeats one byte is four.
fn zeros() -> Vec<u8> {
    // Content size in four bytes, single segment, no checksum (RFC 8878, section 3.1.1.1).
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    frame.extend((2_u32 << 20).to_le_bytes());
    for block in 0..16_u32 {
        let header = (128 << 10) << 3 | 1 << 1 | u32::from(block == 15);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn little_that_unpacks_to_much_ends_at_once() {
    let small = built();
    // 6 GiB of zeros, behind a good archive and in its place.
    let bomb = zeros().repeat(3072);
    for start in [Vec::new(), packed(&small)] {
        fs::write(small.path("bomb.tar.zst"), [start, bomb.clone()].concat()).unwrap();
        let (code, text) = limited(&small, "ulimit -v 1000000; ulimit -f 100", &["inspect", "bomb.tar.zst"]);
        assert_eq!(code, 3, "{text}");
    }
}

#[test]
fn nothing_is_written_to_look_at_an_archive() {
    let small = built();
    fs::write(small.path("s.tar.zst"), packed(&small)).unwrap();
    for path in ["s.tar.zst", "m/dist/module.tar", "m/dist/oci", "m/dist"] {
        // Not one byte may be written to a file.
        let (code, text) = limited(&small, "ulimit -f 0", &["inspect", path]);
        assert_eq!(code, 0, "{path}: {text}");
        let (code, text) = limited(&small, "ulimit -f 0", &["diff", path, "m/dist/module.cfs"]);
        assert_eq!(code, 0, "{path}: {text}");
    }
}
