//! The errors of `builder` about packages and locks.

use std::path::PathBuf;

use builder::apt::{self, FetchFailure, FetchFault, KeyringFault, SignatureFault, lock};
use model::{Arch, Digest, resolution};
use net::ca_bundle::Unusable;
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn text() -> String {
    "x".to_owned()
}

fn file() -> PathBuf {
    PathBuf::from("x")
}

pub(crate) fn rows() -> Vec<String> {
    [archives(), requests(), locks()].concat()
}

/// Everything that has to do with the archive, and an arm for the requests, whose rows come after.
fn archives() -> Vec<String> {
    use apt::Error as E;
    rows!("apt", E:
        E::Setting { .. } => E::Setting { field: "suite", value: text(), message: "x" },
        E::SnapshotMirrorMissing { .. } => E::SnapshotMirrorMissing { snapshot: text() },
        E::KeyringMissing { .. } => E::KeyringMissing { tried: Vec::new() },
        E::KeyringNamed { .. } => E::KeyringNamed { path: file() },
        E::KeyringUnread { .. } => E::KeyringUnread { path: file(), fault: system(Errno::ACCESS) },
        E::Keyring { .. } => E::Keyring { path: file(), fault: KeyringFault::NotOpenPgp },
        E::AptMissing => E::AptMissing,
        E::Process(_) => E::Process(host::process::Error::Argument { program: text(), argument: text() }),
        E::State(_) => E::State(system(Errno::NOENT)),
        E::Host(_) => E::Host(system(Errno::NOENT)),
        E::Cache(_) => E::Cache(builder::cache::Error::Busy { root: file() }),
        E::Network { has_lists: true, .. } => E::Network { log: text(), has_lists: true },
        E::Network { has_lists: false, .. } => E::Network { log: text(), has_lists: false },
        E::Certificate { .. } => E::Certificate { log: text() },
        E::CaBundle(_) => E::CaBundle(Unusable { path: file(), message: text() }),
        E::Denied { .. } => E::Denied { log: text() },
        E::SuiteMissing { .. } => E::SuiteMissing { missing: None, log: text() },
        E::ListTooLarge { .. } => E::ListTooLarge { log: text() },
        E::ReleaseNotTaken { .. } => E::ReleaseNotTaken { archive: text(), log: text() },
        E::Signature { fault: SignatureFault::UnknownKey, .. } => signature(SignatureFault::UnknownKey),
        E::Signature { fault: SignatureFault::Missing, .. } => signature(SignatureFault::Missing),
        E::Signature { fault: SignatureFault::Bad, .. } => signature(SignatureFault::Bad),
        E::Signature { fault: SignatureFault::Unfit, .. } => signature(SignatureFault::Unfit),
        E::Expired { .. } => E::Expired { log: text() },
        E::DiskFull { .. } => E::DiskFull { log: text() },
        E::Permission { .. } => E::Permission { log: text() },
        E::IndexMismatch { .. } => E::IndexMismatch { log: text() },
        E::Apt { .. } => E::Apt { verb: "update", log: text() },
        E::OfflineState { .. } => E::OfflineState { suite: text(), arch: Arch::Amd64 },
        E::Release { .. } => E::Release { path: file(), message: text() },
        E::Index { .. } => E::Index { path: file(), message: text() },
        E::Moved { .. } => E::Moved { uri: text() },
        E::Plan { .. } => E::Plan { what: text() },
        E::Odd(_) => E::Odd(resolution::Fault::Outside { name: text() }),
        E::Missing { .. } => E::Missing { missing: Vec::new() },
        E::Unsatisfiable { .. } => E::Unsatisfiable { arch: Arch::Amd64, explanation: text() },
        E::BaseMoved { .. } => E::BaseMoved { name: text(), needed: text(), has: text() },
        E::BaseLost { .. } => E::BaseLost { name: text(), by: text() },
        E::LowerDiffer { .. } => E::LowerDiffer { name: text(), message: text() },
        E::LowerGone { .. } => E::LowerGone { modules: text(), gone: Vec::new() },
        E::Gone { .. } => E::Gone { gone: Vec::new() },
        E::NotLocked { .. } => E::NotLocked { packages: Vec::new() },
        E::Disagree { .. } => E::Disagree { packages: Vec::new() },
        E::Fetch { .. } => E::Fetch { failures: Vec::new() },
    )
}

fn signature(fault: SignatureFault) -> apt::Error {
    apt::Error::Signature { fault, log: text() }
}

/// The ways in which a package does not come.
fn requests() -> Vec<String> {
    use FetchFault as F;
    let digest = || Digest::of(b"x");
    let faults = [
        F::Status(404),
        F::Status(407),
        F::Status(500),
        F::WrongDigest { expected: digest(), found: digest() },
        F::WrongSize { expected: 1, found: 2 },
        F::OtherFile,
        F::NoFile { message: text() },
        F::Redirect { message: text() },
        F::Network { message: text(), attempts: 3 },
        F::Certificate { message: text() },
        F::CaBundle { message: text() },
        F::Offline,
        F::Scheme,
        F::Io { message: text(), full: true },
        F::Io { message: text(), full: false },
    ];
    let row = |fault: &F| {
        let name = match fault {
            F::Status(status) => format!("Status {status}"),
            F::WrongDigest { .. } => "WrongDigest".to_owned(),
            F::WrongSize { .. } => "WrongSize".to_owned(),
            F::OtherFile => "OtherFile".to_owned(),
            F::NoFile { .. } => "NoFile".to_owned(),
            F::Redirect { .. } => "Redirect".to_owned(),
            F::Network { .. } => "Network".to_owned(),
            F::Certificate { .. } => "Certificate".to_owned(),
            F::CaBundle { .. } => "CaBundle".to_owned(),
            F::Offline => "Offline".to_owned(),
            F::Scheme => "Scheme".to_owned(),
            F::Io { full, .. } => format!("Io, full: {full}"),
        };
        let failure = FetchFailure { package: text(), url: text(), fault: fault.clone() };
        crate::shown(&format!("apt::Fetch {name}"), &apt::Error::Fetch { failures: vec![failure] })
    };
    faults.iter().map(row).collect()
}

fn locks() -> Vec<String> {
    use lock::Error as E;
    rows!("apt::lock", E:
        E::Host(_) => E::Host(system(Errno::NOENT)),
        E::Syntax { .. } => E::Syntax { position: None, message: text() },
        E::Conflict { .. } => E::Conflict { line: 1 },
        E::Version { .. } => E::Version { found: 9 },
        E::Settings(_) => E::Settings(Box::new(apt::Error::AptMissing)),
    )
}
