//! The trial's own layer, which lies over all others: what a node has of itself, and what makes no sense here.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use host::{Dir, Links};

use crate::Error;

/// The name of the host in a trial.
pub const HOST_NAME: &str = "trial";

/// The target that starts what is tried.
pub const TARGET: &str = "module-builder-trial.target";

/// Where units of the trial's own are.
const UNITS: &str = "etc/systemd/system";

/// Directories on which something is mounted, or which every system has.
const DIRECTORIES: [&str; 8] = ["dev", "etc", "proc", "run", "sys", "tmp", "usr", "var"];

/// Units that need a machine: terminals, devices, a network, a kernel that is theirs, or an archive.
const OF_A_MACHINE: [&str; 42] = [
    "apt-daily-upgrade.service",
    "apt-daily-upgrade.timer",
    "apt-daily.service",
    "apt-daily.timer",
    "console-getty.service",
    "container-getty@.service",
    "dev-hugepages.mount",
    "dpkg-db-backup.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty-static.service",
    "getty.target",
    "getty@.service",
    "getty@tty1.service",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-hwdb-update.service",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-remount-fs.service",
    "systemd-resolved.service",
    "systemd-sysctl.service",
    "systemd-timesyncd.service",
    "systemd-udev-settle.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
];

/// Whether the unit needs a machine, so that it is not started here unless a manifest declares it.
#[must_use]
pub fn is_of_a_machine(unit: &str) -> bool {
    OF_A_MACHINE.binary_search(&unit).is_ok()
}

/// What a layer holds: a content, or a link's target, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file that everyone may read.
    File(Vec<u8>),
    /// A link.
    Link(String),
}

/// The layer for a run in which systemd starts `units`; `drop_ins` are texts by the unit that they change.
#[must_use]
pub fn layer(units: &[String], drop_ins: &BTreeMap<String, String>) -> BTreeMap<String, Entry> {
    let file = |text: &str| Entry::File(text.as_bytes().to_vec());
    let hosts = format!(
        "127.0.0.1\tlocalhost\n127.0.1.1\t{HOST_NAME}\n::1\tlocalhost ip6-localhost ip6-loopback\nff02::1\tip6-allnodes\n"
    );
    let mut layer = BTreeMap::from([
        ("etc/hosts".to_owned(), file(&hosts)),
        ("etc/hostname".to_owned(), file(&format!("{HOST_NAME}\n"))),
        // A machine that has booted before: an empty one would have every unit enabled.
        ("etc/machine-id".to_owned(), file("7472696c6f666d6f64756c6562756c64\n")),
        ("etc/resolv.conf".to_owned(), file("")),
        (
            "etc/systemd/journald.conf.d/zz-trial.conf".to_owned(),
            file("[Journal]\nStorage=volatile\nRateLimitBurst=0\n"),
        ),
    ]);
    for unit in OF_A_MACHINE.iter().filter(|unit| !units.iter().any(|wanted| wanted == *unit)) {
        layer.insert(format!("{UNITS}/{unit}"), Entry::Link("/dev/null".to_owned()));
    }
    let mut target = "[Unit]\nDescription=What is tried\nRequires=basic.target\nAfter=basic.target\n".to_owned();
    for unit in units {
        target.push_str(&format!("Wants={unit}\nAfter={unit}\n"));
    }
    layer.insert(format!("{UNITS}/{TARGET}"), file(&target));
    for (unit, text) in drop_ins {
        layer.insert(format!("{UNITS}/{unit}.d/zz-trial.conf"), file(text));
    }
    layer
}

/// Writes a layer into the empty directory `into`.
///
/// # Errors
/// When it cannot be written.
pub fn write(layer: &BTreeMap<String, Entry>, into: &Dir) -> Result<(), Error> {
    for name in DIRECTORIES {
        into.create_directory(name, 0o755)?;
    }
    for (path, entry) in layer {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = into.try_clone()?;
        for parent in parents.split('/').filter(|name| !name.is_empty()) {
            at = match at.directory(parent, Links::Refuse) {
                Err(error) if error.is_not_found() => at.create_directory(parent, 0o755)?,
                opened => opened?,
            };
        }
        match entry {
            Entry::File(content) => at.write(name, content, 0o644)?,
            Entry::Link(target) => {
                let made = rustix::fs::symlinkat(target.as_str(), &at, OsStr::new(name));
                made.map_err(Error::io("make the link", &at.join(name)))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_is_wanted_and_never_masked() {
        let units = ["a.service".to_owned(), "systemd-resolved.service".to_owned()];
        let drop_ins = BTreeMap::from([("a.service".to_owned(), "[Unit]\nConditionCapability=\n".to_owned())]);
        let layer = layer(&units, &drop_ins);
        let text = |path: &str| match &layer[path] {
            Entry::File(content) => String::from_utf8(content.clone()).unwrap(),
            Entry::Link(target) => format!("-> {target}"),
        };
        assert!(text("etc/systemd/system/module-builder-trial.target").contains("Wants=a.service\nAfter=a.service\n"));
        assert_eq!(text("etc/systemd/system/getty.target"), "-> /dev/null");
        assert!(!layer.contains_key("etc/systemd/system/systemd-resolved.service"));
        assert_eq!(text("etc/systemd/system/a.service.d/zz-trial.conf"), "[Unit]\nConditionCapability=\n");
        assert_eq!(text("etc/machine-id").trim().len(), 32);
        assert!(text("etc/machine-id").trim().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(OF_A_MACHINE.is_sorted());
        let folder = tempfile::tempdir().unwrap();
        write(&layer, &Dir::open(folder.path()).unwrap()).unwrap();
        assert!(std::fs::read_to_string(folder.path().join("etc/hosts")).unwrap().contains("localhost"));
        assert!(folder.path().join("var").is_dir());
    }
}
