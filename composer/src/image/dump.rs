//! The text form of an image: composefs-dump(5).

use std::collections::HashMap;

use model::VerityDigest;

use super::Stored;
use super::format::{
    BLOCK, ESCAPED, METACOPY, OVERLAY, PARENT_MARKS, REDIRECT, S_IFBLK, S_IFCHR, S_IFMT, S_IFREG, WHITEOUT_MARKS,
};
use super::layout::Layout;
use super::plan::{Attribute, Body, Inode, Plan};
use super::survey::Survey;
use crate::Error;
use crate::tree::Tree;

/// The text that C `composefs-info dump` prints for the image of `tree`.
///
/// C `mkcomposefs --from-file -` makes the same image of it again, but for what that text form
/// cannot say: `user.overlay.whiteout`, `user.overlay.whiteouts` and `trusted.overlay.whiteouts`
/// where no whiteout is, and `trusted.overlay.whiteout` on a regular file.
///
/// # Errors
/// When the tree cannot become an image, as for [`super::write`].
pub fn dump<C: Stored>(tree: &Tree<C>) -> Result<Vec<u8>, Error> {
    let survey = Survey::of(tree)?;
    let mut plan = Plan::of(tree, &survey)?;
    let layout = Layout::of(&mut plan)?;
    Ok(Dumper { plan: &plan, layout: &layout, first_paths: HashMap::new(), out: Vec::new() }.dump())
}

struct Dumper<'p, 'a> {
    plan: &'p Plan<'a>,
    layout: &'p Layout,
    /// The first path of inodes that have several.
    first_paths: HashMap<u32, Vec<u8>>,
    out: Vec<u8>,
}

/// What is escaped besides the backslash and what is not printable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Also {
    Nothing,
    Equals,
    LoneDash,
}

/// What a reader makes of an inode and its overlay attributes.
struct Shown<'p> {
    mode: u16,
    device: u32,
    size: u64,
    payload: Option<&'p [u8]>,
    content: Option<&'p [u8]>,
    digest: Option<VerityDigest>,
    xattrs: Vec<(Vec<u8>, &'p [u8])>,
}

impl<'p, 'a> Dumper<'p, 'a> {
    fn dump(mut self) -> Vec<u8> {
        self.line(b"/", 0, false);
        let mut path = Vec::new();
        let mut pending = vec![(0, self.children(0))];
        while let Some((parent_length, names)) = pending.last_mut() {
            path.truncate(*parent_length);
            let Some(index) = names.next() else {
                pending.pop();
                continue;
            };
            let name = self.plan.names[index];
            let is_stub = self.plan.inodes[name.inode as usize].mode & S_IFMT == S_IFCHR
                && self.plan.inodes[name.inode as usize].device == 0;
            if is_stub || name.name == b"." || name.name == b".." {
                continue;
            }
            path.push(b'/');
            path.extend_from_slice(name.name);
            self.line(&path, name.inode, name.again);
            if !name.again {
                pending.push((path.len(), self.children(name.inode)));
            }
        }
        self.out
    }

    fn children(&self, inode: u32) -> std::ops::Range<usize> {
        match &self.plan.inodes[inode as usize].body {
            Body::Directory(names) => names.clone(),
            _ => 0..0,
        }
    }

    fn line(&mut self, path: &[u8], number: u32, again: bool) {
        let plan: &'p Plan<'a> = self.plan;
        let inode = &plan.inodes[number as usize];
        let place = &self.layout.places[number as usize];
        let shown = self.show(inode, place.blocks * BLOCK + place.tail);
        self.escaped(path, Also::Nothing);
        let at = if again { "@" } else { "" };
        let Inode { links, uid, gid, mtime, .. } = inode;
        let Shown { mode, device, size, .. } = shown;
        let (seconds, nanoseconds) = (mtime.seconds, mtime.nanoseconds);
        let fields = format!(" {size} {at}{mode:o} {links} {uid} {gid} {device} {seconds}.{nanoseconds} ");
        self.out.extend_from_slice(fields.as_bytes());
        if again {
            let first = self.first_paths.get(&number).cloned().unwrap_or_default();
            self.escaped(&first, Also::LoneDash);
        } else {
            self.optional(shown.payload);
            if *links > 1 && !matches!(inode.body, Body::Directory(_)) {
                self.first_paths.insert(number, path.to_vec());
            }
        }
        self.out.push(b' ');
        self.optional(shown.content);
        let digest = shown.digest.map_or_else(|| "-".to_owned(), |digest| digest.hex());
        self.out.push(b' ');
        self.out.extend_from_slice(digest.as_bytes());
        for (name, value) in &shown.xattrs {
            self.out.push(b' ');
            self.escaped(name, Also::Equals);
            self.out.push(b'=');
            self.escaped(value, Also::Equals);
        }
        self.out.push(b'\n');
    }

