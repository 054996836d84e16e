//! The modules over which a module is laid, for the recipes: where they are looked for, what they hold, and what is left to
//! them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use builder::accounts::{Accounts, Assigned, Mapping};
use builder::apt;
use composer::scan::Source;
use image::composefs::Entry;
use image::tree::{Kind, Node, Tree};
use image::verity;
use model::closure::Ship;
use model::requirements::Origin;
use model::{Arch, Diagnostic, FileName, ImagePath, Manifest, Severity};

use crate::error::{Error, Findings};
use crate::recipes::build::closure;
use crate::recipes::build::inputs::Inputs;
use crate::recipes::results::lower::{self, LowerModule, LowerRequest};
use crate::settings::{self, ClosureSettings, ModuleSettings};

/// Where modules are looked for, and for which architectures.
#[derive(Debug, Clone, Default)]
pub(crate) struct LowerSource {
    /// Directories with modules.
    pub(crate) modules: Vec<PathBuf>,
    /// The architectures.
    pub(crate) archs: Vec<Arch>,
    /// Where compressed archives are unpacked to, as files without a name.
    pub(crate) scratch: PathBuf,
}

/// The modules over which a module is laid, by architecture; the lowest first.
#[derive(Debug, Default)]
pub(crate) struct Lower(BTreeMap<Arch, Vec<LowerModule>>);

impl Lower {
    /// Those for an architecture.
    pub(crate) fn of(&self, arch: Arch) -> &[LowerModule] {
        self.0.get(&arch).map_or(&[], Vec::as_slice)
    }

    /// `settings` with what they hold.
    pub(crate) fn hold(&self, settings: &apt::Settings) -> apt::Settings {
        let mut settings = settings.clone();
        let packages = |(arch, module): (&Arch, &LowerModule)| {
            let said = module.requirements.as_ref();
            apt::LowerModule {
                module: module.reference.clone(),
                arch: *arch,
                base: said.map(|said| said.base.packages.clone()).unwrap_or_default(),
                packages: said.map(|said| said.packages.clone()).unwrap_or_default(),
            }
        };
        let all = self.0.iter().flat_map(|(arch, modules)| modules.iter().map(move |module| (arch, module)));
        settings.lower = Some(all.map(packages).collect());
        if let Some(base) = settings.base.as_mut().filter(|base| base.module.is_some()) {
            // The lowest of all is the base, or what that was laid over.
            let said = self.0.values().flatten().find_map(|module| module.requirements.as_ref());
            base.variant = said.map(|said| said.base.variant).unwrap_or_default();
        }
        settings
    }
}

/// Finds what the module in `directory` is laid over, as far as that is asked: by a base that is a module, by what a module
/// that ships a closure requires, and by directories that are named.
///
/// # Errors
/// With everything that is not there or will not do.
pub(crate) fn find(
    directory: &Path,
    (manifest, file): (&Manifest, &FileName),
    settings: &ClosureSettings,
    source: &LowerSource,
) -> Result<Option<Lower>, Error> {
    let is_closure = settings.ship == Ship::Closure;
    let named = settings.base.module.as_deref().filter(|_| is_closure);
    let base = named.map(|path| settings::join(directory, path));
    let requires = &manifest.dependencies.requires;
    let is_asked = base.is_some() || !requires.is_empty() && (is_closure || !source.modules.is_empty());
    if !is_asked {
        return Ok(None);
    }
    let mut all = BTreeMap::new();
    for arch in &source.archs {
        let request = LowerRequest {
            name: Some(&manifest.name),
            arch: *arch,
            base: base.as_deref().zip(named),
            requires: (requires, file),
            modules: &source.modules,
            scratch: &source.scratch,
        };
        all.insert(*arch, lower::find(&request)?);
    }
    Ok(Some(Lower(all)))
}

/// `settings` with what the modules hold over which `module` is laid.
///
/// # Errors
/// As [`find`].
pub(crate) fn held(
    module: &ModuleSettings,
    manifest: (&Manifest, &FileName),
    settings: &apt::Settings,
    source: &LowerSource,
) -> Result<apt::Settings, Error> {
    let lower = find(&module.directory, manifest, &module.closure, source)?;
    Ok(lower.map_or_else(|| settings.clone(), |lower| lower.hold(settings)))
}

