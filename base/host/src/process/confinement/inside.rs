//! A program among the processes of a confined one: in the same namespaces, as a user of its tree.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use rustix::process::{Gid, Pid, PidfdFlags, Uid, pidfd_open};
use rustix::thread::{
    CapabilitySet, CapabilitySets, ThreadNameSpaceType, capabilities, configure_capability_in_ambient_set,
    move_into_thread_name_spaces, set_capabilities, set_keep_capabilities, set_thread_gid, set_thread_groups,
    set_thread_uid,
};
use serde::{Deserialize, Serialize};

use super::{argument, cgroup, of_argument};
use crate::process::Error;
use crate::process::failed::{Failed, failed};
use crate::process::namespaces;

/// How a program runs among the processes of a confined one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// The process whose namespaces are entered.
    pub process: u32,
    /// Who runs it; root where there is none.
    pub user: Option<User>,
    /// The directory that it starts in, as it sees it; the root where there is none.
    pub directory: Option<PathBuf>,
    /// The directory of the cgroup that it is put into, as this program sees it.
    pub cgroup: Option<PathBuf>,
    /// Variables that the program has besides those of the one that starts it, which never sees them itself.
    pub environment: BTreeMap<String, String>,
    /// Whether it gets the terminal of this program.
    pub terminal: bool,
}

/// A user, by numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// The first group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
    /// The capabilities that the program has all the same, by number.
    pub capabilities: Vec<u32>,
}

impl Inside {
    pub(in crate::process) fn argument(&self) -> Result<OsString, Error> {
        argument(self)
    }

    pub(in crate::process) fn of_argument(arguments: &[OsString]) -> Result<Self, Failed> {
        of_argument(arguments)
    }

    /// Enters the namespaces and becomes the user; gives the terminal, where one is wanted. The next child is there.
    pub(in crate::process) fn enter(&self) -> Result<Option<File>, Failed> {
        let terminal =
            self.terminal.then(|| crate::open::terminal().map_err(failed("open the terminal"))).transpose()?;
        if let Some(path) = &self.cgroup {
            cgroup::enter(path)?;
        }
        let process = i32::try_from(self.process).ok().and_then(Pid::from_raw);
        let process =
            process.ok_or(rustix::io::Errno::SRCH).and_then(|process| pidfd_open(process, PidfdFlags::empty()));
        let process = process.map_err(failed("find the process whose namespaces are entered"))?;
        let all = ThreadNameSpaceType::MOUNT
            | ThreadNameSpaceType::PROCESS_ID
            | ThreadNameSpaceType::NETWORK
            | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
            | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
            | ThreadNameSpaceType::CONTROL_GROUP;
        move_into_thread_name_spaces(process.as_fd(), all).map_err(failed("enter the namespaces"))?;
        namespaces::give_up(super::set_up::DEVICES)?;
        if let Some(user) = &self.user {
            user.become_it().map_err(failed("become the user"))?;
        }
        Ok(terminal)
    }
}

impl User {
    fn become_it(&self) -> rustix::io::Result<()> {
        let kept = self.capabilities.iter().filter_map(|number| 1_u64.checked_shl(*number));
        let kept = CapabilitySet::from_bits_truncate(kept.fold(0, |all, one| all | one));
        let groups: Vec<Gid> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        set_thread_groups(&groups)?;
        set_thread_gid(Gid::from_raw(self.gid))?;
        set_keep_capabilities(!kept.is_empty())?;
        set_thread_uid(Uid::from_raw(self.uid))?;
        if kept.is_empty() {
            return Ok(());
        }
        // What the bounding set has taken away is not there to be kept.
        let kept = kept & capabilities(None)?.permitted;
        set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
        kept.iter().try_for_each(|capability| configure_capability_in_ambient_set(capability, true))
    }
}
