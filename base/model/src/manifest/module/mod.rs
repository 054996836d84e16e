//! The manifest of a module.

mod answers;
mod graph;
mod keys;
mod lists;
mod parse;
mod requirement;
mod retired;
mod security;
mod services;
mod types;

pub use parse::{Parsed, json_schema};
pub use requirement::{Capability, Constraint, ParseRequirementError, Requirement, is_module_name};
pub use types::{
    Build, Dependencies, DependencyKind, Health, Init, Manifest, Method, Port, Protocol, RestartPolicy, Security,
    Service, ServiceDependency,
};
