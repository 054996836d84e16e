//! A zip archive as a plain tar, so that there is one reader of trees.
//!
//! The form is APPNOTE.TXT of PKWARE, version 6.3.10. Names, modes and links are those of Unix entries (4.4.15); an entry of
//! another system has mode 0644, a directory 0755.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};

use tar::{Builder, EntryType, Header};
use zip::ZipArchive;

/// The most entries: each takes some hundred bytes of memory.
const MOST_ENTRIES: usize = 1 << 20;
/// The longest target of a link, as in Linux.
const MOST_TARGET: u64 = 4096;

/// Writes the entries of `archive` to `tar`, at most `limit` bytes of contents.
///
/// # Errors
/// When the archive is damaged, encrypted, or has more than that.
pub(super) fn to_tar(archive: impl Read + Seek, tar: &mut File, limit: u64) -> io::Result<()> {
    let mut archive = ZipArchive::new(archive)?;
    if archive.len() > MOST_ENTRIES {
        return Err(too_much(format!("it has more than {MOST_ENTRIES} entries")));
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
    let mode = entry.unix_mode();
    let kind = mode.map(|mode| mode & 0o170_000);
    let mut header = Header::new_gnu();
    header.set_mode(mode.map_or(if entry.is_dir() { 0o755 } else { 0o644 }, |mode| mode & 0o7777));
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let path = std::path::Path::new(std::ffi::OsStr::new(std::str::from_utf8(&name).map_err(|_| not_text())?));
    if entry.is_dir() {
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        return tar.append_data(&mut header, path, io::empty());
    }
    match kind {
        Some(0o120_000) => {
            let mut target = Vec::new();
            entry.by_ref().take(MOST_TARGET + 1).read_to_end(&mut target)?;
            let target = String::from_utf8(target).map_err(|_| not_text())?;
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, path, target)
        }
        None | Some(0 | 0o100_000) => {
            let size = entry.size();
            header.set_entry_type(EntryType::Regular);
            header.set_size(size);
            // Not more than it says, since the tar's header says so, too; and not less.
            let mut counted = Counted { inner: entry.take(size), left: size };
            tar.append_data(&mut header, path, &mut counted)?;
            if counted.left == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        }
        Some(_) => Err(io::Error::other("it holds what is neither a file, a directory nor a symbolic link")),
    }
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

fn not_text() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a name or link in it is not UTF-8")
}
