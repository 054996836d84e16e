//! What a root file system holds that must not be shipped, or not as it is.
//!
//! Everything here is unique to one host or one build (keys, identifiers, seeds), tells of the
//! build itself (logs, caches, locks), or embeds a time. The rules are pure: the caller walks its
//! tree, asks [`rule_for`] about each file and does what the rule's [`Action`] says. A secret that a
//! maintainer script made is never dropped silently: such rules are marked [`Rule::secret`], and
//! the caller names what they took.

use std::borrow::Cow;

use model::{Epoch, ImagePath};

/// How many first bytes of a file the content rules look at.
pub const HEAD: usize = 4096;

/// What is done with a file that a rule takes.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// The file is left out.
    Drop,
    /// The file stays, without content.
    Empty,
    /// The content is replaced by what the function makes of it.
    Rewrite(fn(&[u8], Epoch) -> Result<Vec<u8>, Error>),
}

/// What a file looks like to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// A directory.
    Directory,
    /// A regular file with its first [`HEAD`] bytes; empty where [`wants_head`] did not ask for them.
    Regular(&'a [u8]),
    /// A symbolic link with its target.
    Symlink(&'a [u8]),
    /// A device, pipe or socket.
    Special,
}

/// A file of the tree, as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Where it lies in the tree, links resolved.
    pub path: &'a ImagePath,
    /// What it is.
    pub look: Look<'a>,
    /// Whether a package brought it. A file that no package brought was made by a maintainer script
    /// or by the build.
    pub owned: bool,
}

/// What a rule looks for beside the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// Anything at such a path but a directory.
    File,
    /// Anything at such a path.
    Any,
    /// A regular file that no package brought.
    Unowned,
    /// A symbolic link to a name that ends so.
    LinkTo(&'static [u8]),
    /// A regular file that no package brought and that holds a private key.
    PrivateKey,
    /// A Python byte-code file that embeds its source's time.
    TimedByteCode,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name in kebab-case, which is recorded with a build.
    pub name: &'static str,
    /// Why such a file is not shipped as it is.
    pub reason: &'static str,
    /// Paths; `*` is any part of one component, `**` is any number of components.
    pub paths: &'static [&'static str],
    /// What is done.
    pub action: Action,
    /// Whether such a file is a secret or an identity, which the user must be told of by its path.
    pub secret: bool,
    test: Test,
}

/// Why a file cannot be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of `/etc/shadow` has not its nine fields.
    #[error("/etc/shadow, line {line}: it has not nine fields")]
    Shadow {
        /// Counted from 1.
        line: usize,
    },
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is left out.
    Dropped,
    /// It has this content now.
    Replaced(Vec<u8>),
    /// The rule had nothing to change.
    Unchanged,
}

const fn rule(
    name: &'static str,
    reason: &'static str,
    paths: &'static [&'static str],
    test: Test,
    action: Action,
) -> Rule {
    Rule { name, reason, paths, action, secret: false, test }
}

const fn secret(name: &'static str, reason: &'static str, paths: &'static [&'static str], test: Test) -> Rule {
    Rule { name, reason, paths, action: Action::Drop, secret: true, test }
}

const RULES: &[Rule] = &[
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
    secret(
        "ssh-host-keys",
        "host keys that many machines share identify none of them",
        &["/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub"],
        Test::File,
    ),
    secret(
        "service-keys",
        "keys and certificates that a package makes for itself when it is installed are random and belong to one host",
        &[
            "/etc/ssl/private/ssl-cert-snakeoil.key",
            "/etc/ssl/certs/ssl-cert-snakeoil.pem",
            "/etc/unbound/unbound_*.key",
            "/etc/unbound/unbound_*.pem",
            "/etc/bind/rndc.key",
            "/etc/dovecot/private/**",
            "/etc/exim4/exim.key",
            "/etc/exim4/exim.crt",
        ],
        Test::Unowned,
    ),
    rule(
        "service-key-links",
        "the hashed link of a certificate that is not shipped would lead nowhere",
        &["/etc/ssl/certs/*"],
        Test::LinkTo(b"ssl-cert-snakeoil.pem"),
        Action::Drop,
    ),
    secret(
        "private-keys",
        "a private key that no package brought was made on the building host by a maintainer script",
        &["/**"],
        Test::PrivateKey,
    ),
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
    secret(
        "host-identifiers",
        "an identifier that a storage or cluster service made for one host",
        &["/etc/hostid", "/etc/nvme/hostid", "/etc/nvme/hostnqn", "/etc/iscsi/initiatorname.iscsi"],
        Test::Unowned,
    ),
    secret(
        "database-clusters",
        "a database that was created when its package was installed has a random identifier, passwords and times",
        &["/var/lib/postgresql/*/*/**", "/var/lib/mysql/**"],
        Test::Any,
    ),
    secret(
        "debconf-passwords",
        "debconf keeps answers of type password there",
        &["/var/cache/debconf/passwords.dat", "/var/cache/debconf/passwords.dat-old"],
        Test::File,
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
        &["/etc/resolv.conf"],
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
        "logs of the installation tell when it was",
        &[
            "/var/log/apt/**",
            "/var/log/dpkg.log*",
            "/var/log/alternatives.log*",
            "/var/log/bootstrap.log",
            "/var/log/fontconfig.log",
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
        Action::Rewrite(clamp_last_change),
    ),
];

/// Every rule. The first that takes a file decides.
#[must_use]
pub fn rules() -> &'static [Rule] {
    RULES
}

