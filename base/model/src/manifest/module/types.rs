//! The types of a checked manifest. A value that exists obeys
//! docs/formats/manifest.md.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::requirement::{Capability, Requirement};
use crate::Position;
use crate::digest::Digest;
use crate::document::Entry;
use crate::package::PackageRequest;
use crate::pattern::Pattern;

/// A checked manifest, schema version 1.
///
/// `None` and empty lists both stand for what the file does not say; a list that the file spells
/// out as `[]` means the same as no list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// The version of the format: 1.
    pub schema_version: u32,
    /// The module's name: a lowercase letter, then letters, digits and inner hyphens, at most 64 characters.
    pub name: String,
    /// The name for people, at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What the module is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An SPDX expression; other texts pass with a warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What the module does not ship.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mask: Vec<Entry<Pattern>>,
    /// What the module ships; when empty, the files of its packages and its overlay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub file_spec: Vec<Entry<Pattern>>,
    /// What the module ships and no neighbour may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub protected_spec: Vec<Entry<Pattern>>,
    /// What a dependant of this module may ship.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependency_spec: Vec<Entry<Pattern>>,
    /// The Debian packages that the module is made from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub package_spec: Vec<Entry<PackageRequest>>,
    /// Which modules and capabilities it needs and gives.
    #[serde(skip_serializing_if = "Dependencies::is_empty")]
    pub dependencies: Dependencies,
    /// Legacy commands for the module as a whole.
    #[serde(skip_serializing_if = "Init::is_empty")]
    pub init: Init,
    /// The services that the node runs, in the order of the file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Entry<Service>>,
    /// Whether the node must restart to take the module up; `None` reads as no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reboot_required: Option<bool>,
    /// What confines the module's services.
    #[serde(skip_serializing_if = "Security::is_empty")]
    pub security: Security,
    /// Opaque to the builder; passed on as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Value>,
    /// What the build is pinned to.
    #[serde(skip_serializing_if = "Build::is_empty")]
    pub build: Build,
}

/// `dependencies`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Dependencies {
    /// What must be mounted beside this module.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Entry<Requirement>>,
    /// The capabilities that this module gives to others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provides: Vec<Entry<Capability>>,
}

/// `init`: shell-like command lines from before `services`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Init {
    /// Run when the module is mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Entry<String>>,
    /// Run before the module is unmounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Entry<String>>,
    /// Run when the module changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Entry<String>>,
}

/// One of `services`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Service {
    /// Unique in the manifest: a lowercase letter or digit, then those and hyphens, at most 63 characters.
    pub name: Entry<String>,
    /// The command line that runs the service.
    pub start_command: Entry<String>,
    /// The command line that stops it, where a signal is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_command: Option<Entry<String>>,
    /// When the service is started again; `None` reads as [`RestartPolicy::Always`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<RestartPolicy>,
    /// The account that the service runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The directory that the service starts in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Environment variables; the values are strings, numbers and booleans, never null.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Value>,
    /// The ports that the service listens on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposed_ports: Vec<Port>,
    /// The capabilities that the service needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Entry<String>>,
    /// How the node learns whether the service works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Opaque to the builder.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
    /// Where `unit` of the metadata stands.
    #[serde(skip)]
    pub unit_position: Option<Position>,
    /// Other services of this manifest that this one waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Entry<ServiceDependency>>,
}

/// When a service that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Not at all.
    Never,
    /// When it ended with an error.
    OnFailure,
    /// Whenever it ended.
    #[default]
    Always,
}

/// One of a service's `exposed_ports`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Port {
    /// 1 to 65535.
    pub port: Entry<u16>,
    /// `None` reads as [`Protocol::Tcp`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The transport of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A service's `health`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// What is asked: a URL or path for the HTTP methods, `host:port` for TCP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Entry<String>>,
    /// How it is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Seconds between two checks, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Seconds until a check counts as failed, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Seconds before the first check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay_seconds: Option<u32>,
}

/// How a health check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// HTTP GET.
    Get,
    /// HTTP POST.
    Post,
    /// HTTP PUT.
    Put,
    /// A TCP connection.
    Tcp,
}

/// One of a service's `dependencies`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceDependency {
    /// The name of a service that the same manifest declares.
    pub service: String,
    /// What is waited for; `None` leaves it to the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DependencyKind>,
}

/// What a service waits for in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// The other is started first.
    StartBefore,
    /// The other's health check passes.
    RequiresHealth,
    /// The other is started first where it is there at all.
    #[serde(rename = "softdep")]
    SoftDependency,
}

/// `security`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Security {
    /// Linux capabilities, such as `CAP_NET_BIND_SERVICE`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Entry<String>>,
    /// A path in the module's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selinux_profile: Option<Entry<String>>,
    /// A path in the module's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apparmor_profile: Option<Entry<String>>,
    /// A path in the module's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seccomp_profile: Option<Entry<String>>,
    /// `host` or `host:port` that the module may connect to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub egress_allow: Vec<Entry<String>>,
    /// Whether the services run unconfined; `None` reads as no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privileged: Option<bool>,
    /// Whether the services run in a user namespace of their own; `None` reads as no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_namespace: Option<bool>,
}

/// `build`: what the build is pinned to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Build {
    /// The digest of a base image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ubuntu_digest: Option<Digest>,
    /// A snapshot of the archive, `YYYYMMDDTHHMMSSZ`, a real date and time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apt_snapshot: Option<Entry<String>>,
    /// Where firmware comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_repo: Option<String>,
    /// Which revision of the firmware.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware_ref: Option<String>,
    /// Which k3s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k3s_version: Option<String>,
}

impl Dependencies {
    /// Whether the section says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requires.is_empty() && self.provides.is_empty()
    }
}

impl Init {
    /// Whether the section says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Security {
    /// Whether the section says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Build {
    /// Whether the section says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// The manifest as [canonical JSON](crate::canonical), absent fields absent, no places: `manifest.json`, and the
    /// OCI config blob.
    ///
    /// It is YAML too: [`Manifest::parse`] reads it back as the same manifest. No two equal
    /// manifests give different bytes, whatever comments, styles and anchors they were written with.
    #[must_use]
    pub fn canonical_json(&self) -> Vec<u8> {
        // This cannot fail: every key is a string and every number is finite. Nothing is hidden if it
        // should: an empty result is no JSON, and every reader refuses it.
        crate::canonical::json(self).unwrap_or_default()
    }
}
