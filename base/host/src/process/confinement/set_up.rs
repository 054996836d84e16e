//! A plan is followed, in the first process of its namespaces.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_remount, unmount,
};
use rustix::thread::{CapabilitySet, UnshareFlags};

use super::{Isolation, Step, cgroup};
use crate::process::failed::{FAILED, Failed, failed};
use crate::process::namespaces;

/// What makes device nodes.
pub(super) const DEVICES: CapabilitySet = CapabilitySet::MKNOD;

/// What the root of the first process's own view is called, until it is left.
const HERE: &str = ".";

impl Isolation {
    /// Writes down the number of the first process.
    pub(in crate::process) fn report_process(&self, number: u32) -> Result<(), Failed> {
        let Some(path) = &self.report else { return Ok(()) };
        let directory = path.parent().unwrap_or(Path::new(""));
        let name = path.file_name().unwrap_or_default();
        let reported = crate::Dir::open(directory)
            .and_then(|directory| directory.replace(name, number.to_string().as_bytes(), 0o600));
        reported.map_err(io::Error::other).map_err(failed("report the first process"))
    }

    /// Makes the namespaces and what is in them; then this process sees what its program will.
    pub(in crate::process) fn set_up(&self) -> Result<(), Failed> {
        if let Some(path) = &self.cgroup {
            cgroup::enter(path)?;
        }
        unshare(self.cgroup.is_some())?;
        for step in &self.steps {
            self.follow(step)?;
        }
        change_root(&self.root).map_err(failed("change the root"))?;
        rustix::system::sethostname(self.host_name.as_bytes()).map_err(failed("set the host name"))?;
        namespaces::bring_up_loopback().map_err(failed("bring up the loopback interface"))?;
        rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
        namespaces::give_up(if self.no_devices { DEVICES } else { CapabilitySet::empty() })
    }

    fn follow(&self, step: &Step) -> Result<(), Failed> {
        let (what, done) = match step {
            Step::Overlay { lower, upper } => {
                ("put the layers over each other".to_owned(), overlay(lower, upper.as_ref(), &self.root))
            }
            Step::Mount { kind, at, options, no_programs, read_only } => {
                let mut flags = MountFlags::NOSUID;
                flags.set(MountFlags::NODEV, kind != "devpts");
                flags.set(MountFlags::NOEXEC, *no_programs);
                flags.set(MountFlags::RDONLY, *read_only);
                let mounted = self.below(at).and_then(|place| {
                    let options = CString::new(options.as_bytes())?;
                    Ok(mount(kind.as_str(), &place, kind.as_str(), flags, Some(options.as_c_str()))?)
                });
                (format!("mount {kind} at /{}", at.display()), mounted)
            }
            Step::Bind { from, at, read_only } => {
                let bound = self.below(at).and_then(|place| {
                    mount_bind(from, &place)?;
                    if *read_only { seal(&place) } else { Ok(()) }
                });
                (format!("show {} at /{}", from.display(), at.display()), bound)
            }
            Step::Seal { at } => {
                let sealed = self.below(at).and_then(|place| {
                    mount_bind(&place, &place)?;
                    seal(&place)
                });
                (format!("keep /{} from being written to", at.display()), sealed)
            }
            Step::Directory { at, mode } => {
                (format!("make /{}", at.display()), self.below(at).and_then(|place| directory(&place, *mode)))
            }
            Step::File { at } => (format!("make /{}", at.display()), self.below(at).and_then(|place| file(&place))),
            Step::Link { at, target } => {
                let linked = self.below(at).and_then(|place| Ok(rustix::fs::symlink(target, &place)?));
                (format!("make /{}", at.display()), linked)
            }
        };
        done.map_err(|why| Failed { what, why, code: FAILED })
    }

    /// The place `at` below the new root, which it does not lead out of.
    fn below(&self, at: &Path) -> io::Result<PathBuf> {
        match at.components().all(|component| matches!(component, Component::Normal(_))) {
            true => Ok(self.root.join(at)),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

#[allow(
    deprecated,
    reason = "rustix calls it unsafe for CLONE_FILES alone, which takes descriptors from other threads and is not asked for"
)]
fn unshare(with_cgroup: bool) -> Result<(), Failed> {
    let mut fresh = UnshareFlags::NEWNET | UnshareFlags::NEWUTS | UnshareFlags::NEWIPC | UnshareFlags::NEWNS;
    fresh.set(UnshareFlags::NEWCGROUP, with_cgroup);
    rustix::thread::unshare(fresh).map_err(failed("make namespaces"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(failed("make namespaces"))
}

fn overlay(lower: &[PathBuf], upper: Option<&(PathBuf, PathBuf)>, root: &Path) -> io::Result<()> {
    let mut options = b"lowerdir=".to_vec();
    for (at, path) in lower.iter().enumerate() {
        options.extend((at > 0).then_some(b':'));
        escape(path, &mut options);
    }
    if let Some((upper, work)) = upper {
        options.extend(b",upperdir=");
        escape(upper, &mut options);
        options.extend(b",workdir=");
        escape(work, &mut options);
    }
    // In a user namespace the kernel's own attributes are not ours to write.
    if in_user_namespace() {
        options.extend(b",userxattr");
    }
    let options = CString::new(options)?;
    Ok(mount("overlay", root, "overlay", MountFlags::NODEV, Some(options.as_c_str()))?)
}

/// Whether this process is in a user namespace, so that ids mean something else here than on the machine.
#[must_use]
pub fn in_user_namespace() -> bool {
    let map = crate::open::read(Path::new("/proc/self/uid_map"), 1 << 16).unwrap_or_default();
    let words = String::from_utf8_lossy(&map);
    !words.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// The kernel separates layers by `:` and options by `,`.
fn escape(path: &Path, out: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if b"\\:,".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

fn seal(place: &Path) -> io::Result<()> {
    // What is set already stays set: in a user namespace it could not be taken away.
    let found = rustix::fs::statvfs(place)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    for (is, flag) in [
        (rustix::fs::StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (rustix::fs::StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (rustix::fs::StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
    ] {
        flags.set(flag, found.contains(is));
    }
    Ok(mount_remount(place, flags, c"")?)
}

#[allow(clippy::disallowed_methods, reason = "in a file system that this process has just mounted")]
fn directory(place: &Path, mode: u32) -> io::Result<()> {
    fs::DirBuilder::new().mode(mode).create(place)?;
    // The mask of the process does not count.
    fs::set_permissions(place, fs::Permissions::from_mode(mode))
}

#[allow(clippy::disallowed_methods, reason = "in a file system that this process has just mounted")]
fn file(place: &Path) -> io::Result<()> {
    fs::File::create_new(place).map(drop)
}

/// Leaves the machine's root behind: what was there is not mounted here any more.
fn change_root(root: &Path) -> io::Result<()> {
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(HERE, HERE)?;
    // The old root lies over the new one.
    unmount(HERE, UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layers_name_is_one_name_whatever_is_in_it() {
        let mut out = Vec::new();
        escape(Path::new("/a:b,c\\d"), &mut out);
        assert_eq!(out, b"/a\\:b\\,c\\\\d");
    }

    #[test]
    fn a_place_is_below_the_root() {
        let plan = Isolation {
            host_name: String::new(),
            root: "root".into(),
            steps: Vec::new(),
            cgroup: None,
            report: None,
            no_devices: false,
        };
        assert_eq!(plan.below(Path::new("dev/null")).unwrap(), Path::new("root/dev/null"));
        for wrong in ["/dev", "../x", "a/../../b"] {
            assert!(plan.below(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
