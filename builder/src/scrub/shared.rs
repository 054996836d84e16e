//! What looks like a secret and is none, since others have it, too: copies of files that packages bring, and digests of
//! files beside it.

use std::collections::BTreeSet;

use image::Readable;
use image::tree::{Kind, Tree};
use md5::Digest as _;
use model::ImagePath;

use super::matching::HEAD;
use super::rule::Test;
use super::{Error, Match};
use crate::ownership::{Originals, Ownership};

/// The largest file whose digest is looked for, and the most of them in a directory.
const LIMIT: u64 = 4 << 20;
const MOST: usize = 256;

/// Takes out of `found` what is known by its content alone and is a copy of what a package brought, or a digest of a neighbour.
pub(super) fn leave<C: Readable>(found: &mut Vec<Match>, tree: &Tree<C>, ownership: &Ownership) -> Result<(), Error> {
    let mut contents = Vec::new();
    for (at, one) in found.iter().enumerate() {
        if let Kind::Regular(content) = &tree.node(one.node).kind
            && one.rule.is_known_by_content()
            && content.size() <= HEAD as u64
        {
            contents.push((at, content.read(HEAD as u64)?));
        }
    }
    let mut shared = copies(&contents, found, tree, ownership)?;
    for (at, content) in contents {
        let is_guess = matches!(found[at].rule.test, Test::Guess(_));
        if is_guess && is_digest_of_neighbour(tree, &found[at].path, &content)? {
            shared.insert(at);
        }
    }
    let mut at = 0..;
    found.retain(|_| at.next().is_some_and(|at| !shared.contains(&at)));
    Ok(())
}

/// Which of `contents` are those of packaged files. What a script wrote over is no longer its package's.
fn copies<C: Readable>(
    contents: &[(usize, Vec<u8>)],
    found: &[Match],
    tree: &Tree<C>,
    ownership: &Ownership,
) -> Result<BTreeSet<usize>, Error> {
    let mut shared = BTreeSet::new();
    let sizes: BTreeSet<u64> = contents.iter().map(|(_, content)| content.len() as u64).collect();
    if sizes.is_empty() {
        return Ok(shared);
    }
    let mut originals = Originals::new(tree, ownership);
    for (path, _, node) in tree.walk().skip(1) {
        let Kind::Regular(original) = &node.kind else { continue };
        if !sizes.contains(&original.size()) || !ownership.is_owned(&path) {
            continue;
        }
        let original = original.read(HEAD as u64)?;
        let same = contents.iter().filter(|(at, content)| *content == original && found[*at].path != path);
        let same: Vec<usize> = same.map(|(at, _)| *at).collect();
        if !same.is_empty() && originals.has(&path, &original)? {
            shared.extend(same);
        }
    }
    Ok(shared)
}

/// Whether `content` is the MD5, SHA-1, SHA-256 or SHA-512 of a file beside `path`, in digits or in bytes.
///
/// # Errors
/// When one of them cannot be read.
pub fn is_digest_of_neighbour<C: Readable>(tree: &Tree<C>, path: &ImagePath, content: &[u8]) -> Result<bool, Error> {
    let digits = std::str::from_utf8(content).ok().and_then(|text| hex::decode(text.trim()).ok());
    let wanted = digits.unwrap_or_else(|| content.to_vec());
    let Some(digest) = digest_of_length(wanted.len()) else { return Ok(false) };
    let directory = path.parent().and_then(|parent| tree.lookup(&parent)).map(|id| tree.node(id));
    for (name, id) in directory.and_then(|node| node.entries()).into_iter().flatten().take(MOST) {
        if Some(&**name) == path.file_name() {
            continue;
        }
        if let Kind::Regular(content) = &tree.node(*id).kind
            && content.size() <= LIMIT
            && digest(&content.read(LIMIT)?) == wanted
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A function from a content to its digest.
type Digest = fn(&[u8]) -> Vec<u8>;

fn digest_of_length(length: usize) -> Option<Digest> {
    match length {
        16 => Some(|bytes| md5::Md5::digest(bytes).to_vec()),
        20 => Some(|bytes| sha1::Sha1::digest(bytes).to_vec()),
        32 => Some(|bytes| sha2::Sha256::digest(bytes).to_vec()),
        64 => Some(|bytes| sha2::Sha512::digest(bytes).to_vec()),
        _ => None,
    }
}
