//! Where a server may send on to.

use std::fmt;

use reqwest::redirect::{Action, Attempt};

use super::url;

/// The most redirects of one request that are followed.
const REDIRECTS: usize = 5;

/// Why a redirect is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectFault {
    /// There were as many as are followed.
    TooMany,
    /// It does not lead to an address of the web.
    Elsewhere,
    /// It leads from https to http.
    Insecure,
    /// It leads to an address with a user name or a password.
    Credentials,
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "again and again",
            Self::Elsewhere => "to where nothing can be fetched from",
            Self::Insecure => "from https to http",
            Self::Credentials => "to an address with a user name or a password",
        })
    }
}

impl std::error::Error for RedirectFault {}

/// Follows a redirect to another address of the web, which a server may have good reasons for: what comes is held
/// to a digest wherever it comes from. As apt does, it does not give up `https` once it has it. Credentials that were for one
/// host do not go along to another: the library takes them off.
pub(crate) fn follow(attempt: Attempt<'_>) -> Action {
    let (to, before) = (attempt.url(), attempt.previous());
    let was_secure = before.last().is_some_and(|url| url.scheme() == "https");
    let fault = if before.len() > REDIRECTS {
        RedirectFault::TooMany
    } else if !["http", "https"].contains(&to.scheme()) {
        RedirectFault::Elsewhere
    } else if was_secure && to.scheme() == "http" {
        RedirectFault::Insecure
    } else if !to.username().is_empty() || to.password().is_some() {
        RedirectFault::Credentials
    } else {
        tracing::debug!("sent on to {}", url::place(to.as_str()));
        return attempt.follow();
    };
    attempt.error(fault)
}
