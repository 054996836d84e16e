//! Where every byte of an archive comes from.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

use model::{Epoch, VerityDigest};

use super::{BLOCK, DIGEST, IMAGE, MANIFEST, OBJECTS, TarBytes, digest_file, padded};
use crate::composefs::Stored;
use crate::error::Error;
use crate::object::Objects;
use crate::tree::{Kind, Tree};

/// What an archive holds besides the objects.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `manifest.json`.
    pub manifest: &'a [u8],
    /// `module.cfs`.
    pub image: &'a [u8],
    /// The fs-verity digest of `image`.
    pub image_digest: &'a VerityDigest,
}

enum Body<'a> {
    Directory,
    Bytes(&'a [u8]),
    Text(String),
    Object(VerityDigest),
}

struct Entry<'a> {
    offset: u64,
    size: u64,
    body: Body<'a>,
    name: String,
}

/// An archive that is not written yet.
pub struct Plan<'a> {
    entries: Vec<Entry<'a>>,
    boundaries: Vec<u64>,
    objects: &'a dyn Objects,
    epoch: Epoch,
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("entries", &self.entries.len()).field("size", &self.size()).finish()
    }
}

impl<'a> Plan<'a> {
    /// Lays out the archive of `parts` and of the objects that `tree` needs, which come from
    /// `objects`; every entry gets the time `epoch`.
    #[must_use]
    pub fn new<C: Stored>(parts: &Parts<'a>, tree: &Tree<C>, objects: &'a dyn Objects, epoch: Epoch) -> Self {
        let mut plan = Self { entries: Vec::new(), boundaries: vec![0], objects, epoch };
        let digest = digest_file(parts.image_digest);
        plan.push(MANIFEST.into(), parts.manifest.len() as u64, Body::Bytes(parts.manifest));
        plan.push(DIGEST.into(), digest.len() as u64, Body::Text(digest));
        plan.push(IMAGE.into(), parts.image.len() as u64, Body::Bytes(parts.image));
        let mut before = None;
        for (digest, size) in needed(tree) {
            for directory in directories(before.replace(digest).as_ref(), &digest) {
                plan.push(directory, 0, Body::Directory);
            }
            // The name follows from the digest; 150,000 strings need not be kept.
            plan.push(String::new(), size, Body::Object(digest));
        }
        // Two blocks of zeros end an archive.
        if let Some(end) = plan.boundaries.last_mut() {
            *end += 2 * BLOCK;
        }
        plan
    }

    fn push(&mut self, name: String, size: u64, body: Body<'a>) {
        let offset = self.size();
        self.entries.push(Entry { offset, size, body, name });
        self.boundaries.push(offset + BLOCK + padded(size));
    }

    /// The archive's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.boundaries.last().copied().unwrap_or_default()
    }

    fn header(&self, entry: &Entry<'_>) -> Result<[u8; 512], Error> {
        let name = match &entry.body {
            Body::Object(digest) => object_name(digest),
            _ => entry.name.clone(),
        };
        header(&name, entry.size, self.epoch)
    }

    /// Fills `buffer`, which begins as zeros, with the part of `entry` that is from `offset` on.
    fn fill(&self, entry: &Entry<'_>, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        let end = offset + buffer.len() as u64;
        if offset < entry.offset + BLOCK {
            let header = self.header(entry)?;
            place(&header, entry.offset, offset, buffer);
        }
        let body = entry.offset + BLOCK;
        match &entry.body {
            Body::Directory => {}
            Body::Bytes(bytes) => place(bytes, body, offset, buffer),
            Body::Text(text) => place(text.as_bytes(), body, offset, buffer),
            Body::Object(digest) => {
                let from = body.max(offset);
                let to = (body + entry.size).min(end);
                if from < to {
                    let extent = self.objects.locate(digest, entry.size)?;
                    let part = &mut buffer[index(from - offset)..index(to - offset)];
                    extent
                        .file
                        .read_exact_at(part, extent.offset + (from - body))
                        .map_err(Error::io("read the object", Path::new(&digest.object_path())))?;
                }
            }
        }
        Ok(())
    }
}

impl TarBytes for Plan<'_> {
    fn boundaries(&self) -> &[u64] {
        &self.boundaries
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        let first = self.entries.partition_point(|entry| entry.end() <= offset);
        for entry in self.entries[first..].iter().take_while(|entry| entry.offset < end) {
            let (from, to) = (entry.offset.max(offset), entry.end().min(end));
            self.fill(entry, from, &mut buffer[index(from - offset)..index(to - offset)])?;
        }
        Ok(())
    }
}

impl Entry<'_> {
    /// The offset after the padding.
    fn end(&self) -> u64 {
        self.offset + BLOCK + padded(self.size)
    }
}

/// The header of the entry `name`, which is a directory where the name ends in a slash.
pub(super) fn header(name: &str, size: u64, epoch: Epoch) -> Result<[u8; 512], Error> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).map_err(Error::io("name an entry of the archive", Path::new(name)))?;
    let directory = name.ends_with('/');
    header.set_entry_type(if directory { tar::EntryType::Directory } else { tar::EntryType::Regular });
    header.set_mode(if directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch.seconds().unsigned_abs());
    // From 8 GiB on this is the base-256 form, which GNU tar, bsdtar and the tar crate read.
    header.set_size(size);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// The name of an object's entry.
pub(super) fn object_name(digest: &VerityDigest) -> String {
    format!("{OBJECTS}{}", digest.object_path())
}

/// The directories that come between the entries of two objects, or before the first.
pub(super) fn directories(before: Option<&VerityDigest>, next: &VerityDigest) -> Vec<String> {
    let first = |digest: &VerityDigest| digest.as_bytes()[0];
    let own = || format!("{OBJECTS}{:02x}/", first(next));
    match before {
        None => vec![OBJECTS.to_owned(), own()],
        Some(before) if first(before) != first(next) => vec![own()],
        Some(_) => Vec::new(),
    }
}

/// The objects of `tree`, each once, sorted by digest, with their sizes.
fn needed<C: Stored>(tree: &Tree<C>) -> BTreeMap<VerityDigest, u64> {
    let counts = tree.link_counts();
    tree.walk()
        .filter(|(_, id, _)| counts[id.index()] > 0)
        .filter_map(|(_, _, node)| match &node.kind {
            Kind::Regular(file) => file.verity().map(|digest| (*digest, file.size())),
            _ => None,
        })
        .collect()
}

/// Copies into `buffer`, which stands at `offset`, what `bytes`, which stand at `start`, share with it.
fn place(bytes: &[u8], start: u64, offset: u64, buffer: &mut [u8]) {
    let from = start.max(offset);
    let to = (start + bytes.len() as u64).min(offset + buffer.len() as u64);
    if from < to {
        buffer[index(from - offset)..index(to - offset)]
            .copy_from_slice(&bytes[index(from - start)..index(to - start)]);
    }
}

/// A difference of offsets inside one buffer, which is an index.
#[expect(clippy::cast_possible_truncation, reason = "the callers cut it to the length of a buffer")]
fn index(offset: u64) -> usize {
    offset as usize
}
