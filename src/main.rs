//! `module-builder`: from `manifest.yaml` to an artifact that a node mounts.
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
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use builder::apt::HostFile;
use environment::Environment;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// No text file of the host's configuration is longer.
const TEXT_LIMIT: u64 = 1 << 20;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Started again ahead of another program: no user's command line.
    if let Some(ended) = host::process::enter(&arguments) {
        if !ended.message.is_empty() {
            // Where nothing can be written, nothing can be said.
            let _ = std::io::stderr().write_all(format!("{}\n", ended.message).as_bytes());
        }
        return ExitCode::from(ended.code);
    }
    say_interrupts();
    std::panic::set_hook(Box::new(|info| ui::bug(&info.to_string())));
    let code = std::panic::catch_unwind(|| cli::run(&arguments, environment(&arguments)));
    // The hook above has reported it already.
    ExitCode::from(code.unwrap_or_else(|_panic| error::Kind::Bug.code()))
}

/// Has an interrupt said in one line before it ends the run. Where the signals cannot be watched, they end it as ever.
fn say_interrupts() {
    let is_ending = Arc::new(AtomicBool::new(false));
    // A second one does not wait until everything is undone. What is registered first is done first: behind the other, this would
    // see what the thread below makes of the first one, and end the run in its middle.
    for signal in [SIGINT, SIGTERM] {
        let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_ending));
    }
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return is_ending.store(true, Ordering::SeqCst) };
    let handle = signals.handle();
    let unwatched = Arc::clone(&is_ending);
    let watch = move || {
        for signal in signals.forever() {
            is_ending.store(true, Ordering::SeqCst);
            ui::interrupted(if signal == SIGINT { "interrupted" } else { "terminated" });
            host::interrupt::undo();
            // By the signal itself, so that a shell sees what ended it.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    if std::thread::Builder::new().spawn(watch).is_err() {
        handle.close();
        unwatched.store(true, Ordering::SeqCst);
    }
}

fn environment(arguments: &[OsString]) -> Environment {
    Environment {
        arguments: arguments.to_vec(),
        variables: std::env::vars_os().collect::<BTreeMap<OsString, OsString>>(),
        current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        machine: std::env::consts::ARCH,
        stderr_is_terminal: std::io::stderr().is_terminal(),
        clock: Instant::now,
        now: SystemTime::now,
        apt_sources,
        apt_mirrors,
    }
}

/// The files that name the host's archives, in the order in which apt reads them, and with the names that it reads.
fn apt_sources() -> Vec<HostFile> {
    let is_plain =
        |name: &OsStr| name.as_encoded_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
    let mut paths: Vec<PathBuf> = std::fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "list" || extension == "sources"))
        .filter(|path| path.file_name().is_some_and(is_plain))
        .collect();
    paths.sort();
    let main = Some(PathBuf::from("/etc/apt/sources.list")).filter(|path| path.exists());
    main.into_iter().chain(paths).map(|path| (path.clone(), read_text(&path))).collect()
}

/// The text of a list of mirrors of the host.
fn apt_mirrors(path: &Path) -> Option<String> {
    read_text(path).ok()
}

/// The text of a file of the host, or why there is none.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = host::open::read(path, TEXT_LIMIT).map_err(|error| error.to_string())?;
    // As apt, which takes comments in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
