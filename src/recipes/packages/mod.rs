//! From the names of packages to their files: the lock, the downloads, and what the packages list.

pub(crate) mod archives;
pub(crate) mod deb_contents;
pub(crate) mod download;
pub(crate) mod host;
pub(crate) mod keyrings;
pub(crate) mod lock;
pub(crate) mod request;
