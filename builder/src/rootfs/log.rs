//! What mmdebstrap, dpkg and apt print while they work: progress, and what went wrong.

use model::observe::Task;

use host::process::Tail;

/// How many last lines of a log an error carries.
const TAIL: usize = 40;

/// What went wrong, as far as the log says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A package's maintainer script failed.
    #[error("a maintainer script of the package {package} failed: {what}")]
    MaintainerScript {
        /// The package.
        package: String,
        /// What dpkg says about it, such as `installed x package post-installation script ...`.
        what: String,
    },
    /// dpkg could not unpack or configure a package, and not for a script of its.
    #[error("the package {package} cannot be installed: {what}")]
    Package {
        /// The package.
        package: String,
        /// What dpkg says about it, such as `trying to overwrite '/x', which is also in package y 1`.
        what: String,
    },
    /// The epoch of the build is in the future.
    #[error("the build's epoch is later than this machine's clock, and apt takes nothing from the future")]
    LateEpoch,
    /// The disk is full.
    #[error("there is no space left on the device")]
    NoSpace,
    /// Something that needs rights was refused.
    #[error("the system refused it: {what}")]
    NoPrivileges {
        /// The line that says so.
        what: String,
    },
    /// Programs of the architecture do not run here.
    #[error("programs of the architecture {arch} do not run on this machine")]
    NoEmulation {
        /// The architecture.
        arch: String,
    },
    /// apt found no answer although everything locked was there.
    #[error("apt cannot install the locked packages: {what}")]
    Unsatisfiable {
        /// The line that says so.
        what: String,
    },
    /// Something else.
    #[error("{what}")]
    Other {
        /// The last error in the log, or the last line.
        what: String,
    },
}

impl Failure {
    /// What to do about it; empty where nothing general can be said.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MaintainerScript { .. } => {
                "read the log above; a package that cannot be configured in a plain chroot can be unpacked only, by `--variant extract`"
            }
            Self::Package { .. } => {
                "when two packages bring the same file, ship them in two modules; else read the log above"
            }
            Self::LateEpoch => {
                "set the machine's clock right, or SOURCE_DATE_EPOCH to an earlier time (without it, it is the time of the newest input)"
            }
            Self::NoSpace => "free space in the cache directory (`cache gc`), or put it on another file system",
            Self::NoPrivileges { .. } => {
                "run as root, or let the user have user namespaces: `apt install uidmap`, entries in /etc/subuid and /etc/subgid, and no container that forbids them"
            }
            Self::NoEmulation { .. } => {
                "use `--variant extract`, which runs no code of the packages, or `apt install qemu-user-static binfmt-support arch-test`"
            }
            Self::Unsatisfiable { .. } => "make the lock again: `module-builder lock --update`",
            Self::Other { .. } => "",
        }
    }
}

/// Reads a log as it comes.
pub(super) struct Log<'a> {
    task: &'a Task<'a>,
    arch: &'a str,
    tail: Tail,
    total: u64,
    found: Option<Failure>,
    script: Option<String>,
    last_error: Option<String>,
    last: String,
}

impl<'a> Log<'a> {
    /// A log of a build of `packages` packages.
    pub(super) fn new(task: &'a Task<'a>, arch: &'a str, packages: u64) -> Self {
        Self {
            task,
            arch,
            tail: Tail::new(TAIL),
            // Each package is unpacked and configured.
            total: packages * 2,
            found: None,
            script: None,
            last_error: None,
            last: String::new(),
        }
    }

