//! An archive beside Debian's, with a keyring of its own.

use model::{Arch, archive};

use super::Error;
use super::keyring_file::KeyringFile;
use super::source::{FLAT_COMPONENTS, Source, check_component, check_place, check_uri, invalid};

/// An archive that is added to Debian's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Its base URI; http, https, file or copy.
    pub uri: String,
    /// The suite below it, or the path of a flat archive, such as `./`.
    pub suite: String,
    /// The components; none of a flat archive.
    pub components: Vec<String>,
    /// The architectures that it has packages for; empty where it has those of every one that is built.
    pub architectures: Vec<Arch>,
    /// The OpenPGP keyring that must have signed it, and that vouches for nothing else; `None` where it is signed as
    /// Debian's archives are.
    pub keyring: Option<KeyringFile>,
    /// Whether the host's apt has it, and not the module.
    pub is_hosts: bool,
}

impl Repository {
    /// Whether it is asked for packages of `arch`.
    #[must_use]
    pub fn serves(&self, arch: Arch) -> bool {
        self.architectures.is_empty() || self.architectures.contains(&arch)
    }

    /// The archive, checked.
    ///
    /// # Errors
    /// When a part of it cannot be given to apt safely, or a flat archive has components and another has none.
    pub fn source(&self) -> Result<Source, Error> {
        const FIELD: &str = "repository";
        let uri = check_uri(FIELD, &self.uri)?;
        check_place(FIELD, &self.suite)?;
        self.components.iter().try_for_each(|component| check_component(component))?;
        match (archive::is_flat(&self.suite), self.components.is_empty()) {
            (true, false) => return Err(invalid(FIELD, &self.suite, FLAT_COMPONENTS)),
            (false, true) => return Err(invalid(FIELD, &self.suite, "name at least one component, such as main")),
            (true, true) | (false, false) => {}
        }
        let (suite, components, keyring) = (self.suite.clone(), self.components.clone(), self.keyring.clone());
        Ok(Source { uri, suite, components, is_added: true, keyring, is_snapshot: false })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::super::Settings;
    use super::*;

    fn repository(uri: &str, suite: &str, components: &[&str]) -> Repository {
        let components = components.iter().map(|word| (*word).to_owned()).collect();
        let (uri, suite) = (uri.to_owned(), suite.to_owned());
        Repository { uri, suite, components, architectures: Vec::new(), keyring: None, is_hosts: false }
    }

    #[test]
    fn a_repository_is_flat_or_has_components() {
        let uri = "https://vendor.example.org/apt/";
        assert_eq!(
            repository(uri, "stable", &["main"]).source().unwrap().name(),
            "https://vendor.example.org/apt stable main"
        );
        assert_eq!(repository(uri, "./", &[]).source().unwrap().name(), "https://vendor.example.org/apt ./");
        for (uri, suite, components) in [
            (uri, "stable", &[] as &[&str]),
            (uri, "./", &["main"]),
            (uri, "-o", &["main"]),
            (uri, "stable", &["[trusted=yes]"]),
            ("http://u:p@vendor.example.org", "./", &[]),
            ("cdrom:[x]/", "./", &[]),
            ("mirror+file:/etc/mirrors", "./", &[]),
        ] {
            let error = repository(uri, suite, components).source().unwrap_err();
            assert!(matches!(
                error,
                Error::Setting { field: "repository", .. } | Error::Setting { field: "components", .. }
            ));
            assert!(!format!("{error} {error:?}").contains("u:p"));
        }
    }

    #[test]
    fn repositories_come_after_debians_archives_for_their_architectures_and_beside_a_snapshot() {
        let mut settings = Settings::new("trixie", vec!["http://mirror.example.org/debian".to_owned()], Arch::Amd64);
        let mut vendor = repository("https://vendor.example.org", "./", &[]);
        vendor.architectures = vec![Arch::Arm64];
        settings.repositories = vec![vendor, repository("https://other.example.org", "trixie", &["main"])];
        let names = |settings: &Settings| settings.sources().unwrap().iter().map(Source::name).collect::<Vec<_>>();
        assert_eq!(
            names(&settings),
            ["http://mirror.example.org/debian trixie main", "https://other.example.org trixie main"]
        );
        settings.arch = Arch::Arm64;
        assert_eq!(names(&settings).len(), 3);
        settings.snapshot = Some("20250520T000000Z".to_owned());
        settings.snapshot_mirror = Some("http://snapshot.example.org/archive/debian".to_owned());
        let sources = settings.sources().unwrap();
        assert_eq!(sources.iter().map(|source| source.is_snapshot).collect::<Vec<_>>(), [true, false, false]);
        // One archive has one keyring.
        settings.repositories.push(repository("https://vendor.example.org/", "./", &[]));
        assert!(matches!(settings.sources(), Err(Error::Setting { field: "repository", .. })));
    }
}
