//! What a build left: found, opened, checked, described and compared.

pub(crate) mod artifact;
pub(crate) mod compare;
pub(crate) mod counts;
pub(crate) mod damage;
pub(crate) mod differ;
pub(crate) mod file;
pub(crate) mod file_lists;
pub(crate) mod inspect;
pub(crate) mod lower;
pub(crate) mod path_list;
pub(crate) mod record;
pub(crate) mod whose;
pub(crate) mod writable;
