//! The builder's scrub rules, applied to the composer's tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use builder::scrub::{self, Candidate, Copies, Look, Outcome, Rule};
use composer::scan::Source;
use image::tree::{Kind, NodeId, Tree};
use model::observe::Observer;
use model::{Epoch, ImagePath};
use serde::Serialize;

use crate::error::Error;
use crate::recipes::build::ownership::Ownership;
use crate::recipes::build::ram_disks::{self, Secrets};

/// The largest file that is rewritten. `/etc/shadow` has a few hundred bytes, Java's trust store 170 KiB.
const REWRITE_LIMIT: u64 = 4 << 20;

/// What one rule did to a tree.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scrubbed {
    /// The rule.
    pub(crate) rule: &'static str,
    /// Why such files are not shipped as they are.
    pub(crate) reason: &'static str,
    /// Whether these are secrets or identities.
    pub(crate) secret: bool,
    /// The files, in byte order.
    pub(crate) paths: Vec<ImagePath>,
}

/// Applies every rule to `tree`; tells the user of each secret that was dropped, unless it is an empty file.
///
/// # Errors
/// When a file cannot be read, or is not what a rule that rewrites it expects.
pub(crate) fn apply(
    tree: &mut Tree<Source>,
    ownership: &Ownership,
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<Vec<Scrubbed>, Error> {
    let mut scrubbed: Vec<Scrubbed> = Vec::new();
    let mut taken = takers(tree, ownership)?;
    // What has no content holds no secret, such as debconf's file of passwords where none was asked for.
    let empty: BTreeSet<NodeId> = taken.iter().map(|(_, id, _)| *id).filter(|id| is_empty(tree, *id)).collect();
    let objections = weigh_copies(&mut taken, &empty, tree, ownership)?;
    let mut told: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (path, id, rule) in taken {
        if !apply_rule(tree, &path, id, rule, epoch)? {
            continue;
        }
        if rule.secret && !empty.contains(&id) {
            let why = objections.get(&id).map_or_else(String::new, |objection| format!(" ({objection})"));
            told.entry(rule.name).or_default().push(format!("{path}{why}"));
        }
        match scrubbed.iter_mut().find(|entry| entry.rule == rule.name) {
            Some(entry) => entry.paths.push(path),
            None => {
                scrubbed.push(Scrubbed { rule: rule.name, reason: rule.reason, secret: rule.secret, paths: vec![path] })
            }
        }
    }
    for entry in &scrubbed {
        if let Some(paths) = told.get(entry.rule) {
            observer.note(&format!("left out {}: {} ({})", paths.join(", "), entry.reason, entry.rule));
        }
    }
    Ok(scrubbed)
}

/// Keeps of the files that were made out of others in `taken` only those that may hold a secret; gives back what
/// is to be said of some of them.
fn weigh_copies(
    taken: &mut Vec<Taken>,
    empty: &BTreeSet<NodeId>,
    tree: &Tree<Source>,
    ownership: &Ownership,
) -> Result<BTreeMap<NodeId, String>, Error> {
    let is_secret = |(_, id, rule): &&Taken| rule.secret && rule.copies == Copies::Nothing && !empty.contains(id);
    let any_secret = taken.iter().any(|one| is_secret(&one));
    let mut objections = BTreeMap::new();
    if taken.iter().any(|(_, _, rule)| rule.copies == Copies::RamDisk) {
        let mut secrets = Secrets::default();
        for source in taken.iter().filter(is_secret).filter_map(|(_, id, _)| content(tree, *id)) {
            secrets.add(source)?;
        }
        for (_, id, _) in taken.iter().filter(|(_, _, rule)| rule.copies == Copies::RamDisk) {
            if let Some(disk) = content(tree, *id) {
                objections.extend(ram_disks::objection(disk, &secrets, ownership)?.map(|objection| (*id, objection)));
            }
        }
    }
    taken.retain(|(_, id, rule)| match rule.copies {
        Copies::Nothing => true,
        Copies::Others => any_secret,
        Copies::RamDisk => objections.contains_key(id),
    });
    Ok(objections)
}

fn content(tree: &Tree<Source>, id: NodeId) -> Option<&Source> {
    match &tree.node(id).kind {
        Kind::Regular(source) => Some(source),
        _ => None,
    }
}

fn is_empty(tree: &Tree<Source>, id: NodeId) -> bool {
    content(tree, id).is_some_and(|source| source.size() == 0)
}

type Taken = (ImagePath, NodeId, &'static Rule);

/// What each rule takes. A tree is not changed while it is walked.
fn takers(tree: &Tree<Source>, ownership: &Ownership) -> Result<Vec<Taken>, Error> {
    let mut taken = Vec::new();
    for (path, id, node) in tree.walk().skip(1) {
        let owned = ownership.is_owned(&path);
        let head;
        let look = match &node.kind {
            Kind::Directory(_) => Look::Directory,
            Kind::Symlink(target) => Look::Symlink(target),
            Kind::Regular(source) => {
                head = if scrub::wants_head(&path, owned, source.size()) { read_head(source)? } else { Vec::new() };
                Look::Regular(&head)
            }
            _ => Look::Special,
        };
        let rule = scrub::rule_for(&Candidate { path: &path, look, owned });
        taken.extend(rule.map(|rule| (path, id, rule)));
    }
    Ok(taken)
}

fn read_head(source: &Source) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let read = source.open()?.take(scrub::HEAD as u64).read_to_end(&mut head);
    read.map_err(|error| Error::outside("cannot read a file of the root file system").because(&error))?;
    Ok(head)
}

/// Does what `rule` says; gives back whether that changed anything.
fn apply_rule(tree: &mut Tree<Source>, path: &ImagePath, id: NodeId, rule: &Rule, epoch: Epoch) -> Result<bool, Error> {
    let content = match &tree.node(id).kind {
        Kind::Regular(source) if !matches!(rule.action, scrub::Action::Drop) => source.read(REWRITE_LIMIT)?,
        _ => Vec::new(),
    };
    let outcome = rule.apply(&content, epoch);
    let outcome = outcome.map_err(|error| Error::input(format!("cannot scrub {path}")).because(&error))?;
    match outcome {
        Outcome::Dropped => Ok(tree.remove(path)),
        Outcome::Replaced(content) => Ok(tree.replace_content(path, Source::Bytes(content.into()))),
        Outcome::Unchanged => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fs;

    use composer::scan::{self, Options};

    use super::*;

    /// Which rules took something in a tree of these files, and what the user was told.
    fn scrubbed(files: &[(&str, &str)]) -> (Vec<&'static str>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in [("etc/os-release", "")].iter().chain(files) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let mut tree = scan::rootfs(folder.path(), &Options::default()).unwrap();
        let ownership = Ownership::read(&tree).unwrap();
        let notes = model::observe::Collected::default();
        let taken = apply(&mut tree, &ownership, Epoch::from_seconds(0).unwrap(), &notes).unwrap();
        (taken.iter().map(|entry| entry.rule).collect(), notes.texts())
    }

    #[test]
    fn an_empty_file_is_no_secret_to_tell_of() {
        let passwords = "var/cache/debconf/passwords.dat";
        let (rules, notes) = scrubbed(&[(passwords, "")]);
        assert_eq!((rules, notes), (vec!["debconf-passwords"], vec![]));
        let (_, notes) = scrubbed(&[(passwords, "Value: hunter2\n")]);
        assert!(matches!(notes.as_slice(), [note] if note.starts_with("left out /var/cache/debconf/passwords.dat: ")));
    }

    /// A RAM disk with one file.
    fn ram_disk(name: &str, content: &str) -> String {
        let member = |name: &str, mode: usize, content: &str| {
            let fields = [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
            let digits: String = fields.iter().map(|field| format!("{field:08x}")).collect();
            let pad = |text: String| text.clone() + &"\0".repeat(text.len().next_multiple_of(4) - text.len());
            pad(pad(format!("070701{digits}{name}\0")) + content)
        };
        member(name, 0o100_600, content) + &member("TRAILER!!!", 0, "")
    }

    const DISK: &str = "boot/initrd.img-6.12";

    #[test]
    fn an_initial_ram_disk_without_a_secret_stays() {
        let disk = ram_disk("etc/fstab", "none");
        assert_eq!(scrubbed(&[(DISK, &disk), ("etc/ssh/ssh_host_rsa_key", "secret")]).0, ["ssh-host-keys"]);
        assert!(scrubbed(&[(DISK, &disk)]).0.is_empty());
    }

    #[test]
    fn a_key_is_found_wherever_it_begins_in_its_file() {
        let text = "Certificate:\n".repeat(4000) + "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n";
        assert_eq!(scrubbed(&[("etc/server.pem", &text)]).0, ["private-keys"]);
    }

    #[test]
    fn an_initial_ram_disk_that_holds_a_secret_is_left_out_and_named() {
        let told = |files: &[(&str, &str)]| {
            let (rules, notes) = scrubbed(files);
            assert!(rules.contains(&"initial-ram-disks"), "{rules:?}");
            notes.into_iter().find(|note| note.starts_with("left out /boot")).unwrap()
        };
        let copy = ram_disk("conf/key", "secret");
        let note = told(&[(DISK, &copy), ("etc/iscsi/initiatorname.iscsi", "secret")]);
        assert!(note.starts_with("left out /boot/initrd.img-6.12 (it holds /conf/key): an initial RAM disk"), "{note}");
        let alone = ram_disk("./etc/iscsi/initiatorname.iscsi", "InitiatorName=x");
        let note = told(&[(DISK, &alone)]);
        assert!(note.contains("(it holds /etc/iscsi/initiatorname.iscsi)"), "{note}");
        let note = told(&[(DISK, "lzo or what")]);
        assert!(
            note.contains("(it holds neither a cpio archive nor one compressed by gzip, xz or zstd at byte 0)"),
            "{note}"
        );
    }
}
