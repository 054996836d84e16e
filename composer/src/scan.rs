//! A root file system becomes a tree: the only reader of a root file system.
//!
//! Contents are not read: each regular file of the tree is a [`Source`] that says where its bytes lie.

mod source;

pub use source::{ArchiveFile, Source};
