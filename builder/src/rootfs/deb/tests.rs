#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

use std::io::Write;

use model::ImagePath;

use super::*;

/// A small .deb, built in memory.
pub(crate) struct Deb {
    pub(crate) control: String,
    pub(crate) scripts: Vec<(&'static str, &'static str)>,
    pub(crate) files: Vec<(&'static str, &'static [u8])>,
    pub(crate) links: Vec<(&'static str, &'static str)>,
    pub(crate) suffix: &'static str,
}

impl Deb {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n y\n"
        );
        Self { control, scripts: vec![], files: vec![], links: vec![], suffix: ".xz" }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut control = vec![("./control", self.control.as_bytes())];
        control.extend(self.scripts.iter().map(|(name, text)| (*name, text.as_bytes())));
        let member = |archive: Vec<u8>| compress(self.suffix, &archive);
        let mut bytes = b"!<arch>\n".to_vec();
        append(&mut bytes, "debian-binary", b"2.0\n");
        append(&mut bytes, &format!("control.tar{}", self.suffix), &member(archive(&control, &[])));
        append(&mut bytes, &format!("data.tar{}", self.suffix), &member(archive(&self.files, &self.links)));
        bytes
    }
}

fn read_metadata(bytes: &[u8]) -> Result<Metadata, Reason> {
    control::metadata(&mut members::Package::new(bytes)?)
}

fn read_contents(bytes: &[u8]) -> Result<Vec<DebEntry>, Reason> {
    let mut package = members::Package::new(bytes)?;
    package.find("control.tar")?;
    entries::contents(&mut package)
}

fn compress(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    match suffix {
        "" => bytes.to_vec(),
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        _ => zstd::encode_all(bytes, 1).unwrap(),
    }
}

fn append(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let size = content.len();
    archive.extend_from_slice(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 100_644).as_bytes());
    archive.extend_from_slice(content);
    if size % 2 == 1 {
        archive.push(b'\n');
    }
}

fn header(kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size as u64);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    header
}

fn archive(files: &[(&str, &[u8])], links: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = header(tar::EntryType::Regular, content.len());
        builder.append_data(&mut header, name, *content).unwrap();
    }
    for (name, target) in links {
        let mut header = header(tar::EntryType::Symlink, 0);
        builder.append_link(&mut header, name, target).unwrap();
    }
    builder.into_inner().unwrap()
}

const LONG: &str =
    "./usr/share/a-directory-with-a-rather-long-name/another-directory-with-a-rather-long-name/a-file-with-a-long-name";

#[test]
fn every_compression_gives_the_same_package() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let mut deb = Deb::new("demo", "1:2.0-1");
        deb.suffix = suffix;
        deb.scripts =
            vec![("./postinst", "#!/bin/sh\n"), ("./conffiles", "/etc/demo.conf\nremove-on-upgrade /etc/old\n")];
        deb.files = vec![("./etc/demo.conf", b"a=1\n"), (LONG, b"x")];
        deb.links = vec![("./usr/bin/demo", "../lib/demo")];
        let bytes = deb.bytes();
        let metadata = read_metadata(&bytes).unwrap();
        assert_eq!(metadata.control.get("version"), Some("1:2.0-1"));
        assert_eq!(metadata.control.get("Description"), Some("x\n y"));
        assert_eq!(metadata.control.to_string(), deb.control);
        assert_eq!(metadata.maintainer_scripts, ["postinst"]);
        assert_eq!(metadata.conffiles, [ImagePath::new("/etc/demo.conf").unwrap()]);
        let files = read_contents(&bytes).unwrap();
        let seen: Vec<_> = files.iter().map(|f| (f.path.to_string(), f.size)).collect();
        assert_eq!(seen, [("/etc/demo.conf".into(), 4), (LONG[1..].into(), 1), ("/usr/bin/demo".into(), 0)]);
        assert_eq!(files[2].kind, DebKind::Symlink(Box::from(&b"../lib/demo"[..])));
        assert_eq!(read(&bytes[..]).unwrap(), DebContents { metadata, entries: files });
    }
}

