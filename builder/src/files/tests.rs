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
        assert!(matches!(unpacked(content, ArchiveFormat::Zip), Err(Error::Damaged { .. })), "{content:?}");
    }
}
