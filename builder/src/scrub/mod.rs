//! What a root file system holds that must not be shipped, or not as it is.
//!
//! Everything here is unique to one host or one build (keys, identifiers, seeds), tells of the
//! build itself (logs, caches, locks), or embeds a time. The rules are pure: the caller walks its
//! tree, asks [`rule_for`] about each file and does what the rule's [`Action`] says. A secret that a
//! maintainer script made is never dropped silently: such rules are marked [`Rule::secret`], and
//! the caller names what they took.

mod pattern;
mod rules;
mod shadow;
mod trust_store;

use std::borrow::Cow;

use model::{Epoch, ImagePath};

use pattern::matches;
use rules::RULES;

/// How many first bytes of a file the content rules look at: the whole of a file that may be a key. What
/// Courier makes has the certificate as text before the key, which begins in its second page.
pub const HEAD: usize = 64 << 10;

/// What is done with a file that a rule takes.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// The file is left out.
    Drop,
    /// The file stays, without content.
    Empty,
    /// The content is replaced by what the function makes of it.
    Rewrite(fn(&[u8], Epoch) -> Result<Vec<u8>, Error>),
}

/// What a file looks like to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// A directory.
    Directory,
    /// A regular file with its first [`HEAD`] bytes; empty where [`wants_head`] did not ask for them.
    Regular(&'a [u8]),
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
    /// A device, pipe or socket.
    Special,
}

/// A file of the tree, as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Where it lies in the tree, links resolved.
    pub path: &'a ImagePath,
    /// What it is.
    pub look: Look<'a>,
    /// Whether a package brought it. A file that no package brought was made by a maintainer script
    /// or by the build.
    pub owned: bool,
}

/// What a rule looks for beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// Anything at such a path but a directory.
    File,
    /// Anything at such a path.
    Any,
    /// A regular file that no package brought.
    Unowned,
    /// A symbolic link to a name that ends so.
    LinkTo(&'static [u8]),
    /// A regular file that no package brought and that holds a private key.
    PrivateKey,
    /// A Python byte-code file that embeds its source's time.
    TimedByteCode,
    /// A regular file that no package brought and that is a key store in Java's own form.
    JavaKeyStore,
}

/// Whether a file that a rule takes was made out of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// It was not: the rule takes it everywhere.
    Nothing,
    /// It was: the rule takes it where another secret rule took a file with content.
    Others,
    /// It is an initial RAM disk: the rule takes it where it holds a secret, or cannot be read
    /// ([`ram_disk`](crate::ram_disk)).
    RamDisk,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in kebab-case, which is recorded with a build.
    pub name: &'static str,
    /// Why such a file is not shipped as it is.
    pub reason: &'static str,
    /// Paths; `*` is any part of one component, `**` is any number of components.
    pub paths: &'static [&'static str],
    /// What is done.
    pub action: Action,
    /// Whether such a file is a secret or an identity, which the user must be told of by its path.
    pub secret: bool,
    /// Whether such a file is made out of others, so that it is to be taken only where it may hold a
    /// secret of theirs.
    pub copies: Copies,
    test: Test,
}

/// Why a file cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of `/etc/shadow` has not its nine fields.
    #[error("/etc/shadow, line {line}: it has not nine fields")]
    Shadow {
        /// Counted from 1.
        line: usize,
    },
    /// Java's trust store is not what it should be.
    #[error("Java's trust store is damaged: {what}")]
    TrustStore {
        /// What is wrong.
        what: &'static str,
    },
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is left out.
    Dropped,
    /// It has this content now.
    Replaced(Vec<u8>),
    /// The rule had nothing to change.
    Unchanged,
}

/// Every rule. The first that takes a file decides.
#[must_use]
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The first rule that takes the file.
#[must_use]
pub fn rule_for(candidate: &Candidate<'_>) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.takes(candidate))
}

