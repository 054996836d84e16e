//! The keyring that the archives are checked with.

use std::path::PathBuf;

use model::Digest;

use super::keyring_file::KeyringFile;
use super::openpgp::{self, Fingerprint};
use super::source::Source;
use super::{Error, Settings};

/// Where Debian's keyring package puts the keys of its archives, on Debian 13 and before.
const KNOWN: [&str; 2] =
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

/// A keyring as it was read.
#[derive(Debug, Clone)]
pub(super) struct Keyring {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// Checks that `file` is there, and is a keyring of public keys.
///
/// # Errors
/// When it is not.
pub fn check_keyring(file: &KeyringFile) -> Result<(), Error> {
    Keyring::read(file)?.fingerprints().map(drop)
}

impl Keyring {
    /// The keyring of Debian's archives: that of `settings`, else those of the host's apt, else Debian's own.
    pub(super) fn open(settings: &Settings) -> Result<Self, Error> {
        // The snapshot archive is none of the host's.
        let hosts = settings.host_keyring.as_ref().filter(|_| settings.snapshot.is_none());
        match settings.keyring.as_ref().or(hosts) {
            Some(file) => Self::read(file),
            None => {
                let known = KNOWN.map(PathBuf::from);
                let found = known.iter().find(|path| path.is_file()).cloned();
                Self::read(&KeyringFile::At(found.ok_or_else(|| Error::KeyringMissing { tried: known.to_vec() })?))
            }
        }
    }

    /// The keyring of each of `sources`, in their order.
    pub(super) fn of_each(settings: &Settings, sources: &[Source]) -> Result<Vec<Self>, Error> {
        let debian = Self::open(settings)?;
        let own = |source: &Source| source.keyring.as_ref().map_or_else(|| Ok(debian.clone()), Self::read);
        sources.iter().map(own).collect()
    }

    /// The keyring in `file`.
    pub(super) fn read(file: &KeyringFile) -> Result<Self, Error> {
        if let KeyringFile::Together(files) = file {
            return Self::together(files);
        }
        let path = file.path();
        match file.read() {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(error) if error.is_not_found() => Err(Error::KeyringNamed { path }),
            Err(fault) => Err(Error::KeyringUnread { path, fault }),
        }
    }

    /// The keys of all `files`.
    fn together(files: &[KeyringFile]) -> Result<Self, Error> {
        let mut all = Self { path: PathBuf::new(), bytes: Vec::new() };
        for file in files {
            let keyring = Self::read(file)?;
            all.bytes.extend(openpgp::binary(&keyring.bytes).map_err(|fault| keyring.fault(fault))?);
            all.path = keyring.path;
        }
        Ok(all)
    }

    fn fault(&self, fault: openpgp::KeyringFault) -> Error {
        Error::Keyring { path: self.path.clone(), fault }
    }

    pub(super) fn sha256(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The primary keys in it, sorted.
    pub(super) fn fingerprints(&self) -> Result<Vec<Fingerprint>, Error> {
        openpgp::fingerprints(&self.bytes).map_err(|fault| self.fault(fault))
    }

    /// Its text form: one block of public keys. That it holds these and nothing else is checked.
    pub(super) fn armoured(&self) -> Result<String, Error> {
        self.fingerprints()?;
        Ok(openpgp::armoured(&openpgp::binary(&self.bytes).map_err(|fault| self.fault(fault))?))
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

    #[test]
    fn several_keyrings_in_either_form_are_one() {
        let packet = |last: u8| [0x98, 8, 4, 0, 0, 0, 0, 1, 0, last];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gpg");
        fs::write(&path, packet(1)).unwrap();
        let text = openpgp::armoured(&packet(2));
        let inline = KeyringFile::Inline { file: PathBuf::from("x.sources"), text };
        let both = Keyring::read(&KeyringFile::Together(vec![KeyringFile::At(path), inline.clone()])).unwrap();
        assert_eq!(both.fingerprints().unwrap().len(), 2);
        assert_eq!(openpgp::binary(both.armoured().unwrap().as_bytes()).unwrap(), [packet(1), packet(2)].concat());
        assert_eq!(Keyring::read(&inline).unwrap().fingerprints().unwrap().len(), 1);
        let damaged = KeyringFile::Inline { file: PathBuf::from("x.sources"), text: "-----BEGIN x".to_owned() };
        let error = Keyring::read(&KeyringFile::Together(vec![inline, damaged])).unwrap_err();
        assert!(error.to_string().contains("x.sources cannot be used"), "{error}");
    }
}
