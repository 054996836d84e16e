//! What can be wrong with an archive.

use model::ImagePath;

/// What is wrong with a tar archive, or what of it cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveFault {
    /// It ends within a member, or without the block of zeros that marks the end.
    #[error("the archive is cut short")]
    Truncated,
    /// One block of zeros, then more data: a damaged header, or archives written after each other.
    #[error("data follows the mark of the archive's end")]
    DataAfterEnd,
    /// The header's sum does not fit the header.
    #[error("the header's checksum is wrong")]
    BadChecksum,
    /// A numeric field holds no number, or one out of range.
    #[error("the field {field} holds no usable number")]
    BadNumber {
        /// The field.
        field: &'static str,
    },
    /// A pax record is malformed, or stands in a global header where it makes no sense.
    #[error("a pax record is malformed or misplaced")]
    BadRecord,
    /// An access control list is malformed, or names someone without a number.
    #[error("an access control list is malformed or holds names without numbers")]
    BadAcl,
    /// Two extended headers of one sort describe the same member.
    #[error("two extended headers describe one member")]
    TwoDescriptions,
    /// Something is larger than any archive of a root file system needs.
    #[error("{what} is longer than {limit}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The limit: bytes, or files.
        limit: u64,
    },
    /// A member without a name.
    #[error("a member has no name")]
    NoName,
    /// A name cannot be one inside an image.
    #[error(transparent)]
    Path(model::path::ImagePathError),
    /// A symbolic link without a target.
    #[error("a symbolic link has no target")]
    NoTarget,
    /// The map of a sparse file is malformed, does not fit its data, or is of a form that is not known.
    #[error("the map of a sparse file is malformed, or of an unknown form")]
    Sparse,
    /// A type of member that is not known.
    #[error("unknown type of member {:?}", char::from(*byte))]
    UnknownType {
        /// The type.
        byte: u8,
    },
    /// Something that is no regular file carries content.
    #[error("a member that is no regular file carries content")]
    UnexpectedContent,
    /// The path leads through a symbolic link.
    #[error("the path leads through the symbolic link {link}")]
    BelowALink {
        /// The link's name, with unusual bytes escaped.
        link: String,
    },
    /// The path leads through something that is neither a directory nor a link.
    #[error("the path leads through {file}, which is not a directory")]
    BelowAFile {
        /// The file's name, with unusual bytes escaped.
        file: String,
    },
    /// A hard link to something that no earlier member made, or to a directory.
    #[error("a hard link leads to {target}, which is no earlier file of the archive")]
    LinkToNothing {
        /// Where the link leads.
        target: ImagePath,
    },
    /// A file takes the place of a directory that is not empty.
    #[error("a file would replace a directory that is not empty")]
    DirectoryNotEmpty,
    /// The archive's root is not a directory.
    #[error("the root of the archive is not a directory")]
    RootIsNoDirectory,
}