/// Whether a rule may need the first [`HEAD`] bytes of a regular file. Asking this first spares
/// reading almost every file of a tree.
#[must_use]
pub fn wants_head(path: &ImagePath, owned: bool, size: u64) -> bool {
    // A key of 16384 bits takes 13 KiB; a larger file is no key.
    let may_be_key = !owned && (32..=HEAD as u64).contains(&size);
    let may_be_store = !owned && path.as_bytes().ends_with(b"/cacerts");
    may_be_key || may_be_store || path.as_bytes().ends_with(b".pyc")
}

/// Files that nobody but their owner and group may read on every Debian, and that hold no secret of a
/// fresh installation: passwords are locked.
const KNOWN_CLOSED: [&str; 2] = ["/etc/shadow", "/etc/gshadow"];

/// Whether a regular file that no rule takes may hold a secret that no rule knows: no package brought
/// it, it has content, and whoever made it closed it to others. `mode` has the permission bits.
#[must_use]
pub fn may_be_secret(path: &ImagePath, owned: bool, mode: u16, size: u64) -> bool {
    !owned && size > 0 && mode & 0o004 == 0 && !KNOWN_CLOSED.iter().any(|known| matches(known, path))
}

/// A name for the set of rules, for cache keys: it changes whenever a rule does.
#[must_use]
pub fn version() -> model::Digest {
    let mut text = String::from("scrub 1\n");
    for rule in RULES {
        text.push_str(&format!("{} {:?} {:?} {:?} ", rule.name, rule.paths, rule.test, rule.copies));
        text.push_str(match rule.action {
            Action::Drop => "drop\n",
            Action::Empty => "empty\n",
            Action::Rewrite(_) => "rewrite\n",
        });
    }
    model::Digest::of(text.as_bytes())
}

impl Rule {
    /// Whether the rule takes the file.
    #[must_use]
    pub fn takes(&self, candidate: &Candidate<'_>) -> bool {
        self.test.holds(candidate) && self.paths.iter().any(|pattern| matches(pattern, candidate.path))
    }

    /// What becomes of a file of this content; see [`Action`].
    ///
    /// # Errors
    /// When a file that is to be rewritten is not what it should be.
    pub fn apply(&self, content: &[u8], epoch: Epoch) -> Result<Outcome, Error> {
        let replaced = match self.action {
            Action::Drop => return Ok(Outcome::Dropped),
            Action::Empty => Cow::Borrowed(&[][..]),
            Action::Rewrite(rewrite) => Cow::Owned(rewrite(content, epoch)?),
        };
        Ok(if *replaced == *content { Outcome::Unchanged } else { Outcome::Replaced(replaced.into_owned()) })
    }
}

impl Test {
    fn holds(self, candidate: &Candidate<'_>) -> bool {
        match (self, candidate.look) {
            (Self::Any, _) => true,
            (Self::File, look) => look != Look::Directory,
            (Self::Unowned, Look::Regular(_) | Look::Symlink(_)) => !candidate.owned,
            (Self::LinkTo(end), Look::Symlink(target)) => target.ends_with(end),
            (Self::PrivateKey, Look::Regular(head)) => !candidate.owned && holds_private_key(head),
            (Self::TimedByteCode, Look::Regular(head)) => embeds_time(head),
            (Self::JavaKeyStore, Look::Regular(head)) => !candidate.owned && trust_store::is_key_store(head),
            _ => false,
        }
    }
}

/// RFC 7468 labels: `PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, and the older `RSA PRIVATE KEY`, `OPENSSH
/// PRIVATE KEY`, `PGP PRIVATE KEY BLOCK` and so on, at the beginning of a line.
fn holds_private_key(head: &[u8]) -> bool {
    head.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        let label = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----"));
        label.is_some_and(|label| label.ends_with(b"PRIVATE KEY") || label == b"PGP PRIVATE KEY BLOCK")
    })
}

/// PEP 552: bytes 4 to 8 are flags; the lowest bit is clear where the source's time and size follow
/// instead of its hash.
fn embeds_time(head: &[u8]) -> bool {
    head.get(4..8).is_some_and(|flags| flags[0] & 1 == 0)
}

#[cfg(test)]
mod tests;
