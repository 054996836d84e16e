//! Package requests become an exact closure of .deb files.
//!
//! [`resolve`] asks apt, in an isolated state directory where nothing of the host's apt counts, for
//! the closure of a list of requests; checking the archive's signature and the solve itself are
//! apt's own. [`resolve_together`] does so for several architectures at once and can keep what an
//! older lock has. [`lock`] writes the answer down and compares it. [`fetch`] brings the files into the
//! content-addressed cache, where every use checks their sha256 again. [`host_sources`] reads which
//! archives the host itself uses.
//!
//! Nothing here reads the clock or the environment, and only apt looks at the network besides
//! [`fetch`].

mod bounded_read;
mod configuration;
mod dependencies;
mod download;
mod error;
mod failure;
mod fetch;
#[cfg(test)]
mod fixtures;
mod host;
mod index;
mod keyring;
mod keyring_file;
mod local;
pub mod lock;
mod lower;
mod openpgp;
mod over;
mod pins;
mod release;
mod repository;
mod settings;
mod solve;
mod source;
mod state;
mod together;
mod transfer;
mod unserved;

pub(crate) use download::{Part, digest};
pub use error::{
    Disagreement, Error, FetchFailure, FetchFault, Gone, Missing, MissingSuite, NotLocked, SignatureFault,
};
pub(crate) use fetch::client;
pub use fetch::fetch;
pub use host::{HostArchive, HostChoice, HostFile, HostSources, host_sources};
pub use keyring::check_keyring;
pub use keyring_file::KeyringFile;
pub use lower::LowerModule;
pub use model::resolution::{ParseVariantError, Reason, ReleaseInfo, Resolution, Resolved, Variant};
pub use openpgp::{Fingerprint, KeyringFault, fingerprints};
pub use repository::Repository;
pub use settings::{Access, Settings};
pub use solve::resolve;
pub use source::{COMPONENTS, Source};
pub use together::{Keep, resolve_together};
pub use transfer::FetchOptions;
pub(crate) use transfer::{Came, Failure, Length, Wanted, retry_line};
