//! A clock that goes ahead of the host's, for one build and everything that decides its bytes.
//!
//! Debian's datefudge is a library that answers programs which ask for the time. The product clears
//! the environment of what it starts, so the library comes in by another way: in the build's own
//! mount namespace a script is mounted over `/usr/bin/mmdebstrap`, which preloads the library and starts
//! the real one. The library is mounted over `/home`, outside and, from the first hook on, inside the tree:
//! that directory is there before the first program runs in the tree, no package writes to it, and a
//! mount leaves no trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::command::Outcome;

/// By how many days the clock is ahead: another day, month and year.
pub(super) const DAYS: i64 = 400;

/// Mounts the library and the script, and becomes the program that the other arguments name.
pub(super) const MOUNT: &str = r#"mount --bind "$1" /home; mount --bind "$2" /usr/bin/mmdebstrap; shift 2; exec "$@""#;

/// Where the parts of the clock lie.
pub(super) struct Clock {
    /// The folder of datefudge's library.
    pub(super) library: PathBuf,
    /// The script that stands for mmdebstrap.
    pub(super) script: PathBuf,
}

impl Clock {
    /// Prepares the clock in `folder`.
    pub(super) fn new(folder: &Path) -> Outcome<Self> {
        let failed = |what: &Path, error: std::io::Error| format!("cannot write {}: {error}", what.display());
        let real = folder.join("mmdebstrap");
        fs::copy("/usr/bin/mmdebstrap", &real).map_err(|error| failed(&real, error))?;
        let script = folder.join("mmdebstrap-later");
        fs::write(&script, text(&real)).map_err(|error| failed(&script, error))?;
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(&script, mode).map_err(|error| failed(&script, error))?;
        Ok(Self { library: library()?, script })
    }

    /// What a program's environment needs to have this clock.
    pub(super) fn environment() -> [String; 2] {
        ["LD_PRELOAD=/home/datefudge.so".to_owned(), format!("DATEFUDGE={}", DAYS * -86_400)]
    }
}

/// datefudge's library is in the folder of the host's architecture.
fn library() -> Outcome<PathBuf> {
    let folders = fs::read_dir("/usr/lib").map_err(|error| format!("cannot read /usr/lib: {error}"))?;
    let mut folders = folders.filter_map(Result::ok).map(|entry| entry.path().join("datefudge"));
    folders.find(|folder| folder.join("datefudge.so").is_file()).ok_or_else(|| "datefudge has no library".to_owned())
}

/// The last hook ends the build when the clock in the tree was not ahead after all.
fn text(real: &Path) -> String {
    let [preload, ahead] = Clock::environment();
    let least = DAYS - 1;
    format!(
        r#"#!/bin/sh
export {preload} {ahead}
exec '{}' \
  '--extract-hook=mount --bind /home "$1/home"' \
  '--customize-hook=days=$(( ($(chroot "$1" date +%s) - $(env --unset=LD_PRELOAD date +%s)) / 86400 )); test $days -ge {least} && umount "$1/home"' \
  "$@"
"#,
        real.display()
    )
}
