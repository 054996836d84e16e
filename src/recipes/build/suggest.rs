//! `build --suggest`: all that would have to be added so that nothing is missing, also by what is added itself.
//!
//! The findings of a build say of each thing what to add. That is added to the manifest in memory, and what ships then is looked at
//! again, until nothing new is said. Nothing is written.

use model::document::Entry;
use model::observe::Observer;
use model::package::PackageRequest;
use model::rules::Rules;
use model::{Additions, Diagnostic, Pattern, Position, Severity};
use serde::Serialize;

use crate::error::group::{self, Finding};
use crate::error::{Error, Reported};
use crate::recipes::build::inputs::{self, Inputs};
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::selection::Seen;
use crate::recipes::build::{lints_of, obtained, require_numbers, root, select, selection};

/// How often it is looked again. Each round adds a layer of dependencies, and the longest chain of Debian is shorter.
const MAX_ROUNDS: usize = 64;
/// The codes of the findings about what is missing.
const CODES: [&str; 8] = [
    "dangling-link",
    "floating-owner",
    "needs-command",
    "needs-file",
    "needs-interpreter",
    "needs-library",
    "needs-unit",
    "needs-user",
];

/// What would have to be added. Its JSON is the result of `build --suggest --format json`.
#[derive(Debug, Serialize)]
pub(crate) struct Suggested {
    /// What to add.
    #[serde(flatten)]
    pub(crate) add: All,
    /// What is missing, and would be when all that was added.
    pub(crate) open: Vec<Finding>,
    /// Why a build would end with an error, although the suggestion stands.
    #[serde(skip)]
    pub(crate) refused: Option<Error>,
}

/// [`Additions`] with every key, also of what is empty.
#[derive(Debug, Serialize)]
pub(crate) struct All {
    /// Packages, for `package_spec`.
    pub(crate) package_spec: Vec<String>,
    /// Patterns, for `file_spec`.
    pub(crate) file_spec: Vec<String>,
    /// Lines by the file of the overlay that they belong in.
    pub(crate) overlay: std::collections::BTreeMap<String, Vec<String>>,
}

/// Finds what the build that `request` asks for lacks.
///
/// # Errors
/// As a build, but for what `--strict` makes an error, which stands beside the result.
pub(crate) fn run(request: &BuildRequest, observer: &dyn Observer) -> Result<Reported<Suggested>, Error> {
    Reported::collect(|found| {
        let mut inputs = inputs::read_for_build(&request.module, &request.checks, found)?;
        found.diagnostics.extend(root::floating(request, &inputs));
        let (files, root) = obtained::obtain(request, &inputs, observer)?;
        let look = |inputs: &Inputs| -> Result<_, Error> {
            let selected = select::root(request, inputs, (&root, &files), observer)?;
            let lints = lints_of(inputs, &selected, &root)?.diagnostics;
            let missing: Vec<Diagnostic> = lints.iter().filter(|found| is_missing(found)).cloned().collect();
            Ok((selected, lints, missing))
        };
        let (selected, lints, mut missing) = look(&inputs)?;
        let checked = selection::report(&inputs, (&selected, Seen::All), lints, &request.checks, found);
        let mut refused = checked.and_then(|()| require_numbers(request, &inputs, &selected)).err();
        if let Some(refused) = &mut refused {
            found.extend(std::mem::take(&mut refused.findings));
        }
        drop(selected);
        let mut add = Additions::default();
        for _ in 0..MAX_ROUNDS {
            // Lines for accounts are not applied, so that all of them are said in each round, the last time as they have to be.
            add.overlay.clear();
            let before = (add.package_spec.len(), add.file_spec.len());
            for found in &missing {
                add.merge(&found.add);
            }
            if before == (add.package_spec.len(), add.file_spec.len()) {
                break;
            }
            apply(&add, &mut inputs);
            missing = look(&inputs)?.2;
        }
        missing.retain(|found| found.add.is_empty());
        Ok(Suggested { add: All::of(add), open: group::of(&missing), refused })
    })
}

fn is_missing(found: &Diagnostic) -> bool {
    found.severity == Severity::Warning && CODES.contains(&found.code)
}

