//! The copy of a graph of content from one store to another.

use std::collections::BTreeSet;

use model::Digest;

use super::{ContentStore, Descriptor};
use crate::error::Error;

/// What is copied, and how much at most.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether what refers to the root, or to anything below it, comes along.
    pub referrers: bool,
    /// How many documents are one below the other.
    pub depth: usize,
    /// How many documents and blobs there are.
    pub count: usize,
    /// How many bytes these have together.
    pub bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { referrers: true, depth: 8, count: 10_000, bytes: 1 << 40 }
    }
}

/// What a copy did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many documents and blobs were sent.
    pub sent: usize,
    /// How many were there already.
    pub present: usize,
    /// The bytes of those that were sent.
    pub bytes: u64,
}

/// Copies `root` and everything that it leads to. What a document lists, and its subject, is there before the document
/// is, so that the copy can end anywhere without leaving a document that leads to nothing. Nothing is tagged.
///
/// What the copy finds at its destination is not sent again, but what it lists is looked for all the same.
///
/// # Errors
/// When content is not there, is not what its descriptor says, or is more than `options` allow, and when one of the
/// stores fails. What was copied by then stays.
pub fn copy(
    from: &dyn ContentStore,
    root: &Descriptor,
    to: &dyn ContentStore,
    options: &Options,
) -> Result<Copied, Error> {
    let mut copy = Copy { from, to, options, seen: BTreeSet::new(), listed: 0, copied: Copied::default() };
    copy.visit(root, 0)?;
    Ok(copy.copied)
}

struct Copy<'a> {
    from: &'a dyn ContentStore,
    to: &'a dyn ContentStore,
    options: &'a Options,
    /// What was visited, as a document or as a blob. No graph of true digests has a circle but through referrers,
    /// which come back to their subject.
    seen: BTreeSet<(Digest, bool)>,
    listed: u64,
    copied: Copied,
}

impl Copy<'_> {
    fn visit(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), Error> {
        if !self.seen.insert((descriptor.digest, descriptor.is_document())) {
            return Ok(());
        }
        self.listed = self.listed.saturating_add(descriptor.size);
        let Options { referrers, depth: deepest, count, bytes } = *self.options;
        self.check(self.seen.len() as u64, count as u64, "documents and blobs")?;
        self.check(self.listed, bytes, "bytes")?;
        if !descriptor.is_document() {
            return self.blob(descriptor);
        }
        self.check(depth as u64 + 1, deepest as u64, "documents below each other")?;
        let document = self.from.document(descriptor)?;
        for child in document.children() {
            self.visit(child, depth + 1)?;
        }
        // A subject need not be there: whoever made the referrer may not have had it.
        if let Some(subject) = document.subject()
            && self.from.stat(subject)?
        {
            self.visit(subject, depth + 1)?;
        }
        // A referrer may be there and not be known as one, where an earlier copy ended too early.
        if !self.is_there(descriptor)? || document.subject().is_some() {
            self.to.put(descriptor, &mut document.raw())?;
        }
        if referrers {
            for referrer in self.from.referrers(&descriptor.digest, None)? {
                self.visit(&referrer, depth + 1)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, descriptor: &Descriptor) -> Result<(), Error> {
        if self.is_there(descriptor)? {
            return Ok(());
        }
        self.to.put(descriptor, &mut self.from.open(descriptor)?)
    }

    /// Whether the destination has it; counts it as sent where not.
    fn is_there(&mut self, descriptor: &Descriptor) -> Result<bool, Error> {
        let is_there = self.to.stat(descriptor)?;
        if is_there {
            self.copied.present += 1;
        } else {
            self.copied.sent += 1;
            self.copied.bytes += descriptor.size;
        }
        Ok(is_there)
    }

    fn check(&self, found: u64, limit: u64, what: &'static str) -> Result<(), Error> {
        if found > limit { Err(Error::Graph { place: self.from.place(), what, limit }) } else { Ok(()) }
    }
}
