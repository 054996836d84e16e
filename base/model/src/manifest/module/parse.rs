//! The top level of a manifest, and the smaller sections.

use super::lists::{self, Written};
use super::requirement::{Capability, ParseRequirementError, Requirement, is_module_name};
use super::types::{Build, Dependencies, Manifest};
use super::{keys, retired, security, services};
use crate::archive;
use crate::diagnostic::Diagnostic;
use crate::digest::Digest;
use crate::document::{self, Check, Cursor, Entry, Format, Object, Seen, excerpt};
use crate::pattern::Pattern;
use crate::words::acts;

/// What a manifest is to the reader of documents.
const FORMAT: Format = Format {
    noun: "manifest",
    begins: "`schema_version: 1` and `name: ...`",
    smaller: "name files by patterns, or split the module",
    fewer: "name files by patterns instead of one by one",
    retired: retired::key,
};

/// What reading a manifest gave.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The manifest; `Some` exactly when no diagnostic is an error.
    pub manifest: Option<Manifest>,
    /// Everything there is to say about the file, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Manifest {
    /// Reads a manifest from the bytes of a file, which may be anything, and reports everything that is wrong with
    /// it. [`document::read`] has the limits.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Parsed {
        let read = document::read(bytes, &FORMAT, top);
        Parsed { manifest: read.value, diagnostics: read.diagnostics }
    }
}

/// The JSON Schema (draft 2020-12) of `manifest.yaml`, with a description of every field.
///
/// It knows what such a schema can say. What takes knowledge of several places, such as unique
/// service names, cycles and real dates, is known to [`Manifest::parse`] alone.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    keys::TOP.json_schema("Module manifest")
}

/// The manifest, where its required parts are there; other errors are in `check` alone.
fn top(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Manifest> {
    let object = check.object(at, &keys::TOP)?;
    let wrapper = at.child("identity");
    if let Some(at) = &wrapper {
        let _ = check.object(at, &keys::IDENTITY);
    }
    let wrapped = |key: &str| wrapper.as_ref().is_some_and(|at| at.child(key).is_some());
    let version = object.required(check, "schema_version");
    let version = version.and_then(|at| check.version(&at));
    let name = match object.get("name") {
        None if wrapped("name") => None,
        _ => object.required(check, "name").and_then(|at| name(check, &at)),
    };
    let mut lists = |key| object.get(key).map(|at| lists::patterns(check, &at)).unwrap_or_default();
    let (mask, file_spec, protected_spec, dependency_spec) =
        (lists("mask"), lists("file_spec"), lists("protected_spec"), lists("dependency_spec"));
    compare_lists(check, &mask, &file_spec, &protected_spec);
    let manifest = Manifest {
        schema_version: version.unwrap_or_default(),
        name: name.unwrap_or_default(),
        display_name: object.get("display_name").and_then(|at| display_name(check, &at)),
        description: object.get("description").and_then(|at| check.string(&at)).map(|entry| entry.value),
        license: object.get("license").and_then(|at| license(check, &at)),
        mask: lists::entries(mask),
        file_spec: lists::entries(file_spec),
        protected_spec: lists::entries(protected_spec),
        dependency_spec: lists::entries(dependency_spec),
        package_spec: object.get("package_spec").map(|at| lists::packages(check, &at)).unwrap_or_default(),
        dependencies: object.get("dependencies").map(|at| dependencies(check, &at)).unwrap_or_default(),
        init: object.get("init").map(|at| services::init(check, &at)).unwrap_or_default(),
        services: object.get("services").map(|at| services::services(check, &at)).unwrap_or_default(),
        reboot_required: object.get("reboot_required").and_then(|at| check.boolean(&at)),
        security: object.get("security").map(|at| security::security(check, &at)).unwrap_or_default(),
        skills: object.get("skills").map(|at| skills(check, &at)).unwrap_or_default(),
        build: object.get("build").map(|at| build(check, &at)).unwrap_or_default(),
    };
    (version.is_some() && !manifest.name.is_empty()).then_some(manifest)
}

fn compare_lists(check: &mut Check<'_>, mask: &[Written<'_>], files: &[Written<'_>], protected: &[Written<'_>]) {
    lists::contradictions(check, mask, "protected_spec", protected);
    lists::contradictions(check, mask, "file_spec", files);
    let kept: std::collections::HashSet<&Pattern> = protected.iter().map(|(pattern, _)| pattern).collect();
    for (pattern, at) in files.iter().filter(|(pattern, _)| kept.contains(pattern)) {
        let message = format!("`{}` stands in `protected_spec` too", excerpt(pattern.as_str()));
        let hint = "remove it from `file_spec`; what is protected is shipped";
        check.warn(at, "redundant-pattern", message, hint);
    }
}

