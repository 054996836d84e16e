//! What a resolution depends on beside the requests.

use std::path::PathBuf;

use model::closure::BaseRequest;
use model::package::PackageRequest;
use model::resolution::Variant;
use model::{Arch, Digest, archive};

use super::Error;
use super::keyring_file::KeyringFile;
use super::lower::LowerModule;
use super::repository::Repository;
use super::source::{FLAT_COMPONENTS, Source, check_component, check_place, check_suite, check_uri, invalid};

/// Where packages come from and which set of them is the base.
///
/// Everything but [`Settings::access`] can change the bytes of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The suite or code name, such as `trixie` or `stable`.
    pub suite: String,
    /// The archives, in order of preference. Each is `URI` (then [`Settings::suite`] and
    /// [`Settings::components`] hold) or `URI SUITE [COMPONENT...]`, such as
    /// `https://mirror.example.org/debian-security trixie-security main`. Schemes: http, https,
    /// file, copy. A suite that ends in a slash is the path of a flat archive, which has no components. Nothing is
    /// added to this list: security and updates archives count only where they are named.
    pub mirrors: Vec<String>,
    /// Further archives, each with its own keyring; a snapshot does not replace them.
    pub repositories: Vec<Repository>,
    /// The components, such as `main`.
    pub components: Vec<String>,
    /// The OpenPGP keyring that must have signed the archives; `None` takes [`Settings::host_keyring`].
    pub keyring: Option<KeyringFile>,
    /// The keyring that the host's own apt checks these archives with; where there is none, Debian's own is taken if the
    /// host has it.
    pub host_keyring: Option<KeyringFile>,
    /// Which packages are there without being asked for.
    pub variant: Variant,
    /// What the packages are to be laid over; none where nothing is. Then its variant counts for what is there without
    /// being asked for, and [`Settings::variant`] only says whether packages are installed or unpacked.
    pub base: Option<BaseRequest>,
    /// The built modules that they are laid over as well, for whatever architectures; none where no one looked for them.
    pub lower: Option<Vec<LowerModule>>,
    /// The architecture to resolve for.
    pub arch: Arch,
    /// A moment of the snapshot archive, `YYYYMMDDTHHMMSSZ`. It replaces every mirror: a pinned
    /// snapshot never falls back to a live archive.
    pub snapshot: Option<String>,
    /// The snapshot archive, to which `/<moment>` is added; needed where `snapshot` is set.
    pub snapshot_mirror: Option<String>,
    /// How to reach the archives; changes speed and place only.
    pub access: Access,
}

/// How archives are reached: what cannot change the bytes of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Use what the isolated state already holds, without any network.
    pub offline: bool,
    /// An HTTP proxy for http and https, such as `http://proxy.example.org:3128`. It may hold a user
    /// and a password, and is written nowhere.
    pub proxy: Option<String>,
    /// The certificate authorities (PEM) that https is held to; `None` takes the host's.
    pub certificates: Option<PathBuf>,
}

impl Settings {
    /// Settings for `suite` from one or more mirrors: component `main`, variant minbase, Debian's
    /// keyring, no snapshot.
    #[must_use]
    pub fn new(suite: impl Into<String>, mirrors: Vec<String>, arch: Arch) -> Self {
        Self {
            suite: suite.into(),
            mirrors,
            components: vec!["main".to_owned()],
            repositories: Vec::new(),
            keyring: None,
            host_keyring: None,
            variant: Variant::default(),
            base: None,
            lower: None,
            arch,
            snapshot: None,
            snapshot_mirror: None,
            access: Access::default(),
        }
    }

    /// Which packages are there without being asked for.
    #[must_use]
    pub fn implied(&self) -> Variant {
        self.base.as_ref().map_or(self.variant, |base| base.variant)
    }

    /// How the root file system is made.
    #[must_use]
    pub fn made_by(&self) -> Variant {
        self.base.as_ref().map_or(self.variant, |base| base.made_by(self.variant))
    }

