//! The manifest of a module.

mod graph;
mod lists;
mod parse;
mod requirement;
mod retired;
mod schema;
mod security;
mod services;
mod types;

pub use parse::Parsed;
pub use requirement::{Capability, Constraint, ParseRequirementError, Requirement, is_module_name};
pub use schema::json_schema;
pub use types::{
    Build, Dependencies, DependencyKind, Health, Init, Manifest, Method, Port, Protocol, RestartPolicy, Security,
    Service, ServiceDependency,
};
