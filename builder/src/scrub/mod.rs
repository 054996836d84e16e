//! What a root file system holds that must not be shipped, or not as it is.
//!
//! Everything here is unique to one host or one build (keys, identifiers, seeds), describes the
//! build itself (logs, caches, locks), or embeds a time. [`find`] says which file of a tree which rule matches,
//! [`apply`] does what the rules say. A secret that a maintainer script made is never dropped silently: such
//! rules are marked [`Rule::secret`], and what they took is named.

mod binary;
mod content;
mod derived;
mod drawn;
mod error;
mod formats;
mod made_with;
mod matching;
mod names;
mod packed;
mod passwords;
mod pattern;
mod private_key;
mod rule;
mod rules;
mod shadow;
mod shared;
mod trust_store;

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, NodeId, Tree};
use model::observe::Observer;
use model::{Epoch, ImagePath};
use serde::Serialize;

use crate::ownership::Ownership;
pub(crate) use binary::is_random;
pub(crate) use formats::{is_control_key, is_uuid, wire_algorithm};
pub(crate) use made_with::MARKS as DATA_MARKS;
pub(crate) use pattern::matches;
use rules::RULES;

pub use content::{holds_key, may_hold_secret, resembles_secret};
pub use error::{Error, Fault};
pub use matching::may_be_written_over;
pub use private_key::holds_private_key;
pub use rule::{Action, Rule};
pub use shared::is_digest_of_neighbour;

/// The largest file that is rewritten. `/etc/shadow` has a few hundred bytes, Java's trust store 170 KiB.
const REWRITE_LIMIT: u64 = 4 << 20;

/// A file of a tree that is not shipped as it is.
#[derive(Debug, Clone)]
pub struct Match {
    /// The file.
    pub path: ImagePath,
    /// The rule.
    pub rule: &'static Rule,
    /// Why a file that was made out of others is not shipped, where it was looked into.
    pub why: Option<String>,
    node: NodeId,
    /// Whether it is a regular file without content, which holds no secret: such as debconf's file of passwords
    /// where none was asked for.
    is_empty: bool,
}

/// What one rule did to a tree.
#[derive(Debug, Clone, Serialize)]
pub struct Scrubbed {
    /// The rule.
    pub rule: &'static str,
    /// Why such files are not shipped as they are.
    pub reason: &'static str,
    /// Whether these are secrets or identities.
    pub secret: bool,
    /// The files, in byte order.
    pub paths: Vec<ImagePath>,
}

/// Every rule. The first that matches a file decides.
#[must_use]
pub fn rules() -> &'static [Rule] {
    RULES
}

/// What of `tree` the rules match, in the order of its walk.
///
/// # Errors
/// When a file cannot be read.
pub fn find<C: Readable>(tree: &Tree<C>, ownership: &Ownership) -> Result<Vec<Match>, Error> {
    let (mut found, data) = matching::all(tree, ownership)?;
    shared::leave(&mut found, tree, ownership)?;
    made_with::add(&mut found, &data, tree, ownership)?;
    derived::filter(&mut found, tree, ownership)?;
    Ok(found)
}

/// Applies every rule to `tree`; notes each secret that was dropped, unless it is an empty file.
///
/// # Errors
/// When a file cannot be read, or is not what a rule that rewrites it expects.
pub fn apply<C: Readable>(
    tree: &mut Tree<C>,
    ownership: &Ownership,
    epoch: Epoch,
    observer: &dyn Observer,
) -> Result<Vec<Scrubbed>, Error> {
    let mut scrubbed: Vec<Scrubbed> = Vec::new();
    let mut secrets: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for Match { path, rule, why, node, is_empty } in find(tree, ownership)? {
        if !rule.apply(tree, &path, node, epoch)? {
            continue;
        }
        if rule.secret && !is_empty {
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            secrets.entry(rule.name).or_default().push(format!("{path}{why}"));
        }
        match scrubbed.iter_mut().find(|entry| entry.rule == rule.name) {
            Some(entry) => entry.paths.push(path),
            None => {
                scrubbed.push(Scrubbed { rule: rule.name, reason: rule.reason, secret: rule.secret, paths: vec![path] })
            }
        }
    }
    for entry in &scrubbed {
        if let Some(paths) = secrets.get(entry.rule) {
            observer.note(&format!("left out {}: {} ({})", paths.join(", "), entry.reason, entry.rule));
        }
    }
    Ok(scrubbed)
}

/// Files that no one but their owner and group may read on every Debian, and that hold no secret of a
/// fresh installation: passwords are locked.
const KNOWN_CLOSED: [&str; 2] = ["/etc/shadow", "/etc/gshadow"];

/// Whether a regular file that no rule takes may hold a secret that no rule knows: no package installed
/// it, it has content, and whoever made it closed it to others. `mode` has the permission bits.
#[must_use]
pub fn may_be_secret(path: &ImagePath, owned: bool, mode: u16, size: u64) -> bool {
    !owned && size > 0 && mode & 0o004 == 0 && !KNOWN_CLOSED.iter().any(|known| matches(known, path))
}

/// A name for the set of rules, for cache keys: it changes whenever a rule does.
#[must_use]
pub fn version() -> model::Digest {
    let mut text = format!("scrub 5 {:?}\n", made_with::MARKS.map(String::from_utf8_lossy));
    for rule in RULES {
        text.push_str(&format!("{} {:?} {:?} {} ", rule.name, rule.paths, rule.test, rule.copies.name()));
        text.push_str(match rule.action {
            Action::Drop => "drop\n",
            Action::Empty => "empty\n",
            Action::Rewrite(_) => "rewrite\n",
        });
    }
    model::Digest::of(text.as_bytes())
}

impl Rule {
    /// Does what the rule says with the file; whether that changed anything.
    fn apply<C: Readable>(
        &self,
        tree: &mut Tree<C>,
        path: &ImagePath,
        node: NodeId,
        epoch: Epoch,
    ) -> Result<bool, Error> {
        let Kind::Regular(content) = &tree.node(node).kind else {
            return Ok(matches!(self.action, Action::Drop) && tree.remove(path));
        };
        let new = match self.action {
            Action::Drop => return Ok(tree.remove(path)),
            Action::Empty if content.size() == 0 => return Ok(false),
            Action::Empty => Vec::new(),
            Action::Rewrite(rewrite) => {
                let old = content.read(REWRITE_LIMIT)?;
                let new = rewrite(&old, epoch).map_err(|fault| Error::Rewrite { path: path.clone(), fault })?;
                if new == old {
                    return Ok(false);
                }
                new
            }
        };
        Ok(tree.replace_content(path, new.into()))
    }
}

#[cfg(test)]
mod tests;
