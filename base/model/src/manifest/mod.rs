//! The manifest, `manifest.yaml`: text in, a [`Manifest`] or every error of the file out. Each [`Kind`] has a room.

mod kind;
mod metadata;
pub mod module;

pub use kind::Kind;
pub use metadata::Metadata;

pub use module::{
    Build, Capability, Constraint, Dependencies, DependencyKind, Health, Init, Manifest, Method, ParseRequirementError,
    Parsed, Port, Protocol, Requirement, RestartPolicy, Security, Service, ServiceDependency, is_module_name,
};

pub use crate::document::Entry;
