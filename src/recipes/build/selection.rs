//! What the filter's report means for the author: findings that point into the manifest.

use builder::scrub::Scrubbed;
use composer::filter::{List, Note, Report, RuleRef};
use composer::patterns::Budget;
use model::rules::{Field, Rule, Rules};
use model::{Diagnostic, ImagePath, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::request::Checks;
use crate::recipes::build::select::Selected;
use crate::recipes::build::{empty, protected};

/// Whether the tree has all that a build would have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It has.
    All,
    /// Maintainer scripts, which did not run, may make files and links that are not in it: nothing is said against a pattern
    /// for want of such.
    Listed,
}

/// Adds to `found` what the author should know of the selection and of what it lacks (`lints`), but for
/// what is allowed.
///
/// # Errors
/// When nothing would be shipped, or when there is a warning and warnings are errors.
pub(crate) fn report(
    inputs: &Inputs,
    (selected, seen): (&Selected, Seen),
    lints: Vec<Diagnostic>,
    checks: &Checks,
    found: &mut Findings,
) -> Result<(), Error> {
    let report = &selected.selection.report;
    let masked = selected.closed.as_ref().map_or(&[] as &[ImagePath], |closed| closed.masked());
    let mut diagnostics =
        diagnostics(&inputs.rules, (report, seen), (&selected.scrubbed, masked), &inputs.manifest.name);
    diagnostics.extend(empty::find(inputs, selected));
    diagnostics.extend(protected::notes(inputs, &selected.protected));
    diagnostics.extend(lints);
    diagnostics.extend(selected.closed.iter().flat_map(|closed| closed.findings.iter().cloned()));
    diagnostics.retain(|found| !checks.allowed.contains(found.code));
    let strict = check_strict(checks.strict, &diagnostics);
    let findings = Findings { diagnostics, ..Findings::default() };
    // What scripts make may be all that a module ships.
    if report.total.is_nothing() && seen == Seen::All {
        return Err(nothing(inputs, selected).findings(findings));
    }
    strict.map_err(|error| error.findings(findings.clone()))?;
    found.extend(findings);
    Ok(())
}

/// That the module would ship nothing, and why where that is known.
fn nothing(inputs: &Inputs, selected: &Selected) -> Error {
    let below: Vec<&str> = inputs.lower(selected.arch).iter().map(|module| module.reference.name.as_str()).collect();
    if selected.closed.is_some() && !below.is_empty() && inputs.manifest.file_spec.is_empty() {
        let message = format!("the module would ship no file: the base and {} have all of it", below.join(", "));
        return Error::input(message).hint(
            "name packages in package_spec that these do not have, or put files of the module's own into rootfs/",
        );
    }
    Error::input("the module would ship no file").hint(
        "name what is to be shipped in file_spec; `module-builder explain PATH` says of a path why it is left out",
    )
}

/// Checks that there is no warning where warnings are errors.
///
/// # Errors
/// When there is one.
pub(crate) fn check_strict(is_strict: bool, diagnostics: &[Diagnostic]) -> Result<(), Error> {
    if !is_strict || diagnostics.iter().all(|found| found.severity != Severity::Warning) {
        return Ok(());
    }
    Err(Error::input("the module has warnings, and --strict makes them errors")
        .hint("fix what they name, or allow one by its code with --allow"))
}

fn rule(rules: &Rules, at: RuleRef) -> Option<&Rule> {
    match at.list {
        List::Exclude => rules.excludes.get(at.index),
        List::Include => rules.includes.get(at.index),
    }
}

/// Findings about the module's own rules; what a neighbour protects need not be in this tree.
fn diagnostics(
    rules: &Rules,
    (report, seen): (&Report, Seen),
    (scrubbed, masked): (&[Scrubbed], &[ImagePath]),
    own: &str,
) -> Vec<Diagnostic> {
    let mut budget = Some(Budget::default());
    let own_rule = |at| rule(rules, at).filter(|rule| rule.origin.module == own);
    let mut found = Vec::new();
    for at in report.unmatched() {
        let Some(rule) = own_rule(at) else { continue };
        // What is generated for the node is in no tree that the filter sees.
        if at.list == List::Exclude && masked.iter().any(|path| takes(rule, path, &mut budget)) {
            continue;
        }
        found.push(match takes_scrubbed(rule, scrubbed, &mut budget) {
            // It is the author's answer to what was said of a secret.
            Some((_, scrubbed)) if scrubbed.secret && at.list == List::Exclude => continue,
            Some((path, scrubbed)) => left_out(rule, path, scrubbed),
            None => unmatched(rule, report.suggestions(at), seen),
        });
    }
    for at in report.shadowed().filter(|_| seen == Seen::All) {
        let by = report.rule(at).and_then(|report| report.shadowed_by.first());
        let by = by.and_then(|by| self::rule(rules, *by));
        found.extend(own_rule(at).zip(by).map(|(rule, by)| shadowed(rule, by)));
    }
    found.extend(report.notes.iter().filter_map(|note| explain(rules, note, own)));
    found
}

