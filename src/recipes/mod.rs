//! What the verbs do, as recipes: one room each, with a request of its own.
//!
//! This is the one place where the stages meet: nothing in them knows of the others. The rooms lie on three floors,
//! and a room knows those below it alone: `draft`, `explain`, `lock`, `rebuild` and `validate` stand on [`build`], that on
//! [`packages`] (from names to files) and [`results`] (what a build left, read again); [`trial`] stands on that, too.

pub(crate) mod build;
pub(crate) mod draft;
pub(crate) mod explain;
pub(crate) mod lock;
pub(crate) mod packages;
pub(crate) mod rebuild;
pub(crate) mod results;
pub(crate) mod trial;
pub(crate) mod validate;
