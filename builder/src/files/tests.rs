#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::io::Read as _;

use model::Digest;
use model::file_input::{FileInputFields, Unpack};

use super::*;

fn input(content: &[u8], format: ArchiveFormat) -> FileInput {
    FileInput::new(FileInputFields {
        url: "https://h.example.org/tool".to_owned(),
        sha256: Digest::of(content),
        architectures: Vec::new(),
        destination: "/opt".to_owned(),
        mode: None,
        owner: None,
        unpack: Some(Unpack { format, strip: 0, include: Vec::new() }),
    })
    .unwrap()
}

fn unpacked(content: &[u8], format: ArchiveFormat) -> Result<Vec<u8>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    let mut tar = plain_tar(file, &input(content, format), format, &Dir::open(folder.path()).unwrap())?;
    tar.seek(SeekFrom::Start(0)).unwrap();
    let mut bytes = Vec::new();
    tar.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

#[test]
fn a_tar_is_the_same_whatever_its_compression() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o755);
    builder.append_data(&mut header, "bin/tool", &b"abc"[..]).unwrap();
    let plain = builder.into_inner().unwrap();
    let gz = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&plain).unwrap();
        encoder.finish().unwrap()
    };
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(plain.as_slice(), 1).read_to_end(&mut xz).unwrap();
    let mut bz2 = Vec::new();
    bzip2::read::BzEncoder::new(plain.as_slice(), bzip2::Compression::fast()).read_to_end(&mut bz2).unwrap();
    let zst = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for content in [&plain, &gz, &xz, &bz2, &zst] {
        assert!(unpacked(content, ArchiveFormat::Tar).unwrap() == plain);
    }
    // Cut short, it is damaged and not shorter.
    for content in [&gz, &xz, &bz2, &zst] {
        let error = unpacked(&content[..content.len() - 9], ArchiveFormat::Tar).unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
}

#[test]
fn what_is_no_zip_is_damaged() {
    for content in [&b""[..], b"PK\x03\x04", b"no archive at all", &[0x50; 4096]] {
        assert!(matches!(unpacked(content, ArchiveFormat::Zip), Err(Error::OtherForm { .. })), "{content:?}");
    }
}

/// A zip with one entry after the other: a name, a mode with the type in it, and a content, all stored.
fn zip_of(entries: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, mode, content) in entries {
        let at = u32::try_from(body.len()).unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let size = u32::try_from(content.len()).unwrap().to_le_bytes();
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &crc.sum().to_le_bytes(), &size, &size, &length, &[0, 0]]
                .concat();
        body.extend([b"PK\x03\x04", common.as_slice(), name, content].concat());
        let attributes = (mode << 16).to_le_bytes();
        directory
            .extend([b"PK\x01\x02\x14\x03", common.as_slice(), &[0; 6], &attributes, &at.to_le_bytes(), name].concat());
    }
    finish(body, &directory, entries.len())
}

fn finish(mut body: Vec<u8>, directory: &[u8], count: usize) -> Vec<u8> {
    let at = u32::try_from(body.len()).unwrap().to_le_bytes();
    let count = u16::try_from(count).unwrap().to_le_bytes();
    body.extend_from_slice(directory);
    let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
    body.extend([&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &at, &[0, 0]].concat());
    body
}