    /// Reads an inode as C tools do: its own attributes first, then the shared ones, each of those
    /// of overlayfs acting as it comes.
    fn show(&self, inode: &'p Inode<'a>, directory_size: u64) -> Shown<'p> {
        let mut shown = Shown {
            mode: inode.mode,
            device: inode.device,
            size: inode.size,
            payload: None,
            content: None,
            digest: None,
            xattrs: Vec::new(),
        };
        match &inode.body {
            Body::Directory(_) => shown.size = directory_size,
            Body::Content(content) => shown.content = Some(content),
            Body::Target(target) => shown.payload = Some(target),
            Body::None | Body::Chunks => {}
        }
        if !matches!(inode.mode & S_IFMT, S_IFCHR | S_IFBLK) {
            shown.device = 0;
        }
        let attributes = &self.plan.attributes[inode.attributes.clone()];
        let (shared, own): (Vec<_>, Vec<_>) = attributes.iter().partition(|attribute| attribute.shared.is_some());
        own.into_iter().chain(shared).for_each(|attribute| shown.take(attribute));
        if let Some(content) = &mut shown.content
            && shown.size == 0
        {
            *content = &[];
        }
        shown
    }

    fn optional(&mut self, field: Option<&[u8]>) {
        match field {
            Some(bytes) => self.escaped(bytes, Also::LoneDash),
            None => self.out.push(b'-'),
        }
    }

    fn escaped(&mut self, bytes: &[u8], also: Also) {
        if also == Also::LoneDash && bytes == b"-" {
            return self.out.extend_from_slice(b"\\x2d");
        }
        for byte in bytes {
            match byte {
                b'\\' => self.out.extend_from_slice(b"\\\\"),
                b'\n' => self.out.extend_from_slice(b"\\n"),
                b'\r' => self.out.extend_from_slice(b"\\r"),
                b'\t' => self.out.extend_from_slice(b"\\t"),
                b'=' if also == Also::Equals => self.out.extend_from_slice(b"\\x3d"),
                byte if byte.is_ascii_graphic() => self.out.push(*byte),
                byte => self.out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            }
        }
    }
}

impl<'p> Shown<'p> {
    fn take(&mut self, attribute: &'p Attribute<'_>) {
        let name = &*attribute.name;
        let is_regular = self.mode & S_IFMT == S_IFREG;
        if name == REDIRECT {
            if is_regular {
                self.payload = Some(attribute.value.strip_prefix(b"/").unwrap_or(attribute.value));
            }
        } else if name == METACOPY {
            if is_regular && let Some(digest) = attribute.value.last_chunk() {
                self.digest = Some(VerityDigest::new(*digest));
            }
        } else if name == WHITEOUT_MARKS[0] && is_regular {
            self.mode = self.mode & !S_IFMT | S_IFCHR;
            self.device = 0;
            self.size = 0;
        } else if [WHITEOUT_MARKS[1], PARENT_MARKS[0].0, PARENT_MARKS[1].0].contains(&name) {
            // The text has the whiteouts themselves, of which these follow.
        } else if let Some(rest) = name.strip_prefix(ESCAPED) {
            self.xattrs.push(([OVERLAY, rest].concat(), attribute.value));
        } else if !name.starts_with(OVERLAY) {
            self.xattrs.push((name.to_vec(), attribute.value));
        }
    }
}
