//! What an author should know of a closure, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use builder::accounts::{self, Accounts, Assigned, Holder};
use builder::closure::{Changed, Closure, Enablement, Named, NodeForm, Recomputed, Secret, Shipped};
use composer::filter::{Filter, Verdict};
use composer::scan::Source;
use image::tree::Tree;
use model::{Diagnostic, ImagePath, Severity};

use super::replaces;
use crate::error::{Error, Findings};
use crate::recipes::build::inputs::Inputs;
use crate::recipes::results::path_list;
use crate::settings;

/// The most paths that one finding names.
const MAX_NAMED: usize = 3;

/// Fails where packages changed the base, and no one declared it.
pub(super) fn refuse_changes(found: &Closure, filter: &Filter, inputs: &Inputs) -> Result<(), Error> {
    let is_masked = |path: &ImagePath| matches!(filter.verdict(path, false), Verdict::Excluded { .. });
    let recomputed = found.recomputed();
    let is_recomputed = |path: &ImagePath| recomputed.iter().any(|one| one.path == *path);
    let is_declared = |path: &ImagePath| replaces(&inputs.settings.closure.rules, path) || is_masked(path);
    let undeclared = found.changed.iter().filter(|one| !is_declared(&one.path) && !is_recomputed(&one.path));
    let diagnostics: Vec<Diagnostic> = undeclared.map(|changed| changed_finding(changed, inputs)).collect();
    refuse("the module's packages change the base", diagnostics)
}

fn changed_finding(changed: &Changed, inputs: &Inputs) -> Diagnostic {
    let Changed { path, difference, by } = changed;
    let who = by.as_deref().map_or_else(String::new, |package| format!(" (package {package} does)"));
    let name = &inputs.manifest.name;
    let message = match difference {
        Some(difference) => format!("{name} changes {path}, a file of the base, in its {difference}{who}"),
        None => format!("{name} removes {path} from the base{who}"),
    };
    let hint = match difference {
        Some(_) => format!("name it in `replaces` of [closure] in builder.toml, or mask it: `{path}`"),
        None => format!("take the package away, or mask it where the node can keep it: `{path}`"),
    };
    Diagnostic::new(Severity::Error, "base-changed", message, hint).in_file(inputs.file.clone())
}

/// A note for each file of the base that is shipped as a program computed it anew, but for those that are declared.
pub(super) fn recomputed(found: &Closure, filter: &Filter, inputs: &Inputs) -> Vec<Diagnostic> {
    let is_masked = |path: &ImagePath| matches!(filter.verdict(path, false), Verdict::Excluded { .. });
    let is_said = |path: &ImagePath| !replaces(&inputs.settings.closure.rules, path) && !is_masked(path);
    let finding = |one: Recomputed| {
        let Recomputed { path, program, from, count } = one;
        let others = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
        let message =
            format!("{path}, a file of the base, is shipped as {program} computed it anew, with {from}{others}");
        let hint = format!(
            "nothing has to be done, as long as no other module of the node does the same: the upper one's counts; name it in \
             `replaces` of [closure] in builder.toml to say that it is meant, or mask it: `{path}`"
        );
        Diagnostic::new(Severity::Note, "base-recomputed", message, hint).in_file(inputs.file.clone())
    };
    found.recomputed().into_iter().filter(|one| is_said(&one.path)).map(finding).collect()
}

