//! What a build left: found, opened, checked, described and compared.

pub(crate) mod compare;
pub(crate) mod examine;
pub(crate) mod lists;
pub(crate) mod named;
pub(crate) mod opened;
pub(crate) mod whose;
