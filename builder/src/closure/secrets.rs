//! Secrets that maintainer scripts made: keys and certificates of one host. They are made on the node instead.

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, Stat, Tree};
use model::ImagePath;

use super::{DataDirectory, Part};
use crate::ownership::Ownership;
use crate::scrub;

/// The largest file that is looked into for what it is.
const LIMIT: u64 = 64 << 10;

/// A kind of secret that is known by what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretKind {
    /// A private key of OpenSSH, with the algorithm by which its public key begins.
    OpenSsh {
        /// As `ssh-keygen -t` takes it.
        algorithm: String,
    },
    /// A private key in PEM, with the certificate that was made for it.
    Pem {
        /// The certificate.
        certificate: ImagePath,
    },
    /// A key of BIND's control channel: a statement `key` with an algorithm of HMAC.
    Tsig,
    /// What is made along with another one: a public key, a certificate.
    Companion {
        /// The other one.
        of: ImagePath,
    },
    /// Another one.
    Unknown,
}

/// A secret that is not shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where it was made.
    pub path: ImagePath,
    /// What it is.
    pub kind: SecretKind,
    /// Its owner and mode.
    pub stat: Stat,
}

/// The secrets among `parts` that are outside of directories of data. `tree` was not scrubbed.
///
/// # Errors
/// When a file cannot be read.
pub fn secrets<C: Readable>(
    tree: &Tree<C>,
    ownership: &Ownership,
    parts: &BTreeMap<ImagePath, Part>,
    data: &[DataDirectory],
) -> Result<Vec<Secret>, scrub::Error> {
    let is_made = |path: &ImagePath| matches!(parts.get(path), Some(Part::Made { .. }));
    let is_data = |path: &ImagePath| data.iter().any(|data| path.starts_with(&data.path));
    let matches = scrub::find(tree, ownership)?.into_iter();
    let matches = matches.filter(|found| found.rule.secret && is_made(&found.path) && !is_data(&found.path));
    let mut found: BTreeMap<ImagePath, Secret> = BTreeMap::new();
    for path in matches.map(|found| found.path) {
        // A link to a secret is none, and leads to what the node makes.
        let Some((stat, text)) = small(tree, &path)?.filter(|(_, text)| !text.is_empty()) else { continue };
        let kind =
            open_ssh(tree, &path, &text)?.map_or_else(|| pem(tree, &path, &text, parts), |found| Ok(Some(found)))?;
        let other = if scrub::is_control_key(&text) { SecretKind::Tsig } else { SecretKind::Unknown };
        let (kind, companion) = kind.map_or((other, None), |(kind, companion)| (kind, Some(companion)));
        if let Some(companion) = companion
            && let Some(id) = tree.lookup(&companion)
        {
            let (of, stat) = (path.clone(), tree.node(id).stat.clone());
            found.insert(companion.clone(), Secret { path: companion, kind: SecretKind::Companion { of }, stat });
        }
        // What was found with its key before is that.
        found.entry(path.clone()).or_insert(Secret { path, kind, stat });
    }
    Ok(found.into_values().collect())
}

/// The owner and the content of a regular file; the content is empty where the file is larger than what is looked into.
fn small<C: Readable>(tree: &Tree<C>, path: &ImagePath) -> Result<Option<(Stat, Vec<u8>)>, scrub::Error> {
    let Some(node) = tree.lookup(path).map(|id| tree.node(id)) else { return Ok(None) };
    let Kind::Regular(content) = &node.kind else { return Ok(None) };
    let text = if content.size() <= LIMIT { content.read(LIMIT).map_err(scrub::Error::Content)? } else { vec![0] };
    Ok(Some((node.stat.clone(), text)))
}

/// What a secret is, and what was made along with it.
type Known = Option<(SecretKind, ImagePath)>;

/// A private key of OpenSSH with its public key beside it, whose first word is `ssh-ed25519` and the like (sshd(8),
/// "AUTHORIZED_KEYS FILE FORMAT").
fn open_ssh<C: Readable>(tree: &Tree<C>, path: &ImagePath, text: &[u8]) -> Result<Known, scrub::Error> {
    if !text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Ok(None);
    }
    let Ok(public) = ImagePath::new([path.as_bytes(), b".pub"].concat()) else { return Ok(None) };
    let Some((_, text)) = small(tree, &public)? else { return Ok(None) };
    let algorithm = match text.split(|byte| *byte == b' ').next().unwrap_or_default() {
        b"ssh-ed25519" => "ed25519",
        b"ssh-rsa" => "rsa",
        word if word.starts_with(b"ecdsa-sha2-") => "ecdsa",
        _ => return Ok(None),
    };
    Ok(Some((SecretKind::OpenSsh { algorithm: algorithm.to_owned() }, public)))
}

/// A private key in PEM, and a certificate that a script made whose file has its name but for the ending.
fn pem<C: Readable>(
    tree: &Tree<C>,
    path: &ImagePath,
    text: &[u8],
    parts: &BTreeMap<ImagePath, Part>,
) -> Result<Known, scrub::Error> {
    if !text.starts_with(b"-----BEGIN ") || !scrub::holds_private_key(text) {
        return Ok(None);
    }
    let is_like = |other: &&ImagePath| *other != path && stem(other) == stem(path);
    for (certificate, _) in parts.iter().filter(|(other, part)| is_like(other) && matches!(part, Part::Made { .. })) {
        if small(tree, certificate)?.is_some_and(|(_, text)| text.starts_with(b"-----BEGIN CERTIFICATE-----")) {
            return Ok(Some((SecretKind::Pem { certificate: certificate.clone() }, certificate.clone())));
        }
    }
    Ok(None)
}

fn stem(path: &ImagePath) -> &[u8] {
    let name = path.file_name().unwrap_or_default();
    name.iter().rposition(|byte| *byte == b'.').map_or(name, |end| &name[..end])
}
