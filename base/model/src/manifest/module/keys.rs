//! Every key of a module's manifest: the parser and the JSON Schema read these tables.

use super::types::{DependencyKind, Method, Protocol, RestartPolicy};
use crate::document::{Bounds, Choice, Field, Shape, Table, words};

/// A list of patterns: each starts with `/` and has no `..` component, no line break, no blank at the end.
macro_rules! patterns {
    ($key:literal, $what:literal) => {
        Field::new($key, concat!($what, ". rsync filter patterns from the root of the tree"), Shape::List(&PATTERN))
    };
}

/// A path of a profile.
macro_rules! profile {
    ($key:literal, $what:literal) => {
        Field::new($key, concat!($what, ": a path in the module's repository, or null"), PROFILE)
    };
}

/// A tag of a capability.
macro_rules! tag {
    () => {
        "[a-z0-9][a-z0-9_-]*(?:\\.[a-z0-9][a-z0-9_-]*)*(?::[A-Za-z0-9._-]+)?"
    };
}

const PATTERN: Shape = Shape::Short(4096, Some("^/(?!(?:[^\\n\\r]*/)?\\.\\.(?:/|$))(?:[^\\n\\r]*[^\\n\\r \\t])?$"));
const PACKAGE: Shape = Shape::Text(Some(
    "^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[A-Za-z0-9][A-Za-z0-9-]{0,63})?(?:=[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9._/-]{0,63})?$",
));
const REQUIREMENT: Shape = Shape::Text(Some(concat!(
    "^(?:capability:",
    tag!(),
    "|[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?@(?:\\*|[\\^~=<>].*))$"
)));
const CAPABILITY: Shape = Shape::Short(128, Some(concat!("^(?!capability:)", tag!(), "$")));
const PROFILE: Shape = Shape::OptionalText("^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))[^\\n\\t]*[^\\s/]$");
const DESTINATION: Shape =
    Shape::Text(Some("^(?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::0*[1-9][0-9]*)?$"));
const DIGEST: Shape = Shape::OptionalText("^sha256:[0-9a-f]{64}$");
const SNAPSHOT: Shape = Shape::OptionalText(
    "^[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z$",
);

pub(super) const PORT_NUMBER: Bounds = Bounds { least: 1, most: 65535 };
/// Seconds between two events.
pub(super) const INTERVAL: Bounds = Bounds { least: 1, most: u32::MAX as i64 };
/// Seconds before an event.
pub(super) const DELAY: Bounds = Bounds { least: 0, ..INTERVAL };

const NAME: Field = Field::new(
    "name",
    "The module's name: a lowercase letter, then letters, digits and inner hyphens",
    Shape::Text(Some("^[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?$")),
)
.required("add `name:` with a-z, 0-9 and `-`");
const DISPLAY_NAME: Field = Field::new(
    "display_name",
    "The name for people",
    Shape::Short(200, Some("^(?!\\.{1,2}$)[^/\\\\\\u0000-\\u001f\\u007f-\\u009f]*$")),
);
const DESCRIPTION: Field = Field::new("description", "What the module is for", Shape::TEXT);
const LICENSE: Field = Field::new("license", "An SPDX expression, such as `MIT OR Apache-2.0`", Shape::TEXT);

pub(super) static TOP: Table = Table {
    description: "manifest.yaml of a module, schema version 1",
    fields: &[
        Field::new("schema_version", "The version of this format", Shape::Version).required("add `schema_version: 1`"),
        NAME,
        DISPLAY_NAME,
        DESCRIPTION,
        LICENSE,
        patterns!("mask", "Files that the module does not ship; the mask wins over every other list"),
        patterns!("file_spec", "Files that the module ships; without it, those of its packages and its overlay"),
        patterns!("protected_spec", "Files that the module ships and no other module of a stack may"),
        patterns!("dependency_spec", "Files that a dependant of this module may ship"),
        Field::new(
            "package_spec",
            "Debian packages: `name`, `name:arch`, `name=version` or `name/suite`",
            Shape::List(&PACKAGE),
        ),
        Field::section("dependencies", &DEPENDENCIES),
        Field::section("init", &INIT),
        Field::new("services", "The services that the node runs", Shape::List(&Shape::Mapping(&SERVICE))),
        Field::new("reboot_required", "Whether the node must restart to take the module up", Shape::Boolean),
        Field::section("security", &SECURITY),
        Field::new("skills", "Opaque to the builder", Shape::OpaqueList),
        Field::section("build", &BUILD),
    ],
};

/// The wrapper of older manifests, which is no key any more: what may have stood in it.
pub(super) static IDENTITY: Table = Table { description: "", fields: &[NAME, DISPLAY_NAME, DESCRIPTION, LICENSE] };

pub(super) static DEPENDENCIES: Table = Table {
    description: "Which modules and capabilities this module needs and gives",
    fields: &[
        Field::new(
            "requires",
            "`owner/module@constraint`, such as `acme/base@^1.0`, or `capability:tag`",
            Shape::List(&REQUIREMENT),
        ),
        Field::new("provides", "Capability tags, such as `http-server` or `http.port:80`", Shape::List(&CAPABILITY)),
    ],
};

pub(super) static INIT: Table = Table {
    description: "Legacy commands of the whole module; prefer `services`",
    fields: &[
        Field::new("start", "Run when the module is mounted", Shape::Text(None)),
        Field::new("stop", "Run before the module is unmounted", Shape::Text(None)),
        Field::new("restart", "Run when the module changed", Shape::Text(None)),
    ],
};

