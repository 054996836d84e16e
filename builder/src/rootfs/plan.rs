//! What is run to make a root file system, as data: a pure function from the inputs to an argument
//! list and an environment.
//!
//! The chain is `setpriv` (when the builder dies, the build dies), `unshare` (fresh network, host
//! name, mount, process and IPC namespaces; the network one stays empty, not even loopback is up),
//! `perl` (sets the host name of the fresh namespace and empties its /dev/shm, for which there is no
//! command that goes on to run another), `mmdebstrap`. All four are on every host that has
//! mmdebstrap: util-linux is essential and mmdebstrap is written in Perl. There is no shell and no
//! shell hook; the hooks are mmdebstrap's own `upload`.
//!
//! As root the namespaces are root's. As a user, `unshare` adds a user namespace in which the user
//! is root and the user's subordinate ids are everybody else. mmdebstrap runs in its mode `root`
//! either way: its own mode `unshare` would keep the host's network.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use model::Epoch;

use crate::apt::{Resolution, Variant};
use host::process::Invocation;

/// The host name inside a build.
pub const HOSTNAME: &str = "localhost";

/// Where programs are looked for.
pub(super) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How many names one `--include` holds: a single argument may have 128 KiB at most.
const NAMES_PER_INCLUDE: usize = 200;

/// Sets the host name to the first argument, puts an empty file system over /dev/shm, and becomes the
/// program that the other arguments name. mmdebstrap binds the host's /dev/shm into the tree, where
/// no IPC namespace keeps maintainer scripts from the host's shared memory. The system calls' numbers
/// come from where mmdebstrap takes them; 6 is `MS_NOSUID | MS_NODEV`. What Perl hands to a system
/// call must be a variable.
const PREPARE: &str = r#"require "syscall.ph"; my $name = shift @ARGV; syscall(&SYS_sethostname, $name, length $name) == 0 or die "cannot set the host name: $!\n"; my ($from, $to, $type, $options) = ("none", "/dev/shm", "tmpfs", "mode=1777"); ! -d $to or syscall(&SYS_mount, $from, $to, $type, 6, $options) == 0 or die "cannot mount $to: $!\n"; exec { $ARGV[0] } @ARGV or die "cannot run $ARGV[0]: $!\n";"#;

/// By whose rights a build runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rights {
    /// By those of root.
    Root,
    /// By those of a user, in a user namespace.
    User,
}

/// Where a build finds and puts its files. All paths are absolute.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The local repository.
    pub repository: &'a Path,
    /// A directory for temporary files, on a file system with space for the tree.
    pub scratch: &'a Path,
    /// A directory with the files `hostname`, `resolv.conf` and `sources.list` that the tree gets.
    pub fixed: &'a Path,
    /// The tar that is written.
    pub archive: &'a Path,
}

/// The namespaces' part of the chain; `what` runs in them.
#[must_use]
pub fn isolated(rights: Rights, what: Vec<OsString>) -> Invocation {
    let mut argv: Vec<OsString> = ["setpriv", "--pdeathsig", "KILL", "--", "unshare"].map(Into::into).into();
    if rights == Rights::User {
        argv.extend(["--user", "--map-auto", "--map-root-user", "--setuid", "0", "--setgid", "0"].map(Into::into));
    }
    argv.extend(["--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child=KILL"].map(Into::into));
    argv.extend(["--mount-proc", "--"].map(Into::into));
    argv.extend(what);
    Invocation { argv, environment: environment() }
}

fn environment() -> Vec<(OsString, OsString)> {
    [("PATH", PATH), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("HOME", "/root"), ("DEBIAN_FRONTEND", "noninteractive")]
        .map(|(name, value)| (name.into(), value.into()))
        .into()
}

