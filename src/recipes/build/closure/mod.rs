//! `ship = "closure"`: what a module needs over its base, and the form in which a node can use it.

mod facts;
mod findings;
mod left;
pub(crate) mod manager;
pub(crate) mod numbers;
mod services;
mod standing;
mod weight;

use std::collections::{BTreeMap, BTreeSet};

use builder::accounts::{Accounts, Added, Assigned, asked, beside, sysusers};
use builder::closure::{
    Closure, Context, Form, Named, NodeForm, Part, Secret, Wanted, first_starts, is_documentation, node_form, secrets,
};
use builder::ownership::Ownership;
use composer::filter::{Filter, Verdict};
use composer::needs;
use composer::scan::Source;
use image::tree::{Kind, Tree};
use model::closure::{AccountName, Accounts as Table, ClosureInput, ClosureRules, Ship};
use model::sysusers::Line;
use model::{Arch, Diagnostic, Epoch, ImagePath, Severity};

use crate::error::Error;
use crate::recipes::build::inputs::Inputs;

pub(crate) use facts::Facts;
pub(crate) use standing::Standing;

/// The root file system of a base, as it is read.
#[derive(Debug)]
pub(crate) struct BaseRoot {
    /// Everything in it.
    pub(crate) tree: Tree<Source>,
    /// The names of its packages.
    pub(crate) packages: BTreeSet<String>,
    /// Those of them that modules bring which lie between; such a module need not ship all of their files.
    pub(crate) brought: BTreeSet<String>,
    /// The architecture.
    pub(crate) arch: Arch,
}

/// What is known of a closure before anything is shipped.
#[derive(Debug)]
pub(crate) struct Prepared {
    base: BaseRoot,
    found: Closure,
    accounts: Accounts,
    added: Added,
    /// The numbers of the accounts that packages made.
    pub(crate) assigned: Assigned,
    secrets: Vec<Secret>,
    /// Packages that those of the module recommend and that are not there.
    recommends: Vec<String>,
}

/// What became of a closure.
#[derive(Debug)]
pub(crate) struct Closed {
    /// The accounts of the base.
    pub(crate) base: Accounts,
    /// What packages and their scripts did.
    pub(crate) found: Closure,
    /// The numbers of the accounts that packages made.
    pub(crate) assigned: Assigned,
    /// What was generated, and what moved.
    pub(crate) form: NodeForm,
    /// What the author should know.
    pub(crate) findings: Vec<Diagnostic>,
    /// What whoever has the module should know.
    pub(crate) facts: Facts,
    /// Directories that are filled at first start.
    made: Vec<ImagePath>,
    /// What modules below have already, with their names.
    left: BTreeMap<ImagePath, String>,
    /// The packages that modules below bring.
    brought: BTreeSet<String>,
}

/// Fails where the closure is to be shipped and nothing is known of a base.
///
/// # Errors
/// When a root file system was given instead of packages.
pub(crate) fn require_base(base: Option<&BaseRoot>, inputs: &Inputs) -> Result<(), Error> {
    if base.is_some() || inputs.settings.closure.ship == Ship::Owned {
        return Ok(());
    }
    Err(Error::input(
        "ship = \"closure\" wants packages: of a root file system that is given, no one knows what the base has",
    )
    .hint("leave --rootfs out, or write ship = \"owned\" into builder.toml"))
}

/// That packages were unpacked only, so that what their scripts make is in no closure.
pub(crate) fn scripts_not_run(inputs: &Inputs) -> Diagnostic {
    let message =
        "the variant extract runs no maintainer script: accounts, configuration and links that they make are missing";
    let hint = "leave `variant` out of builder.toml, so that the packages are installed";
    Diagnostic::new(Severity::Warning, "scripts-not-run", message, hint).in_file(inputs.file.clone())
}