/// The first rule that takes the file.
#[must_use]
pub fn rule_for(candidate: &Candidate<'_>) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.takes(candidate))
}

/// Whether a rule may need the first [`HEAD`] bytes of a regular file. Asking this first spares
/// reading almost every file of a tree.
#[must_use]
pub fn wants_head(path: &ImagePath, owned: bool, size: u64) -> bool {
    // A key of 16384 bits takes 13 KiB; a larger file is no key.
    let may_be_key = !owned && (32..=64 << 10).contains(&size);
    may_be_key || path.as_bytes().ends_with(b".pyc")
}

/// A name for the set of rules, for cache keys: it changes whenever a rule does.
#[must_use]
pub fn version() -> model::Digest {
    let mut text = String::from("scrub 1\n");
    for rule in RULES {
        text.push_str(&format!("{} {:?} {:?} ", rule.name, rule.paths, rule.test));
        text.push_str(match rule.action {
            Action::Drop => "drop\n",
            Action::Empty => "empty\n",
            Action::Rewrite(_) => "rewrite\n",
        });
    }
    model::Digest::of(text.as_bytes())
}

impl Rule {
    /// Whether the rule takes the file.
    #[must_use]
    pub fn takes(&self, candidate: &Candidate<'_>) -> bool {
        self.test.holds(candidate) && self.paths.iter().any(|pattern| matches(pattern, candidate.path))
    }

    /// What becomes of a file of this content; see [`Action`].
    ///
    /// # Errors
    /// When a file that is to be rewritten is not what it should be.
    pub fn apply(&self, content: &[u8], epoch: Epoch) -> Result<Outcome, Error> {
        let replaced = match self.action {
            Action::Drop => return Ok(Outcome::Dropped),
            Action::Empty => Cow::Borrowed(&[][..]),
            Action::Rewrite(rewrite) => Cow::Owned(rewrite(content, epoch)?),
        };
        Ok(if *replaced == *content { Outcome::Unchanged } else { Outcome::Replaced(replaced.into_owned()) })
    }
}

impl Test {
    fn holds(self, candidate: &Candidate<'_>) -> bool {
        match (self, candidate.look) {
            (Self::Any, _) => true,
            (Self::File, look) => look != Look::Directory,
            (Self::Unowned, Look::Regular(_) | Look::Symlink(_)) => !candidate.owned,
            (Self::LinkTo(end), Look::Symlink(target)) => target.ends_with(end),
            (Self::PrivateKey, Look::Regular(head)) => !candidate.owned && holds_private_key(head),
            (Self::TimedByteCode, Look::Regular(head)) => embeds_time(head),
            _ => false,
        }
    }
}

/// RFC 7468 labels: `PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, and the older `RSA PRIVATE KEY`, `OPENSSH
/// PRIVATE KEY`, `PGP PRIVATE KEY BLOCK` and so on, at the beginning of a line.
fn holds_private_key(head: &[u8]) -> bool {
    head.split(|b| matches!(b, b'\n' | b'\r')).any(|line| {
        let label = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----"));
        label.is_some_and(|label| label.ends_with(b"PRIVATE KEY") || label == b"PGP PRIVATE KEY BLOCK")
    })
}

/// PEP 552: bytes 4 to 8 are flags; the lowest bit is clear where the source's time and size follow
/// instead of its hash.
fn embeds_time(head: &[u8]) -> bool {
    head.get(4..8).is_some_and(|flags| flags[0] & 1 == 0)
}

