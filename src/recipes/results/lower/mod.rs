//! The modules over which another one is laid: its base, where that is a module, and those that it requires.
//!
//! They are built ones, opened and checked as every result is; what they hold is known from their images and from what they
//! say of themselves, never from this module's packages or patterns.

mod candidates;
mod open;

use std::path::{Path, PathBuf};

use image::composefs::Entry;
use image::tree::Tree;
use model::closure::ModuleRef;
use model::manifest::{Constraint, Entry as Written, Requirement};
use model::requirements::Requirements;
use model::{Arch, Diagnostic, FileName, ImagePath, Manifest, Severity, shell};

use crate::error::{Error, Findings};
use candidates::Candidate;

/// A built module over which another one is laid.
#[derive(Debug)]
pub(crate) struct LowerModule {
    /// Where its results are.
    pub(crate) path: PathBuf,
    /// Its name, version and digest.
    pub(crate) reference: ModuleRef,
    /// Its manifest.
    pub(crate) manifest: Manifest,
    /// What its image holds.
    pub(crate) tree: Tree<Entry>,
    /// What it says of its base and its packages; none where it ships what its packages own.
    pub(crate) requirements: Option<Requirements>,
    /// The texts of its files of sysusers.d, where it does not say itself which accounts it brings.
    pub(crate) sysusers: Vec<Vec<u8>>,
    /// Whether it is the base itself.
    pub(crate) is_base: bool,
}

/// What is looked for, and where.
pub(crate) struct LowerRequest<'a> {
    /// The name of the module that is laid over them, where there is one.
    pub(crate) name: Option<&'a str>,
    /// The architecture.
    pub(crate) arch: Arch,
    /// The base, where it is a module: its place, and how the author names it.
    pub(crate) base: Option<(&'a Path, &'a str)>,
    /// What the manifest requires, and the manifest's file.
    pub(crate) requires: (&'a [Written<Requirement>], &'a FileName),
    /// Directories with modules.
    pub(crate) modules: &'a [PathBuf],
    /// Where compressed archives are unpacked to, as files without a name.
    pub(crate) scratch: &'a Path,
}

/// Finds the base and all that is required, with what these were laid over themselves: the lowest first.
///
/// # Errors
/// With everything that is not there, is not built, or has no version that will do; when what is there is damaged.
pub(crate) fn find(request: &LowerRequest<'_>) -> Result<Vec<LowerModule>, Error> {
    let mut finder =
        Finder { request, candidates: candidates::all(request.modules)?, found: Vec::new(), chain: Vec::new() };
    finder.chain.extend(request.name.map(str::to_owned));
    if let Some(named) = request.base {
        let base = open::base(named, request)?;
        finder.add(base)?;
    }
    let mut diagnostics = Vec::new();
    let (requires, file) = &request.requires;
    for entry in *requires {
        match finder.require(&entry.value)? {
            Ok(Some(module)) => finder.add(module)?,
            Ok(None) => {}
            Err(lack) => diagnostics.push(lack.diagnostic(entry, file)),
        }
    }
    if diagnostics.is_empty() {
        return Ok(finder.found);
    }
    let findings = Findings { diagnostics, ..Findings::default() };
    Err(Error::input("modules that this one requires cannot be used").findings(findings))
}

/// The modules at `paths` with all that these were laid over, as far as that is a module: the lowest first.
///
/// # Errors
/// As [`find`]; when there is no module for the architecture at one of the paths.
pub(crate) fn stacked(paths: &[PathBuf], request: &LowerRequest<'_>) -> Result<Vec<PathBuf>, Error> {
    let mut finder =
        Finder { request, candidates: candidates::all(request.modules)?, found: Vec::new(), chain: Vec::new() };
    for path in paths {
        finder.add(open::one(path, request)?)?;
    }
    Ok(finder.found.into_iter().map(|module| module.path).collect())
}

/// Why a required module cannot be used.
struct Lack {
    code: &'static str,
    message: String,
    hint: String,
}

impl Lack {
    fn new(code: &'static str, message: String, hint: String) -> Self {
        Self { code, message, hint }
    }

    fn diagnostic(self, entry: &Written<Requirement>, file: &FileName) -> Diagnostic {
        Diagnostic::new(Severity::Error, self.code, self.message, self.hint)
            .in_file(file.clone())
            .at(Some(entry.position))
            .in_field("dependencies.requires")
            .quoting(entry.value.to_string())
    }
}

struct Finder<'a> {
    request: &'a LowerRequest<'a>,
    candidates: Vec<Candidate>,
    found: Vec<LowerModule>,
    /// The names of the modules that wait for what they were laid over.
    chain: Vec<String>,
}

