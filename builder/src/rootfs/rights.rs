//! By whose rights a build runs: chosen, and tried before anything is made.

use std::io;

use super::Error;
use super::plan::{self, Rights};
use crate::process;

/// By whose rights to build.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Root's where the process is root's, else a user namespace.
    #[default]
    Auto,
    /// Root's.
    Root,
    /// A user namespace. The bytes are the same.
    Unshare,
}

/// By whose rights to build. What is chosen is tried first, so that a refusal is told apart from a
/// failure of the build itself.
pub(super) fn choose(mode: Mode) -> Result<Rights, Error> {
    let root = rustix::process::geteuid().is_root();
    let (name, rights) = match mode {
        Mode::Root if !root => {
            return Err(Error::NoRights { tried: "root", what: "the process is not root's".to_owned() });
        }
        Mode::Auto if !root => ("unshare", Rights::User),
        Mode::Auto | Mode::Root => ("root", Rights::Root),
        Mode::Unshare => ("unshare", Rights::User),
    };
    probe(rights)?.map_or(Ok(rights), |what| Err(Error::NoRights { tried: name, what }))
}

/// Tries to make the namespaces; gives what was said when it cannot be done.
fn probe(rights: Rights) -> Result<Option<String>, Error> {
    let start = |source| Error::Start { program: "setpriv".to_owned(), source };
    let command = plan::isolated(rights, vec!["true".into()]).command();
    let captured = process::capture(command.ok_or_else(|| start(io::ErrorKind::NotFound.into()))?).map_err(start)?;
    if captured.status.success() {
        return Ok(None);
    }
    let said = model::path::escape(String::from_utf8_lossy(&captured.stderr).trim().as_bytes());
    Ok(Some(if said.is_empty() { captured.status.to_string() } else { said }))
}
