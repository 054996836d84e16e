//! The JSON Schema of a manifest, for editors.
//!
//! It is written by hand: a schema derived from the types would know neither the patterns of the
//! strings nor that unknown keys are errors, and the attributes that say so would be this text
//! again. The tests run one corpus through this schema and through the parser, and compare the
//! keys of both.

use serde_json::{Value, json};

use super::security::CAPABILITIES;

/// The JSON Schema (draft 2020-12) of `manifest.yaml`, with a description of every field.
///
/// It knows what such a schema can say. What takes knowledge of several places, such as unique
/// service names, cycles and real dates, is known to [`super::Manifest::parse`] alone.
#[must_use]
pub fn json_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Module manifest",
        "description": "manifest.yaml of a module, schema version 1",
        "type": "object",
        "additionalProperties": false,
        "required": ["schema_version", "name"],
        "properties": {
            "schema_version": {"description": "The version of this format", "type": "integer", "const": 1},
            "name": {
                "description": "The module's name: a lowercase letter, then letters, digits and inner hyphens",
                "type": "string", "pattern": "^[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?$"
            },
            "display_name": {"description": "The name for people", "type": "string", "maxLength": 200},
            "description": {"description": "What the module is for", "type": "string"},
            "license": {"description": "An SPDX expression, such as `MIT OR Apache-2.0`", "type": "string"},
            "mask": patterns("Files that the module does not ship; the mask wins over every other list"),
            "file_spec": patterns("Files that the module ships; without it, those of its packages and its overlay"),
            "protected_spec": patterns("Files that the module ships and no other module of a stack may"),
            "dependency_spec": patterns("Files that a dependant of this module may ship"),
            "package_spec": list("Debian packages: `name`, `name:arch`, `name=version` or `name/suite`", json!({
                "type": "string",
                "pattern": "^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[A-Za-z0-9][A-Za-z0-9-]{0,63})?(?:=[A-Za-z0-9][A-Za-z0-9.+~:-]*|/[A-Za-z0-9][A-Za-z0-9._/-]{0,63})?$"
            })),
            "dependencies": dependencies(),
            "init": object("Legacy commands of the whole module; prefer `services`", &[], json!({
                "start": command("Run when the module is mounted"),
                "stop": command("Run before the module is unmounted"),
                "restart": command("Run when the module changed")
            })),
            "services": list("The services that the node runs", service()),
            "reboot_required": {"description": "Whether the node must restart to take the module up", "type": "boolean"},
            "security": security(),
            "skills": {"description": "Opaque to the builder", "type": "array"},
            "build": build()
        }
    })
}

fn object(description: &str, required: &[&str], properties: Value) -> Value {
    let mut schema = json!({"description": description, "type": "object", "additionalProperties": false});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["properties"] = properties;
    schema
}

fn list(description: &str, items: Value) -> Value {
    let mut schema = json!({"description": description, "type": "array"});
    schema["items"] = items;
    schema
}

fn patterns(description: &str) -> Value {
    // Starts with `/`, no `..` component, no line break, no blank at the end.
    let pattern = "^/(?!(?:[^\\n\\r]*/)?\\.\\.(?:/|$))(?:[^\\n\\r]*[^\\n\\r \\t])?$";
    let items = json!({"type": "string", "maxLength": 4096, "pattern": pattern});
    list(&format!("{description}. rsync filter patterns from the root of the tree"), items)
}

fn command(description: &str) -> Value {
    json!({"description": description, "type": "string", "pattern": "\\S"})
}

fn line(description: &str) -> Value {
    json!({"description": description, "type": "string", "pattern": "^[^\\n\\t]*[^\\s][^\\n\\t]*$"})
}

fn choice(description: &str, words: &[&str]) -> Value {
    json!({"description": description, "enum": words})
}

fn dependencies() -> Value {
    let tag = "[a-z0-9][a-z0-9_-]*(?:\\.[a-z0-9][a-z0-9_-]*)*(?::[A-Za-z0-9._-]+)?";
    let module = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[a-z](?:[a-z0-9-]{0,62}[a-z0-9])?@(?:\\*|[\\^~=<>].*)";
    object(
        "Which modules and capabilities this module needs and gives",
        &[],
        json!({
            "requires": list(
                "`owner/module@constraint`, such as `acme/base@^1.0`, or `capability:tag`",
                json!({"type": "string", "pattern": format!("^(?:capability:{tag}|{module})$")}),
            ),
            "provides": list(
                "Capability tags, such as `http-server` or `http.port:80`",
                json!({"type": "string", "maxLength": 128, "pattern": format!("^(?!capability:){tag}$")}),
            )
        }),
    )
}