/// Fails where a shipped file belongs to a number that neither the base nor an account of the module has.
pub(super) fn refuse_numbers(
    tree: &Tree<Source>,
    base: &Accounts,
    assigned: &Assigned,
    inputs: &Inputs,
) -> Result<(), Error> {
    // A dry run knows no accounts.
    if base.users.is_empty() {
        return Ok(());
    }
    let tables = [&assigned.ids, &inputs.settings.closure.accounts];
    let user = |id: u32| base.user(id).is_some() || tables.iter().any(|all| all.iter().any(|(_, ids)| ids.uid == id));
    let group = |id: u32| base.group(id).is_some() || tables.iter().any(|all| all.iter().any(|(_, ids)| ids.gid == id));
    let mut unknown: BTreeMap<(Holder, bool, u32), Vec<ImagePath>> = BTreeMap::new();
    for (path, _, node) in tree.walk() {
        let own = [(Holder::User, node.stat.uid), (Holder::Group, node.stat.gid)].map(|one| (one, true));
        let named: BTreeSet<_> = accounts::numbers(&node.stat.xattrs).into_iter().map(|one| (one, false)).collect();
        for ((what, id), owns) in own.into_iter().chain(named) {
            let is_known = match what {
                Holder::User => user(id),
                Holder::Group => group(id),
            };
            if !is_known {
                unknown.entry((what, owns, id)).or_default().push(path.clone());
            }
        }
    }
    let finding = |((what, owns, id), paths): (&(Holder, bool, u32), &Vec<ImagePath>)| {
        let what = match what {
            Holder::User => "user",
            Holder::Group => "group",
        };
        let message =
            format!("{} the {what} {id} of this build, whom neither the base nor the module has", claims(paths, *owns));
        let kind = if what == "user" { "u" } else { "g" };
        let hint = if *owns {
            format!(
                "say who has it by a line `{kind} NAME {id}` in rootfs/usr/lib/sysusers.d/{}.conf, give a file of the \
                 overlay another owner by [overlay] of builder.toml, or mask it",
                inputs.manifest.name
            )
        } else {
            "have the script that sets its access list or capabilities name an account that is there, or mask it"
                .to_owned()
        };
        Diagnostic::new(Severity::Error, "unknown-owner", message, hint).in_file(inputs.file.clone())
    };
    refuse("files of the module belong to no account", unknown.iter().map(finding).collect())
}

/// What files have to do with someone: they belong to them, or give them rights by an attribute.
fn claims(paths: &[ImagePath], owns: bool) -> String {
    let verb = match (owns, paths.len()) {
        (true, 1) => "belongs to",
        (true, _) => "belong to",
        (false, 1) => "gives rights to",
        (false, _) => "give rights to",
    };
    format!("{} {verb}", path_list::some(paths, MAX_NAMED))
}

fn refuse(message: &str, diagnostics: Vec<Diagnostic>) -> Result<(), Error> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(Error::refused(message).findings(Findings { diagnostics, ..Findings::default() }))
}

/// Whether what is generated at `path` makes the module's accounts.
pub(super) fn is_accounts(path: &ImagePath) -> bool {
    path.as_bytes().starts_with(b"/usr/lib/sysusers.d/")
}

/// What a node lacks without what is generated at `path`. A link that enables a unit may well be unwanted.
fn purpose(path: &ImagePath) -> Option<(&'static str, &'static str)> {
    let is_below = |directory: &[u8]| path.as_bytes().starts_with(directory);
    match () {
        () if is_accounts(path) => Some(("makes", "the module's users and groups on the node")),
        () if is_below(b"/usr/lib/tmpfiles.d/") => Some(("makes", "what the module has in /var on the node")),
        () if is_below(b"/usr/lib/systemd/") => None,
        () => Some(("leads", "to what is made at first start")),
    }
}

