//! The errors of `builder` about the cache and root file systems.

use std::io;
use std::path::PathBuf;

use builder::rootfs::{Failure, Lack, Reason, Script, deb};
use builder::{cache, dpkg, ownership, rootfs, scrub};
use host::Fault;
use host::error::Kind;
use model::file_input::{FileInput, FileInputFields};
use model::{Digest, ImagePath};
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn file() -> PathBuf {
    PathBuf::from("x")
}

fn name() -> String {
    "x".to_owned()
}

fn damaged() -> deb::Error {
    deb::Error { path: file(), reason: io::Error::from(io::ErrorKind::InvalidData).into() }
}

pub(crate) fn rows() -> Vec<String> {
    [caches(), roots(), trees(), failures(), scripts(), fetched()].concat()
}

fn caches() -> Vec<String> {
    use cache::Error as E;
    let place = |fault| host::Error::Place { path: file(), fault };
    let full = crate::shown("cache::Host Io NOSPC", &E::Host(system(Errno::NOSPC)));
    let files = crate::shown("cache::Host Io MFILE", &E::Host(system(Errno::MFILE)));
    let directory = crate::shown("cache::Host NotADirectory", &E::Host(place(Fault::NotADirectory(Kind::File))));
    let rows = rows!("cache", E:
        E::Host(host::Error::Io { .. }) => E::Host(system(Errno::ACCESS)),
        E::Host(host::Error::Place { .. }) => E::Host(place(Fault::Foreign { uid: 1 })),
        E::Busy { .. } => E::Busy { root: file() },
        E::NotACache { .. } => E::NotACache { root: file(), name: file() },
        E::LockName { .. } => E::LockName { name: name() },
    );
    [vec![full, files, directory], rows].concat()
}

fn input() -> FileInput {
    let fields = FileInputFields {
        url: "https://h.example.org/x".to_owned(),
        sha256: Digest::of(b"x"),
        architectures: Vec::new(),
        destination: "/x".to_owned(),
        mode: None,
        owner: None,
        unpack: None,
    };
    FileInput::new(fields).unwrap()
}

/// Files from addresses.
fn fetched() -> Vec<String> {
    use builder::files::{Error as E, Fault as F, FileFailure};
    let input = || Box::new(input());
    let failed = |fault| E::Fetch { failures: vec![FileFailure { input: *input(), fault }] };
    let wrong = F::WrongDigest { expected: Digest::of(b"a"), found: Digest::of(b"b") };
    let faults = [
        wrong,
        F::OtherFile,
        F::Offline,
        F::Full { message: name() },
        F::Refused { message: name() },
        F::WrongSize { expected: 1, found: 2 },
        F::Local { message: name() },
    ];
    let row = |fault: F| {
        let name = match &fault {
            F::WrongDigest { .. } => "WrongDigest",
            F::OtherFile => "OtherFile",
            F::Offline => "Offline",
            F::Full { .. } => "Full",
            F::Refused { .. } => "Refused",
            F::WrongSize { .. } => "WrongSize",
            F::Local { .. } => "Local",
        };
        crate::shown(&format!("files::Fetch {name}"), &failed(fault))
    };
    let rows = rows!("files", E:
        E::Fetch { .. } => failed(F::Offline),
        E::OtherForm { .. } => E::OtherForm { input: input(), message: name() },
        E::Damaged { .. } => E::Damaged { input: input(), message: name() },
        E::TooMuch { .. } => E::TooMuch { input: input(), message: name() },
        E::Cache(_) => E::Cache(cache::Error::Busy { root: file() }),
        E::Host(_) => E::Host(system(Errno::NOSPC)),
        E::Settings(_) => E::Settings(Box::new(builder::apt::Error::AptMissing)),
    );
    [faults.map(row).to_vec(), rows].concat()
}

/// What is done with a tree by what its packages are.
fn trees() -> Vec<String> {
    use ownership::Error as O;
    use scrub::Error as S;
    let owners = rows!("ownership", O:
        O::Content(_) => O::Content(system(Errno::IO).into()),
        O::Database(_) => O::Database(dpkg::Error::StatusText { what: name() }),
    );
    let rewrite = |fault| S::Rewrite { path: ImagePath::root(), fault };
    let scrubs = rows!("scrub", S:
        S::Content(_) => S::Content(system(Errno::IO).into()),
        S::Ownership(_) => S::Ownership(O::Content(system(Errno::IO).into())),
        S::Read(_) => S::Read(Errno::IO.into()),
        S::Rewrite { .. } => rewrite(scrub::Fault::Shadow { line: 1 }),
    );
    [owners, scrubs].concat()
}

