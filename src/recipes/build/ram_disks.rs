//! Whether an initial RAM disk holds a secret that the scrub rules take elsewhere.

use std::collections::BTreeSet;
use std::io::Read;

use builder::ram_disk::{self, Error as Fault};
use builder::scrub::{self, Candidate, Look};
use composer::scan::Source;
use model::{Digest, ImagePath};

use crate::error::Error;
use crate::recipes::build::ownership::Ownership;

/// The largest secret that is looked for, in bytes. Keys and identifiers are far smaller, and nobody copies a
/// database into a RAM disk.
const LIMIT: u64 = 1 << 20;

/// The contents of files that are secrets.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    digests: BTreeSet<Digest>,
    /// Their sizes: a file of another size need not be hashed.
    sizes: BTreeSet<u64>,
}

impl Secrets {
    /// Adds one, unless it is larger than those that are looked for.
    pub(crate) fn add(&mut self, source: &Source) -> Result<(), Error> {
        if source.size() <= LIMIT {
            self.digests.insert(Digest::of(&source.read(LIMIT)?));
            self.sizes.insert(source.size());
        }
        Ok(())
    }

    fn has(&self, content: &[u8]) -> bool {
        self.sizes.contains(&(content.len() as u64)) && self.digests.contains(&Digest::of(content))
    }
}

/// Why the RAM disk `disk` is not to be shipped: a file in it that a rule would take as a secret at its path,
/// or that is a copy of one of `secrets`, or that nobody can tell what is in it.
pub(crate) fn objection(disk: &Source, secrets: &Secrets, ownership: &Ownership) -> Result<Option<String>, Error> {
    let mut found: Option<ImagePath> = None;
    let input = disk.open()?;
    let read = ram_disk::each_file(input, &mut |path, size, content| {
        if found.is_none() && size > 0 && is_secret(&path, size, content, secrets, ownership)? {
            found = Some(path);
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(found.map(|path| format!("it holds {path}"))),
        Err(Fault::Io(error)) if error.raw_os_error().is_some() => Err(unreadable(&error)),
        Err(fault) => Ok(Some(fault.to_string())),
    }
}

fn is_secret(
    path: &ImagePath,
    size: u64,
    content: &mut dyn Read,
    secrets: &Secrets,
    ownership: &Ownership,
) -> Result<bool, Fault> {
    // Anything larger is no key either.
    if size > LIMIT {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    let look = Look::Regular(&bytes[..bytes.len().min(scrub::HEAD)]);
    let rule = scrub::rule_for(&Candidate { path, look, owned: ownership.is_owned(path) });
    Ok(rule.is_some_and(|rule| rule.secret) || secrets.has(&bytes))
}

fn unreadable(error: &std::io::Error) -> Error {
    Error::outside("cannot read a file of the root file system").because(error)
}
