//! What is run to make a root file system, as data: a pure function from the inputs to an argument
//! list and an environment.
//!
//! What is started is this program itself ([`Invocation::isolated`]), which makes fresh namespaces of network, host
//! name, mounts, processes and shared memory, brings up their loopback, becomes `mmdebstrap`, and dies with the
//! builder. The hooks are mmdebstrap's own `upload`, and one that unpacks the tar of a base, over which packages are
//! installed. That one is a line for a shell: mmdebstrap's own `tar-in` hands the tar on in pieces of 4 KiB, between
//! three processes, and dies now and then of a signal.
//!
//! As root the namespaces are root's. As a user, they stand in a user namespace in which the user is root and the
//! user's subordinate ids are everyone else. `unshare` makes that one: the kernel has the map of more ids than one's own
//! written by the setuid programs newuidmap and newgidmap only, which `unshare` runs. mmdebstrap runs in its mode `root`
//! either way: its own mode `unshare` would keep the host's network.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use host::process::Invocation;
use model::Epoch;
use model::package::is_package_name;

use super::Error;
use crate::apt::{Resolution, Resolved, Variant};

/// The host name inside a build.
pub const HOSTNAME: &str = "localhost";

/// Where programs are looked for.
pub(super) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// How many names one `--include` holds: a single argument may have 128 KiB at most.
const NAMES_PER_INCLUDE: usize = 200;

/// By whose privilege a build runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
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
    /// The tar over which packages are installed; none where all of them are, from nothing.
    pub base: Option<&'a Path>,
    /// How many bytes a file system in memory may have that takes the place of `scratch`; none where the disk is used.
    pub memory: Option<u64>,
}

/// `what` in a build's environment and by its privilege.
#[must_use]
pub(super) fn by(privilege: Privilege, what: Invocation) -> Invocation {
    let what = match privilege {
        Privilege::Root => what,
        Privilege::User => {
            let unshare = Invocation::new("unshare").options(["--user", "--map-auto", "--map-root-user"]);
            unshare.option("--setuid").operand("0").option("--setgid").operand("0").option("--").runs(what)
        }
    };
    let what = what.variable("PATH", PATH).variable("LC_ALL", "C.UTF-8").variable("TZ", "UTC");
    what.variable("HOME", "/root").variable("DEBIAN_FRONTEND", "noninteractive")
}

/// The run of mmdebstrap that installs (or, in the variant extract, unpacks) exactly the packages
/// of `resolution` from the local repository.
///
/// All variants that have the essential packages are run as `essential` with every other package
/// named: what they add is part of the resolution already. Over a base there are no essential packages left to install,
/// and the base's are not named.
///
/// # Errors
/// [`Error::NoName`] for what is no package's name: mmdebstrap splits the list of names into arguments of
/// apt-get, outside of any root file system, and no one after this looks at them.
pub fn plan(resolution: &Resolution, epoch: Epoch, run_as: Privilege, places: Places<'_>) -> Result<Invocation, Error> {
    let variant = match resolution.variant {
        Variant::Extract => Variant::Extract,
        Variant::Custom => Variant::Custom,
        _ => Variant::Essential,
    };
    let mut run = Invocation::new("mmdebstrap")
        .options(["--mode=root", "--format=tar", "--verbose", "--skip=check/signed-by"])
        .assign("--variant", variant.name())
        .assign("--architectures", resolution.arch.debian())
        // As another user apt would own directories of the tree, but only where it can reach them.
        .assign("--aptopt", r#"APT::Sandbox::User "root""#)
        // The tree is thrown away when the host fails, so dpkg need not wait for the disk.
        .assign("--dpkgopt", "force-unsafe-io");
    // mmdebstrap copies the host's files where it has them; these come after and replace them. Its last
    // hook empties the list that names the local repository, whose path must not reach the tar.
    let last = if variant == Variant::Extract { "--extract-hook" } else { "--customize-hook" };
    if let Some(base) = places.base {
        run = run.assign("--setup-hook", unpacking(base));
    }
    for (hook, file, target) in [
        ("--setup-hook", "hostname", "/etc/hostname"),
        ("--setup-hook", "resolv.conf", "/etc/resolv.conf"),
        (last, "sources.list", "/etc/apt/sources.list"),
    ] {
        let mut value = OsString::from("upload ");
        value.push(shellwords(&places.fixed.join(file)));
        value.push(format!(" {target}"));
        run = run.assign(hook, value);
    }
    let packages = resolution.packages.iter().filter(|resolved| places.base.is_none() || !resolved.base);
    for names in names(packages)?.chunks(NAMES_PER_INCLUDE) {
        run = run.assign("--include", names.join(","));
    }
    let source = format!("deb [trusted=yes] copy://{} ./", percent_encoded(places.repository));
    run = run.operand(resolution.codename()).operand(places.archive).operand(source);
    // Nothing is read by a name that means something only where this program was started.
    let isolated = match places.memory {
        Some(size) => Invocation::isolated_in_memory(HOSTNAME, places.scratch, size),
        None => Invocation::isolated(HOSTNAME),
    };
    let run = isolated.runs(run).within(places.scratch);
    Ok(by(run_as, run).variable("SOURCE_DATE_EPOCH", epoch.to_string()).variable("TMPDIR", places.scratch))
}

/// The line that unpacks `base` into the tree, which mmdebstrap names behind it. It makes devices of its own, and the
/// list that names the local repository is there by then.
fn unpacking(base: &Path) -> OsString {
    let mut line = OsString::from(
        "tar --extract --preserve-permissions --same-owner --numeric-owner --xattrs --xattrs-include='*' \
         --warning=no-timestamp --exclude='./dev/*' --exclude=./etc/apt/sources.list --file=",
    );
    line.push(quoted(base));
    line.push(" --directory=\"$1\"");
    line
}

/// Every package by name, sorted.
fn names<'a>(packages: impl Iterator<Item = &'a Resolved>) -> Result<Vec<&'a str>, Error> {
    let mut names: Vec<_> = packages.map(|resolved| resolved.package.name.as_str()).collect();
    if let Some(odd) = names.iter().find(|name| !is_package_name(name)) {
        return Err(Error::NoName { text: odd.chars().take(80).collect() });
    }
    names.sort_unstable();
    Ok(names)
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

