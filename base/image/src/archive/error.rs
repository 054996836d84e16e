//! What is wrong with an archive.

use model::VerityDigest;

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An entry has a name that no module has.
    #[error("it holds an entry {name:?}, which no module has")]
    UnknownEntry {
        /// The name.
        name: String,
    },
    /// An entry is neither a regular file nor a directory, or is the wrong one of these.
    #[error("its entry {name:?} has the wrong type")]
    EntryType {
        /// The name.
        name: String,
    },
    /// Another entry stands in the place of one.
    #[error("it holds {found:?} where {expected:?} should come")]
    Order {
        /// The name of what is there.
        found: String,
        /// The name of what should be.
        expected: String,
    },
    /// An entry that the module has is not there.
    #[error("it ends where {name:?} should come")]
    MissingEntry {
        /// The name.
        name: String,
    },
    /// An entry comes after all that the module has.
    #[error("it holds {name:?} twice, or the image does not use it")]
    Unused {
        /// The name.
        name: String,
    },
    /// A field of an entry's header is not the one that every module has.
    #[error("the {field} of its entry {name:?} is not what a build writes")]
    Header {
        /// The entry.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// What fills the last block of an entry is not zero.
    #[error("bytes are hidden behind its entry {name:?}")]
    Padding {
        /// The entry.
        name: String,
    },
    /// An entry is larger than any that is read.
    #[error("its entry {name:?} has {size} bytes, more than {limit}")]
    TooLarge {
        /// The name.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An object has another size than the image says.
    #[error("its entry {name:?} has {found} bytes, and its image says {size}")]
    Size {
        /// The name.
        name: String,
        /// What the image says.
        size: u64,
        /// What the header says.
        found: u64,
    },
    /// The archive ends too early, or something follows its end.
    #[error("it does not end as the archive of a module ends: it is cut off, or something follows")]
    End,
    /// `composefs.digest` is no digest.
    #[error("its composefs.digest is not `sha256:`, 64 hexadecimal digits and a line break")]
    DigestText,
    /// The image is not the one that `composefs.digest` names.
    #[error("its module.cfs has the fs-verity digest {found}, composefs.digest says {expected}")]
    ImageDigest {
        /// What `composefs.digest` says.
        expected: VerityDigest,
        /// What the image gives.
        found: VerityDigest,
    },
    /// An object is not what its name says.
    #[error("its object {expected} has the fs-verity digest {found}")]
    ObjectDigest {
        /// The object's name.
        expected: VerityDigest,
        /// What its content gives.
        found: VerityDigest,
    },
    /// The image gives one object two sizes.
    #[error("its image gives the object {digest} both {} and {} bytes", sizes[0], sizes[1])]
    TwoSizes {
        /// The object.
        digest: VerityDigest,
        /// The sizes, the smaller first.
        sizes: [u64; 2],
    },
    /// The compressed form is not the one that is written.
    #[error("{fault}")]
    Frame {
        /// What is wrong with it.
        fault: FrameFault,
    },
}

/// What is wrong with the zstd frames of a compressed archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// Something stands where a frame should begin.
    #[error("something other than a zstd frame stands between or behind its frames")]
    Foreign,
    /// A frame has no content size or no checksum, or it needs a dictionary.
    #[error("a zstd frame of it has no content size or no checksum, or needs a dictionary")]
    Header,
    /// The frames are not cut where the entries are.
    #[error("its zstd frames are not cut as a build cuts them")]
    Cut,
    /// A frame cannot be unpacked.
    #[error("a zstd frame of it is damaged or cut off")]
    Damaged,
}

/// The field of a ustar header (POSIX.1-2017, pax, "ustar Interchange Format") that the byte `at` is in.
pub(super) fn field(at: usize) -> &'static str {
    const FIELDS: [(usize, &str); 15] = [
        (100, "name"),
        (108, "mode"),
        (116, "owner"),
        (124, "group"),
        (136, "size"),
        (148, "time"),
        (156, "checksum"),
        (157, "type"),
        (257, "link target"),
        (265, "format"),
        (297, "name of the owner"),
        (329, "name of the group"),
        (345, "device number"),
        (500, "name"),
        (512, "end of the header"),
    ];
    FIELDS.iter().find(|(end, _)| at < *end).map_or("header", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_lies_in_the_field_that_posix_puts_there() {
        // First byte and length of each field in the table of "ustar Interchange Format".
        for (first, length, name) in [
            (0, 100, "name"),
            (100, 8, "mode"),
            (108, 8, "owner"),
            (116, 8, "group"),
            (124, 12, "size"),
            (136, 12, "time"),
            (148, 8, "checksum"),
            (156, 1, "type"),
            (157, 100, "link target"),
            (257, 8, "format"),
            (265, 32, "name of the owner"),
            (297, 32, "name of the group"),
            (329, 16, "device number"),
            (345, 155, "name"),
            (500, 12, "end of the header"),
            (512, 1, "header"),
        ] {
            assert_eq!((field(first), field(first + length - 1)), (name, name));
        }
    }
}
