//! Files that were made out of others: whether they hold a secret that the rules take elsewhere.

use std::collections::BTreeSet;
use std::io::Read;

use image::Readable;
use image::tree::{Kind, Tree};
use model::{Digest, ImagePath};

use super::matching::{HEAD, rule_for};
use super::rule::{Copies, Look, Seen};
use super::{Error, Match};
use crate::initramfs;
use crate::ownership::Ownership;

/// The largest secret that is looked for, in bytes. Keys and identifiers are far smaller, and nothing copies a
/// database into an initramfs.
const LIMIT: u64 = 1 << 20;

/// Keeps of the files in `found` that were made out of others only those that may hold a secret.
pub(super) fn filter<C: Readable>(found: &mut Vec<Match>, tree: &Tree<C>, ownership: &Ownership) -> Result<(), Error> {
    let is_secret = |one: &&Match| one.rule.secret && one.rule.copies == Copies::Nothing && !one.is_empty;
    let any_secret = found.iter().any(|one| is_secret(&one));
    let content = |one: &Match| match &tree.node(one.node).kind {
        Kind::Regular(content) => Some(content),
        _ => None,
    };
    if found.iter().any(|one| one.rule.copies == Copies::Initramfs) {
        let mut secrets = Secrets::default();
        for content in found.iter().filter(is_secret).filter_map(content) {
            secrets.add(content)?;
        }
        for one in found.iter_mut().filter(|one| one.rule.copies == Copies::Initramfs) {
            if let Some(initramfs) = content(one) {
                one.why = reason_to_drop(initramfs, &secrets, ownership)?;
            }
        }
    }
    found.retain(|one| match one.rule.copies {
        Copies::Nothing => true,
        Copies::Others => any_secret,
        Copies::Initramfs => one.why.is_some(),
    });
    Ok(())
}

/// The contents of files that are secrets.
#[derive(Debug, Default)]
struct Secrets {
    digests: BTreeSet<Digest>,
    /// Their sizes: a file of another size need not be hashed.
    sizes: BTreeSet<u64>,
}

impl Secrets {
    /// Adds one, unless it is larger than those that are looked for.
    fn add<C: Readable>(&mut self, content: &C) -> Result<(), Error> {
        if content.size() <= LIMIT {
            self.digests.insert(Digest::of(&content.read(LIMIT)?));
            self.sizes.insert(content.size());
        }
        Ok(())
    }

    fn has(&self, content: &[u8]) -> bool {
        self.sizes.contains(&(content.len() as u64)) && self.digests.contains(&Digest::of(content))
    }
}

/// Why the initramfs `content` is not to be shipped: a file in it that a rule would take as a secret at its path,
/// or that is a copy of one of `secrets`, or that it cannot be read.
fn reason_to_drop<C: Readable>(content: &C, secrets: &Secrets, ownership: &Ownership) -> Result<Option<String>, Error> {
    let mut found: Option<ImagePath> = None;
    let read = initramfs::each_file(content.open()?, &mut |path, size, content| {
        if found.is_none() && size > 0 && is_secret(&path, size, content, secrets, ownership)? {
            found = Some(path);
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(found.map(|path| format!("it holds {path}"))),
        Err(initramfs::Error::Io(error)) if error.raw_os_error().is_some() => Err(Error::Read(error)),
        Err(fault) => Ok(Some(fault.to_string())),
    }
}

fn is_secret(
    path: &ImagePath,
    size: u64,
    content: &mut dyn Read,
    secrets: &Secrets,
    ownership: &Ownership,
) -> Result<bool, initramfs::Error> {
    // Anything larger is no key either.
    if size > LIMIT {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    let look = Look::Regular(&bytes[..bytes.len().min(HEAD)]);
    // What is only guessed is compared with the secrets of the tree: a disk holds many small files without an owner.
    let seen = Seen { path, look, owned: ownership.is_owned(path), closed: false };
    Ok(rule_for(seen).is_some_and(|rule| rule.secret) || secrets.has(&bytes))
}
