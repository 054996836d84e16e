//! The lists of patterns and packages.

use std::collections::HashMap;

use crate::diagnostic::Position;
use crate::document::{Check, Cursor, Entry, Seen, excerpt};
use crate::package::{PackageRequest, ParsePackageError};
use crate::pattern::{Pattern, PatternError};

/// A pattern with the node that it was read from.
pub(super) type Written<'n> = (Pattern, Cursor<'n>);

/// The lists of older manifests below `file_spec` and its like.
const NESTED: [&str; 4] = ["include", "mask", "exclude", "protected"];

/// The patterns with the places where they begin.
pub(super) fn entries(patterns: Vec<Written<'_>>) -> Vec<Entry<Pattern>> {
    patterns.into_iter().map(|(value, at)| Entry { value, position: at.position() }).collect()
}

/// A list of patterns; repeated ones are kept once per mention and warned about.
pub(super) fn patterns<'n>(check: &mut Check<'_>, at: &Cursor<'n>) -> Vec<Written<'n>> {
    if at.is_mapping() {
        nested_list(check, at);
        return Vec::new();
    }
    let mut patterns = Vec::new();
    let mut seen = Seen::new("duplicate-pattern", "the pattern");
    for item in check.list(at, "patterns") {
        let Some(written) = check.string(&item) else { continue };
        match Pattern::parse(&written.value) {
            Ok(pattern) => {
                seen.note(check, &item, pattern.clone());
                unusual(check, &item, &pattern);
                patterns.push((pattern, item));
            }
            Err(error) => {
                let hint = pattern_hint(error, &written.value);
                check.error(&item, "invalid-pattern", error.to_string(), hint);
            }
        }
    }
    patterns
}

/// Reports `file_spec: {include: [...], mask: [...]}`, and whatever is wrong with the patterns in it.
fn nested_list(check: &mut Check<'_>, at: &Cursor<'_>) {
    let field = at.field();
    let hint = format!(
        "write `{field}` as a flat list: put what stands under `include` there, and what stands under `mask` into the top-level `mask`"
    );
    check.error(at, "retired-form", format!("`{field}` is a mapping, as in older manifests"), hint);
    for (_, at) in at.entries().filter(|(key, _)| NESTED.contains(&key.text.as_str())) {
        patterns(check, &at);
    }
}

/// How addresses begin.
const ADDRESSES: [&str; 3] = ["file:", "http:", "https:"];

fn pattern_hint(error: PatternError, text: &str) -> String {
    match error {
        PatternError::Empty => "remove the entry".to_owned(),
        PatternError::RulePrefix => {
            "write the bare path; excludes go into `mask`, includes into `file_spec` or `protected_spec`".to_owned()
        }
        PatternError::NotAnchored if ADDRESSES.iter().any(|scheme| text.starts_with(scheme)) => {
            "name here where it is in the image; a file by its address is a table [[file]] in builder.toml".to_owned()
        }
        PatternError::NotAnchored if text.starts_with(['!', ':', '.']) => {
            "write a path from the root of the tree; merge files and clear rules have no place here".to_owned()
        }
        PatternError::NotAnchored => {
            format!("write it from the root of the tree: `/{}`, or `/**/{0}` for any depth", excerpt(text))
        }
        PatternError::ParentComponent => "write the path that is meant, without `..`".to_owned(),
        PatternError::LineBreak => "write one pattern per list entry".to_owned(),
        PatternError::TrailingBlank => {
            "remove the blank at the end; a blank that belongs to a name is written `[ ]`".to_owned()
        }
        PatternError::TooLong => "shorten it; Linux knows no path this long".to_owned(),
    }
}

/// Texts that are patterns but hardly the ones that were meant.
fn unusual(check: &mut Check<'_>, item: &Cursor<'_>, pattern: &Pattern) {
    let dead = pattern.glob().tokens().is_none();
    let pattern = pattern.as_str();
    if pattern.contains('{') && pattern.contains('}') {
        let message = "braces are not special in a pattern";
        let hint = "write one pattern for each alternative";
        check.warn(item, "braces-in-pattern", message, hint);
    }
    if pattern.split('/').any(|component| component == ".") || pattern.contains("//") {
        let message = "the pattern holds an empty or `.` component and matches nothing";
        check.warn(item, "dead-pattern", message, "remove the component");
    } else if pattern == "/" {
        let message = "the pattern names the root directory, which is always there, and matches nothing";
        check.warn(item, "dead-pattern", message, "write `/**` for everything");
    } else if dead {
        let message = "the pattern has a `[` without its `]` and matches nothing";
        check.warn(item, "dead-pattern", message, "write `\\[` for the character");
    }
}

/// `package_spec`.
pub(super) fn packages(check: &mut Check<'_>, at: &Cursor<'_>) -> Vec<Entry<PackageRequest>> {
    let mut packages = Vec::new();
    let mut seen = Seen::new("duplicate-package", "the package");
    for item in check.list(at, "packages") {
        let Some(written) = check.string(&item) else { continue };
        match PackageRequest::parse(&written.value) {
            Ok(request) => {
                let identity = (request.name.clone(), request.arch.clone());
                let name = identity.1.map_or(identity.0.clone(), |arch| format!("{}:{arch}", identity.0));
                seen.note(check, &item, name);
                packages.push(Entry { value: request, position: written.position });
            }
            Err(error) => {
                let hint = package_hint(&error, &written.value);
                check.error(&item, "invalid-package", error.to_string(), hint);
            }
        }
    }
    packages
}

fn package_hint(error: &ParsePackageError, text: &str) -> String {
    let lower = text.trim().to_lowercase();
    match error {
        ParsePackageError::Name { .. } if PackageRequest::parse(&lower).is_ok() => format!("did you mean `{lower}`?"),
        ParsePackageError::Name { .. } => {
            "write `name`, `name:arch`, `name=version` or `name/suite`; names have two or more of a-z, 0-9, `+`, `-` and `.`"
                .to_owned()
        }
        ParsePackageError::Arch { .. } => "write an architecture as dpkg names it, such as `amd64`".to_owned(),
        ParsePackageError::Version { .. } => {
            "write the full version as `apt-cache policy` shows it, such as `1.26.3-3+deb13u1`".to_owned()
        }
        ParsePackageError::Suite { .. } => "write a suite such as `trixie-backports`".to_owned(),
        ParsePackageError::VersionAndSuite => "keep the version or the suite, not both".to_owned(),
    }
}

/// Warns where `mask` and a list of shipped patterns hold the same pattern: the mask wins.
pub(super) fn contradictions(check: &mut Check<'_>, mask: &[Written<'_>], field: &str, shipped: &[Written<'_>]) {
    let masked: HashMap<&Pattern, Position> = mask.iter().map(|(pattern, at)| (pattern, at.position())).collect();
    for (pattern, at) in shipped {
        let Some(mask) = masked.get(pattern) else { continue };
        let shown = excerpt(pattern.as_str());
        let message = format!("`{shown}` stands in `mask` too (line {}), so that nothing is shipped", mask.line);
        let hint = format!("remove it from `mask` or from `{field}`");
        check.warn(at, "contradiction", message, hint);
    }
}
