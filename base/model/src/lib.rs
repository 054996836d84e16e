//! The nouns of module-builder.
//!
//! Everything here is a checked type: a value that exists is valid. The crate does no input or
//! output, reads no clock, no environment and no network; text goes in, types or diagnostics come
//! out. Every other crate of the workspace depends on it, and it depends on none of them.

pub mod arch;
pub mod archive;
pub mod canonical;
pub mod checked;
pub mod closure;
pub mod diagnostic;
pub mod digest;
pub mod document;
pub mod epoch;
pub mod explain;
pub mod file_input;
pub mod file_name;
pub mod licence;
pub mod long_form;
pub mod manifest;
pub mod observe;
pub mod package;
pub mod path;
pub mod pattern;
pub mod record;
pub mod requirements;
pub mod resolution;
pub mod rules;
pub mod secret;
pub mod shell;
pub mod sysusers;
pub mod tmpfiles;
pub mod unit;
pub mod version;
pub mod words;

pub use arch::Arch;
pub use checked::Checked;
pub use diagnostic::{Additions, Diagnostic, Position, Severity};
pub use digest::{Digest, VerityDigest};
pub use epoch::Epoch;
pub use explain::{Explain, Explanation};
pub use file_name::FileName;
pub use manifest::Manifest;
pub use path::ImagePath;
pub use pattern::Pattern;
pub use resolution::Resolution;
pub use secret::Secret;