fn name(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<String> {
    let entry = check.string(at)?;
    if is_module_name(&entry.value) {
        return Some(entry.value);
    }
    let kebab = entry.value.trim().to_lowercase().replace(['_', ' ', '.'], "-");
    let hint = if is_module_name(&kebab) {
        format!("did you mean `{kebab}`?")
    } else {
        "use a-z, 0-9 and `-`, a letter first, no `-` at the end, at most 64 characters".to_owned()
    };
    check.error(at, "invalid-name", "this is no module name", hint);
    None
}

fn display_name(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<String> {
    let entry = check.string(at)?;
    let length = entry.value.chars().count();
    if length > 200 {
        let message = format!("the display name has {length} characters, at most 200 are allowed");
        check.error(at, "too-long", message, "shorten it; `description` has room".to_owned());
        return None;
    }
    // Others take what an artifact calls itself for the name of a file.
    let is_path = entry.value.contains(['/', '\\']) || [".", ".."].contains(&entry.value.as_str());
    // It stands in listings, beside those of other modules.
    if is_path || entry.value.chars().any(acts) || entry.value.trim().is_empty() != entry.value.is_empty() {
        let hint = "write a name in one line of characters that are seen, without `/` and `\\`; `description` has room for more";
        let message =
            "this is a path, blank, or more than one line of characters that are seen, and no name for people";
        check.error(at, "invalid-name", message, hint.to_owned());
        return None;
    }
    Some(entry.value)
}

fn license(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<String> {
    let entry = check.string(at)?;
    // The list parser of `spdx` is strict in this mode: identifiers as SPDX writes them, no `/`.
    if entry.value.len() > 1024 || spdx::Expression::parse(&entry.value).is_err() {
        let hint = match spdx::imprecise_license_id(&entry.value).filter(|(_, used)| *used == entry.value.len()) {
            Some((id, _)) => format!("did you mean `{}`?", id.name),
            None => "write identifiers from the SPDX licence list, such as `MIT OR Apache-2.0`, or `LicenseRef-NAME`"
                .to_owned(),
        };
        check.warn(at, "license-not-spdx", "the licence is no SPDX expression", hint);
    }
    Some(entry.value)
}

fn dependencies(check: &mut Check<'_>, at: &Cursor<'_>) -> Dependencies {
    let Some(object) = check.object(at, &keys::DEPENDENCIES) else { return Dependencies::default() };
    let mut found = Dependencies::default();
    let mut seen = Seen::new("duplicate-requirement", "the requirement of");
    for item in object.get("requires").map(|at| check.list(&at, "requirements")).unwrap_or_default() {
        if let Some((name, constraint)) = check.pair(&item) {
            let hint = format!("write `OWNER/{}@{}`", excerpt(&name), excerpt(&constraint));
            check.wrong_type(&item, "a string", hint);
            continue;
        }
        let Some(entry) = check.string(&item) else { continue };
        match Requirement::parse(&entry.value) {
            Ok(value) => {
                seen.note(
                    check,
                    &item,
                    match &value {
                        Requirement::Module { owner, module, .. } => format!("{owner}/{module}"),
                        Requirement::Capability(_) => value.to_string(),
                    },
                );
                found.requires.push(Entry { value, position: entry.position });
            }
            Err(error) => {
                let hint = requirement_hint(&error, &entry.value);
                check.error(&item, "invalid-requirement", error.to_string(), hint);
            }
        }
    }
    let mut seen = Seen::new("duplicate-capability", "the capability");
    for item in object.get("provides").map(|at| check.list(&at, "capability tags")).unwrap_or_default() {
        let Some(entry) = check.string(&item) else { continue };
        match Capability::parse(entry.value.strip_prefix("capability:").map_or(&*entry.value, |_| "")) {
            Ok(value) => {
                seen.note(check, &item, value.to_string());
                found.provides.push(Entry { value, position: entry.position });
            }
            Err(_) => {
                let message = format!("`{}` is no capability tag", excerpt(&entry.value));
                let hint = "write a tag such as `http-server` or `http.port:80`, without `capability:`";
                check.error(&item, "invalid-capability", message, hint);
            }
        }
    }
    found
}

fn requirement_hint(error: &ParseRequirementError, written: &str) -> String {
    let shown = excerpt(written);
    match error {
        ParseRequirementError::Tag { .. } => "write a tag such as `capability:http-server`".to_owned(),
        ParseRequirementError::Form if Capability::parse(written).is_ok() => {
            format!("write `OWNER/{shown}@^1.0` for a module, or `capability:{shown}` for a capability")
        }
        ParseRequirementError::Form if written.split_once('@').is_some_and(|(name, _)| is_module_name(name)) => {
            format!("write `OWNER/{shown}`: who publishes the module stands before its name")
        }
        ParseRequirementError::Form => "write `owner/module@^1.0` or `capability:tag`".to_owned(),
        ParseRequirementError::Owner { .. } => "write the owner's name before the `/`".to_owned(),
        ParseRequirementError::Module { .. } => "write a module's name after the `/`: a-z, 0-9 and `-`".to_owned(),
        ParseRequirementError::NoConstraint => {
            format!("write `{shown}@*` for any version, or a constraint such as `@^1.0`")
        }
        ParseRequirementError::Constraint { constraint } => {
            let caret = format!("^{constraint}");
            if super::Constraint::parse(&caret).is_ok() {
                format!("write `@{caret}` for compatible versions, or `@={constraint}` for this one")
            } else {
                "write `^1.0`, `~1.2`, `=1.2.3`, `>=1,<2` or `*`".to_owned()
            }
        }
    }
}

fn skills(check: &mut Check<'_>, at: &Cursor<'_>) -> Vec<serde_json::Value> {
    check.list(at, "skills").iter().filter_map(|item| check.opaque(item)).collect()
}

fn build(check: &mut Check<'_>, at: &Cursor<'_>) -> Build {
    let Some(object) = check.object(at, &keys::BUILD) else { return Build::default() };
    let mut line = |key| object.get(key).and_then(|at| check.line(&at)).map(|entry| entry.value);
    let (firmware_repo, firmware_ref, k3s_version) = (line("firmware_repo"), line("firmware_ref"), line("k3s_version"));
    Build {
        ubuntu_digest: nullable(&object, "ubuntu_digest").and_then(|at| digest(check, &at)),
        apt_snapshot: nullable(&object, "apt_snapshot").and_then(|at| snapshot(check, &at)),
        firmware_repo,
        firmware_ref,
        k3s_version,
    }
}

/// The value of a key for which null means the same as no key.
fn nullable<'n>(object: &Object<'n>, key: &str) -> Option<Cursor<'n>> {
    object.get(key).filter(|at| !at.is_null())
}

fn digest(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Digest> {
    let entry = check.string(at)?;
    let digest = entry.value.parse().ok();
    if digest.is_none() {
        let hint = "write `sha256:` and 64 lowercase hexadecimal digits, or null";
        check.error(at, "invalid-digest", "this is no sha256 digest", hint);
    }
    digest
}

fn snapshot(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<Entry<String>> {
    let entry = check.string(at)?;
    if archive::is_snapshot(&entry.value) {
        return Some(entry);
    }
    let message = "this is no date and time of a snapshot";
    let hint = "write a date that exists as `YYYYMMDDTHHMMSSZ`, such as `20260131T000000Z`, or null";
    check.error(at, "invalid-date", message, hint);
    None
}
