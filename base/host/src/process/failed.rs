//! What a child cannot do ahead of its program.

use std::io;

/// The exit code where anything but the program itself is missing, as shells have it.
pub(super) const FAILED: u8 = 126;

/// What cannot be done ahead of a program, and why.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) what: String,
    pub(super) why: io::Error,
    pub(super) code: u8,
}

pub(super) fn failed<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Failed {
    move |why| Failed { what: what.to_owned(), why: why.into(), code: FAILED }
}
