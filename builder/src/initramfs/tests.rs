#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::io::Write;

use super::*;

/// One member as `newc` has it.
fn member(name: &str, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut out = b"070701".to_vec();
    let size = u32::try_from(content.len()).unwrap();
    let name_size = u32::try_from(name.len() + 1).unwrap();
    for field in [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0] {
        out.extend(format!("{field:08X}").bytes());
    }
    out.extend(name.bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend(content);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = member("etc", 0o040_755, b"");
    for (name, content) in members {
        out.extend(member(name, 0o100_644, content));
    }
    out.extend(member("TRAILER!!!", 0, b""));
    out
}

fn files(disk: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    each_file(disk, &mut |path, _, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        found.push((path.to_string(), bytes));
        Ok(())
    })?;
    Ok(found)
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    liblzma::encode_all(bytes, 0).unwrap()
}

#[test]
fn every_file_of_every_archive_is_read() {
    let early = archive(&[("kernel/x86/microcode/x.bin", b"microcode")]);
    let main = archive(&[("etc/a", b"one"), ("./etc/b", b""), ("usr/lib/c", b"three")]);
    let expected = [("/etc/a", "one"), ("/etc/b", ""), ("/usr/lib/c", "three")];
    for pack in [<[u8]>::to_vec, zstd, gzip, xz] {
        let disk = [early.clone(), vec![0; 300], pack(&main)].concat();
        let found = files(&disk).unwrap();
        assert_eq!(found[0], ("/kernel/x86/microcode/x.bin".to_owned(), b"microcode".to_vec()));
        let rest: Vec<_> = found[1..].iter().map(|(path, content)| (path.as_str(), content.as_slice())).collect();
        assert_eq!(rest, expected.map(|(path, content)| (path, content.as_bytes())));
    }
}

#[test]
fn content_that_nobody_reads_is_skipped() {
    let disk = archive(&[("etc/a", &[7; 1001]), ("etc/b", b"x")]);
    let mut names = Vec::new();
    each_file(disk.as_slice(), &mut |path, _, _| {
        names.push(path.to_string());
        Ok(())
    })
    .unwrap();
    assert_eq!(names, ["/etc/a", "/etc/b"]);
}

#[test]
fn what_is_no_initramfs_is_an_error() {
    let sound = archive(&[("etc/a", b"one")]);
    let unknown = |disk: &[u8]| matches!(files(disk), Err(Error::Unknown { .. }));
    assert!(unknown(b"\x02\x21\x4c\x18 lz4, as it begins"));
    assert!(unknown(&zstd(&zstd(&sound))), "compressed twice");
    assert!(unknown(&[sound.clone(), b"more of it".to_vec()].concat()));
    assert!(files(&sound[..sound.len() - 20]).is_err() && files(b"0707").is_err());
    let damaged = |from: &str, to: &str| {
        let text = String::from_utf8(sound.clone()).unwrap();
        assert!(text.contains(from));
        matches!(files(text.replacen(from, to, 1).as_bytes()), Err(Error::Damaged { .. }))
    };
    assert!(damaged("00000006", "0000000z"), "a digit");
    assert!(damaged("00000006", "00000007"), "a name's length");
    assert!(damaged("00000006", "00000000"), "no name");
    assert!(damaged("00000006", "FFFFFFFF"), "a long name");
    assert!(files(&zstd(&sound)[..40]).is_err());
    assert!(files(b"").unwrap().is_empty());
}

#[test]
fn no_damage_makes_the_reader_panic() {
    let sound = archive(&[("etc/a", b"one"), ("etc/b", b"two")]);
    let mut random = testkit::Random::from_environment();
    for _ in 0..2000 {
        let mut disk = sound.clone();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(disk.len() as u64)).unwrap();
            disk[at] = random.bytes(1)[0];
        }
        let _ = files(&disk);
    }
}
