//! What a resolution depends on beside the requests.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use model::{Arch, Digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Error;
use super::keyring::KeyringFile;

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
    /// file, copy. Nothing is added to this list: security and updates archives count only where
    /// they are named.
    pub mirrors: Vec<String>,
    /// The components, such as `main`.
    pub components: Vec<String>,
    /// The OpenPGP keyring that must have signed the archives; `None` takes Debian's own where the
    /// host has it.
    pub keyring: Option<KeyringFile>,
    /// Which packages are there without being asked for.
    pub variant: Variant,
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

/// One archive to take packages from, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The base URI without a trailing slash.
    pub uri: String,
    /// The suite below it.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
}

/// Which packages a root file system has without being asked, in mmdebstrap's sense.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// Nothing; requested packages are unpacked, and no code of theirs runs.
    Extract,
    /// Nothing; requested packages are installed.
    Custom,
    /// Packages marked `Essential: yes`.
    Essential,
    /// The essential packages and apt.
    Apt,
    /// The essential packages and those of priority required.
    #[default]
    Minbase,
    /// As `Minbase`, and those of priority important.
    Important,
    /// As `Important`, and those of priority standard.
    Standard,
}

/// Why a text names no variant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a variant: give extract, custom, essential, apt, minbase, important or standard")]
pub struct ParseVariantError {
    /// What was given.
    pub text: String,
}

impl Variant {
    /// Every variant, from the smallest to the largest.
    pub const ALL: [Self; 7] =
        [Self::Extract, Self::Custom, Self::Essential, Self::Apt, Self::Minbase, Self::Important, Self::Standard];

    /// The name that mmdebstrap knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Custom => "custom",
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
            Self::Important => "important",
            Self::Standard => "standard",
        }
    }

    /// Whether the packages marked `Essential: yes` belong to it.
    #[must_use]
    pub fn has_essential(self) -> bool {
        !matches!(self, Self::Extract | Self::Custom)
    }

    /// The priorities whose packages belong to it.
    #[must_use]
    pub fn priorities(self) -> &'static [&'static str] {
        match self {
            Self::Extract | Self::Custom | Self::Essential | Self::Apt => &[],
            Self::Minbase => &["required"],
            Self::Important => &["required", "important"],
            Self::Standard => &["required", "important", "standard"],
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = ParseVariantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|variant| variant.name() == text)
            .ok_or_else(|| ParseVariantError { text: text.to_owned() })
    }
}

impl Serialize for Variant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
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
            keyring: None,
            variant: Variant::default(),
            arch,
            snapshot: None,
            snapshot_mirror: None,
            access: Access::default(),
        }
    }

    /// The archives in order, checked; with a snapshot only the snapshot archive.
    ///
    /// # Errors
    /// When a URI, suite or component cannot be given to apt safely, there is no archive at all, or
    /// a snapshot is asked for and no snapshot archive is set.
    pub fn sources(&self) -> Result<Vec<Source>, Error> {
        check_suite("suite", &self.suite)?;
        if self.components.is_empty() {
            return Err(invalid("components", "", "name at least one, such as main"));
        }
        self.components.iter().try_for_each(|component| check_component(component))?;
        if let Some(snapshot) = &self.snapshot {
            let base = self.snapshot_mirror.as_ref();
            let base = base.ok_or_else(|| Error::SnapshotMirrorMissing { snapshot: snapshot.clone() })?;
            if !is_snapshot(snapshot) {
                return Err(invalid("snapshot", snapshot, "a moment is written YYYYMMDDTHHMMSSZ"));
            }
            let uri = format!("{}/{snapshot}", check_uri("snapshot_mirror", base)?);
            return Ok(vec![Source { uri, suite: self.suite.clone(), components: self.components.clone() }]);
        }
        if self.mirrors.is_empty() {
            return Err(invalid("mirrors", "", "name at least one archive"));
        }
        self.mirrors.iter().map(|text| self.source(text)).collect()
    }

    fn source(&self, text: &str) -> Result<Source, Error> {
        let mut words = text.split_ascii_whitespace();
        let uri = check_uri("mirrors", words.next().unwrap_or_default())?;
        let suite = words.next().unwrap_or(&self.suite).to_owned();
        check_suite("mirrors", &suite)?;
        let mut components: Vec<String> = words.map(str::to_owned).collect();
        components.iter().try_for_each(|component| check_component(component))?;
        if components.is_empty() {
            components.clone_from(&self.components);
        }
        Ok(Source { uri, suite, components })
    }

    /// The key of the isolated apt state: everything that changes what apt may see.
    ///
    /// `keyring` is the sha256 of the keyring's bytes.
    pub(crate) fn state_key(&self, sources: &[Source], keyring: Digest) -> Digest {
        let mut text = format!("apt state 1\n{}\n{keyring}\n{:?}\n", self.arch, self.snapshot);
        for source in sources {
            text.push_str(&format!("{} {} {}\n", source.uri, source.suite, source.components.join(" ")));
        }
        Digest::of(text.as_bytes())
    }
}

