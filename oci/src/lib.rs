//! The OCI side of a module: media types and annotation names in one table, and image layouts.

pub mod error;
mod json;
pub mod layout;
pub mod media;

pub use error::Error;