    /// Takes one line.
    pub(super) fn line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        // apt repeats dozens of long commands of dpkg's before it fails; they would hide why.
        if !text.starts_with("/usr/bin/dpkg ") {
            self.tail.push(line);
        }
        tracing::debug!("{text}");
        text.clone_into(&mut self.last);
        if let Some(stage) = text.strip_prefix("I: ") {
            self.task.item(model::path::escape(stage.trim_end_matches('.').as_bytes()));
        }
        for verb in ["Unpacking ", "Setting up "] {
            if let Some(package) = text.strip_prefix(verb).and_then(|rest| rest.split([' ', ':']).next()) {
                // Essential packages are unpacked twice, so the count is held at its total.
                self.task.item(format!("{}{package}", verb.to_lowercase()));
                self.task.advance(u64::from(self.task.done() < self.total));
            }
        }
        self.judge(text);
    }

    /// Keeps the first failure that the log reports: later lines are about its consequences.
    fn judge(&mut self, text: &str) {
        let recognised = self.recognise(text);
        if let Some(package) = self.script.take()
            && recognised.is_none()
        {
            let what = text.to_owned();
            self.found.get_or_insert(match text.contains("script subprocess") {
                true => Failure::MaintainerScript { package, what },
                false => Failure::Package { package, what },
            });
        }
        if let Some(rest) = text.strip_prefix("dpkg: error processing ") {
            self.script = Some(subject(rest).to_owned());
        }
        if text.starts_with("E: ") || text.contains("error:") {
            self.last_error.get_or_insert_with(|| text.trim_start_matches("E: ").to_owned());
        }
        if let Some(failure) = recognised {
            // A full disk explains every other failure.
            if failure == Failure::NoSpace || self.found.is_none() {
                self.found = Some(failure);
            }
        }
    }

    fn recognise(&self, text: &str) -> Option<Failure> {
        let holds = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let what = || text.trim_start_matches("E: ").to_owned();
        if holds(&["No space left on device", "Disk quota exceeded"]) {
            Some(Failure::NoSpace)
        } else if text.starts_with("E: Release file for ") && text.contains(" is not valid yet ") {
            Some(Failure::LateEpoch)
        } else if holds(&["can neither be executed natively", "install arch-test", "Exec format error"]) {
            Some(Failure::NoEmulation { arch: self.arch.to_owned() })
        } else if holds(&[
            "unshare: ",
            "newuidmap: ",
            "newgidmap: ",
            "cannot make namespaces",
            "cannot set the host name",
            "cannot mount /dev/shm",
            "cannot bring up the loopback interface",
        ]) {
            Some(Failure::NoPrivileges { what: what() })
        } else if holds(&["E: Unable to locate package", "unmet dependencies", "E: Unable to correct problems"]) {
            Some(Failure::Unsatisfiable { what: what() })
        } else {
            None
        }
    }

    /// What went wrong, and the last lines.
    pub(super) fn failure(self) -> (Failure, Vec<String>) {
        let what = self.last_error.unwrap_or(self.last);
        (self.found.unwrap_or(Failure::Other { what }), self.tail.into_lines())
    }
}