/// Finds the closure in `whole`, which is as it was made, and gives its accounts and those of the author's `lines` the
/// numbers of the fleet.
///
/// # Errors
/// When a file cannot be read, or an account cannot have a number.
pub(crate) fn prepare(
    mut base: BaseRoot,
    (whole, ownership): (&mut Tree<Source>, &Ownership),
    lines: &[Line],
    inputs: &Inputs,
) -> Result<Prepared, Error> {
    numbers::of_modules(&mut base.tree, inputs.lower(base.arch))?;
    let accounts = Accounts::read(&base.tree)?;
    let full = Accounts::read(whole)?;
    let (own, pinned) = beside(&asked(lines), &full);
    // A dry run has no contents, and knows no accounts.
    let theirs = if accounts.users.is_empty() {
        Vec::new()
    } else {
        needs::sysusers_lines(whole, &|path| !ownership.is_base(path))?
    };
    let mut added = full.beyond(&accounts);
    added.asked = beside(&asked(&theirs), &full).0;
    added.asked.extend(own);
    let assigned = numbers::assign((&full, &added), &accounts, &pinned, inputs)?;
    // Before the comparison: owners are the same where their names are.
    assigned.mapping.apply(whole);
    numbers::rewrite(whole, &assigned)?;
    let rules = &inputs.settings.closure.rules;
    let found = Closure::find(&base.tree, whole, ownership, rules)?;
    let secrets = secrets(whole, ownership, &found.parts, &found.data, rules)?;
    // What is declared is never shipped, whether a rule of scrubbing takes it or not.
    for secret in secrets.iter().filter(|secret| rules.secrets.keys().any(|declared| *declared.path() == secret.path)) {
        whole.remove(&secret.path);
    }
    let recommends = facts::recommends(whole, &base, ownership);
    Ok(Prepared { base, found, accounts, added, assigned, secrets, recommends })
}

impl Prepared {
    /// The paths that are shipped without being named, as far as `whole` still has them.
    pub(crate) fn paths(&self, whole: &Tree<Source>, inputs: &Inputs) -> BTreeSet<ImagePath> {
        let rules = &inputs.settings.closure.rules;
        let data =
            |path: &ImagePath| self.found.data.iter().any(|data| path.starts_with(&data.path) && *path != data.path);
        let parts = self.found.parts.keys().filter(|path| !data(path));
        let replaced = self.found.changed.iter().map(|changed| &changed.path).filter(|path| replaces(rules, path));
        let recomputed: Vec<ImagePath> = self.found.recomputed().into_iter().map(|one| one.path).collect();
        let documentation =
            |path: &ImagePath| !inputs.settings.closure.documentation && leads_to_documentation(whole, path);
        let all = parts.chain(replaced).chain(&recomputed);
        all.filter(|path| whole.lookup(path).is_some() && !documentation(path)).cloned().collect()
    }

