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
    let mut found = Vec::new();
    for path in matches.map(|found| found.path) {
        let Some(node) = tree.lookup(&path).map(|id| tree.node(id)) else { continue };
        // A link to a secret is none, and leads to what the node makes.
        let Kind::Regular(content) = &node.kind else { continue };
        if content.size() == 0 {
            continue;
        }
        let text =
            if content.size() <= LIMIT { content.read(LIMIT).map_err(scrub::Error::Content)? } else { Vec::new() };
        found.push((Secret { path, kind: SecretKind::Unknown, stat: node.stat.clone() }, text));
    }
    Ok(known(found))
}

/// The same with what each of them is.
fn known(mut found: Vec<(Secret, Vec<u8>)>) -> Vec<Secret> {
    let all: Vec<(ImagePath, Vec<u8>)> =
        found.iter().map(|(secret, text)| (secret.path.clone(), text.clone())).collect();
    let mut companions = BTreeMap::new();
    for (secret, text) in &mut found {
        let kind = open_ssh(&secret.path, text, &all).or_else(|| pem(&secret.path, text, &all));
        let Some((kind, companion)) = kind else { continue };
        secret.kind = kind;
        companions.insert(companion, secret.path.clone());
    }
    let is_companion = |(mut secret, _): (Secret, Vec<u8>)| {
        if let Some(of) = companions.get(&secret.path) {
            secret.kind = SecretKind::Companion { of: of.clone() };
        }
        secret
    };
    found.into_iter().map(is_companion).collect()
}

/// A private key of OpenSSH with its public key beside it, whose first word is `ssh-ed25519` and the like (sshd(8),
/// "AUTHORIZED_KEYS FILE FORMAT").
fn open_ssh(path: &ImagePath, text: &[u8], all: &[(ImagePath, Vec<u8>)]) -> Option<(SecretKind, ImagePath)> {
    if !text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----") {
        return None;
    }
    let public = ImagePath::new([path.as_bytes(), b".pub"].concat()).ok()?;
    let (_, text) = all.iter().find(|(other, _)| *other == public)?;
    let word = text.split(|byte| *byte == b' ').next()?;
    let algorithm = match word {
        b"ssh-ed25519" => "ed25519",
        b"ssh-rsa" => "rsa",
        word if word.starts_with(b"ecdsa-sha2-") => "ecdsa",
        _ => return None,
    };
    Some((SecretKind::OpenSsh { algorithm: algorithm.to_owned() }, public))
}

/// A private key in PEM, and a certificate whose file has its name but for the ending.
fn pem(path: &ImagePath, text: &[u8], all: &[(ImagePath, Vec<u8>)]) -> Option<(SecretKind, ImagePath)> {
    if !text.starts_with(b"-----BEGIN ") || !scrub::holds_private_key(text) {
        return None;
    }
    let is_certificate = |(other, text): &&(ImagePath, Vec<u8>)| {
        text.starts_with(b"-----BEGIN CERTIFICATE-----") && stem(other) == stem(path)
    };
    let (certificate, _) = all.iter().find(is_certificate)?;
    Some((SecretKind::Pem { certificate: certificate.clone() }, certificate.clone()))
}

fn stem(path: &ImagePath) -> &[u8] {
    let name = path.file_name().unwrap_or_default();
    name.iter().rposition(|byte| *byte == b'.').map_or(name, |end| &name[..end])
}
