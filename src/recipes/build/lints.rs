//! What shipped files need and no one brings, as findings for the author.
//!
//! Who brings what: the module itself, the base that every node has (a minbase of the same suite),
//! the neighbours that the user names, and the modules that the manifest requires, which cannot be
//! seen from here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use composer::filter::{By, Filter, Verdict};
use composer::needs::{self, Idle, Need, Reach, Unmet, World};
use image::composefs::Entry;
use image::tree::{Kind, Tree};
use model::rules::Rules;
use model::{Additions, Diagnostic, ImagePath, Position, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::{Inputs, Neighbour};
use crate::recipes::build::known::Known;
use crate::recipes::build::open_needs::OpenNeeds;
use crate::recipes::build::remedy::{self, Remedy};
use crate::recipes::build::select::Selected;
use crate::recipes::build::{accounts, authored, generators, machine, named_units, secrets, shipped_by};
use crate::recipes::results::{differ, path_list};

const LIBRARY: &str = "needs-library";
const INTERPRETER: &str = "needs-interpreter";
const COMMAND: &str = "needs-command";
const FILE: &str = "needs-file";
const NEEDED_UNIT: &str = "needs-unit";
const LINK: &str = "dangling-link";
const UNIT: &str = "unit-not-enabled";

/// The service manager's program.
const MANAGER: &str = "/usr/lib/systemd/systemd";

/// The most files that one finding names.
const MAX_NAMED: usize = 3;

/// What was found.
pub(crate) struct Found {
    /// For the author.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// For whoever has the module.
    pub(crate) needs: OpenNeeds,
}

/// Everything that the shipped files, the units and the manifest's commands lack, and what may be a secret.
///
/// # Errors
/// When a file of the root file system cannot be read.
pub(crate) fn find(inputs: &Inputs, selected: &Selected, known: Known) -> Result<Found, Error> {
    let neighbours = neighbours(inputs, selected)?;
    let directories: Vec<&Path> = inputs.neighbours.iter().map(|one| one.settings.directory.as_path()).collect();
    let built = differ::built_by(&directories, selected.arch);
    let provided = |path: &ImagePath| {
        let is_directory = selected.whole.lookup(path).is_some_and(|id| selected.whole.node(id).is_directory());
        let ships = |filter: &Filter| matches!(filter.verdict(path, is_directory), Verdict::Included(By::Rule(_)));
        let is_made = selected.closed.as_ref().is_some_and(|closed| closed.provides(path));
        let has = |tree: &Tree<Entry>| tree.lookup(path).is_some_and(|id| !tree.node(id).is_directory());
        is_made || is_below(path, inputs, selected) || neighbours.iter().any(ships) || built.iter().any(has)
    };
    let world = World {
        whole: &selected.whole,
        shipped: &selected.selection.tree,
        provided: &provided,
        makes_cache: selected.closed.is_some(),
    };
    let context = LintContext { inputs, selected, known, own: own(inputs, selected) };
    let mut unmet = needs::unmet(world)?;
    // Which machine a library is for stands in its contents.
    unmet.retain(|unmet| known == Known::Contents || unmet.need != Need::Library);
    unmet.retain(|unmet| !context.is_of_the_manager(unmet.need, &unmet.missing));
    let gaps = grouped(unmet);
    let mut found: Vec<Diagnostic> = gaps.iter().map(|gap| context.diagnostic(gap, None)).collect();
    let mut needs = OpenNeeds::default();
    gaps.iter().for_each(|gap| needs.add(gap.need, &gap.name, &gap.by, context.is_optional(gap)));
    for (field, command) in inputs.manifest.command_entries() {
        let program = needs::command(world, &command.value).map(|(name, reach)| (Need::Command, name, reach));
        let units = needs::started_units(world, &command.value).into_iter();
        for (need, name, reach) in program.into_iter().chain(units.map(|(name, reach)| (Need::Unit, name, reach))) {
            let Some(missing) = missing(reach) else { continue };
            let gap = MissingDependency { need, name, missing, elsewhere: None, by: Vec::new(), soft: false };
            // Services of a closure are those of its units, which have said the same already.
            let is_same = |other: &&MissingDependency| {
                (other.need, &other.name, &other.missing) == (gap.need, &gap.name, &gap.missing) && !other.soft
            };
            if selected.closed.is_some() && gaps.iter().any(|other| is_same(&other)) {
                continue;
            }
            if !context.is_of_the_manager(need, &gap.missing) {
                needs.add(need, &gap.name, &[], context.is_optional(&gap));
                found.push(context.diagnostic(&gap, Some((field.clone(), command.position))));
            }
        }
    }
    let idle = needs::idle_units(world)?;
    found.extend(idle.iter().filter(|idle| !context.is_meant_idle(idle)).map(|idle| context.idle(idle)));
    found.extend(named_units::find(inputs, world));
    found.extend(machine::find(inputs, selected));
    found.extend(authored::find(inputs, selected)?);
    found.extend(generators::find(inputs, selected, known));
    if known == Known::Contents {
        found.extend(secrets::find(inputs, selected)?);
        found.extend(accounts::find((inputs, selected), world, &accounts::of_base(inputs, selected), &mut needs)?);
    }
    Ok(Found { diagnostics: found, needs })
}

/// Whether the node has `path` without this module: by the base, or by a module over which this one is laid, of which
/// the image counts and not what its packages have.
fn is_below(path: &ImagePath, inputs: &Inputs, selected: &Selected) -> bool {
    let closed = selected.closed.as_ref();
    let package = selected.ownership.owner(path).map(|package| package.name.as_str());
    let is_brought = package.is_some_and(|package| closed.is_some_and(|closed| closed.is_brought(package)));
    // `/var` is the node's, and made there by what a module says of it.
    let of_base = selected.ownership.is_base(path) && (!is_brought || path.as_bytes().starts_with(b"/var/"));
    of_base || inputs.lower(selected.arch).iter().any(|module| module.has(path))
}

/// What the author put into the root file system: the files of the packages that `package_spec`
/// names, and the overlay's. No one asks when there is no required module that might bring them too.
fn own(inputs: &Inputs, selected: &Selected) -> BTreeSet<ImagePath> {
    if inputs.manifest.dependencies.requires.is_empty() {
        return BTreeSet::new();
    }
    let mut own = selected.ownership.of_requested(&selected.whole, &inputs.manifest.requests());
    own.extend(selected.laid.added.iter().chain(&selected.laid.replaced).cloned());
    own
}

/// What each neighbour ships, as far as it would take it from the same root file system.
fn neighbours(inputs: &Inputs, selected: &Selected) -> Result<Vec<Filter>, Error> {
    let filter = |one: &Neighbour| {
        Filter::new(&Rules::new(one.manifest.lists(&one.file), &[]), &selected.whole).map_err(Error::from)
    };
    inputs.neighbours.iter().map(filter).collect()
}

fn missing(reach: Reach) -> Option<Vec<ImagePath>> {
    match reach {
        Reach::Met => None,
        Reach::Dropped(missing) => Some(missing),
        Reach::Absent => Some(Vec::new()),
    }
}

/// One thing that is missing, and all who need it.
struct MissingDependency {
    need: Need,
    name: String,
    missing: Vec<ImagePath>,
    /// Where a library is that the loader does not find.
    elsewhere: Option<ImagePath>,
    by: Vec<ImagePath>,
    soft: bool,
}

fn grouped(unmet: Vec<Unmet>) -> Vec<MissingDependency> {
    let mut groups: BTreeMap<(Need, Vec<ImagePath>, String), MissingDependency> = BTreeMap::new();
    for Unmet { need, name, by, soft, missing, elsewhere } in unmet {
        // A link that leads nowhere leads nowhere from its own place.
        let name_of_group = if need == Need::Target && missing.is_empty() { by.to_string() } else { name.clone() };
        let group = groups.entry((need, missing.clone(), name_of_group));
        let gap =
            group.or_insert_with(|| MissingDependency { need, name, missing, elsewhere, by: Vec::new(), soft: true });
        gap.soft &= soft;
        if !gap.by.contains(&by) {
            gap.by.push(by);
        }
    }
    groups.into_values().collect()
}

struct LintContext<'a> {
    inputs: &'a Inputs,
    selected: &'a Selected,
    known: Known,
    /// See [`own`].
    own: BTreeSet<ImagePath>,
}

