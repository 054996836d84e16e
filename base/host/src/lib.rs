//! The machine that this program runs on: its files, directories, locks and child processes.
//!
//! Every other crate touches the host by way of this one, so that what is true of one file is true of all:
//! what comes from outside is opened below a directory's descriptor ([`dir::Dir`]) or by a name that the user
//! gave ([`open`]), is never a pipe, a socket or a device, and is never larger than its reader expects; what
//! is written appears whole ([`dir::Dir::replace`]) and by descriptors, so that whoever owns a directory
//! cannot lead another user's run elsewhere; and a directory is removed only if it carries the mark of the
//! run that made it ([`scratch::Scratch`]).
//!
//! No domain words here: a file is a file, whether it is a manifest or a lock.

pub mod dir;
pub mod error;
pub mod hash;
pub mod memory;
pub mod open;
pub mod process;
pub mod room;
pub mod scratch;

pub use dir::{Dir, Links};
pub use error::{Error, Fault};
pub use scratch::Scratch;
