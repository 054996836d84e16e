//! The errors of `image` and `composer`.

use std::path::PathBuf;

use composer::overlay::OverlayFault;
use composer::scan::ArchiveFault;
use image::archive::Problem;
use image::composefs::ImageError;
use image::tree::TreeError;
use model::rules::{Field, Origin, Rule};
use model::{FileName, ImagePath, Pattern, VerityDigest};
use rustix::io::Errno;

use crate::files::system;
use crate::rows;

fn path() -> String {
    "/x".to_owned()
}

fn file() -> PathBuf {
    PathBuf::from("x")
}

fn place() -> ImagePath {
    ImagePath::new("/x").unwrap()
}

fn rule() -> Box<Rule> {
    let file = FileName::from(file().as_path());
    let origin = Origin { module: "m".to_owned(), file, field: Field::FileSpec, position: None };
    Box::new(Rule { pattern: Pattern::parse("/x").unwrap(), origin })
}

pub(crate) fn rows() -> Vec<String> {
    [trees(), images(), image_files(), composers()].concat()
}

fn trees() -> Vec<String> {
    rows!("image::TreeError", TreeError:
        TreeError::TooManyNodes => TreeError::TooManyNodes,
        TreeError::NoMemory { .. } => TreeError::NoMemory { nodes: 1 },
        TreeError::NotADirectory { .. } => TreeError::NotADirectory { path: place() },
    )
}

fn images() -> Vec<String> {
    use ImageError as E;
    rows!("image::ImageError", E:
        E::Dump { .. } => E::Dump { line: 2, column: 7, problem: "the mode has no file type".to_owned() },
        E::Name { .. } => E::Name { directory: path(), name: "..".to_owned() },
        E::DirectoryLink { .. } => E::DirectoryLink { path: path() },
        E::Depth { .. } => E::Depth { path: path(), limit: 1 },
        E::Symlink { .. } => E::Symlink { path: path(), length: 0 },
        E::XattrName { .. } => E::XattrName { path: path(), name: String::new() },
        E::XattrSize { .. } => E::XattrSize { path: path(), size: 2, limit: 1 },
        E::OverlayMarks { .. } => E::OverlayMarks { path: path() },
        E::WhiteoutLink { .. } => E::WhiteoutLink { path: path(), links: 2 },
        E::DeviceNumber { .. } => E::DeviceNumber { path: path(), number: u64::MAX },
        E::Nanoseconds { .. } => E::Nanoseconds { path: path(), nanoseconds: u32::MAX },
        E::Mode { .. } => E::Mode { path: path(), mode: u16::MAX },
        E::Content { .. } => E::Content { path: path(), size: 1 },
        E::FileSize { .. } => E::FileSize { path: path(), size: 2, limit: 1 },
        E::ImageSize { .. } => E::ImageSize { blocks: u64::MAX },
        E::NoMemory { .. } => E::NoMemory { nodes: 1 },
        E::Unsupported { .. } => E::Unsupported { field: "the version", found: 9 },
        E::Damaged { .. } => E::Damaged { problem: "x", offset: 1 },
        E::Memory { .. } => E::Memory { size: 1 },
    )
}

fn image_files() -> Vec<String> {
    use image::Error as E;
    rows!("image", E:
        E::Host(_) => E::Host(system(Errno::IO)),
        E::ChangedMeanwhile { .. } => E::ChangedMeanwhile { path: file() },
        E::TooLarge { .. } => E::TooLarge { source_name: file(), size: 2, limit: 1 },
        E::SourceChanged { .. } => E::SourceChanged { source_name: file(), expected: 1, found: 2 },
        E::MissingObject { .. } => E::MissingObject { digest: VerityDigest::new([0; 32]), size: 1 },
        E::Archive { .. } => E::Archive { path: file(), problem: Problem::End },
        E::Image(_) => E::Image(ImageError::Memory { size: 1 }),
        E::Tree(_) => E::Tree(TreeError::TooManyNodes),
    )
}

fn composers() -> Vec<String> {
    use composer::Error as E;
    rows!("composer", E:
        E::Host(_) => E::Host(system(Errno::IO)),
        E::Image(_) => E::Image(image::Error::ChangedMeanwhile { path: file() }),
        E::Path(_) => E::Path(ImagePath::new("/..").unwrap_err()),
        E::ChangedWhileRead { .. } => E::ChangedWhileRead { path: place(), expected: 1, found: 2 },
        E::FilterTooLarge { .. } => E::FilterTooLarge { patterns: 1, reason: "x".to_owned() },
        E::FilterTooCostly { .. } => E::FilterTooCostly { patterns: 1, rule: rule(), path: path() },
        E::PatternTooCostly { .. } => E::PatternTooCostly { pattern: Pattern::parse("/x").unwrap(), path: path() },
        E::NotARootfs { .. } => E::NotARootfs { path: file() },
        E::Compressed { .. } => E::Compressed { path: file(), format: "gzip", command: "gunzip" },
        E::Tar { .. } => E::Tar { path: file(), offset: 0, entry: None, fault: ArchiveFault::Truncated },
        E::Overlay { .. } => E::Overlay { file: file(), fault: OverlayFault::Special },
    )
}
