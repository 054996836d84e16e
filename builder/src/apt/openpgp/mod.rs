//! The fingerprints of the keys in an OpenPGP keyring.
//!
//! Source of the form: RFC 9580, sections 4.2 (packets), 5.5.4 (fingerprints) and 6.2 (armour); for
//! keys of version 5 the draft that GnuPG follows. Nothing is verified here: whether a key may sign an
//! archive is for apt to say. This only names the keys that apt was given.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The tags of packets, as RFC 9580 section 5 numbers them.
mod tag {
    pub(super) const SIGNATURE: u8 = 2;
    pub(super) const SECRET_KEY: u8 = 5;
    pub(super) const PUBLIC_KEY: u8 = 6;
    pub(super) const SECRET_SUBKEY: u8 = 7;
    pub(super) const MARKER: u8 = 10;
    pub(super) const TRUST: u8 = 12;
    pub(super) const USER_ID: u8 = 13;
    pub(super) const PUBLIC_SUBKEY: u8 = 14;
    pub(super) const USER_ATTRIBUTE: u8 = 17;
    pub(super) const PADDING: u8 = 21;
    /// From here on a reader passes over what it does not know.
    pub(super) const FIRST_UNCRITICAL: u8 = 40;
}

/// What names an OpenPGP key: 40 or 64 hexadecimal digits in upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Checks the form of a text that should be a fingerprint.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        let fits = matches!(text.len(), 40 | 64) && text.bytes().all(upper);
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a fingerprint has 40 or 64 hexadecimal digits in upper case");
        Self::parse(&text).ok_or_else(wrong)
    }
}

/// Why bytes are no keyring that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringFault {
    /// The armour (text form) is damaged.
    #[error("its armour is damaged: {0}")]
    Armour(&'static str),
    /// It does not begin as OpenPGP does, or something between two packets does not.
    #[error("it is neither a binary nor an armoured OpenPGP keyring")]
    NotOpenPgp,
    /// A packet ends after the file.
    #[error("it ends within a packet")]
    Truncated,
    /// A packet's length is given in parts or not at all, which is for messages only.
    #[error("a packet has no length of its own")]
    Unbounded,
    /// It holds a private key.
    #[error("it holds a private key")]
    Private,
    /// It holds what belongs to a message, or what a reader must know and this one does not.
    #[error("it holds a packet of the kind {0}, which has no place in a keyring")]
    Packet(u8),
    /// A key is of a version whose fingerprint is not known, or too weak to name it.
    #[error("it holds a key of version {0}; only 4, 5 and 6 are known")]
    Version(u8),
    /// A key's packet is too short or too long for its version.
    #[error("a key in it is damaged")]
    Key,
    /// There is no key in it.
    #[error("it holds no key")]
    Empty,
}

/// The fingerprints of all primary keys in a keyring, sorted, each once.
///
/// The keyring is binary, or armoured when it begins so; several armoured blocks may follow each other.
///
/// # Errors
/// When it is no keyring, is damaged, or holds anything but public keys and what belongs to them.
pub fn fingerprints(keyring: &[u8]) -> Result<Vec<Fingerprint>, KeyringFault> {
    let mut found = BTreeSet::new();
    if keyring.starts_with(b"-----BEGIN") {
        let text = std::str::from_utf8(keyring).map_err(|_| KeyringFault::Armour("it is not UTF-8"))?;
        for block in blocks(text)? {
            packets(&block, &mut found)?;
        }
    } else {
        packets(keyring, &mut found)?;
    }
    if found.is_empty() { Err(KeyringFault::Empty) } else { Ok(found.into_iter().collect()) }
}

