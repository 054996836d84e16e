//! One archive to take packages from, and what can be given to apt safely.

use model::archive;

use super::Error;
use super::keyring_file::KeyringFile;

/// The components of Debian's own archives (Debian Policy, section 2.2).
pub const COMPONENTS: [&str; 4] = ["contrib", "main", "non-free", "non-free-firmware"];

/// One archive to take packages from, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The base URI without a trailing slash.
    pub uri: String,
    /// The suite below it, or the path of a flat archive.
    pub suite: String,
    /// The components; none of a flat archive.
    pub components: Vec<String>,
    /// Whether it was added to the Debian archives, and what is the base of a system does not follow from it.
    pub is_added: bool,
    /// A keyring of its own; `None` where that of the Debian archives counts.
    pub keyring: Option<KeyringFile>,
    /// Whether it is the archive of a past moment, whose Release file has long been out of date.
    pub is_snapshot: bool,
}

impl Source {
    /// How a message names it: URI, suite and components.
    #[must_use]
    pub fn name(&self) -> String {
        let words = [self.uri.as_str(), self.suite.as_str()];
        words.into_iter().chain(self.components.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }
}

pub(super) const FLAT_COMPONENTS: &str = "a suite that ends in a slash is an exact path, which has no components";

pub(super) fn invalid(field: &'static str, value: &str, message: &'static str) -> Error {
    Error::Setting { field, value: value.chars().take(120).collect(), message }
}

/// The URI in its one form. One that holds a password is not repeated.
pub(super) fn check_uri(field: &'static str, uri: &str) -> Result<String, Error> {
    archive::uri(uri).map_err(|fault| {
        let shown = if fault == archive::UriFault::Credentials { "" } else { uri };
        invalid(field, shown, fault.message())
    })
}

pub(super) fn check_suite(field: &'static str, suite: &str) -> Result<(), Error> {
    let message = "this is no suite such as trixie or trixie-security";
    if archive::is_suite(suite) { Ok(()) } else { Err(invalid(field, suite, message)) }
}

pub(super) fn check_place(field: &'static str, place: &str) -> Result<(), Error> {
    let message = "this is no suite such as trixie or trixie-security, nor the path of a flat archive such as ./";
    if archive::is_place(place) { Ok(()) } else { Err(invalid(field, place, message)) }
}

pub(super) fn check_component(component: &str) -> Result<(), Error> {
    let message = "this is no component such as main";
    if archive::is_component(component) { Ok(()) } else { Err(invalid("components", component, message)) }
}
