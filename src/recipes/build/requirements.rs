//! `requirements.json`: what a module was laid over, what it brings, and what it leaves to others.

use std::collections::{BTreeMap, BTreeSet};

use builder::apt::Resolution;
use composer::scan::Source;
use image::tree::{Kind, Tree};
use model::closure::{AccountName, ModuleRef};
use model::record;
use model::requirements::{
    Account, Base, LIMIT, Origin, PackageVersion, Requirements, RequirementsFields, Units, VERSION, is_unit,
};
use model::{Arch, ImagePath, unit};

use crate::error::Error;
use crate::recipes::build::closure::Closed;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::build::open_needs::OpenNeeds;
use crate::recipes::build::request::BuildRequest;
use crate::recipes::build::root::Root;
use crate::recipes::build::select::Selected;
use crate::recipes::results::lower::LowerModule;

/// What the names of units end in (systemd.unit(5)).
const KINDS: [&str; 11] = [
    ".automount",
    ".device",
    ".mount",
    ".path",
    ".scope",
    ".service",
    ".slice",
    ".socket",
    ".swap",
    ".target",
    ".timer",
];

/// The bytes of the file; none where the module ships no closure, and no one knows what it was laid over.
///
/// # Errors
/// When there is more of it than readers take.
pub(crate) fn of(
    selected: &Selected,
    root: &Root,
    inputs: &Inputs,
    request: &BuildRequest,
    needs: OpenNeeds,
) -> Result<Option<Vec<u8>>, Error> {
    let bases = root.made.as_ref().and_then(|made| Some((&made.resolution, made.resolution.of_base_alone()?)));
    let (Some(closed), Some((resolution, base))) = (&selected.closed, bases) else { return Ok(None) };
    let facts = &closed.facts;
    let arch = request.arch;
    let (base_module, requires) = lower(inputs, arch);
    let requirements = Requirements::new(RequirementsFields {
        schema_version: VERSION,
        name: inputs.manifest.name.clone(),
        version: request.outputs.artifact.version.as_deref().map(str::to_owned),
        arch,
        base: Base {
            digest: record::Closure::of(&base).digest(),
            suite: base.codename().to_owned(),
            variant: base.variant,
            module: base_module,
            packages: packages(&base, |_| true),
        },
        requires,
        packages: packages(resolution, |is_of_base| !is_of_base),
        accounts: accounts(closed),
        secrets: facts.secrets.clone(),
        data: facts.data.clone(),
        units: Units {
            enabled: facts.enabled.clone(),
            shipped: shipped_units(&selected.selection.tree),
            not_enabled: facts.not_enabled.clone(),
        },
        needs: needs.into_list(),
        recommends: facts.recommends.clone(),
    });
    let bug = || Error::bug("cannot write what the module asks of its node");
    let requirements = requirements.map_err(|fault| bug().because(&fault))?;
    let bytes = requirements.to_json().map_err(|error| bug().because(&error))?;
    match bytes.len() as u64 > LIMIT {
        true => Err(Error::input(format!("what the module asks of its node has more than {LIMIT} bytes in JSON"))
            .hint("make several modules of it")),
        false => Ok(Some(bytes)),
    }
}

/// The module that is the base, and the others over which it is laid, by name.
fn lower(inputs: &Inputs, arch: Arch) -> (Option<ModuleRef>, Vec<ModuleRef>) {
    let (bases, others): (Vec<&LowerModule>, Vec<&LowerModule>) =
        inputs.lower(arch).iter().partition(|module| module.is_base);
    let mut requires: Vec<ModuleRef> = others.into_iter().map(|module| module.reference.clone()).collect();
    requires.sort();
    (bases.into_iter().next().map(|module| module.reference.clone()), requires)
}

fn packages(resolution: &Resolution, is_wanted: impl Fn(bool) -> bool) -> Vec<PackageVersion> {
    let wanted = resolution.packages.iter().filter(|resolved| is_wanted(resolved.base));
    let package = wanted.map(|resolved| {
        let package = &resolved.package;
        let (name, version, arch) = (package.name.clone(), package.version.clone(), package.arch.clone());
        PackageVersion { name, version, arch }
    });
    package.collect()
}

/// The accounts of the base, and those that packages of the module and lines of its own make.
fn accounts(closed: &Closed) -> Vec<Account> {
    let added = &closed.facts.added;
    let (users, groups) = (&closed.base.users, &closed.base.groups);
    let of_base = names(users, groups).into_iter().map(|name| Account {
        name: name.clone(),
        uid: users.get(name).map(|user| user.uid),
        gid: groups.get(name).map(|group| group.gid),
        from: Origin::Base,
    });
    let of_module = closed.assigned.ids.iter().map(|(name, ids)| Account {
        name: name.clone(),
        uid: added.has_user(name).then_some(ids.uid),
        gid: added.has_group(name).then_some(ids.gid),
        from: Origin::Module,
    });
    // What the base has a user of, packages may add a group of.
    let mut all: BTreeMap<AccountName, Account> = BTreeMap::new();
    for account in of_base.chain(of_module) {
        match all.get_mut(&account.name) {
            Some(known) => {
                known.uid = known.uid.or(account.uid);
                known.gid = known.gid.or(account.gid);
            }
            None => drop(all.insert(account.name.clone(), account)),
        }
    }
    all.into_values().collect()
}

fn names<'a, A, B>(
    users: &'a BTreeMap<AccountName, A>,
    groups: &'a BTreeMap<AccountName, B>,
) -> BTreeSet<&'a AccountName> {
    users.keys().chain(groups.keys()).collect()
}

/// The names of the units that are shipped.
fn shipped_units(tree: &Tree<Source>) -> Vec<String> {
    let mut units = BTreeSet::new();
    for directory in unit::DIRECTORIES {
        let Some(id) = ImagePath::new(directory).ok().and_then(|path| tree.lookup(&path)) else { continue };
        let entries = tree.node(id).entries().into_iter().flat_map(|entries| entries.iter());
        for (name, id) in entries {
            let is_file = matches!(tree.node(*id).kind, Kind::Regular(_) | Kind::Symlink(_));
            let name = std::str::from_utf8(name).ok().filter(|name| is_file && is_unit(name));
            let is_kind = |name: &&str| KINDS.iter().any(|kind| name.ends_with(kind));
            units.extend(name.filter(is_kind).map(str::to_owned));
        }
    }
    units.into_iter().collect()
}
