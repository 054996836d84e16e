//! By whose privilege a build runs: chosen, and tried before anything is made.

use super::Error;
use super::plan::{self, Privilege};
use host::process::{self, Invocation};

/// By whose privilege to build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IsolationMode {
    /// Root's where the process is root's, else a user namespace.
    #[default]
    Auto,
    /// Root's.
    Root,
    /// A user namespace. The bytes are the same.
    Unshare,
}

/// By whose privilege to build. What is chosen is tried first, so that a refusal is distinguished from a
/// failure of the build itself.
pub(super) fn choose(mode: IsolationMode) -> Result<Privilege, Error> {
    let root = rustix::process::geteuid().is_root();
    let (name, privilege) = match mode {
        IsolationMode::Root if !root => {
            return Err(Error::NoPrivilege { tried: "root", what: "the process is not root's".to_owned() });
        }
        IsolationMode::Auto if !root => ("unshare", Privilege::User),
        IsolationMode::Auto | IsolationMode::Root => ("root", Privilege::Root),
        IsolationMode::Unshare => ("unshare", Privilege::User),
    };
    let refused = if privilege == Privilege::Root { process::too_few_ids() } else { None };
    let refused = refused.map_or_else(|| probe(privilege), |what| Ok(Some(what)))?;
    refused.map_or(Ok(privilege), |what| Err(Error::NoPrivilege { tried: name, what }))
}

/// Tries to make the namespaces; gives what was said when it cannot be done.
fn probe(privilege: Privilege) -> Result<Option<String>, Error> {
    let captured = process::capture(&plan::by(privilege, Invocation::isolated(plan::HOSTNAME)))?;
    if captured.status.success() {
        return Ok(None);
    }
    let said = model::path::escape(String::from_utf8_lossy(&captured.stderr).trim().as_bytes());
    Ok(Some(if said.is_empty() { captured.status.to_string() } else { said }))
}
