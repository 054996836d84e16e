//! The manifest of a module, `manifest.yaml`.

/// A checked manifest.
#[derive(Debug)]
pub struct Manifest;