fn finding(rule: &Rule, severity: Severity, code: &'static str, message: String, hint: String) -> Diagnostic {
    Diagnostic::new(severity, code, message, hint)
        .in_file(rule.origin.file.clone())
        .at(rule.origin.position)
        .in_field(rule.origin.field.key())
        .quoting(rule.pattern.to_string())
}

/// A path that the pattern would take, had no scrub rule taken it before. None, too, once the work on patterns is used up:
/// what is said then is less, and still true.
fn takes_scrubbed<'a>(
    rule: &Rule,
    scrubbed: &'a [Scrubbed],
    budget: &mut Option<Budget>,
) -> Option<(&'a ImagePath, &'a Scrubbed)> {
    let mut paths = scrubbed.iter().flat_map(|by| by.paths.iter().map(move |path| (path, by)));
    paths.find(|(path, _)| takes(rule, path, budget))
}

/// Whether the pattern takes the path, as far as there is a budget left.
fn takes(rule: &Rule, path: &ImagePath, budget: &mut Option<Budget>) -> bool {
    let taken = budget.as_mut().map(|budget| budget.takes(&rule.pattern, path, false));
    match taken {
        Some(Err(_)) => {
            *budget = None;
            false
        }
        Some(Ok(is_taken)) => is_taken,
        None => false,
    }
}

/// How bad it is that a pattern takes nothing: a mask may well be there for what another version brings.
fn idle_severity(rule: &Rule) -> Severity {
    match rule.origin.field {
        Field::Mask => Severity::Note,
        Field::FileSpec | Field::ProtectedSpec | Field::DependencySpec | Field::Default => Severity::Warning,
    }
}

fn left_out(rule: &Rule, path: &ImagePath, by: &Scrubbed) -> Diagnostic {
    let message = format!("the pattern takes nothing: {path} is in no module, by the scrub rule {}", by.rule);
    let hint = format!("remove the pattern: {}", by.reason);
    finding(rule, idle_severity(rule), "pattern-takes-nothing", message, hint)
}

fn unmatched(rule: &Rule, suggestions: &[String], seen: Seen) -> Diagnostic {
    let list: Vec<String> = suggestions.iter().map(|suggestion| format!("`{suggestion}`")).collect();
    let meant = format!("did you mean {}?", list.join(" or "));
    let (severity, message, hint) = match (seen, suggestions.is_empty()) {
        (Seen::All, true) => {
            let hint = match rule.origin.field {
                Field::Mask => "remove the pattern, or correct it",
                Field::FileSpec | Field::ProtectedSpec | Field::DependencySpec | Field::Default => {
                    "check the package that should bring it"
                }
            };
            let hint = format!("nothing in the root file system has such a name: {hint}");
            (idle_severity(rule), "the pattern takes nothing", hint)
        }
        (Seen::All, false) => (idle_severity(rule), "the pattern takes nothing", meant),
        (Seen::Listed, no_suggestions) => {
            let more = if no_suggestions { String::new() } else { format!("; if none does, {meant}") };
            let hint = format!("a maintainer script may make what it takes, which `build` knows{more}");
            (Severity::Note, "the pattern takes nothing that packages list", hint)
        }
    };
    finding(rule, severity, "pattern-takes-nothing", message.to_owned(), hint)
}

fn shadowed(rule: &Rule, by: &Rule) -> Diagnostic {
    let place = by.origin.position.map_or_else(String::new, |position| format!(" at {}:{position}", by.origin.file));
    let message =
        format!("the pattern decides nothing: `{}` in {}{place} goes before it", by.pattern, by.origin.field.key());
    let hint = "remove it, or narrow the pattern that goes before it".to_owned();
    finding(rule, Severity::Note, "pattern-shadowed", message, hint)
}

fn explain(rules: &Rules, note: &Note, own: &str) -> Option<Diagnostic> {
    let (at, code, message, hint) = match note {
        Note::BareDirectory { rule, directory } => (
            *rule,
            "bare-directory",
            format!("the pattern names the directory {directory} and is read as `{directory}/***`"),
            format!("write `{directory}/***` to say so"),
        ),
        Note::ThroughLink { rule, written, resolved } => (
            *rule,
            "pattern-through-link",
            format!("{written} is a link: the pattern is read below {resolved}, where the files really are"),
            format!("write {resolved} to say so"),
        ),
        Note::DirectoryAlone { rule, directory } => (
            *rule,
            "directory-alone",
            format!("the pattern ships the directory {directory} alone, although it holds something"),
            format!("write `{directory}/***` to ship what is in it"),
        ),
    };
    let rule = rule(rules, at).filter(|rule| rule.origin.module == own)?;
    Some(finding(rule, Severity::Note, code, message, hint))
}
