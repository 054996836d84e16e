//! What mmdebstrap, dpkg and apt print while they work: progress, and what went wrong.

use host::process::Tail;
use model::observe::Task;
use model::words::shortened;

use super::Failure;
use super::script::{Output, Script};

/// How many last lines of a log an error carries.
const TAIL: usize = 40;

/// Reads a log as it comes.
pub(super) struct Log<'a> {
    task: &'a Task<'a>,
    arch: &'a str,
    tail: Tail,
    total: u64,
    found: Option<Failure>,
    /// The package of which the next line says what happened to it.
    subject: Option<String>,
    /// What was printed since dpkg named the package that it works on; none before and after dpkg's work.
    output: Option<Output>,
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
            subject: None,
            output: None,
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
            // The one hook that is a line of a shell.
            let stage = if stage.starts_with("running --setup-hook in shell") { "unpacking the base" } else { stage };
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
        // What a script prints is not of the programs around it, whatever words it has.
        let counts = |failure: &Failure| self.output.is_none() || failure.is_of_any_program();
        let recognised = self.recognise(text).filter(counts);
        if let Some(package) = self.subject.take() {
            if recognised.is_none() {
                let failure = failed(package, text, self.output.take());
                self.keep(failure);
            }
        } else if let Some(rest) = text.strip_prefix("dpkg: error processing ") {
            self.subject = Some(subject(rest).to_owned());
        } else if is_start(text) {
            self.output = Some(Output::default());
        } else if is_end(text) {
            self.output = None;
        } else if let Some(output) = &mut self.output {
            output.line(text);
        }
        if text.starts_with("E: ") || text.contains("error:") {
            self.last_error.get_or_insert_with(|| text.trim_start_matches("E: ").to_owned());
        }
        if let Some(failure) = recognised {
            self.keep(failure);
        }
    }

    fn keep(&mut self, failure: Failure) {
        let replaces = match &self.found {
            None => true,
            // The script that was there when the disk was full says more.
            Some(Failure::NoSpace) => failure.is_full_disk(),
            Some(found) => failure.is_full_disk() && !found.is_full_disk(),
        };
        if replaces {
            self.found = Some(failure);
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

/// The failure that dpkg reports of `package` by `text`, after the package's scripts printed `output`.
fn failed(package: String, text: &str, output: Option<Output>) -> Failure {
    let what = shortened(text);
    match Script::of(text) {
        Some(script) => {
            let reason = output.unwrap_or_default().reason(text);
            Failure::MaintainerScript { package, script, what, reason }
        }
        None => Failure::Package { package, what },
    }
}

/// Whether dpkg says which package it works on from here.
fn is_start(text: &str) -> bool {
    const VERBS: [&str; 5] =
        ["Preparing to unpack ", "Unpacking ", "Setting up ", "Processing triggers for ", "Removing "];
    text.ends_with(" ...") && VERBS.iter().any(|verb| text.starts_with(verb))
}

/// Whether dpkg's work is at its end, and what follows is of others.
fn is_end(text: &str) -> bool {
    const STARTS: [&str; 3] = ["Errors were encountered while processing:", "Reading package lists", "Chrooting into "];
    STARTS.iter().any(|start| text.starts_with(start))
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

    use super::super::script::{Lack, Reason};
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
        assert_eq!(
            script,
            Failure::MaintainerScript {
                package: "demo".into(),
                script: Script::Postinst,
                what: what.into(),
                reason: None
            }
        );
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

    const CANNOT: [&str; 2] = [
        "dpkg: error processing package demo (--configure):",
        " installed demo package post-installation script subprocess returned error exit status 1",
    ];

    fn reason(lines: &[&str]) -> Option<Reason> {
        match failure(&[&["Setting up demo (1) ..."], lines, &CANNOT].concat()) {
            Failure::MaintainerScript { package, script: Script::Postinst, reason, .. } if package == "demo" => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_script_fails_by_what_it_printed_itself() {
        let unresolved = "wget: unable to resolve host address 'example.org'";
        let found = reason(&["Trying to fetch something.", unresolved, "demo.postinst: giving up"]);
        assert_eq!(found, Some(Reason { lack: Lack::Network, line: unresolved.to_owned() }));
        // What another package's script printed is no reason.
        let other = ["Setting up other (1) ...", unresolved, "Setting up demo (1) ..."];
        assert_eq!(reason(&other), None);
        for marker in ["Preparing to unpack .../07-demo_1_all.deb ...", "Processing triggers for demo (1) ..."] {
            assert_eq!(reason(&[unresolved, marker]), None, "{marker}");
        }
        assert!(reason(&["Setting up a service", unresolved, "Unpacking x"]).is_some(), "a script's own words");
    }

    #[test]
    fn what_a_script_prints_is_not_of_the_programs_around_it() {
        let refused = "unshare: unshare failed: Operation not permitted";
        assert_eq!(reason(&[refused]), Some(Reason { lack: Lack::Right, line: refused.to_owned() }));
        let apt = "E: Unable to locate package other";
        assert_eq!(reason(&[apt]), None);
        // It comes from apt itself where dpkg is not at work.
        let unlocated = failure(&["Setting up demo (1) ...", "Reading package lists...", apt]);
        assert!(matches!(unlocated, Failure::Unsatisfiable { .. }), "{unlocated:?}");
    }

    #[test]
    fn a_full_disk_names_the_script_that_met_it() {
        let full = "cp: error writing '/srv/x': No space left on device";
        assert_eq!(reason(&[full]), Some(Reason { lack: Lack::Space, line: full.to_owned() }));
        let later = [&["Setting up demo (1) ..."], &CANNOT[..], &[full]].concat();
        assert_eq!(failure(&later), Failure::NoSpace, "it explains every other failure");
        let both = [&["Setting up demo (1) ...", full], &CANNOT[..], &[full]].concat();
        let both = failure(&both);
        assert!(matches!(&both, Failure::MaintainerScript { package, .. } if package == "demo"), "{both:?}");
        assert_eq!(both.hint(), Failure::NoSpace.hint());
    }

    #[test]
    fn a_failing_script_is_shown_with_package_reason_and_line() {
        let line = "newaliases: fatal: could not find any active network interfaces";
        let failed = failure(&[&["Setting up demo (1) ...", line], &CANNOT[..]].concat());
        assert_eq!(
            failed.to_string(),
            format!(
                "the maintainer script postinst of the package demo failed, since it needs a network interface, and a \
                 build has the loopback only: {line}"
            )
        );
        let unknown = failure(&[&["Setting up demo (1) ..."], &CANNOT[..]].concat());
        assert_eq!(
            unknown.to_string(),
            format!("the maintainer script postinst of the package demo failed: {}", CANNOT[1].trim())
        );
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
            "I: running --setup-hook in shell: sh -c 'tar --extract' exec /x",
            "I: extracting archives...",
            "Unpacking libc6:amd64 (2) ...",
            "Setting up libc6:amd64 (2) ...",
            "Unpacking x (2) ...",
        ] {
            log.line(line.as_bytes());
        }
        let events = seen.events();
        let is_item = |at: usize, wanted: &str| matches!(&events[at], Event::Item { name, .. } if name == wanted);
        assert!(is_item(1, "unpacking the base") && is_item(2, "extracting archives"), "{events:?}");
        assert!(is_item(3, "unpacking libc6") && is_item(5, "setting up libc6"), "{events:?}");
        assert!(matches!(events.last(), Some(Event::Progress { done: 2, .. })), "{events:?}");
    }
}
