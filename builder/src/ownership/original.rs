//! Whether a file is still as its package brought it.
//!
//! dpkg keeps the MD5 of every configuration file in its status file (deb-conffiles(5); field `Conffiles`), and packages bring those
//! of their other files (deb-md5sums(5)). Nobody vouches for anything by them here: they tell what a maintainer script
//! wrote over.

use std::collections::BTreeMap;

use image::Readable;
use image::tree::Tree;
use md5::{Digest as _, Md5};
use model::ImagePath;
use model::package::Package;

use super::{Claim, Error, Ownership, read_file};
use crate::deb822::{Dialect, Reader};
use crate::dpkg::BASE;

/// What packages say of their files, read when it is asked for.
#[derive(Debug)]
pub struct Originals<'a, C> {
    tree: &'a Tree<C>,
    ownership: &'a Ownership,
    /// The MD5 of each configuration file by the name that its package gives it.
    conffiles: Option<BTreeMap<ImagePath, String>>,
}

impl<'a, C: Readable> Originals<'a, C> {
    /// Of the packages that `ownership` knows in `tree`.
    pub fn new(tree: &'a Tree<C>, ownership: &'a Ownership) -> Self {
        Self { tree, ownership, conffiles: None }
    }

    /// Whether `content` is what a package brought to the real path `path`. Where a package does not say what it brought, it
    /// is believed to be that.
    ///
    /// # Errors
    /// When a file of dpkg's database cannot be read.
    pub fn has(&mut self, path: &ImagePath, content: &[u8]) -> Result<bool, Error> {
        let found = base16(&Md5::digest(content));
        for claim in self.ownership.claims(self.tree, path) {
            if self.recorded(&claim)?.is_none_or(|recorded| recorded == found) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn recorded(&mut self, claim: &Claim) -> Result<Option<String>, Error> {
        if !claim.conffile {
            return md5sum(self.tree, &claim.package, &claim.named);
        }
        if self.conffiles.is_none() {
            self.conffiles = Some(conffiles(self.tree)?);
        }
        Ok(self.conffiles.as_ref().and_then(|all| all.get(&claim.named)).cloned())
    }
}

/// The MD5 of the file that `package` calls `named`, by its own list.
fn md5sum<C: Readable>(tree: &Tree<C>, package: &Package, named: &ImagePath) -> Result<Option<String>, Error> {
    let names = [package.name.clone(), format!("{}:{}", package.name, package.arch)];
    for name in names {
        let Ok(path) = ImagePath::new(format!("{BASE}/info/{name}.md5sums")) else { continue };
        let Some(text) = read_file(tree, &path)? else { continue };
        let wanted = named.as_bytes().strip_prefix(b"/").unwrap_or(named.as_bytes());
        let line = |line: &[u8]| {
            let (sum, rest) = line.split_at_checked(32)?;
            (rest.strip_prefix(b"  ")? == wanted).then(|| String::from_utf8_lossy(sum).into_owned())
        };
        return Ok(text.split(|byte| *byte == b'\n').find_map(line));
    }
    Ok(None)
}

/// The MD5 of every configuration file that dpkg's status file has. A file that its package no longer has is none of it.
fn conffiles<C: Readable>(tree: &Tree<C>) -> Result<BTreeMap<ImagePath, String>, Error> {
    let mut all = BTreeMap::new();
    let status = ImagePath::new(format!("{BASE}/status")).ok();
    let text = status.map(|path| read_file(tree, &path)).transpose()?.flatten().unwrap_or_default();
    let mut reader = Reader::new(&*text, Dialect::Index);
    // A damaged status file was refused before.
    while let Some(Ok(paragraph)) = reader.paragraph() {
        let field = paragraph.text("Conffiles").unwrap_or_default();
        for line in field.lines() {
            let mut words = line.split_ascii_whitespace();
            let (path, sum) = (words.next().map(ImagePath::new), words.next());
            if let (Some(Ok(path)), Some(sum), None) = (path, sum, words.next()) {
                all.insert(path, sum.to_owned());
            }
        }
    }
    Ok(all)
}

fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
