//! What it means that packages could not be resolved or fetched.

use std::path::Path;

use model::explain::{Explain, Explanation, Kind};

use super::{Error, FetchFailure, SignatureFault, fetch};

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        let kind = match self.kind() {
            Ok(kind) => kind,
            Err(explained) => return explained,
        };
        if let Self::Fetch { failures } = self
            && fetch::are_offline(failures)
        {
            let message = format!("{} could not be fetched", super::packages(failures.len()));
            return Explanation::under(message, kind, self).hint(self.hint());
        }
        let text = self.to_string();
        // The first line says what happened; what follows it is the program's own account.
        let (message, log) = text.split_once('\n').unwrap_or((&text, ""));
        Explanation {
            message: message.trim_end_matches(':').to_owned(),
            log: log.to_owned(),
            ..Explanation::new(kind, self).hint(self.hint())
        }
    }
}

impl Error {
    /// The keyring that is not there or cannot be used, where it is for one that was named.
    #[must_use]
    pub fn keyring(&self) -> Option<&Path> {
        let (Self::KeyringNamed { path } | Self::KeyringUnread { path, .. } | Self::Keyring { path, .. }) = self else {
            return None;
        };
        Some(path)
    }

    /// Whose fault it is, or what the error means that this one holds.
    fn kind(&self) -> Result<Kind, Explanation<'_>> {
        Ok(match self {
            Self::Cache(error) => return Err(error.explain()),
            Self::Host(error) | Self::KeyringUnread { fault: error, .. } => return Err(error.explain()),
            Self::Process(error) => return Err(error.explain()),
            // Not the user's file, also where it is missing.
            Self::State(error) => return Err(Explanation { kind: Kind::Outside, ..error.explain() }),
            Self::Setting { .. }
            | Self::Keyring { .. }
            | Self::KeyringNamed { .. }
            | Self::KeyringMissing { .. }
            | Self::SnapshotMirrorMissing { .. }
            | Self::SuiteMissing { .. }
            | Self::Missing { .. }
            | Self::Gone { .. }
            | Self::NotLocked { .. }
            | Self::Disagree { .. }
            | Self::Unsatisfiable { .. }
            | Self::LowerGone { .. } => Kind::Input,
            Self::Signature { .. }
            | Self::ListTooLarge { .. }
            | Self::IndexMismatch { .. }
            | Self::Expired { .. }
            | Self::Odd(_) => Kind::Refused,
            Self::Fetch { failures } if failures.iter().any(FetchFailure::is_forged) => Kind::Refused,
            Self::BaseMoved { .. } | Self::BaseLost { .. } | Self::LowerDiffer { .. } => Kind::Refused,
            Self::Plan { .. } => Kind::Bug,
            Self::AptMissing
            | Self::Network { .. }
            | Self::ReleaseNotTaken { .. }
            | Self::Certificate { .. }
            | Self::CaBundle(_)
            | Self::Denied { .. }
            | Self::DiskFull { .. }
            | Self::Permission { .. }
            | Self::Apt { .. }
            | Self::OfflineState { .. }
            | Self::Release { .. }
            | Self::Index { .. }
            | Self::Moved { .. }
            | Self::Fetch { .. } => Kind::Outside,
        })
    }

    /// What to do about it; empty where nothing general can be said.
    fn hint(&self) -> &'static str {
        match self {
            Self::SnapshotMirrorMissing { .. } => {
                "set `snapshot_mirror` to the snapshot archive, such as https://snapshot.example.org/archive/debian"
            }
            Self::KeyringMissing { .. } => "install debian-archive-keyring, or name the archive's keyring as `keyring`",
            Self::KeyringNamed { .. } => {
                "name the file that holds the archive's keys as `keyring`: its whole path, or the one below the directory of builder.toml; `~` stands for no directory there"
            }
            Self::Keyring { .. } => "name a keyring of public keys only, as `gpg --export` writes it",
            Self::AptMissing => "install apt",
            Self::Network { has_lists: true, .. } => {
                "check the network, the mirror's name and the setting `proxy`; `--offline` uses what is cached"
            }
            Self::Network { has_lists: false, .. } => {
                "check the network, the mirror's name and the setting `proxy`; `--offline` does not help: the cache has no \
                 package lists of this archive from an earlier run"
            }
            Self::Certificate { .. } => fetch::CERTIFICATE,
            Self::CaBundle(_) => fetch::CA_BUNDLE,
            Self::Denied { .. } => fetch::DENIED,
            Self::SuiteMissing { .. } => "check the suite, the components, the architecture and the mirror's URI",
            Self::Signature { fault: SignatureFault::UnknownKey, .. } => {
                "name the keyring that holds the archive's key as `keyring`, that of an added archive in its [[repository]]"
            }
            Self::Odd(_) | Self::ReleaseNotTaken { .. } | Self::ListTooLarge { .. } => {
                "ask who runs the archive, or choose another"
            }
            Self::Signature { .. } => "do not build from this mirror: choose another, or ask who runs it",
            Self::Expired { .. } => "choose a mirror that is up to date, check this machine's clock, or pin a snapshot",
            Self::DiskFull { .. } => crate::cache::NO_SPACE,
            Self::Permission { .. } => "check who owns the cache directory",
            Self::IndexMismatch { .. } => {
                "the mirror may be in the middle of an update: try again later, or choose another"
            }
            Self::OfflineState { .. } => "run once without `--offline`, where there is a network",
            Self::Missing { .. } => "correct the names in `package_spec`, or enable the component",
            Self::Gone { .. } => {
                "update these, too, by `lock --update NAME...`, or everything by `lock --update`; a pinned snapshot keeps \
                 old versions"
            }
            Self::NotLocked { .. } => "name packages of the lock; what is new in the manifest is added by `lock` alone",
            Self::Disagree { .. } => {
                "the archive is still building them: try again later, pin a snapshot, or lock one architecture alone"
            }
            Self::Moved { .. } => "run the command again",
            Self::Unsatisfiable { .. } => "take away or change one of the packages that apt names",
            Self::BaseMoved { .. } => {
                "build against a newer base: bring its packages up to date by `lock --update`, or ask for versions that it has"
            }
            Self::LowerDiffer { .. } => "build them from archives of one day, over one base",
            Self::LowerGone { .. } => {
                "build that module anew, or take packages from a snapshot of the day when it was built"
            }
            Self::BaseLost { .. } => {
                "take the package that conflicts with it away from package_spec, or from `packages` of [base] what it conflicts with"
            }
            Self::Fetch { failures } => fetch::hint(failures),
            // What they hold has hints of its own.
            Self::Process(_) | Self::State(_) | Self::Host(_) | Self::KeyringUnread { .. } | Self::Cache(_) => "",
            Self::Setting { .. } | Self::Apt { .. } | Self::Release { .. } | Self::Index { .. } | Self::Plan { .. } => {
                ""
            }
        }
    }
}