/// shadow(5): the third of nine fields counts days since 1970.
fn clamp_last_change(content: &[u8], epoch: Epoch) -> Result<Vec<u8>, Error> {
    let today = epoch.seconds() / 86_400;
    let mut out = Vec::with_capacity(content.len());
    for (index, line) in content.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let mut fields: Vec<Cow<'_, [u8]>> = text.split(|b| *b == b':').map(Cow::Borrowed).collect();
        if fields.len() != 9 && !text.is_empty() {
            return Err(Error::Shadow { line: index + 1 });
        }
        if let Some(field) = fields.get_mut(2) {
            let day = std::str::from_utf8(field).ok().and_then(|day| day.parse::<i64>().ok());
            if day.is_some_and(|day| day > today) {
                *field = Cow::Owned(today.to_string().into_bytes());
            }
        }
        out.extend_from_slice(&fields.join(&b':'));
        out.extend_from_slice(&line[text.len()..]);
    }
    Ok(out)
}

/// Whether `path` is what `pattern` says; see [`Rule::paths`].
fn matches(pattern: &str, path: &ImagePath) -> bool {
    // What stands before the first and after the last star must stand in the path. This settles
    // almost every path of a tree, of which each meets each pattern.
    let (bytes, text) = (path.as_bytes(), pattern.as_bytes());
    let start = text.split(|b| *b == b'*').next().unwrap_or_default();
    let end = text.rsplit(|b| *b == b'*').next().unwrap_or_default();
    // `**/` may stand for nothing, so that the slash after it need not be there.
    let end = end.strip_prefix(b"/").filter(|_| end.len() < text.len()).unwrap_or(end);
    if !bytes.starts_with(start) || !bytes.ends_with(end) {
        return false;
    }
    let wanted: Vec<&[u8]> = pattern.as_bytes()[1..].split(|b| *b == b'/').collect();
    let components: Vec<&[u8]> = path.components().collect();
    matches_components(&wanted, &components)
}

fn matches_components(wanted: &[&[u8]], components: &[&[u8]]) -> bool {
    match wanted.split_first() {
        None => components.is_empty(),
        // At the end `**` is one component or more: `/tmp/**` is not `/tmp`.
        Some((&b"**", [])) => !components.is_empty(),
        Some((&b"**", rest)) => (0..=components.len()).any(|skip| matches_components(rest, &components[skip..])),
        Some((first, rest)) => components
            .split_first()
            .is_some_and(|(name, below)| matches_name(first, name) && matches_components(rest, below)),
    }
}