fn damage(zip: &[u8]) -> String {
    match unpacked(zip, ArchiveFormat::Zip) {
        Err(Error::Damaged { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_zip_whose_content_is_not_what_it_says_is_damaged() {
    let good = zip_of(&[(b"a", 0o100_644, b"0123456789")]);
    assert!(unpacked(&good, ArchiveFormat::Zip).is_ok());
    let content = good.windows(10).position(|window| window == b"0123456789").unwrap();
    for at in [content, content + 9] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(damage(&bad).to_lowercase().contains("checksum"), "{}", damage(&bad));
    }
}

#[test]
fn nothing_of_a_zip_is_lost_without_a_word() {
    for (name, mode) in [(&b"d/"[..], 0o040_755), (b"d/", 0o100_644), (b"d/", 0), (b"d", 0o040_755), (b"d/", 0o120_777)]
    {
        assert_eq!(damage(&zip_of(&[(name, mode, b"/etc")])), "a directory in it has a content");
    }
    // Neither is a name cut at a NUL byte, long or short.
    for length in [1, 120] {
        let name = [vec![b'a'; length], b"\0b".to_vec()].concat();
        assert_eq!(damage(&zip_of(&[(&name, 0o100_644, b"x")])), "a name in it holds a NUL byte");
    }
    // A directory needs no slash, and a backslash makes none.
    let tar = unpacked(&zip_of(&[(b"d", 0o040_755, b""), (b"d\\", 0o100_644, b"x")]), ArchiveFormat::Zip).unwrap();
    assert_eq!((tar[156], tar[512 + 156], &tar[512..516]), (b'5', b'0', &b"d\\\0\0"[..]));
}

#[test]
fn the_links_of_a_zip_lead_where_they_say() {
    for target in [&b"./a//b/../c/"[..], b"/abs", &[b'a'; 100], &[b'a'; 101]] {
        let tar = unpacked(&zip_of(&[(b"l", 0o120_777, target)]), ArchiveFormat::Zip).unwrap();
        assert!(tar.windows(target.len()).any(|window| window == target), "{target:?}");
    }
    for target in [&b""[..], b"a\0b"] {
        assert_eq!(damage(&zip_of(&[(b"l", 0o120_777, target)])), "the target of a link in it is none");
    }
}

#[test]
fn one_content_under_many_names_is_a_bomb() {
    let one = zip_of(&[(b"a", 0o100_644, &[b'x'; 1000])]);
    let start = one.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let entry = &one[start..one.len() - 22];
    let named = |name: u8| [&entry[..46], &[name]].concat();
    let bomb = finish(one[..start].to_vec(), &(b'a'..=b'z').flat_map(named).collect::<Vec<u8>>(), 26);
    assert_eq!(damage(&bomb), "its entries overlap");
}

#[test]
fn a_name_that_leads_out_of_a_zip_is_said_to_do_so() {
    for name in ["../x", "a/../../x", "..", "a/.."] {
        let said = damage(&zip_of(&[(name.as_bytes(), 0o100_644, b"x")]));
        assert_eq!(said, format!("the name {name} in it leads out of it"));
    }
    assert!(unpacked(&zip_of(&[(b"..a/b..", 0o100_644, b"x")]), ArchiveFormat::Zip).is_ok());
}

#[test]
fn what_unpacks_to_too_much_is_not_called_another_form() {
    let content = zstd::encode_all(vec![0; 100 << 20].as_slice(), 1).unwrap();
    match unpacked(&content, ArchiveFormat::Tar) {
        Err(Error::TooMuch { .. }) => {}
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it is unpacked"),
    }
}

#[test]
fn the_times_of_a_zip_are_those_of_its_entries() {
    let times = |zip: &[u8]| -> Vec<u64> {
        let bytes = unpacked(zip, ArchiveFormat::Zip).unwrap();
        let mut tar = tar::Archive::new(&*bytes);
        tar.entries().unwrap().map(|entry| entry.unwrap().header().mtime().unwrap()).collect()
    };
    // 1980-01-01, as makers of archives that come out again write it, by `date -u -d @N`.
    let zip = zip_of(&[(b"a", 0o100_644, b"x")]);
    assert_eq!(times(&zip), [315_532_800]);
    // The extended timestamp of the directory goes before it.
    let at = zip.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let (body, directory) = zip.split_at(at);
    let end = directory.windows(4).position(|bytes| bytes == b"PK\x05\x06").unwrap();
    let mut directory = directory[..end].to_vec();
    directory[30..32].copy_from_slice(&9_u16.to_le_bytes());
    directory.extend([&b"UT\x05\0\x01"[..], &1_700_000_000_u32.to_le_bytes()].concat());
    assert_eq!(times(&finish(body.to_vec(), &directory, 1)), [1_700_000_000]);
}
