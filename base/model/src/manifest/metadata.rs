//! What a manifest says to people and registries.

/// What a manifest says about its artifact to people and registries, whatever its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The name for people; the artifact's own name where there is no other.
    pub title: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// An SPDX expression.
    pub license: Option<&'a str>,
}
