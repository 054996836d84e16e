//! The namespaces of a program that sees nothing of the host: made, and filled with what a program expects.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, capabilities, capability_is_in_bounding_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::failed::{Failed, failed};

/// Puts this process into fresh namespaces of network, host name, shared memory and mounts, and its next child
/// into a fresh one of processes. No other thread runs here.
#[allow(
    deprecated,
    reason = "rustix calls it unsafe for CLONE_FILES alone, which takes descriptors from other threads and is not asked for"
)]
pub(super) fn enter() -> Result<(), Failed> {
    let fresh =
        UnshareFlags::NEWNET | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWNS | UnshareFlags::NEWPID;
    rustix::thread::unshare(fresh).map_err(failed("make namespaces"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(failed("make namespaces"))
}

/// Makes the fresh namespaces, of which this is the first process, what a program expects: its own processes
/// in /proc, a host name, an empty /dev/shm where the host has one (the host's shared memory is in a file
/// system, from which the namespace keeps no one), and a loopback that is up.
pub(super) fn furnish(host_name: &[u8]) -> Result<(), Failed> {
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    mount("proc", "/proc", "proc", plain | MountFlags::NOEXEC, None).map_err(failed("mount /proc"))?;
    rustix::system::sethostname(host_name).map_err(failed("set the host name"))?;
    match mount("none", "/dev/shm", "tmpfs", plain, c"mode=1777") {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(errno) => return Err(failed("mount /dev/shm")(errno)),
    }
    bring_up_loopback().map_err(failed("bring up the loopback interface"))
}

/// Mounts a file system in memory of at most `size` bytes at `directory`. It may have devices and programs of any kind,
/// since whole trees are made there. Where that cannot be done, the directory's own file system serves as well.
pub(super) fn mount_memory(directory: &Path, size: u64) {
    if let Ok(options) = CString::new(format!("mode=0755,size={size}")) {
        let _ = mount("none", directory, "tmpfs", MountFlags::empty(), options.as_c_str());
    }
}

/// What no namespace keeps from the host: its clock, its kernel and its hardware. No package's script needs it to be
/// installed.
const OF_THE_HOST: CapabilitySet = CapabilitySet::SYS_TIME
    .union(CapabilitySet::SYS_MODULE)
    .union(CapabilitySet::SYS_BOOT)
    .union(CapabilitySet::SYS_RAWIO)
    .union(CapabilitySet::SYS_PACCT)
    .union(CapabilitySet::SYSLOG)
    .union(CapabilitySet::WAKE_ALARM);

/// Gives up, for this process and all that it starts, what is the host's alone.
pub(super) fn give_up(also: CapabilitySet) -> Result<(), Failed> {
    let failed = || failed("give up what is the host's alone");
    let given_up = OF_THE_HOST | also;
    for capability in given_up.iter() {
        // One that the kernel does not know is not there.
        if capability_is_in_bounding_set(capability).unwrap_or(false) {
            remove_capability_from_bounding_set(capability).map_err(failed())?;
        }
    }
    // Root's programs get what is inheritable, too, which the bounding set does not limit.
    let CapabilitySets { effective, permitted, inheritable } = capabilities(None).map_err(failed())?;
    let kept = CapabilitySets { effective, permitted, inheritable: inheritable - given_up };
    set_capabilities(None, kept).map_err(failed())
}

/// Brings up the interface 1, which is the loopback in every network namespace; the kernel gives it its addresses
/// then. A message and an answer of rtnetlink(7), since the `ioctl` for it has no safe form.
pub(super) fn bring_up_loopback() -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 5;
    const NLMSG_ERROR: u16 = 2;
    const LOOPBACK: u32 = 1;
    const IFF_UP: u32 = 1;
    let mut message = 32_u32.to_ne_bytes().to_vec();
    message.extend([RTM_NEWLINK, REQUEST_AND_ACKNOWLEDGE].map(u16::to_ne_bytes).concat());
    // Sequence and port; family and type; the interface, its flags, and which of them are set.
    message.extend([1, 0, 0, LOOPBACK, IFF_UP, IFF_UP].map(u32::to_ne_bytes).concat());
    // The protocol that has the number 0, NETLINK_ROUTE, is the one that is meant where none is named.
    let mut socket = File::from(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?);
    socket.write_all(&message)?;
    let mut answer = [0; 128];
    let length = socket.read(&mut answer)?;
    let number = |at: usize| i32::from_ne_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    if length < 20 || u16::from_ne_bytes([answer[4], answer[5]]) != NLMSG_ERROR {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel did not acknowledge it"));
    }
    match number(16) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno.saturating_neg())),
    }
}