impl Finder<'_> {
    /// Adds `module`, after those over which it was laid itself.
    fn add(&mut self, module: LowerModule) -> Result<(), Error> {
        if self.found.iter().any(|other| other.reference == module.reference) {
            return Ok(());
        }
        let name = module.reference.name.clone();
        if self.chain.contains(&name) {
            let chain = format!("{}, {name}", self.chain.join(", "));
            return Err(Error::input(format!("modules require each other: {chain}"))
                .hint("take one of these requirements out of its manifest"));
        }
        self.chain.push(name);
        let below: Vec<ModuleRef> = match &module.requirements {
            Some(said) => said.base.module.iter().chain(&said.requires).cloned().collect(),
            None => Vec::new(),
        };
        for reference in below {
            self.add_exactly(&reference, &module)?;
        }
        if module.requirements.is_none() {
            // It was made for whatever module fits.
            for entry in &module.manifest.dependencies.requires {
                match self.require(&entry.value)? {
                    Ok(Some(other)) => self.add(other)?,
                    Ok(None) => {}
                    Err(lack) => {
                        let message = format!("{} requires {}: {}", module.reference.name, entry.value, lack.message);
                        return Err(Error::input(message).hint(lack.hint));
                    }
                }
            }
        }
        self.chain.pop();
        self.found.push(module);
        Ok(())
    }

    /// Adds the module that `over` was laid over.
    fn add_exactly(&mut self, reference: &ModuleRef, over: &LowerModule) -> Result<(), Error> {
        if self.found.iter().any(|other| other.reference == *reference) {
            return Ok(());
        }
        let name = &reference.name;
        let named = self.candidates.iter().filter(|candidate| candidate.is_built && candidate.is_named(name));
        let opened = open::all(named, self.request, |manifest| manifest.name == *name)?;
        match opened.into_iter().find(|module| module.reference == *reference) {
            Some(module) => self.add(module),
            None => {
                let message =
                    format!("{} was laid over the module {}, which is not there", over.reference.name, **reference);
                let mut error = Error::input(message);
                error.causes.push(format!("its digest is {}", reference.digest));
                Err(error.hint(format!(
                    "name the directory that holds it by --modules DIR, or build {} anew over the one that is there",
                    over.reference.name
                )))
            }
        }
    }

    /// The module that `requirement` means; none where it is there already.
    fn require(&self, requirement: &Requirement) -> Result<Result<Option<LowerModule>, Lack>, Error> {
        let is_there = |module: &LowerModule| candidates::is_meant(&module.manifest, requirement);
        if let Some(there) = self.found.iter().find(|module| is_there(module)) {
            return Ok(if is_admitted(requirement, there) { Ok(None) } else { Err(other_version(requirement, there)) });
        }
        let meant: Vec<&Candidate> = self.candidates.iter().filter(|one| one.is_meant(requirement)).collect();
        if meant.is_empty() {
            return Ok(Err(missing(requirement, self.request.modules)));
        }
        let built = meant.iter().filter(|candidate| candidate.is_built).copied();
        let mut opened = open::all(built, self.request, |manifest| candidates::is_meant(manifest, requirement))?;
        let Some(last) = opened.pop() else { return Ok(Err(not_built(requirement, meant[0], self.request.arch))) };
        opened.push(last);
        let (mut fitting, others): (Vec<_>, Vec<_>) =
            opened.into_iter().partition(|module| is_admitted(requirement, module));
        let first = others.first().filter(|_| fitting.is_empty());
        if let Some(other) = first {
            return Ok(Err(other_version(requirement, other)));
        }
        fitting.dedup_by(|one, other| one.reference == other.reference);
        match fitting.len() {
            1 => Ok(Ok(fitting.pop())),
            _ => Ok(Err(several(requirement, &fitting))),
        }
    }
}

/// Whether the version of `module` will do. One without a version satisfies only `*`.
fn is_admitted(requirement: &Requirement, module: &LowerModule) -> bool {
    let admits = |constraint: &Constraint| match &module.reference.version {
        Some(version) => constraint.admits(version),
        None => constraint.to_string() == "*",
    };
    match requirement {
        Requirement::Module { constraint, .. } => admits(constraint),
        Requirement::Capability(_) => true,
    }
}

fn missing(requirement: &Requirement, modules: &[PathBuf]) -> Lack {
    let hint = match modules {
        [] => "name the directory that holds it, built or as its repository, by `--modules DIR`".to_owned(),
        _ => "name the directory that holds it by another `--modules DIR`".to_owned(),
    };
    let places: Vec<String> = modules.iter().map(|path| path.display().to_string()).collect();
    let message = match places.as_slice() {
        [] => format!("no module is known that is {requirement}"),
        places => format!("no module in {} is {requirement}", places.join(", ")),
    };
    Lack::new("requires-missing", message, hint)
}

fn not_built(requirement: &Requirement, candidate: &Candidate, arch: Arch) -> Lack {
    let repository = candidate.path.parent().unwrap_or(&candidate.path);
    let message = match candidate.is_built {
        true => format!("{} is there, and not built for {arch}", candidate.path.display()),
        false => format!("{requirement} is in {}, and not built", repository.display()),
    };
    let at = if candidate.is_built { &candidate.path } else { repository };
    let hint = format!("build it first: `module-builder build -C {} --arch {arch}`", shell::word(at));
    Lack::new("requires-missing", message, hint)
}

fn other_version(requirement: &Requirement, module: &LowerModule) -> Lack {
    let (place, name) = (module.path.display(), &module.reference.name);
    let (message, hint) = match &module.reference.version {
        Some(version) => (
            format!("{name} in {place} has the version {version}, and {requirement} is required"),
            "build a version that fits, or change the range".to_owned(),
        ),
        None => (
            format!("{name} in {place} has no version, which satisfies `*` alone, and {requirement} is required"),
            format!(
                "give it a version in its builder.toml, as in version = \"1.0.0\", and build it; or require {name}@*"
            ),
        ),
    };
    Lack::new("requires-version", message, hint)
}

fn several(requirement: &Requirement, modules: &[LowerModule]) -> Lack {
    let places: Vec<String> = modules.iter().map(|module| module.path.display().to_string()).collect();
    let message = format!("several modules are {requirement}: {}", places.join(", "));
    Lack::new("requires-ambiguous", message, "leave one of them in the directories of --modules".to_owned())
}

impl LowerModule {
    /// Whether the node has something at `path` by this module: it is shipped, or made in `/var`, which is the node's.
    pub(crate) fn has(&self, path: &ImagePath) -> bool {
        self.tree.lookup(path).is_some()
    }
}
