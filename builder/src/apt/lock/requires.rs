//! The modules that a lock holds: those over which the module is laid, each by its digest.

use std::fmt;

use model::Arch;
use model::Digest;
use model::closure::{ModuleRef, ModuleRefFault, ModuleRefFields};
use serde::{Deserialize, Serialize};

/// A built module, for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line", into = "Line")]
pub struct LockedModule {
    /// Its name, version and digest.
    pub module: ModuleRef,
    /// The architecture.
    pub arch: Arch,
}

/// The table `[[requires]]`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    arch: Arch,
    digest: Digest,
}

impl TryFrom<Line> for LockedModule {
    type Error = ModuleRefFault;

    fn try_from(Line { name, version, arch, digest }: Line) -> Result<Self, ModuleRefFault> {
        Ok(Self { module: ModuleRef::new(ModuleRefFields { name, version, digest })?, arch })
    }
}

impl From<LockedModule> for Line {
    fn from(LockedModule { module, arch }: LockedModule) -> Self {
        let ModuleRefFields { name, version, digest } = module.into_inner();
        Self { name, version, arch, digest }
    }
}

impl fmt::Display for LockedModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} ({})", *self.module, self.arch, self.module.digest)
    }
}

/// All of `modules` in one line.
pub(super) fn listed(modules: &[LockedModule]) -> String {
    match modules {
        [] => "none".to_owned(),
        modules => modules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// `modules` in the order of a lock: by name and architecture.
pub(super) fn sorted(mut modules: Vec<LockedModule>) -> Vec<LockedModule> {
    modules.sort_by(|one, other| {
        let key = |locked: &LockedModule| (locked.module.name.clone(), locked.arch.debian());
        key(one).cmp(&key(other))
    });
    modules
}