/// Quotes a path for a shell.
fn quoted(path: &Path) -> OsString {
    let mut out = vec![b'\''];
    for byte in path.as_os_str().as_bytes() {
        if *byte == b'\'' { out.extend(br"'\''") } else { out.push(*byte) }
    }
    out.push(b'\'');
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

    use model::resolution::{ReleaseFields, ReleaseInfo};

    use super::super::tests::{changed, resolution};
    use super::*;

    fn shown(arch: Arch, variant: Variant, privilege: Privilege) -> String {
        shown_over(arch, variant, privilege, None, None)
    }

    fn shown_over(
        arch: Arch,
        variant: Variant,
        privilege: Privilege,
        base: Option<&Path>,
        memory: Option<u64>,
    ) -> String {
        let packages = [("base-files", "13", arch.debian()), ("demo", "1:2-3", "all")];
        let resolution = changed(&packages, |fields| {
            (fields.arch, fields.variant) = (arch, variant);
            fields.packages[0] = fields.packages[0].changed(|package| package.base = true).unwrap();
        });
        let invocation = plan(
            &resolution,
            Epoch::from_seconds(1_700_000_000).unwrap(),
            privilege,
            Places {
                repository: Path::new("/cache dir/repository"),
                scratch: Path::new("/cache dir/scratch"),
                fixed: Path::new("/cache dir/fixed"),
                archive: Path::new("/cache dir/rootfs.tar"),
                base,
                memory,
            },
        )
        .unwrap();
        let mut out = String::new();
        for (name, value) in invocation.environment() {
            writeln!(out, "{}={}", name.display(), value.display()).unwrap();
        }
        for argument in invocation.argv() {
            writeln!(out, "  {}", argument.display()).unwrap();
        }
        out.replace(&format!("={}\n", std::process::id()), "=OURS\n")
    }

    #[test]
    fn a_build_by_root() {
        insta::assert_snapshot!(shown(Arch::Amd64, Variant::Minbase, Privilege::Root));
    }

    #[test]
    fn every_mode_variant_and_architecture_differs_only_where_it_should() {
        let lines = |arch, variant, privilege| -> Vec<String> {
            shown(arch, variant, privilege).lines().map(str::to_owned).collect()
        };
        let base = lines(Arch::Amd64, Variant::Minbase, Privilege::Root);
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
            assert_eq!(added(lines(Arch::Amd64, variant, Privilege::Root)), wanted, "{variant}");
        }
        let user = added(lines(Arch::Amd64, Variant::Minbase, Privilege::User));
        let unshare = ["unshare", "--user", "--map-auto", "--map-root-user", "--setuid", "0", "--setgid", "0", "--"];
        assert_eq!(user, unshare.map(|word| format!("  {word}")));
        for arch in Arch::all().filter(|arch| *arch != Arch::Amd64) {
            assert_eq!(added(lines(arch, Variant::Minbase, Privilege::Root)), [format!("  --architectures={arch}")]);
        }
    }

    #[test]
    fn over_a_base_its_tar_is_unpacked_first_and_its_packages_are_not_named() {
        let (arch, variant, privilege) = (Arch::Amd64, Variant::Minbase, Privilege::Root);
        let base = Some(Path::new("/cache dir/it's base.tar"));
        let over = shown_over(arch, variant, privilege, base, Some(1 << 30));
        let from_nothing = shown(arch, variant, privilege);
        let added: Vec<&str> = over.lines().filter(|line| !from_nothing.lines().any(|other| other == *line)).collect();
        insta::assert_snapshot!(added.join("\n"));
        let at = |text: &str| over.find(text).unwrap();
        assert!(at("--setup-hook=tar") < at("--setup-hook=upload"), "what is uploaded replaces what the base has");
        assert!(from_nothing.contains("--include=base-files,demo"));
    }

    #[test]
    fn odd_paths_and_suites_are_escaped() {
        let path = Path::new("/a b'\"$/%ü");
        assert_eq!(shellwords(path).as_bytes(), b"/a\\ b\\'\\\"\\$/\\%\\\xc3\\\xbc");
        assert_eq!(quoted(path).as_bytes(), "'/a b'\\''\"$/%ü'".as_bytes());
        assert_eq!(percent_encoded(path), "/a%20b%27%22%24/%25%c3%bc");
        assert_eq!(resolution(&[]).codename(), "trixie");
        let named = |codename: &str, suite: &str| {
            changed(&[], |fields| {
                fields.suite = suite.to_owned();
                let release = fields.release.clone().unwrap().into_inner();
                let release = ReleaseFields { codename: codename.to_owned(), ..release };
                fields.release = Some(ReleaseInfo::new(release).unwrap());
            })
        };
        assert_eq!(named("a.b", "stable").codename(), "stable");
        assert_eq!(named("", "x/updates").codename(), "locked");
    }
}
