//! Whether a place can be written to: found out before the work, not after it.

use std::io::ErrorKind;

use host::Dir;

use crate::error::Error;

/// Checks that files can be made in `directory`, which is `which` of what `message` says cannot be done.
///
/// # Errors
/// `message`, with the reason and the `hint`.
pub(crate) fn check(directory: &Dir, message: &str, which: &str, hint: &str) -> Result<(), Error> {
    judge(directory.is_writable(), directory, (message, which), hint)
}

/// The same of an answer that is there already.
///
/// # Errors
/// As [`check`].
pub(crate) fn judge(
    answer: Result<bool, host::Error>,
    directory: &Dir,
    (message, which): (&str, &str),
    hint: &str,
) -> Result<(), Error> {
    let error = match answer {
        Ok(true) => return Ok(()),
        Ok(false) => {
            let (place, owner) = (directory.path().display(), directory.owner()?);
            let mut error = Error::outside(message);
            error
                .causes
                .push(format!("{which}{place} belongs to the user id {owner}, and this user may not write to it"));
            error
        }
        Err(host::Error::Io { source, action, path }) => {
            let is_full = matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
            let mut error = Error::outside(message);
            error.causes.push(format!("cannot {action} {which}{}: {source}", path.display()));
            return Err(error.hint(if is_full {
                format!("make room on the file system, or {hint}")
            } else {
                hint.to_owned()
            }));
        }
        Err(error @ host::Error::Place { .. }) => {
            let Error { kind, hint, .. } = Error::from(&error);
            return Err(Error { kind, hint, ..Error::input(message).because(&error) });
        }
    };
    Err(error.hint(hint))
}
