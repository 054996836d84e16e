//! The extended attributes of an inode.

use std::collections::{BTreeMap, btree_map};
use std::ops::Deref;

/// Names and values, sorted by name.
type Map = BTreeMap<Box<[u8]>, Box<[u8]>>;

static NOTHING: Map = Map::new();

/// Extended attributes: full name (`security.capability`) to value.
///
/// Nearly all inodes have none, so that none take the room of a pointer only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xattrs(
    /// Never an empty map, so that equal attributes are equal.
    Option<Box<Map>>,
);

impl Xattrs {
    /// No attributes.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Sets an attribute and gives back its former value.
    pub fn insert(&mut self, name: Box<[u8]>, value: Box<[u8]>) -> Option<Box<[u8]>> {
        self.0.get_or_insert_default().insert(name, value)
    }

    /// Removes an attribute and gives back its value.
    pub fn remove(&mut self, name: &[u8]) -> Option<Box<[u8]>> {
        let removed = self.0.as_mut()?.remove(name);
        if self.is_empty() {
            self.0 = None;
        }
        removed
    }
}

impl Deref for Xattrs {
    type Target = Map;

    fn deref(&self) -> &Map {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl FromIterator<(Box<[u8]>, Box<[u8]>)> for Xattrs {
    fn from_iter<I: IntoIterator<Item = (Box<[u8]>, Box<[u8]>)>>(attributes: I) -> Self {
        let map = Map::from_iter(attributes);
        Self((!map.is_empty()).then(|| Box::new(map)))
    }
}

impl<const N: usize> From<[(Box<[u8]>, Box<[u8]>); N]> for Xattrs {
    fn from(attributes: [(Box<[u8]>, Box<[u8]>); N]) -> Self {
        Self::from_iter(attributes)
    }
}

impl IntoIterator for Xattrs {
    type Item = (Box<[u8]>, Box<[u8]>);
    type IntoIter = btree_map::IntoIter<Box<[u8]>, Box<[u8]>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|map| *map).unwrap_or_default().into_iter()
    }
}

impl<'a> IntoIterator for &'a Xattrs {
    type Item = (&'a Box<[u8]>, &'a Box<[u8]>);
    type IntoIter = btree_map::Iter<'a, Box<[u8]>, Box<[u8]>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Box<[u8]> {
        Box::from(text.as_bytes())
    }

    #[test]
    fn what_became_empty_equals_what_was_never_filled() {
        let mut xattrs = Xattrs::new();
        assert_eq!(xattrs.remove(b"user.x"), None);
        assert_eq!(xattrs.insert(bytes("user.x"), bytes("1")), None);
        assert_eq!(xattrs.insert(bytes("user.x"), bytes("2")), Some(bytes("1")));
        assert_ne!(xattrs, Xattrs::new());
        assert_eq!(xattrs, Xattrs::from([(bytes("user.x"), bytes("2"))]));
        assert_eq!(xattrs.remove(b"user.y"), None);
        assert_eq!(xattrs.remove(b"user.x"), Some(bytes("2")));
        assert_eq!(xattrs, Xattrs::new());
        assert_eq!(xattrs, Xattrs::from([]));
        assert_eq!(size_of::<Xattrs>(), size_of::<usize>());
    }

    #[test]
    fn attributes_come_in_the_order_of_their_names() {
        let xattrs = Xattrs::from([(bytes("b"), bytes("2")), (bytes("a"), bytes("1"))]);
        let names: Vec<&[u8]> = (&xattrs).into_iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, [b"a", b"b"]);
        assert_eq!(xattrs.into_iter().collect::<Vec<_>>(), [(bytes("a"), bytes("1")), (bytes("b"), bytes("2"))]);
    }
}