pub(super) static SERVICE: Table = Table {
    description: "A service",
    fields: &[
        Field::new("name", "Unique in the manifest", Shape::Text(Some("^[a-z0-9][a-z0-9-]{0,62}$")))
            .required("give the service a name"),
        Field::new("start_command", "The command line that runs the service", Shape::FILLED)
            .required("say how the service is started; the platform imports no service without it"),
        Field::new("stop_command", "The command line that stops it, where a signal is not enough", Shape::FILLED),
        Field::new(
            "restart_policy",
            "When it is started again; always when absent",
            Shape::Words(words::<RestartPolicy>),
        ),
        Field::new("user", "The account that it runs as", Shape::LINE),
        Field::new("working_directory", "The directory that it starts in", Shape::LINE),
        Field::new("env", "Environment variables", Shape::Scalars("^[^=]+$")),
        Field::new("exposed_ports", "The ports that it listens on", Shape::List(&Shape::Mapping(&PORT))),
        Field::new("capabilities", "The Linux capabilities that it needs", Shape::List(&Shape::TEXT)),
        Field::section("health", &HEALTH),
        Field::new("metadata", "Opaque to the builder", Shape::OpaqueMap),
        Field::new(
            "dependencies",
            "Other services of this manifest that it waits for",
            Shape::List(&Shape::Mapping(&DEPENDENCY)),
        ),
    ],
};

pub(super) static PORT: Table = Table {
    description: "A port",
    fields: &[
        Field::new("port", "The port's number", Shape::Integer(PORT_NUMBER))
            .required("write `port: 80`, with the port's own number"),
        Field::new("protocol", "The transport; tcp when absent", Shape::Words(words::<Protocol>)),
        Field::new("name", "A name for people", Shape::LINE),
    ],
};

pub(super) static HEALTH: Table = Table {
    description: "How the node learns whether the service works",
    fields: &[
        Field::new("endpoint", "What is asked: a URL or path, or `host:port` for TCP", Shape::LINE),
        Field::new("method", "How it is asked", Shape::Words(words::<Method>)),
        Field::new("interval_seconds", "Seconds between two checks", Shape::Integer(INTERVAL)),
        Field::new("timeout_seconds", "Seconds until a check counts as failed", Shape::Integer(INTERVAL)),
        Field::new("initial_delay_seconds", "Seconds before the first check", Shape::Integer(DELAY)),
    ],
};

pub(super) static DEPENDENCY: Table = Table {
    description: "Another service",
    fields: &[
        Field::new("service", "The name of a service of this manifest", Shape::TEXT)
            .required("name the service that this one waits for"),
        Field::new("kind", "What is waited for", Shape::Words(words::<DependencyKind>)),
    ],
};

pub(super) static SECURITY: Table = Table {
    description: "What confines the module's services",
    fields: &[
        Field::new(
            "capabilities",
            "Linux capabilities; see capabilities(7)",
            Shape::List(&Shape::Words(|| CAPABILITIES.to_vec())),
        ),
        profile!("selinux_profile", "An SELinux policy module"),
        profile!("apparmor_profile", "An AppArmor profile"),
        profile!("seccomp_profile", "A seccomp profile"),
        Field::new(
            "egress_allow",
            "Destinations that the module may connect to: `host` or `host:port`",
            Shape::List(&DESTINATION),
        ),
        Field::new("privileged", "Whether the services run unconfined", Shape::Boolean),
        Field::new("user_namespace", "Whether the services run in a user namespace of their own", Shape::Boolean),
    ],
};

pub(super) static BUILD: Table = Table {
    description: "What the build is pinned to",
    fields: &[
        Field::new("ubuntu_digest", "The digest of a base image, or null", DIGEST),
        Field::new("apt_snapshot", "A snapshot of the archive, `YYYYMMDDTHHMMSSZ`, or null", SNAPSHOT),
        Field::new("firmware_repo", "Where firmware comes from", Shape::LINE),
        Field::new("firmware_ref", "Which revision of the firmware", Shape::LINE),
        Field::new("k3s_version", "Which k3s", Shape::LINE),
    ],
};

impl Choice for RestartPolicy {
    const WORDS: &'static [(&'static str, Self)] =
        &[("never", Self::Never), ("on-failure", Self::OnFailure), ("always", Self::Always)];
}

impl Choice for Protocol {
    const WORDS: &'static [(&'static str, Self)] = &[("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)];
}

impl Choice for Method {
    const WORDS: &'static [(&'static str, Self)] =
        &[("GET", Self::Get), ("POST", Self::Post), ("PUT", Self::Put), ("TCP", Self::Tcp)];
}

impl Choice for DependencyKind {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("start_before", Self::StartBefore),
        ("requires_health", Self::RequiresHealth),
        ("softdep", Self::SoftDependency),
    ];
}

/// The capabilities of Linux 6.12, from `include/uapi/linux/capability.h`; `capabilities(7)` explains them.
pub(super) const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described_and_stands_once() {
        fn walk(table: &Table) {
            for (index, field) in table.fields.iter().enumerate() {
                assert!(!field.description.is_empty() && field.required != Some(""), "{field:?}");
                assert!(table.fields[index + 1..].iter().all(|other| other.key != field.key), "{}", field.key);
                match &field.shape {
                    Shape::Mapping(table) | Shape::List(Shape::Mapping(table)) => walk(table),
                    _ => {}
                }
            }
        }
        walk(&TOP);
    }
}
