//! What a module is laid over.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::package::PackageRequest;
use crate::resolution::Variant;

/// The packages that every node of a fleet has: a variant of the suite, and further packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseRequest {
    /// The variant, in mmdebstrap's sense.
    pub variant: Variant,
    /// What it has besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<PackageRequest>,
    /// A built module, as the author names it; then variant and packages are those of its own base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
}

impl BaseRequest {
    /// How packages that are laid over it are put into a root file system by `variant`, which says so of packages alone.
    #[must_use]
    pub fn made_by(&self, variant: Variant) -> Variant {
        if variant == Variant::Extract { Variant::Extract } else { self.variant }
    }
}

impl fmt::Display for BaseRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(module) = &self.module {
            return write!(f, "the module {module}");
        }
        write!(f, "{}", self.variant)?;
        self.packages.iter().enumerate().try_for_each(|(number, package)| {
            let joint = if number == 0 { " with " } else { ", " };
            write!(f, "{joint}{package}")
        })
    }
}
