//! What the tests of images share: random trees, and trees on disk.

pub(crate) mod disk;
pub(crate) mod random;