fn service() -> Value {
    let port = object(
        "A port",
        &["port"],
        json!({
            "port": {"description": "The port's number", "type": "integer", "minimum": 1, "maximum": 65535},
            "protocol": choice("The transport; tcp when absent", &["tcp", "udp", "sctp"]),
            "name": line("A name for people")
        }),
    );
    let dependency = object(
        "Another service",
        &["service"],
        json!({
            "service": {"description": "The name of a service of this manifest", "type": "string"},
            "kind": choice("What is waited for", &["start_before", "requires_health", "softdep"])
        }),
    );
    object(
        "A service",
        &["name", "start_command"],
        json!({
            "name": {
                "description": "Unique in the manifest",
                "type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"
            },
            "start_command": command("The command line that runs the service"),
            "stop_command": command("The command line that stops it, where a signal is not enough"),
            "restart_policy": choice("When it is started again; always when absent", &["never", "on-failure", "always"]),
            "user": line("The account that it runs as"),
            "working_directory": line("The directory that it starts in"),
            "env": {
                "description": "Environment variables",
                "type": "object",
                "propertyNames": {"pattern": "^[^=]+$"},
                "additionalProperties": {"type": ["string", "number", "boolean"]}
            },
            "exposed_ports": list("The ports that it listens on", port),
            "capabilities": list("The Linux capabilities that it needs", json!({"type": "string"})),
            "health": health(),
            "metadata": {"description": "Opaque to the builder", "type": "object"},
            "dependencies": list("Other services of this manifest that it waits for", dependency)
        }),
    )
}

fn health() -> Value {
    let seconds = |description: &str, least: u32| json!({"description": description, "type": "integer", "minimum": least, "maximum": u32::MAX});
    object(
        "How the node learns whether the service works",
        &[],
        json!({
            "endpoint": line("What is asked: a URL or path, or `host:port` for TCP"),
            "method": choice("How it is asked", &["GET", "POST", "PUT", "TCP"]),
            "interval_seconds": seconds("Seconds between two checks", 1),
            "timeout_seconds": seconds("Seconds until a check counts as failed", 1),
            "initial_delay_seconds": seconds("Seconds before the first check", 0)
        }),
    )
}

fn security() -> Value {
    let profile = |what: &str| {
        json!({
            "description": format!("{what}: a path in the module's repository, or null"),
            "type": ["string", "null"],
            "pattern": "^(?!/)(?!(?:.*/)?\\.\\.(?:/|$))[^\\n\\t]*[^\\s/]$"
        })
    };
    object(
        "What confines the module's services",
        &[],
        json!({
            "capabilities": list("Linux capabilities; see capabilities(7)", json!({"enum": CAPABILITIES.as_slice()})),
            "selinux_profile": profile("An SELinux policy module"),
            "apparmor_profile": profile("An AppArmor profile"),
            "seccomp_profile": profile("A seccomp profile"),
            "egress_allow": list(
                "Destinations that the module may connect to: `host` or `host:port`",
                json!({
                    "type": "string", "minLength": 1,
                    "pattern": "^(?:\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::0*[1-9][0-9]*)?$"
                }),
            ),
            "privileged": {"description": "Whether the services run unconfined", "type": "boolean"},
            "user_namespace": {"description": "Whether the services run in a user namespace of their own", "type": "boolean"}
        }),
    )
}

fn build() -> Value {
    object(
        "What the build is pinned to",
        &[],
        json!({
            "ubuntu_digest": {
                "description": "The digest of a base image, or null",
                "type": ["string", "null"], "pattern": "^sha256:[0-9a-f]{64}$"
            },
            "apt_snapshot": {
                "description": "A snapshot of the archive, `YYYYMMDDTHHMMSSZ`, or null",
                "type": ["string", "null"],
                "pattern": "^[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z$"
            },
            "firmware_repo": line("Where firmware comes from"),
            "firmware_ref": line("Which revision of the firmware"),
            "k3s_version": line("Which k3s")
        }),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::{parse, security, services};
    use super::*;

    fn keys(schema: &Value) -> Vec<String> {
        let mut keys: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_schema_and_the_parser_know_the_same_keys() {
        let schema = json_schema();
        let top = &schema["properties"];
        let service = &top["services"]["items"];
        let pairs: [(&Value, &[&str]); 9] = [
            (&schema, &parse::TOP_KEYS),
            (&top["dependencies"], &parse::DEPENDENCIES_KEYS),
            (&top["build"], &parse::BUILD_KEYS),
            (&top["init"], &services::INIT_KEYS),
            (&top["security"], &security::KEYS),
            (service, &services::SERVICE_KEYS),
            (&service["properties"]["exposed_ports"]["items"], &services::PORT_KEYS),
            (&service["properties"]["health"], &services::HEALTH_KEYS),
            (&service["properties"]["dependencies"]["items"], &services::DEPENDENCY_KEYS),
        ];
        for (schema, known) in pairs {
            let mut known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
            known.sort();
            assert_eq!(keys(schema), known);
            assert_eq!(schema["additionalProperties"], false);
        }
    }

    #[test]
    fn every_field_has_a_description() {
        fn walk(schema: &Value, path: &str) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                assert!(property["description"].is_string(), "{path}.{key}");
                walk(property, &format!("{path}.{key}"));
            }
            if schema["items"].is_object() {
                walk(&schema["items"], &format!("{path}[]"));
            }
        }
        walk(&json_schema(), "");
    }
}
