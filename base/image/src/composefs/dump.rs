//! The text form of an image: composefs-dump(5).

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use model::VerityDigest;

use super::Stored;
use super::form::{self, Form};
use super::format::{ESCAPED, METACOPY, OVERLAY, PARENT_MARKS, REDIRECT, S_IFCHR, S_IFMT, S_IFREG, WHITEOUT_MARKS};
use super::layout::Layout;
use super::plan::{Body, Plan};
use super::share::{Attribute, Shared, Value};
use super::survey::Survey;
use crate::Error;
use crate::tree::{Stat, Tree};

/// The text that C `composefs-info dump` prints for the image of `tree`.
///
/// C `mkcomposefs --from-file -` makes the same image of it again, but for what that text form
/// cannot say: `user.overlay.whiteout`, `user.overlay.whiteouts` and `trusted.overlay.whiteouts`
/// where no whiteout is, and `trusted.overlay.whiteout` on a regular file.
///
/// # Errors
/// When the tree cannot become an image, as for [`super::write`].
pub fn dump<C: Stored>(tree: &Tree<C>) -> Result<Vec<u8>, Error> {
    dump_as(tree, &form::OWN)
}

/// The text that C `composefs-info dump` prints for the image of `tree` in the form that others gave it.
///
/// # Errors
/// As [`dump`].
pub fn dump_as<C: Stored>(tree: &Tree<C>, form: &Form) -> Result<Vec<u8>, Error> {
    let plan = Plan::of(&Survey::of(tree, form)?)?;
    let shared = Shared::of(&plan);
    let layout = Layout::of(&plan, &shared)?;
    let several = plan.names.iter().filter(|name| name.again).map(|name| (name.inode, None)).collect();
    Ok(Dumper { plan: &plan, shared: &shared, layout: &layout, first_paths: several, out: Vec::new() }.dump())
}

struct Dumper<'p> {
    plan: &'p Plan<'p>,
    shared: &'p Shared<'p>,
    layout: &'p Layout,
    /// The inodes that have several names, with the first of them once it was printed.
    first_paths: HashMap<u32, Option<Vec<u8>>>,
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
    payload: Option<Cow<'p, [u8]>>,
    content: Option<&'p [u8]>,
    digest: Option<VerityDigest>,
    xattrs: Vec<(Vec<u8>, &'p [u8])>,
}

impl<'p> Dumper<'p> {
    fn dump(mut self) -> Vec<u8> {
        self.line(b"/", 0);
        let mut path = Vec::new();
        let mut pending = vec![(0, self.children(0))];
        while let Some((parent_length, names)) = pending.last_mut() {
            path.truncate(*parent_length);
            let Some(index) = names.next() else {
                pending.pop();
                continue;
            };
            let name = self.plan.names[index];
            let inode = &self.plan.inodes[name.inode as usize];
            let is_stub = inode.mode & S_IFMT == S_IFCHR && matches!(inode.body, Body::None);
            if is_stub || name.name == b"." || name.name == b".." {
                continue;
            }
            path.push(b'/');
            path.extend_from_slice(name.name);
            if !self.line(&path, name.inode) {
                pending.push((path.len(), self.children(name.inode)));
            }
        }
        self.out
    }

    fn children(&self, inode: u32) -> Range<usize> {
        match &self.plan.inodes[inode as usize].body {
            Body::Directory(names) => names.start as usize..names.end as usize,
            _ => 0..0,
        }
    }

    /// Prints a name of an inode; gives back whether another one was printed before.
    fn line(&mut self, path: &[u8], number: u32) -> bool {
        let first = match self.first_paths.get_mut(&number) {
            Some(Some(first)) => Some(first.clone()),
            Some(unseen) => {
                *unseen = Some(path.to_vec());
                None
            }
            None => None,
        };
        let inode = &self.plan.inodes[number as usize];
        let shown = self.show(number as usize);
        self.escaped(path, Also::Nothing);
        let at = if first.is_some() { "@" } else { "" };
        let Stat { uid, gid, mtime, .. } = inode.stat;
        let links = inode.links;
        let Shown { mode, device, size, .. } = shown;
        let (seconds, nanoseconds) = (mtime.seconds, mtime.nanoseconds);
        let fields = format!(" {size} {at}{mode:o} {links} {uid} {gid} {device} {seconds}.{nanoseconds} ");
        self.out.extend_from_slice(fields.as_bytes());
        match &first {
            Some(first) => self.escaped(first, Also::LoneDash),
            None => self.optional(shown.payload.as_deref()),
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
        first.is_some()
    }

    /// Reads an inode as C tools do: its own attributes first, then the shared ones, each of those
    /// of overlayfs acting as it comes.
    fn show(&self, index: usize) -> Shown<'p> {
        let inode = &self.plan.inodes[index];
        let mut shown = Shown {
            mode: inode.mode,
            device: 0,
            size: inode.size(),
            payload: None,
            content: None,
            digest: None,
            xattrs: Vec::new(),
        };
        match &inode.body {
            Body::Directory(_) => shown.size = self.layout.places[index].body_size(),
            Body::Content(content) => shown.content = Some(content),
            Body::Target(target) => shown.payload = Some(Cow::Borrowed(target)),
            Body::Device(number) => shown.device = *number,
            Body::None | Body::Object(..) | Body::Chunks(_) => {}
        }
        let attributes = self.shared.attributes(index);
        let (shared, own): (Vec<_>, Vec<_>) = attributes.partition(|attribute| attribute.shared.is_some());
        own.into_iter().chain(shared).for_each(|attribute| shown.take(&attribute));
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
    /// One of the two attributes that say where a content is, of an image made by others.
    fn take_content(&mut self, name: &[u8], value: &'p [u8]) {
        if name == REDIRECT {
            let path = if value.len() > 1 { value.strip_prefix(b"/").unwrap_or(value) } else { value };
            self.payload = Some(Cow::Borrowed(path));
        } else if let Some((_, digest)) = value.split_first_chunk::<4>()
            && let Some(digest) = digest.as_array()
        {
            self.digest = Some(VerityDigest::new(*digest));
        }
    }

    fn take(&mut self, attribute: &Attribute<'p>) {
        let name = attribute.name;
        let is_regular = self.mode & S_IFMT == S_IFREG;
        let value = match attribute.value {
            Value::Given(_, value) => value,
            Value::Redirect(digest) if is_regular => {
                return self.payload = Some(Cow::Owned(digest.object_path().into_bytes()));
            }
            Value::Metacopy(digest) if is_regular => return self.digest = Some(*digest),
            Value::Redirect(_) | Value::Metacopy(_) => return,
        };
        if name == REDIRECT || name == METACOPY {
            if is_regular {
                self.take_content(name, value);
            }
            return;
        }
        if name == WHITEOUT_MARKS[0] && is_regular {
            self.mode = self.mode & !S_IFMT | S_IFCHR;
            self.device = 0;
            self.size = 0;
        } else if [WHITEOUT_MARKS[1], PARENT_MARKS[0].0, PARENT_MARKS[1].0].contains(&name) {
            // The text has the whiteouts themselves, of which these follow.
        } else if let Some(rest) = name.strip_prefix(ESCAPED) {
            self.xattrs.push(([OVERLAY, rest].concat(), value));
        } else if !name.starts_with(OVERLAY) {
            self.xattrs.push((name.to_vec(), value));
        }
    }
}
