//! The executable of this program.
//!
//! It is held open from the start on and comes to a child that is this program started again as its standard input, which
//! is how it gets past whatever runs in between: what is at this program's path by now is not run.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags};

/// Where a child finds the executable.
pub(super) const PATH: &str = "/proc/self/fd/0";

static EXECUTABLE: OnceLock<OwnedFd> = OnceLock::new();

/// Makes `executable`, a program that calls [`enter`](super::enter), the one that children of this process are first: for
/// tests, whose own `main` calls nothing of ours. The first call counts.
///
/// # Errors
/// When it cannot be opened.
#[allow(clippy::disallowed_methods, reason = "the link in /proc that is to be followed, or a test's own program")]
pub fn register(executable: &Path) -> io::Result<()> {
    let opened = rustix::fs::open(executable, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    // Where there is one already, it stays.
    let _ = EXECUTABLE.set(opened);
    Ok(())
}

/// The executable as a child's standard input.
pub(super) fn stdin() -> io::Result<Stdio> {
    let missing = || io::Error::new(io::ErrorKind::Unsupported, "this program cannot start itself again");
    Ok(EXECUTABLE.get().ok_or_else(missing)?.as_fd().try_clone_to_owned()?.into())
}
