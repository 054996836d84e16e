//! The keyring that the archives are checked with.

use std::path::PathBuf;

use host::{Dir, Links};
use model::Digest;

use super::bounded_read;
use super::openpgp::{self, Fingerprint};
use super::{Error, Settings};

/// Where Debian's keyring package puts the keys of its archives, on Debian 13 and before.
const KNOWN: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// Where a keyring is, and how far the way to it may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyringFile {
    /// Where a user or the machine says; links are followed.
    At(PathBuf),
    /// In a directory that brings it along, such as a module, out of which neither the path nor a link may
    /// lead.
    Below {
        /// The directory.
        directory: PathBuf,
        /// The path from there.
        path: PathBuf,
    },
}

impl KeyringFile {
    /// The whole path.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        match self {
            Self::At(path) => path.clone(),
            Self::Below { directory, path } => directory.join(path),
        }
    }

    fn read(&self) -> Result<Vec<u8>, host::Error> {
        match self {
            Self::At(path) => host::open::read(path, bounded_read::LIMIT),
            Self::Below { directory, path } => Dir::open(directory)?.read(path, Links::Below, bounded_read::LIMIT),
        }
    }
}

/// A keyring as it was read.
#[derive(Debug)]
pub(super) struct Keyring {
    path: PathBuf,
    pub(super) bytes: Vec<u8>,
}

impl Keyring {
    /// The keyring of `settings`, or Debian's own where they name none.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        let file = match &settings.keyring {
            Some(file) => file.clone(),
            None => {
                let known = KNOWN.map(PathBuf::from);
                let found = known.iter().find(|path| path.is_file()).cloned();
                KeyringFile::At(found.ok_or_else(|| Error::KeyringMissing { tried: known.to_vec() })?)
            }
        };
        let path = file.path();
        match file.read() {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(error) if error.is_not_found() => Err(Error::KeyringNamed { path }),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Whether it is in the text form, which apt says by the file's name.
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

    use model::{Arch, Explain};

    use super::*;

    #[test]
    fn what_is_no_keyring_is_named_with_a_hint() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.gpg");
        fs::write(&path, "no keyring").unwrap();
        let mirrors = vec!["http://mirror.example.org/debian".to_owned()];
        let settings =
            Settings { keyring: Some(KeyringFile::At(path)), ..Settings::new("trixie", mirrors, Arch::Amd64) };
        let error = Keyring::open(&settings).unwrap().fingerprints().unwrap_err();
        assert!(error.to_string().contains("key.gpg cannot be used: it is neither a binary nor"), "{error}");
        assert!(error.explain().hint.is_some());
    }
}
