//! The texts among a package's files, for those who read what it says and do not install it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use model::{Digest, ImagePath};

use super::control::{CONTROL_LIMIT, Control, SCRIPTS};
use super::entries::{DATA_LIMIT, DebEntry, DebKind, each_entry, entry};
use super::members::Package;
use super::{Error, Reason, hashed};

/// The largest file that is a text, in bytes. Units have a few hundred, the longest copyright files some 200 KB.
const TEXT_LIMIT: u64 = 512 << 10;
/// The most bytes of all texts of a package.
const TOTAL_LIMIT: u64 = 16 << 20;

/// What a package says, with the contents that were asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DebTexts {
    /// What it says about itself.
    pub control: Control,
    /// Its maintainer scripts by name.
    pub scripts: BTreeMap<String, Vec<u8>>,
    /// Its files in their order.
    pub entries: Vec<DebEntry>,
    /// The contents of those that were asked for, by the paths that the package has for them. Larger files than any
    /// text has are left out.
    pub files: BTreeMap<ImagePath, Vec<u8>>,
}

/// What the package at `path` says, with the contents of the regular files that `is_wanted` takes, from one reading and only
/// if the bytes that were read are those with this sha256.
///
/// # Errors
/// When the file is no sound package, or another one.
pub fn texts(path: &Path, sha256: &Digest, is_wanted: &dyn Fn(&ImagePath) -> bool) -> Result<DebTexts, Error> {
    hashed(path, sha256, |file| read(file, is_wanted))
}

fn read(input: impl Read, is_wanted: &dyn Fn(&ImagePath) -> bool) -> Result<DebTexts, Reason> {
    let mut package = Package::new(input)?;
    let mut texts = DebTexts::default();
    let mut control = None;
    let mut left = TOTAL_LIMIT;
    each_entry(package.open("control.tar", CONTROL_LIMIT)?, &mut |item, content| {
        let path = ImagePath::new(&item.path)?;
        let Some(name) = std::str::from_utf8(path.relative()).ok().filter(|_| item.header.entry_type().is_file())
        else {
            return Ok(());
        };
        if name == "control" {
            let bytes = text(content, &mut left)?.unwrap_or_default();
            control = Some(Control::parse(&String::from_utf8_lossy(&bytes))?);
        } else if SCRIPTS.contains(&name)
            && let Some(bytes) = text(content, &mut left)?
        {
            texts.scripts.insert(name.to_owned(), bytes);
        }
        Ok(())
    })?;
    texts.control = control.ok_or(Reason::Control { what: "it is missing" })?;
    each_entry(package.open("data.tar", DATA_LIMIT)?, &mut |item, content| {
        let entry = entry(&item)?;
        if entry.kind == DebKind::Regular
            && is_wanted(&entry.path)
            && let Some(bytes) = text(content, &mut left)?
        {
            texts.files.insert(entry.path.clone(), bytes);
        }
        texts.entries.push(entry);
        Ok(())
    })?;
    Ok(texts)
}

/// The content, unless it is larger than a text or than what is `left` of all.
fn text(content: &mut dyn Read, left: &mut u64) -> Result<Option<Vec<u8>>, Reason> {
    let limit = TEXT_LIMIT.min(*left);
    let mut bytes = Vec::new();
    content.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Ok(None);
    }
    *left -= bytes.len() as u64;
    Ok(Some(bytes))
}
