//! What the reader has to know of a kind of document.

/// A kind of document, as far as the reader's messages need it.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// What such a document is called: a word that takes `a`, such as `manifest`.
    pub noun: &'static str,
    /// How one begins, for whoever wrote an empty file.
    pub begins: &'static str,
    /// What makes a file that is too large smaller.
    pub smaller: &'static str,
    /// What makes a file with too many values simpler.
    pub fewer: &'static str,
    /// What to say about a key that earlier versions of the format had, by the path of the mapping that holds
    /// it and the key.
    pub retired: fn(field: &str, key: &str) -> Option<Retired>,
}

/// What became of a key of earlier versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// That it is no longer a key, and what it was.
    pub message: String,
    /// Where it belongs now.
    pub hint: String,
}

impl Format {
    /// A format to begin with: without history, and with advice that fits every document.
    pub const PLAIN: Self = Self {
        noun: "document",
        begins: "`schema_version: 1`",
        smaller: "split the document",
        fewer: "split the document",
        retired: |_, _| None,
    };
}
