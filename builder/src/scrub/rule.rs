//! What a rule is, and what it looks for.

use model::{Epoch, ImagePath};

use super::error::Fault;
use super::formats::Format;
use super::private_key::holds_private_key;
use super::{names, packed, trust_store};

/// What is done with a file that a rule matches.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// The file is left out.
    Drop,
    /// The file stays, without content.
    Empty,
    /// The content is replaced by what the function makes of it.
    Rewrite(fn(&[u8], Epoch) -> Result<Vec<u8>, Fault>),
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
    /// Whether such a file is a secret or an identity, which the user must learn of by its path.
    pub secret: bool,
    pub(super) copies: Copies,
    pub(super) test: Test,
}

/// Whether a file that a rule matches was made out of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Copies {
    /// It was not: the rule holds everywhere.
    Nothing,
    /// It was: the rule holds where another secret rule matches a file with content.
    Others,
    /// It is an initramfs: the rule holds where there is a secret in it, or it cannot be read.
    Initramfs,
}

impl Copies {
    /// What the [version](super::version) of the rules calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "Nothing",
            Self::Others => "Others",
            Self::Initramfs => "RamDisk",
        }
    }
}

/// What a file looks like to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look<'a> {
    /// A directory.
    Directory,
    /// A regular file with its first bytes; empty where they were not asked for.
    Regular(&'a [u8]),
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
    /// A device, pipe or socket.
    Special,
}

/// A file as the rules see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) path: &'a ImagePath,
    pub(super) look: Look<'a>,
    /// Whether it is as a package installed it.
    pub(super) owned: bool,
    /// Whether others may not read it.
    pub(super) closed: bool,
}

/// What a rule looks for beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// Anything at such a path but a directory.
    File,
    /// Anything at such a path.
    Any,
    /// A regular file that no package installed, or such a link, but for one into `/run`: that holds nothing of
    /// the build's host.
    Unowned,
    /// A regular file that no package installed and that has this form.
    Form(Format),
    /// The same where something else says that it is a secret, too: the file is closed to others, or has such a name. The
    /// content alone is a guess.
    Guess(Format),
    /// The same in a file whose name says that it holds passwords.
    Named(Format),
    /// A regular file that no package installed and that holds a private key.
    PrivateKey,
    /// A Python byte-code file that embeds its source's time.
    TimedByteCode,
    /// A regular file that no package installed and that is a key store in Java's own form.
    JavaKeyStore,
}

impl Rule {
    /// Whether it takes secrets wherever their content is, so that a copy of what everyone has is none.
    pub(super) fn is_known_by_content(&self) -> bool {
        self.secret && matches!(self.test, Test::Form(_) | Test::Guess(_) | Test::Named(_) | Test::PrivateKey)
    }
}

impl Test {
    pub(super) fn holds(self, seen: Seen<'_>) -> bool {
        let Seen { path, look, owned, closed } = seen;
        match (self, look) {
            (Self::Any, _) => true,
            (Self::File, look) => look != Look::Directory,
            (Self::Unowned, Look::Regular(_)) => !owned,
            (Self::Unowned, Look::Symlink(target)) => !owned && !leads_into_run(target),
            (Self::Form(format), Look::Regular(head)) => !owned && format.is_of(head),
            (Self::Guess(format), Look::Regular(head)) => {
                let may_be_guessed = !names::say_public(path) && (closed || names::say_key(path));
                !owned && may_be_guessed && format.is_of(head)
            }
            (Self::Named(format), Look::Regular(head)) => {
                !owned && names::say_passwords(path) && !names::say_public(path) && format.is_of(head)
            }
            (Self::PrivateKey, Look::Regular(head)) => !owned && (holds_private_key(head) || packed::holds_key(head)),
            (Self::TimedByteCode, Look::Regular(head)) => embeds_time(head),
            (Self::JavaKeyStore, Look::Regular(head)) => !owned && trust_store::is_key_store(head),
            _ => false,
        }
    }
}

/// Whether a link leads into `/run`, which every machine makes anew when it starts.
fn leads_into_run(target: &[u8]) -> bool {
    let mut rest = target;
    while let Some(after) = rest.strip_prefix(b"../") {
        rest = after;
    }
    let from_root = rest.strip_prefix(b"/").or_else(|| (rest.len() < target.len()).then_some(rest));
    let below = from_root.map(|path| path.strip_prefix(b"var/").unwrap_or(path));
    below.is_some_and(|path| path.starts_with(b"run/")) && !target.ends_with(b"/..")
}

/// PEP 552: bytes 4 to 8 are flags; the lowest bit is clear where the source's time and size follow
/// instead of its hash.
fn embeds_time(head: &[u8]) -> bool {
    head.get(4..8).is_some_and(|flags| flags[0] & 1 == 0)
}