/// Adds to `findings` what of the requirements of `module` is not there or will not do.
///
/// # Errors
/// When what is there is damaged, or the base cannot be used.
pub(crate) fn check(
    module: &ModuleSettings,
    manifest: (&Manifest, &FileName),
    source: &LowerSource,
    findings: &mut Findings,
) -> Result<(), Error> {
    match find(&module.directory, manifest, &module.closure, source) {
        Ok(_) => Ok(()),
        Err(error) if !error.findings.diagnostics.is_empty() => {
            findings.extend(error.findings);
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Gives the accounts of `modules` the numbers in `base` that they have on a node: their packages were installed there anew,
/// and scripts gave them others.
///
/// # Errors
/// When the account files cannot be read.
pub(crate) fn number_accounts(base: &mut Tree<Source>, modules: &[LowerModule]) -> Result<(), Error> {
    let accounts = Accounts::read(base)?;
    let mut mapping = Mapping::default();
    let said = modules.iter().filter_map(|module| module.requirements.as_ref()).flat_map(|said| &said.accounts);
    for account in said.filter(|account| account.from == Origin::Module) {
        let user = accounts.users.get(&account.name).zip(account.uid);
        mapping.uids.extend(user.map(|(user, uid)| (user.uid, uid)));
        let group = accounts.groups.get(&account.name).zip(account.gid);
        mapping.gids.extend(group.map(|(group, gid)| (group.gid, gid)));
    }
    mapping.apply(base);
    closure::numbers::rewrite(base, &Assigned { mapping, ..Assigned::default() })
}

/// Takes out of `tree`, which is what ships, what modules below have already; gives each path with the module's name.
///
/// # Errors
/// Where one has something else at a path, and `replaces` does not name it; when a file cannot be read.
pub(crate) fn leave(
    tree: &mut Tree<Source>,
    modules: &[LowerModule],
    inputs: &Inputs,
) -> Result<BTreeMap<ImagePath, String>, Error> {
    let (mut left, mut differ) = (BTreeMap::new(), Vec::new());
    for (path, _, node) in tree.walk() {
        // What lies uppermost counts on the node.
        let there = modules.iter().rev().find_map(|module| Some((module, module.tree.lookup(&path)?)));
        let Some((module, id)) = there.filter(|_| !node.is_directory()) else { continue };
        if is_same(node, module.tree.node(id))? {
            left.insert(path, module.reference.name.clone());
        } else if !closure::replaces(&inputs.settings.closure.rules, &path) {
            differ.push((path, module.reference.name.clone()));
        }
    }
    if !differ.is_empty() {
        return Err(refused(&differ, inputs));
    }
    for path in left.keys() {
        tree.remove(path);
        prune(tree, path, modules);
    }
    Ok(left)
}

/// Takes the directories around `path` away that are empty by now and that a module below has.
fn prune(tree: &mut Tree<Source>, path: &ImagePath, modules: &[LowerModule]) {
    let mut at = path.parent();
    while let Some(directory) = at.filter(|directory| !directory.is_root()) {
        let entries = tree.lookup(&directory).and_then(|id| tree.node(id).entries());
        let is_empty = entries.is_some_and(|entries| entries.is_empty());
        if !is_empty || !modules.iter().any(|module| module.has(&directory)) {
            return;
        }
        tree.remove(&directory);
        at = directory.parent();
    }
}

fn refused(differ: &[(ImagePath, String)], inputs: &Inputs) -> Error {
    let name = &inputs.manifest.name;
    let finding = |(path, module): &(ImagePath, String)| {
        let message = format!("{name} and {module}, which it is laid over, ship different {path}");
        let hint = format!("name it in `replaces` of [closure] in builder.toml, or mask it: `{path}`");
        Diagnostic::new(Severity::Error, "modules-differ", message, hint).in_file(inputs.file.clone())
    };
    let diagnostics = differ.iter().map(finding).collect();
    Error::refused("the module changes what modules below have")
        .findings(Findings { diagnostics, ..Findings::default() })
}

/// Whether both are the same on a node; times do not count.
fn is_same(own: &Node<Source>, other: &Node<Entry>) -> Result<bool, Error> {
    let owned = |stat: &image::tree::Stat| (stat.mode, stat.uid, stat.gid);
    let is_owned_alike = owned(&own.stat) == owned(&other.stat) && *own.stat.xattrs == *other.stat.xattrs;
    Ok(match (&own.kind, &other.kind) {
        (Kind::Symlink(one), Kind::Symlink(other)) => one == other,
        (Kind::Regular(one), Kind::Regular(other)) => is_owned_alike && is_content(one, other)?,
        (Kind::CharDevice(one), Kind::CharDevice(other)) | (Kind::BlockDevice(one), Kind::BlockDevice(other)) => {
            is_owned_alike && one == other
        }
        (Kind::Fifo, Kind::Fifo) | (Kind::Socket, Kind::Socket) => is_owned_alike,
        (
            Kind::Directory(_)
            | Kind::Symlink(_)
            | Kind::Regular(_)
            | Kind::CharDevice(_)
            | Kind::BlockDevice(_)
            | Kind::Fifo
            | Kind::Socket,
            _,
        ) => false,
    })
}

fn is_content(own: &Source, other: &Entry) -> Result<bool, Error> {
    let read = |limit: usize| own.read(limit as u64).map_err(composer::Error::from);
    Ok(match other {
        Entry::Empty => own.size() == 0,
        Entry::Inline(bytes) => own.size() == bytes.len() as u64 && read(bytes.len())? == **bytes,
        Entry::Object { size, digest } => own.size() == *size && digest_of(own)? == *digest,
        // Only others make such, and no reader of modules takes it.
        Entry::Backing(_) => false,
    })
}

/// The fs-verity digest of a content.
fn digest_of(source: &Source) -> Result<model::VerityDigest, Error> {
    let mut content = source.open().map_err(composer::Error::from)?;
    let (mut hasher, mut buffer) = (verity::Hasher::new(), vec![0; 1 << 16]);
    loop {
        let count = host::read::fill(&mut content, &mut buffer)
            .map_err(|error| Error::outside("cannot read a file of the root file system").because(&error))?;
        hasher.update(&buffer[..count]);
        if count < buffer.len() {
            break;
        }
    }
    content.check().map_err(composer::Error::from)?;
    Ok(hasher.finish())
}
