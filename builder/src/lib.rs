//! Package requests become a root file system.
//!
//! [`apt`] resolves requests to an exact closure of packages, locks it, and fetches the .debs into a
//! content-addressed cache. [`rootfs`] turns exactly these .debs into a tar of a root file system
//! by mmdebstrap, without network. [`dpkg`] reads dpkg's database, and [`ownership`] says by it which package
//! installed which path of a tree. [`scrub`] finds and takes out of a tree what must not be shipped; [`initramfs`]
//! looks where a copy of that may be. [`generators`] knows the programs that compute files from others. Every text of Debian's tools is read by [`deb822`], every
//! relation between packages by [`relation`].

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod accounts;
pub mod apt;
pub mod cache;
pub mod closure;
pub mod deb822;
pub mod dpkg;
pub mod files;
pub mod generators;
pub mod initramfs;
pub mod ownership;
pub mod relation;
pub mod rootfs;
pub mod scrub;
#[cfg(test)]
mod test_server;
mod unpack;
