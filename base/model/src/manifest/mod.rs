//! The manifest, `manifest.yaml`: text in, a [`Manifest`] or every error of the file out.

pub mod module;

pub use module::{
    Build, Capability, Constraint, Dependencies, DependencyKind, Health, Init, Manifest, Method, ParseRequirementError,
    Parsed, Port, Protocol, Requirement, RestartPolicy, Security, Service, ServiceDependency, is_module_name,
    json_schema,
};

pub use crate::document::Entry;