/// Adds packages and patterns to the manifest, as its author would.
fn apply(add: &Additions, inputs: &mut Inputs) {
    let position = Position { line: 1, column: 1 };
    let manifest = &mut inputs.manifest;
    for request in add.package_spec.iter().filter_map(|name| PackageRequest::parse(name).ok()) {
        if manifest.package_spec.iter().all(|known| known.value != request) {
            manifest.package_spec.push(Entry { value: request, position });
        }
    }
    for pattern in add.file_spec.iter().filter_map(|text| Pattern::parse(text).ok()) {
        if manifest.file_spec.iter().all(|known| known.value != pattern) {
            manifest.file_spec.push(Entry { value: pattern, position });
        }
    }
    inputs.rules = Rules::new(inputs.manifest.lists(&inputs.file), &inputs::lists(&inputs.neighbours));
}

impl All {
    fn of(add: Additions) -> Self {
        let overlay = add.overlay.into_iter().map(|(file, lines)| (file, lines.into_iter().collect()));
        Self {
            package_spec: add.package_spec.into_iter().collect(),
            file_spec: add.file_spec.into_iter().collect(),
            overlay: overlay.collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.package_spec.is_empty() && self.file_spec.is_empty() && self.overlay.is_empty()
    }
}

impl Suggested {
    /// YAML to paste, packages first; what is not YAML of a manifest is in remarks.
    pub(crate) fn yaml(&self) -> String {
        let mut lines = Vec::new();
        for (key, values) in [("package_spec", &self.add.package_spec), ("file_spec", &self.add.file_spec)] {
            if !values.is_empty() {
                lines.push(format!("{key}:"));
                lines.extend(values.iter().map(|value| format!("  - {}", scalar(value))));
            }
        }
        for (file, texts) in &self.add.overlay {
            lines.push(format!("# and these lines to {file}:"));
            lines.extend(texts.iter().map(|text| format!("#   {text}")));
        }
        if self.add.is_empty() && self.open.is_empty() {
            lines.push("# nothing is missing".to_owned());
        }
        if !self.open.is_empty() {
            lines.push("# missing all the same:".to_owned());
        }
        for found in &self.open {
            lines.push(format!("#   {}", found.head.message));
            let cases = found.each.iter().map(|case| format!("#     {}", case.message));
            lines.extend(cases);
            lines.push(format!("#     {}", found.head.hint));
        }
        lines.join("\n")
    }
}

/// A text as a value of a list: in quotes where it would be read as something else.
fn scalar(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.*+~-".contains(&byte);
    match text.bytes().all(is_plain) && text.starts_with(|first: char| first == '/' || first.is_ascii_alphanumeric()) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(package_spec: &[&str], file_spec: &[&str]) -> Suggested {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let overlay = [("rootfs/usr/lib/sysusers.d/web.conf".to_owned(), own(&["u web -"]))].into();
        let add = All { package_spec: own(package_spec), file_spec: own(file_spec), overlay };
        Suggested { add, open: Vec::new(), refused: None }
    }

    #[test]
    fn packages_stand_first_and_each_value_is_read_as_it_is_meant() {
        let all = suggested(&["libz1", "tools"], &["/usr/lib/*/libz.so.1*", "/srv/a\\[1]", "/srv/it's: # x"]);
        assert_eq!(
            all.yaml(),
            "package_spec:\n  - libz1\n  - tools\nfile_spec:\n  - /usr/lib/*/libz.so.1*\n  - '/srv/a\\[1]'\n  - '/srv/it''s: # x'\n\
             # and these lines to rootfs/usr/lib/sysusers.d/web.conf:\n#   u web -"
        );
        let text = format!("schema_version: 1\nname: x\n{}\n", all.yaml());
        let read = model::Manifest::parse(text.as_bytes());
        let patterns: Vec<String> =
            read.manifest.iter().flat_map(|one| one.file_spec.iter().map(|entry| entry.value.to_string())).collect();
        assert_eq!(patterns, all.add.file_spec);
    }

    #[test]
    fn where_nothing_is_missing_that_is_said() {
        let add = All { package_spec: Vec::new(), file_spec: Vec::new(), overlay: std::collections::BTreeMap::new() };
        assert_eq!(Suggested { add, open: Vec::new(), refused: None }.yaml(), "# nothing is missing");
    }
}