/// The package that dpkg speaks of: `package x:amd64 (--configure):` or `archive /path/x_1_all.deb
/// (--unpack):`. apt numbers the archives that it hands to dpkg: `/tmp/apt-dpkg-install-Ab/07-x_1_all.deb`.
fn subject(rest: &str) -> &str {
    let subject = rest.split(' ').nth(1).unwrap_or_default();
    let (folder, file) = subject.rsplit_once('/').unwrap_or(("", subject));
    let name = file.split([':', '_']).next().unwrap_or_default();
    if !folder.contains("/apt-dpkg-install-") {
        return name;
    }
    name.split_once('-').filter(|(number, _)| number.bytes().all(|b| b.is_ascii_digit())).map_or(name, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is a failed test")]

    use model::observe::{Collected, Event, Observer, Silent, Unit};

    use super::*;

    fn task(observer: &dyn Observer) -> Task<'_> {
        Task::start(observer, "build root file system", None, Unit::Items)
    }

    fn failure(lines: &[&str]) -> Failure {
        let task = task(&Silent);
        let mut log = Log::new(&task, "arm64", 10);
        lines.iter().for_each(|line| log.line(line.as_bytes()));
        log.failure().0
    }

    #[test]
    fn the_failure_is_found_in_the_log() {
        let what = "installed demo package post-installation script subprocess returned error exit status 1";
        let script = failure(&[
            "Setting up demo (1) ...",
            "dpkg: error processing package demo:amd64 (--configure):",
            &format!(" {what}"),
            "Errors were encountered while processing:",
            "E: Sub-process env returned an error code (1)",
            "E: run_chroot failed",
        ]);
        assert_eq!(script, Failure::MaintainerScript { package: "demo".into(), what: what.into() });
        let unpack = failure(&[
            "dpkg: error processing archive /var/cache/apt/archives/demo_1_amd64.deb (--unpack):",
            " new demo package pre-installation script subprocess returned error exit status 3",
        ]);
        assert!(matches!(unpack, Failure::MaintainerScript { package, .. } if package == "demo"));
        let numbered = failure(&[
            "dpkg: error processing archive /tmp/apt-dpkg-install-6xOnag/18-7zip_1_all.deb (--unpack):",
            " new 7zip package pre-installation script subprocess returned error exit status 7",
        ]);
        assert!(matches!(numbered, Failure::MaintainerScript { package, .. } if package == "7zip"));
        let what = "trying to overwrite '/usr/bin/tar', which is also in package tar 1.35";
        let overwrite = failure(&[
            "dpkg: error processing archive /tmp/apt-dpkg-install-6xOnag/07-demo_1_all.deb (--unpack):",
            &format!(" {what}"),
            "E: Sub-process env returned an error code (1)",
        ]);
        assert_eq!(overwrite, Failure::Package { package: "demo".into(), what: what.into() });
        let late = failure(&[
            "E: Release file for copy:/x/./Release is not valid yet (invalid for another 2d). Updates for this repository will not be applied.",
            "E: apt-get update failed",
        ]);
        assert_eq!(late, Failure::LateEpoch);
        let emulation = failure(&[
            "dpkg: error processing package demo (--configure):",
            " unable to execute installed demo package post-installation script: Exec format error",
        ]);
        assert_eq!(emulation, Failure::NoEmulation { arch: "arm64".into() });
        let full = failure(&[
            "dpkg: error processing archive /x/demo.deb (--unpack):",
            " cannot copy extracted data for './usr/bin/x' to '/usr/bin/x.dpkg-new': failed to write (No space left on device)",
        ]);
        assert_eq!(full, Failure::NoSpace);
        let emulation =
            failure(&["E: arm64 can neither be executed natively nor via qemu user emulation with binfmt_misc"]);
        assert_eq!(emulation, Failure::NoEmulation { arch: "arm64".into() });
        let privileges = failure(&["unshare: unshare failed: Operation not permitted"]);
        assert!(matches!(privileges, Failure::NoPrivileges { .. }) && !privileges.hint().is_empty());
        let loopback = "cannot bring up the loopback interface: Operation not permitted (os error 1)";
        assert_eq!(failure(&[loopback]), Failure::NoPrivileges { what: loopback.into() });
        let lock = failure(&["E: Unable to locate package demo", "E: mmdebstrap failed to run"]);
        assert_eq!(lock, Failure::Unsatisfiable { what: "Unable to locate package demo".into() });
        assert_eq!(failure(&["E: first", "E: second"]), Failure::Other { what: "first".into() });
        assert_eq!(failure(&["odd"]), Failure::Other { what: "odd".into() });
    }

    #[test]
    fn commands_of_dpkg_do_not_push_the_reason_out_of_the_log() {
        let task = task(&Silent);
        let mut log = Log::new(&task, "amd64", 10);
        log.line(b"tar: ./usr/sbin/x: Cannot change ownership to uid 0, gid 42: Invalid argument");
        (0..100).for_each(|_| log.line(b"/usr/bin/dpkg --status-fd 8 --no-triggers --configure x:amd64 "));
        log.line(b"E: tar --extract failed: 512");
        assert_eq!(log.failure().1.len(), 2);
    }

    #[test]
    fn progress_counts_unpacked_and_configured_packages() {
        let seen = Collected::default();
        let task = task(&seen);
        let mut log = Log::new(&task, "amd64", 1);
        for line in [
            "I: extracting archives...",
            "Unpacking libc6:amd64 (2) ...",
            "Setting up libc6:amd64 (2) ...",
            "Unpacking x (2) ...",
        ] {
            log.line(line.as_bytes());
        }
        let events = seen.events();
        let is_item = |at: usize, wanted: &str| matches!(&events[at], Event::Item { name, .. } if name == wanted);
        assert!(is_item(1, "extracting archives") && is_item(2, "unpacking libc6"), "{events:?}");
        assert!(is_item(4, "setting up libc6"), "{events:?}");
        assert!(matches!(events.last(), Some(Event::Progress { done: 2, .. })), "{events:?}");
    }
}
