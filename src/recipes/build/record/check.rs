//! What a record can say: nothing that no build would have written.
//!
//! A record comes from anywhere, and everything in it leads somewhere: to a build's options, to files beside it,
//! to annotations, to messages. Digests, times and the packages' resolution are checked types; the rest is
//! looked at here, before anybody uses it.

use model::archive::is_component;
use model::manifest::is_module_name;
use model::package::is_package_name;
use model::words::is_showable;

use super::{Inputs, OUTPUTS, Options, Packages, Record, RootInput};
use crate::recipes::build::lints;
use crate::recipes::build::request::{self, Compression};

/// The most of what a record lists and a build names one by one.
pub(super) const MANY: usize = 1000;

impl Record {
    /// Fails when a field holds what no build can have written there.
    ///
    /// # Errors
    /// What it is.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(name) = self.outputs.keys().find(|name| !OUTPUTS.contains(&name.as_str())) {
            return Err(format!("a build has no output {}", quoted(name)));
        }
        self.inputs.check()
    }
}

impl Inputs {
    fn check(&self) -> Result<(), String> {
        if self.tool.is_empty() || !is_showable(&self.tool) {
            return Err(format!("{} is no program and version", quoted(&self.tool)));
        }
        if !is_module_name(&self.name) {
            return Err(format!("{} is no name of a module", quoted(&self.name)));
        }
        if let RootInput::Packages(packages) = &self.rootfs {
            packages.check()?;
            if packages.resolution.arch != self.arch {
                return Err(format!(
                    "the packages are for {}, and the build is for {}",
                    packages.resolution.arch, self.arch
                ));
            }
        }
        self.options.check()
    }
}

impl Packages {
    fn check(&self) -> Result<(), String> {
        let Self { tools, components, .. } = self;
        if components.is_empty() || components.len() > MANY {
            return Err("there is no component, or there are too many".to_owned());
        }
        if let Some(odd) = components.iter().find(|component| !is_component(component)) {
            return Err(format!("{} is no component of an archive", quoted(odd)));
        }
        let is_tool = |(name, version): (&String, &String)| is_package_name(name) && is_showable(version);
        if tools.len() > MANY || !tools.iter().all(is_tool) {
            return Err("the programs that made the root file system are no names and versions".to_owned());
        }
        Ok(())
    }
}

impl Options {
    fn check(&self) -> Result<(), String> {
        request::tag(&self.tag)?;
        Compression::from_word(&self.compression)?;
        let is_lint = |code: &String| lints::CODES.contains(&code.as_str());
        if let Some(code) = self.allow.iter().find(|code| !is_lint(code)) {
            return Err(format!("there is no lint `{}` to allow", quoted(code).trim_matches('"')));
        }
        self.module_id.as_deref().map_or(Ok(()), |id| request::module_id(id).map(|_| ()))
    }
}

/// The beginning of a text, escaped and in quotation marks.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}