fn invalid(field: &'static str, value: &str, message: &'static str) -> Error {
    Error::Setting { field, value: value.chars().take(120).collect(), message }
}

/// Checks a URI and takes off its trailing slashes.
///
/// It must hold nothing that apt's configuration, deb822 or one-line sources could read otherwise,
/// and no credentials: it is written into the lock.
fn check_uri(field: &'static str, uri: &str) -> Result<String, Error> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    if !["http", "https", "file", "copy"].contains(&scheme) {
        return Err(invalid(field, uri, "the URI begins with http:, https:, file: or copy:"));
    }
    let plain = |b: u8| b.is_ascii_graphic() && !b"\"'<>\\^`{|}[]#?$".contains(&b);
    if !rest.bytes().all(plain) || rest.split('/').any(|part| part == "..") {
        return Err(invalid(field, uri, "the URI holds a character or a `..` that an archive's URI cannot hold"));
    }
    let local = matches!(scheme, "file" | "copy");
    let rest = rest.trim_end_matches('/');
    // apt writes `file:///srv` as `file:/srv`, and so does the lock.
    let rest = if local && rest.starts_with("///") { &rest[2..] } else { rest };
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split('/').next());
    if local && (!rest.starts_with('/') || authority.is_some()) || !local && authority.is_none_or(str::is_empty) {
        return Err(invalid(field, uri, "the URI names no place"));
    }
    if !local && authority.is_some_and(|authority| authority.contains('@')) {
        return Err(Error::Setting {
            field,
            value: String::new(),
            message: "the URI holds a user name or password, which would end up in the lock",
        });
    }
    Ok(format!("{scheme}:{rest}"))
}

fn is_word(text: &str, also: &[u8]) -> bool {
    text.len() <= 64
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || also.contains(&b))
}

fn check_suite(field: &'static str, suite: &str) -> Result<(), Error> {
    let fine = is_word(suite, b"-._/+") && !suite.ends_with('/') && !suite.split('/').any(|part| part == "..");
    if fine { Ok(()) } else { Err(invalid(field, suite, "this is no suite such as trixie or trixie-security")) }
}

fn check_component(component: &str) -> Result<(), Error> {
    let fine = is_word(component, b"-._/+") && !component.split('/').any(|part| part == "..");
    if fine { Ok(()) } else { Err(invalid("components", component, "this is no component such as main")) }
}

/// Whether `text` is `YYYYMMDDTHHMMSSZ` with a month, day, hour, minute and second that can be.
fn is_snapshot(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    let digits = |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    text.len() == 16
        && digits(text.get(..8))
        && text.get(8..9) == Some("T")
        && digits(text.get(9..15))
        && text.ends_with('Z')
        && number(4..6).is_some_and(|month| (1..=12).contains(&month))
        && number(6..8).is_some_and(|day| (1..=31).contains(&day))
        && number(9..11).is_some_and(|hour| hour < 24)
        && number(11..13).is_some_and(|minute| minute < 60)
        && number(13..15).is_some_and(|second| second < 60)
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
        ])
        .sources()
        .unwrap();
        let lines: Vec<_> =
            sources.iter().map(|s| format!("{} {} {}", s.uri, s.suite, s.components.join(" "))).collect();
        assert_eq!(
            lines,
            [
                "http://mirror.example.org/debian trixie main",
                "https://mirror.example.org/debian-security trixie-security main contrib",
                "file:/srv/archive trixie main",
                "copy:/srv/archive trixie-updates main",
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
            "http://mirror.example.org/debian ./",
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
        let key = one.state_key(&sources, Digest::of(b"k"));
        let mut other = one;
        other.access.proxy = Some("http://proxy.example.org:3128".to_owned());
        other.variant = Variant::Extract;
        assert_eq!(other.state_key(&sources, Digest::of(b"k")), key);
        assert_ne!(other.state_key(&sources, Digest::of(b"l")), key);
        other.arch = Arch::Arm64;
        assert_ne!(other.state_key(&sources, Digest::of(b"k")), key);
    }
}