impl LintContext<'_> {
    fn diagnostic(&self, gap: &MissingDependency, place: Option<(String, Position)>) -> Diagnostic {
        let code = match gap.need {
            Need::Library => LIBRARY,
            Need::Interpreter => INTERPRETER,
            Need::Command => COMMAND,
            Need::File => FILE,
            Need::Unit => NEEDED_UNIT,
            Need::Target => LINK,
        };
        let state = if gap.missing.is_empty() { "is nowhere in the root file system" } else { "is not shipped" };
        let who = place.as_ref().map_or_else(|| list(&gap.by), |(field, _)| field.clone());
        let verb = match (gap.need, gap.by.len() > 1) {
            (Need::Target, false) => "leads to it",
            (Need::Target, true) => "lead to it",
            (_, false) => "needs it",
            (_, true) => "need it",
        };
        let message = match (self.is_shipped(gap), gap.missing.is_empty()) {
            _ if gap.elsewhere.is_some() => {
                let place = gap.elsewhere.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{} is at {place}, where the node's loader does not look, and {who} {verb}", gap.name)
            }
            // The name is there, and leads to what is not.
            (true, false) => format!("{} {state}, and {who} {verb} through {}", list(&gap.missing), gap.name),
            (true, true) => format!("{} leads nowhere in the root file system, and {who} {verb}", gap.name),
            (false, _) => format!("{} {state}, and {who} {verb}", gap.name),
        };
        let Remedy { add, words } = self.remedy(gap);
        let found = Diagnostic::new(self.severity(gap), code, message, words).adding(add);
        let found = found.in_file(self.inputs.file.clone());
        match place {
            Some((field, position)) => found.at(position).in_field(field),
            None => shipped_by::placed(found, &gap.by, self.inputs, self.selected),
        }
    }

    /// Whether what is needed is a path that is shipped, whatever it leads to.
    fn is_shipped(&self, gap: &MissingDependency) -> bool {
        let shipped = &self.selected.selection.tree;
        let directory = gap.by.first().filter(|_| gap.need == Need::Target).and_then(ImagePath::parent);
        let path = match (gap.name.strip_prefix('/'), directory) {
            (Some(_), _) => ImagePath::new(&gap.name),
            (None, Some(directory)) => ImagePath::new(format!("{directory}/{}", gap.name)),
            (None, None) => return false,
        };
        path.is_ok_and(|path| shipped.lookup(&shipped.resolve_parent(&path)).is_some())
    }

    fn severity(&self, gap: &MissingDependency) -> Severity {
        let is_dropped = !gap.missing.is_empty();
        let is_own = |path: &ImagePath| {
            [&self.selected.laid.added, &self.selected.laid.replaced].iter().any(|all| all.binary_search(path).is_ok())
        };
        // Debian ships links that lead somewhere only when another package is there.
        let is_debians_link = gap.need == Need::Target && !is_dropped && !gap.by.iter().any(is_own);
        let is_unknown = match is_dropped {
            true => !self.selected.ownership.knows_base(),
            false => self.known == Known::Names,
        };
        // All that its packages depend on is there: what they lack then, they lack on every Debian.
        let is_debians = self.selected.closed.is_some()
            && !is_dropped
            && !gap.by.is_empty()
            && !gap.by.iter().any(|path| self.selected.is_authored(path));
        // What the author's own unit requires was meant.
        let is_soft =
            gap.soft && !(gap.need == Need::Unit && gap.by.iter().any(|path| self.selected.is_authored(path)));
        if is_soft || is_debians_link || is_debians || is_unknown || self.may_be_required(gap) {
            Severity::Note
        } else {
            Severity::Warning
        }
    }

    /// Whether it can be done without, as far as is known.
    fn is_optional(&self, gap: &MissingDependency) -> bool {
        self.severity(gap) == Severity::Note
    }

    /// Whether a module that the manifest requires may bring it. Where no one looked for such a module, it cannot be seen
    /// from here, but what the author put into this one and then left out, another one has no reason to bring.
    fn may_be_required(&self, gap: &MissingDependency) -> bool {
        self.inputs.lower.is_none()
            && !self.inputs.manifest.dependencies.requires.is_empty()
            && !gap.missing.iter().any(|path| self.is_own(path))
    }

    /// Whether the author put what is at `path`, or it is a link to such a file that no package
    /// lists: a maintainer script made it, as those of alternatives.
    fn is_own(&self, path: &ImagePath) -> bool {
        if self.own.contains(path) {
            return true;
        }
        let whole = &self.selected.whole;
        let Some(Kind::Symlink(target)) = whole.lookup(path).map(|id| &whole.node(id).kind) else { return false };
        let target = ImagePath::new(&**target).ok().map(|target| whole.resolve_parent(&target));
        !self.selected.ownership.is_owned(path) && target.is_some_and(|target| self.own.contains(&target))
    }

    fn remedy(&self, gap: &MissingDependency) -> Remedy {
        let requires = &self.inputs.manifest.dependencies.requires;
        let only = |words: String| Remedy { add: Additions::default(), words };
        if self.may_be_required(gap) {
            let names: Vec<String> = requires.iter().map(|entry| format!("`{}`", entry.value)).collect();
            return only(format!("see that a module of dependencies.requires brings it: {}", names.join(", ")));
        }
        if gap.elsewhere.is_some() {
            return only(format!(
                "put {} or a link to it into rootfs/usr/lib, or link the program with a run path (-Wl,-rpath): /etc/ld.so.conf \
                 counts only where the node makes its linker's cache",
                gap.name
            ));
        }
        if gap.missing.is_empty() {
            return only(self.where_to_get(gap));
        }
        if let Some(exclude) = gap.missing.iter().find_map(|path| self.exclude_of(path)) {
            return only(exclude);
        }
        let Remedy { add, words } = remedy::of(self.inputs, self.selected, &gap.missing, (gap.need, &gap.name));
        let or = match requires.is_empty() {
            true => "name the module that brings it in dependencies.requires",
            false => "name the manifest of the module that ships it by --with",
        };
        Remedy { add, words: format!("{words}, or {or}") }
    }

    /// What to do about what is not even in the root file system.
    fn where_to_get(&self, gap: &MissingDependency) -> String {
        let (need, module) = (gap.need, "name the module that does in dependencies.requires");
        // No package brings what the author's own files name by mistake.
        if let Some(first) =
            own_remedy(need).filter(|_| !gap.by.is_empty() && gap.by.iter().all(|path| self.selected.is_authored(path)))
        {
            return format!("{first}, add the package that brings it to package_spec, or {module}");
        }
        match (need, self.inputs.manifest.file_spec.is_empty() || self.selected.closed.is_some()) {
            (Need::Target, _) => "correct the link, or add what it leads to".to_owned(),
            (_, true) => format!("add the package that brings it to package_spec, or {module}"),
            (_, false) => {
                format!("add the package that brings it to package_spec and its path to file_spec, or {module}")
            }
        }
    }

    /// What to do about the rule that keeps `path` out, if there is one.
    fn exclude_of(&self, path: &ImagePath) -> Option<String> {
        let Verdict::Excluded { rule, .. } = self.selected.filter.verdict(path, self.is_directory(path)) else {
            return None;
        };
        let rule = self.inputs.rules.excludes.get(rule)?;
        let origin = &rule.origin;
        let place = origin.position.map_or_else(|| origin.file.to_string(), |at| format!("{}:{at}", origin.file));
        let whose = if origin.module == self.inputs.manifest.name { "" } else { "the neighbour's " };
        Some(format!("{path} is kept out by {whose}{} `{}` at {place}: narrow it", origin.field.key(), rule.pattern))
    }

    fn is_directory(&self, path: &ImagePath) -> bool {
        self.selected.whole.lookup(path).is_some_and(|id| self.selected.whole.node(id).is_directory())
    }

    /// Whether a unit that is left out came with the service manager itself, which a node that runs units has.
    fn is_of_the_manager(&self, need: Need, missing: &[ImagePath]) -> bool {
        let manager = ImagePath::new(MANAGER).ok().and_then(|path| self.selected.ownership.owner(&path));
        let is_its = |path: &ImagePath| manager.is_some() && self.selected.ownership.owner(path) == manager;
        need == Need::Unit && !missing.is_empty() && missing.iter().all(is_its)
    }

    /// Whether the unit is started otherwise, or the packages whose closure is shipped leave it to the node.
    fn is_meant_idle(&self, idle: &Idle) -> bool {
        let is_debians =
            self.selected.closed.is_some() && idle.link.is_none() && !self.selected.is_authored(&idle.unit);
        is_debians || self.is_service(idle)
    }

    /// Whether the node starts what the unit would start: `services` has one of its name.
    fn is_service(&self, idle: &Idle) -> bool {
        let unit = idle.unit.file_name().unwrap_or_default();
        let stem = unit.strip_suffix(b".service").unwrap_or(unit);
        // A service of an instance's name stands for the template.
        let is_its = |name: &[u8]| name == unit || (stem.ends_with(b"@") && name.starts_with(stem));
        self.inputs.manifest.services.iter().any(|service| is_its(service.value.unit().as_bytes()))
    }

    fn idle(&self, idle: &Idle) -> Diagnostic {
        let name = idle.unit.file_name().map(String::from_utf8_lossy).unwrap_or_default();
        let link = idle.link.as_ref().filter(|_| !remedy::has_default(self.inputs));
        let hint = match link {
            Some(link) => {
                let pattern = remedy::pattern(self.selected, link, None);
                format!("add `{pattern}` to file_spec, unless `services` starts it")
            }
            None => {
                let target = idle.wanted_by.first().map(String::as_str).unwrap_or_default();
                format!("put a link rootfs/etc/systemd/system/{target}.wants/{name}, unless `services` starts it")
            }
        };
        let message = format!("{} is shipped, and no link starts it with {}", idle.unit, idle.wanted_by.join(", "));
        // What the author writes is meant to run; of what packages have, some is for the node to choose.
        let is_own = self.selected.closed.is_some() && self.selected.is_authored(&idle.unit);
        let severity = if is_own { Severity::Warning } else { Severity::Note };
        Diagnostic::new(severity, UNIT, message, hint).in_file(self.inputs.file.clone())
    }
}

/// What to do first about what the author's own files name.
fn own_remedy(need: Need) -> Option<&'static str> {
    Some(match need {
        Need::File => "put it into rootfs/, put `-` before its name where it may be missing",
        Need::Unit => "put it into rootfs/usr/lib/systemd/system, take it out of what names it",
        Need::Command | Need::Interpreter => "correct the path, put it into rootfs/",
        Need::Library | Need::Target => return None,
    })
}

fn list(paths: &[ImagePath]) -> String {
    path_list::some(paths, MAX_NAMED)
}
