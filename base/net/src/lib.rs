//! The one HTTP client of the product: from a URL to bytes that are bounded in number and in time.
//!
//! A [`Client`] has one idea of the proxy, of the certificate authorities and of how long is waited. It reads neither
//! the environment (but for the place of the host's certificate store) nor the clock, and each request names the most
//! bytes that it may bring:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::io::Read as _;
//! use std::time::Duration;
//!
//! let client = net::Client::new(net::Options {
//!     user_agent: "example/1".to_owned(),
//!     proxy: Some(net::Proxy::parse("http://proxy.example.org:3128")?),
//!     ca_bundle: None,
//!     connections: 8,
//!     patience: Duration::from_secs(30),
//! });
//! let mut text = String::new();
//! client.get("https://mirror.example.org/debian/README", 1 << 20).send()?.read_to_string(&mut text)?;
//! # Ok(())
//! # }
//! ```
//!
//! Every call blocks until its answer is there (decision 18). An [`Error`] says by its type what failed and whether another
//! attempt may help ([`Error::is_transient`]); [`Retry`] says when. Redirects stay within the web, never lead from https to http,
//! and take no credentials to another host. What a URL looks like without a password, [`url`] knows.
//!
//! No domain words here: a URL is a URL, whether a mirror, a registry or a log answers.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod ca_bundle;
mod client;
mod dns;
mod error;
mod proxy;
mod redirect;
mod response;
mod retry;
pub mod url;

pub use client::{Client, Get, Options};
pub use error::Error;
pub use proxy::Proxy;
pub use redirect::RedirectFault;
pub use response::Response;
pub use retry::Retry;
