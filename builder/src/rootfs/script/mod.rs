//! Why a maintainer script failed: what dpkg says of it, and what the script printed before.
//!
//! dpkg knows an exit status only. What went wrong stands in the lines that the script or a program of its
//! printed, in the locale C.UTF-8; the last line that is recognised counts, since most scripts end at their first
//! error. A script of which nothing is recognised has no reason here, and its log is all there is to read.

mod words;

use std::fmt;

use model::words::shortened;

/// What helps wherever a script cannot be run in a build, after what is said before it.
macro_rules! unpack_only {
    ($before:literal) => {
        concat!(
            $before,
            "unpack the packages only, by `--variant extract` (with a lock: `variant = \"extract\"` in builder.toml, then ",
            "`module-builder lock`), and put what the script would make into the overlay, rootfs/"
        )
    };
}
pub(super) use unpack_only;

/// A maintainer script of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Run before the files are unpacked.
    Preinst,
    /// Run after the files were unpacked, and for triggers.
    Postinst,
    /// Run before the files are removed.
    Prerm,
    /// Run after the files were removed.
    Postrm,
}

impl Script {
    /// The script that dpkg says failed or cannot be run, if it speaks of one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let is = |word: &str| text.contains(word) && text.contains("script");
        let all = [
            ("pre-installation", Self::Preinst),
            ("post-installation", Self::Postinst),
            ("pre-removal", Self::Prerm),
            ("post-removal", Self::Postrm),
        ];
        all.into_iter().find(|(word, _)| is(word)).map(|(_, script)| script)
    }

    /// Its file's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Preinst => "preinst",
            Self::Postinst => "postinst",
            Self::Prerm => "prerm",
            Self::Postrm => "postrm",
        }
    }
}

/// What to do about a full disk.
pub(super) const NO_SPACE: &str = "free space in the cache directory (`cache gc`), or put it on another file system";

/// What a script lacks in a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// A network interface besides the loopback.
    Interface,
    /// The network, or the resolution of a name.
    Network,
    /// systemd, or the D-Bus that it starts.
    Systemd,
    /// A service that someone else would have started.
    Service,
    /// A program, library or module of a language that no package of the build brings.
    Missing {
        /// What it is.
        what: String,
    },
    /// Space on the disk.
    Space,
    /// A device, a module or a setting of the kernel.
    Device,
    /// The right to do something.
    Right,
    /// An answer to a question.
    Answer,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "it needs a network interface, and a build has the loopback only",
            Self::Network => "it needs the network, and a build has none",
            Self::Systemd => "it needs systemd or D-Bus, and neither runs in a build",
            Self::Service => "it needs a service, and none runs in a build",
            Self::Missing { what } => return write!(f, "{what} is not installed"),
            Self::Space => "there is no space left on the device",
            Self::Device => "it needs a device, a module or a setting of the kernel, which a build has not",
            Self::Right => "it may not do what it tries to",
            Self::Answer => "it asks a question, and no one answers in a build",
        })
    }
}

impl Lack {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Interface => unpack_only!("only the loopback is up in a build: "),
            Self::Network => unpack_only!(
                "leave the package out of package_spec and put what its script fetches into the overlay; or "
            ),
            Self::Systemd | Self::Service => unpack_only!("nothing runs in a build but the scripts themselves: "),
            Self::Missing { .. } => unpack_only!(
                "add the package that brings it to package_spec, since the one that needs it does not depend on it; or "
            ),
            Self::Space => NO_SPACE,
            Self::Device => unpack_only!("a build has neither a machine's devices nor its kernel's modules: "),
            Self::Right => unpack_only!("build as root, where a script may do more than in a build by a user; or "),
            Self::Answer => unpack_only!("in a build every question has its default for an answer: "),
        }
    }
}

/// Why a script failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What it lacked.
    pub lack: Lack,
    /// The line of the log that says so.
    pub line: String,
}

/// What the scripts of one package printed since dpkg named it, as far as it says why one may fail.
#[derive(Debug, Default)]
pub(super) struct Output {
    plain: Option<Reason>,
    missing: Option<Reason>,
    vague: Option<Reason>,
}

impl Output {
    /// Takes a line.
    pub(super) fn line(&mut self, text: &str) {
        let Some((lack, is_vague)) = words::lack(text) else { return };
        let reason = Some(Reason { lack, line: shortened(text) });
        if is_vague {
            self.vague = reason;
            return;
        }
        if reason.as_ref().is_some_and(|reason| matches!(reason.lack, Lack::Missing { .. })) {
            self.missing.clone_from(&reason);
        }
        self.plain = reason;
    }

    /// Why the script failed of which dpkg says `verdict`.
    pub(super) fn reason(self, verdict: &str) -> Option<Reason> {
        let Self { plain, missing, vague } = self;
        let of_verdict = |lack| Reason { lack, line: shortened(verdict) };
        let is = |status: &str| verdict.ends_with(&format!("exit status {status}"));
        // So ends a shell's script at a program that is not there, whatever a trap printed later.
        let found = if is("127") { missing.or(plain) } else { plain };
        // debconf's answer where a question is not shown.
        let unseen = is("30").then(|| of_verdict(Lack::Answer));
        found.or(unseen).or(vague)
    }
}

#[cfg(test)]
mod tests;