    /// The archives in order, checked: those of Debian, with a snapshot only the snapshot archive, and then those of
    /// [`Settings::repositories`] that have packages for [`Settings::arch`].
    ///
    /// # Errors
    /// When a URI, suite or component cannot be given to apt safely, there is no archive at all, one is named twice, or
    /// a snapshot is asked for and no snapshot archive is set.
    pub fn sources(&self) -> Result<Vec<Source>, Error> {
        check_suite("suite", &self.suite)?;
        if self.components.is_empty() {
            return Err(invalid("components", "", "name at least one, such as main"));
        }
        self.components.iter().try_for_each(|component| check_component(component))?;
        let mut sources = match &self.snapshot {
            Some(moment) => vec![self.moment(moment)?],
            None if self.mirrors.is_empty() => return Err(invalid("mirrors", "", "name at least one archive")),
            None => self.mirrors.iter().map(|text| self.source(text)).collect::<Result<Vec<_>, _>>()?,
        };
        for repository in self.repositories.iter().filter(|repository| repository.serves(self.arch)) {
            let source = repository.source()?;
            // apt holds one archive to one keyring.
            if sources.iter().any(|other| (&other.uri, &other.suite) == (&source.uri, &source.suite)) {
                return Err(invalid("repository", &source.name(), "the archive is named before, with its own keyring"));
            }
            sources.push(source);
        }
        Ok(sources)
    }

    /// Whether a module that asks for `requests` has no package at all by these settings: then no archive is needed.
    #[must_use]
    pub fn asks_for_nothing(&self, requests: &[PackageRequest]) -> bool {
        let has_own = match self.implied() {
            Variant::Extract | Variant::Custom => false,
            Variant::Essential | Variant::Apt | Variant::Minbase | Variant::Important | Variant::Standard => true,
        };
        requests.is_empty() && self.base.is_none() && !has_own
    }

    /// The snapshot archive at `moment`.
    fn moment(&self, moment: &str) -> Result<Source, Error> {
        let base = self.snapshot_mirror.as_ref();
        let base = base.ok_or_else(|| Error::SnapshotMirrorMissing { snapshot: moment.to_owned() })?;
        if !archive::is_snapshot(moment) {
            return Err(invalid("snapshot", moment, "a moment is written YYYYMMDDTHHMMSSZ"));
        }
        let uri = format!("{}/{moment}", check_uri("snapshot_mirror", base)?);
        let (suite, components) = (self.suite.clone(), self.components.clone());
        Ok(Source { uri, suite, components, is_snapshot: true, ..Source::default() })
    }

    fn source(&self, text: &str) -> Result<Source, Error> {
        let mut words = text.split_ascii_whitespace();
        let uri = check_uri("mirrors", words.next().unwrap_or_default())?;
        let suite = words.next().unwrap_or(&self.suite).to_owned();
        check_place("mirrors", &suite)?;
        let mut components: Vec<String> = words.map(str::to_owned).collect();
        components.iter().try_for_each(|component| check_component(component))?;
        if archive::is_flat(&suite) {
            if !components.is_empty() {
                return Err(invalid("mirrors", text, FLAT_COMPONENTS));
            }
        } else if components.is_empty() {
            components.clone_from(&self.components);
        }
        // With a snapshot the lock names its archive as the only mirror.
        Ok(Source { uri, suite, components, ..Source::default() })
    }