#[test]
fn a_listing_is_of_the_bytes_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.deb");
    let mut deb = Deb::new("demo", "1");
    deb.files = vec![("./etc/demo.conf", b"a=1\n")];
    for suffix in ["", ".gz", ".xz", ".zst"] {
        deb.suffix = suffix;
        // What follows the last archive says nothing, but it is a part of the file.
        for more in [&b""[..], &[7; 100_000]] {
            let bytes = [&deb.bytes(), more].concat();
            std::fs::write(&path, &bytes).unwrap();
            let sha256 = Digest::of(&bytes);
            let found = listing(&path, &sha256).unwrap();
            assert_eq!((found.metadata, found.entries), (metadata(&path).unwrap(), contents(&path).unwrap()));
            std::fs::write(&path, [&bytes, &b"\n"[..]].concat()).unwrap();
            let reason = listing(&path, &sha256).unwrap_err().reason;
            assert!(matches!(reason, Reason::Changed { wanted, .. } if wanted == sha256), "{reason}");
        }
    }
}

#[test]
fn what_is_no_package_is_refused_with_its_reason() {
    let sound = Deb::new("demo", "1").bytes();
    let reason = |bytes: &[u8]| read_metadata(bytes).unwrap_err();
    assert!(matches!(reason(b""), Reason::NotAnArchive));
    assert!(matches!(reason(b"!<arch>\n"), Reason::MissingMember { member: "debian-binary" }));
    let mut other = sound.clone();
    other[68] = b'3';
    assert!(matches!(reason(&other), Reason::Version { .. }));
    let mut bytes = b"!<arch>\n".to_vec();
    append(&mut bytes, "debian-binary", b"2.0\n");
    append(&mut bytes, "control.tar.bz2", b"x");
    assert!(matches!(reason(&bytes), Reason::Compression { .. }));
    assert!(read_contents(&sound[..sound.len() - 40]).is_err());
}

#[test]
fn a_path_that_leaves_the_root_is_refused() {
    let mut archive = archive(&[("./aaaa/x", b"")], &[]);
    archive[..6].copy_from_slice(b"../b/x");
    let sum: u32 =
        archive[..512].iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = b"!<arch>\n".to_vec();
    append(&mut bytes, "debian-binary", b"2.0\n");
    append(&mut bytes, "control.tar", b"");
    append(&mut bytes, "data.tar", &archive);
    assert!(matches!(read_contents(&bytes).unwrap_err(), Reason::Path(ImagePathError::ParentComponent { .. })));
}

#[test]
fn no_mutation_makes_the_reader_panic() {
    let mut random = testkit::Random::from_environment();
    let mut deb = Deb::new("demo", "1");
    deb.files = vec![("./etc/demo.conf", b"a=1\n"), (LONG, b"x")];
    for suffix in ["", ".gz", ".xz", ".zst"] {
        deb.suffix = suffix;
        let sound = deb.bytes();
        for _ in 0..2000 {
            let mut bytes = sound.clone();
            for _ in 0..=random.below(4) {
                let index = usize::try_from(random.below(bytes.len() as u64)).unwrap();
                bytes[index] = random.bits().to_le_bytes()[0];
            }
            if random.one_in(4) {
                bytes.truncate(usize::try_from(random.below(bytes.len() as u64)).unwrap());
            }
            let (metadata, entries) = (read_metadata(&bytes), read_contents(&bytes));
            // One reading of both finds what two find.
            match read(&bytes[..]) {
                Ok(listing) => {
                    assert_eq!(listing, DebContents { metadata: metadata.unwrap(), entries: entries.unwrap() })
                }
                Err(_) => assert!(metadata.is_err() || entries.is_err()),
            }
        }
    }
}
