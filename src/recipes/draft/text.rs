//! The files that a draft becomes.

use std::fmt::Write as _;

use super::services::Service;
use super::{Archives, Known};

/// The packages that every node has besides: what starts units, and makes accounts and what is in `/var`.
const BASE: &str = "packages = [\"systemd\", \"dbus\"]\n";

/// The manifest. What is written is what the schema takes; a test holds every form against it.
pub(super) fn manifest(name: &str, known: &Known) -> String {
    let mut text = String::from(
        "# Written by `module-builder init --package` from what the packages say of themselves. It is yours now.\n",
    );
    for note in &known.notes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {}", plain(note));
    }
    let _ = write!(text, "schema_version: 1\nname: {name}\n");
    if let Some(description) = known.choices.first().and_then(|choice| choice.asked.texts.control.get("Description")) {
        let synopsis = plain(description.lines().next().unwrap_or_default().trim());
        if !synopsis.is_empty() {
            let _ = writeln!(text, "description: {}", scalar(&synopsis));
        }
    }
    if let Some(licence) = &known.licence {
        let _ = writeln!(text, "license: {}", scalar(licence));
    }
    text.push_str("\n# Installed with everything that they depend on; what the base lacks of it is shipped (`ship` in builder.toml).\npackage_spec:\n");
    for request in &known.requests {
        let _ = writeln!(text, "  - {}", scalar(&request.to_string()));
    }
    let mut beside: Vec<&String> = known.choices.iter().flat_map(|choice| &choice.beside).collect();
    beside.sort();
    beside.dedup();
    beside.retain(|name| !known.requests.iter().any(|request| request.name == **name));
    if !beside.is_empty() {
        text.push_str("  # Named for its units: those of a package that is not named here are not enabled.\n");
    }
    for name in beside {
        let _ = writeln!(text, "  - {}", scalar(name));
    }
    if !known.services.is_empty() {
        text.push_str("\nservices:\n");
    }
    for service in &known.services {
        text.push_str(&self::service(service));
    }
    if let Some(snapshot) = &known.snapshot {
        let _ = write!(text, "\nbuild:\n  apt_snapshot: {snapshot}\n");
    }
    text
}

fn service(service: &Service) -> String {
    let mut text = format!("  - name: {}\n    start_command: {}\n", scalar(&service.name), scalar(&service.start));
    let mut line = |key: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "    {key}: {}", scalar(value));
        }
    };
    line("stop_command", service.stop.as_deref());
    line("restart_policy", Some(service.restart));
    line("user", service.user.as_deref());
    line("working_directory", service.working_directory.as_deref());
    if !service.env.is_empty() {
        text.push_str("    env:\n");
    }
    for (name, value) in &service.env {
        let _ = writeln!(text, "      {}: {}", scalar(name), quoted(value));
    }
    if !service.ports.is_empty() {
        text.push_str("    exposed_ports:\n");
    }
    for (port, protocol) in &service.ports {
        let _ = writeln!(text, "      - port: {port}\n        protocol: {protocol}");
    }
    if let Some((port, _)) = service.ports.iter().find(|(_, protocol)| *protocol == "tcp") {
        let _ = writeln!(text, "    health:\n      endpoint: 127.0.0.1:{port}\n      method: TCP");
    }
    let _ =
        writeln!(text, "    metadata:\n      unit: {}\n      type: {}", scalar(&service.unit), scalar(&service.kind));
    text
}

/// The settings of the module.
pub(super) fn settings(known: &Known, archives: Archives<'_>) -> String {
    let mut text = String::from(
        "# How this module is built: everything here can change its bytes. `module-builder env` shows every\n\
         # setting and where it comes from.\n\n",
    );
    let _ = writeln!(text, "suite = {}", quoted(archives.suite));
    let _ = writeln!(text, "components = {}", list(archives.components));
    text.push_str("variant = \"minbase\"\n");
    if !archives.mirrors.is_empty() {
        let _ = writeln!(text, "mirrors = {}", list(archives.mirrors));
    }
    text.push_str(
        "\n# What the packages need beyond the base is shipped, with what their scripts made.\n\
         ship = \"closure\"\n# Manual pages, locales and documentation; copyright files are shipped in any case.\ndocumentation = false\n\n\
         # What a node has before any module.\n[base]\nvariant = \"minbase\"\n",
    );
    // Units or none: the node has one base for all of its modules.
    text.push_str(BASE);
    if !known.replaced.is_empty() {
        let replaced = list(&known.replaced);
        let _ = writeln!(
            text,
            "\n# Defaults of other packages that those of the module take over.\n[closure]\nreplaces = {replaced}"
        );
    }
    text
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
}

/// A text without control characters, for a line of its own.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A text as a value of YAML: as it is where nothing else could be meant, else in quotes.
fn scalar(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "/_.".contains(c);
    let is_inner = |c: char| is_word(c) || " -+=@$(),;".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let ends = text.ends_with(is_word) || text.ends_with(['+', ')']);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_other = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if begins && ends && text.chars().all(is_inner) && !is_other { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, as YAML and TOML read it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
