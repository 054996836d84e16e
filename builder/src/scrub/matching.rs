//! Which rule matches a file, by its path, its owner and the beginning of its content.

use std::collections::BTreeSet;
use std::io::Read;

use image::Readable;
use image::tree::{Kind, Tree};
use model::ImagePath;

use super::made_with;
use super::pattern::matches;
use super::rule::{Look, Rule, Seen, Test};
use super::rules::RULES;
use super::{Error, Match};
use crate::ownership::{Originals, Ownership};

/// How many first bytes of a file the content rules look at: the whole of a file that may hold a key. One is small, but may
/// stand behind others, or behind what the file is for.
pub(super) const HEAD: usize = 1 << 20;
/// The shortest file that may be a secret.
const SHORTEST: u64 = 8;
/// What dpkg and apt keep of packages: scripts, digests and versions that everyone has.
const OF_PACKAGES: [&[u8]; 2] = [b"/var/lib/dpkg/", b"/var/lib/apt/"];
/// The permission of others to read.
pub(super) const OTHERS_READ: u16 = 0o004;
/// Where a maintainer script may write a secret into a file that its package brought.
const WRITTEN_OVER: [&[u8]; 5] = [b"/etc/", b"/var/", b"/opt/", b"/srv/", b"/usr/local/"];
/// How names of keys and of settings end, wherever they are.
const KEY_NAMES: [&[u8]; 11] =
    [b".pem", b".key", b".p12", b".der", b".crt", b".pfx", b".jks", b".conf", b".cfg", b".ini", b".env"];

/// The rule for each file of `tree` that has one, and the directories of data. A tree is not changed while it is walked.
pub(super) fn all<C: Readable>(
    tree: &Tree<C>,
    ownership: &Ownership,
) -> Result<(Vec<Match>, BTreeSet<ImagePath>), Error> {
    let (mut found, mut data) = (Vec::new(), BTreeSet::new());
    let mut originals = Originals::new(tree, ownership);
    for (path, node, inode) in tree.walk().skip(1) {
        let mut owned = ownership.is_owned(&path);
        if !owned && made_with::is_mark(&path, inode.is_directory()) {
            data.extend(path.parent());
        }
        let head;
        let closed = inode.stat.mode & OTHERS_READ == 0;
        let look = match &inode.kind {
            Kind::Directory(_) => Look::Directory,
            Kind::Symlink(target) => Look::Symlink(target),
            Kind::Regular(content) => {
                let is_written_over = owned && may_be_written_over(&path);
                let wants_head = wants_head(&path, owned && !is_written_over, content.size());
                head = if wants_head { read_head(content)? } else { Vec::new() };
                let look = Look::Regular(&head);
                // What a script wrote into a package's file is the script's.
                let seen = Seen { path: &path, look, owned: false, closed };
                if is_written_over && rule_for(seen).is_some_and(|rule| rule.secret) {
                    owned = content.size() > HEAD as u64 || originals.has(&path, &head)?;
                }
                look
            }
            Kind::CharDevice(_) | Kind::BlockDevice(_) | Kind::Fifo | Kind::Socket => Look::Special,
        };
        if let Some(rule) = rule_for(Seen { path: &path, look, owned, closed }) {
            let is_empty = matches!(&inode.kind, Kind::Regular(content) if content.size() == 0);
            found.push(Match { path, rule, why: None, node, is_empty });
        }
    }
    Ok((found, data))
}

/// The first rule that matches the file. A file that no package installed was made by a maintainer script or by the
/// build.
///
/// A link to a secret is none: what it leads to is left out, and a service finds by the link what the machine makes.
pub(super) fn rule_for(seen: Seen<'_>) -> Option<&'static Rule> {
    let is_link = matches!(seen.look, Look::Symlink(_));
    let is_of_packages = OF_PACKAGES.iter().any(|place| seen.path.as_bytes().starts_with(place));
    // The path is asked first: what is in a file takes longer to see.
    let is_there = |rule: &Rule| {
        !(is_of_packages && rule.is_known_by_content()) && rule.paths.iter().any(|pattern| matches(pattern, seen.path))
    };
    let takes = |rule: &Rule| !(is_link && rule.secret && rule.test != Test::Any) && rule.test.holds(seen);
    RULES.iter().find(|rule| is_there(rule) && takes(rule))
}

/// Whether a maintainer script may have written a secret into the file that its package brought to `path`.
#[must_use]
pub fn may_be_written_over(path: &ImagePath) -> bool {
    WRITTEN_OVER.iter().any(|place| path.as_bytes().starts_with(place))
        || KEY_NAMES.iter().any(|end| path.as_bytes().ends_with(end))
}

fn read_head<C: Readable>(content: &C) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    content.open()?.take(HEAD as u64).read_to_end(&mut head).map_err(Error::Read)?;
    Ok(head)
}

/// Whether a rule may need the first [`HEAD`] bytes of a regular file. Asking this first spares
/// reading almost every file of a tree.
pub(super) fn wants_head(path: &ImagePath, owned: bool, size: u64) -> bool {
    let may_be_key = !owned && (SHORTEST..=HEAD as u64).contains(&size);
    let is_large = |end: &[u8]| path.as_bytes().ends_with(end);
    let may_be_store = !owned && (is_large(b"/cacerts") || is_large(b".fdb"));
    may_be_key || may_be_store || path.as_bytes().ends_with(b".pyc")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_link_to_a_secret_is_no_secret() {
        let rule = |path: &str, look| {
            let seen = Seen { path: &ImagePath::new(path).unwrap(), look, owned: false, closed: false };
            rule_for(seen).map(|rule| rule.name)
        };
        for path in ["/etc/ssh/ssh_host_rsa_key", "/etc/sasldb2", "/etc/nvme/hostid"] {
            assert_eq!(rule(path, Look::Symlink(b"/var/lib/kept")), None, "{path}");
            assert!(rule(path, Look::Regular(b"text")).is_some(), "{path}");
        }
        assert_eq!(
            rule("/etc/hostname", Look::Symlink(b"/x")),
            Some("hostname"),
            "that of another machine is no better"
        );
    }
}
