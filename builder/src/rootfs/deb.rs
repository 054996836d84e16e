//! Reads .deb files without dpkg.
//!
//! Source of the format: `deb(5)`: an `ar` archive with the members `debian-binary`,
//! `control.tar[.EXT]` and `data.tar[.EXT]` in this order. Contents are read as a stream; nothing a
//! file claims about itself is believed before it was checked, and every size has a limit.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use model::ImagePath;
use model::path::ImagePathError;

/// The most bytes that a control archive may have when it is unpacked. The largest of Debian has
/// about 6 MiB.
const CONTROL_LIMIT: u64 = 64 << 20;
/// The most bytes that a data archive may have when it is unpacked. The largest of Debian has about
/// 4 GiB.
const DATA_LIMIT: u64 = 64 << 30;
/// The most files that one package may hold.
const ENTRY_LIMIT: usize = 4_000_000;
/// The longest file name or link target: Linux's PATH_MAX.
const NAME_LIMIT: u64 = 4096;
/// How much memory an xz or zstd stream may ask for, in bytes. `xz -9e` asks for 65 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;

/// Why a file is no .deb that can be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct Error {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub reason: Reason,
}

/// What is wrong with a .deb.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be read, or its compressed data is damaged.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// It does not begin as an `ar` archive does.
    #[error("it is not a Debian package: the `ar` signature is missing")]
    NotAnArchive,
    /// An `ar` member's header is damaged.
    #[error("the header of an `ar` member is damaged")]
    MemberHeader,
    /// A member that must be there is not, or not in its place.
    #[error("it has no {member}")]
    MissingMember {
        /// The member's name, without the compression's suffix.
        member: &'static str,
    },
    /// `debian-binary` names a format that is not known.
    #[error("its format version {version:?} is not known: only 2.x is")]
    Version {
        /// What it says.
        version: String,
    },
    /// A member is compressed in a way that dpkg no longer writes or not yet.
    #[error("the member {name:?} is compressed in a way that is not known")]
    Compression {
        /// The member's name.
        name: String,
    },
    /// An archive unpacks to more than the limit, or holds more files.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A path in it could leave the root.
    #[error(transparent)]
    Path(#[from] ImagePathError),
    /// A tar entry of a kind that no package holds.
    #[error("the entry {path} has the unknown tar type {kind:?}")]
    EntryKind {
        /// The entry.
        path: String,
        /// The type byte.
        kind: char,
    },
    /// The control file is missing or damaged.
    #[error("its control file is damaged: {what}")]
    Control {
        /// What is wrong.
        what: &'static str,
    },
}

/// What a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DebKind {
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// A symbolic link with its target's bytes.
    Symlink(Box<[u8]>),
    /// Another name of a file that came before.
    HardLink(ImagePath),
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebEntry {
    /// Where the package puts it, as the package says it: `/lib` is not followed to `/usr/lib`.
    pub path: ImagePath,
    /// What it is.
    pub kind: DebKind,
    /// Its content's length in bytes; 0 for anything but a regular file.
    pub size: u64,
    /// The low twelve bits of `st_mode`.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u64,
}

/// The fields of a control file in their order, names as they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// The value of a field, its case ignored as in dpkg. Lines of a folded value keep their
    /// leading blank and are separated by line breaks.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every field in its order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Parses one paragraph.
    ///
    /// # Errors
    /// When a line is neither a field nor the continuation of one, a field comes twice, or a second
    /// paragraph follows.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        let damaged = |what| Reason::Control { what };
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in text.trim_end_matches('\n').split('\n') {
            if line.trim().is_empty() {
                return Err(damaged("it has an empty line"));
            }
            if line.starts_with([' ', '\t']) {
                let (_, value) = fields.last_mut().ok_or_else(|| damaged("it begins with a continued line"))?;
                value.push('\n');
                value.push_str(line);
                continue;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| damaged("a line has no colon"))?;
            let known = |other: &(String, String)| other.0.eq_ignore_ascii_case(name);
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) || fields.iter().any(known) {
                return Err(damaged("a field's name is unusable or comes twice"));
            }
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Self { fields })
    }
}

impl fmt::Display for Control {
    /// The paragraph as apt's indices hold it, with a line break at the end of each line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields.iter().try_for_each(|(name, value)| {
            let blank = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
            writeln!(f, "{name}:{blank}{value}")
        })
    }
}

/// What a package says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The control file.
    pub control: Control,
    /// The names of its maintainer scripts (`preinst`, `postinst`, `prerm`, `postrm`, `config`), sorted.
    pub maintainer_scripts: Vec<String>,
    /// The files that dpkg treats as configuration. Flagged entries (`remove-on-upgrade`) are left
    /// out: such a file is not shipped.
    pub conffiles: Vec<ImagePath>,
}

