//! How much is known of a root file system whose shipped files are looked at.

/// What is known of the root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Everything.
    Contents,
    /// The names that packages list: no contents but the overlay's, and nothing that a maintainer
    /// script makes.
    Names,
}
