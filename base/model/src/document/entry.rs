//! A value that knows where it was written.

use serde::{Serialize, Serializer};

use crate::diagnostic::Position;

/// A value with the place where it was written.
///
/// Two entries are equal when their values are: the place says where a value came from, and is no
/// part of what the document says.
#[derive(Debug, Clone, Copy)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// Where it begins in the file.
    pub position: Position,
}

impl<T: PartialEq> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Serialize> Serialize for Entry<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}
