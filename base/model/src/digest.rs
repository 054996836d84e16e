//! The two digests of the product, as two types that cannot be mixed.
//!
//! A [`Digest`] is the plain sha256 of some bytes: what OCI registries, lock files and SBOMs speak.
//! A [`VerityDigest`] is the fs-verity measurement of a file: the root of a Merkle tree over
//! 4096-byte blocks, which the kernel enforces and composefs stores. Both are 32 bytes and both are
//! customarily written `sha256:<hex>`, which is how the older pipelines came to confuse them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a digest: expected `sha256:` and 64 lowercase hexadecimal digits")]
pub struct ParseDigestError {
    /// What was given, cut to 80 characters.
    pub text: String,
}

fn parse(text: &str) -> Result<[u8; 32], ParseDigestError> {
    let error = || ParseDigestError { text: text.chars().take(80).collect() };
    let digits = text.strip_prefix("sha256:").ok_or_else(error)?;
    parse_hex(digits).ok_or_else(error)
}

fn parse_hex(digits: &str) -> Option<[u8; 32]> {
    let lowercase = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; 32];
    (lowercase && hex::decode_to_slice(digits, &mut bytes).is_ok()).then_some(bytes)
}

macro_rules! digest_type {
    ($name:ident, $what:literal) => {
        impl $name {
            /// Wraps 32 bytes that were computed as
            #[doc = $what]
            #[must_use]
            pub const fn new(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 64 lowercase hexadecimal digits, without a prefix.
            #[must_use]
            pub fn hex(&self) -> String {
                hex::encode(self.0)
            }

            /// Parses 64 lowercase hexadecimal digits without a prefix.
            #[must_use]
            pub fn from_hex(digits: &str) -> Option<Self> {
                parse_hex(digits).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "sha256:{}", self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.hex())
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// The sha256 of some bytes, written `sha256:<64 lowercase hex>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

digest_type!(Digest, "a plain sha256.");

impl Digest {
    /// The sha256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

/// The fs-verity measurement of a file's content: sha256, 4096-byte blocks, no salt.
///
/// Source of the format: the kernel's `Documentation/filesystems/fsverity.rst`, "File digest
/// computation".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerityDigest([u8; 32]);

digest_type!(VerityDigest, "an fs-verity measurement.");

impl VerityDigest {
    /// Where a composefs object store keeps the object: `xx/<62 hex>`, relative to the store.
    #[must_use]
    pub fn object_path(&self) -> String {
        let hex = self.hex();
        format!("{}/{}", &hex[..2], &hex[2..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_its_text() {
        let digest = Digest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("{text:?}"));
    }

    #[test]
    fn what_is_not_sixty_four_lowercase_digits_is_refused() {
        let digits = Digest::of(b"x").hex();
        let upper = digits.to_uppercase();
        for text in [
            "",
            "sha256:",
            &digits,
            &format!("sha256:{upper}"),
            &format!("sha512:{digits}"),
            &format!("sha256:{digits}0"),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_object_lies_under_its_first_two_digits() {
        let digest = VerityDigest::new([0xab; 32]);
        assert_eq!(digest.object_path(), format!("ab/{}", "ab".repeat(31)));
    }

    #[test]
    fn both_kinds_of_digest_read_and_show_the_same_digits() {
        let digits = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let digest = Digest::of(b"abc");
        assert_eq!((digest.hex(), digest.as_bytes()[0], digest.as_bytes()[31]), (digits.to_owned(), 0xba, 0xad));
        assert_eq!(Digest::from_hex(digits), Some(digest));
        assert_eq!(format!("{digest:?}"), format!("Digest({digits})"));
        let verity = VerityDigest::from_hex(digits).unwrap();
        assert_eq!((verity.as_bytes(), verity.hex()), (digest.as_bytes(), digits.to_owned()));
        assert_eq!(format!("{verity:?}"), format!("VerityDigest({digits})"));
        assert_eq!(verity.to_string(), format!("sha256:{digits}"));
        let json = format!("\"sha256:{digits}\"");
        assert_eq!(serde_json::to_string(&verity).unwrap(), json);
        assert_eq!(serde_json::from_str::<VerityDigest>(&json).unwrap(), verity);
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(Digest::from_hex("ba").is_none() && serde_json::from_str::<Digest>("\"ba\"").is_err());
    }
}
