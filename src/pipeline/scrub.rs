//! The builder's scrub rules, applied to the composer's tree.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use builder::scrub::{self, Candidate, Look, Outcome, Rule};
use composer::scan::Source;
use composer::tree::{Kind, NodeId, Tree};
use model::observe::{Event, Observer};
use model::{Epoch, ImagePath};
use serde::Serialize;

use crate::error::Error;
use crate::pipeline::ownership::Ownership;

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
    let holds_secret = |(_, id, rule): &Taken| rule.secret && !rule.copies_secrets && !empty.contains(id);
    if !taken.iter().any(holds_secret) {
        taken.retain(|(_, _, rule)| !rule.copies_secrets);
    }
    let mut told: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for (path, id, rule) in taken {
        if !apply_rule(tree, &path, id, rule, epoch)? {
            continue;
        }
        if rule.secret && !empty.contains(&id) {
            told.entry(rule.name).or_default().push(path.to_string());
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
            observer.event(Event::Note(format!("left out {}: {} ({})", paths.join(", "), entry.reason, entry.rule)));
        }
    }
    Ok(scrubbed)
}

fn is_empty(tree: &Tree<Source>, id: NodeId) -> bool {
    matches!(&tree.node(id).kind, Kind::Regular(source) if source.size() == 0)
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
        Outcome::Replaced(content) => Ok(tree.replace_content(path, content)),
        Outcome::Unchanged => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fs;
    use std::sync::Mutex;

    use composer::scan::{self, Options};

    use super::*;

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);

    impl Observer for Notes {
        fn event(&self, event: Event) {
            let Event::Note(text) = event else { panic!("{event:?}") };
            self.0.lock().unwrap().push(text);
        }
    }

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
        let notes = Notes::default();
        let taken = apply(&mut tree, &ownership, Epoch::from_seconds(0).unwrap(), &notes).unwrap();
        (taken.iter().map(|entry| entry.rule).collect(), notes.0.into_inner().unwrap())
    }

    #[test]
    fn an_empty_file_is_no_secret_to_tell_of() {
        let passwords = "var/cache/debconf/passwords.dat";
        let (rules, notes) = scrubbed(&[(passwords, "")]);
        assert_eq!((rules, notes), (vec!["debconf-passwords"], vec![]));
        let (_, notes) = scrubbed(&[(passwords, "Value: hunter2\n")]);
        assert!(matches!(notes.as_slice(), [note] if note.starts_with("left out /var/cache/debconf/passwords.dat: ")));
    }

    #[test]
    fn an_initial_ram_disk_is_left_out_where_it_may_hold_a_secret() {
        let (disk, passwords) = (("boot/initrd.img-6.12", "070701"), ("var/cache/debconf/passwords.dat", ""));
        assert_eq!(scrubbed(&[disk, passwords]).0, ["debconf-passwords"]);
        let (rules, notes) = scrubbed(&[disk, ("etc/iscsi/initiatorname.iscsi", "InitiatorName=x\n")]);
        assert_eq!(rules, ["initial-ram-disks", "host-identifiers"]);
        assert!(notes[0].starts_with("left out /boot/initrd.img-6.12: "), "{notes:?}");
    }
}
