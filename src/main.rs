//! `module-builder`: from `manifest.yaml` to a mounted, verified tree.
//!
//! This file is the only one that exits, reads the environment, the clock and the terminal, and
//! looks at the host's own settings. Everything else gets them as data, so that tests can make
//! them up.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

mod cli;
mod commands;
mod environment;
mod error;
mod recipes;
mod settings;
mod ui;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use environment::Environment;

/// No text file of the host's configuration is longer; what is longer is cut, and the parser says so.
const TEXT_LIMIT: u64 = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Started again ahead of another program: no user's command line.
    if let Some(ended) = host::process::enter(&arguments) {
        // Where nothing can be written, nothing can be said.
        let _ = std::io::stderr().write_all(ended.message.as_bytes());
        return ExitCode::from(ended.code);
    }
    std::panic::set_hook(Box::new(|info| ui::bug(&info.to_string())));
    let code = std::panic::catch_unwind(|| cli::run(&arguments, environment()));
    // The hook above has reported it already.
    ExitCode::from(code.unwrap_or_else(|_panic| error::Kind::Bug.code()))
}

fn environment() -> Environment {
    Environment {
        variables: std::env::vars_os().collect::<BTreeMap<OsString, OsString>>(),
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        machine: std::env::consts::ARCH,
        stderr_is_terminal: std::io::stderr().is_terminal(),
        clock: Instant::now,
        now: SystemTime::now,
        apt_sources,
    }
}

/// The files that name the host's mirrors, in the order in which apt reads them.
fn apt_sources() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "list" || extension == "sources"))
        .collect();
    paths.sort();
    paths.insert(0, PathBuf::from("/etc/apt/sources.list"));
    paths.into_iter().filter_map(|path| read_text(&path).map(|text| (path, text))).collect()
}

/// The text of a file of the host, cut at 1 MiB; none when it is not there or is no text.
fn read_text(path: &Path) -> Option<String> {
    let mut text = String::new();
    host::open::file(path).ok()?.take(TEXT_LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}