    /// Turns `tree`, which is what ships, into the form of a node.
    ///
    /// # Errors
    /// When the base was changed in a way that no one declared, or a file belongs to a number that no account has.
    pub(crate) fn close(
        self,
        tree: &mut Tree<Source>,
        (whole, filter, ownership): (&mut Tree<Source>, &Filter, &Ownership),
        inputs: &Inputs,
        epoch: Epoch,
    ) -> Result<Closed, Error> {
        findings::refuse_changes(&self.found, filter, inputs)?;
        findings::refuse_numbers(tree, &self.accounts, &self.assigned, inputs)?;
        let services = services::names(&inputs.manifest);
        let meant = ownership.meant(&inputs.manifest.requests());
        let is_named = |unit: &str| services::owner(unit, ownership).is_some_and(|package| meant.contains(package));
        let wanted = Wanted { is_named: &is_named, services: &services };
        let (on, off): (Vec<_>, Vec<_>) = self.found.enablement.iter().partition(|link| link.is_wanted(&wanted));
        let mut links: Vec<(ImagePath, String)> = on.iter().filter_map(|link| link.shipped()).collect();
        let named = named(&self.accounts, &self.assigned.ids);
        let started: Vec<String> =
            on.iter().map(|link| link.unit.clone()).filter(|unit| unit.ends_with(".service")).collect();
        let context = Context {
            name: &inputs.manifest.name,
            whole: &*whole,
            shipped: &*tree,
            rules: &inputs.settings.closure.rules,
            names: &|stat| named.of(stat),
            services: &started,
            ids: &|name| self.ids_of(name),
            base: &self.base.tree,
        };
        let mut first = first_starts(&self.secrets, &self.found.data, &context);
        // What the author ships in its place, or leaves out by a rule, is no question any more.
        let is_file = |path: &ImagePath| tree.lookup(path).is_some_and(|id| !tree.node(id).is_directory());
        let is_out =
            |path: &ImagePath, is_directory| matches!(filter.verdict(path, is_directory), Verdict::Excluded { .. });
        let is_directory = |path: &ImagePath| whole.lookup(path).is_some_and(|id| whole.node(id).is_directory());
        // A rule may take a directory of data, or only all that is in it.
        let is_empty = |path: &ImagePath| is_directory(path) && path.join(b"any").is_ok_and(|any| is_out(&any, false));
        let is_masked = |path: &ImagePath| is_out(path, is_directory(path)) || is_empty(path);
        first.unmade.retain(|path| !is_file(path) && !is_masked(path));
        links.append(&mut first.links);
        let sysusers = sysusers(&self.added, &self.accounts, &self.assigned.ids);
        let form = Form {
            name: &inputs.manifest.name,
            base: &self.base.tree,
            named: &named,
            sysusers: &sysusers,
            links: &links,
            files: &first.files,
            directories: &first.directories,
            may_ship: &|path| !matches!(filter.verdict(path, false), Verdict::Excluded { .. }),
            epoch,
        };
        let form = node_form(tree, whole, &form)?;
        let left = left::leave(tree, inputs.lower(self.base.arch), inputs)?;
        let mut findings = first.shipped.iter().map(|shipped| findings::shipped(shipped, inputs)).collect::<Vec<_>>();
        findings.extend(findings::all((&self.found, &self.secrets, &first.unmade), (&form, &named), &off, inputs));
        findings.extend(findings::masked(&form.masked, filter, inputs));
        findings.extend(findings::recomputed(&self.found, filter, inputs));
        findings.extend(manager::missing(tree, &self.base, inputs));
        findings.extend(weight::find(tree, ownership, inputs));
        let facts = Facts::of(&self, first.made, (&on, &off), &form);
        let brought = self.base.brought.clone();
        let Self { found, accounts: base, assigned, .. } = self;
        let mut made: Vec<ImagePath> = found.data.iter().map(|data| data.path.clone()).collect();
        made.append(&mut first.own);
        made.extend(ImagePath::new(format!("/var/lib/module-{}", inputs.manifest.name)));
        Ok(Closed { base, found, assigned, form, findings, facts, made, left, brought })
    }
}

impl Prepared {
    /// The numbers of a user and of its group on the node.
    fn ids_of(&self, name: &str) -> Option<(u32, u32)> {
        let name = AccountName::parse(name).ok()?;
        if let Some(user) = self.accounts.users.get(&name) {
            return Some((user.uid, user.gid));
        }
        let ids = self.assigned.ids.get(&name)?;
        let of_package = self.added.users.get(&name).map(|user| {
            let gid = user.gid;
            self.assigned.mapping.gids.get(&gid).copied().unwrap_or(gid)
        });
        let asked = self.added.asked.get(&name).and_then(|asked| asked.user.as_ref()?.group.as_deref());
        Some((ids.uid, of_package.or_else(|| asked.and_then(|group| self.gid_of(group))).unwrap_or(ids.gid)))
    }

