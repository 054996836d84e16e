//! Requests that cannot be served, and what to do about them.

use std::fmt;

use model::Arch;
use model::package::PackageRequest;

/// A request that the archive cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What was asked for.
    pub request: PackageRequest,
    /// Names like it that the archive has, the nearest first.
    pub near: Vec<String>,
    /// The components of the same archive, not in the settings, that have the name.
    pub components: Vec<String>,
    /// The packages that provide the name, where it is virtual.
    pub providers: Vec<String>,
    /// The versions that exist, where the name exists but not in the version or suite asked for.
    pub versions: Vec<String>,
    /// The architecture asked for, where it is not the one that is built.
    pub foreign: Option<String>,
    /// The architectures for which it cannot be obtained.
    pub archs: Vec<Arch>,
    /// Those of the same call for which it can.
    pub elsewhere: Vec<Arch>,
}

impl Missing {
    /// What is wrong with the request, in one line.
    #[must_use]
    pub fn fault(&self) -> String {
        let what = if let Some(arch) = &self.foreign {
            let rest = if self.elsewhere.is_empty() { "is not the one that is built" } else { "is not the only one" };
            return format!("{}: asks for the architecture {arch}, which {rest}", self.request);
        } else if !self.versions.is_empty() {
            "not in this version or suite".to_owned()
        } else if !self.providers.is_empty() {
            "a virtual package".to_owned()
        } else if !self.components.is_empty() {
            format!("only in the component {}, which is not enabled", self.components.join(", "))
        } else {
            "no such package".to_owned()
        };
        match self.elsewhere.is_empty() {
            true => format!("{}: {what}", self.request),
            false => {
                format!("{}: {what} (for {}; {} has it)", self.request, archs(&self.archs), archs(&self.elsewhere))
            }
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        if let Some(arch) = &self.foreign {
            return format!("leave `:{arch}` out: packages are taken for each architecture that is built");
        }
        if !self.versions.is_empty() {
            return format!("the archive has {}", self.versions.join(", "));
        }
        if !self.providers.is_empty() {
            return format!("ask for one that provides it: {}", self.providers.join(", "));
        }
        if !self.components.is_empty() {
            return format!("add {} to `components` in builder.toml", self.components.join(" or "));
        }
        if !self.elsewhere.is_empty() {
            return format!("ask for what every architecture has, or lock for {} alone", archs(&self.elsewhere));
        }
        if !self.near.is_empty() {
            return format!("did you mean {}?", self.near.join(", "));
        }
        "check the name, the suite and the components".to_owned()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.fault(), self.hint())
    }
}

fn archs(archs: &[Arch]) -> String {
    archs.iter().map(|arch| arch.debian()).collect::<Vec<_>>().join(", ")
}

/// A name to update that the lock does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLocked {
    /// What was given.
    pub name: String,
    /// Names like it that the lock has, the nearest first.
    pub near: Vec<String>,
}

impl fmt::Display for NotLocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)?;
        if self.near.is_empty() { Ok(()) } else { write!(f, "; did you mean {}?", self.near.join(", ")) }
    }
}
