//! What can go wrong while mmdebstrap, apt and dpkg work, and what to do about it.

use super::script::{Lack, NO_SPACE, Reason, Script, unpack_only};

/// What went wrong, as far as the log says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A package's maintainer script failed.
    #[error("the maintainer script {} of the package {package} failed{}", script.name(), why(reason.as_ref(), what))]
    MaintainerScript {
        /// The package.
        package: String,
        /// Which of its scripts.
        script: Script,
        /// What dpkg says about it, such as `installed x package post-installation script ...`.
        what: String,
        /// Why, where the script's own lines say so.
        reason: Option<Reason>,
    },
    /// dpkg could not unpack or configure a package, and not for a script of its.
    #[error("the package {package} cannot be installed: {what}")]
    Package {
        /// The package.
        package: String,
        /// What dpkg says about it, such as `trying to overwrite '/x', which is also in package y 1`.
        what: String,
    },
    /// The epoch of the build is in the future.
    #[error("the build's epoch is later than this machine's clock, and apt takes nothing from the future")]
    LateEpoch,
    /// The disk is full.
    #[error("there is no space left on the device")]
    NoSpace,
    /// Something that needs rights was refused.
    #[error("the system refused it: {what}")]
    NoPrivileges {
        /// The line that says so.
        what: String,
    },
    /// Programs of the architecture do not run here.
    #[error("programs of the architecture {arch} do not run on this machine")]
    NoEmulation {
        /// The architecture.
        arch: String,
    },
    /// apt found no answer although everything locked was there.
    #[error("apt cannot install the locked packages: {what}")]
    Unsatisfiable {
        /// The line that says so.
        what: String,
    },
    /// Something else.
    #[error("{what}")]
    Other {
        /// The last error in the log, or the last line.
        what: String,
    },
}

/// Why a script failed, or what dpkg says of it.
fn why(reason: Option<&Reason>, what: &str) -> String {
    match reason {
        Some(Reason { lack, line }) => format!(", since {lack}: {line}"),
        None => format!(": {what}"),
    }
}

impl Failure {
    /// Whether the words by which it is known mean the same in the output of a maintainer script.
    pub(super) fn is_of_any_program(&self) -> bool {
        match self {
            Self::NoSpace | Self::NoEmulation { .. } => true,
            Self::MaintainerScript { .. }
            | Self::Package { .. }
            | Self::LateEpoch
            | Self::NoPrivileges { .. }
            | Self::Unsatisfiable { .. }
            | Self::Other { .. } => false,
        }
    }

    /// Whether it is for a full disk, which explains every other failure.
    pub(super) fn is_full_disk(&self) -> bool {
        match self {
            Self::NoSpace => true,
            Self::MaintainerScript { reason, .. } => reason.as_ref().is_some_and(|reason| reason.lack == Lack::Space),
            Self::Package { .. }
            | Self::LateEpoch
            | Self::NoPrivileges { .. }
            | Self::NoEmulation { .. }
            | Self::Unsatisfiable { .. }
            | Self::Other { .. } => false,
        }
    }

    /// What to do about it; empty where nothing general can be said.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MaintainerScript { reason: Some(reason), .. } => reason.lack.hint(),
            Self::MaintainerScript { reason: None, .. } => unpack_only!("read the log above; "),
            Self::Package { .. } => {
                "when two packages bring the same file, ship them in two modules; else read the log above"
            }
            Self::LateEpoch => {
                "set the machine's clock right, or SOURCE_DATE_EPOCH to an earlier time (without it, it is the time of the newest input)"
            }
            Self::NoSpace => NO_SPACE,
            Self::NoPrivileges { .. } => {
                "run as root, or let the user have user namespaces: `apt install uidmap`, entries in /etc/subuid and /etc/subgid, and no container that forbids them"
            }
            Self::NoEmulation { .. } => {
                unpack_only!("install the emulation by `apt install qemu-user-static binfmt-support arch-test`; or ")
            }
            Self::Unsatisfiable { .. } => "make the lock again: `module-builder lock --update`",
            Self::Other { .. } => "",
        }
    }
}
