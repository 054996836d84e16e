//! Documents that people write in YAML: bytes in, a checked value or every error of the file out.
//!
//! Nothing here knows what a document is about. A kind of document gives its [`Format`] and a function that walks
//! the tree; everything else is the same for all of them: limits, positions in characters and bytes, the tree
//! with its aliases, repeated and unknown keys with what was probably meant, and the order of the findings.
//!
//! ```
//! use model::document::{Check, Cursor, Field, Format, Shape, Table, read};
//!
//! const POT: Format = Format { noun: "pot", begins: "`flavour: ...`", ..Format::PLAIN };
//! static KEYS: Table = Table {
//!     description: "A pot of tea",
//!     fields: &[Field::new("flavour", "What it smells of", Shape::LINE).required("say which one it is")],
//! };
//!
//! fn pot(check: &mut Check<'_>, at: &Cursor<'_>) -> Option<String> {
//!     let object = check.object(at, &KEYS)?;
//!     let flavour = object.required(check, "flavour")?;
//!     check.line(&flavour).map(|entry| entry.value)
//! }
//!
//! assert_eq!(KEYS.json_schema("Pot")["properties"]["flavour"]["description"], "What it smells of");
//! assert_eq!(read(b"flavour: green\n", &POT, pot).value.as_deref(), Some("green"));
//! let found = read(b"flavor: green\n", &POT, pot).diagnostics;
//! assert_eq!(found.iter().map(|found| found.code).collect::<Vec<_>>(), ["unknown-key", "missing-key"]);
//! assert_eq!(found[0].hint, "did you mean `flavour`?");
//! ```

mod check;
mod cursor;
mod entry;
mod format;
mod json;
mod read;
mod scalar;
mod seen;
mod structure;
mod table;
mod text;
mod value;
mod yaml;

pub use check::{Check, Object};
pub use cursor::Cursor;
pub use entry::Entry;
pub use format::{Format, Retired};
pub use read::{Read, read};
pub use scalar::Scalar;
pub use seen::Seen;
pub use table::{Bounds, Choice, Field, Shape, Table, words};
pub use text::{excerpt, nearest};
pub use yaml::{Key, MAX_BYTES, MAX_DEPTH, MAX_KEY, MAX_NODES, Place};
