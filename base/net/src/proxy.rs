//! The proxy that everything goes through.

use std::fmt;

use super::{Error, url};

/// A proxy for http and https. It may hold a user and a password, which are never printed.
#[derive(Clone)]
pub struct Proxy {
    text: String,
    inner: reqwest::Proxy,
}

impl Proxy {
    /// The proxy at a URL such as `http://proxy.example.org:3128`.
    ///
    /// # Errors
    /// [`Error::Proxy`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let inner = reqwest::Proxy::all(text).map_err(|_| Error::Proxy)?;
        Ok(Self { text: text.to_owned(), inner })
    }

    pub(crate) fn inner(&self) -> reqwest::Proxy {
        self.inner.clone()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Proxy").field(&url::redact(&self.text)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_does_not_print_its_password_and_what_is_none_is_refused() {
        let proxy = Proxy::parse("http://user:hunter2@proxy.example.org:3128").unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(\"http://***@proxy.example.org:3128\")");
        assert_eq!(Proxy::parse("http://[").unwrap_err(), Error::Proxy);
    }
}
