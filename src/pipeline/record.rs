//! `build.json`: what a build was made from, every input with its digest.

/// The file's name in a dist directory.
pub(crate) const FILE: &str = "build.json";
