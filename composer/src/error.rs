//! What can go wrong in the composer.

use std::io;
use std::path::{Path, PathBuf};

use model::explain::{Explain, Explanation, Kind};
use model::rules::Rule;
use model::{Diagnostic, ImagePath, Pattern, Severity};

/// What can go wrong in the composer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory of the host cannot be opened, read or written.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A tree cannot be built, a file is no longer what was seen, or an object cannot be kept.
    #[error(transparent)]
    Image(#[from] image::Error),
    /// A path from outside is no path inside an image.
    #[error(transparent)]
    Path(#[from] model::path::ImagePathError),
    /// A file changed while it was read, so that its digest would be a lie.
    #[error("{path} changed while it was read: {expected} bytes expected, {found} found")]
    ChangedWhileRead {
        /// The file inside the image.
        path: ImagePath,
        /// The size the scan saw.
        expected: u64,
        /// The size that was read, or the first size past the expected one.
        found: u64,
    },
    /// The patterns of a filter list are too many or too long to compile.
    #[error("the {patterns} patterns of the filter cannot be compiled: {reason}")]
    FilterTooLarge {
        /// How many patterns the list has.
        patterns: usize,
        /// What limit was met.
        reason: String,
    },
    /// The patterns of a filter list take more work than is done for one.
    #[error("the patterns take too much work to be compared with the root file system")]
    FilterTooCostly {
        /// How many patterns the list has.
        patterns: usize,
        /// The one that took most of the work at the end.
        rule: Box<Rule>,
        /// The path at which the work was used up, unusual bytes escaped.
        path: String,
    },
    /// The patterns of `[overlay]` or of an `include` take more work than is done for them.
    #[error("the pattern `{pattern}` takes too much work to be compared with {path}")]
    PatternTooCostly {
        /// The one at which the work was used up.
        pattern: Pattern,
        /// The path at which it was, unusual bytes escaped.
        path: String,
    },
    /// A root file system is neither a directory nor a tar archive.
    #[error("{} is neither a directory nor a tar archive", path.display())]
    NotARootfs {
        /// What was given.
        path: PathBuf,
    },
    /// An archive is compressed.
    #[error("{} is compressed with {format}; decompress it first: {command} {}", path.display(), path.display())]
    Compressed {
        /// The archive.
        path: PathBuf,
        /// The name of the format.
        format: &'static str,
        /// The command that decompresses it, to be followed by the path.
        command: &'static str,
    },
    /// A tar archive is damaged, or holds what cannot be kept.
    #[error("cannot use the archive {}, {} at byte {offset}", path.display(), entry.as_deref().unwrap_or("a header"))]
    Tar {
        /// The archive.
        path: PathBuf,
        /// Where the header of the member begins.
        offset: u64,
        /// The member's name, with unusual bytes escaped, where it is known.
        entry: Option<String>,
        /// What is wrong.
        #[source]
        fault: crate::scan::ArchiveFault,
    },
    /// A file of the module's overlay cannot be laid over the tree.
    #[error("cannot put {} into the tree", file.display())]
    Overlay {
        /// The file of the overlay, on the host.
        file: PathBuf,
        /// Why not.
        #[source]
        fault: crate::overlay::OverlayFault,
    },
}

impl From<image::tree::TreeError> for Error {
    fn from(error: image::tree::TreeError) -> Self {
        Self::Image(error.into())
    }
}

/// How much of an offending text is shown, in characters.
const SHOWN: usize = 80;

impl Explain for Error {
    fn explain(&self) -> Explanation<'_> {
        match self {
            Self::Host(error) => error.explain(),
            Self::Image(error) => error.explain(),
            Self::ChangedWhileRead { .. } => image::error::changed(self),
            Self::FilterTooCostly { rule, path, patterns } => Explanation {
                findings: vec![too_costly(rule, path, *patterns)],
                ..Explanation::new(Kind::Input, self)
                    .hint("simplify the patterns that the findings name, or put fewer like them into the manifest")
            },
            Self::PatternTooCostly { .. } => {
                Explanation::new(Kind::Input, self).hint("write the pattern in builder.toml with fewer wildcards")
            }
            Self::FilterTooLarge { .. } => {
                Explanation::new(Kind::Input, self).hint("put fewer patterns into the lists, or shorter ones")
            }
            Self::NotARootfs { .. } => Explanation::new(Kind::Input, self)
                .hint("--rootfs takes the directory of an unpacked root file system, or a tar of one"),
            Self::Path(_) | Self::Compressed { .. } | Self::Tar { .. } | Self::Overlay { .. } => {
                Explanation::new(Kind::Input, self)
            }
        }
    }
}

/// The worst of the patterns that take too much work, at its place.
fn too_costly(rule: &Rule, path: &str, patterns: usize) -> Diagnostic {
    let message = format!("of the {patterns} patterns of its list this one takes the most work, seen at {path}");
    let hint = "write names out where a pattern has many `*`: each further one multiplies what is compared";
    Diagnostic::new(Severity::Error, "pattern-too-costly", message, hint)
        .in_file(rule.origin.file.clone())
        .at(rule.origin.position)
        .in_field(rule.origin.field.key())
        .quoting(rule.pattern.as_str().chars().take(SHOWN).collect::<String>())
}

impl Error {
    /// Gives an I/O error its place, for use with `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let placed = host::Error::io(action, path);
        move |source| placed(source).into()
    }
}