fn matches_name(wanted: &[u8], name: &[u8]) -> bool {
    match wanted.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skip| matches_name(rest, &name[skip..])),
        Some((first, rest)) => name.split_first().is_some_and(|(b, below)| b == first && matches_name(rest, below)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use super::*;

    const KEY: &[u8] = b"Bag Attributes\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n";

    fn taken(path: &str, look: Look<'_>, owned: bool) -> Option<&'static str> {
        let path = ImagePath::new(path).unwrap();
        rule_for(&Candidate { path: &path, look, owned }).map(|rule| rule.name)
    }

    #[test]
    fn each_rule_takes_what_it_is_for() {
        let timed = b"\xf3\x0d\x0d\x0a\0\0\0\0time";
        let cases: &[(&str, &str, Look<'_>)] = &[
            ("machine-id", "/etc/machine-id", Look::Regular(b"")),
            ("dbus-machine-id", "/var/lib/dbus/machine-id", Look::Regular(b"")),
            ("ssh-host-keys", "/etc/ssh/ssh_host_ed25519_key", Look::Regular(KEY)),
            ("ssh-host-keys", "/etc/ssh/ssh_host_rsa_key.pub", Look::Regular(b"")),
            ("service-keys", "/etc/ssl/certs/ssl-cert-snakeoil.pem", Look::Regular(b"")),
            ("service-key-links", "/etc/ssl/certs/0a1b2c3d.0", Look::Symlink(b"ssl-cert-snakeoil.pem")),
            ("private-keys", "/etc/anything/key.pem", Look::Regular(KEY)),
            ("random-seeds", "/var/lib/systemd/random-seed", Look::Regular(b"")),
            ("host-identifiers", "/etc/nvme/hostid", Look::Regular(b"")),
            ("database-clusters", "/var/lib/postgresql/17/main/PG_VERSION", Look::Regular(b"")),
            ("debconf-passwords", "/var/cache/debconf/passwords.dat", Look::Regular(b"")),
            ("hostname", "/etc/hostname", Look::Regular(b"")),
            ("resolv-conf", "/etc/resolv.conf", Look::Symlink(b"../run/x")),
            ("build-apparatus", "/etc/apt/sources.list", Look::Regular(b"")),
            ("apt-state", "/var/cache/apt/archives/lock", Look::Regular(b"")),
            ("dpkg-locks", "/var/lib/dpkg/lock", Look::Regular(b"")),
            ("package-logs", "/var/log/apt/history.log", Look::Regular(b"")),
            ("login-records", "/var/log/wtmp", Look::Regular(b"")),
            ("ldconfig-cache", "/var/cache/ldconfig/aux-cache", Look::Regular(b"")),
            ("made-caches", "/var/cache/man/index.db", Look::Regular(b"")),
            ("timed-byte-code", "/usr/lib/python3/__pycache__/a.pyc", Look::Regular(timed)),
            ("backup-files", "/etc/shadow-", Look::Regular(b"")),
            ("backup-files", "/var/lib/dpkg/status-old", Look::Regular(b"")),
            ("dpkg-leftovers", "/usr/bin/x.dpkg-new", Look::Regular(b"")),
            ("volatile-directories", "/run/lock", Look::Directory),
            ("shadow-last-change", "/etc/shadow", Look::Regular(b"")),
        ];
        for (name, path, look) in cases {
            assert_eq!(taken(path, *look, false), Some(*name), "{path}");
        }
        for rule in rules() {
            assert!(cases.iter().any(|(name, ..)| *name == rule.name), "the rule {} has no case", rule.name);
        }
    }

    #[test]
    fn what_only_resembles_stays() {
        let hashed = b"\xf3\x0d\x0d\x0a\x03\0\0\0hash";
        for (path, look, owned) in [
            ("/usr/lib/python3/__pycache__/a.pyc", Look::Regular(&hashed[..]), false),
            ("/usr/share/doc/x/example-key.pem", Look::Regular(KEY), true),
            ("/etc/ssl/certs/ca-certificates.crt", Look::Regular(b"-----BEGIN CERTIFICATE-----\n"), false),
            ("/etc/x", Look::Regular(b"see -----BEGIN PRIVATE KEY-----"), false),
            ("/etc/ssh/sshd_config", Look::Regular(b""), false),
            ("/etc/ssl/certs/x.pem", Look::Symlink(b"/usr/share/ca-certificates/x.crt"), false),
            ("/var/lib/dbus/machine-id", Look::Symlink(b"/etc/machine-id"), true),
            ("/tmp", Look::Directory, true),
            ("/run", Look::Directory, true),
            ("/var/cache/apt", Look::Directory, true),
            ("/etc/machine-id", Look::Directory, false),
            ("/var/lib/dpkg/status", Look::Regular(b""), false),
            ("/var/log/nginx/access.log", Look::Regular(b""), false),
        ] {
            assert_eq!(taken(path, look, owned), None, "{path}");
        }
    }

    #[test]
    fn heads_are_asked_for_where_a_content_rule_may_hold() {
        let wants = |path: &str, owned, size| wants_head(&ImagePath::new(path).unwrap(), owned, size);
        assert!(wants("/etc/k", false, 500));
        assert!(!wants("/etc/k", true, 500) && !wants("/usr/lib/big", false, 1 << 20));
        assert!(wants("/usr/lib/__pycache__/a.pyc", true, 1 << 20));
    }

    #[test]
    fn the_last_change_of_a_password_is_never_later_than_the_epoch() {
        let epoch = Epoch::from_seconds(100 * 86_400 + 5).unwrap();
        let before = b"root:*:200:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*::::::\n";
        let shadow = rules().iter().find(|rule| rule.name == "shadow-last-change").unwrap();
        assert!(matches!(shadow.apply(before, epoch), Err(Error::Shadow { line: 3 })));
        let before = b"root:*:200:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*:::::::";
        let after = b"root:*:100:0:99999:7:::\ndaemon:*:99:0:99999:7:::\nx:!*:::::::";
        assert_eq!(shadow.apply(before, epoch), Ok(Outcome::Replaced(after.to_vec())));
        assert_eq!(shadow.apply(after, epoch), Ok(Outcome::Unchanged));
    }

    #[test]
    fn an_emptied_file_is_empty_and_names_are_unique() {
        let epoch = Epoch::from_seconds(0).unwrap();
        assert_eq!(rules()[0].apply(b"0123", epoch), Ok(Outcome::Replaced(Vec::new())));
        assert_eq!(rules()[0].apply(b"", epoch), Ok(Outcome::Unchanged));
        let mut names: Vec<_> = rules().iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules().len());
    }
}
