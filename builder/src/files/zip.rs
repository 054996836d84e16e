//! A zip archive as a plain tar, so that there is one reader of trees.
//!
//! The form is APPNOTE.TXT of PKWARE, version 6.3.10. Names, modes and links are those of Unix entries (4.4.15), but for set-id and
//! sticky bits, which the library does not give out; an entry of another system has mode 0644, a directory 0755.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};

use model::Epoch;
use tar::{Builder, EntryType, Header};
use zip::{ExtraField, ZipArchive};

/// The most entries: each takes some hundred bytes of memory.
const MOST_ENTRIES: usize = 1 << 20;
/// The longest target of a link, as in Linux.
const MOST_TARGET: u64 = 4096;

/// The archive in `file`.
///
/// # Errors
/// When there is none.
pub(super) fn open<R: Read + Seek>(file: R) -> io::Result<ZipArchive<R>> {
    Ok(ZipArchive::new(file)?)
}

/// Writes the entries of `archive` to `tar`, at most `limit` bytes of contents.
///
/// # Errors
/// When the archive is damaged, encrypted, or has more than that.
pub(super) fn to_tar<R: Read + Seek>(mut archive: ZipArchive<R>, tar: &mut File, limit: u64) -> io::Result<()> {
    if archive.len() > MOST_ENTRIES {
        return Err(too_much(format!("it has more than {MOST_ENTRIES} entries")));
    }
    // One stored content under many names is how a small archive unpacks to a large one.
    if archive.has_overlapping_files()? {
        return Err(wrong("its entries overlap"));
    }
    let mut tar = Builder::new(BufWriter::new(tar));
    let mut left = limit;
    for number in 0..archive.len() {
        let entry = archive.by_index(number)?;
        left =
            left.checked_sub(entry.size()).ok_or_else(|| too_much(format!("it unpacks to more than {limit} bytes")))?;
        append(&mut tar, entry)?;
    }
    tar.into_inner()?.flush()
}

fn append<W: Write, R: Read>(tar: &mut Builder<W>, mut entry: zip::read::ZipFile<'_, R>) -> io::Result<()> {
    let name = entry.name_raw().to_vec();
    if name.contains(&0) {
        return Err(wrong("a name in it holds a NUL byte"));
    }
    let path = std::path::Path::new(std::str::from_utf8(&name).map_err(|_| not_text())?);
    // A root of its own says nothing here, as for tar and unzip.
    let path = path.strip_prefix("/").unwrap_or(path);
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(wrong(&format!("the name {} in it leads out of it", model::path::escape(&name))));
    }
    let mode = entry.unix_mode();
    let is_directory = name.ends_with(b"/");
    let mut header = Header::new_gnu();
    header.set_mode(mode.map_or(if is_directory { 0o755 } else { 0o644 }, |mode| mode & 0o7777));
    header.set_mtime(seconds(&entry));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match (mode.map_or(0, |mode| mode & 0o170_000), is_directory) {
        (0o040_000, _) | (0, true) if entry.size() == 0 => {
            header.set_entry_type(EntryType::Directory);
            tar.append_data(&mut header, path, io::empty())
        }
        (0o040_000, _) | (_, true) => Err(wrong("a directory in it has a content")),
        (0o120_000, false) => {
            let mut target = Vec::new();
            entry.by_ref().take(MOST_TARGET + 1).read_to_end(&mut target)?;
            append_link(tar, header, path, target)
        }
        (0 | 0o100_000, false) => {
            let size = entry.size();
            header.set_entry_type(EntryType::Regular);
            header.set_size(size);
            // Not more than it says, since the tar's header says so, too; and not less.
            let mut counted = Counted { inner: entry.by_ref().take(size), left: size };
            tar.append_data(&mut header, path, &mut counted)?;
            if counted.left > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // Only who reads to the end has the checksum compared.
            match entry.read(&mut [0])? {
                0 => Ok(()),
                _ => Err(wrong("a file in it is longer than it says")),
            }
        }
        _ => Err(wrong("it holds what is neither a file, a directory nor a symbolic link")),
    }
}

/// When the entry was changed, in seconds since 1970: by the extended timestamp of Info-ZIP (extra field 0x5455), which is UTC, else by
/// the time of MS-DOS (APPNOTE.TXT 4.4.6), which has no zone and counts as UTC. 0 where it says none.
fn seconds<R: Read>(entry: &zip::read::ZipFile<'_, R>) -> u64 {
    let extended = entry.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(time) => time.mod_time(),
        _ => None,
    });
    let dos = || {
        let time = entry.last_modified()?;
        let date = [time.year().into(), time.month().into(), time.day().into()];
        let clock = [time.hour().into(), time.minute().into(), time.second().into()];
        u64::try_from(Epoch::from_civil(date, clock).ok()?.seconds()).ok()
    };
    extended.map(u64::from).or_else(dos).unwrap_or(0)
}

fn append_link<W: Write>(
    tar: &mut Builder<W>,
    mut header: Header,
    path: &std::path::Path,
    target: Vec<u8>,
) -> io::Result<()> {
    let target = String::from_utf8(target).map_err(|_| not_text())?;
    if target.is_empty() || target.contains('\0') {
        return Err(wrong("the target of a link in it is none"));
    }
    header.set_entry_type(EntryType::Symlink);
    // As it is written: what is longer is kept so anyhow.
    if header.set_link_name_literal(&target).is_ok() {
        return tar.append_data(&mut header, path, io::empty());
    }
    tar.append_link(&mut header, path, target)
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

fn too_much(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, message)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn not_text() -> io::Error {
    wrong("a name or link in it is not UTF-8")
}
