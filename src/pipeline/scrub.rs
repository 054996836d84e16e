//! The builder's scrub rules, applied to the composer's tree.

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

/// Applies every rule to `tree`; tells the user of each secret that was dropped.
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
    for (path, id, rule) in takers(tree, ownership)? {
        if !apply_rule(tree, &path, id, rule, epoch)? {
            continue;
        }
        match scrubbed.iter_mut().find(|entry| entry.rule == rule.name) {
            Some(entry) => entry.paths.push(path),
            None => {
                scrubbed.push(Scrubbed { rule: rule.name, reason: rule.reason, secret: rule.secret, paths: vec![path] })
            }
        }
    }
    for entry in scrubbed.iter().filter(|entry| entry.secret) {
        let paths: Vec<String> = entry.paths.iter().map(ToString::to_string).collect();
        observer.event(Event::Note(format!("left out {}: {} ({})", paths.join(", "), entry.reason, entry.rule)));
    }
    Ok(scrubbed)
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
