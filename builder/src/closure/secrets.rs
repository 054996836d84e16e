//! Secrets that maintainer scripts made: keys and certificates of one host. They are made on the node instead.

use std::collections::BTreeMap;

use image::Readable;
use image::tree::{Kind, Stat, Tree};
use model::ImagePath;
use model::closure::{ClosureRules, TextPath};

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
    /// A private key of Dropbear: in the form of the wire, with its public key.
    Dropbear {
        /// As `dropbearkey -t` takes it.
        algorithm: String,
    },
    /// A private key in PEM, with the certificate that was made for it.
    Pem {
        /// The certificate.
        certificate: ImagePath,
    },
    /// A key of BIND's control channel: a statement `key` with an algorithm of HMAC.
    Tsig,
    /// A UUID, alone in its file.
    Uuid,
    /// Random bytes, and nothing else.
    Random {
        /// How many.
        bytes: usize,
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

/// The secrets among `parts` that are outside of directories of data: what a script made that a rule knows, and what the
/// author declares in `rules`. `tree` was not scrubbed.
///
/// # Errors
/// When a file cannot be read.
pub fn secrets<C: Readable>(
    tree: &Tree<C>,
    ownership: &Ownership,
    parts: &BTreeMap<ImagePath, Part>,
    data: &[DataDirectory],
    rules: &ClosureRules,
) -> Result<Vec<Secret>, scrub::Error> {
    let is_data = |path: &ImagePath| data.iter().any(|data| path.starts_with(&data.path));
    let matches = scrub::find(tree, ownership)?.into_iter();
    let matches = matches.filter(|found| found.rule.secret && parts.contains_key(&found.path) && !is_data(&found.path));
    let mut found: BTreeMap<ImagePath, Secret> = BTreeMap::new();
    let declared = rules.secrets.keys().map(TextPath::path);
    let declared = declared.filter(|path| parts.contains_key(*path) && !is_data(path)).cloned();
    for path in matches.map(|found| found.path).chain(declared) {
        // A link to a secret is none, and leads to what the node makes.
        let Some((stat, text)) = small(tree, &path)?.filter(|(_, text)| !text.is_empty()) else { continue };
        let kind = match ssh(tree, &path, &text)? {
            Some(known) => Some(known),
            None => pem(tree, &path, &text, parts)?,
        };
        let other = alone(&text);
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

/// What a secret is that nothing was made along with.
fn alone(text: &[u8]) -> SecretKind {
    match text {
        text if scrub::is_control_key(text) => SecretKind::Tsig,
        text if scrub::is_uuid(text) => SecretKind::Uuid,
        text if scrub::is_random(text) => SecretKind::Random { bytes: text.len() },
        _ => SecretKind::Unknown,
    }
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

/// A private key of OpenSSH or Dropbear with its public key beside it, whose first word is `ssh-ed25519` and the like (sshd(8),
/// "AUTHORIZED_KEYS FILE FORMAT").
fn ssh<C: Readable>(tree: &Tree<C>, path: &ImagePath, text: &[u8]) -> Result<Known, scrub::Error> {
    let of_dropbear = scrub::wire_algorithm(text);
    if of_dropbear.is_none() && !text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----") {
        return Ok(None);
    }
    let Ok(public) = ImagePath::new([path.as_bytes(), b".pub"].concat()) else { return Ok(None) };
    let Some((_, text)) = small(tree, &public)? else { return Ok(None) };
    let word = text.split(|byte| *byte == b' ').next().unwrap_or_default();
    let algorithm = match word {
        b"ssh-ed25519" => "ed25519",
        b"ssh-rsa" => "rsa",
        b"ssh-dss" if of_dropbear.is_some() => "dss",
        word if word.starts_with(b"ecdsa-sha2-") => "ecdsa",
        _ => return Ok(None),
    };
    let algorithm = algorithm.to_owned();
    let kind = match of_dropbear {
        Some(own) if own == word => SecretKind::Dropbear { algorithm },
        Some(_) => return Ok(None),
        None => SecretKind::OpenSsh { algorithm },
    };
    Ok(Some((kind, public)))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use model::closure::FirstStart;

    use super::super::tests::{found_by, path, started};
    use super::*;

    fn found(rules: &ClosureRules, more: &[&str], keys: &[(&str, &[u8])]) -> Vec<String> {
        let (mut full, ownership, closure) = found_by(rules, more);
        for (at, content) in keys {
            assert!(full.replace_content(&path(at), content.to_vec()));
        }
        let all = secrets(&full, &ownership, &closure.parts, &closure.data, rules).unwrap();
        let all = all.iter().filter(|secret| !secret.path.as_bytes().starts_with(b"/etc/app/key"));
        all.map(|secret| format!("{} {:?}", secret.path, secret.kind)).collect()
    }

    #[test]
    fn what_is_declared_is_a_secret_whatever_it_looks_like_and_a_link_is_none() {
        let start = FirstStart { command: vec!["/usr/bin/make".to_owned()], user: None };
        let at = |text: &str| TextPath::parse(text).unwrap();
        let rules = ClosureRules {
            secrets: [(at("/etc/plain.secret"), start.clone()), (at("/etc/none"), start)].into(),
            ..ClosureRules::default()
        };
        let more = [
            "/etc/plain.secret 640 0:0 word",
            "/etc/dovecot/private/dovecot.key 777 0:0 ->/etc/ssl/private/snakeoil.key",
            "/etc/ssl/private/snakeoil.key 640 0:0 -----BEGIN ENCRYPTED PRIVATE KEY-----",
        ];
        assert_eq!(found(&rules, &more, &[]), ["/etc/plain.secret Unknown", "/etc/ssl/private/snakeoil.key Unknown"]);
        let first = started(&rules, &more);
        assert!(first.links.contains(&(path("/etc/plain.secret"), "/var/lib/module-app/etc/plain.secret".to_owned())));
    }

    #[test]
    fn what_is_random_alone_is_drawn_on_each_machine() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        let random: Vec<u8> = (0..1024).map(|_| next()).collect();
        let more = ["/etc/v/secret 600 0:0 x", "/etc/m/key 400 100:100 x"];
        let keys: [(&str, &[u8]); 2] =
            [("/etc/v/secret", b"0b2c7c9e-5d0f-4c43-9a5e-2f3f8f0f7a11\n"), ("/etc/m/key", &random)];
        let all = found(&ClosureRules::default(), &more, &keys);
        assert_eq!(all, ["/etc/m/key Random { bytes: 1024 }", "/etc/v/secret Uuid"]);
    }

    #[test]
    fn a_key_of_dropbear_is_known_by_its_first_string_and_its_public_key() {
        let keys = ["/etc/dropbear/k 600 0:0 x", "/etc/dropbear/k.pub 644 0:0 ssh-rsa AAAAB3NzaC1yc2E= root@host"];
        let private = [&b"\0\0\0\x07ssh-rsa"[..], &[7; 300]].concat();
        assert_eq!(
            found(&ClosureRules::default(), &keys, &[("/etc/dropbear/k", &private)]),
            [
                "/etc/dropbear/k Dropbear { algorithm: \"rsa\" }",
                "/etc/dropbear/k.pub Companion { of: ImagePath(/etc/dropbear/k) }"
            ]
        );
    }
}
