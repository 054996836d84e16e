//! Whether a place can be written to: found out before the work, not after it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use host::{Dir, Pinned};

use crate::error::Error;
use crate::recipes::results::whose;

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

/// Fails where `path`, which is or will be what `what` calls it, is in a build's directory or in the `rootfs/` of a module:
/// the next build there would take it for files of somebody's, or ship it.
///
/// # Errors
/// When it is, or its place cannot be found.
pub(crate) fn check_around(path: &Path, what: &str, hint: &str) -> Result<(), Error> {
    // Whether it can be made is seen where it is.
    let Ok(place) = Pinned::new(path) else { return Ok(()) };
    let of = |around: Option<PathBuf>, why: &'static str| Some((around?, why));
    let found = of(whose::build_around(place.base())?, "holds a build")
        .or(of(whose::overlay_around(place.base())?, "ships with a module"));
    match found {
        Some((around, why)) => {
            let message = format!("{what} {} is in {}, which {why}", path.display(), around.display());
            Err(Error::usage(message).hint(hint.to_owned()))
        }
        None => Ok(()),
    }
}