/// The bytes of each armoured block.
fn blocks(text: &str) -> Result<Vec<Vec<u8>>, KeyringFault> {
    let damaged = KeyringFault::Armour;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.find(|line| !line.is_empty()) {
        if line != BEGIN {
            return Err(damaged("a line outside of a block is none of a public key's"));
        }
        // Headers such as `Comment: x` end with an empty line, which is there without any header, too.
        let mut headers = lines.by_ref().take_while(|line| !line.is_empty());
        if !headers.all(|line| line.contains(": ")) {
            return Err(damaged("an empty line is missing after its headers"));
        }
        let mut digits = String::new();
        loop {
            let line = lines.next().ok_or_else(|| damaged("its end is missing"))?;
            match line {
                END => break,
                // RFC 9580, section 6.1: the checksum must not be heeded.
                _ if line.starts_with('=') && line.len() == 5 => {}
                _ => digits.push_str(line),
            }
        }
        blocks.push(STANDARD.decode(digits).map_err(|_| damaged("it is not base64"))?);
    }
    Ok(blocks)
}

/// Adds the fingerprints of the keys in a sequence of packets.
fn packets(mut rest: &[u8], found: &mut BTreeSet<Fingerprint>) -> Result<(), KeyringFault> {
    while !rest.is_empty() {
        let (tag, body) = packet(&mut rest)?;
        match tag {
            tag::PUBLIC_KEY => drop(found.insert(fingerprint(body)?)),
            tag::SECRET_KEY | tag::SECRET_SUBKEY => return Err(KeyringFault::Private),
            tag::SIGNATURE | tag::MARKER | tag::TRUST | tag::USER_ID => {}
            tag::PUBLIC_SUBKEY | tag::USER_ATTRIBUTE | tag::PADDING => {}
            _ if tag >= tag::FIRST_UNCRITICAL => {}
            _ => return Err(KeyringFault::Packet(tag)),
        }
    }
    Ok(())
}

/// Takes one packet: its tag and its body.
fn packet<'a>(rest: &mut &'a [u8]) -> Result<(u8, &'a [u8]), KeyringFault> {
    let first = take(rest, 1)?[0];
    if first & 0x80 == 0 {
        return Err(KeyringFault::NotOpenPgp);
    }
    let (tag, length) = if first & 0x40 == 0 {
        let width = match first & 3 {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => return Err(KeyringFault::Unbounded),
        };
        (first >> 2 & 0x0f, number(rest, width)?)
    } else {
        let length = match take(rest, 1)?[0] {
            short @ 0..=191 => usize::from(short),
            high @ 192..=223 => ((usize::from(high) - 192) << 8) + number(rest, 1)? + 192,
            255 => number(rest, 4)?,
            _ => return Err(KeyringFault::Unbounded),
        };
        (first & 0x3f, length)
    };
    // Tag 0 is reserved: zeros are no packets.
    if tag == 0 { Err(KeyringFault::NotOpenPgp) } else { Ok((tag, take(rest, length)?)) }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], KeyringFault> {
    let (taken, left) = rest.split_at_checked(length).ok_or(KeyringFault::Truncated)?;
    *rest = left;
    Ok(taken)
}

/// A big-endian number of `width` bytes, at most four.
fn number(rest: &mut &[u8], width: usize) -> Result<usize, KeyringFault> {
    Ok(take(rest, width)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// The hash of a byte that says the version, the key packet's length and its body.
fn fingerprint(body: &[u8]) -> Result<Fingerprint, KeyringFault> {
    // Version, four bytes of time, algorithm, and at least some of the key itself.
    let (version, long) = match body {
        [version, _, _, _, _, _, _, ..] => (*version, u32::try_from(body.len()).map_err(|_| KeyringFault::Key)?),
        _ => return Err(KeyringFault::Key),
    };
    let short = u16::try_from(body.len()).map_err(|_| KeyringFault::Key);
    let sha256 = |mark: u8| Sha256::new().chain_update([mark]).chain_update(long.to_be_bytes()).chain_update(body);
    let hex = match version {
        4 => {
            let hash = Sha1::new().chain_update([0x99]).chain_update(short?.to_be_bytes()).chain_update(body);
            hex::encode_upper(hash.finalize())
        }
        5 => hex::encode_upper(sha256(0x9a).finalize()),
        6 => hex::encode_upper(sha256(0x9b).finalize()),
        _ => return Err(KeyringFault::Version(version)),
    };
    Ok(Fingerprint(hex))
}

#[cfg(test)]
mod tests;
