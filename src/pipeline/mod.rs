//! From a module's repository to its artifact, as recipes.
//!
//! [`produce`] is what `build` does, [`dry_run`] what `build --dry-run` does. This is the one place
//! where the crates below meet: nothing in them knows of the others.

pub(crate) mod carve;
pub(crate) mod compare;
pub(crate) mod contents;
pub(crate) mod download;
pub(crate) mod dry_run;
pub(crate) mod examine;
pub(crate) mod explain;
pub(crate) mod fingerprint;
pub(crate) mod inputs;
pub(crate) mod lints;
pub(crate) mod listings;
pub(crate) mod lists;
pub(crate) mod lock;
pub(crate) mod named;
pub(crate) mod opened;
pub(crate) mod outputs;
pub(crate) mod ownership;
pub(crate) mod places;
pub(crate) mod produce;
pub(crate) mod ram_disks;
pub(crate) mod rebuild;
pub(crate) mod record;
pub(crate) mod remembered;
pub(crate) mod request;
mod room;
pub(crate) mod root;
pub(crate) mod scrub;
pub(crate) mod secrets;
pub(crate) mod selection;
mod special;
pub(crate) mod staging;
pub(crate) mod unchanged;
pub(crate) mod whose;