/// The files of the package at `path` in their order.
///
/// # Errors
/// When the file is no sound package.
pub fn contents(path: &Path) -> Result<Vec<DebEntry>, Error> {
    at(path, contents_of)
}

/// What the package at `path` says about itself.
///
/// # Errors
/// When the file is no sound package.
pub fn metadata(path: &Path) -> Result<Metadata, Error> {
    at(path, metadata_of)
}

/// The control fields of the package at `path`.
///
/// # Errors
/// When the file is no sound package.
pub fn control(path: &Path) -> Result<Control, Error> {
    Ok(metadata(path)?.control)
}

/// The names of the maintainer scripts of the package at `path`, sorted.
///
/// # Errors
/// When the file is no sound package.
pub fn maintainer_scripts(path: &Path) -> Result<Vec<String>, Error> {
    Ok(metadata(path)?.maintainer_scripts)
}

/// The configuration files of the package at `path`.
///
/// # Errors
/// When the file is no sound package.
pub fn conffiles(path: &Path) -> Result<Vec<ImagePath>, Error> {
    Ok(metadata(path)?.conffiles)
}

fn at<T>(path: &Path, read: impl FnOnce(BufReader<File>) -> Result<T, Reason>) -> Result<T, Error> {
    File::open(path)
        .map_err(Reason::Io)
        .and_then(|file| read(BufReader::with_capacity(64 << 10, file)))
        .map_err(|reason| Error { path: path.to_owned(), reason })
}

/// The `ar` members of a .deb, one after the other.
struct Members<R> {
    input: R,
    /// What is left of the current member with its padding.
    rest: u64,
}

impl<R: Read> Members<R> {
    fn open(mut input: R) -> Result<Self, Reason> {
        let mut magic = [0; 8];
        if !read_whole(&mut input, &mut magic)? || &magic != b"!<arch>\n" {
            return Err(Reason::NotAnArchive);
        }
        Ok(Self { input, rest: 0 })
    }

    /// The next member's name and size; its bytes come from [`Members::content`].
    fn next(&mut self) -> Result<Option<(String, u64)>, Reason> {
        let skipped = io::copy(&mut self.input.by_ref().take(self.rest), &mut io::sink())?;
        // The last member's padding may be missing.
        if skipped + 1 < self.rest {
            return Err(Reason::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut header = [0; 60];
        if !read_whole(&mut self.input, &mut header)? {
            return Ok(None);
        }
        if &header[58..] != b"`\n" {
            return Err(Reason::MemberHeader);
        }
        let name = std::str::from_utf8(&header[..16]).map_err(|_| Reason::MemberHeader)?.trim_end_matches([' ', '/']);
        let size = std::str::from_utf8(&header[48..58]).map_err(|_| Reason::MemberHeader)?.trim_end();
        if size.is_empty() || !size.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Reason::MemberHeader);
        }
        let size: u64 = size.parse().map_err(|_| Reason::MemberHeader)?;
        self.rest = size + size % 2;
        Ok(Some((name.to_owned(), size)))
    }

    /// The bytes of the member that [`Members::next`] named last.
    fn content(self, size: u64) -> io::Take<R> {
        self.input.take(size)
    }

    fn small(&mut self, size: u64) -> Result<Vec<u8>, Reason> {
        let mut bytes = Vec::new();
        self.input.by_ref().take(size).read_to_end(&mut bytes)?;
        self.rest -= bytes.len() as u64;
        Ok(bytes)
    }
}

/// Fills `buffer`; `false` when the input had ended before the first byte.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Goes on to the member `stem` (`control.tar`, `data.tar`) and opens its decompressed bytes.
fn open_member<'a, R: Read + 'a>(input: R, stem: &'static str, limit: u64) -> Result<Bounded<'a>, Reason> {
    let mut members = Members::open(input)?;
    match members.next()? {
        Some((name, size)) if name == "debian-binary" && size <= 64 => {
            let version = String::from_utf8_lossy(&members.small(size)?).trim_end().to_owned();
            if !version.starts_with("2.") {
                return Err(Reason::Version { version });
            }
        }
        _ => return Err(Reason::MissingMember { member: "debian-binary" }),
    }
    // deb(5): members whose names begin with an underscore are to be ignored.
    for wanted in ["control.tar", "data.tar"] {
        let (name, size) = loop {
            match members.next()? {
                None => return Err(Reason::MissingMember { member: wanted }),
                Some((name, _)) if name.starts_with('_') => {}
                Some(member) => break member,
            }
        };
        let Some(suffix) = name.strip_prefix(wanted) else {
            return Err(Reason::MissingMember { member: wanted });
        };
        if wanted == stem {
            let inner = decompress(suffix, members.content(size)).ok_or(Reason::Compression { name })?;
            return Ok(Bounded { inner: inner?, left: limit, limit });
        }
    }
    Err(Reason::MissingMember { member: stem })
}

/// The decompressed bytes of `input`; `None` when the suffix is not known.
fn decompress<'a>(suffix: &str, input: impl Read + 'a) -> Option<io::Result<Box<dyn Read + 'a>>> {
    Some(match suffix {
        "" => Ok(Box::new(input)),
        ".gz" => Ok(Box::new(flate2::read::MultiGzDecoder::new(input))),
        ".xz" => liblzma::stream::Stream::new_stream_decoder(MEMORY_LIMIT, liblzma::stream::CONCATENATED)
            .map(|stream| -> Box<dyn Read + 'a> { Box::new(liblzma::read::XzDecoder::new_stream(input, stream)) })
            .map_err(io::Error::from),
        ".zst" => zstd::Decoder::new(input).and_then(|mut decoder| -> io::Result<Box<dyn Read + 'a>> {
            decoder.window_log_max(MEMORY_LIMIT.ilog2())?;
            Ok(Box::new(decoder))
        }),
        _ => return None,
    })
}

