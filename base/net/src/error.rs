//! How a request fails, by type.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use reqwest::StatusCode;

use super::ca_bundle::Unusable;
use super::redirect::RedirectFault;

/// Why a URL gave no bytes, or not all of them. It never repeats the URL: whoever asked knows it, and what of it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The proxy is none.
    #[error("this is no proxy such as http://proxy.example.org:3128")]
    Proxy,
    /// The URL is none, or neither http nor https.
    #[error("only http and https can be fetched")]
    Url,
    /// The file of certificate authorities cannot be used.
    #[error(transparent)]
    CaBundle(#[from] Unusable),
    /// The server's certificate is not one to trust.
    #[error("the server's certificate is refused: {message}")]
    Certificate {
        /// What is wrong with it.
        message: String,
    },
    /// The server sends on to where nothing is fetched from.
    #[error("the server sends on {0}")]
    Redirect(RedirectFault),
    /// The server or the proxy answered, and not with what was asked for.
    #[error("the server answered with status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server wants to be left alone, where it says so. A moment instead of a number of seconds does not
        /// count: to understand it takes a clock.
        retry_after: Option<Duration>,
    },
    /// The server has more bytes than were to come.
    #[error("expected {limit} bytes at most, found {found}")]
    TooLarge {
        /// The most bytes that were to come.
        limit: u64,
        /// How many the server announced, or sent until it was cut off.
        found: u64,
    },
    /// The connection failed, or too little came over it.
    #[error("{message}")]
    Connection {
        /// How.
        message: String,
    },
    /// The client could not be made.
    #[error("{message}")]
    Setup {
        /// What the system said.
        message: String,
    },
}

impl Error {
    /// Whether another attempt may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connection { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            Self::Proxy
            | Self::Url
            | Self::CaBundle(_)
            | Self::Certificate { .. }
            | Self::Redirect(_)
            | Self::TooLarge { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// How long the server wants to be left alone, where it says so; [`Retry::wait`](super::Retry::wait) bounds it.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error that reading a [`Response`](super::Response) ended with.
    #[must_use]
    pub fn of_read(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What became of a request that got no answer.
    pub(crate) fn of_request(error: &reqwest::Error, patience: Duration) -> Self {
        if error.is_builder() {
            return Self::Url;
        }
        if error.is_redirect() {
            let fault = chain(error).find_map(|error| error.downcast_ref());
            return Self::Redirect(fault.copied().unwrap_or(RedirectFault::Elsewhere));
        }
        if let Some(message) = chain(error).find_map(certificate) {
            return Self::Certificate { message };
        }
        let message = reason(error, patience);
        // The library keeps the type of a proxy's answer to CONNECT to itself. A test asks proxies for these words.
        match message.strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => {
                Self::Status { status: StatusCode::PROXY_AUTHENTICATION_REQUIRED.as_u16(), retry_after: None }
            }
            Some("unsuccessful") => {
                Self::Connection { message: "the proxy does not let the connection through".to_owned() }
            }
            _ => Self::Connection { message },
        }
    }
}

/// What is at the bottom of `error`: the layers above it say only that a request failed.
pub(crate) fn reason(error: &reqwest::Error, patience: Duration) -> String {
    if error.is_timeout() {
        let what = if error.is_connect() { "no connection came about" } else { "nothing came" };
        return format!("{what} in {} seconds", patience.as_secs());
    }
    chain(error).last().map_or_else(String::new, ToString::to_string)
}

/// `error` and what it comes from, down to the bottom. What an error of the system wraps is one of them, though it is not its source.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
        None => error.source(),
    })
}

/// What is wrong with a certificate, when that is the error.
fn certificate(error: &(dyn StdError + 'static)) -> Option<String> {
    match error.downcast_ref()? {
        rustls::Error::InvalidCertificate(fault) => Some(fault.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_certificate_is_found_below_errors_of_the_system() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        // As the TLS library wraps it, and the connector once more.
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused));
        assert_eq!(chain(&wrapped).find_map(certificate).unwrap(), CertificateError::UnknownIssuer.to_string());
        let other = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert_eq!(chain(&other).find_map(certificate), None);
    }
}
