//! By whose privilege a trial runs: root's, or that of a user in a user namespace.
//!
//! A user runs this whole program again in a user namespace in which the user is root and the user's subordinate ids are
//! everyone else: files of the trees get their owners there, and all that a trial needs belongs to that namespace.

use std::ffi::OsString;
use std::process::ExitStatus;

use host::process::{self, Invocation};

use crate::Error;

/// What would help where a user namespace cannot be made.
const HINT: &str = "run it as root, or give the user subordinate ids in /etc/subuid and /etc/subgid (65536 of each), \
                    install uidmap, and let users make namespaces";

/// Whether this process has what a trial needs: it is root's, or in a user namespace already.
#[must_use]
pub fn is_enough() -> bool {
    rustix::process::geteuid().is_root()
}

/// Fails where this process is root in a user namespace whose ids are too few for the files of a tree.
///
/// # Errors
/// [`Error::Machine`].
pub fn check_ids() -> Result<(), Error> {
    match process::too_few_ids() {
        Some(what) => Err(Error::Machine { what, hint: HINT }),
        None => Ok(()),
    }
}

/// By whose privilege a trial runs here, in a word.
#[must_use]
pub fn name() -> &'static str {
    if process::in_user_namespace() { "user-namespace" } else { "root" }
}

/// Runs this program again, in a user namespace, with the same arguments and environment, and gives how it ended.
///
/// # Errors
/// [`Error::Machine`] where a user namespace cannot be made.
pub fn run_again<'a>(
    arguments: &[OsString],
    variables: impl IntoIterator<Item = (&'a OsString, &'a OsString)> + Clone,
) -> Result<ExitStatus, Error> {
    let probe = process::capture(
        &in_namespace(Invocation::attached().runs(Invocation::new("true"))).all_variables(variables.clone()),
    )?;
    if !probe.status.success() {
        let said = String::from_utf8_lossy(&probe.stderr);
        // libmapping's way to say that the system gave no error.
        let said = said.trim().trim_end_matches(": Success");
        let said = model::path::escape(said.as_bytes());
        let said = if said.is_empty() { probe.status.to_string() } else { said };
        return Err(Error::Machine { what: format!("no user namespace can be made: {said}"), hint: HINT });
    }
    let again = Invocation::again(arguments.iter().skip(1).cloned());
    Ok(process::attend(&in_namespace(again).all_variables(variables))?)
}

pub(super) fn in_namespace(program: Invocation) -> Invocation {
    let unshare = Invocation::new("unshare").options(["--user", "--map-auto", "--map-root-user"]);
    unshare.option("--setuid").operand("0").option("--setgid").operand("0").option("--").runs(program)
}
