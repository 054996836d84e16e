//! Whether there is memory left, asked before it is needed.
//!
//! An allocation that fails ends a program at once, in the middle of whatever it does. So what grows with
//! its input asks now and then whether some is still available, while it can still say that there is none.

use std::hint::black_box;
use std::io;

/// What must be left beside what is asked for, in bytes. More than a C library takes for a block to be kept
/// for the next one: asking changes nothing.
const RESERVE: usize = 33 << 20;

/// From how many entries on it is worth asking; what is smaller fits wherever the program itself does.
pub const STEP: usize = 4096;

/// Asks for `bytes` and a reserve, and gives them back.
///
/// # Errors
/// [`io::ErrorKind::OutOfMemory`], when they are not available.
pub fn ask(bytes: usize) -> io::Result<()> {
    let mut probe: Vec<u8> = Vec::new();
    let answer = probe.try_reserve_exact(bytes.saturating_add(RESERVE));
    black_box(&probe);
    answer.map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// Whether this process may use so little address space that threads are dear: each one takes some 64 MiB of it.
#[must_use]
pub fn is_scarce() -> bool {
    const SCARCE: u64 = 1 << 30;
    rustix::process::getrlimit(rustix::process::Resource::As).current.is_some_and(|limit| limit < SCARCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_not_to_be_had() {
        assert!(ask(1 << 20).is_ok());
        assert_eq!(ask(usize::MAX >> 1).map_err(|error| error.kind()), Err(io::ErrorKind::OutOfMemory));
    }
}
