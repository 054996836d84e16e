//! The modules over which a module is laid, for the recipes: where they are looked for, and what they hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use builder::apt;
use model::closure::Ship;
use model::{Arch, FileName, Manifest};

use crate::error::{Error, Findings};
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
