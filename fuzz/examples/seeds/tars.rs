//! Tar files in three forms, and packages.

use tar::{Builder, EntryType, Header};

use super::Outcome;

fn header(kind: EntryType, mut header: Header, size: u64) -> Header {
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(8);
    header.set_mtime(1_700_000_000);
    header.set_size(size);
    header
}

/// Every kind of file, by POSIX 1988.
pub(crate) fn ustar() -> Outcome<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let new = |kind, size| header(kind, Header::new_ustar(), size);
    tar.append_data(&mut new(EntryType::Directory, 0), "usr", &b""[..])?;
    tar.append_data(&mut new(EntryType::Regular, 3), "usr/x", &b"abc"[..])?;
    tar.append_link(&mut new(EntryType::Link, 0), "usr/again", "usr/x")?;
    tar.append_link(&mut new(EntryType::Symlink, 0), "lib", "usr/lib")?;
    for (kind, name) in [(EntryType::Char, "null"), (EntryType::Block, "disk"), (EntryType::Fifo, "pipe")] {
        let mut header = new(kind, 0);
        header.set_device_major(1)?;
        header.set_device_minor(3)?;
        tar.append_data(&mut header, name, &b""[..])?;
    }
    Ok(tar.into_inner()?)
}

/// Long names as GNU tar writes them.
pub(crate) fn gnu() -> Outcome<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let new = |kind, size| header(kind, Header::new_gnu(), size);
    let long = format!("./usr/{}", "long/".repeat(25));
    tar.append_data(&mut new(EntryType::Regular, 2), format!("{long}name"), &b"ab"[..])?;
    tar.append_link(&mut new(EntryType::Symlink, 0), "link", format!("{long}name"))?;
    Ok(tar.into_inner()?)
}

/// Records of pax headers, for one file and for all.
pub(crate) fn pax() -> Outcome<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let global = b"18 mtime=-1.50000\n";
    tar.append(&header(EntryType::XGlobalHeader, Header::new_ustar(), global.len() as u64), &global[..])?;
    tar.append_pax_extensions([
        ("path", &b"usr/y"[..]),
        ("mtime", b"1700000000.25"),
        ("uid", b"70000"),
        ("SCHILY.xattr.user.a%3Db", b"\n=\0"),
        ("SCHILY.acl.access", b"user::rw-,user:8:r--,group::r--,mask::r--,other::---"),
    ])?;
    tar.append_data(&mut header(EntryType::Regular, Header::new_ustar(), 2), "usr/short", &b"ab"[..])?;
    Ok(tar.into_inner()?)
}

/// A package's control archive.
pub(crate) fn control() -> Outcome<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    let control = b"Package: a\nVersion: 1\nDescription: x\n y\n";
    for (name, content) in [
        ("./control", &control[..]),
        ("./conffiles", b"/etc/x\nremove-on-upgrade /etc/y\n"),
        ("./postinst", b"#!/bin/sh\n"),
    ] {
        tar.append_data(&mut header(EntryType::Regular, Header::new_gnu(), content.len() as u64), name, content)?;
    }
    Ok(tar.into_inner()?)
}

/// A package of these archives, each with the suffix that names its compression.
pub(crate) fn deb(control: (&str, &[u8]), data: (&str, &[u8])) -> Vec<u8> {
    let mut deb = b"!<arch>\n".to_vec();
    let members = [
        ("debian-binary".to_owned(), &b"2.0\n"[..]),
        (format!("control.tar{}", control.0), control.1),
        (format!("data.tar{}", data.0), data.1),
    ];
    for (name, content) in members {
        deb.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).bytes());
        deb.extend(content);
        deb.extend(&b"\n"[..content.len() % 2]);
    }
    deb
}

/// A zip with a directory, files that are deflated and that are not, and a link.
pub fn zip() -> Outcome<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = |method| zip::write::SimpleFileOptions::default().compression_method(method).unix_permissions(0o755);
    zip.add_directory("tool/", options(zip::CompressionMethod::Stored))?;
    zip.start_file("tool/bin", options(zip::CompressionMethod::Deflated))?;
    std::io::Write::write_all(&mut zip, b"#!/bin/sh\necho tool\n")?;
    zip.start_file("tool/read", options(zip::CompressionMethod::Stored))?;
    std::io::Write::write_all(&mut zip, b"read me\n")?;
    zip.add_symlink("tool/alias", "bin", options(zip::CompressionMethod::Stored))?;
    Ok(zip.finish()?.into_inner())
}
