//! What a record can say: nothing that no build would have written.
//!
//! Digests, times, words and the packages' resolution are checked types; the rest is looked at here.

use super::{FORMAT, Inputs, OUTPUTS, Packages, RecordFields, RootInput};
use crate::archive::is_component;
use crate::checked::Rules;
use crate::manifest::is_module_name;
use crate::package::is_package_name;
use crate::words::{beginning, is_showable};

/// The most of what a record lists and a build names one by one.
pub(super) const MANY: usize = 1000;

/// What no build can have written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(String);

impl Rules for RecordFields {
    type Fault = Fault;

    fn check(&self) -> Result<(), Fault> {
        let Self { format, inputs, stages: _, outputs, owners } = self;
        if *format != FORMAT {
            return Err(Fault(format!("the format is {FORMAT}, and not {format}")));
        }
        if let Some(name) = outputs.keys().find(|name| !OUTPUTS.contains(&name.as_str())) {
            return Err(Fault(format!("a build has no output {:?}", beginning(name))));
        }
        if owners.users.len().max(owners.groups.len()) > MANY {
            return Err(Fault("its files belong to too many accounts".to_owned()));
        }
        inputs.check()
    }
}

impl Inputs {
    fn check(&self) -> Result<(), Fault> {
        if self.tool.is_empty() || !is_showable(&self.tool) {
            return Err(Fault(format!("{:?} is no program and version", beginning(&self.tool))));
        }
        if !is_module_name(&self.name) {
            return Err(Fault(format!("{:?} is no name of a module", beginning(&self.name))));
        }
        if let Some((one, other, id)) = self.closure.as_ref().and_then(|closure| closure.accounts.clash()) {
            return Err(Fault(format!("the accounts {one} and {other} have one number, {id}")));
        }
        let RootInput::Packages(packages) = &self.rootfs else { return Ok(()) };
        if packages.resolution.arch != self.arch {
            let (other, arch) = (packages.resolution.arch, self.arch);
            return Err(Fault(format!("the packages are for {other}, and the build is for {arch}")));
        }
        packages.check()
    }
}

impl Packages {
    fn check(&self) -> Result<(), Fault> {
        let Self { key: _, tools, components, resolution: _ } = self;
        if components.is_empty() || components.len() > MANY {
            return Err(Fault("there is no component, or there are too many".to_owned()));
        }
        if let Some(odd) = components.iter().find(|component| !is_component(component)) {
            return Err(Fault(format!("{:?} is no component of an archive", beginning(odd))));
        }
        let is_tool = |(name, version): (&String, &String)| is_package_name(name) && is_showable(version);
        if tools.len() > MANY || !tools.iter().all(is_tool) {
            let what = "the programs that made the root file system are no names and versions";
            return Err(Fault(what.to_owned()));
        }
        Ok(())
    }
}
