//! The table of rules. The first that takes a file decides.

use super::formats::Format;
use super::rule::{Action, Copies, Rule, Test};
use super::{shadow, trust_store};

const fn rule(
    name: &'static str,
    reason: &'static str,
    paths: &'static [&'static str],
    test: Test,
    action: Action,
) -> Rule {
    Rule { name, reason, paths, action, secret: false, copies: Copies::Nothing, test }
}

const fn secret(name: &'static str, reason: &'static str, paths: &'static [&'static str], test: Test) -> Rule {
    Rule { name, reason, paths, action: Action::Drop, secret: true, copies: Copies::Nothing, test }
}

/// For a file that was made out of others when these had secrets among them.
const fn copies(copies: Copies, name: &'static str, reason: &'static str, paths: &'static [&'static str]) -> Rule {
    Rule { name, reason, paths, action: Action::Drop, secret: true, copies, test: Test::Unowned }
}

/// Keys of a server of SSH.
pub(super) const SSH_KEYS: &str = "ssh-host-keys";
const SSH_KEYS_REASON: &str = "host keys that many machines share identify none of them";
/// Where what a script drew may lie. What programs keep below `/var/cache` and the like is not shipped.
pub(super) const MADE: &[&str] = &[
    "/etc/**",
    "/usr/share/**",
    "/usr/lib/*/**",
    "/usr/local/**",
    "/var/lib/*/**",
    "/var/spool/**",
    "/var/www/**",
    "/opt/**",
    "/srv/**",
];
/// Keys of other services, and certificates that are known by them.
pub(super) const CERTIFICATES: &str = "service-keys";
const SERVICE_KEYS_REASON: &str = "keys, certificates and cookies that a package makes for itself when it is installed are random and belong to one host";
/// Links to such certificates.
pub(super) const LINKS: &str = "service-key-links";
const PRIVATE_KEYS: &str = "private-keys";
const PRIVATE_KEYS_REASON: &str =
    "a private key that no package installed was made on the building host by a maintainer script";
const PASSWORDS: &str = "generated-passwords";
const PASSWORDS_REASON: &str = "passwords that a package drew at random when it was installed, ucf's copies among them";
/// Passwords of the system's own accounts.
const SET_PASSWORDS: &str = "set-passwords";
const SET_PASSWORDS_REASON: &str =
    "a password that a package's script set would be every machine's: such accounts are locked";
/// Identifiers of a host.
pub(super) const IDENTIFIERS: &str = "host-identifiers";
const IDENTIFIERS_REASON: &str = "an identifier that a package made for one host";
/// Directories of data, known by a mark in them.
pub(super) const DATABASES: &str = "database-clusters";
const DATABASES_REASON: &str =
    "a database that was created when its package was installed has a random identifier, passwords and times";
/// Crontabs of those that drew an identifier.
pub(super) const SCHEDULES: &str = "random-schedules";

