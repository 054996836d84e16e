//! Why a tree cannot become an image, and why bytes are no image.

use model::explain::{Explain, Explanation, Kind};

/// What is wrong with a tree that was to be written, or with an image that was to be read.
///
/// Paths are printed with unusual bytes escaped, because a path that is refused may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// A file name is empty, over 255 bytes, `.`, `..`, or holds `/` or NUL.
    #[error("{directory} holds a name that no file can have: {name:?}")]
    Name {
        /// The directory.
        directory: String,
        /// The name.
        name: String,
    },
    /// A directory has two names, or is inside itself.
    #[error("the directory {path} has a second name, or is inside itself")]
    DirectoryLink {
        /// One of its names.
        path: String,
    },
    /// Directories nest deeper than any path can reach.
    #[error("{path} is more than {limit} directories deep")]
    Depth {
        /// The start of the directory's path.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// A symbolic link's target is empty, over 4095 bytes, or holds NUL.
    #[error(
        "the symbolic link {path} has a target of {length} bytes, or with a NUL byte; 1 to 4095 bytes are possible"
    )]
    Symlink {
        /// The link.
        path: String,
        /// The length of its target.
        length: usize,
    },
    /// An extended attribute's name is empty, over 255 bytes, or holds NUL.
    #[error("{path} has an extended attribute with the impossible name {name:?}; 1 to 255 bytes are possible")]
    XattrName {
        /// The file.
        path: String,
        /// The attribute.
        name: String,
    },
    /// The extended attributes of an inode take too much room.
    #[error("the extended attributes of {path} take {size} bytes; {limit} are possible")]
    XattrSize {
        /// The file.
        path: String,
        /// Their size as the format counts it.
        size: i64,
        /// The limit.
        limit: i64,
    },
    /// A whiteout, or a directory that holds one, has attributes of overlayfs of its own whose values
    /// are longer than the marks that have to replace them, which the C tools refuse.
    #[error(
        "{path} is or holds a whiteout and has its own overlay attributes with long values; remove its \
         trusted.overlay.whiteout, trusted.overlay.opaque and user.overlay attributes"
    )]
    OverlayMarks {
        /// The file.
        path: String,
    },
    /// An overlay whiteout (character device 0:0) has several names. Overlay whiteouts are written
    /// as marked files whose directories are marked too, and other tools mark but one directory.
    #[error("the whiteout {path} has {links} names; give each its own inode")]
    WhiteoutLink {
        /// The first name.
        path: String,
        /// How many names it has.
        links: u32,
    },
    /// A device number does not fit the format's 32 bits: major below 4096, minor below 1048576.
    #[error("the device number {number:#x} of {path} does not fit 32 bits")]
    DeviceNumber {
        /// The device.
        path: String,
        /// Its `makedev` number.
        number: u64,
    },
    /// A time's nanoseconds are a second or more.
    #[error("{path} has a time with {nanoseconds} nanoseconds")]
    Nanoseconds {
        /// The file.
        path: String,
        /// The nanoseconds.
        nanoseconds: u32,
    },
    /// A mode has bits beyond the twelve permission bits.
    #[error("{path} has the mode {mode:o}, which is more than permission bits")]
    Mode {
        /// The file.
        path: String,
        /// The mode.
        mode: u16,
    },
    /// A file is neither empty nor inline and has no digest, or its inline content is not as long
    /// as its size, or longer than the format allows.
    #[error("{path} has {size} bytes, but neither a digest nor an inline content of that size")]
    Content {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// A file is larger than the format can say.
    #[error("{path} has {size} bytes; {limit} are possible")]
    FileSize {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The image would be larger than the format can say.
    #[error("the image would have {blocks} blocks of 4096 bytes; 4294967295 are possible")]
    ImageSize {
        /// The blocks it would have.
        blocks: u64,
    },
    /// There is no memory for the image's tree.
    #[error("there is not enough memory for a tree of {nodes} inodes")]
    NoMemory {
        /// How many there were so far.
        nodes: usize,
    },
    /// The bytes are no composefs image, or one of a kind that this reader does not know.
    #[error("not a composefs image that this version reads: {field} is {found:#x}")]
    Unsupported {
        /// The field of the header.
        field: &'static str,
        /// What it holds.
        found: u64,
    },
    /// The image says something that no writer writes.
    #[error("damaged composefs image: {problem} at byte {offset}")]
    Damaged {
        /// What is wrong.
        problem: &'static str,
        /// Where, in bytes from the start of the image.
        offset: u64,
    },
    /// There is no memory for what the image holds.
    #[error("no memory is left to read a composefs image of {size} bytes")]
    Memory {
        /// Its size in bytes.
        size: u64,
    },
}

impl Explain for ImageError {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Memory { .. } => {
                Explanation::new(Kind::Outside, self).hint("give it more memory: images are read as a whole")
            }
            Self::NoMemory { .. } => Explanation::new(Kind::Outside, self).hint(host::explain::MEMORY),
            Self::Name { .. }
            | Self::DirectoryLink { .. }
            | Self::Depth { .. }
            | Self::Symlink { .. }
            | Self::XattrName { .. }
            | Self::XattrSize { .. }
            | Self::OverlayMarks { .. }
            | Self::WhiteoutLink { .. }
            | Self::DeviceNumber { .. }
            | Self::Nanoseconds { .. }
            | Self::Mode { .. }
            | Self::Content { .. }
            | Self::FileSize { .. }
            | Self::ImageSize { .. }
            | Self::Unsupported { .. }
            | Self::Damaged { .. } => Explanation::new(Kind::Input, self),
        }
    }
}