    /// The key of the isolated apt state: everything that changes what apt may see.
    ///
    /// `keyrings` are the sha256 of the bytes of each source's keyring.
    pub(crate) fn state_key(&self, sources: &[Source], keyrings: &[Digest]) -> Digest {
        let mut text = format!("apt state 2\n{}\n{:?}\n", self.arch, self.snapshot);
        for (source, keyring) in sources.iter().zip(keyrings) {
            text.push_str(&format!("{} {keyring}\n", source.name()));
        }
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    fn settings(mirrors: &[&str]) -> Settings {
        Settings::new("trixie", mirrors.iter().map(|text| (*text).to_owned()).collect(), Arch::Amd64)
    }

    #[test]
    fn a_mirror_is_a_uri_with_an_optional_suite_and_components() {
        let sources = settings(&[
            "http://mirror.example.org/debian/",
            "https://mirror.example.org/debian-security trixie-security main contrib",
            "file:///srv/archive",
            "copy:/srv/archive trixie-updates",
            "http://mirror.example.org/deb/ /",
            "http://mirror.example.org ./",
        ])
        .sources()
        .unwrap();
        let lines: Vec<_> = sources.iter().map(Source::name).collect();
        assert_eq!(
            lines,
            [
                "http://mirror.example.org/debian trixie main",
                "https://mirror.example.org/debian-security trixie-security main contrib",
                "file:/srv/archive trixie main",
                "copy:/srv/archive trixie-updates main",
                "http://mirror.example.org/deb /",
                "http://mirror.example.org ./",
            ]
        );
    }

    #[test]
    fn nothing_that_apt_could_read_otherwise_is_a_mirror() {
        for mirror in [
            "",
            "mirror.example.org",
            "ftp://mirror.example.org/debian",
            "http://",
            "file:relative",
            "file://srv/archive",
            "http://user:word@mirror.example.org/debian",
            "http://mirror.example.org/\"; DPkg::Pre-Invoke {\"id\"}; //",
            "http://mirror.example.org/a/../b",
            "http://mirror.example.org/debian ./ main",
            "http://mirror.example.org/debian .//",
            "http://mirror.example.org/debian ../x",
            "http://mirror.example.org/debian trixie ma\"in",
            "http://mirror.example.org/debian trixie [trusted=yes]",
        ] {
            assert!(matches!(settings(&[mirror]).sources(), Err(Error::Setting { .. })), "{mirror:?}");
        }
        assert!(settings(&[]).sources().is_err());
    }

    #[test]
    fn credentials_are_refused_without_being_repeated() {
        let error = settings(&["http://user:secret-word@mirror.example.org/debian"]).sources().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret-word"));
    }

    #[test]
    fn a_snapshot_replaces_every_mirror_and_needs_its_own_archive() {
        let mut settings = settings(&["http://mirror.example.org/debian"]);
        settings.snapshot = Some("20250520T000000Z".to_owned());
        assert!(matches!(settings.sources(), Err(Error::SnapshotMirrorMissing { .. })));
        settings.snapshot_mirror = Some("http://snapshot.example.org/archive/debian/".to_owned());
        let sources = settings.sources().unwrap();
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uri, "http://snapshot.example.org/archive/debian/20250520T000000Z");
        for wrong in ["20250520", "20251320T000000Z", "20250532T000000Z", "20250520T240000Z", "2025052+T000000Z"] {
            settings.snapshot = Some(wrong.to_owned());
            assert!(matches!(settings.sources(), Err(Error::Setting { .. })), "{wrong}");
        }
    }

    #[test]
    fn variants_have_mmdebstraps_names() {
        for variant in Variant::ALL {
            assert_eq!(variant.to_string().parse(), Ok(variant));
        }
        assert!("buildd".parse::<Variant>().is_err());
    }

    #[test]
    fn the_state_key_sees_what_apt_sees_and_nothing_else() {
        let one = settings(&["http://mirror.example.org/debian"]);
        let sources = one.sources().unwrap();
        let key = one.state_key(&sources, &[Digest::of(b"k")]);
        let mut other = one;
        other.access.proxy = Some("http://proxy.example.org:3128".to_owned());
        other.variant = Variant::Extract;
        assert_eq!(other.state_key(&sources, &[Digest::of(b"k")]), key);
        assert_ne!(other.state_key(&sources, &[Digest::of(b"l")]), key);
        other.arch = Arch::Arm64;
        assert_ne!(other.state_key(&sources, &[Digest::of(b"k")]), key);
    }
}
