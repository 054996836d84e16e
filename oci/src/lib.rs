//! The OCI side of a module.