/// What is generated for the node and an exclude keeps out.
pub(super) fn masked(paths: &[ImagePath], filter: &Filter, inputs: &Inputs) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<_, Vec<ImagePath>> = BTreeMap::new();
    for path in paths {
        if let (Some(purpose), Verdict::Excluded { rule, .. }) = (purpose(path), filter.verdict(path, false)) {
            groups.entry((rule, purpose)).or_default().push(path.clone());
        }
    }
    let finding = |((rule, (verb, what)), paths): (&(usize, (&str, &str)), &Vec<ImagePath>)| {
        let rule = inputs.rules.excludes.get(*rule)?;
        let (is, verb) =
            if paths.len() == 1 { ("is", (*verb).to_owned()) } else { ("are", verb.trim_end_matches('s').to_owned()) };
        let message = format!("{} {is} not shipped, which {verb} {what}", path_list::some(paths, MAX_NAMED));
        let hint = format!("it is kept out by {} `{}`: narrow it", rule.origin.field.key(), rule.pattern);
        let found = Diagnostic::new(Severity::Warning, "generated-masked", message, hint);
        Some(found.in_file(rule.origin.file.clone()).at(rule.origin.position).in_field(rule.origin.field.key()))
    };
    groups.iter().filter_map(finding).collect()
}

/// That something is shipped which the author has made at first start.
pub(super) fn shipped(shipped: &Shipped, inputs: &Inputs) -> Diagnostic {
    let Shipped { named, path, is_data } = shipped;
    let table = if *is_data { "data" } else { "secrets" };
    let message = format!("[closure.{table}] has {} made at first start, and {path} is shipped", named.path());
    let hint = format!("leave {path} out of the module, or remove the path from [closure.{table}] of builder.toml");
    let keys = ["closure", table, &named.path().to_string()];
    let place = settings::naming::entry(&inputs.settings, "first-start-shipped", &keys).diagnostics.pop();
    match place {
        Some(place) => Diagnostic { severity: Severity::Warning, message, hint, ..place },
        None => Diagnostic::new(Severity::Warning, "first-start-shipped", message, hint)
            .in_file(inputs.file.beside(settings::BUILDER_TOML)),
    }
}

/// What is not refused and the author should know all the same.
pub(super) fn all(
    (found, secrets, unmade): (&Closure, &[Secret], &[ImagePath]),
    (form, named): (&NodeForm, &Named),
    off: &[&Enablement],
    inputs: &Inputs,
) -> Vec<Diagnostic> {
    let mut all = Vec::new();
    let file = || inputs.file.clone();
    for data in &found.data {
        if !unmade.contains(&data.path) {
            continue;
        }
        let message = format!(
            "{} holds {} that an install script made: data is not shipped",
            data.path,
            model::words::size(data.size)
        );
        // Made by root, it would be root's, and the service could not use it.
        let user = named.users.get(&data.uid).filter(|_| data.uid != 0);
        let user = user.map_or_else(String::new, |name| format!(", user = \"{name}\""));
        let hint = format!(
            "say who makes it at first start, in [closure.data] of builder.toml: \"{}\" = {{ command = [...]{user} }}, or mask it",
            data.path
        );
        all.push(Diagnostic::new(Severity::Warning, "data-not-shipped", message, hint).in_file(file()));
    }
    for secret in secrets.iter().filter(|secret| unmade.contains(&secret.path)) {
        let message = format!("{} is a secret that an install script made: it is not shipped", secret.path);
        let hint = format!(
            "say who makes it at first start, in [closure.secrets] of builder.toml: \"{0}\" = {{ command = [...] }}, or mask `{0}`",
            secret.path
        );
        all.push(Diagnostic::new(Severity::Warning, "secret-not-shipped", message, hint).in_file(file()));
    }
    if !form.lost.is_empty() {
        let message =
            format!("{} cannot be made in /var by tmpfiles.d, and stays out", path_list::some(&form.lost, MAX_NAMED));
        all.push(
            Diagnostic::new(Severity::Warning, "not-in-var", message, "mask it, or have the service make it")
                .in_file(file()),
        );
    }
    if !off.is_empty() {
        let units: Vec<&str> = off.iter().map(|link| link.unit.as_str()).collect();
        let message = format!(
            "not enabled, since no service of the module and no package that it names has them: {}",
            units.join(", ")
        );
        let hint = "name a unit in `services` to enable it";
        all.push(Diagnostic::new(Severity::Note, "units-not-enabled", message, hint).in_file(file()));
    }
    all
}
