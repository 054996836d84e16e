//! The machine that this program runs on: its files, directories, locks and child processes.
//!
//! Every other crate touches the host through this one, so that what is true of one file is true of all:
//! what comes from outside is opened below a directory's descriptor ([`dir::Dir`]) or by a name that the user
//! gave ([`open`]), is never a pipe, a socket or a device, and is never larger than its reader expects; what
//! is written appears whole ([`dir::Dir::replace`], [`staged::Staged`]) and by descriptors, so that whoever owns
//! a directory cannot lead another user's run elsewhere; and a directory is removed only if it carries the mark of the
//! run that made it ([`scratch::Scratch`]). What a run trusts because an earlier one wrote it is an own file ([`owner`]), and no one
//! waits in silence ([`lock`], [`patience`]).
//!
//! No domain words here: a file is a file, whether it is a manifest or a lock.

// Product code is linted where the crate is built without its tests, which read what they wrote themselves.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "a test reads what it wrote itself"))]

pub mod dir;
pub mod error;
pub mod explain;
pub mod hash;
pub mod interrupt;
pub mod listing;
pub mod lock;
pub mod memory;
pub mod open;
pub mod owner;
pub mod patience;
pub mod pinned;
pub mod process;
pub mod read;
pub mod room;
pub mod scratch;
pub mod staged;
mod unfinished;

pub use dir::{Dir, Links};
pub use error::{Error, Fault};
pub use listing::{Listing, Whose};
pub use pinned::Pinned;
pub use scratch::Scratch;
pub use staged::Staged;
