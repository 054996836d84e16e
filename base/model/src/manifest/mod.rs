//! The manifest of a module, `manifest.yaml`: text in, a [`Manifest`] or every error of the file out.

mod check;
mod graph;
mod json;
mod lists;
mod parse;
mod requirement;
mod retired;
mod scalar;
mod schema;
mod security;
mod services;
mod structure;
mod text;
mod types;
mod yaml;

pub use requirement::{Capability, Constraint, ParseRequirementError, Requirement, is_module_name};
pub use schema::json_schema;
pub use types::{
    Build, Dependencies, DependencyKind, Entry, Health, Init, Manifest, Method, Port, Protocol, RestartPolicy,
    Security, Service, ServiceDependency,
};

use crate::diagnostic::Diagnostic;

/// What reading a manifest gave.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The manifest; `Some` exactly when no diagnostic is an error.
    pub manifest: Option<Manifest>,
    /// Everything there is to say about the file, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}
