//! Links that enable units, and aliases of units: what deb-systemd-helper(1) makes in `/etc/systemd/system`.

use image::tree::{Kind, Tree};
use model::ImagePath;

/// Where an administrator's links are.
const ETC: &str = "/etc/systemd/system/";
/// Where those of a vendor are, which a module's are.
const VENDOR: &str = "/usr/lib/systemd/system";
/// The directories whose links start a unit with another one (systemd.unit(5)).
const WITH: [&[u8]; 3] = [b".wants", b".requires", b".upholds"];

/// A link by which a unit is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enablement {
    /// Where the script made it.
    pub path: ImagePath,
    /// The unit's file name, such as `redis-server.service`.
    pub unit: String,
}

/// What decides whether a unit is enabled.
pub struct Wanted<'a> {
    /// Whether a package that the module names owns the unit of this file name.
    pub is_named: &'a dyn Fn(&str) -> bool,
    /// The module's services.
    pub services: &'a [String],
}

impl Enablement {
    pub(super) fn at(path: ImagePath) -> Self {
        Self { path, unit: String::new() }
    }

    /// Whether the module wants it.
    #[must_use]
    pub fn is_wanted(&self, wanted: &Wanted<'_>) -> bool {
        let stem = self.unit.strip_suffix(".service").unwrap_or(&self.unit);
        wanted.services.iter().any(|service| service == stem) || (wanted.is_named)(&template(&self.unit))
    }

    /// Where the link is shipped, and its target.
    #[must_use]
    pub fn shipped(&self) -> Option<(ImagePath, String)> {
        let below = self.path.as_bytes().strip_prefix(ETC.as_bytes())?;
        let depth = below.iter().filter(|byte| **byte == b'/').count();
        let path = ImagePath::new([VENDOR.as_bytes(), b"/", below].concat()).ok()?;
        Some((path, format!("{}{}", "../".repeat(depth), template(&self.unit))))
    }
}

/// The unit itself, or the template of an instance: `ssh@.service` of `ssh@1.service`.
fn template(unit: &str) -> String {
    match (unit.split_once('@'), unit.rsplit_once('.')) {
        (Some((name, _)), Some((_, kind))) => format!("{name}@.{kind}"),
        _ => unit.to_owned(),
    }
}

/// Whether a link at `path` enables a unit, or is another name of one.
pub(super) fn is_place(path: &ImagePath) -> bool {
    let Some(below) = path.as_bytes().strip_prefix(ETC.as_bytes()) else { return false };
    match below.iter().position(|byte| *byte == b'/') {
        None => true,
        Some(end) => WITH.iter().any(|with| below[..end].ends_with(with)),
    }
}

/// The links of `found` with their units: of one that starts a unit, its own name; of another name, the unit's.
pub(super) fn find<C>(tree: &Tree<C>, found: &[Enablement]) -> Vec<Enablement> {
    let unit = |one: &Enablement| {
        let node = tree.lookup(&one.path).map(|id| &tree.node(id).kind);
        let Some(Kind::Symlink(target)) = node else { return None };
        let target = target.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_alias = !one.path.as_bytes().strip_prefix(ETC.as_bytes())?.contains(&b'/');
        let name = if is_alias { target } else { one.path.file_name()? };
        // A link to nothing keeps a unit from being started, and is the administrator's.
        let unit = std::str::from_utf8(name).ok().filter(|name| *name != "null")?;
        Some(Enablement { path: one.path.clone(), unit: unit.to_owned() })
    };
    found.iter().filter_map(unit).collect()
}
