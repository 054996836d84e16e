//! A value that must not be seen.

use std::fmt;

use serde::{Serialize, Serializer};

/// A password, a token, or an address that holds one. Whatever prints it prints stars, or what was said to
/// be fit for showing; only [`expose`](Self::expose) gives the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    value: String,
    shown: Option<String>,
}

impl Secret {
    /// A secret of which nothing is shown.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self { value, shown: None }
    }

    /// A secret that is shown as `shown`, such as an address without its password.
    #[must_use]
    pub fn shown_as(value: String, shown: String) -> Self {
        Self { value, shown: Some(shown) }
    }

    /// The value itself, for whoever it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown.as_deref().unwrap_or("***"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

    use super::*;

    #[test]
    fn a_secret_prints_stars_in_every_form_and_gives_its_value_when_asked() {
        let secret = Secret::new("hunter2".to_owned());
        let json = serde_json::to_string(&Some(&secret)).unwrap();
        assert_eq!((format!("{secret} {secret:?} {secret:#?}"), json), ("*** *** ***".into(), "\"***\"".into()));
        assert_eq!(secret.expose(), "hunter2");
        let address = Secret::shown_as("http://u:p@h".to_owned(), "http://***@h".to_owned());
        assert_eq!(format!("{address} {address:?}"), "http://***@h http://***@h");
        assert_eq!(serde_json::to_string(&address).unwrap(), "\"http://***@h\"");
    }
}