/// Refuses to give more than a number of bytes, so that a bomb ends in an error.
struct Bounded<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    limit: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, format!("it unpacks to more than {} bytes", self.limit))
        })?;
        Ok(count)
    }
}

/// One header of a tar archive with what long names before it said.
struct Item {
    path: Vec<u8>,
    link: Vec<u8>,
    header: tar::Header,
}

/// Calls `visit` with every entry and its content.
fn each_entry(
    input: impl Read,
    visit: &mut dyn FnMut(Item, &mut dyn Read) -> Result<(), Reason>,
) -> Result<(), Reason> {
    let mut archive = tar::Archive::new(input);
    let (mut long_name, mut long_link) = (None, None);
    // Raw: the library would read a long name of any length into memory.
    for (index, entry) in archive.entries()?.raw(true).enumerate() {
        if index >= ENTRY_LIMIT {
            return Err(Reason::TooLarge { what: "the number of files", limit: ENTRY_LIMIT as u64 });
        }
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_gnu_longlink() {
            let slot = if kind.is_gnu_longname() { &mut long_name } else { &mut long_link };
            *slot = Some(read_long(&mut entry)?);
            continue;
        }
        let header = entry.header().clone();
        let path = long_name.take().unwrap_or_else(|| header.path_bytes().into_owned());
        let link = long_link.take().or_else(|| header.link_name_bytes().map(|link| link.into_owned()));
        visit(Item { path, link: link.unwrap_or_default(), header }, &mut entry)?;
    }
    Ok(())
}

fn read_long(entry: &mut impl Read) -> Result<Vec<u8>, Reason> {
    let mut name = Vec::new();
    entry.take(NAME_LIMIT + 2).read_to_end(&mut name)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    if name.len() as u64 > NAME_LIMIT {
        return Err(Reason::TooLarge { what: "the length of a file name", limit: NAME_LIMIT });
    }
    Ok(name)
}

fn contents_of(input: impl Read) -> Result<Vec<DebEntry>, Reason> {
    let data = open_member(input, "data.tar", DATA_LIMIT)?;
    let mut entries = Vec::new();
    each_entry(data, &mut |item, _| {
        entries.push(entry(&item)?);
        Ok(())
    })?;
    Ok(entries)
}

fn entry(item: &Item) -> Result<DebEntry, Reason> {
    use tar::EntryType;

    let header = &item.header;
    let number = |value: io::Result<u64>| value.map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let device = || -> io::Result<(u32, u32)> {
        Ok((header.device_major()?.unwrap_or_default(), header.device_minor()?.unwrap_or_default()))
    };
    let kind = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => DebKind::Regular,
        EntryType::Directory => DebKind::Directory,
        EntryType::Symlink => DebKind::Symlink(item.link.clone().into_boxed_slice()),
        EntryType::Link => DebKind::HardLink(ImagePath::new(&item.link)?),
        EntryType::Char => device().map(|(major, minor)| DebKind::CharDevice(major, minor))?,
        EntryType::Block => device().map(|(major, minor)| DebKind::BlockDevice(major, minor))?,
        EntryType::Fifo => DebKind::Fifo,
        other => {
            let path = model::path::escape(&item.path);
            return Err(Reason::EntryKind { path, kind: char::from(other.as_byte()) });
        }
    };
    let size = if kind == DebKind::Regular { header.size()? } else { 0 };
    Ok(DebEntry {
        path: ImagePath::new(&item.path)?,
        kind,
        size,
        mode: u16::try_from(header.mode()? & 0o7777).unwrap_or_default(),
        uid: number(header.uid())?,
        gid: number(header.gid())?,
        mtime: header.mtime()?,
    })
}