    /// The number of the group that a line of sysusers.d gives a user: by number or by name.
    fn gid_of(&self, group: &str) -> Option<u32> {
        let by_name = || {
            let name = AccountName::parse(group).ok()?;
            let of_base = self.accounts.groups.get(&name).map(|group| group.gid);
            of_base.or_else(|| self.assigned.ids.get(&name).map(|ids| ids.gid))
        };
        group.parse().ok().or_else(by_name)
    }
}

/// Names of numbers on a node: those of the base, and those of the accounts that packages made.
fn named(base: &Accounts, ids: &Table) -> Named {
    let mut named = Named::default();
    for (name, given) in ids.iter() {
        named.users.insert(given.uid, name.to_string());
        named.groups.insert(given.gid, name.to_string());
    }
    named.users.extend(base.users.iter().map(|(name, user)| (user.uid, name.to_string())));
    named.groups.extend(base.groups.iter().map(|(name, group)| (group.gid, name.to_string())));
    named
}

/// Whether it is documentation, or a link that leads to such, as alternatives have for manual pages.
fn leads_to_documentation(tree: &Tree<Source>, path: &ImagePath) -> bool {
    let target = match tree.lookup(path).map(|id| &tree.node(id).kind) {
        Some(Kind::Symlink(target)) if target.starts_with(b"/") => ImagePath::new(target).ok(),
        _ => None,
    };
    is_documentation(path) || target.is_some_and(|target| is_documentation(&target))
}

/// Whether the author said that the module replaces what the base has at `path`.
pub(crate) fn replaces(rules: &ClosureRules, path: &ImagePath) -> bool {
    rules.replaces.iter().any(|replaced| replaced.path() == path)
}

impl Closed {
    /// What the record says of it.
    pub(crate) fn input(&self, inputs: &Inputs) -> ClosureInput {
        let (documentation, rules) = (inputs.settings.closure.documentation, inputs.settings.closure.rules.clone());
        ClosureInput { documentation, rules, accounts: self.assigned.ids.clone() }
    }

    /// Where on the node what is shipped at `path` will be.
    pub(crate) fn place<'a>(&'a self, path: &'a ImagePath) -> &'a ImagePath {
        self.form.moved.iter().find(|(_, to)| *to == path).map_or(path, |(from, _)| from)
    }

    /// The package whose script made what is at `place` on the node, where one did and it can be said.
    pub(crate) fn maker(&self, place: &ImagePath) -> Option<&str> {
        match self.found.parts.get(place) {
            Some(Part::Made { by }) => by.as_deref(),
            Some(Part::Owned) | None => None,
        }
    }

    /// Whether the node has what is at `place` by this module, without its being shipped there: what tmpfiles.d makes in
    /// `/var`, and what is made at first start.
    pub(crate) fn provides(&self, place: &ImagePath) -> bool {
        self.form.in_var.contains(place) || self.made.iter().any(|made| place.starts_with(made))
    }

    /// Whether only a module below can have what is at `place`, which a package brings that such a module has: it need not
    /// ship all of it.
    pub(crate) fn is_brought(&self, package: &str) -> bool {
        self.brought.contains(package)
    }

    /// The module below that has what is at `path`, and that this one would ship as well.
    pub(crate) fn left_to(&self, path: &ImagePath) -> Option<&str> {
        self.left.get(path).map(String::as_str)
    }

    /// What would have been generated, and an exclude keeps out.
    pub(crate) fn masked(&self) -> &[ImagePath] {
        &self.form.masked
    }

    /// The accounts of the module that an exclude keeps from the node, which is one finding for all of them.
    pub(crate) fn masked_accounts(&self) -> Option<&Table> {
        self.form.masked.iter().any(findings::is_accounts).then_some(&self.assigned.ids)
    }

    /// Whether it was generated.
    pub(crate) fn is_generated(&self, path: &ImagePath) -> bool {
        self.form.generated.binary_search(path).is_ok()
    }
}
