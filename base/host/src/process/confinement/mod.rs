//! Namespaces and a tree of mounts of a program's own, as data: what is set up can be shown and compared in a test.
//!
//! A plan is written down as JSON, which comes to the child as one argument. The child follows it before it becomes
//! the program; nothing in a plan is a program's name or a shell's text.

mod cgroup;
mod inside;
mod set_up;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use rustix::thread::UnshareFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use inside::{Inside, User};
pub use set_up::in_user_namespace;

use super::Error;
use super::failed::{Failed, failed};

/// What the first process of fresh namespaces sees. Paths that are not absolute begin in the directory that the
/// program is [run in](super::Invocation::within).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isolation {
    /// The name of the host there.
    pub host_name: String,
    /// The directory that becomes the root, when all steps are done.
    pub root: PathBuf,
    /// What is mounted and made, in this order.
    pub steps: Vec<Step>,
    /// The directory of the cgroup that is made for the processes, and removed after them; it is the root of all
    /// cgroups that they see.
    pub cgroup: Option<PathBuf>,
    /// The file that gets the number of the first process, as this program sees it; it must not be there.
    pub report: Option<PathBuf>,
    /// Whether device nodes cannot be made there.
    pub no_devices: bool,
}

/// One step. `at` is below the new root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Directories over each other become the root.
    Overlay {
        /// The lower directories, the uppermost first; two at least where there is no upper one.
        lower: Vec<PathBuf>,
        /// The directory that takes what is written, and an empty one beside it for the kernel.
        upper: Option<(PathBuf, PathBuf)>,
    },
    /// A file system of the kernel's own.
    Mount {
        /// Its kind: `tmpfs`, `proc`, `sysfs`, `cgroup2`, `devpts`, `mqueue`.
        kind: String,
        /// Where.
        at: PathBuf,
        /// Its options, as mount(8) writes them behind `-o`.
        options: String,
        /// Whether programs in it are not run.
        no_programs: bool,
        /// Whether nothing can be written there.
        read_only: bool,
    },
    /// What the machine has at `from` is there, too.
    Bind {
        /// What is shown.
        from: PathBuf,
        /// Where; it is there already.
        at: PathBuf,
        /// Whether nothing can be written there.
        read_only: bool,
    },
    /// What is already there cannot be written to any more, neither by this name nor below it in the same mount.
    Seal {
        /// Where.
        at: PathBuf,
    },
    /// An empty directory, in a file system that was mounted by a step before.
    Directory {
        /// Where.
        at: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// An empty file, in such a file system.
    File {
        /// Where.
        at: PathBuf,
    },
    /// A symbolic link, in such a file system.
    Link {
        /// Where.
        at: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
}

/// Writes a plan down.
fn argument(plan: &impl Serialize) -> Result<OsString, Error> {
    let written = serde_json::to_string(plan).map_err(io::Error::other);
    written.map(OsString::from).map_err(|source| Error::Io { program: "this program".to_owned(), source })
}

/// Reads it.
fn of_argument<T: DeserializeOwned>(arguments: &[OsString]) -> Result<T, Failed> {
    let text = arguments.first().map_or(OsStr::new(""), OsString::as_os_str);
    serde_json::from_slice(text.as_encoded_bytes()).map_err(failed("read the plan"))
}

impl Isolation {
    pub(super) fn argument(&self) -> Result<OsString, Error> {
        argument(self)
    }

    pub(super) fn of_argument(arguments: &[OsString]) -> Result<Self, Failed> {
        of_argument(arguments)
    }
}

/// Has the next child of this process be the first one of a fresh namespace of processes. No other thread runs here.
#[allow(
    deprecated,
    reason = "rustix calls it unsafe for CLONE_FILES alone, which takes descriptors from other threads and is not asked for"
)]
pub(super) fn unshare_processes() -> Result<(), Failed> {
    rustix::thread::unshare(UnshareFlags::NEWPID).map_err(failed("make a namespace of processes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_back_as_it_was_written_down() {
        let steps = vec![
            Step::Overlay { lower: vec!["a".into(), "b".into()], upper: Some(("up".into(), "work".into())) },
            Step::Mount {
                kind: "tmpfs".into(),
                at: "tmp".into(),
                options: "mode=1777".into(),
                no_programs: false,
                read_only: false,
            },
            Step::Bind { from: "/dev/null".into(), at: "dev/null".into(), read_only: false },
            Step::Seal { at: "proc/sys".into() },
            Step::Directory { at: "dev/shm".into(), mode: 0o1777 },
            Step::File { at: "dev/null".into() },
            Step::Link { at: "dev/fd".into(), target: "/proc/self/fd".into() },
        ];
        let (cgroup, report) = (Some("/c".into()), Some("report".into()));
        let plan = Isolation { host_name: "x".into(), root: "root".into(), steps, cgroup, report, no_devices: true };
        assert_eq!(Isolation::of_argument(&[plan.argument().unwrap()]).unwrap(), plan);
        for wrong in ["", "{}", "[]", "{\"host_name\":1}"] {
            assert!(Isolation::of_argument(&[wrong.into()]).is_err(), "{wrong}");
        }
    }
}