/// The first rule of the name.
pub(super) fn named(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// A rule without paths is for what is known by its neighbours (`made_with`). Several of one name are one rule to its user.
pub(super) const RULES: &[Rule] = &[
    rule(
        "machine-id",
        "an empty /etc/machine-id makes systemd give each machine its own at first boot",
        &["/etc/machine-id"],
        Test::File,
        Action::Empty,
    ),
    rule(
        "dbus-machine-id",
        "D-Bus's identifier of the machine must not be shared between machines",
        &["/var/lib/dbus/machine-id"],
        Test::Unowned,
        Action::Drop,
    ),
    secret(SSH_KEYS, SSH_KEYS_REASON, &["/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub"], Test::File),
    secret(SSH_KEYS, SSH_KEYS_REASON, &["/etc/**"], Test::Form(Format::SshKey)),
    // Certificates are known by their keys.
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Form(Format::DhParameters)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Form(Format::ControlKey)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, &["/etc/**"], Test::Form(Format::Exponent)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Form(Format::BinaryKey)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Guess(Format::RandomBytes)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Guess(Format::Uuid)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Guess(Format::NamedUuid)),
    secret(CERTIFICATES, SERVICE_KEYS_REASON, MADE, Test::Guess(Format::Token)),
    // SASL's own file of passwords, and that of distributed Erlang in the home of each user.
    secret(CERTIFICATES, SERVICE_KEYS_REASON, &["/etc/sasldb2", "/var/lib/*/.erlang.cookie"], Test::Unowned),
    rule(
        LINKS,
        "the hashed link of a certificate that is not shipped would lead nowhere",
        &[],
        Test::Any,
        Action::Drop,
    ),
    secret(PRIVATE_KEYS, PRIVATE_KEYS_REASON, &["/**"], Test::PrivateKey),
    secret(PRIVATE_KEYS, PRIVATE_KEYS_REASON, MADE, Test::Form(Format::KeyLine)),
    secret(
        "random-seeds",
        "a seed that many machines share makes their random numbers alike",
        &[
            "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret",
            "/var/lib/urandom/random-seed",
            "/var/lib/random-seed",
        ],
        Test::File,
    ),
    // gethostid(3); "NVMe Host Identifier" of the NVM Express specification
    secret(IDENTIFIERS, IDENTIFIERS_REASON, &["/etc/hostid", "/etc/nvme/hostid", "/etc/nvme/hostnqn"], Test::Unowned),
    secret(IDENTIFIERS, IDENTIFIERS_REASON, &["/etc/**"], Test::Form(Format::HostName)),
    // All that is in a directory with a mark of such.
    secret(DATABASES, DATABASES_REASON, &[], Test::Any),
    secret(DATABASES, DATABASES_REASON, &["/var/lib/**"], Test::Form(Format::FirebirdDatabase)),
    Rule {
        action: Action::Rewrite(shadow::lock_and_clamp),
        ..secret(SET_PASSWORDS, SET_PASSWORDS_REASON, &["/etc/shadow"], Test::Form(Format::HashedAccount))
    },
    Rule {
        action: Action::Rewrite(shadow::lock),
        ..secret(SET_PASSWORDS, SET_PASSWORDS_REASON, &["/etc/gshadow"], Test::Form(Format::HashedAccount))
    },
    secret(PASSWORDS, PASSWORDS_REASON, MADE, Test::Form(Format::Password)),
    secret(PASSWORDS, PASSWORDS_REASON, MADE, Test::Named(Format::DrawnWord)),
    secret(
        "etc-history",
        "a history of /etc holds every file that was ever there, keys among them, and when the build was",
        &["/etc/.git", "/etc/.hg", "/etc/.bzr", "/etc/_darcs"],
        Test::Any,
    ),
    secret(
        "debconf-passwords",
        "debconf keeps answers of type password there",
        &["/var/cache/debconf/passwords.dat", "/var/cache/debconf/passwords.dat-old"],
        Test::File,
    ),
    copies(
        Copies::Initramfs,
        "initial-ram-disks",
        "an initial RAM disk was made while the secrets were there; make it again where it is used",
        &["/boot/initrd.img-*", "/boot/initramfs-*"],
    ),
    copies(
        Copies::Others,
        "ucf-digests",
        "ucf's digests of the configuration files that packages made, those with secrets among them",
        &["/var/lib/ucf/hashfile"],
    ),
    rule(
        SCHEDULES,
        "a package drew the time of its daily run at random, so that not every host runs it at once",
        &[],
        Test::Any,
        Action::Drop,
    ),
    rule(
        "hostname",
        "the machine that runs the module has its own name",
        &["/etc/hostname", "/etc/mailname"],
        Test::Unowned,
        Action::Drop,
    ),
    rule(
        "resolv-conf",
        "the name servers are those of the machine that runs the module",
        // The second is what systemd-resolved keeps of the build's own file.
        &["/etc/resolv.conf", "/etc/.resolv.conf.systemd-resolved.bak"],
        Test::Unowned,
        Action::Drop,
    ),
    rule(
        "build-apparatus",
        "the build's own apt and dpkg configuration means nothing after it",
        &[
            "/etc/apt/sources.list",
            "/etc/apt/apt.conf.d/99mmdebstrap",
            "/etc/dpkg/dpkg.cfg.d/99mmdebstrap",
            "/usr/bin/qemu-*-static",
        ],
        Test::Unowned,
        Action::Drop,
    ),
    rule(
        "apt-state",
        "indices, downloads and locks of the build's apt",
        &["/var/lib/apt/lists/**", "/var/cache/apt/**", "/var/lib/apt/periodic/**"],
        Test::File,
        Action::Drop,
    ),
    rule(
        "dpkg-locks",
        "locks of the build's dpkg",
        &["/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock"],
        Test::File,
        Action::Drop,
    ),
    rule(
        "package-logs",
        "logs of the installation say when it was",
        &[
            "/var/log/apt/**",
            "/var/log/dpkg.log*",
            "/var/log/alternatives.log*",
            "/var/log/bootstrap.log",
            "/var/log/journal/**",
        ],
        Test::File,
        Action::Drop,
    ),
    rule(
        "login-records",
        "records of logins belong to one machine",
        &["/var/log/lastlog", "/var/log/wtmp", "/var/log/btmp", "/var/log/faillog", "/var/log/tallylog"],
        Test::File,
        Action::Empty,
    ),
    rule(
        "installation-logs",
        "what a log holds was written when the packages were installed; the file stays with its owner and mode",
        &["/var/log/**"],
        Test::Unowned,
        Action::Empty,
    ),
    rule(
        "ldconfig-cache",
        "ldconfig's auxiliary cache holds inode numbers and times of the building host",
        &["/var/cache/ldconfig/**"],
        Test::File,
        Action::Drop,
    ),
    rule(
        "made-caches",
        "caches that embed directory times, and that their programs make again",
        &["/var/cache/fontconfig/**", "/var/cache/man/**", "/var/cache/apparmor/**"],
        Test::File,
        Action::Drop,
    ),
    rule(
        "timed-byte-code",
        "byte code that embeds its source's time is stale as soon as times are normalised; hash-checked byte code stays",
        &["/**/__pycache__/*.pyc"],
        Test::TimedByteCode,
        Action::Drop,
    ),
    rule(
        "backup-files",
        "copies of a file as it was before the last package changed it",
        &[
            "/etc/passwd-",
            "/etc/group-",
            "/etc/shadow-",
            "/etc/gshadow-",
            "/etc/subuid-",
            "/etc/subgid-",
            "/var/lib/dpkg/*-old",
            "/var/cache/debconf/*-old",
            "/var/backups/**",
            "/var/lib/ucf/hashfile.*",
            "/var/lib/ucf/registry.*",
        ],
        Test::File,
        Action::Drop,
    ),
    rule(
        "dpkg-leftovers",
        "temporary files of an unpacking that was interrupted",
        &["/**/*.dpkg-new", "/**/*.dpkg-tmp"],
        Test::Unowned,
        Action::Drop,
    ),
    rule(
        "volatile-directories",
        "the running system puts a fresh file system there",
        &["/run/**", "/tmp/**", "/var/tmp/**"],
        Test::Any,
        Action::Drop,
    ),
    rule(
        "shadow-last-change",
        "the day of the last password change is never later than the build's epoch",
        &["/etc/shadow"],
        Test::File,
        Action::Rewrite(shadow::clamp_last_change),
    ),
    rule(
        "java-trust-store",
        "each entry of Java's trust store holds the time when it was added, which becomes the build's epoch",
        &["/etc/ssl/certs/java/cacerts"],
        Test::JavaKeyStore,
        Action::Rewrite(trust_store::set_dates),
    ),
];
