//! Whether all modules are there over which those of a trial were built.

use crate::error::Error;
use crate::recipes::trial::tried_module::TriedModule;

/// Fails where a module was built over another one that is not tried below it: what that has, it lacks itself.
///
/// # Errors
/// When there is one.
pub(crate) fn check(modules: &[TriedModule]) -> Result<(), Error> {
    for (at, module) in modules.iter().enumerate() {
        let lacks = module.below.iter().find(|below| !modules[..at].iter().any(|other| other.name == below.name));
        let Some(below) = lacks else { continue };
        let is_above = modules[at..].iter().any(|other| other.name == below.name);
        let (message, hint) = if is_above {
            (
                format!("{} was built over the module {}, which is named after it", module.name, **below),
                format!("name {} before {}: the lowest comes first", below.name, module.name),
            )
        } else {
            (
                format!(
                    "{} was built over the module {}, which is not among those that are tried",
                    module.name, **below
                ),
                format!(
                    "name the directory in which {} is by --modules DIR, or {0} itself before {}",
                    below.name, module.name
                ),
            )
        };
        return Err(Error::input(message).hint(hint));
    }
    Ok(())
}