/// The run of mmdebstrap that installs (or, in the variant extract, unpacks) exactly the packages
/// of `resolution` from the local repository.
///
/// All variants that have the essential packages are run as `essential` with every other package
/// named: what they add is part of the resolution already.
#[must_use]
pub fn plan(resolution: &Resolution, epoch: Epoch, rights: Rights, places: Places<'_>) -> Invocation {
    let variant = match resolution.variant {
        Variant::Extract => Variant::Extract,
        Variant::Custom => Variant::Custom,
        _ => Variant::Essential,
    };
    let mut argv: Vec<OsString> = ["perl", "-e", PREPARE, HOSTNAME, "mmdebstrap"].map(Into::into).into();
    argv.extend(["--mode=root", "--format=tar", "--verbose", "--skip=check/signed-by"].map(Into::into));
    argv.push(format!("--variant={variant}").into());
    argv.push(format!("--architectures={}", architectures(resolution).join(",")).into());
    // As another user apt would own directories of the tree, but only where it can reach them.
    argv.push(r#"--aptopt=APT::Sandbox::User "root""#.into());
    // The tree is thrown away when the host fails, so dpkg need not wait for the disk.
    argv.push("--dpkgopt=force-unsafe-io".into());
    // mmdebstrap copies the host's files where it has them; these come after and replace them. Its last
    // hook empties the list that names the local repository, whose path must not reach the tar.
    let last = if variant == Variant::Extract { "extract" } else { "customize" };
    for (hook, file, target) in [
        ("setup", "hostname", "/etc/hostname"),
        ("setup", "resolv.conf", "/etc/resolv.conf"),
        (last, "sources.list", "/etc/apt/sources.list"),
    ] {
        let mut argument = OsString::from(format!("--{hook}-hook=upload "));
        argument.push(shellwords(&places.fixed.join(file)));
        argument.push(format!(" {target}"));
        argv.push(argument);
    }
    for names in names(resolution).chunks(NAMES_PER_INCLUDE) {
        argv.push(format!("--include={}", names.join(",")).into());
    }
    argv.push(codename(resolution).into());
    argv.push(places.archive.into());
    let mut source = OsString::from("deb [trusted=yes] copy://");
    source.push(percent_encoded(places.repository));
    source.push(" ./");
    argv.push(source);
    let mut invocation = isolated(rights, argv);
    invocation.environment.push(("SOURCE_DATE_EPOCH".into(), epoch.to_string().into()));
    invocation.environment.push(("TMPDIR".into(), places.scratch.into()));
    invocation
}

/// The suite as mmdebstrap and the local repository call it: the release's code name where it has
/// one that is a plain word (mmdebstrap puts it into a pattern for apt).
pub(super) fn codename(resolution: &Resolution) -> &str {
    let plain = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    [resolution.release.codename.as_str(), resolution.suite.as_str()]
        .into_iter()
        .find(|name| plain(name))
        .unwrap_or("locked")
}

/// The build's architecture first, then those of foreign packages.
fn architectures(resolution: &Resolution) -> Vec<&str> {
    let native = resolution.arch.debian();
    let mut all = vec![native];
    for resolved in &resolution.packages {
        let arch = resolved.package.arch.as_str();
        if arch != "all" && !all.contains(&arch) {
            all.push(arch);
        }
    }
    all[1..].sort_unstable();
    all
}

/// Every package by name, with its architecture where that is foreign; sorted.
fn names(resolution: &Resolution) -> Vec<String> {
    let native = resolution.arch.debian();
    let name = |package: &model::package::Package| match package.arch.as_str() {
        arch if arch == native || arch == "all" => package.name.clone(),
        arch => format!("{}:{arch}", package.name),
    };
    let mut names: Vec<_> = resolution.packages.iter().map(|resolved| name(&resolved.package)).collect();
    names.sort();
    names
}

/// Escapes a path for Perl's `Text::ParseWords`, by which mmdebstrap reads its own hooks.
fn shellwords(path: &Path) -> OsString {
    let mut out = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        if !byte.is_ascii_alphanumeric() && !b"/._-".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    OsString::from_vec(out)
}

/// Escapes a path for a URI in a one-line apt source.
fn percent_encoded(path: &Path) -> String {
    let mut out = String::new();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use std::fmt::Write as _;

    use model::Arch;

    use super::super::tests::resolution;
    use super::*;

    fn shown(arch: Arch, variant: Variant, rights: Rights) -> String {
        let mut resolution = resolution(&[("base-files", "13", "amd64"), ("demo", "1:2-3", "all")]);
        (resolution.arch, resolution.variant) = (arch, variant);
        resolution.packages[0].package.arch = arch.to_string();
        let invocation = plan(
            &resolution,
            Epoch::from_seconds(1_700_000_000).unwrap(),
            rights,
            Places {
                repository: Path::new("/cache dir/repository"),
                scratch: Path::new("/cache dir/scratch"),
                fixed: Path::new("/cache dir/fixed"),
                archive: Path::new("/cache dir/rootfs.tar"),
            },
        );
        let mut out = String::new();
        for (name, value) in &invocation.environment {
            writeln!(out, "{}={}", name.display(), value.display()).unwrap();
        }
        for argument in &invocation.argv {
            writeln!(out, "  {}", argument.display()).unwrap();
        }
        out
    }

    #[test]
    fn a_build_by_root() {
        insta::assert_snapshot!(shown(Arch::Amd64, Variant::Minbase, Rights::Root));
    }

    #[test]
    fn every_mode_variant_and_architecture_differs_only_where_it_should() {
        let lines = |arch, variant, rights| -> Vec<String> {
            shown(arch, variant, rights).lines().map(str::to_owned).collect()
        };
        let base = lines(Arch::Amd64, Variant::Minbase, Rights::Root);
        let added =
            |other: Vec<String>| -> Vec<String> { other.into_iter().filter(|line| !base.contains(line)).collect() };
        for variant in Variant::ALL {
            let wanted: &[&str] = match variant {
                Variant::Extract => &[
                    "  --variant=extract",
                    "  --extract-hook=upload /cache\\ dir/fixed/sources.list /etc/apt/sources.list",
                ],
                Variant::Custom => &["  --variant=custom"],
                _ => &[],
            };
            assert_eq!(added(lines(Arch::Amd64, variant, Rights::Root)), wanted, "{variant}");
        }
        let user = added(lines(Arch::Amd64, Variant::Minbase, Rights::User));
        assert_eq!(user, ["  --user", "  --map-auto", "  --map-root-user", "  --setuid", "  0", "  --setgid", "  0"]);
        for arch in Arch::all().filter(|arch| *arch != Arch::Amd64) {
            assert_eq!(added(lines(arch, Variant::Minbase, Rights::Root)), [format!("  --architectures={arch}")]);
        }
    }

    #[test]
    fn foreign_packages_are_named_with_their_architecture() {
        let resolution = resolution(&[("libc6", "2", "amd64"), ("libc6", "2", "i386"), ("tzdata", "1", "all")]);
        assert_eq!(names(&resolution), ["libc6", "libc6:i386", "tzdata"]);
        assert_eq!(architectures(&resolution), ["amd64", "i386"]);
    }

    #[test]
    fn odd_paths_and_suites_are_escaped() {
        let path = Path::new("/a b'\"$/%ü");
        assert_eq!(shellwords(path).as_bytes(), b"/a\\ b\\'\\\"\\$/\\%\\\xc3\\\xbc");
        assert_eq!(percent_encoded(path), "/a%20b%27%22%24/%25%c3%bc");
        let mut resolution = resolution(&[]);
        assert_eq!(codename(&resolution), "trixie");
        resolution.release.codename = "a|b".to_owned();
        assert_eq!(codename(&resolution), "stable");
        resolution.suite = "x/updates".to_owned();
        assert_eq!(codename(&resolution), "locked");
    }
}
