//! Why a file of an overlay cannot be laid over the tree.

use model::ImagePath;

/// Why a file of an overlay cannot be laid over the tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverlayFault {
    /// A directory of the tree has the file's name.
    #[error("it would replace the directory {at}")]
    OverDirectory {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// Something that is no directory has the name of a directory of the overlay.
    #[error("it is a directory, but {at} is none and leads to none")]
    OverFile {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// Two files of the overlay end up at one path, one of them through a symbolic link.
    #[error("another file of the overlay is already at {at}")]
    Twice {
        /// Where, inside the image.
        at: ImagePath,
    },
    /// A device, named pipe or socket, which git does not keep.
    #[error("it is neither a file, a directory nor a symbolic link")]
    Special,
}
