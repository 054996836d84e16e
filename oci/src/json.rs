//! The one canonical JSON, with an error that says which document it was to be.

use serde::Serialize;

use crate::error::Error;

/// `value` as [`model::canonical::json`] writes it. The maps of the OCI types have no order of their own.
pub(crate) fn canonical(what: &'static str, value: &impl Serialize) -> Result<Vec<u8>, Error> {
    model::canonical::json(value).map_err(|source| Error::Serialize { what, source })
}
