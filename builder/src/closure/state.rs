//! What maintainer scripts leave behind that is no part of a module: it belongs to the machine, to the whole node, or to
//! the package manager.

use model::ImagePath;

use crate::scrub::matches;

/// Why something that a script made or changed is not shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Users and groups, which the node makes by sysusers.d.
    Accounts,
    /// What the package manager remembers, of which a node would see that of one module.
    PackageDatabase,
    /// Kept from run to run to save time, and made anew where it is missing.
    Cache,
    /// It describes the machine that it is on.
    Machine,
    /// It is there while the machine runs only.
    Runtime,
    /// Written while packages were installed.
    Log,
    /// Which units are enabled, remembered for the package manager's sake, or for a system without systemd.
    Enablement,
}

impl State {
    /// Every one.
    pub const ALL: [Self; 7] =
        [Self::Accounts, Self::PackageDatabase, Self::Cache, Self::Machine, Self::Runtime, Self::Log, Self::Enablement];

    /// In a word or two, for a list of what was left out.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::PackageDatabase => "package database",
            Self::Cache => "caches",
            Self::Machine => "the machine's own",
            Self::Runtime => "run time",
            Self::Log => "logs",
            Self::Enablement => "enablement",
        }
    }

    /// Patterns as in [`crate::scrub::Rule::paths`].
    fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Accounts => &[
                "/etc/passwd",
                "/etc/passwd-",
                "/etc/group",
                "/etc/group-",
                "/etc/shadow",
                "/etc/shadow-",
                "/etc/gshadow",
                "/etc/gshadow-",
                "/etc/subuid",
                "/etc/subuid-",
                "/etc/subgid",
                "/etc/subgid-",
                "/etc/.pwd.lock",
            ],
            Self::PackageDatabase => &[
                "/var/lib/dpkg/**",
                "/var/lib/apt/**",
                "/var/lib/ucf/**",
                "/var/lib/pam/**",
                "/var/lib/shells.state",
                "/var/lib/emacsen-common/**",
                "/var/lib/sgml-base/**",
                "/var/lib/xml-core/**",
                "/var/lib/systemd/catalog/**",
                "/var/backups/**",
                "/var/cache/debconf/**",
                "/etc/apt/sources.list",
                "/etc/apt/sources.list~",
            ],
            Self::Cache => &["/etc/ld.so.cache", "/var/cache/**", "/**/__pycache__/**"],
            Self::Machine => &[
                "/etc/machine-id",
                "/var/lib/dbus/machine-id",
                "/etc/mtab",
                "/etc/resolv.conf",
                "/etc/hostname",
                "/etc/mailname",
                "/etc/hosts",
                "/etc/hosts.allow",
                "/etc/hosts.deny",
                "/etc/networks",
                "/etc/inputrc",
                "/etc/locale.conf",
                "/etc/default/locale",
                "/etc/vconsole.conf",
                "/etc/timezone",
                "/etc/localtime",
                "/etc/adjtime",
                "/etc/environment",
            ],
            Self::Runtime => &["/dev/**", "/proc/**", "/sys/**", "/run/**", "/tmp/**", "/var/tmp/**"],
            Self::Log => &["/var/log/**"],
            Self::Enablement => &[
                "/etc/rc*.d/**",
                "/var/lib/systemd/deb-systemd-helper-*/**",
                "/var/lib/systemd/deb-systemd-user-helper-*/**",
                "/var/lib/insserv/**",
                "/etc/systemd/user/**",
            ],
        }
    }

    /// What `path` is, where it is state.
    #[must_use]
    pub fn of(path: &ImagePath) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.paths().iter().any(|pattern| matches(pattern, path)))
    }

    /// Whether directories of it are part of a module all the same: a service expects its own below `/var/cache`.
    #[must_use]
    pub fn keeps_directories(self) -> bool {
        matches!(self, Self::Cache | Self::Log)
    }
}
