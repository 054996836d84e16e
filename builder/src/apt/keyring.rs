//! The keyring that the archives are checked with.

use std::io;
use std::path::PathBuf;

use model::Digest;

use super::openpgp::{self, Fingerprint};
use super::small::read_small;
use super::{Error, Settings};

/// Where Debian's keyring package puts the keys of its archives, on Debian 13 and before.
const KNOWN: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// A keyring as it was read.
#[derive(Debug)]
pub(super) struct Keyring {
    path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Keyring {
    /// The keyring of `settings`, or Debian's own where they name none.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        let path = match &settings.keyring {
            Some(path) => path.clone(),
            None => {
                let known = KNOWN.map(PathBuf::from);
                let found = known.iter().find(|path| path.is_file()).cloned();
                found.ok_or_else(|| Error::KeyringMissing { tried: known.to_vec() })?
            }
        };
        match read_small(&path) {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(Error::KeyringMissing { tried: vec![path] })
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Whether it is in the text form, which apt tells by the file's name.
    pub(super) fn is_armoured(&self) -> bool {
        self.bytes.starts_with(b"-----BEGIN")
    }

    /// The primary keys in it, sorted.
    pub(super) fn fingerprints(&self) -> Result<Vec<Fingerprint>, Error> {
        openpgp::fingerprints(&self.bytes).map_err(|fault| Error::Keyring { path: self.path.clone(), fault })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fs;

    use model::Arch;

    use super::*;

    #[test]
    fn what_is_no_keyring_is_named_with_a_cure() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.gpg");
        fs::write(&path, "no keyring").unwrap();
        let mirrors = vec!["http://mirror.example.org/debian".to_owned()];
        let settings = Settings { keyring: Some(path), ..Settings::new("trixie", mirrors, Arch::Amd64) };
        let error = Keyring::open(&settings).unwrap().fingerprints().unwrap_err();
        assert!(error.to_string().contains("key.gpg cannot be used: it is neither a binary nor"), "{error}");
        assert!(!error.cure().is_empty());
    }
}