/// deb(5) and deb-postinst(5) and so on: the members of the control archive that are programs.
const SCRIPTS: [&str; 5] = ["config", "postinst", "postrm", "preinst", "prerm"];

fn metadata_of(input: impl Read) -> Result<Metadata, Reason> {
    let archive = open_member(input, "control.tar", CONTROL_LIMIT)?;
    let mut metadata = Metadata::default();
    let mut found = false;
    each_entry(archive, &mut |item, content| {
        let path = ImagePath::new(&item.path)?;
        match path.relative() {
            b"control" if item.header.entry_type().is_file() => {
                metadata.control = Control::parse(&read_text(content)?)?;
                found = true;
            }
            b"conffiles" if item.header.entry_type().is_file() => {
                metadata.conffiles = parse_conffiles(&read_text(content)?)?;
            }
            name => metadata
                .maintainer_scripts
                .extend(SCRIPTS.iter().filter(|script| script.as_bytes() == name).map(|script| (*script).to_owned())),
        }
        Ok(())
    })?;
    if !found {
        return Err(Reason::Control { what: "it is missing" });
    }
    metadata.maintainer_scripts.sort();
    metadata.maintainer_scripts.dedup();
    Ok(metadata)
}

fn read_text(content: &mut dyn Read) -> Result<String, Reason> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    // Control files are UTF-8 by policy; a stray byte of an old changelog name hurts nobody.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse_conffiles(text: &str) -> Result<Vec<ImagePath>, Reason> {
    let paths = text.lines().map(str::trim_end).filter(|line| line.starts_with('/'));
    paths.map(|line| Ok(ImagePath::new(line)?)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::io::Write;

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

    const LONG: &str = "./usr/share/a-directory-with-a-rather-long-name/another-directory-with-a-rather-long-name/a-file-with-a-long-name";

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
            let metadata = metadata_of(&bytes[..]).unwrap();
            assert_eq!(metadata.control.get("version"), Some("1:2.0-1"));
            assert_eq!(metadata.control.get("Description"), Some("x\n y"));
            assert_eq!(metadata.control.to_string(), deb.control);
            assert_eq!(metadata.maintainer_scripts, ["postinst"]);
            assert_eq!(metadata.conffiles, [ImagePath::new("/etc/demo.conf").unwrap()]);
            let files = contents_of(&bytes[..]).unwrap();
            let seen: Vec<_> = files.iter().map(|f| (f.path.to_string(), f.size)).collect();
            assert_eq!(seen, [("/etc/demo.conf".into(), 4), (LONG[1..].into(), 1), ("/usr/bin/demo".into(), 0)]);
            assert_eq!(files[2].kind, DebKind::Symlink(Box::from(&b"../lib/demo"[..])));
        }
    }

    #[test]
    fn what_is_no_package_is_refused_with_its_reason() {
        let sound = Deb::new("demo", "1").bytes();
        let reason = |bytes: &[u8]| metadata_of(bytes).unwrap_err();
        assert!(matches!(reason(b""), Reason::NotAnArchive));
        assert!(matches!(reason(b"!<arch>\n"), Reason::MissingMember { member: "debian-binary" }));
        let mut other = sound.clone();
        other[68] = b'3';
        assert!(matches!(reason(&other), Reason::Version { .. }));
        let mut bytes = b"!<arch>\n".to_vec();
        append(&mut bytes, "debian-binary", b"2.0\n");
        append(&mut bytes, "control.tar.bz2", b"x");
        assert!(matches!(reason(&bytes), Reason::Compression { .. }));
        assert!(contents_of(&sound[..sound.len() - 40]).is_err());
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        let mut archive = archive(&[("./aaaa/x", b"")], &[]);
        archive[..6].copy_from_slice(b"../b/x");
        let sum: u32 = archive[..512]
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut bytes = b"!<arch>\n".to_vec();
        append(&mut bytes, "debian-binary", b"2.0\n");
        append(&mut bytes, "control.tar", b"");
        append(&mut bytes, "data.tar", &archive);
        assert!(matches!(contents_of(&bytes[..]).unwrap_err(), Reason::Path(ImagePathError::ParentComponent { .. })));
    }

    #[test]
    fn more_than_the_limit_is_an_error() {
        let mut bounded = Bounded { inner: Box::new(io::repeat(0)), left: 100, limit: 100 };
        assert_eq!(io::copy(&mut bounded, &mut io::sink()).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(read_long(&mut io::repeat(b'x')).is_err());
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
                let _ = (contents_of(&bytes[..]), metadata_of(&bytes[..]));
            }
        }
    }
}