fn roots() -> Vec<String> {
    use rootfs::Error as E;
    let not_as_locked = |unfinished| E::NotAsLocked { missing: Vec::new(), unexpected: Vec::new(), unfinished };
    let full = crate::shown("rootfs::File NOSPC", &E::File(system(Errno::NOSPC)));
    let stuck = crate::shown("rootfs::NotAsLocked unfinished", &not_as_locked(vec![name()]));
    let rows = rows!("rootfs", E:
        E::ToolMissing { .. } => E::ToolMissing { tool: "mmdebstrap" },
        E::ToolTooOld { .. } => E::ToolTooOld { tool: "mmdebstrap", version: name(), oldest: name() },
        E::ToolVersion { .. } => E::ToolVersion { tool: "tar" },
        E::Start { .. } => E::Start { program: name(), source: io::ErrorKind::NotFound.into() },
        E::Argument(_) => E::Argument(host::process::Error::Argument { program: name(), argument: name() }),
        E::NoName { .. } => E::NoName { text: name() },
        E::NoPrivilege { .. } => E::NoPrivilege { tried: "unshare", what: name() },
        E::Failed { .. } => E::Failed { failure: Failure::NoSpace, log: Vec::new() },
        E::NotAsLocked { .. } => not_as_locked(Vec::new()),
        E::Count { .. } => E::Count { packages: 1, debs: 2 },
        E::OtherPackage { .. } => E::OtherPackage { path: file(), field: "Package", wanted: name(), found: name() },
        E::File(_) => E::File(system(Errno::NOENT)),
        E::Package { .. } => E::Package { package: name(), source: damaged() },
        E::Deb(_) => E::Deb(damaged()),
        E::Dpkg(_) => E::Dpkg(dpkg::Error::StatusText { what: name() }),
        E::Cache(_) => E::Cache(cache::Error::Busy { root: file() }),
    );
    [vec![full, stuck], rows].concat()
}

/// What mmdebstrap fails with.
fn failures() -> Vec<String> {
    use rootfs::Error as E;
    let failed = |failure| E::Failed { failure, log: Vec::new() };
    let all = [
        failed(Failure::MaintainerScript { package: name(), script: Script::Postinst, what: name(), reason: None }),
        failed(Failure::Package { package: name(), what: name() }),
        failed(Failure::LateEpoch),
        failed(Failure::NoSpace),
        failed(Failure::NoPrivileges { what: name() }),
        failed(Failure::NoEmulation { arch: name() }),
        failed(Failure::Unsatisfiable { what: name() }),
        failed(Failure::Other { what: name() }),
    ];
    let row = |error: &E| {
        let E::Failed { failure, .. } = error else { panic!("{error:?}") };
        let name = match failure {
            Failure::MaintainerScript { .. } => "MaintainerScript",
            Failure::Package { .. } => "Package",
            Failure::LateEpoch => "LateEpoch",
            Failure::NoSpace => "NoSpace",
            Failure::NoPrivileges { .. } => "NoPrivileges",
            Failure::NoEmulation { .. } => "NoEmulation",
            Failure::Unsatisfiable { .. } => "Unsatisfiable",
            Failure::Other { .. } => "Other",
        };
        crate::shown(&format!("rootfs::Failed {name}"), error)
    };
    all.iter().map(row).collect()
}

/// What a maintainer script lacks.
fn scripts() -> Vec<String> {
    let all = [
        Lack::Interface,
        Lack::Network,
        Lack::Systemd,
        Lack::Service,
        Lack::Missing { what: name() },
        Lack::Space,
        Lack::Device,
        Lack::Right,
        Lack::Answer,
    ];
    let row = |lack: &Lack| {
        let name_of = match lack {
            Lack::Interface => "Interface",
            Lack::Network => "Network",
            Lack::Systemd => "Systemd",
            Lack::Service => "Service",
            Lack::Missing { .. } => "Missing",
            Lack::Space => "Space",
            Lack::Device => "Device",
            Lack::Right => "Right",
            Lack::Answer => "Answer",
        };
        let reason = Some(Reason { lack: lack.clone(), line: name() });
        let failure = Failure::MaintainerScript { package: name(), script: Script::Postinst, what: name(), reason };
        crate::shown(
            &format!("rootfs::Failed MaintainerScript {name_of}"),
            &rootfs::Error::Failed { failure, log: Vec::new() },
        )
    };
    all.iter().map(row).collect()
}
